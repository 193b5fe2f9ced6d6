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
# # What helps against overoptimisation?
#
# Many remedies are in use: proxies joined into one, KL penalties, softer choices among samples, training without a reward model.
# Which of them helps, by how much, at which KL, and at what cost? Here those that the study tried stand on one axis.
#
# :::{margin}
# **Held out**: settings, and the KL to stop at, are chosen on other seeds and on the other half of the prompts. The highest point
# of a noisy curve, and the best of several settings, are in part luck; what is judged had no part in the choice.
#
# **γ**: how far the proxy's score leaves gold: the area between the two over the area under gold, both along √KL. 0 where they
# agree.
# :::

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
from overopt.analysis import what_helps
from overopt.report import figures, method_tables, pages

page = pages.open_page(study, "09_what_helps")

# %% tags=["remove-input"]
page.methods_measured()

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-what-helps", "caption": "Gold against KL by every method against proxies of one size, each at the setting whose mean curve is highest. A mean ends where the first of its runs does: that of PPO, with the most seeds, before others. Bars: 95% intervals over seeds and prompts, where gold is highest and at the end. Plain best-of-n and PPO stand in every panel. A click on a line keeps it; where a line turns left, KL fell while training went on."}}
curves = what_helps.curves(page.methods.method_runs)
description = "Gold against KL, a panel for each family of methods, each line named where it ends."
page.figure(figures.methods, curves, description=description)

# %% [markdown]
# Curves are drawn at a setting that was chosen with all seeds: they show where gold goes, and are too kind to methods with many
# settings. What a method is worth stands in the table, and in short here.

# %% tags=["remove-input"]
page.say(method_tables.say_helps(page.helped))

# %% tags=["hide-input"]
page.what_helps()

# %% [markdown]
# ## What others say
#
# Each claim has a rule, which was written, and tried on simulated studies where the claim is so and where it is not, before the
# study `methods` was run. An interval decides; one that is wide says *cannot tell*.
#
# With PPO against three of the fifteen proxies behind the ensembles, claim B came out as *cannot tell*: gold did not surely fall
# without an ensemble. PPO was then run against the other twelve. No rule was changed, and no interval allows for that second
# look.

# %% tags=["remove-input"]
page.claims_on_methods()

# %% [markdown]
# ## How to read this
#
# - The table. Setting: the one chosen most often. Flipped: the share of labels. KL: where the method was stopped, chosen as the
#   setting was. A dash: not known, or not reached by every run. Minus PPO, minus best-of-n: differences of the highest gold from
#   the plain method against the same proxies; an ensemble is compared with its members where each has some that were run alone,
#   else with all that were. Minutes: the mean of all whole runs of that kind of stage, without proxies and samples; an ensemble
#   has five proxies to train and to ask.
# - Labels. Every member of an ensemble learns from pairs of its own: five have seen up to five times the labels of one proxy. In
#   Coste et al. members share their pairs. So part of what an ensemble gains may be what more labels give: card A has one proxy
#   with more pairs beside them.
# - Names. Of five proxies: *mean*, *worst* and *variance* (the mean minus half the variance) of their scores; *weights*: one proxy
#   with the mean of their weights. *Adaptive 12*: a penalty that follows a KL of 12 nats. *RLOO 4* and *GRPO 4*: four samples a
#   prompt are each other's baseline. *Compared 4*: the reward is the chance to beat four samples of the initial policy. *Clip*:
#   scores end there. *Tau*: the temperature of soft best-of-n.
# - Intervals draw seeds and prompts with replacement, and are widened for few seeds. Where three seeds differ more than prompts
#   do, that is still too short: such an interval holds the truth about eight times in ten.
# - A proxy's score has the unit of gold, its SDs over the initial policy's samples. Penalties are in these SDs a nat; β of direct
#   alignment is in logits a nat.
# - A method that KL leads on is stopped at a KL; one with a penalty or another setting, which may hold KL still, at a step.
# - With one seed, the other half of its prompts alone chooses.
# - γ takes the proxy's score in the unit of gold, and goes as far as all seeds came: it is larger for a method that goes further.
#   With a penalty it is of the way out. The proxy of direct alignment, its own policy, has no such scale.

# %% tags=["remove-input"]
page.about()
