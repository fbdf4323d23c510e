"""Bayesian optimisation: predict scores with Gaussian processes, and evaluate the cell with the
largest expected improvement.

Expected improvement: Jones et al., "Efficient Global Optimization", JOGO 1998. The target of the
models is log(L − p), where the pole p lies slightly below the smallest observed L. The logarithm
stretches the scale among the best cells, whose order matters most. Unlike BANANAS (White et al.,
AAAI 2021), which samples from an ensemble of neural networks, the strategy uses Gaussian processes.
The models cover all cells of an enumerable space, or random cells and mutations of the best cells
of any other space. `Strategy.free` supplies λR and the feasibility of a cell if these need no
training. All other metrics have their own models, whose predictions are combined as the objective
combines the metrics' values. The expected improvement is multiplied by the probability that the
constraints are satisfied (Gardner et al., ICML 2014). Isomorphic cells share one prediction of L,
so after one cell of an isomorphism class is observed, the other cells can improve only through a
smaller λR. With several objectives, each objective has its own models, and the cell with the
largest expected hypervolume improvement is chosen.
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
    """Predictions, for some cells, of the metrics that need an evaluation (`FreeTerms.observed`).

    Attributes:
        mean: Expected contribution of the predicted metrics to each objective's λR, shape
            ``(k, objectives)``.
        variance: Variance of the predicted metrics' contribution to each objective's λR, shape
            ``(k, objectives)``.
        chance: Probability that the constraints on the predicted metrics are satisfied, shape
            ``(k,)``.
    """

    mean: Floats
    variance: Floats
    chance: Floats


def prepare_named(name: str) -> None:
    """Compute the encodings of a registered space before worker processes are forked."""
    prepare(SPACES[name])


class BayesianOptimisation(Strategy):
    """Bayesian optimisation of L + λR: ten random cells, then cells of largest expected
    improvement.

    The predictions of two Gaussian processes, each with its own encoding, are averaged. In a space
    of plain choices, each position has its own weight in the distance between cells, fitted to the
    observed cells. Separate Gaussian processes predict L and every metric of R or of a constraint
    that requires an evaluation; terms that need no training are computed. A constraint on a
    predicted metric enters as the probability that it is satisfied. Until a feasible cell is
    observed, proposals maximise only the probability of satisfying the constraints.

    Proposals come in rounds of four, and the order within a round is random. Two proposals of a
    round maximise the expected improvement, and one maximises the probability of improvement. The
    fourth proposal maximises the expected improvement among the unevaluated neighbours of the best
    cell with such neighbours. If cells differ in the part of λR that needs no training, a round has
    five proposals. Three of these five proposals minimise the score that a randomly chosen Gaussian
    process predicts. One of the five proposals maximises the expected improvement over all
    candidates, and one maximises it among the neighbours of the best cell. Pending cells are
    treated as if their predicted scores had been observed. With several objectives, every proposal
    maximises the expected hypervolume improvement, computed with half of the predicted variance.

    Args:
        first_cells: Number of random cells before the first model is fitted, at least 2.
        sharpness: Distance of the pole p in the target log(L − p) below the smallest observed L, as
            a share of the distance from the smallest to the median L. Smaller values of
            ``sharpness`` emphasise the best cells more.
        mildness: The ``sharpness`` of every second encoding. The pole of every second encoding lies
            below the L with which a cell of median λR would be the best cell, if that L is less
            than the smallest observed L.
        front_sharpness: The ``sharpness`` for several objectives, for which not only the smallest
            values matter.

    Raises:
        UserError: An option is out of range.

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
        """Store the trials. A newer trial of a cell replaces an earlier trial of this cell, and a
        cell whose evaluation failed stays pending.
        """
        for trial in trials:
            if not trial.failure:
                self._trials[trial.cell] = trial
                self._pending.pop(trial.cell, None)
            elif trial.cell not in self._trials:
                self._pending[trial.cell] = None

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Propose cells that are neither observed nor pending, or random ones if no such cell is
        left.

        Returns:
            Distinct cells; fewer than `n` if too few cells are available.
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
        """Return the observed cells, best first."""
        trials = sorted(self._trials.values(), key=attrgetter("score"))
        if self.objectives > 1:
            trials = survivors(list(self._trials.values()), len(trials))
        return [trial.cell for trial in trials]

    def _points(self) -> Points:
        return whole(listed(self.space), not self._all_known)

    def _targets(self, pool: Pool) -> tuple[Floats, float, Mask]:
        """Return the targets of all observed cells (L, after subtracting computed and separately
        predicted terms), the least score of a feasible cell, and which cells are `_settled`.
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
        """Return what the observed metrics contribute to each objective of the observed cells,
        shape ``(n, objectives)``.
        """
        each = (np.outer(self._told(m.name), m.coefficients) for m in self._observed)
        return sum(each, np.zeros((len(self._trials), self.objectives)))

    @property
    def _observed(self) -> Sequence[Any]:
        return () if self.free is None else self.free.observed

    def _told(self, name: str) -> Floats:
        return np.array([trial.values[name] for trial in self._trials.values()])

    def _foreseen(self, pool: Pool, looked: Places) -> Foreseen:
        """Predict each observed metric with a model of its own, like a score."""
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
        """Return whether an observed cell is feasible, or no constraint depends on predicted
        metrics.
        """
        limits = any(metric.limits for metric in self._observed)
        return not limits or any(trial.feasible for trial in self._trials.values())

    def rule(self) -> str:
        """Return the name of the acquisition rule for the next proposal."""
        if not self._rules:
            priced = self._pool is not None and self._pool.known.any()
            rules = _PRICED_ROUND if priced else _ROUND
            self._rules = [rules[i] for i in self.rng.permutation(len(rules))]
        return self._rules.pop()

    def among(self, pool: Pool, rule: str) -> Places | None:
        """Return the pool indices of the cells among which a rule chooses; None for all cells."""
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
        """Return the acquisition value of each candidate; larger is better. Shape ``(k,)``.

        Args:
            believed: The experts' predictions, as returned by the method `believed`.
            penalty: The computed and predicted λR of the candidates, shape ``(k,)``.
            best: The smallest observed score.
            rule: Name of the acquisition rule, as returned by the method `rule`.
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
        """Return every expert's prediction of log(L − p) for some cells, each with its pole p.

        Args:
            pool: The pool of cells, which includes the observed and the pending ones.
            part: The index of the objective.
            looked: The indices of the cells to predict, shape ``(k,)``.
            values: The target values of the observed cells, shape ``(n,)``.
            ends: Pairs of arguments of `sharpened`, a sharpness and the smallest value of interest,
                which the experts use in turn.
        """
        learned = [sharpened(values, *end) for end in ends]
        seen = self._seen(pool, part, looked, [target for _, target in learned])
        return list(zip(cycle([pole for pole, _ in learned]), seen, strict=False))

    def _seen(
        self, pool: Pool, part: int, looked: Places, targets: Sequence[Floats]
    ) -> list[Posterior]:
        """Return every expert's prediction for some cells; `targets` are the target values of the
        observed cells, for the experts in turn.
        """
        everywhere = pool.seen(part, pool.observed, targets)
        return [each.at(pool.of_cell[looked]) for each in everywhere]

    def _around_best(self, pool: Pool) -> Places:
        """Return the indices of the unevaluated neighbours of the best observed cell that has any.

        If all neighbours of the best cell are observed or isomorphic to it, the next best cell is
        used.
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
    """Return whether a cell cannot improve: an isomorphic cell that costs no more is observed, and
    all observed isomorphic cells had the same L.

    Args:
        pool: The pool of cells.
        values: The target values of the observed cells.
        penalty: The free λR of every cell, shape ``(n,)``.
    """
    points, costs = pool.of_cell[pool.observed], penalty[pool.observed]
    order = np.lexsort((costs, points))
    twins = np.diff(points[order]) == 0
    least = np.full(pool.of_cell.max() + 1, np.inf)
    if twins.any() and (np.abs(np.diff(values[order]))[twins] <= _ALIKE).all():
        np.minimum.at(least, points, costs)
    return penalty >= least[pool.of_cell]


def sharpened(values: Floats, sharpness: float, least: float) -> tuple[float, Floats]:
    """Return a pole below the smallest value of interest, and log(value − pole) for every value.

    Args:
        values: The values to transform, each at least `least`, shape ``(n,)``.
        sharpness: Distance of the pole below `least`, as a share of the distance from `least` to
            the values' median.
        least: The smallest value of interest.
    """
    pole = float(least - sharpness * (np.median(values) - least))
    if pole >= least:  # half of them are equal, or differ by rounding alone
        pole = float(least - sharpness)
    return pole, np.log(values - pole)


def gain_of(seen: Posterior, left: Floats, probability: bool) -> Floats:
    """Return the expected improvement of candidates, or the probability of improvement, shape
    ``(k,)``. The result is 0 for a candidate whose λR alone rules out an improvement.
    """
    if not probability:
        return shortfall(left[:, None], seen)[:, 0]
    gains = np.zeros(len(left))
    possible = np.flatnonzero(left > 0)
    mean, variance = seen.at(possible)
    gains[possible] = ndtr((np.log(left[possible]) - mean) / np.sqrt(variance))
    return gains


def below_of(level: float, seen: Posterior) -> Floats:
    """Return the probability that log-normal values lie below a level, shape ``(k,)``."""
    return gain_of(seen, np.full(len(seen.mean), level), True)


def moments_of(seen: Posterior) -> Floats:
    """Return the mean and variance of log-normal values, given those of their logarithms, shape
    ``(2, k)``.
    """
    mean = np.exp(seen.mean + seen.variance / 2)
    return np.array([mean, mean**2 * np.expm1(seen.variance)])


def widened(seen: Posterior, variance: Floats) -> Posterior:
    """Return log-normal distributions with the same means and with a variance added to the values.

    Args:
        seen: Mean and variance of the logarithms, shapes ``(k,)``.
        variance: The variance to add to the values themselves, shape ``(k,)``.
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


