"""The journal of a measurement: one line a visit, appended as it ends, so that an interrupted one goes on."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from surrogate_nas.errors import UserError


@dataclass(frozen=True)
class Visit:
    """One visit to a cell.

    Attributes:
        cell: The cell's string; empty for the reference cell.
        wall: Milliseconds of each timed inference by the wall clock.
        processor: The same by the processor's clock, or empty.
        seconds: How long the visit took, building and warm-up included.
        memory_mb: Peak memory of one inference, on a cell's first visit.
        energy_mj: Energy of one inference, on a cell's first visit where there is a counter.
    """

    cell: str
    wall: list[float]
    processor: list[float]
    seconds: float
    memory_mb: float | None = None
    energy_mj: float | None = None

    @property
    def milliseconds(self) -> list[float]:
        """The timings that count: the processor's clock where it was read."""
        return self.processor or self.wall


class Journal:
    """The visits so far, in memory and, where a path is given, in a file of JSON lines.

    The first line holds the settings and the device card; a line that a crash tore is dropped.

    Attributes:
        visits: In the order in which they were made.
        card: The device card of the measurement's beginning.
    """

    def __init__(self, path: Path | None, settings: dict[str, Any], card: dict[str, Any]) -> None:
        """Start or go on.

        Args:
            path: The file; None keeps everything in memory.
            settings: What must agree for a measurement to go on.
            card: The device card as it is now.

        Raises:
            UserError: The file cannot be written, is damaged, or is of another measurement.
        """
        self.path = path
        self.visits: list[Visit] = []
        self.card = card
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes() if path.exists() else b""
            whole = content[: content.rfind(b"\n") + 1]
            self._file = path.open("ab")
            os.truncate(path, len(whole))
        except OSError as error:
            raise _cannot_write(path, error) from error
        if not whole:
            self._append({"settings": settings, "card": card})
            return
        try:
            header, *lines = [json.loads(line) for line in whole.splitlines()]
            held, self.card = header["settings"], dict(header["card"])
            self.visits = [Visit(**line) for line in lines]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged ({error}). Delete it to measure anew.") from error
        if held != json.loads(json.dumps(settings)):
            differing = ", ".join(key for key in settings if held.get(key) != settings[key])
            raise UserError(
                f"{path} holds an interrupted measurement with other settings ({differing}). "
                "Finish that, delete it, or choose another file."
            )

    def add(self, visit: Visit) -> None:
        """Keep a visit.

        Args:
            visit: What was measured.

        Raises:
            UserError: The disk is full.
        """
        self.visits.append(visit)
        if self.path is not None:
            self._append(asdict(visit))

    def _append(self, content: dict[str, Any]) -> None:
        assert self.path is not None
        try:
            self._file.write(json.dumps(content).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def close(self) -> None:
        """Close the file; where nothing was measured, remove it."""
        if self.path is not None:
            self._file.close()
            if not self.visits:
                self.path.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(f"Cannot write {path}: {error.strerror or error}. What was measured is kept.")
