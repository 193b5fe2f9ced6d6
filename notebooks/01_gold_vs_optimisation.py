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
# A policy is optimised against a *proxy*, a reward model trained on labels. How good does it really become?
# The *gold* model, which made the labels, answers. This page measures both scores while the pressure grows.
#
# :::{margin}
# **Gold**: the reward model that stands in for the human. It labels the data and judges the outcome.
#
# **Proxy**: a reward model trained on gold's labels. The policy sees only the proxy.
#
# **KL**: how far a policy has moved from where it began, $\mathrm{KL}(\pi\,\|\,\pi_0)$ in nats, summed over
# the tokens of a completion.
#
# **Best-of-n**: draw $n$ completions, keep the one the proxy likes best. Its KL is $\ln\,n - (n-1)/n$.
#
# **PPO**: reinforcement learning that changes the policy's weights step by step {cite}`schulman2017proximal`.
# :::
#
# Scores are in standard deviations of gold over samples of the initial policy, which has score 0.
# Optimisation is measured by KL, on a square-root scale: $d = \sqrt{\mathrm{KL}}$ is the distance in which
# the paper {cite}`gao2022scaling` states its laws:
#
# $$R_{\text{best-of-}n}(d) = d\,(\alpha - \beta d)$$
#
# $$R_{\text{RL}}(d) = d\,(\alpha - \beta \ln\, d)$$

# %% tags=["parameters", "remove-input"]
study = "published"

# %% tags=["hide-input"]
from overopt import api
from overopt.analysis import figure_tables
from overopt.analysis.evidence import Evidence
from overopt.report import figures, page, sentences, texts

page.start()
r = api.load_results(study)
e = Evidence(r)
bon, ppo = e.sizes.of("bon"), e.sizes.of("ppo")
bon_peaks, ppo_peaks = e.sizes.peaks("bon"), e.sizes.peaks("ppo")
curves = e.sizes.curves

# %% [markdown]
# ## Best-of-n

# %% tags=["remove-input"]
page.card(
    r,
    "Gold rises, then falls, as $n$ grows; larger proxies peak later and higher. The law $d(\\alpha - \\beta d)$ fits.",
    1,
    3,
)

# %% tags=["remove-input"]
page.say(sentences.say_trend(bon_peaks, "gold", "the highest gold") + " " + sentences.say_seeds(curves))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bon", "caption": "Best-of-n: score against KL, for each proxy size, mean over seeds (paper: Fig. 1a). Gold solid with a band of one standard error, proxy dashed, fitted law dotted. The scale of a proxy's score is the one that predicts gold's choices best, so gold may lie above it. Click a size in the legend to keep it; shift-click adds another; a click on the plot brings all back."}}
figures.gold_and_proxy(
    bon,
    e.sizes.law_lines("bon"),
    description="Gold and proxy score of best-of-n against KL, by proxy size.",
)

# %% [markdown]
# ## PPO

# %% tags=["remove-input"]
page.card(
    r,
    "Gold rises, then falls, while the proxy's score keeps rising; larger proxies peak later and higher. "
    "The law $d(\\alpha - \\beta \\ln\\,d)$ fits.",
    2,
    4,
)

# %% tags=["remove-input"]
page.say(sentences.say_trend(ppo_peaks, "gold", "the highest gold"))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-ppo", "caption": "PPO without a KL penalty: score against KL, for each proxy size (paper: Fig. 1b). Gold solid with a band of one standard error, proxy dashed, fitted law dotted. A star marks the highest measured gold of each size."}}
figures.gold_and_proxy(
    ppo,
    e.sizes.law_lines("ppo"),
    ppo_peaks,
    description="Gold and proxy score of PPO against KL, by proxy size; the highest gold is starred.",
)

# %% [markdown]
# ## Gold against proxy

# %% tags=["remove-input"]
page.card(
    r,
    "By proxy score RL and best-of-n align better than by KL: RL starts with a larger gap to gold and later does better.",
    13,
)

# %% tags=["remove-input"]
page.say(sentences.say_reach(e.sizes.mean))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-gold-proxy", "caption": "Gold score against proxy score along each curve, best-of-n solid, PPO dashed (paper: Fig. 8). On the dotted line gold and the proxy's score are equal."}}
figures.gold_against_proxy(
    e.sizes.mean, description="Gold score against proxy score, best-of-n and PPO, by proxy size."
)

# %% [markdown]
# ## What the text becomes
#
# The prompts were written for this page; they are in no review. Shown are the curves whose gold falls
# furthest from its highest point. For each $n$: the completion that the proxy likes best among the first $n$
# samples.

# %% tags=["hide-input"]
best = texts.best_of_n_texts(r.texts, curves)
page.table(
    ["n", "completion", "proxy", "gold"],
    [
        [
            f"{row['n']:,}" if row["n"] == row["most"] else f"{row['n']:,} to {row['most']:,}",
            page.escaped(row["completion"]),
            page.number(row["proxy"]),
            page.number(row["gold"]),
        ]
        for row in best.iter_rows(named=True)
    ],
    caption=f"Best-of-n for the prompt “{page.escaped(best['prompt_text'][0])}”, "
    f"proxy of {texts.proxy_of(curves, best)} parameters (paper: Table 2).",
    name="tab-texts-bon",
    align="rlrr",
)

# %% [markdown]
# Under PPO the weights change, and the text with them. Samples of one run, on its way past the highest gold:

# %% tags=["hide-input"]
stages = texts.ppo_texts(r.texts, curves)
page.sample_table(stages, texts.proxy_of(curves, stages), "tab-texts-ppo")

# %% [markdown]
# ## What a second gold says
#
# The two share no rater's vote, no seed, and none of the texts that taught them what is no text. Where the first falls and
# the second does not, or the other way round, one of them is wrong.

# %% tags=["remove-input"]
by_second = e.sizes_by_second.peaks("ppo") if e.sizes_by_second else None
page.say(sentences.say_second_gold(r) + sentences.say_by_second(ppo_peaks, by_second))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-second-gold", "caption": "PPO: gold, and the second gold, against KL, by proxy size (our own; the paper has one gold model)."}}
second = figure_tables.second_gold(e)
page.if_measured(
    second.height > 0,
    lambda: figures.lines(
        second,
        x=figures.nats_axis(second),
        y="score",
        y_title="score (SDs)",
        by=figures.SIZES,
        kind="what",
        description="Gold and second gold of PPO against KL, by proxy size.",
    ),
)

# %% [markdown]
# ## How KL was measured
#
# :::{margin}
# **Exact KL** sums over the whole vocabulary at each position of a sampled completion. **k1** and **k3** use
# only the sampled token's log-ratio: k1 its mean; k3 a non-negative form that varies less where KL is small and
# more where it is large.
# :::

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-estimators", "caption": "The sampled estimators k1 and k3 against the exact KL; on the line they agree."}}
figures.kl_estimators(curves.filter(method="ppo"), description="KL estimators k1 and k3 against exact KL.")

# %% tags=["remove-input"]
page.about(r, "01_gold_vs_optimisation")
