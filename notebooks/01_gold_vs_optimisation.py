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
study = "laptop"

# %% tags=["hide-input"]
import polars as pl

from overopt import figures, findings, pages, results

pages.start()
r = results.load(study)
curves = findings.main_curves(r.curves)
mean = findings.averaged(curves)
fits = findings.fitted(curves, r.by_prompt)
bon, ppo = (mean.filter(pl.col("method") == method) for method in ("bon", "ppo"))
bon_peaks, ppo_peaks = (findings.measured_peaks(mean, method) for method in ("bon", "ppo"))
bon_table, ppo_table = (findings.coefficient_table(fits, method) for method in ("bon", "ppo"))
ppo_runs = curves.filter(pl.col("method") == "ppo")

# %% [markdown]
# ## Best-of-n

# %% tags=["remove-input"]
pages.found(
    "Gold rises, then falls, as $n$ grows; larger proxies peak later and higher. The law $d(\\alpha - \\beta d)$ fits.",
    [
        findings.say_falls(bon_peaks),
        findings.say_trend(bon_peaks, "gold", "the highest gold"),
        findings.say_statuses(bon_table),
    ],
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bon", "caption": "Best-of-n: score against KL, for each proxy size, mean over seeds (paper: Fig. 1a). Gold solid with a band of one standard error over prompts and seeds, proxy dashed, fitted law thin. Click a size in the legend to keep it; shift-click adds another; a click on the plot brings all back."}}
figures.gold_and_proxy(
    bon,
    findings.law_lines(fits, "bon"),
    description="Gold and proxy score of best-of-n against KL, by proxy size.",
)

# %% [markdown]
# ## PPO

# %% tags=["remove-input"]
pages.found(
    "Gold rises, then falls, while the proxy's score keeps rising; larger proxies peak later and higher. "
    "The law $d(\\alpha - \\beta \\ln\\,d)$ fits, with an $\\alpha$ that does not depend on the proxy's size.",
    [
        findings.say_falls(ppo_peaks),
        findings.say_trend(ppo_peaks, "gold", "the highest gold"),
        findings.say_alpha(ppo_table),
        findings.say_statuses(ppo_table),
    ],
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-ppo", "caption": "PPO without a KL penalty: score against KL, for each proxy size, mean over seeds (paper: Fig. 1b). Gold solid with a band of one standard error, proxy dashed, fitted law thin. A star marks the highest measured gold of each size."}}
figures.gold_and_proxy(
    ppo,
    findings.law_lines(fits, "ppo"),
    ppo_peaks,
    description="Gold and proxy score of PPO against KL, by proxy size; the highest gold is starred.",
)

# %% [markdown]
# ## The fitted laws
#
# Both laws are linear in $\alpha$ and $\beta$, so a fit is one weighted least squares. Intervals hold 95% of
# bootstrap draws over prompts and seeds. A fit says by its status whether its peak may be trusted.
#
# :::{margin}
# **Status.** *ok*: the peak lies within the measured KL. *peak outside*: it is an extrapolation. *no peak*:
# gold never turns down under this law. *underdetermined*: the sign of $\beta$ is not known.
# *too few points*: nothing was fitted.
# :::

# %% tags=["hide-input"]
pages.table(
    pages.COEFFICIENT_HEADER,
    pages.coefficient_rows(bon_table),
    caption="Best-of-n: coefficients of $d(\\alpha - \\beta d)$ and its peak, with 95% intervals.",
    name="tab-bon",
    align="llrrrr",
)

# %% tags=["hide-input"]
pages.table(
    pages.COEFFICIENT_HEADER,
    pages.coefficient_rows(ppo_table),
    caption="PPO: coefficients of $d(\\alpha - \\beta \\ln\\,d)$ and its peak, with 95% intervals.",
    name="tab-ppo",
    align="llrrrr",
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bon-coefficients", "caption": "Best-of-n: alpha and beta against proxy parameters, with 95% intervals (paper: Fig. 3a and 3b, where alpha rises and beta falls about linearly in the logarithm of the size)."}}
figures.coefficients(
    bon_table, title="best-of-n", description="Alpha and beta of best-of-n against proxy size."
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-ppo-coefficients", "caption": "PPO: alpha and beta against proxy parameters, with 95% intervals (paper: Fig. 3c for beta; alpha was shared by all sizes there)."}}
figures.coefficients(ppo_table, title="PPO", description="Alpha and beta of PPO against proxy size.")

# %% [markdown]
# ## Gold against proxy

# %% tags=["remove-input"]
pages.found(
    "For the same gain in proxy score, RL starts with a larger gap to gold than best-of-n and later does better. "
    "RL spends far more KL than best-of-n for the same gain.",
    [findings.say_reach(mean)],
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-gold-proxy", "caption": "Gold score against proxy score along each curve, best-of-n solid, PPO dashed (paper: Fig. 8). On the dotted line the proxy would keep its promise."}}
figures.gold_against_proxy(
    mean, description="Gold score against proxy score, best-of-n and PPO, by proxy size."
)

# %% [markdown]
# ## What the text becomes
#
# The prompts were written for this page; they are in no review. Shown are the curves whose gold falls
# furthest from its highest point. For each $n$: the completion that the proxy likes best among the first $n$
# samples.

# %% tags=["hide-input"]
best = findings.best_of_n_texts(r.texts, curves)
pages.table(
    ["n", "completion", "proxy", "gold"],
    [
        [
            str(row["n"]),
            pages.escaped(row["completion"]),
            pages.number(row["proxy"]),
            pages.number(row["gold"]),
        ]
        for row in best.iter_rows(named=True)
    ],
    caption=f"Best-of-n for the prompt “{pages.escaped(best['prompt_text'][0])}”, "
    f"proxy of {findings.proxy_of(curves, best)} parameters (paper: Table 2).",
    name="tab-texts-bon",
    align="rlrr",
)

# %% [markdown]
# Under PPO the weights change, and the text with them. Samples of one run, on its way past the highest gold:

# %% tags=["hide-input"]
stages = findings.ppo_texts(r.texts, curves)
pages.table(
    ["stage", "KL", "prompt and completion", "proxy", "gold"],
    [
        [
            row["stage"] if row["first"] else "",
            pages.number(row["kl"], 1),
            f"*{pages.escaped(row['prompt_text'])}* {pages.escaped(row['completion'])}",
            pages.number(row["proxy"]),
            pages.number(row["gold"]),
        ]
        for row in stages.iter_rows(named=True)
    ],
    caption=f"Samples of one PPO run against the proxy of {findings.proxy_of(curves, stages)} parameters.",
    name="tab-texts-ppo",
    align="lrlrr",
)

# %% [markdown]
# ## How PPO moved
#
# :::{margin}
# **Exact KL** sums over the whole vocabulary at each position of a sampled completion. **k1** and **k3** use
# only the sampled token's log-ratio: k1 its mean, k3 a non-negative form with less variance.
# :::

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-step", "caption": "KL against PPO step, a line for each seed (paper: Fig. 16, where KL grows about quadratically without a penalty)."}}
figures.kl_against_step(ppo_runs, description="KL against PPO step, by proxy size.")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-kl-estimators", "caption": "The sampled estimators k1 and k3 against the exact KL; on the line they agree."}}
figures.kl_estimators(ppo_runs, description="KL estimators k1 and k3 against exact KL.")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-ppo-health", "caption": "Fraction of PPO updates clipped (paper: Fig. 25), entropy of the policy and length of its completions, against KL."}}
figures.ppo_health(ppo_runs, description="Clip fraction, entropy and length against KL, by proxy size.")

# %% tags=["remove-input"]
pages.about(r, "01_gold_vs_optimisation")

# %% tags=["remove-cell"]
pages.glue_all(
    {
        "bon_falls": findings.say_falls(bon_peaks),
        "bon_trend": findings.say_trend(bon_peaks, "gold", "the highest gold"),
        "ppo_falls": findings.say_falls(ppo_peaks),
        "ppo_trend": findings.say_trend(ppo_peaks, "gold", "the highest gold"),
        "reach": findings.say_reach(mean),
        "bon_statuses": findings.say_statuses(bon_table),
        "ppo_statuses": findings.say_statuses(ppo_table),
        "largest_n": int(curves["n"].max()),
    }
)
