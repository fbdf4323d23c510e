"""Do cells, losses and rankings carry over between tasks? Every two tables of one space that are
here are compared.

Of a task that one has and another that one wants: τ of what is finally wanted on both, over all
cells and the wanted task's best quarter; what the best cell of the one reaches on the other; and
how well the loss that one searches on for the one ranks what is wanted on the other, beside that
task's own loss. The ceiling is how well one training seed of the wanted task ranks as another does,
where its seeds are held.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import load, tables
from surrogate_nas.core.errors import UserError
from surrogate_nas.papers.common.paper import PaperResult, Row, Summary, Work, canvas, draw_map
from surrogate_nas.papers.common.ranks import (
    Goal,
    Values,
    best,
    ceiling,
    goal_of,
    own_loss,
    seeds_of,
)
from surrogate_nas.surrogates.evaluation import kendall

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WHOLE = "kendall"
QUARTER = "kendall_best_quarter"
LOSS = "kendall_of_loss"


@dataclass(frozen=True)
class Pair:
    """What is known of one task, wanted on another of the same space."""

    known: str  # The task that one has
    wanted: str  # The other, or the same
    taus: dict[str, float]  # τ by `WHOLE`, `QUARTER` and `LOSS`
    reached: float  # What the best cell of the one has on the other, as rows show it
    optimum: float  # What the best cell of the other has
    better: float  # The share of cells that are better there
    goal: str  # What is wanted, as rows show it


@dataclass(frozen=True)
class Group:
    """The tasks of one space."""

    space: str  # Its name
    tasks: tuple[str, ...]  # The benchmarks
    pairs: tuple[Pair, ...]  # All ordered pairs, every task with itself included
    ceilings: dict[str, float]  # τ of two seeds by task, in its best quarter, where they are held
    # Whether what is wanted was measured on test data, and is not the search loss itself
    tested: bool

    @property
    def others(self) -> list[Pair]:
        """The pairs of different tasks."""
        return [pair for pair in self.pairs if pair.known != pair.wanted]

    def matrix(self, measure: str) -> NDArray[np.float64]:
        """τ with the known task a row and the wanted one a column, shape ``(tasks, tasks)``."""
        return np.array([pair.taus[measure] for pair in self.pairs]).reshape(len(self.tasks), -1)


def transfer(work: Work) -> PaperResult:
    """Compare every two tables of one space; they are read once, whatever the runs.

    Args:
        work: The folder, how many runs, and where.
    """
    entries = tables()
    spaces: dict[str, list[str]] = {}
    for entry in entries:
        if entry["available"]:
            spaces.setdefault(load(entry["name"]).space.definition, []).append(entry["name"])
    jobs = {", ".join(names): names for names in spaces.values() if len(names) > 1}
    if not jobs:
        raise UserError("No two tables of one space are here: see snas data list.")
    found: list[Group] = list(work.results(compare, jobs).values())
    notes = [words(group) for group in found]
    notes.append(
        "τ is Kendall's, of what is finally wanted on both tasks; the best quarter is that of the"
        " wanted task. kendall_of_loss: of the known task's search loss with what is wanted. On the"
        " picture's diagonal: two seeds."
    )
    absent = [entry for entry in entries if not entry["available"]]
    notes += [
        f"Not here: {entry['name']} ({entry.get('get') or entry['title']})." for entry in absent
    ]
    rows = [row for group in found for row in _rows(group)]
    title = "Do cells, losses and rankings carry over between tasks?"
    pictures = {"transfer.png": _drawn(found)}
    return work.result(title, rows, notes, summary=_summary(found), pictures=pictures)


def compare(names: Sequence[str]) -> Group:
    """Compare tasks of one space."""
    goals: dict[str, Goal] = {}
    losses: dict[str, Values] = {}
    ceilings = {}
    for name in names:
        bench = load(name)
        goals[name], own = goal_of(bench), own_loss(bench)
        losses[name] = own.minimised(bench.column(own.name))
        seeds = seeds_of(bench, own, bench.question(own.name))
        if len(seeds) > 1:
            ceilings[name] = ceiling(seeds, goals[name].values, None)[QUARTER]
    space = load(names[0]).space
    pairs = tuple(_pair(known, wanted, goals, losses) for known in names for wanted in names)
    return Group(
        space.name,
        tuple(names),
        pairs,
        ceilings,
        any(goal.metric.kind == "final" for goal in goals.values()),
    )


def _pair(
    known: str,
    wanted: str,
    goals: dict[str, Goal],
    losses: dict[str, Values],
) -> Pair:
    goal = goals[wanted]
    have = goals[known].values
    quarter = best(goal.values, 0.25)
    taus = {
        WHOLE: kendall(have, goal.values),
        QUARTER: kendall(have[quarter], goal.values[quarter]),
        LOSS: kendall(losses[known], goal.values),
    }
    held = np.isfinite(have) & np.isfinite(goal.values)
    ranked = goal.values[held]
    reached = float(ranked[have[held] == have[held].min()].mean())
    return Pair(
        known,
        wanted,
        taus,
        goal.shown(reached),
        goal.shown(float(ranked.min())),
        float((ranked < reached).mean()),
        goal.title,
    )


def _rows(group: Group) -> Iterator[Row]:
    own = {pair.wanted: pair.taus[LOSS] for pair in group.pairs if pair.known == pair.wanted}
    for pair in group.others:
        for measure, tau in pair.taus.items():
            says = (
                f"the wanted task's own loss: {own[pair.wanted]:.3f}"
                if measure == LOSS
                else f"with {pair.goal}"
            )
            limit = group.ceilings.get(pair.wanted) if measure == QUARTER else None
            yield Row(
                f"from {pair.known}",
                pair.wanted,
                measure,
                ours=tau,
                mark="D",
                verdict=says,
                ceiling=limit,
            )
        yield Row(
            f"from {pair.known}",
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
    """One line a task: from which other task it is known best and worst."""
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
            near, far = _ends([pair for pair in group.others if pair.wanted == task])
            limit = f"{group.ceilings[task]:.3f}" if task in group.ceilings else "–"
            lines.append(
                (
                    group.space,
                    task,
                    near.known,
                    f"{near.taus[WHOLE]:.3f}",
                    f"{near.taus[QUARTER]:.3f}",
                    far.known,
                    f"{far.taus[WHOLE]:.3f}",
                    limit,
                    f"{near.better:.2%}",
                    f"{far.better:.2%}",
                )
            )
    return Summary(heads, lines)


def _ends(pairs: Sequence[Pair]) -> tuple[Pair, Pair]:
    """The pairs with the highest and the lowest τ over all cells."""
    return max(pairs, key=lambda pair: pair.taus[WHOLE]), min(
        pairs, key=lambda pair: pair.taus[WHOLE]
    )


def words(group: Group) -> str:
    """What carries over in one space, in plain words."""
    others = group.others
    near, far = _ends(others)
    means = {
        measure: float(np.nanmean([pair.taus[measure] for pair in others]))
        for measure in (WHOLE, QUARTER, LOSS)
    }
    own = float(np.nanmean([pair.taus[LOSS] for pair in group.pairs if pair.known == pair.wanted]))
    good = sum(pair.better <= 0.01 for pair in others)
    seeds = (
        f", two seeds of one task {np.mean(list(group.ceilings.values())):.3f}"
        if group.ceilings
        else ""
    )
    itself = (
        f", a task's own loss with {own:.3f}"
        if group.tested
        else " (no test is held: the loss stands for it)"
    )
    return (
        f"{group.space} ({len(group.tasks)} tasks): rankings of two tasks agree with a mean τ of"
        f" {means[WHOLE]:.3f} over all cells and {means[QUARTER]:.3f} in the best quarter{seeds};"
        f" most alike are {near.known} and {near.wanted} ({near.taus[WHOLE]:.3f}), least"
        f" {far.known} and {far.wanted} ({far.taus[WHOLE]:.3f}). The best cell of a task is among"
        f" the best 1 % of another in {good} of {len(others)} cases, and on average"
        f" {np.mean([pair.better for pair in others]):.1%} of cells are better there. Another"
        f" task's loss ranks what is wanted with {means[LOSS]:.3f}{itself}."
    )


def _short(tasks: Sequence[str]) -> list[str]:
    """Names without the beginning that all of them share."""
    shared = commonprefix(list(tasks)).rpartition("-")[0]
    return [task[len(shared) + bool(shared) :] for task in tasks]


def _drawn(groups: Sequence[Group]) -> Figure:
    """τ between the tasks of every space: over all cells below the diagonal; above it in the best
    quarter, the mean of both directions, and on it that of two seeds.
    """
    columns = min(len(groups), 3)
    rows = math.ceil(len(groups) / columns)
    figure = canvas(5.2 * columns, 0.6 + 4.9 * rows)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, group in zip(places, groups, strict=False):
        quarter = group.matrix(QUARTER)
        tasks = _short(group.tasks)
        quarter = (quarter + quarter.T) / 2
        np.fill_diagonal(quarter, [group.ceilings.get(task, np.nan) for task in group.tasks])
        draw_map(
            axes,
            np.where(np.tri(len(tasks), k=-1, dtype=bool), group.matrix(WHOLE), quarter),
            tasks,
            tasks,
        )
        axes.set_title(group.space)
    for axes in places[len(groups) :]:
        axes.set_visible(False)
    figure.suptitle(
        "τ between tasks: all cells below the diagonal, best quarter above it, two seeds on it"
    )
    return figure
