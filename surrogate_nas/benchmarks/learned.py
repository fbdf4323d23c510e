"""Benchmarks that predict: fitted surrogates, one for each metric, and the models of sources.

If the benchmark that a surrogate learned from is here, the incumbent of a search is read there
again (`LearnedBenchmark.final`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.benchmarks.base import (
    Benchmark,
    Question,
    Values,
    formula,
    lengths_of,
    sizes_of,
)
from surrogate_nas.benchmarks.sourced import Resolver, resolver_of
from surrogate_nas.benchmarks.table import modified
from surrogate_nas.core.errors import AbsentError, UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import home
from surrogate_nas.space import Cell, Enumerable, choices_of, listed, space_named
from surrogate_nas.space.network import Network
from surrogate_nas.surrogates.base import Prediction
from surrogate_nas.surrogates.storage import Fitted
from surrogate_nas.surrogates.storage import load as load_model
from surrogate_nas.tables import Seed
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import SOURCES, predicted, source_of
from surrogate_nas.tables.sources.declaration import declaration

PREFIX = "surrogate:"


class Learned(Resolver):
    """``surrogate:FILE``: files separated by commas, or a folder."""

    shape = f"{PREFIX}FILE"

    def matches(self, name: str) -> bool:
        """Whether a name begins with ``surrogate:``."""
        return name.startswith(PREFIX)

    def address(self, name: str) -> str:
        """The same with whole paths."""
        paths = (path.absolute() for path in _paths(name.removeprefix(PREFIX)))
        return PREFIX + ",".join(map(str, paths))

    def open(self, name: str) -> LearnedBenchmark:
        """Open fitted surrogates as one benchmark."""
        return open_learned(name.removeprefix(PREFIX))


def open_learned(text: str) -> LearnedBenchmark:
    """Open fitted surrogates as one benchmark."""
    named = _paths(text)
    files = (
        sorted(path.glob("*.h5")) if os.path.isdir(path) else [path] for path in named
    )
    if not (paths := tuple(chain.from_iterable(files))):
        raise UserError(f"{PREFIX}{text} names no file; snas fit makes one.")
    return _learned(paths, tuple(map(modified, paths)))


def _paths(text: str) -> list[Path]:
    return [Path(name.strip()) for name in text.split(",") if name.strip()]


@lru_cache(maxsize=8)
def _learned(paths: tuple[Path, ...], modified: tuple[int, ...]) -> LearnedBenchmark:
    return LearnedBenchmark(paths)


class LearnedBenchmark(Benchmark):
    """Answers with the predicted means of surrogates. A query costs one unit."""

    cost = "queries"
    charge = "An evaluation is charged one query; predicting takes no training."

    def __init__(self, paths: Sequence[Path]) -> None:
        """Open the files; cells are predicted when a metric is first asked for."""
        self._models: dict[Question, Fitted] = {}
        for path in paths:
            self._add(path, load_model(path))
        cards = [fitted.card for fitted in self._models.values()]
        self.name = PREFIX + ",".join(map(str, paths))
        self.space = space_named(cards[0].space)
        self.network = cards[0].network
        self.has_columns = isinstance(self.space, Enumerable)
        learned_from = " and ".join(dict.fromkeys(card.benchmark for card in cards))
        predicted = ", ".join(map(str, self._models))
        self.title = f"{predicted} predicted from cells of {learned_from}"
        self.source = f"predicted by surrogates of {learned_from}"
        self.licence = self.citation = f"that of {learned_from}"
        self.banner = (
            f"Every value here was predicted by a surrogate of {learned_from}, none was measured;"
            " found cells are read again from the truth where it is here."
        )
        n_cells = len(self.space) if isinstance(self.space, Enumerable) else -1
        by_name: dict[str, Metric] = {}
        for (name, _), fitted in self._models.items():
            epochs = tuple(lengths_of(q for q in self._models if q.metric == name))
            about: Any = {"epochs": epochs, "source": self.source, "n_cells": n_cells}
            by_name[name] = replace(fitted.card.metric, **about)
        self.metrics = (*by_name.values(), *sizes_of(self.space, by_name))
        self.objective = next((m.name for m in self.metrics if m.is_loss), "")
        self._predicted: dict[Question, Prediction] = {}
        self._cached: dict[tuple[Question, Cell], float] = {}

    def _add(self, path: Path, fitted: Fitted) -> None:
        card = fitted.card
        question = Question(card.metric.name, card.epochs)
        if card.metric.kind != "search":
            raise UserError(
                f"{path} predicts {question}, a {card.metric.kind} metric, which is never"
                " searched on."
            )
        if question in self._models:
            raise UserError(
                f"{path} predicts {question}, and so does another file; give one a metric."
            )
        spaces = {card.space, *(model.card.space for model in self._models.values())}
        if len(spaces) > 1:
            names = ", ".join(sorted(space_named(space).name for space in spaces))
            raise UserError(
                f"{path} predicts cells of another space than the files before it: {names}."
            )
        self._models[question] = fitted

    def __reduce__(self) -> tuple[Any, ...]:
        return open_learned, (self.name.removeprefix(PREFIX),)

    @property
    def identity(self) -> str:
        """The prefix alone; the files are in its fingerprint."""
        return PREFIX

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the files."""
        digests = sorted(f"{q} {fitted.digest}" for q, fitted in self._models.items())
        return hashlib.sha256(f"surrogate {digests} None".encode()).hexdigest()

    def prediction(self, metric: str, epochs: int | None = None) -> Prediction:
        """Return mean and standard deviation of every cell."""
        question = self.question(metric, epochs)
        if question not in self._models:
            raise UserError(
                f"{metric} follows from the cell alone; no file of {self.name} predicts it."
            )
        if question not in self._predicted:
            self._predicted[question] = self._models[question].model.predict(
                listed(self.space)
            )
        return self._predicted[question]

    def _check_seed(self, seed: Seed) -> None:
        if seed != "mean":
            raise UserError(f"{self.name} predicts means, so there is no seed {seed}.")

    def _whole(self, question: Question, seed: Seed) -> Values:
        self._check_seed(seed)
        if question not in self._models:
            return formula(
                self.space, question.metric, self.network, listed(self.space)
            )
        return self.prediction(*question).mean

    def _answers_to(self, question: Question, cells: Sequence[Cell], seed: Seed) -> Any:
        self._check_seed(seed)
        if question not in self._models:
            return formula(self.space, question.metric, self.network, cells)
        if self.has_columns:
            return self._column(question, seed)[[cell.index for cell in cells]]
        if new := [
            cell
            for cell in dict.fromkeys(cells)
            if (question, cell) not in self._cached
        ]:
            means = self._models[question].model.predict(new).mean.tolist()
            self._cached.update(
                zip(((question, cell) for cell in new), means, strict=True)
            )
        return [self._cached[question, cell] for cell in cells]

    @cached_property
    def truth(self) -> Benchmark | None:
        """The benchmark that every file learned from; None if it is absent, changed, or not one.

        Its name was read from a file, so nothing is opened that would run code.
        """
        cards = (fitted.card for fitted in self._models.values())
        sources = {(card.benchmark, card.fingerprint) for card in cards}
        if len(sources) > 1:
            return None
        name, fingerprint = sources.pop()
        with suppress(UserError):
            resolver = resolver_of(name)
            source = None if resolver.runs_code(name) else resolver.opened(name)
            return source if source and source.fingerprint == fingerprint else None
        return None

    def final(self, cell: Cell) -> dict[str, float | None]:
        """Return values of `truth`: predicted metrics as ``true METRIC``, and final metrics."""
        if self.truth is None:
            return {}
        values = {f"true {q}": self.truth.value_of(cell, q) for q in self._models}
        return values | self.truth.final(cell)


