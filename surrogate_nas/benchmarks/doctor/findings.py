"""What was found, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from surrogate_nas.core.numbers import plural

Level = Literal["alarm", "warning", "note"]
LEVELS: tuple[Level, ...] = ("alarm", "warning", "note")
"""What matters most comes first."""

_NAMED = 4
"""Columns that a line names."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found about columns of a table.

    Attributes:
        level: ``alarm``, ``warning`` or ``note``.
        kind: What was found, in a word: ``constant``, ``leak``, ``missing`` …
        columns: Which columns it is about, as ``valid_error[12]``; empty where about the whole
            table.
        text: What was found, in a sentence.
        numbers: The measured numbers behind it, by name.

    Example:
        >>> print(Finding("alarm", "constant", ("latency@mine",), "is 3 for every cell"))
        latency@mine: is 3 for every cell
    """

    level: Level
    kind: str
    columns: tuple[str, ...]
    text: str
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        more = len(self.columns) - _NAMED
        named = ", ".join(self.columns[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        return f"{named}: {self.text}" if named else self.text


@dataclass(frozen=True)
class Examination:
    """All that was found about a table.

    Attributes:
        name: The table's.
        n_cells: How many cells its space has.
        n_with_values: How many of these have a value in some column.
        columns: The name, kind, unit, share of cells with a value, and number of different values
            of every column.
        findings: What matters most first.
    """

    name: str
    n_cells: int
    n_with_values: int
    columns: Sequence[Mapping[str, Any]]
    findings: Sequence[Finding]

    def of(self, level: Level) -> list[Finding]:
        """The findings of a level; `level`: ``alarm``, ``warning`` or ``note``."""
        return [finding for finding in self.findings if finding.level == level]

    @property
    def headline(self) -> str:
        """How many columns were looked at and how much was found, in a line."""
        counts = [(len(self.of(level)), level) for level in LEVELS]
        counted = ", ".join(f"{n or 'no'} {level}{'' if n == 1 else 's'}" for n, level in counts)
        cells = f"{self.n_cells:,} cells"
        if self.n_with_values < self.n_cells:
            cells = f"{self.n_with_values:,} of {cells} with values"
        return f"{self.name}: {cells}, {plural(len(self.columns), 'column')}: {counted}."

    def to_json(self) -> dict[str, Any]:
        """As ``snas data doctor --json`` prints it."""
        return {
            "name": self.name,
            "cells": self.n_cells,
            "cells_with_values": self.n_with_values,
            "columns": [dict(column) for column in self.columns],
            "findings": [asdict(finding) for finding in self.findings],
        }


def short(value: float) -> str:
    """A number between -1 and 1 as tables of correlations have it: .87."""
    text = f"{round(value, 2) + 0.0:.2f}".replace("-", "−")
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def percent(share: float) -> str:
    """A share as percent: 12 %."""
    digits = 0 if share >= 0.1 or share == 0 else 1
    return f"{100 * share:.{digits}f} %" if share >= 5e-4 else "less than .1 %"
