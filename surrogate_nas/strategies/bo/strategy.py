"""Bayesian optimisation of L alone: learn only L, because R and the limits are computed without
training.

Expected improvement: Jones et al., "Efficient Global Optimization", JOGO 1998; the logarithm of the
target: a score is sharpened towards its best end, because only the order among the best cells
matters. Departures from BANANAS (White et al., AAAI 2021), which trains neural networks and draws
from them: Gaussian processes over all cells of a space that can be listed; elsewhere over random
cells and mutations of the best. λR and feasibility of a cell come from `Strategy.known` where they
need no training; what does not is learned with L. Cells of one function share what is learned of
them, so that after one of them is told only what they differ by is left to gain. Several objectives
are learned each by itself, and the expected gain is that of hypervolume
(`surrogate_nas.strategies.bo.front`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from surrogate_nas.core.arguments import check_flag, check_number, check_whole
from surrogate_nas.core.errors import unknown
from surrogate_nas.core.threads import one_thread
from surrogate_nas.space import Cell, Request, Space, Trial, listed
from surrogate_nas.space.registry import SPACES
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.strategies.bo.expert import Substitute
from surrogate_nas.strategies.bo.front import (
    Believed,
    expected_gain,
    learned_of,
    reference_of,
    shortfall,
)
from surrogate_nas.strategies.bo.pool import (
    Choice,
    Points,
    Pool,
    Whole,
    is_listed,
    prepare,
    whole,
)
from surrogate_nas.strategies.guided import ACQUISITIONS, POOLS, LossPosterior
from surrogate_nas.strategies.nsga2 import survivors
from surrogate_nas.surrogates.gaussian import Floats, Places, Posterior

_PARENTS = 10
_CENTRES = 10
_ALIKE = 1e-9
# The acquisitions that are a score to be minimised, and no gain.
_SCORED = ("thompson", "confidence_bound", "greedy")
_ROUND = ("improvement", "probability", "improvement", "near")
_EXPERTS = "experts"
_BY_TURNS = "by_turns"
_ALL = "all"


def prepare_named(name: str) -> None:
    """Prepare a space of the project in the process that workers are forked from."""
    with one_thread():  # which looks for pools of threads when it is first entered
        prepare(SPACES[name])


class BayesianOptimisation(Strategy):
    """Ten random cells, then the cell whose expected improvement of L + λR is largest.

    Two Gaussian processes, each with a view of its own, are averaged. Of every four questions, in
    random order, two maximise the expected improvement, one its probability, and one the expected
    improvement among the neighbours of the best cell that has one left to ask for. Cells that are
    asked for and not told yet are believed to score as predicted. On several objectives every
    question maximises the expected improvement of hypervolume.

    What it consists of can be exchanged, part by part, to see what each is worth
    (``make paper-ablation``).

    Args:
        space: The space that cells come from.
        seed: The root of the strategy's randomness.
        first_cells: How many cells are drawn at random before anything is learned, at least 2.
        sharpness: How far below the least L told the target's logarithm has its pole, as a
            share of the distance from there to the median; smaller looks closer at the best
            cells.
        mildness: The same for every second view, and there below the L that would make a cell
            of median λR the best, where that is less; larger looks further beyond the best
            cells.
        front_sharpness: The same where there are several objectives, since a front is more than
            its end.
        model: ``experts``, the processes over the space's views, or a key of
            `surrogate_nas.surrogates.MODELS`, which is fitted anew when a tenth of the observed
            cells is new to it.
        acquisition: ``by_turns`` as above, or a key of
            `surrogate_nas.strategies.guided.ACQUISITIONS` for every question; several
            objectives are then scalarised at random.
        pool: ``all``, or a key of `surrogate_nas.strategies.guided.POOLS`: among which cells
            one is chosen. Where none of them is new, it is chosen among all.
        uses_known: Whether λR and limits that are known for free are used; else they are
            learned with L.

    Raises:
        UserError: One of them is out of range or unknown, or the model cannot read the space.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = sn.Objective("valid_error", sn.load("fashion"))
        >>> run = sn.search("fashion", "bo", objective, budget=60)
        >>> run.incumbent.score - objective.optimum() < 0.01  # of 15,625 cells 60 were looked at
        True
    """

    batch_size: ClassVar[int] = 1
    uses_known: ClassVar[bool] = True
    many_objectives: ClassVar[bool] = True
    shares_points: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        first_cells: int = 10,
        sharpness: float = 0.15,
        mildness: float = 0.5,
        front_sharpness: float = 1.0,
        model: str = "experts",
        acquisition: str = "by_turns",
        pool: str = "all",
        uses_known: bool = True,
    ) -> None:
        super().__init__(space, seed=seed)
        self.first_cells = check_whole("first_cells", first_cells, 2)
        self.sharpness = check_number("sharpness", sharpness, above=True)
        self.mildness = check_number("mildness", mildness, above=True)
        self.front_sharpness = check_number("front_sharpness", front_sharpness, above=True)
        for what, name, known in (
            ("acquisition", acquisition, (_BY_TURNS, *ACQUISITIONS)),
            ("pool of candidates", pool, POOLS),
        ):
            if name not in known:
                raise unknown(what, name, known)
        self.model = model
        self.acquisition = acquisition
        self.pool = pool
        # What a run gives a strategy follows from what the instance declares.
        self.uses_known = check_flag("uses_known", uses_known)  # type: ignore[misc]
        self.many_objectives = self.many_objectives and acquisition == _BY_TURNS  # type: ignore[misc]
        self._seed = seed
        self._substitute = (
            None if model == _EXPERTS else Substitute(model, space, seed % 2**32)
        )
        self._trials: dict[Cell, Trial] = {}
        self._pending: dict[Cell, None] = {}
        self._listed = is_listed(space)
        self._pool: Pool | None = None
        self._rules: list[str] = []
        prepare(space)  # once a process, and not while a question waits

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
        place = self._best_place(pool) if self.objectives == 1 else self._front_place(pool)
        return None if place is None else pool.cells[place]

    def _drawn(self) -> Cell | None:
        for _ in range(1000):
            cell = self.space.sample(self.rng)
            if cell not in self._trials and cell not in self._pending:
                return cell
        return None

    @property
    def _all_known(self) -> bool:
        return self.known is not None and not self.known.missing

    def _grown(self) -> Pool:
        if self._pool is None:
            shared = self.known, self.objectives, self._seed, self.rng
            if self._listed:
                self._pool = Whole(listed(self.space), self._points(), *shared)
            else:
                self._pool = Choice(self.space, not self._all_known, *shared)
        if isinstance(self._pool, Choice):
            self._pool.grow(self._evaluated_cells(), self._ranked()[:_PARENTS])
        return self._pool

    def _ranked(self) -> list[Cell]:
        trials = sorted(self._trials.values(), key=lambda trial: trial.score)
        if self.objectives > 1:
            trials = survivors(list(self._trials.values()), len(trials))
        return [trial.cell for trial in trials]

    def _evaluated_cells(self) -> list[Cell]:
        return [*self._trials, *self._pending]

    def _points(self) -> Points:
        return whole(listed(self.space), not self._all_known)

    def _targets(self, known: Floats) -> tuple[Floats, float]:
        """The targets of all observed cells (L and the unknown part of λR), and the least score of
        a feasible one.
        """
        trials = self._trials.values()
        scores = np.array([trial.score for trial in trials])
        feasible = np.array([trial.feasible for trial in trials])
        counted = feasible if feasible.any() else np.ones(len(trials), dtype=bool)
        if self._all_known:  # an infeasible cell tells of L as much as any
            sums = np.array([trial.loss + trial.penalty for trial in trials])
            scores = np.where(feasible, scores, sums)
        else:
            scores = np.minimum(scores, scores[counted].max())
        return scores - known, float(scores[counted].min())

    def _best_place(self, pool: Pool) -> int | None:
        rule = self._rule()
        around = self._around_best(pool) if rule == "near" else self._in_pool(pool)
        places, pending, free = self._taken(pool)
        if not free.any():
            return None
        penalty = pool.known.sum(axis=1)
        values, best = self._targets(penalty[places])
        settled = _settled(pool.of_cell, places, values, penalty)
        free = _narrowed(
            free, _among(around, len(free)), ~settled, self._apart(pool, pending)
        )
        candidates = self._candidates(pool, free)
        gains = self._gains(
            pool, candidates, penalty[candidates], places, pending, values, best, rule
        )
        return self._largest(candidates, gains)

    def _rule(self) -> str:
        if self.acquisition == _BY_TURNS and not self._rules:
            self._rules = [_ROUND[i] for i in self.rng.permutation(len(_ROUND))]
        return self._rules.pop() if self._rules else self.acquisition

    def _in_pool(self, pool: Pool) -> Places | None:
        if self.pool == _ALL:
            return None
        return pool.places(POOLS[self.pool](self.space, self._ranked(), self.rng))

    def _apart(self, pool: Pool, pending: Places) -> NDArray[np.bool_]:
        """Whether each cell is of another point than every pending one: a substitute does not learn
        of these.
        """
        if self._substitute is None:
            return np.ones(len(pool.of_cell), dtype=bool)
        return ~np.isin(pool.of_cell, pool.of_cell[pending])

    def _candidates(self, pool: Pool, free: NDArray[np.bool_]) -> Places:
        return pool.cheapest(free)

    def _gains(
        self,
        pool: Pool,
        candidates: Places,
        penalty: Floats,
        places: Places,
        pending: Places,
        values: Floats,
        best: float,
        rule: str,
    ) -> Floats:
        """What asking for each candidate promises, shape ``(k,)``.

        Args:
            pool: What they are places of.
            candidates: The places of cells that may be asked for.
            penalty: Their known λR, shape ``(k,)``.
            places: Those of told cells.
            pending: Those of cells that are asked for and not told.
            values: What is learned of the told cells, shape ``(n,)``.
            best: The least score.
            rule: See `_rule`.
        """
        least = values.min()
        ends = [
            (self.sharpness, least),
            (self.mildness, min(least, best - np.median(penalty))),
        ]
        believed = self._believed(pool, 0, candidates, places, pending, values, ends)
        if rule in _SCORED:
            return -self._scored(rule, believed, penalty, best)
        by_expert = (
            gain_of(seen, best - pole - penalty, rule == "probability")
            for pole, seen in believed
        )
        return sum(by_expert, np.zeros(len(candidates)))

    def _believed(
        self,
        pool: Pool,
        part: int,
        looked: Places,
        places: Places,
        pending: Places,
        values: Floats,
        ends: Sequence[tuple[float, float]],
    ) -> list[tuple[float, Posterior]]:
        """What is thought of some cells, each with the pole of the logarithms that it is of: by
        every expert, or by the substitute.

        Args:
            pool: As for `_gains`, as what is not named here.
            part: The objective.
            looked: The places of the cells, shape ``(k,)``.
            ends: By turns for the experts a sharpness, and what is of interest from.
        """
        if self._substitute is not None:
            asked = [pool.cells[int(place)] for place in looked]
            sharpness, _ = ends[0]
            return [
                self._substitute.predict(part, list(self._trials), values, sharpness, asked)
            ]
        learned = [sharpened(values, *end) for end in ends]
        targets = [target for _, target in learned]
        seen = self._seen(pool, part, looked, places, pending, targets)
        return list(zip(cycle([pole for pole, _ in learned]), seen, strict=False))

    def _scored(
        self,
        rule: str,
        believed: Sequence[tuple[float, Posterior]],
        penalty: Floats,
        best: float,
    ) -> Floats:
        """The score of each candidate by an acquisition, averaged over the experts; a draw is of
        one of them.
        """
        if rule == "thompson":
            believed = [believed[int(self.rng.integers(len(believed)))]]
        score = np.zeros(len(penalty))
        for pole, seen in believed:
            posterior = LossPosterior(
                seen.mean, np.sqrt(seen.variance), penalty, pole, best
            )
            score += ACQUISITIONS[rule](posterior, self.rng) / len(believed)
        return score

    def _seen(
        self,
        pool: Pool,
        part: int,
        looked: Places,
        places: Places,
        pending: Places,
        targets: Sequence[Floats],
    ) -> list[Posterior]:
        """What every expert says of some cells, each of its own target.

        Args:
            pool: As for `_believed`, as what is not named here.
            targets: What the experts learn of the told cells, by turns, shape ``(n,)`` each.
        """
        everywhere = pool.seen(part, places, targets, pending)
        return [each.at(pool.of_cell[looked]) for each in everywhere]

    def _around_best(self, pool: Pool) -> Places:
        """The places of the neighbours of the best observed cell that has one left to ask for.

        The best may be an island: where all around it is known, or shares its function, those of
        the next best follow.
        """
        for cell in self._ranked()[:_CENTRES]:
            around = pool.around(cell)
            places, _, free = self._taken(pool)
            penalty = pool.known.sum(axis=1)
            values, _ = self._targets(penalty[places])
            if (free & ~_settled(pool.of_cell, places, values, penalty))[around].any():
                break
        return around

    def _taken(self, pool: Pool) -> tuple[Places, Places, NDArray[np.bool_]]:
        """The places of told cells and of pending ones, and whether each cell may be asked for."""
        places, pending = pool.places(self._trials), pool.places(self._pending)
        free = np.ones(len(pool.allowed), dtype=bool)
        free[[*places, *pending]] = False
        return places, pending, free & pool.allowed if (free & pool.allowed).any() else free

    def _front_place(self, pool: Pool) -> int | None:
        trials = list(self._trials.values())
        around = self._in_pool(pool)
        places, pending, free = self._taken(pool)
        known = pool.known
        if not free.any():
            return None
        free = _narrowed(free, _among(around, len(free)), self._apart(pool, pending))
        whole = self.known.whole if self.known is not None else (False,) * self.objectives
        scores, learned = learned_of(trials, known[places], whole, self._all_known)
        one_price = np.count_nonzero(known.any(axis=0)) < 2
        candidates = pool.cheapest(free) if one_price else np.flatnonzero(free)
        looked = np.concatenate([candidates, pending])
        believed = []
        for part, is_whole in enumerate(whole):
            if is_whole:
                believed.append(Believed(known[looked, part]))
                continue
            values = learned[:, part]
            end = self.front_sharpness, values.min()
            found = self._believed(pool, part, looked, places, pending, values, [end])
            pole, seen = found[0][0], [each for _, each in found]
            believed.append(Believed(known[looked, part], pole, seen))
        waiting = np.column_stack([each.expected for each in believed])[len(candidates) :]
        gain = expected_gain(
            believed, np.vstack([scores, waiting]), reference_of(scores, whole)
        )
        return self._largest(candidates, gain[: len(candidates)])

    def _largest(self, candidates: Places, gain: Floats) -> int:
        ties = np.flatnonzero(gain == gain.max())
        return int(candidates[ties[self.rng.integers(len(ties))]])


def _narrowed(free: NDArray[np.bool_], *wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The free cells that are wanted in every way, one way after another; one that would leave none
    is passed over.
    """
    for each in wanted:
        free = free & each if (free & each).any() else free
    return free


def _settled(
    of_cell: Places,
    observed: Places,
    values: Floats,
    penalty: Floats,
) -> NDArray[np.bool_]:
    """Whether a cell has nothing to gain: an isomorphic cell that costs no more is observed, and
    all observed isomorphic cells had the same L.

    Args:
        of_cell: The point of every cell, shape ``(n,)``.
        observed: The places of observed cells.
        values: What was learned of them.
        penalty: The known λR of every cell, shape ``(n,)``.
    """
    points = of_cell[observed]
    order = np.lexsort((penalty[observed], points))
    twins = np.diff(points[order]) == 0
    least = np.full(of_cell.max() + 1, np.inf)
    if twins.any() and (np.abs(np.diff(values[order]))[twins] <= _ALIKE).all():
        np.minimum.at(least, points, penalty[observed])
    return np.asarray(penalty >= least[of_cell])


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


def _among(places: Places | None, n: int) -> NDArray[np.bool_]:
    mask = np.full(n, places is None)
    if places is not None:
        mask[places] = True
    return mask


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
