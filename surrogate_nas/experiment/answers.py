"""What a strategy says of itself and what it asks for, held against the contract; and both as plain JSON.

The process of a stranger's strategy sends these as JSON, so that nothing it says is ever unpickled, and every cell is
looked up by its text in the space of ours.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

from surrogate_nas.errors import UserError
from surrogate_nas.experiment.failure import StrategyError, shown
from surrogate_nas.space import Cell, Space
from surrogate_nas.strategies import Strategy
from surrogate_nas.trial import Request

_LARGEST_BATCH = 10**6
_LONGEST_RUN = 10**6


class Flags(NamedTuple):
    """What a strategy declares.

    Attributes:
        batch_size: How many cells it likes to be asked for at once, at least 1.
        chooses_epochs: Whether it asks for `Request`s.
        many_objectives: Whether it is told a vector of scores.
        uses_known: Whether it is given what the objective knows for free.
    """

    batch_size: int = 1
    chooses_epochs: bool = False
    many_objectives: bool = False
    uses_known: bool = False


def flags_of(strategy: Strategy) -> Flags:
    """Read what a strategy declares.

    Args:
        strategy: A made one.

    Raises:
        StrategyError: Its batch size is no whole number.
    """
    try:
        size = operator.index(strategy.batch_size)
    except TypeError as error:
        raise StrategyError(f"its batch_size is {shown(strategy.batch_size)}, not a whole number from 1 on.") from error
    own = (bool(getattr(strategy, name, False)) for name in Flags._fields[1:])
    return Flags(min(max(size, 1), _LARGEST_BATCH), *own)


def flags_of_class(strategy: type[Strategy]) -> Flags:
    """Read what a class declares; its batch size is known once it is made.

    Args:
        strategy: The class.
    """
    return Flags(1, *(getattr(strategy, name, False) is True for name in Flags._fields[1:]))


def flags_from_json(content: Any) -> Flags:
    """Check flags that another process sent.

    Args:
        content: Any JSON value.

    Raises:
        StrategyError: They are none.
    """
    names = Flags._fields
    if not isinstance(content, dict) or set(content) != set(names):
        raise StrategyError(f"its process sent {shown(content)} instead of its flags.")
    size, *rest = (content[name] for name in names)
    if type(size) is not int or not 1 <= size <= _LARGEST_BATCH or not all(type(flag) is bool for flag in rest):
        raise StrategyError(f"its process sent {shown(content)} instead of its flags.")
    return Flags(**content)


def own_requests(asked: Any, n: int, space: Space, *, chooses_epochs: bool = False) -> list[Cell | Request]:
    """What a strategy asks for, with the space's own cells.

    Args:
        asked: What `ask` returned.
        n: The most that it might.
        space: The space, where every cell is looked up by its string.
        chooses_epochs: Whether the strategy may return `Request`s.

    Raises:
        StrategyError: It is no list of 1 to `n` cells of the space (or requests of them).
    """
    if not isinstance(asked, Sequence) or isinstance(asked, str):
        raise StrategyError(f"ask({n}) must return a non-empty list of cells, not {shown(asked)}.")
    taken = list(islice(iter(asked), n + 1))
    if not taken:
        raise StrategyError(f"ask({n}) must return a non-empty list of cells, not {shown(asked)}.")
    if len(taken) > n:
        raise StrategyError(f"ask({n}) returned {len(asked)} cells.")
    return [_own(item, n, space, chooses_epochs=chooses_epochs) for item in taken]


def _own(item: Any, n: int, space: Space, *, chooses_epochs: bool) -> Cell | Request:
    if isinstance(item, Request) and chooses_epochs:
        return Request(_own_cell(item.cell, n, space), _epochs(item.epochs, n), tuple(map(str, item.read)))
    return _own_cell(item, n, space)


def _own_cell(cell: Any, n: int, space: Space) -> Cell:
    if not isinstance(cell, Cell) or cell not in space:
        raise StrategyError(f"ask({n}) returned {shown(cell)}, which is no cell of {space.name}.")
    return space.cell(cell)


def _epochs(epochs: Any, n: int) -> int:
    try:
        number = operator.index(epochs)
    except TypeError:
        number = 0
    if not 1 <= number <= _LONGEST_RUN:
        raise StrategyError(f"ask({n}) returned a request for {shown(epochs)} epochs, not a number from 1 on.")
    return number


def requests_to_json(requests: Sequence[Cell | Request]) -> list[Any]:
    """Write requests as JSON: a cell as its text.

    Args:
        requests: What `own_requests` gave.
    """
    return [r.text if isinstance(r, Cell) else [r.cell.text, r.epochs, list(r.read)] for r in requests]


def requests_from_json(content: Any, n: int, space: Space, *, chooses_epochs: bool) -> list[Cell | Request]:
    """Look up what another process asks for; nothing of it is believed.

    Args:
        content: Any JSON value.
        n: The most that it may ask for.
        space: The space, where every cell is looked up by its string.
        chooses_epochs: Whether it may send requests with epochs.

    Raises:
        StrategyError: It is no list of 1 to `n` cells of the space (or requests of them).
    """
    if not isinstance(content, list) or not 1 <= len(content) <= n:
        raise StrategyError(f"its process sent {shown(content)} instead of 1 to {n} cells.")
    return [_from_json(item, space, chooses_epochs=chooses_epochs) for item in content]


def _from_json(item: Any, space: Space, *, chooses_epochs: bool) -> Cell | Request:
    match item:
        case str():
            return _looked_up(item, space)
        case [str() as text, int() as epochs, list() as read] if chooses_epochs:
            if 1 <= epochs <= _LONGEST_RUN and all(isinstance(name, str) for name in read):
                return Request(_looked_up(text, space), epochs, tuple(read))
    raise StrategyError(f"its process sent {shown(item)} instead of a cell.")


def _looked_up(text: str, space: Space) -> Cell:
    try:
        return space.cell(Cell((), text))
    except UserError as error:
        raise StrategyError(f"its process sent {shown(text)}, which is no cell of {space.name}.") from error
