"""What the front page says in ten lines, and the table of hyperparameters."""

from overopt.analysis.evidence import Evidence
from overopt.analysis.results import Results
from overopt.report import sentences
from overopt.report.page import VERDICT_MARKS, commit
from overopt.study.parts import Sweep
from overopt.study.study import ReviewsStudy
from overopt.util.words import duration, short_number


def in_short(r: Results, e: Evidence) -> str:
    """The outcome as an admonition of ten numbered lines."""
    sizes = e.sizes.by.values(e.sizes.curves)
    proxies = r.proxies.filter(pairs=e.pairs, epochs=1).rename(
        {"parameters": "rm_params", "validation_loss": "rm_loss", "validation_accuracy": "rm_accuracy"}
    )
    counts = {verdict: sum(entry["verdict"] == verdict for entry in r.verdicts) for verdict in VERDICT_MARKS}
    bon, ppo = e.sizes.peaks("bon"), e.sizes.peaks("ppo")
    lines = [
        "**Claims.** Of the paper's twenty, "
        + ", ".join(f"{count} {_word(verdict, count)}" for verdict, count in counts.items())
        + ".",
        "**World.** Beginnings of sentences from film reviews, completed in up to "
        f"{r.study.text.completion_tokens} tokens by a language model of "
        f"{short_number(r.study.models[r.study.policy].parameters)} parameters, the *policy*.",
        f"**Gold.** A reward model of {short_number(r.chain['gold']['params'])} parameters plays the human. "
        + sentences.say_gold(r.chain["gold"]),
        f"**Proxies.** {len(sizes)} sizes, {short_number(sizes[0])} to {short_number(sizes[-1])} parameters, learn from "
        f"pairs that gold labelled. {sentences.say_proxies(proxies)}",
        f"**Best-of-n**, to n = {max(e.plain['n'].drop_nulls()):,}. {sentences.say_falls(bon)} "
        + sentences.say_trend(bon, "gold", "the highest gold"),
        f"**PPO.** {sentences.say_falls(ppo)} {sentences.say_trend(ppo, 'gold', 'the highest gold')}"
        + sentences.say_by_second(ppo, e.sizes_by_second.peaks("ppo") if e.sizes_by_second else None),
        f"**Laws.** Best-of-n: {sentences.say_statuses(e.sizes.coefficients('bon'))} PPO: "
        + sentences.say_statuses(e.sizes.coefficients("ppo")),
        f"**Both.** {sentences.say_reach(e.sizes.mean)}",
        f"**Seeds.** {sentences.say_seeds(e.sizes.curves)}",
        f"**Run.** Study `{r.study.name}`, commit `{commit(r.record)}`, {duration(r.record['seconds'])} of compute on "
        f"`{r.record['device']}`.",
    ]
    numbered = "\n".join(f"{k}. {line}" for k, line in enumerate(lines, 1))
    return f":::{{admonition}} The outcome in ten lines\n:class: verdict\n{numbered}\n:::"


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


def hyperparameters(study: ReviewsStudy) -> list[list[str]]:
    """Rows of hyperparameter, value here, value in the paper (its Table 1 and section 2)."""
    run, proxies, none = study.ppo.run, study.proxies, "—"
    sweep = isinstance(proxies.learning_rates, Sweep)
    largest = study.models[study.policy].parameters
    return [
        ["policy parameters", short_number(largest), "1.2B, 6B"],
        ["pairs for training, at most", f"{proxies.pairs:,}", "90,000"],
        ["pairs a step", str(proxies.batch), "64"],
        ["passes over the pairs", "1", "1"],
        ["learning rates of proxies", "swept" if sweep else "set by hand", none],
        ["PPO completions an iteration", str(run.batch), "256"],
        ["PPO completions a step", str(run.minibatch), none],
        ["PPO passes over a batch", str(run.epochs), none],
        ["PPO clip", f"{run.clip:g}", "0.2"],
        ["PPO GAE λ", f"{run.gae_lambda:g}", "0.95"],
        ["PPO learning rate", _power(run.learning_rate), none],
        ["PPO learning rate of the value model", _power(run.value_learning_rate), none],
        ["PPO iterations, at most", str(run.max_steps), none],
        ["KL penalty, where not said otherwise", "0", "0"],
        ["evaluation prompts", str(study.best_of_n.prompts), none],
        ["samples a prompt for best-of-n", f"{study.best_of_n.samples:,}", none],
        ["seeds of proxies", str(study.proxies.seeds), none],
    ]
