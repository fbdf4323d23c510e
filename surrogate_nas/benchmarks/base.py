"""The interface of benchmarks. A benchmark returns metrics of cells for given epochs and training
seeds, with their costs.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from numbers import Integral
from pathlib import Path
from typing import (
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    SupportsFloat,
    TypeAlias,
    TypedDict,
    Unpack,
    overload,
)

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.reading import FilesRead
from surrogate_nas.core import (
    Direction,
    Metric,
    UserError,
    former,
    renamed,
    undeclared_units,
    unknown,
)
from surrogate_nas.files import shipped
from surrogate_nas.space import Cell, Enumerable, Network, Space, choices_of, listed
from surrogate_nas.space.base import Analytic, cell_given, cells_given
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.product import ChoiceSpace
from surrogate_nas.tables import ColumnKey, Contents, Run, Seed, TableFile

SeedPolicy = Literal["mean", "draw"]
"""The value of a cell with several training seeds in a search: mean, or one seed at random."""
Values: TypeAlias = NDArray[np.float64]
"""Values in their metric's unit, of any shape."""
Free = Callable[[Sequence[Cell]], Values]
"""A function from cells to values of a metric without training, shape ``(n,)``; NaN if missing."""


def lengths_of(questions: "Iterable[Question]") -> list[int]:
    """Return the training lengths, in epochs, that several `Question` objects name, in increasing
    order.
    """
    return sorted({q.epochs for q in questions if q.epochs is not None})


@lru_cache(maxsize=32)
def untrained(space: Space) -> Analytic:
    """Return the metrics of a space that need no training: sizes and shipped zero-cost proxies.

    ``data/proxies-SPACE.h5`` contains proxies of all cells of a space (``make proxies``). Proxies
    belong to the space, not to a benchmark, so a benchmark's fingerprint does not cover them. The
    fingerprint of an objective that uses a proxy includes the digest of the proxy's data.
    """
    proxies = {} if (file := _proxies(space)) is None else file.metrics
    stored = {
        name: (metric, partial(_stored, space.name, name))
        for name, metric in proxies.items()
    }
    return {**space.analytic, **stored}


def sizes_of(space: Space, measured: Container[str] = ()) -> list[Metric]:
    """Return the metrics of a space that need no training, except the metrics that `measured`
    names.
    """
    return [
        metric for metric, _ in untrained(space).values() if metric.name not in measured
    ]


def digest_of(space: Space, metric: str) -> str:
    """Return the digest of a zero-cost proxy's data, or an empty text for any other metric."""
    file = _proxies(space)
    return file.digest if file is not None and metric in file.metrics else ""


def _stored(space: str, metric: str, choices: Choices, network: Network) -> Values:
    """Look up a proxy by choices."""
    values, shape = _by_code(space, metric)
    return np.asarray(values[_code(choices, shape)])


@lru_cache(maxsize=32)
def _by_code(name: str, metric: str) -> tuple[Values, tuple[int, ...]]:
    """Return a column indexed by the code of a cell's choices, and the choices per position."""
    file = _file(name)
    space: Any = file.cells
    shape = tuple(map(len, space.options))
    values = np.full(math.prod(shape), np.nan)
    values[_code(space.choices, shape)] = file.column(ColumnKey(metric, None, "mean"))
    return values, shape


def _code(choices: Choices, shape: tuple[int, ...]) -> NDArray[np.intp]:
    columns = np.asarray(choices, dtype=np.intp).T
    return np.asarray(np.ravel_multi_index(tuple(columns), shape))


def _proxies(space: Space) -> TableFile | None:
    """Return the shipped proxies of a space, or None."""
    is_choice = isinstance(space, ChoiceSpace)
    if not is_choice or not shipped(f"proxies-{space.name}.h5").is_file():
        return None
    file = _file(space.name)
    return file if file.cells.definition == space.definition else None


@lru_cache(maxsize=8)
def _file(space: str) -> TableFile:
    return TableFile(shipped(f"proxies-{space}.h5"))


