"""Line charts as SVG, both axes logarithmic, readable on light and on dark ground."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from math import log10

WIDTH, HEIGHT = 780, 400
LEFT, RIGHT, TOP, BOTTOM = 76, 176, 48, 50

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24303f }
  .title { font-weight: 600; font-size: 15px }
  .grid { stroke: #d5dbe3; stroke-width: 1 }
  .line { stroke-width: 2 }
  .dashed { stroke-dasharray: 6 4 }
  .c0 { stroke: #5b6b7f; fill: #5b6b7f } .c1 { stroke: #0b7a53; fill: #0b7a53 } .c2 { stroke: #1b62c4; fill: #1b62c4 }
  .c3 { stroke: #8a3fb5; fill: #8a3fb5 } .c4 { stroke: #b4430a; fill: #b4430a } .c5 { stroke: #c02341; fill: #c02341 }
  .line { fill: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #dbe3ee } .grid { stroke: #3a4656 }
    .c0 { stroke: #9fb0c4; fill: #9fb0c4 } .c1 { stroke: #4fc99a; fill: #4fc99a } .c2 { stroke: #7fb0f5; fill: #7fb0f5 }
    .c3 { stroke: #c894ea; fill: #c894ea } .c4 { stroke: #f0935b; fill: #f0935b } .c5 { stroke: #f2788f; fill: #f2788f }
    .line { fill: none }
  }
"""

Point = tuple[float, float]
Ticks = Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Line:
    """A named line of one of six colours, and points on it that were measured."""

    name: str
    colour: int
    points: Sequence[Point]
    dots: Sequence[Point] = field(default_factory=tuple)
    dashed: bool = False


def chart(title: str, lines: Sequence[Line], x: Ticks, y: Ticks, x_name: str, y_name: str) -> str:
    """Return a chart; the outermost ticks are its borders, and what lies beyond them is left out."""
    parts = [*_axes(x, y), *_names(title, x_name, y_name)]
    drawn = [line for line in lines if len(_inside(line.points, x, y)) > 1]
    for number, line in enumerate(drawn):
        parts += _drawn(line, x, y)
        parts += _legend(line, number)
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">\n<style>{_STYLE}</style>\n{body}\n</svg>\n'
    )


def _place(value: float, ticks: Ticks, begin: float, end: float) -> float:
    first, last = log10(ticks[0][0]), log10(ticks[-1][0])
    return begin + (log10(value) - first) / (last - first) * (end - begin)


def _across(value: float, x: Ticks) -> float:
    return _place(value, x, LEFT, WIDTH - RIGHT)


def _up(value: float, y: Ticks) -> float:
    return _place(value, y, HEIGHT - BOTTOM, TOP)


def _inside(points: Sequence[Point], x: Ticks, y: Ticks) -> list[Point]:
    return [(at, value) for at, value in points if x[0][0] <= at <= x[-1][0] and y[0][0] <= value <= y[-1][0]]


def _axes(x: Ticks, y: Ticks) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value, name in x:
        at = _across(value, x)
        yield f'<line class="grid" x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{bottom}"/>'
        yield f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{escape(name)}</text>'
    for value, name in y:
        at = _up(value, y)
        yield f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>'
        yield f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{escape(name)}</text>'


def _names(title: str, x_name: str, y_name: str) -> Iterator[str]:
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text class="title" x="{LEFT}" y="18">{escape(title)}</text>'
    yield f'<text x="{LEFT}" y="34">{escape(y_name)}</text>'
    yield f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(x_name)}</text>'


def _drawn(line: Line, x: Ticks, y: Ticks) -> Iterator[str]:
    path = " ".join(f"{_across(at, x):.1f},{_up(value, y):.1f}" for at, value in _inside(line.points, x, y))
    yield f'<polyline class="{_look(line)}" points="{path}"/>'
    for at, value in _inside(line.dots, x, y):
        yield f'<circle class="c{line.colour}" cx="{_across(at, x):.1f}" cy="{_up(value, y):.1f}" r="3.5"/>'


def _legend(line: Line, number: int) -> Iterator[str]:
    left, at = WIDTH - RIGHT + 14, TOP + 16 + 24 * number
    yield f'<polyline class="{_look(line)}" points="{left},{at} {left + 24},{at}"/>'
    yield f'<text x="{left + 32}" y="{at + 4}">{escape(line.name)}</text>'


def _look(line: Line) -> str:
    return f"line c{line.colour}{' dashed' if line.dashed else ''}"
