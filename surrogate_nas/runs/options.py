"""The options of a run and its budget.

A field of `Options` is a keyword of Python (those of `Resources` together, as ``resources``), a
flag of the command line (``per_gpu`` is ``--per-gpu``) and an entry of the folder. Its type is
followed by its help.
"""

import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from msgspec import Meta, Struct
from msgspec.structs import asdict, force_setattr, replace

from surrogate_nas.core import UserError, check_names, check_size, check_struct, shown

if TYPE_CHECKING:
    from surrogate_nas.benchmarks import Benchmark

N_RANDOM = 10
CALL_LIMIT_SECONDS = 600.0
USUAL_CELLS = 150
"""The budget of a run where none is given."""
_GPU = re.compile(r"\d+|(GPU|MIG)-[0-9a-f/-]+", re.IGNORECASE)
MOST = 10**9
MOST_RUNS = 10**6
"""The largest budget in cells, or any such number, and the most runs of a strategy."""
USAGE = "usage"
ENDED_EARLY = "ended early"
"""What the diagnosis of a run says: the costs of its answers, as the strategy told them, and that
the strategy ended it, or its budget in tokens.
"""
BEST_SHOWN = 4
"""How many of the best cells of a study a report shows with their final metrics, in addition to the
best of each strategy.
"""
_LARGEST = sys.float_info.max
Count = Annotated[int, Meta(ge=1, le=MOST)]
Finite = Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)]
Above = Annotated[float, Meta(gt=0, le=_LARGEST)]


class Budget(Struct, frozen=True, forbid_unknown_fields=True):
    """What a run may spend; it ends at whichever comes first.

    Attributes:
        cells: The most evaluations, or None.
        seconds: The most simulated seconds (queries, where the benchmark counts those), or None. A
            trial that would pass it does not count, as it would not have finished.
    """

    cells: Count | None = None
    seconds: Above | None = None

    def __post_init__(self) -> None:
        check_struct(self, "A budget in {}")
        if self.cells is None and self.seconds is None:
            raise UserError(
                "A run needs a budget: a number of cells, or simulated seconds."
            )


def budget_of(cells: int | None, seconds: float | None) -> Budget:
    """The budget that was given, or the default number of cells."""
    return Budget(USUAL_CELLS if cells is None and seconds is None else cells, seconds)


class _Declared(Struct, frozen=True, kw_only=True):
    """Options, each declared once with its help."""

    def __post_init__(self) -> None:
        check_struct(self, "{} ({flag})")

    @classmethod
    def out_of(cls, options: dict[str, Any]) -> Self:
        """Take the fields out of some options by name."""
        own = options.keys() & {*cls.__struct_fields__}
        return cls(**{name: options.pop(name) for name in own})


class ObjectiveOptions(_Declared, frozen=True, kw_only=True):
    """The options of an objective besides its expression and its limits."""

    seed_policy: Annotated[
        Literal["mean", "draw"] | None,
        (
            "What searches see: the mean over training seeds, or one drawn seed of each cell"
            " (reports use the mean); the objective's own policy if left out."
        ),
    ] = None
    search_on_final: Annotated[
        str | Sequence[str],
        "Final metrics, such as a robust error, that this study searches on.",
    ] = ()

    def __post_init__(self) -> None:
        check_struct(self)
        if not isinstance(self.search_on_final, str):
            check_names("search_on_final", self.search_on_final)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "ObjectiveOptions":
        """Read what `Objective.describe` gave; an earlier release could not say all."""
        return cls.out_of({"seed_policy": "mean", **stored})


