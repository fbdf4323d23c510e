"""Guided search: fit a surrogate to the observed cells, and choose from a pool of candidates by an
acquisition function.

White, Neiswanger, Nolen & Savani, "A Study on Encodings for Neural Architecture Search", NeurIPS
2020, compare such strategies component by component. The options ``model``, ``acquisition`` and
``pool`` select the components. If λR is available without training, the model predicts L alone and
the exact λR is added. Cells whose free terms violate a constraint are not candidates. For a cell
that is isomorphic to an observed cell, the prediction is the observed loss. Departure from the
paper: any model of `surrogate_nas.surrogates` can be used, with its own estimate of uncertainty.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import number, one_of, text, whole
from surrogate_nas.space import Cell, Enumerable, Request, Space, Trial
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.surrogates.base import Model, Prediction, make_model, model_class

# Where a model-guided strategy looks for its next cell: pools of candidates, made by the space's
# own moves.
#
# Mutations of the best cells, White et al., "BANANAS", AAAI 2021; tournaments, Wei et al.,
# "NPENAS", TNNLS 2022. A mutation is one move of `Space.mutate`, and with probability 1/2 each a
# second, a third … one, so that a pool does not run dry around cells whose neighbours are known.


_PARENTS = 10
_CHILDREN = 10
_DRAWN = 200
_TOURNAMENT = 3
_LONGEST = 6


def _mutated(space: Space, cell: Cell, rng: np.random.Generator) -> Cell:
    for _ in range(min(int(rng.geometric(0.5)), _LONGEST)):
        cell = space.mutate(cell, rng)
    return cell


def _mutations(
    space: Space, parents: Sequence[Cell], rng: np.random.Generator
) -> list[Cell]:
    return [
        _mutated(space, parent, rng) for parent in parents for _ in range(_CHILDREN)
    ]


def _winners(ranked: Sequence[Cell], rng: np.random.Generator) -> list[Cell]:
    places = rng.integers(len(ranked), size=(_PARENTS, _TOURNAMENT)).min(axis=1)
    return [ranked[place] for place in places]


def _sampled(space: Space, rng: np.random.Generator) -> list[Cell]:
    return [space.sample(rng) for _ in range(_DRAWN)]


def _mixed(
    space: Space, ranked: Sequence[Cell], rng: np.random.Generator
) -> list[Cell]:
    return [*_mutations(space, ranked[:_PARENTS], rng), *_sampled(space, rng)]


CellPool = Callable[[Space, Sequence[Cell], np.random.Generator], Iterable[Cell]]

POOLS: dict[str, CellPool] = {
    "mutations": lambda space, ranked, rng: _mutations(space, ranked[:_PARENTS], rng),
    "offspring": lambda space, ranked, rng: _mutations(
        space, _winners(ranked, rng), rng
    ),
    "neighbours": lambda space, ranked, rng: space.neighbours(ranked[0]),
    "local": lambda space, ranked, rng: [
        cell for centre in ranked[:_TOURNAMENT] for cell in space.neighbours(centre)
    ],
    "sampled": lambda space, ranked, rng: _sampled(space, rng),
    "mixed": _mixed,
    "all": lambda space, ranked, rng: (
        space if isinstance(space, Enumerable) else _mixed(space, ranked, rng)
    ),
}
"""Pools of candidates by name: functions of a space and the observed cells, at least one, best
first.

