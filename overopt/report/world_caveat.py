"""The warning that a study's world needs, and on which verdicts it bears; nothing for a world that needs none."""

from overopt.study.parts import GatedGold
from overopt.study.study import ReviewsStudy, Study

# The claims whose outcome changes when PPO's curves are taken away: a gold that was taught texts of optimised policies is in
# doubt where policies go, and best-of-n stays near their start.
FAR = frozenset({2, 4, 5, 6, *range(11, 19), 20})
BADGE = "rests on a taught gold"


def taught(study: Study) -> bool:
    """Whether the study's gold learned from texts of optimised policies, which it therefore dislikes."""
    return isinstance(study, ReviewsStudy) and not isinstance(study.gold, GatedGold)


def made_up(study: Study) -> bool:
    """Whether the study's initial policy writes at temperature 1, where a small model makes up words."""
    return isinstance(study, ReviewsStudy) and not study.sharpening


def say_caveat(study: Study) -> str:
    """A warning of two lines for the front page, where gold was taught or the policy makes up words; else nothing."""
    parts = []
    if taught(study):
        parts.append(
            "gold was taught to dislike the texts of optimised policies, so part of its fall is taught"
        )
    if made_up(study):
        parts.append("the policy makes up words")
    if not parts:
        return ""
    return f":::{{div}} oo-care\n**Read with care**: {'; '.join(parts)} ([more](00_chain)).\n:::"


def badge(study: Study, claim: int) -> str:
    """The badge of a verdict's card, as MyST; nothing where the verdict does not hang on a taught gold."""
    return f"{{bdg-warning-line}}`{BADGE}`" if claim in FAR and taught(study) else ""
