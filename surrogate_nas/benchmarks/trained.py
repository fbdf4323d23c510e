"""What benchmarks share that train: an answer is made when it is first asked for, and kept.

Answers are in ``live/`` of the data directory, by all that they depend on. A query costs the
seconds of its training, also where the answer was kept from before: on a CPU the processor's, so
that other load costs nothing, on another device those of the clock.
"""

from __future__ import annotations

import platform
import sys
from abc import abstractmethod
from collections.abc import Sequence
from importlib import metadata

import numpy as np

from surrogate_nas.benchmarks.base import (
    Benchmark,
    Measurement,
    Question,
    Values,
    formula,
    lengths_of,
)
from surrogate_nas.benchmarks.cache import AnswerCache, Trained
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.version import __version__
from surrogate_nas.files import home
from surrogate_nas.space import Cell
from surrogate_nas.tables import Seed

SECONDS = "train_seconds"
"""The record of what a training took until an epoch, which a table of it charges."""
_LIBRARIES = ("torch", "jax", "tensorflow", "llvmlite")
_SHORT = 16


class TrainedBenchmark(Benchmark):
    """Trains a cell when it is first asked for.

    Attributes:
        device: Such as ``cpu``.
        file_name: How the names of its files begin.
    """

    cost = "seconds"
    default_seed: Seed = 0
    one_by_one = True
    keeps_answers = True
    device: str
    file_name: str
    _n_seeds = 1
    _answers: AnswerCache | None = None

    @property
    def _on_cpu(self) -> bool:
        return self.device.partition(":")[0] == "cpu"

    @property
    def _label(self) -> str:
        name = "".join(c if c.isalnum() else "-" for c in self.file_name)[:60]
        return f"{name}-{self.fingerprint[:_SHORT]}"

    @property
    def cache(self) -> AnswerCache:
        """The answers of all trainings under these settings."""
        path = home() / "live" / f"{self._label}.sqlite"
        if self._answers is None or self._answers.path != path:
            self._answers = AnswerCache(path)
        return self._answers

    def _number(self, seed: Seed) -> int:
        if isinstance(seed, str):
            raise UserError(f"{self.name} trains one seed at a time; name a number, not the mean.")
        return int(seed)

    def measure(
        self, cells: Sequence[Cell], questions: Sequence[Question], seed: Seed = 0
    ) -> Measurement:
        """Answer from what was trained before, and train the rest in this process.

        Raises:
            UserError: A training fails (`surrogate_nas.core.errors.EvaluationError`), the mean is
                asked for, or the data directory cannot be written.
        """
        number = self._number(seed)
        epochs = lengths_of(questions)
        values = np.empty((len(cells), len(questions)))
        for j, question in enumerate(questions):
            if question.epochs is None:
                values[:, j] = self._untrained(question.metric, cells)
        cost = np.zeros(len(cells))
        for i, cell in enumerate(cells if epochs else ()):
            trained = self._trained(cell, epochs, number)
            for j, question in enumerate(questions):
                if question.epochs is not None:
                    answer = trained[question.epochs]
                    reported = {SECONDS: answer.seconds, **answer.metrics}
                    values[i, j] = reported[question.metric]
            charged = epochs[-1:] if self.one_curve else epochs
            cost[i] = sum(trained[length].seconds for length in charged)
        return Measurement(values, cost)

    @abstractmethod
    def _trained(self, cell: Cell, epochs: Sequence[int], seed: int) -> dict[int, Trained]:
        """The answers of a cell after some epochs, trained as far as they are not here."""

    def _untrained(self, metric: str, cells: Sequence[Cell]) -> Values:
        """A metric that follows from cells, shape ``(n,)``."""
        return formula(self.space, metric, self.network, cells)

    def n_seeds(self, cell: Cell, question: Question, seed: Seed) -> int | None:  # noqa: ARG002 - the interface
        """All for the mean, else one, where training plays a part."""
        if question.epochs is None:
            return None
        return self._n_seeds if seed == "mean" else 1

    @property
    def _made_with(self) -> dict[str, str]:
        noted = {"surrogate_nas": __version__, "python": platform.python_version()}
        if self.engine:
            noted["engine"] = self.engine
        return noted | {name: metadata.version(name) for name in _LIBRARIES if name in sys.modules}
