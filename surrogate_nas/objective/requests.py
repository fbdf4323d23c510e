"""What a strategy that chooses epochs may ask for: after which training runs, and what else is read after them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from surrogate_nas.core.errors import UserError

if TYPE_CHECKING:
    from surrogate_nas.objective.objective import Objective


def fidelities(objective: Objective) -> tuple[int, ...]:
    """The epochs up to the objective's own that every trained term is held for, rising.

    Args:
        objective: The objective.
    """
    if objective.epochs is None:
        return ()
    metrics = (objective.benchmark.metric(question.metric) for question in objective.questions())
    held = {epochs for metric in metrics for epochs in metric.epochs if epochs <= objective.epochs}
    return tuple(sorted(epochs for epochs in held if _holds(objective, epochs)))


def readable(objective: Objective) -> Mapping[int, tuple[str, ...]]:
    """The search metrics of each of these training runs that are held for every cell, so that a request may read them.

    Args:
        objective: The objective.
    """
    found: dict[int, tuple[str, ...]] = {}
    for epochs in objective.fidelities:
        names: tuple[str, ...] = ()
        for metric in objective.benchmark.metrics:
            whole = metric.n_cells < 0 or metric.n_cells >= objective.benchmark.space.size
            searched = metric.kind == "search" and epochs in metric.epochs and whole
            if searched and _holds(objective, epochs, (*names, metric.name)):
                names = (*names, metric.name)
        found[epochs] = names
    return found


def _holds(objective: Objective, epochs: int, read: tuple[str, ...] = ()) -> bool:
    try:
        questions = objective.questions(epochs, read)
    except UserError:
        return False
    return not objective.draws or objective.single_seeds(questions) is not None
