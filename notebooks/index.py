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
from overopt.analysis import fit_shapes
from overopt.report import citation, downloads, front_page, pages

page = pages.open_page(study, "index")
evidence = page.evidence

# %% tags=["remove-input"]
page.say(front_page.opening(page.results.verdicts, fit_shapes.shapes(evidence, "bon")))

# %% mystnb={"figure": {"caption": "A policy optimised by PPO against proxies of several sizes. Dashed: the proxy's own score; compare its shape with gold's, not its height. Solid: gold, with a band of one standard error and a star at its highest. A mean ends where the first of its runs ends; single runs are thin. KL stands on a square-root scale. At most three sizes are shown at first.", "name": "fig-headline"}} tags=["remove-input"]
description = "Gold and proxy score of PPO against KL, by proxy size; the highest gold is starred."
shown = {"stars": True, "law": False, "height": front_page.CHART_HEIGHT, "description": description}
page.gold_and_proxy(evidence.sizes, "ppo", **shown)

# %% tags=["remove-input"]
page.say(front_page.scale(evidence))

# %% [markdown]
# ```{margin}
# New words are explained in the margins and in the [glossary](glossary).
# ```
#
# ## What holds here
#
# These are the claims of {cite:t}`gao2022scaling` ([arXiv 2210.10760](https://arxiv.org/abs/2210.10760)), each with the rule
# that decides. Brackets are 95% intervals over seeds and prompts. *Surely* means that such an interval leaves no other answer.
# Gold *turns* where it surely rises and then falls, and *bends* where it surely flattens. In the laws *d* is √KL, α is how
# steeply gold rises, and β is how strongly the curve bends down.

# %% tags=["remove-input"]
page.say(front_page.tally(page.results.verdicts))

# %% [markdown]
# Each small picture has what was measured here on its right. On its left stands the paper's law, with
# [coefficients that a third party read off](02_functional_forms), or a sketch of what the claim says; no half shows the paper's
# data. [The rules](09_rules) tells how often each rule is right, when it was changed, and what verdicts came out before.

# %% tags=["remove-input"]
page.say(front_page.caveats(evidence))

# %% tags=["remove-input"]
page.say(downloads.say_short(page.results))

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
# - **Up**: scores in standard deviations (SDs) of gold over samples of the initial policy. That policy has score 0 and KL 0.
# - **Solid** lines are gold, with a band of one standard error over prompts, and over seeds where there are several;
#   **dashed** lines are the proxy's own score; **dotted** lines are the fitted law; **grey** lines are the paper's laws.
#   Bars are one standard error to each side. Colours run from small (warm) to large (cool).
# - One run of **PPO**, or PPO with a penalty, is drawn in the order of its steps. Where KL falls, the line turns left.
# - **A mean over runs** is taken at equal KL, where each run first came to it. It goes as far as all of them
#   came; thin lines are the runs, to their ends.
# - **Hover** for numbers. **Click** a legend entry to show or fade it, and click the plot to see all. Each
#   figure's data can be downloaded below it. Without JavaScript charts are pictures. Nothing is fetched from a network.
#
# ## Read on
#
# - [The chain](00_chain): how text, gold, pairs and proxies were made. How good a judge is gold? Where does this depart from the
#   paper?
# - [Gold score against optimisation](01_gold_vs_optimisation): the paper's central figure, and what the text becomes.
# - [The laws](02_functional_forms): what they say, and how far they reach.
# - [Data, proxies, policies](03_model_data_policy_scale): what makes a proxy hard to overoptimise.
# - [KL penalty](04_kl_penalty): is it more than early stopping?
# - [Why gold falls](05_goodhart_and_implications), what iterating does about it, and the limits of all this.
# - [The best that any policy could do](06_best_possible), and [what a nat buys](07_kl_efficiency).
# - [What helps](09_what_helps): every method against overoptimisation on one axis.
# - [Models that others trained](08_other_models): the same for a pretrained policy, what it costs, and how to run it for yours.
# - [The rules](09_rules) behind the verdicts: what they can tell, and their history.
# - [Without gold](10_without_gold): when to stop, and what will come, by what can be seen without it.
#
# ## Make it yourself
#
# ```bash
# make report STUDY=published   # these pages, from the tables that come with the project
# make report                   # a smaller study, in about ten minutes
# make pdf STUDY=published      # the same pages as one PDF, where a Chromium is installed
# .venv/bin/overopt bon scores.csv --out curves.csv && .venv/bin/overopt fit curves.csv --form bon    # your own scores
# ```
#
# ## Cite

# %% tags=["remove-input"]
page.say(citation.say_citation())

# %% tags=["remove-input"]
page.about()
