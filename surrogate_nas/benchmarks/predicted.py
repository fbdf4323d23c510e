"""Benchmarks that a published model answers (``predicts`` of a source's declaration)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, cast

import numpy as np

from surrogate_nas.benchmarks.base import (
    Benchmark,
    Measurement,
    Question,
    Values,
    formula,
    lengths_of,
)
from surrogate_nas.benchmarks.proxies import sizes_of
from surrogate_nas.benchmarks.resolvers import Resolver
from surrogate_nas.core.errors import AbsentError, UserError
from surrogate_nas.files import home
from surrogate_nas.space import Cell, choices_of, space_named
from surrogate_nas.tables import Seed
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import SOURCES, Model, predicted, source_of

_MOST_REMEMBERED = 1 << 18


class PredictedBenchmark(Benchmark):
    """Answers what a source's model predicts along one training of every cell.

    A query costs the predicted seconds of the longest training that it reads, or, where that goes
    on from an earlier answer, the difference, and nothing where the model has it negative. Cells of
    a batch are predicted together, each once a process.

    Example:
        >>> from surrogate_nas.benchmarks.predicted import Predicted
        >>> [name for name in Predicted().names() if Predicted().matches(name)]
        ['nb301']
    """

    cost = "seconds"
    charge = (
        "An evaluation is charged the predicted seconds of the longest training that it reads;"
        " metrics that need no training are free. Training a cell on costs the difference."
    )
    one_curve = True

    def __init__(self, name: str) -> None:
        """Take what the source says of itself; the model is opened when something is asked.

        Args:
            name: One of `surrogate_nas.tables.sources.base.predicted`.
        """
        self._source = source_of(name) or ""
        self._model = cast(Model, SOURCES.find(self._source))
        about = self._model.predicting(name)
        self.name = name
        self.title = about.title
        self.banner = about.banner
        self.source = about.source
        self.objective = about.objective
        self.network = about.network
        self.space = space_named(about.space)
        self.licence, self.citation = (
            fetching.licence(self._source),
            fetching.citation(self._source),
        )
        self._predicted = {metric.name: place for place, metric in enumerate(about.metrics)}
        self._seconds = self._predicted[about.seconds]
        self.metrics = (*about.metrics, *sizes_of(self.space, self._predicted))
        self._cached: dict[tuple[Cell, int], tuple[float, ...]] = {}

    def __reduce__(self) -> tuple[Callable[[str], PredictedBenchmark], tuple[str]]:
        return open_predicted, (self.name,)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the files that the model is, which a fetch has checked."""
        files = sorted(fetching.registry(self._source).items())
        return hashlib.sha256(f"predicted {self.name} {files}".encode()).hexdigest()

    def measure(
        self,
        cells: Sequence[Cell],
        questions: Sequence[Question],
        seed: Seed = "mean",
    ) -> Measurement:
        """Predict several metrics of several cells.

        Args:
            seed: ``"mean"``; the model knows no seeds.

        Raises:
            UserError: A seed is named, or the model cannot be run.
        """
        if seed != "mean":
            raise UserError(
                f"{self.name} predicts one value of a cell and knows no seeds, so there is no seed"
                f" {seed}."
            )
        runs = lengths_of(questions)
        rows = {epochs: self._rows(cells, epochs) for epochs in runs}
        values = np.empty((len(cells), len(questions)))
        for j, question in enumerate(questions):
            if question.epochs is None:
                values[:, j] = formula(self.space, question.metric, self.network, cells)
            else:
                values[:, j] = rows[question.epochs][:, self._predicted[question.metric]]
        cost = rows[runs[-1]][:, self._seconds] if runs else np.zeros(len(cells))
        return Measurement(values, cost)

    def _rows(self, cells: Sequence[Cell], epochs: int) -> Values:
        """All that is predicted of cells after some epochs, shape ``(n, predicted metrics)``."""
        new = [cell for cell in dict.fromkeys(cells) if (cell, epochs) not in self._cached]
        if new:
            if len(self._cached) + len(new) > _MOST_REMEMBERED:
                self._cached.clear()
                new = list(dict.fromkeys(cells))
            rows = self._model.predict(self.name, choices_of(new), epochs).tolist()
            for cell, row in zip(new, rows, strict=True):
                self._cached[cell, epochs] = tuple(row)
        cached = np.array([self._cached[cell, epochs] for cell in cells])
        return cached.reshape(-1, len(self._predicted))

    def continued(
        self,
        cell: Cell,
        since: int,
        epochs: int,
        metrics: Sequence[str] = (),  # noqa: ARG002
        *,
        seed: Seed | None = None,  # noqa: ARG002
    ) -> float:
        """The predicted seconds of the epochs in between.

        Args:
            since: The epochs that it was trained for.
            epochs: The epochs after which it is asked for, more than those.
        """
        before, after = (
            float(self._rows([cell], run)[0, self._seconds]) for run in (since, epochs)
        )
        return max(after - before, 0.0)


class Predicted(Resolver):
    """The benchmarks that sources predict."""

    def names(self) -> Iterable[str]:
        """All of them."""
        return predicted()

    def matches(self, name: str) -> bool:
        """Whether it is one of them."""
        return name in predicted()

    def runs_code(self, name: str) -> bool:
        """Whether its source is of another package, whose code predicts."""
        return source_of(name) not in SOURCES

    def open(self, name: str) -> PredictedBenchmark:
        """Open the benchmark, or return the one that this process has open."""
        source = source_of(name) or ""
        if fetching.lacks(source):
            raise AbsentError(f"{name} is not here yet: {fetching.how_to_get(source)}.")
        return open_predicted(name)

    def describe(self) -> Iterator[dict[str, Any]]:
        """Every one, here or not; no model is opened."""
        for name in self.names():
            source = source_of(name) or ""
            entry = PredictedBenchmark(name).describe()
            if fetching.lacks(source):
                entry |= {"available": False, "get": fetching.how_to_get(source)}
            yield entry


def open_predicted(name: str) -> PredictedBenchmark:
    """Open a benchmark whose files are here."""
    return _opened(name, str(home()))


@lru_cache(maxsize=8)
def _opened(name: str, folder: str) -> PredictedBenchmark:  # noqa: ARG001 - part of the cache's key
    return PredictedBenchmark(name)
