"""Charts for a book that is read offline: a picture in the page, made interactive by one local script.

Altair's stock HTML loads Vega from a content network and is blank without it. This renderer writes, for
each chart, two static SVGs (page-wide and phone-wide, the style sheet shows the one that fits) and the
chart's JSON. `book/_static/charts.js` replaces the picture by the live chart where scripts run. The
element's id is a hash of the chart, so that an executed notebook is the same bytes on every run.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import json
import re
from typing import Any

import altair as alt
import vl_convert

WIDE, NARROW, BREAK = 680, 340, 560
HINT = "A click in the legend shows or fades a line, a click on the plot shows all"
# On a phone the legends stand one under the other.
_STACKED = {"top": {"direction": "vertical", "anchor": "start", "margin": 6}}


def plain(spec: dict[str, Any]) -> dict[str, Any]:
    """A copy of a `spec` in JSON's words: what is no number, as the error over a single prompt, is null and no mark."""
    return json.loads(json.dumps(spec), parse_constant=lambda _: None)


def sized(spec: dict[str, Any], width: int) -> dict[str, Any]:
    """A copy of a Vega-Lite `spec` for a page `width` pixels wide; `sized` in charts.js does the same.

    A single or layered view takes the whole width. The views of a `concat` stand in two columns on a
    wide page and in one on a narrow page, because Vega-Lite cannot fit a concatenation by itself.
    """
    spec = plain(spec)
    narrow = width < BREAK
    if narrow:
        spec.setdefault("config", {}).setdefault("legend", {}).update({"columns": 4, "layout": _STACKED})
    if "concat" in spec:
        columns = 1 if narrow else 2
        spec["columns"] = columns
        for view in spec["concat"]:
            view["width"] = int((width - 30 * (columns - 1)) / columns - 50)
    else:
        spec["width"] = width
        spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    return spec


def static_svg(spec: dict[str, Any], width: int, prefix: str) -> str:
    """The chart as SVG text; ids start with `prefix` so that two pictures on a page do not share clips."""
    svg = vl_convert.vegalite_to_svg(json.dumps(_whole(sized(spec, width))))
    # The picture as a whole has a label; one label a mark would be most of the file.
    svg = re.sub(r' (?:aria-[a-z]+|role)="[^"]*"', "", svg)
    svg = re.sub(r' (?:d|transform|x2?|y2?|width|height)="[^"]*"', _rounded, svg)
    # vl-convert counts its ids on from chart to chart; here they start anew.
    for k, name in enumerate(re.findall(r'\bid="([^"]+)"', svg)):
        svg = re.sub(rf'(\bid="|url\(#){re.escape(name)}(?=["\)])', rf"\g<1>{prefix}{k}", svg)
    return svg


def _whole(spec: dict[str, Any]) -> dict[str, Any]:
    """A `spec` with nothing faded: a picture has no legend to click."""
    for param in spec.get("params", []):
        param.pop("value", None)
    return spec


def named(page: str, figure: str) -> str:
    """The HTML of a chart whose data are downloaded under the name of its `figure`, as pages and links have it."""
    return re.sub(r'download="chart-[0-9a-f]+\.csv"', f'download="{figure}.csv"', page)


def _rounded(attribute: re.Match[str]) -> str:
    """A geometry attribute with coordinates to a tenth of a pixel."""
    return re.sub(r"(\d\.\d)\d+", r"\1", attribute.group())


def page_html(spec: dict[str, Any]) -> str:
    """The HTML of one chart: two static pictures and the JSON of the live one."""
    spec = plain(spec)
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    name = "chart-" + hashlib.sha256(text.encode()).hexdigest()[:12]
    label = html.escape(spec.get("description", "chart"), quote=True)
    pictures = "".join(
        f'<div class="oo-picture oo-{kind}" role="img" aria-label="{label}">'
        f"{static_svg(spec, width, f'{name}-{kind}-')}</div>"
        for kind, width in (("wide", WIDE), ("narrow", NARROW))
    )
    # "</" would end the script element early; JSON reads "<\/" as the same string.
    safe = text.replace("</", "<\\/")
    return (
        f'<div class="oo-chart" id="{name}">{pictures}<script type="application/json">{safe}</script></div>'
        + csv_link(spec, name)
    )


def csv_link(spec: dict[str, Any], name: str) -> str:
    """A link that downloads the chart's largest table as CSV: it is part of the page, no server is asked.

    Before it stands how to use the legend, which the style sheet shows where the live chart is.
    """
    tables = list(spec.get("datasets", {}).values())
    if not tables:
        return ""
    rows = max(tables, key=len)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    data = base64.b64encode(text.getvalue().encode()).decode()
    link = f'<a download="{name}.csv" href="data:text/csv;base64,{data}">Data as CSV</a>'
    hint = (
        f'<span class="oo-hint">{HINT} · </span>'
        if any("bind" in one for one in spec.get("params", []))
        else ""
    )
    return f'<p class="oo-csv">{hint}{link}</p>'


def render(spec: dict[str, Any], **_: Any) -> dict[str, str]:
    """Altair renderer: a chart's mime bundle."""
    return {"text/html": page_html(spec), "text/plain": spec.get("description", "chart")}


def enable() -> None:
    """Make Altair show charts with `render` in this process."""
    alt.renderers.register("overopt", render)
    alt.renderers.enable("overopt")
    alt.data_transformers.disable_max_rows()
