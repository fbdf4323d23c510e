"""What a one-shot strategy is given instead of answers: a supernet to train, λR by edges, and what is alive.

It trains on the task's training and validation data alone: neither the benchmark nor test data can be reached from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.pace import Pace, paces_of, task_of
from surrogate_nas.core.errors import UserError
from surrogate_nas.objective.additive import Additive
from surrogate_nas.objective.objective import Objective
from surrogate_nas.space import Enumerable
from surrogate_nas.space.network import CONV1, CONV3

if TYPE_CHECKING:
    from surrogate_nas.training.supernet import EdgeChoices, Supernet, SupernetLoss
    from surrogate_nas.training.supernet.supernet import Active
    from surrogate_nas.training.tasks import Split

_SPLITS, _QUANTITIES = ("valid", "train"), ("loss", "error")
_WITH_CLASSES = ("classification", "language")


@dataclass(frozen=True, eq=False)
class Workshop:
    """A task to train on, without its test data and without anybody's answers.

    Attributes:
        edges: The names of the edges.
        choices: The names of what can stand on an edge.
        weightless: Which of the choices have no weights to train, shape ``(choices,)``.
        alive: Which cells have a path from input to output, in the order of the space.
        penalty: λR, in the unit of the score.
        supernet: Makes one from ``epochs`` and ``seed``; it counts the seconds of its steps on the benchmark's clock.
    """

    edges: tuple[str, ...]
    choices: tuple[str, ...]
    weightless: NDArray[np.bool_]
    alive: NDArray[np.bool_]
    penalty: Additive
    supernet: Callable[..., Supernet]


def workshop_of(objective: Objective, *, hidden: bool = False) -> Workshop:
    """Equip a one-shot strategy.

    Args:
        objective: What is minimised.
        hidden: Whether λR is withheld, which is then 0 for every cell.

    Raises:
        UserError: The benchmark's trainings are of no task that trains here, or the objective cannot be minimised so.
    """
    benchmark, space = objective.benchmark, objective.benchmark.space
    task = task_of(benchmark)
    if task is None:
        raise UserError(
            f"A one-shot strategy trains a supernet, which takes a task that trains here: live:TASK or a table made of "
            f"one, such as fashion where its data is. {benchmark.name} has none."
        )
    if (task.course or task.about.course) != "supervised":
        raise UserError(f"A supernet learns from examples; the {task.kind} task {task.name} is trained in another way.")
    goal = _goal(objective, task.kind)
    from surrogate_nas.training.supernet import Supernet, edge_choices, live_operations

    choices = edge_choices(space)
    assert isinstance(space, Enumerable)
    penalty = Additive.of(objective.known, space)
    if hidden:
        penalty = Additive(0.0, np.zeros_like(penalty.matrix))
    paces = paces_of(benchmark, task, space)
    data = {name: task.data[name] for name in _SPLITS}
    alive = live_operations(space).any(axis=1)
    make = partial(
        Supernet, space, task.network(), replace(task, load=_sealed), data, goal,
        (partial(_seconds, paces.step, choices), partial(_seconds, paces.example, choices)),
    )  # fmt: skip
    columns = zip(*choices.operations, strict=True)
    weightless = np.array([not {CONV1, CONV3} & {*column} for column in columns])
    positions, options = space.positions, space.options  # type: ignore[attr-defined]
    return Workshop(positions, options[0], weightless, alive.astype(bool), penalty, make)


def _seconds(pace: Pace, choices: EdgeChoices, active: Active) -> float:
    pairs = zip(choices.operations, active, strict=True)
    return pace([operations[choice] for operations, held in pairs for choice in held])


def _sealed() -> dict[str, Split]:
    raise UserError("A one-shot strategy is given its data; it reads none itself.")


def _goal(objective: Objective, kind: str) -> SupernetLoss:
    """The L that a supernet can minimise."""
    from surrogate_nas.training.supernet import SupernetLoss

    if objective.parts > 1 or objective.constraints or objective.has_history:
        what = "several objectives" if objective.parts > 1 else "limits" if objective.constraints else "diversity"
        raise UserError(f"A one-shot strategy minimises one sum L + λR by its gradient; it knows nothing of {what}.")
    losses = [term for term in objective.terms if term.is_loss]
    split, _, quantity = losses[0].name.partition("[")[0].partition("_")
    known = split in _SPLITS and quantity in _QUANTITIES and (quantity == "loss" or kind in _WITH_CLASSES)
    if len(losses) > 1 or not known:
        raise UserError(
            f"A one-shot strategy minimises one loss: valid_loss or train_loss, or the error of a task with classes, "
            f"not {' + '.join(term.name for term in losses)}."
        )
    return SupernetLoss(losses[0].weight, split, quantity == "error")
