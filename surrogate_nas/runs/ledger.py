"""The ledger of a run, which counts every evaluation, charges it to the budget, and converts it to
a trial.

If a strategy evaluates a cell again, it gets the same result and is charged again. If a strategy
continues the training of a cell, only the additional epochs are charged, provided that the
benchmark contains all epochs of one training.
"""

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from surrogate_nas.benchmarks.base import Question, Values
from surrogate_nas.core import EvaluationError, UserError, check_number, unknown
from surrogate_nas.objective import Draw, Objective
from surrogate_nas.runs.run import Run
from surrogate_nas.runtime.user_code import StrategyError
from surrogate_nas.space import Cell, Request, Space, Trial, TrialValues

_ARCHIVE_SIZE = 10
# How far the score of a failed evaluation lies above that of any feasible cell.
_BEHIND = 1.0
Asked = Cell | Request


def cell_of(asked: Asked) -> Cell:
    """Return the cell of a request; a cell is returned unchanged."""
    return asked.cell if isinstance(asked, Request) else asked


class Outcome(NamedTuple):
    """The result of one evaluation that is not yet a `Trial`, because its index and its time in the
    run are not yet determined.

    Attributes:
        names: The names of `values`, in the notation of expressions.
        score: The score. This field and all following fields do not include the diversity term of
            the objective.
        cost: The cost that is charged to the budget.
    """

    cell: Cell
    epochs: int | None
    names: Sequence[str]
    values: list[float]
    score: float
    loss: float
    penalty: float
    feasible: bool
    scores: tuple[float, ...]
    cost: float
    failure: str = ""


