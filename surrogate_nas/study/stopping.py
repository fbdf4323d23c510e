"""Stopping a training early because it looks hopeless.

The median rule ends a training whose best score by an epoch is worse than the median of what the
trainings that have ended had on average until then.

Golovin, Solnik, Moitra, Kochanski, Karro & Sculley, "Google Vizier: A Service for Black-Box
Optimization", KDD 2017, section 3.2.2. Departures: nothing is stopped before five trainings have
ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from surrogate_nas.benchmarks.base import Question
from surrogate_nas.objective import Objective
from surrogate_nas.space import Cell

_FEWEST = 5
"""Trainings that must have ended before one is stopped."""
_MOST_BYTES = 2**24
"""Of a file of reports that is read."""


class MedianRule:
    """Looks at what running trainings report, and asks the hopeless to stop.

    A training that is stopped has failed, for that reason: it has no number after all its epochs,
    and none is made up. It is charged for what it took.
    """

    def __init__(self, objective: Objective) -> None:
        """Begin with no training ended.

        Args:
            objective: Whose score is compared, of one objective.
        """
        self._objective = objective
        self._ended: dict[Path, list[float]] = {}
        """By file of reports the scores after each epoch."""
        self._known: dict[Cell, dict[Question, float]] = {}

    def look(self, running: Sequence[tuple[Cell, Path]]) -> None:
        """Ask those trainings to stop that the rule ends.

        Args:
            running: The cells that are trained, each with the file in which it reports.
        """
        if len(self._ended) < _FEWEST:
            return
        for cell, reports in running:
            if self.stops(self._scores(cell, reports)):
                with suppress(OSError):
                    (reports.parent / "stop").touch()

    def ended(self, cell: Cell, reports: Path) -> None:
        """Note a training that has come to its end by itself."""
        if scores := self._scores(cell, reports):
            self._ended[reports] = scores

    def stops(self, scores: Sequence[float]) -> bool:
        """Whether a training with some scores, one after each epoch, is hopeless.

        Example:
            >>> import surrogate_nas as sn
            >>> rule = MedianRule(sn.Objective("valid_loss", sn.load("fashion")))
            >>> rule._ended = {Path(str(n)): [0.5, 0.3, 0.1 + n / 100] for n in range(5)}
            >>> rule.stops([0.6, 0.5]), rule.stops([0.6, 0.3])
            (True, False)
        """
        length = len(scores)
        averages = [np.mean(one[:length]) for one in self._ended.values() if len(one) >= length]
        if not length or len(averages) < _FEWEST:
            return False
        return bool(min(scores) > np.median(averages))

    def _scores(self, cell: Cell, reports: Path) -> list[float]:
        """The score after each reported epoch; lines that are no reports end them."""
        scores = []
        with suppress(OSError, ValueError, KeyError, TypeError):
            with reports.open("rb") as file:
                lines = file.read(_MOST_BYTES).splitlines()
            for line in lines:
                scores.append(self._score(cell, json.loads(line)["metrics"]))
        return scores

    def _score(self, cell: Cell, metrics: Mapping[str, float]) -> float:
        row = []
        for question in self._objective.questions():
            if question.metric in metrics:
                row.append(float(metrics[question.metric]))
            else:
                row.append(self._free(cell, question))
        return self._objective.combine_one(row)[0]

    def _free(self, cell: Cell, question: Question) -> float:
        """A metric that follows from the cell."""
        known = self._known.setdefault(cell, {})
        if question not in known:
            value = self._objective.untrained(question, cell)
            if value is None:
                raise KeyError(question.metric)
            known[question] = value
        return known[question]
