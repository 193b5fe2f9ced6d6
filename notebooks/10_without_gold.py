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
# # Without gold
#
# Whoever optimises a policy has no gold: that is why there is a proxy. What can be known all the same? When to stop, by what is
# seen of the proxy's side; what will come, from samples of the initial policy alone; and how far what one study found is what
# another finds.
#
# :::{margin}
# **Regret**: $1 - a / b$, where $a$ is gold where a rule stops and $b$ the highest gold of the same runs, both means over seeds.
#
# **Held out**: cells (all that tells curves apart but the seed) that no rule was fitted to. They share prompts and the policy
# with the others.
# :::

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
from overopt.analysis import laws_by_decade, pool_predictions, stopping_judged
from overopt.report import blind_sentences, figures, pages

page = pages.open_page(study, "10_without_gold")
evidence = page.evidence

# %% tags=["remove-input"]
page.say_studies()

# %% [markdown]
# ## When to stop
#
# Each rule sees KL, the proxy's score, what proxies of other seeds say of the same texts, how likely the base policy
# finds them, their length and their entropy, where the study measured those: never gold. Each has one constant. It is fitted on
# one half of the cells and judged by gold on the other; a hash of what a cell is, and nothing that was measured, says in which
# half it stands. Runs with a KL penalty, which holds KL, were made a method of their own after the cells of all PPO had been
# seen together. The failures come first.

# %% tags=["remove-input"]
judged = stopping_judged.by_cell(page.all_curves)
by_rule = stopping_judged.by_rule(judged)
page.say(blind_sentences.say_rules(by_rule))

# %% tags=["hide-input"]
caption = "Held-out cells in which even the rule of least regret loses more than a tenth of the highest gold, the worst first."
failed = stopping_judged.failures(stopping_judged.of_nearest(judged, by_rule))
page.table("tab-stopping-failures", failed, caption=caption)

# %% tags=["hide-input"]
caption = "What each rule is worth in held-out cells, of each method the best first. Compare with *never stop* and a fixed KL."
page.table("tab-stopping", by_rule, caption=caption)

# %% [markdown]
# The highest of noisy points is too high: that makes every regret too large, but for a rule that stops at that very point. A
# regret above 1 means that gold stood below its start where the rule stopped. A rule that stops no run before its end is *never
# stop* under another name. A rule that looks at a column which the study did not measure has no row.
#
# ## What will come
#
# Best-of-n keeps the sample whose quantile $u$ by proxy has the density $n u^{n-1}$. With gold as a function of $u$, from scored
# samples of the initial policy, its whole curve follows, also for *n* beyond the samples of a prompt: at the top gold is taken
# to be a quadratic in the normal score of $u$. PPO is taken to be the [tilted policy](06_best_possible). A prediction is made by
# a stage that has these samples and the proxy for parents, and no run; its file is known by its SHA-256. A dash: gold may rise
# without end, so that its peak has no number.

# %% tags=["remove-input"]
compared = pool_predictions.compared(*page.studies)
errors = pool_predictions.summary(compared)
page.say(blind_sentences.say_predictions(errors))

# %% tags=["hide-input"]
caption = "How far off predictions were, came minus predicted. Within: share whose 95% interval overlaps that of what came."
page.table("tab-predictions", errors, caption=caption)

# %% tags=["hide-input", "hide-output"]
caption = "Each prediction, and what came, with 95% intervals over prompts."
page.table("tab-predicted", compared, caption=caption)

# %% [markdown]
# ## One law across decades
#
# Do α and β of our proxies follow from what others found? Sizes stand as shares of gold's own. Others' numbers have no
# intervals; [another page](02_functional_forms) says where they come from and how far to trust them. The lines through ours
# run through everything we fitted.

# %% mystnb={"figure": {"caption": "\u03b1 and \u03b2 of best-of-n against the proxy's size as a share of gold's, here (bars: 95% intervals over prompts and seeds) and in the paper (our own).", "name": "fig-decades-size"}} tags=["hide-input"]
points = laws_by_decade.points(evidence).filter(method="bon")
description = "Alpha and beta of best-of-n against the proxy's share of gold's size, here and in the paper."
page.figure(figures.across_decades, points, "size", description=description)

# %% mystnb={"figure": {"caption": "\u03b1 and \u03b2 of best-of-n against training pairs, here (our largest proxy with all numbers of pairs) and in a replication (our own).", "name": "fig-decades-pairs"}} tags=["hide-input"]
description = "Alpha and beta of best-of-n against training pairs, here and in a replication."
page.figure(figures.across_decades, points, "pairs", description=description)

# %% tags=["hide-input"]
caption = (
    "Change for ten times the proxy's parameters, or the pairs, by least squares, with our 95% intervals. "
    "α is in SDs a √nat; β in SDs a nat for best-of-n, in SDs a √nat for PPO."
)
page.table("tab-slopes", laws_by_decade.slopes(evidence), caption=caption)

# %% tags=["remove-input"]
page.about()
