"""Jobs on a Slurm cluster, by submitit: one array of ``--workers`` tasks, each of which takes jobs until none is left.

The place says where and how long, as in ``slurm:partition=cpu,time=60``: time in minutes, mem in GB, folder in which
tasks and this process meet in one that is removed at the end (shared by all machines; the data folder if left out),
cluster=local to make the tasks on this machine without Slurm; anything else is handed to ``sbatch`` under its name. A
task that is lost costs the job that it was doing; jobs that no task has begun when the last one ends are made by the
same command again.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import TYPE_CHECKING, Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import home
from surrogate_nas.runtime.engines.foreman import AGAIN, remove_at_the_end
from surrogate_nas.runtime.engines.spool import Spool

if TYPE_CHECKING:
    from submitit import Executor, Job

    from surrogate_nas.runtime.engines.foreman import Contract, Found

_MINUTES = 24 * 60
_QUICK_SECONDS, _SLOW_SECONDS = 0.02, 1.0
_LOOK_SECONDS = 5.0
_GRACE_SECONDS = 2.0
"""How long after a task's end its last answer may take to be seen here, and a task to end that is cancelled."""
_OURS = {"time": ("timeout_min", int), "mem": ("mem_gb", float)}


def run(contract: Contract, jobs: list[bytes]) -> Iterator[Found | None]:
    """Run jobs on the cluster, as a foreman calls it.

    Args:
        contract: Which part of the cluster, and what is to be done.
        jobs: Pickled.

    Yields:
        What is found of each job as it comes; None every now and then.

    Raises:
        UserError: An option is wrong, there is no Slurm, a folder cannot be written, or all tasks ended too early.
    """
    options = _options(contract.place)
    folder = _folder(options.pop("folder", ""), options.get("cluster") == "local")
    remove_at_the_end(folder)
    try:
        spool = Spool(folder)
        spool.fill(contract.order, jobs)
        yield from _Work(spool, _submitted(folder, options, contract.workers or 1), len(jobs)).found()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder(place: str, here: bool) -> Path:
    """A new folder in a place; where none is named, in the data folder, or among temporary files for tasks here."""
    parent = Path(place or (gettempdir() if here else home())).absolute()
    try:
        if not place:
            parent.mkdir(parents=True, exist_ok=True)
        return Path(mkdtemp(prefix="snas-slurm-", dir=parent))
    except OSError as error:
        raise UserError(f"Slurm's tasks need a folder: {error.strerror or error}: {error.filename}.") from error


def _options(place: str) -> dict[str, str]:
    pairs = [text.partition("=") for text in place.split(",") if text]
    if wrong := [name for name, equals, value in pairs if not (name.isidentifier() and equals and value)]:
        raise UserError(
            f"Options of slurm are NAME=VALUE with commas between, such as partition=cpu, not {wrong[0]:.40}."
        )
    return {name: value for name, _, value in pairs}


def _submitted(folder: Path, options: dict[str, str], workers: int) -> list[Job[None]]:
    """The tasks, in the queue."""
    from submitit import AutoExecutor

    logging.getLogger("submitit").setLevel(logging.CRITICAL)
    cluster = options.pop("cluster", "slurm")
    wanted: dict[str, Any] = {"timeout_min": _MINUTES, "cpus_per_task": 1, "name": "snas"}
    try:
        for name, value in options.items():
            known, kind = _OURS.get(name, (f"slurm_{name}", str))
            wanted[known] = kind(value)
        executor: Executor = AutoExecutor(folder / "logs", cluster=cluster)
        executor.update_parameters(**wanted)
        with executor.batch():
            return [executor.submit(_serve, str(folder), number, workers) for number in range(workers)]
    except Exception as error:
        raise UserError(f"Slurm does not take the tasks: {' '.join(str(error).split()):.400}") from error


def _serve(folder: str, number: int, workers: int) -> None:
    """The life of a task."""
    with suppress(FileNotFoundError):  # it comes when all is over
        Spool(Path(folder)).serve(str(number), number, workers)


class _Work:
    """The tasks in the queue, and what is found of the jobs."""

    def __init__(self, spool: Spool, tasks: list[Job[None]], jobs: int) -> None:
        self._spool, self._tasks = spool, tasks
        self._left = {*range(jobs)}
        self._ended: dict[int, float] = {}
        self._looked = time.monotonic()

    def found(self) -> Iterator[Found | None]:
        pause = _QUICK_SECONDS
        try:
            while self._left:
                self._spool.beat()
                came = [*self._spool.take(), *self._lost()]
                for number, answer in came:
                    if number in self._left:
                        self._left.discard(number)
                        yield number, answer
                pause = _QUICK_SECONDS if came else min(2 * pause, _SLOW_SECONDS)
                if not came:
                    yield None
                    time.sleep(pause)
        finally:
            for task in self._tasks:
                with suppress(Exception):
                    task.cancel()
            until = time.monotonic() + _GRACE_SECONDS
            while not all(task.done(force_check=False) for task in self._tasks) and time.monotonic() < until:
                time.sleep(_QUICK_SECONDS)

    def _lost(self) -> Iterator[tuple[int, str]]:
        """Jobs whose task has ended without their answer."""
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        for number, task in enumerate(self._tasks):
            if number not in self._ended and task.done(force_check=False):
                self._ended[number] = now
        gone = {str(number) for number, since in self._ended.items() if now - since >= _GRACE_SECONDS}
        if not gone:
            return
        claims = self._spool.claims()
        for job, task_name in claims.items():
            if job in self._left and task_name in gone:
                yield job, f"its Slurm task {self._tasks[int(task_name)].job_id} ended ({self._state(int(task_name))})"
        unbegun = self._left - claims.keys()
        if unbegun and len(gone) == len(self._tasks):
            raise UserError(f"All Slurm tasks ended ({self._state(0)}) with {len(unbegun)} jobs not begun. {AGAIN}")

    def _state(self, number: int) -> str:
        return str(self._tasks[number].state)
