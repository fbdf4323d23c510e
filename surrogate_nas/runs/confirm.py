"""What a search has found, by seeds that it did not see: confirming its best cells, and judging its
answer.

The best of many cells by one seed is optimistic: it was chosen for its luck too. The best few are
therefore trained again with fresh seeds, and with them the user's own network, the reference. What
is chosen among the few by these seeds is paid for by a wider interval
(`surrogate_nas.stats.decision.decide_few`). Error rate and power:
``python analysis/calibrate_confirm.py``.

A search on what is trained here sees one drawn seed of each cell (`surrogate_nas.objective.seeds`).
Its answer is trained by the other seeds once it has ended, in the same slots, and reported by the
mean over all of them, as a table's seeds are (`judged`). That is no part of the search's budget; it
is announced before it begins, and stored with the run.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from itertools import count, islice
from typing import NamedTuple, TypeAlias

import numpy as np

from surrogate_nas.benchmarks.base import CellLike
from surrogate_nas.core import (
    EvaluationError,
    UserError,
    check_whole,
    one_thread,
    plural,
)
from surrogate_nas.objective import Draw, Objective
from surrogate_nas.runs.events import Callback, Event
from surrogate_nas.runs.options import Resources
from surrogate_nas.runs.run import (
    Confirmation,
    ConfirmationRequest,
    ConfirmedCell,
    Judged,
    Run,
)
from surrogate_nas.runs.store import Store
from surrogate_nas.runs.workers import Answer, Job, Trainings, answer_to
from surrogate_nas.runtime.engines import Jobs
from surrogate_nas.space import Cell, Trial, cell_given

FIRST_FRESH = 1_000_000
"""The first seed of confirming trainings where any can be trained; no search sees these."""
FEWEST_SEEDS = 2
"""With one seed a cell has no spread."""
_MOST_TRAINED = 1_000
_SHAPE = re.compile(r"(\d{1,9})\s*[x×]\s*(\d{1,9})")


class Shape(NamedTuple):
    """How many cells are confirmed, and with how many fresh seeds each."""

    cells: int
    seeds: int


ShapeLike: TypeAlias = str | tuple[int, int]
"""Such as ``3x5`` or ``(3, 5)``: three cells, five seeds each."""


def shape_of(given: ShapeLike) -> Shape:
    """How many cells, at least 1, and seeds, at least 2; a UserError where it is no such thing.

    Example:
        >>> shape_of("3x5"), shape_of((2, 4)).seeds
        (Shape(cells=3, seeds=5), 4)
    """
    pair: object = given
    if isinstance(given, str) and (match := _SHAPE.fullmatch(given.strip())):
        pair = tuple(map(int, match.groups()))
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
        raise UserError(
            "What to confirm is CELLSxSEEDS, such as 3x5 or (3, 5) for three cells with five seeds"
            f" each, not {given!r:.80}."
        )
    cells = check_whole("The number of cells to confirm", pair[0], 1, _MOST_TRAINED)
    seeds = check_whole(
        "The number of fresh seeds", pair[1], FEWEST_SEEDS, _MOST_TRAINED
    )
    return Shape(cells, seeds)


def checked_shape(
    objective: Objective,
    given: ShapeLike | None,
    against: CellLike | None = None,
) -> Shape | None:
    """How many cells and seeds are confirmed after a search; None where nothing is.

    Raises:
        UserError: The objective is a front or depends on a run's history, there are not as many
            seeds that a search does not see, or the reference is no cell of the space, or is given
            though nothing is to be confirmed.
    """
    if given is None:
        if against is not None:
            raise UserError(
                "A cell to compare with (--against-cell, against_cell) needs --confirm, such as"
                " 3x5."
            )
        return None
    shape = shape_of(given)
    if objective.n_objectives > 1:
        raise UserError("A winner is confirmed under one objective, not under several.")
    if objective.has_history:
        raise UserError(
            "diversity depends on a run's history, so no winner can be confirmed."
        )
    space = objective.benchmark.space
    reference = None if against is None else cell_given(space, against)
    if not _trains_any_seed(objective):
        _check_held(objective, shape.seeds, reference)
    return shape


def confirm(
    objective: Objective,
    run: Run,
    cells: int = 3,
    seeds: int = 5,
    *,
    against: CellLike | None = None,
    seed: int = 0,
    callback: Callback | None = None,
    resources: Resources | None = None,
    store: Store | None = None,
) -> Confirmation:
    """Train the best cells of a run with fresh seeds, and a reference too, and decide.

    A cell of which a training fails is not confirmed; the others are. Where a table lacks fresh
    seeds of a cell, the next best takes its place.

    Args:
        objective: That of the run.
        run: A finished run.
        cells: How many of its best cells, one per isomorphism class; fewer where it has fewer that
            are feasible.
        seeds: With how many fresh seeds each.
        against: The user's own cell, or its text or index, which is no candidate itself.
        seed: The root seed of the run, where training seeds are drawn.
        callback: Called with an event after each training.
        resources: Say how many trainings at once and where, where cells are really trained; None
            for one.
        store: The folder of the run. What it stores for the same call is returned without a
            training; otherwise the result is written there. None stores nothing.

    Raises:
        UserError: As `checked_shape` does.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = sn.Objective("valid_error[1]", "live:digits")
        >>> run = sn.search("live:digits", "random", objective, budget=10)
        >>> found = confirm(objective, run, cells=2, seeds=3, against=11)
        >>> len(found.cells), found.reference.cell.index, found.winner.seeds
        (2, 11, (1000000, 1000001, 1000002))
    """
    checked_shape(objective, (cells, seeds), against)
    space = objective.benchmark.space
    reference = None if against is None else cell_given(space, against)
    against_text = None if reference is None else reference.text
    request = ConfirmationRequest(cells, seeds, against_text, len(run.trials))
    if store is not None:
        stored = store.confirmation(run, objective.benchmark.space)
        if stored is not None and stored.asked == request:
            return stored
    planned, best, passed, failures = _plan(
        objective, run, cells, seeds, reference, seed
    )
    jobs = [
        Job(cell, objective.questions(), seed)
        for cell, own in planned.items()
        for seed in own
    ]
    with ExitStack() as stack:
        answers = _answers(objective, jobs, Resources.of(resources), stack)
        rows, cost = _rows(answers, jobs, failures, run, callback)
    seen = {trial.cell: trial.score for trial in run.answers if not trial.failure}

    def confirmed(cell: Cell) -> ConfirmedCell:
        if cell not in failures:
            values = np.array(rows[cell])
            if objective.combine(values.mean(axis=0, keepdims=True)).feasible[0]:
                combined = objective.combine(values)
                scores = (combined.loss + combined.penalty).tolist()
                return ConfirmedCell(
                    cell, seen.get(cell), tuple(planned[cell]), tuple(scores)
                )
        failure = failures.get(cell, "by fresh seeds it breaks the limits")
        return ConfirmedCell(cell, seen.get(cell), failure=failure)

    result = Confirmation(
        asked=request,
        cells=tuple(map(confirmed, best)),
        reference=confirmed(reference) if reference is not None and best else None,
        passed_over=passed,
        cost=cost,
        cost_unit=objective.benchmark.cost_unit,
    )
    if store is not None:
        store.keep_confirmation(run, result)
    return result


def _plan(
    objective: Objective,
    run: Run,
    n: int,
    seeds: int,
    reference: Cell | None,
    root: int,
) -> tuple[dict[Cell, list[int]], list[Cell], int, dict[Cell, str]]:
    """The cells with the seeds that train them, the reference last; the candidates among them: the
    best feasible cells as the search saw them, the first of each isomorphism class; how many were
    passed over for want of fresh seeds; and why the reference has none.
    """
    space = objective.benchmark.space
    answers = [trial for trial in run.answers if trial.feasible and not trial.failure]
    ranked = sorted(answers, key=lambda trial: trial.score)
    planned: dict[Cell, list[int]] = {}
    classes: set[str] = set()
    passed = 0
    for cell in dict.fromkeys(space.cell(trial.cell) for trial in ranked):
        if (
            len(planned) < n
            and cell != reference
            and space.identity(cell) not in classes
        ):
            fresh = _fresh_seeds(objective, run, root, seeds, cell)
            if len(fresh) < seeds:
                passed += 1
            else:
                planned[cell] = fresh
                classes.add(space.identity(cell))
    best = list(planned)
    failures = {}
    if reference is not None and best:
        fresh = _fresh_seeds(objective, run, root, seeds, reference)
        if len(fresh) < seeds:
            failures[reference] = f"it has {plural(len(fresh), 'fresh seed')}"
        else:
            planned[reference] = fresh
    # the same seeds of all cells, where these have as many
    common = sorted(set.intersection(*map(set, planned.values()))) if planned else []
    for cell, own in planned.items():
        planned[cell] = (common if len(common) >= seeds else own)[:seeds]
    return planned, best, passed, failures


def _fresh_seeds(
    objective: Objective, run: Run, root: int, n: int, cell: Cell
) -> list[int]:
    """The seeds of a cell that a search did not see: `n`, or those that a table holds."""
    if _trains_any_seed(objective):
        return [
            *islice((s for s in count(FIRST_FRESH) if s != objective.training_seed), n)
        ]
    seeds = objective.single_seeds()
    assert seeds is not None and cell.index is not None
    fresh: list[int] = seeds.numbers[seeds.held[cell.index]].tolist()
    if all(trial.cell != cell for trial in run.trials):
        return fresh
    seen = objective.training_seed
    if objective.draws:
        seen = int(seeds.numbers[Draw(root, run.run).places(seeds, [cell])[0]])
    return [seed for seed in fresh if seed != seen]


def _answers(
    objective: Objective,
    jobs: Sequence[Job],
    resources: Resources,
    stack: ExitStack,
) -> Callable[[int], Answer]:
    """A function that gives the answer to each job by its number: made in slots where the benchmark
    has these, else here.
    """
    benchmark = objective.benchmark
    draw = Draw(0, 0)
    if not benchmark.one_by_one or not (benchmark.runs_apart or resources.of_slots):
        stack.enter_context(one_thread())
        return lambda number: answer_to(objective, draw, jobs[number])
    workers = stack.enter_context(
        closing(Jobs(resources.engine, resources.parallel, resources.devices))
    )
    slots = stack.enter_context(closing(Trainings(objective, draw, resources, workers)))
    for number, job in enumerate(jobs):
        slots.begin(number, job)
    return slots.answer


def _rows(
    answer: Callable[[int], Answer],
    jobs: Sequence[Job],
    failures: dict[Cell, str],
    run: Run,
    callback: Callback | None,
) -> tuple[dict[Cell, list[list[float]]], float]:
    """The values of each cell's trainings, and what these cost; failures are added."""
    rows: dict[Cell, list[list[float]]] = {}
    cost = 0.0
    for number, (cell, *_) in enumerate(jobs):
        if cell not in failures:
            trained = answer(number)
            cost += trained.cost
            if isinstance(trained, EvaluationError):
                failures[cell] = str(trained)
            else:
                cost += trained.cost_before
                rows.setdefault(cell, []).append(trained.values)
        if callback is not None:
            callback(
                Event(run.strategy, run.run, done=number + 1, total=len(jobs)),
            )
    return rows, cost


