"""BANANAS: mutate the best cells and choose among the mutants by Thompson sampling from an ensemble
of small networks.

White, Neiswanger & Savani, "BANANAS: Bayesian Optimization with Neural Architectures for Neural
Architecture Search", AAAI 2021. The search evaluates ten random cells, then batches of ten cells.
Each cell of a batch is the best by independent Thompson sampling among a hundred mutations of the
ten best observed cells. Departures from the paper: The networks have three layers and predict the
logarithm of the loss (see the model ``mlp``). The path encoding of a cell is computed after its
skip connections are removed. Every second mutation changes a cell by more than one step. If λR is
available without training, it is computed instead of learned. In a space whose cells have no paths,
the networks read the default encoding of ``mlp``.
"""

from typing import ClassVar

from surrogate_nas.core import text, unknown, whole
from surrogate_nas.strategies.guided import Guided


class Bananas(Guided):
    """Propose batches of ten cells, chosen by Thompson sampling from an ensemble of networks.

    Args:
        encoding: The cell encoding that the networks read; None selects ``paths`` if the space has
            it.
        steps: Number of optimiser steps in each fit of the networks.

    Raises:
        UserError: The space lacks the requested encoding, or the number of steps is below 1.

    Example:
        >>> import surrogate_nas as sn
        >>> len(Bananas(sn.nb201(), seed=0).ask(10))
        10
    """

    batch_size: ClassVar[int] = 10
    needs: ClassVar[tuple[str, ...]] = ("torch",)

    model = "mlp"
    acquisition = "thompson"
    pool = "mutations"
    patience = 0.1
    encoding: str | None = text(None)
    steps: int = whole(80, 1)

    def _begin(self) -> None:
        encodings = self.space.encodings
        encoding = self.encoding or ("paths" if "paths" in encodings else None)
        if encoding not in (None, *encodings):
            raise unknown(f"encoding of {self.space.name}", str(encoding), encodings)
        self._settings = {"encoding": encoding, "steps": self.steps}
        super()._begin()
