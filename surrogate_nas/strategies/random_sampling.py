"""Random sampling: uniform over the raw cells with replacement, as the papers draw.

Li & Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI 2019. A cell that is drawn again
is asked again and charged again; `random` is the same without replacement.
"""

from __future__ import annotations

from collections.abc import Sequence

from surrogate_nas.space import Cell
from surrogate_nas.strategies.base import Strategy


class RandomSampling(Strategy):
    """Draws cells uniformly and learns nothing.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> len(RandomSampling(nb201(), seed=0).ask(3))
        3
    """

    def ask(self, n: int) -> Sequence[Cell]:
        """Draw cells.

        Args:
            n: How many to return.
        """
        return [self.space.sample(self.rng) for _ in range(n)]
