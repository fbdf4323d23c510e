"""The same question asked of searches: every strategy on every loss, at equal seconds, judged by
one final measure.

A search is paid by the training that it reads: one on the first epoch sees more cells, one on
validation pays a pass more. It sees one seed of every cell. What it found is judged by the mean
test of the usual loss's runs with the other seeds, so that no search shares the noise of what
judges it; a cell that has no other seed is not judged.

Ranks are compared over the same tables only: what all tables hold, over all of them; and what some
hold besides, over these. The unit of a test is the table, since runs on one table share its cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as student

from surrogate_nas.benchmarks import Benchmark, load
from surrogate_nas.papers.common.paper import Work
from surrogate_nas.papers.common.ranks import Values
from surrogate_nas.papers.common.searches import Search, Trajectory, run_searches
from surrogate_nas.papers.trained.orders import others, seen_from
from surrogate_nas.papers.trained.study import EARLY, Study
from surrogate_nas.strategies import DEFAULTS
from surrogate_nas.study.statistics import holm, signed_rank

RUNS = 5
TRAININGS = 25
"""The budget, in whole runs of the usual loss."""
FEWEST_TABLES = 3
"""Losses that fewer tables hold are not ranked in words and pictures."""
USUAL = "usual validation measure"
_REFUSED = 1.0


class Searched(NamedTuple):
    """A loss that searches were driven by."""

    table: str  # The benchmark
    drive: str  # What was minimised, such as `valid_loss@focal`
    # By strategy, of each run: the mean final measure, with seeds that the search did not see, of
    # what was found over the best of the table, as an objective counts it; NaN where no other seed
    # was trained
    regret: dict[str, list[float]]
    rank: float  # The mean rank among the losses of the table, over strategies and runs; 1 is best
    # Of a paired test against the usual loss's own validation measure over strategies and runs,
    # with Holm's correction within the table; 1 for that itself
    p: float
    cells: float  # Evaluated, the mean over strategies and runs


class Meeting(NamedTuple):
    """Losses that the same tables hold, ranked among themselves."""

    tables: tuple[str, ...]  # The benchmarks
    # By what a loss is (`role_of`), the mean rank on each table; 1 is best
    ranks: dict[str, Values]
    # The same, of a paired t-test against the usual validation measure over tables, after Holm's
    # correction
    p: dict[str, float]
    # From this difference on, two mean ranks are told apart with a power of 80 %, corrected; the
    # median
    detectable: float


def drives_of(study: Study) -> Iterator[str]:
    """What drives searches of a task: every loss that trained all cells, and what else the usual
    one's runs tell.
    """
    bench = load(study.table)
    yield f"valid_{study.judged}@{study.usual}"
    for loss in study.losses:
        question = bench.question(f"valid_loss@{loss}")
        if np.isfinite(bench.column(*question, _seen(bench, study))).all():
            yield f"valid_loss@{loss}"
    yield f"train_loss@{study.usual}"
    yield f"train_loss@{study.usual}[{study.signals['early'].epochs}]"


def _seen(bench: Benchmark, study: Study) -> int:
    """The seed that a search sees."""
    return bench.seeds(bench.question(study.goals[0].metric))[0]


def searched(studies: Sequence[Study], work: Work) -> list[Searched]:
    """Search with every strategy on each loss, five runs of each if not said otherwise, and judge
    what was found.
    """
    asked = {
        Search(study.table, drive, strategy, _budget(study), _seen(load(study.table), study)): study
        for study in studies
        for drive in drives_of(study)
        for strategy in DEFAULTS
    }
    runs = RUNS if work.runs is None else work.runs
    trajectories = run_searches(dict.fromkeys(asked, runs), "searches.jsonl", work)
    return [
        one
        for study in studies
        for one in _judged(study, {s: trajectories[s] for s, of in asked.items() if of is study})
    ]


def _budget(study: Study) -> float:
    whole = next(
        t for t in study.goals[0].told if t.metric == f"valid_loss@{study.usual}" and t.whole
    )
    return round(TRAININGS * whole.seconds, 3)


def judging(study: Study) -> Values:
    """The final measure of every cell by the seeds that searches do not see, as an objective counts
    it.
    """
    bench = load(study.table)
    metric = bench.metric(study.goals[0].metric)
    question = bench.question(metric.name)
    seeds = bench.seeds(question)
    columns = np.array([metric.minimised(bench.column(*question, seed)) for seed in seeds])
    final: Values = others(columns)[seeds.index(_seen(bench, study))] / (
        100 if metric.unit == "%" else 1
    )
    return final


def _judged(study: Study, trajectories: dict[Search, list[Trajectory]]) -> Iterator[Searched]:
    """The losses of one table."""
    final = judging(study)
    worst = np.nanmax(final)
    best = np.nanmin(final)
    drives = list(drives_of(study))
    regrets: dict[str, dict[str, list[float]]] = {drive: {} for drive in drives}
    cells: dict[str, list[int]] = {drive: [] for drive in drives}
    for search, runs in trajectories.items():
        ends = [run.incumbent_at(search.seconds) for run in runs]
        regrets[search.objective][search.strategy] = [
            float((worst if cell is None else final[cell]) - best) for cell in ends
        ]
        cells[search.objective] += [run.cells_at(search.seconds) for run in runs]
    values = np.array([np.concatenate([*regrets[drive].values()]) for drive in drives])
    finite = values[:, np.isfinite(values).all(axis=0)]
    p = [_REFUSED, *holm([signed_rank(one - finite[0])[0] for one in finite[1:]])]
    ranks = _ranks(values)
    for i, drive in enumerate(drives):
        yield Searched(
            study.table,
            drive,
            regrets[drive],
            float(ranks[i]),
            float(p[i]),
            float(np.mean(cells[drive])),
        )


def _ranks(values: Values) -> Values:
    """Mean ranks of the rows, ties shared, over the columns that all rows have."""
    finite = values[:, np.isfinite(values).all(axis=0)]
    return (
        np.asarray(rankdata(finite, axis=0).mean(axis=1))
        if finite.size
        else np.full(len(values), math.nan)
    )


def role_of(one: Searched, searches: Sequence[Searched]) -> str:
    """What a loss is beside the table's usual one, so that tables meet."""
    first = next(other for other in searches if other.table == one.table)
    usual = first.drive.partition("@")[2]
    metric, _, loss = one.drive.partition("@")
    if one is first:
        return USUAL
    named_loss = loss.partition("[")[0]
    early = f" at {EARLY:.0%} of the run" if "[" in loss else ""
    return (
        f"usual {metric.replace('_', ' ')}{early}"
        if named_loss == usual
        else f"validation loss of {named_loss}"
    )


