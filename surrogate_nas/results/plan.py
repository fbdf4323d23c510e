"""Power analysis: how many runs a study of two strategies needs to detect a difference of a given
size.

Pilot runs on the tables show how the final regrets of a strategy vary. Studies of two strategies
are then simulated. In each simulated study, the runs of both strategies vary as in the pilot, and
the second strategy is worse by the given difference. Each simulated study is evaluated with the
statistical procedure of the verdict. The power is the share of simulated studies that find a
significant difference. If there are several pilot strategies, the strategy with the largest
variation is used. The difference is assumed to be equal in all runs. If a difference is caused by a
few failed runs, a study needs more runs to detect it.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import NormalDist

import numpy as np

from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.computed import Computed
from surrogate_nas.core import (
    LEVEL,
    POWER,
    UserError,
    check_number,
    check_whole,
    checked,
    plural,
    share,
)
from surrogate_nas.results.api import run_suite
from surrogate_nas.results.suite import SuiteResult
from surrogate_nas.results.verdict import ends_of, joined
from surrogate_nas.runs.options import Resources
from surrogate_nas.runs.problem import Problem, Suite, suite_with
from surrogate_nas.stats.decision import END_LEVEL, Ends, decide, runs_for_mean
from surrogate_nas.stats.summaries import Row, Rows
from surrogate_nas.strategies import StrategiesLike

STRATEGIES = ("evolution", "local_search")
"""The default strategies of the pilot. They cost milliseconds per run."""
DIFFERENCES = (0.05, 0.1, 0.2, 0.5)
"""The default differences in normalised regret."""
PILOT_RUNS = 40
MOST_RUNS = 200
"""The largest number of runs that is reported."""
_STUDIES = 400
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Plan:
    """The result of a power analysis for a study of two strategies.

    Attributes:
        problems: The names of the problems, in the given order.
        widest: The pilot strategy with the largest variation between runs, from which studies are
            simulated.
        pilot_runs: Number of pilot runs of each strategy on every problem.
        differences: One row per difference. The entry ``difference`` is the difference in mean
            normalised regret. ``runs_needed`` is the number of runs of each strategy on each
            problem that gives the power `POWER`, or None if it exceeds `MOST_RUNS`. ``power`` maps
            each given number of runs to the share of simulated studies that find the better
            strategy.
    """

    problems: list[str]
    widest: str
    pilot_runs: int
    differences: Rows

    @property
    def sentences(self) -> list[str]:
        """The plan in words: a sentence for each difference, followed by the assumptions."""
        n = len(self.problems)
        scope = "On this problem" if n == 1 else f"On these {n} problems"
        sentences = []
        for row in self.differences:
            takes = f"needs more than {plural(MOST_RUNS, 'run')} per problem"
            if row["runs_needed"] is not None:
                takes = (
                    f"is decided with {share(POWER)} power from {plural(row['runs_needed'], 'run')}"
                    " per problem on"
                )
            difference = (
                f"a difference of {row['difference']:g} between two mean normalised"
                " regrets"
            )
            sentences.append(f"{scope}, {difference} {takes}.")
        sentences.append(
            f"The assumption is that runs vary as those of {self.widest} do, with the same"
            " difference"
            " in all runs. A difference that comes from a few failed runs needs more."
        )
        return sentences

    def to_json(self) -> Row:
        """Return the plan in the format of ``snas plan --json``."""
        return asdict(self) | {
            "level": LEVEL,
            "target_power": POWER,
            "sentences": self.sentences,
        }


@checked
def plan(
    problems: Suite | str | Sequence[Problem],
    strategies: StrategiesLike = STRATEGIES,
    *,
    differences: Sequence[float] = DIFFERENCES,
    runs: Sequence[int] = (),
    pilot_runs: int = PILOT_RUNS,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Plan:
    """Estimate how many runs a study needs, from pilot runs on the tables.

    Unstable since 0.2: it may change in a minor release.

    Args:
        problems: A suite, the name or file of a suite, or a list of problems. All benchmarks must
            be tables.
        strategies: The strategies of the pilot runs. Strategies that compute quickly are
            sufficient.
        differences: The differences in mean normalised regret to detect, each above 0. A regret of
            0 is the optimum, and a regret of 1 is the expected result of random sampling.
        runs: The numbers of runs per strategy and problem for which to compute the power.
        pilot_runs: Number of pilot runs of each strategy on every problem, at least 10.
        seed: The seed from which all randomness is derived.
        workers: Number of pilot runs in parallel.
        progress: A function that is called with the numbers of finished pilot runs and of all pilot
            runs.

    Raises:
        UserError: The benchmark of a problem is not a table or its data is missing, a number is out
            of range, or all pilot runs end with equal regrets.

    Example:
        >>> result = plan(
        ...     [Problem("fashion", budget=40)],
        ...     differences=[0.5],
        ...     pilot_runs=10,
        ... )
        >>> [row["difference"] for row in result.differences], result.pilot_runs
        ([0.5], 10)
    """
    asked = [
        check_number("A difference", value, 0.0, above=True) for value in differences
    ]
    for number in runs:
        check_whole("A number of runs", number, 1, MOST_RUNS)
    check_whole("The runs of the pilot", pilot_runs, 10)

    def advance(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total + len(asked))

    pilot = _pilot(problems, strategies, pilot_runs, seed, workers, advance)
    ends = ends_of(pilot.strategies, pilot.problems)
    widest = max(ends, key=lambda name: _variance(ends[name]))
    regrets = ends[widest]
    if not _variance(regrets):
        raise UserError(
            f"All runs of {joined(pilot.strategies)} end alike here, so they show no variation."
            " Choose others with --strategies, or a smaller budget."
        )
    n_runs = pilot_runs * len(ends) * len(regrets)
    needed = []
    for difference in asked:
        needed.append(_needed(regrets, difference, runs, seed))
        if progress is not None:
            progress(n_runs + len(needed), n_runs + len(asked))
    return Plan(
        [problem.name for problem in pilot.problems], widest, pilot_runs, needed
    )


def _pilot(
    problems: Suite | str | Sequence[Problem],
    strategies: StrategiesLike,
    runs: int,
    seed: int,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> SuiteResult:
    suite = replace(suite_with(problems, strategies, runs), seed=seed)
    for problem in suite.problems:
        opened = load(problem.benchmark)
        if not opened.has_columns or isinstance(opened, Computed):
            raise UserError(
                f"A plan makes {runs * len(strategies)} runs on each problem, which is too"
                f" expensive on {opened.name}. Plan on a table instead (snas benchmarks lists"
                " them)."
            )
    result = run_suite(
        suite,
        callback=progress and (lambda event: progress(event.done, event.total)),
        resources=Resources(workers=workers),
    )
    if result.failures:
        raise UserError(result.failures[0])
    for name, reason in result.suite.not_run.items():
        raise UserError(f"{name}: {reason}")
    return result


def _variance(regrets: Ends) -> float:
    """Return the variance of the mean difference of two strategies, with one run of each per
    problem.
    """
    return float(np.mean([2 * run.var(ddof=1) for run in regrets]) / len(regrets))


def _needed(regrets: Ends, difference: float, runs: Sequence[int], seed: int) -> Row:
    power = partial(_power, regrets, difference, seed)
    fewest = math.ceil(runs_for_mean(min(difference, 1.0)) / len(regrets))
    fewest = max(fewest, math.ceil((1 + math.log2(1 / END_LEVEL)) / len(regrets)))
    wanted = _NORMAL.inv_cdf(1 - END_LEVEL / 2) + _NORMAL.inv_cdf(POWER)
    needed = None
    if _variance(regrets) * (wanted / difference) ** 2 <= 2 * MOST_RUNS:
        sizes = np.geomspace(min(fewest, MOST_RUNS), MOST_RUNS, 60).round().astype(int)
        index = bisect_left(sizes.tolist(), POWER, key=partial(power, _STUDIES // 2))
        needed = int(sizes[index]) if index < len(sizes) else None
    asked = [{"runs": n, "power": power(_STUDIES, n)} for n in runs]
    return {"difference": difference, "runs_needed": needed, "power": asked}


def _power(
    regrets: Ends, difference: float, seed: int, studies: int, runs: int
) -> float:
    """Return the share of simulated studies that are decided for the better strategy."""
    rng = np.random.default_rng([seed, 2, runs])
    outcomes = []
    for _ in range(studies):
        better = []
        worse = []
        for ends in regrets:
            first = rng.integers(len(ends), size=runs)
            # never the same run of the pilot twice in a pair
            second = first + rng.integers(1, len(ends), size=runs)
            better.append(ends[first])
            worse.append(ends[second % len(ends)] + difference)
        decision = decide({"better": better, "worse": worse})
        outcomes.append(decision.decided and decision.leader == "better")
    return float(np.mean(outcomes))
