"""Jobs on an executor: any object with ``submit``, as `concurrent.futures.Executor` has it.

An executor's own process runs a job in a worker of ours beside it
(`surrogate_nas.runtime.worker.do`). `Engine` lists the further methods of an executor, and their
defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, cast

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.worker import Payload, do, end

AGAIN = "What was finished is kept; run the same command again to go on, on any engine."
Found = tuple[int, bytes | str]
"""A job's place, and its worker's message or how it was lost, in words."""
_LOOK_SECONDS = 0.25


class Engine(Executor):
    """An executor that knows what to do with a payload, and what its library's errors mean."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Modules that it takes; the extra of its name brings them."""

    def share(self, payload: Payload) -> Any:
        """What stands for the payload in every `submit`."""
        return payload

    def capacity(self) -> int | None:
        """How many jobs it is given at once; None for all."""
        return None

    def lost(self, future: Future[bytes | str], error: BaseException) -> str:  # noqa: ARG002 - for those that keep more
        """How a job was lost, in words; raises where more than the job is."""
        if isinstance(error, BrokenExecutor):
            raise UserError(f"The executor broke ({in_a_line(error)}). {AGAIN}") from error
        raise error


def results(
    executor: Executor,
    payload: Payload,
    jobs: Sequence[Any],
    function: Callable[[Any, Any], bytes | str] = do,
) -> Iterator[Found | None]:
    """Let jobs be done on an executor, and shut that down.

    Args:
        executor: One, perhaps an `Engine`.
        payload: What all jobs have in common.
        jobs: Begun in this order.
        function: Called there with the payload, or what stands for it, and a job.

    Yields:
        What is found of each job as it comes; None every now and then.
    """
    engine = executor if isinstance(executor, Engine) else cast("Engine", _Plain())
    given: dict[Future[bytes | str], int] = {}
    done: SimpleQueue[Future[bytes | str]] = SimpleQueue()
    try:
        shared = engine.share(payload)
        waiting = iter(enumerate(jobs))
        left = len(jobs)
        while left:
            most = engine.capacity()
            free = None if most is None else max(0, most - len(given))
            for place, job in islice(waiting, free):
                future = executor.submit(function, shared, job)
                given[future] = place
                future.add_done_callback(done.put)
            try:
                future = done.get(timeout=_LOOK_SECONDS)
            except Empty:
                yield None
                continue
            try:
                content = future.result()
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt | SystemExit):
                    raise
                content = engine.lost(future, error)
            left -= 1
            yield given.pop(future), content
    finally:
        for future in given:
            with suppress(Exception):
                future.cancel()
        end(payload.key)
        executor.shutdown(wait=True, cancel_futures=True)


class _Plain(Engine):
    """What is taken for granted of an executor that says nothing."""


def in_a_line(error: BaseException | None) -> str:
    """What a library says, as part of a line of ours."""
    return f"{type(error).__name__}: {' '.join(str(error).split()):.300}"
