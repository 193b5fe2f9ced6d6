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
# # How far to trust a reward model

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["remove-input"]
from overopt.report import front_page, pages, world_caveat

page = pages.open_page(study, "index")
evidence = page.evidence

# %% tags=["remove-input"]
page.say(front_page.opening(page.results.verdicts))

# %% tags=["remove-input"]
page.say(world_caveat.say_caveat(page.results.study))

# %% tags=["remove-input"] mystnb={"figure": {"name": "fig-headline", "caption": "A policy optimised by PPO against proxies of several sizes: the proxy's own score (dashed), and gold (solid, with a band of one standard error), which a star marks at its highest. A click on a size in the legend shows or fades it."}}
description = "Gold and proxy score of PPO against KL, by proxy size; the highest gold is starred."
shown = {"stars": True, "law": False, "height": front_page.CHART_HEIGHT, "description": description}
page.gold_and_proxy(evidence.sizes, "ppo", **shown)

# %% [markdown]
# ```{margin}
# New words are explained in the margins and in the [glossary](glossary).
# ```
#
# ## What holds here
#
# The claims of {cite:t}`gao2022scaling`, each with the rule that decides. ● holds, ◐ partly, ○ does not hold, ? cannot
# tell. Small pictures show the paper beside what was measured here, on the same axes; the paper's half is drawn from its
# laws, with [coefficients that a third party read off](02_functional_forms), and where those say nothing, as the claim has
# it. [The rules](09_rules) says how often each rule tells what is so, and when it was changed.

# %% tags=["remove-input"]
page.verdict_cards()

# %% [markdown]
# ## The outcome

# %% tags=["remove-input"]
page.say(front_page.in_short(evidence))

# %% [markdown]
# ## How to read these plots
#
# - **Across**: how far the policy has moved from where it began, as KL in nats on a square-root scale. A nat is about what
#   best-of-6 costs.
# - **Up**: scores in standard deviations of gold over samples of the initial policy, which has score 0 and KL 0.
# - **Solid** lines are gold, with a band of one standard error over prompts, and over seeds where there are several;
#   **dashed** lines are the proxy's own score; **dotted** lines are the fitted law; **grey** lines are the paper's laws.
#   Bars are one standard error to each side. Colours run from small (warm) to large (cool).
# - **PPO** of one run, or with a penalty, is drawn in the order of its steps: where KL falls, the line turns left. A mean over
#   runs is taken where each first came to a KL; a cross stands where a run ends, and the mean goes on over the others.
# - Hover for numbers; click a legend entry to keep it, shift-click for more, the plot to see all again. Each
#   figure's data can be downloaded below it. Without JavaScript charts are pictures. Nothing is fetched from a network.
#
# ## Read on
#
# - [The chain](00_chain): how the text, the gold model, the pairs and the proxies were made, how good a judge gold is,
#   and where this departs from the paper.
# - [Gold score against optimisation](01_gold_vs_optimisation): the paper's central figure, and what the text becomes.
# - [The laws](02_functional_forms), and how far they reach.
# - [Data, proxies, policies](03_model_data_policy_scale): what makes a proxy hard to overoptimise.
# - [KL penalty](04_kl_penalty): is it more than early stopping?
# - [Why gold falls](05_goodhart_and_implications), what iterating does about it, and the limits of all this.
# - [The best that any policy could do](06_best_possible), and [what a nat buys](07_kl_efficiency).
# - [The rules](09_rules) behind the verdicts: what they can tell, and their history.
#
# ## Make it yourself
#
# ```bash
# make report STUDY=published   # these pages, from the tables that come with the project
# make report                   # a smaller study, in about ten minutes
# .venv/bin/overopt bon scores.csv --out curves.csv && .venv/bin/overopt fit curves.csv --form bon    # your own scores
# ```

# %% tags=["remove-input"]
page.about()
