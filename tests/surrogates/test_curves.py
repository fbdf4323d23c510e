"""The process of learning curves against a dense one, and against that of BoTorch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from surrogate_nas.surrogates.curves import (
    CurveHyper,
    CurveProcess,
    Foreseen,
    most_likely_curves,
)

Floats = NDArray[np.float64]
HYPER = CurveHyper(length=0.7, common=2.0, own=0.2, memory=0.5, noise=1e-3)
N, NEW, STEPS = 12, 4, 6
PLACES = np.log(np.arange(1, STEPS + 1)) / np.log(STEPS)


@pytest.fixture
def points() -> Floats:
    return np.random.default_rng(0).random((N + NEW, 3))


@pytest.fixture
def values() -> Floats:
    """Of curves that are stopped early, have gaps, or are seen at their end alone."""
    rng = np.random.default_rng(1)
    values = rng.standard_normal((N, STEPS)) + np.linspace(3.0, 0.0, STEPS)
    values[np.arange(STEPS) > rng.integers(0, STEPS, N)[:, None]] = np.nan
    values[0] = [np.nan] * (STEPS - 1) + [0.3]
    values[1, [0, 3]] = 1.0, np.nan
    return values


def kernel(left: Floats, right: Floats, hyper: CurveHyper) -> Floats:
    r = np.sqrt(5) * np.linalg.norm(left[:, None] - right[None], axis=2) / hyper.length
    same = (left[:, None] == right[None]).all(axis=2)
    return np.asarray((1 + r + r**2 / 3) * np.exp(-r) + hyper.common + hyper.own * same)


def dense(points: Floats, values: Floats, hyper: CurveHyper) -> tuple[Floats, Floats, float]:
    """Mean and variance of all cells at the last step, and the logarithm of the likelihood up to a
    constant, by one Cholesky factor of everything.
    """
    over_steps = np.exp(-np.abs(np.subtract.outer(PLACES, PLACES)) / hyper.memory)
    whole = np.kron(kernel(points, points, hyper), over_steps)
    seen = np.vstack([~np.isnan(values), np.zeros((len(points) - len(values), STEPS), dtype=bool)])
    here = np.flatnonzero(seen.ravel())
    told = values[~np.isnan(values)]
    observed = whole[np.ix_(here, here)] + hyper.noise * np.eye(len(here))
    fit = np.linalg.solve(observed, told - told.mean())
    variance = float((told - told.mean()) @ fit) / len(here)
    ends = np.arange(STEPS - 1, len(whole), STEPS)
    across = whole[np.ix_(ends, here)]
    explained = np.einsum("ij,ji->i", across, np.linalg.solve(observed, across.T))
    likelihood = -len(here) * np.log(variance) - np.linalg.slogdet(observed)[1]
    left = variance * (np.diag(whole)[ends] - explained + hyper.noise)
    return told.mean() + across @ fit, left, float(likelihood)


def joined(parts: Sequence[Foreseen]) -> Foreseen:
    return Foreseen(*map(np.concatenate, zip(*parts, strict=True)))


def test_curves_and_new_cells_are_predicted_as_by_the_dense_process(
    points: Floats, values: Floats
) -> None:
    process = CurveProcess(PLACES, HYPER, points[:N], ~np.isnan(values))
    found = joined([process.predict(values), process.predict_new(points[N:])])
    mean, variance, _ = dense(points, values, HYPER)
    np.testing.assert_allclose(found.mean, mean, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.variance, variance, rtol=1e-8)


def test_values_may_come_one_by_one_in_any_order_and_curves_later(
    points: Floats, values: Floats
) -> None:
    nothing = np.zeros((2, STEPS), dtype=bool)
    process = CurveProcess(PLACES, HYPER, points[:2], nothing)
    seen = np.argwhere(~np.isnan(values))
    order = np.random.default_rng(2).permutation(len(seen))
    for place in order:
        curve, step = (int(number) for number in seen[place])
        if curve >= process.n:
            process.add(points[process.n : curve + 1])
        process.observe(curve, step)
    process.add(points[process.n : N])
    found = joined([process.predict(values), process.predict_new(points[N:])])
    mean, variance, _ = dense(points, values, HYPER)
    np.testing.assert_allclose(found.mean, mean, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.variance, variance, rtol=1e-7)


def test_more_curves_than_there_was_room_for(points: Floats, values: Floats) -> None:
    many = np.vstack([points, np.random.default_rng(3).random((70, 3))])
    process = CurveProcess(PLACES, HYPER, points[:N], ~np.isnan(values))
    process.add(many[N:])
    found = process.predict(np.vstack([values, np.full((len(many) - N, STEPS), np.nan)]))
    mean, variance, _ = dense(many, values, HYPER)
    np.testing.assert_allclose(found.mean, mean, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.variance, variance, rtol=1e-8)


def test_the_most_likely_hyperparameters_are_those_of_the_dense_likelihood(
    points: Floats, values: Floats
) -> None:
    best = most_likely_curves(PLACES, points[:N], values, CurveHyper(), seed=0)
    reached = dense(points[:N], values, best)[2]
    assert reached > dense(points[:N], values, CurveHyper())[2]
    other = {
        "length": (0.5, 1.0, 2.0, 4.0),
        "common": (3.0, 30.0, 300.0),
        "own": (0.01, 0.03, 0.1, 0.3, 1.0),
        "memory": (0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
        "noise": (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3),
    }
    for name, along in other.items():
        for value in along:
            assert dense(points[:N], values, best._replace(**{name: value}))[2] <= reached + 1e-8


def test_what_the_next_value_explains_is_what_it_takes_from_the_variance(points: Floats) -> None:
    """Exactly, of one curve alone where nothing is shared."""
    seen = np.arange(STEPS)[None] < 2
    values = np.arange(STEPS)[None] ** 2.0

    def in_units(process: CurveProcess) -> tuple[Floats, Floats]:
        found = process.predict(values)
        return found.variance / process._variance, found.explained / process._variance

    process = CurveProcess(PLACES, HYPER._replace(common=0.0), points[:1], seen)
    before, explained = in_units(process)
    process.observe(0, 2)
    np.testing.assert_allclose(in_units(process)[0], before - explained, rtol=1e-9)


def test_nothing_is_left_to_explain_at_the_end(points: Floats, values: Floats) -> None:
    process = CurveProcess(PLACES, HYPER, points[:N], ~np.isnan(values))
    found = process.predict(values)
    ended = ~np.isnan(values[:, -1])
    assert ended.any() and not found.explained[ended].any() and found.explained[~ended].all()
    assert (found.explained <= found.variance).all()
    new = process.predict_new(points[N:])
    assert (0 < new.explained).all() and (new.explained < new.variance).all()


def test_it_is_the_latent_kronecker_process_of_botorch(points: Floats, values: Floats) -> None:
    models = pytest.importorskip("botorch.models.latent_kronecker_gp")
    import torch
    from gpytorch.kernels import ConstantKernel, MaternKernel, ScaleKernel
    from gpytorch.likelihoods import GaussianLikelihood

    def tensor(numbers: Floats | float) -> torch.Tensor:
        return torch.tensor(numbers, dtype=torch.float64)

    hyper = HYPER._replace(own=0.0)
    process = CurveProcess(PLACES, hyper, points[:N], ~np.isnan(values))
    found = joined([process.predict(values), process.predict_new(points[N:])])
    centre = float(np.nanmean(values))
    of_points, of_all = MaternKernel(2.5).double(), ConstantKernel().double()
    of_steps, noise = ScaleKernel(MaternKernel(0.5)).double(), GaussianLikelihood().double()
    of_points.lengthscale = hyper.length
    of_all.constant = tensor(hyper.common)
    of_steps.base_kernel.lengthscale = hyper.memory
    of_steps.outputscale = process._variance
    noise.noise = hyper.noise * process._variance
    model = models.LatentKroneckerGP(
        tensor(points[:N]),
        tensor(PLACES[:, None]),
        tensor(values - centre),
        likelihood=noise,
        covar_module_X=of_points + of_all,
        covar_module_T=of_steps,
        outcome_transform=None,
    )
    model.eval()
    with torch.no_grad(), model.use_iterative_methods(tol=1e-10):
        posterior = model.posterior(tensor(points), tensor(PLACES[-1:, None]))
        mean, variance = (part.ravel().numpy() for part in (posterior.mean, posterior.variance))
    np.testing.assert_allclose(found.mean, mean + centre, rtol=0, atol=1e-6)
    left = variance + hyper.noise * process._variance
    np.testing.assert_allclose(found.variance, left, rtol=1e-6)
