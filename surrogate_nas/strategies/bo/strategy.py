"""Bayesian optimisation: learn L, and each metric of R and of the limits that only an evaluation
tells; compute the others.

Expected improvement: Jones et al., "Efficient Global Optimization", JOGO 1998; the logarithm of the
target: a score is sharpened towards its best end, because only the order among the best cells
matters. Departures from BANANAS (White et al., AAAI 2021), which trains neural networks and draws
from them: Gaussian processes over all cells of a space that can be listed; elsewhere over random
cells and mutations of the best. λR and feasibility of a cell come from `Strategy.free` where they
need no training. What is thought of the other metrics is combined as the objective combines their
values; a gain counts with the probability that the limits are kept (Gardner et al., ICML 2014).
Cells of one function share what is learned of them, so that after one of them is told only what
they differ by is left to gain. Several objectives are learned each by itself, and the expected gain
is that of hypervolume.
"""

from collections.abc import Sequence
from itertools import cycle, pairwise
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

from surrogate_nas.core import arguments
from surrogate_nas.space import Cell, Request, Trial, listed
from surrogate_nas.space.registry import SPACES
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.strategies.bo.pool import (
    Choice,
    Points,
    Pool,
    Whole,
    is_listed,
    narrowed,
    prepare,
    whole,
)
from surrogate_nas.strategies.nsga2 import survivors
from surrogate_nas.surrogates.gaussian import Floats, Mask, Places, Posterior

_CENTRES = 10
_ALIKE = 1e-9
_ROUND = ("improvement", "probability", "improvement", "near")
# Where cells differ in the λR that they are known to have. There the best need not lie where L is
# least, and the deviation of a logarithm makes too much of cells that lie far above it.
_PRICED_ROUND = ("score", "score", "score", "improvement", "near")


class Foreseen(NamedTuple):
    """What is thought of the observed metrics (`FreeTerms.observed`) of some cells.

    Attributes:
        mean: Of their share of each objective's λR, shape ``(k, objectives)``.
        variance: Of that.
        chance: The probability that their limits are kept, shape ``(k,)``.
    """

    mean: Floats
    variance: Floats
    chance: Floats


def prepare_named(name: str) -> None:
    """Prepare a space of the project in the process that workers are forked from."""
    prepare(SPACES[name])


