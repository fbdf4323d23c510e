"""The options and the budget of a run.

Each field of `Options` is a keyword argument in Python, a flag of the command line (``per_gpu`` is
``--per-gpu``) and an entry in the stored description. In Python, the fields of `Resources` are
passed together as ``resources``. The annotation of a field contains its type and its help text.
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
"""The keys of a run's diagnosis: the cost that an external program reported for its answers, and
whether the strategy or the token budget ended the run early.
"""
BEST_SHOWN = 4
"""The number of best cells of a study that a report shows with their final metrics, in addition to
the best cell of each strategy.
"""
_LARGEST = sys.float_info.max
Count = Annotated[int, Meta(ge=1, le=MOST)]
Finite = Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)]
Above = Annotated[float, Meta(gt=0, le=_LARGEST)]


class Budget(Struct, frozen=True, forbid_unknown_fields=True):
    """The budget of a run, in cells, in simulated seconds or both. The run ends when either limit
    is reached.

    Attributes:
        cells: The largest number of evaluations, or None.
        seconds: The largest number of simulated seconds (or of queries, if the benchmark counts
            queries), or None. A trial that would end after this limit does not count, because it
            would not have finished.
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
    """Return the given budget or, if no limit is given, the default number of cells."""
    return Budget(USUAL_CELLS if cells is None and seconds is None else cells, seconds)


class _Declared(Struct, frozen=True, kw_only=True):
    """Options. Each is declared once with its help."""

    def __post_init__(self) -> None:
        check_struct(self, "{} ({flag})")

    @classmethod
    def out_of(cls, options: dict[str, Any]) -> Self:
        """Remove the fields of this class from a dictionary of options, and build the class from
        them.
        """
        own = options.keys() & {*cls.__struct_fields__}
        return cls(**{name: options.pop(name) for name in own})


class ObjectiveOptions(_Declared, frozen=True, kw_only=True):
    """The options of an objective apart from its expression and constraints."""

    seed_policy: Annotated[
        Literal["mean", "draw"] | None,
        (
            "The values that strategies receive: the mean over training seeds, or draw, the value"
            " of one random seed per cell (reports use the mean). Default: the objective's policy."
        ),
    ] = None
    search_on_final: Annotated[
        str | Sequence[str],
        "Final metrics, such as a robust error, that strategies may search by in this study.",
    ] = ()

    def __post_init__(self) -> None:
        check_struct(self)
        if not isinstance(self.search_on_final, str):
            check_names("search_on_final", self.search_on_final)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "ObjectiveOptions":
        """Read the options from the output of `Objective.describe`. Fields that descriptions of
        earlier releases lack get their defaults.
        """
        return cls.out_of({"seed_policy": "mean", **stored})