def formula(
    space: Space, metric: str, network: Network, cells: Sequence[Cell]
) -> Values:
    """Compute, for several cells, a metric that needs no training. Return an array of shape
    ``(n,)``.
    """
    return untrained(space)[metric][1](choices_of(cells), network)


def _looked_up(space: Enumerable, column: Values, cells: Sequence[Cell]) -> Values:
    return column if cells is space else column[[space.index(cell) for cell in cells]]


def applied(function: Callable[[Cell], SupportsFloat], cells: Sequence[Cell]) -> Values:
    """Apply a user's function of one cell to each of several cells, and return an array of shape
    ``(n,)``.
    """
    return np.array([function(cell) for cell in cells], dtype=np.float64)


class Question(NamedTuple):
    """A metric and its training length in epochs. The length is None if the metric does not depend
    on training.

    Example:
        >>> str(Question("valid_error", 12)), str(Question("params", None))
        ('valid_error[12]', 'params')
    """

    metric: str
    epochs: int | None

    def __str__(self) -> str:
        return self.metric if self.epochs is None else f"{self.metric}[{self.epochs}]"


class Measurement(NamedTuple):
    """The values and costs that a benchmark returns for a batch of cells.

    Attributes:
        values: The value of each cell (row) for each `Question` (column), in the metric's unit,
            shape ``(n, m)``.
        cost: The cost of each cell that is counted against the budget, shape ``(n,)``, in
            `Benchmark.cost_unit`.
    """

    values: Values
    cost: Values


class Answer(float):
    """The value of a metric for a cell. The value behaves as a float, and also stores its origin.

    Attributes:
        cell: The evaluated cell.
        metric: The metric's name.
        unit: The unit of the value.
        source: The origin of the value, as a text.
        epochs: The training length in epochs, or None if the metric does not depend on training.
        training_seed: The training seed, ``"mean"`` for a mean over seeds, or None without
            training.
        n_seeds: The number of training seeds over which the value is averaged; None if the source
            does not report this number.

    Example:
        >>> import surrogate_nas as sn
        >>> answer = sn.load("fashion").query(11, "params")
        >>> answer.value, answer.unit, answer.epochs, answer / 1000
        (37746.0, 'parameters', None, 37.746)
    """

    cell: Cell
    metric: str
    epochs: int | None
    training_seed: Seed | None
    unit: str
    source: str
    n_seeds: int | None
    seed = former("seed", "training_seed")

    @property
    def value(self) -> float:
        """The metric's value as a plain float."""
        return float(self)

    def to_json(self) -> dict[str, Any]:
        """Return the answer as a JSON object."""
        about = (
            "metric",
            "epochs",
            "training_seed",
            "value",
            "unit",
            "source",
            "n_seeds",
        )
        return {"cell": str(self.cell), **{name: getattr(self, name) for name in about}}


CellLike: TypeAlias = Cell | str | int | np.integer[Any]
"""A cell, its printed text, or its index in a space that can be listed."""


class _How(TypedDict, total=False):
    epochs: int | None
    training_seed: Seed | None


