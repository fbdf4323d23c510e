"""Engines execute jobs on this machine or on a cluster, and yield the outcomes in the order of
completion.

An engine is named ``NAME`` or ``NAME:PLACE``, where the place is, for example, the address of a
scheduler. With every engine, each job runs in a worker process of this package with one thread. If
a job kills its worker process, the job is reported as failed and the other jobs continue. An
exception in a job ends all jobs and is raised in the calling process. Results never depend on the
engine, so the engine is not part of their fingerprint.

An engine is a function of a place and a number of workers that returns a
`concurrent.futures.Executor`. A user's engine is named ``FILE.py:NAME``, or registered as an entry
point of the group ``surrogate_nas.engines``:

    from concurrent.futures import ProcessPoolExecutor

    def pool(place, workers):
        return ProcessPoolExecutor(workers)

The executor of an engine may have two optional methods, ``lost`` and ``end``. ``lost`` receives an
error of the executor and returns a `surrogate_nas.runtime.worker.Lost`, which describes how a job
was lost. If all jobs are lost, ``lost`` raises a `UserError`. ``end`` ends the workers of a task.
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
"""A function that returns an executor for a place (which may be empty) and a number of workers.
None means as many workers as the place has.
"""
# the future of a job, whether it has to be alone, and what is called
_Call = tuple[Future[Any], bool, Callable[..., Any], tuple[Any, ...]]
AGAIN = "Finished results are kept. Repeat the command to resume, on any engine."
_HERE = "processes"
# The longest that the answer of a job that has ended may take to come here.
_ANSWER_SECONDS = 60.0


def _is_maker(loaded: object, name: str) -> Maker:
    if not callable(loaded):
        raise UserError(
            f"{name} is not an engine: it must be a function of a place and a number of workers."
        )
    return loaded


ENGINES: Registry[Maker] = Registry(
    "engine", _is_maker, places_in(__name__, "ENGINE"), group="surrogate_nas.engines"
)
"""The available engines: the ``ENGINE`` of the module with the same name."""


def _parted(engine: str) -> tuple[str, str]:
    file, suffix, rest = engine.partition(".py:")
    name, _, address = (rest if suffix else engine).partition(":")
    return absolute(f"{file}.py:{name}") if suffix else name, address


def check_engine(engine: str, workers: int | None) -> None:
    """Check the name of an engine and the number of workers before anything starts.

    No user code is loaded.
    """
    name, address = _parted(engine)
    ENGINES.expect(name)
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise UserError(f"There must be at least 1 worker, not {workers}.")
    if name == _HERE and address:
        raise UserError(
            f"The engine {_HERE} runs on this machine and has no address, so remove {address:.80}."
        )


class Jobs:
    """A queue of jobs for the workers of an engine, with order and limited parallelism.

    A worker is reused for further jobs of its task, which can use what earlier jobs have read or
    compiled.

    Attributes:
        key: Identifier that all workers on this machine share.
    """

    def __init__(
        self,
        engine: str = _HERE,
        workers: int | None = None,
        devices: Sequence[str] = (),
    ) -> None:
        """Open the engine.

        Args:
            engine: A key of `ENGINES` or ``FILE.py:NAME``, optionally followed by a colon and the
            place.
            workers: Number of parallel jobs. None for one here, or for all workers of a cluster.
            devices: The GPUs of each worker, in the format of ``CUDA_VISIBLE_DEVICES``. Empty if
                every worker may use all.

        Raises:
            UserError: The engine does not exist, is unreachable, or assigns its own devices.
        """
        check_engine(engine, workers)
        name, address = _parted(engine)
        if devices and name != _HERE:
            raise UserError(
                f"--gpus names GPUs of this machine, but the engine {name} assigns GPUs itself."
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
        """Submit a job. Jobs start in the order of submission.

        Args:
            task: The data that the job shares with the other jobs of its task.
            job: The argument of the task's function.
            alone: Whether no other job may run at the same time.

        Returns:
            A future of the worker's reply. `surrogate_nas.runtime.worker.answer` reads the reply.
        """
        return self._put(alone, do, task, cloudpickle.dumps(job))

    def call(self, function: Callable[..., R], *arguments: Any) -> Future[R]:
        """Call a function in a thread of this process.

        The call waits in the same queue as the jobs.
        """
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
        """Start the jobs that may run. A job that must run alone waits until no other runs."""
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
        """Make the first Ctrl-C in the block call `note` (see
        `surrogate_nas.core.process.first_noted`).
        """
        return first_noted(note)

    def drop(self, task: Task) -> None:
        """End all jobs of a task immediately."""
        with self._lock:
            for future, _, _, arguments in self._waiting:
                if task in arguments:
                    future.cancel()
        getattr(self._executor, "end", end)(task.key)

    def close(self) -> None:
        """End all jobs immediately."""
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
    """Build the error for a cluster that is unreachable or no longer executes jobs."""
    at = f" at {address}" if address else ""
    return UserError(
        f"The {cluster}{at} is unreachable or failed ({in_a_line(error)}). {AGAIN}"
    )


@dataclass(frozen=True)
class Outcome(Generic[J, R]):
    """The outcome of a job: the return value of its function, or how its worker was lost."""

    job: J
    answer: R | Lost

    @property
    def failure(self) -> str:
        """How the job's worker was lost, as a line without a full stop, or empty if it was not
        lost.
        """
        return self.answer.words if isinstance(self.answer, Lost) else ""

    @property
    def result(self) -> R:
        """The return value of the job. Reading it raises a `UserError` if the worker was lost."""
        if isinstance(self.answer, Lost):
            words = f"{self.failure[:1].upper()}{self.failure[1:]}"
            raise UserError(f"{words}. Repeat the command to resume.")
        return self.answer


def stays_here(engine: str, workers: int | None) -> bool:
    """Return whether jobs run in the calling process, one after another."""
    return engine == _HERE and workers in (None, 1)


def run_jobs(
    function: Callable[[J], R],
    jobs: Sequence[J],
    *,
    workers: int | None = None,
    engine: str = _HERE,
    apart: bool = False,
) -> Iterator[Outcome[J, R]]:
    """Call a function for every job.

    The function is sent to each worker once, so it should contain the data that all jobs share, for
    example as a `functools.partial`. The workers end when the returned iterator is closed, or when
    the loop over it is left.

    Args:
        function: A function of one job. The worker sends its return value to the calling process.
        jobs: The arguments of the function, one per call. The calls start in this order.
        workers: Number of parallel jobs. If None, one job on this machine, or as many as a cluster
            has workers.
        engine: A key of `ENGINES` or ``FILE.py:NAME``, optionally followed by a colon and the
            place. With the engine ``processes``, a single worker or a single job runs in the
            calling process.
        apart: Whether every job runs in a process other than the calling process.

    Yields:
        The outcome of every job, in the order of completion.

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
    """Raise a `UserError` if workers were lost, after all other jobs have finished."""
    if lost:
        jobs = "1 job was" if len(lost) == 1 else f"{len(lost)} jobs were"
        raise UserError(
            f"{jobs} lost: {lost[0].failure}. Repeat the command to resume."
        )