def _trains_any_seed(objective: Objective) -> bool:
    is_seeded = (
        objective.benchmark.default_seed != "mean" and objective.training_seed != "mean"
    )
    return bool(objective.trained_seeds) or is_seeded


def _check_held(objective: Objective, wanted: int, reference: Cell | None) -> None:
    name = objective.benchmark.name
    trained = [
        str(question)
        for question in objective.questions()
        if question.epochs is not None
    ]
    asked = ", ".join(trained) or str(objective)
    seeds = objective.single_seeds()
    if seeds is None:
        raise UserError(
            f"{name} holds no single seeds of {asked}, so there are no fresh ones to confirm with."
        )
    most = int(seeds.held.sum(axis=1).max())
    there = f"{name} holds {plural(most, 'seed')} of {asked}"
    if objective.training_seed == "mean" and not objective.draws:
        raise UserError(
            f"{there}, and the search sees the mean of all: none is fresh. With --seed-policy draw"
            f" it sees 1, which leaves {most - 1}."
        )
    if most - 1 < wanted:
        raise UserError(
            f"{there}, the search saw 1: at most {most - 1} fresh ones, not {wanted}."
        )
    if reference is not None:
        own = int(seeds.held[reference.index].sum())
        if own < wanted:
            raise UserError(
                f"{name} holds {plural(own, 'seed')} of {reference}, to which {wanted} are to be"
                " compared; name another cell, or confirm with fewer seeds."
            )


