"""A benchmark that trains: where there is no table, the cell is trained here and the answer is kept.

Every cell is trained alone, so its answer does not depend on what it was asked together with. Results are kept in
``live/`` of the home folder by task, settings, device, cell, epochs and seed, so nothing is trained twice, whatever is
interrupted. A query costs the wall-clock seconds of the training that answered it, evaluation included.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from surrogate_nas.benchmarks.base import Benchmark, Measurement, Question
from surrogate_nas.benchmarks.openers import Opener
from surrogate_nas.errors import UserError
from surrogate_nas.files import home
from surrogate_nas.metrics import Metric
from surrogate_nas.network import Network
from surrogate_nas.space import SPACES, Cell, space_named
from surrogate_nas.space.registry import known as known_spaces
from surrogate_nas.table import Seed

PREFIX = "live:"
DEFAULT_SPACE = "nb201"
"""Any other follows the task, as in ``live:digits/macro``."""
_SPLITS = ("train", "valid", "test")
_QUANTITIES: tuple[Literal["error", "loss"], ...] = ("loss", "error")


class Trained(NamedTuple):
    """What is kept of one training: the metrics at its end, and the seconds it took."""

    metrics: dict[str, float]
    seconds: float


class LiveBenchmark(Benchmark):
    """Trains cells of a space on a task; the answer to a named seed, 0 where none is named.

    Epochs are free: ``valid_error[2]`` trains for two, on a schedule of its own. Where none are named it is the
    task's default, after which the final metrics of a report are read too.

    Example:
        >>> bench = LiveBenchmark("digits")
        >>> bench.query(bench.space[11], "params") > 0
        True
        >>> str(LiveBenchmark("digits", space="macro").space[0])
        'conv_stack(layers=1, channels=4)'
    """

    default_seed: Seed = 0
    one_by_one = True

    def __init__(self, task: str, *, device: str = "cpu", space: str = DEFAULT_SPACE) -> None:
        """Name the task; its data is read when first needed.

        Args:
            task: A task's name, or ``file.py:TASK``.
            device: As PyTorch names it.
            space: The name of the space whose cells are trained.

        Raises:
            UserError: There is no such task, device or space.
        """
        from surrogate_nas.training import task_named
        from surrogate_nas.training.machine import device_named

        self.task = task_named(task)
        self._named, self.device = task, device
        device_named(device)
        self.space = space_named(space)
        self.name = PREFIX + (task if space == DEFAULT_SPACE else f"{task}/{space}")
        self.title = f"live training: {self.task.title}"
        self.source = f"trained here on {device}: {self.task.source}"
        self.licence, self.citation, self.banner = "see the task's source", "", ""
        self.cost = "seconds"
        self.charge = (
            "An evaluation is charged the wall-clock seconds of the training that answered it, evaluation included, "
            "also where the answer was kept from before; metrics that need no training are free."
        )
        self.objective = "valid_error + 0.02*params"
        trained = (self._metric(split, kind) for split in _SPLITS for kind in _QUANTITIES)
        self.metrics = (*trained, *(metric for metric, _ in self.space.analytic.values()))
        self._by_name = {metric.name: metric for metric in self.metrics}
        self._answers: dict[tuple[str, int, int], Trained] = {}

    def _metric(self, split: str, quantity: Literal["error", "loss"]) -> Metric:
        """The metric of one split at the end of a run."""
        loss_unit = "squared error" if self.task.kind == "regression" else "nats"
        return Metric(
            name=f"{split}_{quantity}",
            unit="%" if quantity == "error" else loss_unit,
            kind="final" if split == "test" else "search",
            quantity=quantity,
            epochs=(self.task.schedule.epochs,),
            split=split,
            description="at the end of the run, one seed",
            source=self.source,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self._named, self.space.name, self.device)

    @cached_property
    def network(self) -> Network:  # type: ignore[override]
        """The macro architecture around the cell, which follows from the task's data."""
        return self.task.network()

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the task's settings, the network, the device and the space."""
        settings = {
            "task": self._named,
            "kind": self.task.kind,
            "schedule": asdict(self.task.schedule),
            "network": asdict(self.network),
            "device": self.device,
        }
        if self.space.name != DEFAULT_SPACE:
            settings["space"] = self.space.name
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def question(self, name: str, epochs: int | None = None) -> Question:
        """Resolve a metric and the length of the training run, which may be any.

        Args:
            name: The metric's name.
            epochs: The length of the run, at least 1; None for the task's default.

        Raises:
            UserError: The metric is unknown, or there are no epochs.
        """
        metric = self.metric(name)
        if not metric.epochs:
            return Question(name, None)
        if epochs is not None and epochs < 1:
            raise UserError(f"A training run has at least 1 epoch, not {epochs}.")
        return Question(name, metric.epochs[-1] if epochs is None else epochs)

    def measure(self, cells: Sequence[Cell], questions: Sequence[Question], seed: Seed = 0) -> Measurement:
        """Answer from what was trained before, and train the rest.

        Args:
            cells: Cells of `space`.
            questions: Each one resolved by `question`.
            seed: A training seed.

        Raises:
            UserError: The seed is no number, the task's data is not here, or results cannot be kept.
        """
        if seed == "mean":
            raise UserError(f"{self.name} trains one seed at a time; name a number, not the mean.")
        runs = sorted({q.epochs for q in questions if q.epochs is not None})
        trained = {epochs: [self._trained(cell, epochs, seed) for cell in cells] for epochs in runs}
        choices = np.array([cell.choices for cell in cells], dtype=np.int8)
        values = np.empty((len(cells), len(questions)))
        for j, question in enumerate(questions):
            if question.epochs is None:
                values[:, j] = self.space.analytic[question.metric][1](choices, self.network)
            else:
                values[:, j] = [one.metrics[question.metric] for one in trained[question.epochs]]
        cost = np.zeros(len(cells))
        for epochs in runs:
            cost += [one.seconds for one in trained[epochs]]
        return Measurement(values, cost)

    def _trained(self, cell: Cell, epochs: int, seed: int) -> Trained:
        key = cell.text, epochs, seed
        if key not in self._answers:
            self._answers |= self._kept()
        if key not in self._answers:
            from surrogate_nas.training import train

            (curve,) = train([cell], self.task, epochs=epochs, seed=seed, device=self.device, at_once=1)
            self._keep(key, Trained(curve.metrics, curve.seconds))
            self._answers |= self._kept()  # another process may have been first: then its answer stands for all
        return self._answers[key]

    @property
    def _file(self) -> Path:
        name = "".join(c if c.isalnum() else "-" for c in self.task.name)
        return home() / "live" / f"{name}-{self.fingerprint[:16]}.jsonl"

    def _kept(self) -> dict[tuple[str, int, int], Trained]:
        """Everything that was trained under these settings; of two answers to one question the first stands."""
        if not self._file.is_file():
            return {}
        content = self._file.read_bytes()
        kept: dict[tuple[str, int, int], Trained] = {}
        for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
            try:
                cell, epochs, seed, metrics, seconds = json.loads(line)
                kept.setdefault((cell, epochs, seed), Trained(metrics, seconds))
            except (ValueError, TypeError) as error:
                raise UserError(f"Line {number} of {self._file} is damaged; delete that line or the file.") from error
        return kept

    def _keep(self, key: tuple[str, int, int], trained: Trained) -> None:
        """Append one line in a single write, after dropping a torn last one."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            if self._file.is_file():
                content = self._file.read_bytes()
                if not content.endswith(b"\n"):
                    os.truncate(self._file, content.rfind(b"\n") + 1)
            with self._file.open("ab") as file:
                file.write(json.dumps([*key, trained.metrics, trained.seconds]).encode() + b"\n")
        except OSError as error:
            raise UserError(f"Cannot write {self._file}: {error.strerror}.") from error

    def n_seeds(self, cell: Cell, question: Question, seed: Seed) -> int | None:  # noqa: ARG002 - the interface
        """One, where training plays a part.

        Args:
            cell: The cell.
            question: A resolved question.
            seed: A training seed.
        """
        return None if question.epochs is None else 1

    def scale(self, question: Question, seed: Seed = 0) -> tuple[float, float]:
        """Median and maximum over the space of an analytic metric; of a trained one, the bound on it, twice.

        Args:
            question: A resolved question.
            seed: A training seed.
        """
        if question.epochs is None:
            return super().scale(question, seed)
        bound = 100.0 if self.metric(question.metric).quantity == "error" else self.task.worst_loss
        return bound, bound


class Live(Opener):
    """``live:TASK``, or ``live:TASK/SPACE`` for another space than the default one."""

    shape = f"{PREFIX}TASK, {PREFIX}TASK/SPACE"

    def claims(self, name: str) -> bool:
        """Whether a name begins with ``live:``.

        Args:
            name: What the user wrote.
        """
        return name.startswith(PREFIX)

    def address(self, name: str) -> str:
        """The same, with the whole path of a user's task.

        Args:
            name: A name that this opener claims.
        """
        task, space = _task_and_space(name)
        path, separator, attribute = task.rpartition(":")
        task = f"{Path(path).absolute()}:{attribute}" if separator else task
        return PREFIX + (task if space == DEFAULT_SPACE else f"{task}/{space}")

    def runs_code(self, name: str) -> bool:
        """Whether the task is in a user's file.

        Args:
            name: A name that this opener claims.
        """
        return ":" in _task_and_space(name)[0]

    def open(self, name: str) -> LiveBenchmark:
        """Open a task, or return the benchmark that this process has open.

        Args:
            name: A name that this opener claims.

        Raises:
            UserError: There is no such task.
        """
        return _open(*_task_and_space(name))

    def describe(self) -> Iterator[dict[str, Any]]:
        """Every registered task on every registered space."""
        from surrogate_nas.training import TASKS

        for space in SPACES:
            for task in TASKS.values():
                yield _open(task.name, space).describe() | {"available": task.is_here()}


def _task_and_space(name: str) -> tuple[str, str]:
    task, separator, space = name.removeprefix(PREFIX).rpartition("/")
    return (task, space) if separator and space in known_spaces() else (name.removeprefix(PREFIX), DEFAULT_SPACE)


def _open(task: str, space: str, device: str = "cpu") -> LiveBenchmark:
    return _opened(task, device, space, home())


@lru_cache(maxsize=16)
def _opened(task: str, device: str, space: str, folder: Path) -> LiveBenchmark:  # noqa: ARG001 - part of the key
    return LiveBenchmark(task, device=device, space=space)