class Resources(
    _Declared,
    frozen=True,
    kw_only=True,
    repr_omit_defaults=True,
    rename={"threads": "threads_each", "memory": "memory_each"},
):
    """Where runs and trainings are made, how many at once, and what each may take.

    Results depend on `in_flight`, `order`, `at_end`, `memory` and `simulated_workers` only.

    Attributes:
        workers: The number of runs at once, at least 1; None for one, or for as many as a cluster
            takes.
        engine: Where runs are made, or trainings where cells are trained: ``processes``,
            ``dask``, ``ray``, ``slurm`` or ``FILE.py:NAME``, followed by a colon and its address,
            such as ``dask:tcp://HOST:8786``.
        parallel: The number of trainings at once, at least 1, where cells are really trained.
            Runs that are made at the same time share them.
        in_flight: The largest number of trainings that have begun and are not reported yet; None
            for 1.5 times `parallel` in the order of the clock, and for `parallel` otherwise.
        order: The order in which trainings are reported: by predicted costs (``clock``) or as they
            end (``finished``). None for ``finished`` in a search and ``clock`` elsewhere.
        at_end: ``finish`` counts the trainings that run at the end of the budget; ``stop`` ends
            them.
        gpus: GPUs for the trainings, such as ``0,2,3``.
        per_gpu: The number of trainings that share a GPU, at least 1.
        threads: The number of threads of each training, at least 1.
        memory: The most memory of each training with its processes, such as ``4GB``.
        call_limit: The most seconds that one `ask` or `tell` of a user's strategy may take.
        simulated_workers: The number of cells that a table evaluates at once on the simulated
            clock, at least 1.

    Raises:
        UserError: A value has a wrong type or is out of range. The message names the field and its
            flag.

    Example:
        >>> Resources(parallel=2, memory="4 gb")
        Resources(parallel=2, memory='4GB')
    """

    workers: Annotated[
        Count | None,
        (
            "How many runs, or other jobs, at once; if left out, one or two, or all that a cluster"
            " takes."
        ),
    ] = None
    engine: Annotated[
        str,
        (
            "Where jobs are done: processes, dask[:ADDRESS], ray[:ADDRESS], slurm[:OPTIONS], or"
            " FILE.py:NAME."
        ),
    ] = "processes"
    parallel: Annotated[
        Count,
        (
            "Trainings at once, where cells are really trained; runs that are made side by side"
            " share these slots."
        ),
    ] = 1
    in_flight: Annotated[
        Count | None,
        "Trainings in flight, waiting ones included; by default what suits the number at once.",
    ] = None
    order: Annotated[
        Literal["clock", "finished"] | None,
        (
            "The order in which trainings are reported: clock, by predicted costs, which is the"
            " same on any machine unless the budget is in seconds (default where strategies are"
            " compared), or finished, as they come (default in a single search)."
        ),
    ] = None
    at_end: Annotated[
        Literal["finish", "stop"],
        "Running trainings at the end of the budget: finish and count them, or stop them.",
    ] = "finish"
    gpus: Annotated[
        str | None,
        "GPUs that trainings at once are spread over, such as 0,2,3.",
    ] = None
    per_gpu: Annotated[
        Count,
        "Trainings that share a GPU.",
    ] = 1
    threads: Annotated[
        Count,
        "Threads of arithmetic that a training in a slot has.",
    ] = 1
    memory: Annotated[
        str | None,
        (
            "Memory that a training in a slot may take with all that it starts, such as 4GB; one"
            " that takes more has failed."
        ),
    ] = None
    call_limit: Annotated[
        Above,
        "The most seconds that one `ask` or `tell` of a user's strategy may take.",
    ] = CALL_LIMIT_SECONDS
    simulated_workers: Annotated[
        Count,
        "Cells that are evaluated side by side on the simulated clock.",
    ] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.devices  # noqa: B018 - checks itself
        if self.memory_bytes is not None:
            memory = "".join(str(self.memory).upper().split())
            force_setattr(self, "memory", memory)

    @classmethod
    def of(cls, given: "Resources | Mapping[str, Any] | None") -> "Resources":
        """Resources, also by name in a mapping; the defaults for None."""
        if isinstance(given, Resources):
            return given
        own = {} if given is None else given
        if isinstance(own, Mapping) and own.keys() <= {*cls.__struct_fields__}:
            return cls(**own)
        raise UserError(
            "resources is surrogate_nas.Resources, such as Resources(parallel=2), not"
            f" {shown(given)}."
        )

    @property
    def of_slots(self) -> list[str]:
        """The given fields that make sense only where cells are trained in slots."""
        return [
            name
            for name in _OF_SLOTS
            if getattr(self, name) != getattr(_DEFAULTS, name)
        ]

    @property
    def memory_bytes(self) -> int | None:
        """The most bytes that a training in a slot may have in memory; None for no limit."""
        limit = self.memory
        return None if limit is None else check_size("memory (--memory)", limit)

    @property
    def devices(self) -> tuple[str, ...]:
        """The GPUs of each slot, as ``CUDA_VISIBLE_DEVICES`` names them; empty where none is named.

        Example:
            >>> Resources(gpus="0,2", per_gpu=2).devices
            ('0', '2', '0', '2')
        """
        if self.gpus is None:
            return ()
        named = [gpu.strip() for gpu in self.gpus.split(",")]
        if not all(_GPU.fullmatch(gpu) for gpu in named) or len(set(named)) < len(
            named
        ):
            raise UserError(
                "gpus (--gpus) are numbers or identifiers, each once and with commas between, such"
                f" as 0,2,3, not {self.gpus!r:.80}."
            )
        return tuple(named) * self.per_gpu


