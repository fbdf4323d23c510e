"""The Gaussian process against its textbook formulas, written out slowly."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from surrogate_nas.gaussian import (
    Process,
    Scaling,
    matern,
    matern_of_squares,
    most_likely_on_grid,
    most_likely_weights,
    squared_distances,
)

Floats = NDArray[np.float64]
NOISE = 0.1


@pytest.fixture
def points() -> Floats:
    return np.random.default_rng(0).standard_normal((25, 3))


@pytest.fixture
def values(points: Floats) -> Floats:
    found = np.sin(points[:, 0]) + 0.5 * points[:, 1]
    return np.asarray(found - found.mean())


def kernel(left: Floats, right: Floats, length: float = 1.0) -> Floats:
    r = np.sqrt(5) * np.linalg.norm(left[:, None] - right[None], axis=2) / length
    return np.asarray((1 + r + r**2 / 3) * np.exp(-r))


def test_the_kernel_of_distances_and_of_their_squares(points: Floats) -> None:
    squared = squared_distances(points, points[:5])
    np.testing.assert_allclose(matern_of_squares(squared), kernel(points, points[:5]), atol=1e-7)
    np.testing.assert_allclose(matern(np.sqrt(squared) / 2), kernel(points, points[:5], 2.0), atol=1e-7)
    assert (squared_distances(points, points) >= 0).all()


def test_predictions_are_the_conditional_distribution(points: Floats, values: Floats) -> None:
    seen, other = points[:20], points[20:]
    process = Process.seeing(kernel(seen, seen), values[:20], NOISE)
    gain = kernel(other, seen) @ np.linalg.inv(kernel(seen, seen) + NOISE * np.eye(20))
    variance = values[:20] @ np.linalg.inv(kernel(seen, seen) + NOISE * np.eye(20)) @ values[:20] / 20
    left = 1 - np.diag(gain @ kernel(seen, other))
    mean, std = process.foresee(kernel(seen, other))
    np.testing.assert_allclose(mean, gain @ values[:20], rtol=1e-8)
    np.testing.assert_allclose(std, np.sqrt(variance * (left + NOISE)), rtol=1e-8)
    np.testing.assert_allclose(process.foresee(kernel(seen, other), luck=0.5)[1] ** 2, variance * (left + 0.05))
    np.testing.assert_array_equal(process.foresee(kernel(seen, other), luck=0.5)[0], mean)


def test_left_out_is_what_a_process_without_the_point_says(points: Floats, values: Floats) -> None:
    process = Process.seeing(kernel(points, points), values, NOISE)
    mean, std = process.left_out(values)
    for i in (0, 7, 24):
        kept = np.arange(25) != i
        without = Process.seeing(kernel(points[kept], points[kept]), values[kept], NOISE)
        there = without._replace(variance=process.variance).foresee(kernel(points[kept], points[[i]]))
        np.testing.assert_allclose([mean[i], std[i]], [there[0][0], there[1][0]], rtol=1e-8)
    np.testing.assert_allclose(process.left_out(values + 3)[0], mean + 3)


def test_the_grid_gives_the_largest_likelihood(points: Floats, values: Floats) -> None:
    lengths, noises = (0.5, 1.0, 2.0, 4.0), (0.01, 0.05, 0.2)

    def likelihood(length: float, noise: float) -> tuple[float, float]:
        covariance = kernel(points, points, length) + noise * np.eye(25)
        variance = float(values @ np.linalg.solve(covariance, values)) / 25
        return -25 * np.log(variance) - float(np.linalg.slogdet(covariance)[1]), variance

    length, noise, variance = most_likely_on_grid(np.sqrt(squared_distances(points, points)), values, lengths, noises)
    best = max((likelihood(each, n)[0], each, n) for each in lengths for n in noises)
    assert (length, noise) == best[1:]
    assert variance == pytest.approx(likelihood(length, noise)[1])


def test_a_block_that_says_nothing_gets_the_smaller_weight() -> None:
    rng = np.random.default_rng(1)
    told, nothing = rng.standard_normal((2, 120, 1)) / np.sqrt(2)
    values = np.sin(3 * told[:, 0]) + 0.05 * rng.standard_normal(120)
    weights, noise = most_likely_weights([told, nothing], values - values.mean(), seed=0)
    assert weights[0] > 20 * weights[1] and noise < 0.05


def test_scaled_points_are_one_apart_and_columns_that_do_not_vary_are_gone(points: Floats) -> None:
    block = np.column_stack([100 * points, np.ones(25)])
    scaling = Scaling.of(block)
    unit = scaling.unit(block)
    assert unit.shape == (25, 3)
    assert squared_distances(unit, unit).mean() == pytest.approx(1.0)
    np.testing.assert_array_equal(scaling.unit(block[3:5]), unit[3:5])
    np.testing.assert_allclose(np.ptp(scaling.ranged(block), axis=0), 1.0)
    assert Scaling.of(np.ones((4, 2))).unit(np.ones((3, 2))).shape == (3, 0)