class Benchmark(ABC):
    """The base class of benchmarks. A benchmark returns metrics of the cells of a search space.

    Subclasses of `Benchmark` set its attributes and define `measure`, `n_seeds` and `fingerprint`.

    Attributes:
        name: The name with which `surrogate_nas.load` opens the benchmark.
        title: A description of the benchmark in one line.
        space: The search space of the benchmark's cells.
        metrics: The metrics that the benchmark has for its cells.
        network: The macro architecture from which `params` and `macs` are computed.
        cost_unit: The unit of costs: ``seconds``, or ``queries`` if every query costs one unit.
        charge: A sentence for reports that describes the cost of an evaluation.
        objective: The benchmark's default objective, as an expression.
        banner: A warning that every report about the benchmark must show, or empty.
        source: The origin of the values.
        licence: The licence of the values.
        citation: The publication to cite for the values.
        default_seed: The training seed that is used if the caller names none: ``"mean"`` for the
            mean over seeds, or the seed of a training.
        seed_policy: The default value of a cell in a search: ``mean`` for the value under
            `default_seed`, or ``draw`` for one training seed per cell.
        has_columns: Whether the values of all cells exist in advance, so that `column` works.
        joined: Absolute paths of the files whose metrics were added to the benchmark.
        address: The name with which `surrogate_nas.load` opens the benchmark again. A path in the
            name is absolute.
        backend: The name of the training engine and its arithmetic on this machine, or empty for a
            table. Results of two training engines are never mixed.
        one_by_one: Whether a cell is trained or computed only when its value is requested.
        one_curve: Whether the values after different epochs belong to one training per cell.
            Continuing a training then costs only the additional epochs.
        more: A sentence that tells how to get further metrics, or empty.
        runs_apart: Whether cells are evaluated in processes of their own.
        keeps_answers: Whether results are cached for all processes, so that no evaluation is ever
            repeated.
        knows_costs: Whether `predicted_cost` equals the cost that an evaluation is charged.
        longest_seconds: Time limit in seconds for an evaluation in a separate process; None for no
            limit.
        longest_silence: Maximum time in seconds between two reports of an evaluation in a separate
            process; None for no limit.
        open_units: Names of errors and accuracies whose unit (% or fraction) is not declared, and
            has not yet been shown by a value above 1.
        in_server: Functions that the fork server calls before it forks worker processes, each as
            arguments of `surrogate_nas.runtime.worker.share`.

    Example:
        >>> import surrogate_nas as sn
        >>> bench = sn.load("fashion")
        >>> early, late = (bench.query(11, "valid_error", epochs=n) for n in (1, 5))
        >>> early > late, late.unit
        (True, '%')
        >>> float(bench.column("valid_error", epochs=5)[11]) == late
        True
    """

    # set where they are defined, in modules that import this one
    _join: ClassVar[Callable[..., "Benchmark"]]
    _load: ClassVar[Callable[[str], "Benchmark"]]
    name: str
    space: Space
    metrics: Sequence[Metric]
    network: Network
    cost_unit: Literal["seconds", "queries"]
    cost = former("cost", "cost_unit")
    charge: str
    objective: str
    banner: str
    title: str
    source: str
    licence: str
    citation: str
    default_seed: Seed = "mean"
    seed_policy: SeedPolicy = "mean"
    has_columns: bool = False
    joined: tuple[Path, ...] = ()
    address: str = ""
    backend: str = ""
    engine = former("engine", "backend")
    one_by_one: bool = False
    one_curve: bool = False
    more: str = ""
    runs_apart: bool = False
    keeps_answers: bool = False
    knows_costs: bool = False
    longest_seconds: float | None = None
    longest_silence: float | None = None
    open_units: frozenset[str] = frozenset()
    in_server: tuple[tuple[str, str], ...] = ()

    @property
    def begins_at_random(self) -> bool:
        """Whether a single search starts with random cells, as the runs of a comparison do."""
        return not self.one_by_one

    @cached_property
    def _by_name(self) -> dict[str, Metric]:
        return {metric.name: metric for metric in self.metrics}

    @property
    def identity(self) -> str:
        """The part of the name that identifies the benchmark, without the paths of files."""
        return self.name

    def measure(
        self,
        cells: Sequence[Cell],
        questions: Sequence[Question],
        training_seed: Seed = "mean",
    ) -> Measurement:
        """Return the values of several metrics for several cells, and the cost of each cell.

        Args:
            cells: Cells of the benchmark's `space`.
            questions: The metrics with their training lengths, each resolved by
                `Benchmark.question`.
            training_seed: A training seed, or ``"mean"`` for the mean over seeds.

        Raises:
            UserError: A requested training seed or value is not available.
        """
        values = np.empty((len(cells), len(questions)))
        for j, question in enumerate(questions):
            values[:, j] = self._answers_to(question, cells, training_seed)
        return Measurement(values, self._charges(cells, questions))

    def _answers_to(self, question: Question, cells: Sequence[Cell], seed: Seed) -> Any:
        raise NotImplementedError

    def _charges(self, cells: Sequence[Cell], questions: Sequence[Question]) -> Values:
        return np.ones(len(cells))

    @renamed(seed="training_seed")
    def column(
        self, metric: str, epochs: int | None = None, training_seed: Seed | None = None
    ) -> Values:
        """Return a metric's values for all cells in the order of `space`, shape ``(len(space),)``.
        Missing values are NaN.

        Args:
            metric: The metric's name. Final metrics, which a search must not use, are allowed.
            epochs: The training length in epochs; None for the metric's longest training.
            training_seed: A training seed; None for the benchmark's `default_seed`.

        Raises:
            UserError: The benchmark is not a table, or the table has no such column.
        """
        if not self.has_columns:
            raise UserError(
                f"{self.name} is not a table, so it has no column of {metric} for all cells; query"
                " the cells you need."
            )
        return self._column(
            self.question(metric, epochs),
            self.default_seed if training_seed is None else training_seed,
        )

    @cached_property
    def _columns(self) -> dict[tuple[Question, Seed], Values]:
        return {}

    def _column(self, question: Question, seed: Seed) -> Values:
        values = self._columns.get((question, seed))
        if values is None:
            values = np.array(self._whole(question, seed))
            values.flags.writeable = False
            self._columns[question, seed] = values
        return values

    def _whole(self, question: Question, seed: Seed) -> Values:
        """Compute the column that `column` caches."""
        raise NotImplementedError

    def n_seeds(
        self, cell: Cell, question: Question, training_seed: Seed
    ) -> int | None:
        """Return the number of training seeds behind a value; None if it is unknown or nothing was
        trained.
        """
        return None

    def seeds(self, question: Question) -> tuple[int, ...]:
        """Return the training seeds for which the benchmark has single values of a metric, in
        increasing order.
        """
        return ()

    def source_of(self, question: Question) -> str:
        """Return the origin of a metric's values at a training length, as a text."""
        return self._by_name[question.metric].source

    def scale(
        self, question: Question, training_seed: Seed = "mean"
    ) -> tuple[float, float]:
        """Return the median and the worst value of a metric over `reference_sample`. Objectives use
        both numbers as constants.

        The worst value is the largest one, or the smallest one if larger values of the metric are
        better.

        Raises:
            UserError: Some cells of the reference sample have no value of the metric.
        """
        values = self.measure(
            self.reference_sample(question), (question,), training_seed
        ).values
        return float(np.median(values)), self.metric(question.metric).worst(values)

    def reference_sample(self, question: Question) -> Sequence[Cell]:
        """Return the cells over which the median of a metric is computed."""
        return self.space.reference_sample

    def is_expensive(self, metric: str) -> bool:
        """Return whether new values of a metric need training or calls of a user's function."""
        return False

    def checkpoint(self, cell: CellLike, training_seed: int | None = None) -> Path:
        """Return the folder of a cell's trained model, if the benchmark stores checkpoints.

        Raises:
            UserError: No trained model of the cell is stored.
        """
        raise UserError(f"{self.name} stores no checkpoints; a sn.Training does.")

    def predicted_cost(self, cell: Cell, epochs: int | None) -> float:
        """Predict the relative cost of an evaluation from the cell and its number of epochs alone.

        The predicted cost determines the order of parallel trainings, so it must be the same on
        every machine.
        """
        return 1.0

    def recall(self, cell: str, values: Mapping[str, float]) -> None:
        """Cache a cell's metrics from a stored run. The keys of `values` are metrics as they are
        written in an expression.
        """
        return

    def check_value(self, question: Question, value: float) -> None:
        """Check a metric's value that a caller has measured.

        Raises:
            UserError: The metric cannot have this value, or the metric's unit is not declared.
        """
        metric = self.metric(question.metric)
        if outside := metric.outside(value):
            raise UserError(f"{question} is {value:g}, {outside}.")
        self.check_unit(metric.name, value)

    def check_unit(self, metric: str, value: float) -> None:
        """Check that a value reveals the unit of a metric (fraction or %), unless an earlier value
        has revealed it.

        Raises:
            UserError: The value could be a fraction or a percentage.
        """
        if metric not in self.open_units:
            return
        if value <= 1 and not self.shows_percent(metric):
            raise undeclared_units([metric])
        self.open_units -= {metric}

    def shows_percent(self, metric: str) -> bool:
        """Return whether some value of a metric without a declared unit is above 1, so that the
        unit is %.
        """
        return False

    def continued(
        self,
        cell: Cell,
        since: int,
        epochs: int,
        metrics: Sequence[str] = (),
        *,
        training_seed: Seed | None = None,
    ) -> float:
        """Return the cost of continuing a cell's training to more epochs, including one validation
        pass.

        Args:
            cell: A cell of the benchmark's `space`.
            since: Number of epochs that the cell has been trained for.
            epochs: Number of epochs to reach, larger than `since`.
            metrics: Names of the requested metrics. Computing all requested metrics may need
                several trainings.
            training_seed: A training seed, or ``"mean"`` for the mean over seeds; None for the
                benchmark's `default_seed`.

        Raises:
            UserError: Each number of epochs is a separate training, so no training can be continued
                (`one_curve`).
        """
        raise UserError(
            f"Every number of epochs of {self.name} is a separate training; none continues another."
        )

    def free(self, question: Question, training_seed: Seed) -> Free | None:
        """Return a function that computes a metric from cells without training, or None if there is
        no such function.
        """
        if question.epochs is not None:
            return None
        known = untrained(self.space).get(question.metric)
        if known is not None and known[0] == self._by_name[question.metric]:
            return partial(formula, self.space, question.metric, self.network)
        if self.has_columns and isinstance(self.space, Enumerable):
            return partial(
                _looked_up, self.space, self.column(*question, training_seed)
            )
        return None

    def final(self, cell: Cell) -> dict[str, float | None]:
        """Return the final metrics of a cell after their longest trainings, by name. A missing
        value is None.
        """
        final = [metric.name for metric in self.metrics if metric.kind == "final"]
        return {name: self.value_of(cell, self.question(name)) for name in final}

    def value_of(self, cell: Cell, question: Question) -> float | None:
        """Return a metric's value of a cell for the benchmark's `default_seed`, or None if the
        value is missing.
        """
        if not self.has_columns:
            return float(self.query(cell, question.metric, epochs=question.epochs))
        value = float(self.column(*question)[listed(self.space).index(cell)])
        return value if math.isfinite(value) else None

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A digest of everything that the values of the benchmark depend on."""

    @property
    def files(self) -> FilesRead | None:
        """The record of files that a user's functions read, or None for a benchmark without such
        functions.
        """
        return None

    @property
    def contents(self) -> Contents:
        """Digests of a table's columns by metric and training length. The mapping is empty if
        `fingerprint` covers the columns.
        """
        return {}

    def only(self, runs: Collection[Run]) -> "Benchmark":
        """Return the same benchmark with only some columns of its table.

        Args:
            runs: The columns to keep, as pairs of a metric and its training length in epochs.
        """
        return self

    def with_metrics(
        self,
        metrics: Any,
        *,
        unit: str = "",
        direction: Direction | None = None,
        cheap: bool = True,
    ) -> "Benchmark":
        """Return the benchmark with further metrics of its cells. Queries of the further metrics
        are free of charge.

        Args:
            metrics: A mapping from names to functions of a cell (or to `surrogate_nas.Metric`), a
                pandas data frame, or the path of a CSV file or of a table (``.h5``). A data frame
                or a CSV file has one column for each metric. Cells are named in a column ``cell``,
                or in one column for each choice of the space.
            unit: The unit, such as ``g``, of metrics whose functions do not declare one.
            direction: The direction of the metrics, ``min`` or ``max``; None for the direction that
                a metric's name or unit implies.
            cheap: Whether the functions are fast enough to be called for all cells of the space.

        Raises:
            UserError: A file cannot be read, a cell is not in the space, or the benchmark has a
                metric of the same name already.

        Example:
            >>> import surrogate_nas as sn
            >>> bench = sn.load("fashion").with_metrics(
            ...     {"carbon": lambda cell: 1.0 + cell.choices[0]}, unit="g"
            ... )
            >>> run = sn.search(bench, "random", "valid_error + 0.1*carbon", budget=12)
            >>> sorted(run.incumbent.values)
            ['carbon', 'valid_error[5]']
        """
        return self._join(metrics, unit, direction, cheap)

    def metric(self, name: str) -> Metric:
        """Return the metric with a given name.

        Raises:
            UserError: The benchmark has no such metric.
        """
        if not isinstance(name, str) or name not in self._by_name:
            error = unknown(f"metric of {self.name}", name, self._by_name)
            raise UserError(f"{error} {self.more}".strip())
        return self._by_name[name]

    def question(self, name: str, epochs: int | None = None) -> Question:
        """Check a metric's name and its training length, and return both as a `Question`.

        Args:
            name: The name of a metric of the benchmark.
            epochs: The training length in epochs; None for the metric's longest training. The
                argument is ignored if the metric does not depend on training.

        Raises:
            UserError: The metric is unknown, or the benchmark has no values of it after so many
                epochs.
        """
        lengths = self.metric(name).epochs
        if not lengths:
            return Question(name, None)
        if epochs is None:
            return Question(name, lengths[-1])
        if epochs not in lengths:
            first, last = lengths[0], lengths[-1]
            available = ", ".join(map(str, lengths))
            if last - first > 9 and lengths == tuple(range(first, last + 1)):
                available = f"{first} to {last}"
            why = "; each is a separate training, so none can replace another"
            raise UserError(
                f"{self.name} has {name} for trainings of {available} epochs, not"
                f" {epochs}{'' if self.one_curve else why}. {self.more}".strip()
            )
        return Question(name, epochs)

    @overload
    def query(  # type: ignore[overload-overlap] # a text is one cell
        self, cells: CellLike, metric: str, **how: Unpack[_How]
    ) -> Answer: ...

    @overload
    def query(  # type: ignore[overload-overlap]
        self, cells: CellLike, metric: None = None, **how: Unpack[_How]
    ) -> dict[str, Answer]: ...

    @overload
    def query(
        self, cells: Iterable[CellLike], metric: str, **how: Unpack[_How]
    ) -> list[Answer]: ...

    @overload
    def query(
        self, cells: Iterable[CellLike], metric: None = None, **how: Unpack[_How]
    ) -> list[dict[str, Answer]]: ...

    @renamed(seed="training_seed")
    def query(
        self,
        cells: CellLike | Iterable[CellLike],
        metric: str | None = None,
        *,
        epochs: int | None = None,
        training_seed: Seed | None = None,
    ) -> Any:
        """Look up metrics of one or several cells. Queries are free of charge: only evaluations by
        an objective are counted against a budget.

        Args:
            cells: A cell, its text or its index in the space. For several cells, a list, array,
                Series or Index of cells, or a data frame with one column for each choice of the
                space.
            metric: The metric's name; None for all search metrics that are available at `epochs`,
                except zero-cost proxies.
            epochs: The training length in epochs; None for each metric's longest training.
            training_seed: A training seed; None for the benchmark's `default_seed`.

        Returns:
            An `Answer` if one cell and one metric are named. If no metric is named, a dict with an
            `Answer` for each metric's name. For a sequence of cells, a list with the result of each
            cell, in the same order.

        Raises:
            UserError: A requested cell, metric, number of epochs or training seed is not available.
        """
        training_seed = self.default_seed if training_seed is None else training_seed
        if not isinstance(training_seed, (int, str)):
            raise UserError(
                f"training_seed must be a whole number or 'mean', not {training_seed!r:.80}."
            )
        if isinstance(cells, (str, Cell, Integral, Mapping)):
            cell = cell_given(self.space, cells)
            return self._query([cell], metric, epochs, training_seed)[0]
        is_none = isinstance(cells, bytes) or not getattr(cells, "ndim", 1)
        if is_none or not isinstance(cells, Iterable):
            raise UserError(
                "cells must be a cell, its text or its index, or a list of these, not"
                f" {cells!r:.80}."
            )
        return self._query(
            cells_given(self.space, cells), metric, epochs, training_seed
        )

    def _query(
        self,
        cells: list[Cell],
        metric: str | None,
        epochs: int | None,
        seed: Seed,
    ) -> list[Any]:
        if metric is not None:
            asked = self.question(metric, epochs)
            values = self.measure(cells, (asked,), seed).values[:, 0]
            pairs = zip(cells, values, strict=True)
            return [self._answer(cell, asked, seed, value) for cell, value in pairs]
        questions = self._search_questions(epochs)
        rows = self._rows_of(cells, questions, seed) if cells else ()
        return [
            {
                question.metric: self._answer(cell, question, seed, value)
                for question, value in zip(questions, row, strict=True)
                if not np.isnan(value)
            }
            for cell, row in zip(cells, rows, strict=True)
        ]

    def _rows_of(
        self, cells: list[Cell], questions: list[Question], seed: Seed
    ) -> Values:
        """Return values as `measure`, but NaN if a cell lacks a value without training."""
        values = np.full((len(cells), len(questions)), np.nan)
        columns = []
        for j, question in enumerate(questions):
            if free := self.free(question, seed):
                values[:, j] = free(cells)
            else:
                columns.append(j)
        if columns:
            rest = [questions[j] for j in columns]
            values[:, columns] = self.measure(cells, rest, seed).values
        return values

    def _search_questions(self, epochs: int | None) -> list[Question]:
        search = [
            m for m in self.metrics if m.kind == "search" and m.quantity != "proxy"
        ]
        chosen = [
            m for m in search if epochs is None or not m.epochs or epochs in m.epochs
        ]
        if epochs is not None and not any(metric.epochs for metric in chosen):
            available = sorted(
                {length for metric in search for length in metric.epochs}
            )
            raise UserError(
                f"{self.name} has no search metric for trainings of {epochs} epochs, "
                f"only for {', '.join(map(str, available)) or 'none'}."
            )
        return [self.question(metric.name, epochs) for metric in chosen]

    def _answer(
        self,
        cell: Cell,
        question: Question,
        seed: Seed,
        value: float,
    ) -> Answer:
        answer = Answer(value)
        vars(answer).update(
            cell=cell,
            metric=question.metric,
            epochs=question.epochs,
            training_seed=seed if question.epochs is not None else None,
            unit=self._by_name[question.metric].unit,
            source=self.source_of(question),
            n_seeds=self.n_seeds(cell, question, seed),
        )
        return answer

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {self.title}>"

    def describe(self) -> dict[str, Any]:
        """Return the benchmark's entry in the output of ``snas benchmarks --json``."""
        return {
            "name": self.name,
            "title": self.title,
            "space": self.space.name,
            "cells": int(self.space.size) if math.isfinite(self.space.size) else None,
            "available": True,
            "metrics": [metric.describe() for metric in self.metrics],
            "seeds": sorted(
                {
                    seed
                    for metric in self.metrics
                    for epochs in metric.epochs
                    for seed in self.seeds(Question(metric.name, epochs))
                }
            ),
            **{
                key: getattr(self, key)
                for key in ("source", "licence", "citation", "banner")
            },
        }
