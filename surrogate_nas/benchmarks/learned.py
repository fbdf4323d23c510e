"""A benchmark that predicts: fitted surrogates, one for each metric, for every cell of their space.

Every prediction is made once, for the whole space if its cells can be listed. A surrogate never has
the last word: where the benchmark that it learned from is here, the cell of a search is read there
again (`LearnedBenchmark.final`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from surrogate_nas.benchmarks.base import Benchmark, Measurement, Question, Values, formula
from surrogate_nas.benchmarks.proxies import sizes_of
from surrogate_nas.benchmarks.resolvers import Resolver, resolver_of
from surrogate_nas.benchmarks.table import modified
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.space import Cell, Enumerable, listed, space_named
from surrogate_nas.surrogates.base import Prediction
from surrogate_nas.surrogates.storage import Fitted
from surrogate_nas.surrogates.storage import load as load_model
from surrogate_nas.tables import Seed

PREFIX = "surrogate:"


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
    paths = [
        path for name in text.split(",") if name.strip() for path in _files(Path(name.strip()))
    ]
    if not paths:
        raise UserError(f"{PREFIX}{text} names no file; snas fit makes one.")
    times = tuple(modified(path) for path in paths)
    return _opened(tuple(paths), times)


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.h5")) if os.path.isdir(path) else [path]


@lru_cache(maxsize=4)
def _opened(
    paths: tuple[Path, ...],
    modified: tuple[int, ...],  # noqa: ARG001
) -> LearnedBenchmark:
    return LearnedBenchmark(paths)


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

    def __init__(self, paths: Sequence[Path]) -> None:
        """Open the files; cells are predicted when a metric is first asked for."""
        self._paths = tuple(paths)
        self._models: dict[Question, Fitted] = {}
        for path in paths:
            self._add(path, load_model(path))
        cards = [fitted.card for fitted in self._models.values()]
        self.name = PREFIX + ",".join(map(str, paths))
        self.space = space_named(cards[0].space)
        self.network = cards[0].network
        self.has_columns = isinstance(self.space, Enumerable)
        learned_from = " and ".join(dict.fromkeys(card.benchmark for card in cards))
        self.title = f"{', '.join(map(str, self._models))} predicted from cells of {learned_from}"
        self.source = f"predicted by surrogates of {learned_from}"
        self.licence = f"that of {learned_from}"
        self.citation = f"that of {learned_from}"
        self.cost = "queries"
        self.charge = "An evaluation is charged one query; predicting takes no training."
        self.banner = (
            f"Every value here was predicted by a surrogate of {learned_from}, none was measured;"
            " found cells are read again from the truth where it is here."
        )
        by_name: dict[str, Metric] = {}
        for question, fitted in self._models.items():
            before = by_name[question.metric].epochs if question.metric in by_name else ()
            epochs = () if question.epochs is None else tuple(sorted({*before, question.epochs}))
            n_cells = len(self.space) if isinstance(self.space, Enumerable) else -1
            by_name[question.metric] = replace(
                fitted.card.metric,
                epochs=epochs,
                source=self.source,
                n_cells=n_cells,
            )
        self.metrics = (
            *by_name.values(),
            *sizes_of(self.space, by_name),
        )
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

    def __reduce__(self) -> tuple[Callable[[str], LearnedBenchmark], tuple[str]]:
        return open_learned, (self.name.removeprefix(PREFIX),)

    @property
    def identity(self) -> str:
        """That it predicts; the files are in its fingerprint."""
        return PREFIX

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the files."""
        digests = sorted(f"{question} {fitted.digest}" for question, fitted in self._models.items())
        return hashlib.sha256(f"surrogate {digests} None".encode()).hexdigest()

    def prediction(self, metric: str, epochs: int | None = None) -> Prediction:
        """Mean and standard deviation of every cell."""
        question = self.question(metric, epochs)
        if question not in self._models:
            raise UserError(
                f"{metric} follows from the cell alone; no file of {self.name} predicts it."
            )
        if question not in self._predicted:
            self._predicted[question] = self._models[question].model.predict(listed(self.space))
        return self._predicted[question]

    def _check_seed(self, seed: Seed) -> None:
        if seed != "mean":
            raise UserError(f"{self.name} predicts means, so there is no seed {seed}.")

    def _whole(self, question: Question, seed: Seed) -> Values:
        self._check_seed(seed)
        if question not in self._models:
            return formula(self.space, question.metric, self.network, listed(self.space))
        return self.prediction(*question).mean

    def measure(
        self,
        cells: Sequence[Cell],
        questions: Sequence[Question],
        seed: Seed = "mean",
    ) -> Measurement:
        """Predict several metrics of several cells.

        Raises:
            UserError: A seed is named.
        """
        self._check_seed(seed)
        values = np.empty((len(cells), len(questions)))
        for j, question in enumerate(questions):
            if question not in self._models:
                values[:, j] = formula(self.space, question.metric, self.network, cells)
            elif self.has_columns:
                values[:, j] = self._column(question, seed)[[cell.index for cell in cells]]
            else:
                values[:, j] = self._of_cells(cells, question)
        return Measurement(values, np.ones(len(cells)))

    def _of_cells(self, cells: Sequence[Cell], question: Question) -> list[float]:
        """The answers for some cells of a space that cannot be listed."""
        new = [cell for cell in dict.fromkeys(cells) if (question, cell) not in self._asked]
        if new:
            means = self._models[question].model.predict(new).mean.tolist()
            self._asked.update(zip(((question, cell) for cell in new), means, strict=True))
        return [self._asked[question, cell] for cell in cells]

    @cached_property
    def truth(self) -> Benchmark | None:
        """The benchmark that every file learned from; None if it is absent, changed, or not one.

        A card's name for it was read from a file, so it opens nothing that would run code.
        """
        sources = {
            (fitted.card.benchmark, fitted.card.fingerprint) for fitted in self._models.values()
        }
        if len(sources) > 1:
            return None
        name, fingerprint = sources.pop()
        try:
            resolver = resolver_of(name)
            source = None if resolver.runs_code(name) else resolver.opened(name)
        except UserError:
            return None
        if source is None:
            return None
        return source if source.fingerprint == fingerprint else None

    def final(self, cell: Cell) -> dict[str, float | None]:
        """The truth's values of a cell: predicted metrics as ``true METRIC``, and final metrics.

        Returns:
            Nothing where the truth is not here; None for what it lacks for this cell.
        """
        if self.truth is None:
            return {}
        if self.truth.has_columns:
            place = listed(self.space).index(cell)
            values = {f"true {q}": float(self.truth.column(*q)[place]) for q in self._models}
        else:
            values = {
                f"true {q}": float(self.truth.query(cell, q.metric, epochs=q.epochs))
                for q in self._models
            }
        return {
            name: value if np.isfinite(value) else None for name, value in values.items()
        } | self.truth.final(cell)
