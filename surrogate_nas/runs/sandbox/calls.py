"""Calls of a strategy: whatever goes wrong in one is a `StrategyError` of its own, and each is
limited.

A run of a user's strategy (a file, an entry point, a class from elsewhere) is made in a process of
its own (`surrogate_nas.runs.apart`), which a call that takes too long ends, so that it may exit,
hang, print and patch as it likes. This protects against accidents, not against attack.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache, partial
from os import _exit as leave  # not what `staying` puts in its place
from os import getpid
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.interrupts import is_interrupt
from surrogate_nas.runs.sandbox.files import Files
from surrogate_nas.runs.sandbox.interface import (
    Blinded,
    Flags,
    Wrapped,
    flags_of,
    own_cells,
)
from surrogate_nas.runtime.aside import START_SECONDS, call_aside
from surrogate_nas.runtime.failure import StrategyError, as_strategy_error, file_of
from surrogate_nas.runtime.packing import pack, unpack
from surrogate_nas.runtime.worker import dump_when_alarmed, is_inside
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.blind import blind
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies import BLIND, OURS, Strategy, StrategyEntry, strategy_entry

_LONGEST_ALARM = 1e6


class TimeLimitError(BaseException):
    """A call took longer than its limit; no plain Exception, so that ``except Exception`` lets it
    pass.
    """


@contextmanager
def alarmed() -> Iterator[bool]:
    """Let SIGALRM raise `TimeLimitError`; whether it does, as outside the main thread it does
    not.
    """
    if threading.current_thread() is not threading.main_thread():
        yield False
        return
    before = signal.signal(signal.SIGALRM, _ring)
    try:
        yield True
    finally:
        signal.signal(signal.SIGALRM, before)


def _ring(signum: int, frame: FrameType | None) -> None:
    raise TimeLimitError


class Sandboxed:
    """A strategy, called in this process; `seconds` were spent in its calls so far."""

    def __init__(
        self,
        entry: StrategyEntry,
        space: Space,
        seed: int,
        limit: float,
        files: Files | None,
    ) -> None:
        """Make it; a StrategyError if it could not be made."""
        self.seconds = 0.0
        self.file = ""
        self._epochs: Sequence[int] = ()
        self._space = space
        self._limit = limit
        self._files = files
        self._is_ours = entry.is_trusted
        self._owner = getpid()
        if is_inside() and not self._is_ours:
            dump_when_alarmed()
        self._strategy: Strategy = self._call(partial(self._made, entry, seed), "was made")
        self.flags = flags_of(self._strategy)

    def _made(self, entry: StrategyEntry, seed: int) -> Strategy:
        strategy = entry.load()
        self.file = file_of(strategy)
        return strategy(self._space, seed=seed)

    def give(self, settings: Mapping[str, Any]) -> None:
        """Give it those settings, by attribute, that it declares that it reads."""
        for name, value in self.flags.read(settings).items():
            setattr(self._strategy, name, value)
            if name == "epochs":
                self._epochs = value

    def ask(self, n: int) -> list[Cell | Request]:
        """Ask for 1 to `n` of the space's own cells, or requests where it chooses epochs."""

        def ask() -> list[Cell | Request]:
            asked = self._strategy.ask(n)
            return own_cells(
                asked, n, self._space, self._epochs, may_end=self.flags.from_outside
            )

        return self._call(ask, "was asked")  # type: ignore[no-any-return]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell it trials; a user's strategy is told copies, which it may spoil."""

        def tell() -> None:
            self._strategy.tell(trials if self._is_ours else list(map(_copied, trials)))

        self._call(tell, "was told")

    def work(self) -> float | None:
        """Let it do a slice of work of its own, which only strategies of ours have; the seconds
        that it is charged, or None where nothing is left to be done.
        """
        if not self.flags.needs_supernet:
            return None
        return self._call(self._strategy.work, "worked")  # type: ignore[no-any-return]

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """What it says of the run besides its trials; a user's is not asked."""
        if not self._is_ours:
            return {}
        return self._call(self._strategy.diagnosis, "gave its diagnosis")  # type: ignore[no-any-return]

    def remarks(self) -> Mapping[str, Any]:
        """What is stored with its last answer; a user's is not asked."""
        return self._strategy.remarks if self._is_ours else {}

    def _call(self, function: Callable[[], Any], when: str) -> Any:
        started = time.perf_counter()
        try:
            if self._files is not None:
                self._files.hears = True
            if self._limit:
                signal.setitimer(signal.ITIMER_REAL, min(self._limit, _LONGEST_ALARM))
            result = function()
            if getpid() != self._owner:
                leave(0)  # a copy that the strategy forked came back here
            return result
        except TimeLimitError as error:
            raise StrategyError(
                f"it took more than {self._limit:g} s when it {when}."
            ) from error
        except BaseException as error:
            if is_interrupt(error) or (self._is_ours and not isinstance(error, Exception)):
                raise
            raise as_strategy_error(error, when, self.file) from error
        finally:
            if self._limit:
                signal.setitimer(signal.ITIMER_REAL, 0)
            self.seconds += time.perf_counter() - started
            if self._files is not None:
                self._files.hears = False


