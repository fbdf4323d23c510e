"""Resampled runs: the weights of a bootstrap that is stratified by problem.

Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021. Runs are paired by
their number, so strategies with as many runs are resampled together.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.study.comparison.statistics import Values

RESAMPLES = 1000
_ENDS = (2.5, 97.5)


class Resampling:
    """How often each run of one problem is drawn in every resample.

    Example:
        >>> Resampling(0).weights(5).sum(axis=1)[:3].round(9).tolist()
        [1.0, 1.0, 1.0]
    """

    def __init__(self, problem: int) -> None:
        """Name the problem, so that each has its own stream.

        Args:
            problem: Its place in the suite.
        """
        self._problem = problem
        self._weights: dict[int, Values] = {}

    def weights(self, runs: int) -> Values:
        """The share of every run in every resample, shape ``(resamples, runs)``.

        Args:
            runs: How many there are; whoever has as many is resampled alike.
        """
        if runs not in self._weights:
            rng = np.random.default_rng([self._problem, runs])
            self._weights[runs] = rng.multinomial(runs, np.full(runs, 1 / runs), size=RESAMPLES) / runs
        return self._weights[runs]

    def means(self, samples: Mapping[str, Values]) -> Values:
        """The resampled means of all strategies, shape ``(strategies, resamples, points)``; equal ones stay equal.

        Args:
            samples: Per strategy, shape ``(runs, points)``.
        """
        return np.array([(self.weights(len(runs)) @ runs).round(12) for runs in samples.values()])


def indices(problem: int, runs: int) -> NDArray[np.intp]:
    """The runs themselves instead of their shares, shape ``(resamples, runs)``.

    Args:
        problem: Its place in the suite.
        runs: How many there are.
    """
    return np.random.default_rng([problem, runs]).integers(runs, size=(RESAMPLES, runs))


def ends(values: Values) -> tuple[Values, Values]:
    """The 95 % interval of resampled numbers.

    Args:
        values: Shape ``(resamples, …)``.
    """
    low, high = np.percentile(values, _ENDS, axis=0)
    return low, high
