"""Benchmarks of a user's own: their base, and `Computed`, with a function for every metric.

Another process makes a benchmark again from the arguments of its class, or takes it from the file
that holds it. An error or an accuracy is in % or a fraction. If neither is declared, its first
value above 1 shows that it is in %. Until then a value of 1 or less is refused, since it may mean
either.
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

# how many random cells the median of a cost that is dear is taken over
_SAMPLED = 64


Function = Callable[[Cell], SupportsFloat]
"""A user's metric of a cell: one number."""

# values that no error and no quality (in %), and no loss, is worse than
_WORST: dict[str, float] = {"error": 1e3, "quality": -1e3, "loss": 1e12}


def worst_of(metric: metrics.Metric) -> float:
    """Return a bound that no value of a metric is worse than, in its unit; infinite for a cost."""
    worst = _WORST.get(metric.quantity, math.inf)
    return worst / 100.0 if metric.unit == FRACTION else worst


def not_a_value(
    metric: metrics.Metric, value: float, *, is_expensive: bool = True
) -> str:
    """Say why a metric cannot have a value, in words that follow the value; empty if it can.

    A bound is needed if the metric is dear, since a search then begins without its range.
    """
    worst = worst_of(metric)
    if not math.isfinite(value):
        return ", no finite number"
    if outside := metric.outside(value):
        return f", {outside}"
    is_worse = is_expensive and (value < worst if worst < 0 else value > worst)
    return f"; nothing is worse than {worst:g}" if is_worse else ""