# Options that change how runs are made and not what they find.
_NOT_STORED = {
    *("workers", "engine", "parallel", "gpus", "per_gpu", "threads", "call_limit")
}
# Options that make sense only where cells are trained in slots.
_OF_SLOTS = ("parallel", "in_flight", "order", "gpus", "threads", "memory")


class Options(Resources, frozen=True, kw_only=True, rename={"n_random": "first_cells"}):
    """What every run of a study is given."""

    seed: Annotated[
        int,
        Meta(ge=0, le=2**63 - 1),
        "The root of all randomness.",
    ] = 0
    n_random: Annotated[
        int,
        Meta(ge=0, le=MOST),
        "Random cells that every strategy of a run observes first, after yours.",
    ] = N_RANDOM
    budget_tokens: Annotated[
        Count | None,
        (
            "The most tokens that an external program may report in one run; an answer that"
            " passes it does not count."
        ),
    ] = None
    hidden: Annotated[
        bool,
        "Withhold the free terms, which need no training, from strategies.",
    ] = False
    target: Annotated[
        Finite | None,
        "A run ends when a feasible cell scores this or less, as its search sees it.",
    ] = None

    def stored(self) -> dict[str, Any]:
        """What a folder records: results depend on it."""
        return {
            key: getattr(self, name)
            for key, name in FIELDS.items()
            if name not in _NOT_STORED
        }

    @classmethod
    def read(cls, description: Mapping[str, Any]) -> "Options":
        """Read what a folder records; an earlier release could not say all."""
        known = USUAL.keys() & description.keys()
        return cls(**{FIELDS[key]: description[key] for key in known})


FIELDS = dict(
    zip(Options.__struct_encode_fields__, Options.__struct_fields__, strict=True)
)
"""The field of each key of a folder's record."""


def ended_by(
    trials: Iterable[Any],
    epochs: int | None,
    options: Options,
    diagnosis: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> str:
    """Why a run ends before its budget is spent; empty where it does not.

    Args:
        trials: Some that were made, or their stored lines.
        epochs: The objective's own.
        options: Of the run.
        diagnosis: What the run records besides its trials.
    """
    if options.target is not None and any(
        trial.feasible and trial.score <= options.target and trial.epochs == epochs
        for trial in trials
    ):
        return "target"
    tokens = options.budget_tokens
    if tokens is not None and diagnosis.get(USAGE, {}).get("tokens", 0.0) > tokens:
        return "tokens"
    return ENDED_EARLY if ENDED_EARLY in diagnosis else ""


_DEFAULTS = Options()
USUAL = _DEFAULTS.stored()
"""The options that results depend on, by name with their defaults."""


def unusual(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some options, by name or by key of a record, that differ from the default; all are
    checked.
    """
    named = {FIELDS.get(key, key): value for key, value in options.items()}
    given = asdict(Options(**named)).items()
    return {name: value for name, value in given if value != getattr(_DEFAULTS, name)}


# Trainings in flight for each slot, where they are reported in the order of a clock: while the
# next one still runs, the other slots have something to do.
_AHEAD = 1.5


def settled(given: Options, benchmark: "Benchmark") -> Options:
    """Options with the number of trainings in flight, and the order in which they are reported, set
    where cells are trained in slots, and None where not.

    Raises:
        UserError: Several cells at once are asked for where none is trained, or two kinds of
            workers are.
    """
    if given.devices and given.parallel == 1:
        given = replace(given, parallel=len(given.devices))
    if not given.of_slots and not benchmark.runs_apart:
        return given
    if not benchmark.one_by_one:
        raise UserError(
            f"{benchmark.name} answers at once, so nothing of it is trained in parallel: leave out"
            f" {', '.join(given.of_slots)}, or give simulated_workers (--simulated-workers)."
        )
    if given.simulated_workers > 1:
        raise UserError(
            "Workers are simulated or real: give simulated_workers (--simulated-workers) or"
            " parallel (--parallel)."
        )
    order = given.order or "clock"
    is_ahead = order == "clock" and given.parallel > 1
    most = math.ceil((_AHEAD if is_ahead else 1) * given.parallel)
    return replace(given, order=order, in_flight=given.in_flight or most)
