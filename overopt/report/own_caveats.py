"""What could make a page on a reader's own curve wrong: a sentence for whatever applies to it, and what always does."""

from __future__ import annotations

from overopt.analysis.own_curves import OwnCurve
from overopt.analysis.own_findings import MISFIT, Finding
from overopt.estimators.laws import STATUSES
from overopt.report.own_sentences import in_n, say_name, say_place
from overopt.util.words import capital, number

FEW_PROMPTS = 20  # below it, errors and intervals over prompts are themselves guesses
SPARE = 4  # times the n that is recommended: as many samples a prompt make its estimate more than a few draws
FEW_POINTS = 5  # above KL 0

ALWAYS = (
    "Gold must itself judge well where optimisation leads: read what wins at the largest KL before you believe its score.",
    "The numbers are of these prompts and this initial policy, at the temperature at which its samples were drawn.",
)


def caveats(curve: OwnCurve, finding: Finding) -> list[str]:
    """What applies to this curve, the gravest first; empty where nothing does."""
    return [capital(said) for said in (*_of_samples(curve, finding), *_of_law(curve, finding)) if said]


def _of_samples(curve: OwnCurve, finding: Finding) -> list[str]:
    said = []
    prompts, samples = curve.prompts, curve.samples
    if prompts == 1:
        said.append("one prompt says nothing about another: there are no standard errors and no intervals.")
    elif prompts is not None and prompts < FEW_PROMPTS:
        said.append(
            f"{prompts} prompts are few: errors and intervals over prompts are rough, and rather too narrow."
        )
    elif curve.points["gold_se"].null_count():
        said.append(
            "without a column `gold_se` the scatter of the points about the law has to tell the noise."
        )
    if samples and samples.ties > 0:
        said.append(
            f"{number(100 * samples.ties, 0)}% of the samples share their proxy score with another of their prompt. Ties "
            "are broken at random here, and KL is what that leaves of log n − (n − 1)/n: no more can be told apart."
        )
    n = curve.column("n")[finding.stop.point]
    if samples and n * SPARE > samples.fewest > 1:
        said.append(
            f"{samples.fewest} samples a prompt are few for n = {n:g}: there each prompt counts for few independent draws. "
            f"Draw {SPARE} times the n that you ask about, at least."
        )
    if samples is None and in_n(curve):
        said.append(
            "points of best-of-n share their samples, which this file does not hold: intervals suppose that they do not. "
            "Scores give better ones."
        )
    if curve.kind == "policies":
        said.append(
            "checkpoints of one run are one seed: how far another run would differ is not in these numbers."
        )
    return said


def _of_law(curve: OwnCurve, finding: Finding) -> list[str]:
    said = []
    fit = curve.law.fit
    if curve.start is None:
        said.append(
            "there is no point at KL 0, so nothing was subtracted; the law is 0 there whatever gold is."
        )
    elif curve.kind == "curves" and curve.start != 0:
        said.append(
            f"the gold at KL 0, {number(curve.start)}, was subtracted from all points; its own noise is not counted."
        )
    if fit.status not in ("ok", "too_few_points"):
        said.append(f"of the law: {STATUSES[fit.status]}.")
    if finding.misfit > MISFIT:
        beyond = "" if curve.points["gold_se"].null_count() else ", beyond noise"
        said.append(
            f"the law {fit.law.label} does not fit: points lie {number(100 * finding.misfit, 0)}% of gold's range away "
            f"from it{beyond}. Its peak is not used; look at the points."
        )
    high = curve.law.peak_kl[1]
    if fit.status == "ok" and high > curve.far:
        said.append(
            f"the interval of the peak reaches beyond {say_place(curve, curve.points.height - 1)}, the last point: measure "
            "farther to know."
        )
    if 3 <= fit.n_points < FEW_POINTS:
        said.append(f"{fit.n_points} points above KL 0 are few for a law with two coefficients.")
    if curve.points["proxy"].null_count() == curve.points.height:
        said.append(
            f"the score that {say_name(curve)} gives itself is not in the file, so the gap to gold is not seen."
        )
    return said
