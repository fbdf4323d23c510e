"""Jobs on a Slurm cluster, by submitit: an array of ``--workers`` tasks that share all jobs.

The place says where and how long, as in ``slurm:partition=cpu,time=60``: time in minutes, mem in
GB, folder in which tasks and this process meet in one that is removed at the end (shared by all
machines; the data folder if left out), cluster=local to make the tasks on this machine without
Slurm; anything else is handed to ``sbatch`` under its name. A task that is lost costs the job that
it was doing; jobs that no task has begun when the last one ends are made by the same command again.
"""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import TYPE_CHECKING, Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import home
from surrogate_nas.runtime.driver import remove_at_the_end
from surrogate_nas.runtime.executor import AGAIN, Engine
from surrogate_nas.runtime.worker import Payload, do, end

if TYPE_CHECKING:
    from submitit import Executor, Job

_MINUTES = 24 * 60
_QUICK_SECONDS = 0.02
_SLOW_SECONDS = 1.0
_LOOK_SECONDS = 5.0
_IDLE_SECONDS = 10.0
_GRACE_SECONDS = 2.0
"""How long after a task's end its last answer may take to be seen here, and a task to end that is
cancelled.
"""
_BEAT_SECONDS = 5.0
_SILENCE_SECONDS = 180.0
_OURS = {"time": ("timeout_min", int), "mem": ("mem_gb", float)}


class Slurm(Engine):
    """The tasks in the queue, and the folder through which they take jobs and give answers."""

    needs = ("submitit",)

    def __init__(self, place: str, workers: int | None) -> None:
        """Make the folder; the tasks are made when there is something to do."""
        self._options = _options(place)
        self._workers = workers or 1
        folder = _folder(self._options.pop("folder", ""), self._options.get("cluster") == "local")
        remove_at_the_end(folder)
        self._queue = Queue(folder)
        self._tasks: list[Job[None]] = []
        self._unsent: list[bytes] = []
        self._given: list[Future[Any]] = []
        self._ended: dict[int, float] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def share(self, payload: Payload) -> Payload:
        """The payload lies in the folder."""
        self._queue.begin(payload)
        self._tasks = self._submitted()
        self._thread.start()
        return payload

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:  # noqa: ARG002
        """Put a job into the folder: the tasks know what to do with it."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            self._unsent.append(arguments[1])
            self._given.append(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - the interface
        """Cancel the tasks, wait a moment for them, and remove the folder."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        for task in self._tasks:
            with suppress(Exception):
                task.cancel()
        until = time.monotonic() + _GRACE_SECONDS
        while (
            not all(task.done(force_check=False) for task in self._tasks)
            and time.monotonic() < until
        ):
            time.sleep(_QUICK_SECONDS)
        shutil.rmtree(self._queue.folder, ignore_errors=True)

    def _submitted(self) -> list[Job[None]]:
        from submitit import AutoExecutor

        logging.getLogger("submitit").setLevel(logging.CRITICAL)
        options = dict(self._options)
        folder = self._queue.folder
        cluster = options.pop("cluster", "slurm")
        wanted: dict[str, Any] = {"timeout_min": _MINUTES, "cpus_per_task": 1, "name": "snas"}
        try:
            for name, value in options.items():
                known, kind = _OURS.get(name, (f"slurm_{name}", str))
                wanted[known] = kind(value)
            executor: Executor = AutoExecutor(folder / "logs", cluster=cluster)
            executor.update_parameters(**wanted)
            with executor.batch():
                return [
                    executor.submit(serve, str(folder), n, self._workers)
                    for n in range(self._workers)
                ]
        except Exception as error:
            raise UserError(
                f"Slurm does not take the tasks: {' '.join(str(error).split()):.400}"
            ) from error

    def _watch(self) -> None:
        """Hand on jobs and answers until the end; the life of a thread."""
        pause = _QUICK_SECONDS
        looked = time.monotonic()
        try:
            while not self._over.wait(pause):
                self._queue.beat()
                with self._lock:
                    unsent = self._unsent
                    self._unsent = []
                self._queue.put(unsent)
                came = list(self._queue.results())
                if time.monotonic() - looked >= _LOOK_SECONDS:
                    looked = time.monotonic()
                    came += self._lost()
                for number, result in came:
                    if not self._given[number].done():
                        self._given[number].set_result(result)
                pause = _QUICK_SECONDS if came or unsent else min(2 * pause, _SLOW_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
            for future in self._given:
                if not future.done():
                    future.set_exception(error)

    def _lost(self) -> Iterator[tuple[int, str]]:
        """Jobs whose task has ended without their answer."""
        now = time.monotonic()
        for number, task in enumerate(self._tasks):
            if number not in self._ended and task.done(force_check=False):
                self._ended[number] = now
        gone = {
            str(number) for number, since in self._ended.items() if now - since >= _GRACE_SECONDS
        }
        if not gone:
            return
        claims = self._queue.claims()
        left = {number for number, future in enumerate(self._given) if not future.done()}
        for job in left & claims.keys():
            if claims[job] in gone:
                task = self._tasks[int(claims[job])]
                yield job, f"its Slurm task {task.job_id} ended ({task.state})"
        unbegun = left - claims.keys()
        if unbegun and len(gone) == len(self._tasks):
            raise UserError(
                f"All Slurm tasks ended ({self._tasks[0].state}) with {len(unbegun)} jobs not"
                f" begun. {AGAIN}"
            )


ENGINE = Slurm


def _folder(place: str, here: bool) -> Path:
    """A new folder; by default in the data folder, or a temporary one for local tasks."""
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
        name for name, equals, value in pairs if not (name.isidentifier() and equals and value)
    ]:
        raise UserError(
            "Options of slurm are NAME=VALUE with commas between, such as partition=cpu, not"
            f" {wrong[0]:.40}."
        )
    return {name: value for name, _, value in pairs}


