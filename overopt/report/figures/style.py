"""What every figure shares: colours, axes, number words and the chart theme.

Colours must read on a white page and on a dark one, so both ends of the lightness range are left out;
sizes run from warm and light (small) to cool and deep (large), an order that survives colour blindness
because lightness falls along it. What has no order, as forms of a law, has colours without one. Ink is
`currentColor`: the page decides, in light and in dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from overopt.analysis.groups import Group
from overopt.util.words import short_number

WHAT = Group("what", "", str, ordered=False)
FORMS = Group("form", "Form", str, ordered=False)
EPOCHS = Group("epochs", "Epochs", "{:d}".format)
NOISES = Group("noise", "Noise variance", "{:g}".format)

ANCHORS = ("#e8903a", "#e0607e", "#a45fd0", "#4464dc")
# of things without an order; the first six are after Okabe and Ito (2008), whose colours the colour-blind tell apart, with
# those that white or black swallows mended
UNORDERED = (
    "#d55e00",
    "#0a86c8",
    "#009e73",
    "#cc79a7",
    "#7050f0",
    "#a58200",
    "#c9485b",
    "#3a9db5",
    "#7f9a2f",
    "#9a7358",
)
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
SOLID, DASHED, DOTTED = (
    [1, 0],
    [9, 5],
    [2, 4],
)  # dashes in pixels: two periods and more fit into a legend's line
KEY = alt.Legend(symbolSize=1100)  # a line of 33 pixels: long enough to tell dashes from dots
# Vega's word for a click that adds or removes one; any other click in the chart takes the selection back
IN_LEGEND = "!!event.item && indexof(event.item.mark.role, 'legend') === 0"
FIRST = 3  # lines that are shown before anybody clicks
TICKS = (0, 0.1, 0.5, 1, 2, 3, 4, 6, 8, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 500)
FAINT = 0.16  # of the opacity, of what is not shown: enough to see that there is more
INK = "currentColor"
PAPER_INK = "#8b8b8b"  # the paper beside us: reads on white and on dark, and is none of the groups' colours
HEIGHT = 340

Layered = alt.LayerChart | alt.FacetChart  # what altair calls a layered chart once it has a size


def ordered_colours(count: int) -> list[str]:
    """`count` hex colours along the anchors, evenly spaced, first to last."""
    if count == 1:
        return [ANCHORS[-1]]
    colours = []
    for k in range(count):
        place = k * (len(ANCHORS) - 1) / (count - 1)
        left = min(int(place), len(ANCHORS) - 2)
        share = place - left
        ends = [[int(ANCHORS[i][j : j + 2], 16) for j in (1, 3, 5)] for i in (left, left + 1)]
        mixed = [round(a + share * (b - a)) for a, b in zip(*ends, strict=True)]
        colours.append("#" + "".join(f"{channel:02x}" for channel in mixed))
    return colours


def unordered_colours(count: int) -> list[str]:
    """`count` hex colours that stand for no order; where there are many they come again."""
    return [UNORDERED[k % len(UNORDERED)] for k in range(count)]


def _legend_of(labels: list[str]) -> Any:
    """In rows of four, many groups leave room for the legend of line styles; long words fit a phone in rows of two."""
    many = len(labels) > 5 or sum(map(len, labels)) > 20
    columns = 2 if max(map(len, labels)) > 10 else 4 if many else None
    return alt.Legend(columns=columns) if columns else alt.Undefined


def group_shape(by: Group, values: list[Any]) -> alt.Shape:
    """Points of a shape of their own for every group, beside `group_colour`, for what colours alone may not tell apart."""
    labels = [by.label(value) for value in values]
    scale = alt.Scale(domain=labels, range=[SHAPES[k % len(SHAPES)] for k in range(len(labels))])
    return alt.Shape("group:N", sort=labels, scale=scale, title=by.title, legend=_legend_of(labels))


def group_colour(by: Group, values: list[Any]) -> alt.Color:
    """The colour encoding of the column `group`, in the order of `values`."""
    labels = [by.label(value) for value in values]
    colours = ordered_colours if by.ordered else unordered_colours
    scale = alt.Scale(domain=labels, range=colours(len(labels)))
    return alt.Color("group:N", sort=labels, scale=scale, title=by.title, legend=_legend_of(labels))


def group_tooltip(by: Group) -> alt.Tooltip:
    """The group of a mark."""
    return alt.Tooltip("group:N", title=by.title or "what")


def tooltip(field: str, title: str, digits: str = ".3f") -> alt.Tooltip:
    """A number of a mark, named in words with its unit."""
    return alt.Tooltip(f"{field}:Q", title=title, format=digits)


KL_TOOLTIP = tooltip("kl", "KL (nats)", ".3g")


def first_shown(by: Group, values: Sequence[Any]) -> list[str]:
    """Names of the first, the middle and the last of more than `FIRST` ordered groups; none where all are shown at first."""
    labels = [by.label(value) for value in values] if by.ordered else []
    return [labels[0], labels[len(labels) // 2], labels[-1]] if len(labels) > FIRST else []


def pick_group(by: Group | None = None, values: Sequence[Any] = ()) -> alt.Parameter:
    """A click in the legend shows a group or fades it, a click on the plot shows all; without scripts all are shown.

    Of more than `FIRST` ordered groups the first, the middle and the last are shown before anybody clicks.
    """
    few = first_shown(by, values) if by is not None else []
    first = [{"group": label} for label in few] or alt.Undefined
    return alt.selection_point(name="pick", fields=["group"], bind="legend", toggle=IN_LEGEND, value=first)


def faded(pick: alt.Parameter, *, full: float = 1.0) -> Any:
    """Opacity that follows `pick_group`."""
    return alt.when(pick).then(alt.value(full)).otherwise(alt.value(full * FAINT))


def kl_axis(
    largest: float, *, title: str = "KL from the initial policy (nats, √ scale)", room: float = 1.0
) -> alt.X:
    """x = KL in nats on a square-root scale from 0 to `largest`, as in the paper; `room`: times that, for words beside."""
    few = [tick for tick in TICKS if tick <= largest and (largest < 12 or tick not in (0.1, 0.5, 3, 8, 15))]
    scale = alt.Scale(type="sqrt", domain=[0, room * largest], nice=False)
    return alt.X(
        "kl:Q", title=title, scale=scale, axis=alt.Axis(values=few, labelExpr="datum.value", grid=False)
    )


def log_size_axis(sizes: list[int], *, field: str = "params", title: str = "Parameters") -> alt.X:
    """x = a parameter count on a log scale with a tick at every measured size."""
    scale = alt.Scale(type="log", domain=[min(sizes) / 1.5, max(sizes) * 1.5], nice=False)
    label = (
        "datum.value >= 1e9 ? format(datum.value / 1e9, '.3~g') + 'B' : "
        "datum.value >= 1e6 ? format(datum.value / 1e6, '.3~g') + 'M' : "
        "datum.value >= 1e3 ? format(datum.value / 1e3, '.3~g') + 'k' : format(datum.value, '~g')"
    )
    axis = alt.Axis(values=sorted(set(sizes)), labelExpr=label, grid=False, labelOverlap=True)
    return alt.X(f"{field}:Q", title=title, scale=scale, axis=axis)


def proxy_title(curves: pl.DataFrame) -> str:
    """What stands above a chart whose curves are all against proxies of one size; nothing where they are not."""
    sizes = curves["rm_params"].unique().to_list()
    return f"proxy of {short_number(sizes[0])} parameters" if len(sizes) == 1 else ""


def titled(layers: Layered, title: str, description: str, height: int = HEIGHT) -> Layered:
    """A chart as wide as its page, with what all its curves have in common above it, if anything."""
    above = {"title": title} if title else {}
    return layers.properties(width="container", height=height, description=description, **above)


@alt.theme.register("overopt", enable=True)
def theme() -> alt.theme.ThemeConfig:
    """Transparent ground, ink from the page, legends on top so that a phone keeps its width."""
    text: Any = {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "config": {
            "background": "transparent",
            "font": "sans-serif",
            "view": {"stroke": "transparent"},
            "axis": {
                **text,
                "domainColor": INK,
                "tickColor": INK,
                "gridColor": INK,
                "gridOpacity": 0.12,
                "titleFontWeight": "normal",
            },
            "axisX": {"labelFlush": False, "labelOverlap": "greedy", "labelSeparation": 6},
            "legend": {
                **text,
                "orient": "top",
                "titleFontWeight": "normal",
                "symbolStrokeWidth": 3,
                "symbolOpacity": 1,
                "labelLimit": 220,
            },
            "title": {"color": INK, "fontSize": 13, "fontWeight": "normal", "anchor": "start"},
            "text": {"color": INK},
            "rule": {"color": INK},
        }
    }
