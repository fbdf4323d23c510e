"""First improvement: local search that moves to the first better neighbour without evaluating the
others.

White, Nolen & Savani, "Exploring the Loss Landscape in Neural Architecture Search", UAI 2021. A
variant in that paper evaluates neighbours until it finds a better one. The neighbours of a cell are
visited in a random order, which is sampled again after every move. Neighbours that are already
observed are not evaluated again: the search skips them, or moves to them, without cost.
"""

from collections.abc import Sequence
from itertools import takewhile

from surrogate_nas.space import Cell
from surrogate_nas.strategies.local_search import LocalSearch


class FirstImprovement(LocalSearch):
    """First-improvement descent over `Space.neighbours` with random restarts.

    Example:
        >>> import surrogate_nas as sn
        >>> scores = sn.search(
        ...     "fashion", "first_improvement", "valid_error", budget=60
        ... ).scores
        >>> bool(
        ...     scores[10:].min() < scores[:10].min()
        ... )  # better than the first random cells
        True
    """

    def _lined_up(self, centre: Cell) -> Sequence[Cell]:
        near = self.space.neighbours(centre)
        return [near[i] for i in self.rng.permutation(len(near))]

    def _ahead(self) -> Sequence[Cell]:
        return list(takewhile(lambda cell: not self._improves(cell), self._near or ()))

    def _better(self) -> Cell | None:
        return next((cell for cell in self._near or () if self._improves(cell)), None)

    def _improves(self, cell: Cell) -> bool:
        assert self._centre is not None
        return cell in self._scores and self._scores[cell] < self._scores[self._centre]
