"""Jobs on a Ray cluster: one that runs already, or one of this machine's that is started and ended here.

Tasks are used directly: joblib's Ray backend is a pool that cannot tell which job was lost with a worker. A job whose
Ray worker or node is lost is begun anew elsewhere, by Ray, up to 3 times: that is safe, because a run is replayed from
its locked file, and anything else gives the same answer again. A job that ends its own process is reported as lost at
once, and no Ray worker with it.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.engines.foreman import AGAIN, in_a_line
from surrogate_nas.runtime.engines.seats import do_known, know, knows

if TYPE_CHECKING:
    from surrogate_nas.runtime.engines.foreman import Contract, Found

_RETRIES = 3
_CONNECT_SECONDS = 10
_STORE_BYTES = 10**8
"""Of a Ray that is started here: it holds an order, which is small, and answers of jobs that are in flight."""
_LOOK_SECONDS = 0.25
_AHEAD = 2
"""Jobs that wait for each that is done, so that no worker is ever idle."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
}  # fmt: skip
"""Nothing is sent home or asked about, and a cluster that is gone is gone after ten seconds."""


def run(contract: Contract, jobs: list[bytes]) -> Iterator[Found | None]:
    """Run jobs on the cluster, as a foreman calls it.

    Args:
        contract: Which cluster, and what is to be done.
        jobs: Pickled.

    Yields:
        What is found of each job as it comes; None every now and then.

    Raises:
        UserError: The cluster cannot be reached, went away, or lacks this package.
    """
    with _connected(contract):
        import ray

        task = ray.remote(_do).options(num_cpus=1, max_retries=_RETRIES)
        order = ray.put(contract.order)
        waiting, given = iter(enumerate(jobs)), dict[Any, int]()
        most = _most(contract)
        try:
            for _ in jobs:
                while len(given) < most and (one := next(waiting, None)):
                    given[task.remote([order], contract.order.key, one[1])] = one[0]
                while not (done := ray.wait(list(given), timeout=_LOOK_SECONDS)[0]):
                    yield None
                    most = _most(contract)
                yield given.pop(done[0]), _found(contract, done[0])
        finally:
            with suppress(Exception):
                for future in given:
                    ray.cancel(future, force=True)


@contextmanager
def _connected(contract: Contract) -> Iterator[None]:
    """Ray, connected; a cluster that was started here ends with it."""
    os.environ.update(_QUIET)
    _knock(contract.place)
    import ray

    with TemporaryDirectory(prefix="snas-ray-", ignore_cleanup_errors=True) as folder:
        where: dict[str, Any] = {"address": contract.place}
        if not contract.place:
            where = {
                "address": "local", "num_cpus": contract.workers, "include_dashboard": False, "_temp_dir": folder,
                "object_store_memory": _STORE_BYTES,
            }  # fmt: skip
        try:
            ray.init(**where, logging_level=logging.CRITICAL, log_to_driver=False)
        except Exception as error:  # noqa: BLE001 - whatever Ray says, there is no Ray
            place = f"at {contract.place}" if contract.place else "to be started on this machine"
            raise UserError(f"There is no Ray {place}: {in_a_line(error)}") from error
        try:
            yield
        finally:
            with suppress(Exception):
                ray.shutdown()


def _knock(place: str) -> None:
    """Look whether there is anybody: Ray itself would ask for many minutes."""
    host, colon, port = place.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(f"There is no Ray at {place}: {in_a_line(error)}") from error


def _most(contract: Contract) -> int:
    """How many jobs the cluster is given at once."""
    import ray

    if contract.place and contract.workers:
        return contract.workers
    return _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))


def _do(order: list[Any], key: str, job: bytes) -> bytes | str:
    """Do a job beside a Ray worker, which fetches the order with its first one."""
    import ray

    if not knows(key):
        know(ray.get(order[0]))
    return do_known(key, job)


def _found(contract: Contract, future: Any) -> bytes | str:
    """What is found of a job that is done."""
    import ray
    from ray.exceptions import NodeDiedError, ObjectLostError, OutOfMemoryError, RayTaskError, WorkerCrashedError

    try:
        found: bytes | str = ray.get(future)
    except (NodeDiedError, ObjectLostError, OutOfMemoryError, WorkerCrashedError) as error:
        return f"its Ray worker was lost, and those that began it anew were too ({type(error).__name__})"
    except RayTaskError as error:
        raise UserError(
            f"The Ray workers cannot do the work: {in_a_line(error.cause or error)}. Is surrogate_nas installed where "
            "they run?"
        ) from error
    except Exception as error:
        place = f" at {contract.place}" if contract.place else ""
        raise UserError(f"The Ray cluster{place} went away ({in_a_line(error)}). {AGAIN}") from error
    return found
