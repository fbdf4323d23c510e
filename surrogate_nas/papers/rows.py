"""The table of a redone paper: one row a method, data set and metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One published number and ours.

    Attributes:
        method: The strategy, loss or cell.
        dataset: The data set.
        metric: What is measured.
        published: The published mean, or None where nothing was published.
        published_std: Its standard deviation, or None.
        ours: Our mean, or None where it cannot be made here.
        ours_std: Its standard deviation, or None.
        evaluations: Mean number of evaluated cells, or None.
        runs: How many runs ours is over, or None.
        verdict: Agreement and what differs, in words.
        mark: How sure the published number is: C read in print, I read off an image, D computed from the data,
            ? quoted without confirmation.
    """

    method: str
    dataset: str
    metric: str
    published: float | None = None
    published_std: float | None = None
    ours: float | None = None
    ours_std: float | None = None
    evaluations: float | None = None
    runs: int | None = None
    verdict: str = ""
    mark: str = ""

    @property
    def published_text(self) -> str:
        """The published number with its mark where that is not plain."""
        text = _with_std(self.published, self.published_std)
        return f"{text} (?)" if self.mark == "?" and self.published is not None else text

    @property
    def ours_text(self) -> str:
        """Our number."""
        return _with_std(self.ours, self.ours_std)


def _with_std(mean: float | None, std: float | None) -> str:
    if mean is None:
        return "–"
    digits = 3 if abs(mean) <= 1 else 2
    return f"{mean:.{digits}f}" + (f" ± {std:.{digits}f}" if std is not None else "")


@dataclass(frozen=True)
class PaperResult:
    """A redone comparison.

    Attributes:
        title: What was redone.
        rows: The table.
        seconds: How long it took.
        notes: What a reader must know.
    """

    title: str
    rows: Sequence[Row]
    seconds: float
    notes: Sequence[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The table as ``snas paper --json`` prints it."""
        return {
            "title": self.title,
            "rows": [asdict(row) for row in self.rows],
            "seconds": self.seconds,
            "notes": list(self.notes),
        }

    def to_markdown(self) -> str:
        """The table for a README."""
        heads = ("method", "data set", "metric", "published", "ours", "cells", "runs", "verdict")
        lines = [f"# {self.title}", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for r in self.rows:
            cells = "–" if r.evaluations is None else f"{r.evaluations:.1f}"
            runs = "–" if r.runs is None else str(r.runs)
            parts = (r.method, r.dataset, r.metric, r.published_text, r.ours_text, cells, runs, r.verdict)
            lines.append(f"| {' | '.join(parts)} |")
        return (
            "\n".join([*lines, "", *(f"- {note}" for note in self.notes), "", f"{self.seconds:.0f} s in all."]) + "\n"
        )
