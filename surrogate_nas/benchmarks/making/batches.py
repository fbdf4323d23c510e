"""Work on many cells in batches: what is finished is kept line by line, and interrupted work goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks.making.plan import Job
from surrogate_nas.files import Journal
from surrogate_nas.runtime.engines import raise_lost, run_jobs

Entry = dict[str, Any]
"""What is kept of a job; ``job`` names it."""
Progress = Callable[[int, int], None]


def entries_of(
    function: Callable[[Sequence[Job]], Sequence[Entry]],
    jobs: Sequence[Job],
    path: Path,
    settings: dict[str, Any],
    *,
    size: int,
    workers: int | None,
    engine: str,
    progress: Progress | None,
) -> dict[Job, Entry]:
    """Do the jobs that a journal does not hold yet.

    Args:
        function: Of a batch, to the entry of each job.
        jobs: All of them.
        path: The journal's file.
        settings: What the journal must agree with.
        size: Jobs of a batch, between two looks at the journal: few, so that little is lost.
        workers: How many batches at once.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        progress: Called with (jobs done, jobs in all).

    Returns:
        Every entry that the journal holds then.

    Raises:
        UserError: The journal is of other settings or damaged, or a worker was killed (when all others have done their
            part).
    """
    with Journal(path, settings) as journal:
        found = {Job(*entry["job"]): entry for entry in journal.entries}
        missing = [job for job in jobs if job not in found]
        batches = [missing[i : i + size] for i in range(0, len(missing), size)]
        done, lost = len(jobs) - len(missing), []
        for outcome in run_jobs(function, batches, workers=workers, engine=engine):
            if outcome.failure:
                lost.append(outcome)
                continue
            for entry in outcome.result:
                journal.append(entry)
                found[Job(*entry["job"])] = entry
            done += len(outcome.job)
            if progress:
                progress(done, len(jobs))
    raise_lost(lost)
    return found
