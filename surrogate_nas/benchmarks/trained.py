"""The base class of benchmarks that train a cell when a result is first requested, and cache the
result.

Results are stored in the folder ``live/`` of the data directory. The key of a stored result
includes everything that determines the result. A query costs the seconds of its training, even if
its result was cached. Seconds are processor time on a CPU, and wall-clock time on any other device.

The cached results are in a SQLite table, to which several processes can add at the same time. If
two processes add a result for the same key, the first result is kept. Each result is stored with
its key and with a checksum of both. A damaged result is reported in one line and dropped, and its
cell is trained again. SQLite uses its default journal. A write-ahead log would fail if several
machines share a network file system.
"""

import hashlib
import json
import os
import platform
import shutil
import sqlite3
import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from uuid import uuid4

import numpy as np

from surrogate_nas.benchmarks.base import (
    Benchmark,
    Measurement,
    Question,
    Values,
    formula,
    lengths_of,
)
from surrogate_nas.core import UserError, json_check
from surrogate_nas.files import HOME_VARIABLE, home, locked, write_whole
from surrogate_nas.files.formats import RELEASE, check_version, stamp
from surrogate_nas.files.whole import sync_path
from surrogate_nas.space import Cell
from surrogate_nas.tables import Seed
from surrogate_nas.version import __version__

