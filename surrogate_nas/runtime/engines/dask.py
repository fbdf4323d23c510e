"""Execute jobs on a Dask cluster: a running cluster, or a cluster that is started on this machine.

Jobs are futures of Dask's client. If a Dask worker is lost, Dask restarts the worker's job on
another worker, up to ``allowed-failures`` times (3 by default). Restarting a job is safe, because a
search run is replayed from its locked file, and any other job returns the same result again. A job
that kills its own process is reported as lost at once, and the Dask worker survives.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from surrogate_nas.core import UserError, in_a_line
from surrogate_nas.runtime.engines import gone
from surrogate_nas.runtime.worker import Lost, end

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_SECONDS = 10


class Dask(Executor):
    """A client of a Dask cluster.

    A cluster that the client started on this machine ends with the client.
    """

    needs = ("distributed",)

    def __init__(self, address: str, workers: int | None) -> None:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self._address = address
        self._keys: set[str] = set()
        with ExitStack() as stack:
            self._client = _client(address, workers, stack)
            self._open = stack.pop_all()

    def submit(
        self, function: Callable[..., Any], /, *arguments: Any, **named: Any
    ) -> Any:
        """Submit a function call to the cluster."""
        self._keys.add(arguments[0].key)
        return self._client.submit(function, *arguments, **named, pure=False, retries=0)

    def lost(self, error: BaseException) -> Lost:
        """Describe how a job was lost, although Dask restarts jobs."""
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            return Lost("its Dask worker was lost, and so were those that restarted it")
        raise gone("Dask cluster", self._address, error) from error

    def end(self, key: str) -> None:
        """End the worker processes on the cluster that execute jobs of a task."""
        if self._client.status == "running":
            with suppress(Exception):
                self._client.run(end, key)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the worker processes that this package started on the cluster.

        Other processes are unaffected.
        """
        with self._open:
            for key in self._keys:
                self.end(key)


ENGINE = Dask


def _client(address: str, workers: int | None, stack: ExitStack) -> "Client":
    from distributed import Client, LocalCluster

    where: dict[str, Any] = {
        "scheduler_file" if address.endswith(".json") else "address": address
    }
    if not address:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            worker_dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )
        where = {"address": stack.enter_context(cluster)}
    try:
        client = Client(**where, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UserError(
            f"There is no Dask scheduler at {address}: {in_a_line(error)}"
        ) from error
    stack.enter_context(client)
    if not client.nthreads():
        raise UserError(f"The Dask cluster at {address} has no worker.")
    return client
