"""The context of a one-shot strategy: a supernet, λR as a sum over edges, and live operations.

A one-shot strategy trains on the task's training and validation data alone. A one-shot strategy can
access neither the benchmark nor the test data.
"""

import json
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.base import Benchmark
from surrogate_nas.benchmarks.joined import JoinedBenchmark
from surrogate_nas.benchmarks.live import LiveBenchmark
from surrogate_nas.benchmarks.table import TableBenchmark
from surrogate_nas.benchmarks.trained import AnswerCache, Trained
from surrogate_nas.core import ROUNDING, UserError
from surrogate_nas.objective.objective import Objective
from surrogate_nas.objective.terms import FreeTerms
from surrogate_nas.space import Cell, Enumerable, listed
from surrogate_nas.space.network import CONV1, CONV3, NONE, POOL, SKIP
from surrogate_nas.strategies.oneshot.base import Additive, SupernetContext
from surrogate_nas.training import Task, task_named
from surrogate_nas.version import __version__

_LEAST_R2 = 0.9
_OPERATIONS = (SKIP, CONV1, CONV3, POOL)
_TIMES = ("train_seconds", "valid_seconds")
Matrix = NDArray[np.float64]


def additive(free: FreeTerms, space: Enumerable) -> Additive:
    """Write the free terms of one objective as a sum over edges.

    A metric that is computed from the cell must be exactly a sum over edges. A measured cost is
    replaced by the sum over edges with the best least-squares fit.

    Raises:
        UserError: A term needs an evaluation, or is not (nearly) a sum over edges.
    """
    if free.missing:
        raise _refused(free.missing[0], "it needs an evaluation")
    constant = 0.0
    matrix = np.zeros((space.choices.shape[1], int(space.choices.max()) + 1))
    texts = []
    for name, (coefficient, metric) in zip(free.terms, free.penalties[0], strict=False):
        column = np.asarray(metric(space), dtype=np.float64)
        base, added, note = _taken_apart(name, column, space.choices)
        constant = constant + coefficient * base
        matrix = matrix + coefficient * added
        texts.append(f"{name}{note}")
    return Additive(constant, matrix, tuple(texts))


def _taken_apart(
    name: str, column: Matrix, choices: NDArray[np.int8]
) -> tuple[float, Matrix, str]:
    """Return the constant, the matrix, and a note."""
    shape = choices.shape[1], int(choices.max()) + 1
    alone = (choices > 0).sum(axis=1)
    base = column[alone == 0]
    finite = np.isfinite(column)
    if finite.all() and len(base):
        matrix = np.zeros(shape)
        for row in np.flatnonzero(alone == 1):
            edge = int(choices[row].argmax())
            matrix[edge, choices[row, edge]] = column[row] - base[0]
        sums = base[0] + matrix[np.arange(shape[0]), choices].sum(axis=1)
        if np.abs(sums - column).max() <= ROUNDING * max(1.0, np.abs(column).max()):
            return float(base[0]), matrix, ""
    if "@" not in name:
        raise _refused(name, "it is not a sum over the edges of a cell")
    one_hot = (choices[:, :, None] == np.arange(shape[1])).reshape(len(choices), -1)[
        finite
    ]
    columns = np.column_stack([np.ones(len(one_hot)), one_hot])
    weights = np.linalg.lstsq(columns, column[finite], rcond=None)[0]
    r2 = float(1 - (column[finite] - columns @ weights).var() / column[finite].var())
    if r2 < _LEAST_R2:
        why = f"a sum over the edges of a cell predicts it with an R² of only {r2:.2f}"
        raise _refused(name, why)
    note = f" by the additive model (R² {r2:.3f})"
    return float(weights[0]), weights[1:].reshape(shape), note


def _refused(name: str, why: str) -> UserError:
    return UserError(
        f"A one-shot strategy cannot minimise {name}: {why}. Supported terms of R are params, macs,"
        " convolutions, operations and latencies that are sums over edges."
    )


if TYPE_CHECKING:
    from surrogate_nas.training.supernet import Active, EdgeChoices, SupernetLoss
    from surrogate_nas.training.tasks import Split

_SPLITS = ("valid", "train")
_QUANTITIES = ("loss", "error")
_WITH_CLASSES = ("classification", "language")


def supernet_context_of(
    objective: Objective, *, hidden: bool = False
) -> SupernetContext:
    """Return the context of a one-shot strategy for an objective.

    Args:
        objective: One objective without limits and diversity, on a benchmark with a task.
        hidden: Whether to set λR to zero, for a blind run.

    Raises:
        UserError: A supernet cannot be trained for this objective or this benchmark's task.
    """
    benchmark, space = objective.benchmark, objective.benchmark.space
    base = benchmark
    while isinstance(base, JoinedBenchmark):
        base = base.base
    task = _task_of(base)
    if task is None:
        raise UserError(
            "A one-shot strategy trains a supernet, so it needs a task that this package can train:"
            " live:TASK, or a table made from one (such as fashion, if its data are present)."
            f" {benchmark.name} has none."
        )
    if (task.trainer or task.about.trainer) != "supervised":
        raise UserError(
            f"A supernet needs supervised training; the {task.kind} task {task.name} is trained"
            " differently."
        )
    goal = _goal(objective, task.kind)
    from surrogate_nas.training.supernet import Supernet, edge_choices, live_operations

    choices = edge_choices(space)
    assert isinstance(space, Enumerable)
    penalty = additive(objective.free, space)
    if hidden:
        penalty = Additive(0.0, np.zeros_like(penalty.matrix))
    models = _cost_models(base, task, space)
    data = {name: task.data[name] for name in _SPLITS}
    step, example = (partial(_seconds, model, choices) for model in models)
    sealed = replace(task, load=_sealed)
    make = partial(Supernet, space, task.network(), sealed, data, goal, (step, example))
    columns = zip(*choices.operations, strict=True)
    weightless = np.array([not {CONV1, CONV3} & {*column} for column in columns])
    return SupernetContext(
        space.positions,
        space.options[0],
        weightless,
        live_operations(space).any(axis=1).astype(bool),
        penalty,
        make,
    )


