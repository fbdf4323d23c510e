"""What a run sees of a strategy: its flags and its proposals, checked against the contract, also
from JSON that was stored.
"""

from __future__ import annotations

import operator
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from surrogate_nas.core.errors import UserError, shown
from surrogate_nas.runtime.failure import StrategyError
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies import Strategy

_LARGEST_BATCH = 10**6
DECLARED = {
    "known": "uses_known",
    "epochs": "chooses_epochs",
    "readable": "chooses_epochs",
    "qualities": "chooses_epochs",
    "objectives": "many_objectives",
    "supernet_context": "needs_supernet",
    "problem": "from_outside",
}
"""What a strategy may be given beside the space, and the flag by which its class declares that it
reads it.
"""


class Flags(NamedTuple):
    """What a strategy declares.

    Attributes:
        batch_size: How many cells it likes to be asked for at once, at least 1.
        chooses_epochs: Whether it may ask for other epochs than the objective's.
        many_objectives: Whether it reads the scores of several objectives.
        uses_known: Whether it reads what the objective knows for free.
        needs_supernet: Whether it trains a supernet for itself.
        from_outside: Whether its answers come from outside, so that they are stored, and may be
            none.
        shares_points: Whether its runs share the points of a space, as those of `bo` do.
    """

    batch_size: int = 1
    chooses_epochs: bool = False
    many_objectives: bool = False
    uses_known: bool = False
    needs_supernet: bool = False
    from_outside: bool = False
    shares_points: bool = False


def flags_of(strategy: Strategy) -> Flags:
    """Read what a strategy declares."""
    try:
        size = operator.index(strategy.batch_size)
    except TypeError as error:
        raise StrategyError(
            f"its batch_size is {shown(strategy.batch_size)}, not a whole number from 1 on."
        ) from error
    own = (bool(getattr(strategy, name, False)) for name in Flags._fields[1:])
    return Flags(min(max(size, 1), _LARGEST_BATCH), *own)


def flags_of_class(strategy: type[Strategy]) -> Flags:
    """Read what a class declares; its batch size is known once it is made."""
    return Flags(1, *(getattr(strategy, name, False) is True for name in Flags._fields[1:]))


def own_cells(
    asked: Any,
    n: int,
    space: Space,
    epochs: Sequence[int] = (),
    *,
    may_end: bool = False,
) -> list[Cell | Request]:
    """The space's own cells for what a strategy returned, in requests where it may choose epochs;
    none where it may end the run.
    """
    if not isinstance(asked, Sequence) or isinstance(asked, str):
        raise StrategyError(f"ask({n}) must return a non-empty list of cells, not {shown(asked)}.")
    taken = list(islice(iter(asked), n + 1))
    if not taken and not may_end:
        raise StrategyError(f"ask({n}) must return a non-empty list of cells, not {shown(asked)}.")
    if len(taken) > n:
        raise StrategyError(f"ask({n}) returned more than {n}: {len(asked)} cells.")
    return [_own(one, n, space, epochs) for one in taken]


def _own(
    asked: Any,
    n: int,
    space: Space,
    epochs: Sequence[int],
) -> Cell | Request:
    cell = asked.cell if isinstance(asked, Request) else asked
    if not isinstance(cell, Cell) or cell not in space:
        raise StrategyError(f"ask({n}) returned {shown(cell)}, which is no cell of {space.name}.")
    if not isinstance(asked, Request):
        return space.cell(cell)
    if not epochs:
        raise StrategyError(
            f"ask({n}) returned a request for {shown(asked.epochs)} epochs: declare chooses_epochs."
        )
    if asked.epochs not in epochs:
        choices = ", ".join(map(str, epochs))
        raise StrategyError(
            f"ask({n}) returned a request for {shown(asked.epochs)} epochs, not one of {choices}."
        )
    return Request(space.cell(cell), int(asked.epochs), tuple(map(str, asked.read)))


