"""A small picture on a claim's card: the paper beside what was measured here, on the same axes, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from overopt.analysis.sketches import Line, Sketch
from overopt.report.figures.style import INK, ordered_colours

WIDTH, HEIGHT, GAP, TOP, INSET = 130, 84, 12, 16, 4  # of one half, in pixels
SHADES = 21
SOURCES = {
    "paper's law": "The left half is the paper's law, with coefficients that a third party read off",
    "paper's law, α ours": "The left half is the paper's law, its β as a third party read it off, its α set by this project",
    "as claimed": "The left half is a sketch of what the claim says, and no data of the paper",
    "the theory": "The left half is what the theory says",
    "paper's formula": "The left half is the paper's formula with the coefficients found here",
}


def thumbnail(sketch: Sketch) -> str:
    """The picture as one line of HTML, which MyST takes as it stands; its words are read aloud where it is not seen."""
    scale = _Scale([*sketch.paper, *sketch.here])
    halves = "".join(
        _half(name, lines, scale, k * (WIDTH + GAP))
        for k, (name, lines) in enumerate(((sketch.source, sketch.paper), ("here", sketch.here)))
    )
    words = escape(
        f"Paper beside here. Across: {sketch.x}. Up: {sketch.y}. {SOURCES[sketch.source]}.", quote=True
    )
    return (
        f'<div class="oo-thumb"><svg viewBox="0 0 {2 * WIDTH + GAP} {TOP + HEIGHT}" role="img" aria-label="{words}">'
        f"<title>{words}</title>{halves}</svg></div>"
    )


class _Scale:
    """From the numbers of all lines to the pixels of one half; 0 is on the axis of y."""

    def __init__(self, lines: Sequence[Line]) -> None:
        xs, ys = [x for line in lines for x in line.x], [0.0, *(y for line in lines for y in line.y)]
        if len({abs(y) for y in ys}) > 1 and min(ys[1:]) > 0.6 * max(ys):
            ys = ys[1:]  # what lies far from 0 is drawn large, without it
        self.low_x, self.low_y = min(xs), min(ys)
        self.wide, self.high = (max(xs) - self.low_x) or 1.0, (max(ys) - self.low_y) or 1.0

    def x(self, value: float) -> float:
        return INSET + (value - self.low_x) / self.wide * (WIDTH - 2 * INSET)

    def y(self, value: float) -> float:
        return TOP + HEIGHT - INSET - (value - self.low_y) / self.high * (HEIGHT - 2 * INSET)


def _half(name: str, lines: Sequence[Line], scale: _Scale, left: int) -> str:
    colours = ordered_colours(SHADES)
    parts = [
        f'<text x="2" y="11" font-size="11" fill="{INK}">{name}</text>',
        f'<path d="M0.5 {TOP}V{TOP + HEIGHT - 0.5}H{WIDTH}" fill="none" stroke="{INK}" stroke-opacity="0.5"/>',
    ]
    if scale.low_y < 0 < scale.low_y + scale.high:
        zero = scale.y(0.0)
        parts.append(
            f'<path d="M0 {zero:.1f}H{WIDTH}" stroke="{INK}" stroke-opacity="0.35" stroke-dasharray="2 3"/>'
        )
    for line in lines:
        colour = colours[round(line.place * (SHADES - 1))]
        points = [(scale.x(x), scale.y(y)) for x, y in zip(line.x, line.y, strict=True)]
        if line.dots:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"/>' for x, y in points]
        if line.joined and len(points) > 1:
            way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            dash = ' stroke-dasharray="6 3"' if line.dashed else ""
            parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>')
    return f'<g transform="translate({left} 0)">{"".join(parts)}</g>'