def _task_of(benchmark: Benchmark) -> Task | None:
    """Return the task of a benchmark's trainings, or None if they cannot be repeated here."""
    if isinstance(benchmark, LiveBenchmark):
        return benchmark.task
    card = benchmark.card if isinstance(benchmark, TableBenchmark) else ""
    settings = json.loads(card or "{}").get("settings", {})
    if benchmark.cost_unit != "seconds" or not settings.get("epochs"):
        return None
    with suppress(UserError):
        task = task_named(settings.get("task", ""))
        return task if task.is_here() and task.network() == benchmark.network else None
    return None


# Seconds of one unit of work: a fixed time, and one for each computed operation of a cell.
_CostModel = tuple[float, dict[int, float]]


def _fitted(graphs: NDArray[np.int8], seconds: Matrix, units: float) -> _CostModel:
    """Fit the seconds of cells by least squares, with negative coefficients set to 0."""
    counts = [(graphs == operation).sum(axis=1) for operation in _OPERATIONS]
    columns = np.column_stack([np.ones(len(graphs)), *counts])
    solution = np.linalg.lstsq(columns, seconds / units, rcond=None)[0]
    fixed, *coefficients = np.maximum(solution, 0.0).tolist()
    return fixed, dict(zip(_OPERATIONS, coefficients, strict=True))


def _cost_models(
    benchmark: Benchmark, task: Task, space: Enumerable
) -> tuple[_CostModel, _CostModel]:
    """Return the costs of a step on a training batch and of evaluating a validation example.

    For a table, the model is fitted to the recorded seconds of the cells by least squares. For a
    live task, seconds are measured once, on cells of one operation each, and cached in ``live/`` of
    the data directory.
    """
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
    return _fitted(graphs, trained, epochs * steps), _fitted(graphs, judged, examples)


def _measured(
    benchmark: LiveBenchmark, space: Enumerable
) -> tuple[NDArray[np.int8], Matrix, Matrix]:
    """Return the operations of the simplest cells, and their seconds per epoch and validation."""
    from surrogate_nas.training import train
    from surrogate_nas.training.supernet import live_operations

    cells = _plainest(space)
    keys = [(cell.text, 1, 0) for cell in cells]
    cache = AnswerCache(
        benchmark.cache.path.with_name(f"pace-{benchmark.cache.path.name}")
    )
    if not all(map(cache.find, keys)):
        about: Any = {"network": benchmark.network, "space": space, "test": False}
        about |= {"device": benchmark.device, "at_once": 1, "epochs": 1}
        # the first warms up; of two trainings of a cell the faster counts
        _, *curves = (
            train([cell], benchmark.task, **about)[0]
            for cell in (cells[-1], *cells * 2)
        )
        for key, *own in zip(keys, curves, curves[len(cells) :], strict=False):
            seconds = {
                kind: min(getattr(curve, kind) for curve in own) for kind in _TIMES
            }
            cache.add(key, Trained(seconds, 0.0), {"surrogate_nas": __version__})
    measured = [answer.metrics for key in keys if (answer := cache.find(key))]
    trained, judged = (
        np.array([seconds[kind] for seconds in measured]) for kind in _TIMES
    )
    return live_operations(space)[[cell.index for cell in cells]], trained, judged


def _plainest(space: Enumerable) -> list[Cell]:
    """Return, for each operation, the cell with it on every edge; and a single skip connection."""
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


def _seconds(model: _CostModel, choices: "EdgeChoices", active: "Active") -> float:
    fixed, operations = model
    pairs = zip(choices.operations, active, strict=True)
    chosen = (of_edge[choice] for of_edge, places in pairs for choice in places)
    return fixed + sum(operations.get(operation, 0.0) for operation in chosen)


def _sealed() -> "dict[str, Split]":
    raise UserError("A one-shot strategy receives its data; it must not load any.")


def _goal(objective: Objective, kind: str) -> "SupernetLoss":
    from surrogate_nas.training.supernet import SupernetLoss

    if objective.n_objectives > 1 or objective.constraints or objective.has_history:
        raise UserError(
            "A one-shot strategy minimises one sum L + λR by its gradient; it does not support"
            " several objectives, limits or diversity."
        )
    losses = [term for term in objective.terms if term.is_loss]
    split, _, quantity = losses[0].name.partition("[")[0].partition("_")
    known = (
        split in _SPLITS
        and quantity in _QUANTITIES
        and (quantity == "loss" or kind in _WITH_CLASSES)
    )
    if len(losses) > 1 or not known:
        raise UserError(
            "A one-shot strategy minimises one loss: valid_loss or train_loss, or the error of a"
            f" task with classes, not {' + '.join(term.name for term in losses)}."
        )
    return SupernetLoss(losses[0].weight, split, quantity == "error")
