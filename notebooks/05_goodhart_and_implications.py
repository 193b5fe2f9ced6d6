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
# # Why gold falls, and what follows
#
# A proxy departs from gold in two ways. In *regressional* Goodhart the proxy is gold plus noise: it promises too much, but what
# it prefers is better on average. In *extremal* Goodhart the proxy is wrong where the initial policy seldom goes: it does no
# harm until a policy goes there {cite}`gao2022scaling`.
#
# :::{margin}
# **Correlation** of proxy and gold is taken within prompts, over samples of the initial policy.
#
# **Perfect selection**: best-of-n by gold itself.
#
# **X, Z**: gold, and the noise that the proxy adds to it.
# :::

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
from overopt.analysis import goodhart
from overopt.report import figures, pages, sentences, worlds

page = pages.open_page(study, "05_goodhart_and_implications")
evidence = page.evidence

# %% [markdown]
# ## Noise alone

# %% tags=["remove-input"]
page.card(
    "If gold and the proxy's noise are normal, the slope of gold on the proxy shrinks by Var X / (Var X + Var Z), and gold never turns down.",
    19,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-null", "caption": "Simulated best-of-n where proxy = gold + normal noise, by the noise's variance: gold as simulated, and proxy times Var X / (Var X + Var Z) (paper: appendix A). Where one line shows, the two coincide."}}
null, by = goodhart.null_curves(), figures.NOISES
description = "Simulated gold of best-of-n under normal noise of three variances, and the theory."
figures.lines(null, "kl", "gold", "gold (SDs)", by=by, kind="what", description=description)

# %% [markdown]
# ## How much of our loss is noise?
#
# Best-of-n by gold itself is the most that selection could give. A proxy that is gold plus normal noise gives less: how much less
# follows from its correlation with gold, and from how gold itself is distributed. This difference is the *regressional* loss.
# (Were gold normal, a correlation of $\rho$ would leave $\rho$ times the most. Ours is not.) What is measured may be lower still.
# That second difference is the *extremal* loss: what the proxy prefers at the top of its range is worth less than
# its correlation promises. Where the extremal loss is negative, what it prefers is worth more.

# %% tags=["remove-input"]
losses = goodhart.losses(evidence)
page.say(sentences.say_losses(losses))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-beside-null", "caption": "Gold of best-of-n as measured, and what normal noise alone would leave: gold's own scores, plus noise of the variance that gives the proxy's correlation with gold (our own)."}}
beside, gold = goodhart.beside_null(evidence), "gold of best-of-n (SDs)"
description = "Measured gold of best-of-n by proxy size beside what normal noise alone would give."
figures.lines(beside, "kl", "gold", gold, kind="what", description=description)

# %% tags=["hide-input"]
page.table(
    "tab-losses",
    losses,
    caption="Best-of-n at the largest n: gold (SDs) of perfect selection, of a proxy with noise alone, and as measured.",
)

# %% [markdown]
# ## Iterated RLHF
#
# Instead of one round of distance $d$ there may be $k$ rounds of $d/k$. Each round trains a new proxy on samples of the policy
# that it starts from. If distances and gains add up, gold is $d(\alpha - \beta \ln\,d + \beta \ln\,k)$ after all rounds.
# Gold labels the new pairs of each round, and PPO goes on from where the last round ended.

# %% tags=["remove-input"]
page.card("If rewards of rounds add up, k rounds give d(α − β ln d + β ln k). The paper did not test it.", 20)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-rounds", "caption": "Gold along rounds of RLHF against the distance along the way, mean over seeds where there are several (our own; the paper only states the formula)."}}
paths, by = goodhart.round_paths(evidence), figures.ROUNDS
description = "Gold against the distance along the way, by number of rounds."
page.figure(figures.lines, paths, "path", "gold", "gold (SDs)", by=by, description=description)

# %% tags=["hide-input"]
page.table(
    "tab-rounds",
    evidence.rounds,
    caption="The ends of the runs, means over seeds where there are several: gold (SDs ± one standard error), and what the formula says with α and β of one round.",
)

# %% tags=["remove-input"]
page.say(sentences.say_rounds(evidence))

# %% [markdown]
# ## Limits
#
# - Verdicts are about the curves of this study. *Cannot tell* says that an interval was too wide, or that the study did not
#   measure what was claimed. It does not say that a claim is wrong.
# - Intervals of verdicts over two or three seeds are too narrow. Where there is one run, intervals are over prompts alone, and
#   say nothing of another run.

# %% tags=["remove-input"]
page.say(worlds.say_limits(page.results.study, evidence.policy_params))

# %% tags=["remove-input"]
page.about()
