"""The paper's twenty claims, judged, and the verdicts as data.

Each claim stands in one of `MODULES`: its text and its rule above the function that applies it. Rules are stated in effect
sizes and 95% intervals; `overopt.analysis.known_worlds` is where they are tried, and a page tells when they changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from overopt.analysis.claims import coefficients, data, methods, prediction, shape, theory
from overopt.analysis.claims.claim import Claim
from overopt.analysis.claims.outcome import Outcome, finite
from overopt.analysis.curves import STRICTNESS
from overopt.analysis.evidence import Evidence
from overopt.analysis.results import Results
from overopt.engine.record import sha256_of_json


@dataclass(frozen=True)
class Judged:
    """A claim and what it came to."""

    claim: Claim
    outcome: Outcome


COUNT = 20
MODULES = (shape, coefficients, data, methods, prediction, theory)


def _in_order() -> tuple[Claim, ...]:
    """Everything that `@claim` made in `MODULES`."""
    claims = [item for module in MODULES for item in vars(module).values() if isinstance(item, Claim)]
    claims.sort(key=lambda claim: claim.number)
    numbers = [claim.number for claim in claims]
    if numbers != list(range(1, COUNT + 1)):
        raise RuntimeError(f"claims: found the numbers {numbers}, expected 1 to {COUNT}, each once")
    return tuple(claims)


CLAIMS = _in_order()
# what verdicts are kept under: by other rules they are other results
RULES = sha256_of_json([(claim.number, claim.text, claim.rule) for claim in CLAIMS])


def judge(evidence: Evidence, claims: Sequence[Claim] = CLAIMS) -> list[Judged]:
    """Claims with their outcomes, in their order."""
    return [Judged(claim, claim.judge(evidence)) for claim in claims]


def as_data(judged: list[Judged], others: Mapping[str, list[Judged]] | None = None) -> list[dict[str, Any]]:
    """The verdicts as JSON: one entry a claim; what is not a number is null.

    `others`: what golds of another strictness come to, by the name of each. `by_gold_alone` is true of a claim that they say
    nothing of, though they judged others.
    """
    by_other = {view: {item.claim.number: item for item in found} for view, found in (others or {}).items()}
    entries = []
    for item in judged:
        claim, outcome = item.claim, asdict(item.outcome)
        ends = outcome["interval"]
        strictness = {
            view: found[claim.number].outcome.verdict
            for view, found in by_other.items()
            if claim.number in found
        }
        entries.append(
            {
                "claim": claim.number,
                "text": claim.text,
                "verdict": outcome["verdict"],
                "statistic": finite(outcome["statistic"]),
                "interval": [finite(end) for end in ends] if ends else None,
                "measured": outcome["measured"],
                "rule": claim.rule,
                "figure": claim.figure,
                "check": claim.check,
                "by_strictness": strictness,
                "by_gold_alone": bool(by_other) and not strictness,
            }
        )
    return entries


def judge_by_every_gold(results: Results) -> list[dict[str, Any]]:
    """`as_data` of a study's results, by its gold and by golds of another strictness where those judged as well."""
    evidence = Evidence(results)
    views = {view: results.as_judged_by(view) for view in STRICTNESS}
    others = {view: _judged_otherwise(evidence, found) for view, found in views.items() if found is not None}
    return as_data(judge(evidence), others)


def _judged_otherwise(evidence: Evidence, other: Results) -> list[Judged]:
    """What another gold says of the claims, but not of those that rest on far best-of-n where gold alone judged that."""
    theirs = Evidence(other)
    missing = evidence.far is not None and theirs.far is None
    return judge(theirs, [claim for claim in CLAIMS if not (claim.far and missing)])