class PredictedBenchmark(Benchmark):
    """Answers with the predictions of a source's model along one training of every cell.

    A query costs the predicted seconds of the longest training that it reads, or the difference to
    an earlier answer. Cells of a batch are predicted together, each once a process.
    """

    cost = "seconds"
    charge = (
        "An evaluation is charged the predicted seconds of the longest training that it reads;"
        " metrics that need no training are free. Training a cell on costs the difference."
    )
    one_curve = True

    def __init__(self, name: str) -> None:
        """Describe the benchmark; the model is opened when something is asked."""
        self.name = name
        self._source = source_of(name) or ""
        self._model: Any = SOURCES.find(self._source)
        spec = declaration(self._source)
        self.title, self.objective, self.banner = (
            spec.title,
            spec.objective,
            spec.banner,
        )
        self.space = space_named(spec.space)
        self.network = Network(**spec.network)
        self.source = fetching.origin(self._source)
        self.licence = fetching.licence(self._source)
        self.citation = fetching.citation(self._source)
        columns = [
            replace(column.metric({}, self.source), epochs=tuple(range(1, last + 1)))
            for column in spec.columns
            if isinstance(last := column.epochs, int)
        ]
        self._predicted = {metric.name: i for i, metric in enumerate(columns)}
        self.metrics = (*columns, *sizes_of(self.space, self._predicted))
        self._cached: dict[tuple[Cell, int], list[float]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _predicted, (self.name, home())

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the files that the model is, which a fetch has checked."""
        files = sorted(fetching.registry(self._source).items())
        return hashlib.sha256(f"predicted {self.name} {files}".encode()).hexdigest()

    def _answers_to(
        self, question: Question, cells: Sequence[Cell], seed: Seed
    ) -> Values:
        if seed != "mean":
            raise UserError(
                f"{self.name} predicts one value of a cell and knows no seeds, so there is no seed"
                f" {seed}."
            )
        if question.epochs is None:
            return formula(self.space, question.metric, self.network, cells)
        return self._rows(cells, question.epochs)[:, self._predicted[question.metric]]

    def _charges(self, cells: Sequence[Cell], questions: Sequence[Question]) -> Values:
        runs = lengths_of(questions)
        if not runs:
            return np.zeros(len(cells))
        return self._rows(cells, runs[-1])[:, self._predicted["train_seconds"]]

    def _rows(self, cells: Sequence[Cell], epochs: int) -> Values:
        """Predict cells after some epochs, shape ``(n, predicted metrics)``."""
        if new := [c for c in dict.fromkeys(cells) if (c, epochs) not in self._cached]:
            rows = self._model.predict(self.name, choices_of(new), epochs).tolist()
            self._cached.update(zip(((c, epochs) for c in new), rows, strict=True))
        cached = np.array([self._cached[cell, epochs] for cell in cells])
        return cached.reshape(-1, len(self._predicted))

    def continued(
        self,
        cell: Cell,
        since: int,
        epochs: int,
        metrics: Sequence[str] = (),
        *,
        training_seed: Seed | None = None,
    ) -> float:
        """Return the predicted seconds from `since` to `epochs`, at least 0."""
        before, after = (
            float(self._rows([cell], run)[0, self._predicted["train_seconds"]])
            for run in (since, epochs)
        )
        return max(after - before, 0.0)


@lru_cache(maxsize=8)
def _predicted(name: str, folder: Path) -> PredictedBenchmark:
    return PredictedBenchmark(name)


class Predicted(Resolver):
    """The benchmarks that sources predict."""

    def names(self) -> Iterable[str]:
        """All of them."""
        return predicted()

    def matches(self, name: str) -> bool:
        """Whether it is one of them."""
        return name in predicted()

    def open(self, name: str) -> PredictedBenchmark:
        """Open the benchmark, or return the one that this process has open."""
        source = source_of(name) or ""
        if fetching.lacks(source):
            raise AbsentError(f"{name} is not here yet: {fetching.how_to_get(source)}.")
        return _predicted(name, home())

    def describe(self) -> Iterator[dict[str, Any]]:
        """Every one, here or not; no model is opened."""
        for name in self.names():
            source = source_of(name) or ""
            entry = PredictedBenchmark(name).describe()
            if fetching.lacks(source):
                entry |= {"available": False, "get": fetching.how_to_get(source)}
            yield entry
