"""Claims about the shape of gold's curves and the laws: rise and fall, fits, coefficients, forms, extrapolation."""

import math

import numpy as np
import polars as pl
from scipy.stats import gmean

from overopt.analysis.averages import NAMES, points
from overopt.analysis.claims.claim import claim
from overopt.analysis.claims.outcome import (
    BY_SHARE,
    JOINTLY,
    Outcome,
    Verdict,
    above,
    around_zero,
    below,
    by_share,
    jointly,
    not_measured,
)
from overopt.analysis.evidence import Evidence
from overopt.analysis.fitted_laws import LAW_OF, prompt_points
from overopt.analysis.resampled import interval, over_groups, slope_by_size
from overopt.estimators.laws import LAWS, fit
from overopt.estimators.rival_forms import RIVALS, held_out_error
from overopt.estimators.uncertainty import at_least_usual, rows_drawn
from overopt.util.words import with_interval

FALL = 0.05  # SDs: a smaller fall counts as none
GOOD, FAIR = 0.05, 0.10  # misfit as a share of the range of gold
SMALL, LARGE = 0.10, 0.25  # SDs: errors of a prediction
SPLIT = 0.6  # share of the measured distance sqrt(KL) that forms are fitted to, where the rest is held out
FLAT = 0.25  # change of alpha over all sizes, as a share of its mean, that counts as none

FALLS = (
    "A size counts if the 95% interval of the fall from its highest gold to the end lies above "
    f"{FALL} SDs. {BY_SHARE}"
)


@claim(
    1,
    "Under best-of-n gold rises, then falls.",
    rule=FALLS,
    figure="01_gold_vs_optimisation.html#fig-bon",
)
def falls_by_best_of_n(evidence: Evidence) -> Outcome:
    """Gold falls after its highest point, for how many sizes."""
    return falls(evidence, "bon")


@claim(
    2,
    "Under RL gold rises, then falls.",
    rule=FALLS,
    figure="01_gold_vs_optimisation.html#fig-ppo",
)
def falls_by_rl(evidence: Evidence) -> Outcome:
    """Gold falls after its highest point, for how many sizes."""
    return falls(evidence, "ppo")


def falls(evidence: Evidence, method: str) -> Outcome:
    """What `FALLS` says of one method."""
    sizes = evidence.sizes
    if not sizes.has(method, 1):
        return not_measured(f"{method} against several sizes")
    surely = perhaps = 0
    drops = []
    for size in sizes.values(method):
        curve = sizes.drawn(method, size)
        top = int(curve.mean.argmax())
        low, high = interval(curve.draws[:, top] - curve.draws[:, -1])
        drops.append(float(curve.mean[top] - curve.mean[-1]))
        surely += low > FALL and top > 0
        perhaps += not high <= FALL and top > 0  # an interval of nan leaves all open
    words = f"falls of {min(drops):.2f} to {max(drops):.2f} SDs after the highest gold"
    return by_share(surely, perhaps, len(drops), words)


FITS_WELL = (
    "Root mean square misfit to the mean curve over the range of gold, median over sizes. Holds: at most "
    f"{GOOD:.0%}; partly: at most {FAIR:.0%}."
)


@claim(
    3,
    "d(α − βd) describes best-of-n.",
    rule=FITS_WELL,
    figure="01_gold_vs_optimisation.html#fig-bon",
)
def fits_best_of_n(evidence: Evidence) -> Outcome:
    """The law of best-of-n fits its curves."""
    return fits_well(evidence, "bon")


@claim(
    4,
    "d(α − β ln d) describes RL.",
    rule=FITS_WELL,
    figure="01_gold_vs_optimisation.html#fig-ppo",
)
def fits_rl(evidence: Evidence) -> Outcome:
    """The law of RL fits PPO's curves."""
    return fits_well(evidence, "ppo")


def misfit(evidence: Evidence, method: str, value: str = "gold") -> dict[int, float]:
    """For each proxy size, the root mean square misfit of the law to the mean curve, over the curve's range."""
    misfits = {}
    for size in evidence.sizes.values(method):
        kl, score, se = points(evidence.sizes.of(method).filter(rm_params=size), value)
        used, spread = kl > 0, float(np.ptp(score))
        law = fit(kl[used], score[used], law=LAW_OF[method], gold_se=at_least_usual(se[used]))
        if math.isfinite(law.alpha) and spread > 0:
            error = law.predict(kl[used]) - score[used]
            misfits[size] = float(np.sqrt((error**2).mean())) / spread
    return misfits


def fits_well(evidence: Evidence, method: str) -> Outcome:
    """What `FITS_WELL` says of one method and its law."""
    values = list(misfit(evidence, method).values()) if evidence.sizes.has(method, 1) else []
    if not values:
        return not_measured(f"{method} against several sizes")
    middle, ends = float(np.median(values)), (min(values), max(values))
    words = f"median misfit as a share of gold's range, and its extremes over sizes: {with_interval(middle, *ends)}."
    verdict: Verdict = "holds" if middle <= GOOD else "partly" if middle <= FAIR else "does not hold"
    return Outcome(verdict, middle, ends, words)


