"""The folder of one training: its checkpoint, its output, and the curve that it reported.

A user's function writes into a folder next to the checkpoint, which becomes the checkpoint only
when the training has come to its end. ``done.json`` names the checkpoint and is replaced whole:
after a crash at any moment there is the old checkpoint or the new one, never half of one. The file
holds the size and the digest of each file of the checkpoint, and a digest of itself. A checkpoint
that is not as it was stored is dropped, and its cell is trained again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import uuid4

from surrogate_nas.core.digests import json_check
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import locked, write_whole
from surrogate_nas.files.replacing import sync_path

_DONE = "done.json"
_CHECK = "check"
_NEW = "checkpoint.new"
_KEPT = "checkpoint-"


@dataclass(frozen=True)
class Held:
    """What a checkpoint holds.

    Attributes:
        epochs: How many epochs were trained; 0 where there is no checkpoint.
        seconds: What they took from the start, those of earlier pieces included.
        curve: Which training it belongs to, from its first epoch on.
        files: Size in bytes and digest of each file, by its path in the checkpoint.
    """

    epochs: int = 0
    seconds: float = 0.0
    curve: str = ""
    files: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def checkpoint(self) -> str:
        """The name of its folder; empty where it has no files."""
        return f"{_KEPT}{self.epochs}-{self.curve}" if self.files else ""

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(size for size, _ in self.files.values())


class TrainingFolder:
    """The files of the training of one cell with one seed.

    Attributes:
        path: The folder.
        log: What the training prints.
        reports: A line for every epoch that it reports.
    """

    def __init__(self, path: Path) -> None:
        """Name it; nothing is made yet."""
        self.path = path
        self.log = path / "log.txt"
        self.reports = path / "reports.jsonl"

    def held(self) -> Held:
        """Return the checkpoint of the last training that came to its end; an empty one if it is
        gone or its description is damaged. Its files are not read.
        """
        held = self._described() or Held()
        return (
            held if held.checkpoint and (self.path / held.checkpoint).is_dir() else Held()
        )

    def _described(self) -> Held | None:
        """The content of ``done.json``; None where that is damaged."""
        try:
            content = json.loads((self.path / _DONE).read_bytes())
            check = content.pop(_CHECK)
            files = {
                name: (size, digest) for name, (size, digest) in content["files"].items()
            }
            held = Held(**content | {"files": files})
        except FileNotFoundError:
            return Held()
        except (
            OSError,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            RecursionError,
        ):
            return None
        return held if check == json_check(content) else None

    def resumable(self, before: int) -> Held:
        """Find the checkpoint that a training can continue from; a damaged one is dropped.

        Args:
            before: The first epoch that must be trained, which the checkpoint must not hold yet.

        Returns:
            The checkpoint. Without one, an empty one of a new training.
        """
        held = self._described()
        fresh = Held(curve=uuid4().hex[:8])
        if held is not None and (held.epochs >= before or not held.checkpoint):
            return fresh
        with suppress(OSError):
            if held is not None and _sealed(self.path / held.checkpoint) == held.files:
                return held
        sys.stderr.write(
            f"The checkpoint in {self.path} is not as it was stored: it is dropped, and its cell is"
            " trained from the first epoch.\n"
        )
        return fresh

    def begin(self, held: Held) -> Path:
        """Prepare a training that continues from a checkpoint, or from scratch without one.

        Returns:
            The folder that the user's function works in: a copy of the checkpoint, or empty.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._remove_all_but(held.checkpoint)
        working = self.path / _NEW
        if held.checkpoint:
            shutil.copytree(self.path / held.checkpoint, working)
            os.utime(self.path / _DONE)
        else:
            working.mkdir()
            (self.path / _DONE).unlink(missing_ok=True)
            self.log.unlink(missing_ok=True)
        lines = self.reports.read_bytes().splitlines(True) if self.reports.is_file() else []
        kept = (line for line in lines if 0 < _epoch(line) <= held.epochs)
        write_whole(self.reports, b"".join(kept))
        return working

    def keep(self, epochs: int, seconds: float, curve: str) -> None:
        """Make what the user's function wrote the checkpoint; one without files is none."""
        working = self.path / _NEW
        held = Held(epochs, seconds, curve, _sealed(working))
        for name in held.files:
            sync_path(working / name)
        if held.checkpoint:
            # a crash left it, which `done.json` does not name
            shutil.rmtree(self.path / held.checkpoint, ignore_errors=True)
            working.rename(self.path / held.checkpoint)
        content = asdict(held)
        write_whole(self.path / _DONE, json.dumps(content | {_CHECK: json_check(content)}))
        self._remove_all_but(held.checkpoint)

    def discard(self) -> None:
        """Remove what a training wrote that did not come to its end."""
        shutil.rmtree(self.path / _NEW, ignore_errors=True)

    def drop(self) -> None:
        """Remove the checkpoint; the cell is trained anew when it is asked for more epochs."""
        (self.path / _DONE).unlink(missing_ok=True)
        self._remove_all_but("")

    def _remove_all_but(self, kept: str) -> None:
        for path in (*self.path.glob(f"{_KEPT}*"), self.path / _NEW):
            if path.name != kept:
                shutil.rmtree(path, ignore_errors=True)


def _sealed(checkpoint: Path) -> dict[str, tuple[int, str]]:
    """Size in bytes and digest of each file in a folder, by its path there."""
    files = {}
    for path in filter(Path.is_file, sorted(checkpoint.rglob("*"))):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[path.relative_to(checkpoint).as_posix()] = file.tell(), digest
    return files


def _epoch(line: bytes) -> int:
    """The epoch of a reported line; 0 for one that is torn or damaged."""
    try:
        epoch = json.loads(line)["epoch"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return 0
    return epoch if type(epoch) is int else 0


def drop_beyond(root: Path, most: int, full: int, spared: Path) -> None:
    """Remove checkpoints until the others together are small enough.

    First go those that have all epochs, which nothing trains on, then the others; of each kind
    those first that were not used for longest. One that a process works on stays.

    Args:
        root: The folder of a benchmark's trainings.
        most: The most bytes.
        full: All epochs.
        spared: The folder of the training whose checkpoint was just made; it goes last.
    """
    kept = []
    for done in root.glob(f"*/{_DONE}"):
        folder = TrainingFolder(done.parent)
        with suppress(OSError):
            used = done.stat().st_mtime
            if (held := folder.held()).checkpoint:
                kept.append((folder, held, used))
    total = sum(held.bytes for _, held, _ in kept)
    kept.sort(key=lambda one: (one[0].path == spared, one[1].epochs < full, one[2]))
    for folder, held, _ in kept:
        if total <= most:
            return
        with suppress(UserError), locked(folder.path, wait=False):
            folder.drop()
            total -= held.bytes
