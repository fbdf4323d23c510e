"""A benchmark that trains: a cell is trained here when it is first asked for, and cached.

Every cell is trained alone, so its result does not depend on the others of a batch. Results are in
``live/`` of the data directory, by all that they depend on: the task's data, settings and code,
network, space, device, engine, cell, epochs and seed. Another engine sums in another order, which
training amplifies to a difference like a seed's. A query costs the seconds of its training and
evaluation; on a CPU the seconds of the processor.
"""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks.base import Question, sizes_of, untrained
from surrogate_nas.benchmarks.sourced import Resolver
from surrogate_nas.benchmarks.trained import Trained, TrainedBenchmark
from surrogate_nas.core import (
    Metric,
    UserError,
    absolute,
    check_whole,
    is_installed,
    json_digest,
    need,
)
from surrogate_nas.files import HOME_VARIABLE, home
from surrogate_nas.space import DEFAULT_SPACE, SPACES, Cell, Network, Space, space_named
from surrogate_nas.space.registry import known as known_spaces
from surrogate_nas.tables import Seed
from surrogate_nas.training.engine import trainer_of
from surrogate_nas.training.machine import (
    HOW_TO_AGREE,
    device_named,
    engine_named,
    is_compiled,
)
from surrogate_nas.training.tasks import (
    TASKS,
    Task,
    code_of,
    is_theirs,
    respelt,
    task_named,
)

PREFIX = "live:"
HOW = "at the end of the run, one seed"
"""How a metric of live training is measured."""


def _name(task: str, space: str) -> str:
    return PREFIX + (task if space == DEFAULT_SPACE else f"{task}/{space}")


def _metrics(task: Task, space: Space, *source: str) -> tuple[Metric, ...]:
    trained = (
        d.metric((task.schedule.epochs,), HOW, *source) for d in task.diagnostics
    )
    return (*trained, *sizes_of(space))


def _describe(task: Task, space: Space) -> dict[str, Any]:
    """Describe a benchmark that need not be here."""
    benchmark = object.__new__(LiveBenchmark)
    vars(benchmark).update(
        name=_name(task.name, space.name),
        title=f"live training: {task.title}",
        space=space,
        source=f"trained here on cpu: {task.source}",
        metrics=_metrics(task, space),
    )
    return benchmark.describe() | {
        "available": task.is_here() and is_installed("torch")
    }


class LiveBenchmark(TrainedBenchmark):
    """Trains cells of a space on a task, by default with seed 0 and the task's epochs.

    Any number of epochs may be asked for: ``valid_error[2]`` trains for two, on a schedule of its
    own.

    Example:
        >>> str(LiveBenchmark("digits", space="macro").space[0])
        'conv_stack(layers=1, channels=4)'
    """

    begins_at_random = True
    citation = banner = ""
    licence = "see the task's source"

    def __init__(
        self, task: str, *, device: str = "cpu", space: str = DEFAULT_SPACE
    ) -> None:
        """Name the task; its data is read when first needed."""
        self._code = code_of(task)
        self.task = task_named(task)
        self._named = task
        self.device = device
        if device != "cpu":  # which is always here, and saves loading PyTorch
            device_named(device)
        self.space = space_named(space)
        if not self.space.is_buildable:
            raise UserError(
                f"Cells of the space {space} cannot be built and trained here: it has no network."
            )
        by_matrices = trainer_of(self.task).multiplies_matrices
        self.backend = engine_named(self.space, device, by_matrices=by_matrices)
        need(f"{PREFIX}{task}", "llvmlite" if is_compiled(self.backend) else "torch")
        self.name = _name(task, space)
        self.title = f"live training: {self.task.title}"
        self.source = f"trained here on {device}: {self.task.source}"
        self.file_name = self.task.name
        clock = "processor" if device == "cpu" else "wall-clock"
        self.charge = (
            f"An evaluation is charged the {clock} seconds of the training that answered it,"
            " evaluation included, also where the answer was kept from before; metrics that need"
            " no training are free."
        )
        self.objective = f"valid_{self.task.measured[0].name}"
        if "params" in self.space.analytic:
            self.objective += " + 0.02*params"
        self.metrics = _metrics(self.task, self.space, self.source)

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_elsewhere, (
            self._named,
            self.space.name,
            self.device,
            self.backend,
        )

    @property
    def in_server(self) -> tuple[tuple[str, str], ...]:  # type: ignore[override]
        """What all trainings need that runs no code of a user and does not touch a GPU."""
        if self.device == "cpu" and not is_theirs(self._named):
            described = str(home().absolute()), self._named, self.space.name
            return ((f"{__name__}:open_in_server", json.dumps(described)),)
        return (
            () if is_compiled(self.backend) else (("importlib:import_module", "torch"),)
        )

    @property
    def identity(self) -> str:
        """Its name without the paths of a user's files."""
        return _name(
            respelt(self._named, lambda part: part.rpartition(":")[2]), self.space.name
        )

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
            "engine": self.backend,
            "space": [self.space.definition, _code_of_class(type(self.space))],
        }
        return json_digest(settings)

    def question(self, name: str, epochs: int | None = None) -> Question:
        """Resolve a metric and the length of the training run, which may be any."""
        if epochs is None or not self.metric(name).epochs:
            return super().question(name)
        return Question(name, check_whole("The number of epochs", epochs, 1))

    def _trained(
        self, cell: Cell, epochs: Sequence[int], seed: int
    ) -> dict[int, Trained]:
        answers = self._cached_answers(cell, epochs, seed)
        for length in [length for length in epochs if length not in answers]:
            from surrogate_nas.training import train

            (curve,) = train(
                [cell],
                self.task,
                epochs=length,
                seed=seed,
                device=self.device,
                network=self.network,
                at_once=1,
                space=self.space,
            )
            key, answer = (
                (cell.text, length, seed),
                Trained(curve.metrics, curve.seconds),
            )
            answers[length] = self.cache.add(key, answer, self._made_with)
        return answers

    def predicted_cost(self, cell: Cell, epochs: int | None) -> float:
        """Predict the cost: multiplications and half of the median's, times the epochs."""
        runs = self.task.schedule.epochs if epochs is None else epochs
        if "macs" not in untrained(self.space):
            return float(runs)
        median = self.scale(Question("macs", None))[0]
        return runs * (float(self.query(cell, "macs")) / median + 0.5)

    def scale(self, question: Question, training_seed: Seed = 0) -> tuple[float, float]:
        """Return median and worst value; for a trained metric the worst for both."""
        if question.epochs is None:
            return super().scale(question, training_seed)
        worst = next(
            d.of.worst for d in self.task.diagnostics if d.name == question.metric
        )
        return worst, worst