class Ledger:
    """Evaluate and charge cells for one run.

    Attributes:
        evaluations: Number of trials so far.
        cost: Total cost of all trials so far, in seconds or queries.
        owed: Seconds of the strategy's own work (such as training a supernet) that will be charged
            to the next trial.
        draw: Determines the training seeds of the run.
    """

    def __init__(self, objective: Objective, *, root: int = 0, run: int = 0) -> None:
        self.objective = objective
        self.evaluations = 0
        self.cost = self.owed = 0.0
        self.draw = Draw(root, run)
        self._names = [str(question) for question in objective.questions()]
        self._several = objective.n_objectives > 1
        self._one_by_one = objective.benchmark.one_by_one
        self._one_curve = objective.benchmark.one_curve
        self._archive = (
            _Archive(objective.benchmark.space) if objective.has_history else None
        )
        # for how many epochs each cell was trained
        self._trained: dict[Cell, int] = {}

    def look_up(self, asked: Sequence[Asked]) -> Iterator[Outcome]:
        """Evaluate cells in order. If the benchmark computes results on demand, each cell is
        evaluated only when its result is taken from the iterator.
        """
        if len(asked) > 1 and (
            self._one_by_one or any(type(request) is Request for request in asked)
        ):
            return (outcome for request in asked for outcome in self._group([request]))
        return self._group(asked)

    def evaluate(
        self, asked: Sequence[Asked], limit: float = math.inf
    ) -> Iterator[Trial]:
        """Evaluate cells one after another within a cost limit. Each cell is evaluated when its
        trial is taken from the iterator.
        """
        for outcome in self.look_up(asked) if self.cost < limit else ():
            if self.cost + outcome.cost > limit:
                return
            yield self.trial(outcome, self.cost)
            if self.cost >= limit:
                return

    def _group(self, asked: Sequence[Asked]) -> Iterator[Outcome]:
        """Evaluate cells with a single look-up. Requests, and cells that must be trained, are
        evaluated one by one.
        """
        first = asked[0]
        epochs = self.objective.epochs
        names = self._names
        questions = None
        cells = cast(list[Cell], asked)
        if isinstance(first, Request):
            cells = [first.cell]
            epochs = first.epochs
            questions = self.questions(first)
            names = [str(question) for question in questions]
        try:
            values, cost = self.objective.seen(self.draw, cells, questions)
        except EvaluationError as error:
            if len(asked) > 1:
                raise
            return iter([self.failed(first, str(error), error.cost)])
        return self._outcomes(cells, epochs, names, values, cost)

    def questions(self, asked: Asked) -> Sequence[Question]:
        """Return the metrics that an evaluation must provide. Raise a StrategyError if the request
        is invalid.
        """
        if not isinstance(asked, Request):
            return self.objective.questions()
        try:
            return self.objective.questions(asked.epochs, asked.read)
        except UserError as error:
            raise StrategyError(f"it made an invalid request: {error}") from error

    def epochs_of(self, asked: Asked) -> int | None:
        """Return the number of epochs of a request or, for a cell, of the objective."""
        return asked.epochs if isinstance(asked, Request) else self.objective.epochs

    def trained_for(self, asked: Asked) -> int | None:
        """Return the number of epochs from which the training of a cell would be continued, or None
        if it would start from scratch.
        """
        return self._since(cell_of(asked), self.epochs_of(asked))

    def predicted_cost(self, asked: Asked) -> float:
        """Return the approximate cost of an evaluation (`Benchmark.predicted_cost`)."""
        benchmark = self.objective.benchmark
        cell = cell_of(asked)
        epochs = self.epochs_of(asked)
        whole = benchmark.predicted_cost(cell, epochs)
        since = self.trained_for(asked)
        if since is None:
            return whole
        if benchmark.knows_costs:
            return self._continuing(cell, since, epochs)
        return max(whole - benchmark.predicted_cost(cell, since), 0.0)

    def answered(
        self,
        asked: Asked,
        values: Sequence[float],
        cost: float,
        since: int | None,
    ) -> Outcome:
        """Build an outcome from the values of an evaluation that was made outside the ledger.

        Args:
            asked: The cell or request that was evaluated.
            values: The values of the metrics in `questions`, in their natural units.
            cost: The cost of the whole training.
            since: The number of epochs from which the training was continued, which are not charged
                again.
        """
        cell, epochs = cell_of(asked), self.epochs_of(asked)
        charged = cost if since is None else self._continuing(cell, since, epochs)
        names = [str(question) for question in self.questions(asked)]
        row, costs = np.array([values]), np.array([charged])
        return next(self._outcomes([cell], epochs, names, row, costs, is_new=True))

    def recorded(self, asked: Asked, entry: Mapping[str, Any]) -> Outcome:
        """Build an outcome from the stored line of a trial in the file of the run."""
        cost = entry["cost_seconds"]
        if entry.get("failure"):
            return self.failed(asked, entry["failure"], 0.0)._replace(cost=cost)
        values = [entry["values"][str(question)] for question in self.questions(asked)]
        return self.answered(asked, values, cost, None)._replace(cost=cost)

    def given(self, asked: Asked, values: Mapping[str, float], cost: float) -> Outcome:
        """Build an outcome from values and a cost that the caller reports.

        Args:
            asked: The cell or request that was evaluated.
            values: The values by the names of the metrics. Free terms, which need no training, may
                be left out.
            cost: The cost to charge.

        Raises:
            UserError: A metric is missing, unknown or not finite.
        """
        cell = cell_of(asked)
        questions = self.questions(asked)
        named = [
            question.metric for question in dict.fromkeys(questions)
        ]  # one may be read too
        known = [str(q) if named.count(q.metric) > 1 else q.metric for q in questions]
        taken = {*known, *map(str, questions)}
        for name in values:
            if name not in taken:
                raise unknown("metric of this objective", name, {*known})
        row = []
        for question, name in zip(questions, known, strict=True):
            value = values.get(str(question), values.get(name))
            if value is None:
                value = self.objective.untrained(question, cell)
            if value is None:
                raise UserError(f"{question} of {cell} is missing.")
            row.append(check_number(f"{question} of {cell}", value, -math.inf))
            self.objective.benchmark.check_value(question, row[-1])
        return self.answered(asked, row, cost, None)

    def failed(self, asked: Asked, reason: str, cost: float) -> Outcome:
        """Build the outcome of a failed evaluation, whose cost is also charged."""
        cell, epochs = cell_of(asked), self.epochs_of(asked)
        vector: tuple[float, ...] = ()
        if self._several:
            vector = tuple(bound + _BEHIND for bound in self.objective.bounds)
        score, nan = self.objective.bound + _BEHIND, math.nan
        charged, self.owed = cost + self.owed, 0.0
        return Outcome(
            cell, epochs, (), [], score, nan, nan, False, vector, charged, reason
        )

    def _outcomes(
        self,
        cells: Sequence[Cell],
        epochs: int | None,
        names: Sequence[str],
        values: Values,
        cost: Values,
        *,
        is_new: bool = False,
    ) -> Iterator[Outcome]:
        """Combine the values of n cells, shape ``(n, m)``, with the names of the m metrics.

        The cost is that of whole trainings, shape ``(n,)``, or with `is_new` the charged cost.
        """
        rows: Iterable[tuple[Any, ...]]
        if len(cells) == 1:
            row = values[0].tolist()
            rows = ((cells[0], row, *self.objective.combine_one(row), float(cost[0])),)
        else:
            scores = self.objective.combine(values)
            vectors = (
                map(tuple, scores.vector.tolist())
                if self._several
                else [()] * len(cells)
            )
            rows = zip(
                cells,
                values.tolist(),
                scores.score.tolist(),
                scores.loss.tolist(),
                scores.penalty.tolist(),
                scores.feasible.tolist(),
                vectors,
                cost.tolist(),
                strict=True,
            )
        for cell, row, score, loss, penalty, feasible, vector, spent in rows:
            since = None if is_new else self._since(cell, epochs)
            charged = spent if since is None else self._continuing(cell, since, epochs)
            charged, self.owed = charged + self.owed, 0.0
            yield Outcome(
                cell,
                epochs,
                names,
                row,
                score,
                loss,
                penalty,
                feasible,
                vector,
                charged,
            )

    def _since(self, cell: Cell, epochs: int | None) -> int | None:
        since = self._trained.get(cell) if self._trained else None
        return None if since is None or epochs is None or epochs <= since else since

    def _continuing(self, cell: Cell, since: int, epochs: int | None) -> float:
        assert epochs is not None
        asked = [
            question.metric
            for question in self.objective.questions()
            if question.epochs is not None
        ]
        seed = self.objective.seed_of(self.draw, cell)
        return self.objective.benchmark.continued(
            cell, since, epochs, asked, training_seed=seed
        )

    def trial(
        self, outcome: Outcome, started: float, finished: float | None = None
    ) -> Trial:
        """Count and charge a finished evaluation, and append it to the run.

        The trial ends at `finished` or, if `finished` is None, at `started` plus its cost.
        """
        extra = 0.0
        if self._archive is not None and outcome.feasible:
            extra = self.objective.diversity_weight * self._archive.visit(
                outcome.cell, outcome.loss
            )
        trial = Trial(
            index=self.evaluations,
            cell=outcome.cell,
            score=outcome.score + extra,
            loss=outcome.loss,
            penalty=outcome.penalty + extra,
            feasible=outcome.feasible,
            epochs=outcome.epochs,
            cost=outcome.cost,
            values=TrialValues(zip(outcome.names, outcome.values, strict=True)),
            started=started,
            finished=started + outcome.cost if finished is None else finished,
            scores=outcome.scores,
            failure=outcome.failure,
        )
        if self._one_curve and outcome.epochs is not None and not outcome.failure:
            before = self._trained.get(outcome.cell, 0)
            self._trained[outcome.cell] = max(outcome.epochs, before)
        self.evaluations += 1
        self.cost += outcome.cost
        return trial


