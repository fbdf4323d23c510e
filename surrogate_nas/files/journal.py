"""A file of JSON lines that grows while long work goes on and survives any crash.

The first line says what the work is; another work's file is never continued. A line that a crash tore is dropped.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from surrogate_nas.errors import UserError


class Journal:
    """One writer's file, open for appending; without a path everything stays in memory.

    Attributes:
        path: The file, or None.
        header: The first line: of the work when it began.
        entries: The further lines, those appended included.
    """

    def __init__(self, path: Path | None, settings: dict[str, Any], notes: dict[str, Any] | None = None) -> None:
        """Begin, or go on where an earlier process stopped.

        Args:
            path: The file; None to keep nothing.
            settings: What must agree for the work to go on.
            notes: Further content of the first line, which need not agree.

        Raises:
            UserError: The file cannot be written, is damaged, or is of another work.
        """
        self.path = path
        self.header: dict[str, Any] = json.loads(json.dumps({"settings": settings, **(notes or {})}))
        self.entries: list[Any] = []
        self._file: BinaryIO | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes() if path.exists() else b""
            whole = content[: content.rfind(b"\n") + 1]
            if whole:
                self._read(whole)
            self._file = path.open("ab")
            os.truncate(path, len(whole))
        except OSError as error:
            raise self._cannot_write(error) from error
        if not whole:
            self._write(self.header)

    def _read(self, whole: bytes) -> None:
        wanted = self.header["settings"]
        try:
            self.header, *self.entries = [json.loads(line) for line in whole.splitlines()]
            held = dict(self.header["settings"])
        except (ValueError, KeyError, TypeError) as error:
            raise self.damaged(error) from error
        if held != wanted:
            differing = ", ".join(sorted(key for key in {*held, *wanted} if held.get(key) != wanted.get(key)))
            raise UserError(
                f"{self.path} holds interrupted work with other settings ({differing}). "
                "Finish that, delete it, or choose another place."
            )

    def damaged(self, error: Exception) -> UserError:
        """What to raise where a line is not what it should be.

        Args:
            error: What is wrong with it.
        """
        return UserError(f"{self.path} is damaged ({error}). Delete it to begin anew.")

    def append(self, entry: Any) -> None:
        """Add a line.

        Args:
            entry: Anything that JSON can hold.

        Raises:
            UserError: The disk is full.
        """
        self._write(entry)
        self.entries.append(entry)

    def _write(self, content: Any) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(content).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> UserError:
        return UserError(f"Cannot write {self.path}: {error.strerror or error}. What was finished is kept.")

    def close(self) -> None:
        """Close the file; where nothing was added to its first line, remove it."""
        if self.path is not None and self._file is not None:
            self._file.close()
            if not self.entries:
                self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
