"""Confirming the winner of a search: its best cells are trained with seeds that it did not see.

The best of many cells by one seed is optimistic: it was chosen for its luck too. The best few are
therefore trained again with fresh seeds, and with them the user's own network, the reference. What
is chosen among the few by these seeds is paid for by a wider interval
(`surrogate_nas.study.decision.decide_few`). On most tables a seed says nothing that two cells have
in common; where it also splits the data, as in HPOBench, it may explain most of their scatter.
Error rate, power and that share: ``python analysis/calibrate_confirm.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from itertools import count, islice
from typing import NamedTuple, TypeAlias

import numpy as np

from surrogate_nas.benchmarks.base import CellLike, Values
from surrogate_nas.core.arguments import check_whole
from surrogate_nas.core.errors import EvaluationError, UserError
from surrogate_nas.core.numbers import plural
from surrogate_nas.core.threads import one_thread
from surrogate_nas.objective import Draw, Objective
from surrogate_nas.objective.seeds import SingleSeeds
from surrogate_nas.space import Cell
from surrogate_nas.space.base import cell_at, cell_written
from surrogate_nas.study.confirmation import Asked, Confirmation, ConfirmedCell
from surrogate_nas.study.options import Options
from surrogate_nas.study.run import Run
from surrogate_nas.study.store import Store
from surrogate_nas.study.trainings import Job, Trainings

FIRST_FRESH = 1_000_000
"""The first seed of confirming trainings where any can be trained; no search sees these."""
FEWEST_SEEDS = 2
"""With one seed a cell has no spread."""
_MOST = 1_000
"""Cells, and seeds."""
_SHAPE = re.compile(r"(\d{1,9})\s*[x×]\s*(\d{1,9})")

Told = Callable[[int, int], object]
"""Is told (trainings done, trainings in all)."""


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
    cells = check_whole("The number of cells to confirm", pair[0], 1, _MOST)
    seeds = check_whole("The number of fresh seeds", pair[1], FEWEST_SEEDS, _MOST)
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
        raise UserError("diversity depends on a run's history, so no winner can be confirmed.")
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
    progress: Told | None = None,
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
    with ExitStack() as stack:
        slots = _slots(objective, options or Options(), engine, stack)
        trainings = _Trainings(objective, run, root, seeds, progress, slots)
        best, passed = trainings.best(cells, reference)
        asked = best if reference is None or not best else [*best, reference]
        trainings.plan(asked)
        stack.enter_context(one_thread())  # as in a run: sums round by the number of threads
        confirmed = [trainings.confirmed(cell) for cell in asked]
    own = confirmed.pop() if len(asked) > len(best) else None
    result = Confirmation(
        asked=request,
        cells=tuple(confirmed),
        reference=own,
        passed_over=passed,
        cost=trainings.cost,
        cost_unit=objective.benchmark.cost,
    )
    if store is not None:
        store.keep_confirmation(run, result)
    return result


def _cell(objective: Objective, given: CellLike) -> Cell:
    """A cell of the space, by itself, its text or its index."""
    space = objective.benchmark.space
    if isinstance(given, str):
        return cell_written(space, given)
    if isinstance(given, Cell):
        return space.cell(given)
    return cell_at(space, check_whole("The index of a cell", given))


def _slots(
    objective: Objective,
    options: Options,
    engine: str,
    stack: ExitStack,
) -> Trainings | None:
    """Slots for the trainings; None where they are made here, one after another."""
    benchmark = objective.benchmark
    if not benchmark.one_by_one or not (benchmark.runs_apart or options.asks_for_slots):
        return None
    return stack.enter_context(closing(Trainings(objective, Draw(0, 0), options, engine)))


class _Trainings:
    """The confirming trainings of one run."""

    def __init__(
        self,
        objective: Objective,
        run: Run,
        root: int,
        seeds: int,
        progress: Told | None,
        slots: Trainings | None,
    ) -> None:
        self.cost = 0.0
        self._slots = slots
        self._numbers: dict[tuple[Cell, int], int] = {}
        self._run = run
        self._total = 0
        self._common: list[int] = []
        self._objective = objective
        self._benchmark = objective.benchmark
        self._questions = objective.questions()
        self._draw = Draw(root, run.run)
        self._n = seeds
        self._asked = {trial.cell for trial in run.trials}
        self._seen = {trial.cell: trial.score for trial in run.answers if not trial.failure}
        self._held = None if _trains_any_seed(objective) else objective.single_seeds()
        self._done = 0
        self._progress = progress

    def best(self, n: int, reference: Cell | None) -> tuple[list[Cell], int]:
        """The best feasible cells as the search saw them, the first of each isomorphism class,
        without the reference.

        Returns:
            The cells, and how many were passed over for want of fresh seeds.
        """
        answers = [one for one in self._run.answers if one.feasible and not one.failure]
        ranked = sorted(answers, key=lambda trial: trial.score)
        space = self._benchmark.space
        cells = dict.fromkeys(space.cell(trial.cell) for trial in ranked)
        if reference is not None:
            cells.pop(reference, None)
        best: dict[str, Cell] = {}
        passed = 0
        for cell in cells:
            if len(best) == n:
                break
            if space.identity(cell) in best:
                continue
            try:
                self._fresh(cell)
                best[space.identity(cell)] = cell
            except UserError:
                passed += 1
        return list(best.values()), passed

    def plan(self, cells: Sequence[Cell]) -> None:
        """Take what will be trained: the same seeds of all cells, where these have as many."""
        self._total = len(cells) * self._n
        fresh = []
        for cell in cells:
            with suppress(UserError):
                fresh.append(self._fresh(cell))
        self._common = sorted(set.intersection(*map(set, fresh))) if fresh else []
        if self._slots is not None:
            for cell in cells:
                for seed in self._seeds(cell):
                    self._numbers[cell, seed] = len(self._numbers)
                    job = Job(cell, self._questions, seed)
                    self._slots.begin(self._numbers[cell, seed], job)

    def _seeds(self, cell: Cell) -> list[int]:
        """The fresh seeds that a cell is trained with."""
        fresh = self._fresh(cell)
        return (self._common if len(self._common) >= self._n else fresh)[: self._n]

    def confirmed(self, cell: Cell) -> ConfirmedCell:
        """A cell with its scores by fresh seeds, or why there are none."""
        seen = self._seen.get(cell)
        done = self._done
        try:
            seeds = self._seeds(cell)
            values = np.array([self._trained(cell, seed) for seed in seeds])
        except EvaluationError as error:
            self.cost += error.cost
            return ConfirmedCell(cell, seen, failure=str(error))
        except UserError as error:
            return ConfirmedCell(cell, seen, failure=str(error))
        finally:
            self._tell(done + self._n)
        if not self._objective.combine(values.mean(axis=0, keepdims=True)).feasible[0]:
            return ConfirmedCell(cell, seen, failure="by fresh seeds it breaks the limits")
        found = self._objective.combine(values)
        scores = (found.loss + found.penalty).tolist()
        return ConfirmedCell(cell, seen, tuple(seeds), tuple(scores))

    def _fresh(self, cell: Cell) -> list[int]:
        """Seeds of a cell that the search did not see."""
        if self._held is None:
            used = self._objective.seed
            return list(islice((seed for seed in count(FIRST_FRESH) if seed != used), self._n))
        held = self._held.numbers[self._held.held[cell.index]].tolist()
        seen = self._seen_seeds(cell, self._held)
        fresh = [seed for seed in held if seed not in seen]
        if len(fresh) < self._n:
            raise UserError(_too_few(f"it holds {plural(len(held), 'seed')}", len(seen), fresh))
        return fresh

    def _seen_seeds(self, cell: Cell, held: SingleSeeds) -> set[int]:
        """The seeds by which the search saw a cell; none where it did not ask for it."""
        if cell not in self._asked:
            return set()
        if not self._objective.draws:
            return {int(self._objective.seed)}
        (place,) = self._draw.places(held, [cell])
        return {int(held.numbers[place])}

    def _trained(self, cell: Cell, seed: int) -> Values:
        """The values of one training, shape ``(questions,)``, charged."""
        if self._slots is not None:
            answer = self._slots.answer(self._numbers[cell, seed])
            if isinstance(answer, EvaluationError):
                raise answer
            values = np.array([answer.values])
            cost = np.array([answer.cost + answer.cost_before])
            row = values[0]
        elif self._held is None:
            values, cost = self._benchmark.measure([cell], self._questions, seed)
            row = values[0]
        else:
            values, cost = self._benchmark.measure([cell], self._questions)
            place = int(np.searchsorted(self._held.numbers, seed))
            row = self._held.rows(np.array([cell.index]), values)[0, place]
        self.cost += float(cost[0])
        self._tell(self._done + 1)
        return np.asarray(row, dtype=np.float64)

    def _tell(self, done: int) -> None:
        self._done = done
        if self._progress is not None:
            self._progress(done, self._total)


def _trains_any_seed(objective: Objective) -> bool:
    """Whether cells are trained when they are asked for, with any seed; a table holds a few."""
    benchmark = objective.benchmark
    if objective.trained_seeds:
        return True
    return benchmark.default_seed != "mean" and objective.seed != "mean"


def _check_held(objective: Objective, wanted: int, reference: Cell | None) -> None:
    """Refuse to confirm on a table that holds too few seeds which a search does not see."""
    name = objective.benchmark.name
    trained = [str(question) for question in objective.questions() if question.epochs is not None]
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
    """Why there are too few fresh seeds."""
    asked = "" if wanted is None else f", not {wanted}"
    ones = "one" if len(fresh) == 1 else "ones"
    return f"{held}, the search saw {seen}: at most {len(fresh)} fresh {ones}{asked}."