Ten mutations of each of the ten best (``mutations``) or of the winners of ten tournaments of three
(``offspring``); all neighbours of the best (``neighbours``) or of the three best (``local``);
random cells (``sampled``); mutations and random cells (``mixed``); every cell, where they can be
listed, else ``mixed`` (``all``).
"""


# What a model predicts for candidates, and the acquisitions that turn it into one number a
# candidate, the least first.
#
# Losses are learned as the logarithm of their distance from a floor a little below the best,
# because only the order near the best matters; whatever is known for free (λR) is added afterwards.
# Sources: expected improvement, Jones et al., "Efficient Global Optimization", JOGO 1998, here of a
# lognormal loss; independent Thompson sampling for each candidate, White et al., "BANANAS", AAAI
# 2021; confidence bound, Srinivas et al., "Gaussian Process Optimization in the Bandit Setting",
# ICML 2010.


Floats = NDArray[np.float64]

_BELOW = 0.15
_TRUST = 1.0


class LossPosterior(NamedTuple):
    """The posterior of the scores of ``n`` candidates: score = floor + exp(normal(mean, std)) +
    penalty.

    Attributes:
        mean: Mean of log(loss − floor), shape ``(n,)``.
        std: Standard deviation of log(loss − floor), above 0, shape ``(n,)``.
        penalty: The part of the score that is available without training, shape ``(n,)``.
        floor: Lower bound of the predicted losses.
        best: The best observed score of a feasible cell.
    """

    mean: Floats
    std: Floats
    penalty: Floats
    floor: float
    best: float

    def score(self, steps: Floats | float = 0.0) -> Floats:
        """Return the score at `steps` standard deviations above the median of the posterior, shape
        ``(n,)``.
        """
        return self.floor + np.exp(self.mean + steps * self.std) + self.penalty


def _expected_improvement(posterior: LossPosterior, _: np.random.Generator) -> Floats:
    from scipy.special import ndtr

    left = posterior.best - posterior.penalty - posterior.floor
    z = (
        np.log(np.maximum(left, np.finfo(float).tiny)) - posterior.mean
    ) / posterior.std
    gain = left * ndtr(z) - np.exp(posterior.mean + posterior.std**2 / 2) * ndtr(
        z - posterior.std
    )
    missing = np.maximum(posterior.score() - posterior.best, 0)
    return np.where((left > 0) & (gain > 0), -gain, missing)


Acquisition = Callable[[LossPosterior, np.random.Generator], Floats]

ACQUISITIONS: dict[str, Acquisition] = {
    "expected_improvement": _expected_improvement,
    "thompson": lambda it, rng: it.score(rng.standard_normal(len(it.mean))),
    "confidence_bound": lambda it, _: it.score(-_TRUST),
    "greedy": lambda it, _: it.score(),
}
"""Acquisition functions by name; the candidate with the smallest value is the best.

In order: minus the expected improvement on the best score, or the distance to it where no
improvement is expected; a score sampled for each candidate independently; the score one standard
deviation below the prediction; the predicted score.
"""


_LEAST = 1e-12
_WIDEST = 3.0
# How much the logarithms of the losses of isomorphic cells are thought to differ by, before any two
# are observed.
_NOISE = 0.3
_MOST_TRIES = 100


def logarithm_of(prediction: Prediction) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the logarithms of predicted losses above a floor, shape
    ``(n,)`` each.
    """
    mean = np.maximum(prediction.mean, _LEAST)
    return np.log(mean), np.clip(prediction.std / mean, _LEAST, _WIDEST)


