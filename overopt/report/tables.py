"""The tables that pages print: for each, by its name in the book, a title and the words of a cell for every column."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from overopt.analysis.method_runs import WORDS
from overopt.analysis.ppo_sweep import LEVELS
from overopt.plan.prices import HEADER, Costs, price_rows
from overopt.plan.study_plan import plan
from overopt.report import myst
from overopt.study.study import load_study
from overopt.util.words import number, short_number, with_interval, with_se

Row = dict[str, Any]


class Column(NamedTuple):
    """A title, what a cell says of a row, and whether it stands left (l) or right (r)."""

    title: str
    cell: Callable[[Row], str]
    align: str = "r"


@dataclass(frozen=True)
class Table:
    """Columns, and what stands there instead where a study has no row, if not an empty table: `absent`, a sentence.

    lacks: what such a study did not measure, where that is why; by: a study that did.
    """

    columns: Sequence[Column]
    absent: str = ""
    lacks: str = ""
    by: str = "published"

    def cells(self, data: pl.DataFrame) -> list[list[str]]:
        """Words for every row of `data`."""
        return [[column.cell(row) for column in self.columns] for row in data.iter_rows(named=True)]


def printed(name: str, data: pl.DataFrame, caption: str, *, study: str = "") -> str:
    """The table `name` of `TABLES` as MyST, one row for each of `data`, on a page of `study`."""
    return as_myst(TABLES[name], name, data, caption, study=study)


def as_myst(shown: Table, name: str, data: pl.DataFrame, caption: str, *, study: str = "") -> str:
    """A table as MyST, one row for each of `data`; `name`: target for cross-references.

    A study that did not measure a thing is not named as one that did.
    """
    if data.is_empty() and shown.lacks:
        return not_measured(shown.lacks, "" if shown.by == study else shown.by)
    if data.is_empty() and shown.absent:
        return shown.absent
    titles, align = [column.title for column in shown.columns], "".join(c.align for c in shown.columns)
    return myst.table(titles, shown.cells(data), caption=caption, name=name, align=align)


def price_table(study: str, *, tflops: float, drawing_tflops: float, seen: Costs | None = None) -> str:
    """What a study costs by kind of stage, as MyST; beside it what was `seen` to be spent."""
    rows = price_rows(plan(load_study(study)), seen, batch=256, tflops=tflops, drawing_tflops=drawing_tflops)
    caption = (
        f"Study `{study}` at {tflops:g} TFLOP/s, and {drawing_tflops:g} while completions are drawn, "
        "on one device, at most."
    )
    header = ["kind of stage", *HEADER[1:], *(["measured"] if seen else [])]
    rows = [(row[0].replace("_", " "), *row[1:]) for row in rows]
    return myst.table(
        header, rows, caption=caption, name=f"tab-price-{study}", align="l" + "r" * (len(header) - 1)
    )


def not_measured(what: str, by: str) -> str:
    """What stands where a table would, in a study that did not measure it; the study `by`, where there is one, does."""
    other = f"; the study `{by}` does" if by else ""
    return f"*The study did not measure {what}{other}.*"


def _text(title: str, name: str = "", align: str = "l") -> Column:
    return Column(title, lambda row: str(row[name or title]), align)


def _number(title: str, name: str = "", digits: int = 2) -> Column:
    return Column(title, lambda row: number(row[name or title], digits))


def _known(title: str, name: str, digits: int = 2) -> Column:
    return Column(title, lambda row: "-" if row[name] is None else number(row[name], digits))


def _share(title: str, name: str) -> Column:
    return Column(title, lambda row: "—" if row[name] is None else f"{row[name]:.0%}")


def _count(title: str, name: str = "") -> Column:
    return Column(title, lambda row: f"{row[name or title]:,}")


def _size(align: str = "r") -> Column:
    return Column("proxy size", lambda row: short_number(row["rm_params"]), align)


def _with_se(title: str, name: str, se: str) -> Column:
    return Column(title, lambda row: with_se(row[name], row[se]))


def _with_interval(title: str, name: str, digits: int) -> Column:
    return Column(
        title, lambda row: with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], digits)
    )


def _method() -> Column:
    return Column("method", lambda row: WORDS.get(row["method"], str(row["method"])), "l")


def _times(value: float | None, factor: int) -> float | None:
    return None if value is None else factor * value


def _reach(row: Row) -> str:
    """The n for which a completion is the best."""
    return f"{row['n']:,}" if row["n"] == row["most"] else f"{row['n']:,} to {row['most']:,}"


def _sample(row: Row) -> str:
    return f"*{myst.escaped(row['prompt_text'])}* {myst.escaped(row['completion'])}"


def _coefficient(title: str, name: str, digits: int) -> Column:
    return Column(title, lambda row: _known_interval(row, name, digits))


def _known_interval(row: Row, name: str, digits: int) -> str:
    """With its interval where there is one, a dash where nobody knows it."""
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    known = low is not None and high is not None
    return with_interval(value, low, high, digits) if known else number(value, digits)


WHAT = {"alpha": "α", "beta": "β", "peak_kl": "peak KL (nats)", "peak_gold": "peak gold (SDs)"}
# of `texts.ppo_texts`; a stage is named once
_PPO_TEXTS = [
    Column("stage", lambda row: row["stage"] if row["first"] else "", "l"),
    _number("KL", "kl", 1),
    Column("prompt and completion", _sample, "l"),
    _number("proxy"),
    _number("gold"),
]
TABLES = {
    "tab-data": Table([_text("what"), _text("how many", align="r")]),
    "tab-hyperparameters": Table(
        [_text("hyperparameter"), _text("here", align="r"), _text("paper", align="r")]
    ),
    "tab-texts-bon": Table(
        [
            Column("n", _reach),
            Column("completion", lambda row: myst.escaped(row["completion"]), "l"),
            _number("proxy"),
            _number("gold"),
        ]
    ),
    "tab-texts-ppo": Table(_PPO_TEXTS),
    "tab-samples": Table(
        [
            Column("prompt", lambda row: myst.escaped(row["prompt"]), "l"),
            Column("what the policy wrote", lambda row: myst.escaped(row["completion"]), "l"),
        ],
        absent="The study kept no samples of its initial policy.",
    ),
    "tab-coefficients": Table(
        [
            _text("where", "source"),
            _method(),
            _size(),
            _count("pairs"),
            Column("shape", lambda row: row["shape"] or "—", "l"),
            _coefficient("α", "alpha", 2),
            _coefficient("β", "beta", 3),
        ]
    ),
    "tab-peaks": Table(
        [
            _method(),
            _size(),
            _with_interval("peak KL (nats)", "peak_kl", 1),
            _with_interval("peak gold (SDs)", "peak_gold", 2),
        ],
        "*No curve has a peak that is known to within a factor of ten.*",
    ),
    "tab-forms": Table(
        [
            _method(),
            Column("form", lambda row: f"${row['tex']}$" + (" (the paper's)" if row["own"] else ""), "l"),
            Column("misfit, % of gold's range", lambda row: number(_times(row["misfit"], 100), 1)),
            _number("held-out error (SDs)", "error"),
        ]
    ),
    "tab-ppo-sweep": Table(
        [
            Column("setting", lambda row: f"**{row['setting']}**" if row["chosen"] else row["setting"], "l"),
            _known("KL efficiency", "efficiency"),
            *(_known(f"at {level:g} nats", f"at_{level:g}") for level in LEVELS),
            _known("proxy score at 3 nats (its SDs)", "proxy"),
            _known("length at 3 nats (tokens)", "length", 1),
            _known("ending in EOS", "ended"),
        ],
        lacks="settings of PPO",
        by="laptop",
    ),
    "tab-far": Table(
        [
            _size(),
            _count("pairs"),
            _count("n"),
            _number("gold"),
            _number("by the law", "predicted"),
            _with_se("difference ± one SE", "difference", "difference_se"),
        ],
        lacks="best-of-n beyond the n that laws are fitted to",
        by="",
    ),
    "tab-turned": Table(
        [
            _size(),
            _count("pairs"),
            _share("labels flipped", "label_noise"),
            _share("accuracy", "accuracy"),
            _with_se("highest gold ± one SE", "gold", "gold_se"),
            _number("KL there (nats)", "kl", 1),
            _number("gold at the largest n", "end_gold"),
            Column("falls", lambda row: "yes" if row["falls"] else "no"),
        ],
        lacks="proxies of flipped labels",
    ),
    "tab-unruled": Table(
        [
            Column(
                "KL (nats)",
                lambda row: f"{row['low']:g} to {row['high']:g}" if row["high"] else f"from {row['low']:g}",
            ),
            _count("texts"),
            _share("repeat themselves", "repeats"),
            _number("gold", "gold"),
            _number("gold of the others", "others"),
            _number("gold without the rule", "unruled"),
        ],
        lacks="gold without its rule",
    ),
    "tab-penalty": Table(
        [
            _size(),
            Column("penalty (SDs a nat)", lambda row: f"{row['kl_penalty']:g}"),
            _number("KL at the end (nats)", "kl", 1),
            _with_se("gold", "gold", "gold_se"),
            _with_se("gold when first there", "gold_first", "gold_se_first"),
            _with_se("gold of early stopping", "gold_free", "gold_se_free"),
            _number("proxy score", "proxy"),
            _number("proxy score of early stopping", "proxy_free"),
        ],
        lacks="KL penalties",
    ),
    "tab-losses": Table(
        [
            _size(),
            _number("correlation ρ", "correlation"),
            _number("perfect selection", "perfect"),
            _number("noise alone", "null"),
            _number("measured", "gold"),
            _number("regressional loss", "regressional"),
            _number("extremal loss", "extremal"),
        ]
    ),
    "tab-rounds": Table(
        [
            _count("rounds"),
            _number("distance (√nats)", "path", 1),
            _number("KL from the start (nats)", "kl", 1),
            _with_se("gold", "gold", "gold_se"),
            _number("by the formula", "predicted"),
            _number("second gold", "gold_second"),
            _number("proxy score", "proxy"),
        ],
        lacks="rounds of RLHF",
    ),
    "tab-frontier": Table(
        [
            _size(),
            _number("KL (nats)", "kl", 1),
            _number("proxy score: frontier", "proxy_tilt"),
            _number("best-of-n", "proxy_bon"),
            _number("PPO", "proxy_ppo"),
            _number("gold: frontier", "gold_tilt"),
            _number("best-of-n", "gold_bon"),
            _number("PPO", "gold_ppo"),
            _number("gold's own frontier", "perfect"),
        ]
    ),
    "tab-pretrained-proxies": Table(
        [
            _size(),
            _count("pairs"),
            _text("seed", align="r"),
            _number("validation loss (nats)", "rm_loss", 3),
            _number("accuracy", "rm_accuracy"),
            _with_se("highest gold (SDs)", "gold", "gold_se"),
            _count("at n", "n"),
        ],
        lacks="proxies of a pretrained policy",
        by="pretrained-cpu",
    ),
    "tab-power": Table(
        [
            _count("claim"),
            _text("of the paper", "text"),
            _share("holds in the paper's world", "power"),
            _share("does not hold there", "refused"),
            _share("holds there, more noise", "power_noisy"),
            _share("holds where it is not so", "alarms"),
            _share("the same, more noise", "alarms_noisy"),
        ]
    ),
    "tab-twice": Table(
        [
            _count("claim"),
            _text("of the paper", "text"),
            _text("runs", "runs"),
            Column("before", lambda row: f"{row['before']}: {_known_interval(row, 'number_before', 3)}", "l"),
            Column("now", lambda row: f"{row['now']}: {_known_interval(row, 'number', 3)}", "l"),
        ],
        absent="*This study was not measured before, or not by today's rules.*",
    ),
    "tab-stopping-failures": Table(
        [
            _text("method", "label"),
            _text("stop where", "says"),
            _size(),
            _count("pairs"),
            _number("stops at (nats)", "kl", 1),
            _number("gold where it stops (SDs)", "gold"),
            _number("highest gold (SDs)", "best_gold"),
            _number("highest at (nats)", "best_kl", 1),
        ],
        "*The rule of least regret lost no more than a tenth of the highest gold in any held-out cell.*",
    ),
    "tab-stopping": Table(
        [
            _method(),
            _text("stop where", "says"),
            _count("cells"),
            _count("cells without a rise", "flat"),
            _share("runs stopped before their end", "early"),
            _with_se("regret ± one SE", "regret", "regret_se"),
            _share("within 10%", "within"),
            _number("worst regret", "worst"),
        ],
        lacks="cells enough to fit and to judge a rule by",
    ),
    "tab-predictions": Table(
        [
            _method(),
            Column("what", lambda row: WHAT[row["coefficient"]], "l"),
            _count("predictions"),
            _count("with a number on both sides", "known"),
            _known("mean error", "error"),
            _known("size of the error", "size"),
            _share("within", "within"),
        ],
        lacks="what was predicted before it",
        by="methods",
    ),
    "tab-predicted": Table(
        [
            _method(),
            _size(),
            _count("pairs"),
            _share("labels flipped", "label_noise"),
            _text("seed", align="r"),
            Column("what", lambda row: WHAT[row["coefficient"]], "l"),
            _coefficient("predicted", "predicted", 2),
            _coefficient("came", "came", 2),
            _known("error", "error"),
            Column("within", lambda row: "yes" if row["within"] else "no"),
            Column("SHA-256", lambda row: f"`{row['sha256'][:12]}`", "l"),
        ],
        "*Nothing was predicted.*",
    ),
    "tab-slopes": Table(
        [
            _method(),
            Column("for ten times the", lambda row: {"size": "size", "pairs": "pairs"}[row["along"]], "l"),
            Column("of", lambda row: WHAT[row["coefficient"]], "l"),
            _text("where", "source"),
            _count("points"),
            _number("decades", "decades", 1),
            _coefficient("change", "slope", 3),
        ]
    ),
    "tab-pretrained-texts": Table(_PPO_TEXTS, lacks="PPO of a pretrained policy", by="pretrained-cpu"),
}
