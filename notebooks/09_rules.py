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
# # The rules: what they can tell
#
# A verdict is only as good as its rule. Would the rule say *holds* if the claim were true? Would it say something else if the
# claim were false? Measured curves cannot answer that. So every rule is tried on simulated studies whose answer is known.
#
# :::{margin}
# **Power**: how often a rule says *holds* where the claim is true.
#
# **False alarm**: how often a rule says *holds* where the claim is false.
# :::

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
from overopt.report import downloads, earlier, pages

page = pages.open_page(study, "09_rules")

# %% [markdown]
# ## Worlds whose answer is known
#
# Each simulated study has the runs of the study `published`: its proxy sizes, numbers of pairs, prompts, seeds, *n* and KL. It has
# that study's noise, too. Differences between prompts are drawn again from its tables. Differences between seeds have the spread
# that was measured.
#
# - **The paper's world.** Gold follows both laws, over three decades of proxy size. Its
#   [coefficients](02_functional_forms) are those that a third party read off the paper's figures. Nobody read off α of RL: it is
#   the same for all sizes. α grows with pairs as in a later replication, and below a threshold nothing is learned. Every claim
#   is true.
# - **Noise in the proxy.** Proxy = gold + normal noise. Gold rises more slowly than the proxy, and never turns.
# - **A straight line.** Gold grows in proportion to √KL, whatever the proxy, its data and the policy.
# - **Nothing.** Gold and proxy do not move. There is noise alone.
#
# Some claims are true in one of the last three worlds as well: a straight line, for one, has the form of both laws. False alarms
# are counted only where a claim is false.

# %% tags=["hide-input"]
page.power()

# %% [markdown]
# All rules share three principles.
#
# 1. An interval decides. A wide one says *cannot tell*, even where it contains what is claimed. So more noise makes no claim
#    easier to pass.
# 2. A misfit counts only as far as it exceeds the noise of the curve.
# 3. A claim about a rise, and about what follows it, is asked only of proxies whose gold surely rises.
#
# ## When rules were changed, and what was known then
#
# | commit | date | what changed | seen before |
# |---|---|---|---|
# | `77e6486` | 2026-11-22 | the first rules of all twenty claims | no result of `published` |
# | `e3402f4` | 2026-11-22 | — | the first tables of `published` |
# | `000e239` | 2026-11-22 | 3, 4, 14: penalised runs are followed by their steps, fits weigh no point above the usual | the first tables |
# | `0264323` | 2026-11-22 | 8, 9, 19: wording alone | the first tables |
# | `9062ae1` to `0654169` | 2026-11-23 | no rule; gold and seeds of the study | every table before |
# | `90b280a` | 2026-11-28 | all but 5, 6, 9, 11 and 15, by their power and alarms in known worlds | the tables of `0654169` and their verdicts by the rules before; a measurement of another world, in which best-of-n and PPO turn |
# | `a4d1653` to `79fb000` | 2026-11-28 | no rule; the world of `laptop`: a fourth corruption, a classifier that learns four times as long, 128 prompts and four seeds in the place of 56 and two | verdicts of `laptop`, and texts of its PPO at 34 nats: "is a great great great great great movie." |
# | `235ba08` | 2026-11-29 | all but 8, 9 and 15: wording alone | every table and verdict of `published` and `laptop` |
# | `f3da490` | 2026-11-29 | 1, 2: a size turns where its points surely fall, and no more where its law peaks; sizes are compared at the number of pairs that most of them were optimised with | every table and verdict so far; of the study in the present world best-of-n of one seed, and no run of PPO |
# | `6147b32` to `b8550ad`, `0595855` | 2026-11-29 | 20 is judged by more rounds beside fewer where no run without rounds came so far; laws are fitted to the points that are drawn, and slices hold nothing that they are not about; D speaks of the end of training | every table and verdict so far; curves of half of an earlier run of `published` in the present world, which was lost before any verdict on it |
# | `35b2dab` | 2026-11-29 | no rule; sizes, penalties and policies of `published` are compared at 8,000 pairs, since with 32,000 proxies of all sizes are about equally accurate | accuracies, best-of-n and 15 PPO runs of that earlier run |
# | `ba62608`, `47f2547` | 2026-11-29 | no rule; the world of all studies: a classifier that learns from 84,000 sentences more and from a fifth corruption, and text that repeats itself is no language; the learning rate of proxies of 155k, by held-out loss | every table and verdict so far; of this study with the first of the two changes best-of-n of three sizes and 23 PPO runs, with texts that gold took for good: "a great story, and a great story, and a great story." |
# | `e30fcec` | 2026-11-30 | no rule; `published` is computed anew, whole: best-of-n of every size to *n* = 65,536, PPO of two sizes over all numbers of pairs, penalties and policies of two sizes, five seeds of best-of-n and three of PPO throughout | every table and verdict of the study as it was, and those of `methods` |
# | `6e5192f` | 2026-11-30 | 5, 7, 11, 14: wording alone, *does not hold* is said where it had been left out; 16: PPO's means go as far as all of their runs, and no farther | every table and verdict of the study as it was |
# | `accdc38` | 2026-11-30 | A, B, C, E, F: wording alone | every table and verdict of `methods` |
#
# The worlds above showed what was wrong with the rules before 2026-11-28:
#
# - 1 and 2 asked for a fall of 0.05 SDs. The paper's own curves do not fall so far by *n* = 1,024.
# - 7 asked for height alone.
# - 13, 16 and 20 held where nothing moves. 17 held on a straight line.
# - 18 compared curves of unequal noise.
# - 19 is a theorem. It is now a check, and is not counted.
#
# Since then verdicts are kept by the SHA-256 of all rules' texts. A verdict by other rules is never shown as today's.
#
# ## The same study, measured twice
#
# The study `published` was measured once before, by the same rules, with fewer seeds and settings and without far best-of-n.
# The second time everything was trained anew, on another machine. Its arithmetic rounds otherwise, so the policy came out as
# another, and so did its samples, their labels, proxies and runs. Where the runs of a claim were planned alike, chance alone
# parts the two verdicts. Intervals are over prompts and seeds. They leave out the chance in training the policy, so they are too
# narrow.

# %% tags=["remove-input"]
twice = earlier.twice(page.results)
page.say(earlier.say_twice(twice))

# %% tags=["remove-input"]
caption = "Verdicts before and now, with the first number that the rule looks at and its 95% interval. *Alike*: planned alike."
page.table("tab-twice", twice, caption=caption)

# %% [markdown]
# ## All of it as data
#
# These are the tables that every page is drawn from. They stand beside the built pages, and need no network. Tables are
# [parquet](https://parquet.apache.org): polars, pandas and DuckDB read them.

# %% tags=["remove-input"]
page.say(downloads.say_files(page.results))

# %% tags=["remove-input"]
page.about()
