"""The cache of live training: a file of lines that several processes append to.

Nothing is trained twice. A line carries a checksum of its own, so the lines of two files can be put
together, and is on the disk before the process that made it uses its answer. A last line that a
crash left torn is dropped. Of two answers to one question the first stands.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, TypeAlias

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import locked
from surrogate_nas.files.formats import RELEASE, check_version, stamp

Key: TypeAlias = tuple[str, int, int]
"""Cell, epochs and seed."""
_CURVE = "curve"


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
            path: Of lines, each with its checksum; it need not exist.
        """
        self.path = path
        self._answers: dict[Key, Trained] = {}
        self._read_to = self._lines = 0

    def find(self, key: Key) -> Trained | None:
        """The answer to a question, from this process or any other; None without one.

        Args:
            key: Cell, epochs and seed.
        """
        if key not in self._answers:
            self._read()
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
        return self._answers[key]

    def add_all(self, trained: Mapping[Key, Trained], made_with: Mapping[str, str]) -> None:
        """Keep several answers, all of them or, after a crash, the first ones.

        Args:
            trained: The answers by cell, epochs and seed; what is there already stays.
            made_with: Libraries and their versions, which are noted beside each.

        Raises:
            UserError: The file cannot be written.
        """
        try:
            with ExitStack() as stack:
                with locked(self.path):
                    self._read()
                    lines = b"".join(
                        _line(key, one, made_with)
                        for key, one in trained.items()
                        if key not in self._answers
                    )
                    if not lines:
                        return
                    file = stack.enter_context(self.path.open("ab"))
                    os.truncate(self.path, self._read_to)
                    file.write(lines)
                    file.flush()
                # it takes milliseconds, in which others may add theirs
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(f"Cannot write {self.path}: {error.strerror or error}.") from error
        self._read()

    def seed_of(self, cell: str, epochs: int) -> int | None:
        """The seed of the last answer for a cell after some epochs; None without one.

        Args:
            cell: Its text.
            epochs: The length of the training.
        """
        self._read()
        seeds = [seed for text, run, seed in self._answers if (text, run) == (cell, epochs)]
        return seeds[-1] if seeds else None

    def _read(self) -> None:
        """Read the lines that were added since the last time."""
        try:
            size = self.path.stat().st_size if self.path.exists() else 0
            if size < self._read_to:  # another file has taken its place
                self._read_to = self._lines = 0
            if size == self._read_to:
                return
            with self.path.open("rb") as file:
                file.seek(self._read_to)
                added = file.read()
        except OSError as error:
            raise UserError(f"Cannot read {self.path}: {error.strerror or error}.") from error
        for line in added[: added.rfind(b"\n") + 1].splitlines(keepends=True):
            try:
                answer = json.loads(_unsealed(line))
                check_version(
                    self.path, "answers", answer[-1].get("version", 1), answer[-1].get(RELEASE)
                )
                cell, epochs, seed, metrics, seconds, notes = answer
                trained = Trained(metrics, seconds, str(notes.get(_CURVE, "")))
            except UserError:
                raise
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                raise UserError(
                    f"Line {self._lines + 1} of {self.path} is damaged; delete that line or the"
                    " file."
                ) from error
            self._answers.setdefault((cell, epochs, seed), trained)
            self._read_to = self._read_to + len(line)
            self._lines = self._lines + 1


def _line(key: Key, trained: Trained, made_with: Mapping[str, str]) -> bytes:
    notes = {**stamp("answers"), **made_with}
    if trained.curve:
        notes[_CURVE] = trained.curve
    return _sealed(json.dumps([*key, trained.metrics, trained.seconds, notes]))


def _sealed(text: str) -> bytes:
    return f"{_checksum(text.encode())} {text}\n".encode()


def _unsealed(line: bytes) -> bytes:
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if checksum != _checksum(text).encode():
        raise ValueError("the checksum is another")
    return text


def _checksum(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]
