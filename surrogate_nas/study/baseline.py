"""One call: our strategies on a live task for so many seconds, then somebody else's system, and
both in one report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median_low
from typing import Any

from surrogate_nas.core.arguments import checked
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.files import Journal, replacing
from surrogate_nas.files.content import made
from surrogate_nas.runtime.engines import run_apart
from surrogate_nas.strategies import DEFAULTS, StrategyLike
from surrogate_nas.study import autokeras
from surrogate_nas.study.api import compare
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.run import Run
from surrogate_nas.study.runner import Progress
from surrogate_nas.training import task_named

FOLDER = "baselines"
_SETTINGS = {"what": "a baseline", "version": 1}
BASELINES = {"autokeras": autokeras}
"""Systems by name: each a module with ``check`` and ``run``."""
_NOTE = (
    "{system}'s seconds are processor time of one thread, its thinking included; a strategy's are"
    " those that its trainings took, its own thinking not counted. Every network was chosen by the"
    " validation split; latencies were measured in turn, one example at a time. {system} starts"
    " from no weights of elsewhere; one search, seed {seed}."
)


@dataclass(frozen=True)
class Found:
    """The network that a system or a strategy chose by the validation split.

    Attributes:
        by: The system's or the strategy's name.
        architecture: Of the system's network in its own words, or our cell.
        valid: The measure that judges the task, on the validation split.
        test: The same on the test split, which no search saw.
        parameters: Trained numbers.
        latency_ms: Median milliseconds of one inference of one example, one thread of a CPU.
        networks: How many networks were trained.
        seconds: What was spent.

    Example:
        >>> ours = Found(
        ...     "bo",
        ...     "|nor_conv_3x3~0|+…",
        ...     2.5,
        ...     3.1,
        ...     parameters=5018,
        ...     latency_ms=0.4,
        ...     networks=9,
        ...     seconds=58,
        ... )
        >>> ours.by, ours.test
        ('bo', 3.1)
    """

    by: str
    architecture: str
    valid: float
    test: float
    parameters: int
    latency_ms: float
    networks: int
    seconds: float


@dataclass(frozen=True)
class Baseline:
    """A system's search and, on the same task for the same seconds, those of our strategies.

    Attributes:
        system: The system's name.
        versions: Of what it ran on.
        digest: Of the task (see `Task.digest`).
        task: The task's name.
        measure: What judges the task.
        unit: Of the measure.
        limit: The seconds that each was given.
        seed: Of the system's search.
        note: What a reader must know of how it was run.
        found: The system's network first, then one for each strategy.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> about = ("autokeras", "autokeras 3", "", "digits", "error", "%", 120.0, 0, "one search")
        >>> found = Found(
        ...     "autokeras", "a network", 2.2, 3.3, 400_000, 1.9, networks=4, seconds=120.0
        ... )
        >>> made = Baseline(*about, found=(found,))
        >>> with TemporaryDirectory() as folder:
        ...     _ = made.keep(Path(folder))
        ...     read_baselines(Path(folder)) == [made]
        True
    """

    system: str
    versions: str
    digest: str
    task: str
    measure: str
    unit: str
    limit: float
    seed: int
    note: str
    found: tuple[Found, ...]

    def keep(self, folder: Path) -> Path:
        """Write it to a results folder.

        Raises:
            UserError: The folder cannot be written.
        """
        path = folder / FOLDER / f"{self.system}.jsonl"
        with replacing(path) as temporary, Journal(temporary, _SETTINGS) as journal:
            journal.append(asdict(self))
        return path


def read_baselines(folder: Path) -> list[Baseline]:
    """The baselines of a results folder, by their systems' names.

    Raises:
        UserError: A file is damaged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     read_baselines(Path(folder))
        []
    """
    return [_read(path) for path in sorted((folder / FOLDER).glob("*.jsonl"))]


def _read(path: Path) -> Baseline:
    entries = Journal.read(path, _SETTINGS)
    try:
        (content,) = entries
        return _made(content)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is damaged ({error}). Delete it and run snas baseline again."
        ) from error


def _made(content: Mapping[str, Any]) -> Baseline:
    rest = {name: value for name, value in content.items() if name != "found"}
    return made(Baseline, rest, found=tuple(made(Found, one) for one in content["found"]))


@checked
def baseline(
    system: str,
    task: str,
    *,
    seconds: float,
    folder: str | Path,
    strategies: Sequence[StrategyLike] = tuple(DEFAULTS),
    runs: int = 1,
    seed: int = 0,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[Comparison, Baseline]:
    """Compare strategies on ``live:TASK``, then run the system on the task; what a folder holds is
    not made again.

    Args:
        system: A key of `BASELINES`.
        task: A task's name, or ``file.py:TASK``.
        seconds: What every run, and the system, may spend.
        folder: Where results are kept, and gone on from.
        strategies: Ours.
        runs: Seeds of each strategy; the run of median score stands beside the system.
        workers: Processes for our runs; the system has one thread and the machine for itself.
        progress: Called with (runs done, runs in all).

    Raises:
        UserError: The input is wrong, the system is not installed, failed or found nothing; what
            was finished is kept.

    Example:
        >>> try:
        ...     baseline("autokers", "digits", seconds=60, folder="results/autokeras")
        ... except UserError as error:
        ...     print(error)
        Unknown baseline 'autokers'. Did you mean 'autokeras'? Known: autokeras.
    """
    if system not in BASELINES:
        raise unknown("baseline", system, BASELINES)
    learned = task_named(task)
    BASELINES[system].check(learned)
    folder = Path(folder)
    measure = learned.measured[0].name
    comparison = compare(
        f"live:{task}",
        strategies,
        f"valid_{measure}",
        runs=runs,
        budget_seconds=seconds,
        seed=seed,
        workers=workers,
        folder=folder,
        progress=progress,
    )
    if not comparison.strategies:
        raise UserError(f"{seconds:g} seconds do not pay for one training of {task}; give more.")
    wanted = (system, learned.digest, float(seconds), seed, list(comparison.strategies))
    for held in read_baselines(folder):
        if (
            held.system,
            held.digest,
            held.limit,
            held.seed,
            [one.by for one in held.found[1:]],
        ) == wanted:
            return comparison, held
    chosen = {name: _median(comparison, name) for name in comparison.strategies}
    cells = [comparison.answer(run).cell for run in chosen.values()]
    job = autokeras.Search(
        learned, float(seconds), seed, comparison.objective.benchmark.space, cells
    )
    answer = next(iter(run_apart(BASELINES[system].run, [job], 1))).result
    measured = zip(chosen.values(), answer.parameters[1:], answer.latencies[1:], strict=True)
    told = Baseline(
        system,
        answer.versions,
        learned.digest,
        learned.name,
        measure,
        learned.measured[0].unit,
        float(seconds),
        seed,
        _NOTE.format(system="AutoKeras", seed=seed),
        (
            Found(
                system,
                answer.architecture,
                answer.valid,
                answer.test,
                answer.parameters[0],
                answer.latencies[0],
                answer.networks,
                answer.seconds,
            ),
            *(_ours(comparison, held, measure, *counted) for held, *counted in measured),
        ),
    )
    told.keep(folder)
    return comparison, told


def _median(comparison: Comparison, strategy: str) -> Run:
    """The run of median score, the better of two."""
    runs = comparison.runs_of(strategy)
    middle = median_low(comparison.score(run) for run in runs)
    return next(run for run in runs if comparison.score(run) == middle)


def _ours(
    comparison: Comparison,
    run: Run,
    measure: str,
    parameters: int,
    latency_ms: float,
) -> Found:
    """What a run of ours found."""
    benchmark = comparison.objective.benchmark
    cell = comparison.answer(run).cell
    valid = benchmark.query(cell, f"valid_{measure}").value
    test = benchmark.final(cell)[f"test_{measure}"]
    assert test is not None  # a live task measures its test split
    n = len({trial.cell for trial in run.trials})
    return Found(
        run.strategy, str(cell), valid, test, parameters, latency_ms, n, run.simulated_seconds
    )
