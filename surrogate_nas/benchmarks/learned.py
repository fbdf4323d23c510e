"""Surrogate models with an interface like scikit-learn's, and benchmarks whose values such models
predict.

`Surrogate` has the interface of scikit-learn's regressors, but its inputs are cells instead of
feature matrices.

A search on a surrogate's benchmark also looks up the incumbent in the benchmark that the surrogate
was trained on, if available (`LearnedBenchmark.final`).
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.base import (
    Benchmark,
    CellLike,
    Question,
    Values,
    formula,
    lengths_of,
    sizes_of,
)
from surrogate_nas.benchmarks.sourced import Resolver, resolver_of
from surrogate_nas.benchmarks.table import modified
from surrogate_nas.core import AbsentError, Metric, Quantity, UserError, parse_reference
from surrogate_nas.files import home
from surrogate_nas.space import (
    Cell,
    Enumerable,
    Network,
    Space,
    cells_given,
    choices_of,
    listed,
    space_named,
)
from surrogate_nas.surrogates import Model, storage
from surrogate_nas.surrogates.base import (
    LARGER_IS_BETTER,
    Floats,
    Prediction,
    check_values,
    is_sequence,
    make_model,
)
from surrogate_nas.surrogates.evaluation import scores_of
from surrogate_nas.tables import Seed
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import SOURCES, predicted, source_of
from surrogate_nas.tables.sources.declaration import declaration

PREFIX = "surrogate:"
Cells: TypeAlias = Iterable[CellLike]
"""Cells, their texts, or indices of a space that can be listed; also an array or a Series."""


class Surrogate:
    """A model that learns one metric from some cells and predicts the metric for other cells.

    A surrogate has the methods of scikit-learn's regressors, and works with ``clone``,
    ``cross_val_score`` and grid search. Instead of rows of features, the methods take cells: a
    list, array or Series of cells, of their texts, or of their indices in the space.

    Attributes:
        model_: The fitted model, which `Surrogate.fit` sets.
        n_cells_: The number of cells that the model was fitted on, which `Surrogate.fit` sets.
        card: A record of the benchmark, metric and epochs that the model learned; None after
            ``fit(cells, y)``.

    Example:
        >>> import surrogate_nas as sn
        >>> cells = range(0, 15625, 150)
        >>> model = sn.Surrogate("ridge").fit("fashion", "valid_error", cells)
        >>> model
        <Surrogate ridge of valid_error: 105 cells>
        >>> mean, std = model.predict([11, 12], return_std=True)
        >>> mean.shape, bool(model.score("fashion") > 0.5)
        ((2,), True)
    """

    model_: Model
    n_cells_: int
    _indices: NDArray[np.int64]

    def __init__(
        self,
        model: str = "xgboost",
        *,
        quantity: Quantity | None = None,
        seed: int = 0,
        calibrate: bool = True,
        **options: Any,
    ) -> None:
        """Choose the model and its options, without fitting it.

        Args:
            model: A name as ``snas fit --model`` takes it, such as ``xgboost``, ``gnn``,
                ``gp(warp=True)``, ``sklearn:MODULE:CLASS`` or ``FILE.py:CLASS``.
            quantity: The quantity of y in ``fit(cells, y)``, which decides its transformation:
                ``error`` (%), ``loss``, ``quality``, ``cost``; None to learn y untransformed. With
                a benchmark, its metric determines the quantity.
            seed: The root of the model's randomness.
            calibrate: Whether to calibrate the standard deviation on held-out cells.
            options: Options of the model, such as ``loss="warp"`` of ``gnn``.

        Raises:
            UserError: There is no such model, or an option is unknown or invalid.
        """
        own = {"quantity": quantity, "seed": seed, "calibrate": calibrate}
        self._params: dict[str, Any] = {"model": model, **own, **options}
        self.card: storage.Card | None = None
        self._make(quantity)

    def _make(self, quantity: Quantity | None) -> Model:
        params = self._params | {"quantity": quantity or "undeclared"}
        return make_model(params.pop("model"), **params)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments of the constructor by name, including the model's options."""
        return {**self._params}

    def set_params(self, **params: Any) -> Self:
        """Change some arguments of the constructor, and return the surrogate. After a change, the
        model must be fitted again.

        Raises:
            UserError: There is no model with this name, or an option is unknown or invalid.
        """
        self._params = type(self)(**self._params | params)._params
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.base import BaseEstimator, RegressorMixin

        return type("Tagged", (RegressorMixin, BaseEstimator), {})().__sklearn_tags__()

    def fit(
        self,
        data: Benchmark | str | Cells,
        target: str | Sequence[float] | NDArray[Any],
        cells: Cells | None = None,
        *,
        epochs: int | None = None,
        training_seed: Seed | None = None,
        space: Space | None = None,
    ) -> Self:
        """Fit the model by ``fit(benchmark, metric, cells)`` or ``fit(cells, y)``, and return the
        surrogate.

        The result of an earlier fit is discarded.

        Args:
            data: A benchmark, the name of a benchmark, or a sequence of cells to learn from.
            target: The name of a metric if `data` is a benchmark. If `data` is a sequence of cells,
                one finite value per cell, shape ``(n,)``.
            cells: The cells of the benchmark to learn from; None for all cells of a table that have
                a value.
            epochs: The training length in epochs; None for the metric's longest training.
            training_seed: A training seed; None for the benchmark's default seed.
            space: The search space of the cells in ``fit(cells, y)``; None to find it among the
                registered spaces. The space is required if cells are given by their indices.

        Raises:
            UserError: A cell, metric or value is not available, or the model cannot learn the
                values.
        """
        benchmark, card, quantity = _opened(data), None, self._params["quantity"]
        if benchmark is not None:
            question = benchmark.question(target, epochs)  # type: ignore[arg-type]
            metric = benchmark.metric(question.metric)
            data, target = _asked(benchmark, question, cells, training_seed)
            space, quantity = benchmark.space, metric.quantity
            card = storage.Card(
                model=parse_reference(self._params["model"], "model")[0],
                benchmark=benchmark.address or benchmark.name,
                fingerprint=benchmark.fingerprint,
                space=space.definition,
                metric=metric,
                epochs=question.epochs,
                network=benchmark.network,
                split="random",
                seed=self._params["seed"],
                n_train=len(data),
                n_test=0,
                scores={},
            )
        self.model_ = self._make(quantity).fit(data, target, space)  # type: ignore[arg-type]
        self.card, self.n_cells_ = card, len(target)
        given: Any = data
        self._indices = np.array([getattr(cell, "index", -1) for cell in given])
        return self

    @overload
    def predict(self, cells: Cells, return_std: Literal[False] = ...) -> Floats: ...

    @overload
    def predict(self, cells: Cells, return_std: Literal[True]) -> Prediction: ...

    def predict(self, cells: Cells, return_std: bool = False) -> Floats | Prediction:
        """Predict the learned metric for some cells. The predictions have the metric's unit and the
        shape ``(n,)``.

        Args:
            cells: Cells of the space that the model was fitted on.
            return_std: Whether to return a pair ``(mean, std)`` with the predicted standard
                deviations. If the model was created with ``calibrate=True``, the interval
                ``mean ± 1.645 std`` is calibrated to contain 90 % of new cells.

        Raises:
            UserError: The model is not fitted, or a cell belongs to another space.
        """
        prediction = self._fitted().predict(cells)  # type: ignore[arg-type]
        return prediction if return_std else prediction.mean

    def _fitted(self) -> Model:
        return vars(self).get("model_") or self._make(None)  # whose error says it

    def score(
        self,
        data: Benchmark | str | Cells,
        target: Any = None,
        *,
        training_seed: Seed | None = None,
    ) -> float:
        """Return Kendall's τ (b) between predictions and true values: 1 for the right order, 0 at
        chance level.

        Args:
            data: A benchmark for ``score(benchmark, cells)``, or a sequence of cells for
                ``score(cells, y)``. With a benchmark, the model is scored on the metric that it was
                fitted to.
            target: The benchmark's cells, by default all cells of a table except the training
                cells; or the true values y, shape ``(n,)``.
            training_seed: A training seed; None for the benchmark's default seed.

        Raises:
            UserError: The model is not fitted, or a cell or value is not available.
        """
        return self.scores(data, target, training_seed=training_seed)["kendall"]

    def scores(
        self,
        data: Benchmark | str | Cells,
        target: Any = None,
        *,
        training_seed: Seed | None = None,
    ) -> dict[str, float]:
        """Return all measures of prediction quality by name. The arguments of this method are those
        of `Surrogate.score`.

        Returns:
            The scores include Kendall's τ (also among the better half and the best quarter of the
            cells), Spearman's ρ, R², MAE and the coverage of the 90 % interval.
            `surrogate_nas.surrogates.evaluation.scores_of` lists all of them.
        """
        benchmark = _opened(data)
        if benchmark is not None:
            if self.card is None:
                raise UserError(
                    f"{self!r} was not fitted to a metric of a benchmark: use score(cells, y)."
                )
            question = benchmark.question(self.card.metric.name, self.card.epochs)
            data, target = _asked(
                benchmark, question, target, training_seed, self._indices
            )
        mean, std = self._fitted().predict(data)  # type: ignore[arg-type]
        truth = check_values(target, len(mean))
        if not np.isfinite(truth).all():
            raise UserError("A value of y is not finite.")
        sign = -1 if self.model_.quantity in LARGER_IS_BETTER else 1
        return scores_of(sign * truth, Prediction(sign * mean, std))

    def save(self, path: str | Path) -> None:
        """Write the fitted model to a file that `Surrogate.load` and the benchmark
        ``surrogate:FILE`` can read.

        Raises:
            UserError: The model was not fitted to a benchmark's metric, the model is user-defined,
                or the file cannot be written.
        """
        if self.card is None:
            raise UserError(
                f"{self!r} was not fitted to a metric of a benchmark, which a file must name: use"
                " fit(benchmark, metric, cells), or pickle it."
            )
        in_order = self._indices[self._indices >= 0]
        storage.save(self.model_, self.card, in_order, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a surrogate from a file that `Surrogate.save` or ``snas fit`` wrote.

        Raises:
            UserError: The file is missing or damaged, or has another version of the format.
        """
        fitted = storage.load(Path(path))
        surrogate = cls(fitted.card.model, **fitted.model.settings())
        surrogate.model_, surrogate.card = fitted.model, fitted.card
        surrogate.n_cells_ = fitted.card.n_train
        surrogate._indices = fitted.train_cells
        return surrogate

    def __repr__(self) -> str:
        learned = f" of {self.card.metric.name}" if self.card else ""
        n = vars(self).get("n_cells_")
        how = "not fitted" if n is None else f"{n:,} cells"
        return f"<Surrogate {self._params['model']}{learned}: {how}>"


def _opened(data: Any) -> Benchmark | None:
    benchmark = resolver_of(data).opened(data) if isinstance(data, str) else data
    return benchmark if isinstance(benchmark, Benchmark) else None


def _asked(
    benchmark: Benchmark,
    question: Question,
    cells: Any,
    seed: Seed | None,
    but: NDArray[np.int64] | None = None,
) -> tuple[list[Cell], Floats]:
    """Return cells of a benchmark and their values, shape ``(n,)``; None for all with a value."""
    if cells is None:
        known = np.isfinite(benchmark.column(*question, training_seed=seed))
        known[[] if but is None else but] = False
        cells = np.flatnonzero(known)
    if not is_sequence(cells):
        raise UserError(
            f"The cells must be a list of cells or indices, not {cells!r:.80}."
        )
    named = cells_given(benchmark.space, cells)
    seed = benchmark.default_seed if seed is None else seed
    return named, benchmark.measure(named, (question,), seed).values[:, 0]


class Learned(Resolver):
    """The resolver of names ``surrogate:FILE``. ``FILE`` is a surrogate's file, several files
    separated by commas, or a folder.
    """

    shape = f"{PREFIX}FILE"

    def matches(self, name: str) -> bool:
        """Return whether a name begins with ``surrogate:``."""
        return name.startswith(PREFIX)

    def address(self, name: str) -> str:
        """Return the benchmark's name with absolute paths."""
        paths = (path.absolute() for path in _paths(name.removeprefix(PREFIX)))
        return PREFIX + ",".join(map(str, paths))

    def open(self, name: str) -> "LearnedBenchmark":
        """Open the files of fitted surrogates that a name lists as one benchmark."""
        return open_learned(name.removeprefix(PREFIX))


def open_learned(text: str) -> "LearnedBenchmark":
    """Open the files of fitted surrogates as one benchmark."""
    named = _paths(text)
    files = (
        sorted(path.glob("*.h5")) if os.path.isdir(path) else [path] for path in named
    )
    if not (paths := tuple(chain.from_iterable(files))):
        raise UserError(f"{PREFIX}{text} names no file; snas fit creates one.")
    return _learned(paths, tuple(map(modified, paths)))


def _paths(text: str) -> list[Path]:
    return [Path(name.strip()) for name in text.split(",") if name.strip()]


@lru_cache(maxsize=8)
def _learned(paths: tuple[Path, ...], modified: tuple[int, ...]) -> "LearnedBenchmark":
    return LearnedBenchmark(paths)


class LearnedBenchmark(Benchmark):
    """A benchmark whose values are the mean predictions of fitted surrogates. A query of a
    surrogate costs one unit.
    """

    cost_unit = "queries"
    charge = "An evaluation is charged one query; predicting takes no training."

    def __init__(self, paths: Sequence[Path]) -> None:
        """Open the files. Cells are predicted when a metric is first requested."""
        self._models: dict[Question, storage.Fitted] = {}
        for path in paths:
            self._add(path, storage.load(path))
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
            f"Every value was predicted by a surrogate of {learned_from}; none was measured. The"
            " cells that a search finds are looked up in the true benchmark if it is available."
        )
        n_cells = len(self.space) if isinstance(self.space, Enumerable) else -1
        by_name: dict[str, Metric] = {}
        for (name, _), fitted in self._models.items():
            epochs = tuple(lengths_of(q for q in self._models if q.metric == name))
            about: Any = {"epochs": epochs, "source": self.source, "n_cells": n_cells}
            by_name[name] = replace(fitted.card.metric, **about)
        self.metrics = (*by_name.values(), *sizes_of(self.space, by_name))
        self.objective = next((m.name for m in self.metrics if m.is_loss), "")
        self._cached: dict[tuple[Question, Cell], float] = {}

    def _add(self, path: Path, fitted: storage.Fitted) -> None:
        card = fitted.card
        question = Question(card.metric.name, card.epochs)
        if card.metric.kind != "search":
            raise UserError(
                f"{path} predicts {question}, a {card.metric.kind} metric, which is never"
                " used in a search."
            )
        if question in self._models:
            raise UserError(
                f"{path} predicts {question}, and so does another file; give one file per metric."
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
        """The prefix alone. The fingerprint covers the surrogates' files."""
        return PREFIX

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the surrogates' files."""
        digests = sorted(f"{q} {fitted.digest}" for q, fitted in self._models.items())
        return hashlib.sha256(f"surrogate {digests} None".encode()).hexdigest()

    def _check_seed(self, seed: Seed) -> None:
        if seed != "mean":
            raise UserError(f"{self.name} predicts means, so there is no seed {seed}.")

    def _whole(self, question: Question, seed: Seed) -> Values:
        self._check_seed(seed)
        if question not in self._models:
            return formula(
                self.space, question.metric, self.network, listed(self.space)
            )
        return self._models[question].model.predict(listed(self.space)).mean

    def _answers_to(self, question: Question, cells: Any, seed: Seed) -> Any:
        self._check_seed(seed)
        if question not in self._models:
            return formula(self.space, question.metric, self.network, cells)
        if self.has_columns:
            column = self._column(question, seed)
            return column if cells is self.space else column[[c.index for c in cells]]
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
        """The benchmark that all surrogates were fitted on, or None if there is no such benchmark.

        The property is None if the surrogates' benchmark is missing or has changed, or if they were
        fitted on several benchmarks. The benchmark's name was read from a file, so a benchmark that
        would run code is not opened.
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
        """Return true values of a cell from the benchmark `truth`: predicted metrics under the name
        ``true METRIC``, and final metrics.
        """
        if self.truth is None:
            return {}
        return {
            **{f"true {q}": self.truth.value_of(cell, q) for q in self._models},
            **self.truth.final(cell),
        }


class PredictedBenchmark(Benchmark):
    """A benchmark whose values are predicted by a published model, as points of one training per
    cell.

    A query costs the predicted seconds of the longest training that it reads. For a continued
    training, a query costs the difference. The cells of a batch are predicted together, and each
    cell only once per process.
    """

    cost_unit = "seconds"
    charge = (
        "An evaluation is charged the predicted seconds of the longest training that it reads;"
        " metrics that need no training are free. Continuing a training costs the difference."
    )
    one_curve = True

    def __init__(self, name: str) -> None:
        """Describe the benchmark. The model is opened when a value is first requested."""
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
        """A digest of the published model's files, which were verified when they were fetched."""
        files = sorted(fetching.registry(self._source).items())
        return hashlib.sha256(f"predicted {self.name} {files}".encode()).hexdigest()

    def _answers_to(
        self, question: Question, cells: Sequence[Cell], seed: Seed
    ) -> Values:
        if seed != "mean":
            raise UserError(
                f"{self.name} predicts one value per cell and has no seeds, so there is no seed"
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
        """Predict cells after a number of epochs, shape ``(n, predicted metrics)``."""
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
        """Return the predicted seconds of training from `since` to `epochs`, at least 0."""
        before, after = (
            float(self._rows([cell], run)[0, self._predicted["train_seconds"]])
            for run in (since, epochs)
        )
        return max(after - before, 0.0)


@lru_cache(maxsize=8)
def _predicted(name: str, folder: Path) -> PredictedBenchmark:
    return PredictedBenchmark(name)


class Predicted(Resolver):
    """The resolver of benchmarks whose values a published model predicts."""

    def names(self) -> Iterable[str]:
        """Return the names of all benchmarks with a published model."""
        return predicted()

    def matches(self, name: str) -> bool:
        """Return whether a name is that of a benchmark with a published model."""
        return name in predicted()

    def open(self, name: str) -> PredictedBenchmark:
        """Open a benchmark with a published model, or return it if this process has opened it
        before.
        """
        source = source_of(name) or ""
        if fetching.lacks(source):
            raise AbsentError(
                f"{name} is not on this machine yet: {fetching.how_to_get(source)}."
            )
        return _predicted(name, home())

    def describe(self) -> Iterator[dict[str, Any]]:
        """Describe all benchmarks with a published model, available or not, without loading a
        model.
        """
        for name in self.names():
            source = source_of(name) or ""
            entry = PredictedBenchmark(name).describe()
            if fetching.lacks(source):
                entry |= {"available": False, "get": fetching.how_to_get(source)}
            yield entry
