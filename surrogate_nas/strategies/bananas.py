"""BANANAS: Thompson sampling under an ensemble of small networks on path features, from mutations
of the best cells.

White, Neiswanger & Savani, "BANANAS: Bayesian Optimization with Neural Architectures for Neural
Architecture Search", AAAI 2021: ten random cells, then batches of ten, each the best by independent
Thompson sampling among a hundred mutations of the ten best. Departures: networks of three layers on
the logarithm of the loss (see the model ``mlp``), paths counted with skips contracted, every second
mutation is of more than one step, and λR that is known for free is not learned. Where a space has
no paths, the model reads what it reads by default.
"""

from typing import ClassVar

from surrogate_nas.core import text, unknown, whole
from surrogate_nas.strategies.guided import Guided


class Bananas(Guided):
    """Batches of ten by Thompson sampling from an ensemble of networks.

    Args:
        encoding: The columns that the networks read; None for ``paths``, where the space has
            them.
        steps: Of the networks' optimiser in each fit.

    Raises:
        UserError: The space has no such encoding, or there are no steps.

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