class BayesianOptimisation(Strategy):
    """Ten random cells, then the cell whose expected improvement of L + λR is largest.

    Two Gaussian processes, each with a view of its own, are averaged. In a space of plain choices
    each position has a weight of its own in the distance between cells, fitted to the observed
    cells. L and every metric of R or of a limit that only an evaluation reveals are learned by
    processes of their own; what is free is computed. A limit that is learned counts by the
    probability that it is kept, and until a feasible cell is known, that alone decides.

    Of every four questions, in random order, two maximise the expected improvement, one its
    probability, and one the expected improvement among the neighbours of the best cell that has one
    left to ask for. Where cells differ in the λR that they are known to have, three of five
    questions ask for the least score that one process, drawn at random, expects, and the others
    maximise the expected improvement, one of them among those neighbours. Cells that are asked for
    and not told yet are believed to score as predicted. On several objectives every question
    maximises the expected improvement of hypervolume, with half of the variance that is predicted.

    Args:
        first_cells: How many cells are drawn at random before anything is learned, at least 2.
        sharpness: How far below the least L told the target's logarithm has its pole, as a
            share of the distance from there to the median; smaller looks closer at the best
            cells.
        mildness: The same for every second view, and there below the L that would make a cell
            of median λR the best, where that is less; larger looks further beyond the best
            cells.
        front_sharpness: The same where there are several objectives, since a front is more than
            its end.

    Raises:
        UserError: One of them is out of range.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = sn.Objective("valid_error", sn.load("fashion"))
        >>> run = sn.search("fashion", "bo", objective, budget=60)
        >>> run.incumbent.score - objective.optimum() < 0.01  # of 15,625 cells 60 were looked at
        True
    """

    batch_size: ClassVar[int] = 1
    uses_free: ClassVar[bool] = True
    many_objectives: ClassVar[bool] = True
    shares_points: ClassVar[bool] = True

    first_cells: int = arguments.whole(10, 2)
    sharpness: float = arguments.number(0.15, above=True)
    mildness: float = arguments.number(0.5, above=True)
    front_sharpness: float = arguments.number(1.0, above=True)
    _pool: Pool | None = None

    def _begin(self) -> None:
        self._trials: dict[Cell, Trial] = {}
        self._pending: dict[Cell, None] = {}
        self._listed = is_listed(self.space)
        self._rules: list[str] = []
        prepare(self.space)  # once a process, and not while a question waits

    def tell(self, trials: Sequence[Trial]) -> None:
        """Store the trials; a newer trial of a cell replaces the earlier one, and a failed cell
        stays pending.
        """
        for trial in trials:
            if not trial.failure:
                self._trials[trial.cell] = trial
                self._pending.pop(trial.cell, None)
            elif trial.cell not in self._trials:
                self._pending[trial.cell] = None

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Propose cells that were neither observed nor asked for, or random ones once there is no
        other.

        Returns:
            Different cells; fewer than `n` where the first random cells or the space run out.
        """
        asked: list[Cell] = []
        while len(asked) < n and (cell := self._next()) is not None:
            asked.append(cell)
            self._pending[cell] = None
        return asked or [self.space.sample(self.rng)]

    def _next(self) -> Cell | None:
        taken = len(self._trials) + len(self._pending)
        if taken >= self.space.size:
            return None
        if taken < self.first_cells or len(self._trials) < 2:
            return self._drawn()
        pool = self._grown()
        return self._best(pool) if self.objectives == 1 else self._front(pool)

    def _drawn(self) -> Cell | None:
        for _ in range(1000):
            cell = self.space.sample(self.rng)
            if cell not in self._trials and cell not in self._pending:
                return cell
        return None

    @property
    def _all_known(self) -> bool:
        return self.free is not None and not self.free.missing

    def _grown(self) -> Pool:
        if self._pool is None:
            shared = self.free, self.objectives, self._seed, self.rng
            if self._listed:
                self._pool = Whole(listed(self.space), self._points(), *shared)
            else:
                self._pool = Choice(self.space, not self._all_known, *shared)
        self._pool.look(self._trials, self._pending, self.ranked)
        return self._pool

    def ranked(self) -> list[Cell]:
        """The observed cells, the best first."""
        trials = sorted(self._trials.values(), key=attrgetter("score"))
        if self.objectives > 1:
            trials = survivors(list(self._trials.values()), len(trials))
        return [trial.cell for trial in trials]

    def _points(self) -> Points:
        return whole(listed(self.space), not self._all_known)

    def _targets(self, pool: Pool) -> tuple[Floats, float, Mask]:
        """The targets of all told cells (L, since what is known and what is learned by itself are
        taken away), the least score of a feasible one, and what is `_settled`.
        """
        penalty = pool.known.sum(axis=1)
        trials = self._trials.values()
        scores = np.array([trial.score for trial in trials])
        feasible = np.array([trial.feasible for trial in trials])
        counted = feasible if feasible.any() else np.ones(len(trials), dtype=bool)
        best = float(scores[counted].min())
        if self.free is None:
            values = np.minimum(scores, scores[counted].max())
        else:  # an infeasible cell tells of L as much as any
            sums = [trial.loss + trial.penalty for trial in trials]
            values = np.where(feasible, scores, sums)
        values -= penalty[pool.observed]
        values -= self._told_observed().sum(axis=1)
        return values, best, _settled(pool, values, penalty)

    def _told_observed(self) -> Floats:
        """What the observed metrics add to each objective of the told cells, shape ``(n,
        objectives)``.
        """
        each = (np.outer(self._told(m.name), m.coefficients) for m in self._observed)
        return sum(each, np.zeros((len(self._trials), self.objectives)))

    @property
    def _observed(self) -> Sequence[Any]:
        return () if self.free is None else self.free.observed

    def _told(self, name: str) -> Floats:
        return np.array([trial.values[name] for trial in self._trials.values()])

    def _foreseen(self, pool: Pool, looked: Places) -> Foreseen:
        """What each observed metric is thought to be, learned by itself as a score is."""
        shape = len(looked), self.objectives
        mean, variance, chance = np.zeros(shape), np.zeros(shape), np.ones(len(looked))
        for metric in self._observed:
            values = self._told(metric.name)
            pole, target = sharpened(values, 1.0, values.min())
            seen = [
                each.at(pool.of_cell[looked])
                for each in pool.seen(metric.name, pool.observed, [target])
            ]
            moments = np.mean([moments_of(each) for each in seen], axis=0)
            mean += np.outer(pole + moments[0], metric.coefficients)
            variance += np.outer(moments[1], np.square(metric.coefficients))
            for limit in metric.limits:
                below = np.mean([below_of(limit.limit - pole, s) for s in seen], axis=0)
                chance *= below if limit.relation == "<=" else 1 - below
        return Foreseen(mean, variance, chance)

    def _best(self, pool: Pool) -> Cell | None:
        rule = self.rule()
        around = self.among(pool, rule)
        free = pool.free
        if not free.any():
            return None
        if around is not None:
            free = narrowed(free, np.isin(np.arange(len(free)), around))
        values, best, settled = self._targets(pool)
        candidates = self._candidates(pool, narrowed(free, ~settled))
        seen = self._foreseen(pool, candidates)
        least, price = (
            values.min(),
            pool.known[candidates].sum(axis=1) + seen.mean[:, 0],
        )
        mild = self.mildness, min(least, best - np.median(price))
        ends = [(self.sharpness, least), mild]
        believed = [
            (pole, widened(each, seen.variance[:, 0]))
            for pole, each in self.believed(pool, 0, candidates, values, ends)
        ]
        gains = seen.chance * self.gains(believed, price, best, rule)
        gains = gains if self._any_kept else seen.chance
        return pool.cells[self._largest(candidates, gains)]

    @property
    def _any_kept(self) -> bool:
        """Whether a told cell is feasible, or no limit is left to be learned."""
        limits = any(metric.limits for metric in self._observed)
        return not limits or any(trial.feasible for trial in self._trials.values())

    def rule(self) -> str:
        """What the next question maximises."""
        if not self._rules:
            priced = self._pool is not None and self._pool.known.any()
            rules = _PRICED_ROUND if priced else _ROUND
            self._rules = [rules[i] for i in self.rng.permutation(len(rules))]
        return self._rules.pop()

    def among(self, pool: Pool, rule: str) -> Places | None:
        """The places of the pool among which the rule chooses; None for all."""
        return self._around_best(pool) if rule == "near" else None

    def _candidates(self, pool: Pool, free: Mask) -> Places:
        return pool.cheapest(free)

    def gains(
        self,
        believed: Sequence[tuple[float, Posterior]],
        penalty: Floats,
        best: float,
        rule: str,
    ) -> Floats:
        """What asking for each candidate promises, shape ``(k,)``.

        Args:
            believed: See `believed`.
            penalty: The known λR of the candidates, shape ``(k,)``.
            best: The least score.
            rule: See `rule`.
        """
        if rule == "score":
            pole, seen = believed[int(self.rng.integers(len(believed)))]
            score = penalty + pole + np.exp(seen.mean)
            return np.asarray(score.max() - score)
        by_expert = (
            gain_of(seen, best - pole - penalty, rule == "probability")
            for pole, seen in believed
        )
        return sum(by_expert, np.zeros(len(penalty)))

    def believed(
        self,
        pool: Pool,
        part: int,
        looked: Places,
        values: Floats,
        ends: Sequence[tuple[float, float]],
    ) -> list[tuple[float, Posterior]]:
        """What every expert thinks of some cells, with the pole of its logarithms.

        Args:
            pool: The cells, observed and pending ones among them.
            part: The objective.
            looked: The places of the cells, shape ``(k,)``.
            values: What is learned of the observed cells, shape ``(n,)``.
            ends: By turns for the experts a sharpness, and what is of interest from.
        """
        learned = [sharpened(values, *end) for end in ends]
        seen = self._seen(pool, part, looked, [target for _, target in learned])
        return list(zip(cycle([pole for pole, _ in learned]), seen, strict=False))

    def _seen(
        self, pool: Pool, part: int, looked: Places, targets: Sequence[Floats]
    ) -> list[Posterior]:
        """What every expert says of some cells; `targets`: what the experts learn of the observed
        cells, by turns.
        """
        everywhere = pool.seen(part, pool.observed, targets)
        return [each.at(pool.of_cell[looked]) for each in everywhere]

    def _around_best(self, pool: Pool) -> Places:
        """The places of the neighbours of the best observed cell that has one left to ask for.

        The best may be an island: where all around it is known, or shares its function, those of
        the next best follow.
        """
        for cell in self.ranked()[:_CENTRES]:
            around = pool.around(cell)
            *_, settled = self._targets(pool)
            if (pool.free & ~settled)[around].any():
                break
        return around

    def _front(self, pool: Pool) -> Cell | None:
        known = pool.known
        if not pool.free.any():
            return None
        whole = self.free.whole if self.free is not None else (False,) * self.objectives
        trials = list(self._trials.values())
        told = known[pool.observed] + self._told_observed()
        scores, learned = learned_of(trials, told, whole)
        one_price = np.count_nonzero(known.any(axis=0)) < 2
        candidates = (
            pool.cheapest(pool.free) if one_price else np.flatnonzero(pool.free)
        )
        looked = np.concatenate([candidates, pool.pending])
        ahead = self._foreseen(pool, looked)
        price = known[looked] + ahead.mean
        believed = []
        for part, is_whole in enumerate(whole):
            if is_whole:
                believed.append(Believed(price[:, part]))
                continue
            values = learned[:, part]
            end = self.front_sharpness, values.min()
            seen = self.believed(pool, part, looked, values, [end])
            pole = seen[0][0]
            further = ahead.variance[:, part]
            wide = [
                widened(Posterior(mean, _COUNTED * variance), further)
                for _, (mean, variance) in seen
            ]
            believed.append(Believed(price[:, part], pole, wide))
        waiting = np.column_stack([each.expected for each in believed])[
            len(candidates) :
        ]
        reference = reference_of(scores, whole, known[pool.free].max(axis=0))
        gain = expected_gain(believed, np.vstack([scores, waiting]), reference)
        gain = gain * ahead.chance if self._any_kept else ahead.chance
        return pool.cells[self._largest(candidates, gain[: len(candidates)])]

    def _largest(self, candidates: Places, gain: Floats) -> int:
        ties = np.flatnonzero(gain == gain.max())
        return int(candidates[ties[self.rng.integers(len(ties))]])


def _settled(pool: Pool, values: Floats, penalty: Floats) -> Mask:
    """Whether a cell has nothing to gain: an isomorphic cell that costs no more is observed, and
    all observed isomorphic cells had the same L.

    Args:
        pool: The cells.
        values: What was learned of the observed ones.
        penalty: The known λR of every cell, shape ``(n,)``.
    """
    points, costs = pool.of_cell[pool.observed], penalty[pool.observed]
    order = np.lexsort((costs, points))
    twins = np.diff(points[order]) == 0
    least = np.full(pool.of_cell.max() + 1, np.inf)
    if twins.any() and (np.abs(np.diff(values[order]))[twins] <= _ALIKE).all():
        np.minimum.at(least, points, costs)
    return penalty >= least[pool.of_cell]


def sharpened(values: Floats, sharpness: float, least: float) -> tuple[float, Floats]:
    """The pole below the least of interest, and the logarithms of how far some values lie above it.

    Args:
        values: At least that much each, shape ``(n,)``.
        sharpness: How far below, as a share of the distance to the values' median.
        least: What is of interest from.
    """
    pole = float(least - sharpness * (np.median(values) - least))
    if pole >= least:  # half of them are equal, or differ by rounding alone
        pole = float(least - sharpness)
    return pole, np.log(values - pole)


def gain_of(seen: Posterior, left: Floats, probability: bool) -> Floats:
    """Expected improvement of candidates, or its probability; 0 where R alone is too much, shape
    ``(k,)``.
    """
    if not probability:
        return shortfall(left[:, None], seen)[:, 0]
    gains = np.zeros(len(left))
    possible = np.flatnonzero(left > 0)
    mean, variance = seen.at(possible)
    gains[possible] = ndtr((np.log(left[possible]) - mean) / np.sqrt(variance))
    return gains


def below_of(level: float, seen: Posterior) -> Floats:
    """The probability that log-normal values lie below a level, shape ``(k,)``."""
    return gain_of(seen, np.full(len(seen.mean), level), True)


def moments_of(seen: Posterior) -> Floats:
    """Mean and variance of log-normal values, shape ``(2, k)``."""
    mean = np.exp(seen.mean + seen.variance / 2)
    return np.array([mean, mean**2 * np.expm1(seen.variance)])


def widened(seen: Posterior, variance: Floats) -> Posterior:
    """The log-normal of the same mean, once values have a further variance.

    Args:
        seen: Of the logarithms, shapes ``(k,)``.
        variance: Of the values themselves, shape ``(k,)``.
    """
    if not variance.any():
        return seen
    mean, own = moments_of(seen)
    wide = np.log1p((own + variance) / mean**2)
    return Posterior(np.log(mean) - wide / 2, wide)


# Expected hypervolume improvement: Emmerich, Giannakoglou & Naujoks, "Single- and Multiobjective
# Evolutionary Optimization Assisted by Gaussian Random Field Metamodels", IEEE Transactions on
# Evolutionary Computation 2006; exact by slabs, as in Yang et al., "Efficient Computation of
# Expected Hypervolume Improvement Using Box Decomposition Algorithms", Journal of Global
# Optimization 2019. A cell adds at a place what it dominates there, so the expectation is the
# integral, over the region that the front leaves free, of the product of each objective's
# probability to lie below; over a box that is the product of differences of E max(level − value,
# 0). An objective that is known for free has max(level − value, 0) itself in it.


# How far beyond what is told the reference lies, as a share of its range.
_MARGIN = 0.1
_FENCE = 1.5
# Of the variance of logarithms. The largest of thousands of expected gains promises too much, most
# of all far above the front.
_COUNTED = 0.5
# Beyond two objectives a front is thinned until it makes about so many boxes.
_MOST_BOXES = 3000


class Believed(NamedTuple):
    """What is thought of one objective of some cells: known plus a learned part, or known exactly.

    Attributes:
        known: The part that is known, shape ``(k,)``.
        pole: Where the learned part's logarithm has its pole.
        seen: Mean and variance of log(learned part − pole) by each expert; nothing where the
            objective is known.
    """

    known: Floats
    pole: float = 0.0
    seen: Sequence[Posterior] = ()

    def below(self, levels: Floats) -> Floats:
        """E max(level − value, 0), averaged over the experts, shape ``(k, levels)``."""
        room = levels - (self.known + self.pole)[:, None]
        if not self.seen:
            return np.maximum(room, 0.0)
        return np.asarray(
            sum(shortfall(room, each) for each in self.seen) / len(self.seen)
        )

    @property
    def expected(self) -> Floats:
        """The middle of what is thought, shape ``(k,)``."""
        learned = sum(np.exp(each.mean) for each in self.seen) / max(len(self.seen), 1)
        return self.known + self.pole + learned


def shortfall(room: Floats, seen: Posterior) -> Floats:
    """E max(room − value, 0) of log-normal values; 0 where there is no room, shape as `room`.

    Args:
        room: Shape ``(k, levels)``.
        seen: Mean and variance of the values' logarithms, shapes ``(k,)``.
    """
    mean, variance = (
        np.broadcast_to(part[:, None], room.shape)[room > 0] for part in seen
    )
    left = room[room > 0]
    deviation = np.sqrt(variance)
    q = (np.log(left) - mean) / deviation
    shortfalls = np.zeros(room.shape)
    shortfalls[room > 0] = left * ndtr(q) - np.exp(
        mean + variance / 2 + log_ndtr(q - deviation)
    )
    return np.maximum(shortfalls, 0.0)


def expected_gain(
    believed: Sequence[Believed],
    front: Floats,
    reference: Floats,
) -> Floats:
    """The hypervolume that each cell is expected to add to a front, shape ``(k,)``.

    Args:
        believed: Of each objective, what is thought of the cells; taken as independent.
        front: Vectors of told cells, shape ``(n, objectives)``; dominated ones change nothing.
        reference: Where the volume ends, shape ``(objectives,)``.
    """
    inside = thinned(front[(front < reference).all(axis=1)], reference)
    tables = []
    ranks = np.empty(inside.shape, dtype=np.intp)
    for part, each in enumerate(believed):
        levels, ranks[:, part] = np.unique(inside[:, part], return_inverse=True)
        below = each.below(np.append(levels, reference[part]))
        tables.append(np.column_stack([np.zeros(len(below)), below]))
    return _integral(tables, ranks + 1)


def _integral(tables: Sequence[Floats], ranks: NDArray[np.intp]) -> Floats:
    """The integral over what points leave free, slab by slab of the last objective."""
    *others, last = tables
    top = last.shape[1] - 1
    if not others:
        return last[:, ranks.min(initial=top)]
    total = np.zeros(len(last))
    for low, high in pairwise([0, *np.unique(ranks[:, -1]).tolist(), top]):
        total += (last[:, high] - last[:, low]) * _integral(
            others, ranks[ranks[:, -1] <= low, :-1]
        )
    return total


def thinned(front: Floats, reference: Floats) -> Floats:
    """The points that no other dominates; of more than two objectives only those of the largest
    contributions.
    """
    import moocore

    if not len(front):
        return front
    best = np.asarray(front[moocore.is_nondominated(front)])
    most = int(_MOST_BOXES ** (1 / max(best.shape[1] - 1, 1)))
    if len(best) <= most:
        return best
    return best[
        np.argsort(-moocore.hv_contributions(best, ref=reference), kind="stable")[:most]
    ]


def learned_of(
    trials: Sequence[Trial],
    known: Floats,
    whole: Sequence[bool],
) -> tuple[Floats, Floats]:
    """The vectors that make the front, and what of every trial's vector has to be learned.

    What an infeasible cell lacks is not told apart from its scores; where all but one objective is
    known it follows.

    Args:
        trials: Under several objectives.
        known: Their λR, as far as it is known or learned by itself, shape ``(n, objectives)``.
        whole: Whether each objective is known for free.

    Returns:
        Of the feasible trials, or of all where none is, shape ``(k, objectives)``; and
        ``(n, objectives)``.
    """
    scores = np.array([trial.scores for trial in trials])
    feasible = np.array([trial.feasible for trial in trials])
    if not feasible.any():
        return scores, scores - known
    learned = np.minimum(scores, scores[feasible].max(axis=0)) - known
    if sum(whole) == len(whole) - 1:
        sums = np.array([trial.loss + trial.penalty for trial in trials]) - known.sum(
            axis=1
        )
        learned[~feasible] = sums[~feasible, None]
    return scores[feasible], learned


def reference_of(vectors: Floats, whole: Sequence[bool], dearest: Floats) -> Floats:
    """The reference point, shape ``(objectives,)``: a little beyond all observations, not only the
    front, and where an objective is known for free not below any cell.

    A front whose best cells are not found yet is short, and a reference at its ends would forbid to
    prolong it. In an objective that is learned, what lies beyond Tukey's fence of the told ones
    does not count: such a cell, one that cannot learn, say, is on the front for costing nothing.

    Args:
        vectors: Of feasible told cells, shape ``(n, objectives)``.
        whole: Whether each objective is known for free.
        dearest: The most that is known of any cell left to ask for, shape ``(objectives,)``.
    """
    least, first, third, most = np.quantile(vectors, (0.0, 0.25, 0.75, 1.0), axis=0)
    high = np.where(whole, most, np.minimum(most, third + _FENCE * (third - first)))
    width = high - least
    beyond = high + _MARGIN * np.where(width > 0, width, 1.0)
    return np.asarray(np.where(whole, np.maximum(beyond, dearest), beyond))
