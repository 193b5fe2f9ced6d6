"""What a claim of the paper is here: its text, the rule that decides, the figure that shows it, what applies the rule."""

from collections.abc import Callable
from dataclasses import dataclass

from overopt.analysis.claims.outcome import Outcome
from overopt.analysis.evidence import Evidence


@dataclass(frozen=True)
class Claim:
    """A claim: `judge` applies to a study's evidence what `rule` says in words; `figure` is `PAGE.html#NAME`.

    check: of a theorem, which no study can refute: it is not counted among the claims. far: it rests on far best-of-n too,
    where a study has that.
    """

    number: int
    text: str
    rule: str
    figure: str
    judge: Callable[[Evidence], Outcome]
    check: bool = False
    far: bool = False


def claim(
    number: int, text: str, *, rule: str, figure: str, check: bool = False, far: bool = False
) -> Callable[[Callable[[Evidence], Outcome]], Claim]:
    """Makes of the function below it the `Claim` that the function judges.

    A threshold that the rule names is a constant of the function's module, formatted into `rule`.
    """
    return lambda judge: Claim(number, text, rule, figure, judge, check, far)
