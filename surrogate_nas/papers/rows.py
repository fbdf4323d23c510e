"""The table of a redone paper: one row a method, data set and metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        ceiling: What one training seed reaches against another in the same cells, or None where seeds are not held.
        seconds: What it costs to know of one cell, on average, in the benchmark's seconds, or None.
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
    ceiling: float | None = None
    seconds: float | None = None

    @property
    def published_text(self) -> str:
        """The published number with its mark where that is not plain."""
        text = _with_std(self.published, self.published_std)
        return f"{text} (?)" if self.mark == "?" and self.published is not None else text

    @property
    def ours_text(self) -> str:
        """Our number."""
        return _with_std(self.ours, self.ours_std)


_NOTHING = "–"
_OPTIONAL = ("ceiling", "seconds")


def _with_std(mean: float | None, std: float | None) -> str:
    if mean is None:
        return _NOTHING
    digits = 3 if abs(mean) <= 1 else 2
    return f"{mean:.{digits}f}" + (f" ± {std:.{digits}f}" if std is not None else "")


@dataclass(frozen=True)
class Summary:
    """A short table that stands before the rows, and in their place where there are too many to read.

    Attributes:
        heads: The headings.
        rows: The cells, as texts.
        more: What JSON holds of each row besides; empty for nothing.
    """

    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    more: Sequence[Mapping[str, str]] = ()

    def to_json(self) -> list[dict[str, str]]:
        """A JSON object a row."""
        more = self.more or [{}] * len(self.rows)
        return [{**dict(zip(self.heads, row, strict=True)), **rest} for row, rest in zip(self.rows, more, strict=True)]


@dataclass(frozen=True)
class PaperResult:
    """A redone comparison.

    Attributes:
        title: What was redone.
        rows: The table.
        seconds: How long it took.
        notes: What a reader must know.
        summary: What a terminal shows in place of the rows, or None to show them.
        answer: A shorter table before that, or None.
        findings: What JSON holds besides, by its keys.

    Example:
        >>> result = PaperResult("Table 5", [], seconds=12.0, notes=["One run."])
        >>> result.to_markdown().splitlines()[2]
        '| method | data set | metric | published | ours | cells | runs | verdict |'
    """

    title: str
    rows: Sequence[Row]
    seconds: float
    notes: Sequence[str] = field(default_factory=list)
    summary: Summary | None = None
    answer: Summary | None = None
    findings: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The table as ``snas paper --json`` prints it."""
        return {
            "title": self.title,
            "rows": [asdict(row) for row in self.rows],
            "seconds": self.seconds,
            "notes": list(self.notes),
            **({"answer": self.answer.to_json()} if self.answer else {}),
            **({"summary": self.summary.to_json()} if self.summary else {}),
            **self.findings,
        }

    @property
    def shown(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Headings and cells of the whole table; what no row has is left out."""
        columns: list[tuple[str, list[object]]] = [
            ("method", [r.method for r in self.rows]),
            ("data set", [r.dataset for r in self.rows]),
            ("metric", [r.metric for r in self.rows]),
            ("published", [r.published_text for r in self.rows]),
            ("ours", [r.ours_text for r in self.rows]),
            ("ceiling", [_with_std(r.ceiling, None) for r in self.rows]),
            ("cells", [None if r.evaluations is None else round(r.evaluations, 1) for r in self.rows]),
            ("runs", [r.runs for r in self.rows]),
            ("seconds", [None if r.seconds is None else round(r.seconds, 1) for r in self.rows]),
            ("verdict", [r.verdict for r in self.rows]),
        ]
        held = [column for column in columns if column[0] not in _OPTIONAL or {*column[1]} - {None, _NOTHING}]
        heads, cells = zip(*held, strict=True)
        return heads, list(zip(*cells, strict=True))

    def to_markdown(self) -> str:
        """The tables for a README, and the notes."""
        lines = [f"# {self.title}", ""]
        for short in filter(None, (self.answer, self.summary)):
            lines += [*_markdown(short.heads, short.rows), ""]
        lines += [*_markdown(*self.shown), "", *(f"- {note}" for note in self.notes), ""]
        return "\n".join([*lines, f"{self.seconds:.0f} s in all."]) + "\n"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return lines + [f"| {' | '.join(_NOTHING if cell is None else str(cell) for cell in row)} |" for row in rows]
