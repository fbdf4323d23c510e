"""A redone paper: what it is given, its rows beside the published ones, and how it is told and
drawn.

A paper is one file of `surrogate_nas.papers` and its rows of ``published.csv``. Its function takes
a `Work`, through which it runs its jobs, and gives a `PaperResult`.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

J = TypeVar("J")

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of Okabe & Ito, without the yellow."""
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
_NOTHING = "–"
_OPTIONAL = ("ceiling", "seconds")


class Published(NamedTuple):
    """A row of ``published.csv``."""

    method: str  # The strategy, loss or cell
    dataset: str  # The data set
    metric: str  # What is measured
    value: float | None  # The mean, or None where nothing is printed
    std: float | None  # Its standard deviation, or None
    # How sure it is: C read in print, I read off an image, D computed from the data, ? not
    # confirmed
    mark: str
    note: str  # What a reader must know
    source: str  # The paper and its table

    def row(self, **ours: Any) -> Row:
        """The row that it stands in, by itself or with ours; the verdict is its note where none is
        given.
        """
        told = {"verdict": self.note, "mark": self.mark, **ours}
        return Row(self.method, self.dataset, self.metric, self.value, self.std, **told)


@cache
def published(
    paper: str, folder: Path = Path(__file__).parents[1]
) -> Mapping[tuple[str, str, str], Published]:
    """What is printed beside a paper's rows, by method, data set and metric, in the order of the
    folder's file.
    """
    text = (folder / "published.csv").read_text(encoding="utf-8")
    rows = {}
    for line in csv.DictReader(text.splitlines()):
        if line.pop("paper") != paper:
            continue
        numbers = {"value": _number(line.pop("value")), "std": _number(line.pop("std"))}
        row = Published(**line, **numbers)  # type: ignore[arg-type]
        rows[row.method, row.dataset, row.metric] = row
    return rows


def _number(text: str) -> float | None:
    return float(text) if text else None


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
        mark: How sure the published number is: C read in print, I read off an image, D computed
            from the data, ? quoted without confirmation.
        ceiling: What one training seed reaches against another in the same cells, or None where
            seeds are not held.
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

    @classmethod
    def over(
        cls,
        method: str,
        dataset: str,
        metric: str,
        values: NDArray[np.float64] | Sequence[float],
        **more: Any,
    ) -> Row:
        """The row of runs: their mean, spread and number.

        Args:
            method: As the row has it.
            dataset: Likewise.
            metric: Likewise.
            values: One a run.
            more: Further fields.
        """
        mean = math.fsum(values) / len(values)
        runs = len(values)
        return cls(
            method,
            dataset,
            metric,
            **{"ours": mean, "ours_std": spread(values), "runs": runs, **more},
        )

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
        return _NOTHING
    digits = 3 if abs(mean) <= 1 else 2
    return f"{mean:.{digits}f}" + (f" ± {std:.{digits}f}" if std is not None else "")


def spread(values: NDArray[np.float64] | Sequence[float]) -> float | None:
    """The standard deviation of runs; None of a single one."""
    import numpy as np

    return float(np.std(values, ddof=1)) if len(values) > 1 else None


@dataclass(frozen=True)
class Summary:
    """A short table that stands before the rows, and in their place where there are too many to
    read.

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
        return [
            {**dict(zip(self.heads, row, strict=True)), **rest}
            for row, rest in zip(self.rows, more, strict=True)
        ]


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
        signals: One between the two, or None.
        findings: What JSON holds besides, by its keys.
        pictures: Figures by the names of their files.

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
    signals: Summary | None = None
    findings: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def short(self) -> list[Summary]:
        """The tables that a terminal shows in place of the rows."""
        return [one for one in (self.answer, self.signals, self.summary) if one is not None]

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
            (
                "cells",
                [None if r.evaluations is None else round(r.evaluations, 1) for r in self.rows],
            ),
            ("runs", [r.runs for r in self.rows]),
            ("seconds", [None if r.seconds is None else round(r.seconds, 1) for r in self.rows]),
            ("verdict", [r.verdict for r in self.rows]),
        ]
        held = [
            column
            for column in columns
            if column[0] not in _OPTIONAL or {*column[1]} - {None, _NOTHING}
        ]
        heads, cells = zip(*held, strict=True)
        return heads, list(zip(*cells, strict=True))

    def to_markdown(self) -> str:
        """The tables for a README, and the notes."""
        lines = [f"# {self.title}", ""]
        for short in self.short:
            lines += [*_markdown(short.heads, short.rows), ""]
        lines += [*_markdown(*self.shown), "", *(f"- {note}" for note in self.notes), ""]
        return "\n".join([*lines, f"{self.seconds:.0f} s in all."]) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``rows.json``, ``table.md`` and the pictures.

        Args:
            folder: Where to.
        """
        from surrogate_nas.files import replacing
        from surrogate_nas.study.store import Store

        for name, figure in self.pictures.items():
            with replacing(folder / name) as temporary:
                figure.savefig(temporary, format="png", dpi=150)
        store = Store(folder)
        store.write_json("rows.json", self.to_json())
        store.write_text("table.md", self.to_markdown())


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return lines + [
        f"| {' | '.join(_NOTHING if cell is None else str(cell) for cell in row)} |" for row in rows
    ]


