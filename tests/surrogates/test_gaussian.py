"""The Gaussian process against its textbook formulas, written out slowly."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import approx_fprime

from surrogate_nas.space import nb201
from surrogate_nas.surrogates.base import CHUNK, Scaling
from surrogate_nas.surrogates.gaussian import (
    FittedProcess,
    GaussianProcess,
    GrowingProcess,
    Hyper,
    matern_of_squares,
    most_likely_weights,
    squared_distances,
)

Floats = NDArray[np.float64]
NOISE = 0.1


@pytest.fixture
def points():
    return np.random.default_rng(0).standard_normal((25, 3))


@pytest.fixture
def values(points):
    found = np.sin(points[:, 0]) + 0.5 * points[:, 1]
    return np.asarray(found - found.mean())


def kernel(left, right, length=1.0):
    r = np.sqrt(5) * np.linalg.norm(left[:, None] - right[None], axis=2) / length
    return np.asarray((1 + r + r**2 / 3) * np.exp(-r))


def test_the_kernel_of_squared_distances(points):
    squared = squared_distances(points, points[:5])
    np.testing.assert_allclose(
        matern_of_squares(squared), kernel(points, points[:5]), atol=1e-7
    )
    assert (squared_distances(points, points) >= 0).all()


def test_predictions_are_the_conditional_distribution(points, values):
    seen = points[:20]
    other = points[20:]
    process = FittedProcess.seeing(kernel(seen, seen), values[:20], NOISE)
    gain = kernel(other, seen) @ np.linalg.inv(kernel(seen, seen) + NOISE * np.eye(20))
    variance = (
        values[:20]
        @ np.linalg.inv(kernel(seen, seen) + NOISE * np.eye(20))
        @ values[:20]
        / 20
    )
    left = 1 - np.diag(gain @ kernel(seen, other))
    mean, std = process.predict(kernel(seen, other))
    np.testing.assert_allclose(mean, gain @ values[:20], rtol=1e-8)
    np.testing.assert_allclose(std, np.sqrt(variance * (left + NOISE)), rtol=1e-8)


def test_left_out_is_what_a_process_without_the_point_says(points, values):
    process = FittedProcess.seeing(kernel(points, points), values, NOISE)
    mean, std = process.left_out(values)
    for i in (0, 7, 24):
        kept = np.arange(25) != i
        without = FittedProcess.seeing(
            kernel(points[kept], points[kept]), values[kept], NOISE
        )
        there = without._replace(variance=process.variance).predict(
            kernel(points[kept], points[[i]])
        )
        np.testing.assert_allclose(
            [mean[i], std[i]], [there[0][0], there[1][0]], rtol=1e-8
        )
    np.testing.assert_allclose(process.left_out(values + 3)[0], mean + 3)


PLACES = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 3])
"""Twelve seen cells at ten places."""
HYPER = Hyper(1.5, 0.1, 0.05)


def to_everywhere(points):
    same = np.equal.outer(PLACES, np.arange(len(points)))
    return np.asarray(
        kernel(points[PLACES], points, HYPER.length) + HYPER.shared * same
    )


def at(rows, part):
    return rows[:, part]


def covariance(points, places, hyper):
    """Of cells at some places, written out."""
    same = hyper.shared * np.equal.outer(places, places)
    return (
        kernel(points[places], points[places], hyper.length)
        + same
        + hyper.noise * np.eye(len(places))
    )


def conditioned(points, places, target, hyper):
    """Mean and variance of a further cell at every point, by generalised least squares with
    inverses.
    """
    inverse = np.linalg.inv(covariance(points, places, hyper))
    ones = np.ones(len(places))
    level = ones @ inverse @ target / (ones @ inverse @ ones)
    same = np.equal.outer(np.arange(len(points)), places)
    to_all = kernel(points, points[places], hyper.length) + hyper.shared * same
    variance = (target - level) @ inverse @ (target - level) / len(places)
    left = (
        1
        + hyper.shared
        + hyper.noise
        - np.einsum("ij,jk,ik->i", to_all, inverse, to_all)
    )
    return level + to_all @ inverse @ (target - level), variance * left


@pytest.mark.parametrize("at_once", [0, 1, 7, 12])
def test_what_is_seen_at_once_or_in_turn_is_the_conditional_distribution(
    points, values, at_once
):
    hyper, to_all = HYPER, to_everywhere(points)
    process = GrowingProcess(25, 1 + hyper.shared, hyper.noise)
    target = values[:12] + 3.0
    for n in (*([at_once] if at_once else []), *range(at_once + 1, 13), 12):
        new = slice(process.n_observed, n)
        mean, variance = process.predict(
            target[:n], PLACES[new], partial(at, to_all[new]), PLACES[:0], to_all[:0]
        )
    expected = conditioned(points, PLACES, target, hyper)
    np.testing.assert_allclose(mean, expected[0], rtol=1e-8)
    np.testing.assert_allclose(variance, expected[1], rtol=1e-8)


def test_pending_cells_take_their_variance_and_leave_the_mean(points, values):
    hyper, to_all = HYPER, to_everywhere(points)
    told = PLACES[:8]
    pending = PLACES[8:]
    process = GrowingProcess(25, 1 + hyper.shared, hyper.noise)
    covariance = partial(at, to_all[:8])
    before = process.predict(values[:8], told, covariance, pending[:0], to_all[:0])
    mean, variance = process.predict(
        values[:8], told[:0], partial(at, to_all[:0]), pending, to_all[8:]
    )
    believed = np.concatenate([values[:8], before.mean[pending]])
    np.testing.assert_allclose(
        mean, conditioned(points, PLACES, believed, hyper)[0], atol=1e-8
    )
    (of_all, of_told) = (
        conditioned(points, p, np.sin(np.arange(len(p))), hyper)[1]
        for p in (PLACES, told)
    )
    shares = (of_all / of_all[15]) / (
        of_told / of_told[15]
    )  # each has a variance of its own
    np.testing.assert_allclose(
        (variance / variance[15]) / (before.variance / before.variance[15]), shares
    )


def test_a_block_that_says_nothing_gets_the_smaller_weight():
    rng = np.random.default_rng(1)
    told, nothing = rng.standard_normal((2, 120, 1)) / np.sqrt(2)
    values = np.sin(3 * told[:, 0]) + 0.05 * rng.standard_normal(120)
    weights, noise = most_likely_weights(
        [told, nothing], values - values.mean(), seed=0
    )
    assert weights[0] > 20 * weights[1] and noise < 0.05


def test_the_likelihood_of_weights_has_the_gradient_of_finite_differences(
    points, values, monkeypatch
):
    noted = {}

    def minimize(cost, start, **_):
        noted.update(cost=cost, start=start)
        return SimpleNamespace(x=start)

    monkeypatch.setattr("scipy.optimize.minimize", minimize)
    start = np.array([0.5, 2.0, 0.1])
    found = most_likely_weights(
        [points[:, :1], points[:, 1:]], values, 0, spread=0.7, start=start
    )
    np.testing.assert_allclose(np.append(*found), start)
    cost = noted["cost"]
    for logs in (noted["start"], np.array([2.0, -3.0, -4.0])):
        slopes = approx_fprime(logs, lambda at: cost(at)[0], 1e-6)
        np.testing.assert_allclose(cost(logs)[1], slopes, rtol=1e-4)


def test_a_narrow_prior_holds_weights_together(points, values):
    blocks = [points[:, [column]] for column in range(3)]
    apart = [
        np.ptp(np.log(most_likely_weights(blocks, values, 0, spread)[0]))
        for spread in (0.1, 2.0)
    ]
    assert apart[0] < 0.3 < 1.5 < apart[1]


def test_scaled_points_are_one_apart_and_columns_that_do_not_vary_are_gone(points):
    block = np.column_stack([100 * points, np.ones(25)])
    scaling = Scaling.of(block)
    unit = scaling.unit(block)
    assert unit.shape == (25, 3)
    assert squared_distances(unit, unit).mean() == pytest.approx(1.0)
    np.testing.assert_array_equal(scaling.unit(block[3:5]), unit[3:5])
    np.testing.assert_allclose(np.ptp(unit, axis=0) * np.sqrt(scaling.distance), 1.0)
    assert Scaling.of(np.ones((4, 2))).unit(np.ones((3, 2))).shape == (3, 0)


class Noting(GaussianProcess):
    """Notes the shapes of the kernels."""

    def _kernel(self, left, right):
        kernel = super()._kernel(left, right)
        self.shapes = [*getattr(self, "shapes", []), kernel.shape]
        return kernel


def test_many_cells_are_predicted_block_by_block_to_the_same_values():
    space = nb201()
    seen = space[::400]
    model = Noting("loss").fit(seen, [1.0 + sum(cell.choices) for cell in seen])
    model.shapes = []
    whole = model.predict(space)
    assert {shape[1] for shape in model.shapes} == {CHUNK, len(space) % CHUNK}
    parts = [model.predict(space[i : i + 1000]) for i in range(0, len(space), 1000)]
    np.testing.assert_allclose(whole, np.concatenate(parts, axis=1), rtol=1e-9)
