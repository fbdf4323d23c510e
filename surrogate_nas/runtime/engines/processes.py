"""Workers of this machine: a thread of ours for each, which waits for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor


def threads(place: str, workers: int | None) -> ThreadPoolExecutor:  # noqa: ARG001 - there is one place
    """A thread a worker; what a thread does is done by its worker."""
    return ThreadPoolExecutor(workers or 1)


ENGINE = threads
