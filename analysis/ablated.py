"""`bo` with a part exchanged: what learns, what is asked for, and among which cells; for `analysis/ablation.py`."""

from __future__ import annotations

from itertools import cycle

import numpy as np

from surrogate_nas.space import Space
from surrogate_nas.strategies.bo.expert import Seen
from surrogate_nas.strategies.bo.pool import Pool
from surrogate_nas.strategies.bo.strategy import BayesianOptimisation, gain_of, sharpened
from surrogate_nas.surrogates import make_model
from surrogate_nas.surrogates.gaussian import Floats, Places

_PARENTS, _CHILDREN = 10, 30
_REFITTED = 10
"""Models that are not a Gaussian process learn anew after so many told cells."""
_UCB = 2.0


class Ablated(BayesianOptimisation):
    """The same questions by another model, another acquisition, or among fewer cells."""

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        surrogate: str = "bo",
        acquisition: str = "improvement",
        among: str = "all",
    ) -> None:
        """Store what is exchanged.

        Args:
            space: The space that cells come from.
            seed: The root of the strategy's randomness.
            surrogate: ``bo`` for its own processes, else a model of `surrogate_nas.surrogates`.
            acquisition: ``improvement``, ``thompson`` or ``ucb``.
            among: ``all`` cells, 300 ``mutations`` of the best ten, or the ``neighbours`` of the best three.
        """
        super().__init__(space, seed=seed)
        self.surrogate, self.acquisition, self.among = surrogate, acquisition, among
        self._fitted, self._predicted = 0, Seen(np.empty(0), np.empty(0))

    def _gains(
        self,
        pool: Pool,
        candidates: Places,
        places: Places,
        pending: Places,
        values: Floats,
        best: float,
        rule: str,  # noqa: ARG002
    ) -> Floats:
        penalty = pool.known.sum(axis=1)[candidates]
        inside = self._inside(pool, candidates)
        if self.surrogate != "bo":
            found = self._modelled(pool, places, values).at(candidates)
            gain = self._acquired(found, best - penalty, logarithm=False)
            return np.where(inside, gain, -np.inf)
        least, wanted = values.min(), min(values.min(), best - float(np.median(penalty)))
        learned = [sharpened(values, self.sharpness, least), sharpened(values, self.mildness, wanted)]
        gain = np.zeros(len(candidates))
        all_seen = self._seen(pool, candidates, places, pending, [target for _, target in learned])
        for seen, (pole, _) in zip(all_seen, cycle(learned), strict=False):
            gain += self._acquired(seen, best - pole - penalty, logarithm=True)
        return np.where(inside, gain, -np.inf)

    def _acquired(self, seen: Seen, left: Floats, *, logarithm: bool) -> Floats:
        """What each candidate promises; `left` is how much of L, or of L - pole, may be for an improvement."""
        from scipy.special import ndtr

        deviation = np.sqrt(seen.variance)
        if self.acquisition == "improvement":
            if logarithm:
                return gain_of(seen, left, probability=False)
            q = (left - seen.mean) / deviation
            return np.asarray((left - seen.mean) * ndtr(q) + deviation * np.exp(-(q**2) / 2) / np.sqrt(2 * np.pi))
        steps = self.rng.standard_normal(len(left)) if self.acquisition == "thompson" else -_UCB
        guess = seen.mean + steps * deviation
        return np.asarray(left - (np.exp(guess) if logarithm else guess))

    def _modelled(self, pool: Pool, places: Places, values: Floats) -> Seen:
        """Mean and variance of L at every cell, by the model as it was fitted last."""
        if not self._fitted or len(places) >= self._fitted + _REFITTED:
            model = make_model(self.surrogate, seed=self._seed % 2**31)
            model.fit([pool.cells[int(place)] for place in places], 100 * values, self.space)
            mean, std = model.predict(list(pool.cells))
            self._predicted = Seen(mean / 100, np.maximum(std / 100, 1e-9) ** 2)
            self._fitted = len(places)
        return self._predicted

    def _inside(self, pool: Pool, candidates: Places) -> np.ndarray:
        """Which candidates are among the cells to choose from; all where none of those is one."""
        best = sorted(self._trials.values(), key=lambda trial: trial.score)
        if self.among == "all":
            return np.ones(len(candidates), dtype=bool)
        if self.among == "mutations":
            parents = [trial.cell for trial in best[:_PARENTS]]
            near = [self.space.mutate(parent, self.rng) for parent in parents for _ in range(_CHILDREN)]
        else:
            near = [cell for trial in best[:3] for cell in self.space.neighbours(trial.cell)]
        found = np.isin(candidates, pool.places(near))
        return found if found.any() else np.ones(len(candidates), dtype=bool)