# How far beyond the observations the reference lies, as a share of its range.
_MARGIN = 0.1
_FENCE = 1.5
# Of the variance of logarithms. The largest of thousands of expected gains promises too much, most
# of all far above the front.
_COUNTED = 0.5
# Beyond two objectives a front is thinned until it makes about so many boxes.
_MOST_BOXES = 3000


class Believed(NamedTuple):
    """Prediction of one objective for some cells: a computed part plus a predicted part, or a
    computed value only.

    Attributes:
        known: The computed part of the objective, shape ``(k,)``.
        pole: The pole in log(predicted part − pole).
        seen: Each expert's mean and variance of log(predicted part − pole); empty if nothing is
            predicted.
    """

    known: Floats
    pole: float = 0.0
    seen: Sequence[Posterior] = ()

    def below(self, levels: Floats) -> Floats:
        """Return E max(level − value, 0) of every cell and level, averaged over the experts, shape
        ``(k, levels)``.
        """
        room = levels - (self.known + self.pole)[:, None]
        if not self.seen:
            return np.maximum(room, 0.0)
        return np.asarray(
            sum(shortfall(room, each) for each in self.seen) / len(self.seen)
        )

    @property
    def expected(self) -> Floats:
        """The predicted value of each cell, at the medians of the experts, shape ``(k,)``."""
        learned = sum(np.exp(each.mean) for each in self.seen) / max(len(self.seen), 1)
        return self.known + self.pole + learned


