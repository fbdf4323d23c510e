"""Local search: look at all neighbours, move to the best, restart where none is better.

White, Nolen & Savani, "Exploring the Loss Landscape in Neural Architecture Search", UAI 2021. The first centre is the
best of the cells told before the first question. Known neighbours are not asked again; their scores are used.
"""

from __future__ import annotations

from collections.abc import Sequence

from surrogate_nas.space import Cell, Space
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.trial import Trial


class LocalSearch(Strategy):
    """Steepest descent over `Space.neighbours` with random restarts.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> len(LocalSearch(nb201(), seed=0).ask(1))
        1
    """

    def __init__(self, space: Space, *, seed: int) -> None:
        """Start without a centre.

        Args:
            space: The space that cells come from.
            seed: The root of the strategy's randomness.
        """
        super().__init__(space, seed=seed)
        self._scores: dict[Cell, float] = {}
        self._centre: Cell | None = None
        self._queue: list[Cell] = []

    def ask(self, n: int) -> Sequence[Cell]:
        """Propose unknown neighbours of the centre, in random order.

        Args:
            n: The most to return.
        """
        while not self._queue:
            self._queue = self._next_round()
        asked, self._queue = self._queue[:n], self._queue[n:]
        return asked

    def _next_round(self) -> list[Cell]:
        """Move or restart, and list what must be asked around the new centre."""
        if self._centre is None:
            if not self._scores:
                return [self.space.sample(self.rng)]
            self._centre = min(self._scores, key=self._scores.__getitem__)
        elif self._centre not in self._scores:
            return [self._centre]
        unknown = [cell for cell in self.space.neighbours(self._centre) if cell not in self._scores]
        if unknown:
            return [unknown[i] for i in self.rng.permutation(len(unknown))]
        best = min(self.space.neighbours(self._centre), key=self._scores.__getitem__)
        self._centre = best if self._scores[best] < self._scores[self._centre] else self._restart()
        return []

    def _restart(self) -> Cell:
        """A random cell, unknown while there is one; in a space wholly known, any, which is asked again."""
        cell = self.space.sample(self.rng)
        if len(self._scores) == self.space.size:
            self._scores.pop(cell)
        while cell in self._scores:
            cell = self.space.sample(self.rng)
        return cell

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember scores.

        Args:
            trials: New trials.
        """
        self._scores.update((trial.cell, trial.score) for trial in trials)
