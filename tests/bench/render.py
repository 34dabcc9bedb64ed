"""Tables in Markdown and charts in SVG."""

from __future__ import annotations

import math
from typing import List, NamedTuple, Sequence, Tuple
from xml.sax.saxutils import escape

BEGIN = "<!-- begin of what `make bench` writes -->"
END = "<!-- end of what `make bench` writes -->"

BAR_HEIGHT, BAR_GAP, LABEL_WIDTH, PLOT_WIDTH, MARGIN, TITLE_HEIGHT = 18, 6, 250, 420, 12, 34
VALUE_WIDTH, SCALE_HEIGHT = 90, 16
COLOURS = {"floor": "#8c959f", "own": "#1a7f37", "peer": "#54aeff"}


class Bar(NamedTuple):
    label: str
    value: float
    text: str  # the value, for people
    kind: str  # of COLOURS


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns aligned in the source too; all but the first to the right."""
    if any(len(row) != len(heads) for row in rows):
        raise ValueError("a row has not as many cells as there are heads")
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (heads, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(heads))]

    def line(row: Sequence[str]) -> str:
        padded = [text.ljust(width) if column == 0 else text.rjust(width)
                  for column, (text, width) in enumerate(zip(row, widths))]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * width if column == 0 else "-" * (width - 1) + ":"
            for column, width in enumerate(widths)]
    return "\n".join([line(cells[0]), line(rule), *(line(row) for row in cells[1:])]) + "\n"


def chart(title: str, bars: Sequence[Bar]) -> str:
    """Horizontal bars on a logarithmic scale, which begins a decade below the smallest."""
    positive = [bar.value for bar in bars if bar.value > 0]
    low = math.floor(math.log10(min(positive))) if positive else 0
    high = max(low + 1, math.ceil(math.log10(max(positive)))) if positive else 1
    low -= 1
    height = TITLE_HEIGHT + len(bars) * (BAR_HEIGHT + BAR_GAP) + SCALE_HEIGHT + MARGIN
    width = MARGIN + LABEL_WIDTH + PLOT_WIDTH + VALUE_WIDTH + MARGIN
    left = MARGIN + LABEL_WIDTH
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
             f'<text x="{MARGIN}" y="20" font-size="14" font-weight="bold">{escape(title)}</text>']
    for decade in range(low, high + 1):
        x = left + PLOT_WIDTH * (decade - low) / (high - low)
        parts.append(f'<line x1="{x:.1f}" y1="{TITLE_HEIGHT - 4}" x2="{x:.1f}" '
                     f'y2="{height - MARGIN - SCALE_HEIGHT}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - MARGIN}" text-anchor="middle" '
                     f'font-size="10" fill="#57606a">{10.0 ** decade:,.10g}</text>')
    for index, bar in enumerate(bars):
        y = TITLE_HEIGHT + index * (BAR_HEIGHT + BAR_GAP)
        reach = (math.log10(bar.value) - low) / (high - low) if bar.value > 0 else 0.0
        parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">'
                     f'{escape(bar.label)}</text>')
        parts.append(f'<rect x="{left}" y="{y}" width="{PLOT_WIDTH * reach:.1f}" '
                     f'height="{BAR_HEIGHT}" fill="{COLOURS[bar.kind]}"/>')
        parts.append(f'<text x="{left + PLOT_WIDTH * reach + 6:.1f}" y="{y + 13}">'
                     f'{escape(bar.text)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


class Curve(NamedTuple):
    label: str
    points: Sequence[Tuple[float, float]]
    colour: str


def curves(title: str, x_label: str, y_label: str, drawn: Sequence[Curve], *,
           is_logarithmic: bool = False) -> str:
    """Lines over a linear x that begins at 0; y from 0, or from 1 on a logarithmic scale."""
    width, height, left, bottom = 2 * MARGIN + 720, 300, 70, 52
    x_max = max(x for curve in drawn for x, _ in curve.points)
    y_max = max(y for curve in drawn for _, y in curve.points)
    top = TITLE_HEIGHT + 4
    decades = max(1, math.ceil(math.log10(y_max)))
    marks = [10.0 ** each for each in range(decades + 1)] if is_logarithmic else \
        [y_max * each / 4 for each in range(5)]

    def place(x: float, y: float) -> Tuple[float, float]:
        share = math.log10(max(y, 1)) / decades if is_logarithmic else y / y_max
        return (left + (width - left - MARGIN) * x / x_max,
                height - bottom - (height - bottom - top) * share)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
             f'<text x="{MARGIN}" y="20" font-size="14" font-weight="bold">{escape(title)}</text>']
    for mark in marks:
        y = place(0, mark)[1]
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width - MARGIN}" y2="{y:.1f}" '
                     'stroke="#d0d7de"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" font-size="10" '
                     f'fill="#57606a">{mark:,.10g}</text>')
    for sixth in range(7):
        x = place(x_max * sixth / 6, 0)[0]
        parts.append(f'<text x="{x:.1f}" y="{height - bottom + 16}" text-anchor="middle" '
                     f'font-size="10" fill="#57606a">{x_max * sixth / 6:,.10g}</text>')
    parts.append(f'<text x="{left}" y="{height - MARGIN}" fill="#57606a">{escape(y_label)} over '
                 f'{escape(x_label)}</text>')
    for index, curve in enumerate(drawn):
        line = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in curve.points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{curve.colour}" '
                     'stroke-width="1.5"/>')
        parts.append(f'<text x="{width - MARGIN}" y="{height - MARGIN - 14 * index}" '
                     f'text-anchor="end" fill="{curve.colour}">{escape(curve.label)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def insert(text: str, between: str) -> str:
    """The text with what stands between BEGIN and END replaced; they have to be there, once."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"the text has not one line {BEGIN} and one {END}")
    before, rest = text.split(BEGIN)
    return before + BEGIN + "\n" + between.rstrip("\n") + "\n" + END + rest.split(END)[1]


def wrap(words: str, width: int = 100) -> List[str]:
    """Lines of at most `width` characters."""
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines
