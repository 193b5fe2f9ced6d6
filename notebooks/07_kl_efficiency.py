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
# # What a nat buys
#
# KL is a poor measure of effort: best-of-n and PPO spend it differently. This page asks how many nats each needs for the
# same gold, and for the same proxy score.

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
from overopt.analysis import frontier
from overopt.report import figures, pages

page = pages.open_page(study, "07_kl_efficiency")
nats = "KL needed (nats)"

# %% tags=["remove-input"]
page.card("RL spends far more KL than best-of-n for the same gain.", 12)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-for-gold", "caption": "KL needed to reach a level of gold for the first time, best-of-n and PPO, by proxy size (our own)."}}
need = frontier.kl_needed(page.evidence, "gold")
description = "KL that best-of-n and PPO need to reach a level of gold, by proxy size."
page.figure(figures.lines, need, "gold", "kl", nats, kind="what", description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-for-proxy", "caption": "KL needed to reach a level of the proxy's score for the first time, best-of-n and PPO, by proxy size (our own)."}}
need = frontier.kl_needed(page.evidence, "proxy")
description = "KL that best-of-n and PPO need to reach a level of proxy score, by proxy size."
page.figure(figures.lines, need, "proxy", "kl", nats, kind="what", description=description)

# %% tags=["remove-input"]
page.card("By proxy score the two methods align better than by KL.", 13)

# %% tags=["remove-input"]
page.about()
