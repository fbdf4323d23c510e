"""Strategies as a run sees them: whatever goes wrong in one is a `StrategyError` of its own, and
every call is limited.

Those that come with the project run here. A user's (a file, an entry point, a class from elsewhere)
runs in a process of its own, where it can exit, hang, print and patch as it likes; only `ask` and
`tell` cross, and evaluation stays here. This protects against accidents, not against attack.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.runtime.failure import StrategyError, as_strategy_error, as_text
from surrogate_nas.runtime.forkserver import START_SECONDS, the_server
from surrogate_nas.runtime.packing import pack
from surrogate_nas.runtime.sandbox import Sandbox
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.blind import blind
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies import (
    BRIDGES,
    Strategy,
    StrategyLike,
    behind,
    is_builtin,
    is_named,
    known,
    label,
    resolve,
)
from surrogate_nas.strategies.reference import Reference
from surrogate_nas.study.sandbox.answers import (
    Flags,
    Sandboxed,
    cells_from_json,
    flags_from_json,
    flags_of,
    flags_of_class,
    own_cells,
    trials_to_rows,
)
from surrogate_nas.study.sandbox.blinded import Blinded
from surrogate_nas.study.sandbox.files import Files
from surrogate_nas.study.sandbox.inside import LIBRARIES
from surrogate_nas.study.sources import imported_by

_ENTRY = "surrogate_nas.study.sandbox.inside:main"
_SHARED = "surrogate_nas.study.sandbox.inside:shared"
_PREPARED = "surrogate_nas.study.sandbox.inside:prepared"
_LONGEST_ALARM = 1e6


class TimeLimitError(BaseException):
    """A call took longer than its limit; no plain Exception, so that ``except Exception`` lets it
    pass.
    """


class Alarm:
    """Interrupts calls that take too long; without effect outside the main thread and where there
    are no signals.
    """

    def __enter__(self) -> Alarm:
        self._works = (
            hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        )
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
            signal.setitimer(signal.ITIMER_REAL, min(seconds, _LONGEST_ALARM))


class _Ours(Sandboxed):
    """A strategy of ours, in this process."""

    def __init__(
        self,
        factory: type[Strategy],
        space: Space,
        seed: int,
        limit: float,
        alarm: Alarm,
    ) -> None:
        self._space = space
        self._limit = limit
        self._alarm = alarm
        self._strategy: Strategy = self._call(lambda: factory(space, seed=seed), "was made")
        self.flags = flags_of(self._strategy)

    def _set(self, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            setattr(self._strategy, name, value)

    def ask(self, n: int) -> list[Cell | Request]:
        asked = self._call(lambda: self._strategy.ask(n), "was asked")
        return own_cells(asked, n, self._space, self._epochs)

    def tell(self, trials: Sequence[Trial]) -> None:
        self._call(lambda: self._strategy.tell(trials), "was told")

    def work(self) -> float | None:
        return self._call(self._strategy.work, "worked") if self.flags.needs_supernet else None

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        return self._call(self._strategy.diagnosis, "gave its diagnosis")  # type: ignore[no-any-return]

    def _call(self, function: Callable[[], Any], when: str) -> Any:
        try:
            self._alarm.set(self._limit)
            return self._timed(function)
        except TimeLimitError as error:
            raise StrategyError(f"it took more than {self._limit:g} s when it {when}.") from error
        except (
            Exception,
            SystemExit,
        ) as error:
            raise as_strategy_error(error, when, "") from error
        finally:
            self._alarm.set(0)


class _UserCode(Sandboxed):
    """A user's strategy, in a process of its own."""

    def __init__(
        self,
        strategy: StrategyLike,
        space: Space,
        seed: int,
        limit: float,
        files: Files | None,
    ) -> None:
        self._space = space
        self._limit = limit
        self._asked = False
        self._files = files
        packed = pack(space)
        ours = type(space).__module__.startswith("surrogate_nas.")
        self._shared = packed.content if ours else None
        _prepare(strategy, self._shared)
        self.process = Sandbox(_ENTRY, self._shared, prepare=_SHARED, who=label(strategy))
        try:
            sent = (
                pack(strategy),
                None if ours else packed,
                "" if files is None else str(files.folder),
            )
            loaded = self.process.call(
                "load", *sent, limit=max(limit, START_SECONDS), when="was loaded"
            )
            self.process.file = as_text(
                loaded.get("file") if isinstance(loaded, dict) else None, 4096
            )
            self.flags = flags_from_json(self._call("make", seed, when="was made"))
        except BaseException:
            self.process.kill()
            raise

    def _set(self, settings: Mapping[str, Any]) -> None:
        packed = pack(dict(settings), shared=self._space)
        self.process.call(
            "give", packed, limit=max(self._limit, START_SECONDS), when="was given what it reads"
        )

    def ask(self, n: int) -> list[Cell | Request]:
        answer = self._call("ask", n, when="was asked")
        if not self._asked:  # most of what it needs for long it has needed by now
            self._asked = True
            self._prepare_others()
        return cells_from_json(answer, n, self._space, self._epochs)

    def _prepare_others(self) -> None:
        """Let later processes have at once what this one needed, as our strategies do, whose runs
        share a process.
        """
        match self.process.call("needed", limit=self._limit, when="was asked what it needed"):
            case [[*modules], [*questions]]:
                self.process.call_server(_PREPARED, self._shared, _allowed(modules), questions)

    def end(self) -> None:
        """Let its process end by itself, for a moment."""
        self._timed(self.process.settle)
        with suppress(StrategyError):
            if self._files is not None:
                self._files.take(
                    self.process.call("files", limit=self._limit, when="was asked what it read")
                )
            self._prepare_others()
        stopped = self.process.parent_is_stopped
        self.process.end()
        if stopped:
            raise StrategyError("it stopped the process that started its own.")

    def tell(self, trials: Sequence[Trial]) -> None:
        self._timed(
            lambda: self.process.post(
                "tell", trials_to_rows(trials), limit=self._limit, when="was told"
            )
        )

    def _call(self, command: str, *arguments: object, when: str) -> Any:
        return self._timed(
            lambda: self.process.call(command, *arguments, limit=self._limit, when=when)
        )


