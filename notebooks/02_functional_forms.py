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
# Two laws with two coefficients each are said to describe every curve. This page looks at the coefficients, compares
# the laws with forms that the paper rejected, and asks the hardest question of a law: does it know what comes next?
#
# :::{margin}
# **α** is the slope with which gold starts to rise in distance $d = \sqrt{\mathrm{KL}}$; **β** is what bends it down.
#
# **Held out**: points at larger KL than those that a form was fitted to.
# :::

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
import polars as pl

from overopt import api
from overopt.analysis import averages, figure_tables
from overopt.analysis.evidence import Evidence
from overopt.report import figures, page

page.start()
r = api.load_results(study)
e = Evidence(r)
from overopt.analysis.claims import laws

# %% [markdown]
# ## Coefficients against proxy size

# %% tags=["remove-input"]
page.card(
    r,
    "Alpha of best-of-n rises with the logarithm of the proxy's size, both betas fall, about linearly; alpha of RL is the same for all sizes.",
    5,
    6,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bon-coefficients", "caption": "Best-of-n: \u03b1 (paper: Fig. 3a) and \u03b2 (paper: Fig. 3b) against proxy parameters, with 95% intervals over prompts and seeds."}}
figures.coefficients(
    e.sizes.coefficients("bon"),
    title="best-of-n",
    description="Alpha and beta of best-of-n against proxy size.",
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-ppo-coefficients", "caption": "PPO: \u03b2 against proxy parameters (paper: Fig. 3c), and \u03b1, which the paper shares between sizes, with 95% intervals."}}
figures.coefficients(
    e.sizes.coefficients("ppo"), title="PPO", description="Alpha and beta of PPO against proxy size."
)

# %% [markdown]
# Both laws are linear in α and β, so a fit is one weighted least squares. Intervals hold 95% of bootstrap draws over
# prompts, and over seeds where there are several. A fit says by its status whether its peak may be trusted; only such peaks
# are listed.
#
# :::{margin}
# **Status.** *ok*: the peak lies within the measured KL. *peak outside*: it is an extrapolation. *no peak*:
# gold never turns down under this law. *underdetermined*: the sign of $\beta$ is not known.
# *negative slope*: gold falls from the start. *too few points*: nothing was fitted.
# :::

# %% tags=["hide-input"]
page.table(
    page.COEFFICIENT_HEADER,
    page.coefficient_rows(e.sizes.coefficients("bon")),
    caption="Best-of-n: coefficients of $d(\\alpha - \\beta d)$ with 95% intervals.",
    name="tab-bon",
    align="llrr",
)

# %% tags=["hide-input"]
page.table(
    page.COEFFICIENT_HEADER,
    page.coefficient_rows(e.sizes.coefficients("ppo")),
    caption="PPO: coefficients of $d(\\alpha - \\beta \\ln\\,d)$ with 95% intervals.",
    name="tab-ppo",
    align="llrr",
)

# %% tags=["hide-input"]
peaks = [
    [averages.NAMES[method], *row]
    for method in ("bon", "ppo")
    for row in page.peak_rows(e.sizes.coefficients(method))
]
page.table(
    ["method", *page.PEAK_HEADER],
    peaks,
    caption="Peaks of the laws whose status is *ok*, with 95% intervals; an upper end of ∞ means that some draws never turn "
    "down.",
    name="tab-peaks",
    align="lrrr",
) if peaks else page.say("No law has a peak within the measured KL.")

# %% [markdown]
# ## The highest gold

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-tops", "caption": "The highest gold of best-of-n within the measured n against proxy parameters: measured, with one standard error, and by the fitted law (paper: Fig. 12, where both rise together with size)."}}
tops = figure_tables.tops(e)
figures.lines(
    tops,
    x=figures.log_axis(tops, "rm_params", "proxy parameters"),
    y="gold",
    y_title="highest gold of best-of-n (SDs)",
    by=figures.Group("what", "", str),
    description="Highest gold of best-of-n against proxy size, measured and by the law.",
)

# %% [markdown]
# ## Proxy scores

# %% tags=["remove-input"]
page.card(
    r,
    "No satisfactory form was found for proxy scores. Those of best-of-n are slightly concave in d, and a straight line fits them poorly.",
    18,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-proxy-linear", "caption": "Proxy score of best-of-n against KL, by proxy size, and the straight line in d that fits it best (paper: Fig. 20)."}}
straight = figure_tables.proxy_lines(e)
figures.lines(
    straight,
    x=figures.nats_axis(straight),
    y="proxy",
    y_title="proxy score of best-of-n (SDs)",
    by=figures.SIZES,
    kind="what",
    description="Proxy score of best-of-n against KL by proxy size, beside a straight line in d.",
)

# %% [markdown]
# ## Forms that the paper rejected
#
# Each form is fitted to the points up to 60% of the measured distance $d$ and judged by its error on the rest. The
# form $d(\alpha - \beta d^\gamma)$ and the one with ε have a third parameter.

# %% tags=["remove-input"]
page.card(
    r,
    "Of the forms tried for RL, d(α − β ln d) extrapolates better than d(α − β ln(1 + d)); ln(ε + d) adds a parameter, and the best γ is small.",
    17,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-forms", "caption": "PPO: error of each form beyond the points it was fitted to, by proxy size (our own; the paper compares the forms by eye, in its appendix B)."}}
errors = laws.form_errors(e)
figures.lines(
    errors.filter(method="ppo"),
    x=figures.log_axis(errors, "rm_params", "proxy parameters"),
    y="error",
    y_title="held-out error (SDs)",
    by=figures.Group("form", "Form", str),
    description="Held-out error of every form for PPO against proxy size.",
)

# %% tags=["hide-input"]
page.table(
    ["method", "form", "held-out error (SDs), mean over sizes"],
    [
        [averages.NAMES[row["method"]], f"${row['tex']}$", page.number(row["error"])]
        for row in errors.group_by("method", "tex", maintain_order=True)
        .agg(pl.col("error").mean())
        .sort("method", "error")
        .iter_rows(named=True)
    ],
    caption="Error of every form on the held-out end of the curves; the best of each method first.",
    name="tab-forms",
    align="llr",
)

# %% [markdown]
# ## Does a law know what comes next?
#
# For best-of-n the law is fitted to $n \le 1{,}024$ and then asked about much larger $n$, on the same prompts, with far more
# samples of each. For PPO it is fitted to the first 60% of the distance $d$ that a run covers, and asked about the rest.

# %% tags=["remove-input"]
page.card(
    r,
    "The law for best-of-n was chosen on n up to 1,000 and predicted n = 60,000 well. The RL law, fitted left of a line, follows the curve right of it.",
    16,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-far", "caption": "Best-of-n far beyond the vertical line at the largest n of the other figures; the law (dotted) was fitted left of it (paper: Fig. 26a). The proxies are those of the figures above."}}
far = figure_tables.far_means(e)
page.if_measured(
    far.height > 0,
    lambda: figures.gold_and_proxy(
        far,
        figure_tables.far_law_lines(e),
        by=figures.SIZES,
        line=figure_tables.largest_kl(e),
        description="Best-of-n to very large n, and the law fitted left of a vertical line.",
    ),
)

# %% tags=["hide-input"]
beyond = laws.far_error(e)
page.table(
    ["proxy size", "pairs", "n", "gold", "by the law", "difference ± one SE"],
    [
        [
            page.short_number(row["rm_params"]),
            f"{row['pairs']:,}",
            f"{row['n']:,}",
            page.number(row["gold"]),
            page.number(row["predicted"]),
            page.with_se(row["gold"] - row["predicted"], row["difference_se"]),
        ]
        for row in beyond.sort("rm_params", "pairs", "n").iter_rows(named=True)
        if row["n"] == beyond["n"].max()
    ],
    caption="Best-of-n at the largest n: gold as measured and as the law fitted to n ≤ 1,024 predicts it (SDs). "
    "The standard error is over prompts, which both share.",
    name="tab-far",
) if beyond.height else page.not_measured("best-of-n beyond the n that laws are fitted to")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-early", "caption": "PPO: the law (dotted) fitted to the first 60% of each curve's distance, about where the vertical line stands, against what came after (paper: Fig. 26b)."}}
ppo = e.sizes.of("ppo")
figures.gold_and_proxy(
    ppo,
    figure_tables.early_law_lines(e),
    line=figure_tables.ppo_line(e),
    description="PPO by proxy size, and the law fitted left of a vertical line.",
)

# %% tags=["remove-input"]
page.about(r, "02_functional_forms")
