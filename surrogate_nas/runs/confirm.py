"""What a search has found, by seeds that it did not see: confirming its best cells, and judging its
answer.

The best of many cells by one seed is optimistic: it was chosen for its luck too. The best few are
therefore trained again with fresh seeds, and with them the user's own network, the reference. What
is chosen among the few by these seeds is paid for by a wider interval
(`surrogate_nas.stats.decision.decide_few`). On most tables a seed says nothing that two
cells have in common. Where it also splits the data, as in HPOBench, it may explain most of their
scatter.
Error rate, power and that share: ``python analysis/calibrate_confirm.py``.

A search on what is trained here sees one drawn seed of each cell (`surrogate_nas.objective.seeds`).
Its answer is trained by the other seeds once it has ended, in the same slots, and reported by the
mean over all of them, as a table's seeds are (`judged`). That is no part of the search's budget; it
is announced before it begins, and stored with the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import count, islice
from typing import NamedTuple, TypeAlias

import numpy as np

from surrogate_nas.benchmarks.base import CellLike, Values
from surrogate_nas.core.arguments import check_whole
from surrogate_nas.core.errors import EvaluationError, UserError
from surrogate_nas.core.numbers import plural
from surrogate_nas.core.threads import one_thread
from surrogate_nas.objective import Draw, Objective
from surrogate_nas.objective.seeds import SingleSeeds, as_reported
from surrogate_nas.runs.options import Options
from surrogate_nas.runs.run import Run
from surrogate_nas.runs.store import Store
from surrogate_nas.runs.stored import Asked, Confirmation, ConfirmedCell, Judged
from surrogate_nas.runs.trainings import Job, Trainings
from surrogate_nas.runtime.engines import Jobs
from surrogate_nas.space import Cell
from surrogate_nas.space.base import cell_at, cell_written
from surrogate_nas.space.trial import Trial

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
    """How many cells and seeds.

    Raises:
        UserError: It is no such thing, or there are fewer than one cell or two seeds.

    Example:
        >>> shape_of("3x5"), shape_of((2, 4)).seeds
        (Shape(cells=3, seeds=5), 4)
    """
    pair: object = given
    if isinstance(given, str) and (found := _SHAPE.fullmatch(given.strip())):
        pair = tuple(map(int, found.groups()))
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
        raise UserError(
            "What to confirm is CELLSxSEEDS, such as 3x5 or (3, 5) for three cells with five seeds"
            f" each, not {given!r:.80}."
        )
    cells = check_whole("The number of cells to confirm", pair[0], 1, _MOST_TRAINED)
    seeds = check_whole("The number of fresh seeds", pair[1], FEWEST_SEEDS, _MOST_TRAINED)
    return Shape(cells, seeds)


def checked_shape(
    objective: Objective,
    given: ShapeLike | None,
    against: CellLike | None = None,
) -> Shape | None:
    """How many cells and seeds, after refusing before a search what could not be confirmed after
    it.

    Args:
        objective: What is minimised.
        given: How many cells and seeds; None where nothing is to be confirmed.
        against: The cell of reference, or None.

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
    if objective.parts > 1:
        raise UserError("A winner is confirmed under one objective, not under several.")
    if objective.has_history:
        raise UserError(
            "diversity depends on a run's history, so no winner can be confirmed."
        )
    reference = None if against is None else _cell(objective, against)
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
    root: int = 0,
    progress: Callable[[int, int], object] | None = None,
    options: Options | None = None,
    engine: str = "processes",
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
        root: The root seed of the run, where seeds are drawn.
        progress: Called with (trainings done, trainings in all).
        options: Say how many trainings at once, where cells are really trained; None for one.
        engine: Where these are made.
        store: The folder of the run. What it stores for the same call is returned without a
            training; otherwise the result is written there. None stores nothing.

    Returns:
        The scores of every cell and what they decide.

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
    reference = None if against is None else _cell(objective, against)
    against_text = None if reference is None else reference.text
    request = Asked(cells, seeds, against_text, len(run.trials))
    if store is not None:
        stored = store.confirmation(run, objective.benchmark.space)
        if stored is not None and stored.asked == request:
            return stored
    held = None if _trains_any_seed(objective) else objective.single_seeds()
    evaluated = {trial.cell for trial in run.trials}
    fresh = partial(_fresh_seeds, objective, held, Draw(root, run.run), evaluated, seeds)
    planned, passed = _best(objective, run, fresh, cells, reference)
    best = list(planned)
    failures: dict[Cell, str] = {}
    if reference is not None and best:
        try:
            planned[reference] = fresh(reference)
        except UserError as error:
            failures[reference] = str(error)
    # the same seeds of all cells, where these have as many
    common = sorted(set.intersection(*map(set, planned.values()))) if planned else []
    for cell, own in planned.items():
        planned[cell] = (common if len(common) >= seeds else own)[:seeds]
    jobs = [(cell, seed) for cell, own in planned.items() for seed in own]
    with ExitStack() as stack:
        train = _trainer(objective, held, jobs, options or Options(), engine, stack)
        stack.enter_context(
            one_thread()
        )  # as in a run: sums round by the number of threads
        rows, cost = _rows(train, jobs, failures, progress)
    seen = {trial.cell: trial.score for trial in run.answers if not trial.failure}

    def confirmed(cell: Cell) -> ConfirmedCell:
        failure = failures.get(cell, "")
        means = np.array([np.mean(rows[cell], axis=0)]) if not failure else None
        if means is not None and not objective.combine(means).feasible[0]:
            failure = "by fresh seeds it breaks the limits"
        if failure:
            return ConfirmedCell(cell, seen.get(cell), failure=failure)
        found = objective.combine(np.array(rows[cell]))
        scores = (found.loss + found.penalty).tolist()
        return ConfirmedCell(cell, seen.get(cell), tuple(planned[cell]), tuple(scores))

    result = Confirmation(
        asked=request,
        cells=tuple(map(confirmed, best)),
        reference=confirmed(reference) if reference is not None and best else None,
        passed_over=passed,
        cost=cost,
        cost_unit=objective.benchmark.cost,
    )
    if store is not None:
        store.keep_confirmation(run, result)
    return result


