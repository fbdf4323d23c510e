"""Append-only files of JSON lines that survive crashes: `Journal`, and `Chain`, on which it builds.

Each line of a file ends with a short checksum of the line and of the previous line's checksum, so
that an altered, lost, moved or foreign line is detected. When a file is opened, an incomplete last
line is dropped. Only one process writes to a file at a time, and a second process waits. A line is
in the file when ``append`` returns, so a killed process loses no line. A power cut can lose the
lines since the last ``commit``. ``append`` commits if the last commit is at least 0.2 s ago. The
first line of a journal describes the computation whose results the journal stores. A damaged file,
or the file of another computation, is never continued.
"""

import errno
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import msgspec

from surrogate_nas.core import UserError
from surrogate_nas.files.formats import FORMATS, check_first_line, stamp
from surrogate_nas.files.locks import locked
from surrogate_nas.files.whole import read_regular, sync, sync_path

_ROOT = f"journal {FORMATS['journal'].version}"
# how long lines wait for the disk while further ones follow
_COMMIT_SECONDS = 0.2
DAMAGE = "({}). Delete it to start from scratch."
_SEAL = b', "seal": "'
_CLOSE = b'"}'
_DIGITS = 16
_encode = json.JSONEncoder(check_circular=False).encode
_TAIL = len(_SEAL) + _DIGITS + len(_CLOSE)


class DamagedError(ValueError):
    """A file of lines with checksums is damaged: it is not as it was written."""


Entry = dict[str, Any]
"""The fields of a line."""


def _sealed(seal: bytes, body: bytes) -> bytes:
    return blake2b(seal + body, digest_size=_DIGITS // 2).hexdigest().encode()


def read_chain(content: bytes, root: str) -> list[Entry]:
    """Check the checksums of a file's complete lines, and parse the lines.

    Raises:
        DamagedError: A line is not as it was written, or the file belongs to another computation.
    """
    *lines, torn = content.split(b"\n")
    if len(torn.partition(_SEAL)[2]) > _DIGITS + len(_CLOSE):
        raise DamagedError(f"line {len(lines) + 1} continues after its checksum")
    seal = root.encode()
    entries = []
    for number, line in enumerate(lines, 1):
        body = line[:-_TAIL] + b"}"
        seal = _sealed(seal, body)
        if line[-_TAIL:] != _SEAL + seal + _CLOSE:
            raise DamagedError(f"line {number} is not as it was written")
        entry = None
        try:
            entry = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):  # it holds NaN, or is no JSON
            with suppress(ValueError, RecursionError):
                entry = json.loads(body)
        if not isinstance(entry, dict):
            raise DamagedError(f"line {number} is not a JSON object")
        entries.append(entry)
    return entries


@contextmanager
def reported(path: Path | None, damage: str, verb: str = "write") -> Iterator[None]:
    """Convert read, write and damage errors of a file in the block to a `UserError`.

    Args:
        path: The file.
        damage: The text that follows "is damaged" in the message. {} stands for the details.
        verb: The verb for the operation in the message "Cannot write …".
    """
    try:
        yield
    except DamagedError as error:
        raise UserError(f"{path} is damaged {damage.format(error)}") from error
    except OSError as error:
        why = error.strerror or error
        raise UserError(
            f"Cannot {verb} {path}: {why}. Finished work is kept; repeat the command to resume."
        ) from error


def unsealed(content: bytes, root: str) -> bytes:
    """Return the complete lines of a file without checksums. `sealed` can restore the checksums.

    Raises:
        DamagedError: A line is not as it was written, or the file belongs to another computation.
    """
    lines = content.split(b"\n")[: len(read_chain(content, root))]
    return b"".join(line[:-_TAIL] + b"}\n" for line in lines)


def sealed(content: bytes, root: str) -> bytes:
    """Add the checksums to lines that `unsealed` returned."""
    return _chained(content.split(b"\n")[:-1], root.encode())[0]


def _chained(bodies: Iterable[bytes], seal: bytes) -> tuple[bytes, bytes]:
    lines = []
    for body in bodies:
        seal = _sealed(seal, body)
        lines.append(body[:-1] + _SEAL + seal + _CLOSE + b"\n")
    return b"".join(lines), seal


