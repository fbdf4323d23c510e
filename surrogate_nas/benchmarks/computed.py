"""User-defined benchmarks: their base class `OwnBenchmark`, and `Computed`, whose metrics are
Python functions of a cell.

Another process rebuilds a user-defined benchmark from the arguments of its class, or imports it
from its file. The unit of an error or an accuracy is % or a fraction. If the unit is not declared,
the first value above 1 shows that the unit is %. As long as the unit of a metric is unknown, a
value of 1 or less is refused, because it could be a fraction or in %.
"""

import hashlib
import math
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial
from types import FunctionType
from typing import Any, SupportsFloat

import numpy as np

from surrogate_nas.benchmarks.base import (
    Benchmark,
    Free,
    Question,
    Values,
    applied,
    formula,
    sizes_of,
)
from surrogate_nas.benchmarks.reading import FilesRead, folder_of
from surrogate_nas.core import (
    DIRECTIONS,
    FRACTION,
    PERCENT,
    Direction,
    EvaluationError,
    UserError,
    check_names,
    checked,
    digest_of_function,
    is_interrupt,
    json_digest,
    metric_named,
    metrics,
    plural,
    renamed,
    source_of,
    staying,
    unknown,
)
from surrogate_nas.files.opened import Opened
from surrogate_nas.space import Cell, Enumerable, Network, Space, listed
from surrogate_nas.tables import Seed

# number of random cells for the median of an expensive cost
_SAMPLED = 64


Function = Callable[[Cell], SupportsFloat]
"""A user's function of a cell that returns one number, the value of a metric."""

# values that no error and no quality (in %), and no loss, is worse than
_WORST: dict[str, float] = {"error": 1e3, "quality": -1e3, "loss": 1e12}


def worst_of(metric: metrics.Metric) -> float:
    """Return the worst value that a metric may have, in the metric's unit. The worst value of a
    cost is infinite.
    """
    worst = _WORST.get(metric.quantity, math.inf)
    return worst / 100.0 if metric.unit == FRACTION else worst


def not_a_value(
    metric: metrics.Metric, value: float, *, is_expensive: bool = True
) -> str:
    """Describe why a metric cannot have a value. Return an empty text if the metric can have the
    value.

    The returned text is meant to follow the value in an error message. The values of expensive
    metrics have a limit, because a search starts without knowing their range.
    """
    worst = worst_of(metric)
    if not math.isfinite(value):
        return ", not a finite number"
    if outside := metric.outside(value):
        return f", {outside}"
    is_worse = is_expensive and (value < worst if worst < 0 else value > worst)
    return f"; the worst allowed value is {worst:g}" if is_worse else ""


@dataclass(frozen=True)
class Metric:
    """The declaration of a metric for `surrogate_nas.Computed` or `surrogate_nas.Training`.

    Attributes:
        function: A function from a cell to a number; None if a training reports the metric instead.
        unit: ``fraction`` or ``%`` for an error or an accuracy, and any text for another metric;
            empty for the unit that the metric's name implies.
        direction: ``min`` or ``max``; None for the direction that the metric's name implies.

    Raises:
        UserError: The metric's unit is not a text, its direction is invalid, or its function is not
            callable.

    Example:
        >>> import surrogate_nas as sn
        >>> space = sn.ChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        >>> share = sn.Metric(
        ...     lambda cell: 0.9 - 0.01 * sum(cell.choices), unit="fraction"
        ... )
        >>> bench = sn.Computed(space, {"valid_accuracy": share}, cheap=True)
        >>> str(sn.search(bench, "random", "valid_accuracy", budget=6).incumbent.cell)
        'mlp(width=16, depth=1)'
    """

    function: Function | None = None
    _: KW_ONLY
    unit: str = ""
    direction: Direction | None = None

    def __post_init__(self) -> None:
        if self.function is not None and not callable(self.function):
            raise UserError(
                f"A metric must be a function of a cell, not {self.function!r:.80}."
            )
        if not isinstance(self.unit, str):
            raise UserError(
                f"A unit must be a text such as 'fraction', not {self.unit!r:.80}."
            )
        if self.direction is not None and self.direction not in DIRECTIONS:
            raise UserError(
                f"A direction must be 'min' or 'max', not {self.direction!r:.80}."
            )

    def named(self, name: str, *, source: str, description: str = "") -> metrics.Metric:
        """Build the metric of a benchmark from this declaration and a name.

        Raises:
            UserError: The declared unit or direction contradicts the metric's name.
        """
        about = {"source": source, "description": description}
        return metric_named(name, unit=self.unit, direction=self.direction, **about)