def judged(
    objective: Objective,
    draw: Draw,
    incumbent: Trial,
    options: Resources,
    slots: Jobs,
) -> Judged:
    """Train what a run has found by the seeds that its search did not see; may be interrupted."""
    cell = objective.benchmark.space.cell(incumbent.cell)
    seen = draw.number(objective.trained_seeds, cell)
    others = [seed for seed in objective.trained_seeds if seed != seen]
    names = [str(question) for question in objective.questions()]
    rows = {seen: [incumbent.values[name] for name in names]}
    failures = []
    cost = 0.0
    with closing(Trainings(objective, draw, options, slots)) as trainings:
        for seed in others:
            trainings.begin(seed, Job(cell, objective.questions(), seed))
        for seed in others:
            answer = trainings.answer(seed)
            cost += answer.cost
            if isinstance(answer, EvaluationError):
                failures.append(f"seed {seed}: {answer}")
            else:
                cost += answer.cost_before
                rows[seed] = answer.values
        if trainings.is_interrupted:
            raise KeyboardInterrupt
    means = np.mean(list(rows.values()), axis=0).tolist()
    return Judged(
        seeds=tuple(sorted(rows)),
        values=dict(zip(names, means, strict=True)),
        trainings=len(others),
        cost=cost,
        failures=tuple(failures),
    )


def announcement(objective: Objective, runs: int) -> str:
    """What some runs train beside the budget, in a sentence; empty where that is nothing."""
    others = len(objective.trained_seeds) - 1
    if others < 1:
        return ""
    whole = f" in each run, {others * runs:,} in all" if runs > 1 else ""
    return (
        f"What is found is then trained by the other seeds: {plural(others, 'training')}{whole},"
        " not charged to the budget."
    )
