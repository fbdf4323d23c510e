"""Workers: processes that do one job after another, here or on a machine of a cluster.

A `Payload` is what all jobs of some work have in common. `do` runs a job of it in a free worker
beside the calling process, or in a new one. So a job has one thread, its own working directory and
signals, and may crash, whatever the calling process is. Workers end with the work, with the
process, or after an idle minute.
"""

from __future__ import annotations

import math
import os
import pickle
import platform
import signal
import sys
import threading
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from os import _exit as end_process  # also where a user's function runs (`staying`)
from queue import SimpleQueue
from typing import Any, Generic, TypeVar
from uuid import uuid4

import cloudpickle

from surrogate_nas.core.errors import Cause, UserError
from surrogate_nas.core.threads import VARIABLES
from surrogate_nas.files import HOME_VARIABLE, home
from surrogate_nas.runtime.child import (
    ORPHANED,
    Child,
    Link,
    end_session_with_this,
    folder_here,
    joined,
)
from surrogate_nas.runtime.memory import can_be_watched, takes_over

J = TypeVar("J")
R = TypeVar("R")
_DONE = b"d"
_FAILED = b"f"
_LOST = b"l"
_ALIVE = b"a"
"""A sign of life while a job is done."""
_VARIABLES = "SURROGATE_NAS_"
"""What the names of this project's variables begin with."""
_GUARDED = "SNAS_WORKER_IS_GUARDED"
"""Set for a worker that runs users' code."""
_NOT_WANTED = "it was not wanted any more"
_IDLE_SECONDS = 60.0
_LOOK_SECONDS = 10.0
_MEMORY_SECONDS = 0.2
"""How often is looked how much memory a job takes."""
_REMEMBERED = 1000
_BROKEN = ("ended with exit code", "SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")
"""How a process ends by what it did, not by what was done to it."""
_MEMORY = "memory ran out"


@dataclass(frozen=True)
class Outcome(Generic[J, R]):
    """What became of a job.

    Attributes:
        job: The job.
        answer: What its function returned; None where its worker was lost.
        failure: Empty, or how its worker ended, in one line without a full stop.
        cause: Whose fault that was.
        seconds: How long the job had run by the wall's clock; 0 where that is not known.

    Example:
        >>> Outcome("cell 11", answer=8.5).result
        8.5
    """

    job: J
    answer: R | None = None
    failure: str = ""
    cause: Cause = "lost"
    seconds: float = 0.0

    @property
    def result(self) -> R:
        """What the function returned."""
        if self.failure:
            raise UserError(
                f"{self.failure[:1].upper()}{self.failure[1:]}. Run the same command again to"
                " go on."
            )
        return self.answer  # type: ignore[return-value]


def outcome(job: J, content_or_error: bytes | str) -> Outcome[J, Any]:
    """The outcome of a job from its worker's message or its loss; raises the function's errors."""
    if isinstance(content_or_error, str):
        return Outcome(job, failure=content_or_error, cause=_cause(content_or_error))
    content = pickle.loads(content_or_error[1:])
    if content_or_error[:1] == _LOST:
        failure, cause, seconds = content
        return Outcome(job, failure=failure, cause=cause, seconds=seconds)
    if content_or_error[:1] == _FAILED:
        raise content
    return Outcome(job, content)


def _cause(words: str) -> Cause:
    """Whose fault it is that a worker ended."""
    if _MEMORY in words:
        return "resources"
    return "broken" if any(sign in words for sign in _BROKEN) else "lost"