def trend(evidence: Evidence, method: str, coefficient: str) -> tuple[float, tuple[float, float]] | None:
    """Slope of a coefficient against log10 of the proxy's parameters, over the sizes whose law could be fitted."""
    laws = {
        size: law
        for (name, size), law in evidence.sizes.fits.items()
        if name == method and len(law.coefficients) > 100
    }
    if len(laws) < 3:
        return None
    column = ("alpha", "beta").index(coefficient)
    count = min(len(law.coefficients) for law in laws.values())
    draws = np.stack([law.coefficients[:count, column] for law in laws.values()], 1)
    return slope_by_size(list(laws), [getattr(law.fit, coefficient) for law in laws.values()], draws)


@claim(
    5,
    "With the proxy's size α of best-of-n rises and both β fall, about linearly in log size.",
    rule="Slopes of α and β of best-of-n and of β of PPO against the logarithm of size: the interval lies on the "
    f"claimed side of 0. {JOINTLY}",
    figure="02_functional_forms.html#fig-bon-coefficients",
)
def coefficients_follow_size(evidence: Evidence) -> Outcome:
    """Alpha of best-of-n rises with size, both betas fall."""
    parts, words = [], []
    for method, name, side in (("bon", "alpha", above), ("bon", "beta", below), ("ppo", "beta", below)):
        slope = trend(evidence, method, name)
        if slope is None:
            return not_measured("laws of three sizes or more")
        value, ends = slope
        parts.append(side(0, value, ends))
        letter = {"alpha": "α", "beta": "β"}[name]
        words.append(f"{letter} of {NAMES[method]} {with_interval(value, *ends)}")
    first = parts[0]
    return Outcome(
        jointly(parts),
        first.statistic,
        first.interval,
        "Change per factor of ten in size: " + "; ".join(words) + ".",
    )


@claim(
    6,
    "α of RL does not depend on the proxy's size.",
    rule="Change of α from the smallest to the largest size, by a line in log size, as a share of its mean. Holds: the "
    f"interval lies within ±{FLAT:.0%}; does not hold: it lies outside.",
    figure="02_functional_forms.html#fig-ppo-coefficients",
)
def alpha_is_shared(evidence: Evidence) -> Outcome:
    """Alpha of PPO does not depend on size."""
    slope = trend(evidence, "ppo", "alpha")
    if slope is None:
        return not_measured("PPO laws of three sizes or more")
    laws = {size: law for (name, size), law in evidence.sizes.fits.items() if name == "ppo"}
    mean = float(np.mean([law.fit.alpha for law in laws.values()]))
    scale = math.log10(max(laws) / min(laws)) / abs(mean)
    value, (low, high) = slope
    words = "change of α from the smallest to the largest size, as a share of its mean"
    return around_zero(FLAT, value * scale, (low * scale, high * scale), words)


def largest_kl(e: Evidence) -> float:
    """KL (nats) of best-of-n at the largest n that laws are fitted to."""
    return float(e.sizes.curves.filter(method="bon")["kl"].max())  # type: ignore[arg-type]


def near_side(kl: np.ndarray, until: float) -> np.ndarray:
    """Which points of a curve of far best-of-n its law is fitted to: those up to `until`, without the start."""
    return (kl > 0) & (kl <= until + 1e-9)


def far_error(evidence: Evidence) -> pl.DataFrame:
    """Far best-of-n: the law fitted to n <= 1,024 of the same prompts, and what it says beyond.

    Columns: `rm_params, pairs, record, kl, gold, gold_se, predicted, difference_se`. The standard error is of
    measured less predicted, over prompts drawn again: both ends share their prompts.
    """
    results, rows = evidence.results, []
    if results.far is None or results.far_by_prompt is None:
        return pl.DataFrame()
    for (record,), curve in results.far.group_by("record", maintain_order=True):
        curve = curve.sort("n")
        kl, by_prompt = prompt_points(results.far_by_prompt, str(record))
        near = near_side(kl, largest_kl(evidence))
        far = (kl > 0) & ~near
        se = at_least_usual(curve["gold_se"].to_numpy()[near])
        # a fit is linear in gold: the law of a mean over prompts is the mean of their laws
        laws = [fit(kl[near], gold[near], law=LAWS["bon"], gold_se=se) for gold in by_prompt.T]
        predicted = np.stack([law.predict(kl[far]) for law in laws], axis=1)  # [points, prompts]
        drawn = (by_prompt[far] - predicted)[:, rows_drawn(len(laws), draws=300)].mean(axis=2)
        error = drawn.std(axis=1) if len(laws) > 1 else np.full(len(drawn), math.nan)
        rows.append(
            curve.filter(pl.Series(far)).select("rm_params", "pairs", "record", "n", "kl", "gold", "gold_se")
            .with_columns(
                predicted=pl.Series(predicted.mean(axis=1)), difference_se=pl.Series(error)
            )
        )  # fmt: skip
    return pl.concat(rows)


