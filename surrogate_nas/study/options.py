"""The options of a run and its budget.

The type, range, text and flag of an option are one field of `Options`. From there follow what
``sn.search``, ``sn.compare`` and a path over λ take and check, their flags, and what a folder says
of them and may say (`surrogate_nas.study.stored`).
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_type_hints,
)

from surrogate_nas.core.arguments import (
    alternatives,
    check_fields,
    check_number,
    check_size,
    check_whole,
)
from surrogate_nas.core.errors import UserError

if TYPE_CHECKING:
    from surrogate_nas.benchmarks import Benchmark

Function = TypeVar("Function", bound=Callable[..., Any])

FIRST_CELLS = 10
CALL_LIMIT_SECONDS = 600.0
USUAL_CELLS = 150
"""The budget of a run where none is given."""
_GPU = re.compile(r"\d+|(GPU|MIG)-[0-9a-f/-]+", re.IGNORECASE)
MOST = 10**9
MOST_RUNS = 10**6
"""The largest budget in cells, or any such number, and the most runs of a strategy."""
BEST_SHOWN = 4
"""How many of the best cells of a study a report shows with their final metrics, beside the best of
each strategy.
"""


@dataclass(frozen=True)
class Budget:
    """What a run may spend; it ends at whichever comes first.

    Attributes:
        cells: The most evaluations, or None.
        seconds: The most simulated seconds (queries, where the benchmark counts those), or None. A
            trial that would pass it does not count, as it would not have finished.
    """

    cells: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.cells is None and self.seconds is None:
            raise UserError("A run needs a budget: a number of cells, or simulated seconds.")
        if self.cells is not None:
            check_whole("A budget in cells", self.cells, 1, MOST)
        if self.seconds is not None:
            check_number("A budget in simulated seconds", self.seconds, above=True)


def budget_of(cells: int | None, seconds: float | None) -> Budget:
    """What was given, or the usual number of cells where nothing was.

    Example:
        >>> budget_of(None, None).cells, budget_of(None, 3600.0).cells
        (150, None)
    """
    return Budget(USUAL_CELLS if cells is None and seconds is None else cells, seconds)


@dataclass(frozen=True, kw_only=True)
class OptionSpec:
    """An option, apart from its type and its default.

    Attributes:
        text: What it is, as the documentation of Python functions says it.
        flag: The command line's, or empty.
        flag_type: The flag's type; None for the field's.
        help: The flag's help; `text` where it is empty.
        noun: What a number that is out of range is called; empty where none is.
        minimum: The smallest number.
        maximum: The largest, or None.
        exclusive: Whether the minimum itself is refused.
        is_stored: Whether results depend on it, so that a folder records it and never mixes two.
    """

    text: str
    flag: str = ""
    flag_type: Any = None
    help: str = ""
    noun: str = ""
    minimum: float = -math.inf
    maximum: int | None = None
    exclusive: bool = False
    is_stored: bool = True


@dataclass(frozen=True, kw_only=True)
class ObjectiveOptions:
    """What an objective is given beside its expression and limits: which seeds and final metrics
    searches may see, and what λ is worth; a field is all there is to write for a new one.
    """

    seed_policy: Annotated[
        Literal["mean", "draw"] | None,
        OptionSpec(
            text=(
                "``draw`` lets a search see one drawn training seed of each cell, while reports"
                " read the mean (`Objective.reported`); None for what the objective says."
            ),
            flag="--seed-policy",
            help="What searches see: the seeds' mean, or one drawn (reports use the mean).",
        ),
    ] = None
    search_on_final: Annotated[
        str | Sequence[str],
        OptionSpec(
            text="Final metrics, such as a robust error, that this study searches on.",
            flag="--search-on-final",
            flag_type=list[str],
            help="Final metrics that this study searches on; commas between, or the option again.",
        ),
    ] = ()
    tolerance: Annotated[
        str | None,
        OptionSpec(
            text="λ by what R is worth, as ``100% params per 1 valid_error``; see `Objective`.",
            flag="--tolerance",
            help='λ by what R is worth, such as "100% params per 1 valid_error".',
        ),
    ] = None

    @classmethod
    def out_of(cls, options: dict[str, Any]) -> ObjectiveOptions:
        """Those among some options, which are taken out.

        Args:
            options: By their names.
        """
        own = options.keys() & cls.__dataclass_fields__
        return cls(**{name: options.pop(name) for name in own})

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> ObjectiveOptions:
        """What a folder says of them; an earlier release could not say all.

        Args:
            stored: As `Objective.describe` gives it.
        """
        return cls.out_of({"seed_policy": "mean", **stored})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every run of a study is given; a field is all there is to write for a new option."""

    seed: Annotated[
        int, OptionSpec(text="The root of all randomness.", noun="A seed", minimum=0)
    ] = 0
    first_cells: Annotated[
        int,
        OptionSpec(
            text="How many random cells every strategy of a run is told first.",
            noun="The number of first cells",
            minimum=0,
            maximum=MOST,
        ),
    ] = FIRST_CELLS
    call_limit_seconds: Annotated[
        float,
        OptionSpec(
            text="The longest that one `ask` or `tell` may take.",
            flag="--call-limit",
            help="The most seconds that a strategy may take to answer once.",
            noun="The limit of one call (--call-limit, call_limit_seconds)",
            minimum=0,
            exclusive=True,
            is_stored=False,
        ),
    ] = CALL_LIMIT_SECONDS
    simulated_workers: Annotated[
        int,
        OptionSpec(
            text="How many cells are evaluated side by side on the simulated clock.",
            flag="--simulated-workers",
            help="Cells evaluated side by side on the simulated clock.",
            noun="The number of simulated workers",
            minimum=1,
            maximum=MOST,
        ),
    ] = 1
    parallel: Annotated[
        int,
        OptionSpec(
            text=(
                "How many cells are trained at once, each in a slot of the engine; only where cells"
                " are really trained. Runs that are made side by side share these slots."
            ),
            flag="--parallel",
            help=(
                "Trainings at once, where cells are really trained; runs side by side (--workers)"
                " share them."
            ),
            noun="The number of trainings at once (--parallel, parallel)",
            minimum=1,
            maximum=MOST,
            is_stored=False,
        ),
    ] = 1
    in_flight: Annotated[
        int | None,
        OptionSpec(
            text=(
                "How many trainings may be in flight, those that wait for a slot included; None"
                " for what suits `parallel` and `order`."
            ),
            flag="--in-flight",
            help="Trainings in flight, waiting ones included; by default what suits --parallel.",
            noun="The number of trainings in flight (--in-flight, in_flight)",
            minimum=1,
            maximum=MOST,
        ),
    ] = None
    order: Annotated[
        Literal["clock", "finished"] | None,
        OptionSpec(
            text=(
                "In which order trainings in flight are told: ``clock`` by predicted costs, the"
                " same on any machine, or ``finished`` as they come; None for ``finished`` in a"
                " single search and ``clock`` where strategies are compared."
            ),
            flag="--order",
            help=(
                "How trainings are told: clock, the same on any machine unless the budget is in"
                " seconds (usual where strategies are compared), or finished, as they come (usual"
                " in a search)."
            ),
        ),
    ] = None
    at_end: Annotated[
        Literal["finish", "stop"],
        OptionSpec(
            text=(
                "What happens to running trainings at the end of the budget: they are finished and"
                " counted, or stopped and not counted."
            ),
            flag="--at-end",
            help="Running trainings at the end of the budget: finish and count, or stop.",
        ),
    ] = "finish"
    gpus: Annotated[
        str | None,
        OptionSpec(
            text=(
                "The GPUs of this machine that trainings at once are spread over, as in ``0,2,3``;"
                " None for what each slot sees by itself."
            ),
            flag="--gpus",
            help="GPUs that trainings at once are spread over, such as 0,2,3.",
            is_stored=False,
        ),
    ] = None
    per_gpu: Annotated[
        int,
        OptionSpec(
            text="How many trainings share a GPU.",
            flag="--per-gpu",
            help="Trainings that share a GPU.",
            noun="The number of trainings on a GPU (--per-gpu, per_gpu)",
            minimum=1,
            maximum=MOST,
            is_stored=False,
        ),
    ] = 1
    gpus_each: Annotated[
        int,
        OptionSpec(
            text="How many GPUs a training has.",
            flag="--gpus-each",
            help="GPUs that a training has.",
            noun="The number of GPUs of a training (--gpus-each, gpus_each)",
            minimum=1,
            maximum=MOST,
            is_stored=False,
        ),
    ] = 1
    threads_each: Annotated[
        int,
        OptionSpec(
            text="How many threads of arithmetic a training has, where it is made in a slot.",
            flag="--threads-each",
            help="Threads of arithmetic that a training in a slot has.",
            noun="The number of threads of a training (--threads-each, threads_each)",
            minimum=1,
            maximum=MOST,
            is_stored=False,
        ),
    ] = 1
    memory_each: Annotated[
        str | None,
        OptionSpec(
            text=(
                "The most memory that a training may take where it is made in a slot, with all that"
                " it starts, such as ``4GB``: one that takes more has failed for want of memory."
                " None for no limit."
            ),
            flag="--memory-each",
            help="Memory that a training in a slot may take, such as 4GB.",
        ),
    ] = None
    budget_tokens: Annotated[
        int | None,
        OptionSpec(
            text=(
                "The most tokens that a program outside may take for its answers in one run, as it"
                " tells itself; None for no limit. An answer that passes it does not count."
            ),
            flag="--budget-tokens",
            help="The most tokens of a run, as a program outside tells them.",
            noun="A budget in tokens",
            minimum=1,
            maximum=MOST,
        ),
    ] = None
    hidden: Annotated[
        bool,
        OptionSpec(
            text="Whether strategies are denied what is known for free (`Objective.known`).",
            flag="--hidden",
            help="Deny strategies what is known for free.",
        ),
    ] = False
    target: Annotated[
        float | None,
        OptionSpec(
            text=(
                "A run ends when a feasible trial scores this or less, as its search sees it; None"
                " for never."
            ),
            flag="--target",
            help="A run ends when a feasible cell scores this or less.",
            noun="A target",
        ),
    ] = None

    def __post_init__(self) -> None:
        check_fields(self)
        for option in OPTIONS:
            option.check_range(getattr(self, option.name))
        if self.memory_each is not None:
            self._check_memory()
            object.__setattr__(self, "memory_each", "".join(self.memory_each.upper().split()))

    def _check_memory(self) -> int:
        what = "The memory of a training (--memory-each, memory_each)"
        return check_size(what, self.memory_each)

    @property
    def memory_bytes(self) -> int | None:
        """The most bytes that a training in a slot may have in memory; None for no limit.

        Example:
            >>> Options(memory_each="1.5 GB").memory_bytes
            1500000000
        """
        return None if self.memory_each is None else self._check_memory()

    @property
    def asks_for_slots(self) -> bool:
        """Whether one of them makes sense only where cells are trained in slots."""
        return (
            self.parallel > 1
            or self.in_flight is not None
            or self.order is not None
            or bool(self.devices)
            or self.threads_each > 1
            or self.memory_each is not None
        )

    @property
    def devices(self) -> tuple[str, ...]:
        """The GPUs of each slot, as ``CUDA_VISIBLE_DEVICES`` names them; empty where none is named.

        Example:
            >>> Options(gpus="0,2", per_gpu=2).devices
            ('0', '2', '0', '2')
            >>> Options(gpus="0,1,2,3", gpus_each=2).devices
            ('0,1', '2,3')
        """
        if self.gpus is None:
            return ()
        named = [one.strip() for one in self.gpus.split(",")]
        if not all(_GPU.fullmatch(one) for one in named) or len(set(named)) < len(named):
            raise UserError(
                "GPUs are named by their numbers or identifiers, each once and with commas between,"
                f" such as 0,2,3, not {self.gpus!r:.80}."
            )
        each = self.gpus_each
        if each > 1 and self.per_gpu > 1:
            raise UserError("Either a training has several GPUs or several trainings share one.")
        if len(named) % each:
            raise UserError(f"{len(named)} GPUs cannot be shared out {each} to a training.")
        shares = [",".join(named[i : i + each]) for i in range(0, len(named), each)]
        return tuple(shares) * self.per_gpu

    def stored(self) -> dict[str, Any]:
        """What a folder says of them."""
        return {option.name: getattr(self, option.name) for option in STORED}


