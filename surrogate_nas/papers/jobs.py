"""Long work of papers, job by job: what is finished is kept at once, and an interrupted run goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from surrogate_nas.engine import raise_lost, run_jobs
from surrogate_nas.experiment.experiment import Progress
from surrogate_nas.files import Journal

J = TypeVar("J")


def results_of(
    function: Callable[[J], Any],
    jobs: Mapping[str, J],
    path: Path,
    settings: dict[str, Any],
    *,
    workers: int,
    progress: Progress | None,
) -> dict[str, Any]:
    """Call a function for every job that no earlier run has finished.

    Args:
        function: Of one job, to what JSON can hold; the same wherever it is called.
        jobs: By a name that says all that the result depends on, beside `settings`.
        path: The file of finished jobs.
        settings: What a file of finished jobs must agree with.
        workers: Processes.
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
        count, lost = len(jobs) - len(missing), []
        for outcome in run_jobs(_Named(function), missing, workers=workers):
            if outcome.failure:
                lost.append(outcome)
                continue
            name, result = outcome.result
            journal.append((name, result))
            done[name] = result
            count += 1
            if progress:
                progress(count, len(jobs))
    raise_lost(lost)
    return {name: done[name] for name in jobs}


class _Named:
    """The function with the job's name beside its result."""

    def __init__(self, function: Callable[[J], Any]) -> None:
        self.function = function

    def __call__(self, job: tuple[str, Any]) -> tuple[str, Any]:
        return job[0], self.function(job[1])
