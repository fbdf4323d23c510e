"""Workers: processes that execute jobs one after another, on this machine or on a cluster.

`do` executes a job of a `Task` in a free worker or in a new one. The fork server of
`multiprocessing`, which has imported the modules of this package, forks the workers. Each worker
has a pipe to the process that requested it, its own session, and by default one thread for
arithmetic. A worker ends when its work is done or after a minute without jobs. When the process
that requested it ends, the worker and its child processes end immediately.
"""

import ctypes
import faulthandler
import math
import multiprocessing
import os
import pickle
import platform
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from glob import glob
from importlib import import_module
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.connection import Connection, wait
from os import _exit as end_process  # also where a user's function runs (`staying`)
from tempfile import TemporaryFile
from types import ModuleType
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

import cloudpickle
import psutil

from surrogate_nas.core import VARIABLES, Cause, UserError, threads
from surrogate_nas.files import HOME_VARIABLE, home
from surrogate_nas.version import __version__

R = TypeVar("R")
PRELOADED = [f"{__package__}.preload", "numpy", "scipy.linalg"]
"""The modules that the fork server imports before it forks workers. Other subpackages add to it."""
SHARED_VARIABLE = "SURROGATE_NAS_SHARED"
"""The environment variable with the path of the file that lists what the fork server computes."""

# what the names of this project's variables begin with
_VARIABLES = "SURROGATE_NAS_"
_IDLE_SECONDS = 60.0
_LOOK_SECONDS = 0.2
_LONGEST_WAIT = 1e6
_DUMP_SECONDS = 1.0
_LONGEST_DUMP = 100_000
# the most bytes of a message: what a text that is written there by accident begins with is more
_LARGEST = 2**27
# how often is looked for what killed processes have left behind in turn
_ROUNDS = 100
# how a process ends by what it did, not by what was done to it
_BROKEN = re.compile("ended with exit code|SIG(SEGV|ABRT|BUS|FPE|ILL)|sent what")
_MEMORY = "memory ran out"
# how one ends that has waited for long, or whose last job may have damaged it
_LEFT = "its worker ended with exit code 0"
_DEATH_SIGNAL = 1
_SUBREAPER = 36
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
_LISTS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")


class Lost(NamedTuple):
    """A job that ended without an answer.

    Attributes:
        words: Text that says how the job's worker ended.
        cause: The cause of the loss: ``broken``, ``resources`` or ``lost``.
        seconds: How long the job had run, in seconds.
        dump: The stack of the worker as printed by `faulthandler`, or empty if it is not available.
    """

    words: str
    cause: Cause = "lost"
    seconds: float = 0.0
    dump: str = ""


Reply = tuple[str, bytes] | Lost
"""The result of a job: its pickled return value or exception, or how it was lost."""
NOT_WANTED = Lost("it was not wanted any more")


def answer(reply: Reply) -> Any:
    """Return the result of a job, or a `Lost` if the job was lost.

    Raise the exception that the job raised.
    """
    if isinstance(reply, Lost):
        return reply
    kind, content = reply
    result = pickle.loads(content)
    if kind == "failed":
        raise result
    return result