class Chain:
    """An append-only file of lines with checksums, which one process has open for writing.

    Attributes:
        path: The file.
        entries: The entries that the file contained when it was opened, without dropped lines.
    """

    def __init__(
        self,
        path: Path,
        root: str,
        accept: Callable[[list[Entry]], int] = len,
        damage: str = DAMAGE,
    ) -> None:
        """Open or create the file, and drop an incomplete last line.

        If another process has the file open, wait for it.

        Args:
            path: The file.
            root: The text from which the first checksum is computed.
            accept: Returns how many of the given entries to keep.
            damage: The text of a message on damage, as `reported` takes it.

        Raises:
            UserError: The file is damaged, belongs to other work, or cannot be read, written or
                locked.
        """
        self.path = path
        self._broken = False
        self._reported = partial(reported, path, damage)
        with self._reported(), ExitStack() as stack:
            stack.enter_context(locked(path))
            self._is_new = not path.exists()
            content = b"" if self._is_new else read_regular(path)
            entries = read_chain(content, root)
            self.entries = entries[: accept(entries)]
            lines = content.split(b"\n")[: len(self.entries)]
            self._length = sum(map(len, lines)) + len(lines)
            ends = lines[-1][-_TAIL:] if lines else b""
            self._seal = ends[len(_SEAL) : -len(_CLOSE)] or root.encode()
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            stack.callback(os.close, self._file)
            if self._length < len(content):
                os.ftruncate(self._file, self._length)
            self._committed = time.monotonic()
            self._open = stack.pop_all()

    def append(self, *entries: Entry) -> None:
        """Append lines.

        Raises:
            UserError: The disk is full.
        """
        content, seal = _chained(
            (_encode(entry).encode() for entry in entries), self._seal
        )
        length = self._length + len(content)
        with self._reported():
            if self._broken:
                raise OSError(errno.EIO, "an earlier write failed")
            try:
                while content:
                    content = content[os.write(self._file, content) :]
            except OSError:
                self._broken = True
                os.ftruncate(self._file, self._length)
                raise
        self._length, self._seal = length, seal
        if time.monotonic() - self._committed >= _COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Wait until every line is on the disk.

        Raises:
            UserError: The disk is full.
        """
        with self._reported():
            sync(self._file)
        self._committed = time.monotonic()

    def close(self) -> None:
        """Commit, unless a write failed before, and close the file.

        Raises:
            UserError: The disk is full.
        """
        with self._reported(), self._open:
            if not self._broken:
                self.commit()
                if self._is_new:
                    sync_path(self.path.parent)


class Journal:
    """A journal of a long computation, which one process has open for writing.

    Without a path, the journal is in memory only.

    Attributes:
        path: The file of the journal, or None for a journal in memory.
        header: The content of the first line, which describes the computation.
        entries: The entries of all further lines, including appended lines.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "work.journal"
        ...     with Journal(path, {"epochs": 12}) as journal:
        ...         journal.append({"cell": 11, "error": 8.5})
        ...     Journal.read(path, {"epochs": 12})
        [{'cell': 11, 'error': 8.5}]
    """

    def __init__(
        self,
        path: Path | None,
        settings: dict[str, Any],
        notes: dict[str, Any] | None = None,
    ) -> None:
        """Start the work, or resume where an earlier process stopped.

        Args:
            path: The file; None to store nothing.
            settings: The settings of the work. To resume, they must equal those in the file.
            notes: Further content of the first line, which may differ.

        Raises:
            UserError: The file cannot be written, is damaged, or belongs to other work.
        """
        self.path = path
        self.header: dict[str, Any] = json.loads(
            json.dumps({"settings": settings, **(notes or {})})
        )
        self.entries: list[Any] = []
        self._chain: Chain | None = None
        if path is None:
            return
        check_first_line(path)
        self._chain = Chain(path, _ROOT, self._accept)
        if not self._chain.entries:
            self._chain.append({**stamp("journal"), **self.header})

    @classmethod
    def read(cls, path: Path, settings: dict[str, Any]) -> list[Any]:
        """Return the present entries of a journal.

        Another process may append to the journal at the same time. If the file does not exist, the
        list is empty.

        Raises:
            UserError: The file cannot be read, is damaged, or belongs to another computation.
        """
        journal = cls(None, settings)
        journal.path = path
        with reported(path, DAMAGE, "read"):
            try:
                content = read_regular(path)
            except FileNotFoundError:
                return []
            check_first_line(path)
            journal._accept(read_chain(content, _ROOT))
        return journal.entries

    def _accept(self, lines: list[Entry]) -> int:
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
            names = sorted({*stored, *wanted})
            differing = ", ".join(n for n in names if stored.get(n) != wanted.get(n))
            raise UserError(
                f"{self.path} contains interrupted work with other settings ({differing}). "
                "Finish that work, delete the file, or choose another place."
            )
        return len(lines)

    def damaged(self, error: Exception) -> UserError:
        """Build the error for an invalid line of the journal."""
        return UserError(f"{self.path} is damaged {DAMAGE.format(error)}")

    def append(self, entry: Any) -> None:
        """Append a line with any JSON content.

        The docstring of the module says what a power cut can lose.

        Raises:
            UserError: The disk is full.
        """
        if self._chain is not None:
            self._chain.append({"entry": entry})
        self.entries.append(entry)

    def commit(self) -> None:
        """Wait until every line is on the disk.

        Raises:
            UserError: The disk is full.
        """
        if self._chain is not None:
            self._chain.commit()

    def close(self) -> None:
        """Close the file. Remove the file if it contains no entries.

        Raises:
            UserError: The disk is full.
        """
        chain, self._chain = self._chain, None
        if chain is not None:
            if not self.entries:
                chain.path.unlink(missing_ok=True)
            chain.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
