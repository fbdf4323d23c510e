"""A benchmark of one's own in a few lines: a function for every metric, over any space.

``surrogate_nas.Computed(space, {"valid_error": function, "latency@mine": another})`` in a Python file is opened as
``file.py:NAME`` on the command line. A space that can be listed then has whole columns, and regret is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np

from surrogate_nas.benchmarks.base import Applied, Benchmark, Free, Measurement, Question, Values
from surrogate_nas.benchmarks.proxies import untrained
from surrogate_nas.core.arguments import checked
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import metric_named
from surrogate_nas.space import Cell, Enumerable, Space, choices_of, listed
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Seed

Function = Callable[[Cell], float]
"""What a user's function says of a cell: one number."""


class Computed(Benchmark):
    """Answers with what functions say of a cell; a query costs one unit.

    What a metric is follows from its name: ``…_error`` and ``…_accuracy`` are in %, ``…_loss`` is a loss, ``latency@…``
    in ms; ``test_…`` is only reported and never searched on; everything else is a cost. Functions must be
    deterministic.

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

    @checked
    def __init__(
        self,
        space: Space,
        metrics: Mapping[str, Function],
        *,
        name: str = "",
        title: str = "",
        network: Network | None = None,
    ) -> None:
        """Take the functions.

        Args:
            space: Whose cells are asked about.
            metrics: By metric a function from a cell to a finite number.
            name: The benchmark's name; the space's if left out.
            title: One line saying what it holds.
            network: The macro architecture behind the space's own sizes, where it has any.

        Raises:
            UserError: There is no space or no metric, or what is given for one is no function.
        """
        if not isinstance(space, Space):
            raise UserError(f"A benchmark needs a space, such as a surrogate_nas.ChoiceSpace, not {space!r:.80}.")
        if not isinstance(metrics, Mapping) or not metrics or not all(map(callable, metrics.values())):
            raise UserError("A computed benchmark needs a mapping of metrics to functions of a cell, at least one.")
        self.space, self.network = space, network or Network()
        self.name, self.title = name or space.name, title or f"computed metrics of {space.name}"
        self.source = "computed by the user's functions"
        self.licence = self.citation = "the user's own"
        self._functions = dict(metrics)
        own = (metric_named(metric, source=self.source) for metric in metrics)
        sizes = (metric for metric, _ in untrained(space).values() if metric.name not in metrics)
        self.metrics = (*own, *sizes)
        losses = [m.name for m in self.metrics if m.kind == "search" and m.is_loss]
        self.objective = losses[0] if losses else ""
        self.has_columns = isinstance(space, Enumerable)
        self._columns: dict[str, Values] = {}

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        from surrogate_nas.benchmarks import load

        if self.address:  # the file is read again, so that its functions need not be picklable
            return load, (self.address,)
        return _computed, (self.space, self._functions, self.name, self.title, self.network)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the space and of every metric over its survey."""
        total = hashlib.sha256(f"computed {self.name} {self.space.definition}".encode())
        for metric in sorted(self._functions):
            total.update(metric.encode() + self._values(metric, self.space.survey).tobytes())
        return total.hexdigest()

    def _values(self, metric: str, cells: Sequence[Cell]) -> Values:
        function = self._functions.get(metric)
        if function is None:
            return np.asarray(untrained(self.space)[metric][1](choices_of(cells), self.network))
        values = []
        for cell in cells:
            try:
                values.append(float(function(cell)))
            except Exception as error:  # noqa: BLE001 - a user's function can raise anything
                raise UserError(
                    f"{metric} of {self.name} fails for {cell}: {type(error).__name__}: {error}."
                ) from error
        found = np.array(values, dtype=np.float64)
        if not np.isfinite(found).all():
            bad = int(np.flatnonzero(~np.isfinite(found))[0])
            raise UserError(f"{metric} of {self.name} is {found[bad]} for {cells[bad]}; it must be a finite number.")
        return found

    def column(self, metric: str, epochs: int | None = None, seed: Seed | None = None) -> Values:  # noqa: ARG002
        """A whole column in the order of the space, computed once; shape ``(len(space),)``.

        Raises:
            UserError: The metric is unknown, or the space cannot be listed.
        """
        name = self.metric(metric).name
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
        """The user's own function over cells, or the space's formula."""
        function = self._functions.get(question.metric)
        return super().free(question, seed) if function is None else Applied(function)


def _computed(space: Space, metrics: Mapping[str, Function], name: str, title: str, network: Network) -> Computed:
    return Computed(space, metrics, name=name, title=title, network=network)
