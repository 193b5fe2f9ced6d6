"""Claims of others about what helps against overoptimisation, judged: their rules are apart from the paper's twenty."""

from overopt.analysis.claims import joined, stopping
from overopt.analysis.claims.elsewhere import MethodClaim
from overopt.analysis.claims.verdicts import Judged
from overopt.analysis.evidence import Evidence

METHOD_CLAIMS = tuple(
    sorted(
        (
            item
            for module in (joined, stopping)
            for item in vars(module).values()
            if isinstance(item, MethodClaim)
        ),
        key=lambda claim: claim.letter,
    )
)


def judge_methods(evidence: Evidence) -> list[Judged]:
    """Every claim with its outcome, by letter."""
    return [Judged(claim, claim.judge(evidence)) for claim in METHOD_CLAIMS]
