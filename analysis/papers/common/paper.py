"""A redone paper: its rows beside the published ones, its tables and pictures.

A paper is one file of `analysis.papers` and its rows of ``published.csv``. Its function takes
a `Work`, which runs its jobs, and returns a `PaperResult`.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas import __version__
from surrogate_nas.files import Journal, replacing, write_whole
from surrogate_nas.runtime.engines import raise_lost, run_jobs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

J = TypeVar("J")
K = TypeVar("K", bound=tuple[Any, ...])

_EMPTY = "–"
_OPTIONAL = ("ceiling", "seconds")


class Published(NamedTuple):
    """A row of ``published.csv``."""

    method: str  # The strategy, loss or cell
    dataset: str  # The data set
    metric: str  # What is measured
    value: float | None  # The mean, or None where nothing is printed
    std: float | None  # Its standard deviation, or None
    # How certain it is: C read in print, I read off an image, D computed from the data, ? not
    # confirmed
    mark: str
    note: str  # What a reader must know
    source: str  # The paper and its table

    def row(self, **ours: Any) -> Row:
        """Its row, with fields of ours; the verdict is its note unless given."""
        fields = {"verdict": self.note, "mark": self.mark, **ours}
        return Row(
            self.method, self.dataset, self.metric, self.value, self.std, **fields
        )


@cache
def published(paper: str) -> Mapping[tuple[str, str, str], Published]:
    """The published numbers of a paper by method, data set and metric, in the order of the file."""
    text = (Path(__file__).parents[1] / "published.csv").read_text(encoding="utf-8")
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


def published_fields(
    paper: str,
    method: str,
    dataset: str,
    metric: str,
    *,
    mark: str = "",
) -> dict[str, Any]:
    """The fields of a `Row` that a published number fills; `mark` stands where there is none."""
    entry = published(paper).get((method, dataset, metric))
    if entry is None:
        return {"mark": mark}
    return {"published": entry.value, "published_std": entry.std, "mark": entry.mark}


@dataclass(frozen=True)
class Row:
    """One published number and ours.

    Attributes:
        method: The strategy, loss or cell.
        dataset: The data set.
        metric: What is measured.
        published: The published mean, or None where nothing was published.
        published_std: Its standard deviation, or None.
        ours: Our mean, or None where it cannot be computed here.
        ours_std: Its standard deviation, or None.
        evaluations: Mean number of evaluated cells, or None.
        runs: How many runs our mean is over, or None.
        verdict: Agreement and what differs, in words.
        mark: How certain the published number is: C read in print, I read off an image, D computed
            from the data, ? quoted without confirmation.
        ceiling: τ of one training seed with another on the same cells, or None where the table has
            no seeds.
        seconds: What one cell costs on average, in the benchmark's seconds, or None.
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
        **fields: Any,
    ) -> Row:
        """The row of several runs: their mean, standard deviation and number.

        Args:
            method: The strategy, loss or cell.
            dataset: The data set.
            metric: What is measured.
            values: One for each run.
            fields: Further fields.
        """
        n_runs = len(values)
        numbers = {
            "ours": math.fsum(values) / n_runs,
            "ours_std": spread(values),
            "runs": n_runs,
        }
        return cls(method, dataset, metric, **{**numbers, **fields})

    @property
    def published_text(self) -> str:
        """The published number, with ``(?)`` where it is not confirmed."""
        text = _with_std(self.published, self.published_std)
        if self.mark == "?" and self.published is not None:
            return f"{text} (?)"
        return text

    @property
    def ours_text(self) -> str:
        """Our number."""
        return _with_std(self.ours, self.ours_std)

    @property
    def value(self) -> float | None:
        """Our number, or the published one where there is none of ours."""
        return self.published if self.ours is None else self.ours


def _with_std(mean: float | None, std: float | None) -> str:
    if mean is None:
        return _EMPTY
    digits = 3 if abs(mean) <= 1 else 2
    text = f"{mean:.{digits}f}"
    if std is not None:
        text += f" ± {std:.{digits}f}"
    return text