@dataclass(frozen=True)
class Metric:
    """The declaration of a metric of `surrogate_nas.Computed` or `surrogate_nas.Training`.

    Attributes:
        function: A function from a cell to a number; None if a training reports the metric.
        unit: ``fraction`` or ``%`` of an error or an accuracy; any text of another metric; empty
            for the unit that the name implies.
        direction: ``min`` or ``max``; None for the direction that the name implies.

    Raises:
        UserError: The unit is no text, the direction is neither, or the function cannot be called.

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
                f"A metric is a function of a cell, not {self.function!r:.80}."
            )
        if not isinstance(self.unit, str):
            raise UserError(
                f"A unit is a text such as 'fraction', not {self.unit!r:.80}."
            )
        if self.direction is not None and self.direction not in DIRECTIONS:
            raise UserError(
                f"A direction is 'min' or 'max', not {self.direction!r:.80}."
            )

    def named(self, name: str, *, source: str, description: str = "") -> metrics.Metric:
        """Build the metric of a benchmark.

        Raises:
            UserError: The unit or the direction contradicts the name.
        """
        about = {"source": source, "description": description}
        return metric_named(name, unit=self.unit, direction=self.direction, **about)


def declared(given: object, what: str) -> dict[str, Metric]:
    """Read a mapping of names to functions or to `Metric`, or names alone.

    Raises:
        UserError: It is neither, or a name is there twice.
    """
    if not isinstance(given, Mapping):
        names = check_names(what, given)
        if twice := [name for name in names if names.count(name) > 1]:
            raise UserError(f"{twice[0]} is there twice among {what}.")
        return {name: Metric() for name in names}
    return {
        str(name): metric if isinstance(metric, Metric) else Metric(metric)
        for name, metric in given.items()
    }


def with_open_units(own: Mapping[str, Metric]) -> frozenset[str]:
    """Choose the errors and accuracies whose unit is not declared."""
    names = (name for name, metric in own.items() if not metric.unit)
    return frozenset(name for name in names if metric_named(name).unit == PERCENT)


def differences(own: Mapping[str, Metric]) -> dict[str, list[str]]:
    """Return the declared units and directions that names do not imply, for a fingerprint."""
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
    """Metrics of a user's own over any space.

    Attributes:
        imported: The files that were opened when the user's file was imported, or None.
        settings: The arguments of the class, by name.
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
        """Take the arguments of the class, the beginning of a title, and the metrics.

        Values of dear metrics are known of the cells alone that are asked for.
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
        """What is the same in every process; empty where all functions return at once."""
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
        """A digest of the space, the settings, and the code with the files that it reads."""
        return self.files.fingerprint

    @cached_property
    def files(self) -> FilesRead:
        """The files in the folder of its functions that they read."""
        code, digest = self._digest()
        imported = self.imported if self.one_by_one else None
        return FilesRead(folder_of(code), digest, imported)

    @cached_property
    def in_server(self) -> tuple[tuple[str, str], ...]:  # type: ignore[override]
        """PyTorch, where it is loaded or the user's code names it."""
        code = [*self._functions.values(), self.settings.get("train")]
        kinds = (f if isinstance(f, FunctionType) else type(f) for f in code)
        is_used = "torch" in sys.modules or "torch" in str([*map(source_of, kinds)])
        return (("importlib:import_module", "torch"),) if is_used else ()

    @abstractmethod
    def _digest(self) -> tuple[object, str]:
        """Return one of the user's functions, and a digest of the settings and of all code."""

    def is_expensive(self, metric: str) -> bool:
        """Return whether a metric may take long to compute."""
        return metric in self._dear

    def scale(
        self, question: Question, training_seed: Seed = "mean"
    ) -> tuple[float, float]:
        """Return median and worst value; fixed bounds for a dear loss, which is not computed.

        Raises:
            UserError: A training reports the cost, and no typical value of it is declared.
        """
        metric = self.metric(question.metric)
        if not self.is_expensive(metric.name):
            return super().scale(question, training_seed)
        return (
            (1.0, worst_of(metric)) if metric.is_loss else self._scale_of_cost(metric)
        )

    @abstractmethod
    def _scale_of_cost(self, metric: metrics.Metric) -> tuple[float, float]:
        """Return the scale of a dear metric that is no loss."""

    def free(self, question: Question, training_seed: Seed) -> Free | None:
        """Return a cheap function, or the space's formula; None for a dear metric."""
        if self.is_expensive(question.metric):
            return None
        if question.metric in self._functions:
            return partial(applied, self._functions[question.metric])
        return super().free(question, training_seed)

    def _values(self, metric: str, cells: Sequence[Cell]) -> Values:
        """Ask a function or the space, shape ``(n,)``."""
        if metric in self._own and metric not in self._functions:
            raise UserError(
                f"{metric} of {self.name} has no function, so it is not computed: tell its value to"
                " a loop (AskTell)."
            )
        if metric not in self._functions:
            return formula(self.space, metric, self.network, cells)
        return np.array(
            [self._called(metric, cell) for cell in cells], dtype=np.float64
        )

    def _called(self, metric: str, cell: Cell) -> float:
        """Call a user's function.

        Raises:
            EvaluationError: A dear function fails, wants to end the process, or gives no finite
                number; a search continues without this cell.
            UserError: A cheap function does.
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
    """Values from functions of a cell, each called once per cell and process; a query costs one.

    The name of a metric says what it is: ``…_error``, ``…_accuracy`` (larger is better) or
    ``…_loss``, ``latency@…`` in ms; ``test_…`` is only reported. An error or an accuracy is in % or
    a fraction: `surrogate_nas.Metric` declares which, and the direction of a metric whose name says
    none. Functions must be deterministic.

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
        """Take the functions.

        Args:
            space: The space of the cells.
            metrics: By metric a function from a cell to a finite number, alone or in a
                `surrogate_nas.Metric` that declares its unit and its direction. A metric without a
                function is told to `surrogate_nas.AskTell`.
            name: The benchmark's name; by default the space's.
            title: One line saying what it holds.
            network: The macro architecture behind the space's own sizes, if it has any.
            cheap: Metrics whose functions return at once, by name, or True for all of them. Only
                these are called for medians over the space, by strategies, and for whole columns.

        Raises:
            UserError: An argument is missing or invalid, or a declaration contradicts a metric's
                name.
        """
        given = locals()
        own = declared(metrics, "metrics") if isinstance(metrics, Mapping) else {}
        if not own:
            raise UserError(
                "A computed benchmark needs a mapping of metrics to functions of a cell, at least"
                " one."
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
        """Return the cells of a metric's median: at most 64 for a dear one."""
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
        """Return median and worst value over the sample; calls are announced before the first.

        A metric without a function has a divisor of 1.
        """
        if metric.name not in self._functions:
            return 1.0, _WORST["loss"]
        new = sum((metric.name, cell.text) not in self._cached for cell in self._sample)
        if new:
            sys.stderr.write(
                f"{metric.name} is computed for {plural(new, 'cell')} beforehand, for its median.\n"
            )
        values = self._values(metric.name, self._sample)
        far = 1e3 * float(np.abs(values).max())
        return float(np.median(values)), -far if metric.larger_is_better else far

    def recall(self, cell: str, values: Mapping[str, float]) -> None:
        """Take the values of dear functions for a cell from a stored run."""
        for metric in self._dear & values.keys():
            self._cached.setdefault((metric, cell), values[metric])
            if values[metric] > 1:
                self.open_units -= {metric}

    def shows_percent(self, metric: str) -> bool:
        """Return whether a value of a cheap function exceeds 1."""
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
        """Return a column in the order of the space, computed once; shape ``(len(space),)``.

        Raises:
            UserError: The metric is unknown or dear, or the space cannot be listed.
        """
        name = self.metric(metric).name
        if name in self._dear:
            raise UserError(
                f"{name} of {self.name} is computed cell by cell and has no whole column; if its"
                " function returns at once, say so: Computed(…, cheap=True)."
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
    """Make the benchmark in another process, where no source of functions may be found."""
    benchmark = kind(**settings)
    if files is not None:
        benchmark.__dict__["files"] = files
    return benchmark


def _opened_again(address: str, version: tuple[object, ...]) -> Benchmark:
    """Open the benchmark in another process, from a file that is as it was."""
    benchmark = Benchmark._load(address)
    if version != (benchmark.version if isinstance(benchmark, OwnBenchmark) else None):
        raise UserError(
            f"{address} was edited while its cells are trained: its source, a value that it takes"
            " from around it, or a file that it reads. Give the same command again to use the new"
            " one. A value that differs from process to process, such as a time, belongs into the"
            " function."
        )
    return benchmark
