"""Bayesian optimisation with trees: evaluate the candidate with the largest expected improvement
under a forest, as in SMAC.

Hutter, Hoos & Leyton-Brown, "Sequential Model-Based Optimization for General Algorithm
Configuration", LION 2011. As in that paper, the uncertainty is the spread of the trees'
predictions, the target is the logarithm of the loss, and candidates are random cells and neighbours
of the best cells. Departures from the paper: The forest consists of extremely randomised trees, and
no cell is proposed at random.
"""

from typing import ClassVar

from surrogate_nas.core import whole
from surrogate_nas.strategies.guided import Guided

_PARTS = 5


class ForestSearch(Guided):
    """Guided search by the expected improvement under extremely randomised trees.

    Args:
        trees: Number of trees in the forest, at least 5.

    Raises:
        UserError: The number of trees is below 5.

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
