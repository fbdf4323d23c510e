"""NPENAS: evolution in which a predictor filters the offspring before any is trained.

Wei et al., "NPENAS: Neural Predictor Guided Evolution for Neural Architecture Search", TNNLS 2022:
parents have a hundred children, of which the ten with the best predicted scores are evaluated.
Departures: parents win tournaments of three among all observed cells; the predictor is an ensemble
of fully connected networks (the model ``mlp``) instead of a graph isomorphism network, and only its
mean counts, as in their NPENAS-NP.
"""

from typing import ClassVar

from surrogate_nas.core import text
from surrogate_nas.strategies.guided import Guided


class Npenas(Guided):
    """Evaluate batches of the ten offspring with the best predicted scores.

    Args:
        model: The predictor, a key of `surrogate_nas.surrogates.MODELS`.

    Example:
        >>> import surrogate_nas as sn
        >>> len(Npenas(sn.nb201(), seed=0, model="ridge").ask(10))
        10
    """

    batch_size: ClassVar[int] = 10
    needs: ClassVar[tuple[str, ...]] = ("torch",)

    model: str = text("mlp")
    acquisition = "greedy"
    pool = "offspring"
    patience = 0.1
