"""Jobs on an executor: any object with ``submit``, as `concurrent.futures.Executor` has it.

An executor's own process runs a job in a worker of ours beside it
(`surrogate_nas.runtime.worker.do`). `Engine` lists the further methods of an executor, and their
defaults.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, cast

from surrogate_nas.core.errors import UserError, in_a_line
from surrogate_nas.runtime.worker import Payload, do, end

AGAIN = "What was finished is kept; run the same command again to go on, on any engine."
Found = tuple[int, bytes | str]
"""A job's place, and its worker's message or how it was lost, in words."""
_Given = tuple[Any, ...]
"""A job's place, the job, and what else the function is called with."""
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


class JobPool:
    """Jobs on an executor, given as they come; what is found of them, in the order of completion.

    `submit` and `wake` may be called by any thread, `next` and `close` by one alone.
    """

    def __init__(
        self,
        executor: Executor,
        payload: Payload,
    ) -> None:
        """Let the executor know what all jobs have in common; it is shut down where it fails.

        Args:
            executor: One, perhaps an `Engine`.
            payload: What all jobs have in common.
        """
        self._executor = executor
        self._engine = executor if isinstance(executor, Engine) else cast("Engine", _Plain())
        self._key = payload.key
        self._given: dict[Future[bytes | str], int] = {}
        self._waiting: deque[_Given] = deque()
        self._inbox: SimpleQueue[Future[bytes | str] | _Given | None] = SimpleQueue()
        try:
            self._shared = self._engine.share(payload)
        except BaseException:
            self.close()
            raise

    def submit(self, place: int, job: Any, *further: Any) -> None:
        """Give it a job, which is begun after those before it.

        Args:
            place: The job's number.
            job: What the function is called with.
            *further: What else it is called with.
        """
        self._inbox.put((place, job, *further))

    def wake(self) -> None:
        """Let `next` return at once."""
        self._inbox.put(None)

    def next(self, patience: float = _LOOK_SECONDS) -> Found | None:
        """What is found of the next job that ends; None where none does for some seconds."""
        until = time.monotonic() + patience
        while True:
            self._hand_out()
            left = min(until - time.monotonic(), _LOOK_SECONDS)
            try:
                item = self._inbox.get(timeout=max(left, 0.0))
            except Empty:
                if time.monotonic() >= until:
                    return None
                continue
            if item is None:
                return None
            if isinstance(item, tuple):
                self._waiting.append(item)
            else:
                return self._found(item)

    def _hand_out(self) -> None:
        """Give the executor as many jobs as it takes; a cluster may have grown."""
        if not self._waiting:
            return
        most = self._engine.capacity()
        while self._waiting and (most is None or len(self._given) < most):
            place, *given = self._waiting.popleft()
            future = self._executor.submit(do, self._shared, *given)
            self._given[future] = place
            future.add_done_callback(self._inbox.put)

    def _found(self, future: Future[bytes | str]) -> Found:
        try:
            content = future.result()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            content = self._engine.lost(future, error)
        return self._given.pop(future), content

    def close(self) -> None:
        """End all jobs, whatever they do, and shut the executor down."""
        for future in self._given:
            with suppress(Exception):
                future.cancel()
        end(self._key)
        self._executor.shutdown(wait=True, cancel_futures=True)


class _Plain(Engine):
    """What is taken for granted of an executor that says nothing."""
