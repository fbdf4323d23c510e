"""SNAS-like: relax the samples of α, and train α and the weights with the same loss.

Xie et al., "SNAS: Stochastic Neural Architecture Search", ICLR 2019: the mixture is a
Gumbel-softmax sample, its temperature falls, and α takes the gradient of the training loss in the
same step as the weights (single level), so no validation data is read. Departures: the expected
cost has its exact gradient, not a sampled one; the weights are trained by the task's own schedule.
"""

from torch import Tensor

from surrogate_nas.core import number, whole
from surrogate_nas.strategies.oneshot.alphas import Alphas


class Snas(Alphas):
    """SNAS with a relaxed sample as the mixture.

    Args:
        epochs: Passes over the training data.
        choose: ``argmax`` or ``sampled``, see `Alphas`.
        warm: The temperature at the beginning.
        cold: The temperature at the end, reached by a constant factor per step.

    Example:
        >>> import surrogate_nas as sn
        >>> Snas(sn.nb201(), seed=0, cold=0.5).cold
        0.5
    """

    epochs = whole(16, 1)
    drive = "train_sum"
    window = 1
    warm: float = number(1.0, above=True)
    cold: float = number(0.1, above=True)

    def _mixture(self) -> tuple[Tensor, None]:
        temperature = self.warm * (self.cold / self.warm) ** self.progress
        return self._gumbel_softmax(temperature), None
