"""What a page on a reader's own curve says: whether and where the proxy is overoptimised, and where to stop."""

from __future__ import annotations

import math

from overopt.analysis.own_curves import OwnCurve
from overopt.analysis.own_findings import MISFIT, Finding, Shape, n_of_kl
from overopt.util.words import number, with_se

NO_BREAK = "\u00a0"
HEADS = {
    Shape.UNKNOWN: "Cannot tell",
    Shape.HARMS: "Worse than useless",
    Shape.USELESS: "No gain",
    Shape.FALLS: "Overoptimised",
    Shape.TURNS: "Overoptimised, by the law",
    Shape.LEVELS: "Levels off",
    Shape.TURNS_LATER: "Bends; where it turns is not sure",
    Shape.RISES: "No overoptimisation to be seen",
}


def say_name(curve: OwnCurve) -> str:
    """The proxy in a sentence."""
    return f"“{curve.name}”" if curve.name else "the proxy"


def say_place(curve: OwnCurve, point: int) -> str:
    """A measured point: n = 32 (2.5 nats)."""
    label, nats = curve.points["label"][point], f"{number(curve.points['kl'][point], 1)} nats"
    return f"{label} ({nats})" if label else nats


def say_score(curve: OwnCurve, value: float, se: float | None = None) -> str:
    """A score with its unit, and its standard error where that is known."""
    known = se is not None and not math.isnan(se)
    return (with_se(value, se) if known else number(value)) + (f"{NO_BREAK}SDs" if curve.in_sds else "")


def say_finding(curve: OwnCurve, finding: Finding) -> str:
    """Whether and where the proxy is overoptimised, from what was measured."""
    name, last = say_name(curve), curve.points.height - 1
    top, end = say_place(curve, finding.top), say_place(curve, last)
    gold, se = curve.column("gold"), curve.column("gold_se")
    above = "above the start" if curve.start is not None else "above 0"
    fall = say_score(curve, finding.fall, finding.fall_se)
    match finding.shape:
        case Shape.UNKNOWN:
            return (
                f"Whether {name} is overoptimised cannot be told from these numbers: "
                f"{_why_unknown(curve)}. The highest gold measured is at {top}."
            )
        case Shape.HARMS:
            below = say_score(curve, -float(gold[-1]), float(se[-1]))
            return f"Optimising against {name} makes gold worse from the start: at {end} it lies {below} below the start."
        case Shape.USELESS:
            return (
                f"Optimising against {name} brings no gold that can be told from none: up to {end} gold nowhere surely lies "
                "above the start."
            )
        case Shape.FALLS:
            return (
                f"Yes: {name} is overoptimised within what was measured. Gold is highest at {top}, "
                f"{say_score(curve, float(gold[finding.top]))} {above}, and lies {fall} lower at {end}."
                f"{_proxy(curve, finding)}"
            )
        case Shape.TURNS:
            return (
                f"Yes, by the law: fitted to gold it surely turns down before {end}, where the measurement ends. The fall "
                f"itself, {fall} from {top} to there, is within noise.{_proxy(curve, finding)}"
            )
        case Shape.LEVELS:
            return (
                f"Not that these numbers show: gold levels off, so that the law turns down before {end}, where the "
                f"measurement ends, but no fall from {top} to there can be told from noise.{_proxy(curve, finding)}"
            )
        case Shape.TURNS_LATER:
            return (
                f"Not surely within what was measured: gold bends, so that the law turns down, but where it does may lie "
                f"beyond {end}, the last point."
            )
        case Shape.RISES:
            height = say_score(curve, float(gold[finding.top]), float(se[finding.top]))
            return (
                f"Not that these numbers show: up to {end} no downturn can be told from noise. Gold is highest at {top}, "
                f"{height} {above}."
            )


def _why_unknown(curve: OwnCurve) -> str:
    if curve.law.fit.status == "too_few_points":
        return f"a law needs three points at different KL above 0, and there are {curve.law.fit.n_points}"
    return "there is one prompt" if curve.prompts == 1 else "nothing says how noisy they are"


def _proxy(curve: OwnCurve, finding: Finding) -> str:
    """What the proxy says of itself meanwhile; nothing where it was not measured."""
    proxy = curve.column("proxy")
    first, last = proxy[finding.top], proxy[-1]
    if math.isnan(first) or math.isnan(last) or finding.top == len(proxy) - 1:
        return ""
    way = "goes on rising" if last > first else "falls as well"
    return f" The proxy's own score {way} meanwhile, from {number(first)} to {say_score(curve, last)}."


def say_peak(curve: OwnCurve, finding: Finding) -> str:
    """Where the law puts its peak, with the interval; nothing where it has none, or does not fit."""
    law, fit = curve.law, curve.law.fit
    if fit.status not in ("ok", "peak_outside") or finding.misfit > MISFIT:
        return ""
    low, high = law.peak_kl
    known = "" if math.isnan(low) else f" [{number(low, 1)}, {number(high, 1)}]"
    as_n = f" (n = {_ns(curve, fit.peak_kl)})" if in_n(curve) else ""
    where = "" if fit.status == "ok" else ", outside what was measured: a guess from the law alone"
    formula = fit.law.label.replace(" ", NO_BREAK)
    return (
        f"The law {formula} has its peak at {number(fit.peak_kl, 1)}{known} nats{as_n}, at a gold of "
        f"{say_score(curve, fit.peak_gold)}{where}."
    )


def in_n(curve: OwnCurve) -> bool:
    """Whether the points are of best-of-n."""
    return curve.points["n"].null_count() == 0


def _ns(curve: OwnCurve, kl: float) -> str:
    """The n of a KL, and of the interval of the law's peak."""
    low, high = curve.law.peak_kl
    if math.isnan(low):
        return f"{_n(kl)}"
    return f"{_n(kl)} [{_n(low)}, {_n(high)}]"


def _n(kl: float) -> str:
    if math.isinf(kl):
        return "∞"
    return f"{n_of_kl(kl):,}" if kl < 15 else f"10^{(kl + 1) / math.log(10):.0f}"  # log n - 1, nearly


def say_stop(curve: OwnCurve, finding: Finding) -> str:
    """What n, KL or policy to stop at."""
    stop, last = finding.stop, curve.points.height - 1
    place = say_place(curve, stop.point)
    if finding.shape in (Shape.HARMS, Shape.USELESS):
        one = "n = 1" if in_n(curve) else "the initial policy"
        return f"Do not optimise against it: stay at {one}."
    if stop.by_law and in_n(curve):
        said = f"Stop at about n = {_ns(curve, stop.kl)}."
    elif stop.by_law:
        said = f"Stop at about {number(stop.kl, 1)} nats; of what was measured, {place} is nearest."
    elif stop.point == last and finding.shape is not Shape.UNKNOWN:
        said = f"Nothing measured speaks against {place}, the farthest; what lies beyond is not known."
    else:
        said = f"Stop at {place}, where the highest gold was measured."
    if finding.enough < stop.point and curve.points["kl"][finding.enough] > 0:
        said += f" {say_place(curve, finding.enough)} already comes within one standard error of the highest gold."
    return said