@dataclass(frozen=True)
class Work:
    """What a paper is redone with: all papers are called alike, and run their jobs here.

    Attributes:
        folder: Where finished jobs are kept.
        runs: Runs per strategy; None for the paper's number.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        progress: Called with (jobs done, jobs in all), or None.
        started: When it began, by `time.perf_counter`.
    """

    folder: Path
    runs: int | None = None
    workers: int | None = None
    engine: str = "processes"
    progress: Callable[[int, int], None] | None = None
    started: float = field(default_factory=time.perf_counter)

    def results(
        self,
        function: Callable[[J], Any],
        jobs: Mapping[str, J],
        kept: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Call a function for every job that no earlier run has finished; the results by the names
        of the jobs.

        Args:
            function: Of one job, to what JSON can hold where results are kept; the same wherever it
                is called.
            jobs: By a name that says all that the result depends on, beside `settings`.
            kept: The file of finished jobs in the folder; empty to keep nothing.
            settings: What a file of finished jobs must agree with, beside the version.
        """
        from surrogate_nas.core.version import __version__
        from surrogate_nas.files import Journal
        from surrogate_nas.runtime.engines import raise_lost, run_jobs

        path = self.folder / kept if kept else None
        with Journal(path, {"version": __version__, **(settings or {})}) as journal:
            try:
                done: dict[str, Any] = dict(journal.entries)
            except (TypeError, ValueError) as error:
                raise journal.damaged(error) from error
            missing = [job for job in jobs.items() if job[0] not in done]
            lost = []
            count = len(jobs) - len(missing)
            if self.progress:
                self.progress(count, len(jobs))
            for outcome in run_jobs(
                partial(_named, function), missing, workers=self.workers, engine=self.engine
            ):
                if outcome.failure:
                    lost.append(outcome)
                    continue
                name, result = outcome.result
                journal.append((name, result))
                done[name] = result
                count += 1
                if self.progress:
                    self.progress(count, len(jobs))
            raise_lost(lost)
        return {name: done[name] for name in jobs}

    def result(
        self, title: str, rows: Sequence[Row], notes: Sequence[str], **more: Any
    ) -> PaperResult:
        """The result, with the seconds that it took.

        Args:
            title: What was redone.
            rows: The table.
            notes: What a reader must know.
            more: Further fields of `PaperResult`.
        """
        return PaperResult(title, rows, time.perf_counter() - self.started, notes, **more)


def _named(function: Callable[[Any], Any], job: tuple[str, Any]) -> tuple[str, Any]:
    return job[0], function(job[1])


def canvas(width: float, height: float) -> Figure:
    """A figure of so many inches, which lays itself out."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def draw_curves(
    axes: Axes, x: NDArray[np.float64], by_name: Mapping[str, NDArray[np.float64]], **how: Any
) -> None:
    """The mean over runs and its 95 % interval, a line a name; of each shape ``(runs, len(x))``."""
    import numpy as np

    from surrogate_nas.study.statistics import interval

    for (name, samples), colour, style in zip(by_name.items(), COLOURS, STYLES, strict=False):
        known = np.isfinite(samples).all(axis=0)
        low, high = interval(samples[:, known])
        axes.plot(
            x[known],
            samples[:, known].mean(axis=0),
            color=colour,
            linestyle=style,
            label=name,
            drawstyle="steps-post" if how.get("step") else "default",
        )
        axes.fill_between(x[known], low, high, color=colour, alpha=0.2, linewidth=0, **how)
    axes.grid(alpha=0.3)


def draw_map(
    axes: Axes,
    values: NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
) -> None:
    """A coloured table of τ, −1 to 1."""
    import numpy as np

    axes.imshow(values, cmap="RdYlBu", vmin=-1, vmax=1, aspect="auto")
    axes.set_xticks(
        range(len(columns)), columns, rotation=60, ha="right", fontsize=8, rotation_mode="anchor"
    )
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    for (i, j), value in np.ndenumerate(values):
        if math.isfinite(value):
            axes.text(
                j,
                i,
                f"{value:.2f}".replace("0.", ".", 1),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if abs(value) > 0.8 else "black",
            )
