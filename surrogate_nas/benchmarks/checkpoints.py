"""The folder of one training: its checkpoint, its output, and the curve that it reported.

A user's function writes into a folder beside the checkpoint, which becomes the checkpoint only when
the training has come to its end. Which one that is stands in ``done.json``, which is replaced
whole: after a crash at any moment there is the checkpoint of before or the new one, never half of
one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import locked, write_whole
from surrogate_nas.files.replacing import sync_path

_DONE = "done.json"
_NEW = "checkpoint.new"
_KEPT = "checkpoint-"
_START = "start"
_START_NEW = "start.new"


@dataclass(frozen=True)
class Held:
    """What a checkpoint holds.

    Attributes:
        epochs: How many epochs were trained; 0 where there is no checkpoint.
        seconds: What they took from the start, those of earlier pieces included.
        curve: Which training it belongs to, from its first epoch on.
        checkpoint: The name of its folder.
        bytes: The size of its files.
    """

    epochs: int = 0
    seconds: float = 0.0
    curve: str = ""
    checkpoint: str = ""
    bytes: int = 0


class TrainingFolder:
    """The files of the training of one cell with one seed.

    Attributes:
        path: The folder.
        log: What the training prints.
        reports: A line for every epoch that it reports.
        stop: A file that asks it to stop, wherever it comes from.
    """

    def __init__(self, path: Path) -> None:
        """Name it; nothing is made yet."""
        self.path = path
        self.log = path / "log.txt"
        self.reports = path / "reports.jsonl"
        self.stop = path / "stop"

    def held(self) -> Held:
        """The checkpoint of the last training that came to its end; an empty one if it is gone."""
        with suppress(OSError, ValueError, TypeError):
            held = Held(**json.loads((self.path / _DONE).read_text(encoding="utf-8")))
            if held.checkpoint and (self.path / held.checkpoint).is_dir():
                return held
        return Held()

    def begin(self, held: Held) -> Path:
        """Prepare a training that goes on from a checkpoint, or begins anew from an empty one.

        Returns:
            The folder that the user's function works in: a copy of the checkpoint, or empty.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self.stop.unlink(missing_ok=True)
        self._remove_all_but(held.checkpoint)
        shutil.rmtree(self.path / _START_NEW, ignore_errors=True)
        working = self.path / _NEW
        if held.checkpoint:
            shutil.copytree(self.path / held.checkpoint, working)
            os.utime(self.path / _DONE)
        else:
            working.mkdir()
            (self.path / _DONE).unlink(missing_ok=True)
            self.log.unlink(missing_ok=True)
        self._keep_reports(held.epochs)
        return working

    def hold(self, source: TrainingFolder, epochs: int) -> bool:
        """Hold the checkpoint of another training, which may then be removed there.

        Args:
            source: The other training.
            epochs: How many epochs its checkpoint must hold.

        Returns:
            Whether it is held.
        """
        if (self.path / _START).is_dir():
            return True
        held = source.held()
        if held.epochs != epochs or not held.checkpoint:
            return False
        part = self.path / f"{_START}.{os.getpid()}.part"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source.path / held.checkpoint, part, copy_function=_linked)
            part.rename(self.path / _START)
        except OSError:  # another process has just removed it
            shutil.rmtree(part, ignore_errors=True)
            return (self.path / _START).is_dir()
        with suppress(OSError):
            os.utime(source.path / _DONE)
        return True

    def start(self) -> Path | None:
        """A copy of the checkpoint that is held, for the user's function; None without one."""
        if not (self.path / _START).is_dir():
            return None
        shutil.copytree(self.path / _START, self.path / _START_NEW)
        return self.path / _START_NEW

    def let_go(self) -> None:
        """Hold the checkpoint of another training no longer."""
        shutil.rmtree(self.path / _START, ignore_errors=True)

    def _keep_reports(self, epochs: int) -> None:
        """Drop what a training reported after the checkpoint that it goes on from."""
        lines = list[str]()
        with suppress(OSError):
            lines = self.reports.read_text(encoding="utf-8").splitlines(keepends=True)
        write_whole(self.reports, "".join(line for line in lines if 0 < _epoch(line) <= epochs))

    def keep(self, epochs: int, seconds: float, curve: str) -> None:
        """Make what the user's function wrote the checkpoint; one without files is none."""
        working = self.path / _NEW
        files = [path for path in working.rglob("*") if path.is_file()]
        name = f"{_KEPT}{epochs}-{curve}" if files else ""
        size = 0
        for file in files:
            sync_path(file)
            size += file.stat().st_size
        held = Held(epochs, seconds, curve, name, size)
        if files:
            if (self.path / name).exists():  # a crash left it, which `done.json` does not name
                shutil.rmtree(self.path / name)
            working.rename(self.path / name)
        write_whole(self.path / _DONE, json.dumps(asdict(held)))
        self._remove_all_but(name)

    def discard(self) -> None:
        """Remove what a training wrote that did not come to its end."""
        shutil.rmtree(self.path / _NEW, ignore_errors=True)
        shutil.rmtree(self.path / _START_NEW, ignore_errors=True)

    def drop(self) -> None:
        """Remove the checkpoint; the cell is trained anew when it is asked for more epochs."""
        (self.path / _DONE).unlink(missing_ok=True)
        self._remove_all_but("")

    def _remove_all_but(self, kept: str) -> None:
        for path in self.path.iterdir():
            is_checkpoint = path.name.startswith(_KEPT) or path.name == _NEW
            if is_checkpoint and path.name != kept:
                shutil.rmtree(path, ignore_errors=True)


def _linked(source: str, target: str) -> None:
    """A file under a second name, without a copy where the disk allows it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _epoch(line: str) -> int:
    """The epoch of a reported line; 0 for one that a crash left torn."""
    try:
        return int(json.loads(line)["epoch"])
    except (ValueError, TypeError, LookupError):
        return 0


def drop_beyond(root: Path, most: int, full: int, spared: Path) -> None:
    """Remove checkpoints until the others together are small enough.

    First go those that have all epochs, which nothing trains on, then the others; of each kind
    those first that were not used for longest. One that a process works on stays.

    Args:
        root: The folder of a benchmark's trainings.
        most: The most bytes.
        full: All epochs.
        spared: The training whose checkpoint was just made; it goes last.
    """
    kept = list(_checkpoints(root))
    total = sum(held.bytes for _, held, _ in kept)
    kept.sort(key=lambda one: (one[0].path == spared, one[1].epochs < full, one[2]))
    for folder, held, _ in kept:
        if total <= most:
            return
        if folder.path == spared:  # its process has the lock, and calls this
            folder.drop()
            return
        with suppress(UserError), locked(folder.path, wait=False):
            folder.drop()
            total -= held.bytes


def _checkpoints(root: Path) -> Iterator[tuple[TrainingFolder, Held, float]]:
    """Every training with a checkpoint, what it holds, and when it was used last."""
    for done in root.glob(f"*/{_DONE}"):
        folder = TrainingFolder(done.parent)
        with suppress(OSError):
            used = done.stat().st_mtime
            held = folder.held()
            if held.checkpoint:
                yield folder, held, used
