"""Successive halving: train many cells for a few epochs, the best of them for more, and one to the
end; then start again.

Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
AISTATS 2016. The number of cells at the first rung is chosen so that one cell reaches the last
rung. The departures from the paper are those of `hyperband`.
"""

from surrogate_nas.strategies.epochs.hyperband import Hyperband


class SuccessiveHalving(Hyperband):
    """Hyperband restricted to the brackets that enter at the first rung.

    Example:
        >>> import surrogate_nas as sn
        >>> run = sn.search("fashion", "successive_halving", "valid_error", budget=80)
        >>> epochs = [trial.epochs for trial in run.trials[10:]]
        >>> epochs.count(1) > epochs.count(
        ...     5
        ... ) > 0  # many are begun, few trained to the end
        True
    """

    def _enters(self, number: int) -> int:
        return 0