def spread(values: NDArray[np.float64] | Sequence[float]) -> float | None:
    """The standard deviation over runs; None for a single run."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def joined(*parts: str) -> str:
    """The parts of a verdict that are not empty, separated by semicolons."""
    return "; ".join(part for part in parts if part)


@dataclass(frozen=True)
class Summary:
    """A short table above the rows; a terminal shows it instead of them.

    Attributes:
        heads: The headings.
        rows: The cells, as texts.
        more: Further fields of each row in JSON; empty for none.
    """

    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    more: Sequence[Mapping[str, str]] = ()

    def to_json(self) -> list[dict[str, str]]:
        """A JSON object a row."""
        objects = [dict(zip(self.heads, row, strict=True)) for row in self.rows]
        if self.more:
            for entry, fields in zip(objects, self.more, strict=True):
                entry.update(fields)
        return objects


@dataclass(frozen=True)
class PaperResult:
    """A redone comparison.

    Attributes:
        title: What was redone.
        rows: The table.
        seconds: How long it took.
        notes: What a reader must know.
        summary: What a terminal shows in place of the rows, or None to show them.
        signals: A table before the summary, or None.
        findings: Further entries of the JSON, by key.
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
    signals: Summary | None = None
    findings: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def summaries(self) -> list[Summary]:
        """The tables that a terminal shows in place of the rows."""
        tables = (self.signals, self.summary)
        return [table for table in tables if table is not None]

    def to_json(self) -> dict[str, Any]:
        """The table as ``python -m analysis.papers NAME --json`` prints it."""
        content: dict[str, Any] = {
            "title": self.title,
            "rows": [asdict(row) for row in self.rows],
            "seconds": self.seconds,
            "notes": list(self.notes),
        }
        if self.summary:
            content["summary"] = self.summary.to_json()
        return {**content, **self.findings}

    @property
    def table(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Headings and cells of the whole table, without optional columns that are empty."""
        columns: dict[str, list[object]] = {
            "method": [row.method for row in self.rows],
            "data set": [row.dataset for row in self.rows],
            "metric": [row.metric for row in self.rows],
            "published": [row.published_text for row in self.rows],
            "ours": [row.ours_text for row in self.rows],
            "ceiling": [_with_std(row.ceiling, None) for row in self.rows],
            "cells": [_tenths(row.evaluations) for row in self.rows],
            "runs": [row.runs for row in self.rows],
            "seconds": [_tenths(row.seconds) for row in self.rows],
            "verdict": [row.verdict for row in self.rows],
        }
        for name in _OPTIONAL:
            if {*columns[name]} <= {None, _EMPTY}:
                del columns[name]
        return tuple(columns), list(zip(*columns.values(), strict=True))

    def to_markdown(self) -> str:
        """The tables for a README, and the notes."""
        lines = [f"# {self.title}", ""]
        for summary in self.summaries:
            lines += [*_markdown(summary.heads, summary.rows), ""]
        lines += [*_markdown(*self.table), ""]
        lines += [f"- {note}" for note in self.notes]
        lines += ["", f"{self.seconds:.0f} s in all."]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``rows.json``, ``table.md`` and the pictures into a folder."""
        for name, figure in self.pictures.items():
            with replacing(folder / name) as temporary:
                figure.savefig(temporary, format="png", dpi=150)
        write_json(folder / "rows.json", self.to_json())
        write_whole(folder / "table.md", self.to_markdown())


def write_json(path: Path, content: Any) -> None:
    """Replace a JSON file as a whole."""
    write_whole(path, json.dumps(content, indent=1) + "\n")


def _tenths(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [_EMPTY if cell is None else str(cell) for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


@dataclass(frozen=True)
class Work:
    """What a paper's function is given: it runs the jobs and stores the finished ones.

    Attributes:
        folder: Where finished jobs are stored.
        runs: Runs per strategy; None for the paper's number.
        workers: How many jobs run at the same time, or None.
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

    def runs_of(
        self,
        function: Callable[..., Any],
        n_runs: Mapping[K, int],
        file: str,
        settings: Mapping[str, Any],
    ) -> dict[K, list[Any]]:
        """Call a function for every run of every key that no earlier call has finished.

        Args:
            function: Takes a tuple: the items of a key, then the number of the run.
            n_runs: By key how many runs are made. A key's items and `settings` say all that the
                result depends on.
            file: Where finished runs are stored, in the folder.
            settings: As in `results`.

        Returns:
            By key the results in the order of the runs.
        """
        jobs = {}
        for key, n in n_runs.items():
            for run in range(n):
                job = (*key, run)
                jobs[", ".join(map(str, job))] = job
        finished = iter(self.results(function, jobs, file, settings).values())
        return {key: [next(finished) for _ in range(n)] for key, n in n_runs.items()}

    def results(
        self,
        function: Callable[[J], Any],
        jobs: Mapping[str, J],
        file: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Call a function for every job that no earlier call has finished; the results by name.

        Args:
            function: Takes a job; returns what JSON can hold where results are stored. Its result
                must not depend on where it is called.
            jobs: By a name that says, with `settings`, all that the result depends on.
            file: Where finished jobs are stored, in the folder; empty to store nothing.
            settings: What an existing file must agree with, beside the version.

        Raises:
            UserError: The file is damaged or of other settings, or a job was lost.
        """
        path = self.folder / file if file else None
        with Journal(path, {"version": __version__, **(settings or {})}) as journal:
            try:
                done: dict[str, Any] = dict(journal.entries)
            except (TypeError, ValueError) as error:
                raise journal.damaged(error) from error
            missing = [job for job in jobs.items() if job[0] not in done]
            n_done = len(jobs) - len(missing)
            self._report(n_done, len(jobs))
            lost = []
            call = partial(_call, function)
            for outcome in run_jobs(
                call,
                missing,
                workers=self.workers,
                engine=self.engine,
            ):
                if outcome.failure:
                    lost.append(outcome)
                    continue
                name, result = outcome.result
                journal.append((name, result))
                done[name] = result
                n_done += 1
                self._report(n_done, len(jobs))
            raise_lost(lost)
        return {name: done[name] for name in jobs}

    def _report(self, n_done: int, n_jobs: int) -> None:
        if self.progress:
            self.progress(n_done, n_jobs)

    def result(
        self, title: str, rows: Sequence[Row], notes: Sequence[str], **more: Any
    ) -> PaperResult:
        """The result, with the seconds since the work began.

        Args:
            title: What was redone.
            rows: The table.
            notes: What a reader must know.
            more: Further fields of `PaperResult`.
        """
        return PaperResult(
            title, rows, time.perf_counter() - self.started, notes, **more
        )


def _call(function: Callable[[Any], Any], job: tuple[str, Any]) -> tuple[str, Any]:
    return job[0], function(job[1])
