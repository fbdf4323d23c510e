"""Execute jobs on a Ray cluster: a running cluster, or a cluster that is started on this machine.

Jobs are calls of one remote function. If a Ray worker or node is lost, Ray restarts the lost job
elsewhere, up to 3 times. Restarting a job is safe, because a search run is replayed from its locked
file, and any other job returns the same result again. A job that kills its own process is reported
as lost at once, and the Ray worker survives.
"""

import logging
import os
import socket
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Any

from surrogate_nas.core import UserError, in_a_line
from surrogate_nas.runtime.engines import gone
from surrogate_nas.runtime.worker import Lost, do

_RETRIES = 3
_CONNECT_SECONDS = 10
# what says that a worker was lost, not the cluster
_LOST = {"NodeDiedError", "ObjectLostError", "OutOfMemoryError", "WorkerCrashedError"}
# of a Ray that is started here: it holds tasks, which are small, and answers of jobs that are in
# flight
_STORE_BYTES = 10**8
# nothing is sent home or asked about, and a cluster that is gone is gone after ten seconds
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
}


class Ray(Executor):
    """A connection to a Ray cluster.

    A cluster that was started on this machine ends with the connection.
    """

    needs = ("ray",)

    def __init__(self, address: str, workers: int | None) -> None:
        os.environ.update(_QUIET)
        _knock(address)
        import ray

        self._ray = ray
        self._address = address
        self._references: dict[Future[Any], Any] = {}
        self._folder = TemporaryDirectory(
            prefix="snas-ray-", ignore_cleanup_errors=True
        )
        where: dict[str, Any] = {"address": address}
        if not address:
            where = {
                "address": "local",
                "num_cpus": workers,
                "include_dashboard": False,
                "_temp_dir": self._folder.name,
                "object_store_memory": _STORE_BYTES,
            }
        try:
            ray.init(**where, logging_level=logging.CRITICAL, log_to_driver=False)
        except Exception as error:
            where_to = f"at {address}" if address else "to be started on this machine"
            raise UserError(
                f"There is no Ray {where_to}: {in_a_line(error)}"
            ) from error
        self._do = ray.remote(do).options(num_cpus=1, max_retries=_RETRIES)

    def submit(
        self, _: Callable[..., Any], /, *arguments: Any, **__: Any
    ) -> Future[Any]:
        """Submit a job to a Ray worker."""
        reference = self._do.remote(*arguments)
        future: Future[Any] = reference.future()
        self._references[future] = reference
        future.add_done_callback(self._references.pop)
        return future

    def lost(self, error: BaseException) -> Lost:
        """Describe how a job was lost, although Ray restarts jobs."""
        if _LOST & {kind.__name__ for kind in type(error).__mro__}:
            return Lost("its Ray worker was lost, and so were those that restarted it")
        raise gone(
            "Ray cluster", self._address, getattr(error, "cause", None) or error
        ) from error

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel unfinished jobs and disconnect."""
        with suppress(Exception):
            for reference in list(self._references.values()):
                self._ray.cancel(reference, force=True)
        with suppress(Exception):
            self._ray.shutdown()
        self._folder.cleanup()


ENGINE = Ray


def _knock(address: str) -> None:
    """Check that the address answers. Ray itself would retry for many minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(f"There is no Ray at {address}: {in_a_line(error)}") from error
