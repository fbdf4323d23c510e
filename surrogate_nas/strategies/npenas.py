"""NPENAS: evolution in which a predictor filters the offspring before any is trained.

Wei et al., "NPENAS: Neural Predictor Guided Evolution for Neural Architecture Search", TNNLS 2022.
Parents generate a hundred children, and the ten children with the best predicted scores are
evaluated. Departures from the paper: Parents are the winners of tournaments of three among all
observed cells. The predictor is an ensemble of fully connected networks (the model ``mlp``) instead
of a graph isomorphism network. Only the predicted mean is used, as in the paper's variant
NPENAS-NP.
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
