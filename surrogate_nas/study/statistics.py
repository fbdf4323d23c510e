"""All statistics of a study, in one place: summaries, intervals, tests, ranks and what could have been told apart.

Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021 (interquartile
mean, which leaves out the best and the worst quarter; bootstrap intervals, over problems stratified by problem;
probability of improvement); Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006 (paired
tests with Holm's correction, over runs and over problems; ranks problem by problem, 1 the best, equals sharing the mean
of their places; Friedman's test and Nemenyi's critical difference). Lower is better throughout. Over problems,
everything is taken of the regrets of each: a mapping from strategy to an array with a row a run.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from surrogate_nas.core.levels import LEVEL, POWER
from surrogate_nas.study.run import Run

Values = NDArray[np.float64]
"""One number a run, or one a checkpoint."""
Regrets = Mapping[str, Values]
"""Of one problem: by strategy its runs, shape ``(runs,)`` or ``(runs, points)``."""

RESAMPLES = 1000
"""Of the runs on every problem."""
_RESAMPLES = 10_000
_CUT = 0.25
_FEWEST = 3
"""Strategies that Friedman's test needs."""


@dataclass(frozen=True)
class Summary:
    """A sample in a few numbers.

    Attributes:
        mean: The arithmetic mean.
        std: The sample standard deviation (n - 1); 0 for one value.
        iqm: The interquartile mean.
        ci95: The bootstrap 95 % interval of the mean (percentile, 10,000 resamples).
    """

    mean: float
    std: float
    iqm: float
    ci95: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """The summary as a JSON object."""
        return asdict(self) | {"ci95": list(self.ci95)}

    @staticmethod
    def nothing() -> dict[str, None]:
        """What stands in its place in JSON where there is no sample."""
        return dict.fromkeys(("mean", "std", "iqm", "ci95"))


def summarise(values: Sequence[float] | Values, *, seed: int = 0) -> Summary:
    """Summarise a sample; the same seed gives the same interval."""
    sample = np.asarray(values, dtype=np.float64)
    spread = float(sample.std(ddof=1)) if len(sample) > 1 else 0.0
    low, high = interval(sample[:, None], seed=seed)
    return Summary(float(sample.mean()), spread, float(stats.trim_mean(sample, _CUT)), (float(low[0]), float(high[0])))


def interval(samples: Values, *, seed: int = 0) -> tuple[Values, Values]:
    """The bootstrap 95 % interval of the mean of every column of ``(n, m)``: its ends, shape ``(m,)`` each."""
    rng = np.random.default_rng(seed)
    n = len(samples)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES) / n
    means = weights @ samples
    return ends(means)


def ends(values: Values) -> tuple[Values, Values]:
    """The 95 % interval of resampled numbers, shape ``(resamples, …)``."""
    low, high = np.percentile(values, (2.5, 97.5), axis=0)
    return low, high


@dataclass(frozen=True)
class PairedTest:
    """Two strategies over the same runs.

    Attributes:
        first: The one strategy.
        second: The other.
        wins: Runs in which the first is better.
        ties: Runs in which they are equal.
        losses: Runs in which the second is better.
        effect: Matched-pairs rank-biserial correlation, from -1 (the second always better) to 1 (the first).
        p: Wilcoxon's signed-rank test, two-sided; 1 where all runs tie.
        p_holm: `p` after Holm's correction over all pairs.
    """

    first: str
    second: str
    wins: int
    ties: int
    losses: int
    effect: float
    p: float
    p_holm: float


def paired_tests(scores: Mapping[str, Values]) -> list[PairedTest]:
    """Compare every pair of strategies on their scores, each of shape ``(runs,)``, of the same runs in one order."""
    pairs = list(itertools.combinations(scores, 2))
    raw = [signed_rank(scores[b] - scores[a]) for a, b in pairs]
    corrected = holm([p for p, _ in raw])
    return [
        PairedTest(
            first=a,
            second=b,
            wins=int((scores[a] < scores[b]).sum()),
            ties=int((scores[a] == scores[b]).sum()),
            losses=int((scores[a] > scores[b]).sum()),
            effect=effect,
            p=p,
            p_holm=float(holm),
        )
        for (a, b), (p, effect), holm in zip(pairs, raw, corrected, strict=True)
    ]


