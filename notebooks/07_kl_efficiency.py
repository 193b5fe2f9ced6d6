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
# Is KL a measure of effort? It is not across methods, the paper says: best-of-n and PPO spend it differently. How many nats does
# each need for the same gold? And for the same proxy score?

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
from overopt.analysis import frontier, page_tables
from overopt.report import figures, pages, sentences

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

# %% [markdown]
# ## Which settings of PPO spend KL best
#
# The paper says little about the settings of its PPO. A study can compare settings by KL efficiency. A run has reached a proxy
# score and spent KL on it. The [best possible policy](06_best_possible) needs less KL for that score. Efficiency is what it needs,
# divided by what the run spent. Each setting runs once, with a seed and prompts that nothing else uses, and is never judged by
# gold. The rule takes the mean efficiency where a run first reaches 1, 2, 3, 5 and 10 nats.

# %% tags=["remove-input"]
tried = page_tables.ppo_sweep(page.evidence)
page.say(sentences.say_ppo_sweep(tried))

# %% tags=["hide-input"]
page.table(
    "tab-ppo-sweep", tried, caption="KL efficiency of the settings of PPO that were tried, the best first."
)

# %% tags=["remove-input"]
page.about()
