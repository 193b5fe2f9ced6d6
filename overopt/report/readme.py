"""What README opens with: the headline figure as a picture, and the verdicts as a table, both from the results."""

from pathlib import Path

from overopt.analysis.evidence import Evidence
from overopt.analysis.results import Results
from overopt.report import figures
from overopt.report.charts import static_svg
from overopt.report.pages import VERDICT_MARKS
from overopt.report.sentences import say_ends
from overopt.util.errors import UserError
from overopt.util.files import replacing
from overopt.util.words import capital

START, END = (
    "<!-- verdicts: written by `.venv/bin/overopt report published --publish` -->",
    "<!-- end of verdicts -->",
)
WIDTH = 760


def verdict_table(results: Results) -> str:
    """The verdicts as a Markdown table."""
    rows = []
    for entry in results.verdicts:
        kind = "check of a theorem: " if entry["check"] else ""
        verdict = f"{VERDICT_MARKS[entry['verdict']]} {kind}{entry['verdict']}"
        rows.append(f"| {entry['claim']} | {entry['text']} | {verdict} | {_plain(entry['measured'])} |")
    return "\n".join(["| | claim of the paper | here | measured |", "|---|---|---|---|", *rows])


def opening(results: Results) -> str:
    """What stands between the marks: the table, and how far gold itself is to be trusted."""
    trust = say_ends(results)
    second = f"\n\nA second gold is made from other raters' votes, seeds and texts.{trust}" if trust else ""
    return verdict_table(results) + second


def _plain(text: str) -> str:
    """A sentence for a cell: no bar, a capital first."""
    return capital(text).replace("|", "\\|").replace("\u00a0", " ")


def headline(results: Results) -> str:
    """PPO against proxies of every size, as SVG on a white ground: the figure on the front page."""
    sizes = Evidence(results).sizes
    chart = figures.gold_and_proxy(
        sizes.of("ppo"),
        sizes.law_lines("ppo"),
        sizes.peaks("ppo"),
        description="Gold and proxy score of PPO against KL.",
    )
    svg = static_svg(chart.to_dict(), WIDTH, "headline-")
    return svg.replace("<svg ", '<svg style="background:#fff;color:#111" ', 1)


def with_verdicts(text: str, results: Results) -> str:
    """README with its table renewed.

    Raises:
        UserError: if the marks around the table are not there.
    """
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise UserError(
            f"README.md: found no marks {START!r} and {END!r}, expected both around the table of verdicts"
        )
    return f"{before}{START}\n{opening(results)}\n{END}{after}"


def publish(results: Results, root: Path) -> None:
    """Write `README.md` and `book/headline.svg` of the project in `root` anew."""
    for path, text in {
        root / "README.md": with_verdicts((root / "README.md").read_text(encoding="utf-8"), results),
        root / "book" / "headline.svg": headline(results),
    }.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