class Resources(
    _Declared,
    frozen=True,
    kw_only=True,
    repr_omit_defaults=True,
    rename={"threads": "threads_each", "memory": "memory_each"},
):
    """The resources of a study: on which machines runs and trainings execute, how many run in
    parallel, and their limits.

    Results depend on `in_flight`, `order`, `at_end`, `memory` and `simulated_workers` only.

    Attributes:
        workers: The number of runs in parallel, at least 1. If None, one run is made at a time or,
            on a cluster, as many runs as it has workers.
        engine: The engine that executes runs or, if cells are trained, trainings: ``processes``,
            ``dask``, ``ray``, ``slurm`` or ``FILE.py:NAME``. An address may follow after a colon,
            as in ``dask:tcp://HOST:8786``.
        parallel: The number of trainings in parallel, at least 1, for benchmarks that train cells.
            Concurrent runs share these training workers.
        in_flight: The largest number of pending trainings, which are started or queued but not yet
            reported to the strategy. The default is 1.5 times `parallel` if `order` is ``clock``
            and several trainings run in parallel. In all other cases, the default is `parallel`.
        order: The order in which trainings are reported to the strategy: by their predicted ends
            (``clock``) or as they actually finish (``finished``). The default is ``finished`` in a
            single search, and ``clock`` otherwise.
        at_end: What happens to trainings that run when the budget is spent: with ``finish``, they
            are completed and counted; with ``stop``, they are stopped.
        gpus: The GPUs for the trainings, such as ``0,2,3``.
        per_gpu: The number of trainings that share a GPU, at least 1.
        threads: The number of threads of each training, at least 1.
        memory: The memory limit of each training, including its child processes, such as ``4GB``.
        call_limit: The time limit in seconds for one call of ``ask`` or ``tell`` of a user-defined
            strategy.
        simulated_workers: The number of cells that a table evaluates in parallel on the simulated
            clock, at least 1.

    Raises:
        UserError: A value has a wrong type or is out of range. The error message names the field
            and its command-line flag.

    Example:
        >>> Resources(parallel=2, memory="4 gb")
        Resources(parallel=2, memory='4GB')
    """

    workers: Annotated[
        Count | None,
        (
            "How many runs or other jobs in parallel; by default one or two, or all workers of a"
            " cluster."
        ),
    ] = None
    engine: Annotated[
        str,
        (
            "Where jobs execute: processes, dask[:ADDRESS], ray[:ADDRESS], slurm[:OPTIONS] or"
            " FILE.py:NAME."
        ),
    ] = "processes"
    parallel: Annotated[
        Count,
        (
            "Trainings in parallel, for benchmarks that train cells. Parallel runs share these"
            " workers."
        ),
    ] = 1
    in_flight: Annotated[
        Count | None,
        "Trainings that are pending (running or queued) at once; by default 1 to 1.5 per worker.",
    ] = None
    order: Annotated[
        Literal["clock", "finished"] | None,
        (
            "The order in which trainings are reported. clock: by predicted costs, which is the"
            " same on any machine unless the budget is in seconds (default in comparisons)."
            " finished: as they end (default in a single search)."
        ),
    ] = None
    at_end: Annotated[
        Literal["finish", "stop"],
        "What to do with running trainings at the end of the budget: finish and count, or stop.",
    ] = "finish"
    gpus: Annotated[
        str | None,
        "GPUs to distribute trainings over, such as 0,2,3.",
    ] = None
    per_gpu: Annotated[
        Count,
        "Number of trainings that share a GPU.",
    ] = 1
    threads: Annotated[
        Count,
        "Number of CPU threads per training.",
    ] = 1
    memory: Annotated[
        str | None,
        (
            "Memory limit of a training with its child processes, such as 4GB. A training that"
            " exceeds it fails."
        ),
    ] = None
    call_limit: Annotated[
        Above,
        "The longest time in seconds of one `ask` or `tell` of a user-defined strategy.",
    ] = CALL_LIMIT_SECONDS
    simulated_workers: Annotated[
        Count,
        "Cells that are evaluated in parallel on the simulated clock.",
    ] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.devices  # noqa: B018 - checks itself
        if self.memory_bytes is not None:
            memory = "".join(str(self.memory).upper().split())
            force_setattr(self, "memory", memory)

    @classmethod
    def of(cls, given: "Resources | Mapping[str, Any] | None") -> "Resources":
        """Convert a mapping from field names to values into `Resources`. If the argument is None,
        return the defaults.
        """
        if isinstance(given, Resources):
            return given
        own = {} if given is None else given
        if isinstance(own, Mapping) and own.keys() <= {*cls.__struct_fields__}:
            return cls(**own)
        raise UserError(
            "resources must be a surrogate_nas.Resources, such as Resources(parallel=2), not"
            f" {shown(given)}."
        )

    @property
    def of_slots(self) -> list[str]:
        """The names of the fields that differ from their defaults and apply only if cells are
        trained in parallel workers.
        """
        return [
            name
            for name in _OF_SLOTS
            if getattr(self, name) != getattr(_DEFAULTS, name)
        ]

    @property
    def memory_bytes(self) -> int | None:
        """The memory limit of a training in bytes, or None for no limit."""
        limit = self.memory
        return None if limit is None else check_size("memory (--memory)", limit)

    @property
    def devices(self) -> tuple[str, ...]:
        """The GPU of each training worker, in the format of ``CUDA_VISIBLE_DEVICES``; empty if no
        GPUs are given.

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
                "gpus (--gpus) must be GPU numbers or identifiers, each once and separated by"
                f" commas, such as 0,2,3, not {self.gpus!r:.80}."
            )
        return tuple(named) * self.per_gpu


# Options that change how runs are executed but not what they find.
_NOT_STORED = {
    *("workers", "engine", "parallel", "gpus", "per_gpu", "threads", "call_limit")
}
# Options that apply only if cells are trained in parallel workers.
_OF_SLOTS = ("parallel", "in_flight", "order", "gpus", "threads", "memory")


class Options(Resources, frozen=True, kw_only=True, rename={"n_random": "first_cells"}):
    """The options that all runs of a study share."""

    seed: Annotated[
        int,
        Meta(ge=0, le=2**63 - 1),
        "The seed from which all randomness is derived.",
    ] = 0
    n_random: Annotated[
        int,
        Meta(ge=0, le=MOST),
        "Number of random cells that every strategy evaluates first, after those of --first.",
    ] = N_RANDOM
    budget_tokens: Annotated[
        Count | None,
        (
            "The largest number of tokens that an external program may report in one run. An answer"
            " that exceeds it does not count."
        ),
    ] = None
    hidden: Annotated[
        bool,
        "Hide the free terms, which need no training, from strategies.",
    ] = False
    target: Annotated[
        Finite | None,
        "End a run when the search score of a feasible cell is this or less.",
    ] = None

    def stored(self) -> dict[str, Any]:
        """Return the options on which results depend, in the format of ``experiment.json``."""
        return {
            key: getattr(self, name)
            for key, name in FIELDS.items()
            if name not in _NOT_STORED
        }

    @classmethod
    def read(cls, description: Mapping[str, Any]) -> "Options":
        """Read options from a stored description. Options that descriptions of earlier releases
        lack get their defaults.
        """
        known = USUAL.keys() & description.keys()
        return cls(**{FIELDS[key]: description[key] for key in known})


FIELDS = dict(
    zip(Options.__struct_encode_fields__, Options.__struct_fields__, strict=True)
)
"""The field name of each key in a stored description."""


def ended_by(
    trials: Iterable[Any],
    epochs: int | None,
    options: Options,
    diagnosis: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> str:
    """Return the reason why a run ended before its budget was spent, or an empty string if there is
    none.

    Args:
        trials: The trials of the run, or the stored lines of the trials.
        epochs: The number of epochs of the objective.
        options: The options of the run.
        diagnosis: The numbers that the strategy reported about the run, by group and name.
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
"""The default values of the options that results depend on, by name."""


