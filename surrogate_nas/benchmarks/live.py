"""A benchmark that trains: a cell is trained here when it is first asked for, and cached.

Every cell is trained alone, so its result does not depend on the others of a batch. Results are in
``live/`` of the home folder, by all that they depend on: the task's data, settings and code,
network, space, device, cell, epochs and seed. Nothing is trained twice, even after an interruption,
and an edited task is trained anew. They depend on the engine too: another one sums in another
order, which training amplifies to a difference like a seed's. The version of its library is noted
beside a result, but a result of another version stands. A query costs the seconds of its training,
evaluation included; on a CPU the seconds of the processor, so that other load costs nothing.
"""

from __future__ import annotations

import hashlib
import math
import platform
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks.base import Question
from surrogate_nas.benchmarks.cache import Trained
from surrogate_nas.benchmarks.proxies import sizes_of, untrained
from surrogate_nas.benchmarks.resolvers import Family, Resolver
from surrogate_nas.benchmarks.trained import TrainedBenchmark
from surrogate_nas.core.arguments import check_whole
from surrogate_nas.core.digests import json_digest
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import is_installed, need
from surrogate_nas.core.plugin import absolute
from surrogate_nas.files import home
from surrogate_nas.space import DEFAULT_SPACE, SPACES, Cell, Space, space_named
from surrogate_nas.space.network import Network
from surrogate_nas.space.registry import known as known_spaces
from surrogate_nas.tables import Seed
from surrogate_nas.training.machine import HOW_TO_AGREE, engine_named, is_compiled
from surrogate_nas.training.tasks import TASKS, Task, is_theirs, parted
from surrogate_nas.training.trainers import trainer_of

PREFIX = "live:"
_FIXED_SHARE = 0.5
"""What an epoch of any cell takes, as a share of what the multiplications of the median take."""
HOW = "at the end of the run, one seed"
"""How a metric of live training is measured."""


def describe_live() -> Iterator[dict[str, Any]]:
    """Every task on every space of the project's own whose cells can be trained, as a list has it.

    Nothing is opened, so nothing waits for PyTorch or for data.
    """
    for space in filter(lambda space: space.is_buildable, map(space_named, SPACES)):
        yield from (_describe(task, space) for task in TASKS.values())


def _describe(task: Task, space: Space) -> dict[str, Any]:
    trained = [diagnostic.metric((task.schedule.epochs,), HOW) for diagnostic in task.diagnostics]
    metrics = [*trained, *sizes_of(space)]
    return {
        "name": (
            PREFIX + (task.name if space.name == DEFAULT_SPACE else f"{task.name}/{space.name}")
        ),
        "title": f"live training: {task.title}",
        "space": space.name,
        "cells": int(space.size) if math.isfinite(space.size) else None,
        "available": task.is_here() and is_installed("torch"),
        "metrics": [metric.describe() for metric in metrics],
        "seeds": [],
        "source": f"trained here on cpu: {task.source}",
        "licence": "see the task's source",
        "citation": "",
        "banner": "",
    }


class LiveBenchmark(TrainedBenchmark):
    """Trains cells of a space on a task; the answer to a named seed, 0 where none is named.

    Epochs are free: ``valid_error[2]`` trains for two, on a schedule of its own. Where none are
    named it is the task's default, after which the final metrics of a report are read too.

    Example:
        >>> bench = LiveBenchmark("digits")
        >>> bench.query(bench.space[11], "params") > 0
        True
        >>> str(LiveBenchmark("digits", space="macro").space[0])
        'conv_stack(layers=1, channels=4)'
    """

    begins_at_random = True
    citation = banner = ""
    licence = "see the task's source"

    def __init__(
        self,
        task: str,
        *,
        device: str = "cpu",
        space: str = DEFAULT_SPACE,
    ) -> None:
        """Name the task; its data is read when first needed."""
        from surrogate_nas.training.tasks import code_of, task_named

        self._code = code_of(task)
        self.task = task_named(task)
        self._named = task
        self.device = device
        _check(device)
        self.space = space_named(space)
        if not self.space.is_buildable:
            raise UserError(
                f"Cells of the space {space} cannot be built and trained here: it has no network."
            )
        self.engine = engine_named(
            self.space, device, by_matrices=trainer_of(self.task).multiplies_matrices
        )
        library = "llvmlite" if is_compiled(self.engine) else "torch"
        need(f"{PREFIX}{task}", library)
        self.name = PREFIX + (task if space == DEFAULT_SPACE else f"{task}/{space}")
        self.title = f"live training: {self.task.title}"
        self.source = f"trained here on {device}: {self.task.source}"
        self.file_name = self.task.name
        clock = "processor" if device == "cpu" else "wall-clock"
        self.charge = (
            f"An evaluation is charged the {clock} seconds of the training that answered it,"
            " evaluation included, also where the answer was kept from before; metrics that need"
            " no training are free."
        )
        judged = f"valid_{self.task.measured[0].name}"
        self.objective = f"{judged} + 0.02*params" if "params" in self.space.analytic else judged
        epochs = (self.task.schedule.epochs,)
        trained = (
            diagnostic.metric(epochs, HOW, self.source) for diagnostic in self.task.diagnostics
        )
        self.metrics = (*trained, *sizes_of(self.space))

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_elsewhere, (self._named, self.space.name, self.device, self.engine)

    @property
    def identity(self) -> str:
        """Its name without the paths of a user's files."""
        task = "?loss=".join(part.rpartition(":")[2] for part in parted(self._named) if part)
        return PREFIX + (task if self.space.name == DEFAULT_SPACE else f"{task}/{self.space.name}")

    @cached_property
    def network(self) -> Network:  # type: ignore[override]
        """The macro architecture around the cell, which follows from the task's data."""
        return self.task.network()

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the task's data, settings and code, the network, the space and the device."""
        settings = {
            "task": self.task.digest,
            "code": self._code,
            "network": self.network.settings,
            "device": self.device,
            "engine": self.engine,
            "space": [self.space.definition, _code_of_class(type(self.space))],
        }
        return json_digest(settings)

    def question(self, name: str, epochs: int | None = None) -> Question:
        """Resolve a metric and the length of the training run, which may be any."""
        metric = self.metric(name)
        if not metric.epochs:
            return Question(name, None)
        run = (
            metric.epochs[-1]
            if epochs is None
            else check_whole("The number of epochs", epochs, 1, None)
        )
        return Question(name, run)

    def _trained(self, cell: Cell, epochs: Sequence[int], seed: int) -> dict[int, Trained]:
        return {length: self._trained_for(cell, length, seed) for length in epochs}

    def _trained_for(self, cell: Cell, epochs: int, seed: int) -> Trained:
        key = cell.text, epochs, seed
        cached = self.cache.find(key)
        if cached is not None:
            return cached
        from surrogate_nas.training import train

        (curve,) = train(
            [cell],
            self.task,
            epochs=epochs,
            seed=seed,
            device=self.device,
            network=self.network,
            at_once=1,
            space=self.space,
        )
        return self.cache.add(key, Trained(curve.metrics, curve.seconds), self._made_with)

    def predicted_cost(self, cell: Cell, epochs: int | None) -> float:
        """The cell's multiplications and a share of the median's, times the epochs.

        The share stands for what every cell takes: reading data, the stem, the head.
        """
        runs = self.task.schedule.epochs if epochs is None else epochs
        if "macs" not in untrained(self.space):
            return float(runs)
        macs = float(self.query(cell, "macs"))
        return runs * (macs / self._median_macs + _FIXED_SHARE)

    @cached_property
    def _median_macs(self) -> float:
        return self.scale(Question("macs", None))[0]

    def scale(self, question: Question, seed: Seed = 0) -> tuple[float, float]:
        """Median and worst value of an analytic metric; the worst for both of a trained one."""
        if question.epochs is None:
            return super().scale(question, seed)
        worst = next(
            diagnostic.worst
            for diagnostic in self.task.diagnostics
            if diagnostic.name == question.metric
        )
        return worst, worst