def holm(p: Sequence[float]) -> Values:
    """p-values after Holm's correction, in their order; statsmodels' collects garbage at every call.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p)
    steps = np.arange(len(p), 0, -1) * np.asarray(p, dtype=np.float64)[order]
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def signed_rank(advantage: Values) -> tuple[float, float]:
    """Wilcoxon's p-value and the rank-biserial effect of paired differences, above 0 where the first is better."""
    differing = advantage[advantage != 0]
    if not len(differing):
        return 1.0, 0.0
    ranks = stats.rankdata(np.abs(differing))
    effect = float((ranks * np.sign(differing)).sum() / ranks.sum())
    return float(stats.wilcoxon(differing).pvalue), effect


@dataclass(frozen=True)
class Anytime:
    """What a run had found after each of its trials.

    Attributes:
        cost: Simulated seconds (or queries) spent until the trial had finished, shape ``(n,)``, rising.
        best: Index into the run's trials of the incumbent, shape ``(n,)``.
        score: The incumbent's score, shape ``(n,)``.
    """

    cost: Values
    best: NDArray[np.int64]
    score: Values

    def at_cells(self, values: Values, cells: NDArray[np.int64]) -> Values:
        """A curve over numbers of evaluated cells; the last value stays.

        Args:
            values: Shape ``(n,)``, one per trial.
            cells: From 1.
        """
        return np.asarray(values[np.minimum(cells, len(values)) - 1])

    def at_cost(self, values: Values, cost: Values) -> Values:
        """A right-continuous curve over cost: only trials that have finished count; NaN before the first.

        Args:
            values: Shape ``(n,)``, one per trial.
            cost: Where to read the curve.
        """
        finished = np.searchsorted(self.cost, cost, side="right")
        return np.where(finished > 0, values[np.maximum(finished, 1) - 1], np.nan)


def anytime(run: Run) -> Anytime:
    """The incumbent after every trial of a run; the earliest among equals, infinite before the first answer."""
    answers = np.array([trial.epochs == run.epochs for trial in run.trials])
    scores = np.where(answers, run.scores, np.inf)
    score = np.minimum.accumulate(scores)
    improved = np.r_[True, scores[1:] < score[:-1]]
    best = np.maximum.accumulate(np.where(improved, np.arange(len(scores)), 0))
    return Anytime(np.array([trial.finished for trial in run.trials]), best, score)


class Resampling:
    """How often each run of one problem is drawn in every resample; whoever has as many runs is resampled alike.

    Example:
        >>> Resampling(0).weights(5).sum(axis=1)[:3].round(9).tolist()
        [1.0, 1.0, 1.0]
    """

    def __init__(self, problem: int) -> None:
        """Name the problem by its place, so that each has its own stream."""
        self._problem = problem
        self._weights: dict[int, Values] = {}

    def weights(self, runs: int) -> Values:
        """The share of each of so many runs in every resample, shape ``(resamples, runs)``."""
        if runs not in self._weights:
            rng = np.random.default_rng([self._problem, runs])
            self._weights[runs] = rng.multinomial(runs, np.full(runs, 1 / runs), size=RESAMPLES) / runs
        return self._weights[runs]

    def means(self, samples: Regrets) -> Values:
        """The resampled means of all strategies, shape ``(strategies, resamples, points)``; equal ones stay equal."""
        return np.array([(self.weights(len(runs)) @ runs).round(12) for runs in samples.values()])

    def indices(self, runs: int) -> NDArray[np.intp]:
        """The runs themselves instead of their shares, shape ``(resamples, runs)``."""
        return np.random.default_rng([self._problem, runs]).integers(runs, size=(RESAMPLES, runs))


def ranks(means: Values) -> Values:
    """Ranks along the first axis of ``(strategies, …)``, 1 for the lowest; equals share the mean of their places."""
    return np.asarray(stats.rankdata(means.round(12), axis=0))


@dataclass(frozen=True)
class Ranks:
    """Average ranks over the budget.

    Attributes:
        fractions: Shares of the budget, rising to 1, from where the shared first cells end; shape ``(f,)``.
        mean: Shape ``(strategies, f)``.
        low: The lower end of its 95 % band over resampled runs.
        high: The upper end.
        best_here: Per strategy the share of resampled runs in which its rank at the end is the best, on these problems;
            shape ``(strategies,)``, summing to 1.
        best: The same where problems are resampled too: on problems like these.
    """

    fractions: Values
    mean: Values
    low: Values
    high: Values
    best_here: Values
    best: Values


