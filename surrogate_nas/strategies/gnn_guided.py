"""Graph networks: evaluate the candidate with the largest expected improvement under an ensemble of
graph networks.

Wen et al., "Neural Predictor for Neural Architecture Search", ECCV 2020, and White et al.,
"BANANAS", AAAI 2021, combined: a graph network as the model, uncertainty from an ensemble.
Departures: the network is our own (`surrogates.gnn`). It gives isomorphic cells the same prediction
and is pre-trained on metrics that are available without training. It takes few steps and is fitted
again after the number of observed cells has grown by a fifth. In a space whose cells are not graphs
of shared terms, a Gaussian process replaces it.
"""

from typing import ClassVar

from surrogate_nas.core import number, whole
from surrogate_nas.strategies.guided import Guided


class GnnGuided(Guided):
    """Expected improvement under an ensemble of graph networks.

    Args:
        steps: Number of optimiser steps in each fit of the networks.
        patience: Share of new cells among the observed ones at which the networks are fitted again.

    Raises:
        UserError: A name is unknown, or the number of steps is below 1.

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
