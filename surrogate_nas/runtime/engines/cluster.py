"""Jobs on a cluster, as this process sees it: it starts a foreman, sends what is to be done, reads what is found."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar

import cloudpickle

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.engines.foreman import AGAIN, BROKEN, NUMBER, Contract
from surrogate_nas.runtime.engines.order import Order
from surrogate_nas.runtime.engines.outcome import Outcome, told
from surrogate_nas.runtime.engines.worker import receive, send, unpacked

J = TypeVar("J")
R = TypeVar("R")
_STAMP = re.compile(r"^\[.*?\] (\S+:\d+: )?")
_TIDY_SECONDS = 3.0
"""How long a foreman may take to end what it began; less than a command has after Ctrl-C."""
_CLOSE_SECONDS = 30.0
"""The same where all is done."""


def run(
    engine: str, place: str, function: Callable[[J], R], jobs: Sequence[J], workers: int | None
) -> Iterator[Outcome[J, R]]:
    """Run jobs on a cluster.

    Args:
        engine: Which kind: a file of this folder.
        place: Which cluster; empty to start one on this machine.
        function: Of one job.
        jobs: What to call it with.
        workers: How many at once; None for as many as the cluster takes.

    Yields:
        Outcomes as they come.

    Raises:
        UserError: The cluster cannot be reached or went away, or lacks something.
    """
    most = None if workers is None else min(workers, len(jobs))
    contract = Contract(engine, place, most, Order.of(cloudpickle.dumps(function)), len(jobs))
    with TemporaryFile() as said:
        foreman = _start(said)
        patience = _TIDY_SECONDS
        try:
            threading.Thread(target=_send, args=(foreman, contract, jobs), daemon=True).start()
            for _ in jobs:
                message = receive(foreman.stdout)
                if not message:
                    raise _gone(engine, foreman.wait(), said)
                (number,), content = NUMBER.unpack(message[: NUMBER.size]), message[NUMBER.size :]
                if number == BROKEN:
                    raise UserError(content.decode())
                yield told(jobs[number], unpacked(content))
            patience = _CLOSE_SECONDS
        finally:
            _end(foreman, patience)


def _start(said: IO[bytes]) -> subprocess.Popen[bytes]:
    """A foreman in a session of its own: Ctrl-C at a terminal is this process's to answer."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from surrogate_nas.runtime.engines.foreman import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True
    )


def _send(foreman: subprocess.Popen[bytes], contract: Contract, jobs: Sequence[Any]) -> None:
    with suppress(OSError, ValueError):  # it is no more, which the reader is told
        send(foreman.stdin, str(os.getpid()).encode())
        send(foreman.stdin, pickle.dumps(contract))
        for job in jobs:
            send(foreman.stdin, cloudpickle.dumps(job))


def _end(foreman: subprocess.Popen[bytes], patience: float) -> None:
    for pipe in (foreman.stdin, foreman.stdout):
        with suppress(OSError):
            pipe.close()  # type: ignore[union-attr]
    try:
        foreman.wait(patience)
    except subprocess.TimeoutExpired:
        foreman.kill()
        foreman.wait()


def _gone(engine: str, code: int, said: IO[bytes]) -> UserError:
    """What to raise where a foreman ended before its time: its library's last words tell why."""
    said.seek(0)
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    words = _STAMP.sub("", lines[-1]).partition(". ")[0] if lines else f"exit code {code}"
    return UserError(f"The {engine} engine went away ({words:.200}). {AGAIN}")