def _cell(objective: Objective, given: CellLike) -> Cell:
    space = objective.benchmark.space
    if isinstance(given, str):
        return cell_written(space, given)
    if isinstance(given, Cell):
        return space.cell(given)
    return cell_at(space, check_whole("The index of a cell", given))


def _best(
    objective: Objective,
    run: Run,
    fresh: Callable[[Cell], list[int]],
    n: int,
    reference: Cell | None,
) -> tuple[dict[Cell, list[int]], int]:
    """The best feasible cells as the search saw them, the first of each isomorphism class, without
    the reference, each with its fresh seeds; and how many were passed over for want of these.
    """
    space = objective.benchmark.space
    answers = [trial for trial in run.answers if trial.feasible and not trial.failure]
    ranked = sorted(answers, key=lambda trial: trial.score)
    best: dict[Cell, list[int]] = {}
    classes: set[str] = set()
    passed = 0
    for cell in dict.fromkeys(space.cell(trial.cell) for trial in ranked):
        if len(best) < n and cell != reference and space.identity(cell) not in classes:
            try:
                best[cell] = fresh(cell)
                classes.add(space.identity(cell))
            except UserError:
                passed += 1
    return best, passed


def _fresh_seeds(
    objective: Objective,
    seeds: SingleSeeds | None,
    draw: Draw,
    evaluated: Collection[Cell],
    n: int,
    cell: Cell,
) -> list[int]:
    """The seeds of a cell that a search did not see, at least `n`."""
    if seeds is None:
        return list(
            islice((seed for seed in count(FIRST_FRESH) if seed != objective.seed), n)
        )
    held = seeds.numbers[seeds.held[cell.index]].tolist()
    seen: set[int] = set()
    if cell in evaluated:
        drawn = (
            seeds.numbers[draw.places(seeds, [cell])[0]]
            if objective.draws
            else objective.seed
        )
        seen = {int(drawn)}
    fresh = [seed for seed in held if seed not in seen]
    if len(fresh) < n:
        raise UserError(_too_few(f"it holds {plural(len(held), 'seed')}", len(seen), fresh))
    return fresh


def _rows(
    train: Callable[[Cell, int], tuple[Values, float]],
    jobs: Sequence[tuple[Cell, int]],
    failures: dict[Cell, str],
    progress: Callable[[int, int], object] | None,
) -> tuple[dict[Cell, list[Values]], float]:
    rows: dict[Cell, list[Values]] = {cell: [] for cell, _ in jobs}
    total = 0.0
    for done, (cell, seed) in enumerate(jobs, 1):
        try:
            if cell not in failures:
                row, cost = train(cell, seed)
                rows[cell].append(row)
                total += cost
        except UserError as error:
            total += error.cost if isinstance(error, EvaluationError) else 0.0
            failures[cell] = str(error)
        if progress is not None:
            progress(done, len(jobs))
    return rows, total


