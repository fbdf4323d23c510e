"""GDAS: sample one operation per edge, and compute its gradient as if all operations had been
mixed.

Dong & Yang, "Searching for a Robust Neural Architecture in Four GPU Hours", CVPR 2019: hard
Gumbel-softmax samples with a falling temperature, forward through the sampled operation alone.
Departures: the weights are trained by the task's own schedule; E[λR] is added. If only one path
carries the input, batch normalisation cancels the factor through which α receives its gradient, so
α learns nothing from such a sample.
"""

import torch
from torch import Tensor

from surrogate_nas.core import number, whole
from surrogate_nas.strategies.oneshot.alphas import Alphas


class Gdas(Alphas):
    """GDAS with a hard sample as the mixture.

    Args:
        epochs: Passes over the training data.
        choose: ``argmax`` or ``sampled``, see `Alphas`.
        warm: The temperature at the beginning.
        cold: The temperature at the end, reached by a linear decrease.

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
