"""Locks between processes, which end with their holder.

The operating system keeps the lock, so a crash leaves nothing to clean up. A forked child does not
inherit it. The lock's file names the holder and is removed at the end.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from surrogate_nas.core.errors import UserError
from surrogate_nas.files.regular import open_regular

_FIRST_POLL_SECONDS = 0.001
_POLL_SECONDS = 0.02
"""How long is waited before a lock is tried again: at first, as for a line that another process
adds, and at most.
"""
_PATIENCE_SECONDS = 1.0
"""A shorter wait is not reported."""
_LONGEST = 1000
_MOST_PROCESSES = 2**32
"""The most bytes of a signature, and what no process's number reaches."""
_UNSIGNED = (ValueError, KeyError, TypeError, RecursionError)
"""What is raised where a lock's file holds no signature."""
_owners: dict[tuple[int, Path], int] = {}
"""The thread of this process that holds a lock or tries to: the system's locks do not tell threads
apart.
"""
_guard = threading.Lock()


class HeldError(UserError):
    """Another process, or another thread of this one, holds a lock.

    Example:
        >>> from threading import Thread
        >>> from tempfile import TemporaryDirectory
        >>> def claim(folder):
        ...     try:
        ...         with locked(Path(folder), what="the results", wait=False):
        ...             pass
        ...     except HeldError:
        ...         print("held by another thread")
        >>> with TemporaryDirectory() as folder, locked(Path(folder), what="the results"):
        ...     other = Thread(target=claim, args=[folder])
        ...     other.start()
        ...     other.join()
        held by another thread
    """


class Holder(NamedTuple):
    """Who holds a lock.

    Attributes:
        pid: The process.
        host: Its machine.
        since: When it took the lock, in seconds since 1970.

    Example:
        >>> Holder(pid=os.getpid(), host="here", since=0.0).host
        'here'
    """

    pid: int
    host: str
    since: float


def holder(path: Path) -> Holder | None:
    """The process that holds a file or folder now, found without its lock; None if none does.

    A process of another machine is believed, as it cannot be asked whether it lives.

    Args:
        path: What was given to `locked`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     before = holder(Path(folder))
        ...     with locked(Path(folder)):
        ...         before, holder(Path(folder)).pid == os.getpid()
        (None, True)
    """
    file = _lock_file(path)
    with _guard:  # to close any descriptor of a file gives up the locks that this process has on it
        try:
            since = file.stat().st_mtime
            if (os.getpid(), file) in _owners:
                return Holder(os.getpid(), platform.node(), since)
            with open_regular(file) as content:
                signed = json.loads(content.read(_LONGEST))
            signer = Holder(signed["pid"], str(signed["host"]), since)
        except (OSError, *_UNSIGNED):
            return None
    if type(signer.pid) is not int or not 0 < signer.pid < _MOST_PROCESSES:
        return None
    return signer if signer.host != platform.node() or _is_alive(signer.pid) else None


def _lock_file(path: Path) -> Path:
    whole = path.resolve()
    return whole / ".lock" if whole.is_dir() else whole.with_name(f".{whole.name}.lock")


@contextmanager
def locked(path: Path, *, what: str = "", wait: bool = True) -> Iterator[None]:
    """Hold a file or folder for this process alone while the block runs.

    Args:
        path: An existing folder, or a file, which need not exist; all who write it must lock the
            same path.
        what: How messages name it; its path if left out.
        wait: Whether to wait for another holder, saying once on standard error who that is.

    Raises:
        HeldError: Another holds it and `wait` is false.
        UserError: This thread holds it already, or its folder cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, locked(Path(folder), what="the results"):
        ...     with locked(Path(folder), what="the results", wait=False):
        ...         pass
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: This process is writing the results already.
    """
    what = what or str(path)
    try:
        file = _lock_file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(file, what, wait)
    except OSError as error:
        raise UserError(f"Cannot write {what}: {error.strerror or error}.") from error
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        os.close(descriptor)
        _disown(file)


def claim(file: Path) -> int | None:
    """The descriptor of a file that this process alone has locked, until it is closed; None where
    another process has.

    Who claims a file again before that loses it: the system takes both for one.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    if _lock(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _acquire(file: Path, what: str, wait: bool) -> int:
    """The descriptor of the locked file."""
    started = time.monotonic()
    pause = _FIRST_POLL_SECONDS
    is_reported = False
    while True:
        lock_or_holder = _try(file, what)
        if isinstance(lock_or_holder, int):
            return lock_or_holder
        if not wait:
            raise HeldError(
                f"{lock_or_holder} is writing {what}. Wait for its end, or choose another place."
            )
        if not is_reported and time.monotonic() - started > _PATIENCE_SECONDS:
            sys.stderr.write(f"Waiting for {lock_or_holder}, which is writing {what}.\n")
            is_reported = True
        time.sleep(pause)
        pause = min(2 * pause, _POLL_SECONDS)


def _try(file: Path, what: str) -> int | str:
    """The descriptor of the locked file, or who holds it."""
    if not _own(file, what):
        return "another thread of this process"
    lock_or_holder: int | str = ""
    try:
        lock_or_holder = _open_locked(file)
    finally:
        if isinstance(lock_or_holder, str):
            _disown(file)
    return lock_or_holder


def _open_locked(file: Path) -> int | str:
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _lock(descriptor):
                return _holder(descriptor)
            if _is_at(descriptor, file):  # else its last holder removed it after we opened it
                _sign(descriptor)
                locked_file = descriptor
                descriptor = -1
                return locked_file
        except OSError as error:
            if error.errno != errno.ESTALE:  # on another machine its last holder removed it
                raise
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def _own(file: Path, what: str) -> bool:
    """Enter this thread as owner, unless another of this process is."""
    with _guard:
        owner = _owners.setdefault((os.getpid(), file), -1)
        if owner == threading.get_ident():
            raise UserError(f"This process is writing {what} already.")
        if owner == -1:
            _owners[os.getpid(), file] = threading.get_ident()
        return owner == -1


def _disown(file: Path) -> None:
    with _guard:
        _owners.pop((os.getpid(), file), None)


def _is_at(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    signed = json.dumps({"pid": os.getpid(), "host": platform.node(), "since": now})
    with suppress(OSError):  # on a full disk it stays unsigned
        os.pwrite(descriptor, signed.encode(), 0)
        # not emptied before: ext4 would write a file to the disk that was, when it is closed
        os.ftruncate(descriptor, len(signed.encode()))


def _holder(descriptor: int) -> str:
    try:
        signed = json.loads(os.pread(descriptor, _LONGEST, 0))
        return f"process {signed['pid']} on {signed['host']} (since {signed['since']})"
    except _UNSIGNED:  # it is just signing
        return "another process"


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # far from what is written
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _is_alive(pid: int) -> bool:  # noqa: ARG001 - signal 0 would end it there
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _is_alive(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            return True
        return True
