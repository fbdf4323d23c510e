"""A process that has seen all its values at once: its predictions, also without one of them.

Rasmussen & Williams, "Gaussian Processes for Machine Learning", MIT Press 2006; leave-one-out predictions by their
section 5.4.2. The process has zero mean and a variance that is the most likely one given kernel and noise; noise is
relative to it everywhere.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from surrogate_nas.surrogates.gaussian.kernel import Floats

_LEAST_VARIANCE, _LEAST_LEFT = 1e-12, 1e-9


class Process(NamedTuple):
    """A process that has seen values at some points.

    Attributes:
        root: The lower Cholesky factor of kernel plus noise there, shape ``(n, n)``.
        alpha: What it solves to for the values, shape ``(n,)``.
        noise: The variance of the noise, relative to that of the process.
        variance: Of the process.

    Example:
        >>> from surrogate_nas.surrogates.gaussian import matern_of_squares, squared_distances
        >>> seen, new = np.linspace(-3, 3, 9)[:, None], np.array([[1.1], [9.0]])
        >>> kernel = matern_of_squares(squared_distances(seen, seen))
        >>> process = Process.seeing(kernel, np.sin(seen[:, 0]), noise=1e-4)
        >>> mean, std = process.foresee(matern_of_squares(squared_distances(seen, new)))
        >>> bool(abs(mean[0] - np.sin(1.1)) < 2 * std[0] < std[1])  # sure near what was seen, not far away
        True
    """

    root: Floats
    alpha: Floats
    noise: float
    variance: float

    @classmethod
    def seeing(cls, kernel: Floats, values: Floats, noise: float) -> Self:
        """Condition on values; the process's variance is the most likely one.

        Args:
            kernel: Between the seen points, shape ``(n, n)``.
            values: There, about zero on average.
            noise: The relative variance of their noise.
        """
        root = np.asarray(np.linalg.cholesky(kernel + noise * np.eye(len(values))))
        alpha = _solve(root, values)
        return cls(root, alpha, noise, max(float(values @ alpha) / len(values), _LEAST_VARIANCE))

    def foresee(self, to_seen: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of values at other points, noise included, shape ``(m,)`` each.

        Args:
            to_seen: The kernel between the seen points and those, shape ``(n, m)``.
        """
        from scipy.linalg import solve_triangular

        whitened = solve_triangular(self.root, to_seen, lower=True)
        left = np.maximum(1 - (whitened**2).sum(axis=0), _LEAST_LEFT) + self.noise
        return to_seen.T @ self.alpha, np.sqrt(self.variance * left)

    def left_out(self, values: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation at every seen point, had it not been seen.

        Args:
            values: Those that it was conditioned on, or all of them shifted alike.
        """
        precision = np.diag(_solve(self.root, np.eye(len(values))))
        return values - self.alpha / precision, np.sqrt(self.variance / precision)


def _solve(root: Floats, right: Floats) -> Floats:
    from scipy.linalg import cho_solve

    return np.asarray(cho_solve((root, True), right))
