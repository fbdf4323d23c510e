"""The interface of benchmarks: metrics of cells, by epochs and seed, and their costs."""

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
"""What a search sees of several training seeds: their mean, or one that is drawn for each cell."""
Values: TypeAlias = NDArray[np.float64]
"""Answers in their metric's unit, of any shape."""
Free = Callable[[Sequence[Cell]], Values]
"""From cells to a metric without training, shape ``(n,)``, in its own unit; NaN if not known."""


def lengths_of(questions: "Iterable[Question]") -> list[int]:
    """Return the lengths of the training runs of some questions, rising."""
    return sorted({q.epochs for q in questions if q.epochs is not None})


@lru_cache(maxsize=32)
def untrained(space: Space) -> Analytic:
    """The metrics of a space that need no training: its sizes, and the shipped zero-cost proxies.

    ``data/proxies-SPACE.h5`` holds proxies of all cells of a space (``make proxies``). They belong
    to the space, not to a benchmark, so they are in no benchmark's fingerprint; an objective that
    names one includes its digest.
    """
    proxies = {} if (file := _proxies(space)) is None else file.metrics
    stored = {
        name: (metric, partial(_stored, space.name, name))
        for name, metric in proxies.items()
    }
    return {**space.analytic, **stored}


def sizes_of(space: Space, measured: Container[str] = ()) -> list[Metric]:
    """The metrics of a space that need no training, without those that are measured."""
    return [
        metric for metric, _ in untrained(space).values() if metric.name not in measured
    ]


def digest_of(space: Space, metric: str) -> str:
    """The digest of the data of a proxy; empty for another metric."""
    file = _proxies(space)
    return file.digest if file is not None and metric in file.metrics else ""


def _stored(space: str, metric: str, choices: Choices, network: Network) -> Values:
    """Look up a proxy by choices."""
    values, shape = _by_code(space, metric)
    return np.asarray(values[_code(choices, shape)])


@lru_cache(maxsize=32)
def _by_code(name: str, metric: str) -> tuple[Values, tuple[int, ...]]:
    """A column by the number of a cell's choices, and the number of choices per position."""
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
    """The proxies that come along for a space, or None."""
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
    """Compute a metric that follows from cells alone, shape ``(n,)``."""
    return untrained(space)[metric][1](choices_of(cells), network)


def _looked_up(space: Enumerable, column: Values, cells: Sequence[Cell]) -> Values:
    return column if cells is space else column[[space.index(cell) for cell in cells]]


def applied(function: Callable[[Cell], SupportsFloat], cells: Sequence[Cell]) -> Values:
    """Compute a user's function of one cell for several, shape ``(n,)``."""
    return np.array([function(cell) for cell in cells], dtype=np.float64)


class Question(NamedTuple):
    """A metric after a training run of so many epochs; None where training plays no part.

    Example:
        >>> str(Question("valid_error", 12)), str(Question("params", None))
        ('valid_error[12]', 'params')
    """

    metric: str
    epochs: int | None

    def __str__(self) -> str:
        return self.metric if self.epochs is None else f"{self.metric}[{self.epochs}]"


class Measurement(NamedTuple):
    """The answers of a benchmark to a batch of cells.

    Attributes:
        values: Shape ``(n cells, m questions)``, in each metric's own unit.
        cost: What each cell was charged, shape ``(n,)``: seconds, or queries where
            `Benchmark.cost_unit` says so.
    """

    values: Values
    cost: Values