@dataclass(frozen=True)
class Task:
    """A task: the data that its jobs share, so that workers execute the jobs as this process would.

    The folders of a task must exist on all machines, which share a file system.

    Attributes:
        function: The function to call for every job, pickled.
        folder: The working directory of the workers, so that relative paths have the same meaning.
        path: The module search path of the workers (``sys.path``).
        variables: The environment variables that configure this package.
        versions: The versions of Python and of this package. Workers must have the same versions.
        key: The identifier of the task.
        seconds: The time limit of a job in seconds.
        silence: The longest time in seconds between two signs of life of a job (`alive`).
        threads: The number of threads that a worker uses for arithmetic.
        memory: The memory limit of a job with its child processes in bytes, or None.
        shared: The functions that the fork server calls before it forks the workers (`share`).
    """

    function: bytes
    folder: str
    path: tuple[str, ...]
    variables: Mapping[str, str]
    versions: tuple[str, str]
    key: str
    seconds: float = math.inf
    silence: float = math.inf
    threads: int = 1
    memory: int | None = None
    shared: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, function: Callable[[Any], Any], **limits: Any) -> "Task":
        """Create a task that calls a function as this process would call it.

        Args:
            function: A function of one job.
            **limits: The limits of every job: `seconds`, `silence`, `threads`, `memory` and
                `shared`.
        """
        return cls(
            cloudpickle.dumps(function),
            os.getcwd(),
            tuple(map(os.path.abspath, sys.path)),
            {
                **{n: x for n, x in os.environ.items() if n.startswith(_VARIABLES)},
                HOME_VARIABLE: os.path.abspath(home()),
            },
            _versions(),
            uuid4().hex,
            **{name: limit for name, limit in limits.items() if limit is not None},
        )

    def check_here(self) -> None:
        """Raise a `UserError` if this machine lacks the folder or the versions of the task."""
        host = platform.node()
        if (versions := _versions()) != self.versions:
            installed, wanted = map(", ".join, (versions, self.versions))
            raise UserError(
                f"The workers on {host} have {installed}, but this machine has {wanted}."
                " Install the same versions."
            )
        if not os.path.isdir(self.folder):
            raise UserError(
                f"The folder {self.folder} does not exist on {host}: workers need the working"
                " directory, the results, the data directory and your own files at the same"
                " paths, on a file system that all machines share."
            )


def _versions() -> tuple[str, str]:
    python = platform.python_version().rpartition(".")[0]
    return f"Python {python}", f"surrogate_nas {__version__}"


class Worker:
    """A worker process that executes jobs of one task, as seen from its parent process.

    Attributes:
        key: The identifier of the worker's task.
        device: The GPUs of the worker, in the format of ``CUDA_VISIBLE_DEVICES``, or empty for all
            GPUs.
        owner: The identifier of the worker's owner. The worker ends with its owner (see `end`).
        is_idle: Whether the worker waits for a job.
    """

    def __init__(self, task: Task, device: str = "") -> None:
        """Start the worker.

        Raises:
            UserError: The machine lacks what the task needs, or cannot start another process.
        """
        task.check_here()
        self.key = task.key
        self.device = device
        self.owner = getattr(_thread, "owner", task.key)
        self.is_idle = False
        self._task = task
        self._kills = memory_kills()
        self._sending = threading.Lock()
        # elsewhere what was loaded before a fork may fail after it
        for given in task.shared if _prctl is not None else ():
            share(*given)
        try:
            self._log = TemporaryFile()
            self._link, link = multiprocessing.Pipe()
            streams = [Connection(os.dup(number)) for number in (2, self._log.fileno())]
            threads = dict.fromkeys(VARIABLES, str(task.threads))
            with _guard:  # `start_server` changes it for a moment
                environment = {**os.environ, **task.variables, **threads}
            if device:
                environment["CUDA_VISIBLE_DEVICES"] = device
            self._process = started(_work, link, streams, task, environment)
            self._family = psutil.Process(self._process.pid)
        except (OSError, EOFError, psutil.Error) as error:
            raise UserError(f"No worker can be started: {error}.") from error
        link.close()
        with _guard:
            _workers.add(self)

    def do(self, job: bytes, heard: Callable[[Any], object] | None = None) -> Reply:
        """Send a pickled job to the worker, and wait for the reply.

        Args:
            job: The job.
            heard: Function that is called with each message that the job sends with `say`.

        Returns:
            The reply of the worker. If the reply is a `Lost`, the worker has ended.
        """
        over = ""
        begun = last = math.inf  # it may have to start first
        with suppress(EOFError, OSError):  # it has ended
            self.send(job)
            while not over:
                message = self._message(self._patience(begun, last))
                last = time.monotonic() if message else last
                begun = min(begun, last)
                match message:
                    case ("done" | "failed" as kind, bytes() as content):
                        return kind, content
                    case ("said", content) if heard is not None:
                        heard(content)
                    case None | (str(), _):
                        over = self._over(begun, last)
                    case _:
                        over = "its worker sent what is no answer"
        seconds = max(time.monotonic() - begun, 0.0)
        if over:
            with suppress(psutil.Error):
                self._family.send_signal(signal.SIGABRT)  # it prints where it is
        code_of(self._process, _DUMP_SECONDS)
        self.kill()
        code = code_of(self._process)
        words = over or f"its worker {ending(code or 0, self._kills)}"
        cause: Cause = "resources" if over or _MEMORY in words else "lost"
        cause = "broken" if _BROKEN.search(words) else cause
        # a job may have written there what is no text
        dump = os.pread(self._log.fileno(), _LONGEST_DUMP, 0).decode(errors="replace")
        self.close()
        return Lost(words, cause, seconds, dump)

    def _message(self, patience: float) -> Any:
        """Return the next message, or None if none arrives within `patience` seconds."""
        ready = wait([self._link, self._process.sentinel], patience)
        if self._link in ready:
            try:
                return pickle.loads(self._link.recv_bytes(_LARGEST))
            except (EOFError, ConnectionError):
                raise
            except Exception as error:  # noqa: BLE001 - a user's code may have written there
                return error
        if ready:
            raise EOFError
        return None

    def _patience(self, begun: float, last: float) -> float:
        task = self._task
        remaining = min(begun + task.seconds, last + task.silence) - time.monotonic()
        return max(min(remaining, _LOOK_SECONDS if task.memory else _LONGEST_WAIT), 0.0)

    def _over(self, begun: float, last: float) -> str:
        task = self._task
        now = time.monotonic()
        if now - begun >= task.seconds:
            return f"it took over {task.seconds:g} s"
        if now - last >= task.silence:
            return f"it gave no sign of life for {task.silence:g} s"
        if task.memory and takes_over(self._family, task.memory):
            return f"it took over {task.memory / 1e9:g} GB of memory"
        return ""

    def send(self, content: object) -> None:
        """Send a message to the job, which receives it with `hear`."""
        with self._sending:
            self._link.send(content)

    def kill(self) -> None:
        """Kill the worker and its child processes. Any thread may call this method."""
        kill(self._family)

    def close(self) -> None:
        """Kill the worker and discard it.

        Only the thread that sends jobs to the worker may call this method.
        """
        with _guard:
            _workers.discard(self)
        self.kill()
        code_of(self._process)
        self._link.close()
        self._log.close()


