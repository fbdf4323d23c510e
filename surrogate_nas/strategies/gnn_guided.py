"""Guided by a graph network: expected improvement under an ensemble of graph networks.

Wen et al., "Neural Predictor for Neural Architecture Search", ECCV 2020, and White et al.,
"BANANAS", AAAI 2021, made one: a graph network as the model, uncertainty from an ensemble.
Departures: the network is ours (`surrogates.gnn`), equal on functionally equal cells and taught the
free metrics of the space first; it takes few steps and is fitted anew when the observed cells grew
by a fifth. Where cells are no graphs of shared terms, a Gaussian process takes its place.
"""

from typing import ClassVar

from surrogate_nas.core import number, whole
from surrogate_nas.strategies.guided import Guided


class GnnGuided(Guided):
    """Expected improvement under an ensemble of graph networks.

    Args:
        steps: Of the networks' optimiser in each fit.
        patience: The networks are fitted anew when so large a share of observed cells is new to
            them.

    Raises:
        UserError: A name is unknown, or there are no steps.

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
