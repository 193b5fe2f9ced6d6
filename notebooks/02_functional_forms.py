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
# # The laws: what they say, and how far they reach
#
# The paper describes every curve of gold by one of two laws, with two coefficients each. This page looks at the coefficients. It
# compares the laws with forms that the paper rejected. And it asks the hardest question of a law: does it know what comes next?
#
# :::{margin}
# **α** says how steeply gold rises in distance $d = \sqrt{\mathrm{KL}}$: of best-of-n it is the slope at the start, of RL
# the law's gold at $d = 1$. **β** bends the curve down.
#
# **Held out**: points at larger KL than those that a form was fitted to.
# :::

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
from overopt.analysis import figure_tables, fit_shapes, law_tables, laws_elsewhere, page_tables
from overopt.report import figures, law_sentences, pages

page = pages.open_page(study, "02_functional_forms")
evidence, sizes = page.evidence, page.evidence.sizes

# %% [markdown]
# ## Coefficients against proxy size

# %% tags=["remove-input"]
page.card(
    "As the logarithm of the proxy's size grows, α of best-of-n rises and both β fall, about linearly. α of RL is the same for all sizes.",
    5,
    6,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bon-coefficients", "caption": "Best-of-n: \u03b1 (paper: Fig. 3a) and \u03b2 (paper: Fig. 3b) against proxy parameters, with 95% intervals over prompts and seeds. Grey: the paper's, of proxies a thousand times larger, as a third party read them off."}}
description = "Alpha and beta of best-of-n against proxy size."
paper = laws_elsewhere.paper("bon")
figures.coefficients(sizes.coefficients("bon"), paper, title="best-of-n", description=description)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-ppo-coefficients", "caption": "PPO: \u03b2 against proxy parameters (paper: Fig. 3c), and \u03b1, which the paper shares between sizes, with 95% intervals. Grey: the paper's \u03b2, as a third party read it off; nobody read off its \u03b1."}}
description = "Alpha and beta of PPO against proxy size."
paper = laws_elsewhere.paper("ppo")
figures.coefficients(sizes.coefficients("ppo"), paper, title="PPO", description=description)

# %% [markdown]
# Both laws are linear in α and β, so one weighted least-squares step fits both. Intervals hold 95% of bootstrap draws over
# prompts, and over seeds where there are several. One word says what a fit shows of a curve's shape:

# %% tags=["remove-input"]
laws = law_tables.coefficients(evidence)
page.say(law_sentences.say_meanings(laws["shape"]))

# %% tags=["hide-input"]
caption = "α and β of $d(\\alpha - \\beta d)$ for best-of-n and of $d(\\alpha - \\beta \\ln\\,d)$ for PPO, in the paper, in a replication, and here with 95% intervals. α is in SDs/√nat, β in SDs/nat for best-of-n and in SDs/√nat for PPO."
page.table("tab-coefficients", laws, caption=caption)

# %% tags=["remove-input"]
page.say(law_sentences.say_sources())

# %% tags=["hide-input"]
peaks = fit_shapes.peaks(evidence)
caption = "Peaks of the laws of curves that turn, with 95% intervals."
page.table("tab-peaks", page_tables.known_peaks(evidence), caption=caption)

# %% tags=["remove-input"]
page.say(law_sentences.say_peaks(peaks))

# %% [markdown]
# ## The highest gold

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-tops", "caption": "The highest gold of best-of-n within the measured n against proxy parameters: measured, with one standard error, and by the fitted law (paper: Fig. 12, where both rise together with size)."}}
tops, gold = figure_tables.tops(evidence), "highest gold of best-of-n (SDs)"
description = "Highest gold of best-of-n against proxy size, measured and by the law."
figures.lines(tops, "rm_params", "gold", gold, by=figures.WHAT, description=description)

# %% [markdown]
# ## Proxy scores

# %% tags=["remove-input"]
page.card(
    "No satisfactory form was found for proxy scores. Those of best-of-n are slightly concave in d, and a straight line fits them poorly.",
    18,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-proxy-linear", "caption": "Proxy score of best-of-n against KL, by proxy size, and the straight line in d that fits it best (paper: Fig. 20)."}}
straight, score = figure_tables.proxy_lines(evidence), "proxy score of best-of-n (SDs)"
description = "Proxy score of best-of-n against KL by proxy size, beside a straight line in d."
figures.lines(straight, "kl", "proxy", score, kind="what", description=description)

# %% [markdown]
# ## The paper's forms, and those that it rejected
#
# Does another form describe the curves better? Each form is fitted twice. The first fit takes all points of a curve: the *misfit*
# is how far the form stays from them. The second fit takes the points up to 60% of the measured distance $d$: the
# *held-out error* is how far the form stays from the rest. Two forms, $d(\alpha - \beta d^\gamma)$ and the one with ε, have a
# third parameter. It brings them nearer to whatever they are fitted to.

# %% tags=["remove-input"]
paper = "The two forms describe gold. Of the forms tried for RL, d(α − β ln d) extrapolates better than d(α − β ln(1 + d)). ln(ε + d) adds a parameter, and the best γ is small."
page.card(paper, 3, 4, 17)

# %% tags=["remove-input"]
forms = law_tables.forms(evidence)
page.say(law_sentences.say_forms(forms))

# %% tags=["hide-input"]
caption = "The paper's forms and others, the nearest first. The misfit contains the curve's own noise; it is the median over the proxy sizes whose gold surely moves. The held-out error is the mean over sizes."
page.table("tab-forms", forms, caption=caption)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-forms", "caption": "PPO: error of each form beyond the points it was fitted to, by proxy size (our own; the paper compares the forms in its appendix B)."}}
errors, error = page_tables.ppo_errors(evidence), "held-out error (SDs)"
description = "Held-out error of every form for PPO against proxy size."
figures.lines(errors, "rm_params", "error", error, by=figures.FORMS, description=description)

# %% [markdown]
# ## Does a law know what comes next?
#
# For PPO the law is fitted to the first 60% of the distance $d$ that a run covers, and asked about the rest.

# %% tags=["remove-input"]
page.say(law_sentences.say_far(evidence))

# %% tags=["remove-input"]
page.card(
    "The law for best-of-n was chosen on n up to 1,000 and predicted n = 60,000 well. The RL law, fitted left of a line, follows the curve right of it.",
    16,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-far", "caption": "Best-of-n far beyond the vertical line at the largest n of the other figures; the law (dotted) was fitted left of it (paper: Fig. 26a). The proxies are those of the figures above."}}
far, law = page_tables.far_curves(evidence)
line = figure_tables.largest_kl(evidence)
description = "Best-of-n to very large n, and the law fitted left of a vertical line."
page.figure(figures.gold_and_proxy, far, law, line=line, measured_by="", description=description)

# %% tags=["hide-input"]
page.table(
    "tab-far",
    page_tables.far_ends(evidence),
    caption="Best-of-n at the largest n: gold as measured and as the law fitted to the n of the other figures predicts it (SDs). The standard error is over prompts, which both share.",
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-early", "caption": "PPO: the law (dotted) fitted to the first 60% of each curve's distance, about where the vertical line stands, against what came after (paper: Fig. 26b)."}}
law, line = figure_tables.early_law_lines(evidence), figure_tables.ppo_line(evidence)
description = "PPO by proxy size, and the law fitted left of a vertical line."
figures.gold_and_proxy(sizes.of("ppo"), law, line=line, description=description)

# %% tags=["remove-input"]
page.about()
