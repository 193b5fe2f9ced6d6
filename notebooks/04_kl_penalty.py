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
# # Is a KL penalty more than early stopping?
#
# PPO may be charged for every nat by which it leaves the initial policy. Does that change what gold is worth at a given
# KL, or only how far the policy gets?
#
# :::{margin}
# **KL penalty**: the weight, in SDs of gold a nat, with which KL is subtracted from the reward.
#
# **Early stopping**: training without a penalty, and taking the policy of an earlier step.
# :::

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]

from overopt import api
from overopt.analysis import figure_tables
from overopt.analysis.evidence import Evidence
from overopt.report import figures, page

page.start()
r = api.load_results(study)
e = Evidence(r)

# %% tags=["remove-input"]
page.card(
    r,
    "Gold depends only on the KL that is reached: a penalty acts like early stopping, and widens the gap between proxy and gold.",
    14,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-penalty", "caption": "PPO with and without a KL penalty, against the smaller of two proxies: gold solid with a band of one standard error, proxy dashed (paper: Fig. 9, whose policy and proxy have the same size). Where a line stands upright, gold moved while KL did not."}}
part = e.penalties(e.penalty_proxies[0]) if e.penalty_proxies else None
page.if_measured(
    part is not None,
    lambda: figures.gold_and_proxy(
        part.of("ppo"),
        part.law_lines("ppo").clear(),
        by=figures.PENALTIES,
        title=page.proxy_title(part),
        description="PPO with KL penalties, against the smaller proxy.",
    ),
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-penalty-large", "caption": "PPO with and without a KL penalty, against the larger of two proxies: gold solid, proxy dashed."}}
part = e.penalties(e.penalty_proxies[-1]) if e.penalty_proxies else None
page.if_measured(
    part is not None,
    lambda: figures.gold_and_proxy(
        part.of("ppo"),
        part.law_lines("ppo").clear(),
        by=figures.PENALTIES,
        title=page.proxy_title(part),
        description="PPO with KL penalties, against the larger proxy.",
    ),
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-step-penalty", "caption": "KL against PPO step by KL penalty, against the larger proxy (paper: Fig. 14, where KL grows almost without a fall, and levels off where the penalty is high)."}}
page.if_measured(
    part is not None,
    lambda: figures.kl_against_step(
        part.curves, by=figures.PENALTIES, description="KL against PPO step, by KL penalty."
    ),
)

# %% [markdown]
# ## One frontier?
#
# Where each penalised run ended, beside the run without a penalty at the same KL: what early stopping would have given. *When
# first there* is the penalised run itself, when its KL first came within a fifth of where it ended: what gold gained from there,
# it gained while the penalty held KL.

# %% tags=["hide-input"]
ends = figure_tables.penalty_ends(e)
page.table(
    [
        "proxy size",
        "penalty (SDs a nat)",
        "KL at the end (nats)",
        "gold",
        "gold when first there",
        "gold of early stopping",
        "proxy score",
        "proxy score of early stopping",
    ],
    [
        [
            page.short_number(row["rm_params"]),
            f"{row['kl_penalty']:g}",
            page.number(row["kl"], 1),
            page.with_se(row["gold"], row["gold_se"]),
            page.with_se(row["gold_first"], row["gold_se_first"]),
            page.with_se(row["gold_free"], row["gold_se_free"]),
            page.number(row["proxy"]),
            page.number(row["proxy_free"]),
        ]
        for row in ends.iter_rows(named=True)
    ],
    caption="The end of each penalised run, and the run without a penalty at the same KL (SDs, ± one standard error).",
    name="tab-penalty",
) if ends.height else page.not_measured("KL penalties")

# %% [markdown]
# ## Updates that were clipped

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-ppo-health", "caption": "Fraction of PPO updates clipped (paper: Fig. 25), entropy of the policy and length of its completions, against KL, without a penalty."}}
figures.ppo_health(
    e.sizes.curves.filter(method="ppo"),
    description="Clip fraction, entropy and length against KL, by proxy size.",
)

# %% tags=["remove-input"]
page.about(r, "04_kl_penalty")
