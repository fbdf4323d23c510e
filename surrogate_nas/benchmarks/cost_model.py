"""The cost model of a supernet's steps: the seconds of each operation in recorded trainings.

A step takes a fixed time and one for every computed operation, whatever its edge. For a table, the
figures are fitted to the recorded seconds of living cells, by least squares, so they are on the
table's clock. For a live task, they are measured once, on cells of one operation each, and cached
in ``live/`` of the home folder as trainings are, so charges do not depend on other load.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Self

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


class CostModel(NamedTuple):
    """Seconds of one unit of work.

    Attributes:
        fixed: Whatever is computed.
        operations: By layer (`surrogate_nas.space.network`), on one edge of every cell of the
            network.
    """

    fixed: float
    operations: Mapping[int, float]

    def __call__(self, operations: Sequence[int]) -> float:
        """The seconds of a unit that computes some operations."""
        return self.fixed + sum(
            self.operations.get(operation, 0.0) for operation in operations
        )

    @classmethod
    def fitted(
        cls,
        graphs: NDArray[np.int8],
        seconds: NDArray[np.float64],
        units: float,
    ) -> Self:
        """Fit cells' seconds, by least squares; nothing takes less than no time."""
        counts = [(graphs == operation).sum(axis=1) for operation in _OPERATIONS]
        columns = np.column_stack([np.ones(len(graphs)), *counts])
        fixed, *each = np.maximum(
            np.linalg.lstsq(columns, seconds / units, rcond=None)[0], 0.0
        ).tolist()
        return cls(fixed, dict(zip(_OPERATIONS, each, strict=True)))


class CostModels(NamedTuple):
    """What a supernet does.

    Attributes:
        step: A step on one batch of the training data.
        example: Judging one example of the validation data.
    """

    step: CostModel
    example: CostModel


def task_of(benchmark: Benchmark) -> Task | None:
    """The project's task of a benchmark's trainings; None where no task can train as it did."""
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
    """What a supernet's work is charged on a benchmark's clock."""
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
        trained, judged = (
            benchmark.column("train_seconds", epochs),
            benchmark.column("valid_seconds"),
        )
        usable = graphs.any(axis=1) & np.isfinite(trained) & np.isfinite(judged)
        graphs, trained, judged = graphs[usable], trained[usable], judged[usable]
    return CostModels(
        CostModel.fitted(graphs, trained, epochs * steps),
        CostModel.fitted(graphs, judged, examples),
    )


def _measured(
    benchmark: LiveBenchmark, space: Enumerable
) -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float64]]:
    """Operations of the plainest cells, and seconds of one epoch and of one validation pass."""
    from surrogate_nas.training import train
    from surrogate_nas.training.supernet import live_operations

    cells = _plainest(space)
    cache = AnswerCache(benchmark.cache.path.with_name(f"pace-{benchmark.cache.path.name}"))
    if any(cache.find((cell.text, 1, 0)) is None for cell in cells):
        curves = [
            train(
                [cell],
                benchmark.task,
                epochs=1,
                network=benchmark.network,
                space=space,
                device=benchmark.device,
                at_once=1,
                test=False,
            )[0]
            # trainings of each cell that is measured; the faster counts
            for cell in (cells[-1], *cells * 2)
        ][1:]
        for i, cell in enumerate(cells):
            own = curves[i :: len(cells)]
            kinds = ("train_seconds", "valid_seconds")
            seconds = {kind: min(getattr(curve, kind) for curve in own) for kind in kinds}
            cache.add(
                (cell.text, 1, 0), Trained(seconds, 0.0), {"surrogate_nas": __version__}
            )
    measured = [
        answer.metrics for cell in cells if (answer := cache.find((cell.text, 1, 0)))
    ]
    return (
        live_operations(space)[[cell.index for cell in cells]],
        np.array([one["train_seconds"] for one in measured]),
        np.array([one["valid_seconds"] for one in measured]),
    )


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
