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
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.failure import StrategyError, as_strategy_error, as_text
from surrogate_nas.runtime.forkserver import START_SECONDS, the_server
from surrogate_nas.runtime.packing import pack
from surrogate_nas.runtime.sandbox import Sandbox
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.blind import blind
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies import BLIND, OURS, Strategy, StrategyEntry
from surrogate_nas.study.sandbox.blinded import Blinded
from surrogate_nas.study.sandbox.files import Files
from surrogate_nas.study.sandbox.inside import LIBRARIES
from surrogate_nas.study.sandbox.interface import (
    Flags,
    Sandboxed,
    cells_from_json,
    flags_from_json,
    flags_of,
    flags_of_class,
    own_cells,
    trials_to_rows,
)
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
        return own_cells(asked, n, self._space, self._epochs, may_end=self.flags.from_outside)

    def tell(self, trials: Sequence[Trial]) -> None:
        self._call(lambda: self._strategy.tell(trials), "was told")

    def work(self) -> float | None:
        return self._call(self._strategy.work, "worked") if self.flags.needs_supernet else None

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        return self._call(self._strategy.diagnosis, "gave its diagnosis")  # type: ignore[no-any-return]

    def remarks(self) -> Mapping[str, Any]:
        return self._strategy.remarks

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
        entry: StrategyEntry,
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
        _prepare(entry, self._shared)
        self.process = Sandbox(
            _ENTRY,
            self._shared,
            prepare=_SHARED,
            who=entry.label,
        )
        try:
            sent = (
                pack(entry.spec),
                None if ours else packed,
                "" if files is None else str(files.folder),
            )
            loaded = self.process.call(
                "load",
                *sent,
                limit=max(limit, START_SECONDS),
                when="was loaded",
            )
            self.process.file = as_text(_value_of(loaded, "file"), 4096)
            self.flags = flags_from_json(self._call("make", seed, when="was made"))
        except BaseException:
            self.process.kill()
            raise

    def _set(self, settings: Mapping[str, Any]) -> None:
        packed = pack(dict(settings), shared=self._space)
        self.process.call(
            "give",
            packed,
            limit=max(self._limit, START_SECONDS),
            when="was given what it reads",
        )

    def ask(self, n: int) -> list[Cell | Request]:
        answer = self._call("ask", n, when="was asked")
        if not self._asked:  # most of what it needs for long it has needed by now
            self._asked = True
            self._prepare_others()
        return cells_from_json(
            answer, n, self._space, self._epochs, may_end=self.flags.from_outside
        )

    def _prepare_others(self) -> None:
        """Let later processes have at once what this one needed, as our strategies do, whose runs
        share a process.
        """
        match self.process.call("needed", limit=self._limit, when="was asked what it needed"):
            case [[*modules], [*questions]]:
                self.process.call_server(_PREPARED, self._shared, _allowed(modules), questions)

    def end(self) -> None:
        """Wait a moment for the process to end."""
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
                "tell",
                trials_to_rows(trials),
                limit=self._limit,
                when="was told",
            )
        )

    def _call(self, command: str, *arguments: object, when: str) -> Any:
        return self._timed(
            lambda: self.process.call(
                command,
                *arguments,
                limit=self._limit,
                when=when,
            )
        )


def _prepare(entry: StrategyEntry, space: bytes | None) -> None:
    """Let what forks its processes import what its files do, which each process would import for
    itself.
    """
    with suppress(OSError, EOFError):
        the_server().call(_PREPARED, space, _allowed(imported_by(entry)), [])


def _value_of(content: object, name: str) -> Any:
    return content.get(name) if isinstance(content, dict) else None


def _allowed(modules: Sequence[object]) -> list[str]:
    return [one for one in modules if isinstance(one, str) and one.partition(".")[0] in LIBRARIES]