class Live(Resolver):
    """``live:TASK[?OPTIONS]``, or ``live:TASK[?OPTIONS]/SPACE`` for another space."""

    shape = f"{PREFIX}TASK, {PREFIX}TASK?loss=LOSS, {PREFIX}TASK/SPACE"

    def matches(self, name: str) -> bool:
        """Whether a name begins with ``live:``."""
        return name.startswith(PREFIX)

    def address(self, name: str) -> str:
        """The same, with the whole paths of a user's task and loss."""
        task, space = _task_and_space(name)
        return _name(respelt(task, absolute), space)

    def family(self, name: str) -> tuple[str, str]:
        """All that is trained when it is asked for."""
        title = "no table: cells of any space are trained here, on a task, when they are asked for"
        return "live", title

    def runs_code(self, name: str) -> bool:
        """Whether the task or the loss is in a user's file."""
        return is_theirs(_task_and_space(name)[0])

    def open(self, name: str) -> LiveBenchmark:
        """Open a task, or return the benchmark that this process has open."""
        return _open(*_task_and_space(name))

    def describe(self) -> Iterator[dict[str, Any]]:
        """Every task on every space of the project's own whose cells can be trained."""
        for space in filter(lambda space: space.is_buildable, map(space_named, SPACES)):
            yield from (_describe(task, space) for task in TASKS.values())


def _task_and_space(name: str) -> tuple[str, str]:
    task, _, space = name.removeprefix(PREFIX).rpartition("/")
    named = task and space in known_spaces()
    return (task, space) if named else (name.removeprefix(PREFIX), DEFAULT_SPACE)


def _open(task: str, space: str, device: str = "cpu") -> LiveBenchmark:
    return _opened(task, device, space, home(), code_of(task))


def open_in_server(described: str) -> None:
    """Open a task in the process that workers are forked from, and load what trains its cells.

    Args:
        described: As JSON, the data directory, the task and the space.
    """
    from surrogate_nas.training.engine import prepare

    os.environ[HOME_VARIABLE], task, space = json.loads(described)
    benchmark = _open(task, space)
    prepare(benchmark.task, benchmark.network, benchmark.space)


def _open_elsewhere(task: str, space: str, device: str, engine: str) -> LiveBenchmark:
    """Open a task in another process, maybe on another machine, with the same trainings."""
    benchmark = _open(task, space, device)
    if benchmark.backend != engine:
        raise UserError(
            f"{platform.node()} trains {benchmark.name} by another backend ({benchmark.backend})"
            f" than the command's machine ({engine}): results of two are never mixed."
            f" {HOW_TO_AGREE}"
        )
    return benchmark


@lru_cache(maxsize=16)
def _opened(
    task: str, device: str, space: str, folder: Path, code: str
) -> LiveBenchmark:
    return LiveBenchmark(task, device=device, space=space)


def _code_of_class(kind: type) -> str:
    """A digest of the file that defines a class of a user's; empty for one of this project."""
    own = kind.__module__.startswith("surrogate_nas.")
    file = None if own else getattr(sys.modules.get(kind.__module__), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