def unusual(options: Mapping[str, Any]) -> dict[str, Any]:
    """Check options, given by their names or by the keys of a stored description. Return the
    options that differ from the default.
    """
    named = {FIELDS.get(key, key): value for key, value in options.items()}
    given = asdict(Options(**named)).items()
    return {name: value for name, value in given if value != getattr(_DEFAULTS, name)}


# Pending trainings per worker if they are reported in the order of a clock: while the next
# one still runs, the other workers have something to do.
_AHEAD = 1.5


def settled(given: Options, benchmark: "Benchmark") -> Options:
    """Return options with defaults filled in: if cells are trained in parallel workers, the number
    of pending trainings and the order in which they are reported. If no cells are trained in
    parallel workers, both options remain None.

    Raises:
        UserError: Parallel training is requested for a benchmark that trains nothing, or both real
            and simulated workers are requested.
    """
    if given.devices and given.parallel == 1:
        given = replace(given, parallel=len(given.devices))
    if not given.of_slots and not benchmark.runs_apart:
        return given
    if not benchmark.one_by_one:
        raise UserError(
            f"{benchmark.name} trains no cells, so nothing runs in parallel: leave out"
            f" {', '.join(given.of_slots)}, or use simulated_workers (--simulated-workers)."
        )
    if given.simulated_workers > 1:
        raise UserError(
            "Workers are either simulated or real: use simulated_workers (--simulated-workers) or"
            " parallel (--parallel)."
        )
    order = given.order or "clock"
    is_ahead = order == "clock" and given.parallel > 1
    most = math.ceil((_AHEAD if is_ahead else 1) * given.parallel)
    return replace(given, order=order, in_flight=given.in_flight or most)
