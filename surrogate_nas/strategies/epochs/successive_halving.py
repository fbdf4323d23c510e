"""Successive halving: train many cells for a few epochs, the best of them for more, and one to the
end, then start again.

Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
AISTATS 2016. As many cells enter as leave one for the last rung. Departures: as in `hyperband`.
"""

from __future__ import annotations

from surrogate_nas.strategies.epochs.hyperband import Hyperband


class SuccessiveHalving(Hyperband):
    """Only the brackets of Hyperband that enter at the first rung.

    Example:
        >>> from collections import Counter
        >>> import surrogate_nas as sn
        >>> run = sn.search("fashion", "successive_halving", "valid_error", budget=80)
        >>> counts = Counter(trial.epochs for trial in run.trials[10:])
        >>> (
        ...     sorted(counts),
        ...     counts[1] > counts[5],
        ... )  # many cells are begun, few are trained to the end
        ([1, 5], True)
    """

    def _enters(self, number: int) -> int:
        return 0
