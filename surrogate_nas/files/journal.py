"""Append-only files of JSON lines that survive any crash: `Journal`, and the `Chain` below it.

Each line is sealed by a short digest of itself and of the seal before it, so an altered, lost,
moved or foreign line shows. A last line that a crash left torn is dropped. One process writes at a
time; a second one waits. Lines reach the disk in groups, by a thread where no further line follows:
a crash, even a power cut, can lose only the lines of the last fifth of a second, never those before
a ``commit``. The first line of a
journal describes the work; neither another work's file nor a damaged one is ever continued.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, Self

from surrogate_nas.core.errors import UserError
from surrogate_nas.files.formats import FORMATS, check_first_line, stamp
from surrogate_nas.files.locks import locked
from surrogate_nas.files.regular import read_regular
from surrogate_nas.files.replacing import sync, sync_path

_ROOT = f"journal {FORMATS['journal'].version}"
GROUP_SECONDS = 0.2
"""How long lines may wait in memory for those that follow."""
_SEAL = b', "seal": "'
_CLOSE = b'"}'
_DIGITS = 16
_encode = json.JSONEncoder(check_circular=False).encode
_TAIL = len(_SEAL) + _DIGITS + len(_CLOSE)


class DamagedError(ValueError):
    """A file of sealed lines is not as it was written."""


class Link(NamedTuple):
    """One line: its fields, where it ends in the file, and its seal."""

    entry: dict[str, Any]
    end: int
    seal: bytes


Accept = Callable[[list[dict[str, Any]]], int]


def _sealed(seal: bytes, body: bytes) -> bytes:
    """The seal of a line after another's."""
    return blake2b(seal + body, digest_size=_DIGITS // 2).hexdigest().encode()


def read_chain(content: bytes, root: str) -> list[Link]:
    """Check and parse the whole lines of a file.

    Raises:
        DamagedError: A line is not as it was written, or the file is of another work.
    """
    *lines, torn = content.split(b"\n")
    if len(torn.partition(_SEAL)[2]) > _DIGITS + len(_CLOSE):
        raise DamagedError(f"line {len(lines) + 1} goes on after its seal")
    seal = root.encode()
    end = 0
    bodies = list[bytes]()
    ends = list[tuple[int, bytes]]()
    for number, line in enumerate(lines, 1):
        body = line[:-_TAIL] + b"}"
        seal = _sealed(seal, body)
        if line[-_TAIL:] != _SEAL + seal + _CLOSE:
            _entries(bodies)  # what is wrong before is said first
            raise DamagedError(f"line {number} is not as it was written")
        end += len(line) + 1
        bodies.append(body)
        ends.append((end, seal))
    return [Link(entry, *place) for entry, place in zip(_entries(bodies), ends, strict=True)]


def unsealed(content: bytes, root: str) -> bytes:
    """The whole lines of a file without their seals, which `sealed` gives back.

    Args:
        content: Of the file.
        root: What its first seal follows.

    Raises:
        DamagedError: A line is not as it was written, or the file is of another work.
    """
    links = read_chain(content, root)
    lines = content.split(b"\n")[: len(links)]
    return b"".join(line[:-_TAIL] + b"}\n" for line in lines)


def sealed(content: bytes, root: str) -> bytes:
    """The lines that `unsealed` gave, with their seals.

    Args:
        content: Those lines.
        root: What the first seal follows.
    """
    seal = root.encode()
    lines = []
    for body in content.split(b"\n")[:-1]:
        seal = _sealed(seal, body)
        lines.append(_with_seal(body, seal))
    return b"".join(lines)


def _with_seal(body: bytes, seal: bytes) -> bytes:
    return body[:-1] + _SEAL + seal + _CLOSE + b"\n"


def _entries(bodies: list[bytes]) -> list[dict[str, Any]]:
    """The fields of lines, parsed at once; one by one only to say which of them is none."""
    try:
        entries: list[Any] = json.loads(b"[" + b",".join(bodies) + b"]")
        if len(entries) == len(bodies) and all(isinstance(entry, dict) for entry in entries):
            return entries
    except (ValueError, RecursionError):
        pass
    entries = []
    for number, body in enumerate(bodies, 1):
        try:
            entries.append(json.loads(body))
        except (ValueError, RecursionError) as error:
            raise DamagedError(f"line {number} is no JSON") from error
        if not isinstance(entries[-1], dict):
            raise DamagedError(f"line {number} holds no fields")
    return entries


class Chain:
    """One writer's file of sealed lines, open for appending.

    Attributes:
        path: The file.
        entries: What its lines held when it was opened, those that were dropped left out.
    """

    def __init__(self, path: Path, root: str, accept: Accept = len) -> None:
        """Open or make the file, dropping a torn last line; waits for another process with it.

        Raises:
            DamagedError: A line is not as it was written, or the file is of another work.
            OSError: It cannot be read or written.
            UserError: It cannot be locked.
        """
        self.path = path
        self._waiting: list[bytes] = []
        self._broken = False
        self._late: OSError | None = None
        self._guard = threading.RLock()
        self._timer: threading.Timer | None = None
        with ExitStack() as stack:
            stack.enter_context(locked(path))
            self._is_new = not path.exists()
            content = b"" if self._is_new else read_regular(path)
            links = read_chain(content, root)
            links = links[: accept([link.entry for link in links])]
            self.entries = [link.entry for link in links]
            self._length, self._seal = (
                (links[-1].end, links[-1].seal) if links else (0, root.encode())
            )
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            stack.callback(os.close, self._file)
            if self._length < len(content):
                os.ftruncate(self._file, self._length)
            self._committed = time.monotonic()
            self._open = stack.pop_all()

    def append(self, entry: dict[str, Any]) -> None:
        """Add a line; it reaches the disk within a fifth of a second.

        Raises:
            OSError: The disk is full.
        """
        self.append_all([entry])

    def append_all(self, entries: list[dict[str, Any]]) -> None:
        """Add lines.

        Raises:
            OSError: The disk is full.
        """
        with self._guard:
            self._raise_late()
            if self._broken:
                raise OSError(errno.EIO, "an earlier write failed")
            for entry in entries:
                body = _encode(entry).encode()
                self._seal = _sealed(self._seal, body)
                self._waiting.append(_with_seal(body, self._seal))
            if time.monotonic() - self._committed >= GROUP_SECONDS:
                self.commit()
            elif self._timer is None:
                self._timer = threading.Timer(GROUP_SECONDS, self._commit_late)
                self._timer.daemon = True
                self._timer.start()

    def commit(self) -> None:
        """Wait until every line is on the disk.

        Raises:
            OSError: The disk is full.
        """
        with self._guard:
            self._raise_late()
            content = b"".join(self._waiting)
            self._waiting = []
            length = len(content)
            if not content:
                return
            try:
                while content:
                    content = content[os.write(self._file, content) :]
                sync(self._file)
            except OSError:
                self._broken = True
                os.ftruncate(self._file, self._length)
                raise
            self._length += length
            self._committed = time.monotonic()

    def _commit_late(self) -> None:
        """Commit lines that no further line has followed; the next call raises what fails."""
        with self._guard:
            self._timer = None
            try:
                self.commit()
            except OSError as error:
                self._late = error

    def _raise_late(self) -> None:
        error = self._late
        self._late = None
        if error is not None:
            raise error

    def close(self) -> None:
        """Commit, unless that failed before, and let the file go.

        Raises:
            OSError: The disk is full.
        """
        with self._open, self._guard:
            if self._late or not self._broken:
                self.commit()
                if self._is_new:
                    sync_path(self.path.parent)


class Journal:
    """One writer's file, open for appending; without a path everything stays in memory.

    Attributes:
        path: The file, or None.
        header: The first line: of the work when it began.
        entries: The further lines, those appended included.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "work.journal"
        ...     with Journal(path, {"epochs": 12}) as journal:
        ...         journal.append({"cell": 11, "error": 8.5})
        ...     with Journal(path, {"epochs": 12}) as journal:  # after a crash: goes on
        ...         journal.append({"cell": 12, "error": 7.9})
        ...     [entry["cell"] for entry in Journal.read(path, {"epochs": 12})]
        [11, 12]
    """

    def __init__(
        self,
        path: Path | None,
        settings: dict[str, Any],
        notes: dict[str, Any] | None = None,
    ) -> None:
        """Begin, or go on where an earlier process stopped.

        Args:
            path: The file; None to keep nothing.
            settings: What must agree for the work to go on.
            notes: Further content of the first line, which need not agree.

        Raises:
            UserError: The file cannot be written, is damaged, or is of another work.
        """
        self.path = path
        self.header: dict[str, Any] = json.loads(
            json.dumps({"settings": settings, **(notes or {})})
        )
        self.entries: list[Any] = []
        self._chain: Chain | None = None
        if path is None:
            return
        try:
            check_first_line(path)
            self._chain = Chain(path, _ROOT, self._accept)
            if not self._chain.entries:
                self._chain.append({**stamp("journal"), **self.header})
        except DamagedError as error:
            raise self.damaged(error) from error
        except OSError as error:
            raise self._cannot_write(error) from error

    @classmethod
    def read(cls, path: Path, settings: dict[str, Any]) -> list[Any]:
        """The entries of a journal so far, even while another process appends; none without a file.

        Args:
            path: The file.
            settings: What must agree.

        Raises:
            UserError: The file cannot be read, is damaged, or is of another work.
        """
        journal = cls(None, settings)
        journal.path = path
        try:
            check_first_line(path)
            journal._accept([link.entry for link in read_chain(read_regular(path), _ROOT)])
        except FileNotFoundError:
            return []
        except DamagedError as error:
            raise journal.damaged(error) from error
        except OSError as error:
            raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
        return journal.entries

    def _accept(self, lines: list[dict[str, Any]]) -> int:
        if not lines:
            return 0
        wanted = self.header["settings"]
        try:
            self.header = lines[0]
            self.entries = [line["entry"] for line in lines[1:]]
            stored = dict(self.header["settings"])
        except (ValueError, KeyError, TypeError) as error:
            raise self.damaged(error) from error
        if stored != wanted:
            differing = ", ".join(
                sorted(key for key in {*stored, *wanted} if stored.get(key) != wanted.get(key))
            )
            raise UserError(
                f"{self.path} holds interrupted work with other settings ({differing}). "
                "Finish that, delete it, or choose another place."
            )
        return len(lines)

    def damaged(self, error: Exception) -> UserError:
        """What to raise where a line is not what it should be.

        Args:
            error: What is wrong with it.
        """
        return UserError(f"{self.path} is damaged ({error}). Delete it to begin anew.")

    def append(self, entry: Any) -> None:
        """Add a line, which is on the disk a fifth of a second later.

        Args:
            entry: Anything that JSON can hold.

        Raises:
            UserError: The disk is full.
        """
        if self._chain is not None:
            try:
                self._chain.append({"entry": entry})
            except OSError as error:
                raise self._cannot_write(error) from error
        self.entries.append(entry)

    def commit(self) -> None:
        """Wait until every line is safe on the disk.

        Raises:
            UserError: The disk is full.
        """
        if self._chain is not None:
            try:
                self._chain.commit()
            except OSError as error:
                raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> UserError:
        return UserError(
            f"Cannot write {self.path}: {error.strerror or error}. What was finished is kept."
        )

    def close(self) -> None:
        """Close the file; where nothing was added to its first line, remove it.

        Raises:
            UserError: The disk is full.
        """
        if self._chain is None or self.path is None:
            return
        chain = self._chain
        self._chain = None
        try:
            if not self.entries:
                self.path.unlink(missing_ok=True)
            chain.close()
        except OSError as error:
            raise self._cannot_write(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
