"""GDAS: sample one operation per edge, and compute its gradient as if all operations had been
mixed.

Dong & Yang, "Searching for a Robust Neural Architecture in Four GPU Hours", CVPR 2019. The forward
pass computes only the operation that a hard Gumbel-softmax sample selects, at a decreasing
temperature. Departures from the paper: The weights are trained by the task's own schedule, and the
expected regulariser E[λR] is added to the objective of α. If only one path carries the input, batch
normalisation cancels the factor through which α receives its gradient, so α learns nothing from
such a sample.
"""

import torch
from torch import Tensor

from surrogate_nas.core import number, whole
from surrogate_nas.strategies.oneshot.alphas import Alphas


class Gdas(Alphas):
    """GDAS, whose mixture on every edge is a hard sample of one operation.

    Args:
        epochs: Number of passes over the training data.
        choose: The order in which cells are evaluated, ``argmax`` or ``sampled`` (see `Alphas`).
        warm: The Gumbel-softmax temperature at the beginning of the training.
        cold: The Gumbel-softmax temperature at the end of the training, reached by a linear
            decrease.

    Example:
        >>> import surrogate_nas as sn
        >>> Gdas(sn.nb201(), seed=0, warm=4.0).warm
        4.0
    """

    epochs = whole(16, 1)
    drive = "valid_loss"
    window = 1
    warm: float = number(10.0, above=True)
    cold: float = number(0.1, above=True)

    def _mixture(self) -> tuple[Tensor, list[int]]:
        temperature = self.warm + (self.cold - self.warm) * self.progress
        soft = self._gumbel_softmax(temperature)
        path = soft.argmax(1)
        hard = torch.zeros_like(soft).scatter(1, path.unsqueeze(1), 1.0)
        return hard - soft.detach() + soft, path.tolist()
