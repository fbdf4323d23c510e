"""Decide which strategy is best and whether its lead is significant.

One procedure decides claims about a single problem, about many problems, and about similar problems
that were not studied.

Differences of paired runs are ranked by absolute size within each problem, with zeros lowest
(Pratt, "Remarks on Zeros and Ties in the Wilcoxon Signed Rank Procedures", JASA 1959). The signed
ranks are summed over runs and problems. If two strategies are equally good, the signs of their
differences are random. The share of all sign patterns with a sum at least as large as the observed
sum is therefore an exact p-value. The leader is the strategy with the largest sum of signed ranks
against all other strategies. The leader is compared with its closest rival at the full significance
level, and then with the other rivals by a step-up procedure. For the comparison with the closest
rival alone, see Hung and Fithian, "Rank Verification for Exponential Families", Annals of
Statistics 2019.

Ranks ignore the size of a difference, so a rival that is worse by ranks is called significantly
worse only if its mean is significantly higher, too. The p-value of the mean is corrected for
skewness (Hall, "On the Removal of Skewness by Transformation", JRSS B 1992). The p-value of the
mean is also at least 2q, where q is the probability that failures frequent enough to reverse the
mean difference occur in none of the runs. Two strategies count as practically the same if few runs
differ and the upper bound of the mean difference is small (Stringer's bound; Bickel, "Inference and
Auditing: The Stringer Bound", International Statistical Review 1992). For claims about similar
problems, each space contributes one number, since tables of the same space are not independent.

All claims of a study share one significance level (`surrogate_nas.results.verdict.claims_of`).
Means are compared only if ranks differ significantly, and claims about similar problems are made
only if the comparison on the studied problems is decided. Therefore, neither the means nor the
similar problems need an additional share of the significance level.

Single cells with a few trainings each (`decide_few`) have too few signs for a sign-flip test, so
they are compared by Student's t. Error rates and power of the procedure are measured by
``python analysis/calibrate_verdict.py`` and ``python analysis/calibrate_confirm.py``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import LEVEL, POWER, UserError

Values = NDArray[np.float64]
"""One number per run of a problem, shape ``(runs,)``, or one number per space."""
Ends = Sequence[Values]
"""The final values of a strategy's runs, one array per problem."""
SignedRanks = NDArray[np.int64]
"""Signed ranks of the paired runs of a problem."""

END_LEVEL = 0.7 * LEVEL
"""The part of a study's significance level for final values, on these and on similar problems."""
MINOR_LEVEL = 0.15 * LEVEL
"""The part of the level for speed, and equally for baselines."""
FEWEST_SPACES = 6
"""The smallest number of spaces with which a two-sided sign-flip test can reach 5 %."""
EQUIVALENCE_MARGIN = 0.01
"""The largest difference in normalised regret at which two runs count as practically equal."""
SHARE_ALIKE = 0.2
"""The largest share of runs (upper 95 % bound) that may differ by more than `EQUIVALENCE_MARGIN`
for two strategies to be practically the same.
"""
MARGIN = 0.05
"""The largest difference in mean normalised regret (upper 95 % bound) for two strategies to be
practically the same.
"""
# Of a difference; what is below is the order of sums
_DIGITS = 12
_NOTHING = 10.0**-_DIGITS
_NORMAL = NormalDist()
# With fewer on some problem the runs of all problems are one sample; with fewer in all there is
# no interval
_FEWEST_RUNS = 3

Statement = Literal["decided", "most runs", "split", "same", "equal", "open"]
"""The result of comparing a leader with a rival:

- ``decided``: The leader is better in most runs (by signed ranks) and has the lower mean.
- ``most runs``: The leader is better in most runs, but the mean difference may be 0.
- ``split``: The leader is better in most runs, but the rival has the lower mean.
- ``same``: The two are practically the same.
- ``equal``: The two are equal in every run, but there are too few runs to call them the same.
- ``open``: None of these is established.
"""


def signed_ranks(differences: Values) -> SignedRanks:
    """Return twice the ranks of the absolute paired differences, with the signs of the differences.

    Tied differences share a mean rank. A difference of zero or NaN (both runs infinite) gives 0.
    Infinite differences rank above all others.

    Example:
        >>> signed_ranks(np.array([0.0, -0.1, 0.3, 0.3])).tolist()
        [0, -4, 7, 7]
    """
    sizes = np.round(differences, _DIGITS)
    sizes[np.isnan(sizes)] = 0.0
    rising = np.sort(np.abs(sizes))
    below = np.searchsorted(rising, np.abs(sizes), "left")
    up_to = np.searchsorted(rising, np.abs(sizes), "right")
    return np.asarray((below + up_to + 1) * np.sign(sizes), dtype=np.int64)


