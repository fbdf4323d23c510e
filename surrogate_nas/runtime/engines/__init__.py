"""Engines: they run jobs anywhere and yield the outcomes in the order of completion.

An engine is named ``NAME`` or ``NAME:PLACE``, such as a scheduler's address. With every engine,
each job runs in a process of ours with one thread. A job that ends its process is reported as
failed while the others go on. An exception in a job ends the work and is raised here. Results never
depend on the engine, so it is no part of their fingerprint.

A function that returns a `concurrent.futures.Executor` for a place and a number of workers is an
engine. It is named ``FILE.py:NAME``, or by an entry point of the group ``surrogate_nas.engines``:

    from concurrent.futures import ProcessPoolExecutor

    def pool(place, workers):
        return ProcessPoolExecutor(workers)

If the executor has a method ``lost``, it gets an error of the executor's own and says how a job was
lost, as a `surrogate_nas.runtime.worker.Lost`, or raises a `UserError` where all are; ``end`` ends
the workers of a task.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    as_completed,
)
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import uuid4

import cloudpickle

from surrogate_nas.core import (
    Registry,
    UserError,
    absolute,
    first_noted,
    in_a_line,
    one_thread,
    places_in,
)
from surrogate_nas.runtime.worker import (
    NOT_WANTED,
    Lost,
    Task,
    answer,
    do,
    end,
    owned,
    start_server,
)

__all__ = [
    "AGAIN",
    "ENGINES",
    "Jobs",
    "Outcome",
    "check_engine",
    "raise_lost",
    "run_jobs",
]

J = TypeVar("J")
R = TypeVar("R")
Maker = Callable[[str, int | None], Executor]
"""Gives an executor for a place, which may be empty, and a number of workers; None for as many as
the place takes.
"""
# the future of a job, whether it has to be alone, and what is called
_Call = tuple[Future[Any], bool, Callable[..., Any], tuple[Any, ...]]
AGAIN = "What was finished is kept; run the same command again to go on, on any engine."
_HERE = "processes"
# The longest that the answer of a job that has ended may take to come here.
_ANSWER_SECONDS = 60.0


def _is_maker(loaded: object, name: str) -> Maker:
    if not callable(loaded):
        raise UserError(
            f"{name} is no engine: it must be called with a place and a number of workers."
        )
    return loaded


ENGINES: Registry[Maker] = Registry(
    "engine", _is_maker, places_in(__name__, "ENGINE"), group="surrogate_nas.engines"
)
"""Where jobs can be run: the ``ENGINE`` of the file of that name."""


def _parted(engine: str) -> tuple[str, str]:
    file, suffix, rest = engine.partition(".py:")
    name, _, address = (rest if suffix else engine).partition(":")
    return absolute(f"{file}.py:{name}") if suffix else name, address


def check_engine(engine: str, workers: int | None) -> None:
    """Check what a user asks for before anything is begun; no code of a user's is loaded."""
    name, address = _parted(engine)
    ENGINES.expect(name)
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise UserError(f"There must be at least 1 worker, not {workers}.")
    if name == _HERE and address:
        raise UserError(
            f"The engine {_HERE} is on this machine and takes no address, such as {address:.80}."
        )


