"""Who is better, and is that decided? One procedure for one problem, for many, and for others of their kind.

Paired differences of the same runs are ranked by size within every problem, those of no difference lowest (Pratt,
"Remarks on Zeros and Ties in the Wilcoxon Signed Rank Procedures", JASA 1959), and the signed ranks are summed over
runs and problems. Where two strategies are the same the sign of every difference is a coin's, so the share of all flips
with a sum as large is an exact p-value. The leader is whoever has the largest sum against all others, and must be told
apart from its closest rival first, at the whole level; farther ones follow (a step-up; for the best against the closest
alone: Hung and Fithian, "Rank Verification for Exponential Families", Annals of Statistics 2019). For other problems of
the kind, a space is one number: tables of one space are no independent witnesses.

How often it errs, and how often it sees what is there: ``python analysis/calibrate_verdict.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.levels import LEVEL, POWER

Values = NDArray[np.float64]
"""Shape ``(runs,)`` of one problem, or one number a space."""

FEWEST_SPACES = 6
"""With fewer, no flip of signs is rarer than 5 %."""
ALIKE = 0.01
"""Runs that differ by no more of the normalised regret have found the same in practice."""
SHARE_ALIKE = 0.2
"""Strategies are practically the same if no more of the runs differ by more than `ALIKE`, at 95 %."""
_DIGITS = 12
"""Of a difference; what is below is the order of sums."""
_NORMAL = NormalDist()
_EXACT = 1_000
"""Of more differing runs a p-value is the normal approximation's, which then errs by less than a hundredth of it."""
_RESAMPLES = 100
MOST_RUNS = 100_000
"""A need of more runs is told as none that would do."""


