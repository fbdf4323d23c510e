"""Bayesian optimisation with trees: expected improvement under a forest, as in SMAC.

Hutter, Hoos & Leyton-Brown, "Sequential Model-Based Optimization for General Algorithm
Configuration", LION 2011: the spread of the trees is the uncertainty, losses are learned as
logarithms, candidates are neighbours of the best and random cells. Departures: extremely randomised
trees instead of random forests, and no cell is asked at random.
"""

from typing import ClassVar

from surrogate_nas.core import whole
from surrogate_nas.strategies.guided import Guided

_PARTS = 5


class ForestSearch(Guided):
    """Expected improvement under extremely randomised trees.

    Args:
        trees: In the forest, at least 5.

    Raises:
        UserError: There are too few trees.

    Example:
        >>> import surrogate_nas as sn
        >>> ForestSearch(sn.nb201(), seed=0, trees=20).pool
        'mixed'
    """

    needs: ClassVar[tuple[str, ...]] = ("sklearn",)

    model = "extra_trees"
    acquisition = "expected_improvement"
    pool = "mixed"
    patience = 0.1
    trees: int = whole(40, _PARTS)

    def _begin(self) -> None:
        super()._begin()
        self._settings = {"parts": _PARTS, "trees": self.trees // _PARTS}