class Queue:
    """A folder through which tasks on machines of a cluster take jobs and give answers.

    A cluster starts a task in seconds or hours, so few tasks take many jobs: each claims the next
    job by making a file that only one can make, and leaves its answer in a file that is whole when
    it is seen. The heartbeat's file changes as long as the process that reads the answers lives;
    tasks that see it stand still end.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder, on a file system that all machines share."""
        self.folder = folder
        self._jobs = folder / "jobs"
        self._claims = folder / "claims"
        self._results = folder / "answers"
        self._heartbeat = folder / "heartbeat"
        self._beaten = 0.0
        self._put = 0
        self._seen: set[int] = set()

    def begin(self, payload: Payload) -> None:
        """Write what all jobs have in common."""
        for folder in (self._jobs, self._claims, self._results):
            folder.mkdir()
        _write(self.folder / "payload", pickle.dumps(payload))
        self.beat()

    def put(self, jobs: list[bytes]) -> None:
        """Add jobs; all that come at once lie in one file, named after the first."""
        if jobs:
            _write(self._jobs / str(self._put), pickle.dumps(jobs))
            self._put += len(jobs)

    def beat(self) -> None:
        """Tell tasks that somebody reads what they answer."""
        if time.monotonic() - self._beaten >= _BEAT_SECONDS:
            self._beaten = time.monotonic()
            _write(self._heartbeat, str(time.time_ns()).encode())

    def results(self) -> Iterator[tuple[int, bytes | str]]:
        """Every answer that came since the last call, each once."""
        for entry in sorted(os.scandir(self._results), key=lambda entry: entry.name):
            if entry.name.isdigit():
                content = Path(entry.path).read_bytes()
                os.unlink(entry.path)
                yield int(entry.name), pickle.loads(content)

    def claims(self) -> dict[int, str]:
        """Who claimed each job that was claimed."""
        claims = {}
        for entry in os.scandir(self._claims):
            with suppress(OSError):
                claims[int(entry.name)] = Path(entry.path).read_text()
        return claims

    def serve(self, task: int, tasks: int) -> None:
        """Do jobs until none has come for a while, or results are no longer read."""
        payload: Payload = pickle.loads((self.folder / "payload").read_bytes())
        last = self._heartbeat.read_bytes()
        since = time.monotonic()
        worked = time.monotonic()
        try:
            while time.monotonic() - worked < _IDLE_SECONDS:
                for number, job in self._unclaimed(task, tasks):
                    _write(self._results / str(number), pickle.dumps(do(payload, job)))
                    worked = time.monotonic()
                    now = self._heartbeat.read_bytes()
                    last, since = (now, worked) if now != last else (last, since)
                    if worked - since > _SILENCE_SECONDS:
                        return
                time.sleep(_QUICK_SECONDS)
        finally:
            end(payload.key)

    def _unclaimed(self, task: int, tasks: int) -> Iterator[tuple[int, bytes]]:
        """The jobs of this task: of its own share, then those that no other task has begun."""
        came = {int(entry.name) for entry in os.scandir(self._jobs) if entry.name.isdigit()}
        for first in sorted(came - self._seen):
            jobs: list[bytes] = pickle.loads((self._jobs / str(first)).read_bytes())
            for place in sorted(
                range(len(jobs)), key=lambda place: ((first + place) % tasks != task, place)
            ):
                if self._claim(first + place, str(task)):
                    yield first + place, jobs[place]
            self._seen.add(first)

    def _claim(self, number: int, name: str) -> bool:
        try:
            descriptor = os.open(self._claims / str(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return False
        os.write(descriptor, name.encode())
        os.close(descriptor)
        return True


def serve(folder: str, task: int, tasks: int) -> None:
    """The life of a task, which ends where the folder is gone."""
    with suppress(FileNotFoundError):
        Queue(Path(folder)).serve(task, tasks)


def _write(path: Path, content: bytes) -> None:
    """Write a file that is whole when it is seen."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)