def signed_ranks(differences: Values) -> NDArray[np.int64]:
    """Twice the ranks of the sizes of paired differences, with their signs; ties share a rank, none counts as 0.

    Args:
        differences: Shape ``(n,)``; infinite ones are larger than all others, NaN (both infinite) is no difference.

    Example:
        >>> signed_ranks(np.array([0.0, -0.1, 0.3, 0.3])).tolist()
        [0, -4, 7, 7]
    """
    sizes = np.nan_to_num(np.round(differences, _DIGITS), nan=0.0, posinf=np.inf, neginf=-np.inf)
    _, place, counts = np.unique(np.abs(sizes), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((2 * last - counts + 1)[place.reshape(-1)] * np.sign(sizes), dtype=np.int64)


def flip_p(ranks: Sequence[NDArray[np.int64]]) -> float:
    """The two-sided p-value of a sum of signed ranks under random signs, exact up to a thousand; 1 unless above 0.

    Args:
        ranks: Of every problem the signed ranks of its runs, whole numbers.

    Example:
        >>> flip_p([np.array([2, 4, 6, 8, 10, 12])]), flip_p([np.array([2, -4])])
        (0.03125, 1.0)
    """
    signed = np.concatenate([np.asarray(part, dtype=np.int64).reshape(-1) for part in ranks]) if ranks else np.zeros(0)
    steps = np.abs(signed[signed != 0]).astype(np.int64)
    total = int(signed.sum())
    if total <= 0 or not len(steps):
        return 1.0
    if len(steps) > _EXACT:
        return math.erfc(total / math.sqrt(2 * float((steps.astype(np.float64) ** 2).sum())))
    unit = reduce(math.gcd, steps.tolist())
    steps //= unit
    # The share of all signs by the sum of those that are positive: sum of signed = 2 * positive - all.
    share = np.zeros(int(steps.sum()) + 1)
    share[0], reach = 1.0, 0
    for step in np.sort(steps).tolist():
        share[: reach + step + 1] *= 0.5
        share[step : reach + step + 1] += share[: reach + 1].copy()
        reach += step
    needed = (total // unit + int(steps.sum())) // 2
    return float(min(1.0, 2.0 * share[needed:].sum()))


@dataclass(frozen=True)
class Rival:
    """The leader beside another strategy.

    Attributes:
        name: The other strategy.
        p: Exact, two-sided; 1 where the other is not worse.
        apart: Whether the leader is told apart from it, at the level for all claims together.
        wins: Pairs of runs (of spaces) in which the leader is better.
        ties: Those without a difference.
        losses: Those in which the other is better.
        alike: Whether the two are practically the same: at 95 %, at most a fifth of runs differ by more than .01 of
            the normalised regret. It may hold beside `apart`: better, but mostly the same.
        needed: Runs a problem (spaces) that would tell them apart with a probability of 80 % if what was seen is what
            is, as a range (the middle 80 % of resamples); None where they are told apart, or where none would do.
    """

    name: str
    p: float
    apart: bool
    wins: int
    ties: int
    losses: int
    alike: bool
    needed: tuple[int, int] | None


@dataclass(frozen=True)
class Decision:
    """What paired runs say of a leader and the others.

    Attributes:
        leader: Whoever has the largest sum of signed ranks against all others; of equals the first given.
        rivals: The others, the closest (largest p) first. Strategies that are equal in every run count as one.
        same: The strategies that are equal to the leader in every run.
        level: How often a claim may be false.
        units: What was paired: runs of each problem, or spaces.
    """

    leader: str
    rivals: tuple[Rival, ...]
    same: tuple[str, ...]
    level: float
    units: int

    @property
    def decided(self) -> bool:
        """Whether the leader is told apart from every other."""
        return bool(self.rivals) and all(rival.apart for rival in self.rivals) and not self.same

    @property
    def leaders(self) -> tuple[str, ...]:
        """The leader and all that it is not told apart from."""
        return (self.leader, *self.same, *(rival.name for rival in self.rivals if not rival.apart))


def decide(values: Mapping[str, Sequence[Values]], spaces: Sequence[str] | None = None) -> Decision:
    """Decide who is best on these problems, where only seeds vary, or on others of their kind.

    Args:
        values: Per strategy, per problem, what each run ended with, lower is better; runs in the same order for all.
            Where strategies have unequal numbers of runs the first ones that both have are paired.
        spaces: Per problem its space, to decide about problems of spaces that were not tried; with fewer than
            `FEWEST_SPACES` no result can.

    Raises:
        UserError: No strategy is given, or strategies have different problems.

    Example:
        >>> better, worse = np.arange(8.0), np.arange(8.0) + 1
        >>> found = decide({"a": [better], "b": [worse], "c": [worse]})
        >>> found.leader, found.decided, [(rival.name, rival.p) for rival in found.rivals]
        ('a', True, [('b', 0.0078125)])
        >>> values = {"a": [np.zeros(4)] * 6, "b": [np.ones(4)] * 6}
        >>> decide(values, list("uvwxyz")).decided, decide(values, list("uuuvwx")).decided
        (True, False)
    """
    if not any(map(len, values.values())) or len({len(of) for of in values.values()}) != 1:
        raise UserError("A decision needs strategies that have the same problems, and at least one.")
    claims = claim(values, spaces)
    lead = values[claims.leader]

    def differences(name: str) -> list[Values]:
        each = paired(lead, values[name])
        return each if spaces is None else [by_space(each, spaces)]

    rivals = tuple(_rival(name, p, differences(name), claims, is_regret=spaces is None) for name, p in claims.rivals)
    runs = max(len(run) for of in values.values() for run in of)
    return Decision(claims.leader, rivals, claims.same, LEVEL, runs if spaces is None else len(set(spaces)))


@dataclass(frozen=True)
class Claims:
    """What is claimed, without what would change it.

    Attributes:
        leader: As in `Decision`.
        rivals: Names with their p-values, the closest first.
        same: Strategies that are equal to the leader in every run.
        first: From which place on the leader is told apart; their number if from none.
    """

    leader: str
    rivals: list[tuple[str, float]]
    same: tuple[str, ...]
    first: int

    @property
    def leaders(self) -> tuple[str, ...]:
        """The leader and all that it is not told apart from."""
        return (self.leader, *self.same, *(name for name, _ in self.rivals[: self.first]))


def claim(values: Mapping[str, Sequence[Values]], spaces: Sequence[str] | None = None) -> Claims:
    """Who leads and whom it is told apart from.

    Args:
        spaces: Per problem its space, to judge by one number a space; None to judge by runs.
    """

    def ranks(one: str, other: str) -> list[NDArray[np.int64]]:
        differences = paired(values[one], values[other])
        return _weighted(differences) if spaces is None else [signed_ranks(by_space(differences, spaces))]

    kept = _distinct(values)
    names = list(kept)
    sums = dict.fromkeys(names, 0)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            total = sum(int(part.sum()) for part in ranks(one, other))
            sums[one], sums[other] = sums[one] + total, sums[other] - total
    leader = max(names, key=lambda name: sums[name])
    rivals = sorted(((name, flip_p(ranks(leader, name))) for name in names if name != leader), key=lambda one: -one[1])
    first = next((n for n, (_, p) in enumerate(rivals) if p <= LEVEL / _tests(n)), len(rivals))
    return Claims(leader, rivals, tuple(kept[leader]), first)


def standings(values: Mapping[str, Sequence[Values]]) -> dict[str, tuple[str, ...]]:
    """Strategies as `claim` ranks them: the leader, then the leader of all others, and so on, each at the whole level.

    Returns:
        With each strategy those after it that it is not told apart from.

    Example:
        >>> low, high = np.arange(8.0), np.arange(8.0) + 9
        >>> standings({"worse": [high + 1], "a": [low], "bad": [high], "same": [low]})
        {'a': ('same',), 'same': (), 'bad': (), 'worse': ()}
    """
    rest, found = dict(values), dict[str, tuple[str, ...]]()
    while rest:
        claims = claim(rest)
        found[claims.leader] = claims.leaders[1:]
        del rest[claims.leader]
    return found


def by_space(differences: Sequence[Values], spaces: Sequence[str]) -> Values:
    """One number a space, in order of first appearance: how clearly and how far the runs of its problems point one way.

    Args:
        differences: Per problem the paired differences of runs.
        spaces: Per problem its space.

    Returns:
        Shape ``(spaces,)``; from -1 to 1, 1 where every run of every problem is above 0.
    """
    shares = [float(signed_ranks(d).sum()) / max(len(d) * (len(d) + 1), 1) for d in differences]
    return np.array(
        [np.mean([s for s, of in zip(shares, spaces, strict=True) if of == space]) for space in dict.fromkeys(spaces)]
    )


def detectable(differences: Sequence[Values]) -> float | None:
    """The shift of one strategy against another that so many runs would have seen; None where no shift would be.

    Args:
        differences: Per problem the paired differences, whose spread about their means is taken.

    Returns:
        The smallest shift of all runs alike that is seen with the probability `POWER`, in the unit of the differences.
    """
    centred = [d - np.mean(d) for d in differences]
    widest = max((float(np.abs(d).max(initial=0.0)) for d in differences), default=0.0)
    if not widest:
        return None
    low, high = 0.0, 4 * widest
    if _normal_power([d + high for d in centred]) < POWER:
        return None
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if _normal_power([d + middle for d in centred]) >= POWER else (middle, high)
    return high


def _distinct(values: Mapping[str, Sequence[Values]]) -> dict[str, list[str]]:
    """Of strategies that are equal in every run the first, with the others."""
    kept: dict[str, list[str]] = {}
    for name, of in values.items():
        for other, same in kept.items():
            if all(len(a) == len(b) and not signed_ranks(a - b).any() for a, b in zip(of, values[other], strict=True)):
                same.append(name)
                break
        else:
            kept[name] = []
    return kept


def paired(better: Sequence[Values], worse: Sequence[Values]) -> list[Values]:
    """Per problem how much larger the second is than the first, shape ``(runs,)``, in the runs that both have."""
    found = []
    for a, b in zip(better, worse, strict=True):
        n = min(len(a), len(b))
        with np.errstate(invalid="ignore"):  # both found nothing: no difference
            found.append(np.nan_to_num(b[:n] - a[:n], nan=0.0, posinf=np.inf, neginf=-np.inf))
    return found


def _weighted(differences: Sequence[Values]) -> list[NDArray[np.int64]]:
    """Signed ranks of every problem; with unequal numbers of runs a problem of fewer is not drowned."""
    ranks = [signed_ranks(d) for d in differences]
    lengths = {len(d) + 1 for d in differences}
    if len(lengths) == 1:
        return ranks
    whole = math.lcm(*lengths)
    whole = whole if whole <= 5_000 else 1_000
    return [r * max(round(whole / (len(r) + 1)), 1) for r in ranks]


def _tests(before: int) -> int:
    """What the level is divided by for a rival that `before` closer ones come before."""
    return (before + 1) * (before + 2) // 2


def _rival(name: str, p: float, pairs: Sequence[Values], claims: Claims, *, is_regret: bool = True) -> Rival:
    """The leader beside another; where pairs differ in other than normalised regret they are not called alike."""
    rounded = [np.round(d, _DIGITS) for d in pairs]
    place = [other for other, _ in claims.rivals].index(name)
    apart = place >= claims.first
    far = sum(int((np.abs(d) > ALIKE).sum()) for d in rounded)
    return Rival(
        name=name,
        p=p,
        apart=apart,
        wins=sum(int((d > 0).sum()) for d in rounded),
        ties=sum(int((d == 0).sum()) for d in rounded),
        losses=sum(int((d < 0).sum()) for d in rounded),
        alike=is_regret and _upper_share(far, sum(len(d) for d in rounded)) <= SHARE_ALIKE,
        needed=None if apart else _needed_range(pairs, LEVEL / _tests(place)),
    )


def _upper_share(far: int, runs: int) -> float:
    """Clopper and Pearson's upper bound of a share, at 95 %."""
    from scipy.special import betaincinv

    return float(betaincinv(far + 1, runs - far, 0.95)) if far < runs else 1.0


def _moments(differences: Sequence[Values]) -> tuple[float, float, float, float]:
    """Mean and mean square of signed ranks as shares of the runs, variance of Hajek's projection, share of ties."""
    u = [signed_ranks(d) / (2 * max(len(d), 1)) for d in differences]
    g = [_sign_with_others(d) for d in differences]
    runs = sum(len(d) for d in differences)
    mean = float(sum(part.sum() for part in u)) / runs
    square = float(sum((part**2).sum() for part in u)) / runs
    spread = float(sum(((part - part.mean()) ** 2).sum() for part in g)) / runs
    return mean, square, spread, float(sum(int((part == 0).sum()) for part in u)) / runs


def _sign_with_others(d: Values) -> Values:
    """For each of some differences the mean sign of its sums with all of them, shape ``(runs,)``."""
    ordered, nothing = np.sort(d), 0.5 * 10.0**-_DIGITS
    above = len(d) - np.searchsorted(ordered, nothing - d, side="right")
    below = np.searchsorted(ordered, -nothing - d, side="left")
    return np.asarray((above - below) / len(d))


def _needed(differences: Sequence[Values], level: float) -> float:
    """Runs a problem that would pass the level with the probability `POWER`; infinite where none would."""
    finite = [np.nan_to_num(d, posinf=1e300, neginf=-1e300) for d in differences]
    mean, square, spread, ties = _moments(finite)
    if mean <= 0 or ties >= 1:
        return math.inf
    wanted = (
        (_NORMAL.inv_cdf(1 - level / 2) * math.sqrt(square) + _NORMAL.inv_cdf(POWER) * math.sqrt(spread)) / mean
    ) ** 2
    fewest = (1 + math.log2(1 / level)) / (1 - ties)
    runs = math.ceil(max(wanted, fewest) / len(differences))
    return runs if runs >= 15 else runs + 2 / (1 - ties)


def _needed_range(differences: Sequence[Values], level: float) -> tuple[int, int] | None:
    """The middle 80 % of needs over resampled runs; None where most of them say that none would do."""
    if not all(len(d) for d in differences):
        return None
    rng = np.random.default_rng(0)
    found = sorted(
        _needed([d[rng.integers(len(d), size=len(d))] for d in differences], level) for _ in range(_RESAMPLES)
    )
    low, high = found[_RESAMPLES // 10], found[_RESAMPLES - 1 - _RESAMPLES // 10]
    if not low < MOST_RUNS:
        return None
    return math.ceil(low), math.ceil(min(high, MOST_RUNS))


def _normal_power(differences: Sequence[Values]) -> float:
    mean, square, spread, _ = _moments(differences)
    runs = sum(len(d) for d in differences)
    if mean <= 0:
        return 0.0
    if 2.0**-runs * 2 > LEVEL:
        return 0.0
    edge = _NORMAL.inv_cdf(1 - LEVEL / 2) * math.sqrt(square / runs)
    if spread <= 0:
        return float(mean > edge)
    return _NORMAL.cdf((mean - edge) / math.sqrt(spread / runs))