def meetings(searches: Sequence[Searched]) -> list[Meeting]:
    """What all tables hold, ranked over all; then what some hold besides, over these; the most
    tables first.
    """
    values: dict[str, dict[str, Values]] = {}
    for one in searches:
        values.setdefault(one.table, {})[role_of(one, searches)] = np.concatenate(
            [*one.regret.values()]
        )
    tables: dict[str, tuple[str, ...]] = {}
    for role in dict.fromkeys(role for held in values.values() for role in held):
        tables[role] = tuple(table for table, held in values.items() if role in held)
    usual = [role for role, held in tables.items() if len(held) == len(values)]
    groups = [_meeting(tuple(values), usual, values)]
    for same in dict.fromkeys(held for role, held in tables.items() if role not in usual):
        groups.append(
            _meeting(
                same, [*usual, *(role for role, held in tables.items() if held == same)], values
            )
        )
    return sorted(groups, key=lambda one: -len(one.tables))


def _meeting(
    tables: tuple[str, ...],
    roles: Sequence[str],
    values: dict[str, dict[str, Values]],
) -> Meeting:
    ranks = np.array(
        [_ranks(np.array([values[table][role] for role in roles])) for table in tables]
    )
    gaps = ranks[:, 1:] - ranks[:, :1]
    p = np.ones(gaps.shape[1])
    needed = math.nan
    if len(tables) > 1:
        spread = gaps.std(axis=0, ddof=1) / math.sqrt(len(tables))
        steps = np.divide(
            np.abs(gaps.mean(axis=0)),
            spread,
            out=np.zeros_like(spread),
            where=spread > 0,
        )
        p = holm(2 * student.sf(steps, len(tables) - 1)) if len(steps) else p
        needed = (
            float(np.median(spread)) * seen_from(len(tables), len(steps))
            if len(steps)
            else math.nan
        )
    return Meeting(
        tables,
        dict(zip(roles, ranks.T, strict=True)),
        dict(zip(roles, [_REFUSED, *map(float, p)], strict=True)),
        needed,
    )
