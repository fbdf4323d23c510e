"""A benchmark of one's own in a few lines: a function for every metric, over any space.

``surrogate_nas.Computed(space, {"valid_error": function, "latency@mine": another})`` in a Python
file is opened as ``file.py:NAME`` on the command line. A function may be a training: it is called
for the cells that a search asks for, once a cell, and for nothing else; but the median of a cost,
which divides it in an objective, is taken over 64 cells. Functions that return at once
(``cheap=True``) make whole columns of a space that can be listed: regret is then known.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property

import numpy as np

from surrogate_nas.benchmarks.base import (
    Applied,
    Benchmark,
    Formula,
    Free,
    Measurement,
    Question,
    Values,
)
from surrogate_nas.benchmarks.declared import (
    Function,
    Metric,
    declared,
    differences,
    with_open_units,
    worst_of,
)
from surrogate_nas.benchmarks.proxies import sizes_of
from surrogate_nas.benchmarks.reading import FilesRead, folder_of
from surrogate_nas.core.arguments import check_names, checked
from surrogate_nas.core.captured import digest_of_function
from surrogate_nas.core.digests import json_digest
from surrogate_nas.core.errors import EvaluationError, UserError, unknown
from surrogate_nas.core.interrupts import is_interrupt, staying
from surrogate_nas.core.numbers import plural
from surrogate_nas.files.opened import Opened
from surrogate_nas.space import Cell, Enumerable, Space, listed
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Seed

_SAMPLED = 64
_SAMPLE_SEED = 0
"""How many random cells the median of a cost that is dear is taken over."""
_DEARER = 1e3
"""How many times the largest of the sample no cell is thought to cost."""


class Computed(Benchmark):
    """Values from functions of a cell, each called once per cell and process; a query costs one.

    The name of a metric says what it is: ``…_error``, ``…_accuracy`` (larger is better) or
    ``…_loss``, ``latency@…`` in ms; ``test_…`` is only reported and never searched on. An error or
    an accuracy is in % or a fraction: `surrogate_nas.Metric` declares which, and the direction of
    a metric whose name says none. Functions must be deterministic.

    Attributes:
        imported: The files that were opened when the user's file was imported, or None.

    Example:
        >>> from surrogate_nas.space import EnumerableChoiceSpace
        >>> space = EnumerableChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        >>> bench = Computed(space, {"valid_error": lambda cell: 20.0 - sum(cell.choices)})
        >>> bench.query("mlp(width=64, depth=3)", "valid_error")
        17.0
    """

    cost = "queries"
    charge = "An evaluation is charged one query."
    banner = ""
    imported: Opened | None = None

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
            space: Whose cells are asked about.
            metrics: By metric a function from a cell to a finite number, alone or in a
                `surrogate_nas.Metric` that declares its unit and its direction.
            name: The benchmark's name; the space's if left out.
            title: One line saying what it holds.
            network: The macro architecture behind the space's own sizes, where it has any.
            cheap: Metrics whose functions return at once, by name, or True for all of them. These
                are called as often as there is a use for it: for medians over the whole space or
                10,000 cells, by strategies for cells that they think of, and for whole columns,
                which make regret known. Others are never called for that.

        Raises:
            UserError: There is no space or no metric, or what is given for one is no function; a
                declaration contradicts the metric's name; or `cheap` names none of them.
        """
        if not isinstance(space, Space):
            raise UserError(
                "A benchmark needs a space, such as a surrogate_nas.ChoiceSpace, not"
                f" {space!r:.80}."
            )
        own = declared(metrics, "metrics") if isinstance(metrics, Mapping) else {}
        functions = {name: one.function for name, one in own.items() if one.function is not None}
        if not own or len(functions) < len(own):
            raise UserError(
                "A computed benchmark needs a mapping of metrics to functions of a cell, at least"
                " one."
            )
        self.space = space
        self.network = network or Network()
        self.name = name or space.name
        self.title = title or f"computed metrics of {space.name}"
        self.source = "computed by the user's functions"
        self.licence = self.citation = "the user's own"
        self._own = own
        self._functions = functions
        self.open_units = with_open_units(own)
        self._dear = self._functions.keys() - _named(cheap, self._functions)
        described = (one.named(metric, source=self.source) for metric, one in own.items())
        self.metrics = (*described, *sizes_of(space, own))
        losses = [m.name for m in self.metrics if m.kind == "search" and m.is_loss]
        self.objective = losses[0] if losses else ""
        self.one_by_one = bool(self._dear)
        self.has_columns = isinstance(space, Enumerable) and not self._dear
        self._columns: dict[str, Values] = {}
        self._cached: dict[tuple[str, str], float] = {}

    def __reduce__(self) -> tuple[object, ...]:
        shown = {"open_units": self.open_units}
        if self.address:  # the file is read again, so that its functions need not be picklable
            arguments = self.address, self.fingerprint if self._dear else ""
            return opened_again, arguments, shown
        cheap = sorted(self._functions.keys() - self._dear)
        files = self.files if self._dear else None
        own = self.space, self._own, self.name, self.title, self.network, cheap, files
        return _computed, own, shown

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the space, of cheap metrics over a sample, and of dear functions: their
        source, the values that they take from around them, and the files that they read.
        """
        return self.files.fingerprint

    @cached_property
    def files(self) -> FilesRead:
        """The files in the folder of the functions that dear ones read."""
        total = hashlib.sha256(f"computed {self.name} {self.space.definition}".encode())
        for metric in sorted(self._functions):
            is_dear = metric in self._dear
            content = (
                digest_of_function(self._functions[metric], self).encode()
                if is_dear
                else self._reference_values(metric)
            )
            total.update(metric.encode() + content)
        if changed := differences(self._own):
            total.update(json_digest(changed).encode())
        folder = folder_of(next(iter(self._functions.values())))
        imported = self.imported if self._dear else None
        return FilesRead(folder, total.hexdigest(), imported)

    def _reference_values(self, metric: str) -> bytes:
        return self._values(metric, self.space.reference_sample).tobytes()

    def is_dear(self, metric: str) -> bool:
        """Whether a function may take long, so that every call of it counts."""
        return metric in self._dear

    def reference_sample(self, question: Question) -> Sequence[Cell]:
        """The cells of a metric's median: 64 for a dear one, or fewer if there are not as many."""
        return self._sample if self.is_dear(question.metric) else self.space.reference_sample

    @cached_property
    def _sample(self) -> Sequence[Cell]:
        if isinstance(self.space, Enumerable) and len(self.space) <= _SAMPLED:
            return self.space
        rng = np.random.default_rng(_SAMPLE_SEED)
        return list(dict.fromkeys(self.space.sample(rng) for _ in range(_SAMPLED)))

    def scale(self, question: Question, seed: Seed = "mean") -> tuple[float, float]:
        """Median and worst value of a metric; fixed bounds for a dear loss, which is not computed.

        The calls of a dear function are announced on standard error before the first.
        """
        metric = self.metric(question.metric)
        if not self.is_dear(metric.name):
            return super().scale(question, seed)
        if metric.is_loss:
            return 1.0, worst_of(metric)
        new = sum((metric.name, cell.text) not in self._cached for cell in self._sample)
        if new:
            sys.stderr.write(
                f"{metric.name} is computed for {plural(new, 'cell')} beforehand, for its median.\n"
            )
        values = self._values(metric.name, self._sample)
        far = _DEARER * float(np.abs(values).max())
        return float(np.median(values)), -far if metric.larger_is_better else far

    def recall(self, cell: str, values: Mapping[str, float]) -> None:
        """Take the values of dear functions for a cell from a stored run of another process."""
        for metric in self._dear & values.keys():
            self._cached.setdefault((metric, cell), values[metric])
            if values[metric] > 1:
                self.open_units -= {metric}

    def shows_percent(self, metric: str) -> bool:
        """Return whether a value of a function that returns at once exceeds 1.

        Args:
            metric: Its name.
        """
        if self.is_dear(metric):
            return False
        self.open_units -= {metric}  # while the sample is computed
        values = self._values(metric, self.space.reference_sample)
        self.open_units |= {metric}
        return bool((values > 1).any())

    def _values(self, metric: str, cells: Sequence[Cell]) -> Values:
        if metric not in self._functions:
            return Formula(self.space, metric, self.network)(cells)
        if metric not in self._dear:
            return np.array([self._called(metric, cell) for cell in cells], dtype=np.float64)
        for cell in cells:
            if (metric, cell.text) not in self._cached:
                self._cached[metric, cell.text] = self._called(metric, cell)
        return np.array([self._cached[metric, cell.text] for cell in cells], dtype=np.float64)

    def _called(self, metric: str, cell: Cell) -> float:
        """What a user's function says of a cell.

        Raises:
            EvaluationError: It fails, wants to end the process, or gives no finite number, and is
                dear, so that a search goes on without this cell.
            UserError: The same of one that returns at once.
        """
        with self.files.heard() if metric in self._dear else nullcontext():
            value = self._returned(metric, cell)
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

    def _returned(self, metric: str, cell: Cell) -> float:
        try:
            with staying():
                return float(self._functions[metric](cell))
        except BaseException as error:  # a user's code may raise any, such as GeneratorExit
            if is_interrupt(error):
                raise
            detail = f": {error}" if str(error) else ""
            raise self._failed(
                metric, f"fails for {cell}: {type(error).__name__}{detail}"
            ) from error

    def _failed(self, metric: str, what: str) -> UserError:
        line = f"{metric} of {self.name} {what}"
        return EvaluationError(line, cost=1.0) if metric in self._dear else UserError(f"{line}.")

    def column(
        self,
        metric: str,
        epochs: int | None = None,  # noqa: ARG002
        seed: Seed | None = None,  # noqa: ARG002
    ) -> Values:
        """A whole column in the order of the space, computed once; shape ``(len(space),)``.

        Raises:
            UserError: The metric is unknown or dear, or the space cannot be listed.
        """
        name = self.metric(metric).name
        if name in self._dear:
            raise UserError(
                f"{name} of {self.name} is computed cell by cell and has no whole column; if its"
                " function returns at once, say so: Computed(…, cheap=True)."
            )
        if name not in self._columns:
            values = self._values(name, listed(self.space))
            values.flags.writeable = False
            self._columns[name] = values
        return self._columns[name]

    def measure(
        self,
        cells: Sequence[Cell],
        questions: Sequence[Question],
        seed: Seed = "mean",  # noqa: ARG002
    ) -> Measurement:
        """Compute several metrics of several cells.

        Raises:
            UserError: A function fails or gives no finite number.
        """
        values = np.empty((len(cells), len(questions)))
        for j, question in enumerate(questions):
            values[:, j] = self._values(question.metric, cells)
        return Measurement(values, np.ones(len(cells)))

    def free(self, question: Question, seed: Seed) -> Free | None:
        """A cheap function of the user over cells, or the space's formula; None for a dear one."""
        if self.is_dear(question.metric):
            return None
        function = self._functions.get(question.metric)
        return super().free(question, seed) if function is None else Applied(function)