def _copied(trial: Trial) -> Trial:
    cell = trial.cell
    own = Cell(cell.choices, cell.text, cell.index)
    return replace(trial, cell=own, values=dict(trial.values))


def sandboxed(
    entry: StrategyEntry,
    space: Space,
    *,
    seed: int,
    limit: float,
    settings: Mapping[str, Any] = MappingProxyType({}),
    files: Files | None = None,
) -> Sandboxed | Wrapped:
    """Make a strategy; one that runs blinded gets a disguise drawn from its seed.

    A call may take `limit` seconds (`alarmed`), 0 for no limit. A StrategyError if it could not be
    made.
    """
    disguise = blind(space, seed) if entry.blinded else None
    called: Sandboxed | Wrapped = Sandboxed(entry, disguise or space, seed, limit, files)
    if disguise is not None:
        called = Blinded(called, disguise)
    called.give(settings)
    return called


Sent = tuple[bytes, bool, str]
"""A strategy on its way to another process: its spec, whether it runs blinded, and its label."""


def sent(entry: StrategyEntry) -> Sent:
    """A strategy on its way to another process; StrategyError if it cannot be sent."""
    return pack(entry.spec), entry.blinded, entry.label


def received(sent_entry: Sent) -> StrategyEntry:
    """A strategy that was sent."""
    packed, blinded, label = sent_entry
    (spec,) = unpack(packed)
    return replace(strategy_entry(spec), blinded=blinded, label=label)


def introduce(entry: StrategyEntry, objectives: int = 1) -> Flags:
    """Say what a strategy declares, without running a user's code here.

    Raises:
        UserError: There is none, or it cannot be blinded, or cannot have as many objectives.
    """
    stamp: tuple[object, ...] = ()
    if entry.is_trusted or isinstance(entry.target, type):
        flags = flags_of(entry.load())
    elif entry.origin == "file":
        with suppress(OSError, ValueError):
            path = Path(entry.target.rpartition(":")[0]).absolute()
            status = path.stat()
            stamp = path, status.st_mtime_ns, status.st_size
        flags = _introduced(entry, stamp)
    else:
        OURS.expect(entry.target)
        flags = _introduced(entry, stamp)
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


def rehearse(
    entry: StrategyEntry, space: Space, limit: float, settings: Mapping[str, Any]
) -> None:
    """Make a strategy with its options once, before any run.

    Other libraries look at theirs when they are first asked, and so do those of ours that choose
    epochs; a program outside is not asked for that.

    Raises:
        UserError: It cannot be made so.
    """
    if not entry.options:
        return
    rehearsal = partial(_rehearsed, space=space, limit=limit, settings=settings)
    try:
        if entry.is_trusted:
            rehearsal(entry)
        else:
            call_aside(rehearsal, sent(entry), START_SECONDS + limit)
    except StrategyError as error:
        raise UserError(f"{entry.label} cannot be used: {error}") from error


def _rehearsed(
    entry: StrategyEntry | Sent, space: Space, limit: float, settings: Mapping[str, Any]
) -> None:
    entry = replace(received(entry) if isinstance(entry, tuple) else entry, blinded=False)
    with alarmed() as works:
        strategy = sandboxed(entry, space, seed=0, limit=limit * works, settings=settings)
        flags = strategy.flags
        chooses = entry.is_trusted and flags.chooses_epochs and not flags.from_outside
        if entry.origin == "bridge" or chooses:
            strategy.ask(1)


@lru_cache(maxsize=64)
def _introduced(entry: StrategyEntry, stamp: tuple[object, ...]) -> Flags:
    try:
        return call_aside(_declared, sent(entry), START_SECONDS)
    except UserError as error:
        reason = str(error)
        if str(entry.spec) not in reason:
            reason = f"{entry.label.removeprefix(BLIND)} cannot be used: {reason}"
        raise UserError(reason) from error


def _declared(entry: Sent) -> Flags:
    return flags_of(received(entry).load())
