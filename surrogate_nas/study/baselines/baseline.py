"""One call: our strategies on a live task for so many seconds, then somebody else's system, and both in one report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median_low

from surrogate_nas.core.arguments import checked
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.runtime.engines import run_apart
from surrogate_nas.strategies import DEFAULTS, StrategyLike
from surrogate_nas.study.baselines import autokeras
from surrogate_nas.study.baselines.record import Baseline, Found, read_baselines
from surrogate_nas.study.comparison import Comparison, compare
from surrogate_nas.study.experiment import Progress
from surrogate_nas.study.runs import Run
from surrogate_nas.training import task_named

BASELINES = {"autokeras": autokeras}
"""Systems by name: each a module with ``check`` and ``run``."""
_NOTE = (
    "{system}'s seconds are processor time of one thread, its thinking included; a strategy's are those that its "
    "trainings took, its own thinking not counted. Every network was chosen by the validation split; latencies were "
    "measured in turn, one example at a time. {system} starts from no weights of elsewhere; one search, seed {seed}."
)


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
    """Compare strategies on ``live:TASK``, then run the system on the task; what a folder holds is not made again.

    Args:
        system: A key of `BASELINES`.
        task: A task's name, or ``file.py:TASK``.
        seconds: What every run, and the system, may spend.
        folder: Where results are kept, and gone on from.
        strategies: Ours.
        runs: Seeds of each strategy; the run of median score stands beside the system.
        seed: The root of all randomness.
        workers: Processes for our runs; the system has one thread and the machine for itself.
        progress: Called with (runs done, runs in all).

    Raises:
        UserError: The input is wrong, the system is not installed, failed or found nothing; what was finished is kept.

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
        f"live:{task}", strategies, f"valid_{measure}", runs=runs, budget_seconds=seconds, seed=seed,
        workers=workers, folder=folder, progress=progress,
    )  # fmt: skip
    if not comparison.strategies:
        raise UserError(f"{seconds:g} seconds do not pay for one training of {task}; give more.")
    wanted = (system, learned.digest, float(seconds), seed, list(comparison.strategies))
    for held in read_baselines(folder):
        if (held.system, held.digest, held.limit, held.seed, [one.by for one in held.found[1:]]) == wanted:
            return comparison, held
    chosen = {name: _median(comparison, name) for name in comparison.strategies}
    cells = [comparison.answer(run).cell for run in chosen.values()]
    job = autokeras.Search(learned, float(seconds), seed, comparison.objective.benchmark.space, cells)
    answer = next(iter(run_apart(BASELINES[system].run, [job], 1))).result
    measured = zip(chosen.values(), answer.parameters[1:], answer.latencies[1:], strict=True)
    made = Baseline(
        system, answer.versions, learned.digest, learned.name, measure, learned.measured[0].unit,
        float(seconds), seed, _NOTE.format(system="AutoKeras", seed=seed),
        (
            Found(system, answer.architecture, answer.valid, answer.test, answer.parameters[0], answer.latencies[0],
                  answer.networks, answer.seconds),
            *(_ours(comparison, held, measure, *told) for held, *told in measured),
        ),
    )  # fmt: skip
    made.keep(folder)
    return comparison, made


def _median(comparison: Comparison, strategy: str) -> Run:
    """The run of median score, the better of two."""
    runs = comparison.runs_of(strategy)
    middle = median_low(comparison.score(run) for run in runs)
    return next(run for run in runs if comparison.score(run) == middle)


def _ours(comparison: Comparison, run: Run, measure: str, parameters: int, latency_ms: float) -> Found:
    """What a run of ours found."""
    benchmark, cell = comparison.objective.benchmark, comparison.answer(run).cell
    valid, test = benchmark.query(cell, f"valid_{measure}").value, benchmark.final(cell)[f"test_{measure}"]
    assert test is not None  # a live task measures its test split
    n = len({trial.cell for trial in run.trials})
    return Found(run.strategy, str(cell), valid, test, parameters, latency_ms, n, run.simulated_seconds)
