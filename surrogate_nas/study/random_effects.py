"""What differences on several sources of data say of their mean, and of a source that is new.

A source's difference is normal around a mean of all sources, with a spread between sources that is
not known. Estimates of that spread are often 0 where sources are few, and then promise too much of
a new source; so it is averaged over instead, with a half-normal prior (Röver, "Bayesian
random-effects meta-analysis using the bayesmeta R package", 2020). The contrasts of the study on
losses, whose rule was named beforehand, are decided by another procedure (``analysis/answer``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.levels import LEVEL

Values = NDArray[np.float64]
"""One number a source, or one a distribution of a mixture."""

FEWEST = 3
"""Fewer sources say nothing of another one."""
TYPICAL = 0.1
"""The scale of the prior: between sources, differences of τ are of this size or smaller."""
_SPREADS = np.linspace(0.0, 5 * TYPICAL, 101)
_SMALL = 1e-12
_FAR = 10.0


@dataclass(frozen=True)
class Estimate:
    """A number that is known as a mixture of normal distributions.

    Attributes:
        weights: Of the distributions, shape ``(m,)``, with a sum of 1.
        means: Of each, shape ``(m,)``.
        errors: The standard deviation of each, shape ``(m,)``.
    """

    weights: Values
    means: Values
    errors: Values

    @classmethod
    def normal(cls, mean: float, variance: float) -> Estimate:
        """One normal distribution.

        Args:
            mean: Its mean.
            variance: Its variance.
        """
        return cls(np.ones(1), np.array([mean]), np.array([math.sqrt(max(variance, _SMALL))]))

    @property
    def mean(self) -> float:
        """What is expected."""
        return float(self.weights @ self.means)

    @property
    def error(self) -> float:
        """The standard deviation of what is not known."""
        squares = self.errors**2 + (self.means - self.mean) ** 2
        return math.sqrt(float(self.weights @ squares))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Where it lies, with equal shares left out on both sides.

        Args:
            level: One less its probability.
        """
        return self._quantile(level / 2), self._quantile(1 - level / 2)

    def _quantile(self, share: float) -> float:
        from scipy.optimize import brentq
        from scipy.special import ndtr

        def excess(value: float) -> float:
            return float(self.weights @ ndtr((value - self.means) / self.errors)) - share

        low = float((self.means - _FAR * self.errors).min())
        return float(brentq(excess, low, float((self.means + _FAR * self.errors).max())))

    def seen(self, value: float, variance: float) -> Estimate:
        """The same once it was measured: each distribution moves by its precision (shrinkage).

        Args:
            value: What was measured.
            variance: Of the measurement.
        """
        variance = max(variance, _SMALL)
        total = self.errors**2 + variance
        of_value = self.errors**2 / total
        fit = np.log(self.weights) - (np.log(total) + (value - self.means) ** 2 / total) / 2
        return Estimate(
            _weights(fit),
            self.means + of_value * (value - self.means),
            np.sqrt(of_value * variance),
        )


@dataclass(frozen=True)
class Sources:
    """What some sources say together.

    Attributes:
        number: How many there are.
        mean: Of the mean over all sources that there might be.
        new: Of a source that is not among them.
    """

    number: int
    mean: Estimate
    new: Estimate


def combine(differences: Values, variances: Values) -> Sources:
    """Combine sources.

    Args:
        differences: By source, at least three, shape ``(k,)``.
        variances: Of each, that of its sample, shape ``(k,)``.

    Example:
        >>> found = combine(np.array([0.1, 0.3, -0.1, 0.2]), np.full(4, 0.001))
        >>> [round(end, 2) for end in found.mean.interval()]
        [-0.04, 0.29]
        >>> [round(end, 2) for end in found.new.interval()]
        [-0.23, 0.48]
    """
    totals = np.maximum(variances, _SMALL) + _SPREADS[:, None] ** 2
    of_mean = 1 / (1 / totals).sum(axis=1)
    means = of_mean * (differences / totals).sum(axis=1)
    scatter = ((differences - means[:, None]) ** 2 / totals).sum(axis=1)
    prior = -((_SPREADS / TYPICAL) ** 2) / 2
    weights = _weights(prior + (np.log(of_mean) - np.log(totals).sum(axis=1) - scatter) / 2)
    return Sources(
        len(differences),
        Estimate(weights, means, np.sqrt(of_mean)),
        Estimate(weights, means, np.sqrt(of_mean + _SPREADS**2)),
    )


def _weights(logarithms: Values) -> Values:
    """Shares of a sum of 1; what is negligible is not 0, so that it has a logarithm."""
    weights = np.exp(np.maximum(logarithms - logarithms.max(), -700.0))
    return np.asarray(weights / weights.sum())