class Jobs:
    """Hands out jobs to the workers of an engine: begun in their order, at most so many at once.

    A worker stays for the next job of its task, so what a job has read or compiled serves that too.

    Attributes:
        key: The owner of the workers that are on this machine.
    """

    def __init__(
        self,
        engine: str = _HERE,
        workers: int | None = None,
        devices: Sequence[str] = (),
    ) -> None:
        """Open the engine.

        Args:
            engine: A key of `ENGINES` or ``FILE.py:NAME``, behind a colon its place.
            workers: How many jobs at once; None for as many as a cluster takes, one here.
            devices: The GPUs of each worker, as ``CUDA_VISIBLE_DEVICES`` names them; empty where
                all see what there is.

        Raises:
            UserError: There is no such engine, it cannot be reached, or it has devices of its own.
        """
        check_engine(engine, workers)
        name, address = _parted(engine)
        if devices and name != _HERE:
            raise UserError(
                f"--gpus names GPUs of this machine; the engine {name} gives its workers theirs."
            )
        self.key = uuid4().hex
        self._is_here = name == _HERE
        self._most = workers or (1 if self._is_here else None)
        self._devices = tuple(devices)
        self._lock = threading.RLock()
        self._waiting: deque[_Call] = deque()
        # the slot of every job that runs, from 0
        self._running: dict[Future[Any], int] = {}
        self._is_alone = self._is_closed = False
        make = (
            ThreadPoolExecutor
            if self._is_here
            else partial(ENGINES.find(name), address)
        )
        self._executor: Executor = make(self._most)
        if self._is_here:
            start_server()

    def submit(self, task: Task, job: Any, *, alone: bool = False) -> Future[Any]:
        """Give a job, which is begun after those before it.

        Args:
            task: What the job shares with others.
            job: What its function is called with.
            alone: Whether nothing else may run meanwhile.

        Returns:
            Of how it ended, for `surrogate_nas.runtime.worker.answer`.
        """
        return self._put(alone, do, task, cloudpickle.dumps(job))

    def call(self, function: Callable[..., R], *arguments: Any) -> Future[R]:
        """Call a function in a thread of this process, in turn with the jobs."""
        return self._put(False, function, *arguments)

    def _put(
        self, alone: bool, call: Callable[..., Any], *arguments: Any
    ) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.append((future, alone, call, arguments))
            self._begin()
        return future

    def _begin(self) -> None:
        """Begin what may run: what has to be alone waits until nothing else does."""
        while self._waiting and not self._is_alone:
            alone = self._waiting[0][1]
            if self._running and (alone or len(self._running) == self._most):
                return
            future, _, call, arguments = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            self._is_alone = alone
            used = {*self._running.values()}
            slot = next(n for n in range(len(used) + 1) if n not in used)
            self._running[future] = slot
            if self._devices and call is do:
                arguments = (*arguments, self._devices[slot % len(self._devices)])
            if self._is_here:
                arguments = (self.key, call, *arguments)
                call = owned
            self._executor.submit(call, *arguments).add_done_callback(
                partial(self._ended, future)
            )

    def _ended(self, future: Future[Any], inner: Future[Any]) -> None:
        try:
            # a future of Dask asks a thread that ends with its client, and would wait for ever
            is_dropped = self._is_closed and not self._is_here
            future.set_result(
                NOT_WANTED if is_dropped else inner.result(_ANSWER_SECONDS)
            )
        except BaseException as error:  # noqa: BLE001 - it belongs to who waits
            try:
                lost = getattr(self._executor, "lost", _raised)
                future.set_result(lost(error))
            except BaseException as nested:  # noqa: BLE001 - likewise
                future.set_exception(nested)
        with self._lock:
            del self._running[future]
            self._is_alone = False
            self._begin()

    def hearing(self, note: Callable[[], None]) -> AbstractContextManager[None]:
        """Let the first Ctrl-C call a function (`surrogate_nas.core.process.first_noted`)."""
        return first_noted(note)

    def drop(self, task: Task) -> None:
        """End all jobs of a task, whatever they do."""
        with self._lock:
            for future, _, _, arguments in self._waiting:
                if task in arguments:
                    future.cancel()
        getattr(self._executor, "end", end)(task.key)

    def close(self) -> None:
        """End all jobs, whatever they do."""
        self._is_closed = True
        with self._lock:
            for future, *_ in self._waiting:
                future.cancel()
            self._waiting.clear()
        end(self.key)
        self._executor.shutdown(wait=True, cancel_futures=True)
        end(self.key)


def _raised(error: BaseException) -> Any:
    if isinstance(error, CancelledError):
        return NOT_WANTED
    raise gone("executor", "", error) if isinstance(error, BrokenExecutor) else error


def gone(cluster: str, address: str, error: BaseException) -> UserError:
    """Build the error for a cluster that does no job any more."""
    at = f" at {address}" if address else ""
    return UserError(
        f"The {cluster}{at} went away or cannot do the work ({in_a_line(error)}). {AGAIN}"
    )


@dataclass(frozen=True)
class Outcome(Generic[J, R]):
    """A job, and what its function returned or how its worker was lost."""

    job: J
    answer: R | Lost

    @property
    def failure(self) -> str:
        """How its worker ended, in one line without a full stop; empty where it was not lost."""
        return self.answer.words if isinstance(self.answer, Lost) else ""

    @property
    def result(self) -> R:
        """What the function returned; a UserError where the worker was lost."""
        if isinstance(self.answer, Lost):
            words = f"{self.failure[:1].upper()}{self.failure[1:]}"
            raise UserError(f"{words}. Run the same command again to go on.")
        return self.answer


def stays_here(engine: str, workers: int | None) -> bool:
    """Whether jobs are run in this process, one after another."""
    return engine == _HERE and workers in (None, 1)


def run_jobs(
    function: Callable[[J], R],
    jobs: Sequence[J],
    *,
    workers: int | None = None,
    engine: str = _HERE,
    apart: bool = False,
) -> Iterator[Outcome[J, R]]:
    """Call a function once for every job.

    The function is sent to each worker once, and so should carry what all jobs share, as a
    `functools.partial` does. Closing the iterator, or leaving its loop, ends the workers.

    Args:
        function: Of one job; its answer travels back to this process.
        jobs: What to call it with, begun in this order.
        workers: How many jobs at once; None for one, or for as many as a named cluster takes.
        engine: A key of `ENGINES` or ``FILE.py:NAME``, behind a colon its place. With processes,
            one worker or one job stays in this process.
        apart: Whether no job stays in this process.

    Yields:
        The outcome of every job, as they are finished.

    Example:
        >>> [outcome.result for outcome in run_jobs(abs, [-3, 1, -2])]
        [3, 1, 2]
    """
    check_engine(engine, workers)
    if not jobs:
        return
    if not apart and stays_here(engine, workers if len(jobs) > 1 else 1):
        for job in jobs:
            with one_thread():
                result = function(job)
            yield Outcome(job, result)
        return
    with closing(Jobs(engine, workers and min(workers, len(jobs)))) as pool:
        task = Task.of(function)
        futures = {pool.submit(task, job): job for job in jobs}
        for future in as_completed(futures):
            yield Outcome(futures[future], answer(future.result()))


def raise_lost(lost: Sequence[Outcome[Any, Any]]) -> None:
    """Raise a `UserError` if workers were lost, once all else is done."""
    if lost:
        jobs = "1 job was" if len(lost) == 1 else f"{len(lost)} jobs were"
        raise UserError(
            f"{jobs} lost: {lost[0].failure}. Run the same command again to go on."
        )
