"""Locks between processes. A lock ends with the process that owns it.

The operating system manages the locks, so a crash leaves nothing to clean up. A forked child does
not inherit a lock. The lock file names the process that owns the lock, and is removed with the
lock.
"""

import json
import os
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from surrogate_nas.core import UserError
from surrogate_nas.files.whole import open_regular

_POLL_SECONDS = 0.02
# A shorter wait is not reported
_PATIENCE_SECONDS = 1.0
_LONGEST = 1000
# the most bytes of a signature, and a number that no process reaches
_MOST_PROCESSES = 2**31
_locks: set[tuple[int, int, Path]] = set()


class HeldError(UserError):
    """Another process, or another thread of this process, owns the lock."""


class Holder(NamedTuple):
    """The process that owns a lock.

    Attributes:
        pid: Number of the process.
        host: Name of the machine that the process runs on.
        since: Time when the process acquired the lock, in seconds since 1970.
    """

    pid: int
    host: str
    since: float

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since).astimezone()
        return f"process {self.pid} on {self.host} (since {since:%Y-%m-%d %H:%M:%S%z})"


def holder(path: Path) -> Holder | None:
    """Return the process that owns the lock of a file or folder, or None if no process owns it.

    The function `holder` does not acquire the lock. A process on another machine is assumed to be
    alive.

    Args:
        path: The path that was passed to `locked`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     before = holder(Path(folder))
        ...     with locked(Path(folder)):
        ...         before, holder(Path(folder)).pid == os.getpid()
        (None, True)
    """
    from psutil import pid_exists

    errors = (OSError, ValueError, KeyError, TypeError, RecursionError)
    with suppress(*errors), open_regular(_lock_file(path)) as content:
        signed = json.loads(content.read(_LONGEST))
        pid, host = signed["pid"], str(signed["host"])
        is_process = type(pid) is int and 0 < pid < _MOST_PROCESSES
        if is_process and (host != platform.node() or pid_exists(pid)):
            return Holder(pid, host, os.fstat(content.fileno()).st_mtime)
    return None


def _lock_file(path: Path) -> Path:
    whole = path.resolve()
    return whole / ".lock" if whole.is_dir() else whole.with_name(f".{whole.name}.lock")


@contextmanager
def locked(path: Path, *, what: str = "", wait: bool = True) -> Iterator[None]:
    """Lock a file or folder for this process while the block runs.

    Args:
        path: An existing folder, or a file, which need not exist yet. All writers must lock the
            same path.
        what: The name of the file or folder in messages, or empty to show its path.
        wait: Whether to wait until another owner releases the lock. The wait is reported once on
            standard error.

    Raises:
        HeldError: Another process or thread owns the lock and `wait` is false.
        UserError: The calling thread already owns the lock, or the folder cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with (
        ...     TemporaryDirectory() as folder,
        ...     locked(Path(folder), what="the results"),
        ... ):
        ...     isinstance(holder(Path(folder)), Holder)
        True
    """
    from filelock import FileLock, Timeout

    what = what or str(path)
    file = _lock_file(path)
    key = os.getpid(), threading.get_ident(), file
    if key in _locks:
        raise UserError(f"This process is writing {what} already.")
    lock = FileLock(file, thread_local=False, poll_interval=_POLL_SECONDS)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=_PATIENCE_SECONDS if wait else 0)
        except Timeout:
            owner = holder(path) or "another process"
            if not wait:
                raise HeldError(
                    f"{owner} is writing {what}. Wait until it ends, or choose another place."
                ) from None
            sys.stderr.write(f"Waiting for {owner}, which is writing {what}.\n")
            lock.acquire()
        _locks.add(key)
        # on a full disk it stays unsigned
        # not emptied before: ext4 would write a file to the disk that was, when it is closed
        with suppress(OSError), open(file, "r+") as signed:
            json.dump({"pid": os.getpid(), "host": platform.node()}, signed)
            signed.truncate()
    except OSError as error:
        raise UserError(f"Cannot write {what}: {error.strerror or error}.") from error
    try:
        yield
    finally:
        _locks.discard(key)
        with suppress(OSError):
            file.unlink()
        lock.release()