class Option(NamedTuple):
    """A field of `Options` or of `ObjectiveOptions`."""

    name: str
    type: Any
    default: Any
    spec: OptionSpec

    def parameter(self, annotation: Any) -> inspect.Parameter:
        """The keyword parameter of a function that takes it."""
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=self.default,
            annotation=annotation,
        )

    def check_range(self, value: Any) -> None:
        """Refuse a number that is too small or too large."""
        spec = self.spec
        if value is None or not spec.noun:
            return
        if float in alternatives(self.type):
            check_number(spec.noun, value, spec.minimum, above=spec.exclusive)
        else:
            check_whole(spec.noun, value, int(spec.minimum), spec.maximum)


def _declared_options(of: Any) -> tuple[Option, ...]:
    types = get_type_hints(of, include_extras=True)
    options = []
    for field in fields(of):
        kind, spec = get_args(types[field.name])
        options.append(Option(field.name, kind, field.default, spec))
    return tuple(options)


OPTIONS = _declared_options(Options)
OBJECTIVE_OPTIONS = _declared_options(ObjectiveOptions)
STORED = tuple(option for option in OPTIONS if option.spec.is_stored)
"""The options that results depend on."""
FLAGS = tuple(option for option in OPTIONS if option.spec.flag)
"""Those that the command line takes."""


