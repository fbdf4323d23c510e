"""Do cells, losses and rankings carry over between tasks? Compares all pairs of tables of a space.

For a known task and a wanted one: τ of the final metric of both, over all cells and over the wanted
task's best quarter; what the best cell of the known task reaches on the wanted one; and how well
the known task's search loss ranks the wanted task's final metric, compared with that task's own
loss. The ceiling is τ of two training seeds of the wanted task, where its table has seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from typing import TYPE_CHECKING

import numpy as np

from analysis.papers.common.paper import PaperResult, Row, Summary, Work
from analysis.papers.common.pictures import Map, Panel, in_rows, picture
from analysis.papers.common.ranks import (
    Values,
    absent_tables,
    best,
    ceiling,
)
from analysis.signals import Goal, goal_of, own_loss, seeds_of
from surrogate_nas.benchmarks import load, tables
from surrogate_nas.core.errors import UserError
from surrogate_nas.surrogates.evaluation import kendall

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WHOLE = "kendall"
QUARTER = "kendall_best_quarter"
LOSS = "kendall_of_loss"


@dataclass(frozen=True)
class TaskPair:
    """A known task, and a wanted one of the same space."""

    known: str  # The known task
    wanted: str  # The other, or the same
    taus: dict[str, float]  # τ by `WHOLE`, `QUARTER` and `LOSS`
    reached: float  # What the best cell of the known task has on the wanted one, as rows show it
    optimum: float  # What the best cell of the wanted task has
    better: float  # The share of cells that are better there
    goal: str  # The final metric, as rows show it


@dataclass(frozen=True)
class Group:
    """The tasks of one space."""

    space: str  # Its name
    tasks: tuple[str, ...]  # The benchmarks
    pairs: tuple[TaskPair, ...]  # All ordered pairs, every task with itself included
    ceilings: dict[
        str, float
    ]  # τ of two seeds by task, in its best quarter, if it has seeds
    # Whether the final metric was measured on test data, and is not the search loss itself
    tested: bool

    @property
    def others(self) -> list[TaskPair]:
        """The pairs of different tasks."""
        return [pair for pair in self.pairs if pair.known != pair.wanted]

    @property
    def same(self) -> list[TaskPair]:
        """The pairs of a task with itself."""
        return [pair for pair in self.pairs if pair.known == pair.wanted]

    def matrix(self, measure: str) -> Values:
        """τ with the known task a row and the wanted one a column, shape ``(tasks, tasks)``."""
        return np.array([pair.taus[measure] for pair in self.pairs]).reshape(
            len(self.tasks), -1
        )


def transfer(work: Work) -> PaperResult:
    """Compare all pairs of tables of a space; tables are read once, whatever the runs.

    Args:
        work: The folder, how many runs, and where.
    """
    entries = tables()
    spaces: dict[str, list[str]] = {}
    for entry in entries:
        if entry["available"]:
            definition = load(entry["name"]).space.definition
            spaces.setdefault(definition, []).append(entry["name"])
    jobs = {", ".join(names): names for names in spaces.values() if len(names) > 1}
    if not jobs:
        raise UserError("No two tables of one space are here: see snas benchmarks.")
    groups: list[Group] = list(work.results(compare, jobs).values())
    notes = [words(group) for group in groups]
    notes.append(
        "τ is Kendall's, of the final metric on both tasks; the best quarter is that of the wanted"
        " task. kendall_of_loss: τ of the known task's search loss with the wanted task's final"
        " metric. On the picture's diagonal: two seeds."
    )
    notes += absent_tables(entries)
    return work.result(
        "Do cells, losses and rankings carry over between tasks?",
        [row for group in groups for row in _rows(group)],
        notes,
        summary=_summary(groups),
        pictures={"transfer.png": _picture(groups)},
    )


def compare(names: Sequence[str]) -> Group:
    """Compare tasks of one space."""
    goals: dict[str, Goal] = {}
    losses: dict[str, Values] = {}
    ceilings = {}
    for name in names:
        bench = load(name)
        own = own_loss(bench)
        goals[name] = goal_of(bench)
        losses[name] = own.minimised(bench.column(own.name))
        seeds = seeds_of(bench, own, bench.question(own.name))
        if len(seeds) > 1:
            ceilings[name] = ceiling(seeds, goals[name].values, None)[QUARTER]
    pairs = []
    for known in names:
        pairs += [_pair(known, wanted, goals, losses) for wanted in names]
    return Group(
        space=load(names[0]).space.name,
        tasks=tuple(names),
        pairs=tuple(pairs),
        ceilings=ceilings,
        tested=any(goal.metric.kind == "final" for goal in goals.values()),
    )


def _pair(
    known: str,
    wanted: str,
    goals: dict[str, Goal],
    losses: dict[str, Values],
) -> TaskPair:
    goal = goals[wanted]
    known_values = goals[known].values
    quarter = best(goal.values, 0.25)
    finite = np.isfinite(known_values) & np.isfinite(goal.values)
    is_best = known_values[finite] == known_values[finite].min()
    values = goal.values[finite]
    reached = float(values[is_best].mean())
    return TaskPair(
        known=known,
        wanted=wanted,
        taus={
            WHOLE: kendall(known_values, goal.values),
            QUARTER: kendall(known_values[quarter], goal.values[quarter]),
            LOSS: kendall(losses[known], goal.values),
        },
        reached=goal.shown(reached),
        optimum=goal.shown(float(values.min())),
        better=float((values < reached).mean()),
        goal=goal.title,
    )


def _rows(group: Group) -> Iterator[Row]:
    own_taus = {pair.wanted: pair.taus[LOSS] for pair in group.same}
    for pair in group.others:
        method = f"from {pair.known}"
        verdicts = dict.fromkeys(pair.taus, f"with {pair.goal}")
        verdicts[LOSS] = f"the wanted task's own loss: {own_taus[pair.wanted]:.3f}"
        for measure, tau in pair.taus.items():
            yield Row(
                method,
                pair.wanted,
                measure,
                ours=tau,
                mark="D",
                verdict=verdicts[measure],
                ceiling=group.ceilings.get(pair.wanted) if measure == QUARTER else None,
            )
        yield Row(
            method,
            pair.wanted,
            f"{pair.goal}_of_best",
            ours=pair.reached,
            mark="D",
            verdict=(
                f"{pair.reached - pair.optimum:+.3g} from the best, {pair.optimum:.4g}; "
                f"{pair.better:.2%} of cells are better"
            ),
        )


def _summary(groups: Sequence[Group]) -> Summary:
    """One line a task: the other tasks that agree with it most and least."""
    heads = (
        "space",
        "wanted",
        "best from",
        "τ all",
        "τ best quarter",
        "worst from",
        "its τ all",
        "two seeds",
        "better cells",
        "from the worst",
    )
    lines = []
    for group in groups:
        for task in group.tasks:
            first, last = _extremes(
                [pair for pair in group.others if pair.wanted == task]
            )
            limit = f"{group.ceilings[task]:.3f}" if task in group.ceilings else "–"
            lines.append(
                (
                    group.space,
                    task,
                    first.known,
                    f"{first.taus[WHOLE]:.3f}",
                    f"{first.taus[QUARTER]:.3f}",
                    last.known,
                    f"{last.taus[WHOLE]:.3f}",
                    limit,
                    f"{first.better:.2%}",
                    f"{last.better:.2%}",
                )
            )
    return Summary(heads, lines)


def _extremes(pairs: Sequence[TaskPair]) -> tuple[TaskPair, TaskPair]:
    """The pairs with the highest and the lowest τ over all cells."""

    def tau(pair: TaskPair) -> float:
        return pair.taus[WHOLE]

    return max(pairs, key=tau), min(pairs, key=tau)


def words(group: Group) -> str:
    """What carries over in one space, in plain words."""
    others = group.others
    first, last = _extremes(others)
    means = {}
    for measure in (WHOLE, QUARTER, LOSS):
        means[measure] = float(np.nanmean([pair.taus[measure] for pair in others]))
    quarter = f"{means[QUARTER]:.3f} in the best quarter"
    if group.ceilings:
        quarter += (
            f" (two seeds of one task: {np.mean(list(group.ceilings.values())):.3f})"
        )
    if group.tested:
        own = float(np.nanmean([pair.taus[LOSS] for pair in group.same]))
        own_text = f", a task's own loss with {own:.3f}"
    else:
        own_text = " (no table has a test metric: the loss stands for it)"
    n_good = sum(pair.better <= 0.01 for pair in others)
    better = np.mean([pair.better for pair in others])
    return (
        f"{group.space} ({len(group.tasks)} tasks): the rankings of two tasks agree with a mean τ"
        f" of {means[WHOLE]:.3f} over all cells and {quarter}. {first.known} and {first.wanted}"
        f" agree most ({first.taus[WHOLE]:.3f}), {last.known} and {last.wanted} least"
        f" ({last.taus[WHOLE]:.3f}). The best cell of a task is among the best 1 % of another in"
        f" {n_good} of {len(others)} cases; on average {better:.1%} of cells are better there."
        f" Another task's loss ranks the final metric with {means[LOSS]:.3f}{own_text}."
    )


def _short(tasks: Sequence[str]) -> list[str]:
    """Names without their common beginning."""
    shared = commonprefix(list(tasks)).rpartition("-")[0]
    return [task[len(shared) + bool(shared) :] for task in tasks]


_MOST_TASKS = 10
"""The largest number of tasks whose names and numbers fit in a map."""


def _picture(groups: Sequence[Group]) -> Figure:
    """Plot τ between tasks, one map per space, for spaces of at most 10 tasks and enough cells that
    the best quarter has a τ.
    """
    shown = [
        group
        for group in groups
        if len(group.tasks) <= _MOST_TASKS and np.isfinite(group.matrix(QUARTER)).all()
    ]
    rows = in_rows([_panel(group) for group in shown or groups], 3)
    return picture(
        rows,
        5.2 * len(rows[0]),
        0.6 + 4.9 * len(rows),
        title=(
            "τ between tasks: all cells below the diagonal, best quarter above it, two seeds on it"
        ),
        x_label="task",
        y_label="task",
    )


def _panel(group: Group) -> Panel:
    """Over all cells below the diagonal; above it the best quarter, mean of both directions."""
    quarter = group.matrix(QUARTER)
    quarter = (quarter + quarter.T) / 2
    np.fill_diagonal(
        quarter, [group.ceilings.get(task, np.nan) for task in group.tasks]
    )
    below = np.tri(len(group.tasks), k=-1, dtype=bool)
    values = np.where(below, group.matrix(WHOLE), quarter)
    names = _short(group.tasks)
    return Panel([Map(values, names, names)], title=group.space, grid="")
