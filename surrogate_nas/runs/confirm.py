"""Confirmation of a search result with training seeds that the search did not use.

If the best of many cells is chosen by its score with one training seed, this score is optimistic,
because the choice also favours lucky trainings. A confirmation therefore trains the best few cells
again with new seeds, together with a reference cell (such as the user's own network). A wider
confidence interval accounts for the choice among these cells
(`surrogate_nas.stats.decision.decide_few`). The script ``analysis/calibrate_confirm.py`` measures
the error rate and the power of this procedure.

For a benchmark that trains cells, a search receives the value of one random seed per cell
(`surrogate_nas.objective.seeds`). After the search, the best cell is trained with all other seeds
on the same workers, and its mean over all seeds is reported, as for a table (`judged`). These
additional trainings are not charged to the search budget. The additional trainings are announced
before the search, and their results are stored with the run.
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
"""The first seed of confirming trainings if any seed can be trained. Searches never use it."""
FEWEST_SEEDS = 2
"""The smallest number of seeds: the variance cannot be estimated from one."""
_MOST_TRAINED = 1_000
_SHAPE = re.compile(r"(\d{1,9})\s*[x×]\s*(\d{1,9})")


class Shape(NamedTuple):
    """The number of cells to confirm, and the number of new training seeds per cell."""

    cells: int
    seeds: int


ShapeLike: TypeAlias = str | tuple[int, int]
"""For example ``3x5`` or ``(3, 5)``: three cells with five seeds each."""


def shape_of(given: ShapeLike) -> Shape:
    """Parse the size of a confirmation: the number of cells (at least 1) and the number of seeds
    (at least 2). Raise a UserError if it is invalid.

    Example:
        >>> shape_of("3x5"), shape_of((2, 4)).seeds
        (Shape(cells=3, seeds=5), 4)
    """
    pair: object = given
    if isinstance(given, str) and (match := _SHAPE.fullmatch(given.strip())):
        pair = tuple(map(int, match.groups()))
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
        raise UserError(
            "confirm must be CELLSxSEEDS, such as 3x5 or (3, 5) for three cells with five"
            f" seeds each, not {given!r:.80}."
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
    """Check the request for a confirmation. Return the numbers of cells and seeds, or None if no
    confirmation is requested.

    Raises:
        UserError: There are several objectives, the objective depends on the run's history, or the
            table has too few unused seeds. The error is also raised if the reference cell is not in
            the space or is given without a confirmation.
    """
    if given is None:
        if against is not None:
            raise UserError(
                "A reference cell (--against-cell, against_cell=) requires --confirm, such as"
                " --confirm 3x5."
            )
        return None
    shape = shape_of(given)
    if objective.n_objectives > 1:
        raise UserError("A confirmation requires a single objective.")
    if objective.has_history:
        raise UserError(
            "diversity depends on a run's history, so a cell cannot be confirmed."
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
    """Train the best cells of a run and a reference cell with new seeds, and compare their scores.

    If a training of a cell fails, the cell is not confirmed. If a table has too few unused seeds of
    a cell, the next best cell is confirmed instead.

    Args:
        objective: The objective of the run.
        run: A finished run.
        cells: Number of best feasible cells to train, one per isomorphism class. If the run has
            fewer feasible cells, all of its feasible cells are trained.
        seeds: Number of new training seeds per cell.
        against: The reference cell, such as the user's own, as a cell, string or index. The
            reference cell is compared with the best cell, but is not a candidate for the best cell.
        seed: The root seed of the run, from which its training seeds are sampled.
        callback: A function that is called with an `Event` after each training.
        resources: The number of parallel trainings and the machines on which they execute, if cells
            are trained. If None, one training runs at a time.
        store: The folder of the run. If the folder contains the result of an equal confirmation,
            that result is returned without training. The result of a new confirmation is written to
            the folder. None stores nothing.

    Raises:
        UserError: The same as for `checked_shape`.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = sn.Objective("valid_error[1]", "live:digits")
        >>> run = sn.search("live:digits", "random", objective, budget=10)
        >>> confirmation = confirm(objective, run, cells=2, seeds=3, against=11)
        >>> (
        ...     len(confirmation.cells),
        ...     confirmation.reference.cell.index,
        ...     confirmation.winner.seeds,
        ... )
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
        failure = failures.get(cell, "it violates the constraints with fresh seeds")
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
    """Return the cells with the seeds to train (the reference last), the candidates among them, how
    many were passed over for lack of fresh seeds, and why the reference has none. Candidates are
    the best feasible cells by search score, the first of each isomorphism class.
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
    """Return `n` seeds of a cell that the search did not use, or as many as a table contains."""
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
    """Return a function that gives the answer to a job by its number, computed in parallel workers
    if the benchmark supports them.
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
    """Return the values of each cell's trainings, and their total cost. Add failures to
    `failures`.
    """
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
            f"{name} contains no single seeds of {asked}, so there are no fresh seeds to confirm"
            " with."
        )
    most = int(seeds.held.sum(axis=1).max())
    there = f"{name} contains {plural(most, 'seed')} of {asked}"
    if objective.training_seed == "mean" and not objective.draws:
        raise UserError(
            f"{there}, and the search uses the mean of all, so none is fresh. With"
            f" --seed-policy draw it uses one and leaves {most - 1}."
        )
    if most - 1 < wanted:
        raise UserError(
            f"{there}, and the search used 1: at most {most - 1} are fresh, not {wanted}."
        )
    if reference is not None:
        own = int(seeds.held[reference.index].sum())
        if own < wanted:
            raise UserError(
                f"{name} contains {plural(own, 'seed')} of the reference {reference}, fewer"
                f" than {wanted}. Choose another cell, or confirm with fewer seeds."
            )


def judged(
    objective: Objective,
    draw: Draw,
    incumbent: Trial,
    options: Resources,
    slots: Jobs,
) -> Judged:
    """Train the best cell of a run with the training seeds that the search did not use, and return
    the mean over all seeds. May be interrupted.
    """
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
    """Return a sentence that announces trainings in addition to the budget, or an empty string if
    there are none.
    """
    others = len(objective.trained_seeds) - 1
    if others < 1:
        return ""
    whole = f" in each run, {others * runs:,} in all" if runs > 1 else ""
    return (
        "The answer of each search is trained with the other seeds:"
        f" {plural(others, 'training')}{whole}, not charged to the budget."
    )
