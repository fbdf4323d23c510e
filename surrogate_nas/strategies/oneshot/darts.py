"""DARTS, first order: mix the operations of every edge by the softmax of α, and minimise the
validation loss with respect to α.

Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, with ξ = 0 (first
order), which costs half as much as second order. Departures from the paper: The weights are trained
by the task's own schedule. The gradient of α uses batches of the task's validation split, instead
of half of the training data. The operation ``none`` may be chosen; with ``choose=without_none``
cells that contain it are proposed last. The paper excludes it. The expected regulariser E[λR] is
added to the objective of α. Dong & Yang (ICLR 2020) document the failure of DARTS on NAS-Bench-201:
α moves away from operations with weights.
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
