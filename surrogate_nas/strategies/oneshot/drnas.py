"""DrNAS: sample the mixture of every edge from a Dirichlet distribution, and learn its
concentrations.

Chen et al., "DrNAS: Dirichlet Neural Architecture Search", ICLR 2021. The concentrations are elu(α)
+ 1, the gradient passes through the sample, and the objective contains 1e-3 times the divergence
from the flat Dirichlet distribution. Departures from the paper: There are no partial channels and
no progressive stage, since the supernets of this project are small. The weights are trained by the
task's own schedule. The expected regulariser E[λR], computed with the mean of the Dirichlet
distribution, is added to the objective of α.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Dirichlet, kl_divergence

from surrogate_nas.strategies.oneshot.alphas import Alphas

_ANCHOR = 1e-3


class DrNas(Alphas):
    """DrNAS, which samples the mixture of operations from trained Dirichlet distributions.

    Example:
        >>> import surrogate_nas as sn
        >>> DrNas(sn.nb201(), seed=0, drive="train_sum").drive
        'train_sum'
    """

    @property
    def _concentration(self) -> Tensor:
        return F.elu(self.alpha) + 1

    def _mixture(self) -> tuple[Tensor, None]:
        # PyTorch's own generator, which others draw from, stays as it is
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(self.rng.integers(2**63)))
            return Dirichlet(self._concentration).rsample(), None

    def _expected(self) -> Tensor:
        return self._concentration / self._concentration.sum(1, keepdim=True)

    def _anchor(self) -> Tensor:
        flat = Dirichlet(torch.ones_like(self.alpha))
        return _ANCHOR * kl_divergence(Dirichlet(self._concentration), flat).sum()
