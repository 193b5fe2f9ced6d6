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
# A KL penalty charges PPO for every nat by which it leaves the initial policy. Does that change gold at a given KL? Or does it
# only change how far the policy gets?
#
# :::{margin}
# **KL penalty**: the weight with which KL is subtracted from the reward. It is in SDs of gold a nat: a proxy's score is
# scaled to gold's SDs.
#
# **Early stopping**: train without a penalty, and take the policy of an earlier step.
# :::

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
from overopt.analysis import figure_tables
from overopt.report import figures, pages, sentences

page = pages.open_page(study, "04_kl_penalty")
evidence = page.evidence

# %% tags=["remove-input"]
page.card(
    "Gold depends only on the KL that is reached: a penalty acts like early stopping, and widens the gap between proxy and gold.",
    14,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-penalty", "caption": "PPO with and without a KL penalty, against the largest proxy that had penalties: gold solid with a band of one standard error, proxy dashed (paper: Fig. 9, whose policy and proxy have the same size). Where a line stands upright, gold moved while KL did not."}}
penalised = evidence.penalties(max(evidence.penalty_proxies, default=0))
description = "Gold and proxy score of PPO against KL, by KL penalty."
page.gold_and_proxy(penalised, "ppo", law=False, description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-step-penalty", "caption": "KL against PPO step by KL penalty, against the same proxy (paper: Fig. 14, where KL rises almost steadily, and levels off where the penalty is high)."}}
description = "KL against PPO step, by KL penalty."
page.figure(figures.kl_against_step, penalised.curves, by=figures.PENALTIES, description=description)

# %% [markdown]
# ## One frontier?
#
# The table has the end of each penalised run. Beside it stands the run without a penalty at the same KL: early stopping would
# have given that. *When first there* is the penalised run itself, at the step where its KL first came to four fifths of its last
# KL. What gold gained or lost after that step, it did at about the same KL.

# %% tags=["hide-input"]
page.table(
    "tab-penalty",
    figure_tables.penalty_ends(evidence),
    caption="The end of each penalised run, and the run without a penalty at the same KL (SDs, ± one standard error).",
)

# %% tags=["remove-input"]
page.say(sentences.say_arrival(figure_tables.penalty_ends(evidence)))

# %% [markdown]
# ## Updates that were clipped

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-ppo-health", "caption": "Fraction of PPO updates clipped (paper: Fig. 25), entropy of the policy and length of its completions, against KL, without a penalty."}}
description = "Clip fraction, entropy and length against KL, by proxy size."
plain = evidence.sizes.curves.filter(method="ppo")
page.figure(figures.ppo_health, plain, description=description)

# %% tags=["remove-input"]
page.about()
