"""Before a study: how many runs tell a difference of a given size apart on these problems.

A pilot on the tables shows how the final regrets of a strategy spread. A study is then drawn: two
strategies whose runs both spread so, the second one's worse by the difference that is asked about,
and judged by the verdict's own procedure; the share of studies that are decided is the power. Of
several strategies the one whose runs spread most is taken. The shift is the same for all runs: a
difference that comes from a few failed runs needs more.
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
"""Of the pilot, if none are named: they cost milliseconds a run."""
DIFFERENCES = (0.05, 0.1, 0.2, 0.5)
"""Of the normalised regret, if none are asked about."""
PILOT_RUNS = 40
MOST_RUNS = 200
"""Where more runs would be needed, that is said instead of their number."""
_STUDIES = 400
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Plan:
    """What a study of two strategies can show.

    Attributes:
        problems: The problems, in the order that was given.
        widest: The strategy whose runs spread most, from which studies are drawn.
        pilot_runs: Of each strategy on every problem.
        differences: What one takes: ``difference``, of the mean normalised regrets;
            ``runs_needed``, of each strategy on each problem, to decide with the probability
            `POWER`, None beyond `MOST_RUNS`; ``power``, of the numbers of ``runs`` that were asked
            about: the share of simulated studies that are decided for the better strategy.
    """

    problems: list[str]
    widest: str
    pilot_runs: int
    differences: Rows

    @property
    def sentences(self) -> list[str]:
        """The plan in words: a sentence for each difference, and what is taken for granted."""
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
            f"Runs are taken to spread as those of {self.widest} do, and to differ all alike; a"
            " difference that comes from a few failed runs needs more."
        )
        return sentences

    def to_json(self) -> Row:
        """The plan as ``snas plan --json`` prints it."""
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
    """Say how many runs a study needs, from a pilot on the tables.

    Unstable since 0.2: it may change in a minor release.

    Args:
        problems: A suite, what `read_suite` reads it from, or problems; all on tables.
        strategies: Whose runs show the spread; swift ones will do.
        differences: Of mean normalised regrets, above 0: 0 is the optimum, 1 what random sampling
            is expected to reach.
        runs: Numbers of runs per problem whose power is wanted too.
        pilot_runs: Of each strategy on every problem, at least ten.
        seed: The root of all randomness.
        workers: How many runs of the pilot at once.
        progress: Called with (runs of the pilot done, runs in all).

    Raises:
        UserError: A problem is no table, or its data is not here; a number is out of range; or the
            runs of the pilot do not differ, so that they say nothing about a study.

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
            f"All runs of {joined(pilot.strategies)} end alike here, so they do not show how runs"
            " spread; name others with --strategies, or a smaller budget."
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
                f"A plan makes {runs * len(strategies)} runs on each problem, for which"
                f" {opened.name} would have to be evaluated; plan on a table instead (snas"
                " benchmarks lists them)."
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
    """Of the mean difference of two strategies, in one run of each on every problem."""
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
    """The share of so many studies that are decided for the better strategy."""
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
