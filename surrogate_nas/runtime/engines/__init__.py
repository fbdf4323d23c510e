"""The engine room: jobs go in, outcomes come out in the order that they are finished, wherever the jobs are run.

An engine is named ``NAME`` or ``NAME:PLACE``: a key of `ENGINES`, and which of these (a scheduler's address, options of
a queue). Whatever the engine, each job is done by a process of ours with one thread, a job that ends its process is
reported as failed while the others go on, and an exception that a job raises ends the work and is raised here. What
engines do with jobs whose machine was lost is told in their files. Results never depend on the engine, which is no part
of what identifies them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.core.extras import need
from surrogate_nas.runtime.engines.outcome import Outcome, raise_lost

if TYPE_CHECKING:
    Engine = Callable[[str, Callable[[Any], Any], Sequence[Any], int | None], Iterator[Outcome[Any, Any]]]

__all__ = ["ENGINES", "Outcome", "check_engine", "raise_lost", "run_jobs", "stays_here"]

J = TypeVar("J")
R = TypeVar("R")
_HERE = "processes"
_NEEDS = {"dask": "distributed", "ray": "ray", "slurm": "submitit"}
"""The package that an engine takes; the engine's name is the extra that brings it."""


def _processes(
    place: str,  # noqa: ARG001 - there is one
    function: Callable[[J], R],
    jobs: Sequence[J],
    workers: int | None,
) -> Iterator[Outcome[J, R]]:
    from surrogate_nas.runtime.engines.processes import run

    return run(function, jobs, min(workers or 1, len(jobs)))


def _cluster(
    engine: str, place: str, function: Callable[[J], R], jobs: Sequence[J], workers: int | None
) -> Iterator[Outcome[J, R]]:
    from surrogate_nas.runtime.engines.cluster import run

    return run(engine, place, function, jobs, workers)


ENGINES: dict[str, Engine] = {_HERE: _processes, **{name: partial(_cluster, name) for name in _NEEDS}}
"""Where jobs can be run, by name."""


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
    name, _, place = engine.partition(":")
    if name not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise UserError(f"There must be at least 1 worker, not {workers}.")
    if name == _HERE and place:
        raise UserError(f"The engine {_HERE} is on this machine and takes no address, such as {place:.80}.")
    if name in _NEEDS:
        need(f"The engine {name}", _NEEDS[name])


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
        engine: Where: a key of `ENGINES`, behind a colon its place. With processes, one worker or one job stays in this
            process.

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
    if not stays_here(engine, workers if len(jobs) > 1 else 1):
        name, _, place = engine.partition(":")
        yield from ENGINES[name](place, function, jobs, workers)
        return
    from surrogate_nas.core.threads import one_thread

    for job in jobs:
        with one_thread():
            answer = function(job)
        yield Outcome(job, answer)