def start_server() -> None:
    """Start the fork server if it is not running, without waiting for its imports."""
    settings = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        SHARED_VARIABLE: _shared_file().name,
    }
    with _guard, ExitStack() as stack:
        multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
        before = {name: os.environ[name] for name in settings if name in os.environ}
        stack.callback(os.environ.update, before)
        for name in settings:
            stack.callback(os.environ.pop, name)
        os.environ.update(settings)
        resource_tracker.ensure_running()  # else it would be started below, and unblock SIGINT
        # until it has a session of its own, Ctrl-C would end it
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, blocked)
        forkserver.ensure_running()


def started(function: Callable[..., None], *arguments: Any) -> Any:
    """Start a child process of the fork server that calls a function.

    The child does not import the main module.
    """
    with _guard:
        start_server()
        multiprocessing.current_process().daemon = False  # as those of Dask are
        context = multiprocessing.get_context("forkserver")
        process = context.Process(target=function, args=arguments, daemon=True)
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            process.start()
        finally:
            sys.modules["__main__"] = main
    return process


def code_of(process: Any, seconds: float | None = None) -> int | None:
    """Return the exit code of a process from `started`, or None if it still runs after `seconds`.

    Python collects the exit codes of all ended processes whenever a process starts. An exit code
    can be read only once. If two threads read it at the same time, the second would get 255.
    """
    wait([process.sentinel], seconds)
    with _guard:
        code: int | None = process.exitcode
    return code


@cache
def _shared_file() -> Any:
    path = os.path.join(util.get_temp_dir(), f"shared-{os.getpid()}")
    return open(path, "ab", buffering=0)


@cache
def share(function: str, argument: str) -> None:
    """Make the fork server call a function of this package once, before it forks the next worker.

    All workers that are forked later share the values that the function has cached.

    Args:
        function: The function as ``module:name``. The function must not run user code or start a
            thread.
        argument: The argument of the function, a string without line breaks.
    """
    with _guard:
        _shared_file().write(os.fsencode(f"{function} {argument}\n"))