def ranks_of(problems: Sequence[Regrets], fractions: Values) -> Ranks:
    """Average ranks of every problem's regrets, shape ``(runs, fractions)`` each."""
    n = len(problems[0]), len(fractions)
    mean, resampled = np.zeros(n), np.zeros((n[0], RESAMPLES, n[1]))
    last = []
    for number, curves in enumerate(problems):
        mean += ranks(np.array([curve.mean(axis=0) for curve in curves.values()]))
        here = ranks(Resampling(number).means(curves))
        resampled += here
        last.append(here[:, :, -1])
    count = len(problems)
    low, high = ends(np.moveaxis(resampled, 1, 0) / count)
    rng = np.random.default_rng(count)
    weights = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    elsewhere = np.einsum("psb,bp->sb", np.array(last), weights)
    return Ranks(fractions, mean / count, low, high, _best(resampled[:, :, -1]), _best(elsewhere))


def _best(ranks: Values) -> Values:
    """How often each strategy has the lowest of ranks ``(strategies, resamples)``; those who share it share it."""
    lowest = ranks.round(9) == ranks.round(9).min(axis=0)
    return np.asarray((lowest / lowest.sum(axis=0)).mean(axis=1))


@dataclass(frozen=True)
class Critical:
    """Which average ranks differ by more than chance, at one share of the budget.

    Attributes:
        fraction: The share of the budget.
        ranks: The average rank of every strategy over the problems, shape ``(strategies,)``.
        p: Friedman's, that all strategies are alike; None with fewer than three strategies or two problems.
        distance: Nemenyi's critical difference at 5 %: average ranks that are nearer are not told apart. None as `p`.
        nemenyi: p-values of all pairs, shape ``(strategies, strategies)``, or None.
        cliques: The largest groups of strategies that are not told apart, by name from the best rank on; two or more.
    """

    fraction: float
    ranks: Values
    p: float | None
    distance: float | None
    nemenyi: Values | None
    cliques: list[list[str]]


def critical_at(fraction: float, names: Sequence[str], means: Values) -> Critical:
    """Test the ranks of mean regrets after a share of the budget, shape ``(problems, strategies)``."""
    means = means.round(12)
    n_problems, n = means.shape
    average = ranks(means.T).mean(axis=1)
    if n < _FEWEST or n_problems < 2:
        return Critical(fraction, average, None, None, None, [])
    same = bool(np.ptp(means, axis=1).max() == 0.0)
    p = 1.0 if same else float(stats.friedmanchisquare(*means.T).pvalue)
    error = np.sqrt(n * (n + 1) / (6 * n_problems))
    quantile = float(stats.studentized_range.ppf(1 - LEVEL, n, np.inf)) / np.sqrt(2)
    distance = float(quantile * error)
    return Critical(fraction, average, p, distance, _nemenyi(average / error), _cliques(names, average, distance))


def _nemenyi(ranks_in_errors: Values) -> Values:
    """p-values of all pairs, from average ranks in standard errors of their difference."""
    n = len(ranks_in_errors)
    first, second = np.triu_indices(n, 1)
    apart = np.abs(ranks_in_errors[first] - ranks_in_errors[second]) * np.sqrt(2)
    p = np.ones((n, n))
    p[first, second] = p[second, first] = stats.studentized_range.sf(apart, n, np.inf)
    return p


def _cliques(names: Sequence[str], average: Values, distance: float) -> list[list[str]]:
    order = np.argsort(average, kind="stable")
    ranked = average[order]
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(ranked):
        last = int(np.searchsorted(ranked, rank + distance, side="right"))
        if last - first > 1 and not (found and found[-1][1] >= last):
            found.append((first, last))
    return [[names[i] for i in order[first:last]] for first, last in found]


@dataclass(frozen=True)
class Pair:
    """Two strategies over all problems.

    Attributes:
        test: Over problems: on how many each has the lower mean regret, effect, Wilcoxon's p with Holm's correction.
        difference: The first one's mean normalised regret minus the second one's, averaged over problems.
        detectable: The smallest such difference that as many problems would show with a probability of .8 at the 5 %
            level, by the spread of the difference over these problems; None with one problem.
        detectable_here: The same for these problems, by the spread over their runs: what so many runs would show; None
            with one run.
        better: The problems on which the first is significantly better, over the runs that both made there.
        worse: Those on which it is significantly worse.
    """

    test: PairedTest
    difference: float
    detectable: float | None
    detectable_here: float | None
    better: list[str]
    worse: list[str]


