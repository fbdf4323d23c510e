"""Benchmarks that predict: fitted surrogates, one for each metric, and the models of sources.

Every prediction is made once, for the whole space if its cells can be listed. A surrogate never has
the last word: where the benchmark that it learned from is here, the cell of a search is read there
again (`LearnedBenchmark.final`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from surrogate_nas.benchmarks.base import (
    Benchmark,
    Question,
    Values,
    formula,
    lengths_of,
)
from surrogate_nas.benchmarks.proxies import sizes_of
from surrogate_nas.benchmarks.resolvers import Resolver, resolver_of
from surrogate_nas.benchmarks.table import modified
from surrogate_nas.core.errors import AbsentError, UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import home
from surrogate_nas.space import Cell, Enumerable, choices_of, listed, space_named
from surrogate_nas.surrogates.base import Prediction
from surrogate_nas.surrogates.storage import Fitted
from surrogate_nas.surrogates.storage import load as load_model
from surrogate_nas.tables import Seed
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import SOURCES, Model, predicted, source_of

PREFIX = "surrogate:"
B = TypeVar("B", bound=Benchmark)


class Learned(Resolver):
    """``surrogate:FILE``: files separated by commas, or a folder."""

    shape = f"{PREFIX}FILE"

    def matches(self, name: str) -> bool:
        """Whether a name begins with ``surrogate:``."""
        return name.startswith(PREFIX)

    def address(self, name: str) -> str:
        """The same with whole paths."""
        names = name.removeprefix(PREFIX).split(",")
        paths = [str(Path(part.strip()).absolute()) for part in names if part.strip()]
        return PREFIX + ",".join(paths)

    def open(self, name: str) -> LearnedBenchmark:
        """Open fitted surrogates as one benchmark."""
        return open_learned(name.removeprefix(PREFIX))


def open_learned(text: str) -> LearnedBenchmark:
    """Open fitted surrogates as one benchmark."""
    named = [Path(name.strip()) for name in text.split(",") if name.strip()]
    files = (sorted(path.glob("*.h5")) if os.path.isdir(path) else [path] for path in named)
    if not (paths := tuple(chain.from_iterable(files))):
        raise UserError(f"{PREFIX}{text} names no file; snas fit makes one.")
    bench: LearnedBenchmark = _once(LearnedBenchmark, paths, tuple(map(modified, paths)))
    return bench


@lru_cache(maxsize=8)
def _once(make: Callable[[Any], B], given: Hashable, version: Hashable) -> B:
    return make(given)


class LearnedBenchmark(Benchmark):
    """Answers with the predicted means of surrogates. A query costs one unit.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import surrogate_nas as sn
        >>> from surrogate_nas.surrogates import make_model
        >>> from surrogate_nas.surrogates.storage import Card, save
        >>> bench = sn.load("fashion")
        >>> model = make_model("ridge", "loss").fit(
        ...     bench.space[::150], bench.column("valid_loss")[::150]
        ... )
        >>> about = (
        ...     bench.fingerprint,
        ...     "nb201",
        ...     bench.metric("valid_loss"),
        ...     5,
        ...     bench.network,
        ...     "random",
        ...     0,
        ...     105,
        ...     0,
        ...     {},
        ... )
        >>> card = Card("ridge", "fashion", *about)
        >>> with TemporaryDirectory() as folder:
        ...     save(model, card, np.arange(0, 15625, 150), Path(folder) / "model.h5")
        ...     found = sn.search(
        ...         f"surrogate:{folder}/model.h5", "evolution", "valid_loss", budget=100
        ...     )
        >>> bool(
        ...     bench.query(found.incumbent.cell, "valid_loss")
        ...     < np.median(bench.column("valid_loss"))
        ... )
        True
    """

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
        self.title = (
            f"{', '.join(map(str, self._models))} predicted from cells of {learned_from}"
        )
        self.source = f"predicted by surrogates of {learned_from}"
        self.licence = self.citation = f"that of {learned_from}"
        self.banner = (
            f"Every value here was predicted by a surrogate of {learned_from}, none was measured;"
            " found cells are read again from the truth where it is here."
        )
        n_cells = len(self.space) if isinstance(self.space, Enumerable) else -1
        by_name: dict[str, Metric] = {}
        for (name, _), fitted in self._models.items():
            epochs = tuple(
                sorted(q.epochs for q in self._models if q.metric == name and q.epochs)
            )
            by_name[name] = replace(
                fitted.card.metric, epochs=epochs, source=self.source, n_cells=n_cells
            )
        self.metrics = (*by_name.values(), *sizes_of(self.space, by_name))
        self.objective = next((m.name for m in self.metrics if m.is_loss), "")
        self._predicted: dict[Question, Prediction] = {}
        self._asked: dict[tuple[Question, Cell], float] = {}

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
        spaces = {card.space, *(other.card.space for other in self._models.values())}
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
        """That it predicts; the files are in its fingerprint."""
        return PREFIX

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the files."""
        digests = sorted(
            f"{question} {fitted.digest}" for question, fitted in self._models.items()
        )
        return hashlib.sha256(f"surrogate {digests} None".encode()).hexdigest()

    def prediction(self, metric: str, epochs: int | None = None) -> Prediction:
        """Mean and standard deviation of every cell."""
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
            return formula(self.space, question.metric, self.network, listed(self.space))
        return self.prediction(*question).mean

    def _answers_to(self, question: Question, cells: Sequence[Cell], seed: Seed) -> Any:
        self._check_seed(seed)
        if question not in self._models:
            return formula(self.space, question.metric, self.network, cells)
        if self.has_columns:
            return self._column(question, seed)[[cell.index for cell in cells]]
        if new := [
            cell for cell in dict.fromkeys(cells) if (question, cell) not in self._asked
        ]:
            means = self._models[question].model.predict(new).mean.tolist()
            self._asked.update(zip(((question, cell) for cell in new), means, strict=True))
        return [self._asked[question, cell] for cell in cells]

    @cached_property
    def truth(self) -> Benchmark | None:
        """The benchmark that every file learned from; None if it is absent, changed, or not one.

        A card's name for it was read from a file, so it opens nothing that would run code.
        """
        sources = {
            (fitted.card.benchmark, fitted.card.fingerprint)
            for fitted in self._models.values()
        }
        if len(sources) > 1:
            return None
        name, fingerprint = sources.pop()
        with suppress(UserError):
            resolver = resolver_of(name)
            source = None if resolver.runs_code(name) else resolver.opened(name)
            return source if source and source.fingerprint == fingerprint else None
        return None

    def final(self, cell: Cell) -> dict[str, float | None]:
        """The truth's values of a cell: predicted metrics as ``true METRIC``, and final metrics.

        Returns:
            Nothing where the truth is not here; None for what it lacks for this cell.
        """
        if self.truth is None:
            return {}
        values = {f"true {q}": self.truth.value_of(cell, q) for q in self._models}
        return values | self.truth.final(cell)


