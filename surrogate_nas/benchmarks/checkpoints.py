"""The folder of one training: its checkpoint, its output, and the curve that it reported.

A user's function writes into a folder next to the checkpoint, which becomes the checkpoint when the
training ends. ``done.json`` names the checkpoint and is replaced whole, so a crash leaves the old
checkpoint or the new one. It holds size and digest of each file, and a digest of itself. A damaged
checkpoint is dropped, and its cell is trained again.
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
from surrogate_nas.files.whole import sync_path

_DONE = "done.json"
_CHECK = "check"
_NEW = "checkpoint.new"
_KEPT = "checkpoint-"
_DAMAGES = (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Held:
    """The content of a checkpoint.

    Attributes:
        epochs, seconds: The epochs that were trained, and their time; 0 without a checkpoint.
        curve: The training to which it belongs, from its first epoch on.
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
        """Return the last checkpoint, whose files are not read; an empty one if it is damaged."""
        state = self._described() or Held()
        is_here = state.checkpoint and (self.path / state.checkpoint).is_dir()
        return state if is_here else Held()

    def _described(self) -> Held | None:
        """Return the content of ``done.json``; None if that is damaged."""
        try:
            content = json.loads((self.path / _DONE).read_bytes())
            check = content.pop(_CHECK)
            files = {name: (size, seal) for name, (size, seal) in content["files"].items()}
            state = Held(**content | {"files": files})
        except FileNotFoundError:
            return Held()
        except _DAMAGES:
            return None
        return state if check == json_check(content) else None

    def resumable(self, before: int) -> Held:
        """Find the checkpoint that a training can continue from; a damaged one is dropped.

        Args:
            before: The first epoch that must be trained.

        Returns:
            The checkpoint, or an empty one of a new training.
        """
        state = self._described()
        fresh = Held(curve=uuid4().hex[:8])
        if state is not None and (state.epochs >= before or not state.checkpoint):
            return fresh
        with suppress(OSError):
            if state is not None and _sealed(self.path / state.checkpoint) == state.files:
                return state
        sys.stderr.write(
            f"The checkpoint in {self.path} is not as it was stored: it is dropped, and its cell is"
            " trained from the first epoch.\n"
        )
        return fresh

    def begin(self, state: Held) -> Path:
        """Return the folder of a training: a copy of the checkpoint, or empty without one."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._remove_all_but(state.checkpoint)
        working = self.path / _NEW
        if state.checkpoint:
            shutil.copytree(self.path / state.checkpoint, working)
            os.utime(self.path / _DONE)
        else:
            working.mkdir()
            (self.path / _DONE).unlink(missing_ok=True)
            self.log.unlink(missing_ok=True)
        lines = self.reports.read_bytes().splitlines(True) if self.reports.is_file() else []
        earlier = (line for line in lines if 0 < _epoch(line) <= state.epochs)
        write_whole(self.reports, b"".join(earlier))
        return working

    def keep(self, epochs: int, seconds: float, curve: str) -> None:
        """Make the files of the user's function the checkpoint, if there are any."""
        working = self.path / _NEW
        state = Held(epochs, seconds, curve, _sealed(working))
        for name in state.files:
            sync_path(working / name)
        if state.checkpoint:
            # a crash left it, which `done.json` does not name
            shutil.rmtree(self.path / state.checkpoint, ignore_errors=True)
            working.rename(self.path / state.checkpoint)
        content = asdict(state)
        write_whole(self.path / _DONE, json.dumps(content | {_CHECK: json_check(content)}))
        self._remove_all_but(state.checkpoint)

    def discard(self) -> None:
        """Remove the files of a training that did not end."""
        shutil.rmtree(self.path / _NEW, ignore_errors=True)

    def drop(self) -> None:
        """Remove the checkpoint."""
        (self.path / _DONE).unlink(missing_ok=True)
        self._remove_all_but("")

    def _remove_all_but(self, name: str) -> None:
        for path in (*self.path.glob(f"{_KEPT}*"), self.path / _NEW):
            if path.name != name:
                shutil.rmtree(path, ignore_errors=True)


def _sealed(checkpoint: Path) -> dict[str, tuple[int, str]]:
    files = {}
    for path in filter(Path.is_file, sorted(checkpoint.rglob("*"))):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[path.relative_to(checkpoint).as_posix()] = file.tell(), digest
    return files


def _epoch(line: bytes) -> int:
    """Return the epoch of a reported line; 0 for a damaged one."""
    with suppress(*_DAMAGES):
        epoch = json.loads(line)["epoch"]
        return epoch if type(epoch) is int else 0
    return 0


def drop_beyond(root: Path, most: int, full: int, spared: Path) -> None:
    """Remove checkpoints, of full trainings first, then by their last use; locked ones stay.

    Args:
        root: The folder of a benchmark's trainings.
        most: The most bytes that may stay.
        full: The epochs of a full training.
        spared: The folder of the training whose checkpoint was just made; it goes last.
    """
    checkpoints = []
    for done in root.glob(f"*/{_DONE}"):
        with suppress(OSError):
            used = done.stat().st_mtime
            if (state := TrainingFolder(done.parent).held()).checkpoint:
                rank = done.parent == spared, state.epochs < full, used
                checkpoints.append((rank, done.parent, state.bytes))
    total = sum(size for *_, size in checkpoints)
    for _, path, size in sorted(checkpoints):
        if total <= most:
            return
        with suppress(UserError), locked(path, wait=False):
            TrainingFolder(path).drop()
            total -= size
