# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb
#     notebook_metadata_filter: kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # More data, larger proxies, larger policies
#
# What makes a proxy hard to overoptimise: its size, its data, or the policy that is optimised against it?
#
# :::{margin}
# **Pairs**: labelled comparisons that a proxy was trained on. **Epochs**: passes over them.
#
# **Chance**: a proxy that orders half of the held-out pairs as gold does knows nothing.
# :::

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
import polars as pl

from overopt import api
from overopt.analysis import figure_tables
from overopt.analysis.evidence import Evidence
from overopt.report import figures, page

page.start()
r = api.load_results(study)
e = Evidence(r)

# %% [markdown]
# ## Data

# %% tags=["remove-input"]
page.card(
    r,
    "With more data gold rises higher and falls later; the proxies are of one size.",
    7,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-bon", "caption": "Best-of-n against proxies of the smaller of two sizes, by number of training pairs (paper: Fig. 4a). Gold solid with a band of one standard error, proxy dashed, fitted law dotted."}}
part = e.data(e.data_sizes[0]) if e.data_sizes else None
page.if_measured(
    part is not None and part.has("bon"),
    lambda: figures.gold_and_proxy(
        part.of("bon"),
        part.law_lines("bon"),
        by=figures.PAIRS,
        title=page.proxy_title(part),
        description="Best-of-n against one proxy size, by number of training pairs.",
    ),
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-bon-large", "caption": "The same against proxies of the larger size (paper: Fig. 19)."}}
part = e.data(e.data_sizes[-1]) if e.data_sizes else None
page.if_measured(
    part is not None and part.has("bon"),
    lambda: figures.gold_and_proxy(
        part.of("bon"),
        part.law_lines("bon"),
        by=figures.PAIRS,
        title=page.proxy_title(part),
        description="Best-of-n against one proxy size, by number of training pairs.",
    ),
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-ppo", "caption": "PPO against proxies of the larger size, by number of training pairs (paper: Fig. 4b, which has a small proxy)."}}
part = e.data(e.data_sizes[-1]) if e.data_sizes else None
page.if_measured(
    part is not None and part.has("ppo"),
    lambda: figures.gold_and_proxy(
        part.of("ppo"),
        part.law_lines("ppo"),
        by=figures.PAIRS,
        title=page.proxy_title(part),
        description="PPO against one proxy size, by number of training pairs.",
    ),
)

# %% [markdown]
# ## Validation loss

# %% tags=["remove-input"]
page.card(
    r,
    "Below about 2,000 pairs every proxy is near chance, whatever its size; above, loss falls with data, faster for large ones.",
    8,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-loss-data", "caption": "Validation loss of the proxies against training pairs, by proxy size, mean over seeds (paper: Fig. 6). The dotted line is chance, ln 2."}}
grid = e.grid
figures.lines(
    grid,
    x=figures.log_axis(grid, "pairs", "training pairs"),
    y="rm_loss",
    y_title="validation loss (nats a pair)",
    by=figures.SIZES,
    rule=0.6931,
    description="Validation loss of proxies against training pairs, by proxy size.",
)

# %% tags=["remove-input"]
page.card(
    r,
    "Proxies of equal validation loss are about equally robust, whatever their size and data; the evidence is weak.",
    9,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-loss-gold", "caption": "Gold of best-of-n at the largest n against the proxy's validation loss, a point for each size and number of pairs, with one standard error (paper: Fig. 5)."}}
figures.lines(
    grid.rename({"gold_end": "gold", "gold_end_se": "gold_se"}),
    x=figures.linear_axis("rm_loss", "validation loss (nats a pair)"),
    y="gold",
    y_title="gold at the largest n (SDs)",
    by=figures.SIZES,
    connected=False,
    description="Gold of best-of-n at the largest n against validation loss, by proxy size.",
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-grid-top", "caption": "Highest gold of best-of-n by proxy size and number of training pairs (paper: Fig. 10)."}}
figures.lines(
    grid.rename({"gold_top": "gold", "gold_top_se": "gold_se"}),
    x=figures.log_axis(grid, "rm_params", "proxy parameters"),
    y="gold",
    y_title="highest gold of best-of-n (SDs)",
    by=figures.PAIRS,
    description="Highest gold of best-of-n against proxy size, by number of training pairs.",
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-grid-end", "caption": "Gold of best-of-n at the largest n by number of training pairs and proxy size; the dotted line is the initial policy (paper: Fig. 21)."}}
figures.lines(
    grid.rename({"gold_end": "gold", "gold_end_se": "gold_se"}),
    x=figures.log_axis(grid, "pairs", "training pairs"),
    y="gold",
    y_title="gold at the largest n (SDs)",
    by=figures.SIZES,
    rule=0.0,
    description="Gold of best-of-n at the largest n against training pairs, by proxy size.",
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-alpha-data", "caption": "\u03b1 of best-of-n against training pairs, mean over proxy sizes with one standard error of that mean (paper: Fig. 17)."}}
by_data = figure_tables.coefficients_by_pairs(e)
page.if_measured(
    by_data.height > 1,
    lambda: figures.lines(
        by_data,
        x=figures.log_axis(by_data, "pairs", "training pairs"),
        y="alpha",
        y_title="α of best-of-n",
        by=figures.Group("what", "", str),
        description="Alpha of best-of-n against training pairs, mean over proxy sizes.",
    ),
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-beta-data", "caption": "\u03b2 of best-of-n against training pairs, mean over proxy sizes with one standard error of that mean (paper: Fig. 18)."}}
page.if_measured(
    by_data.height > 1,
    lambda: figures.lines(
        by_data,
        x=figures.log_axis(by_data, "pairs", "training pairs"),
        y="beta",
        y_title="β of best-of-n",
        by=figures.Group("what", "", str),
        description="Beta of best-of-n against training pairs, mean over proxy sizes.",
    ),
)

# %% [markdown]
# ## Unique data against epochs

# %% tags=["remove-input"]
page.card(
    r,
    "Unique pairs matter; passing over the same pairs again gains little.",
    10,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-epochs", "caption": "Gold of best-of-n at the largest n against pairs seen in training, by epochs: at the same place on the axis, one epoch means more unique pairs (paper: Fig. 13)."}}
epochs = e.epochs
page.if_measured(
    epochs.height > 0,
    lambda: figures.lines(
        epochs.with_columns(seen=pl.col("pairs") * pl.col("epochs")),
        x=figures.log_axis(
            epochs.with_columns(seen=pl.col("pairs") * pl.col("epochs")),
            "seen",
            "pairs seen (pairs × epochs)",
        ),
        y="gold",
        y_title="gold at the largest n (SDs)",
        by=figures.Group("epochs", "Epochs", "{:d}".format),
        title=page.proxy_title(epochs),
        description="Gold of best-of-n at the largest n against pairs seen, by number of epochs.",
    ),
)

# %% [markdown]
# ## Policy size

# %% tags=["remove-input"]
page.card(
    r,
    "A larger policy gains less from optimisation, peaks at nearly the same KL, and overoptimises no more.",
    11,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-policy-bon", "caption": "Best-of-n by policy size, against the smaller of two proxies (paper: Fig. 7a). All scores are relative to the start of the main policy. A star marks the highest gold. The other policies have fewer samples a prompt and go to a smaller n."}}
part = e.policies(e.policy_proxies[0]) if e.policy_proxies else None
page.if_measured(
    part is not None and part.has("bon"),
    lambda: figures.gold_and_proxy(
        part.of("bon"),
        part.law_lines("bon"),
        part.peaks("bon"),
        by=figures.POLICIES,
        title=page.proxy_title(part),
        description="Best-of-n of policies of three sizes against one proxy.",
    ),
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-policy-ppo", "caption": "PPO by policy size, against the smaller proxy; stars mark the highest gold (paper: Fig. 7b)."}}
part = e.policies(e.policy_proxies[0]) if e.policy_proxies else None
page.if_measured(
    part is not None and part.has("ppo"),
    lambda: figures.gold_and_proxy(
        part.of("ppo"),
        part.law_lines("ppo"),
        part.peaks("ppo"),
        by=figures.POLICIES,
        title=page.proxy_title(part),
        description="PPO of policies of three sizes against one proxy.",
    ),
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-policy-ppo-large", "caption": "PPO by policy size, against the larger proxy (paper: Fig. 22)."}}
part = e.policies(e.policy_proxies[-1]) if e.policy_proxies else None
page.if_measured(
    part is not None and part.has("ppo"),
    lambda: figures.gold_and_proxy(
        part.of("ppo"),
        part.law_lines("ppo"),
        part.peaks("ppo"),
        by=figures.POLICIES,
        title=page.proxy_title(part),
        description="PPO of policies of three sizes against one proxy.",
    ),
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-policy-zeroed", "caption": "PPO by policy size against the smaller proxy once more, with each policy's own start set to 0 (paper: Fig. 23)."}}
zeroed = figure_tables.rezeroed(e)
page.if_measured(
    zeroed.height > 0,
    lambda: figures.lines(
        zeroed,
        x=figures.nats_axis(zeroed),
        y="gold",
        y_title="gold above the policy's own start (SDs)",
        by=figures.POLICIES,
        description="Gold of PPO less gold at the start, by policy size.",
    ),
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-policy-gap", "caption": "Proxy score less gold under PPO, each from its own start, by policy size (paper: Fig. 24)."}}
page.if_measured(
    zeroed.height > 0,
    lambda: figures.lines(
        zeroed,
        x=figures.nats_axis(zeroed),
        y="gap",
        y_title="proxy less gold (SDs)",
        by=figures.POLICIES,
        description="Proxy score less gold of PPO, each from its start, by policy size.",
    ),
)

# %% [markdown]
# ## KL against steps

# %% tags=["remove-input"]
page.card(
    r,
    "Without a penalty KL grows about with the square of steps; larger policies move less.",
    15,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-step", "caption": "KL against PPO step by proxy size, a line for each run (paper: Fig. 16)."}}
figures.kl_against_step(
    e.sizes.curves.filter(method="ppo"), description="KL against PPO step, by proxy size."
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-step-policy", "caption": "KL against PPO step by policy size, against the smaller proxy (paper: Fig. 15)."}}
part = e.policies(e.policy_proxies[0]) if e.policy_proxies else None
page.if_measured(
    part is not None,
    lambda: figures.kl_against_step(
        part.curves.filter(method="ppo"),
        by=figures.POLICIES,
        description="KL against PPO step, by policy size.",
    ),
)

# %% tags=["remove-input"]
page.about(r, "03_model_data_policy_scale")
