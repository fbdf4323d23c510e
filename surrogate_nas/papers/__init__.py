"""Published comparisons, redone: our numbers beside the published ones, with a verdict.

A paper NAME is the function of that name in the file of that name, and its rows in
``published.csv``. An installed package adds one by an entry point of the group
``surrogate_nas.papers``, and a user names one as ``FILE.py:NAME``; their rows are in a
``published.csv`` beside their file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.registry import Registry, places_in
from surrogate_nas.papers.common.paper import PaperResult, Work

__all__ = ["PAPERS", "PaperResult", "reproduce"]

Paper = Callable[[Work], PaperResult]


def _check_paper(function: object, name: str) -> Paper:
    if not callable(function):
        raise UserError(
            f"{name} is no paper: it must be a function that takes a Work and returns a"
            " PaperResult."
        )
    return function


PAPERS: Registry[Paper] = Registry(
    "paper", _check_paper, places_in(__name__), group="surrogate_nas.papers"
)
"""Every paper by name."""


def reproduce(
    name: str,
    *,
    folder: Path,
    runs: int | None = None,
    workers: int | None = None,
    engine: str = "processes",
    progress: Callable[[int, int], None] | None = None,
) -> PaperResult:
    """Redo a published comparison and write ``rows.json``, ``table.md`` and pictures.

    An interrupted comparison continues where it stopped.

    Args:
        name: A key of `PAPERS`, or ``FILE.py:NAME``.
        folder: Where to write, and where finished jobs are stored.
        runs: Runs per strategy; None for the paper's number.
        workers: How many jobs run at the same time, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        progress: Called with (runs done, runs in all).

    Raises:
        UserError: The name is unknown, its tables are not here, or the folder cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     try:
        ...         reproduce("nb202", folder=Path(folder))
        ...     except UserError as error:
        ...         print(str(error).partition(" Known")[0])
        Unknown paper 'nb202'. Did you mean 'nb201'?
    """
    from surrogate_nas.runtime.engines import check_engine

    paper = PAPERS.find(name)
    check_engine(engine, workers)
    if runs is not None and runs < 1:
        raise UserError(f"A comparison needs at least 1 run, not {runs}.")
    result = paper(Work(folder, runs, workers, engine, progress))
    result.write(folder)
    return result


@dataclass(frozen=True)
class PaperOutcome:
    """The result of one paper in numbers.

    Attributes:
        name: The paper.
        rows: How many rows it has.
        compared: How many of them have a published number and ours.
        agree: How many of these are within the tolerance that the paper's rows state.
        differ: How many are outside of it; the others state none.
        seconds: How long it took this time.
        failure: Why it was not made, or empty.
    """

    name: str
    rows: int = 0
    compared: int = 0
    agree: int = 0
    differ: int = 0
    seconds: float = 0.0
    failure: str = ""

    @classmethod
    def of(cls, name: str, result: PaperResult) -> PaperOutcome:
        """Count a paper's rows."""
        compared = []
        for row in result.rows:
            if row.published is not None and row.ours is not None:
                compared.append(row.verdict)
        return cls(
            name,
            rows=len(result.rows),
            compared=len(compared),
            agree=sum(verdict.startswith("agrees") for verdict in compared),
            differ=sum(verdict.startswith("differs") for verdict in compared),
            seconds=result.seconds,
        )


@dataclass(frozen=True)
class Overview:
    """The results of all papers in order, and how long they took together."""

    papers: Sequence[PaperOutcome]
    seconds: float

    @property
    def failed(self) -> list[PaperOutcome]:
        """Those that were not made."""
        return [paper for paper in self.papers if paper.failure]

    @property
    def table(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Headings and cells of a table."""
        heads = (
            "paper",
            "rows",
            "published and ours",
            "agree",
            "differ",
            "no tolerance stated",
            "seconds",
            "failure",
        )
        rows: list[tuple[object, ...]] = []
        for p in self.papers:
            rest = p.compared - p.agree - p.differ
            seconds = round(p.seconds, 1)
            rows.append((p.name, p.rows, p.compared, p.agree, p.differ, rest, seconds, p.failure))
        return heads, rows

    def to_json(self) -> dict[str, Any]:
        """The table as ``snas paper all --json`` prints it."""
        return {"papers": [asdict(paper) for paper in self.papers], "seconds": self.seconds}


def overview(
    redo: Callable[[str, Path], PaperResult],
    folder: Path,
    report: Callable[[str], None],
) -> Overview:
    """Redo every paper into a ``paper-NAME`` folder and write ``papers.json``.

    One that fails does not stop the others.
    """
    from surrogate_nas.study.store import Store

    started = time.perf_counter()
    outcomes = []
    for number, name in enumerate(PAPERS, 1):
        report(f"{name} ({number} of {len(PAPERS)})")
        try:
            outcomes.append(PaperOutcome.of(name, redo(name, folder / f"paper-{name}")))
        except UserError as error:
            outcomes.append(PaperOutcome(name, failure=str(error)))
            report(f"{name}: {error}")
    result = Overview(outcomes, time.perf_counter() - started)
    Store(folder).write_json("papers.json", result.to_json())
    return result