def cells_to_json(asked: Sequence[Cell | Request]) -> list[Any]:
    """Write cells as their texts, and requests as lists."""
    return [one.text if isinstance(one, Cell) else _written(one) for one in asked]


def _written(request: Request) -> list[Any]:
    return [request.cell.text, request.epochs, list(request.read)]


def cells_from_json(
    content: Any,
    n: int,
    space: Space,
    epochs: Sequence[int] = (),
    *,
    may_end: bool = False,
) -> list[Cell | Request]:
    """Look up what another process asks for, or a file holds; nothing of it is trusted."""
    least = 0 if may_end else 1
    if not isinstance(content, list) or not least <= len(content) <= n:
        raise StrategyError(f"its process sent {shown(content)} instead of 1 to {n} cells.")
    return [_from_json(one, space, epochs) for one in content]


def _from_json(one: Any, space: Space, epochs: Sequence[int]) -> Cell | Request:
    match one:
        case str():
            return _looked_up(one, space)
        case [str() as text, int() as asked, list() as read]:
            if asked in epochs and all(isinstance(name, str) for name in read):
                return Request(_looked_up(text, space), asked, tuple(read))
    raise StrategyError(f"its process sent {shown(one)} instead of a cell.")


def _looked_up(text: str, space: Space) -> Cell:
    try:
        return space.cell(Cell((), text))
    except UserError as error:
        raise StrategyError(
            f"its process sent {shown(text)}, which is no cell of {space.name}."
        ) from error


class Sandboxed(ABC):
    """A strategy, wherever it runs."""

    flags: Flags
    seconds: float = 0.0
    _epochs: Sequence[int] = ()

    def give(self, settings: Mapping[str, Any] | None) -> None:
        """Give it what it declares that it reads (`DECLARED`), before it is asked.

        Args:
            settings: By attribute; those that it does not declare are left out.
        """
        wanted = {
            name: value
            for name, value in (settings or {}).items()
            if getattr(self.flags, DECLARED[name])
        }
        self._epochs = wanted.get("epochs", ())
        if wanted:
            self._set(wanted)

    @abstractmethod
    def _set(self, settings: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def ask(self, n: int) -> list[Cell | Request]:
        """What it asks for: 1 to `n` of the space's own cells, or requests of them where it chooses
        epochs.

        Raises:
            StrategyError: It returned something else, raised, took too long, or ended.
        """

    @abstractmethod
    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell it trials of its own, which it may change.

        Raises:
            StrategyError: It raised, took too long, or ended.
        """

    def work(self) -> float | None:
        """Let it do a slice of work of its own, which only strategies of ours have.

        Returns:
            The seconds that it is charged; None where nothing is left to be done.

        Raises:
            StrategyError: It raised, or took too long.
        """
        return None

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """What it tells of the run besides its trials; a user's is not asked."""
        return {}

    def remarks(self) -> Mapping[str, Any]:
        """What is stored with its last answer; a user's is not asked."""
        return {}

    def _timed(self, function: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        try:
            return function()
        finally:
            self.seconds += time.perf_counter() - started


class Wrapped(Sandboxed):
    """A strategy in another one's place, which changes some of what it is told or asks for."""

    def __init__(self, inside: Sandboxed) -> None:
        """Take the place of a strategy."""
        self._inside = inside
        self.flags = inside.flags

    @property
    def seconds(self) -> float:  # type: ignore[override]
        """Spent in the strategy so far."""
        return self._inside.seconds

    def _set(self, settings: Mapping[str, Any]) -> None:
        self._inside.give(settings)

    def work(self) -> float | None:
        """Let the strategy do a slice of its own work."""
        return self._inside.work()

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """What it tells of the run besides its trials."""
        return self._inside.diagnosis()

    def remarks(self) -> Mapping[str, Any]:
        """What is stored with its last answer."""
        return self._inside.remarks()
