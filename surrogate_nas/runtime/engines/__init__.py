"""Engines: they run jobs anywhere and yield the outcomes in the order of completion.

An engine is named ``NAME`` or ``NAME:PLACE``: its kind, and which one of that kind (a scheduler's
address, options of a queue). With every engine, each job runs in a process of ours with one thread,
a job that ends its process is reported as failed while the others go on, and an exception in a job
ends the work and is raised here. Each engine's file says what happens to jobs of a lost machine.
Results never depend on the engine, so it is no part of their fingerprint.

A function that returns a `concurrent.futures.Executor` for a place and a number of workers is an
engine. It is named ``FILE.py:NAME``, or by an entry point of the group ``surrogate_nas.engines``:

    from concurrent.futures import ProcessPoolExecutor

    def pool(place, workers):
        return ProcessPoolExecutor(workers)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing
from functools import partial
from typing import Any, Generic, TypeVar

import cloudpickle

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.plugin import absolute
from surrogate_nas.core.registry import Registry, places_in
from surrogate_nas.runtime.driver import Driver
from surrogate_nas.runtime.executor import JobPool
from surrogate_nas.runtime.worker import Outcome, Payload, outcome

__all__ = ["ENGINES", "Outcome", "Slots", "check_engine", "raise_lost", "run_jobs", "stays_here"]

J = TypeVar("J")
R = TypeVar("R")
Maker = Callable[[str, int | None], Executor]
"""Gives an executor for a place, which may be empty, and a number of workers; None for as many as
the place takes.
"""
_HERE = "processes"


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
    """An engine's name, a file's with the whole path, and its place."""
    file, suffix, rest = engine.partition(".py:")
    name, _, place = (rest if suffix else engine).partition(":")
    return absolute(f"{file}.py:{name}") if suffix else name, place


def check_engine(engine: str, workers: int | None) -> None:
    """Check what a user asks for before anything is begun; no code of a user's is loaded.

    Example:
        >>> check_engine("processes", workers=2)
        >>> check_engine("processes", workers=0)
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: There must be at least 1 worker, not 0.
    """
    name, place = _parted(engine)
    ENGINES.expect(name)
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise UserError(f"There must be at least 1 worker, not {workers}.")
    if name == _HERE and place:
        raise UserError(
            f"The engine {_HERE} is on this machine and takes no address, such as {place:.80}."
        )


def stays_here(engine: str, workers: int | None) -> bool:
    """Whether jobs are run in this process, one after another."""
    return engine == _HERE and workers in (None, 1)


def run_jobs(
    function: Callable[[J], R],
    jobs: Sequence[J],
    *,
    workers: int | None = None,
    engine: str = _HERE,
) -> Iterator[Outcome[J, R]]:
    """Call a function once for every job.

    The function is sent to each worker once, and so should carry what all jobs share, as a
    `functools.partial` does. Arithmetic has one thread per worker. Closing the iterator, or leaving
    its loop, ends the workers.

    Args:
        function: Of one job; its answer travels back to this process.
        jobs: What to call it with, begun in this order.
        workers: How many jobs at once; None for one, or where a cluster was named for as many as it
            takes.
        engine: Where: a key of `ENGINES` or ``FILE.py:NAME``, behind a colon its place. With
            processes, one worker or one job stays in this process.

    Yields:
        The outcome of every job, as they are finished.

    Example:
        >>> [outcome.result for outcome in run_jobs(abs, [-3, 1, -2])]
        [3, 1, 2]
    """
    check_engine(engine, workers)
    if not jobs:
        return
    needed = workers if len(jobs) > 1 else 1
    if stays_here(engine, needed):
        from surrogate_nas.core.threads import one_thread

        for job in jobs:
            with one_thread():
                result = function(job)
            yield Outcome(job, result)
    else:
        most = None if workers is None else min(workers, len(jobs))
        yield from run_apart(function, jobs, most, engine=engine)


def run_apart(
    function: Callable[[J], R],
    jobs: Sequence[J],
    workers: int | None,
    *,
    engine: str = _HERE,
) -> Iterator[Outcome[J, R]]:
    """Call a function for every job, never in this process."""
    with closing(Slots[J, R](function, workers, engine)) as slots:
        for place, job in enumerate(jobs):
            slots.submit(place, job)
        left = len(jobs)
        while left:
            found = slots.next()
            if found is not None:
                left -= 1
                yield found[1]


class Slots(Generic[J, R]):
    """Places of an engine where jobs are done side by side, given as they come.

    A slot is a process with one thread that stays, so what a job has read or compiled serves the
    next one.

    Example:
        >>> with closing(Slots(abs, 1)) as slots:
        ...     slots.submit(7, -3)
        ...     slots.next(60.0)[1].result
        3
    """

    def __init__(
        self,
        function: Callable[[J], R],
        slots: int | None,
        engine: str = _HERE,
        *,
        seconds: float | None = None,
        silence: float | None = None,
        devices: Sequence[str] = (),
        threads: int = 1,
        memory: int | None = None,
        runs_strangers: bool = False,
    ) -> None:
        """Open them.

        Args:
            function: Of one job; sent to each slot once.
            slots: How many; None for as many as a cluster takes, one here.
            engine: Where: a key of `ENGINES` or ``FILE.py:NAME``, behind a colon its place.
            seconds: The most that a job may take; None for no limit.
            silence: The most between two signs of life (`surrogate_nas.runtime.worker.alive`).
            devices: The GPUs of each slot, as ``CUDA_VISIBLE_DEVICES`` names them; empty where a
                slot sees all.
            threads: Of arithmetic, for each slot.
            memory: The most bytes that a job may have in memory with all that it starts; None for
                no limit.
            runs_strangers: Whether jobs run users' code: what it has begun ends with its slot.

        Raises:
            UserError: There is no such engine, it cannot be reached, or it has devices of its own.
        """
        check_engine(engine, slots)
        name, place = _parted(engine)
        if devices and name != _HERE:
            raise UserError(
                f"--gpus names GPUs of this machine; the engine {name} gives its workers theirs."
            )
        payload = Payload.of(
            function,
            seconds=seconds,
            silence=silence,
            devices=tuple(devices),
            threads=threads,
            memory=memory,
            runs_strangers=runs_strangers,
        )
        self._jobs: dict[int, J] = {}
        self._devices = tuple(devices)
        self._pool: JobPool | Driver
        if name == _HERE:
            self._pool = JobPool(_executor(name, "", slots or 1), payload)
        else:
            self._pool = Driver(name, partial(_executor, name, place, slots), payload)

    def submit(self, place: int, job: J, slot: int | None = None) -> None:
        """Give a job, which is begun after those before it.

        Args:
            place: A number that no other job has that is not done.
            job: What the function is called with.
            slot: Which of the slots it is for, by whose number it gets its devices; None for any.
        """
        self._jobs[place] = job
        content = cloudpickle.dumps(job)
        if slot is not None and self._devices:
            device = self._devices[slot % len(self._devices)]
            self._pool.submit(place, content, device)
        else:
            self._pool.submit(place, content)

    def next(self, patience: float = 1.0) -> tuple[int, Outcome[J, R]] | None:
        """The next job that is done, by its number; None where none is for some seconds.

        Raises:
            UserError: The engine went away.
            Exception: What the function raised.
        """
        found = self._pool.next(patience)
        if found is None:
            return None
        place, content = found
        return place, outcome(self._jobs.pop(place), content)

    def close(self) -> None:
        """End all jobs, whatever they do, and their slots."""
        self._pool.close()


def _executor(name: str, place: str, workers: int | None) -> Executor:
    return ENGINES.find(name)(place, workers)


def raise_lost(lost: Sequence[Outcome[Any, Any]]) -> None:
    """Say, when all else is done, that workers were lost, if any were.

    Example:
        >>> raise_lost([Outcome("cell 11", failure="killed by signal 9")])
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: 1 job was lost: killed by signal 9. Run the same command again to go on.
    """  # noqa: E501
    if lost:
        jobs = "1 job was" if len(lost) == 1 else f"{len(lost)} jobs were"
        raise UserError(f"{jobs} lost: {lost[0].failure}. Run the same command again to go on.")
