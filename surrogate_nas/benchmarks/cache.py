"""The cache of live training: a table of SQLite that several processes add to.

Nothing is trained twice. An answer is on the disk before the process that made it uses it. Of two
answers to one question the first stands. Each answer is stored with its question and a checksum of
both; a damaged one is dropped with one line and trained again.

SQLite keeps its default journal. Its write-ahead log needs memory that all processes share, so it
would fail where several machines share a network file system.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.files.formats import RELEASE, check_version, stamp

Key: TypeAlias = tuple[str, int, int]
"""Cell, epochs and seed."""
_CURVE = "curve"
_PATIENCE_SECONDS = 600.0
"""How long a process waits for others that write."""
_IS_MADE = "SELECT 1 FROM sqlite_master WHERE name = 'answers'"
_MAKE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, value BLOB NOT NULL)"
_ADD = "INSERT OR IGNORE INTO answers VALUES (?, ?)"
_FIND = "SELECT value FROM answers WHERE key = ?"
_DROP = "DELETE FROM answers WHERE key = ? AND CAST(value AS BLOB) = ?"
_ALL = "SELECT value FROM answers"
_DAMAGES = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


class Trained(NamedTuple):
    """What is kept of one training.

    Attributes:
        metrics: By name, at its end.
        seconds: What it took, from its first epoch on.
        curve: Where it is a point of a training that goes on, which training that is; else empty.
    """

    metrics: dict[str, float]
    seconds: float
    curve: str = ""


class AnswerCache:
    """The answers of one file."""

    def __init__(self, path: Path) -> None:
        """Name the file.

        Args:
            path: A database, which need not exist. Lines that an earlier version stored in a file
                of the same name with the suffix ``.jsonl`` are taken over when it is made.
        """
        self.path = path
        self._old = path.with_suffix(".jsonl")
        self._answers: dict[Key, Trained] = {}

    def find(self, key: Key) -> Trained | None:
        """The answer to a question, from this process or any other; None without one.

        Args:
            key: Cell, epochs and seed.

        Raises:
            UserError: The file cannot be read, or a newer release wrote it.
        """
        if key not in self._answers and (self.path.exists() or self._old.exists()):
            with self._opened() as database:
                for (value,) in database.execute(_FIND, [_text(key)]).fetchall():
                    if (answer := self._checked(key, value)) is None:
                        self._drop(database, key, value)
                    else:
                        self._answers[key] = answer
        return self._answers.get(key)

    def add(self, key: Key, trained: Trained, made_with: Mapping[str, str]) -> Trained:
        """Keep an answer, and give the one that stands: another process's, where that was first.

        Args:
            key: Cell, epochs and seed.
            trained: The answer.
            made_with: Libraries and their versions, which are noted beside it.

        Raises:
            UserError: The file cannot be written.
        """
        self.add_all({key: trained}, made_with)
        return self.find(key) or trained

    def add_all(self, trained: Mapping[Key, Trained], made_with: Mapping[str, str]) -> None:
        """Keep several answers, all of them or, after a crash, none.

        Args:
            trained: The answers by cell, epochs and seed; what is there already stays.
            made_with: Libraries and their versions, which are noted beside each.

        Raises:
            UserError: The file cannot be written.
        """
        rows = [(_text(key), _line(key, answer, made_with)) for key, answer in trained.items()]
        with self._opened() as database, database:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(_ADD, rows)

    def exceeds(self, metric: str, limit: float) -> bool:
        """Return whether any answer has a larger value of a metric.

        Args:
            metric: Its name.
            limit: The value, in the metric's unit.
        """
        if not self.path.exists() and not self._old.exists():
            return False
        with self._opened() as database:
            for (value,) in database.execute(_ALL):
                with suppress(*_DAMAGES):
                    if _unsealed(value)[3].get(metric, limit) > limit:
                        return True
        return False

    def _drop(self, database: sqlite3.Connection, key: Key, value: object) -> None:
        sys.stderr.write(
            f"The answer for {key[0]} in {self.path} is damaged: it is dropped, and the cell is"
            " trained again.\n"
        )
        database.execute(_DROP, [_text(key), value])

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The database for the block, each statement a transaction of its own."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=_PATIENCE_SECONDS, isolation_level=None)
            with closing(connection) as database:
                database.text_factory = bytes
                if database.execute(_IS_MADE).fetchone() is None:
                    with database:
                        database.execute("BEGIN IMMEDIATE")
                        database.execute(_MAKE)
                        database.executemany(_ADD, self._old_lines())
                yield database
        except (OSError, sqlite3.OperationalError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"Cannot write {self.path}: {reason}. It needs a file system with room and with"
                f" file locks; {HOME_VARIABLE} names another folder."
            ) from error
        except sqlite3.Error as error:
            raise UserError(
                f"{self.path} is damaged ({error}). Delete it: what it held is trained again when"
                " it is asked for."
            ) from error

    def _old_lines(self) -> Iterator[tuple[str, bytes]]:
        """The answers of the file of lines that earlier versions wrote; a torn last one is left
        out.
        """
        content = self._old.read_bytes() if self._old.exists() else b""
        for number, line in enumerate(content.split(b"\n")[:-1], 1):
            try:
                cell, epochs, seed, *_ = _unsealed(line)
            except _DAMAGES as error:
                raise UserError(
                    f"Line {number} of {self._old} is damaged; delete that line or the file."
                ) from error
            yield _text((cell, epochs, seed)), line

    def _checked(self, key: Key, value: object) -> Trained | None:
        try:
            *question, metrics, seconds, notes = _unsealed(value)
            version, release = notes.get("version", 1), notes.get(RELEASE)
            trained = Trained(metrics, seconds, str(notes.get(_CURVE, "")))
        except _DAMAGES:
            return None
        check_version(self.path, "answers", version, release)
        return trained if tuple(question) == key else None


def _text(key: Key) -> str:
    return json.dumps(key)


def _line(key: Key, trained: Trained, made_with: Mapping[str, str]) -> bytes:
    notes = {**stamp("answers"), **made_with}
    if trained.curve:
        notes[_CURVE] = trained.curve
    return _sealed(json.dumps([*key, trained.metrics, trained.seconds, notes]))


def _sealed(text: str) -> bytes:
    return f"{_checksum(text.encode())} {text}".encode()


def _unsealed(line: Any) -> Any:
    """The content of a sealed line.

    Raises:
        ValueError: It is not as it was written.
    """
    checksum, _, text = line.partition(b" ")
    if checksum != _checksum(text).encode():
        raise ValueError("the checksum is another")
    return json.loads(text)


def _checksum(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]
