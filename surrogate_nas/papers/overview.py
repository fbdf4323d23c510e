"""All published comparisons redone, one after the other, and what came of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.papers.rows import PaperResult
from surrogate_nas.study.store import Store

_AGREES, _DIFFERS = "agrees", "differs"


@dataclass(frozen=True)
class Outcome:
    """What came of one paper.

    Attributes:
        name: The paper.
        rows: How many rows it has.
        compared: How many of them have a published number and ours.
        agree: How many of these lie within the tolerance that the paper's rows state.
        differ: How many lie outside of it; the others state none.
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
    def of(cls, name: str, result: PaperResult) -> Outcome:
        """Count a paper's rows.

        Args:
            name: The paper.
            result: Its rows.
        """
        both = [row for row in result.rows if row.published is not None and row.ours is not None]
        agree, differ = (sum(row.verdict.startswith(word) for row in both) for word in (_AGREES, _DIFFERS))
        return cls(name, len(result.rows), len(both), agree, differ, result.seconds)


@dataclass(frozen=True)
class Overview:
    """What came of all papers.

    Attributes:
        papers: In order.
        seconds: How long they took together.
    """

    papers: Sequence[Outcome]
    seconds: float

    @property
    def failed(self) -> list[Outcome]:
        """Those that were not made."""
        return [paper for paper in self.papers if paper.failure]

    @property
    def shown(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Headings and cells of a table."""
        heads = ("paper", "rows", "published and ours", "agree", "differ", "no tolerance stated", "seconds", "failure")
        return heads, [
            (p.name, p.rows, p.compared, p.agree, p.differ, p.compared - p.agree - p.differ, round(p.seconds, 1),
             p.failure)
            for p in self.papers
        ]  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The table as ``snas paper all --json`` prints it."""
        return {"papers": [asdict(paper) for paper in self.papers], "seconds": self.seconds}


def overview(
    names: Sequence[str], redo: Callable[[str, Path], PaperResult], folder: Path, told: Callable[[str], None]
) -> Overview:
    """Redo papers into ``paper-NAME`` folders, going on after one that fails, and write ``papers.json``.

    Args:
        names: Of the papers.
        redo: Makes a paper, by name, in a folder; what a paper keeps there it need not make again.
        folder: Where the folders go.
        told: Called with a line before each paper, and after one that failed.

    Raises:
        UserError: The folder cannot be written.
    """
    started, outcomes = time.perf_counter(), []
    for number, name in enumerate(names, 1):
        told(f"{name} ({number} of {len(names)})")
        try:
            outcomes.append(Outcome.of(name, redo(name, folder / f"paper-{name}")))
        except UserError as error:
            outcomes.append(Outcome(name, failure=str(error)))
            told(f"{name}: {error}")
    made = Overview(outcomes, time.perf_counter() - started)
    Store(folder).write_json("papers.json", made.to_json())
    return made
