"""Tables of the page and of the supplement, and the words of the conditions."""

from __future__ import annotations

import pandas as pd

from analysis.answer.contrasts import TITLES
from analysis.answer.orders import MATCHED
from analysis.answer.text import estimate, interval, number
from surrogate_nas.report.markup import Content, Span, Table

SHORT = {
    "valid_loss": ("validation loss", "end"),
    "train": ("training loss", "end"),
    "early": ("training loss", "20 %"),
    MATCHED: ("signal", "matched − other"),
}
CONDITIONS = {
    "x1": "default length",
    "x4": "4 × as long",
    "x16": "16 × as long, six sources",
    "noise": "30 % label noise",
    "noise-x4": "30 % label noise, 4 × as long",
    "varied": "weight decay varies",
    "varied-x4": "weight decay varies, 4 × as long",
    "noise-varied": "noise, weight decay varies",
    "noise-varied-x4": "noise, weight decay varies, 4 × as long",
    "quarter-x4": "a quarter of the examples, 4 × as long",
    "noise-quarter-x4": "noise, a quarter, 4 × as long",
}
"""The conditions of the second experiment."""


def files(name: str) -> Span:
    """A link to a file beside the page."""
    address = f"data/{name}" if name.endswith(".csv") else name
    text = {"index.html": "the page", "supplement.html": "supplement"}.get(name, name)
    return Span(text, "link", None, address)


def counts(frame: pd.DataFrame) -> list[str]:
    """How many sources are worse, the same and better, a text a line."""
    three = frame[["worse", "same", "better"]].to_numpy()
    return [", ".join(map(str, line)) for line in three]


def listed(frame: pd.DataFrame, drawn: str, texts: int = 1) -> Table:
    """A line of a frame is a row.

    Columns are drawn, three lines high: head, second line of the head, content. A content is a
    number's name and digits (``holm 3``), an estimate's (``± regret``), an interval's (``[] hall``)
    or a text's name (in bold: ``* said``); ``contrasts`` is a column for each that the frame has.
    """
    lines = [line.split("|") for line in drawn.strip().splitlines()]
    columns: list[tuple[str, ...]] = []
    for start in range(0, len(lines), 3):
        for head, small, what in zip(*lines[start : start + 3], strict=True):
            if what.strip() == "contrasts":
                columns += [(*SHORT[name], name) for name in TITLES if name in frame]
            else:
                columns.append((head.strip(), small.strip(), what.strip()))
    rows = [
        [_cell(line, what) for _, _, what in columns] for _, line in frame.iterrows()
    ]
    return Table([(head, small) for head, small, _ in columns], rows, texts)


def _cell(line: pd.Series, what: str) -> Content:
    first, _, name = what.partition(" ")
    prefix = f"{name}_" if name and name in line and f"{name}_low" in line else ""
    if first == "*":
        return Span(line[name], "strong")
    if first == "±":
        return estimate(line, name or "difference", f"{prefix}low", f"{prefix}high")
    if first == "[]":
        return interval(line[f"{name}_low"], line[f"{name}_high"])
    return number(line[first], int(name)) if name else str(line[what]).replace("_", " ")
