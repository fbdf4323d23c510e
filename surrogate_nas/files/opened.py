"""Records of the files in a folder that Python code opens, based on Python's audit events.

Files that forked processes open are recorded, too. Files that are opened by other programs, or
directly by a library such as HDF5 or SQLite, are not recorded. Files of installed packages, of the
data directory and of hidden folders are not recorded either.
"""

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from hashlib import file_digest
from importlib.util import source_from_cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

from surrogate_nas.files.whole import home

MISSING = "missing"
"""The digest of a file that does not exist."""
_PACKAGE = Path(__file__).resolve().parents[1]
_WRITING = os.O_WRONLY | os.O_RDWR


class State(NamedTuple):
    """The version of a file, identified by the file's metadata.

    All fields are 0 for a file that does not exist.

    Attributes:
        size: Size of the file in bytes.
        written: Time when the content last changed, in nanoseconds.
        changed: Time when the content, name or mode last changed, in nanoseconds.
        number: Inode number.
    """

    size: int = 0
    written: int = 0
    changed: int = 0
    number: int = 0


def state_of(file: str | Path) -> State:
    """Return the present version of a file."""
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return State()
    return State(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def digest_of(file: str | Path, state: State) -> str:
    """Return the SHA-256 of a version of a file. Each process reads every version only once."""
    return MISSING if state == State() else _digest(file, state)


@lru_cache(maxsize=100_000)
def _digest(file: str | Path, state: State) -> str:
    try:
        with open(file, "rb") as content:
            return file_digest(content, "sha256").hexdigest()
    except OSError:
        return MISSING


class Opened:
    """A record of the files in a folder that Python code opens.

    Attributes:
        folder: The folder.
        read: The version of each file that was opened for reading, by file name in the folder.
        written: The names of files that were opened for writing or replaced.
        begun: Time when recording began, in nanoseconds, measured by the clock of the file system.
    """

    def __init__(self, folder: Path) -> None:
        """Start to record the files that this thread, and threads that it starts, open."""
        self.folder = folder.absolute()
        self.read: dict[str, State] = {}
        self.written: set[str] = set()
        self._roots = {
            os.path.join(os.path.abspath(folder), ""),
            os.path.join(folder.resolve(), ""),
        }
        aside = (sys.prefix, sys.base_prefix, home(), _PACKAGE)
        self._aside = tuple(os.path.join(os.path.realpath(path), "") for path in aside)
        self._process = os.getpid()
        current = threading.get_ident()
        self._others = {thread.ident for thread in threading.enumerate()} - {current}
        self._forked = TemporaryFile(buffering=0)
        self.begun = os.fstat(self._forked.fileno()).st_mtime_ns

    def note(self, path: Any, *, is_written: bool) -> None:
        """Record that code opens a path. `path` is the argument of `open`."""
        if isinstance(path, int) or threading.get_ident() in self._others:
            return
        path = os.fsdecode(path)
        if path.endswith(".pyc"):
            path = "" if is_written else source_from_cache(path)
        name = self._name(path) if path else ""
        if not name:
            return
        if os.getpid() == self._process:
            self._take(name, is_written)
        else:
            self._forked.write(json.dumps([name, is_written]).encode() + b"\n")

    def _take(self, name: str, is_written: bool) -> None:
        if is_written:
            self.written.add(name)
        else:
            self.read.setdefault(name, state_of(self.folder / name))

    def _name(self, path: str) -> str:
        """Return the path relative to the folder; empty if the file does not count."""
        parent, last = os.path.split(os.path.abspath(path))
        wholes = {os.path.join(p, last) for p in (parent, os.path.realpath(parent))}
        for whole, root in product(wholes, self._roots):
            if whole.startswith(root) and not whole.startswith(self._aside):
                inside = whole[len(root) :]
                is_hidden = any(part[:1] == "." for part in inside.split(os.sep)[:-1])
                return "" if is_hidden else inside
        return ""

    def close(self) -> None:
        """Add the files that forked processes opened, and end the record."""
        self._forked.seek(0)
        for line in self._forked.read().splitlines():
            with suppress(ValueError):
                self._take(*json.loads(line))
        self._forked.close()


_listening: list[Opened] = []


@contextmanager
def heard(folder: Path) -> Iterator[Opened]:
    """Record the files in a folder that are opened in the block.

    Yields:
        The record, which is complete after the block.
    """
    opened = Opened(folder)
    try:
        with hearing(opened):
            yield opened
    finally:
        opened.close()


@contextmanager
def hearing(*files: Opened) -> Iterator[None]:
    """Add the files that are opened in the block to existing records."""
    _install()
    _listening.extend(files)
    try:
        yield
    finally:
        for opened in files:
            _listening.remove(opened)


@cache
def _install() -> None:
    """Add the audit hook. Python has no way to remove it."""
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _listening or event not in ("open", "os.rename"):
        return
    with suppress(Exception):  # an error here would fail the opening
        is_written = event == "os.rename" or bool(arguments[2] & _WRITING)
        for opened in tuple(_listening):
            opened.note(arguments[event == "os.rename"], is_written=is_written)
