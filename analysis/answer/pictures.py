"""The pictures of the page, drawn by the package's own shapes."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analysis.answer.contrasts import OF_INTEREST
from analysis.answer.text import estimate
from surrogate_nas.report.picture import WIDE, Canvas, Picture, Scale, text_width
from surrogate_nas.report.style import styles

(STYLE,) = styles(["bo"]).values()
_NARROW = 480.0
_TOP = 30.0
_HEADS = ("mean [95 %]", "worse, same, better")
_AT = 150.0
"""Where the second column of numbers begins, from the first one."""


class Axis(NamedTuple):
    """What a forest's axis says: its quantity, and what its two sides mean."""

    title: str
    left: str
    right: str


def forest(
    rows: pd.DataFrame, points: pd.DataFrame, axis: Axis, name: str, caption: str
) -> Picture:
    """Means over sources below each other; nothing is clipped.

    Args:
        rows: A line a row, groups below each other: `label`, `group`, `mean`, `low`, `high`,
            `new_low`, `new_high`, `sources`, and how many are `worse`, the `same` and `better`.
        points: The sources of each row: `label`, `group` and `difference`.
        axis: Its words.
        name: The stem of the picture's files.
        caption: Below it.
    """
    return Picture(name, caption, lambda w: _forest(rows, points, axis, w), WIDE)


def _forest(
    rows: pd.DataFrame, points: pd.DataFrame, axis: Axis, width: float
) -> Canvas:
    narrow = width < _NARROW
    row, words = (58.0, 104.0) if narrow else (34.0, 62.0)
    groups = rows["group"].drop_duplicates()
    canvas = Canvas(width, _TOP + row * len(rows) + 24 * len(groups) + words)
    start = 8.0 if narrow else 16 + max(text_width(text) for text in rows["label"])
    end = width - (8 if narrow else 300)
    ends = pd.concat(
        [points["difference"], *(rows[e] for e in ("new_low", "new_high"))]
    )
    margin = (ends.max() - ends.min()) / 40
    x = Scale(ends.min() - margin, ends.max() + margin, start, end)
    bottom = canvas.height - words + 4
    canvas.rectangle(x(-OF_INTEREST), _TOP, x(OF_INTEREST), bottom, "soft")
    canvas.line([(x(0), _TOP), (x(0), bottom)], colour="axis")
    if not narrow:
        for text, at in zip(_HEADS, (end + 16, end + 16 + _AT), strict=True):
            canvas.text(at, _TOP - 12, text, size=12)
    down = _TOP
    for group, own in rows.groupby("group", sort=False):
        canvas.line([(0, down + 20), (end, down + 20)], colour="line")
        canvas.text(0, down + 14, str(group), size=12, bold=True)
        down += 24
        for _, line in own.iterrows():
            _row(canvas, x, down, line, narrow=narrow)
            known = points[
                points[["group", "label"]].eq(line[["group", "label"]]).all(axis=1)
            ]
            at = down + row - (14 if narrow else 18)
            _interval(canvas, x, at, line)
            for value in known["difference"]:
                canvas.mark(x(value), at - 9, STYLE, 5.0)
            down += row
    _words(canvas, x, bottom, axis)
    return canvas


def _row(
    canvas: Canvas, x: Scale, top: float, line: pd.Series, *, narrow: bool
) -> None:
    """The label of a row, and its numbers."""
    counts = f"{line['worse']}, {line['same']}, {line['better']} of {line['sources']}"
    numbers = estimate(line, "mean")
    if narrow:
        canvas.text(0, top + 14, str(line["label"]), size=12, colour="ink")
        canvas.text(0, top + 28, f"{numbers}; {counts}")
        return
    text = {"size": 13, "colour": "ink"}
    canvas.text(x.start - 12, top + 20, str(line["label"]), align="right", **text)
    canvas.text(x.end + 16, top + 20, numbers, **text)
    canvas.text(x.end + 16 + _AT, top + 20, counts, **text)


def _interval(canvas: Canvas, x: Scale, at: float, line: pd.Series) -> None:
    """A diamond with the interval of the mean, on a pale bar where a new source would lie."""
    new = x(line["new_low"]), x(line["new_high"])
    canvas.rectangle(new[0], at - 4, new[1], at + 4, STYLE, 0.2)
    ends = [(x(line["low"]), at), (x(line["high"]), at)]
    canvas.line(ends, colour=STYLE, width=2.5)
    middle, size = x(line["mean"]), 6.0
    corners = [(-size, 0.0), (0.0, -size), (size, 0.0), (0.0, size)]
    canvas.area([(middle + right, at + down) for right, down in corners], STYLE)


def _words(canvas: Canvas, x: Scale, bottom: float, axis: Axis) -> None:
    """The ticks and the words of the axis; below each other where the picture is narrow."""
    for value, text in x.ticks(50.0):
        canvas.text(x(value), bottom + 16, text, align="center")
    left, right = f"← {axis.left}", f"{axis.right} →"
    if canvas.width < _NARROW:
        for number, text in enumerate([*axis.title.split(", "), left, right]):
            canvas.text(x.start, bottom + 34 + 16 * number, text)
        return
    middle = (x.start + x.end) / 2
    canvas.text(middle, bottom + 34, axis.title, size=12, align="center", colour="ink")
    canvas.text(x.start, bottom + 52, left, size=12)
    canvas.text(x.end, bottom + 52, right, size=12, align="right")
