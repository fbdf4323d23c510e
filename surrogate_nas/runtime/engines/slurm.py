"""Execute jobs on a Slurm cluster through submitit.

Each job is a Slurm task, and simultaneous jobs form an array.

The name of the engine contains the options of the tasks, as in ``slurm:partition=cpu,time=60``:

- ``time`` is the time limit of a task in minutes.
- ``mem`` is the memory of a task in GB.
- ``folder`` is where submitit creates a temporary folder that all machines share. The default is
  the data directory.
- ``cluster=local`` runs the tasks on this machine without Slurm.
- All other options are passed to ``sbatch``.

If a Slurm task is lost, its job is lost. Repeating the command executes the job again.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Any

from surrogate_nas.core import UserError, one_line
from surrogate_nas.files import home
from surrogate_nas.runtime.worker import NOT_WANTED, Lost, Reply, do

if TYPE_CHECKING:
    from submitit import Job

_MINUTES = 24 * 60
_LOOK_SECONDS = 0.5
_OURS = {"time": ("timeout_min", int), "mem": ("mem_gb", float)}


class Slurm(Executor):
    """An executor that submits jobs as Slurm tasks."""

    needs = ("submitit",)

    def __init__(self, place: str, workers: int | None) -> None:
        """Check the options. Tasks are created when there are jobs."""
        from submitit import AutoExecutor

        logging.getLogger("submitit").setLevel(logging.CRITICAL)
        options = _options(place)
        cluster = options.pop("cluster", "slurm")
        self._folder = _folder(options.pop("folder", ""), cluster == "local")
        wanted: dict[str, Any] = dict(
            timeout_min=_MINUTES, cpus_per_task=1, name="snas"
        )
        with _refusing():
            for name, value in options.items():
                option, kind = _OURS.get(name, (f"slurm_{name}", str))
                wanted[option] = kind(value)
            self._executor = AutoExecutor(f"{self._folder.name}/logs", cluster=cluster)
            self._executor.update_parameters(**wanted)
        self._new: SimpleQueue[tuple[Future[Reply], tuple[Any, ...]]] = SimpleQueue()
        self._tasks: dict[Job[Reply], Future[Reply]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def submit(
        self, _: Callable[..., Any], /, *arguments: Any, **__: Any
    ) -> Future[Any]:
        """Submit a job together with other jobs that arrive at the same time."""
        future: Future[Reply] = Future()
        self._new.put((future, arguments))
        return future

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            if not self._new.empty():
                self._send([self._new.get() for _ in range(self._new.qsize())])
            for task in [task for task in self._tasks if task.done()]:
                reply: Reply = Lost(
                    f"its Slurm task {task.job_id} ended ({task.state})"
                )
                with suppress(Exception):  # submitit raises many
                    reply = task.result()
                self._tasks.pop(task).set_result(reply)

    def _send(self, new: Sequence[tuple[Future[Reply], tuple[Any, ...]]]) -> None:
        folder = self._folder.name
        try:
            with _refusing(), self._executor.batch():
                tasks = [self._executor.submit(_do, folder, *job) for _, job in new]
            self._tasks |= {
                task: future for task, (future, _) in zip(tasks, new, strict=True)
            }
        except UserError as error:
            for future, _ in new:
                future.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel all Slurm tasks, and remove the temporary folder."""
        self._over.set()
        self._thread.join()
        for task in self._tasks:
            with suppress(Exception):
                task.cancel()
        pending = [self._new.get()[0] for _ in range(self._new.qsize())]
        for future in (*self._tasks.values(), *pending):
            future.cancel()
        self._folder.cleanup()


ENGINE = Slurm


def _do(folder: str, *job: Any) -> Reply:
    return do(*job) if Path(folder).exists() else NOT_WANTED


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise UserError(f"Slurm rejects the tasks: {one_line(str(error))}") from error


def _folder(path: str, is_local: bool) -> TemporaryDirectory[str]:
    parent = Path(path or (gettempdir() if is_local else home())).absolute()
    try:
        if not path:
            parent.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(
            prefix="snas-slurm-", dir=parent, ignore_cleanup_errors=True
        )
    except OSError as error:
        raise UserError(
            f"Slurm's tasks need a shared folder: {error.strerror or error}: {error.filename}."
        ) from error


def _options(place: str) -> dict[str, str]:
    pairs = [text.partition("=")[::2] for text in place.split(",") if text]
    for name, value in pairs:
        if not (name.isidentifier() and value):
            raise UserError(
                "Options of slurm must be NAME=VALUE, separated by commas, such as"
                f" partition=cpu, not {name:.40}."
            )
    return dict(pairs)
