"""Which tasks are trained with which losses, and for how long: a plan for every pair."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks.building.plan import MOST_SEEDS, Plan, representatives
from surrogate_nas.core.arguments import check_number, check_whole
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.files.content import ANYTHING, LIST, TEXT, check_table, read_toml
from surrogate_nas.space import DEFAULT_SPACE, listed, space_named
from surrogate_nas.training import TASKS, Task, task_named
from surrogate_nas.training.losses import fitting, loss_named

CLASSES = 300
NOISY_CLASSES = 300
SEEDS = 4
MOST_EXAMPLES = 10_000
"""A task of more training examples takes part only where it is named: its cells take minutes, not
seconds.
"""
USUAL = "usual"
"""In place of a loss: that of the task."""
Note = Callable[[str], object]


@dataclass(frozen=True)
class Pair:
    """A task with a loss that trains it, in runs of some length.

    Attributes:
        task: The task, with the loss that is its own.
        trained: The task as it is trained here.
        plan: What is trained.
        length: Of a run, in usual runs of the task.
    """

    task: Task
    trained: Task
    plan: Plan
    length: float = 1

    @property
    def loss(self) -> str:
        """The name of the loss."""
        return self.trained.trained.name

    @property
    def table(self) -> str:
        """The name of the file that it goes into, without its ending."""
        space = "" if self.plan.space == DEFAULT_SPACE else f"-{self.plan.space}"
        longer = "" if self.length == 1 else f"-x{self.length:g}"
        return f"{self.task.name}{space}{longer}"

    @property
    def words(self) -> str:
        """What messages call it."""
        return self.plan.task + f" ×{self.length:g}" * (self.length != 1)

    @property
    def places(self) -> dict[int, int]:
        """By the index of a cell that stands for its class, its place in the random order of
        classes.
        """
        return _places(self.plan.space)

    def with_seeds(self, first: int, classes: int | None, seeds: int) -> Pair:
        """The same pair with every class, from the first on, trained with every seed."""
        noisy = len(representatives(self.plan.cells)) if classes is None else classes
        return replace(
            self,
            plan=replace(
                self.plan,
                first_class=first,
                classes=classes,
                noisy_classes=noisy,
                seeds=seeds,
            ),
        )


@lru_cache(maxsize=8)
def _places(space: str) -> dict[int, int]:
    jobs = Plan("", 1, 1, 0, None, space).jobs()
    return {job.cell: place for place, job in enumerate(jobs)}


def pair_of(
    name: str,
    task: Task,
    loss: str,
    length: float = 1,
    space: str = DEFAULT_SPACE,
) -> Pair:
    """A task with a loss, with the usual numbers of classes and seeds."""
    plan = Plan(
        f"{name}?loss={loss}",
        math.ceil(length * task.schedule.epochs - 1e-9),
        SEEDS,
        NOISY_CLASSES,
        CLASSES,
        space,
    )
    return Pair(task, task.with_loss(loss), plan, length)


def pairs_of(
    tasks: Sequence[str] = (),
    losses: Sequence[str] = (),
    *,
    classes: int = CLASSES,
    noisy_classes: int = NOISY_CLASSES,
    length: float = 1,
    space: str = DEFAULT_SPACE,
    note: Note = lambda _: None,
) -> list[Pair]:
    """Every task with every loss that fits it."""
    check_whole("Classes", classes, 1, None)
    kinds = {loss: loss_named(loss).fits for loss in losses if loss != USUAL}
    found = []
    for name in dict.fromkeys(tasks or TASKS):
        if "?" in name:
            raise UserError(f"{name} names a loss; name the task alone, and losses by --losses.")
        task = task_named(name)
        if reason := _absent(task, named=bool(tasks)):
            note(f"{name} is left out: {reason}")
            continue
        named = [task.trained.name if loss == USUAL else loss for loss in losses]
        right = [
            loss for loss in dict.fromkeys(named) if task.kind in kinds.get(loss, (task.kind,))
        ]
        for loss in right if losses else fitting(task.kind):
            pair = pair_of(name, task, loss, length, space)
            found.append(
                replace(pair, plan=replace(pair.plan, classes=classes, noisy_classes=noisy_classes))
            )
    if not found:
        raise UserError(
            "There is nothing to train: none of the losses fits a task whose data is here."
        )
    return found


def by_table(pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
    """The pairs that make a table, each once, by the table's name."""
    found: dict[str, dict[str, Pair]] = {}
    for pair in pairs:
        own = found.setdefault(pair.table, {})
        known = own.setdefault(pair.loss, pair)
        if known.task is not pair.task and known.plan.task != pair.plan.task:
            raise UserError(
                f"{known.plan.task} and {pair.plan.task} would be in one table; give the tasks"
                " other names."
            )
        own[pair.loss] = known if classes_of(known) >= classes_of(pair) else pair
    return {table: list(own.values()) for table, own in found.items()}


def classes_of(pair: Pair) -> int:
    """How many classes a pair trains."""
    every = len(representatives(listed(space_named(pair.plan.space))))
    every = max(every - pair.plan.first_class, 0)
    return every if pair.plan.classes is None else min(every, pair.plan.classes)