def _trainer(
    objective: Objective,
    held: SingleSeeds | None,
    jobs: Sequence[tuple[Cell, int]],
    options: Options,
    engine: str,
    stack: ExitStack,
) -> Callable[[Cell, int], tuple[Values, float]]:
    """A function that gives the values of the training of a cell by a seed, shape ``(questions,)``,
    and its cost: made in slots where the benchmark has these, else here, one after another.
    """
    benchmark = objective.benchmark
    questions = objective.questions()
    if not benchmark.one_by_one or not (benchmark.runs_apart or options.asks_for_slots):

        def train(cell: Cell, seed: int) -> tuple[Values, float]:
            if held is None:
                values, cost = benchmark.measure([cell], questions, seed)
                return values[0], float(cost[0])
            values, cost = benchmark.measure([cell], questions)
            place = int(np.searchsorted(held.numbers, seed))
            return held.rows(np.array([cell.index]), values)[0, place], float(cost[0])

        return train
    workers = stack.enter_context(closing(Jobs(engine, options.parallel, options.devices)))
    slots = stack.enter_context(closing(Trainings(objective, Draw(0, 0), options, workers)))
    for number, (cell, seed) in enumerate(jobs):
        slots.begin(number, Job(cell, questions, seed))

    def answer(cell: Cell, seed: int) -> tuple[Values, float]:
        answer = slots.answer(jobs.index((cell, seed)))
        if isinstance(answer, EvaluationError):
            raise answer
        return np.array(answer.values, dtype=np.float64), answer.cost + answer.cost_before

    return answer


def _trains_any_seed(objective: Objective) -> bool:
    benchmark = objective.benchmark
    if objective.trained_seeds:
        return True
    return benchmark.default_seed != "mean" and objective.seed != "mean"


def _check_held(objective: Objective, wanted: int, reference: Cell | None) -> None:
    name = objective.benchmark.name
    trained = [
        str(question) for question in objective.questions() if question.epochs is not None
    ]
    asked = ", ".join(trained) or str(objective)
    seeds = objective.single_seeds()
    if seeds is None:
        raise UserError(
            f"{name} holds no single seeds of {asked}, so there are no fresh ones to confirm with."
        )
    most = int(seeds.held.sum(axis=1).max())
    held = f"{name} holds {plural(most, 'seed')} of {asked}"
    if objective.seed == "mean" and not objective.draws:
        raise UserError(
            f"{held}, and the search sees the mean of all: none is fresh. With --seed-policy draw"
            f" it sees 1, which leaves {most - 1}."
        )
    if most - 1 < wanted:
        raise UserError(_too_few(held, 1, range(most - 1), wanted))
    if reference is not None:
        own = int(seeds.held[reference.index].sum())
        if own < wanted:
            raise UserError(
                f"{name} holds {plural(own, 'seed')} of {reference}, to which {wanted} are to be"
                " compared; name another cell, or confirm with fewer seeds."
            )


def _too_few(
    held: str,
    seen: int,
    fresh: Sequence[int],
    wanted: int | None = None,
) -> str:
    asked = "" if wanted is None else f", not {wanted}"
    ones = "one" if len(fresh) == 1 else "ones"
    return f"{held}, the search saw {seen}: at most {len(fresh)} fresh {ones}{asked}."


def judged(
    objective: Objective,
    draw: Draw,
    found: Trial,
    options: Options,
    slots: Jobs,
) -> Judged:
    """Train what a run has found by the seeds that its search did not see.

    Args:
        objective: That of the run, whose seeds are trained.
        draw: The seeds that the run saw.
        found: The run's best trial.
        options: Say how many trainings at once.
        slots: Where they are made.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    cell = objective.benchmark.space.cell(found.cell)
    seen = draw.number(objective.trained_seeds, cell)
    others = [seed for seed in objective.trained_seeds if seed != seen]
    names = [str(question) for question in objective.questions()]
    rows = {seen: [found.values[name] for name in names]}
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


def found_by(objective: Objective, run: Run) -> Trial:
    """What a run has found, as it is reported: by the mean over seeds, where seeds were drawn.

    Args:
        objective: That of the run.
        run: A run with an answer.
    """
    found = run.incumbent
    if run.judged is None:
        (reported,) = objective.reported([found])
        return reported
    names = list(run.judged.values)
    values = np.array([list(run.judged.values.values())])
    (reported,) = as_reported([found], names, values, objective.combine(values))
    return reported


def announcement(objective: Objective, runs: int) -> str:
    """What is trained beside the budget, in a sentence; empty where that is nothing.

    Args:
        objective: What is minimised.
        runs: How many runs are made.
    """
    others = len(objective.trained_seeds) - 1
    if others < 1:
        return ""
    whole = f" in each run, {others * runs:,} in all" if runs > 1 else ""
    return (
        f"What is found is then trained by the other seeds: {plural(others, 'training')}{whole},"
        " not charged to the budget."
    )
