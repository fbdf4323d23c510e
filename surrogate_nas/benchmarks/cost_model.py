"""The cost model of a supernet's steps: the seconds of each operation in recorded trainings.

A step takes a fixed time and one for every computed operation, whatever its edge. For a table, the
seconds are fitted to the recorded seconds of cells by least squares. For a live task, they are
measured once, on cells of one operation each, and cached in ``live/`` of the data directory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.base import Benchmark
from surrogate_nas.benchmarks.joined import JoinedBenchmark
from surrogate_nas.benchmarks.live import LiveBenchmark
from surrogate_nas.benchmarks.table import TableBenchmark
from surrogate_nas.benchmarks.trained import AnswerCache, Trained
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.version import __version__
from surrogate_nas.space import Cell, Enumerable, listed
from surrogate_nas.space.network import CONV1, CONV3, NONE, POOL, SKIP
from surrogate_nas.training import Task, task_named

_OPERATIONS = (SKIP, CONV1, CONV3, POOL)
_TIMES = ("train_seconds", "valid_seconds")


class CostModel(NamedTuple):
    """Seconds of one unit of work: a fixed time, and one by layer, on one edge of every cell."""

    fixed: float
    operations: Mapping[int, float]

    def __call__(self, operations: Sequence[int]) -> float:
        """Return the seconds of a unit that computes some operations."""
        return self.fixed + sum(
            self.operations.get(operation, 0.0) for operation in operations
        )

    @classmethod
    def fitted(
        cls, graphs: NDArray[np.int8], seconds: NDArray[np.float64], units: float
    ) -> Self:
        """Fit cells' seconds by least squares; negative ones are 0."""
        counts = [(graphs == operation).sum(axis=1) for operation in _OPERATIONS]
        columns = np.column_stack([np.ones(len(graphs)), *counts])
        solution = np.linalg.lstsq(columns, seconds / units, rcond=None)[0]
        fixed, *coefficients = np.maximum(solution, 0.0).tolist()
        return cls(fixed, dict(zip(_OPERATIONS, coefficients, strict=True)))


class CostModels(NamedTuple):
    """The cost of a step on one training batch, and of evaluating one validation example."""

    step: CostModel
    example: CostModel


def task_of(benchmark: Benchmark) -> Task | None:
    """Return the task of a benchmark's trainings; None where no task can train as it did."""
    while isinstance(benchmark, JoinedBenchmark):
        benchmark = benchmark.base
    if isinstance(benchmark, LiveBenchmark):
        return benchmark.task
    card = benchmark.card if isinstance(benchmark, TableBenchmark) else ""
    settings = json.loads(card or "{}").get("settings", {})
    if benchmark.cost != "seconds" or not settings.get("epochs"):
        return None
    with suppress(UserError):
        task = task_named(settings.get("task", ""))
        return task if task.is_here() and task.network() == benchmark.network else None
    return None


def cost_models_of(benchmark: Benchmark, task: Task, space: Enumerable) -> CostModels:
    """Return the costs of a supernet's work on a benchmark's clock."""
    while isinstance(benchmark, JoinedBenchmark):
        benchmark = benchmark.base
    from surrogate_nas.training.supernet import live_operations

    data = task.data
    steps = -(-len(data["train"].targets) // task.schedule.batch)
    examples = len(data["valid"].targets)
    if isinstance(benchmark, LiveBenchmark):
        graphs, trained, judged, epochs = *_measured(benchmark, space), 1
    else:
        epochs = benchmark.metric("train_seconds").epochs[-1]
        graphs = live_operations(space)
        trained = benchmark.column("train_seconds", epochs)
        judged = benchmark.column("valid_seconds")
        usable = graphs.any(axis=1) & np.isfinite(trained) & np.isfinite(judged)
        graphs, trained, judged = graphs[usable], trained[usable], judged[usable]
    return CostModels(
        CostModel.fitted(graphs, trained, epochs * steps),
        CostModel.fitted(graphs, judged, examples),
    )


def _measured(
    benchmark: LiveBenchmark, space: Enumerable
) -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float64]]:
    """Return operations of the plainest cells, and seconds of one epoch and validation pass."""
    from surrogate_nas.training import train
    from surrogate_nas.training.supernet import live_operations

    cells = _plainest(space)
    cache = AnswerCache(benchmark.cache.path.with_name(f"pace-{benchmark.cache.path.name}"))
    if any(cache.find((cell.text, 1, 0)) is None for cell in cells):
        about: Any = {"network": benchmark.network, "space": space, "test": False}
        about |= {"device": benchmark.device, "at_once": 1, "epochs": 1}
        # the first warms up; of two trainings of a cell the faster counts
        _, *curves = (
            train([cell], benchmark.task, **about)[0] for cell in (cells[-1], *cells * 2)
        )
        for i, cell in enumerate(cells):
            own = curves[i :: len(cells)]
            seconds = {kind: min(getattr(curve, kind) for curve in own) for kind in _TIMES}
            made_with = {"surrogate_nas": __version__}
            cache.add((cell.text, 1, 0), Trained(seconds, 0.0), made_with)
    answers = (cache.find((cell.text, 1, 0)) for cell in cells)
    measured = [answer.metrics for answer in answers if answer]
    trained, judged = (np.array([seconds[kind] for seconds in measured]) for kind in _TIMES)
    return live_operations(space)[[cell.index for cell in cells]], trained, judged


def _plainest(space: Enumerable) -> list[Cell]:
    """For each operation, the cell with it on every edge; and a single skip to the output."""
    plainest = {}
    for cell in listed(space):
        graph = space.graph(cell)
        if graph is None:
            continue
        operations = set(graph.operations)
        has_one_skip = operations == {NONE, SKIP} and graph.operations.count(SKIP) == 1
        if len(operations) == 1 and operations != {NONE}:
            plainest[graph.operations[0]] = cell
        elif has_one_skip and any(graph.live().operations):
            plainest[NONE] = cell
    return [plainest[operation] for operation in sorted(plainest)]
