"""REINFORCE: policy gradient on a factorised categorical policy with one softmax per position.

Williams, "Simple Statistical Gradient-Following Algorithms", 1992, as used by Dong & Yang (ICLR
2020). The optimiser is Adam with one sample per step, and the baseline is an exponential moving
average of the reward (factor 0.9). The reward is the negative score. Departure from Dong & Yang:
the learning rate is 0.1. With a learning rate of 0.5, as in a command documented by Dong & Yang,
the policy converges before it has learned. The baseline is updated after the advantage is computed,
so that it does not contain the current reward. Updating the baseline before the advantage would
only scale the gradient by 0.9, which Adam cancels, because there is one sample per step. If a space
has fewer cells than combinations of choices, the policy is the product of softmaxes restricted to
the cells of the space, with the exact gradient.
"""

import math
from collections.abc import Sequence

import numpy as np

from surrogate_nas.core import UserError, number
from surrogate_nas.space import Cell, Choices, ChoiceSpace, Enumerable, Trial
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.surrogates.base import Floats

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8


class Reinforce(Strategy):
    """Sample cells from the policy and follow the policy gradient after every trial.

    The initial architectures of a run are sampled uniformly, as the untrained policy would sample
    them, and the policy learns from them, too.

    Args:
        learning_rate: Step size of the optimiser Adam.
        momentum: Weight of the previous baseline in the moving average of rewards, from 0 to 1.

    Example:
        >>> import surrogate_nas as sn
        >>> scores = sn.search("fashion", "reinforce", "valid_error", budget=200).scores
        >>> bool(scores[-50:].mean() < scores[:50].mean())
        True
    """

    space: ChoiceSpace
    learning_rate: float = number(0.1)
    momentum: float = number(0.9, most=1.0)
    _steps = 0
    _baseline: float | None = None

    def _begin(self) -> None:
        space = self.space
        if not isinstance(space, ChoiceSpace):
            raise UserError(
                f"reinforce needs a space of choices (ChoiceSpace); {space.name} is not one."
            )
        widest = max(map(len, space.options))
        exists = np.array(
            [[o < len(options) for o in range(widest)] for options in space.options]
        )
        self._logits = np.where(exists, 0.0, -np.inf)
        self._first_moment = np.zeros(exists.shape)
        self._second_moment = np.zeros(exists.shape)
        self._listed = _listed(space)

    def ask(self, n: int) -> Sequence[Cell]:
        """Sample cells from the policy."""
        if self._listed is not None:
            places = np.searchsorted(
                self._weights(self._listed).cumsum(), self.rng.random(n), side="right"
            )
            return [
                self.space.cell(
                    self._listed[min(place, len(self._listed) - 1)].tolist()
                )
                for place in places
            ]
        cumulative = self._policy().cumsum(axis=1)
        draws = self.rng.random((n, len(cumulative), 1)) * cumulative[None, :, -1:]
        return [
            self.space.cell(choices)
            for choices in (draws >= cumulative).sum(axis=2).tolist()
        ]

    def _policy(self) -> Floats:
        if self._listed is not None:
            flat = np.arange(len(self._logits)) * self._logits.shape[1] + self._listed
            shares = np.repeat(self._weights(self._listed), len(self._logits))
            total = np.bincount(flat.ravel(), shares, self._logits.size)
            return np.asarray(total, dtype=np.float64).reshape(self._logits.shape)
        weights: Floats = np.exp(self._logits - self._logits.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        return weights

    def _weights(self, cells: Choices) -> Floats:
        total = self._logits[np.arange(len(self._logits)), cells].sum(axis=1)
        weights: Floats = np.exp(total - total.max())
        weights /= weights.sum()
        return weights

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take one policy-gradient step per trial; a failed trial has no reward."""
        for trial in trials:
            if trial.failure:
                continue
            reward = -trial.score
            baseline = reward if self._baseline is None else self._baseline
            self._step(trial.cell, advantage=reward - baseline)
            self._baseline = self.momentum * baseline + (1 - self.momentum) * reward

    def _step(self, cell: Cell, advantage: float) -> None:
        taken = np.zeros(self._logits.shape)
        taken[np.arange(len(taken)), list(cell.choices)] = 1.0
        gradient = advantage * (taken - self._policy())
        self._steps += 1
        first, second = _BETAS
        self._first_moment = first * self._first_moment + (1 - first) * gradient
        self._second_moment = second * self._second_moment + (1 - second) * gradient**2
        mean = self._first_moment / (1 - first**self._steps)
        spread = np.sqrt(self._second_moment / (1 - second**self._steps))
        self._logits = self._logits + self.learning_rate * mean / (spread + _EPSILON)


def _listed(space: ChoiceSpace) -> Choices | None:
    """Return the choices of all cells of an enumerable space; None if these are simply all
    combinations.
    """
    if isinstance(space, Enumerable) and len(space) < math.prod(
        map(len, space.options)
    ):
        return space.choices
    return None
