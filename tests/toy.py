"""A supernet context small enough that a whole run takes a second: sixteen digits."""

from dataclasses import replace
from functools import cache, partial

import numpy as np

from surrogate_nas.space import nb201
from surrogate_nas.strategies import resolve
from surrogate_nas.strategies.oneshot.base import Additive, SupernetContext
from surrogate_nas.training import task_named


@cache
def toy_context():
    """NAS-Bench-201's space on sixteen digits; all choices but the first cost the same."""
    from surrogate_nas.training.supernet import Supernet, SupernetLoss, live_operations
    from surrogate_nas.training.tasks import Split

    space = nb201()
    task = replace(task_named("digits"), channels=2)
    few = slice(16)
    data = {
        name: Split(*(part[few] for part in task.data[name]))
        for name in ("train", "valid")
    }
    matrix = np.full((len(space.positions), len(space.options[0])), 0.01)
    matrix[:, 0] = 0.0
    make = partial(
        Supernet, space, task.network(), task, data, SupernetLoss(), (_price, _price)
    )
    alive = live_operations(space).any(axis=1).astype(bool)
    weightless = np.array(
        [name not in ("nor_conv_1x1", "nor_conv_3x3") for name in space.options[0]]
    )
    return SupernetContext(
        space.positions,
        space.options[0],
        weightless,
        alive,
        Additive(0.0, matrix),
        make,
    )


def _price(active):
    return 0.01


def equipped(name):
    """A one-shot strategy with the toy supernet context."""
    strategy = resolve(name)
    given = {"supernet_context": toy_context(), "__module__": strategy.__module__}
    return type(strategy.__name__, (strategy,), given)
