"""The context of a one-shot strategy: a supernet to train, λR by edges, and the live operations.

A strategy trains on the task's training and validation data alone: neither the benchmark nor test
data can be reached from it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.cost_model import CostModel, cost_models_of, task_of
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.numbers import ROUNDING
from surrogate_nas.objective.known import FreeTerms
from surrogate_nas.objective.objective import Objective
from surrogate_nas.space import Enumerable
from surrogate_nas.space.network import CONV1, CONV3
from surrogate_nas.strategies.oneshot.base import Additive, SupernetContext

_LEAST_R2 = 0.9
Matrix = NDArray[np.float64]


def additive(known: FreeTerms, space: Enumerable) -> Additive:
    """Write the known terms of one objective as a sum over edges.

    A metric that follows from the cell alone must be such a sum; a measured cost is replaced by the
    sum that fits it best.
    """
    if known.missing:
        raise _refused(known.missing[0], "an evaluation alone tells it")
    constant = 0.0
    matrix = np.zeros((space.choices.shape[1], int(space.choices.max()) + 1))
    texts = []
    for name, (coefficient, metric) in zip(known.terms, known.penalties[0], strict=False):
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
        raise _refused(name, "it is no sum over the edges of a cell")
    one_hot = (choices[:, :, None] == np.arange(shape[1])).reshape(len(choices), -1)[finite]
    columns = np.column_stack([np.ones(len(one_hot)), one_hot])
    weights = np.linalg.lstsq(columns, column[finite], rcond=None)[0]
    r2 = float(1 - (column[finite] - columns @ weights).var() / column[finite].var())
    if r2 < _LEAST_R2:
        why = f"a sum over the edges of a cell tells it with an R² of {r2:.2f} only"
        raise _refused(name, why)
    note = f" by the additive model (R² {r2:.3f})"
    return float(weights[0]), weights[1:].reshape(shape), note


def _refused(name: str, why: str) -> UserError:
    return UserError(
        f"A one-shot strategy cannot minimise {name}: {why}. Terms of R that it can are params,"
        " macs, convolutions, operations and latencies that add up over edges."
    )


if TYPE_CHECKING:
    from surrogate_nas.training.supernet import EdgeChoices
    from surrogate_nas.training.supernet.supernet import Active, SupernetLoss
    from surrogate_nas.training.tasks import Split

_SPLITS = ("valid", "train")
_QUANTITIES = ("loss", "error")
_WITH_CLASSES = ("classification", "language")


def supernet_context_of(objective: Objective, *, hidden: bool = False) -> SupernetContext:
    """Equip a one-shot strategy."""
    benchmark, space = objective.benchmark, objective.benchmark.space
    task = task_of(benchmark)
    if task is None:
        raise UserError(
            "A one-shot strategy trains a supernet, which takes a task that trains here: live:TASK"
            f" or a table made of one, such as fashion where its data is. {benchmark.name} has"
            " none."
        )
    if (task.trainer or task.about.trainer) != "supervised":
        raise UserError(
            f"A supernet learns from examples; the {task.kind} task {task.name} is trained in"
            " another way."
        )
    goal = _goal(objective, task.kind)
    from surrogate_nas.training.supernet import edge_choices, live_operations
    from surrogate_nas.training.supernet.supernet import Supernet

    choices = edge_choices(space)
    assert isinstance(space, Enumerable)
    penalty = additive(objective.known, space)
    if hidden:
        penalty = Additive(0.0, np.zeros_like(penalty.matrix))
    models = cost_models_of(benchmark, task, space)
    data = {name: task.data[name] for name in _SPLITS}
    step, example = (partial(_seconds, model, choices) for model in models)
    sealed = replace(task, load=_sealed)
    make = partial(Supernet, space, task.network(), sealed, data, goal, (step, example))
    columns = zip(*choices.operations, strict=True)
    weightless = np.array([not {CONV1, CONV3} & {*column} for column in columns])
    return SupernetContext(
        space.positions,  # type: ignore[attr-defined]
        space.options[0],  # type: ignore[attr-defined]
        weightless,
        live_operations(space).any(axis=1).astype(bool),
        penalty,
        make,
    )


def _seconds(model: CostModel, choices: EdgeChoices, active: Active) -> float:
    pairs = zip(choices.operations, active, strict=True)
    return model([operations[choice] for operations, chosen in pairs for choice in chosen])


def _sealed() -> dict[str, Split]:
    raise UserError("A one-shot strategy is given its data; it reads none itself.")


def _goal(objective: Objective, kind: str) -> SupernetLoss:
    from surrogate_nas.training.supernet.supernet import SupernetLoss

    if objective.parts > 1 or objective.constraints or objective.has_history:
        raise UserError(
            "A one-shot strategy minimises one sum L + λR by its gradient; it knows nothing of"
            " several objectives, limits and diversity."
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
