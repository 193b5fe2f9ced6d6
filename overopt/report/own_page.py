"""The page that `overopt page` writes: a reader's own curves in one HTML file that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import vl_convert

from overopt import __version__
from overopt.analysis.own_curves import OwnCurve, own_curves
from overopt.analysis.own_findings import Finding, found
from overopt.report import own_caveats, own_tables
from overopt.report.charts import BREAK, NARROW, WIDE, plain, sized, static_svg
from overopt.report.figures import own
from overopt.report.figures.style import INK
from overopt.report.own_sentences import HEADS, say_finding, say_name, say_peak, say_stop
from overopt.util.words import capital

HERE = Path(__file__).parent
PRINTED = "#1a1a1a"  # ink of a picture, which has no page to take it from
KINDS = {"scores": "best-of-n from scores", "curves": "curves", "policies": "policies as judged"}


@dataclass(frozen=True)
class OwnPage:
    """The parts of a page on the curves of one file, each as HTML; `page` binds them."""

    source: str
    curves: Sequence[OwnCurve]

    @cached_property
    def findings(self) -> list[Finding]:
        """What each curve shows."""
        return [found(curve) for curve in self.curves]

    @property
    def title(self) -> str:
        """What stands above the page and its picture."""
        names = [curve.name for curve in self.curves]
        what = "your proxy" if not names[0] else names[0] if len(names) == 1 else f"{len(names)} proxies"
        return f"How far to trust {what}"

    @property
    def short(self) -> str:
        """A card a proxy: whether and where it is overoptimised, and where to stop."""
        cards = []
        for curve, finding in zip(self.curves, self.findings, strict=True):
            head = f"{curve.name}: {HEADS[finding.shape].lower()}" if curve.name else HEADS[finding.shape]
            said = " ".join(filter(None, (say_finding(curve, finding), say_peak(curve, finding))))
            cards.append(
                f'<section class="card"><h3>{escape(head)}</h3><p>{escape(said)}</p>'
                f'<p class="stop">{escape(say_stop(curve, finding))}</p></section>'
            )
        return "".join(cards)

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The chart in Vega-Lite's words."""
        return plain(own.own_curves(self.curves, description=self.description).to_dict())

    @property
    def description(self) -> str:
        """The chart for who cannot see it."""
        said = " ".join(
            say_finding(curve, finding) for curve, finding in zip(self.curves, self.findings, strict=True)
        )
        return f"Gold and proxy score against KL from the initial policy. {said}"

    @property
    def caption(self) -> str:
        """What lines, bands and star are, and what 0 and 1 stand for."""
        law = self.curves[0].law.fit.law.label
        said = [
            "Gold (solid) and the proxy's own score (dashed) against KL from the initial policy, on a square-root scale; "
            f"bands: one standard error; dotted: the law {law}, d = √KL, fitted to gold. Where its peak may be trusted, a "
            "star stands there, its bar the 95% interval."
        ]
        if self.curves[0].samples:
            mean, sd = self.curves[0].samples.gold
            said.append(
                "Scores are gains over a prompt's own mean, in SDs over all samples: "
                f"gold's 0 stands for {mean:.4g} and its 1 for {sd:.4g} more, in the file's units."
            )
        elif self.curves[0].kind == "policies":
            said.append("Scores are as they stand in the file: in SDs over the initial policy's samples.")
        else:
            said.append("Scores are in the file's units, the point at KL 0 subtracted where there is one.")
        return " ".join(said)

    def picture(self, width: int = WIDE) -> str:
        """The chart as a static SVG that takes its ink from the page around it."""
        return static_svg(self.spec, width, f"own-{width}-")

    @property
    def coefficients(self) -> str:
        """The fitted laws beside the paper's."""
        units = (
            ""
            if all(curve.in_sds for curve in self.curves)
            else " Yours are in the units of your file: not comparable."
        )
        return (
            f'{own_tables.coefficients(self.curves)}<p class="quiet">In brackets: 95% intervals. '
            f"{escape(own_tables.PAPER + units)}</p>"
        )

    @property
    def caveats(self) -> str:
        """What could make the page wrong."""
        said = []
        for curve, finding in zip(self.curves, self.findings, strict=True):
            of = f"{capital(say_name(curve))}: " if len(self.curves) > 1 else ""
            said += [of + one for one in own_caveats.caveats(curve, finding)]
        return "<ul>" + "".join(f"<li>{_marked(one)}</li>" for one in (*said, *own_caveats.ALWAYS)) + "</ul>"

    @property
    def numbers(self) -> str:
        """The measured points, and a link that downloads them."""
        link = own_tables.csv_link(self.curves, f"{Path(self.source).stem}-curves.csv")
        return f"{own_tables.numbers(self.curves)}<p>{link}</p>"

    def page(self, command: str) -> str:
        """The whole page, made by `command`; the same bytes from the same numbers."""
        specs = {"break": BREAK, "wide": sized(self.spec, WIDE), "narrow": sized(self.spec, NARROW)}
        label = escape(self.description, quote=True)
        pictures = "".join(
            f'<div class="own-picture own-{kind}" role="img" aria-label="{label}">{self.picture(width)}</div>'
            for kind, width in (("wide", WIDE), ("narrow", NARROW))
        )
        live = f'<script type="application/json">{_json(specs)}</script>'
        title = escape(self.title)
        parts = [
            f'<h1>{title}</h1><p class="quiet">{escape(self.source)}: {KINDS[self.curves[0].kind]}</p>',
            self.short,
            f'<figure><div class="own-chart">{pictures}{live}</div><figcaption>{escape(self.caption)}</figcaption></figure>',
            f"<h2>The law</h2>{self.coefficients}",
            f"<h2>What could make this wrong</h2>{self.caveats}",
            f"<h2>Numbers</h2>{self.numbers}",
            f"<h2>How this page was made</h2><pre><code>{escape(command)}</code></pre>"
            f'<p class="quiet">overopt {__version__}; laws and estimators: Gao, Schulman and Hilton (2022), Scaling Laws '
            "for Reward Model Overoptimization.</p>",
        ]
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{title}</title><style>\n{_own('css')}</style></head>\n<body><main>\n"
            + "\n".join(parts)
            + f"\n</main>\n<script>{_vega()}</script>\n<script>{_own('js')}</script>\n</body></html>\n"
        )

    def printed_svg(self) -> str:
        """The picture for a file of its own: SVG with its title, dark on white."""
        return static_svg(self._printed, WIDE, "own-")

    def printed_png(self) -> bytes:
        """The same as PNG, twice as many pixels."""
        return bytes(vl_convert.vegalite_to_png(json.dumps(sized(self._printed, WIDE)), scale=2))

    @cached_property
    def _printed(self) -> dict[str, Any]:
        spec: dict[str, Any] = json.loads(json.dumps(self.spec).replace(f'"{INK}"', f'"{PRINTED}"'))
        spec["title"] = self.title
        spec["config"] |= {"background": "#ffffff", "padding": 12}
        return spec


def open_own_page(path: Path | str, form: str = "") -> OwnPage:
    """The page on the curves in `path`: see `overopt.analysis.own_curves.own_curves`.

    Raises:
        UserError: as there.
    """
    return OwnPage(Path(path).name, own_curves(Path(path), form))


def _own(ending: str) -> str:
    return (HERE / f"own_page.{ending}").read_text(encoding="utf-8")


def _vega() -> str:
    """The Vega bundle, in a function of its own; what would end its script element early is written otherwise."""
    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")
    return f"(function () {{\n{script}\n}})();\n"


def _json(value: Any) -> str:
    """JSON that may stand in a script element: no "<" opens or ends anything there."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c")


def _marked(text: str) -> str:
    """A sentence as HTML; what stands in `backticks` as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if k % 2 else part for k, part in enumerate(parts))
