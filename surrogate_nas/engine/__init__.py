"""The engine room: jobs go in, outcomes come out in the order that they are finished, wherever the jobs are run.

An engine is a function of (function, jobs, workers) in `ENGINES`. Whatever the engine, every job is run once, a job
whose worker was killed is reported as failed while the others go on, and an exception that a job raises ends the work
and is raised here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from surrogate_nas.engine.outcome import Outcome, raise_lost
from surrogate_nas.errors import UserError, unknown

if TYPE_CHECKING:
    Engine = Callable[[Callable[[Any], Any], Sequence[Any], int], Iterator[Outcome[Any, Any]]]

__all__ = ["ENGINES", "Outcome", "check_engine", "raise_lost", "run_jobs"]

J = TypeVar("J")
R = TypeVar("R")


def _processes(function: Callable[[J], R], jobs: Sequence[J], workers: int) -> Iterator[Outcome[J, R]]:
    from surrogate_nas.engine.processes import run

    return run(function, jobs, workers)


ENGINES: dict[str, Engine] = {"processes": _processes}
"""Where jobs can be run, by name."""


def check_engine(engine: str, workers: int) -> None:
    """Check what a user asks for before anything is begun.

    Args:
        engine: The engine's name.
        workers: How many jobs at once.

    Raises:
        UserError: There is no such engine, or no worker.

    Example:
        >>> check_engine("processes", workers=2)
        >>> check_engine("proceses", workers=2)
        Traceback (most recent call last):
            ...
        surrogate_nas.errors.UserError: Unknown engine 'proceses'. Did you mean 'processes'? Known: processes.
    """
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if not isinstance(workers, int) or workers < 1:
        raise UserError(f"There must be at least 1 worker, not {workers}.")


def run_jobs(
    function: Callable[[J], R], jobs: Sequence[J], *, workers: int = 1, engine: str = "processes"
) -> Iterator[Outcome[J, R]]:
    """Call a function once for every job.

    The function is sent to each worker once, and so should carry what all jobs share, as a `functools.partial` does.
    Arithmetic has one thread per worker. Closing the iterator, or leaving its loop, ends the workers.

    Args:
        function: Of one job; its answer travels back to this process.
        jobs: What to call it with, begun in this order.
        workers: How many jobs at once; with one, all are run in this process.
        engine: Where: a key of `ENGINES`.

    Yields:
        The outcome of every job, as they are finished.

    Raises:
        UserError: There is no such engine, or no worker.

    Example:
        >>> [outcome.result for outcome in run_jobs(abs, [-3, 1, -2])]
        [3, 1, 2]
    """
    check_engine(engine, workers)
    if workers > 1 and len(jobs) > 1:
        yield from ENGINES[engine](function, jobs, min(workers, len(jobs)))
        return
    from surrogate_nas.threads import one_thread

    for job in jobs:
        with one_thread():
            answer = function(job)
        yield Outcome(job, answer)