class Guided(Strategy):
    """Propose random cells first, then the candidates in a pool that an acquisition function
    selects, given a model of the observed cells.

    A batch consists of the best candidates, at most one of each isomorphism class; pending cells
    are not candidates.

    Args:
        model: The model, a key of `surrogate_nas.surrogates.MODELS`. A model that cannot read the
            space is replaced by the Gaussian process ``gp``.
        acquisition: The acquisition function, a key of
            `surrogate_nas.strategies.guided.ACQUISITIONS`.
        pool: The pool of candidates, a key of `surrogate_nas.strategies.guided.POOLS`.
        first_cells: Number of random cells before the model is used, at least 2.
        patience: Relative growth of the number of observed cells after which the model is fitted
            again.

    Raises:
        UserError: The model, the acquisition function or the pool does not exist.

    Example:
        >>> import surrogate_nas as sn
        >>> Guided(sn.nb201(), seed=0, model="ridge", acquisition="greedy").patience
        0.1
    """

    uses_free: ClassVar[bool] = True
    _settings: Mapping[str, Any] = {}
    model: str = text("gp")
    acquisition: str = one_of("expected_improvement", ACQUISITIONS)
    pool: str = one_of("mutations", POOLS, "pool of candidates")
    first_cells: int = whole(10, 2)
    patience: float = number(0.1)

    def _begin(self) -> None:
        if not model_class(self.model).reads(self.space):
            self.model = "gp"
        self._model_seed = int(self.rng.integers(2**31))
        self._observed: dict[Cell, Trial] = {}
        self._failed: set[Cell] = set()
        self._waiting: set[Cell] = set()
        self._identity = cache(self.space.identity)
        self._fitted: tuple[Model | None, float, int] = None, 0.0, 0
        make_model(self.model).prepare(self.space)  # not while a question waits

    def tell(self, trials: Sequence[Trial]) -> None:
        """Store the trials. A newer trial of a cell replaces an earlier trial of this cell, and
        failed trials are not used for fitting.
        """
        self._observed.update(
            {trial.cell: trial for trial in trials if not trial.failure}
        )
        self._failed.update(trial.cell for trial in trials if trial.failure)
        self._waiting.difference_update(trial.cell for trial in trials)

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Propose cells that were not proposed before, or random ones if no such cell is left."""
        missing = self.first_cells - len(self._observed) - len(self._waiting)
        if missing > 0:
            asked = [self._drawn() for _ in range(min(n, missing))]
        else:
            asked = self._chosen(n) or [self._drawn()]
        self._waiting.update(asked)
        return asked

    def _drawn(self) -> Cell:
        for _ in range(_MOST_TRIES):
            cell = self.space.sample(self.rng)
            if self._is_new(cell):
                return cell
        listed = self.space if isinstance(self.space, Enumerable) else ()
        rest = [each for each in listed if self._is_new(each)]
        return rest[self.rng.integers(len(rest))] if rest else cell

    def _is_new(self, cell: Cell) -> bool:
        return (
            cell not in self._observed
            and cell not in self._waiting
            and cell not in self._failed
        )

    def _chosen(self, n: int) -> list[Cell]:
        if not self._observed:
            return []
        ranked = sorted(self._observed, key=lambda cell: self._observed[cell].score)
        pool = self._allowed(POOLS[self.pool](self.space, ranked, self.rng))
        pool = pool or self._allowed(_sampled(self.space, self.rng))
        model, floor = self._model()
        if model is None or not pool:
            return []
        best = self._observed[ranked[0]].score
        merit = ACQUISITIONS[self.acquisition](
            self._posterior(model, floor, pool, best), self.rng
        )
        shuffled = self.rng.permutation(len(pool))
        chosen: dict[str, Cell] = {}
        for place in shuffled[np.argsort(merit[shuffled], kind="stable")]:
            chosen.setdefault(self.space.identity(pool[place]), pool[place])
            if len(chosen) == n:
                break
        return list(chosen.values())

    def _allowed(self, pool: Iterable[Cell]) -> list[Cell]:
        new = [cell for cell in dict.fromkeys(pool) if self._is_new(cell)]
        if self.free is None or not new:
            return new
        return [
            cell
            for cell, keeps in zip(new, self.free.feasible(new), strict=True)
            if keeps
        ]

    def _posterior(
        self,
        model: Model,
        floor: float,
        pool: Sequence[Cell],
        best: float,
    ) -> LossPosterior:
        mean, spread = logarithm_of(model.predict(pool, by_region=False))
        self._heed_isomorphic(pool, floor, mean, spread)
        return LossPosterior(mean, spread, self._penalty(pool), floor, best)

    def _heed_isomorphic(
        self,
        pool: Sequence[Cell],
        floor: float,
        mean: Floats,
        spread: Floats,
    ) -> None:
        """Replace the posterior of candidates that are isomorphic to an observed cell by the
        observed loss, and by how much the losses of such cells differ.

        Otherwise the cells isomorphic to the best would be proposed one by one, since each cheaper
        one appears to be an improvement.
        """
        observed: dict[str, list[float]] = {}
        logarithms = np.log(np.maximum(self._losses() - floor, _LEAST)).tolist()
        for cell, loss in zip(self._observed, logarithms, strict=True):
            observed.setdefault(self._identity(cell), []).append(loss)
        free = len(self._observed) - len(observed)
        noise = np.sqrt(
            (_NOISE**2 + sum(len(each) * np.var(each) for each in observed.values()))
            / (1 + free)
        )
        for place, cell in enumerate(pool):
            if losses := observed.get(self._identity(cell)):
                mean[place], spread[place] = (
                    np.mean(losses),
                    min(spread[place], max(noise, _LEAST)),
                )

    def _model(self) -> tuple[Model | None, float]:
        model, floor, seen = self._fitted
        if model is None or len(self._observed) >= seen + max(1, self.patience * seen):
            losses = self._losses()
            best = float(losses.min())
            above = float(np.median(losses)) - best or float(losses.max()) - best or 1.0
            model, floor = None, best - _BELOW * above
            if len(np.unique(losses)) > 1:
                model = make_model(self.model, seed=self._model_seed, **self._settings)
                model.fit(list(self._observed), losses - floor, self.space)
            self._fitted = model, floor, len(self._observed)
        return model, floor

    def _losses(self) -> Floats:
        """Return the model's targets for the observed cells: the part of the score that is not
        available without training, shape ``(n,)``.

        A cell that violates a constraint which requires an evaluation counts as the worst feasible
        one.
        """
        observed = list(self._observed.values())
        cells = [trial.cell for trial in observed]
        worst = max(
            (trial.score for trial in observed if trial.feasible), default=np.inf
        )
        scores = np.array([min(trial.score, worst) for trial in observed])
        if self._adds_up:
            predicted = ~self.free.feasible(cells)
            scores = np.where(
                predicted, [trial.loss + trial.penalty for trial in observed], scores
            )
        return scores - self._penalty(cells)

    def _penalty(self, cells: Sequence[Cell]) -> Floats:
        return (
            np.asarray(self.free.penalty(cells))
            if self._adds_up
            else np.zeros(len(cells))
        )

    @property
    def _adds_up(self) -> bool:
        """Return whether scores are sums of L and a λR that is partly available without training;
        False for several objectives.
        """
        return self.free is not None and len(self.free.whole) == 1
