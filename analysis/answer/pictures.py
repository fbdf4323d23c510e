"""The pictures of the page, drawn by the package's own shapes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.answer.contrasts import OF_INTEREST, TITLES
from analysis.answer.orders import CEILING, PARAMS
from analysis.answer.reading import TIMES
from surrogate_nas.report.picture import WIDE, Canvas, Picture, Scale, text_width
from surrogate_nas.report.style import Style, styles

OWN, OTHER, OUTSIDE = styles(["bo", "evolution", "random"]).values()
"""The goal's own kind, the other kind, and other people's data."""
_NARROW = 480.0
_ROW = 22.0
_PANELS = [
    ("measure", "valid", "Validation data, goal: measure"),
    ("measure", "train", "Training data, goal: measure"),
    ("loss", "valid", "Validation data, goal: loss"),
    ("loss", "train", "Training data, goal: loss"),
]


def kinds(sources: pd.DataFrame, caption: str) -> Picture:
    """τ by kind, split and time, for two goals, of lines with these, a source and tau."""
    return Picture("kinds", caption, lambda width: _kinds(sources, width), WIDE)


def _kinds(sources: pd.DataFrame, width: float) -> Canvas:
    columns = 2 if width < _NARROW else 4
    gap, label, left, height, top = (
        26.0,
        118.0 if columns == 4 else 0.0,
        36.0,
        210.0,
        26.0,
    )
    step = (width - left - label) / columns
    rows = len(_PANELS) // columns
    canvas = Canvas(width, rows * (height + 54) + 20)
    for number, (goal, split, long) in enumerate(_PANELS):
        down = (number // columns) * (height + 54) + top
        start = left + (number % columns) * step
        x = Scale(10, 100, start, start + step - gap, "log")
        y = Scale(0, 1, down + height, down)
        is_last = number == len(_PANELS) - 1
        title = long if columns == 4 else long.replace(" data, goal:", " →")
        canvas.text(start, down - 10, title, size=12, colour="ink", bold=True)
        _axes(canvas, x, y, labels=number % columns == 0)
        _levels(
            canvas, sources[sources["goal"] == goal], x, y, named=is_last and label > 0
        )
        own = sources[(sources["goal"] == goal) & (sources["split"] == split)]
        _lines(canvas, own, goal, x, y)
    for number, (style, text) in enumerate(
        ((OWN, "goal's own kind"), (OTHER, "the other kind"))
    ):
        right, down = left + 150.0 * number, canvas.height - 14
        canvas.mark(right + 5, down, style, 9.0)
        canvas.text(right + 14, down + 4, text, size=12, colour="ink", bold=True)
    return canvas


def _axes(canvas: Canvas, x: Scale, y: Scale, *, labels: bool) -> None:
    for value in (0, 0.25, 0.5, 0.75, 1):
        canvas.line([(x.start, y(value)), (x.end, y(value))], colour="line")
        if labels:
            canvas.text(x.start - 6, y(value) + 4, f"{value:g}", align="right")
    for time in TIMES:
        canvas.text(x(time), y.start + 16, f"{time}", align="center")


def _levels(
    canvas: Canvas, own: pd.DataFrame, x: Scale, y: Scale, *, named: bool
) -> None:
    """Floor and ceiling."""
    for quantity, text in (
        (CEILING, "another seed (ceiling)"),
        (PARAMS, "−parameters (floor)"),
    ):
        at = y(own.loc[own["quantity"] == quantity, "tau"].mean())
        canvas.line(
            [(x.start, at), (x.end, at)], colour="axis", width=1.4, dash=(2.0, 3.0)
        )
        if named:
            canvas.text(x.end + 8, at + 4, text)


def _lines(canvas: Canvas, own: pd.DataFrame, goal: str, x: Scale, y: Scale) -> None:
    """Thin lines of sources, thick ones of their mean."""
    for quantity in ("loss", "measure"):
        style = OWN if quantity == goal else OTHER
        part = own[(own["quantity"] == quantity) & own["time"].isin(TIMES)]
        if part.empty:
            continue
        wide = part.pivot_table(
            index="time", columns="source", values="tau"
        ).sort_index()
        with canvas.of(
            style, "the goal's own kind" if style is OWN else "the other kind"
        ):
            for source in wide:
                points = [
                    (x(time), y(value)) for time, value in wide[source].dropna().items()
                ]
                canvas.line(points, colour=style, width=1, opacity=0.25)
            points = [(x(time), y(value)) for time, value in wide.mean(axis=1).items()]
            canvas.line(points, colour=style, width=3, cased=True)
            for at in points:
                canvas.mark(*at, style, 8.0)


def forest(
    sources: pd.DataFrame, means: pd.DataFrame, outside: pd.DataFrame, caption: str
) -> Picture:
    """Every contrast of one length by source, the mean with the interval of a new source, and other
    data: lines of `sources.csv`, `contrasts.csv` and `replications.csv`.
    """
    return Picture(
        "forest", caption, lambda w: _forest(sources, means, outside, w), WIDE
    )


def _forest(
    sources: pd.DataFrame, means: pd.DataFrame, outside: pd.DataFrame, width: float
) -> Canvas:
    names = list(means["contrast"])
    rows = list(dict.fromkeys(sources["source"]))
    families = list(dict.fromkeys(outside["family"])) if len(outside) else []
    narrow = width < _NARROW
    columns = 1 if narrow else len(names)
    label = min(
        190.0, max(text_width(text, 12) for text in [*rows, *families, "a new source"])
    )
    block = (len(rows) + 2 + len(families)) * _ROW + 78
    canvas = Canvas(width, block * (len(names) if narrow else 1))
    step = (width - label - 12) / max(columns, 1)
    # other tables may lie beyond: at the edge
    ends = pd.concat(
        [sources[["low", "high"]].stack(), means[["new_low", "new_high"]].stack()]
    )
    low, high = (
        min(float(ends.quantile(0.02)), -0.1),
        max(float(ends.quantile(0.98)), 0.1),
    )
    for number, name in enumerate(names):
        down = block * number if narrow else 0.0
        start = label + 12 + (0 if narrow else number * step)
        x = Scale(low, high, start, start + step - 22)
        at_title = 0.0 if narrow else start
        canvas.text(at_title, down + 14, TITLES[name], size=12, colour="ink", bold=True)
        _band(canvas, x, down + 24, down + block - 30)
        named = label if number == 0 or narrow else 0.0
        own = sources[sources["contrast"] == name].set_index("source")
        at = _rows(canvas, x, down + 36.0, own, rows, OWN, named)
        at = _mean(canvas, x, at, means[means["contrast"] == name].iloc[0], named)
        others = outside[outside["contrast"] == name].set_index("family")
        _rows(canvas, x, at, others, families, OUTSIDE, named)
    return canvas


def _band(canvas: Canvas, x: Scale, top: float, bottom: float) -> None:
    """The differences that are too small to matter, zero, and the ticks."""
    canvas.rectangle(x(-OF_INTEREST), top, x(OF_INTEREST), bottom, "soft")
    canvas.line([(x(0), top), (x(0), bottom)], colour="axis")
    for value, text in x.ticks(50.0):
        canvas.text(x(value), bottom + 16, text, align="center")


def _rows(
    canvas: Canvas,
    x: Scale,
    at: float,
    lines: pd.DataFrame,
    names: Sequence[str],
    style: Style,
    label: float,
) -> float:
    """Intervals below each other, with their names where there is a place for a label."""
    colour = "quiet" if style is OUTSIDE else "ink"
    for name in names:
        if label:
            canvas.text(label, at + 4, name, size=12, align="right", colour=colour)
        if name in lines.index:
            line = lines.loc[name]
            ends = [(x(line["low"]), at), (x(line["high"]), at)]
            canvas.line(ends, colour=style, width=3, opacity=0.55)
            canvas.mark(x(line["difference"]), at, style, 9.0)
        at += _ROW
    return at


def _mean(canvas: Canvas, x: Scale, at: float, line: pd.Series, label: float) -> float:
    """A diamond from end to end of the interval, and where a new source would lie."""
    at += _ROW / 2
    if label:
        text = "all sources"  # a contrast may have one less
        canvas.text(
            label, at + 4, text, size=12, align="right", colour="ink", bold=True
        )
        canvas.text(label, at + 4 + _ROW * 0.8, "dashed: a new source", align="right")
    ends = [(x(line["new_low"]), at), (x(line["new_high"]), at)]
    canvas.line(ends, colour="ink", width=1.6, dash=(3.0, 2.5))
    middle = x(line["difference"])
    left, right = min(x(line["low"]), middle - 5), max(x(line["high"]), middle + 5)
    canvas.area([(left, at), (middle, at - 6), (right, at), (middle, at + 6)], "ink")
    return at + 1.5 * _ROW


def bars(shares: pd.DataFrame, caption: str) -> Picture:
    """Shares of variance as bars, of lines of component and share."""

    def draw(width: float) -> Canvas:
        canvas = Canvas(width, len(shares) * 30.0 + 6)
        x = Scale(0, 1, 130.0, width - 60)
        for number, (_, line) in enumerate(shares.iterrows()):
            at = 18.0 + 30 * number
            canvas.text(0, at + 4, line["component"], size=13, colour="ink", bold=True)
            style = OWN if number % 2 == 0 else OTHER
            canvas.rectangle(
                x(0), at - 7, max(x(line["share"]), x(0) + 1), at + 7, style
            )
            canvas.text(
                x(line["share"]) + 8,
                at + 4,
                f"{line['share']:.0%}",
                size=13,
                colour="ink",
            )
        return canvas

    return Picture("variance", caption, draw)
