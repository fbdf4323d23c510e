"""SNAS-like: relax the samples of α, and train α and the weights by one loss.

Xie et al., "SNAS: Stochastic Neural Architecture Search", ICLR 2019: the mixture is a
Gumbel-softmax sample, its temperature falls, and α takes the gradient of the training loss in the
same step as the weights (single level), so no validation data is read. Departures: the expected
cost takes its exact gradient, not a sampled one; the weights are trained by the task's own
schedule.
"""

from torch import Tensor

from surrogate_nas.core import number, whole
from surrogate_nas.strategies.oneshot.alphas import Alphas


class Snas(Alphas):
    """A relaxed sample as the mixture.

    Args:
        epochs: Passes over the training data.
        choose: ``argmax`` or ``sampled``, as `Alphas` has it.
        warm: The temperature at first.
        cold: The temperature at the end, which it falls to by a constant factor a step.

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
