"""What the front page says first, and by topic; what the pages were made with: counts and hyperparameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from overopt.analysis import page_tables
from overopt.analysis.evidence import Evidence
from overopt.analysis.fit_shapes import shapes
from overopt.report import earlier, falls, sentences
from overopt.report.gold_sentences import say_gold
from overopt.report.law_sentences import say_counts
from overopt.report.myst import box
from overopt.report.pages import BY_PPO, FAR, VERDICT_MARKS, say_commits
from overopt.report.strictness import say_all
from overopt.report.unruled import say_unruled
from overopt.study.parts import Sweep
from overopt.study.study import ReviewsStudy
from overopt.util.words import counted, short_number

CHART_HEIGHT = 200  # pixels: a chart that stands on the first screen, under three sentences
OPENING = (
    "A language model, the *policy*, learns to please a *proxy*, a model that imitates a judge. The judge, *gold*, is a "
    "larger model that stands in for people and scores the policy's texts; *KL* says, in nats, how far the policy has moved "
    "from its start. {cite:t}`gao2022scaling` found that gold's score first rises with KL, then falls: here that "
)
HALVES = "Gold is a *rating*, a model of what people would say, where its *gate* finds language, and low elsewhere."


def opening(verdicts: Sequence[Mapping[str, Any]], words: Mapping[int, str]) -> str:
    """Three sentences: what is optimised, who judges, and what the paper found beside the verdicts on claims 2 and 1.

    words: of best-of-n, a word of `fit_shapes.SHAPES` for every proxy size; a verdict may rest on few that turn.
    """
    of = {entry["claim"]: entry["verdict"] for entry in verdicts}
    by_rl, by_bon = (
        verdict.replace("partly", "partly holds").replace("cannot tell", "cannot be told")
        for verdict in (of[2], of[1])
    )
    return (
        f"{OPENING}**{by_rl}** under PPO, which trains the policy, and **{by_bon}** under best-of-n, which keeps, "
        f"of n texts, the one that the proxy likes best{_but_few_fall(words)}."
    )


def _but_few_fall(words: Mapping[int, str]) -> str:
    """
    >>> _but_few_fall({1: "turns", 2: "bends", 3: "bends"}), _but_few_fall({1: "bends", 2: "turns", 3: "bends"})
    (', though gold surely falls for the smallest proxies alone', ', though gold surely falls for few proxies')
    >>> _but_few_fall({1: "turns", 2: "turns", 3: "bends"})
    ''
    """
    turns = [words[size] == "turns" for size in sorted(words)]
    if not any(turns) or 2 * sum(turns) >= len(turns):
        return ""
    smallest = all(turns[: sum(turns)])
    return f", though gold surely falls for {'the smallest proxies alone' if smallest else 'few proxies'}"


def scale(evidence: Evidence) -> str:
    """How small the models and how short the ways are, beside the paper's."""
    study, sizes = evidence.results.study, evidence.sizes
    proxies, ppo = sizes.by.values(sizes.curves), sizes.curves.filter(method="ppo")
    furthest = f"{max(ppo['kl']):.0f} nats" if ppo.height else "—"
    return (
        f"**How small this world is**: a policy of {short_number(evidence.policy_params)} parameters (paper: 1.2B and 6B), "
        f"gold of {short_number(evidence.results.chain['gold']['params'])} (6B), proxies of {short_number(proxies[0])} to "
        f"{short_number(proxies[-1])} (3M to 3B), texts of up to {study.text.completion_tokens} tokens. "
        f"Best-of-n goes to {say_largest_n(evidence)}, PPO to {furthest}. Gold predicts what people would rate a text; text "
        "that is no language is worth as little as the worst."
    )


def say_largest_n(evidence: Evidence) -> str:
    """The largest n of best-of-n and the KL there, and those of far best-of-n with its seeds where there is any."""
    parts = []
    for curves in (evidence.plain, *([evidence.far.curves] if evidence.far else [])):
        bon = curves.filter(method="bon")
        if bon.is_empty():
            return "—"
        top = bon.row(int(bon["n"].arg_max() or 0), named=True)
        parts.append((f"n = {top['n']:,} ({top['kl']:.0f} nats)", bon["seed"].n_unique()))
    far = [f", with {counted(seeds, 'seed')} to {n}" for n, seeds in parts[1:]]
    return parts[0][0] + "".join(far)


