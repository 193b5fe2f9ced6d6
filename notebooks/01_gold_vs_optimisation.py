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
# # Gold score against optimisation
#
# A policy is optimised against a *proxy*, a reward model trained on labels. How good does it really become? The *gold* model,
# which made the labels, can tell. This page follows both scores while the policy is optimised further and further.
#
# :::{margin}
# **Gold**: the reward model that stands in for the human. It labels the data and judges the outcome.
#
# **Proxy**: a reward model trained on gold's labels. The policy sees only the proxy.
#
# **KL**: how far a policy has moved from where it began, $\mathrm{KL}(\pi\,\|\,\pi_0)$ in nats, summed over
# the tokens of a completion.
#
# **Best-of-n**: draw $n$ completions, keep the one the proxy likes best. Its KL is $\ln\,n - (n-1)/n$, a little
# smaller where the same text is drawn twice.
#
# **PPO**: reinforcement learning that changes the policy's weights step by step {cite}`schulman2017proximal`.
# :::
#
# Scores are in standard deviations (SDs) of gold over samples of the initial policy. The initial policy has score 0.
# Optimisation is measured by KL, on a square-root scale. The paper {cite}`gao2022scaling` states its laws in the distance
# $d = \sqrt{\mathrm{KL}}$:
#
# $$R_{\text{best-of-}n}(d) = d\,(\alpha - \beta d)$$
#
# $$R_{\text{RL}}(d) = d\,(\alpha - \beta \ln\, d)$$
#
# Here α says how steeply gold rises, and β how strongly the curve bends down.

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
from overopt.analysis import figure_tables
from overopt.report import falls, figures, pages, sentences, text_viewer, texts, unruled, worlds

page = pages.open_page(study, "01_gold_vs_optimisation")
results, evidence, sizes = page.results, page.evidence, page.evidence.sizes

# %% [markdown]
# ## Best-of-n

# %% tags=["remove-input"]
page.card(
    "Gold rises, then falls, as $n$ grows; larger proxies peak later and higher. The law $d(\\alpha - \\beta d)$ fits.",
    1,
    3,
)

# %% tags=["remove-input"]
trend = falls.say_peaks(sizes.peaks("bon"))
seeds = sentences.say_seeds(sizes.curves.filter(method="bon"))
page.say(trend, seeds, falls.say_least_falls(sizes, "bon"))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bon", "caption": "Best-of-n: score against KL, for each proxy size, mean over seeds (paper: Fig. 1a). Gold solid with a band of one standard error, each seed thin, proxy dashed, fitted law dotted. Grey: the paper's laws for its smallest and largest proxy, [as others read them off its plots](02_functional_forms). A proxy's score is scaled so that it predicts gold's choices between two texts as well as it can: compare its shape with gold's, not its height. At most three sizes are shown at first; a click on a size in the legend shows or fades it."}}
description = "Gold and proxy score of best-of-n against KL, by proxy size."
page.gold_and_proxy(sizes, "bon", paper=True, description=description)

# %% tags=["remove-input"]
page.say(falls.say_far_peaks(evidence), falls.say_least_falls(evidence.far, "bon"))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bon-far", "caption": "The same, as far as best-of-n went, with its own seeds and prompts. A star marks the highest measured gold of each size. What the law says so far out, [another page](02_functional_forms) shows."}}
description = "Gold and proxy score of best-of-n against KL, by proxy size, as far as it went; the highest gold is starred."
page.gold_and_proxy(evidence.far, "bon", stars=True, law=False, paper=True, description=description)

# %% [markdown]
# ## PPO

# %% tags=["remove-input"]
page.card(
    "Gold rises, then falls, while the proxy's score keeps rising; larger proxies peak later and higher. The law $d(\\alpha - \\beta \\ln\\,d)$ fits.",
    2,
    4,
)

# %% tags=["remove-input"]
trend = falls.say_peaks(sizes.peaks("ppo"))
seeds = sentences.say_seeds(sizes.curves.filter(method="ppo"))
page.say(trend, seeds, falls.say_least_falls(sizes, "ppo"))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-ppo", "caption": "PPO without a KL penalty: score against KL, for each proxy size (paper: Fig. 1b). Gold solid with a band of one standard error, each seed thin, proxy dashed, fitted law dotted. Grey: the paper's laws for its smallest and largest proxy, their \u03b2 [as others read it off its plots](02_functional_forms). Their \u03b1 is our choice: the smallest proxy peaks as high as under best-of-n. So neither height nor peak of these lines is the paper's, only how they bend. A star marks the highest measured gold of each size. A mean ends where the first of its runs ends."}}
description = "Gold and proxy score of PPO against KL, by proxy size; the highest gold is starred."
page.gold_and_proxy(sizes, "ppo", stars=True, paper=True, description=description)

# %% [markdown]
# ## Gold against proxy

# %% tags=["remove-input"]
page.card(
    "By proxy score RL and best-of-n align better than by KL. RL starts with a larger gap to gold, and later does better.",
    13,
)

# %% tags=["remove-input"]
page.say(sentences.say_reach(sizes.mean))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-gold-proxy", "caption": "Gold score against proxy score along each curve, best-of-n solid, PPO dashed (paper: Fig. 8). On the dotted line gold and the proxy's score are equal."}}
description = "Gold score against proxy score, best-of-n and PPO, by proxy size."
figures.gold_against_proxy(sizes.mean, description=description)

