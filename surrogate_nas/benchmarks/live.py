"""A benchmark that trains a cell on this machine when a result is first requested, and caches the
result.

Every cell is trained alone, so a result does not depend on the other cells of a batch. Results are
stored in the folder ``live/`` of the data directory. The key of a stored result includes everything
that determines it: the task's data, settings and code, the network, space, device, engine, cell,
epochs and seed. Different training engines add numbers in different orders. Training amplifies
these rounding differences until they are as large as the differences between training seeds. A
query costs the seconds of its training and evaluation. On a CPU, seconds are processor time.
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
"""The description of how a metric of live training is measured."""


def _name(task: str, space: str) -> str:
    return PREFIX + (task if space == DEFAULT_SPACE else f"{task}/{space}")


def _metrics(task: Task, space: Space, *source: str) -> tuple[Metric, ...]:
    trained = (
        d.metric((task.schedule.epochs,), HOW, *source) for d in task.diagnostics
    )
    return (*trained, *sizes_of(space))


def _describe(task: Task, space: Space) -> dict[str, Any]:
    """Describe a benchmark whose data may be missing on this machine."""
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
    """A benchmark that trains the cells of a space on a task, by default with training seed 0.

    The default number of epochs is the task's own. Any other number of epochs is possible:
    ``valid_error[2]`` trains for two epochs, with a learning-rate schedule of the same length.

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
        """Select the task. Its data is read when it is first needed."""
        self._code = code_of(task)
        self.task = task_named(task)
        self._named = task
        self.device = device
        if device != "cpu":  # which is always here, and saves loading PyTorch
            device_named(device)
        self.space = space_named(space)
        if not self.space.is_buildable:
            raise UserError(
                f"Cells of the space {space} cannot be built and trained: the space defines no"
                " network."
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
            f"An evaluation is charged the {clock} seconds of its training and validation, even if"
            " the result was cached; metrics that need no training are free."
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
        """The calls that prepare the fork server for all trainings, without running a user's code
        and without using a GPU.
        """
        if self.device == "cpu" and not is_theirs(self._named):
            described = str(home().absolute()), self._named, self.space.name
            return ((f"{__name__}:open_in_server", json.dumps(described)),)
        return (
            () if is_compiled(self.backend) else (("importlib:import_module", "torch"),)
        )

    @property
    def identity(self) -> str:
        """The benchmark's name without the paths of a user's files."""
        return _name(
            respelt(self._named, lambda part: part.rpartition(":")[2]), self.space.name
        )

    @cached_property
    def network(self) -> Network:  # type: ignore[override]
        """The macro architecture around the cell, which depends on the task's data."""
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
        """Check a metric's name and its training length, which may be any number of epochs, and
        return both as a `Question`.
        """
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
        """Predict the relative cost of a training: epochs × (multiply-adds / median of
        multiply-adds + 0.5).
        """
        runs = self.task.schedule.epochs if epochs is None else epochs
        if "macs" not in untrained(self.space):
            return float(runs)
        median = self.scale(Question("macs", None))[0]
        return runs * (float(self.query(cell, "macs")) / median + 0.5)

    def scale(self, question: Question, training_seed: Seed = 0) -> tuple[float, float]:
        """Return the median and the worst value of a metric. For a metric that needs training, both
        numbers are the worst possible value.
        """
        if question.epochs is None:
            return super().scale(question, training_seed)
        worst = next(
            d.of.worst for d in self.task.diagnostics if d.name == question.metric
        )
        return worst, worst


class Live(Resolver):
    """The resolver of names ``live:TASK[?OPTIONS]`` and ``live:TASK[?OPTIONS]/SPACE``."""

    shape = f"{PREFIX}TASK, {PREFIX}TASK?loss=LOSS, {PREFIX}TASK/SPACE"

    def matches(self, name: str) -> bool:
        """Return whether a name begins with ``live:``."""
        return name.startswith(PREFIX)

    def address(self, name: str) -> str:
        """Return the benchmark's name with absolute paths of a user's task and loss."""
        task, space = _task_and_space(name)
        return _name(respelt(task, absolute), space)

    def family(self, name: str) -> tuple[str, str]:
        """Return the name and the title of the family of all live benchmarks."""
        title = "not a table: cells of any space are trained on a task when they are requested"
        return "live", title

    def runs_code(self, name: str) -> bool:
        """Return whether the task or its loss is defined in a user's file."""
        return is_theirs(_task_and_space(name)[0])

    def open(self, name: str) -> LiveBenchmark:
        """Open the benchmark of a task, or return it if this process has opened it before."""
        return _open(*_task_and_space(name))

    def describe(self) -> Iterator[dict[str, Any]]:
        """Describe the benchmark of every task on every space of the project whose cells can be
        trained.
        """
        for space in filter(lambda space: space.is_buildable, map(space_named, SPACES)):
            yield from (_describe(task, space) for task in TASKS.values())


def _task_and_space(name: str) -> tuple[str, str]:
    task, _, space = name.removeprefix(PREFIX).rpartition("/")
    named = task and space in known_spaces()
    return (task, space) if named else (name.removeprefix(PREFIX), DEFAULT_SPACE)


def _open(task: str, space: str, device: str = "cpu") -> LiveBenchmark:
    return _opened(task, device, space, home(), code_of(task))


def open_in_server(described: str) -> None:
    """Open the benchmark of a task in the fork server of workers, and load the code that trains its
    cells.

    Args:
        described: The data directory, the task's name and the space's name, as a JSON list.
    """
    from surrogate_nas.training.engine import prepare

    os.environ[HOME_VARIABLE], task, space = json.loads(described)
    benchmark = _open(task, space)
    prepare(benchmark.task, benchmark.network, benchmark.space)


def _open_elsewhere(task: str, space: str, device: str, engine: str) -> LiveBenchmark:
    """Open a task in another process or on another machine, with the same backend."""
    benchmark = _open(task, space, device)
    if benchmark.backend != engine:
        raise UserError(
            f"{platform.node()} trains {benchmark.name} by another backend ({benchmark.backend})"
            f" than the command's machine ({engine}): results of two backends are never mixed."
            f" {HOW_TO_AGREE}"
        )
    return benchmark


@lru_cache(maxsize=16)
def _opened(
    task: str, device: str, space: str, folder: Path, code: str
) -> LiveBenchmark:
    return LiveBenchmark(task, device=device, space=space)


def _code_of_class(kind: type) -> str:
    """Return the digest of the file that defines a user's class; empty for the project's."""
    own = kind.__module__.startswith("surrogate_nas.")
    file = None if own else getattr(sys.modules.get(kind.__module__), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