def takes_over(process: psutil.Process, most: float) -> bool:
    """Return whether a process and its descendants use more than `most` bytes of memory.

    Memory that several processes share counts once if the system reports shared memory.
    """
    family = family_of(process)
    sizes: tuple[Callable[[psutil.Process], float], ...] = (
        lambda member: member.memory_info().rss,
        lambda member: getattr(member.memory_full_info(), "pss", math.inf),
    )
    return all(_sum(size, family) > most for size in sizes)


def family_of(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and its descendants, or an empty list if the process has ended.

    Fast on Linux.
    """
    family = [process] if process.is_running() else []
    for member in family if _LISTS_CHILDREN else ():  # which grows
        for path in glob(f"/proc/{member.pid}/task/*/children"):
            with suppress(OSError), open(path) as file:
                for number in file.read().split():
                    with suppress(psutil.Error):
                        family.append(psutil.Process(int(number)))
    with suppress(psutil.Error):
        family += () if _LISTS_CHILDREN else process.children(recursive=True)
    return family


def _sum(
    size: Callable[[psutil.Process], float], family: list[psutil.Process]
) -> float:
    total = 0.0
    for process in family:
        with suppress(psutil.Error):  # it has just ended
            total += size(process)
    return total


def processor_seconds() -> float:
    """Return the CPU time of this process and its descendants in seconds.

    Only differences between two calls are meaningful.
    """
    current, *descendants = family_of(psutil.Process())
    ended = current.cpu_times()
    living = _sum(lambda process: sum(process.cpu_times()[:4]), descendants)
    return (
        time.process_time()
        + float(ended.children_user + ended.children_system)
        + living
    )


def ending(code: int, kills: int | None = None) -> str:
    """Describe how a process ended, as in ``ended with exit code 1``."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else "a signal"
    memory = code == -9 and kills is not None and memory_kills() > kills
    return f"was killed by {name} ({-code})" + f" as {_MEMORY}" * memory


def memory_kills() -> int:
    """Return how many processes the kernel has killed because memory ran out."""
    with suppress(OSError, ValueError, IndexError), open("/proc/vmstat") as file:
        return int(file.read().partition("\noom_kill ")[2].split()[0])
    return 0


_guard = threading.RLock()
_workers: set[Worker] = set()
_thread = threading.local()


def do(task: Task, job: bytes, device: str = "") -> Reply:
    """Execute a pickled job in a free or a new worker."""
    while True:
        idle = _idle(task, device)
        try:
            worker = idle or Worker(task, device)
        except UserError as error:
            return _failed(error)
        reply = worker.do(job)
        is_lost = isinstance(reply, Lost)
        # an idle one may just have been about to leave
        if idle is None or not is_lost or reply[:3] != (_LEFT, "broken", 0.0):
            worker.is_idle = not is_lost
            return reply


def _idle(task: Task, device: str) -> Worker | None:
    """Take an idle worker of a task, if there is one. Idle workers of other tasks are ended."""
    identity = getattr(_thread, "owner", task.key), device
    with _guard:
        idle = [candidate for candidate in _workers if candidate.is_idle]
        for worker in [w for w in idle if (w.owner, w.device) == identity]:
            if worker.key == task.key and worker._process.is_alive():
                worker.is_idle = False
                return worker
            worker.close()
    return None


def owned(owner: str, call: Callable[..., R], *arguments: Any) -> R:
    """Call a function in this thread. Workers that the function starts end with `owner`."""
    _thread.owner = owner
    return call(*arguments)


def kill(process: psutil.Process) -> None:
    """Kill a process and its child processes. Any thread may call this function."""
    for member in family_of(process)[::-1]:
        with suppress(psutil.Error):
            member.kill()
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def end(owner: str) -> None:
    """Immediately end all workers of an owner or of a task, given by its identifier."""
    with _guard:
        for worker in [
            member for member in _workers if owner in (member.owner, member.key)
        ]:
            (worker.close if worker.is_idle else worker.kill)()


def tell(owner: str, content: object) -> None:
    """Send a message to the jobs of all workers of an owner."""
    with _guard:
        for worker in [member for member in _workers if member.owner == owner]:
            with suppress(OSError):
                worker.send(content)


# in a worker its link to the process that started it, and where it dumps
_channels: list[Connection] = []
_sending = threading.Lock()


def _send(*message: object) -> None:
    with _sending:
        _channels[0].send(message)


def alive() -> None:
    """Send a sign of life from a job to its parent process.

    Outside a worker, this function has no effect.
    """
    if _channels:
        _send("alive", b"")


def say(content: object) -> None:
    """Send a message from a job to the parent process of its worker.

    The message must be picklable.
    """
    _send("said", content)


def hear() -> Any:
    """Wait for a message to this job, sent with `Worker.send`, and return the message."""
    return _channels[0].recv()


def is_inside() -> bool:
    """Return whether this process is a worker."""
    return bool(_channels)


def dump_when_alarmed() -> None:
    """Make the signal SIGALRM end this worker after the worker has printed its stack."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faulthandler.register(
        signal.SIGALRM, _channels[1].fileno(), all_threads=False, chain=True
    )


def _work(
    link: Connection, streams: list[Connection], task: Task, environment: dict[str, str]
) -> None:
    """Run the worker process: reset inherited state, and execute jobs until the link ends."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    adopt(signal.SIGKILL)
    _forget_server()
    multiprocessing.current_process().daemon = False
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    errors, log = streams
    for stream in (1, 2):
        os.dup2(errors.fileno(), stream)
    errors.close()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    _channels[:] = [link, log]
    faulthandler.enable(log.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(task.folder)
    sys.path[:] = [
        *task.path,
        *(folder for folder in sys.path if folder not in task.path),
    ]
    # a user's module that was edited twice in a second would be taken from before
    sys.dont_write_bytecode = True
    import_module("numpy.random").seed()  # else every worker would draw alike
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()
    function: Any = None
    # what the server has loaded was told of one thread
    with suppress(EOFError, OSError), threads(task.threads):
        while link.poll(_IDLE_SECONDS):
            content = link.recv()
            result: Any = None
            try:
                function = function or pickle.loads(task.function)
                job = pickle.loads(content)
                alive()
                result = function(job)
                reply = "done", cloudpickle.dumps(result)
            except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it
                reply = _failed(error)
            end_descendants()
            _forget_server()
            _send(*reply)
            if isinstance(result, Exception):  # whatever it has done to this process
                break
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    end_process(0)


def _forked() -> None:
    global _guard
    _guard = threading.RLock()
    _workers.clear()
    _channels.clear()
    _shared_file.cache_clear()
    share.cache_clear()
    _forget_server()


os.register_at_fork(after_in_child=_forked)


def adopt(death_signal: int = 0) -> None:
    """Make orphaned descendants of this process its children.

    This function has an effect only on Linux.

    Args:
        death_signal: The signal that this process receives when its parent ends, or 0 for no
            signal.
    """
    if _prctl is not None:
        _prctl(_SUBREAPER, 1, 0, 0, 0)
        _prctl(_DEATH_SIGNAL, int(death_signal), 0, 0, 0)


def end_descendants() -> None:
    """Kill all child processes and their descendants."""
    with suppress(ChildProcessError):  # it has no child
        for _ in range(_ROUNDS):
            os.waitpid(-1, os.WNOHANG)
            descendants = family_of(psutil.Process())[1:]
            for process in descendants:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(descendants, timeout=1.0)


def _forget_server() -> None:
    """Disconnect from a fork server and its resource tracker, which then end by themselves."""
    server: Any = forkserver._forkserver
    if server._forkserver_alive_fd is not None:
        os.close(server._forkserver_alive_fd)
    server._forkserver_alive_fd = server._forkserver_address = (
        server._forkserver_pid
    ) = None
    tracker: Any = resource_tracker._resource_tracker
    if tracker._fd is not None:
        os.close(tracker._fd)
    tracker._fd = tracker._pid = None


def _failed(error: Exception) -> tuple[str, bytes]:
    error.add_note(
        f"In a worker process:\n{''.join(traceback.format_exception(error))}"
    )
    try:
        return "failed", cloudpickle.dumps(error)
    except Exception:  # noqa: BLE001 - an exception may hold anything
        return "failed", pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