def _named(cheap: object, functions: Mapping[str, Function]) -> Iterable[str]:
    """The metrics that are cheap."""
    if isinstance(cheap, bool):
        return functions if cheap else ()
    names = check_names("cheap", cheap)
    for name in names:
        if name not in functions:
            raise unknown("metric among those of `cheap`", name, functions)
    return names


def _computed(
    space: Space,
    metrics: Mapping[str, Metric],
    name: str,
    title: str,
    network: Network,
    cheap: Sequence[str],
    files: FilesRead | None,
) -> Computed:
    """The same in another process, where the source of functions may not be found."""
    benchmark = Computed(
        space,
        metrics,
        name=name,
        title=title,
        network=network,
        cheap=cheap,
    )
    if files is not None:
        benchmark.__dict__["files"] = files
    return benchmark


def opened_again(address: str, fingerprint: str) -> Benchmark:
    """Open a benchmark in another process from a file that is as it was.

    Args:
        address: Of the benchmark.
        fingerprint: Of the benchmark; empty if it may have changed.

    Raises:
        UserError: It is another benchmark by now.
    """
    from surrogate_nas.benchmarks import load

    benchmark = load(address)
    if fingerprint not in ("", benchmark.fingerprint):
        raise changed_meanwhile(address)
    return benchmark


def changed_meanwhile(address: str) -> UserError:
    """Return the error of a benchmark that is another one by now."""
    return UserError(
        f"{address} was edited while its cells are trained: its source, a value that it takes from"
        " around it, or a file that it reads. Give the same command again to use the new one. A"
        " value that differs from process to process, such as a time, belongs into the function."
    )
