"""SNAS-like: relax the samples of α, and train α and the weights with the same loss.

Xie et al., "SNAS: Stochastic Neural Architecture Search", ICLR 2019. The mixture of operations is a
Gumbel-softmax sample with a decreasing temperature. In each step, α and the weights follow the
gradient of the same training loss (single level), so no validation data is read. Departures from
the paper: The gradient of the expected cost is exact instead of sampled, and the weights are
trained by the task's own schedule.
"""

from torch import Tensor

from surrogate_nas.core import number, whole
from surrogate_nas.strategies.oneshot.alphas import Alphas


class Snas(Alphas):
    """SNAS, whose mixture of operations is a relaxed (Gumbel-softmax) sample.

    Args:
        epochs: Number of passes over the training data.
        choose: The order in which cells are evaluated, ``argmax`` or ``sampled`` (see `Alphas`).
        warm: The Gumbel-softmax temperature at the beginning of the training.
        cold: The Gumbel-softmax temperature at the end of the training, reached by a constant
            factor per step.

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