@dataclass(frozen=True)
class Payload:
    """What all jobs of some work have in common, so that workers do them as this process would.

    What it names has to be there: machines that work together share a file system.

    Attributes:
        function: What is done with every job, pickled.
        folder: The working directory, so that relative paths mean the same.
        path: Where modules are found.
        variables: This project's, of the environment.
        versions: Of Python and of this project; those of workers must be the same.
        key: Tells one payload from all others.
        seconds: The most that a job may take, or None.
        silence: The most between two signs of life of a job (`alive`), or None.
        devices: GPUs, as ``CUDA_VISIBLE_DEVICES`` names them, one entry for each slot; empty where
            all slots see what there is.
        threads: Of arithmetic, for each slot.
        memory: The most bytes that a job may have in memory with all that it starts, or None.
        runs_strangers: Whether jobs run users' code, so that what they fork or start must be ended
            with their worker.
    """

    function: bytes
    folder: str
    path: tuple[str, ...]
    variables: Mapping[str, str]
    versions: Mapping[str, str]
    key: str
    seconds: float | None = None
    silence: float | None = None
    devices: tuple[str, ...] = ()
    threads: int = 1
    memory: int | None = None
    runs_strangers: bool = False

    @classmethod
    def of(
        cls,
        function: Callable[[Any], Any],
        *,
        seconds: float | None = None,
        silence: float | None = None,
        devices: tuple[str, ...] = (),
        threads: int = 1,
        memory: int | None = None,
        runs_strangers: bool = False,
    ) -> Payload:
        """What it takes to call a function as this process would."""
        variables = {
            name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)
        }
        variables[HOME_VARIABLE] = os.path.abspath(home())
        path = tuple(map(os.path.abspath, sys.path))
        return cls(
            cloudpickle.dumps(function),
            folder_here(),
            path,
            variables,
            _versions(),
            uuid4().hex,
            seconds,
            silence,
            devices,
            threads,
            memory,
            runs_strangers,
        )

    def slot(self, others: Collection[Slot] = (), device: str | None = None) -> Slot:
        """A slot in this process, maybe on another machine; UserError if that lacks something.

        Args:
            others: The slots of this payload that are here already.
            device: Its own; None for one that the fewest of the others have.
        """
        host = platform.node()
        here = _versions()
        if here != self.versions:
            installed, wanted = (
                ", ".join(map(" ".join, versions.items())) for versions in (here, self.versions)
            )
            raise UserError(
                f"The workers on {host} have {installed}; here are {wanted}."
                " Install the same there."
            )
        if self.folder and not os.path.isdir(self.folder):
            raise UserError(
                f"There is no folder {self.folder} on {host}: workers need the working directory,"
                " the results, the data folder and your own files at the same places, on a file"
                " system that the machines share."
            )
        if self.memory is not None and not can_be_watched():
            raise UserError(
                f"{host} does not tell how much memory a training takes (/proc of Linux does);"
                " leave out --memory-each."
            )
        if device is not None:
            return Slot(self, device)
        used = [slot.device for slot in others]
        spare = sorted(
            self.devices, key=lambda device: used.count(device) / self.devices.count(device)
        )
        return Slot(self, spare[0] if spare else "")


def _versions() -> dict[str, str]:
    from surrogate_nas.core.version import __version__

    return {"Python": ".".join(map(str, sys.version_info[:2])), "surrogate_nas": __version__}


