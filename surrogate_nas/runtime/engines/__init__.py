"""Engines: jobs go in, outcomes come out in the order that they are finished, wherever the jobs are run.

An engine is named ``NAME`` or ``NAME:PLACE``: which kind, and which of these (a scheduler's address, options of a
queue). Whatever the engine, each job is done by a process of ours with one thread, a job that ends its process is
reported as failed while the others go on, and an exception that a job raises ends the work and is raised here. What
engines do with jobs whose machine was lost is told in their files. Results never depend on the engine, which is no part
of what identifies them.

Whatever gives a `concurrent.futures.Executor` for a place and a number of workers is an engine, in one file of one's
own that is named ``FILE.py:NAME``, or by an entry point of the group ``surrogate_nas.engines``:

    from concurrent.futures import ProcessPoolExecutor

    def pool(place, workers):
        return ProcessPoolExecutor(workers)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

import cloudpickle

from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.core.extras import opened
from surrogate_nas.runtime.driver import run as run_in_driver
from surrogate_nas.runtime.executor import results
from surrogate_nas.runtime.worker import Outcome, Payload, do, outcome

__all__ = ["ENGINES", "Outcome", "check_engine", "raise_lost", "run_jobs", "stays_here"]

J = TypeVar("J")
R = TypeVar("R")
_HERE = "processes"
_GROUP = "surrogate_nas.engines"
ENGINES = {
    _HERE: "surrogate_nas.runtime.engines.processes:threads",
    "dask": "surrogate_nas.runtime.engines.dask:Dask",
    "ray": "surrogate_nas.runtime.engines.ray:Ray",
    "slurm": "surrogate_nas.runtime.engines.slurm:Slurm",
}
"""Where jobs can be run, by name: ``module:NAME`` of what is called with place and workers and gives an executor."""


def _found(engine: str) -> tuple[str, str, str]:
    """An engine's name, what makes its executor, and its place."""
    file, suffix, rest = engine.partition(".py:")
    if suffix:
        name, _, place = rest.partition(":")
        return f"{file}.py:{name}", f"{Path(file).absolute()}.py:{name}", place
    name, _, place = engine.partition(":")
    if name in ENGINES:
        return name, ENGINES[name], place
    others = {point.name: point.value for point in entry_points(group=_GROUP)}
    if name not in others:
        raise unknown("engine", engine, ENGINES | others)
    return name, others[name], place


def check_engine(engine: str, workers: int | None) -> None:
    """Check what a user asks for before anything is begun.

    Args:
        engine: The engine's name, behind a colon its place.
        workers: How many jobs at once, or None.

    Raises:
        UserError: There is no such engine, its library is not here, or no worker.

    Example:
        >>> check_engine("processes", workers=2)
        >>> check_engine("processes", workers=0)
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: There must be at least 1 worker, not 0.
    """
    name, factory, place = _found(engine)
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise UserError(f"There must be at least 1 worker, not {workers}.")
    if name == _HERE and place:
        raise UserError(f"The engine {_HERE} is on this machine and takes no address, such as {place:.80}.")
    if name in ENGINES:
        opened(factory, f"The engine {name}")
    elif (file := Path(factory.rpartition(":")[0])).suffix and not file.is_file():
        raise UserError(f"There is no engine file {str(file):.200}.")


def stays_here(engine: str, workers: int | None) -> bool:
    """Whether jobs are run in this process, one after another.

    Args:
        engine: The engine's name.
        workers: How many jobs at once.

    Example:
        >>> stays_here("processes", workers=1), stays_here("processes", workers=2), stays_here("dask", workers=1)
        (True, False, False)
    """
    return engine == _HERE and workers in (None, 1)


def run_jobs(
    function: Callable[[J], R], jobs: Sequence[J], *, workers: int | None = None, engine: str = _HERE
) -> Iterator[Outcome[J, R]]:
    """Call a function once for every job.

    The function is sent to each worker once, and so should carry what all jobs share, as a `functools.partial` does.
    Arithmetic has one thread per worker. Closing the iterator, or leaving its loop, ends the workers.

    Args:
        function: Of one job; its answer travels back to this process.
        jobs: What to call it with, begun in this order.
        workers: How many jobs at once; None for one, or where a cluster was named for as many as it takes.
        engine: Where: a key of `ENGINES` or ``FILE.py:NAME``, behind a colon its place. With processes, one worker or
            one job stays in this process.

    Yields:
        The outcome of every job, as they are finished.

    Raises:
        UserError: There is no such engine, no worker, or the engine's cluster went away.

    Example:
        >>> [outcome.result for outcome in run_jobs(abs, [-3, 1, -2])]
        [3, 1, 2]
    """
    check_engine(engine, workers)
    if not jobs:
        return
    name, factory, place = _found(engine)
    if stays_here(engine, workers if len(jobs) > 1 else 1):
        from surrogate_nas.core.threads import one_thread

        for job in jobs:
            with one_thread():
                answer = function(job)
            yield Outcome(job, answer)
    elif name == _HERE:
        yield from run_apart(function, jobs, workers or 1)
    else:
        yield from run_in_driver(name, factory, place, function, jobs, workers)


def run_apart(function: Callable[[J], R], jobs: Sequence[J], workers: int) -> Iterator[Outcome[J, R]]:
    """Call a function once for every job, in worker processes of this machine even where there is one of them."""
    executor = opened(ENGINES[_HERE], f"The engine {_HERE}")("", min(workers, len(jobs)))
    for found in results(executor, Payload.of(function), jobs, _do_here):
        if found is not None:
            yield outcome(jobs[found[0]], found[1])


def _do_here(payload: Payload, job: Any) -> bytes | str:
    return do(payload, cloudpickle.dumps(job))


def raise_lost(lost: Sequence[Outcome[Any, Any]]) -> None:
    """Say, when all else is done, that workers were lost, if any were.

    Args:
        lost: The outcomes of their jobs.

    Raises:
        UserError: There is at least one.

    Example:
        >>> raise_lost([])
        >>> raise_lost([Outcome("cell 11", failure="killed by signal 9")])
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: 1 job was lost: killed by signal 9. Run the same command again to go on.
    """
    if lost:
        jobs = "1 job was" if len(lost) == 1 else f"{len(lost)} jobs were"
        raise UserError(f"{jobs} lost: {lost[0].failure}. Run the same command again to go on.")