def tally(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """How many claims have which verdict, in a sentence."""
    claims = [entry for entry in verdicts if not entry["check"]]
    counts = {verdict: sum(entry["verdict"] == verdict for entry in claims) for verdict in VERDICT_MARKS}
    marked = ", ".join(
        f"{count} {_word(verdict, count)} {VERDICT_MARKS[verdict]}" for verdict, count in counts.items()
    )
    return f"Of {len(claims)} claims of the paper, {marked}{say_checks(verdicts)}."


def caveats(evidence: Evidence) -> str:
    """What to know before a verdict is quoted, as an admonition: what badges mean, and kinds of doubt."""
    ppo, far = evidence.sizes.curves.filter(method="ppo"), evidence.far
    points = []
    if ppo.height:
        halves = falls.say_halves(ppo)
        marked = f"{BY_PPO} marks what rests on PPO, wholly or in part."
        points.append(f"{marked} {HALVES} {halves}" if halves else marked)
        points += filter(None, [say_unruled(evidence)])
    if far is not None:
        runs = falls.say_runs(far.curves)
        points.append(f"{FAR} marks what uses best-of-n beyond the other figures, with {runs}.")
    points += [
        "Intervals are over prompts and seeds. They leave out the chance in training the policy, so they are too narrow. "
        + earlier.say_twice(earlier.twice(evidence.results)),
        "Rules and the study were changed after results were seen. [The history](09_rules) says when, and what was known.",
    ]
    return box("Before you quote a verdict", "warning", "\n".join(f"- {point}" for point in points))


def in_short(evidence: Evidence) -> str:
    """The outcome as an admonition, a point a topic."""
    results, sizes = evidence.results, evidence.sizes
    record, study, gold = results.record, results.study, results.chain["gold"]
    parameters = sizes.by.values(sizes.curves)
    entries = {entry["claim"]: entry for entry in results.verdicts}
    bon, ppo = sizes.peaks("bon"), sizes.peaks("ppo")
    lines = [
        f"**Claims.** {tally(results.verdicts)} {say_all(results.verdicts)}",
        "**World.** Beginnings of sentences from film reviews, completed in up to "
        f"{study.text.completion_tokens} tokens by a language model of "
        f"{short_number(study.models[study.policy].parameters)} parameters, the *policy*.",
        f"**Gold.** A reward model of {short_number(gold['params'])} parameters plays the human. {say_gold(gold)}",
        f"**Proxies.** {len(parameters)} sizes, {short_number(parameters[0])} to {short_number(parameters[-1])} parameters, "
        f"learn from pairs that gold labelled. {sentences.say_proxies(page_tables.main_proxies(evidence))}",
        f"**Best-of-n**, to {say_largest_n(evidence)}. {falls.say_bends(entries[1], bon)} "
        + (falls.say_far_peaks(evidence) or sentences.say_trend(bon, "gold", "the highest gold")),
        f"**PPO.** {falls.say_bends(entries[2], ppo)} {sentences.say_trend(ppo, 'gold', 'the highest gold')}"
        + sentences.say_by_second(evidence),
        f"**Laws.** Best-of-n: {say_counts(shapes(evidence, 'bon'))} PPO: {say_counts(shapes(evidence, 'ppo'))}",
        f"**Both.** {sentences.say_reach(sizes.mean)}",
        f"**Seeds.** {sentences.say_seeds(sizes.curves)}",
        f"**Run.** Study `{study.name}`, {say_commits(record)}, {sentences.say_compute(record)} on "
        f"`{record['device']}`.",
    ]
    numbered = "\n".join(f"{k}. {line}" for k, line in enumerate(lines, 1))
    return box("By topic", "verdict", numbered)


def say_checks(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """Which cards are not counted among the claims, because no study can refute them; nothing where all are.

    >>> say_checks([{"claim": 1, "check": False}, {"claim": 19, "check": True}])
    '; card 19 checks a theorem and is not counted'
    """
    checks = [str(entry["claim"]) for entry in verdicts if entry["check"]]
    if not checks:
        return ""
    several = len(checks) > 1
    return (
        f"; card{'s' if several else ''} {', '.join(checks)} "
        f"{'check theorems and are' if several else 'checks a theorem and is'} not counted"
    )


def _word(verdict: str, count: int) -> str:
    plural = {
        "holds": "hold",
        "partly": "hold partly",
        "does not hold": "do not hold",
        "cannot tell": "cannot be told",
    }
    single = plural | {"holds": "holds", "partly": "holds partly", "does not hold": "does not hold"}
    return (single if count == 1 else plural)[verdict]


def _power(value: float) -> str:
    """0.00008 -> 8 × 10⁻⁵, as the MyST that a table cell holds."""
    factor, _, power = f"{value:e}".partition("e")
    return f"{float(factor):g} × 10{{sup}}`−{abs(int(power))}`"


COUNTED = {
    "reviews": "reviews",
    "sentences": "sentences of them",
    "rated_texts": "texts rated by people",
    "rated_words": "single words rated by people",
    "ratings": "single human ratings",
    "vocabulary": "tokens in the vocabulary",
    "prompt_tokens": "tokens of a prompt, at most",
    "max_new_tokens": "tokens of a completion, at most",
}


def counts(evidence: Evidence) -> pl.DataFrame:
    """The data and the models in words: `what`, `how many`."""
    chain, curves = evidence.results.chain, evidence.sizes.curves
    most = evidence.results.study.proxies.pairs
    numbers = {word: chain["data"][key] for key, word in COUNTED.items() if key in chain["data"]} | {
        f"pairs labelled by gold for training (proxies see {most:,} at most)": chain["pairs"]["train"],
        "pairs held out": chain["pairs"]["held_out"],
        "parameters of the policy": curves["policy_params"][0],
        "parameters of gold": chain["gold"]["params"],
    }
    words = {what: f"{count:,}" for what, count in numbers.items()}
    words["parameters of the proxies"] = ", ".join(f"{size:,}" for size in evidence.sizes.by.values(curves))
    return pl.DataFrame({"what": words.keys(), "how many": words.values()})


def hyperparameters(study: ReviewsStudy) -> pl.DataFrame:
    """`hyperparameter`, its value `here` and in the `paper` (its Table 1 and section 2)."""
    run, proxies, none = study.ppo.run, study.proxies, "—"
    sweep = isinstance(proxies.learning_rates, Sweep)
    largest = study.models[study.policy].parameters
    rows = [
        ["policy parameters", short_number(largest), "1.2B, 6B"],
        ["pairs for training, at most", f"{proxies.pairs:,}", "90,000"],
        ["pairs a step", str(proxies.batch), "64"],
        ["passes over the pairs, where not said otherwise", "1", "1"],
        ["learning rates of proxies", "swept" if sweep else "set by hand", none],
        ["PPO completions an iteration", str(run.batch), "256"],
        ["PPO completions a step", str(run.minibatch), none],
        ["PPO passes over a batch", str(run.epochs), none],
        ["PPO clip", f"{run.clip:g}", "0.2"],
        ["PPO GAE λ", f"{run.gae_lambda:g}", "0.95"],
        ["PPO learning rate", _power(run.learning_rate), "multiplier 0.004"],
        ["PPO learning rate of the value model", _power(run.value_learning_rate), none],
        ["PPO iterations, at most", str(run.max_steps), none],
        ["KL penalty, where not said otherwise", "0", "0"],
        ["evaluation prompts", str(study.best_of_n.prompts), none],
        ["samples a prompt for best-of-n", f"{study.best_of_n.samples:,}", none],
        ["seeds of proxies, at most", str(study.proxies.seeds), none],
    ]
    return pl.DataFrame(rows, schema=["hyperparameter", "here", "paper"], orient="row")