class Slot:
    """A place for one job at a time, with a worker for one function that is replaced if lost.

    Attributes:
        device: The GPUs that its worker sees; empty for all.
    """

    def __init__(self, payload: Payload, device: str = "") -> None:
        """Prepare it; its worker is made for the first job."""
        self.device = device
        self._payload = payload
        self._path = [*payload.path, *(place for place in sys.path if place not in payload.path)]
        self._lock = threading.Lock()
        self._worker: Child | None = None
        self._closed = False

    def do(self, job: bytes) -> bytes | str:
        """The worker's message on a job, or how it was lost; OSError if no process can start."""
        worker = self._living()
        if worker is None:
            return _NOT_WANTED
        attempt = _Attempt(self._payload, worker)
        words = ""
        # it died, or the slot was closed, a moment ago
        with suppress(OSError, ValueError, EOFError):
            worker.link.send(job)
            words = attempt.follow()
            if not words:
                return attempt.answer
        cause: Cause = "resources"
        if not words:
            words = f"its worker {worker.ended()}"
            cause = _cause(words)
        seconds = attempt.seconds
        self._bury()
        return _LOST + pickle.dumps((words, cause, seconds))

    def close(self) -> None:
        """Kill the worker, whatever it does, and make no other; any thread may call it."""
        with self._lock:
            self._closed = True
            if self._worker is not None:
                self._worker.process.kill()

    def leave(self) -> None:
        """Close the slot and forget its worker; only the thread that lets jobs be done calls it."""
        self.close()
        self._bury()

    def _living(self) -> Child | None:
        """The worker, made if need be; None where the slot is closed."""
        if self._worker is not None and not self._worker.runs():
            self._bury()
        with self._lock:
            if self._closed:
                return None
            if self._worker is not None:
                return self._worker
            worker = self._worker = Child(
                "surrogate_nas.runtime.worker:main",
                path=self._path,
                folder=self._payload.folder,
                variables={**self._payload.variables, **self._resources},
                apart=self._payload.runs_strangers,
            )
        with suppress(OSError):  # dead already: its first job will say so
            worker.link.send(self._payload.function)
        return worker

    @property
    def _resources(self) -> dict[str, str]:
        """Variables that say what of the machine is the worker's, and what it runs."""
        found = {}
        if self.device:
            found["CUDA_VISIBLE_DEVICES"] = self.device
        if self._payload.runs_strangers:
            found[_GUARDED] = "1"
        if self._payload.threads > 1:
            found |= dict.fromkeys(VARIABLES, str(self._payload.threads))
        return found

    def _bury(self) -> None:
        with self._lock:
            worker = self._worker
            self._worker = None
        if worker is not None:
            worker.process.kill()
            worker.end(_IDLE_SECONDS)


class _Attempt:
    """A job while its worker does it.

    Attributes:
        answer: The worker's message, once there is one.
    """

    answer = b""

    def __init__(self, payload: Payload, worker: Child) -> None:
        """Nothing is done yet."""
        self._longest = _or_endless(payload.seconds)
        self._silence = _or_endless(payload.silence)
        self._memory = payload.memory
        self._worker = worker
        self._is_over_memory = False
        self._next_look = 0.0
        self._begun = self._heard = math.inf  # the worker may have to start first

    def follow(self) -> str:
        """Wait for the answer; which limit the job is over, if it is over one."""
        while not self.answer:
            until = min(self._begun + self._longest, self._heard + self._silence)
            try:
                content = self._worker.link.receive(until, watch=self._goes_on)
            except TimeoutError:
                return self._limit
            except EOFError:
                if not self._is_over_memory:
                    raise
            else:
                if content != _ALIVE:
                    self.answer = content
                    return ""
                self._heard = time.monotonic()
                self._begun = min(self._begun, self._heard)
            if not self._goes_on() and self._is_over_memory:
                assert self._memory is not None
                return f"it took over {self._memory / 1e9:g} GB of memory"
        return ""

    def _goes_on(self) -> bool:
        """Whether the worker runs and, as far as is looked, has memory left."""
        if self._memory is not None and time.monotonic() >= self._next_look:
            self._is_over_memory = takes_over(self._worker.process.pid, self._memory)
            self._next_look = time.monotonic() + _MEMORY_SECONDS
        return self._worker.runs() and not self._is_over_memory

    @property
    def _limit(self) -> str:
        """The limit that is reached first."""
        if self._heard + self._silence < self._begun + self._longest:
            return f"it gave no sign of life for {self._silence:g} s"
        return f"it took over {self._longest:g} s"

    @property
    def seconds(self) -> float:
        """How long the job has been done by now."""
        return max(time.monotonic() - self._begun, 0.0)


