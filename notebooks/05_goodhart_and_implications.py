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
# Two things part a proxy from gold. A proxy that is gold plus noise promises too much, but never misleads: that is
# *regressional* Goodhart. A proxy that is wrong in a place where the initial policy seldom goes is harmless until a
# policy goes there: that is *extremal* Goodhart {cite}`gao2022scaling`.
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

from overopt import api
from overopt.analysis.evidence import Evidence
from overopt.report import figures, page

page.start()
r = api.load_results(study)
e = Evidence(r)
from overopt.analysis import goodhart
from overopt.report import sentences

# %% [markdown]
# ## Noise alone

# %% tags=["remove-input"]
page.card(
    r,
    "If gold and the proxy's noise are normal, the slope of gold on the proxy shrinks by Var X / (Var X + Var Z), and gold never turns down.",
    19,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-null", "caption": "Simulated best-of-n where proxy = gold + normal noise, by the noise's variance: gold as simulated, and proxy times Var X / (Var X + Var Z) (paper: appendix A). Where one line shows, the two coincide."}}
null = goodhart.null_curves()
figures.lines(
    null,
    x=figures.nats_axis(null),
    y="gold",
    y_title="gold (SDs)",
    by=figures.Group("noise", "Noise variance", "{:g}".format),
    kind="what",
    description="Simulated gold of best-of-n under normal noise of three variances, and the theory.",
)

# %% [markdown]
# ## How much of our loss is noise?
#
# Best-of-n by gold itself is the most that selection could give. A proxy whose correlation with gold is $\rho$ would
# give $\rho$ times as much if all were normal: the difference between the two is the *regressional* loss. What is
# measured may be less again: that difference is the *extremal* loss, of a proxy that knows less at the top of its range than
# in its middle. Where it is negative, the proxy knows more there.

# %% tags=["remove-input"]
loss = goodhart.losses(e)
page.say(sentences.say_losses(loss))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-beside-null", "caption": "Gold of best-of-n as measured, and \u03c1 times best-of-n by gold itself: what noise alone would leave (our own)."}}
shown = goodhart.beside_null(e)
figures.lines(
    shown,
    x=figures.nats_axis(shown),
    y="gold",
    y_title="gold of best-of-n (SDs)",
    by=figures.SIZES,
    kind="what",
    description="Measured gold of best-of-n by proxy size beside what normal noise alone would give.",
)

# %% tags=["hide-input"]
page.table(
    [
        "proxy size",
        "correlation ρ",
        "perfect selection",
        "noise alone",
        "measured",
        "regressional loss",
        "extremal loss",
    ],
    [
        [
            page.short_number(row["rm_params"]),
            *[
                page.number(row[f])
                for f in ("correlation", "perfect", "null", "gold", "regressional", "extremal")
            ],
        ]
        for row in loss.iter_rows(named=True)
    ],
    caption="Best-of-n at the largest n: gold (SDs) of perfect selection, of a proxy with noise alone, and as measured.",
    name="tab-losses",
)

# %% [markdown]
# ## Iterated RLHF
#
# If distances and gains of rounds add up, $k$ rounds of $d/k$ each, every one with a proxy trained on the policy it starts from,
# give $d(\alpha - \beta \ln\,d + \beta \ln\,k)$. We did it: new pairs, labelled by gold, a new proxy, PPO from where the
# last round ended.

# %% tags=["remove-input"]
page.card(
    r,
    "k rounds give d(α − β ln d + β ln k), if rewards of rounds add; the paper did not test it.",
    20,
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-rounds", "caption": "Gold along one, two and four rounds of RLHF against the distance along the way, mean over seeds (our own; the paper only states the formula)."}}
rounds = goodhart.round_paths(e)
page.if_measured(
    rounds.height > 0,
    lambda: figures.lines(
        rounds,
        x=figures.linear_axis("path", "distance: sum over rounds of √KL (√nats)"),
        y="gold",
        y_title="gold (SDs)",
        by=figures.ROUNDS,
        description="Gold against the distance along the way, by number of rounds.",
    ),
)

# %% tags=["hide-input"]
ends = e.rounds
page.table(
    [
        "rounds",
        "distance (√nats)",
        "KL from the start (nats)",
        "gold",
        "by the formula",
        "second gold",
        "proxy score",
    ],
    [
        [
            str(row["rounds"]),
            page.number(row["path"], 1),
            page.number(row["kl"], 1),
            page.with_se(row["gold"], row["gold_se"]),
            page.number(row["predicted"]),
            page.number(row["gold_second"]),
            page.number(row["proxy"]),
        ]
        for row in ends.iter_rows(named=True)
    ],
    caption="The ends of the runs, means over seeds: gold (SDs ± one standard error), and what the formula says with α and β of one round.",
    name="tab-rounds",
) if ends.height else page.not_measured("rounds of RLHF")

# %% tags=["remove-input"]
page.say(sentences.say_rounds(e))

# %% [markdown]
# ## Limits
#
# - One world, one task, models a thousandth of the paper's: what holds here need not hold there, and the other way round.
# - Gold far from the initial policy is in part taught (see [the chain](00_chain)): where gold falls, and how far, depends on
#   the texts that taught it. The second gold, made from other raters, seeds and texts, judges that.
# - Verdicts are about the curves of this study. A verdict of *cannot tell* says that an interval was too wide, not
#   that a claim is wrong.
# - Seeds are few. Intervals over two or three seeds are too narrow; where there is one run, they are over prompts alone and
#   say nothing of another run.

# %% tags=["remove-input"]
page.about(r, "05_goodhart_and_implications")
