"""What a claim of others about methods is here: a claim as the paper's are, and what they found where they looked."""

from collections.abc import Callable
from dataclasses import dataclass

from overopt.analysis.claims.claim import Claim
from overopt.analysis.claims.outcome import Outcome
from overopt.analysis.evidence import Evidence
from overopt.analysis.held_out import HeldOut, Values, drawn
from overopt.analysis.resampled import interval
from overopt.util.words import with_interval

FIGURE = "09_what_helps.html#fig-what-helps"
FALL = 0.1  # SDs from the highest gold to the end of a run that count as a fall
CHOSEN_ELSEWHERE = "Settings and stops are chosen on other seeds and prompts."


@dataclass(frozen=True, kw_only=True)
class MethodClaim(Claim):
    """A claim that a method helps; number: the place of its letter in the alphabet, from 1.

    letter: by it, and not by a number, which the paper's claims have; theirs: what they found, and where; source: who, as a
    link.
    """

    letter: str
    theirs: str
    source: str


def method_claim(
    letter: str, text: str, *, theirs: str, source: str, rule: str
) -> Callable[[Callable[[Evidence], Outcome]], MethodClaim]:
    """Makes of the function below it the `MethodClaim` that the function judges: see `claim.claim`."""
    number = ord(letter) - ord("A") + 1
    return lambda judge: MethodClaim(
        number, text, rule, FIGURE, judge, letter=letter, theirs=theirs, source=source
    )


def absent(what: str) -> Outcome:
    """Nothing in the study bears on the claim."""
    return Outcome("not measured", None, None, f"Not measured in this study: {what}.")


def known(values: Values) -> tuple[float, tuple[float, float]]:
    """The mean of values by seed and prompt, and its interval."""
    mean, draws = drawn(values)
    return mean, interval(draws)


def told(values: Values) -> str:
    """The mean of values by seed and prompt, and its interval, in words."""
    value, ends = known(values)
    return with_interval(value, *ends)


def falls(found: HeldOut) -> bool:
    """Whether gold surely falls by more than `FALL` from where the method was stopped to its end."""
    return known(found.fall())[1][0] > FALL