def line_of(kl: np.ndarray) -> float:
    """KL (nats) up to which forms are fitted, where the rest of a curve is held out."""
    return float((SPLIT * math.sqrt(kl.max())) ** 2)


def ppo_error(evidence: Evidence) -> dict[int, float]:
    """For each size, the error (SDs) beyond the line of the PPO law fitted before it."""
    errors = {}
    for size in evidence.sizes.values("ppo"):
        kl, gold, se = points(evidence.sizes.of("ppo").filter(rm_params=size))
        errors[size] = held_out_error(LAW_OF["ppo"], kl, gold, se, line_of(kl))
    return {size: error for size, error in errors.items() if math.isfinite(error)}


@claim(
    16,
    "Fits at small KL extrapolate.",
    rule=f"Mean error beyond what was fitted: best-of-n beyond n = 1,024; PPO beyond {SPLIT:.0%} of the distance. Holds: "
    f"both at most {SMALL:.2f} SDs; partly: one is, or both are at most {LARGE:.2f}.",
    figure="02_functional_forms.html#fig-far",
)
def extrapolates(evidence: Evidence) -> Outcome:
    """Laws fitted at small KL predict gold at large KL."""
    far, ppo = far_error(evidence), ppo_error(evidence) if evidence.sizes.has("ppo", 1) else {}
    if far.is_empty() and not ppo:
        return not_measured("anything beyond the KL that laws are fitted to")
    errors, words = [], []
    if far.height:
        bon = (far["gold"] - far["predicted"]).abs().to_numpy()
        errors += bon.tolist()
        words.append(f"best-of-n beyond n = 1,024, mean error {bon.mean():.2f} SDs")
    if ppo:
        errors += list(ppo.values())
        words.append(f"PPO beyond the line, mean error over sizes {np.mean(list(ppo.values())):.2f} SDs")
    parts = [bon.mean()] if far.height else []
    parts += [float(np.mean(list(ppo.values())))] if ppo else []
    worst = max(parts)
    good = sum(error <= SMALL for error in parts)
    verdict: Verdict = (
        "holds" if good == len(parts) else "partly" if good or worst <= LARGE else "does not hold"
    )
    return Outcome(verdict, worst, (min(errors), max(errors)), "; ".join(words) + ".")


def form_errors(evidence: Evidence) -> pl.DataFrame:
    """Error (SDs) of every law on the held-out end of every curve: `method, rm_params, form, tex, error`."""
    rows = []
    for method in NAMES:
        for size in evidence.sizes.values(method):
            kl, gold, se = points(evidence.sizes.of(method).filter(rm_params=size))
            rows += [
                {"method": method, "rm_params": size, "form": law.label, "tex": law.tex,
                 "error": held_out_error(law, kl, gold, se, line_of(kl))}
                for law in (LAWS | RIVALS).values()
            ]  # fmt: skip
    return pl.DataFrame(rows).filter(pl.col("error").is_not_nan())


@claim(
    17,
    "The forms that the paper rejected extrapolate worse.",
    rule=f"Held-out error of the RL form over that of {RIVALS['log1p'].label}, geometric mean over sizes. Holds: the "
    "interval lies below 1; does not hold: above.",
    figure="02_functional_forms.html#fig-forms",
)
def rejected_are_worse(evidence: Evidence) -> Outcome:
    """Of the forms for RL, the paper's extrapolates best."""
    if not evidence.sizes.has("ppo", 3):
        return not_measured("PPO against three sizes or more")
    errors = form_errors(evidence).filter(method="ppo")
    own, rival = (
        errors.filter(form=law.label).sort("rm_params")["error"].to_numpy()
        for law in (LAW_OF["ppo"], RIVALS["log1p"])
    )
    value, ends = over_groups(own / rival, gmean)
    words = f"held-out error of {LAWS['rl'].label} over that of {RIVALS['log1p'].label}, geometric mean over sizes"
    return below(1, value, ends, words)


@claim(
    18,
    "Proxy scores resist the forms that fit gold.",
    rule="Misfit to proxy scores over misfit to gold, geometric mean over curves. Holds: the interval lies above 1; "
    "does not hold: below.",
    figure="02_functional_forms.html#fig-proxy-linear",
)
def proxies_resist(evidence: Evidence) -> Outcome:
    """The forms fit proxy scores less well than gold."""
    ratios = []
    for method in NAMES:
        if evidence.sizes.has(method, 2):
            gold, proxy = misfit(evidence, method), misfit(evidence, method, "proxy")
            ratios += [proxy[size] / gold[size] for size in gold if size in proxy and gold[size] > 0]
    if len(ratios) < 3:
        return not_measured("three curves or more")
    value, ends = over_groups(ratios, gmean)
    words = "misfit to proxy scores over misfit to gold, geometric mean over curves"
    return above(1, value, ends, words)