def pairs_of(names: Sequence[str], ends: Sequence[Regrets]) -> list[Pair]:
    """All pairs of strategies, over named problems with the regret of every run at the end."""
    means = {name: np.array([runs[name].mean() for runs in ends]).round(12) for name in (ends[0] if ends else ())}
    found = []
    for test in paired_tests(means):
        differences = means[test.first] - means[test.second]
        by_run = [_by_run(runs, test.first, test.second) for runs in ends]
        signs = _told_apart(by_run)
        found.append(
            Pair(
                test=test,
                difference=float(differences.mean()),
                detectable=detectable(differences),
                detectable_here=_detectable_here(by_run),
                better=[name for name, sign in zip(names, signs, strict=True) if sign < 0],
                worse=[name for name, sign in zip(names, signs, strict=True) if sign > 0],
            )
        )
    return found


def detectable(differences: Values) -> float | None:
    """The smallest mean difference that a paired t-test of as many would detect at the 5 % level with a power of .8.

    Example:
        >>> round(detectable(np.array([-1.0, 0.0, 1.0] * 8)), 1)
        0.5
    """
    n = len(differences)
    if n < 2:
        return None
    quantiles = stats.t.ppf([1 - LEVEL / 2, POWER], n - 1)
    return float(quantiles.sum() * differences.std(ddof=1) / np.sqrt(n))


def _detectable_here(by_run: Sequence[Values]) -> float | None:
    """The smallest mean difference over these problems that as many runs, drawn anew, would detect."""
    if any(len(differences) < 2 for differences in by_run):
        return None
    variance = sum(differences.var(ddof=1) / len(differences) for differences in by_run)
    quantiles = stats.norm.ppf([1 - LEVEL / 2, POWER])
    return float(quantiles.sum() * np.sqrt(variance) / len(by_run))


def _told_apart(by_run: Sequence[Values]) -> list[int]:
    """Per problem -1 where the first is significantly better over the shared runs, 1 where it is worse, else 0."""
    tests = [signed_rank(-differences) for differences in by_run]
    told_apart = holm([p for p, _ in tests]) < LEVEL
    return [-int(np.sign(effect)) if told else 0 for (_, effect), told in zip(tests, told_apart, strict=True)]


def _by_run(runs: Regrets, first: str, second: str) -> Values:
    """The first one's regret minus the second one's in the runs that both made, which share first cells."""
    shared = min(len(runs[first]), len(runs[second]))
    a, b = (runs[name][:shared].round(12) for name in (first, second))
    return np.asarray(a - b)


@dataclass(frozen=True)
class Aggregate:
    """One strategy's normalised regret at the end of the budget, over all runs on all problems.

    Attributes:
        strategy: Its name.
        iqm: The interquartile mean.
        low: The lower end of its 95 % interval.
        high: The upper end.
        mean: Of all runs.
        median: Of all runs.
    """

    strategy: str
    iqm: float
    low: float
    high: float
    mean: float
    median: float


def aggregates(problems: Sequence[Regrets]) -> list[Aggregate]:
    """Every strategy's regret at the end, over all problems."""
    found = []
    for name in problems[0]:
        samples = [runs[name] for runs in problems]
        drawn = [runs[Resampling(number).indices(len(runs))] for number, runs in enumerate(samples)]
        every = np.concatenate(samples)
        resampled = np.asarray(stats.trim_mean(np.concatenate(drawn, axis=1), _CUT, axis=1))
        low, high = ends(resampled)
        iqm = float(stats.trim_mean(every, _CUT))
        found.append(Aggregate(name, iqm, float(low), float(high), float(every.mean()), float(np.median(every))))
    return found


@dataclass(frozen=True)
class Improvement:
    """How probably a run of one strategy ends better than a run of another on the same problem.

    Attributes:
        first: The one.
        second: The other.
        probability: That the first ends with the lower regret, a tie counting half; the mean over the problems.
        low: The lower end of its 95 % interval.
        high: The upper end.
    """

    first: str
    second: str
    probability: float
    low: float
    high: float


def improvements(problems: Sequence[Regrets]) -> list[Improvement]:
    """The probabilities of improvement of all pairs, by the regrets at the end."""
    pairs = list(itertools.combinations(problems[0], 2))
    total = {pair: 0.0 for pair in pairs}
    resampled: dict[tuple[str, str], Values] = {pair: np.zeros(()) for pair in pairs}
    for number, runs in enumerate(problems):
        resampling = Resampling(number)
        for pair in pairs:
            a, b = (runs[name].round(12) for name in pair)
            better = (a[:, None] < b) + 0.5 * (a[:, None] == b)
            total[pair] += float(better.mean())
            drawn = resampling.weights(len(a)) @ better
            resampled[pair] = resampled[pair] + (drawn * resampling.weights(len(b))).sum(axis=1)
    n = len(problems)
    return [Improvement(*pair, total[pair] / n, *(float(end) for end in ends(resampled[pair] / n))) for pair in pairs]
