"""One run's dealings with an objective: every look-up is counted and charged here, and becomes a trial.

Asking for a known cell again gives the same answer and is charged again, for every strategy alike, as training it
again would be.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from surrogate_nas.objective.objective import Objective
from surrogate_nas.space import Cell, Space
from surrogate_nas.trial import Trial

_ARCHIVE_SIZE = 10


class Evaluator:
    """Evaluates cells for one run.

    Attributes:
        evaluations: How many trials were made.
        cost: What they cost together, in seconds or queries.
    """

    def __init__(self, objective: Objective) -> None:
        """Start a run with nothing found and nothing spent.

        Args:
            objective: What is minimised.
        """
        self.objective = objective
        self.evaluations = 0
        self.cost = 0.0
        self._names = objective.question_names()
        self._archive = _Archive(objective.benchmark.space) if objective.has_history else None

    def evaluate(self, cells: Sequence[Cell], cost_limit: float = float("inf")) -> list[Trial]:
        """Evaluate cells in order, as far as the cost allows.

        Args:
            cells: Cells of the space.
            cost_limit: The most that the run may cost; a cell that would pass it is not evaluated, nor any after it.

        Returns:
            The trials, fewer than `cells` when the limit was reached.
        """
        values, scores, cost = self.objective.look_up(cells)
        rows = zip(
            cells, values.tolist(), scores.score.tolist(), scores.loss.tolist(), scores.penalty.tolist(),
            scores.feasible.tolist(), cost.tolist(), strict=True,
        )  # fmt: skip
        trials = []
        for cell, row, score, loss, penalty, feasible, seconds in rows:
            if self.cost + seconds > cost_limit:
                break
            extra = 0.0
            if self._archive is not None and feasible:
                extra = self.objective.diversity_weight * self._archive.visit(cell, loss)
            trials.append(
                Trial(
                    index=self.evaluations,
                    cell=cell,
                    score=score + extra,
                    loss=loss,
                    penalty=penalty + extra,
                    feasible=feasible,
                    epochs=self.objective.epochs,
                    cost_seconds=seconds,
                    values=dict(zip(self._names, row, strict=True)),
                )
            )
            self.evaluations += 1
            self.cost += seconds
        return trials


class _Archive:
    """The ten feasible cells of lowest loss that a run has found, against which a new one's similarity is taken."""

    def __init__(self, space: Space) -> None:
        self._classes = getattr(space, "classes", None)
        self._best: list[tuple[float, int, Cell]] = []
        self._known: dict[Cell, float] = {}

    def visit(self, cell: Cell, loss: float) -> float:
        """The largest similarity of a cell to those archived before it, as it was when the cell first came."""
        if cell not in self._known:
            self._known[cell] = max((self._similarity(cell, other) for *_, other in self._best), default=0.0)
            heapq.heappush(self._best, (-loss, -cell.index, cell))
            if len(self._best) > _ARCHIVE_SIZE:
                heapq.heappop(self._best)
        return self._known[cell]

    def _similarity(self, first: Cell, second: Cell) -> float:
        if self._classes is not None and self._classes[first.index] == self._classes[second.index]:
            return 1.0
        equal = sum(a == b for a, b in zip(first.choices, second.choices, strict=True))
        return equal / len(first.choices)
