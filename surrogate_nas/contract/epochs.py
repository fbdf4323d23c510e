"""What a strategy that chooses epochs must keep besides, on scores that are made up for every number of epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from surrogate_nas.contract.checks import BrokenContractError
from surrogate_nas.contract.trying import FIRST, differing, requested, synthetic
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies import Strategy
from surrogate_nas.study.sandbox.failure import shown

if TYPE_CHECKING:
    from surrogate_nas.contract.strategies import Strategies

_EPOCHS = (1, 3, 9)
_MADE_UP = ("early", "late")
"""The names of what a request may read."""
_SIDE_BY_SIDE = 5
_WHOLE = 60


def climb(strategy: type[Strategy], space: Space, epochs: Sequence[int], *, at_once: int = 1) -> list[Request]:
    """Run a strategy with seed 0 on given epochs, after first cells that are told at the last of them.

    Args:
        strategy: The strategy's class.
        space: The space.
        epochs: What it may ask for.
        at_once: How many it is asked for, one by one, before it is told of them, the last first.

    Returns:
        All requests, without the first cells.

    Raises:
        BrokenContractError: It asked for what is not given.
    """
    made = strategy(space, seed=0)
    made.epochs, made.readable = epochs, dict.fromkeys(epochs, _MADE_UP)
    rng = np.random.default_rng(1)
    made.tell([_trial(i, Request(space.sample(rng), epochs[-1]), epochs[-1]) for i in range(FIRST)])
    asked: list[Request] = []
    while len(asked) < _WHOLE:
        waiting = [_request(one, epochs) for _ in range(at_once) for one in requested(made, space, 1)]
        for request in reversed(waiting):
            made.tell([_trial(FIRST + len(asked), request, epochs[-1])])
            asked.append(request)
    return asked


def _request(asked: Cell | Request, epochs: Sequence[int]) -> Request:
    if isinstance(asked, Cell):
        return Request(asked, epochs[-1])
    if asked.epochs not in epochs:
        raise BrokenContractError(
            f"it asked for {shown(asked.epochs)} epochs, not one of {', '.join(map(str, epochs))}"
        )
    if not set(asked.read) <= set(_MADE_UP):
        raise BrokenContractError(f"it asked to read {shown(asked.read)}; {' and '.join(_MADE_UP)} are readable")
    return asked


def _trial(index: int, request: Request, last: int) -> Trial:
    cell, epochs, read = request
    missing = (1 - epochs / last) * (sum(cell.choices) % 3) / 10
    score = synthetic(cell) + missing
    values = {f"{name}[{epochs}]": score + missing * (name == "late") for name in ("made_up", *read)}
    return Trial(index, cell, score, score, 0.0, True, epochs, float(epochs), values)


def asks_for_given_epochs(subject: Strategies) -> str:
    """Where it chooses epochs: of 1, 3 and 9 it asks for no others, and for the last of them too."""
    if not subject.strategy.chooses_epochs:
        return _DOES_NOT
    asked = [request.epochs for request in climb(subject.strategy, subject.space, _EPOCHS)]
    if _EPOCHS[-1] not in asked:
        raise BrokenContractError(f"of {_WHOLE} requests none was for {_EPOCHS[-1]} epochs, so it has no answer")
    return ", ".join(f"{asked.count(epochs)} after {epochs}" for epochs in _EPOCHS)


def works_with_one_number_of_epochs(subject: Strategies) -> str:
    """Where it chooses epochs: it makes a whole run where there is one number of them only."""
    if not subject.strategy.chooses_epochs:
        return _DOES_NOT
    return f"asked for {len(climb(subject.strategy, subject.space, _EPOCHS[:1]))} cells"


def repeats_its_requests(subject: Strategies) -> str:
    """Where it chooses epochs: told in the same order, it makes the same requests again, also while others wait."""
    if not subject.strategy.chooses_epochs:
        return _DOES_NOT
    for at_once in (1, _SIDE_BY_SIDE):
        one, other = (climb(subject.strategy, subject.space, _EPOCHS, at_once=at_once) for _ in range(2))
        if one != other:
            raise BrokenContractError(f"two runs with seed 0 differ; {differing(one, other)}")
    return f"{2 * _WHOLE} requests were the same"


_DOES_NOT = "it does not choose epochs"
CHECKS = (asks_for_given_epochs, works_with_one_number_of_epochs, repeats_its_requests)
"""In the order in which they are made."""
