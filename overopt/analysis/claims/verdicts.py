"""The paper's twenty claims, each with the rule that decides whether it holds here, and the verdicts as data.

The rules are stated in effect sizes and 95% intervals, and were written before the study `published` was looked at.
The thresholds they name are constants of `claims_laws`, `claims_data` and `claims_methods`.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from overopt.analysis.claims import data, laws, methods
from overopt.analysis.claims.outcome import Outcome, finite
from overopt.analysis.evidence import Evidence
from overopt.util.files import write_json


@dataclass(frozen=True)
class Claim:
    """What the paper says, what decides, the page and figure that show it, and the function that measures it."""

    number: int
    text: str
    rule: str
    page: str
    figure: str
    judge: Callable[[Evidence], Outcome]


@dataclass(frozen=True)
class Judged:
    """A claim and what it came to."""

    claim: Claim
    outcome: Outcome


_EACH = (
    "A size counts if the 95% interval of the fall from its highest gold to the end lies above 0.05 SDs. Holds: three "
    "quarters of the sizes count; partly: more than a quarter; does not hold: at most a quarter could."
)
_MISFIT = (
    "Root mean square misfit to the mean curve over the range of gold, median over sizes. Holds: at most 5%; partly: at "
    "most 10%."
)
_ALL = "Holds: all parts do; partly: some do; cannot tell: no interval decides."

CLAIMS = (
    Claim(1, "Under best-of-n gold rises, then falls.", _EACH, "01_gold_vs_optimisation", "fig-bon",
          lambda e: laws.falls(e, "bon")),
    Claim(2, "Under RL gold rises, then falls.", _EACH, "01_gold_vs_optimisation", "fig-ppo",
          lambda e: laws.falls(e, "ppo")),
    Claim(3, "d(α − βd) describes best-of-n.", _MISFIT, "01_gold_vs_optimisation", "fig-bon",
          lambda e: laws.fits_well(e, "bon")),
    Claim(4, "d(α − β ln d) describes RL.", _MISFIT, "01_gold_vs_optimisation", "fig-ppo",
          lambda e: laws.fits_well(e, "ppo")),
    Claim(5, "With the proxy's size α of best-of-n rises and both β fall, about linearly in log size.",
          "Slopes of α and β of best-of-n and of β of PPO against the logarithm of size: the interval lies on the "
          f"claimed side of 0. {_ALL}", "02_functional_forms", "fig-bon-coefficients",
          laws.coefficients_follow_size),
    Claim(6, "α of RL does not depend on the proxy's size.",
          "Change of α from the smallest to the largest size, by a line in log size, as a share of its mean. Holds: the "
          "interval lies within ±25%; does not hold: it lies outside.", "02_functional_forms", "fig-ppo-coefficients",
          laws.alpha_is_shared),
    Claim(7, "More data, less overoptimisation.",
          "Slope of gold at the largest n against log pairs, for each size measured over the full range: the interval "
          f"lies above 0. {_ALL}", "03_model_data_policy_scale", "fig-data-bon", data.more_data_helps),
    Claim(8, "Below a threshold of data every proxy is near chance.",
          "Accuracy of the best proxy of any size at the fewest pairs. Holds: surely below 0.55, and above 0.60 with the "
          "most pairs; does not hold: surely above 0.55.", "03_model_data_policy_scale", "fig-loss-data",
          data.few_pairs_are_chance),
    Claim(9, "Equal validation loss means about equal robustness.",
          "Share of the variance of gold at the largest n, over all sizes and numbers of pairs, that a parabola in "
          "validation loss explains. Holds: the interval lies above 0.8; does not hold: below.",
          "03_model_data_policy_scale", "fig-loss-gold", data.loss_tells_robustness),
    Claim(10, "Unique data matter, repeated epochs little.",
          "Share of the gain in gold of as many unique pairs that repeating pairs reaches. Holds: the interval lies "
          "below one half; does not hold: above.", "03_model_data_policy_scale", "fig-epochs",
          data.unique_beats_epochs),
    Claim(11, "A larger policy gains less from optimisation and overoptimises no more.",
          "Slope of the highest gold, less the start, against log policy size: interval below 0; and the KL of the "
          f"peak, largest over smallest policy: interval within a factor of 2. {_ALL}", "03_model_data_policy_scale",
          "fig-policy-ppo", data.larger_policy),
    Claim(12, "RL spends far more KL than best-of-n for the same gain.",
          "KL for four fifths of the lower of both peaks, PPO over best-of-n, median over sizes. Holds: the interval "
          "lies above 1.5; does not hold: below.", "07_kl_efficiency", "fig-kl-for-gold", methods.rl_spends_more),
    Claim(13, "By proxy score RL and best-of-n align better than by KL.",
          "Difference in gold between the methods at equal proxy score over that at equal KL, geometric mean over "
          "sizes. Holds: the interval lies below 1; does not hold: above.", "01_gold_vs_optimisation",
          "fig-gold-proxy", methods.proxy_aligns_methods),
    Claim(14, "A KL penalty moves along the same frontier of gold and KL, like early stopping, and widens the gap.",
          "Gold with a penalty less gold without, at equal KL: interval within ±0.15 SDs; proxy less gold, the same "
          f"difference: interval above 0. {_ALL}", "04_kl_penalty", "fig-penalty",
          methods.penalty_is_early_stopping),
    Claim(15, "Without a penalty KL grows about quadratically in RL steps.",
          "Exponent of KL against steps from 0.05 nats to the highest gold, median over runs. Holds: the interval lies "
          "between 1.5 and 2.5; does not hold: outside.", "03_model_data_policy_scale", "fig-kl-step",
          methods.kl_is_quadratic),
    Claim(16, "Fits at small KL extrapolate.",
          "Mean error beyond what was fitted: best-of-n beyond n = 1,024; PPO beyond 60% of the distance. Holds: both "
          "at most 0.10 SDs; partly: one is, or both are at most 0.25.", "02_functional_forms", "fig-far",
          laws.extrapolates),
    Claim(17, "The forms that the paper rejected extrapolate worse.",
          "Held-out error of the RL form over that of d(α − β ln(1 + d)), geometric mean over sizes. Holds: the "
          "interval lies below 1; does not hold: above.", "02_functional_forms", "fig-forms",
          laws.rejected_are_worse),
    Claim(18, "Proxy scores resist the forms that fit gold.",
          "Misfit to proxy scores over misfit to gold, geometric mean over curves. Holds: the interval lies above 1; "
          "does not hold: below.", "02_functional_forms", "fig-proxy-linear", laws.proxies_resist),
    Claim(19, "Regressional Goodhart alone shrinks the slope by Var X / (Var X + Var Z) and brings no downturn.",
          "Simulated with normal gold X and noise Z of three variances: slope over the formula's. Holds: within 2% of 1 "
          "and no curve turns down; does not hold: over 5% off.", "05_goodhart_and_implications", "fig-null",
          methods.regressional),
    Claim(20, "k rounds of RLHF of d/k each give d(α − β ln d + β ln k).",
          "Gold at the end less the formula's. Holds: within its interval or 0.15 SDs for every k; partly: every k ends "
          "surely above one round.", "05_goodhart_and_implications", "fig-rounds",
          methods.rounds_follow_the_formula),
)  # fmt: skip


def judge(evidence: Evidence) -> list[Judged]:
    """Every claim with its outcome, in their order."""
    return [Judged(claim, claim.judge(evidence)) for claim in CLAIMS]


def as_data(judged: list[Judged]) -> list[dict[str, Any]]:
    """The verdicts as JSON: one entry a claim; what is not a number is null."""
    entries = []
    for item in judged:
        claim, outcome = item.claim, asdict(item.outcome)
        ends = outcome["interval"]
        entries.append(
            {
                "claim": claim.number,
                "text": claim.text,
                "verdict": outcome["verdict"],
                "statistic": finite(outcome["statistic"]),
                "interval": [finite(end) for end in ends] if ends else None,
                "measured": outcome["measured"],
                "rule": claim.rule,
                "figure": f"{claim.page}.html#{claim.figure}",
            }
        )
    return entries


def write(judged: list[Judged], path: Path) -> None:
    """`as_data` as a file."""
    write_json(path, as_data(judged))