def _prepare(strategy: StrategyLike, space: bytes | None) -> None:
    """Let what forks its processes import what its files do, which each process would import for
    itself.
    """
    with suppress(OSError, EOFError):
        the_server().call(_PREPARED, space, _allowed(imported_by(strategy)), [])


def _allowed(modules: Sequence[object]) -> list[str]:
    return [one for one in modules if isinstance(one, str) and one.partition(".")[0] in LIBRARIES]


@contextmanager
def sandboxed(
    strategy: StrategyLike,
    space: Space,
    *,
    seed: int,
    limit: float,
    settings: Mapping[str, Any] | None = None,
    files: Files | None = None,
) -> Iterator[Sandboxed]:
    """Make a strategy and let it go at the end; one that runs blinded gets a disguise drawn from
    its seed.

    Args:
        limit: The longest that one call may take, in seconds.
        settings: What it is given where it declares that it reads it.
        files: Takes, when the run has ended well, what a user's strategy read in its own folder.

    Raises:
        StrategyError: It could not be made.
    """
    if (plain := behind(strategy)) is not None:
        hidden = blind(space, seed)
        with sandboxed(plain, hidden, seed=seed, limit=limit, files=files) as inside:
            disguised = Blinded(inside, hidden)
            disguised.give(settings)
            yield disguised
        return
    if is_builtin(strategy):
        with Alarm() as alarm:
            inside = _Ours(resolve(strategy), space, seed, limit, alarm)
            inside.give(settings)
            yield inside
        return
    outside = _UserCode(strategy, space, seed, limit, files)
    try:
        outside.give(settings)
        yield outside
        outside.end()
    finally:
        outside.process.kill()


def introduce(strategy: StrategyLike) -> Flags:
    """Check that there is such a strategy, without running a user's code here, and say what it
    declares.

    Args:
        strategy: A registered name, ``file.py:Class``, or a class.
    """
    if (plain := behind(strategy)) is not None:
        flags = introduce(plain)
        if flags.needs_supernet:
            raise UserError(f"{label(plain)} trains cells itself, so it cannot be blinded.")
        return flags
    flags = _flags(strategy)
    if flags.needs_supernet and not is_builtin(strategy):
        raise UserError(
            f"{label(strategy)} needs a supernet context, which only strategies of the project are"
            " given: what a user's process trains cannot be charged."
        )
    return flags


def rehearse(strategy: StrategyLike, space: Space, limit: float) -> None:
    """Make a strategy that is given options once, so that a wrong one is found before anything is
    begun.

    Other libraries look at theirs when they are first asked.

    Args:
        limit: The longest that one call may take, in seconds.

    Raises:
        UserError: It cannot be made so.
    """
    plain = behind(strategy) or strategy
    if not isinstance(plain, str) or not (reference := Reference.parse(plain)).options:
        return
    is_bridge = is_builtin(plain) and reference.head.partition(":")[0] in BRIDGES
    try:
        with sandboxed(plain, space, seed=0, limit=limit) as made:
            if is_bridge:
                made.ask(1)
    except StrategyError as error:
        raise UserError(f"{label(strategy)} cannot be used: {error}") from error


def _flags(strategy: StrategyLike) -> Flags:
    if is_builtin(strategy) or not isinstance(strategy, str):
        return flags_of_class(resolve(strategy))
    head = Reference.parse(strategy).head
    path, separator, _ = head.rpartition(":")
    if not separator and not is_named(head):
        raise unknown("strategy", head, known())
    return _introduced(strategy, _stamp(Path(path)) if separator else ())


def _stamp(path: Path) -> tuple[object, ...]:
    """What changes when a file does."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return ()
    return str(path.absolute()), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=64)
def _introduced(strategy: str, stamp: tuple[object, ...]) -> Flags:  # noqa: ARG001 - a file that changed is read anew
    _prepare(strategy, None)
    process = Sandbox(_ENTRY, prepare=_SHARED, who=label(strategy))
    try:
        loaded = process.call("load", pack(strategy), None, limit=START_SECONDS, when="was loaded")
        return flags_from_json(loaded.get("flags") if isinstance(loaded, dict) else None)
    except StrategyError as error:
        told = str(error)
        raise UserError(
            told if strategy in told else f"{label(strategy)} cannot be used: {told}"
        ) from error
    finally:
        process.kill()