@contextmanager
def sandboxed(
    entry: StrategyEntry,
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
    if not entry.blinded:
        with _started(entry, space, seed, limit, files) as plain:
            plain.give(settings)
            yield plain
        return
    disguise = blind(space, seed)
    with _started(entry, disguise, seed, limit, files) as plain:
        blinded = Blinded(plain, disguise)
        blinded.give(settings)
        yield blinded


@contextmanager
def _started(
    entry: StrategyEntry,
    space: Space,
    seed: int,
    limit: float,
    files: Files | None,
) -> Iterator[Sandboxed]:
    if entry.is_trusted:
        with Alarm() as alarm:
            yield _Ours(entry.load(), space, seed, limit, alarm)
        return
    outside = _UserCode(entry, space, seed, limit, files)
    try:
        yield outside
        outside.end()
    finally:
        outside.process.kill()


def introduce(entry: StrategyEntry, objectives: int = 1) -> Flags:
    """Check that there is such a strategy, without running a user's code here, and say what it
    declares.

    Args:
        objectives: How many objectives it is to have.

    Raises:
        UserError: There is none, or it cannot be blinded, or cannot have as many objectives.
    """
    if entry.is_trusted or isinstance(entry.target, type):
        flags = flags_of_class(entry.load())
    else:
        flags = _flags_of_user_code(entry)
    if flags.needs_supernet and entry.blinded:
        name = entry.label.removeprefix(BLIND)
        raise UserError(f"{name} trains cells itself, so it cannot be blinded.")
    if flags.needs_supernet and not entry.is_trusted:
        raise UserError(
            f"{entry.label} needs a supernet context, which only strategies of the project are"
            " given: what a user's process trains cannot be charged."
        )
    drives = entry.is_trusted and entry.options.get("drive") is not None
    if drives and flags.chooses_epochs:
        if entry.blinded:
            raise UserError(f"{entry.label} is shown no metric's name: leave out drive.")
        if objectives > 1:
            raise UserError(
                f"{entry.label} ranks cells by one metric, not by {objectives} objectives: leave"
                " out drive."
            )
    return flags


def rehearse(entry: StrategyEntry, space: Space, limit: float, settings: Mapping[str, Any]) -> None:
    """Make a strategy that is given options once, so that a wrong one is found before anything is
    begun.

    Other libraries look at theirs when they are first asked, and so do those of ours that choose
    epochs; a program outside is not asked for that.

    Args:
        limit: The longest that one call may take, in seconds.
        settings: What it is given where it declares that it reads it.

    Raises:
        UserError: It cannot be made so.
    """
    if not entry.options:
        return
    try:
        with sandboxed(
            replace(entry, blinded=False),
            space,
            seed=0,
            limit=limit,
            settings=settings,
        ) as strategy:
            flags = strategy.flags
            chooses = entry.is_trusted and flags.chooses_epochs and not flags.from_outside
            if entry.origin == "bridge" or chooses:
                strategy.ask(1)
    except StrategyError as error:
        raise UserError(f"{entry.label} cannot be used: {error}") from error


def _flags_of_user_code(entry: StrategyEntry) -> Flags:
    target = str(entry.target)
    if entry.origin != "file":
        OURS.expect(target)
        return _introduced(entry, ())
    return _introduced(entry, _stamp(Path(target.rpartition(":")[0])))


def _stamp(path: Path) -> tuple[object, ...]:
    """What changes when a file does."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return ()
    return str(path.absolute()), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=64)
def _introduced(entry: StrategyEntry, stamp: tuple[object, ...]) -> Flags:  # noqa: ARG001 - a file that changed is read anew
    _prepare(entry, None)
    process = Sandbox(_ENTRY, prepare=_SHARED, who=entry.label)
    try:
        packed = pack(entry.spec)
        loaded = process.call(
            "load",
            packed,
            None,
            limit=START_SECONDS,
            when="was loaded",
        )
        return flags_from_json(_value_of(loaded, "flags"))
    except StrategyError as error:
        reason = str(error)
        if str(entry.spec) not in reason:
            reason = f"{entry.label.removeprefix(BLIND)} cannot be used: {reason}"
        raise UserError(reason) from error
    finally:
        process.kill()
