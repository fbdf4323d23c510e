"""Successive halving: many random cells are seen early, the best of them later, one at the end; then anew.

Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016. As many
cells enter as leave one for the last rung. Departures: as in `hyperband`.
"""

from __future__ import annotations

from surrogate_nas.space import Space
from surrogate_nas.strategies.epochs.hyperband import Hyperband


class SuccessiveHalving(Hyperband):
    """Only the brackets of Hyperband that enter at the first rung.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> search = SuccessiveHalving(nb201(), seed=0)
        >>> search.epochs = (12, 200)
        >>> {request.epochs for request in search.ask(17)}
        {12}
    """

    def __init__(self, space: Space, *, seed: int, eta: float = 3.0, rungs: int | None = None) -> None:
        """Start with no bracket.

        Args:
            space: The space that cells come from.
            seed: The root of the strategy's randomness.
            eta: η, the least factor between the epochs of two rungs, above 1.
            rungs: How many rungs, the highest; None for as many as the epochs give. Where these give fewer, a cell goes
                on by being trained again for the first of them.
        """
        super().__init__(space, seed=seed, eta=eta, rungs=rungs)

    def _enters(self, number: int) -> int:  # noqa: ARG002 - every bracket alike
        return 0