# %% [markdown]
# ## What the text becomes
#
# The prompts were written for this page. Shown are texts of the largest proxy. For each $n$: the completion that it likes
# best among the first $n$ samples.

# %% tags=["hide-input"]
best = texts.best_of_n_texts(results.texts, sizes.curves)
page.table("tab-texts-bon", best, caption=f"{texts.say_best_of_n(best)} (paper: Table 2).")

# %% [markdown]
# Under PPO the weights change, and the text with them. Samples of one run, from the initial policy on:

# %% tags=["hide-input"]
stages = texts.ppo_texts(results.texts, sizes.curves)
page.table("tab-texts-ppo", stages, caption=texts.say_ppo(stages))

# %% tags=["remove-input"]
page.say(worlds.say_alike(page.results.study))

# %% [markdown]
# ## Is gold a fair judge?
#
# Every verdict rests on gold. Read a text, say whether it praises the film in words that a person would write, and only then
# see what gold says. The more often you and gold part, the less the curves mean.

# %% tags=["remove-input"]
page.say(text_viewer.say_sample(results.texts, sizes.curves))

# %% tags=["remove-input"]
text_viewer.viewer(results.texts, sizes.curves)

# %% [markdown]
# ## The two halves of gold
#
# Gold is made of two halves. The *rating* predicts what people would rate a text. The *gate* says how surely the text is
# language at all. Text that passes is worth its rating, and text that does not is worth as little as the worst. So where gold
# lies below its rating, texts do not all pass for language. Where the rating itself falls, its models expect that people would
# rate such texts lower.

# %% tags=["remove-input"]
page.say(falls.say_halves(sizes.curves.filter(method="ppo")))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-halves-ppo", "caption": "PPO: gold, and its rating half alone, against KL, by proxy size, first seed (our own)."}}
halves = figure_tables.halves(evidence, "ppo")
shown = {"measured_by": "laptop", "description": "Gold and its rating half of PPO against KL, by proxy size."}
page.figure(figures.lines, halves, "kl", "score", "score (SDs)", kind="what", **shown)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-strictness-ppo", "caption": "PPO: gold with its gate half as strict, as it is, and twice as strict, against KL, by proxy size, first seed (our own)."}}
gates = figure_tables.strictness(evidence, "ppo")
shown = {"measured_by": "laptop", "description": "Gold of PPO against KL under three gates, by proxy size."}
page.figure(figures.lines, gates, "kl", "score", "gold (SDs)", kind="what", **shown)

# %% tags=["remove-input"]
by_ppo, by_bon = figure_tables.lengths(evidence, "ppo"), figure_tables.lengths(evidence, "bon")
page.say(texts.say_lengths(by_ppo, "ppo"), texts.say_lengths(by_bon, "bon"))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lengths-ppo", "caption": "PPO: tokens of a completion against KL, by proxy size, first seed (our own). Where a line falls, texts end sooner."}}
tokens = "tokens of a completion"
shown = {"measured_by": "laptop", "description": "Length of PPO's completions against KL, by proxy size."}
page.figure(figures.lines, by_ppo, "kl", "length", tokens, **shown)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lengths-bon", "caption": "Best-of-n: tokens of a completion against KL, by proxy size, first seed (our own)."}}
shown = {"measured_by": "laptop", "description": "Length of best-of-n's texts against KL, by proxy size."}
page.figure(figures.lines, by_bon, "kl", "length", tokens, **shown)

# %% tags=["remove-input"]
page.say(unruled.say_unruled(evidence))

# %% tags=["hide-input"]
caption = (
    "Texts of PPO from four prompts: gold, and gold without its rule on repetition; means over texts, SDs."
)
page.table("tab-unruled", unruled.by_kl(evidence), caption=caption)

# %% [markdown]
# ## What a second gold says
#
# A second gold is made like the first, from other raters' votes, other seeds and other spoilt texts. Where only one of the two
# falls, at least one of them is wrong. Where both do, that is weak evidence: they are made by one recipe.

# %% tags=["remove-input"]
page.say(sentences.say_second_gold(results) + sentences.say_by_second(evidence))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-second-gold-bon", "caption": "Best-of-n: gold, and the second gold, against KL, by proxy size (our own)."}}
second = figure_tables.second_gold(evidence, "bon")
description = "Gold and second gold of best-of-n against KL, by proxy size."
page.figure(figures.lines, second, "kl", "score", "score (SDs)", kind="what", description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-second-gold", "caption": "PPO: gold, and the second gold, against KL, by proxy size (our own; the paper has one gold model)."}}
second = figure_tables.second_gold(evidence, "ppo")
description = "Gold and second gold of PPO against KL, by proxy size."
page.figure(figures.lines, second, "kl", "score", "score (SDs)", kind="what", description=description)

# %% [markdown]
# ## How KL was measured
#
# The KL of best-of-n follows from $n$. That of a trained policy is exact at each position of a text that the policy wrote, and a
# mean over such texts. Two cheaper estimators look at the token that was written alone. Here they stand against it.
#
# :::{margin}
# **Exact KL** sums over the whole vocabulary at each position of a sampled completion.
#
# **k1** and **k3** use only the log-ratio of the sampled token. k1 is its mean. k3 is never negative. It varies less where KL
# is small, and more where KL is large.
# :::

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-estimators", "caption": "The sampled estimators k1 and k3 against the exact KL; on the line they agree."}}
description = "KL estimators k1 and k3 against exact KL."
figures.kl_estimators(sizes.curves.filter(method="ppo"), description=description)

# %% tags=["remove-input"]
page.about()
