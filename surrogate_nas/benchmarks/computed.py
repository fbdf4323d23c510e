"""A benchmark of one's own in a few lines: a function for every metric, over any space.

``surrogate_nas.Computed(space, {"valid_error": function, "latency@mine": another})`` in a Python
file is opened as ``file.py:NAME`` on the command line. A function may be a training: it is called
once for each cell that a search asks for, and, if it is a cost, for 64 cells whose median divides
it. Functions that return at once (``cheap=True``) make whole columns, so that regret is known.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

from surrogate_nas.benchmarks.base import Question, Values
from surrogate_nas.benchmarks.own import (
    Function,
    Metric,
    OwnBenchmark,
    declared,
    differences,
)
from surrogate_nas.benchmarks.proxies import sizes_of
from surrogate_nas.core import metrics as described
from surrogate_nas.core.arguments import check_names, checked
from surrogate_nas.core.captured import digest_of_function
from surrogate_nas.core.digests import json_digest
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.core.numbers import plural
from surrogate_nas.space import Cell, Enumerable, Space, listed
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Seed

_SAMPLED = 64
"""How many random cells the median of a cost that is dear is taken over."""


class Computed(OwnBenchmark):
    """Values from functions of a cell, each called once per cell and process; a query costs one.

    The name of a metric says what it is: ``…_error``, ``…_accuracy`` (larger is better) or
    ``…_loss``, ``latency@…`` in ms; ``test_…`` is only reported. An error or an accuracy is in % or
    a fraction: `surrogate_nas.Metric` declares which, and the direction of a metric whose name says
    none. Functions must be deterministic.

    Example:
        >>> from surrogate_nas.space import EnumerableChoiceSpace
        >>> space = EnumerableChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        >>> bench = Computed(space, {"valid_error": lambda cell: 20.0 - sum(cell.choices)})
        >>> bench.query("mlp(width=64, depth=3)", "valid_error")
        17.0
    """

    cost = "queries"
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
                `surrogate_nas.Metric` that declares its unit and its direction.
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
        if not own or any(metric.function is None for metric in own.values()):
            raise UserError(
                "A computed benchmark needs a mapping of metrics to functions of a cell, at least"
                " one."
            )
        self._take(given, "computed metrics", own, own.keys() - _named(cheap, own))
        self.source = "computed by the user's functions"
        made = (metric.named(name, source=self.source) for name, metric in own.items())
        self._describe((*made, *sizes_of(space, own)))
        self.one_by_one = bool(self._dear)
        self.has_columns = isinstance(space, Enumerable) and not self._dear
        self._cached: dict[tuple[str, str], float] = {}

    def _digest(self) -> tuple[object, str]:
        total = hashlib.sha256(f"computed {self.name} {self.space.definition}".encode())
        for metric, function in sorted(self._functions.items()):
            if metric in self._dear:
                content = digest_of_function(function, self).encode()
            else:
                content = self._values(metric, self.space.reference_sample).tobytes()
            total.update(metric.encode() + content)
        if changed := differences(self._own):
            total.update(json_digest(changed).encode())
        return next(iter(self._functions.values())), total.hexdigest()

    def reference_sample(self, question: Question) -> Sequence[Cell]:
        """Return the cells of a metric's median: at most 64 for a dear one."""
        is_dear = self.is_dear(question.metric)
        return self._sample if is_dear else self.space.reference_sample

    @cached_property
    def _sample(self) -> Sequence[Cell]:
        if isinstance(self.space, Enumerable) and len(self.space) <= _SAMPLED:
            return self.space
        rng = np.random.default_rng(0)
        return list(dict.fromkeys(self.space.sample(rng) for _ in range(_SAMPLED)))

    def _scale_of_cost(self, metric: described.Metric) -> tuple[float, float]:
        """Return median and worst value over the sample; calls are announced before the first."""
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
        if self.is_dear(metric):
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

    def column(
        self, metric: str, epochs: int | None = None, seed: Seed | None = None
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

    def _answers_to(self, question: Question, cells: Sequence[Cell], seed: Seed) -> Values:
        return self._values(question.metric, cells)


def _named(cheap: object, own: Mapping[str, Metric]) -> Iterable[str]:
    if isinstance(cheap, bool):
        return own if cheap else ()
    names = check_names("cheap", cheap)
    for name in names:
        if name not in own:
            raise unknown("metric among those of `cheap`", name, own)
    return names
