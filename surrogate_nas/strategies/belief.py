"""What a model believes of candidates, and the acquisitions that turn it into one number a candidate, the least first.

Losses are learned as the logarithm of their distance from a floor a little below the best, because only the order near
the best matters; whatever is known for free (λR) is added afterwards. Sources: expected improvement, Jones et al.,
"Efficient Global Optimization", JOGO 1998, here of a lognormal loss; Thompson sampling drawn for each candidate alone,
White et al., "BANANAS", AAAI 2021; confidence bound, Srinivas et al., "Gaussian Process Optimization in the Bandit
Setting", ICML 2010.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BELOW = 0.15
"""How far the floor lies below the best, as a share of (median - best)."""
_TRUST = 1.0
"""Standard deviations that the confidence bound is optimistic by."""


class Belief(NamedTuple):
    """What is believed of ``n`` candidates: score = floor + exp(normal(mean, std)) + penalty.

    Attributes:
        mean: Of the logarithm of the loss above the floor, shape ``(n,)``.
        std: Likewise, above 0.
        penalty: What is known of the score beside the loss, shape ``(n,)``.
        floor: A loss that none is believed to reach.
        best: The best score told of a feasible cell.
    """

    mean: Floats
    std: Floats
    penalty: Floats
    floor: float
    best: float

    def score(self, steps: Floats | float = 0.0) -> Floats:
        """The score so many standard deviations above the median belief, shape ``(n,)``.

        Args:
            steps: One for all, or one each.
        """
        return np.asarray(self.floor + np.exp(self.mean + steps * self.std) + self.penalty)


def floor_of(losses: Floats) -> float:
    """A little below the best loss.

    Args:
        losses: Told losses, shape ``(n,)``.
    """
    best = float(losses.min())
    return best - _BELOW * (float(np.median(losses)) - best or float(losses.max()) - best or 1.0)


def greedy(belief: Belief, rng: np.random.Generator) -> Floats:  # noqa: ARG001 - one signature for all
    """The score that is believed.

    Args:
        belief: Of the candidates.
        rng: Not drawn from.
    """
    return belief.score()


def confidence_bound(belief: Belief, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """The score one standard deviation below.

    Args:
        belief: Of the candidates.
        rng: Not drawn from.
    """
    return belief.score(-_TRUST)


def thompson(belief: Belief, rng: np.random.Generator) -> Floats:
    """A score drawn for each candidate alone.

    Args:
        belief: Of the candidates.
        rng: The generator that the draw advances.
    """
    return belief.score(rng.standard_normal(len(belief.mean)))


def expected_improvement(belief: Belief, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Minus the expected improvement on the best score; where none is to be expected, what is missing to it.

    Args:
        belief: Of the candidates.
        rng: Not drawn from.
    """
    from scipy.special import ndtr

    left = belief.best - belief.penalty - belief.floor
    z = (np.log(np.maximum(left, np.finfo(float).tiny)) - belief.mean) / belief.std
    gain = left * ndtr(z) - np.exp(belief.mean + belief.std**2 / 2) * ndtr(z - belief.std)
    missing = np.maximum(belief.score() - belief.best, 0)
    return np.where((left > 0) & (gain > 0), -gain, missing)


Acquisition = Callable[[Belief, np.random.Generator], Floats]

ACQUISITIONS: dict[str, Acquisition] = {
    "expected_improvement": expected_improvement,
    "thompson": thompson,
    "confidence_bound": confidence_bound,
    "greedy": greedy,
}
"""By name."""
