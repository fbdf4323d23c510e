"""Jobs on a Slurm cluster, by submitit: a job array whose tasks do a share of the jobs each.

The place says where and how long, as in ``slurm:partition=cpu,time=60``: time in minutes, mem in
GB, folder in which submitit keeps its files in one that is removed at the end (shared by all
machines; the data folder if left out), cluster=local to make the tasks on this machine without
Slurm; anything else is handed to ``sbatch`` under its name. Jobs that come together are one array
of at most ``--workers`` tasks; what they give is known when their task ends. A task that is lost
costs its jobs, which are made by the same command again.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import TYPE_CHECKING, Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import home
from surrogate_nas.runtime.worker import Lost, Reply, do

if TYPE_CHECKING:
    from submitit import Job

_MINUTES = 24 * 60
_LOOK_SECONDS = 0.5
_OURS = {"time": ("timeout_min", int), "mem": ("mem_gb", float)}
# A task and a pickled job
_Given = tuple[Any, ...]


class Slurm(Executor):
    """The tasks in the queue."""

    needs = ("submitit",)

    def __init__(self, place: str, workers: int | None) -> None:
        """Check the options; tasks are made when there is something to do."""
        from submitit import AutoExecutor

        logging.getLogger("submitit").setLevel(logging.CRITICAL)
        options = _options(place)
        cluster = options.pop("cluster", "slurm")
        self._folder = _folder(options.pop("folder", ""), cluster == "local")
        wanted: dict[str, Any] = {
            "timeout_min": _MINUTES,
            "cpus_per_task": 1,
            "name": "snas",
        }
        with _refusing(self._folder):
            for name, value in options.items():
                known, kind = _OURS.get(name, (f"slurm_{name}", str))
                wanted[known] = kind(value)
            self._executor = AutoExecutor(self._folder / "logs", cluster=cluster)
            self._executor.update_parameters(**wanted)
        self._workers = workers or 1
        self._new: list[tuple[Future[Reply], _Given]] = []
        self._tasks: dict[Job[list[Reply]], list[Future[Reply]]] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def submit(self, _: Callable[..., Any], /, *arguments: Any, **__: Any) -> Future[Any]:
        """Take a job, which goes out with those that come with it."""
        future: Future[Reply] = Future()
        with self._lock:
            self._new.append((future, arguments))
        return future

    def _watch(self) -> None:
        """Hand on jobs and answers until the end; the life of a thread."""
        while not self._over.wait(_LOOK_SECONDS):
            with self._lock:
                new, self._new = self._new, []
            try:
                if new:
                    self._send(new)
            except UserError as error:
                for future, _ in new:
                    future.set_exception(error)
            for task in [task for task in self._tasks if task.done()]:
                self._take(task, self._tasks.pop(task))

    def _send(self, new: Sequence[tuple[Future[Reply], _Given]]) -> None:
        shares = [new[n :: self._workers] for n in range(min(self._workers, len(new)))]
        with _refusing(), self._executor.batch():
            tasks = [
                self._executor.submit(
                    _share, str(self._folder), [given for _, given in share]
                )
                for share in shares
            ]
        for task, share in zip(tasks, shares, strict=True):
            self._tasks[task] = [future for future, _ in share]

    def _take(self, task: Job[list[Reply]], futures: Sequence[Future[Reply]]) -> None:
        try:
            replies = task.result()
        except Exception:  # noqa: BLE001 - submitit raises many
            replies = [Lost(f"its Slurm task {task.job_id} ended ({task.state})")] * len(
                futures
            )
        for future, reply in zip(futures, replies, strict=True):
            future.set_result(reply)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel the tasks, and remove the folder."""
        self._over.set()
        self._thread.join()
        for task, futures in self._tasks.items():
            with suppress(Exception):
                task.cancel()
            for future in futures:
                future.cancel()
        for future, _ in self._new:
            future.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)


ENGINE = Slurm


def _share(folder: str, jobs: Sequence[_Given]) -> list[Reply]:
    """Do one job after another, as long as somebody wants the answers; in a task."""
    return [do(*job) for job in jobs if Path(folder).exists()]


@contextmanager
def _refusing(folder: Path | None = None) -> Iterator[None]:
    """Say what submitit does not take, and remove a folder then."""
    try:
        yield
    except Exception as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise UserError(
            f"Slurm does not take the tasks: {' '.join(str(error).split()):.400}"
        ) from error


def _folder(place: str, here: bool) -> Path:
    parent = Path(place or (gettempdir() if here else home())).absolute()
    try:
        if not place:
            parent.mkdir(parents=True, exist_ok=True)
        return Path(mkdtemp(prefix="snas-slurm-", dir=parent))
    except OSError as error:
        raise UserError(
            f"Slurm's tasks need a folder: {error.strerror or error}: {error.filename}."
        ) from error


def _options(place: str) -> dict[str, str]:
    pairs = [text.partition("=") for text in place.split(",") if text]
    if wrong := [
        name
        for name, equals, value in pairs
        if not (name.isidentifier() and equals and value)
    ]:
        raise UserError(
            "Options of slurm are NAME=VALUE with commas between, such as partition=cpu, not"
            f" {wrong[0]:.40}."
        )
    return {name: value for name, _, value in pairs}
