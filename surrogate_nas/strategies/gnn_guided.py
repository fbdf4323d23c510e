"""Graph networks: evaluate the candidate with the largest expected improvement under an ensemble of
graph networks.

Wen et al., "Neural Predictor for Neural Architecture Search", ECCV 2020, and White et al.,
"BANANAS", AAAI 2021. The strategy combines both papers: the model is a graph network, and an
ensemble provides its uncertainty. Departures from both papers: The graph network is our own
(`surrogates.gnn`). The network gives isomorphic cells the same prediction and is pre-trained on
metrics that are available without training. The network is trained for few steps, and fitted again
after the number of observed cells has grown by a fifth. If the cells of a space cannot be read as
graphs, a Gaussian process replaces the network.
"""

from typing import ClassVar

from surrogate_nas.core import number, whole
from surrogate_nas.strategies.guided import Guided


class GnnGuided(Guided):
    """Guided search by the expected improvement under an ensemble of graph networks.

    Args:
        steps: Number of optimiser steps in each fit of the networks.
        patience: Relative growth of the number of observed cells after which the networks are
            fitted again.

    Raises:
        UserError: The name of a component is unknown, or the number of steps is below 1.

    Example:
        >>> import surrogate_nas as sn
        >>> len(GnnGuided(sn.nb201(), seed=0, first_cells=10).ask(5))
        5
    """

    needs: ClassVar[tuple[str, ...]] = ("torch",)

    model = "gnn"
    steps: int = whole(30, 1)
    patience: float = number(0.2)

    def _begin(self) -> None:
        super()._begin()
        self._settings = {"steps": self.steps} if self.model == "gnn" else {}
