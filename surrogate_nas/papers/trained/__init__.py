"""Which loss should be trained and searched on, from tables where the same cells were trained by every loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.losses import TRAINED, Losses
from surrogate_nas.core.errors import UserError
from surrogate_nas.papers.jobs import finished
from surrogate_nas.papers.rows import Row, Summary
from surrogate_nas.papers.trained.answer import findings, is_noise, rows, summary
from surrogate_nas.papers.trained.picture import draw
from surrogate_nas.papers.trained.replication import TABLE, Replication, replication
from surrogate_nas.papers.trained.searched import RUNS, searched
from surrogate_nas.papers.trained.sentences import words
from surrogate_nas.papers.trained.study import FEWEST, Study, study
from surrogate_nas.study.experiment import Progress

__all__ = ["Answer", "answered"]


@dataclass(frozen=True)
class Answer:
    """What tables of losses say.

    Attributes:
        table: A line a task.
        rows: All of it.
        words: The answer in plain words.
        findings: What JSON holds besides.
    """

    table: Summary
    rows: Sequence[Row]
    words: Sequence[str]
    findings: Mapping[str, Any]


def answered(
    *, runs: int | None, workers: int | None, engine: str, folder: Path, progress: Progress | None
) -> Answer | None:
    """Study every table of losses that is here, search on it, and draw ``trained.png``; None where there is none.

    Args:
        runs: Of each strategy on each loss; None for the usual number.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        folder: Where the picture and the finished searches go.
        progress: Called with (searches done, searches in all).

    Raises:
        UserError: A table is damaged, or the folder cannot be written.
    """
    names = [name for name in Losses().names() if name.endswith(TRAINED)]
    found = dict(finished(_studied, names, workers=workers, engine=engine, progress=None))
    studies = [one for name in names if (one := found[name]) is not None]
    if not studies:
        return None
    searches = searched(
        [one for one in studies if not (one.longer or is_noise(one))], runs=RUNS if runs is None else runs,
        workers=workers, engine=engine, folder=folder, progress=progress,
    )  # fmt: skip
    again = _again()
    draw(studies, searches, folder / "trained.png")
    few = [name for name in names if found[name] is None]
    notes = [f"Fewer than {FEWEST} cells of two seeds, so not looked at: {', '.join(few)}."] if few else []
    return Answer(
        summary(studies), list(rows(studies, searches)), [*words(studies, searches, again), *notes],
        findings(studies, searches, again),
    )  # fmt: skip


def _studied(name: str) -> Study | None:
    return study(load(name))


def _again() -> Replication | None:
    """The replication, where its table is whole."""
    try:
        return replication(load(TABLE))
    except UserError:
        return None
