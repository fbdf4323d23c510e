"""Which kernel and which noise make the values that were seen most likely.

Rasmussen & Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, section 5.4.1. The variance of the
process is profiled out; noise is relative to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.surrogates.gaussian.kernel import Floats, matern_of_squares, squared_distances, weighted

MOST_FOR_LIKELIHOOD = 400
"""More points than these are stood for by a random choice."""
_LEAST_VARIANCE = 1e-12
_ITERATIONS = 15
_START_NOISE, _NOISE_PRIOR = -2.0, (-3.0, 2.0)
_BOUNDS, _NOISE_BOUNDS = (-5.0, 4.0), (-7.0, 1.0)
_WEIGHT_PRIOR = 2.0


def most_likely_weights(points: Sequence[Floats], values: Floats, seed: int) -> tuple[Floats, float]:
    """The weight of every block's squared distance, and the relative noise, by likelihood and weak priors.

    Args:
        points: A block each, shape ``(n, d)``, two random points about 1 apart.
        values: Shape ``(n,)``, about zero on average.
        seed: Chooses the points whose likelihood is maximised, where there are more than 400.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> matters, noise = rng.standard_normal((2, 60, 1)) / np.sqrt(2)
        >>> weights, relative_noise = most_likely_weights([matters, noise], np.sin(2 * matters[:, 0]), seed=0)
        >>> bool(weights[0] > 10 * weights[1])
        True
    """
    from scipy.linalg import solve_triangular
    from scipy.optimize import minimize

    chosen = np.random.default_rng(seed).permutation(len(values))[:MOST_FOR_LIKELIHOOD]
    values, n = values[chosen], len(chosen)
    distances = [squared_distances(block[chosen], block[chosen]) for block in points]

    def cost(logs: Floats) -> float:
        kernel = matern_of_squares(weighted(np.exp(logs[:-1]), distances))
        kernel[np.diag_indices(n)] += np.exp(logs[-1])
        root = np.linalg.cholesky(kernel)
        whitened = solve_triangular(root, values, lower=True)
        likelihood = 0.5 * n * np.log(max(whitened @ whitened / n, _LEAST_VARIANCE)) + np.log(np.diag(root)).sum()
        away = ((logs[-1] - _NOISE_PRIOR[0]) / _NOISE_PRIOR[1]) ** 2 + ((logs[:-1] / 2 / _WEIGHT_PRIOR) ** 2).sum()
        return float(likelihood + 0.5 * away)

    start = np.append(np.zeros(len(points)), _START_NOISE)
    bounds = [tuple(2 * b for b in _BOUNDS)] * len(points) + [_NOISE_BOUNDS]
    found = minimize(cost, start, method="L-BFGS-B", bounds=bounds, options={"maxiter": _ITERATIONS}).x
    return np.exp(found[:-1]), float(np.exp(found[-1]))


class Hyper(NamedTuple):
    """Of the covariance v·[Matérn-5/2(d/ℓ) + a·(same point) + b·(same cell)] what is in units of v.

    Attributes:
        length: ℓ; two random points are about 1 apart.
        shared: a, what cells of one point share beside the kernel.
        luck: b, what each cell has of its own.

    Example:
        >>> Hyper(length=2.0)._replace(luck=0.1)
        Hyper(length=2.0, shared=0.0, luck=0.1)
    """

    length: float = 1.0
    shared: float = 0.0
    luck: float = 1e-2


GRID = Hyper((0.5, 1.0, 2.0, 4.0), (0.0, 0.03, 0.1), (1e-6, 1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3))  # type: ignore[arg-type]
"""What is chosen from."""
_MOST_SWEEPS = 4


def most_likely(squares: Floats, same: NDArray[np.bool_], target: Floats, start: Hyper) -> Hyper:
    """Climb the grid from a start, along one axis after another, until no step along any is more likely.

    The mean is that of generalised least squares.

    Args:
        squares: Squared distances of the seen cells' points, shape ``(n, n)``.
        same: Whether two of them are of one point, shape ``(n, n)``.
        target: Their values, shape ``(n,)``.
        start: On the grid.

    Example:
        >>> places = np.linspace(0, 4, 40)[:, None]
        >>> noisy = np.sin(places[:, 0]) + 0.3 * np.random.default_rng(0).standard_normal(40)
        >>> squares, same = squared_distances(places, places), np.eye(40, dtype=bool)
        >>> smooth = most_likely(squares, same, np.sin(places[:, 0]), Hyper())
        >>> rough = most_likely(squares, same, noisy, Hyper())
        >>> smooth.luck < rough.luck  # what no neighbour shares is luck
        True
    """
    from scipy.linalg import solve_triangular

    n, both = len(target), np.column_stack([target, np.ones(len(target))])
    shares, diagonal = same.astype(np.float64), np.diag_indices(n)

    @cache
    def smooth(length: float) -> Floats:
        return matern_of_squares(squares / length**2)

    @cache
    def likelihood(hyper: Hyper) -> float:
        covariance = smooth(hyper.length) + hyper.shared * shares
        covariance[diagonal] += hyper.luck
        root = np.linalg.cholesky(covariance)
        white = solve_triangular(root, both, lower=True, check_finite=False)
        (yy, y1), (_, one) = white.T @ white
        variance = max(float(yy - y1**2 / one) / n, _LEAST_VARIANCE)
        return float(-n * np.log(variance) - 2 * np.log(np.diag(root)).sum())

    best = start
    for _ in range(_MOST_SWEEPS):
        before = best
        for axis in ("luck", "length", "shared"):
            best = max((best._replace(**{axis: value}) for value in getattr(GRID, axis)), key=likelihood)
        if best == before:
            break
    return best