def declared(given: object, what: str) -> dict[str, Metric]:
    """Convert the metrics that a user passed to a dict of `Metric` by name. A mapping to functions
    or to `Metric`, or a list of names, is accepted.

    Raises:
        UserError: The argument is neither a mapping nor a list of names, or it contains a name
            twice.
    """
    if not isinstance(given, Mapping):
        names = check_names(what, given)
        if twice := [name for name in names if names.count(name) > 1]:
            raise UserError(f"{what} contains {twice[0]} twice.")
        return {name: Metric() for name in names}
    return {
        str(name): metric if isinstance(metric, Metric) else Metric(metric)
        for name, metric in given.items()
    }


def with_open_units(own: Mapping[str, Metric]) -> frozenset[str]:
    """Return the names of the errors and accuracies whose unit is not declared."""
    names = (name for name, metric in own.items() if not metric.unit)
    return frozenset(name for name in names if metric_named(name).unit == PERCENT)


def differences(own: Mapping[str, Metric]) -> dict[str, list[str]]:
    """Return the declared units and directions that differ from what the metrics' names imply. The
    fingerprint of a benchmark includes these differences.
    """
    changed = {}
    for name, metric in own.items():
        meant, usual = (
            [m.unit, m.quantity]
            for m in (metric.named(name, source=""), metric_named(name))
        )
        if meant != usual:
            changed[name] = meant
    return changed


class OwnBenchmark(Benchmark):
    """The base class of user-defined benchmarks over any space.

    Attributes:
        imported: The files that were opened while the user's file was imported, or None.
        settings: The arguments with which the benchmark was constructed, by name.
    """

    banner = ""
    licence = citation = "the user's own"
    imported: Opened | None = None
    settings: dict[str, Any]

    def _take(
        self,
        settings: Mapping[str, Any],
        title: str,
        own: Mapping[str, Metric],
        dear: Iterable[str],
    ) -> None:
        """Store the arguments of the class, the beginning of a title, and the metrics.

        Values of expensive metrics are available only for the requested cells.
        """
        own_names = ("self", "__class__")
        self.settings = {k: v for k, v in settings.items() if k not in own_names}
        self.space = settings["space"]
        if not isinstance(self.space, Space):
            raise UserError(
                "A benchmark needs a space, such as a surrogate_nas.ChoiceSpace, not"
                f" {self.space!r:.80}."
            )
        self.network = settings["network"] or Network()
        self.name = settings["name"] or self.space.name
        self.title = settings["title"] or f"{title} of {self.space.name}"
        self._own = own
        self._functions = {
            name: m.function for name, m in own.items() if m.function is not None
        }
        self._dear = {*dear}
        self.open_units = with_open_units(own)

    def _describe(self, described: Iterable[metrics.Metric]) -> None:
        self.metrics = tuple(described)
        losses = [m.name for m in self.metrics if m.kind == "search" and m.is_loss]
        self.objective = losses[0] if losses else ""

    @property
    def version(self) -> tuple[object, ...]:
        """The values that must be equal in every process that opens the benchmark; empty if all its
        functions are cheap.
        """
        return (self.fingerprint, self.settings.get("seeds")) if self.one_by_one else ()

    def __reduce__(self) -> tuple[object, ...]:
        state = {"open_units": self.open_units}
        # the file is read again, so its functions need not be picklable
        if self.address:
            return _opened_again, (self.address, self.version), state
        files = self.files if self.one_by_one else None
        return _elsewhere, (type(self), self.settings, files), state

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the space, the settings, the user's code, and the files that this
        code reads.
        """
        return self.files.fingerprint

    @cached_property
    def files(self) -> FilesRead:
        """The record of files that the user's functions read in the folder of their code."""
        code, digest = self._digest()
        imported = self.imported if self.one_by_one else None
        return FilesRead(folder_of(code), digest, imported)

    @cached_property
    def in_server(self) -> tuple[tuple[str, str], ...]:  # type: ignore[override]
        """The instruction to import PyTorch in the fork server. The instruction is empty unless
        PyTorch is loaded or the user's code names PyTorch.
        """
        code = [*self._functions.values(), self.settings.get("train")]
        kinds = (f if isinstance(f, FunctionType) else type(f) for f in code)
        is_used = "torch" in sys.modules or "torch" in str([*map(source_of, kinds)])
        return (("importlib:import_module", "torch"),) if is_used else ()

    @abstractmethod
    def _digest(self) -> tuple[object, str]:
        """Return one of the user's functions, and a digest of the settings and all code."""

    def is_expensive(self, metric: str) -> bool:
        """Return whether computing a metric for one cell may take long."""
        return metric in self._dear

    def scale(
        self, question: Question, training_seed: Seed = "mean"
    ) -> tuple[float, float]:
        """Return the median and the worst value of a metric. For an expensive loss, return fixed
        bounds instead.

        Raises:
            UserError: The metric is a cost that a training reports, and the user has declared no
                typical value.
        """
        metric = self.metric(question.metric)
        if not self.is_expensive(metric.name):
            return super().scale(question, training_seed)
        return (
            (1.0, worst_of(metric)) if metric.is_loss else self._scale_of_cost(metric)
        )

    @abstractmethod
    def _scale_of_cost(self, metric: metrics.Metric) -> tuple[float, float]:
        """Return the scale of an expensive metric that is not a loss."""

    def free(self, question: Question, training_seed: Seed) -> Free | None:
        """Return a cheap metric as a function of cells: the user's function or the space's formula.
        Return None for an expensive metric.
        """
        if self.is_expensive(question.metric):
            return None
        if question.metric in self._functions:
            return partial(applied, self._functions[question.metric])
        return super().free(question, training_seed)

    def _values(self, metric: str, cells: Sequence[Cell]) -> Values:
        """Compute values by a user's function or the space's formula, shape ``(n,)``."""
        if metric in self._own and metric not in self._functions:
            raise UserError(
                f"{metric} of {self.name} has no function, so it cannot be computed: pass its value"
                " to AskTell.tell."
            )
        if metric not in self._functions:
            return formula(self.space, metric, self.network, cells)
        return np.array(
            [self._called(metric, cell) for cell in cells], dtype=np.float64
        )

    def _called(self, metric: str, cell: Cell) -> float:
        """Call a user's function.

        Raises:
            EvaluationError: An expensive function fails, tries to end the process, or does not
                return a finite number. A search continues without this cell.
            UserError: The same happens in a cheap function.
        """
        try:
            with staying():
                value = float(self._functions[metric](cell))
        except (
            BaseException
        ) as error:  # a user's code may raise any, such as GeneratorExit
            if is_interrupt(error):
                raise
            detail = f"{type(error).__name__}: {error}".rstrip(": .")
            raise self._failed(metric, f"fails for {cell}: {detail}") from error
        if wrong := not_a_value(
            self._by_name[metric], value, is_expensive=metric in self._dear
        ):
            raise self._failed(metric, f"is {value:g} for {cell}{wrong}")
        self.check_unit(metric, value)
        return value

    def _failed(self, metric: str, what: str) -> UserError:
        line = f"{metric} of {self.name} {what}"
        return (
            EvaluationError(line, cost=1.0)
            if metric in self._dear
            else UserError(f"{line}.")
        )