def _absent(task: Task, *, named: bool) -> str:
    """Why a task cannot take part, or empty."""
    if not task.is_here():
        return f"its data is not here ({task.source})."
    if named:  # however long it takes
        return ""
    try:
        examples = len(task.data["train"].targets)
    except UserError as error:
        return str(error)
    if examples <= MOST_EXAMPLES:
        return ""
    return f"its {examples:,} training examples take long; name it to train it."


# The design of an experiment on losses: steps in the order of their priority, read from a TOML
# file.
#
# A step is a table ``[[steps]]`` of:
#
# - ``tasks``: a list of names, or ``"all"`` that are here;
# - ``losses``: ``"all"`` that fit, ``"usual"``, or a list of names, `USUAL` among them; of a list
#   every loss must fit one of the tasks, and trains those that it fits;
# - ``length``: of a run, in usual runs of the task, also a part of one (1 if left out);
# - ``classes``: how many are trained of one random order, or ``"all"`` (300 if left out);
# - ``first``: the place of the first of them in that order (0 if left out);
# - ``space``: whose cells (NAS-Bench-201's if left out);
# - ``seeds``: with which every one of them is trained (4 if left out).
#
# A pair of task and loss may stand in several steps, and is trained once with every class and seed.
# Whatever is wrong is one line that names the file and the key.


DESIGNS = ("protocol",)
"""Those that come with the project: `NAME.toml`."""
ALL = "all"
_SUFFIX = ".toml"
_MOST_LENGTH = 1000
_MOST_CLASSES = 1_000_000
_KEYS = ("tasks", "losses", "length", "classes", "first", "space", "seeds")


def read_design(name: str, *, note: Note = lambda _: None) -> list[Pair]:
    """The pairs of a design in the order of their priority.

    Example:
        >>> pairs = read_design("protocol")
        >>> pairs[0].plan.task, pairs[0].length, pairs[0].plan.classes, pairs[0].plan.seeds
        ('digits?loss=cross_entropy', 1, 100, 4)
    """
    if name in DESIGNS:
        return _pairs(name, files(__package__).joinpath(f"{name}{_SUFFIX}").read_bytes(), note)
    path = Path(name)
    if path.suffix != _SUFFIX:
        raise unknown("design", name, [*DESIGNS, f"FILE{_SUFFIX}"])
    try:
        return _pairs(name, path.read_bytes(), note)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error


def _pairs(source: str, content: bytes, note: Note) -> list[Pair]:
    told = read_toml(source, content)
    check_table(source, "", told, {"title": TEXT, "steps": LIST})
    steps = told.get("steps")
    if not steps:
        raise UserError(f"{source}: steps is a list of at least one table, [[steps]].")
    said: dict[str, None] = {}
    found = [
        pair for i, step in enumerate(steps) for pair in _step(source, f"steps[{i}]", step, said)
    ]
    for line in said:
        note(line)
    return found


def _step(
    source: str,
    key: str,
    told: Any,
    said: dict[str, None],
) -> Iterator[Pair]:
    """The pairs of a step."""
    check_table(source, key, told, dict.fromkeys(_KEYS, ANYTHING), ("tasks", "losses"))
    tasks = _names(source, key, "tasks", told, (ALL,))
    losses = _names(source, key, "losses", told, (ALL, USUAL))
    length = check_number(
        f"{source}: {key}.length", told.get("length", 1), above=True, most=_MOST_LENGTH
    )
    length = int(length) if length.is_integer() else length
    first = check_whole(f"{source}: {key}.first", told.get("first", 0), 0, _MOST_CLASSES)
    seeds = check_whole(f"{source}: {key}.seeds", told.get("seeds", SEEDS), 1, MOST_SEEDS)
    classes = told.get("classes", CLASSES)
    classes = (
        None
        if classes == ALL
        else check_whole(f'{source}: {key}.classes, unless "all",', classes, 1, _MOST_CLASSES)
    )
    try:
        pairs = pairs_of(
            tasks,
            losses,
            length=length,
            space=told.get("space", DEFAULT_SPACE),
            note=lambda line: said.setdefault(line),
        )
        _check_fit(losses, {pair.task.kind for pair in pairs})
    except UserError as error:
        raise UserError(f"{source}: {key}: {error}") from error
    yield from (pair.with_seeds(first, classes, seeds) for pair in pairs)


def _check_fit(losses: list[str], kinds: set[str]) -> None:
    """Refuse a loss that trains none of a step's tasks."""
    for loss in losses:
        if loss != USUAL and not kinds & set(loss_named(loss).fits):
            right = ", ".join(
                dict.fromkeys(name for kind in sorted(kinds) for name in fitting(kind))
            )
            raise UserError(f"the loss {loss} fits none of the tasks; these do: {right}.")


def _names(
    source: str,
    key: str,
    name: str,
    told: Mapping[str, Any],
    words: tuple[str, ...],
) -> list[str]:
    """A list of names; empty for all."""
    value = told[name]
    right = " or ".join(f'"{word}"' for word in words)
    if value in words:
        return [] if value == ALL else [value]
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(one, str) and one for one in value)
    ):
        raise UserError(
            f"{source}: {key}.{name} is a list of names, or {right}, not {value!r:.80}."
        )
    return value
