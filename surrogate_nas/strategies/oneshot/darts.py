"""DARTS, first order: mix the operations of every edge by the softmax of α, and descend the
validation loss by α.

Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, with ξ = 0, which
costs half as much. Departures: the weights are trained by the task's own schedule; batches of the
task's validation split take the place of half of the training data; ``none`` may be chosen, as
everywhere here, unless the cell is read by ``choose=without_none``, as the paper reads it; E[λR] is
added. Its failure is documented, on NAS-Bench-201 by Dong & Yang (ICLR 2020): α leaves the
operations that have weights.
"""

from torch import Tensor

from surrogate_nas.strategies.oneshot.alphas import Alphas


class Darts(Alphas):
    """The softmax of α as the mixture.

    Example:
        >>> import surrogate_nas as sn
        >>> Darts(sn.nb201(), seed=0, choose="argmax").choose
        'argmax'
    """

    def _mixture(self) -> tuple[Tensor, None]:
        return self.alpha.softmax(1), None
