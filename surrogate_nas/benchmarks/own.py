"""What benchmarks of a user's own share: metrics are functions of a cell, or reports of a training.

Settings are written once, as the arguments of the class, and kept as they were given. In another
process a benchmark is made again of them, or taken from the file that holds it.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from surrogate_nas.benchmarks.base import Benchmark, Free, Question, Values, applied, formula
from surrogate_nas.benchmarks.declared import Metric, with_open_units, worst_of
from surrogate_nas.benchmarks.reading import FilesRead, folder_of
from surrogate_nas.core import metrics
from surrogate_nas.core.errors import EvaluationError, UserError
from surrogate_nas.core.interrupts import is_interrupt, staying
from surrogate_nas.files.opened import Opened
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Seed


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
        """Take what the class is given.

        Args:
            settings: The local names of its constructor, with its arguments.
            title: How the title begins that is given to a benchmark without one.
            own: The metrics that it makes.
            dear: Those that are known of the cells that are asked for alone.
        """
        self.settings = {name: settings[name] for name in settings if name not in _NO_SETTINGS}
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
        self._functions = {name: m.function for name, m in own.items() if m.function is not None}
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
        if self.address:  # the file is read again, so that its functions need not be picklable
            return _opened_again, (self.address, self.version), state
        files = self.files if self.one_by_one else None
        return _elsewhere, (type(self), self.settings, files), state

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the space, the settings, and the source of functions or of a command, with
        the values that functions take from around them, and the files that they read.
        """
        return self.files.fingerprint

    @cached_property
    def files(self) -> FilesRead:
        """The files in the folder of its functions that they read."""
        code, digest = self._digest()
        return FilesRead(folder_of(code), digest, self.imported if self.one_by_one else None)

    @abstractmethod
    def _digest(self) -> tuple[object, str]:
        """One of the user's functions, and a digest of the settings and of all code."""

    def is_dear(self, metric: str) -> bool:
        """Whether a metric may take long, so that it is known of the cells that are asked for."""
        return metric in self._dear

    def scale(self, question: Question, seed: Seed = "mean") -> tuple[float, float]:
        """Median and worst value of a metric; fixed bounds for a dear loss, which is not computed.

        Raises:
            UserError: A training reports the cost, and no typical value of it is declared.
        """
        metric = self.metric(question.metric)
        if not self.is_dear(metric.name):
            return super().scale(question, seed)
        return (1.0, worst_of(metric)) if metric.is_loss else self._scale_of_cost(metric)

    @abstractmethod
    def _scale_of_cost(self, metric: metrics.Metric) -> tuple[float, float]:
        """The scale of a dear metric that is no loss."""

    def free(self, question: Question, seed: Seed) -> Free | None:
        """A function that returns at once, or the space's formula; None for a dear metric."""
        if self.is_dear(question.metric):
            return None
        function = self._functions.get(question.metric)
        return super().free(question, seed) if function is None else partial(applied, function)

    def _values(self, metric: str, cells: Sequence[Cell]) -> Values:
        """What a function or the space says of cells, shape ``(n,)``."""
        if metric not in self._functions:
            return formula(self.space, metric, self.network, cells)
        return np.array([self._called(metric, cell) for cell in cells], dtype=np.float64)

    def _called(self, metric: str, cell: Cell) -> float:
        """What a user's function says of a cell.

        Raises:
            EvaluationError: It fails, wants to end the process, or gives no finite number, and is
                dear, so that a search continues without this cell.
            UserError: The same of one that returns at once.
        """
        try:
            with staying():
                value = float(self._functions[metric](cell))
        except BaseException as error:  # a user's code may raise any, such as GeneratorExit
            if is_interrupt(error):
                raise
            detail = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise self._failed(metric, f"fails for {cell}: {detail}") from error
        described = self._by_name[metric]
        worst = worst_of(described)
        if not math.isfinite(value):
            raise self._failed(metric, f"is {value} for {cell}; it must be a finite number")
        if outside := described.outside(value):
            raise self._failed(metric, f"is {value:g} for {cell}, {outside}")
        if metric in self._dear and (value < worst if worst < 0 else value > worst):
            raise self._failed(metric, f"is {value:g} for {cell}; nothing is worse than {worst:g}")
        self.check_unit(metric, value)
        return value

    def _failed(self, metric: str, what: str) -> UserError:
        line = f"{metric} of {self.name} {what}"
        return EvaluationError(line, cost=1.0) if metric in self._dear else UserError(f"{line}.")


_NO_SETTINGS = ("self", "__class__")


def _elsewhere(
    kind: type[OwnBenchmark], settings: dict[str, Any], files: FilesRead | None
) -> OwnBenchmark:
    """The same in another process, where the source of functions may not be found."""
    benchmark = kind(**settings)
    if files is not None:
        benchmark.__dict__["files"] = files
    return benchmark


def _opened_again(address: str, version: tuple[object, ...]) -> Benchmark:
    """The same in another process, from a file that is as it was."""
    from surrogate_nas.benchmarks import load

    benchmark = load(address)
    if version != (benchmark.version if isinstance(benchmark, OwnBenchmark) else None):
        raise UserError(
            f"{address} was edited while its cells are trained: its source, a value that it takes"
            " from around it, or a file that it reads. Give the same command again to use the new"
            " one. A value that differs from process to process, such as a time, belongs into the"
            " function."
        )
    return benchmark