def unusual(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some options, by name, that differ from the default.

    Raises:
        UserError: One is of a wrong type or size.
        TypeError: There is no such option.
    """
    given = Options(**options)
    values = {option: getattr(given, option.name) for option in OPTIONS}
    return {option.name: value for option, value in values.items() if value != option.default}


_AHEAD = 1.5
"""Trainings in flight for each slot, where they are told in the order of a clock: while the one
that is told next still runs, the other slots have something to do.
"""


def trainings_in_flight(
    given: Options, benchmark: Benchmark
) -> tuple[int | None, Literal["clock", "finished"] | None]:
    """How many trainings may be in flight, and the order in which they are told; None and None
    where nothing is trained in slots.

    Args:
        given: Options that may leave both open.
        benchmark: What is searched on.

    Raises:
        UserError: Several cells at once are asked for where none is trained, or two kinds of
            workers are.
    """
    if not given.asks_for_slots and not benchmark.runs_apart:
        return None, None
    if not benchmark.one_by_one:
        raise UserError(
            f"{benchmark.name} answers at once, so nothing of it is trained in parallel; leave out"
            " --parallel, --in-flight and --order, or simulate it by --simulated-workers."
        )
    if given.simulated_workers > 1:
        raise UserError("Workers are simulated or real: give --simulated-workers or --parallel.")
    order = given.order or "clock"
    if given.in_flight is not None:
        return given.in_flight, order
    is_ahead = order == "clock" and given.parallel > 1
    return math.ceil(_AHEAD * given.parallel) if is_ahead else given.parallel, order


def of_a_search(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a single search: trainings at once are told as they finish where nothing else is
    said.

    Example:
        >>> of_a_search({"parallel": 2}), of_a_search({"parallel": 2, "order": "clock"})
        ({'parallel': 2, 'order': 'finished'}, {'parallel': 2, 'order': 'clock'})
    """
    given = Options(**options)
    is_race = given.parallel > 1 or bool(given.devices)
    if given.order is None and is_race:
        return {**options, "order": "finished"}
    return dict(options)


def takes_options(
    *more: Option,
    without: Sequence[str] = (),
) -> Callable[[Function], Function]:
    """Let ``**options`` of a function stand for the fields of `Options` and for more, in its
    signature and in its documentation.
    """
    taken = [*more, *(option for option in OPTIONS if option.name not in without)]
    texts = "\n        ".join(f"{option.name}: {option.spec.text}" for option in taken)

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        parameters = [*own, *(option.parameter(option.type) for option in taken)]
        function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        function.__doc__ = (function.__doc__ or "").replace("**options: See ``Options``.", texts)
        return function

    return decorate