class Live(Resolver):
    """``live:TASK[?loss=LOSS]``, or ``live:TASK[?loss=LOSS]/SPACE`` for another space."""

    shape = f"{PREFIX}TASK, {PREFIX}TASK?loss=LOSS, {PREFIX}TASK/SPACE"

    def matches(self, name: str) -> bool:
        """Whether a name begins with ``live:``."""
        return name.startswith(PREFIX)

    def address(self, name: str) -> str:
        """The same, with the whole paths of a user's task and loss."""
        task, space = _task_and_space(name)
        task = "?loss=".join(absolute(part) for part in parted(task) if part)
        return PREFIX + (task if space == DEFAULT_SPACE else f"{task}/{space}")

    def family(self, name: str) -> Family:  # noqa: ARG002 - all are one
        """All that is trained when it is asked for."""
        return Family(
            "live",
            "no table: cells of any space are trained here, on a task, when they are asked for",
        )

    def runs_code(self, name: str) -> bool:
        """Whether the task or the loss is in a user's file."""
        return is_theirs(_task_and_space(name)[0])

    def open(self, name: str) -> LiveBenchmark:
        """Open a task, or return the benchmark that this process has open."""
        return _open(*_task_and_space(name))

    def describe(self) -> Iterator[dict[str, Any]]:
        """Every task on every space of the project's own, without opening one."""
        return describe_live()


def _task_and_space(name: str) -> tuple[str, str]:
    task, separator, space = name.removeprefix(PREFIX).rpartition("/")
    return (
        (task, space)
        if separator and space in known_spaces()
        else (name.removeprefix(PREFIX), DEFAULT_SPACE)
    )


def _open(task: str, space: str, device: str = "cpu") -> LiveBenchmark:
    from surrogate_nas.training.tasks import code_of

    return _opened(task, device, space, home(), code_of(task))


def _open_elsewhere(
    task: str,
    space: str,
    device: str,
    engine: str,
) -> LiveBenchmark:
    """Open a task in another process, maybe on another machine, with the same trainings."""
    benchmark = _open(task, space, device)
    if benchmark.engine != engine:
        raise UserError(
            f"{platform.node()} trains {benchmark.name} by another engine ({benchmark.engine})"
            f" than the command's machine ({engine}): results of two are never mixed."
            f" {HOW_TO_AGREE}"
        )
    return benchmark


@lru_cache(maxsize=16)
def _opened(
    task: str,
    device: str,
    space: str,
    folder: Path,  # noqa: ARG001
    code: str,  # noqa: ARG001
) -> LiveBenchmark:
    return LiveBenchmark(task, device=device, space=space)


def _check(device: str) -> None:
    if device != "cpu":  # which is always here, and saves a list of benchmarks from loading PyTorch
        from surrogate_nas.training.machine import device_named

        device_named(device)


def _code_of_class(kind: type) -> str:
    """A digest of the file that defines a class of a user's; empty for one of this project."""
    own = kind.__module__.startswith("surrogate_nas.")
    file = None if own else getattr(sys.modules.get(kind.__module__), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