class Answer(float):
    """A number with its cell and metric; it computes and compares as the plain value.

    Attributes:
        cell, metric, unit, source: What it is a number of, and where it comes from.
        epochs: The length of the training run, or None.
        training_seed: The training seed, or ``"mean"``.
        n_seeds: The number of seeds of a mean; None where the source does not say.

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
        """The plain number."""
        return float(self)

    def to_json(self) -> dict[str, Any]:
        """The answer as a JSON object."""
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
"""A cell, its printed text, or its place in the order of a space that can be listed."""


class _How(TypedDict, total=False):
    epochs: int | None
    training_seed: Seed | None


class Benchmark(ABC):
    """Answers questions about the cells of a space.

    Subclasses set the attributes and give `measure`, `n_seeds` and `fingerprint`.

    Attributes:
        name, title: The name that `surrogate_nas.load` opens, and a line saying what it holds.
        space, metrics: Its cells, and all that can be asked of them.
        network: The macro architecture behind `params` and `macs`.
        cost_unit: ``seconds``, or ``queries`` where a query costs one unit.
        charge: What an evaluation is charged, in a sentence for reports.
        objective: The default objective over it.
        banner: A warning that every report must carry, or empty.
        source, licence, citation: Of its numbers.
        default_seed: What is read if no seed is named: the mean over seeds, or the trained seed.
        seed_policy: What a search sees by default: ``mean`` what is reported, ``draw`` a single
            training of each cell.
        has_columns: Whether every answer is known in advance, so that `column` works.
        joined: Files whose metrics were joined to it, absolute.
        address: What `surrogate_nas.load` opens it by again; a file's is absolute.
        backend: The arithmetic that trains cells here; results of two are never mixed. Empty for a
            table.
        one_by_one: Whether every answer is made when it is asked for.
        one_curve: Whether all epochs are points of one run, so that continuing a cell costs only
            the difference.
        more: How to get metrics that it does not hold yet, as a sentence, or empty.
        runs_apart: Whether cells are evaluated in a process of their own.
        keeps_answers: Whether an evaluation by any process is never repeated.
        knows_costs: Whether `predicted_cost` is what an evaluation will be charged.
        longest_seconds, longest_silence: The most seconds that an evaluation in a process of its
            own may take, and the most between two signs of life; None for no limit.
        open_units: Errors and accuracies whose unit is neither declared nor shown by a value.
        in_server: What the process that workers are forked from calls before, as arguments of
            `surrogate_nas.runtime.worker.share`.

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
        """Whether a single search on it begins with random cells, as comparisons do."""
        return not self.one_by_one

    @cached_property
    def _by_name(self) -> dict[str, Metric]:
        return {metric.name: metric for metric in self.metrics}

    @property
    def identity(self) -> str:
        """The part of its name that identifies it; not the spelling of a path."""
        return self.name

    def measure(
        self,
        cells: Sequence[Cell],
        questions: Sequence[Question],
        training_seed: Seed = "mean",
    ) -> Measurement:
        """Answer several questions about several cells in one call.

        Args:
            cells: Cells of `space`.
            questions: Each one resolved by `question`.
            training_seed: A training seed, or ``"mean"``.

        Raises:
            UserError: A seed or a value is not available.
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
        """Return a column in the order of `space`, shape ``(len(space),)``, NaN where missing.

        Args:
            metric: The metric's name; final metrics are served too.
            epochs: The length of the training run; None for the metric's longest.
            training_seed: A training seed; None for `default_seed`.

        Raises:
            UserError: The benchmark is no table, or the column is not held.
        """
        if not self.has_columns:
            raise UserError(
                f"{self.name} is no table, so it has no whole column of {metric}; query the cells"
                " you need."
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
        """Make the column that `column` keeps."""
        raise NotImplementedError

    def n_seeds(
        self, cell: Cell, question: Question, training_seed: Seed
    ) -> int | None:
        """Return the number of seeds of a value; None if unknown or nothing was trained."""
        return None

    def seeds(self, question: Question) -> tuple[int, ...]:
        """Return the training seeds of a question's single values, rising."""
        return ()

    def source_of(self, question: Question) -> str:
        """Return where the numbers of a question come from."""
        return self._by_name[question.metric].source

    def scale(
        self, question: Question, training_seed: Seed = "mean"
    ) -> tuple[float, float]:
        """Return median and worst value over `reference_sample`, an objective's constants.

        The worst is the largest, of a quality the smallest.

        Raises:
            UserError: The metric is not held for every cell.
        """
        values = self.measure(
            self.reference_sample(question), (question,), training_seed
        ).values
        return float(np.median(values)), self.metric(question.metric).worst(values)

    def reference_sample(self, question: Question) -> Sequence[Cell]:
        """Return the cells of a metric's median."""
        return self.space.reference_sample

    def is_expensive(self, metric: str) -> bool:
        """Return whether each new value of a metric calls a user's function, which may train."""
        return False

    def checkpoint(self, cell: CellLike, training_seed: int | None = None) -> Path:
        """Return the folder of a cell's fitted model, where trainings leave one.

        Raises:
            UserError: There is none.
        """
        raise UserError(f"{self.name} keeps no checkpoints; a sn.Training does.")

    def predicted_cost(self, cell: Cell, epochs: int | None) -> float:
        """Predict the cost of an evaluation, up to a factor, from the cell and its epochs alone.

        It orders trainings that run side by side, so it must be the same on every machine.
        """
        return 1.0

    def recall(self, cell: str, values: Mapping[str, float]) -> None:
        """Take the values of a cell, by metric as an expression writes it, from a stored run."""
        return

    def check_value(self, question: Question, value: float) -> None:
        """Check a value, in the metric's unit, that a caller has measured.

        Raises:
            UserError: The metric cannot have this value, or its unit is not known.
        """
        metric = self.metric(question.metric)
        if outside := metric.outside(value):
            raise UserError(f"{question} is {value:g}, {outside}.")
        self.check_unit(metric.name, value)

    def check_unit(self, metric: str, value: float) -> None:
        """Check that a value shows the unit of a metric, where nothing has shown it before.

        Raises:
            UserError: The value may be a fraction or in %.
        """
        if metric not in self.open_units:
            return
        if value <= 1 and not self.shows_percent(metric):
            raise undeclared_units([metric])
        self.open_units -= {metric}

    def shows_percent(self, metric: str) -> bool:
        """Return whether a value above 1 is known of a metric whose unit is not declared."""
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
        """Return the cost of training a cell on, with one validation pass.

        Args:
            cell: A cell of `space`.
            since, epochs: The epochs that it was trained for, and more, that are asked for.
            metrics: What is asked for, which may be of several trainings.
            training_seed: A training seed, or ``"mean"``; None for `default_seed`.

        Raises:
            UserError: Epochs are no points of one run here (`one_curve`).
        """
        raise UserError(
            f"Every number of epochs of {self.name} is a run of its own; none continues another."
        )

    def free(self, question: Question, training_seed: Seed) -> Free | None:
        """Return a metric without training as a function of cells, without a benchmark; or None."""
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
        """Return the final metrics of a cell, after their longest runs, or None where not held."""
        final = [metric.name for metric in self.metrics if metric.kind == "final"]
        return {name: self.value_of(cell, self.question(name)) for name in final}

    def value_of(self, cell: Cell, question: Question) -> float | None:
        """Return the value of a cell for `default_seed`; None where it is not held."""
        if not self.has_columns:
            return float(self.query(cell, question.metric, epochs=question.epochs))
        value = float(self.column(*question)[listed(self.space).index(cell)])
        return value if math.isfinite(value) else None

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A digest of everything that its answers depend on."""

    @property
    def files(self) -> FilesRead | None:
        """The files that a user's functions read; None for a benchmark without such functions."""
        return None

    @property
    def contents(self) -> Contents:
        """A digest for each run of a table; empty where `fingerprint` alone covers them."""
        return {}

    def only(self, runs: Collection[Run]) -> "Benchmark":
        """Return the benchmark with some runs of its table alone, each a metric and epochs."""
        return self

    def with_metrics(
        self,
        metrics: Any,
        *,
        unit: str = "",
        direction: Direction | None = None,
        cheap: bool = True,
    ) -> "Benchmark":
        """Return the benchmark with further metrics of its cells, which are free.

        Args:
            metrics: By name a function from a cell to a number or a `surrogate_nas.Metric`; or a
                pandas data frame or the path of a CSV file with a column ``cell``, or one for each
                choice, and a column for each metric; or the path of a table (``.h5``).
            unit: The unit of functions without one of their own, such as ``g``.
            direction: Their direction, ``min`` or ``max``; None for that of their name or unit.
            cheap: Whether functions return at once, so that they are called for whole columns.

        Raises:
            UserError: A file cannot be read, a cell is not of the space, or a metric is twice
                there.

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
        """Return a metric by name.

        Raises:
            UserError: The benchmark has no such metric.
        """
        if not isinstance(name, str) or name not in self._by_name:
            error = unknown(f"metric of {self.name}", name, self._by_name)
            raise UserError(f"{error} {self.more}".strip())
        return self._by_name[name]

    def question(self, name: str, epochs: int | None = None) -> Question:
        """Resolve a metric and the length of the training run.

        Args:
            name: The metric's name.
            epochs: The length of the run; None for the metric's longest. Ignored where training
                plays no part.

        Raises:
            UserError: The metric is unknown, or not held for these epochs.
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
            why = "; each is a training run of its own, so none stands in for another"
            raise UserError(
                f"{self.name} holds {name} for runs of {available} epochs, not"
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
        """Look up metrics of cells; spends nothing, since only an objective charges.

        Args:
            cells: A cell, its text or its index; or a list, array, Series or Index of them, or a
                data frame with a column for each choice.
            metric: The metric's name; None for every search metric at `epochs`, except proxies.
            epochs: The length of the training run; None for each metric's longest.
            training_seed: A training seed; None for `default_seed`.

        Returns:
            An `Answer` for one cell and one metric; a dict by name where no metric is named; for a
            sequence of cells a list of either, in its order.

        Raises:
            UserError: A cell, metric, epochs or seed is not held.
        """
        training_seed = self.default_seed if training_seed is None else training_seed
        if not isinstance(training_seed, (int, str)):
            raise UserError(
                f"training_seed is a whole number or 'mean', not {training_seed!r:.80}."
            )
        if isinstance(cells, (str, Cell, Integral, Mapping)):
            cell = cell_given(self.space, cells)
            return self._query([cell], metric, epochs, training_seed)[0]
        is_none = isinstance(cells, bytes) or not getattr(cells, "ndim", 1)
        if is_none or not isinstance(cells, Iterable):
            raise UserError(
                f"cells is a cell, its text or its index, or a list of them, not {cells!r:.80}."
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
        """As `measure`, but NaN where a cell lacks an untrained value, as of a failed device."""
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
                f"{self.name} holds no search metric for runs of {epochs} epochs, "
                f"but for {', '.join(map(str, available)) or 'none'}."
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
        """The benchmark's entry in ``snas benchmarks --json``."""
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
