"""Long work of papers, job by job: what is finished is kept at once, and an interrupted run goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from surrogate_nas.files import Journal
from surrogate_nas.runtime.engines import raise_lost, run_jobs
from surrogate_nas.study.experiment import Progress

J = TypeVar("J")
R = TypeVar("R")


def results_of(
    function: Callable[[J], Any],
    jobs: Mapping[str, J],
    path: Path,
    settings: dict[str, Any],
    *,
    workers: int | None,
    engine: str,
    progress: Progress | None,
) -> dict[str, Any]:
    """Call a function for every job that no earlier run has finished.

    Args:
        function: Of one job, to what JSON can hold; the same wherever it is called.
        jobs: By a name that says all that the result depends on, beside `settings`.
        path: The file of finished jobs.
        settings: What a file of finished jobs must agree with.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        progress: Called with (jobs done, jobs in all).

    Returns:
        The results by the names of the jobs, in their order.

    Raises:
        UserError: The file is damaged, of other settings, or cannot be written, or a worker was lost.
    """
    with Journal(path, settings) as journal:
        try:
            done: dict[str, Any] = dict(journal.entries)
        except (TypeError, ValueError) as error:
            raise journal.damaged(error) from error
        missing = [(name, job) for name, job in jobs.items() if name not in done]
        if progress:
            progress(len(jobs) - len(missing), len(jobs))
        said = progress and (lambda count, _: progress(len(jobs) - len(missing) + count, len(jobs)))
        for _, (name, result) in finished(_Named(function), missing, workers=workers, engine=engine, progress=said):
            journal.append((name, result))
            done[name] = result
    return {name: done[name] for name in jobs}


def finished(
    function: Callable[[J], R], jobs: Sequence[J], *, workers: int | None, engine: str, progress: Progress | None
) -> Iterator[tuple[J, R]]:
    """Call a function for every job; each job with its result, in the order of finishing.

    Args:
        function: Of one job; the same wherever it is called.
        jobs: The jobs.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        progress: Called with (jobs done, jobs in all), after each result was taken.

    Raises:
        UserError: A worker was lost; raised when all other jobs are done.
    """
    count, lost = 0, []
    for outcome in run_jobs(function, jobs, workers=workers, engine=engine):
        if outcome.failure:
            lost.append(outcome)
            continue
        yield outcome.job, outcome.result
        count += 1
        if progress:
            progress(count, len(jobs))
    raise_lost(lost)


class _Named:
    """The function with the job's name beside its result."""

    def __init__(self, function: Callable[[J], Any]) -> None:
        self.function = function

    def __call__(self, job: tuple[str, Any]) -> tuple[str, Any]:
        return job[0], self.function(job[1])
