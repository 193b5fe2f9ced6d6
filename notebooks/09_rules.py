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
# A verdict is worth what its rule is. Would the rule say "holds" if the claim were so, and would it keep from saying so if it were
# not? Nobody knows that of measured curves. So every rule is tried on simulated studies whose answer is known.
#
# :::{margin}
# **Power**: how often a claim that is so is said to hold.
#
# **False alarm**: how often a claim that is not so is said to hold.
# :::

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
from overopt.report import downloads, pages

page = pages.open_page(study, "09_rules")

# %% [markdown]
# ## Worlds whose answer is known
#
# Each has the runs of the study `published`: its proxy sizes, numbers of pairs, prompts, seeds, *n* and KL. Noise is the study's
# own: what prompts differ in is drawn again from its tables, what seeds differ in has their measured spread.
#
# - **The paper's world.** Gold follows both laws, with [coefficients that a third party read off](02_functional_forms) the
#   paper's figures, over three decades of proxy size. α of RL, which nobody read off, is the same
#   for all. With pairs α grows as in a later replication, and below a threshold nothing is learned. Every claim is so.
# - **Noise in the proxy.** Proxy = gold + normal noise. Gold rises more slowly than the proxy, and never turns.
# - **A straight line.** Gold grows in proportion to √KL, whatever the proxy, its data and the policy.
# - **Nothing.** Gold and proxy do not move; there is noise alone.
#
# Some claims are so in a null as well: a straight line is of both laws' form. Alarms are counted where a claim is not so.

# %% tags=["hide-input"]
page.power()

# %% [markdown]
# Three rules are used throughout. An interval decides, and one that is wide says *cannot tell*, also where it contains what is
# claimed: more noise makes no claim easier to pass. A distance from a form is taken beyond the noise of the curve. And a claim
# about a rise and what follows is asked only of proxies whose gold surely rises.
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
#
# What was wrong with the rules before, in the worlds above: 1 and 2 asked for a fall of 0.05 SDs that the paper's own curves do not
# have by *n* = 1,024; 7 asked for height alone; 13, 16 and 20 held where nothing moves, 17 on a straight line; 18 compared
# curves of unequal noise. 19 is a theorem: it is a check now, and not counted. From then on verdicts are kept by the SHA-256
# of all rules' texts, so that a verdict by other rules is never shown as today's.
#
# ## All of it as data
#
# These are the tables that every page is drawn from. They stand beside the built pages, and need no network. Tables are
# [parquet](https://parquet.apache.org): polars, pandas and DuckDB read them.

# %% tags=["remove-input"]
page.say(downloads.say_files(page.results))

# %% tags=["remove-input"]
page.about()
