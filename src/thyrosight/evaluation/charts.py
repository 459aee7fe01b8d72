"""Numbers -> small charts as inline SVG text: axes, lines, bands, dots, bars; no script and no font.

The coordinates of a chart are data units; `Axes` maps them to the units of the drawing. Text is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 440, 340
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 50


@dataclass(frozen=True)
class Axes:
    """Both axes: values in data units -> positions in a drawing of WIDTH x HEIGHT."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        return LEFT + (value - self.x_low) / (self.x_high - self.x_low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.y_low) / (self.y_high - self.y_low) * (HEIGHT - TOP - BOTTOM)

    def path(self, points: Points) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)


def drawing(axes: Axes, parts: Sequence[str], x_label: str, y_label: str, title: str) -> str:
    """Axes, parts of a chart, labels -> the whole SVG; the title is for screen readers."""
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{_grid(axes)}{"".join(parts)}'
        f'<text class="label" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
        f'<text class="label" x="16" y="{(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" '
        f'transform="rotate(-90 16 {(TOP + HEIGHT - BOTTOM) / 2})">{escape(y_label)}</text></svg>'
    )


def line(axes: Axes, points: Points, style: str = "line") -> str:
    """Points -> a line through them; style is a class in the style sheet of the page."""
    return f'<polyline class="{style}" points="{axes.path(points)}"/>'


def band(axes: Axes, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float]) -> str:
    """Lower and upper values over xs -> the area between them."""
    edge = [*zip(xs, lows, strict=True), *reversed(list(zip(xs, highs, strict=True)))]
    return f'<polygon class="band" points="{axes.path(edge)}"/>'


def dots(axes: Axes, points: Points, radius: float = 3.5) -> str:
    """Points -> dots."""
    return "".join(f'<circle class="dot" cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="{radius}"/>' for x, y in points)


def whiskers(axes: Axes, intervals: Sequence[tuple[float, float, float]]) -> str:
    """(x, low, high) -> vertical interval lines."""
    return "".join(line(axes, [(x, low), (x, high)], "whisker") for x, low, high in intervals)


def bars(axes: Axes, edges: Sequence[float], heights: Sequence[float], style: str = "bar") -> str:
    """Bin edges, one height per bin -> bars from zero, without gaps."""
    parts = []
    for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
        x, y = axes.x(left) + 0.5, axes.y(height)
        width, tall = max(0.5, axes.x(right) - x - 0.5), max(0.0, axes.y(0) - y)
        parts.append(f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{tall:.1f}"/>')
    return "".join(parts)


def level(axes: Axes, value: float, text: str, style: str = "level") -> str:
    """A value of y -> a horizontal line with its text at the right end."""
    x, y = WIDTH - RIGHT - 4, axes.y(value) - 4
    return (
        line(axes, [(axes.x_low, value), (axes.x_high, value)], style)
        + f'<text class="note" x="{x}" y="{y:.1f}" text-anchor="end">{escape(text)}</text>'
    )


def upright(axes: Axes, value: float, style: str = "level") -> str:
    """A value of x -> a vertical line."""
    return line(axes, [(value, axes.y_low), (value, axes.y_high)], style)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Range -> about `count` round numbers in it (steps of 1, 2 or 5 times a power of ten)."""
    span = high - low
    step = 10.0 ** math.floor(math.log10(span / count))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= count)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 10) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def rounded_range(values: Sequence[float], margin: float = 0.08) -> tuple[float, float]:
    """Values -> a range around them with a margin; it is never empty."""
    low, high = min(values), max(values)
    around = (high - low) * margin or max(1.0, abs(low) * margin)
    return low - around, high + around


def _grid(axes: Axes) -> str:
    parts = []
    for value in ticks(axes.x_low, axes.x_high):
        x = axes.x(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{value:g}</text>')
    for value in ticks(axes.y_low, axes.y_high):
        y = axes.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    return "".join(parts)