def _or_endless(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds


_lock = threading.Lock()
_busy: defaultdict[str, set[Slot]] = defaultdict(set)
_idle: defaultdict[str, list[tuple[float, Slot]]] = defaultdict(list)
_known: dict[str, Payload] = {}
_ended: deque[str] = deque(maxlen=_REMEMBERED)
_reaper: list[threading.Thread] = []
_here: list[Link] = []
"""In a worker its link to the parent."""
_sending = threading.Lock()


def know(payload: Payload) -> None:
    """Take a payload for jobs that give its key alone."""
    _known[payload.key] = payload


def do(payload: Payload | str, job: bytes, device: str | None = None) -> bytes | str:
    """Do a pickled job at a free or a new slot: its worker's message, or how that was lost.

    The slot has a certain device, or whichever is least used where none is named.
    """
    try:
        with _lock:
            known = _known.get(payload) if isinstance(payload, str) else payload
            if known is None or known.key in _ended:
                return _NOT_WANTED
            slot = _idle_slot(known, device) or known.slot(_busy[known.key], device)
            _busy[known.key].add(slot)
        content = slot.do(job)
    except (UserError, OSError) as error:
        return failed(error)
    with _lock:
        _busy[known.key].discard(slot)
        if wanted := known.key not in _ended:
            _idle[known.key].append((time.monotonic(), slot))
            if not _reaper:
                _reaper.append(threading.Thread(target=_reap, daemon=True))
                _reaper[0].start()
    if not wanted:
        slot.leave()
    return content


def _idle_slot(payload: Payload, device: str | None) -> Slot | None:
    """The slot that was used last among those that are free and have a device, idle no more."""
    idle = _idle[payload.key]
    for place in reversed(range(len(idle))):
        if device is None or idle[place][1].device == device:
            return idle.pop(place)[1]
    return None


def end(key: str) -> None:
    """End all workers of a payload, whatever they do."""
    with _lock:
        _ended.append(key)
        _known.pop(key, None)
        busy = _busy.pop(key, set())
        idle = _idle.pop(key, [])
    for slot in busy:
        slot.close()
    for _, slot in idle:
        slot.leave()


def _reap() -> None:
    """Drop slots that no job has taken for long: the process with the payload may be gone."""
    while True:
        time.sleep(_LOOK_SECONDS)
        old = time.monotonic() - _IDLE_SECONDS
        with _lock:
            gone = [slot for slots in _idle.values() for since, slot in slots if since < old]
            for key, slots in list(_idle.items()):
                _idle[key] = [one for one in slots if one[0] >= old]
        for slot in gone:
            slot.leave()


def alive() -> None:
    """Give a sign of life while a job is done; nothing happens outside a worker."""
    for link in _here:
        with _sending:
            link.send(_ALIVE)


def main() -> None:
    """The worker from inside: do jobs until the link ends."""
    # Ctrl-C reaches every process of a terminal; the parent decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.environ.pop(_GUARDED, ""):
        end_session_with_this()
    link = joined()
    _here.append(link)
    inbox: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(link, inbox), daemon=True).start()
    function: Any = None
    while True:
        message = inbox.get()
        try:
            if function is None:
                function = pickle.loads(message)
                continue
            job = pickle.loads(message)
            alive()
            reply = _DONE + cloudpickle.dumps(function(job))
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it
            reply = failed(error)
        try:
            with _sending:
                link.send(reply)
        # the parent was killed a moment ago
        except (BrokenPipeError, ConnectionError):
            end_process(ORPHANED)


def _read(link: Link, inbox: SimpleQueue[bytes]) -> None:
    """Hand on what comes; its end is the parent's end, or its wish."""
    with suppress(EOFError, OSError):
        while True:
            inbox.put(link.receive())
    end_process(ORPHANED)


def failed(error: Exception) -> bytes:
    """The message that a function raised an exception."""
    error.add_note(f"In a worker process:\n{''.join(traceback.format_exception(error))}")
    try:
        pickled: bytes = cloudpickle.dumps(error)
    except Exception:  # noqa: BLE001 - an exception may hold anything
        pickled = pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return _FAILED + pickled
