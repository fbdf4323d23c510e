"""Guided search: a model of the told cells, a pool of candidates, an acquisition; the frame of several strategies.

White, Neiswanger, Nolen & Savani, "A Study on Encodings for Neural Architecture Search", NeurIPS 2020, compare such
strategies part by part, as one can here: ``model``, ``acquisition`` and ``pool`` are names. The model learns L alone
where λR is known for free; λR is then added exactly, cells known to be infeasible are no candidates, and functional
twins of told cells are believed to lose what was told. Departure: any model of `surrogate_nas.surrogates` will do, with
what it says of its own uncertainty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from surrogate_nas.core.errors import unknown
from surrogate_nas.space import Cell, Enumerable, Space
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.strategies.belief import ACQUISITIONS, Belief, Floats, floor_of
from surrogate_nas.strategies.candidates import POOLS, sampled
from surrogate_nas.surrogates import Surrogate, make_model, model_class

_LEAST, _WIDEST = 1e-12, 3.0
"""Standard deviations of a logarithm beyond these say nothing more."""
_LUCK = 0.3
"""How much the logarithms of twins' losses are thought to differ by, before any two are told."""
_MOST_TRIES = 100


class Guided(Strategy):
    """Random cells first, then those of a pool that an acquisition likes best under a model of the told cells.

    Cells asked for together are the best few, no two of one functional class; cells under way are no candidates.

    Example:
        >>> import surrogate_nas as sn
        >>> parts = ("guided(model=ridge,acquisition=greedy)", "guided(model=gp,acquisition=thompson,pool=offspring)")
        >>> runs = [sn.search("fashion", strategy, "valid_error", budget=15) for strategy in parts]
        >>> runs[0].trials[:10] == runs[1].trials[:10], runs[0].trials[10:] == runs[1].trials[10:]
        (True, False)
    """

    uses_known: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        model: str = "gp",
        acquisition: str = "expected_improvement",
        pool: str = "mutations",
        first_cells: int = 10,
        patience: float = 0.1,
    ) -> None:
        """Store the knobs.

        Args:
            space: The space that cells come from.
            seed: The root of the strategy's randomness.
            model: A key of `surrogate_nas.surrogates.MODELS`; one that cannot read the space is replaced by ``gp``.
            acquisition: A key of `surrogate_nas.strategies.belief.ACQUISITIONS`.
            pool: A key of `surrogate_nas.strategies.candidates.POOLS`.
            first_cells: How many cells are drawn at random before the model is used, at least 2.
            patience: The model is fitted anew when so large a share of told cells is new to it.

        Raises:
            UserError: There is no such model, acquisition or pool.
        """
        super().__init__(space, seed=seed)
        if acquisition not in ACQUISITIONS:
            raise unknown("acquisition", acquisition, ACQUISITIONS)
        if pool not in POOLS:
            raise unknown("pool of candidates", pool, POOLS)
        self.model = model if model_class(model).reads(space) else "gp"
        self.acquisition = ACQUISITIONS[acquisition]
        self.pool = POOLS[pool]
        self.first_cells = first_cells
        self.patience = patience
        self._model_seed = int(self.rng.integers(2**31))
        self._told: dict[Cell, Trial] = {}
        self._waiting: set[Cell] = set()
        self._identities: dict[Cell, str] = {}
        self._fitted: tuple[Surrogate | None, float, int] = None, 0.0, 0

    def settings(self) -> dict[str, Any]:
        """What the model is made with beside its seed."""
        return {}

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember the trials; a cell told again replaces its earlier trial.

        Args:
            trials: The new trials.
        """
        self._told.update({trial.cell: trial for trial in trials})
        self._waiting.difference_update(trial.cell for trial in trials)

    def ask(self, n: int) -> Sequence[Cell]:
        """Propose cells that were not asked for yet, or random ones once every cell was.

        Args:
            n: The most that may be returned, at least 1.
        """
        missing = self.first_cells - len(self._told) - len(self._waiting)
        if missing > 0:
            asked = [self._drawn() for _ in range(min(n, missing))]
        else:
            asked = self._chosen(n) or [self._drawn()]
        self._waiting.update(asked)
        return asked

    def _drawn(self) -> Cell:
        """A random cell, a new one while one is easily found."""
        for _ in range(_MOST_TRIES):
            cell = self.space.sample(self.rng)
            if self._is_new(cell):
                return cell
        rest = [cell for cell in self.space if self._is_new(cell)] if isinstance(self.space, Enumerable) else []
        return rest[self.rng.integers(len(rest))] if rest else cell

    def _is_new(self, cell: Cell) -> bool:
        return cell not in self._told and cell not in self._waiting

    def _chosen(self, n: int) -> list[Cell]:
        """Up to `n` new cells of the pool, those that the acquisition likes best."""
        if not self._told:
            return []
        ranked = sorted(self._told, key=lambda cell: self._told[cell].score)
        pool = self._allowed(self.pool(self.space, ranked, self.rng))
        pool = pool or self._allowed(sampled(self.space, ranked, self.rng))
        model, floor = self._model()
        if model is None or not pool:
            return []
        merit = self.acquisition(self._belief(model, floor, pool, self._told[ranked[0]].score), self.rng)
        shuffled = self.rng.permutation(len(pool))
        found: dict[str, Cell] = {}
        for place in shuffled[np.argsort(merit[shuffled], kind="stable")]:
            found.setdefault(self.space.identity(pool[place]), pool[place])
            if len(found) == n:
                break
        return list(found.values())

    def _allowed(self, pool: Iterable[Cell]) -> list[Cell]:
        """The new cells of a pool that are not known to break a limit."""
        new = [cell for cell in dict.fromkeys(pool) if self._is_new(cell)]
        if self.known is None or not new:
            return new
        return [cell for cell, keeps in zip(new, self.known.feasible(new), strict=True) if keeps]

    def _belief(self, model: Surrogate, floor: float, pool: Sequence[Cell], best: float) -> Belief:
        mean, std = model.predict(pool)
        mean = np.maximum(mean, _LEAST)
        spread = np.clip(std / mean, _LEAST, _WIDEST)
        self._heed_twins(pool, floor, mean := np.log(mean), spread)
        return Belief(mean, spread, self._penalty(pool), floor, best)

    def _heed_twins(self, pool: Sequence[Cell], floor: float, mean: Floats, spread: Floats) -> None:
        """Write over what is believed of candidates whose function is told: its loss, and how told twins differ.

        Else the twins of the best cell would be asked for one by one, since each that is cheaper promises a gain.
        """
        told: dict[str, list[float]] = {}
        for cell, loss in zip(self._told, np.log(np.maximum(self._losses() - floor, _LEAST)), strict=True):
            told.setdefault(self._identity(cell), []).append(float(loss))
        free = len(self._told) - len(told)
        luck = np.sqrt((_LUCK**2 + sum(len(each) * np.var(each) for each in told.values())) / (1 + free))
        for place, cell in enumerate(pool):
            if losses := told.get(self._identity(cell)):
                mean[place], spread[place] = np.mean(losses), min(spread[place], max(luck, _LEAST))

    def _identity(self, cell: Cell) -> str:
        if cell not in self._identities:
            self._identities[cell] = self.space.identity(cell)
        return self._identities[cell]

    def _model(self) -> tuple[Surrogate | None, float]:
        """The model, fitted anew where it is due, and the floor of what it learned; None while all told is equal."""
        model, floor, seen = self._fitted
        if model is None or len(self._told) >= seen + max(1, self.patience * seen):
            losses = self._losses()
            model, floor = None, floor_of(losses)
            if len(np.unique(losses)) > 1:
                model = make_model(self.model, seed=self._model_seed, **self.settings())
                model.fit(list(self._told), losses - floor, self.space)
            self._fitted = model, floor, len(self._told)
        return model, floor

    def _losses(self) -> Floats:
        """What the model learns of the told cells: all of the score that is not known for free, shape ``(n,)``.

        A cell that breaks a limit which only an evaluation tells counts as the worst feasible one.
        """
        told = list(self._told.values())
        cells = [trial.cell for trial in told]
        worst = max((trial.score for trial in told if trial.feasible), default=np.inf)
        scores = np.array([min(trial.score, worst) for trial in told])
        if self._adds_up:
            foreseen = ~self.known.feasible(cells)
            scores = np.where(foreseen, [trial.loss + trial.penalty for trial in told], scores)
        return np.asarray(scores - self._penalty(cells))

    def _penalty(self, cells: Sequence[Cell]) -> Floats:
        """The λR that is known for free, shape ``(n,)``."""
        return np.asarray(self.known.penalty(cells)) if self._adds_up else np.zeros(len(cells))

    @property
    def _adds_up(self) -> bool:
        """Whether scores are sums of L and a λR of which something is known; those of several objectives are none."""
        return self.known is not None and len(self.known.penalties) == 1