def flip_p(ranks: Sequence[SignedRanks]) -> float:
    """Return the two-sided p-value of a sum of signed ranks under random signs.

    The p-value is exact for up to a thousand ranks, and 1 unless the sum is positive.

    Example:
        >>> flip_p([np.array([2, 4, 6, 8, 10, 12])]), flip_p([np.array([2, -4])])
        (0.03125, 1.0)
    """
    signed = np.concatenate([np.zeros(0, np.int64), *ranks])
    steps = np.abs(signed[signed != 0])
    total = int(signed.sum())
    if total <= 0 or not len(steps):
        return 1.0
    if len(steps) > 1_000:
        return math.erfc(
            total / math.sqrt(2 * float((steps.astype(np.float64) ** 2).sum()))
        )
    unit = reduce(math.gcd, steps.tolist())
    tail = _tail(tuple(np.sort(steps // unit).tolist()))
    needed = (total // unit + len(tail) - 1) // 2
    return float(min(1.0, 2.0 * tail[needed]))


@lru_cache(maxsize=256)
def _tail(steps: tuple[int, ...]) -> Values:
    """Return the share of all sign patterns whose positive steps sum to at least k, for every k.

    The result has shape ``(sum + 1,)``.
    """
    share = np.zeros(sum(steps) + 1)
    share[0], reach = 1.0, 0
    for step in steps:
        share[: reach + step + 1] *= 0.5
        share[step : reach + step + 1] += share[: reach + 1].copy()
        reach += step
    return np.asarray(np.cumsum(share[::-1])[::-1])


class Needed(NamedTuple):
    """The number of runs per problem, or of spaces, that would decide the observed difference.

    With the needed number, a difference of the observed size is significant with probability
    `POWER`.

    Attributes:
        low: Lower bound.
        high: Upper bound of the needed number, or None if only a lower bound can be given.
    """

    low: int
    high: int | None

    @property
    def about(self) -> int | None:
        """The estimated number of runs or spaces, accurate to a factor of two; None without upper
        bound.
        """
        return None if self.high is None else self.high // 2


@dataclass(frozen=True)
class Rival:
    """A strategy in comparison with the leader.

    Attributes:
        name: The name of the rival.
        statement: The result of the comparison with the leader.
        apart: Whether the rival is significantly worse than the leader (``decided``), at the joint
            significance level of all claims.
        p: Exact two-sided p-value of the signed ranks; 1 if the rival is not worse.
        p_mean: Two-sided p-value of the mean difference, which accounts for failures too rare to
            have occurred; None if only ranks are compared, 1 if there are too few runs.
        difference: The rival's mean minus the leader's, with equal weights for all problems; None
            if only ranks are compared.
        interval: The 95 % interval of the mean difference, widened to contain 0 if no claim is
            made about means; None with fewer than three pairs.
        bound: Upper 95 % bound of the mean absolute difference; None unless values are regrets.
        wins: Number of pairs of runs (or of spaces) in which the leader is better.
        ties: Number of pairs of runs (or of spaces) in which leader and rival are equal.
        losses: Number of pairs of runs (or of spaces) in which the leader is worse.
        alike: Whether leader and rival are practically the same: at 95 %, at most a fifth of runs
            differ by more than `EQUIVALENCE_MARGIN`, and the means by at most `MARGIN`. A
            practically equal rival may still be significantly worse (``decided``).
        largest: The largest absolute difference of any pair of runs (or of spaces).
        needed: The number of runs per problem (or of spaces) that would decide the comparison; None
            if the rival is significantly worse or practically the same, or if there is no estimate.
    """

    name: str
    statement: Statement
    apart: bool
    p: float
    p_mean: float | None
    difference: float | None
    interval: tuple[float, float] | None
    bound: float | None
    wins: int
    ties: int
    losses: int
    alike: bool
    largest: float
    needed: Needed | None

    @property
    def pairs(self) -> int:
        """The number of pairs of runs (or of spaces)."""
        return self.wins + self.ties + self.losses

    @property
    def p_both(self) -> float:
        """The larger of the p-values of ranks and mean; 1 if their directions differ."""
        if self.difference is None or self.p_mean is None:
            return self.p
        return max(self.p, self.p_mean) if self.difference > 0 else 1.0


@dataclass(frozen=True)
class Decision:
    """The comparison of a leader with all other strategies, from paired runs.

    Attributes:
        leader: The strategy with the largest sum of signed ranks against all other strategies; the
            first such strategy in case of a tie.
        rivals: The other strategies, the closest (largest p-value) first. Strategies with equal
            values in every run count as one rival.
        same: The strategies that are equal to the leader in every run.
        equal: For each rival, the other strategies that are equal to the rival in every run.
        same_bound: Upper 95 % bound of the difference between the means of the leader and of the
            strategies in `same`; None if `same` is empty.
        level: Upper bound of the probability that any claim is false.
        units: The number of paired units: runs of each problem, or spaces.
        pairs: The total number of pairs.
    """

    leader: str
    rivals: tuple[Rival, ...]
    same: tuple[str, ...]
    equal: Mapping[str, Sequence[str]]
    same_bound: float | None
    level: float
    units: int
    pairs: int

    @property
    def decided(self) -> bool:
        """Whether the leader is significantly better than every other strategy."""
        return (
            bool(self.rivals)
            and all(rival.apart for rival in self.rivals)
            and not self.same
        )

    @property
    def leaders(self) -> tuple[str, ...]:
        """The leader and all strategies that are not significantly worse than the leader."""
        return (self.leader, *self.same, *(rival.name for rival in self.open))

    @property
    def open(self) -> tuple[Rival, ...]:
        """The rivals that are not significantly worse than the leader, the closest first."""
        return tuple(rival for rival in self.rivals if not rival.apart)

    @property
    def worse(self) -> tuple[Rival, ...]:
        """The rivals that are significantly worse than the leader, the closest first."""
        return tuple(rival for rival in self.rivals if rival.apart)

    @property
    def chances(self) -> dict[str, float]:
        """The approximate probability that each strategy is the best one; the probabilities sum to
        1.

        A rival has odds of p / 2 to 1 - p / 2 against the leader.
        """
        odds = dict.fromkeys((self.leader, *self.same), 1.0)
        for rival in self.rivals:
            for name in (rival.name, *self.equal[rival.name]):
                odds[name] = rival.p_both / (2 - rival.p_both)
        whole = sum(odds.values())
        return {name: weight / whole for name, weight in odds.items()}


def decide(
    values: Mapping[str, Ends],
    spaces: Sequence[str] | None = None,
    *,
    ranks_only: bool = False,
    level: float = END_LEVEL,
    after: Decision | None = None,
) -> Decision:
    """Decide which strategy is best, on the given problems (where only seeds vary) or on similar
    ones.

    Args:
        values: For each strategy and problem, the final value of each run; lower is better. Runs
            must have the same order for all strategies. If strategies have different numbers of
            runs, only their first runs are paired.
        spaces: The space of each problem, if the claim is about problems of other spaces. A claim
            about other spaces needs at least `FEWEST_SPACES` different spaces.
        ranks_only: Whether to ignore means, which is necessary for times: they have no mean if a
            run did not reach its target.
        level: Upper bound of the probability that any claim is false.
        after: An earlier decision. The new decision makes no claim unless the earlier decision is
            decided, so that both can share one significance level.

    Raises:
        UserError: There is no strategy, or strategies have different numbers of problems.

    Example:
        >>> better, worse = np.arange(8.0) / 100, np.arange(8.0) / 100 + 1
        >>> decision = decide({"a": [better], "b": [worse], "c": [worse]})
        >>> (
        ...     decision.leader,
        ...     decision.decided,
        ...     [(rival.name, rival.p) for rival in decision.rivals],
        ... )
        ('a', True, [('b', 0.0078125)])
        >>> values = {"a": [np.zeros(4)] * 6, "b": [np.ones(4)] * 6}
        >>> (
        ...     decide(values, list("uvwxyz")).decided,
        ...     decide(values, list("uuuvwx")).decided,
        ... )
        (True, False)
    """
    if (
        not any(map(len, values.values()))
        or len({len(ends) for ends in values.values()}) != 1
    ):
        raise UserError(
            "A decision needs at least one strategy, and the same problems for all strategies."
        )

    twins = _distinct(values)
    names = list(twins)
    sums = dict.fromkeys(names, 0)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            ranks = _ranks(paired(values[first], values[second]), spaces)
            total = sum(int(part.sum()) for part in ranks)
            sums[first], sums[second] = sums[first] + total, sums[second] - total
    leader = max(names, key=lambda name: sums[name])

    lead = values[leader]
    others = [name for name in names if name != leader]
    kind: Kind = "ranks" if ranks_only else "regrets" if spaces is None else "spaces"
    differences = {
        name: _Differences.of(paired(lead, values[name]), spaces) for name in others
    }
    worst = {name: _worst(lead, values[name]) for name in others}
    pairs_with = {
        name: _rival(name, differences[name], kind, worst[name]) for name in others
    }
    better = set[str]()
    apart = set[str]()
    if after is None or after.decided:
        better = _passing({name: rival.p for name, rival in pairs_with.items()}, level)
        apart = _passing(
            {name: rival.p_both for name, rival in pairs_with.items()}, level
        )
    rivals = []
    order = sorted(pairs_with.values(), key=lambda rival: (-rival.p_both, -rival.p))
    for rank, rival in enumerate(order):
        name = rival.name
        statement = _statement(
            rival, name in better, name in apart, level / len(others)
        )
        interval = rival.interval
        if interval is not None and statement not in ("decided", "split"):
            interval = min(interval[0], 0.0), max(interval[1], 0.0)
        needed = None
        if statement != "decided" and not rival.alike and not ranks_only:
            wanted = level / _tests(rank)
            needed = _needed(differences[name], kind, worst[name], rival.p, wanted)
        rivals.append(
            replace(
                rival,
                statement=statement,
                apart=name in apart,
                interval=interval,
                needed=needed,
            )
        )

    runs = max(len(run) for ends in values.values() for run in ends)
    pairs = sum(map(len, lead)) if spaces is None else len(set(spaces))
    same_bound = None
    if twins[leader] and kind == "regrets":
        same_bound = mean_bound(np.zeros(pairs), _worst(lead))
    return Decision(
        leader=leader,
        rivals=tuple(rivals),
        same=tuple(twins[leader]),
        equal={name: twins[name] for name in others},
        same_bound=same_bound,
        level=level,
        units=runs if spaces is None else len(set(spaces)),
        pairs=pairs,
    )


@dataclass(frozen=True)
class FewDecision:
    """The decision which of a few candidate cells is best, from a few trainings of each cell.

    Attributes:
        leader: The candidate with the lowest mean; lower is better.
        mean: The mean value of the leader's trainings.
        interval: The 95 % interval of the leader's mean, simultaneous over all candidates.
        rival: The cell that the leader is compared with: the reference, or the candidate with the
            second-lowest mean. Without a reference and a second candidate, the rival and the
            following attributes are None.
        difference: The rival's mean minus the leader's mean.
        difference_interval: The 95 % interval of `difference`. With a reference, the interval is
            simultaneous over all candidates, so it stays valid after the choice of the best
            candidate.
        p: Two-sided p-value of the comparison with the rival, not corrected for the number of
            candidates.
        needed: The number of trainings of each of the two cells that would decide the comparison;
            None if the comparison is decided, or if there is no estimate.
    """

    leader: str
    mean: float
    interval: tuple[float, float]
    rival: str | None = None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None
    p: float | None = None
    needed: Needed | None = None

    @property
    def sign(self) -> int:
        """1 if the leader is significantly better than the rival, -1 if worse, otherwise 0."""
        if self.difference_interval is None:
            return 0
        low, high = self.difference_interval
        return int(low > 0) - int(high < 0)


def decide_few(
    values: Mapping[str, Values],
    reference: str | None = None,
    *,
    paired: bool = False,
) -> FewDecision:
    """Decide whether the best of a few candidates is better than a reference, or than the rest.

    The test is Student's t with the variance within cells, pooled over all cells, but never less
    than the variance of the two compared cells. The degrees of freedom of the test are
    Satterthwaite's. The main effect of the seed is removed if it is significant (an F test at 5 %).
    Against a reference, the significance level is divided by the number of candidates (Bonferroni).
    Against the closest rival, the full significance level is used (Hung and Fithian 2019).

    Args:
        values: For each cell, the values of its trainings, shape ``(n,)``: at least two finite
            values.
        reference: The cell with which the best candidate is compared and which is not a candidate
            itself; or None.
        paired: Whether the trainings of all cells have the same seeds in the same order.

    Raises:
        UserError: There is no candidate, or a cell has fewer than two values.

    Example:
        >>> values = {
        ...     "a": [1.0, 1.2, 1.1],
        ...     "b": [1.3, 1.5, 1.4],
        ...     "mine": [2.0, 2.1, 2.2],
        ... }
        >>> decision = decide_few(
        ...     {name: np.array(of) for name, of in values.items()}, "mine"
        ... )
        >>> (
        ...     decision.leader,
        ...     decision.sign,
        ...     [round(end, 2) for end in decision.difference_interval],
        ... )
        ('a', 1, [0.76, 1.24])
    """
    candidates = [name for name in values if name != reference]
    if not candidates or min(map(len, values.values())) < 2:
        raise UserError(
            "A decision needs at least one candidate and at least two trainings of each cell."
        )
    means = {name: float(np.mean(sample)) for name, sample in values.items()}
    leader, *others = sorted(candidates, key=means.__getitem__)
    about = {
        name: np.asarray(sample) - np.mean(sample) for name, sample in values.items()
    }
    level = LEVEL / len(candidates)
    mean = means[leader]
    error, freedom = _scatter(about, leader)
    interval, _ = _student(mean, error, freedom, level)
    rival = reference or next(iter(others), None)
    if rival is None:
        return FewDecision(leader, mean, interval)
    lost = 0.0
    if paired and (rest := _without_seeds(about)) is not None:
        about, lost = rest, 1 / len(about)
    difference = means[rival] - mean
    error, freedom = _scatter(about, leader, rival, lost=lost)
    if reference is None:
        level = LEVEL
    ends, p = _student(difference, error, freedom, level)
    needed = None
    if ends[0] <= 0 <= ends[1] and p < 1:
        runs = min(len(values[name]) for name in (leader, rival))
        needed = _needed_runs(p, runs, level, runs + 1)
    return FewDecision(leader, mean, interval, rival, difference, ends, p, needed)


def _without_seeds(about: Mapping[str, Values]) -> dict[str, Values] | None:
    """Remove the main effect of the seed from deviations, shape ``(seeds,)`` per cell.

    Returns:
        None if the effect is not significant.
    """
    from scipy.special import fdtrc

    every = np.array(list(about.values()))
    cells, seeds = every.shape
    by_seed = every.mean(axis=0)
    rest = every - by_seed
    noise = float((rest**2).sum()) / (cells - 1)
    shared = cells * float((by_seed**2).sum())
    # both sums are over (seeds - 1) degrees of freedom, times cells - 1 of the rest
    freedom = seeds - 1
    is_shared = shared > 0 and (
        noise <= 0
        or float(fdtrc(freedom, freedom * (cells - 1), shared / noise)) <= LEVEL
    )
    return dict(zip(about, rest, strict=True)) if is_shared else None


def _scatter(
    about: Mapping[str, Values], *cells: str, lost: float = 0.0
) -> tuple[float, float]:
    """Return the standard error of a cell's mean, or of the difference of two means, and the
    Satterthwaite degrees of freedom of the pooled variance.

    Args:
        about: For each cell, the deviations from its mean.
        cells: One cell or two.
        lost: The share of the degrees of freedom that the removed seed effect used.
    """
    sums = np.array([float((values**2).sum()) for values in about.values()])
    counts = np.array([(len(values) - 1) * (1 - lost) for values in about.values()])
    squares = float((sums**2 / counts).sum())
    freedom = float(sums.sum()) ** 2 / squares if squares > 0 else float(counts.sum())
    chosen = [about[name] for name in cells]
    together = sum(1 / len(values) for values in chosen) * float(
        sums.sum() / counts.sum()
    )
    if lost and len(chosen) == 2:
        own = float(np.var(chosen[0] - chosen[1], ddof=1)) / len(chosen[0])
    else:
        own = sum(float(np.var(values, ddof=1)) / len(values) for values in chosen)
    return math.sqrt(max(together, own)), freedom


def _student(
    value: float, error: float, freedom: float, level: float
) -> tuple[tuple[float, float], float]:
    from scipy.special import stdtr, stdtrit

    half = error * float(stdtrit(freedom, 1 - level / 2))
    p = 1.0 if abs(value) <= _NOTHING else 0.0
    if error > _NOTHING:
        p = 2 * float(stdtr(freedom, -abs(value) / error))
    return (value - half, value + half), p


def standings(values: Mapping[str, Ends]) -> list[str]:
    """Return strategies in order: the leader by `decide`, then the leader of the rest, and so on.

    Example:
        >>> low, high = np.arange(8.0), np.arange(8.0) + 9
        >>> standings({"worse": [high + 1], "a": [low], "bad": [high], "same": [low]})
        ['a', 'same', 'bad', 'worse']
    """
    rest = dict(values)
    order = list[str]()
    while rest:
        order.append(decide(rest).leader)
        del rest[order[-1]]
    return order


def by_space(differences: Ends, spaces: Sequence[str]) -> Values:
    """Return the normalised signed-rank sum of each space, in order of first appearance.

    A normalised sum ranges from -1 to 1. The sum of a space is 1 if all differences of all problems
    of the space are positive.
    """
    return _space_means(
        [
            float(signed_ranks(d).sum()) / max(len(d) * (len(d) + 1), 1)
            for d in differences
        ],
        spaces,
    )


def _space_means(numbers: Sequence[float], spaces: Sequence[str]) -> Values:
    by_name: dict[str, list[float]] = {}
    for number, space in zip(numbers, spaces, strict=True):
        by_name.setdefault(space, []).append(number)
    return np.array([np.mean(group) for group in by_name.values()])


@dataclass(frozen=True)
class MeanDifference:
    """The mean of paired differences, with equal weights for all problems.

    Attributes:
        difference: The mean.
        interval: The 95 % interval, corrected for skewness; None with fewer than three differences.
        p: The two-sided p-value for the hypothesis that the mean is 0; 1 with fewer than three
            differences.
        error: The standard error of the mean.
        freedom: The degrees of freedom of the standard error, by Welch and Satterthwaite.
    """

    difference: float
    interval: tuple[float, float] | None
    p: float
    error: float = 0.0
    freedom: float = 0.0


def mean_difference(differences: Ends) -> MeanDifference:
    """Compute the mean of paired differences with the interval of Hall (1992), without resampling.

    Args:
        differences: For each problem, the differences of paired runs, which must be finite, shape
            ``(runs,)``. If a problem has fewer than three differences, all problems are pooled into
            one sample.

    Example:
        >>> mean = mean_difference([np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])])
        >>> (
        ...     mean.difference,
        ...     [round(end, 2) for end in mean.interval],
        ... )  # rare large ones may be more frequent
        (0.125, [-0.05, 0.93])
    """
    from scipy.special import stdtr, stdtrit

    samples = [np.round(d, _DIGITS) for d in differences]
    if min(map(len, samples)) < _FEWEST_RUNS:
        samples = [np.concatenate(samples)]
    sizes = np.array([len(sample) for sample in samples])
    counts = sizes.astype(np.float64)
    starts = np.cumsum(sizes) - sizes
    every = np.concatenate(samples)
    means = np.add.reduceat(every, starts) / counts
    difference = float(means.mean())
    if sizes.min() < _FEWEST_RUNS:
        return MeanDifference(difference, None, 1.0)
    centred = every - np.repeat(means, sizes)
    variances = np.add.reduceat(centred**2, starts) / ((counts - 1) * counts)
    error = float(np.sqrt(variances.sum())) / len(samples)
    if error <= _NOTHING:
        p = 1.0 if abs(difference) <= _NOTHING else 0.0
        return MeanDifference(difference, (difference, difference), p)
    freedom = float(variances.sum() ** 2 / (variances**2 / (counts - 1)).sum())
    cubes = np.add.reduceat(centred**3, starts) / ((counts - 1) * (counts - 2) * counts)
    skewness = float(cubes.sum()) / (len(samples) * error) ** 3
    quantile = float(stdtrit(freedom, 1 - LEVEL / 2))
    low = difference - error * _corrected(quantile, skewness)
    high = difference - error * _corrected(-quantile, skewness)
    t = difference / error
    t += skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / 6
    return MeanDifference(
        difference, (low, high), 2 * float(stdtr(freedom, -abs(t))), error, freedom
    )


def _corrected(quantile: float, skewness: float) -> float:
    if abs(skewness) < 1e-9:
        return quantile
    return 3 / skewness * (float(np.cbrt(1 + skewness * (quantile - skewness / 6))) - 1)


def runs_for_mean(
    difference: float, worst: float = 1.0, level: float = END_LEVEL
) -> int:
    """Return the smallest number of pairs with which a positive mean difference can be significant.

    With fewer pairs, failures that could reverse the difference may exist without having occurred.

    Args:
        difference: The mean difference.
        worst: The largest possible difference of a pair of runs.
        level: The significance level.

    Example:
        >>> runs_for_mean(0.3), runs_for_mean(0.1), runs_for_mean(0.05)
        (12, 39, 79)
    """
    unseen = min(difference / worst, 1 - 10.0**-_DIGITS)
    return math.ceil(math.log(level / 2) / math.log1p(-unseen))


def mean_bound(differences: Values, worst: float) -> float:
    """Return Stringer's upper 95 % bound of the mean absolute difference.

    Args:
        differences: The observed differences, shape ``(n,)``.
        worst: The largest possible absolute difference.

    Example:
        >>> (
        ...     round(mean_bound(np.zeros(40), 1.0), 3),
        ...     round(mean_bound(np.zeros(59), 1.0), 3),
        ... )
        (0.072, 0.05)
    """
    sizes = np.sort(np.abs(np.round(differences, _DIGITS)))[::-1]
    bounds = _upper_shares(len(sizes))
    return float(worst * bounds[0] + (np.diff(bounds) * sizes).sum())


def runs_for_same(worst: float) -> int:
    """Return how many equal pairs of runs show that two strategies are practically the same.

    Args:
        worst: The largest possible absolute difference of a pair of runs.

    Example:
        >>> runs_for_same(1.0), runs_for_same(2.0)
        (59, 119)
    """
    return math.ceil(math.log(LEVEL) / math.log1p(-MARGIN / worst))


@lru_cache(maxsize=64)
def _upper_shares(n: int) -> Values:
    """Return Clopper and Pearson's upper 95 % bounds of a share, for counts 0, 1, …, n of n."""
    from scipy.special import betaincinv

    counts = np.arange(n)
    return np.append(betaincinv(counts + 1, n - counts, 1 - LEVEL), 1.0)


def detectable(first: Ends, second: Ends) -> float | None:
    """Return the smallest mean difference that the given runs can detect with power `POWER`.

    Args:
        first, second: The final values of two strategies' runs; the estimate uses the spread of
            their paired differences.

    Returns:
        The detectable difference in the unit of the runs' values, or None if there are too few runs
        to decide.
    """
    from scipy.special import stdtrit

    differences = paired(first, second)
    mean = mean_difference(differences)
    runs = sum(map(len, differences))
    if 2.0 ** (1 - runs) > END_LEVEL or not mean.error:
        return None
    by_chance = float(stdtrit(mean.freedom, 1 - END_LEVEL / 2))
    unseen = _worst(first, second) * (1 - (END_LEVEL / 2) ** (1 / runs))
    return float(
        max(mean.error * by_chance, unseen) + mean.error * _NORMAL.inv_cdf(POWER)
    )


def _distinct(values: Mapping[str, Ends]) -> dict[str, list[str]]:
    """Group strategies that are equal in every run: the first one, and the names of the others."""
    classes: dict[str, list[str]] = {}
    for name, ends in values.items():
        for twin, same in classes.items():
            lengths = [list(map(len, runs)) for runs in (ends, values[twin])]
            differences = np.concatenate(paired(ends, values[twin])).round(_DIGITS)
            if lengths[0] == lengths[1] and not differences.any():
                same.append(name)
                break
        else:
            classes[name] = []
    return classes


def paired(better: Ends, worse: Ends) -> list[Values]:
    """Return, for each problem, `worse` minus `better` for the runs that both strategies have."""
    all_differences = []
    for a, b in zip(better, worse, strict=True):
        n = min(len(a), len(b))
        with np.errstate(invalid="ignore"):  # both found nothing: no difference
            difference = b[:n] - a[:n]
        difference[np.isnan(difference)] = 0.0
        all_differences.append(difference)
    return all_differences


def _weighted(differences: Ends) -> list[SignedRanks]:
    """Return the signed ranks of every problem, scaled so that problems with fewer runs count."""
    ranks = [signed_ranks(d) for d in differences]
    lengths = {len(d) + 1 for d in differences}
    if len(lengths) == 1:
        return ranks
    whole = math.lcm(*lengths)
    whole = whole if whole <= 5_000 else 1_000
    return [r * max(round(whole / (len(r) + 1)), 1) for r in ranks]


def _passing(p_values: Mapping[str, float], level: float) -> set[str]:
    """Return the rivals that pass a step-up test; all with smaller p-values pass, too."""
    order = sorted(p_values, key=lambda name: -p_values[name])
    for rank, name in enumerate(order):
        if p_values[name] <= level / _tests(rank):
            return set(order[rank:])
    return set()


def _tests(before: int) -> int:
    """Return the divisor of the level for a rival that follows `before` closer rivals."""
    return (before + 1) * (before + 2) // 2


Kind = Literal["regrets", "spaces", "ranks"]
"""The paired values: regrets of runs, one number per space, or runs of which only ranks count."""


@dataclass(frozen=True)
class _Differences:
    """The paired differences of two strategies, positive where the first strategy is better.

    Attributes:
        ranks: Signed ranks per problem.
        signs: The differences whose signs are counted: one per run, or one per space.
        means: The differences to average, per problem, or one number per space.
    """

    ranks: list[SignedRanks]
    signs: Values
    means: list[Values]

    @classmethod
    def of(cls, differences: Ends, spaces: Sequence[str] | None) -> "_Differences":
        ranks = _ranks(differences, spaces)
        finite = _without_infinite(differences)
        if spaces is None:
            return cls(ranks, np.concatenate(differences).round(_DIGITS), finite)
        means = [float(d.mean()) if len(d) else 0.0 for d in finite]
        signs = by_space(differences, spaces).round(_DIGITS)
        return cls(ranks, signs, [_space_means(means, spaces)])


def _ranks(differences: Ends, spaces: Sequence[str] | None) -> list[SignedRanks]:
    if spaces is None:
        return _weighted(differences)
    return [signed_ranks(by_space(differences, spaces))]


def _without_infinite(differences: Ends) -> list[Values]:
    """Replace infinite differences (one run found nothing) by the largest finite one."""
    sizes = np.abs(np.concatenate(differences))
    largest = max(float(sizes[np.isfinite(sizes)].max(initial=0.0)), 1.0)
    return [np.clip(d, -largest, largest) for d in differences]


def _worst(*strategies: Ends) -> float:
    """Return the assumed worst final value of any run: the worst observed one, at least 1."""
    every = np.concatenate([run for ends in strategies for run in ends])
    return max(float(every[np.isfinite(every)].max(initial=0.0)), 1.0)


def _rival(name: str, differences: _Differences, kind: Kind, worst: float) -> Rival:
    signs = differences.signs
    mean = None if kind == "ranks" else mean_difference(differences.means)
    p_mean = None if mean is None else mean.p
    bound = None
    equivalent = False
    if mean is not None and kind == "regrets":
        every = np.concatenate(differences.means)
        # twice the probability that no failure shows in so many runs, if failures are just frequent
        # enough to reverse the mean difference
        shown = min(abs(mean.difference) / worst, 1.0)
        p_mean = max(mean.p, float(min(2 * (1 - shown) ** len(every), 1.0)))
        bound = mean_bound(every, worst)
        far = int((np.abs(signs) > EQUIVALENCE_MARGIN).sum())
        equivalent = (
            bound <= MARGIN and float(_upper_shares(len(signs))[far]) <= SHARE_ALIKE
        )
    return Rival(
        name=name,
        statement="equal" if kind == "regrets" and not signs.any() else "open",
        apart=False,
        p=flip_p(differences.ranks),
        p_mean=p_mean,
        difference=None if mean is None else mean.difference,
        interval=None if mean is None else mean.interval,
        bound=bound,
        wins=int((signs > 0).sum()),
        ties=int((signs == 0).sum()),
        losses=int((signs < 0).sum()),
        alike=equivalent,
        largest=float(np.abs(signs).max(initial=0.0)),
        needed=None,
    )


def _statement(rival: Rival, better: bool, apart: bool, level: float) -> Statement:
    if apart:
        return "decided"
    if better:
        is_lower = rival.difference is not None and rival.difference < 0
        is_split = is_lower and rival.p_mean is not None and rival.p_mean <= level
        return "split" if is_split else "most runs"
    return "same" if rival.alike else rival.statement


def _needed(
    differences: _Differences, kind: Kind, worst: float, p: float, level: float
) -> Needed | None:
    """Estimate the runs per problem that would decide with power `POWER`, if the true difference
    equals the observed one.

    If p is small, the number is accurate to a factor of two in three of four studies. If p is
    large, there is only a lower bound. Otherwise there is no estimate, unless failures that may not
    have occurred give a lower bound.
    """
    mean = mean_difference(differences.means)
    pairs = len(differences.signs)
    if int((differences.signs != 0).sum()) < 3 or mean.difference <= 0:
        return None
    problems = len(differences.means) if kind == "regrets" else 1
    runs = pairs / problems
    # One more than were made, and as many as can pass at all: n pairs have a p-value of at least 2
    # / 2**n.
    fewest = max(math.floor(runs) + 1, math.ceil((1 + math.log2(1 / level)) / problems))
    if kind == "spaces":
        return _needed_runs(max(p, mean.p), runs, level, fewest)
    shown = math.ceil(runs_for_mean(mean.difference, worst, level) / problems)
    fewest = max(fewest, shown)
    needed = _needed_runs(max(p, mean.p), runs, level, fewest)
    if needed is None:
        return Needed(fewest, None) if shown > runs else None
    if needed.about is None:
        return needed
    # Failures that n runs do not exclude have a share of about demand / n, and the mean errs by
    # about slack / sqrt(n). The difference must be larger than both together.
    demand = worst * math.log(2 / level)
    slack = _NORMAL.inv_cdf(POWER) * mean.error * math.sqrt(pairs)
    root = math.sqrt(slack**2 + 4 * demand * mean.difference) - slack
    about = max(math.ceil((2 * demand / root) ** 2 / problems), needed.about)
    return Needed(max(math.ceil(about / 2), fewest), 2 * about)


def _needed_runs(
    p: float,
    runs: float,
    level: float,
    fewest: int,
) -> Needed | None:
    observed = -_NORMAL.inv_cdf(max(p, 1e-300) / 2)
    wanted = _NORMAL.inv_cdf(1 - level / 2) + _NORMAL.inv_cdf(POWER)
    if p <= 0.2:
        about = max(math.ceil(runs * (wanted / observed) ** 2), fewest)
        return Needed(max(math.ceil(about / 2), fewest), 2 * about)
    if p >= 0.5:
        lucky = observed + _NORMAL.inv_cdf(1 - LEVEL)
        return Needed(max(math.ceil(runs * (wanted / lucky) ** 2), fewest), None)
    return None
