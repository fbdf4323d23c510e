"""Published comparisons, repeated: our numbers beside the published ones, with a verdict.

A paper NAME is the function of that name in the file of that name, and its rows in
``published.csv``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from analysis.papers.common.paper import PaperResult, Work, write_json
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.runtime.engines import check_engine

PAPERS = sorted(
    module.name
    for module in iter_modules(__path__)
    if not module.ispkg and not module.name.startswith("_")
)
"""The names of all papers."""


def reproduce(
    name: str,
    *,
    folder: Path,
    runs: int | None = None,
    workers: int | None = None,
    engine: str = "processes",
    progress: Callable[[int, int], None] | None = None,
) -> PaperResult:
    """Repeat a published comparison and write ``rows.json``, ``table.md`` and pictures.

    An interrupted comparison resumes.

    Args:
        name: One of `PAPERS`.
        folder: Where to write, and where finished jobs are stored.
        runs: Runs per strategy; None for the paper's number.
        workers: The number of jobs at a time, or None.
        engine: Where jobs run: a key of `surrogate_nas.runtime.engines.ENGINES`, with its address
            after a colon.
        progress: Called with (runs done, runs in all).

    Raises:
        UserError: The name is unknown, its tables are not here, or the folder cannot be written.
    """
    if name not in PAPERS:
        raise unknown("paper", name, PAPERS)
    check_engine(engine, workers)
    if runs is not None and runs < 1:
        raise UserError(f"A comparison needs at least 1 run, not {runs}.")
    paper = getattr(import_module(f"{__name__}.{name}"), name)
    result: PaperResult = paper(Work(folder, runs, workers, engine, progress))
    result.write(folder)
    return result


@dataclass(frozen=True)
class PaperOutcome:
    """The result of one paper in numbers.

    Attributes:
        name: The paper.
        rows: The number of rows.
        compared: The number of rows with a published number and ours.
        agree: The number of these within the tolerance that the paper's rows state.
        differ: The number of these outside it; the others state no tolerance.
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
        verdicts = [
            row.verdict
            for row in result.rows
            if row.published is not None and row.ours is not None
        ]
        return cls(
            name,
            rows=len(result.rows),
            compared=len(verdicts),
            agree=sum(verdict.startswith("agrees") for verdict in verdicts),
            differ=sum(verdict.startswith("differs") for verdict in verdicts),
            seconds=result.seconds,
        )


@dataclass(frozen=True)
class Overview:
    """The results of all papers in order, and how long they took together."""

    papers: Sequence[PaperOutcome]
    seconds: float

    @property
    def failed(self) -> list[PaperOutcome]:
        """The papers that were not made."""
        return [paper for paper in self.papers if paper.failure]

    def to_json(self) -> dict[str, Any]:
        """The overview as ``python -m analysis.papers all --json`` prints it."""
        return {
            "papers": [asdict(paper) for paper in self.papers],
            "seconds": self.seconds,
        }


def overview(
    redo: Callable[[str, Path], PaperResult],
    folder: Path,
    report: Callable[[str], None],
) -> Overview:
    """Repeat every paper into a ``paper-NAME`` folder and write ``papers.json``.

    A paper that fails does not stop the others.
    """
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
    write_json(folder / "papers.json", result.to_json())
    return result
