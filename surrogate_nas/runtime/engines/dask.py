"""Jobs on a Dask cluster: one that runs already, or one of this machine's that is started and ended here.

Distributed's futures are used directly: joblib's Dask backend ends all work when one worker is lost. A job whose Dask
worker is lost is begun anew elsewhere, by Dask, up to its ``allowed-failures`` times (3 if nothing else is set): that
is safe, because a run is replayed from its locked file, and anything else gives the same answer again. A job that ends
its own process is reported as lost at once, and no Dask worker with it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.engines.foreman import AGAIN, in_a_line
from surrogate_nas.runtime.engines.seats import do_known

if TYPE_CHECKING:
    from distributed import Client, Future, Worker, WorkerPlugin

    from surrogate_nas.runtime.engines.foreman import Contract, Found
    from surrogate_nas.runtime.engines.order import Order

_CONNECT_SECONDS = 10
_LOOK_SECONDS = 0.25
_AHEAD, _SPARE = 2, 16
"""Jobs that the cluster is given for each of its threads, and beside these: giving many at once costs each less."""


def run(contract: Contract, jobs: list[bytes]) -> Iterator[Found | None]:
    """Run jobs on the cluster, as a foreman calls it.

    Args:
        contract: Which cluster, and what is to be done.
        jobs: Pickled.

    Yields:
        What is found of each job as it comes; None every now and then.

    Raises:
        UserError: The cluster cannot be reached, has no worker, went away, or lacks this package.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with _client(contract) as client:
        work = _Work(client, contract, jobs)
        try:
            while work.left:
                work.submit()
                yield from work.found()
        finally:
            work.end()


@contextmanager
def _client(contract: Contract) -> Iterator[Client]:
    """A client of the cluster; a cluster that was started here ends with it."""
    from distributed import Client, LocalCluster

    if not contract.place:
        with (
            LocalCluster(
                n_workers=contract.workers, threads_per_worker=1, processes=True, dashboard_address=None,
                worker_dashboard_address=None, memory_limit=0, silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster) as client,
        ):  # fmt: skip
            yield client
        return
    named = {"scheduler_file" if contract.place.endswith(".json") else "address": contract.place}
    try:
        client = Client(**named, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UserError(f"There is no Dask scheduler at {contract.place}: {in_a_line(error)}") from error
    with client:
        if not client.nthreads():
            raise UserError(f"The Dask cluster at {contract.place} has no worker.")
        yield client


class _Work:
    """The jobs of a contract: those that wait here, those that the cluster has, and those that are done."""

    def __init__(self, client: Client, contract: Contract, jobs: list[bytes]) -> None:
        self.left = len(jobs)
        self._client, self._contract, self._key = client, contract, contract.order.key
        self._waiting = iter(enumerate(jobs))
        self._given: dict[Future[Any], int] = {}
        self._done: SimpleQueue[Future[Any]] = SimpleQueue()
        self._most = self._capacity()
        client.register_plugin(_plugin(contract.order), name=self._key)

    def _capacity(self) -> int:
        """How many jobs the cluster is given at once; it may have grown."""
        limit = self._contract.workers if self._contract.place else None
        return limit or _SPARE + _AHEAD * sum(self._client.nthreads().values())

    def submit(self) -> None:
        """Give the cluster as many jobs as it can do soon."""
        given = [*islice(self._waiting, max(0, self._most - len(self._given)))]
        if not given:
            return
        names = [f"snas-{self._key}-{place}" for place, _ in given]
        futures = self._client.map(partial(do_known, self._key), [job for _, job in given], key=names, retries=0)
        for (place, _), future in zip(given, futures, strict=True):
            self._given[future] = place
            future.add_done_callback(self._done.put)

    def found(self) -> Iterator[Found | None]:
        """What has come of jobs by now; waits for a moment where nothing has."""
        try:
            done = [self._done.get(timeout=_LOOK_SECONDS)]
        except Empty:
            self._most = self._capacity()
            yield None
            return
        with suppress(Empty):
            while True:
                done.append(self._done.get_nowait())
        finished = [future for future in done if future.status == "finished"]
        answers = dict(zip(finished, self._gathered(finished), strict=True))
        for future in done:
            found = answers[future] if future in answers else self._lost(future)
            place = self._given.pop(future)
            self.left -= 1
            yield place, found

    def _gathered(self, finished: list[Future[Any]]) -> list[bytes | str]:
        try:
            answers: list[bytes | str] = self._client.gather(finished)
        except Exception as error:  # noqa: BLE001 - whatever it says, the answers cannot be had
            raise self._gone() from error
        return answers

    def _lost(self, future: Future[Any]) -> str:
        """How a job's worker was lost."""
        from distributed import KilledWorker

        if future.status != "error":
            raise self._gone()
        error = future.exception()
        if isinstance(error, KilledWorker):
            return (
                f"its Dask worker was lost, and those that began it anew were too ({error.allowed_failures + 1} times)"
            )
        if isinstance(error, ImportError):
            raise UserError(f"The Dask workers cannot import surrogate_nas ({error}). Install it where they run.")
        raise UserError(f"The Dask workers cannot do the work: {in_a_line(error)}")

    def _gone(self) -> UserError:
        place = f" at {self._contract.place}" if self._contract.place else ""
        return UserError(f"The Dask scheduler{place} went away. {AGAIN}")

    def end(self) -> None:
        """Take back what the cluster has not done, and end our workers there; nothing else there is touched."""
        if self._client.status != "running":
            return
        with suppress(Exception):
            self._client.cancel(list(self._given))
            self._client.unregister_worker_plugin(self._key)


def _plugin(order: Order) -> WorkerPlugin:
    """What Dask sends to every worker once, also to those that come later: the order, and its end."""
    from distributed import WorkerPlugin

    from surrogate_nas.runtime.engines.seats import end, know

    class Known(WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Worker) -> None:  # noqa: ARG002 - the interface
            know(order)

        def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - the interface
            end(order.key)

    return Known()