def shortfall(room: Floats, seen: Posterior) -> Floats:
    """Return ``E max(room − value, 0)`` for log-normal values, in the shape of `room`. The result
    is 0 where `room` is not positive.

    Args:
        room: Upper bounds of the values, shape ``(k, levels)``.
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
    """Return, for each cell, the expected increase of a front's hypervolume, shape ``(k,)``.

    Args:
        believed: The prediction of each objective for the cells; objectives are treated as
            independent.
        front: Objective vectors of observed cells, shape ``(n, objectives)``; dominated vectors
            have no effect.
        reference: The reference point of the hypervolume, shape ``(objectives,)``.
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
    """Return the integral over the region that no point dominates, slab by slab of the last
    objective.
    """
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
    """Return the non-dominated points of a front. For more than two objectives, only the points
    with the largest hypervolume contributions are kept.
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
    """Return the objective vectors that form the front, and the part of every trial's objective
    vector that must be predicted.

    The scores of an infeasible cell include a surcharge of unknown size. The surcharge can be
    removed only if all objectives except one are available without training.

    Args:
        trials: Trials with several objectives.
        known: The part of the trials' λR that is computed or predicted separately, shape
            ``(n, objectives)``.
        whole: For each objective, whether it is available without training.

    Returns:
        The objective vectors of the feasible trials (of all trials if none is feasible), shape
        ``(k, objectives)``; and the parts to predict, shape ``(n, objectives)``.
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
    """Return the reference point of the hypervolume, shape ``(objectives,)``. The reference point
    is slightly worse than all observed cells, not only than the front. In an objective that is
    available without training, no available cell is worse than the reference point.

    A reference point at the ends of an early front would prevent the search from extending that
    front. In a predicted objective, values beyond Tukey's fence are ignored, such as the loss of a
    cell that cannot learn but is on the front because it costs nothing.

    Args:
        vectors: Objective vectors of the feasible observed cells, shape ``(n, objectives)``.
        whole: For each objective, whether it is available without training.
        dearest: For each objective, the largest computed value of a cell that may still be
            proposed, shape ``(objectives,)``.
    """
    least, first, third, most = np.quantile(vectors, (0.0, 0.25, 0.75, 1.0), axis=0)
    high = np.where(whole, most, np.minimum(most, third + _FENCE * (third - first)))
    width = high - least
    beyond = high + _MARGIN * np.where(width > 0, width, 1.0)
    return np.asarray(np.where(whole, np.maximum(beyond, dearest), beyond))
