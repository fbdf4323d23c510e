"""Jobs on a Dask cluster: a running one, or one of this machine that is started here.

Distributed's futures are used directly: joblib's Dask backend ends all work when one worker is
lost. A job whose Dask worker is lost is begun anew elsewhere, by Dask, up to its
``allowed-failures`` times (3 if nothing else is set): that is safe, because a run is replayed from
its locked file, and anything else gives the same answer again. A job that ends its own process is
reported as lost at once, and no Dask worker with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from surrogate_nas.core.errors import UserError, in_a_line
from surrogate_nas.runtime.executor import AGAIN, Engine
from surrogate_nas.runtime.worker import Payload, end, know

if TYPE_CHECKING:
    from concurrent.futures import Future

    from distributed import Client, Worker, WorkerPlugin

_CONNECT_SECONDS = 10
_AHEAD = 2
_SPARE = 16
"""Jobs that the cluster is given for each of its threads, and beside these."""


class Dask(Engine):
    """A client of the cluster; a cluster that was started here ends with it."""

    needs = ("distributed",)

    def __init__(self, place: str, workers: int | None) -> None:
        """Connect to a scheduler, by its address or its JSON file, or start a cluster."""
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self._place = place
        self._workers = workers
        self._payload = ""
        with ExitStack() as stack:
            self._client = _client(place, workers, stack)
            self._open = stack.pop_all()

    def share(self, payload: Payload) -> str:
        """Its key: every Dask worker is sent the payload itself once."""
        self._payload = payload.key
        self._client.register_plugin(_plugin(payload), name=payload.key)
        return payload.key

    def capacity(self) -> int:
        """As the cluster is now; it may grow."""
        limit = self._workers if self._place else None
        return limit or _SPARE + _AHEAD * sum(self._client.nthreads().values())

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Let the cluster call a function."""
        future: Future[Any] = self._client.submit(
            function, *arguments, **named, pure=False, retries=0
        )
        return future

    def lost(self, future: Future[Any], error: BaseException) -> str:
        """How a job was lost in spite of all that Dask does."""
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            times = error.allowed_failures + 1
            return (
                f"its Dask worker was lost, and those that began it anew were too ({times} times)"
            )
        if getattr(future, "status", "") == "error":
            if isinstance(error, ImportError):
                raise UserError(
                    f"The Dask workers cannot import surrogate_nas ({error}). Install it where they"
                    " run."
                )
            raise UserError(f"The Dask workers cannot do the work: {in_a_line(error)}")
        place = f" at {self._place}" if self._place else ""
        raise UserError(f"The Dask scheduler{place} went away. {AGAIN}") from error

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - the interface
        """End our workers there; nothing else there is touched."""
        with self._open:
            if self._client.status == "running":
                with suppress(Exception):
                    self._client.unregister_worker_plugin(self._payload)


ENGINE = Dask


def _client(place: str, workers: int | None, stack: ExitStack) -> Client:
    from distributed import Client, LocalCluster

    if not place:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            worker_dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )
        return stack.enter_context(Client(stack.enter_context(cluster)))
    named = {"scheduler_file" if place.endswith(".json") else "address": place}
    try:
        client = stack.enter_context(
            Client(**named, timeout=_CONNECT_SECONDS, set_as_default=False)
        )
    except (OSError, ValueError, TimeoutError) as error:
        raise UserError(f"There is no Dask scheduler at {place}: {in_a_line(error)}") from error
    if not client.nthreads():
        raise UserError(f"The Dask cluster at {place} has no worker.")
    return client


def _plugin(payload: Payload) -> WorkerPlugin:
    """The plug-in that Dask sends to every worker, also to later ones: the payload and its end."""
    from distributed import WorkerPlugin

    class WorkerAddress(WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Worker) -> None:  # noqa: ARG002 - the interface
            know(payload)

        def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - the interface
            end(payload.key)

    return WorkerAddress()