Key: TypeAlias = tuple[str, int, int]
"""The key of a cached result: the text of the cell, epochs and seed."""
_CURVE = "curve"
# how long a process waits for others that write
_PATIENCE_SECONDS = 600.0
_ADD = "INSERT OR IGNORE INTO answers VALUES (?, ?)"
_DAMAGES = (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
_DONE = "done.json"
_CHECK = "check"
_NEW = "checkpoint.new"
_KEPT = "checkpoint-"


class Trained(NamedTuple):
    """The stored result of a cell's training after a number of epochs.

    Attributes:
        metrics: The values of metrics after the last epoch, by name.
        seconds: Seconds of the training from its first epoch to this result.
        curve: The identifier of the training to which this result belongs, or empty.
    """

    metrics: dict[str, float]
    seconds: float
    curve: str = ""


class AnswerCache:
    """A cache of training results in one file."""

    def __init__(self, path: Path) -> None:
        """Set the path of the database, which need not exist.

        When the database is created, it imports the results of an earlier version, which are lines
        of a file with the suffix ``.jsonl``.
        """
        self.path = path
        self._old = path.with_suffix(".jsonl")
        self._answers: dict[Key, Trained] = {}

    def find(self, key: Key) -> Trained | None:
        """Return the cached result for a key, whichever process added it. Return None if there is
        no result.

        Raises:
            UserError: The cache's file cannot be read, or a newer release of the package wrote it.
        """
        if key not in self._answers and self._is_there:
            with self._opened() as database:
                wanted = "SELECT value FROM answers WHERE key = ?"
                for (value,) in database.execute(wanted, [json.dumps(key)]).fetchall():
                    if answer := self._checked(key, value):
                        self._answers[key] = answer
                        continue
                    sys.stderr.write(
                        f"The result for {key[0]} in {self.path} is damaged: it is dropped, and the"
                        " cell is trained again.\n"
                    )
                    database.execute(
                        "DELETE FROM answers WHERE key = ? AND CAST(value AS BLOB) = ?",
                        [json.dumps(key), value],
                    )
        return self._answers.get(key)

    def add(self, key: Key, trained: Trained, made_with: Mapping[str, str]) -> Trained:
        """Store a result. If another process has stored a result for the same key, return the
        earlier result instead.

        Raises:
            UserError: The cache's file cannot be written.
        """
        self.add_all({key: trained}, made_with)
        return self.find(key) or trained

    def add_all(
        self, trained: Mapping[Key, Trained], made_with: Mapping[str, str]
    ) -> None:
        """Store several results in the cache in one transaction. Results that the cache already
        contains are not replaced.

        Args:
            trained: The results to store, by cell, epochs and training seed.
            made_with: Versions of libraries by name, which are stored with each result.

        Raises:
            UserError: The cache's file cannot be written.
        """
        notes = {**stamp("answers"), **made_with}
        rows = []
        for key, (metrics, seconds, curve) in trained.items():
            noted = notes | {_CURVE: curve} if curve else notes
            rows.append(
                (json.dumps(key), _sealed(json.dumps([*key, metrics, seconds, noted])))
            )
        with self._opened() as database, database:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(_ADD, rows)

    def exceeds(self, metric: str, limit: float) -> bool:
        """Return whether any cached value of a metric exceeds a limit."""
        if not self._is_there:
            return False
        with self._opened() as database:
            for (value,) in database.execute("SELECT value FROM answers"):
                with suppress(*_DAMAGES):
                    if _unsealed(value)[3].get(metric, limit) > limit:
                        return True
        return False

    @property
    def _is_there(self) -> bool:
        return self.path.exists() or self._old.exists()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Open the database for the block. Each statement is a separate transaction."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            options: Any = {"timeout": _PATIENCE_SECONDS, "isolation_level": None}
            with closing(sqlite3.connect(self.path, **options)) as database:
                database.text_factory = bytes
                query = "SELECT 1 FROM sqlite_master WHERE name = 'answers'"
                if database.execute(query).fetchone() is None:
                    with database:
                        database.execute("BEGIN IMMEDIATE")
                        database.execute(
                            "CREATE TABLE IF NOT EXISTS answers"
                            " (key TEXT PRIMARY KEY, value BLOB NOT NULL)"
                        )
                        database.executemany(_ADD, self._old_lines())
                yield database
        except (OSError, sqlite3.OperationalError) as error:
            raise UserError(
                f"Cannot write {self.path}: {getattr(error, 'strerror', None) or error}. It needs a"
                f" file system with free space and file locks; to use another folder, set"
                f" {HOME_VARIABLE}."
            ) from error
        except sqlite3.Error as error:
            raise UserError(
                f"{self.path} is damaged ({error}). Delete it: its results are trained again when"
                " they are needed."
            ) from error

    def _old_lines(self) -> Iterator[tuple[str, bytes]]:
        """Yield the results in the file of earlier versions, without an incomplete last line."""
        content = self._old.read_bytes() if self._old.exists() else b""
        for number, line in enumerate(content.split(b"\n")[:-1], 1):
            try:
                cell, epochs, seed, *_ = _unsealed(line)
            except _DAMAGES as error:
                raise UserError(
                    f"Line {number} of {self._old} is damaged; delete that line or the file."
                ) from error
            yield json.dumps((cell, epochs, seed)), line

    def _checked(self, key: Key, value: object) -> Trained | None:
        try:
            *question, metrics, seconds, notes = _unsealed(value)
            version, release = notes.get("version", 1), notes.get(RELEASE)
            trained = Trained(metrics, seconds, str(notes.get(_CURVE, "")))
        except _DAMAGES:
            return None
        check_version(self.path, "answers", version, release)
        return trained if tuple(question) == key else None


def _sealed(text: str) -> bytes:
    return f"{hashlib.sha256(text.encode()).hexdigest()[:16]} {text}".encode()


def _unsealed(line: Any) -> Any:
    text = line.partition(b" ")[2].decode()
    if line != _sealed(text):
        raise ValueError("the checksum is wrong")
    return json.loads(text)


@dataclass(frozen=True)
class Checkpoint:
    """The description of a training's checkpoint.

    Attributes:
        epochs: Number of epochs that were trained; 0 without a checkpoint.
        seconds: Seconds of training up to the checkpoint; 0 without a checkpoint.
        curve: The identifier of the training to which the checkpoint belongs.
        files: The size in bytes and the digest of each of the checkpoint's files, by relative path.
    """

    epochs: int = 0
    seconds: float = 0.0
    curve: str = ""
    files: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def checkpoint(self) -> str:
        """The name of the checkpoint's folder; empty if the checkpoint has no files."""
        return f"{_KEPT}{self.epochs}-{self.curve}" if self.files else ""

    @property
    def bytes(self) -> int:
        """The total size of the checkpoint's files in bytes."""
        return sum(size for size, _ in self.files.values())


class TrainingFolder:
    """The files of one training, that is, of one cell with one training seed.

    A user's function writes its files into a new folder next to the previous checkpoint. When the
    training ends, the new folder becomes the checkpoint. The file ``done.json`` names the
    checkpoint and is replaced atomically, so after a crash either the old or the new checkpoint is
    complete. ``done.json`` also contains the size and digest of each file of the checkpoint, and a
    checksum. A damaged checkpoint is dropped, and its cell is trained again.

    Attributes:
        path: The folder.
        log: Path of the file with the training's output.
        reports: Path of the file with one line for every reported epoch.
    """

    def __init__(self, path: Path) -> None:
        """Set the path of the folder, without creating it."""
        self.path = path
        self.log = path / "log.txt"
        self.reports = path / "reports.jsonl"

    def held(self) -> Checkpoint:
        """Describe the latest checkpoint without reading its files. The description is empty if
        there is no checkpoint.
        """
        state = self._described() or Checkpoint()
        is_here = state.checkpoint and (self.path / state.checkpoint).is_dir()
        return state if is_here else Checkpoint()

    def _described(self) -> Checkpoint | None:
        """Return the content of ``done.json``; None if that is damaged."""
        try:
            content = json.loads((self.path / _DONE).read_bytes())
            check = content.pop(_CHECK)
            files = {
                name: (size, seal) for name, (size, seal) in content["files"].items()
            }
            state = Checkpoint(**content | {"files": files})
        except FileNotFoundError:
            return Checkpoint()
        except _DAMAGES:
            return None
        return state if check == json_check(content) else None

    def resumable(self, before: int) -> Checkpoint:
        """Find the checkpoint from which a training can continue. A damaged checkpoint is dropped.

        Args:
            before: The number of the first epoch that must be trained.

        Returns:
            The checkpoint to continue from, or an empty one if the cell must be trained from
            scratch.
        """
        state = self._described()
        fresh = Checkpoint(curve=uuid4().hex[:8])
        if state is not None and (state.epochs >= before or not state.checkpoint):
            return fresh
        with suppress(OSError):
            if (
                state is not None
                and _digests_of(self.path / state.checkpoint) == state.files
            ):
                return state
        sys.stderr.write(
            f"The checkpoint in {self.path} is damaged: it is dropped, and its cell is trained from"
            " scratch.\n"
        )
        return fresh

    def begin(self, state: Checkpoint) -> Path:
        """Create and return the folder in which a training writes its files. The folder is a copy
        of the checkpoint, or empty.
        """
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
        lines = (
            self.reports.read_bytes().splitlines(True) if self.reports.is_file() else []
        )
        earlier = (line for line in lines if 0 < _epoch(line) <= state.epochs)
        write_whole(self.reports, b"".join(earlier))
        return working

    def keep(self, epochs: int, seconds: float, curve: str) -> None:
        """Store the files that the user's function wrote, if any, as the new checkpoint."""
        working = self.path / _NEW
        state = Checkpoint(epochs, seconds, curve, _digests_of(working))
        for name in state.files:
            sync_path(working / name)
        if state.checkpoint:
            # a crash left it, which `done.json` does not name
            shutil.rmtree(self.path / state.checkpoint, ignore_errors=True)
            working.rename(self.path / state.checkpoint)
        content = asdict(state)
        write_whole(
            self.path / _DONE, json.dumps(content | {_CHECK: json_check(content)})
        )
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


def _digests_of(checkpoint: Path) -> dict[str, tuple[int, str]]:
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
    """Remove checkpoints until the remaining ones have at most a given total size.

    Checkpoints of full trainings are removed first, and then the least recently used checkpoints.
    Checkpoints that a process has locked are kept.

    Args:
        root: The folder that contains the benchmark's trainings.
        most: The maximum total size of the remaining checkpoints in bytes.
        full: The number of epochs of a full training.
        spared: The folder of the training whose checkpoint is the newest and is removed last.
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


SECONDS = "train_seconds"
"""The metric with the seconds of a training up to an epoch, by which a table charges."""


class TrainedBenchmark(Benchmark):
    """The base class of benchmarks that train a cell when a result is first requested.

    Attributes:
        device: The device for training, such as ``cpu``.
        file_name: The prefix of the names of the benchmark's files.
    """

    cost_unit = "seconds"
    default_seed: Seed = 0
    one_by_one = True
    keeps_answers = True
    device: str
    file_name: str
    _n_seeds = 1
    _answers: AnswerCache | None = None

    @property
    def on_cpu(self) -> bool:
        """Whether trainings are charged in processor seconds."""
        return self.device.partition(":")[0] == "cpu"

    @property
    def _label(self) -> str:
        name = "".join(c if c.isalnum() else "-" for c in self.file_name)[:60]
        return f"{name}-{self.fingerprint[:16]}"

    @property
    def cache(self) -> AnswerCache:
        """The cache with the results of all trainings that have the same settings as this
        benchmark.
        """
        path = home() / "live" / f"{self._label}.sqlite"
        if self._answers is None or self._answers.path != path:
            self._answers = AnswerCache(path)
        return self._answers

    def _number(self, seed: Seed) -> int:
        if isinstance(seed, str):
            raise UserError(
                f"{self.name} trains one seed at a time; give a seed, not the mean."
            )
        return int(seed)

    def measure(
        self,
        cells: Sequence[Cell],
        questions: Sequence[Question],
        training_seed: Seed = 0,
    ) -> Measurement:
        """Return cached results. Cells without a cached result are trained in this process.

        Raises:
            UserError: A training fails (`surrogate_nas.core.errors.EvaluationError`), a mean over
                seeds is requested, or the data directory cannot be written.
        """
        number = self._number(training_seed)
        epochs = lengths_of(questions)
        values = np.empty((len(cells), len(questions)))
        for j, question in enumerate(questions):
            if question.epochs is None:
                values[:, j] = self._untrained(question.metric, cells)
        cost = np.zeros(len(cells))
        charged = epochs[-1:] if self.one_curve else epochs
        for i, cell in enumerate(cells if epochs else ()):
            trained = self._trained(cell, epochs, number)
            for j, (metric, length) in enumerate(questions):
                if length is not None:
                    answer = trained[length]
                    values[i, j] = {SECONDS: answer.seconds, **answer.metrics}[metric]
            cost[i] = sum(trained[length].seconds for length in charged)
        return Measurement(values, cost)

    @abstractmethod
    def _trained(
        self, cell: Cell, epochs: Sequence[int], seed: int
    ) -> dict[int, Trained]:
        """Return the results of a cell after given epochs, training it if they are not cached."""

    def _cached_answers(
        self, cell: Cell, epochs: Sequence[int], seed: int
    ) -> dict[int, Trained]:
        answers = {
            length: self.cache.find((cell.text, length, seed)) for length in epochs
        }
        return {
            length: answer for length, answer in answers.items() if answer is not None
        }

    def _untrained(self, metric: str, cells: Sequence[Cell]) -> Values:
        """Compute a metric of cells that needs no training, shape ``(n,)``."""
        return formula(self.space, metric, self.network, cells)

    def n_seeds(
        self, cell: Cell, question: Question, training_seed: Seed
    ) -> int | None:
        """Return the number of training seeds behind a value: all of them for the mean, 1 for a
        single seed, None without training.
        """
        if question.epochs is None:
            return None
        return self._n_seeds if training_seed == "mean" else 1

    @property
    def _made_with(self) -> dict[str, str]:
        from importlib import metadata

        noted = {"surrogate_nas": __version__, "python": platform.python_version()}
        if self.backend:
            noted["engine"] = self.backend
        here = sys.modules.keys() & {"torch", "jax", "tensorflow", "llvmlite"}
        return noted | {name: metadata.version(name) for name in sorted(here)}