class Computed(OwnBenchmark):
    """A benchmark whose metrics are functions of a cell. A query of a computed benchmark costs one
    unit.

    Each function of a metric is called once per cell and process. The functions of metrics must be
    deterministic.

    The type of a metric follows from its name: ``…_error``, ``…_accuracy`` (larger is better),
    ``…_loss``, or ``latency@…`` in ms. A search cannot use a metric named ``test_…``, which is only
    reported. The unit of an error or an accuracy is % or a fraction. Use `surrogate_nas.Metric` to
    declare the unit, and also the direction if the metric's name implies none.

    Example:
        >>> import surrogate_nas as sn
        >>> space = sn.ChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        >>> bench = Computed(
        ...     space, {"valid_error": lambda cell: 20.0 - sum(cell.choices)}
        ... )
        >>> bench.query("mlp(width=64, depth=3)", "valid_error")
        17.0
    """

    cost_unit = "queries"
    charge = "An evaluation is charged one query."

    @checked
    def __init__(
        self,
        space: Space,
        metrics: Mapping[str, Function | Metric],
        *,
        name: str = "",
        title: str = "",
        network: Network | None = None,
        cheap: bool | Sequence[str] = False,
    ) -> None:
        """Define the benchmark by its space and the functions of its metrics.

        Args:
            space: The space of the cells.
            metrics: Functions from a cell to a finite number by metric, alone or in a
                `surrogate_nas.Metric` that declares unit and direction. The values of a metric
                without a function are passed to `surrogate_nas.AskTell`.
            name: The benchmark's name; by default that of the space.
            title: A description in one line.
            network: The macro architecture from which the space computes sizes, if it does.
            cheap: Names of metrics whose functions are fast, or True for all. Only these functions
                are called for medians over the space, by strategies, and for all cells.

        Raises:
            UserError: An argument is missing or invalid, or a declaration contradicts a metric's
                name.
        """
        given = locals()
        own = declared(metrics, "metrics") if isinstance(metrics, Mapping) else {}
        if not own:
            raise UserError(
                "A computed benchmark needs a mapping of at least one metric to a function of a"
                " cell."
            )
        quick = {*own} if cheap is True else {*check_names("cheap", cheap or ())}
        for name_of_metric in quick - own.keys():
            raise unknown("metric among those of `cheap`", name_of_metric, own)
        self._take(given, "computed metrics", own, own.keys() - quick)
        self.source = "computed by the user's functions"
        named = (metric.named(name, source=self.source) for name, metric in own.items())
        self._describe((*named, *sizes_of(space, own)))
        self.one_by_one = bool(self._dear)
        self.has_columns = isinstance(space, Enumerable) and not self._dear
        self._cached: dict[tuple[str, str], float] = {}

    def _digest(self) -> tuple[object, str]:
        total = hashlib.sha256(f"computed {self.name} {self.space.definition}".encode())
        for metric, function in sorted(self._functions.items()):
            if metric in self._dear:
                content = digest_of_function(function, self).encode()
            else:
                content = self._answers_to(
                    Question(metric, None), self.space.reference_sample, "mean"
                ).tobytes()
            total.update(metric.encode() + content)
        if changed := differences(self._own):
            total.update(json_digest(changed).encode())
        return next(iter(self._functions.values()), self), total.hexdigest()

    def reference_sample(self, question: Question) -> Sequence[Cell]:
        """Return the cells over which a metric's median is computed: at most 64 cells for an
        expensive metric.
        """
        return (
            self._sample
            if self.is_expensive(question.metric)
            else self.space.reference_sample
        )

    @cached_property
    def _sample(self) -> Sequence[Cell]:
        if isinstance(self.space, Enumerable) and len(self.space) <= _SAMPLED:
            return self.space
        rng = np.random.default_rng(0)
        return list(dict.fromkeys(self.space.sample(rng) for _ in range(_SAMPLED)))

    def _scale_of_cost(self, metric: metrics.Metric) -> tuple[float, float]:
        """Return the median and the worst value over the sample. Announce the calls before.

        A metric without a function has a divisor of 1.
        """
        if metric.name not in self._functions:
            return 1.0, _WORST["loss"]
        new = sum((metric.name, cell.text) not in self._cached for cell in self._sample)
        if new:
            sys.stderr.write(
                f"{metric.name} is computed for {plural(new, 'cell')} first, to find its median.\n"
            )
        values = self._values(metric.name, self._sample)
        far = 1e3 * float(np.abs(values).max())
        return float(np.median(values)), -far if metric.larger_is_better else far

    def recall(self, cell: str, values: Mapping[str, float]) -> None:
        """Cache the values of expensive metrics for a cell from a stored run."""
        for metric in self._dear & values.keys():
            self._cached.setdefault((metric, cell), values[metric])
            if values[metric] > 1:
                self.open_units -= {metric}

    def shows_percent(self, metric: str) -> bool:
        """Return whether a cheap metric has a value above 1 for some cell of the
        reference sample.
        """
        if self.is_expensive(metric):
            return False
        self.open_units -= {metric}  # while the sample is computed
        values = self._values(metric, self.space.reference_sample)
        self.open_units |= {metric}
        return bool((values > 1).any())

    def _called(self, metric: str, cell: Cell) -> float:
        if metric not in self._dear:
            return super()._called(metric, cell)
        if (metric, cell.text) not in self._cached:
            with self.files.heard():
                self._cached[metric, cell.text] = super()._called(metric, cell)
        return self._cached[metric, cell.text]

    @renamed(seed="training_seed")
    def column(
        self, metric: str, epochs: int | None = None, training_seed: Seed | None = None
    ) -> Values:
        """Return a metric's values for all cells in the order of the space, shape
        ``(len(space),)``. The column is computed once and then cached.

        Raises:
            UserError: The metric is unknown or expensive, or the cells of the space cannot be
                listed.
        """
        name = self.metric(metric).name
        if name in self._dear:
            raise UserError(
                f"{name} of {self.name} is computed cell by cell, so it has no column for all"
                " cells. If its function is fast, declare it: Computed(…, cheap=True)."
            )
        return self._column(Question(name, None), "mean")

    def _whole(self, question: Question, seed: Seed) -> Values:
        return self._values(question.metric, listed(self.space))

    def _answers_to(self, question: Question, cells: Any, seed: Seed) -> Values:
        if cells is self.space and not self.is_expensive(question.metric):
            return self._column(question, "mean")
        return self._values(question.metric, cells)


def _elsewhere(
    kind: type[OwnBenchmark], settings: dict[str, Any], files: FilesRead | None
) -> OwnBenchmark:
    """Rebuild the benchmark in another process, where the source of functions may be missing."""
    benchmark = kind(**settings)
    if files is not None:
        benchmark.__dict__["files"] = files
    return benchmark


def _opened_again(address: str, version: tuple[object, ...]) -> Benchmark:
    """Open the benchmark in another process, after a check that its file has not changed."""
    benchmark = Benchmark._load(address)
    if version != (benchmark.version if isinstance(benchmark, OwnBenchmark) else None):
        raise UserError(
            f"{address} was edited while its cells are trained: its source, a value that it uses"
            " from outside, or a file that it reads. Repeat the command to use the new version. A"
            " value that differs between processes, such as a time, must be computed inside the"
            " function."
        )
    return benchmark
