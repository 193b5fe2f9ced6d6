"""Claims about the shape of gold's curves: rise and fall, how well laws and proxies' scores follow the forms."""

import numpy as np

from overopt.analysis import fit_shapes
from overopt.analysis.averages import NAMES
from overopt.analysis.claims.claim import claim
from overopt.analysis.claims.outcome import (
    FEW,
    MOST,
    Outcome,
    Verdict,
    above,
    fraction,
    not_measured,
)
from overopt.analysis.evidence import Evidence
from overopt.analysis.fitted_laws import LAW_OF
from overopt.analysis.misfits import Square, relative_misfit, root
from overopt.analysis.resampled import interval
from overopt.util.words import with_interval

BEYOND = 2  # times the measured distance sqrt(KL): a peak that lies surely further out is none
GOOD, FAIR = 0.05, 0.10  # misfit as a share of the range of gold

FALLS = (
    "A size turns if its gold surely rises, and at some point surely lies above where it ends (far best-of-n counts, where "
    "a proxy has it). It bends if its gold surely rises and the 95% interval of β lies above 0. Holds: "
    f"{fraction(MOST)} of the sizes turn or bend and at least one turns; partly: more than {fraction(FEW)} turn or bend; "
    f"does not hold: at most {fraction(FEW)} turn, or could have a peak of the law within {BEYOND} times the measured "
    "distance √KL."
)


@claim(
    1,
    "Under best-of-n gold rises, then falls.",
    rule=FALLS,
    figure="01_gold_vs_optimisation.html#fig-bon",
    far=True,
)
def falls_by_best_of_n(evidence: Evidence) -> Outcome:
    """For how many sizes gold bends, and turns."""
    return falls(evidence, "bon")


@claim(
    2,
    "Under RL gold rises, then falls.",
    rule=FALLS,
    figure="01_gold_vs_optimisation.html#fig-ppo",
)
def falls_by_rl(evidence: Evidence) -> Outcome:
    """For how many sizes gold bends, and turns."""
    return falls(evidence, "ppo")


def falls(evidence: Evidence, method: str) -> Outcome:
    """What `FALLS` says of one method."""
    sizes = evidence.sizes
    if not sizes.has(method, 1):
        return not_measured(f"{method} against several sizes")
    values = sizes.values(method)
    words_of = fit_shapes.shapes(evidence, method)
    bends = sum(word in ("bends", "turns") for word in words_of.values())
    turns = sum(word == "turns" for word in words_of.values())
    could = 0
    for size in values:
        first, measured = sizes.fits[method, size].peak_kl[0], float(sizes.drawn(method, size).kl.max())
        could += words_of[size] in ("turns", "unfitted") or first <= BEYOND**2 * measured
    count = len(values)
    holds = bends >= MOST * count and turns > 0
    verdict: Verdict = (
        "holds"
        if holds
        else "partly"
        if bends > FEW * count
        else "does not hold"
        if could <= FEW * count
        else "cannot tell"
    )
    beyond = max(0, could - bends)
    words = f"gold surely rises and then falls with {turns} of {count} proxy sizes"
    words += f"; with {bends - turns} it surely flattens without a sure fall" if bends > turns else ""
    words += f"; with {beyond} it may fall beyond what was measured." if beyond else "."
    return Outcome(verdict, bends / count, (bends / count, max(bends, could) / count), words)


FITS_WELL = (
    "Measured is the root mean square misfit to the mean curve, beyond its noise, as a share of gold's range. The median is "
    f"over the sizes whose gold surely moves. Holds: its interval ends below {GOOD:.0%}; partly: below {FAIR:.0%}; does not "
    f"hold: it begins above {FAIR:.0%}."
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


def misfit_share(evidence: Evidence, method: str, size: int, score: str) -> Square | None:
    """Misfit beyond noise of a method's law over the curve's range, squared; None where the curve may not move at all."""
    return relative_misfit(evidence.sizes.drawn(method, size, score), LAW_OF[method])


def fits_well(evidence: Evidence, method: str) -> Outcome:
    """What `FITS_WELL` says of one method and its law."""
    sizes = evidence.sizes.values(method) if evidence.sizes.has(method, 1) else []
    found = [share for size in sizes if (share := misfit_share(evidence, method, size, "gold")) is not None]
    if not found:
        return not_measured(f"a {NAMES[method]} curve that surely moves")
    value = float(root(np.median([share.value for share in found])))
    low, high = interval(root(np.median([share.draws for share in found], axis=0)))
    verdict: Verdict = (
        "holds"
        if high < GOOD
        else "partly"
        if high < FAIR
        else "does not hold"
        if low > FAIR
        else "cannot tell"
    )
    # one decimal may hide on which side of FAIR an end lies
    misses = with_interval(100 * value, 100 * low, 100 * high)
    words = f"the law misses the mean curve by {misses} % of gold's range, beyond noise "
    words += f"(median of the {len(found)} sizes whose gold surely moves)."
    return Outcome(verdict, value, (low, high), words)


@claim(
    18,
    "Proxy scores resist the forms that fit gold.",
    rule="The misfit is squared, taken beyond noise, and divided by the squared range. Measured is that of proxy scores "
    "minus that of gold at the same points, mean over curves. Holds: the interval lies above 0; does not hold: below.",
    figure="02_functional_forms.html#fig-proxy-linear",
)
def proxies_resist(evidence: Evidence) -> Outcome:
    """The forms fit proxy scores less well than gold."""
    values, draws = [], []
    for method in NAMES:
        for size in evidence.sizes.values(method) if evidence.sizes.has(method, 2) else ():
            gold, proxy = (misfit_share(evidence, method, size, score) for score in ("gold", "proxy"))
            if gold and proxy:
                values.append(1e4 * (proxy.value - gold.value))
                draws.append(1e4 * (proxy.draws - gold.draws))
    if len(values) < 3:
        return not_measured("three curves that surely move")
    words = (
        f"squared misfit to proxy scores minus that to gold, in (% of the range)², mean over the {len(values)} curves that "
        "surely move"
    )
    return above(0, float(np.mean(values)), interval(np.mean(draws, axis=0)), words)