class _Archive:
    """The ten feasible cells of lowest loss of a run, to which the similarity of a new cell is
    computed.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._best: list[tuple[float, int, Cell]] = []
        self._known: dict[Cell, float] = {}

    def visit(self, cell: Cell, loss: float) -> float:
        """Return the largest similarity of a cell to the archived cells, as of its first
        evaluation.
        """
        if cell not in self._known:
            similarities = (
                self._space.similarity(cell, other) for *_, other in self._best
            )
            self._known[cell] = max(similarities, default=0.0)
            self._best.append((loss, len(self._known), cell))
            self._best = sorted(self._best)[:_ARCHIVE_SIZE]
        return self._known[cell]


_MEASURED = 1e-9
# How far numbers may differ, as a share of the larger or of 1; predictions differ a little
# between machines.
_PREDICTED = 1e-5


def check_run(run: Run, objective: Objective, path: Path) -> None:
    """Check that a stored run has the objective of its comparison, and raise a UserError if it has
    not.
    """
    names = {str(question) for question in objective.questions()}
    parts = objective.n_objectives
    scores = 0 if parts == 1 else parts
    if run.failure or not run.trials:
        return
    done = [trial for trial in run.answers if not trial.failure]
    right = all(
        names <= trial.values.keys() and len(trial.scores) == scores for trial in done
    )
    if run.epochs != objective.epochs or not run.answers or not right:
        raise UserError(
            f"{path} is damaged: it has another objective than its comparison. Delete it and"
            " repeat the command."
        )


def verify(
    run: Run, objective: Objective, root: int, path: Path, *, whole: bool
) -> None:
    """Look up a run's best trial, or all its trials, in the table again. Raise a UserError if a
    value differs. If there is no table, nothing is checked.
    """
    if wrong := contradiction(run, objective, root, whole=whole):
        raise UserError(
            f"{path}, {wrong} It was altered. Delete it and repeat the command."
        )


def contradiction(
    run: Run,
    objective: Objective,
    root: int,
    *,
    whole: bool,
    charges: bool = False,
) -> str:
    """Return a sentence on the first trial of a run that differs from the table. The sentence is
    empty if no trial differs, if there is no table, or if the run failed.

    Args:
        run: A run.
        objective: The objective, bound to the benchmark in which to look up the trials.
        root: The root seed of the comparison.
        whole: Whether to check all trials instead of the best one.
        charges: Whether to also check the charged costs, which requires `whole`.
    """
    if not objective.benchmark.has_columns or run.failure or not run.trials:
        return ""
    trials = [
        trial for trial in (run.trials if whole else [run.lowest]) if not trial.failure
    ]
    ledger = Ledger(objective, root=root, run=run.run)
    epochs = objective.epochs
    asked: list[Asked] = [
        t.cell if t.epochs in (epochs, None) else Request(t.cell, t.epochs or 0)
        for t in trials
    ]
    within = _PREDICTED if objective.benchmark.banner else _MEASURED
    if charges and any(
        after.started < before.finished for before, after in pairwise(trials)
    ):
        looked_up = _side_by_side(ledger, trials, asked)
    else:
        looked_up = zip(trials, ledger.look_up(asked), strict=True)
    for trial, outcome in looked_up:
        repeated = None
        if whole or not objective.has_history:
            repeated = ledger.trial(outcome, trial.started)
        pairs = _pairs(trial, outcome, repeated)
        if charges:
            pairs.append(("the charge", trial.cost, outcome.cost))
        for name, stored, true in pairs:
            is_nan = math.isnan(stored) and math.isnan(true)
            if not (
                is_nan or math.isclose(stored, true, rel_tol=within, abs_tol=within)
            ):
                return (
                    f"trial {trial.index}: {name} of {trial.cell} is {stored:.10g}, but"
                    f" {true:.10g} in {objective.benchmark.name}."
                )
    return ""


def _side_by_side(
    ledger: Ledger, trials: Sequence[Trial], asked: Sequence[Asked]
) -> Iterator[tuple[Trial, Outcome]]:
    """Look up trials as parallel workers did: each at its start, before trials that ended later."""
    running: list[tuple[float, int, Outcome]] = []
    for number in sorted(range(len(trials)), key=lambda number: trials[number].started):
        while running and running[0][0] <= trials[number].started:
            *_, ended, outcome = heapq.heappop(running)
            yield trials[ended], outcome
        (outcome,) = ledger.look_up([asked[number]])
        heapq.heappush(running, (trials[number].finished, number, outcome))
    for *_, ended, outcome in sorted(running):
        yield trials[ended], outcome


def _pairs(
    trial: Trial, outcome: Outcome, repeated: Trial | None
) -> list[tuple[str, float, float]]:
    """Return pairs of stored and recomputed numbers of a trial. Terms with diversity are compared
    only in the order of the run.
    """
    values = zip(outcome.names, outcome.values, strict=True)
    pairs = [(name, trial.values[name], value) for name, value in values]
    pairs += [
        ("L", trial.loss, outcome.loss),
        ("feasibility", trial.feasible, outcome.feasible),
    ]
    if repeated is not None:
        pairs += [
            ("λR", trial.penalty, repeated.penalty),
            ("the score", trial.score, repeated.score),
        ]
        scores = zip(trial.scores, repeated.scores, strict=True)
        pairs += [("a score", stored, true) for stored, true in scores]
    return pairs