_MOST_REMEMBERED = 1 << 18


class PredictedBenchmark(Benchmark):
    """Answers what a source's model predicts along one training of every cell.

    A query costs the predicted seconds of the longest training that it reads, or, where that goes
    on from an earlier answer, the difference, and nothing where the model has it negative. Cells of
    a batch are predicted together, each once a process.

    Example:
        >>> from surrogate_nas.benchmarks.learned import Predicted
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
        told = ("name", "title", "banner", "source", "objective", "network")
        vars(self).update({what: getattr(about, what) for what in told})
        self.space = space_named(about.space)
        self.licence = fetching.licence(self._source)
        self.citation = fetching.citation(self._source)
        self._predicted = {metric.name: place for place, metric in enumerate(about.metrics)}
        self._seconds = self._predicted[about.seconds]
        self.metrics = (*about.metrics, *sizes_of(self.space, self._predicted))
        self._cached: dict[tuple[Cell, int], tuple[float, ...]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _once, (PredictedBenchmark, self.name, home())

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the files that the model is, which a fetch has checked."""
        files = sorted(fetching.registry(self._source).items())
        return hashlib.sha256(f"predicted {self.name} {files}".encode()).hexdigest()

    def _answers_to(self, question: Question, cells: Sequence[Cell], seed: Seed) -> Values:
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
        return (
            self._rows(cells, runs[-1])[:, self._seconds] if runs else np.zeros(len(cells))
        )

    def _rows(self, cells: Sequence[Cell], epochs: int) -> Values:
        """All that is predicted of cells after some epochs, shape ``(n, predicted metrics)``."""
        if new := [
            cell for cell in dict.fromkeys(cells) if (cell, epochs) not in self._cached
        ]:
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
        metrics: Sequence[str] = (),
        *,
        seed: Seed | None = None,
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
        bench: PredictedBenchmark = _once(PredictedBenchmark, name, home())
        return bench

    def describe(self) -> Iterator[dict[str, Any]]:
        """Every one, here or not; no model is opened."""
        for name in self.names():
            source = source_of(name) or ""
            entry = PredictedBenchmark(name).describe()
            if fetching.lacks(source):
                entry |= {"available": False, "get": fetching.how_to_get(source)}
            yield entry
