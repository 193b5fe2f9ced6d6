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
from overopt.analysis import figure_tables, page_tables, turned_labels
from overopt.report import falls, figures, pages

page = pages.open_page(study, "03_model_data_policy_scale")
evidence = page.evidence

# %% [markdown]
# ## Data

# %% tags=["remove-input"]
page.card("With more data, at one proxy size, gold rises higher and is overoptimised less.", 7)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-bon", "caption": "Best-of-n against proxies of the smallest size that all numbers of pairs were measured with (paper: Fig. 4a). Gold solid with a band of one standard error, proxy dashed, fitted law dotted."}}
small = evidence.data(min(evidence.data_sizes, default=0))
description = "Best-of-n against one proxy size, by number of training pairs."
page.gold_and_proxy(small, "bon", description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-bon-large", "caption": "The same against proxies of the largest such size (paper: Fig. 19)."}}
large = evidence.data(max(evidence.data_sizes, default=0))
page.gold_and_proxy(large, "bon", description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-ppo", "caption": "PPO against proxies of that largest size, by number of training pairs (paper: Fig. 4b, which has a small proxy)."}}
description = "PPO against one proxy size, by number of training pairs."
page.gold_and_proxy(large, "ppo", description=description)

# %% [markdown]
# ## Flipped labels
#
# People do not agree on which of two texts is better. [Coste et al. (2023)](https://arxiv.org/abs/2310.02743) flip a quarter of
# the labels for that reason, and with such proxies they see best-of-n rise and then fall. The paper flips none.

# %% tags=["remove-input"]
turned = turned_labels.peaks(evidence)
page.say(falls.say_turned(turned))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-turned", "caption": "Best-of-n against the largest proxy that has flipped labels, by the share of labels flipped (ours; Coste et al. 2023, for their models). Gold solid with a band of one standard error, proxy dashed, fitted law dotted."}}
description = "Best-of-n against one proxy size, by the share of labels flipped."
page.gold_and_proxy(turned_labels.of_largest(evidence), "bon", description=description)

# %% tags=["remove-input"]
page.table(
    "tab-turned",
    turned,
    caption="Best-of-n by the share of labels flipped, means over seeds. Gold in SDs; accuracy on held-out pairs; falls: with prompts and seeds drawn again, gold at some n surely lies above where it ends.",
)

# %% [markdown]
# ## Validation loss

# %% tags=["remove-input"]
page.card(
    "Below about 2,000 pairs every proxy is near chance, whatever its size. Above that, loss falls with data, and faster for large proxies.",
    8,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-loss-data", "caption": "Validation loss of the proxies against training pairs, by proxy size, mean over seeds (paper: Fig. 6). The dotted line is chance, ln 2."}}
grid, loss = evidence.grid, "validation loss (nats a pair)"
description = "Validation loss of proxies against training pairs, by proxy size."
figures.lines(grid, "pairs", "rm_loss", loss, rule=figures.CHANCE, description=description)

# %% tags=["remove-input"]
page.card(
    "Proxies of equal validation loss are about equally robust, whatever their size and data. The evidence is weak.",
    9,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-loss-gold", "caption": "Gold of best-of-n at the largest n against the proxy's validation loss, a point for each size and number of pairs, with one standard error (paper: Fig. 5)."}}
ends, gold = page_tables.at_largest_n(evidence), "gold at the largest n (SDs)"
description = "Gold of best-of-n at the largest n against validation loss, by proxy size."
figures.lines(ends, "rm_loss", "gold", gold, connected=False, description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-grid-top", "caption": "Highest gold of best-of-n by proxy size and number of training pairs (paper: Fig. 10)."}}
tops, highest = page_tables.highest(evidence), "highest gold of best-of-n (SDs)"
description = "Highest gold of best-of-n against proxy size, by number of training pairs."
figures.lines(tops, "rm_params", "gold", highest, by=figures.PAIRS, description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-grid-end", "caption": "Gold of best-of-n at the largest n by number of training pairs and proxy size; the dotted line is the initial policy (paper: Fig. 21)."}}
description = "Gold of best-of-n at the largest n against training pairs, by proxy size."
figures.lines(ends, "pairs", "gold", gold, rule=0.0, description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-alpha-data", "caption": "\u03b1 of best-of-n against training pairs, mean over proxy sizes with one standard error of that mean (paper: Fig. 17); beside it a replication with larger models."}}
means, by = page_tables.coefficients_by_pairs(evidence), figures.WHAT
alpha, description = "α of best-of-n (SDs/√nat)", "Alpha of best-of-n against training pairs."
page.figure(figures.lines, means, "pairs", "alpha", alpha, least=2, by=by, description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-beta-data", "caption": "\u03b2 of best-of-n against training pairs, mean over proxy sizes with one standard error of that mean (paper: Fig. 18); beside it a replication with larger models."}}
beta, description = "β of best-of-n (SDs/nat)", "Beta of best-of-n against training pairs."
page.figure(figures.lines, means, "pairs", "beta", beta, least=2, by=by, description=description)

# %% [markdown]
# ## Unique data against epochs

# %% tags=["remove-input"]
page.card("Unique pairs matter; passing over the same pairs again gains little.", 10)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-epochs", "caption": "Gold of best-of-n at the largest n against pairs seen in training, by epochs: at the same place on the axis, one epoch means more unique pairs (paper: Fig. 13)."}}
epochs, by = page_tables.epochs_seen(evidence), figures.EPOCHS
description = "Gold of best-of-n at the largest n against pairs seen, by number of epochs."
page.figure(figures.lines, epochs, "seen", "gold", gold, by=by, description=description)

# %% [markdown]
# ## Policy size

# %% tags=["remove-input"]
page.card(
    "A larger policy gains less from optimisation, peaks at nearly the same KL, and overoptimises no more.",
    11,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-policy-bon", "caption": "Best-of-n by policy size, against the smallest proxy that several policies share (paper: Fig. 7a). All scores are relative to the start of the main policy. A star marks the highest gold. A policy with fewer samples a prompt goes to a smaller n."}}
small = evidence.policies(min(evidence.policy_proxies, default=0))
description = "Best-of-n of policies of several sizes against one proxy."
page.gold_and_proxy(small, "bon", stars=True, description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-policy-ppo", "caption": "PPO by policy size, against the smallest proxy that PPO of several policies was run against; stars mark the highest gold (paper: Fig. 7b)."}}
ppo, description = evidence.policies_by_ppo(0), "PPO of policies of several sizes against one proxy."
page.gold_and_proxy(ppo, "ppo", stars=True, description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-policy-ppo-large", "caption": "PPO by policy size, against a larger proxy (paper: Fig. 22)."}}
larger = evidence.policies_by_ppo(1)
page.gold_and_proxy(larger, "ppo", stars=True, measured_by="", description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-policy-zeroed", "caption": "PPO by policy size against the first of these proxies once more, with each policy's own start set to 0 (paper: Fig. 23)."}}
zeroed, gold = figure_tables.rezeroed(evidence), "gold above the policy's own start (SDs)"
by = figures.POLICIES
description = "Gold of PPO minus gold at the start, by policy size."
page.figure(figures.lines, zeroed, "kl", "gold", gold, by=by, description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-policy-gap", "caption": "Proxy score minus gold under PPO against the first of these proxies, each from its own start, by policy size (paper: Fig. 24)."}}
gap = "proxy minus gold (SDs)"
description = "Proxy score minus gold of PPO, each from its start, by policy size."
page.figure(figures.lines, zeroed, "kl", "gap", gap, by=by, description=description)

# %% [markdown]
# ## KL against steps

# %% tags=["remove-input"]
page.card("Without a penalty KL grows about with the square of steps; larger policies move less.", 15)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-step", "caption": "KL against PPO step by proxy size, a line for each run (paper: Fig. 16)."}}
description = "KL against PPO step, by proxy size."
figures.kl_against_step(evidence.sizes.curves.filter(method="ppo"), description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-step-policy", "caption": "KL against PPO step by policy size, against the first of these proxies (paper: Fig. 15)."}}
steps = ppo.curves.filter(method="ppo")
description = "KL against PPO step, by policy size."
page.figure(figures.kl_against_step, steps, by=figures.POLICIES, description=description)

# %% tags=["remove-input"]
page.about()
