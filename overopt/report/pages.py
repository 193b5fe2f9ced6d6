"""A page of the book as its notebook makes it: one object with the study's results, which prints what stands on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import polars as pl
from IPython.display import HTML, Markdown

from overopt import api
from overopt.analysis import laws_elsewhere, rule_power, what_helps
from overopt.analysis.claim_sketches import sketch
from overopt.analysis.claims.method_verdicts import judge_methods
from overopt.analysis.evidence import Evidence, Slice
from overopt.analysis.groups import SIZES
from overopt.analysis.results import Results
from overopt.engine.record import read_record
from overopt.report import charts, figures, method_tables, methods_beside, tables
from overopt.report.myst import box, escaped
from overopt.report.sentences import rule_sentences, say_compute, say_source
from overopt.report.strictness import say_strictness
from overopt.report.thumbnails import thumbnail
from overopt.study.study import available, load_study
from overopt.util.words import capital

ON_PPO = (2, 4, 5, 6, *range(11, 19), 20)  # claims that rest on runs of PPO, wholly or in part
# badges of verdicts: the front page says what they mean
BY_PPO, FAR = "{bdg-primary}`PPO`", "{bdg-primary}`far best-of-n`"
VERDICT_MARKS = {"holds": "●", "partly": "◐", "does not hold": "○", "cannot tell": "?"}


def open_page(study: str, name: str) -> Page:
    """The page `name` (its notebook's file) of a study, by name or YAML path; charts are from now on read offline.

    Raises:
        UserError: if the study is unknown or invalid, or its results cannot be computed.
    """
    charts.enable()
    return Page(api.load_results(study), name)


class Page:
    """What a notebook prints around its story; every method returns a cell's output."""

    def __init__(self, results: Results, name: str) -> None:
        self.results, self.name = results, name

    @cached_property
    def evidence(self) -> Evidence:
        """The curves of the study, sliced."""
        return Evidence(self.results)

    def say(self, *sentences: str) -> Markdown | None:
        """MyST text; no output where there is nothing to say."""
        said = " ".join(filter(None, sentences))
        return Markdown(said) if said else None

    def found(self, paper: str, here: str) -> Markdown:
        """The card of a section: what the paper found, and what was found here."""
        return Markdown(box("In short", "verdict", f"**The paper.** {paper}\n\n**Here.** {here}"))

    def card(self, paper: str, *claims: int) -> Markdown:
        """The card of a section: what the paper found, and the verdicts on its claims here."""
        entries = {entry["claim"]: entry for entry in self.results.verdicts}
        here = [
            f"\n- {VERDICT_MARKS[entries[k]['verdict']]} **{'Check' if entries[k]['check'] else 'Claim'} {k}: "
            f"{entries[k]['verdict']}.** "
            f"*{escaped(entries[k]['text'])}* {_measured(entries[k])}"
            for k in claims
        ]
        return self.found(paper, " ".join(here))

    def figure(
        self,
        draw: Callable[..., Any],
        data: pl.DataFrame,
        *others: Any,
        least: int = 1,
        measured_by: str = "published",
        **options: Any,
    ) -> Any:
        """The chart `draw(data, ...)`, or a sentence where `data` has fewer than `least` rows; `measured_by` has more."""
        return draw(data, *others, **options) if data.height >= least else self._absent(measured_by)

    def gold_and_proxy(
        self,
        curves: Slice | None,
        method: str,
        *,
        description: str,
        stars: bool = False,
        law: bool = True,
        paper: bool = False,
        height: int = figures.HEIGHT,
        measured_by: str = "published",
    ) -> Any:
        """Gold, proxy and fitted law of one method's curves: see `figures.gold_and_proxy`.

        A sentence stands there instead where the curves were not measured, or for one group alone that is to be compared
        with others; the study `measured_by` has them.

        Args:
            curves: a slice of the evidence, None where there is none.
            method: bon or ppo.
            description: what a reader who cannot see the chart is told.
            stars: whether the highest gold is marked.
            law: whether the fitted law is drawn.
            paper: whether the paper's laws stand beside, in grey.
            height: of the plot, in pixels.
            measured_by: a study that has such curves.
        """
        if curves is None or not curves.has(method, groups=1 if curves.by is SIZES else 2):
            return self._absent(measured_by)
        mean = curves.of(method)
        return figures.gold_and_proxy(
            mean,
            curves.law_lines(method) if law else mean.clear(),
            curves.peaks(method) if stars else None,
            by=curves.by,
            paper=laws_elsewhere.paper_lines(method, float(mean["kl"].max())) if paper else None,  # type: ignore[arg-type]
            runs=curves.curves.filter(method=method),
            height=height,
            title="" if curves.by is SIZES else figures.proxy_title(curves.curves),
            description=description,
        )

    def _absent(self, by: str) -> HTML:
        """See `absent`; a study that did not measure a thing is not named as one that did."""
        return absent("" if by == self.results.study.name else by)

    def table(self, name: str, data: pl.DataFrame, *, caption: str) -> Markdown:
        """The numbered table `name` of `tables.TABLES`, or what stands there where `data` has no row."""
        return Markdown(tables.printed(name, data, caption, study=self.results.study.name))

    @cached_property
    def beside(self) -> Evidence | None:
        """The study `methods`, if the book has it and the same gold judges both."""
        found = methods_beside.beside(self.results)
        return Evidence(found) if found else None

    @property
    def studies(self) -> list[Evidence]:
        """This study, and the one beside it, if there is one."""
        return [self.evidence, *([self.beside] if self.beside else [])]

    @property
    def all_curves(self) -> pl.DataFrame:
        """The curves of `studies`; one that they share is there once."""
        return methods_beside.all_curves([study.results for study in self.studies])

    def say_studies(self) -> Markdown | None:
        """Which other study a page looks at; nothing where it looks at its own alone."""
        return self.say(
            *(f"Beside this study stands another. {say_source(other.results)}" for other in self.studies[1:])
        )

    @cached_property
    def methods(self) -> Evidence:
        """The study whose methods the page shows: the one beside this where this has no newer methods."""
        own = method_tables.has_newer(self.evidence.method_runs)
        return self.evidence if own or not self.beside else self.beside

    def methods_measured(self) -> Markdown:
        """Which methods the tables hold of the study that is shown, and which study that is, where it is another."""
        shown = self.methods
        said = method_tables.say_measured(shown.method_runs)
        return Markdown(said if shown is self.evidence else f"{said} {say_source(shown.results)}")

    @cached_property
    def helped(self) -> pl.DataFrame:
        """Every method at the setting that was chosen for it: see `analysis.what_helps.table`."""
        return what_helps.table(self.methods.method_runs, self.methods.results)

    def what_helps(self) -> Markdown:
        """`helped` as a table."""
        name = "tab-what-helps"
        return Markdown(tables.as_myst(method_tables.TABLES[name], name, self.helped, method_tables.CAPTION))

    def claims_on_methods(self) -> Markdown:
        """A card for each claim of others about methods: theirs beside ours."""
        return Markdown(method_tables.cards(judge_methods(self.methods)))

    def verdict_cards(self) -> Markdown:
        """A card for each claim: a small picture, the verdict, the number measured, the rule, and a link to the figure."""
        lines, power = [":::::{grid} 1 1 2 2", ":gutter: 2", ""], self._power()
        for entry in self.results.verdicts:
            page, _, target = entry["figure"].partition(".html#")
            mark = VERDICT_MARKS[entry["verdict"]]
            lines += [
                f"::::{{grid-item-card}} {mark} {entry['claim']}. {escaped(entry['text'])}",
                f":class-card: oo-verdict oo-{entry['verdict'].replace(' ', '-')}",
                "",
                *_paragraph(self._thumbnail(entry["claim"])),
                f"**{_checked(entry)}{entry['verdict'].capitalize()}.** {_measured(entry)}",
                "",
                ":::{dropdown} The rule",
                escaped(entry["rule"]),
                "",
                *_paragraph(power.get(entry["claim"], "")),
                ":::",
                "",
                f"{{numref}}`{target}` on [](/{page})",
                "::::",
                "",
            ]
        return Markdown("\n".join([*lines, ":::::"]))

    def _power(self) -> dict[int, str]:
        """What the rule of each claim can tell, where it was tried with the runs and the noise of this study."""
        tried = _tried() if self.results.study.name == api.NOISE_OF else None
        return rule_sentences(rule_power.rates(tried[0]), tried[0]["seed"].n_unique()) if tried else {}

    def _thumbnail(self, claim: int) -> str:
        """The claim's small picture; nothing where it has none."""
        found = sketch(self.evidence, claim)
        return thumbnail(found) if found else ""

    def power(self) -> Markdown:
        """The table of what rules can tell, or a sentence where it was computed for other rules than today's."""
        tried = _tried()
        if tried is None:
            return Markdown(
                f"*How often today's rules tell what is so is not committed; `overopt report {api.NOISE_OF} --publish` "
                "computes it.*"
            )
        found, key = tried
        caption = (
            f"Shares of {found['seed'].n_unique()} simulated studies with the runs and the noise of `{api.NOISE_OF}`, and "
            f"with {max(rule_power.NOISES):g} times that noise; result `{key[:12]}`."
        )
        return self.table("tab-power", rule_power.rates(found), caption=caption)

    def about(self) -> Markdown:
        """The box every page ends with: study, seeds, commit, run time, and how to make the page again."""
        record, study = self.results.record, self.results.study
        # the study of a reader is named by a file, whose place is nobody else's business
        own = study.name in available() and load_study(study.name) == study
        source = study.name if own else "YOUR_STUDY.yaml"
        seeds = record["seeds"]
        several = isinstance(seeds, Sequence) and not isinstance(seeds, str)
        lines = [
            f"Study `{study.name}` in the world `{study.world}`; "
            f"seeds {', '.join(map(str, seeds)) if several else seeds}; {say_commits(record)}; "
            f"{say_compute(record)} on `{record['device']}`; result `{record['key'][:12]}`.",
            "",
            "```bash",
            f"make report STUDY={source}",
            f".venv/bin/papermill notebooks/{self.name}.ipynb out.ipynb \\",
            f"    -p study {source}",
            "```",
        ]
        return Markdown(box("Reproduce this page", "tip reproduce", "\n".join(lines)))


def _measured(entry: dict[str, Any]) -> str:
    """What was measured for a verdict, whether other gates say so, and what it rests on."""
    return f"{escaped(capital(entry['measured']))}{say_strictness(entry)} {badges(entry)}"


def badges(entry: Mapping[str, Any]) -> str:
    """Badges of what a verdict rests on."""
    worn = {BY_PPO: entry["claim"] in ON_PPO, FAR: entry["by_gold_alone"]}
    return " ".join(badge for badge, rests in worn.items() if rests)


def _tried() -> tuple[pl.DataFrame, str] | None:
    """`rule_power.outcomes` of today's rules and the key of that result; None where it is not committed."""
    folder = api.checked("rule_power")
    return (pl.read_parquet(folder / "outcomes.parquet"), read_record(folder)["key"]) if folder else None


def _paragraph(text: str) -> list[str]:
    """The lines of a paragraph; none where there is nothing to say."""
    return [text, ""] if text else []


def _checked(entry: dict[str, Any]) -> str:
    return "Check of a theorem: " if entry["check"] else ""


def absent(by: str = "published") -> HTML:
    """What stands where a figure would, in a study that did not measure it; the study `by`, where there is one, did."""
    other = f"; <code>{by}</code> does" if by else ""
    return HTML(f'<p class="oo-absent">The study did not measure what this figure shows{other}.</p>')


def say_commits(record: dict[str, Any]) -> str:
    """Which commits computed the results, shortened, with their stages where there are several; "unknown" outside a git
    repository. Tables of before these were counted know the last alone.

    >>> say_commits({"git": "0123456789abcdef"})
    'commit `0123456789ab`'
    >>> say_commits({"git": "b" * 40, "commits": {"a" * 40: 512, "unknown": 1}})
    'commits `aaaaaaaaaaaa` (512 stages), `unknown` (1)'
    """
    counts = record.get("commits", {})
    if len(counts) < 2:
        return f"commit `{(record['git'] or 'unknown')[:12]}`"
    listed = ", ".join(f"`{name[:12]}` ({count:,})" for name, count in counts.items())
    return f"commits {listed}".replace(")", " stages)", 1)
