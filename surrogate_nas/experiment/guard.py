"""Strategies that are not to be trusted: their errors and endless loops become one clear failure of their own.

This protects against accidents, not against attack.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from surrogate_nas.errors import UserError
from surrogate_nas.space import Cell, Space
from surrogate_nas.strategies import Strategy
from surrogate_nas.trial import Request, Trial

CALL_LIMIT_SECONDS = 600.0
DECLARED = {"known": "uses_known", "epochs": "chooses_epochs", "objectives": "many_objectives"}
"""What a strategy may be given beside the space, and the flag by which its class declares that it reads it."""


class StrategyError(UserError):
    """A strategy broke its contract, raised, or took too long."""


def shown(value: object) -> str:
    """A stranger's value as a message can quote it, cut to length.

    Args:
        value: Anything with a repr.
    """
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - a stranger's repr can raise anything
        text = f"<a {type(value).__name__} that cannot be printed: {type(error).__name__}>"
    return text if len(text) < 80 else f"{text[:77]}..."


class TimeLimitError(BaseException):
    """A call took longer than its limit; no plain Exception, so that a stranger's `except Exception` lets it pass."""


class Alarm:
    """Interrupts calls that take too long; without effect outside the main thread and where there are no signals."""

    def __enter__(self) -> Alarm:
        self._works = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        if self._works:
            self._previous = signal.signal(signal.SIGALRM, self._ring)
        return self

    def __exit__(self, *_: object) -> None:
        if self._works:
            signal.signal(signal.SIGALRM, self._previous)

    @staticmethod
    def _ring(signum: int, frame: FrameType | None) -> None:  # noqa: ARG004 - the signature of a handler
        raise TimeLimitError

    def set(self, seconds: float) -> None:
        """Let `TimeLimitError` be raised when some time has passed.

        Args:
            seconds: How long from now; 0 for never.
        """
        if self._works:
            signal.setitimer(signal.ITIMER_REAL, seconds)


class Hosted:
    """A strategy as a run sees it: every call is limited in time, and whatever goes wrong is a `StrategyError`.

    Attributes:
        seconds: Spent in the strategy so far.
        batch_size: How many cells it likes to be asked for at once.
        chooses_epochs: Whether it may ask for other epochs than the objective's.
        many_objectives: Whether it reads the scores of several objectives.
    """

    def __init__(
        self,
        factory: type[Strategy],
        space: Space,
        *,
        seed: int,
        limit: float,
        alarm: Alarm,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the strategy.

        Args:
            factory: Its class.
            space: The space that cells come from.
            seed: The root of its randomness.
            limit: The longest that one call may take, in seconds.
            alarm: Interrupts calls.
            settings: Attributes that a strategy is given where its class declares that it reads them (`DECLARED`).

        Raises:
            StrategyError: It could not be made.
        """
        self.seconds = 0.0
        self._limit, self._alarm = limit, alarm
        self._strategy: Strategy = self._call(lambda: factory(space, seed=seed), "was made")
        self.batch_size: int = self._call(lambda: max(int(self._strategy.batch_size), 1), "gave its batch size")
        self.chooses_epochs = bool(factory.chooses_epochs)
        self.many_objectives = bool(factory.many_objectives)
        for name, value in (settings or {}).items():
            if getattr(factory, DECLARED[name]):
                setattr(self._strategy, name, value)

    def ask(self, n: int) -> Any:
        """What the strategy answers; nothing of it has been checked.

        Args:
            n: The most that it may return.
        """
        return self._call(lambda: self._strategy.ask(n), "was asked")

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell it trials of its own, which it may change.

        Args:
            trials: The new ones.
        """
        self._call(lambda: self._strategy.tell(trials), "was told")

    def _call(self, function: Callable[[], Any], when: str) -> Any:
        started = time.perf_counter()
        try:
            self._alarm.set(self._limit)
            return function()
        except TimeLimitError as error:
            raise StrategyError(f"it took more than {self._limit:g} s when it {when}.") from error
        except StrategyError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code can raise anything
            raise StrategyError(f"{type(error).__name__} when it {when}: {error}") from error
        finally:
            self._alarm.set(0)
            self.seconds += time.perf_counter() - started


@contextmanager
def hosted(
    factory: type[Strategy], space: Space, *, seed: int, limit: float, settings: Mapping[str, Any] | None = None
) -> Iterator[Hosted]:
    """Make a strategy and let it go at the end.

    Args:
        factory: Its class.
        space: The space that cells come from.
        seed: The root of its randomness.
        limit: The longest that one call may take, in seconds.
        settings: What it is given where it declares that it reads it.

    Raises:
        StrategyError: It could not be made.
    """
    with Alarm() as alarm:
        yield Hosted(factory, space, seed=seed, limit=limit, alarm=alarm, settings=settings)


def own_cells(asked: Any, n: int, space: Space, epochs: Sequence[int] = ()) -> list[Cell | Request]:
    """The space's own cells for what a strategy returned, in requests where it may choose epochs.

    Args:
        asked: What `ask` returned.
        n: The most that it might.
        space: The space, where every cell is looked up by its string.
        epochs: What a request may ask for; none where the strategy does not choose.

    Raises:
        StrategyError: It is no list of 1 to `n` cells of the space, or a request is not for these epochs.
    """
    if not isinstance(asked, Sequence) or isinstance(asked, str) or not asked:
        raise StrategyError(f"ask({n}) must return a non-empty list of cells, not {shown(asked)}.")
    if len(asked) > n:
        raise StrategyError(f"ask({n}) returned {len(asked)} cells.")
    return [_own(one, n, space, epochs) for one in asked]


def _own(asked: Any, n: int, space: Space, epochs: Sequence[int]) -> Cell | Request:
    cell = asked.cell if isinstance(asked, Request) else asked
    if not isinstance(cell, Cell) or cell not in space:
        raise StrategyError(f"ask({n}) returned {shown(cell)}, which is no cell of {space.name}.")
    if not isinstance(asked, Request):
        return space.cell(cell)
    if not epochs:
        raise StrategyError(f"ask({n}) returned a request for {shown(asked.epochs)} epochs: declare chooses_epochs.")
    if asked.epochs not in epochs:
        held = ", ".join(map(str, epochs))
        raise StrategyError(f"ask({n}) returned a request for {shown(asked.epochs)} epochs, not one of {held}.")
    return Request(space.cell(cell), int(asked.epochs), tuple(map(str, asked.read)))
