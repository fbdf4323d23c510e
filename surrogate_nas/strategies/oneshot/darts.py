"""DARTS, first order: mix the operations of every edge by the softmax of α, and minimise the
validation loss with respect to α.

Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, with ξ = 0, which
costs half as much. Departures: the weights are trained by the task's own schedule; batches of the
task's validation split replace half of the training data; ``none`` may be chosen, except with
``choose=without_none``, as in the paper; E[λR] is added. Its failure on NAS-Bench-201 is documented
by Dong & Yang (ICLR 2020): α moves away from operations with weights.
"""

from torch import Tensor

from surrogate_nas.strategies.oneshot.alphas import Alphas


class Darts(Alphas):
    """DARTS with the softmax of α as the mixture.

    Example:
        >>> import surrogate_nas as sn
        >>> Darts(sn.nb201(), seed=0, choose="argmax").choose
        'argmax'
    """

    def _mixture(self) -> tuple[Tensor, None]:
        return self.alpha.softmax(1), None
