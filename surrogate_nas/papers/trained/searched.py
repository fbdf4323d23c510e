"""The same question asked of searches: every strategy on every loss, at equal seconds, judged by one final measure.

A search is paid by the training that it reads: one on the first epoch sees more cells, one on validation pays a pass
more. What it found is judged by the test of the usual loss's run. That run is the one that a search on the usual loss
saw, whose luck it shares; a search on another loss saw another run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from surrogate_nas.benchmarks import load
from surrogate_nas.comparison.statistics import holm, signed_rank
from surrogate_nas.experiment.experiment import Progress
from surrogate_nas.papers.ranks import Values
from surrogate_nas.papers.searches import Found, Search, run_searches
from surrogate_nas.papers.trained.study import Study
from surrogate_nas.strategies import DEFAULTS

RUNS = 5
TRAININGS = 25
"""The budget, in whole runs of the usual loss."""
_REFUSED = 1.0


class Searched(NamedTuple):
    """A loss that searches were driven by.

    Attributes:
        table: The benchmark.
        drive: What was minimised, such as ``valid_loss@focal``.
        regret: By strategy, of each run: the final measure of what was found over the best of the table, as an
            objective counts it.
        rank: The mean rank among the losses of the table, over strategies and runs; 1 is best.
        p: Of a paired test against the usual loss's own validation measure over strategies and runs, with Holm's
            correction within the table; 1 for that itself.
        cells: Evaluated, the mean over strategies and runs.
    """

    table: str
    drive: str
    regret: dict[str, list[float]]
    rank: float
    p: float
    cells: float


def drives_of(found: Study) -> Iterator[str]:
    """What searches of a task are driven by: every loss, and of the usual one what else its runs tell.

    Args:
        found: The task.
    """
    yield f"valid_{found.judged}@{found.usual}"
    yield from (f"valid_loss@{loss}" for loss in found.losses)
    yield f"train_loss@{found.usual}"
    yield f"train_loss@{found.usual}[1]"


def searched(
    studies: Sequence[Study],
    *,
    runs: int,
    workers: int | None,
    engine: str = "processes",
    folder: Path,
    progress: Progress | None,
) -> list[Searched]:
    """Search, and judge what was found.

    Args:
        studies: The tasks.
        runs: Of each strategy on each loss.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.engine.ENGINES`, behind a colon its place.
        folder: Where finished runs are kept.
        progress: Called with (runs done, runs in all).

    Raises:
        UserError: The folder cannot be written, or a worker was lost.
    """
    asked = {
        Search(found.table, drive, strategy, _budget(found)): found
        for found in studies
        for drive in drives_of(found)
        for strategy in DEFAULTS
    }
    made = run_searches(
        [(one, runs) for one in asked], folder / "searches.jsonl", workers=workers, engine=engine, progress=progress
    )
    return [one for found in studies for one in _judged(found, {s: made[s] for s, of in asked.items() if of is found})]


def _budget(found: Study) -> float:
    whole = next(t for t in found.goals[0].told if t.metric == f"valid_loss@{found.usual}" and t.whole)
    return round(TRAININGS * whole.seconds, 3)


def _judged(found: Study, made: dict[Search, list[Found]]) -> Iterator[Searched]:
    """The losses of one table."""
    bench = load(found.table)
    metric = bench.metric(found.goals[0].metric)
    final = metric.minimised(bench.column(*bench.question(metric.name))) / (100 if metric.unit == "%" else 1)
    worst, best = np.nanmax(final), np.nanmin(final)
    drives = list(drives_of(found))
    regrets: dict[str, dict[str, list[float]]] = {drive: {} for drive in drives}
    cells: dict[str, list[int]] = {drive: [] for drive in drives}
    for search, runs in made.items():
        ends = [run.at(search.seconds) for run in runs]
        regrets[search.objective][search.strategy] = [
            float((worst if cell is None else final[cell]) - best) for cell in ends
        ]
        cells[search.objective] += [run.cells_at(search.seconds) for run in runs]
    values = np.array([np.concatenate([*regrets[drive].values()]) for drive in drives])
    p = [_REFUSED, *holm([signed_rank(one - values[0])[0] for one in values[1:]])]
    ranks = _ranks(values)
    for i, drive in enumerate(drives):
        yield Searched(found.table, drive, regrets[drive], float(ranks[i]), float(p[i]), float(np.mean(cells[drive])))


def _ranks(values: Values) -> Values:
    """Mean ranks of the rows, ties shared."""
    from scipy.stats import rankdata

    means: Values = rankdata(values, axis=0).mean(axis=1)
    return means
