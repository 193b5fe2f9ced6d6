"""What a page says of a study's world before anything is measured: how gold and the initial policy were made."""

from overopt.data.reviews import RATINGS as RATED
from overopt.data.reviews import REVIEWS
from overopt.study.parts import GatedGold
from overopt.study.study import ReviewsStudy, Study
from overopt.util.words import number

RATINGS = """
Rating models predict human ratings {cite}`hutto2014vader,pang2004sentimental,pang2005seeing`, and gold takes their
mean; they start from word vectors, counted over the reviews {cite}`levy2015improving`."""
MIXED = """
Language is worth its rating, what is surely none is worth what the worst texts are rated, and in between gold mixes
the two."""
GATED = """
**Gold** is a rating times a gate. RATINGS The gate asks whether a text is language at all, and two judges must find
it so: a language model of the half of the reviews that no policy reads, by the mean log-probability of a token, and a
classifier of real text against its own corruption (looped, stuck, shuffled, stuttered), without which loops of likely
words would pass. Each doubts DOUBTED % of real sentences, and that alone fixes how strict it is: **neither was ever shown
text of a policy**. Every curve is also judged by gates that doubt half and twice as many. MIXED"""
DECOYS = """
**Gold** has two parts. RATINGS Its fluency models tell real text from corrupted text and from texts of policies that
were pushed too far, and gold believes the strictest of them. MIXED"""
SHARPENED = """
**The initial policy** is a language model at a lower temperature, which stands for the paper's supervised
fine-tuning: at temperature 1 a model this small makes up words. The rule looks at text alone: of the words of samples as
many are known, from reviews that the policy did not read, as of the words of people's own completions of the same
prompts. It is then a plain model that everything samples at temperature 1."""
PLAIN = """
**The initial policy** is the pretrained language model at temperature 1: its training text already has the form of
the task."""
GATED_DEPARTURES = (
    """
    **Gold is not human taste.** Its ratings are of whole texts and words, given without a prompt; the paper's gold
    learned from comparisons of answers to one prompt. Its gate knows real text alone: nobody was asked about what a
    policy wrote.""",
    """
    **Sharpened, not fine-tuned.** By another rule, that samples are as likely as real text under an independent
    model, the temperature of the initial policy would be higher, and its samples fuller of words that do not exist.""",
)
DECOY_DEPARTURES = (
    """
    **Gold was taught what policies write.** Its fluency models learned that over-optimised text is no text, from
    policies trained against throw-away models that are used nowhere else. That gold falls far from the initial policy
    is therefore in part taught. The study `laptop` has a gold that never saw a policy's text.""",
    """
    **The policy makes up words**, as a model of this size does at temperature 1; `laptop`'s is sharpened until it
    does not.""",
)


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


def _flowing(text: str) -> str:
    """A paragraph in one line."""
    return " ".join(text.split())
