"""Iterated local search: first-improvement descent that leaves a local optimum by a few random
steps instead of a restart.

Lourenço, Martin & Stützle, "Iterated Local Search", Handbook of Metaheuristics 2003. Each descent
begins a few mutations away from the best local optimum so far (acceptance criterion "better"). Of
equally good local optima, the latest is used. A perturbation that leads to an observed cell is
repeated with one more step, so that the search moves further away as it observes more cells.
"""

from surrogate_nas.core import whole
from surrogate_nas.space import Cell
from surrogate_nas.strategies.first_improvement import FirstImprovement

_LONGEST = 50


class IteratedLocalSearch(FirstImprovement):
    """First-improvement descents, each from a perturbation of the best local optimum.

    Args:
        steps: Number of mutations between the best local optimum and the start of the next descent,
            at least 1.

    Example:
        >>> import surrogate_nas as sn
        >>> names = ["random", "iterated_local_search"]
        >>> result = sn.compare("fashion", names, "valid_error", runs=5, budget=150)
        >>> random, own = (result.regrets(name).mean() for name in names)
        >>> bool(own < random)
        True
    """

    steps: int = whole(2, 1)
    _home: Cell | None = None

    def _escape(self) -> Cell:
        assert self._centre is not None
        if self._home is None or self._scores[self._centre] <= self._scores.get(
            self._home, float("inf")
        ):
            self._home = self._centre
        for steps in range(self.steps, max(self.steps, _LONGEST)):
            cell = self._home
            for _ in range(steps):
                cell = self.space.mutate(cell, self.rng)
            if cell not in self._scores:
                return cell
        return self._restart()
