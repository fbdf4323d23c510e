"""Losses with their gradients in NumPy: each against autograd of PyTorch's own operators, in either
order of memory and at the extremes.
"""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surrogate_nas.training.losses import LOSSES, fitting
from surrogate_nas.training.losses.adversarial import AdversarialLoss
from tests.training.losses_in_torch import DISCRIMINATING, EACH

ONE_AXIS = fitting("generation")
"""Losses of scores, one for each example, and not of outputs."""
OF_CLASSES = fitting("segmentation")
"""All losses of classes: pixels have each a class, too."""
OF_NUMBERS = [*fitting("regression"), "l1"]
SCALES = st.sampled_from([0.0, 1e-3, 1.0, 1.0, 1.0, 30.0, 1e3, 1e5])
"""Of outputs: from all alike to those whose exponentials overflow."""


def innermost(values, gap):
    """The same with the batch innermost in memory, and a gap between two rows of it."""
    axes = (*range(3, values.ndim), *((2,) if values.ndim > 2 else ()), 0, 1)
    there = values.transpose(axes)
    held = np.empty((*there.shape[:-1], there.shape[-1] + gap), values.dtype)[
        ..., : there.shape[-1]
    ]
    held[...] = there
    return held.transpose(np.argsort(axes))


def by_autograd(loss, outputs, targets):
    given = torch.from_numpy(np.ascontiguousarray(outputs)).double().requires_grad_()
    wanted = torch.from_numpy(targets)
    values = EACH[loss.name](
        given, wanted.double() if wanted.is_floating_point() else wanted
    )
    (gradient,) = torch.autograd.grad(values.mean(1).sum(), given)
    return values.detach().numpy(), gradient.numpy()


def hold(loss, outputs, targets, floor=1e-4, single=1e-6, double=1e-9):
    """In float64 within `double`, in float32 half of the numbers within `single`, of what PyTorch
    finds in float64.

    Relative to each number and the largest; a `floor` is what all of them may count as at least:
    where every example is right beyond doubt, what is left is rounding.
    """
    assert loss.gradient
    for layout in (
        np.ascontiguousarray,
        lambda x: innermost(x, 0),
        lambda x: innermost(x, 3),
    ):
        for kind, near in ((np.float64, double), (np.float32, single)):
            given = layout(outputs.astype(kind))
            expected = by_autograd(loss, given, targets)
            before = given.copy()
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = loss.gradient(given, targets)
            assert np.array_equal(given, before)
            for value, right in zip(found, expected, strict=True):
                assert value.dtype == kind and value.shape == right.shape
                scale = (
                    np.abs(right).max()
                    + (floor if kind is np.float64 else 1) / right[0].size
                )
                off = np.abs(value - right) / (np.abs(right) + scale)
                assert (
                    off.max() < near if kind is np.float64 else np.median(off) < near
                ), (
                    loss.name,
                    off.max(),
                )
            if given.strides[1] == given.itemsize and given[0].size > 1:
                assert found[1].strides[1] == found[1].itemsize or given.shape[1] == 1


def outputs_of(rng, scale, *shape):
    """Every third time rounded, so that some are equal."""
    outputs = scale * rng.standard_normal(shape)
    return outputs.round() if rng.integers(3) == 0 else outputs


SEEDS = st.integers(0, 2**32 - 1)
COUNTS = st.integers(1, 3)
BATCHES = st.integers(1, 6)


def test_every_loss_has_a_gradient_and_a_reference():
    assert [name for name, loss in LOSSES.items() if loss.gradient is None] == []
    assert {*EACH} == {*LOSSES}
    tested = (*OF_CLASSES, *OF_NUMBERS, "ssim", *ONE_AXIS)
    tested += tuple(
        name for kind in ("detection", "sequence", "policy") for name in fitting(kind)
    )
    assert {*tested} == {*LOSSES}


@pytest.mark.parametrize("name", OF_CLASSES)
@settings(max_examples=30, deadline=None)
@given(
    SEEDS,
    COUNTS,
    BATCHES,
    st.integers(2, 7),
    st.lists(st.integers(1, 5), max_size=2),
    SCALES,
)
def test_of_classes(name, seed, count, batch, classes, sides, scale):
    rng = np.random.default_rng(seed)
    sides = sides or ([2, 3] if name == "dice" else [])
    outputs = outputs_of(rng, scale, count, batch, classes, *sides)
    hold(LOSSES[name], outputs, rng.integers(classes, size=(batch, *sides)))


@pytest.mark.parametrize("name", OF_CLASSES)
def test_of_classes_where_arrays_are_large(name):
    rng = np.random.default_rng(0)
    for classes, sides in ((11, (8, 9)), (2, (31, 9))):
        outputs = outputs_of(rng, 2.0, 2, 10, classes, *sides)
        hold(LOSSES[name], outputs, rng.integers(classes, size=(10, *sides)))


@pytest.mark.parametrize("name", OF_NUMBERS)
@settings(max_examples=30, deadline=None)
@given(
    SEEDS,
    COUNTS,
    BATCHES,
    st.sampled_from([(1,), (5,), (1, 4, 3)]),
    SCALES,
    st.booleans(),
)
def test_of_numbers(name, seed, count, batch, shape, scale, equal):
    if name == "l1":
        shape = (1, 4, 3)
    rng = np.random.default_rng(seed)
    targets = rng.standard_normal((batch, *shape)).round(1).astype(np.float32)
    outputs = outputs_of(rng, scale, count, batch, *shape)
    if equal:
        outputs[0] = targets
    hold(LOSSES[name], outputs, targets[:, 0] if shape == (1,) else targets)


@settings(max_examples=30, deadline=None)
@given(
    SEEDS,
    COUNTS,
    BATCHES,
    st.integers(1, 2),
    st.integers(1, 10),
    st.integers(5, 10),
    st.booleans(),
)
def test_ssim(seed, count, batch, channels, height, width, negative):
    rng = np.random.default_rng(seed)
    targets = rng.random((batch, channels, height, width)).astype(np.float32)
    outputs = rng.random((count, *targets.shape)) - negative
    if count * batch > 2:
        outputs[0, 0] = targets[0]  # where all is rounding
    hold(
        LOSSES["ssim"], outputs, targets, floor=1e-3, single=1e-5
    )  # variances are differences


@pytest.mark.parametrize("name", fitting("detection"))
@settings(max_examples=30, deadline=None)
@given(
    SEEDS,
    COUNTS,
    BATCHES,
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.1, 1.0, 1.0, 30.0]),
)
def test_of_boxes(name, seed, count, batch, rows, columns, scale):
    """Several objects may be in one place, some have no area, and with a scale of 0 edges fall
    together.
    """
    rng = np.random.default_rng(seed)
    classes = 3
    objects = int(rng.integers(1, 4))
    kinds = rng.integers(-1, classes, (batch, objects, 1))
    middles = rng.uniform(0, (4 * columns, 4 * rows), (batch, objects, 2))
    boxes = np.concatenate([middles, rng.uniform(0, 12, (batch, objects, 2))], 2)
    if scale == 0:
        boxes = np.concatenate(
            [middles // 4 * 4 + 2, np.full((batch, objects, 2), 8.0)], 2
        )
    targets = np.where(
        kinds < 0, [-1.0, 0, 0, 0, 0], np.concatenate([kinds, boxes], 2)
    ).astype(np.float32)
    outputs = outputs_of(rng, scale, count, batch, 1 + classes + 4, rows, columns)
    loss = LOSSES[name]
    hold(loss, outputs, targets.astype(np.float64) if name == "detection" else targets)


@pytest.mark.parametrize("name", fitting("sequence"))
@settings(max_examples=30, deadline=None)
@given(
    SEEDS,
    COUNTS,
    BATCHES,
    st.integers(2, 5),
    st.integers(1, 5),
    st.integers(1, 12),
    SCALES,
)
def test_of_sequences(name, seed, count, batch, classes, longest, positions, scale):
    rng = np.random.default_rng(seed)
    targets = rng.integers(1, classes, (batch, longest))
    targets[np.arange(longest) >= rng.integers(0, longest + 1, (batch, 1))] = 0
    outputs = outputs_of(rng, scale, count, batch, classes, positions)
    # likelihoods of many alignments are sums of products
    hold(LOSSES[name], outputs, targets, double=1e-8)


def test_ctc_of_long_sequences_and_of_what_float64_cannot_hold():
    rng = np.random.default_rng(0)
    targets = rng.integers(1, 6, (4, 12))
    for scale, positions in ((1.0, 200), (200.0, 64), (1.0, 900)):
        hold(LOSSES["ctc"], outputs_of(rng, scale, 2, 4, 6, positions), targets)


@pytest.mark.parametrize("name", fitting("policy"))
@settings(max_examples=30, deadline=None)
@given(SEEDS, COUNTS, BATCHES, st.integers(2, 5), st.sampled_from([0.0, 0.1, 1.0, 3.0]))
def test_of_returns(name, seed, count, batch, actions, scale):
    rng = np.random.default_rng(seed)
    outputs = outputs_of(rng, scale, count, batch, actions)
    taken = rng.integers(actions, size=batch)
    logs = outputs - np.log(np.exp(outputs).sum(2, keepdims=True))
    before = logs[0, np.arange(batch), taken] + 0.3 * rng.standard_normal(batch)
    better = rng.standard_normal(batch).round(1)
    hold(LOSSES[name], outputs, np.stack([taken, better, before], 1))


@pytest.mark.parametrize("name", ONE_AXIS)
@settings(max_examples=30, deadline=None)
@given(SEEDS, COUNTS, BATCHES, SCALES)
def test_of_scores(name, seed, count, batch, scale):
    loss = LOSSES[name]
    rng = np.random.default_rng(seed)
    assert isinstance(loss, AdversarialLoss) and loss.discriminating_gradient
    made = outputs_of(rng, scale, count, batch)
    real = outputs_of(rng, scale, batch)
    hold(loss, made, real)
    scores = [torch.from_numpy(one).requires_grad_() for one in (made[0], real)]
    expected = DISCRIMINATING[name](*scores)
    value, *gradients = loss.discriminating_gradient(made[0], real)
    assert value == pytest.approx(expected.item(), rel=1e-9)
    for found, right in zip(
        gradients, torch.autograd.grad(expected, scores), strict=True
    ):
        np.testing.assert_allclose(found, right.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ONE_AXIS])
def test_outputs_that_are_not_finite_give_losses_that_are_not(name, wrong):
    """Silently, and of no other example."""
    loss = LOSSES[name]
    rng = np.random.default_rng(0)
    assert loss.gradient
    kind = loss.fits[-1]
    shape, targets = {
        "segmentation": ((4, 2, 2), rng.integers(4, size=(3, 2, 2))),
        "regression": ((2,), rng.standard_normal((3, 2))),
        "reconstruction": ((1, 8, 8), rng.random((3, 1, 8, 8))),
        "detection": ((8, 2, 2), np.tile([1.0, 3.0, 3.0, 5.0, 5.0], (3, 1, 1))),
        "sequence": ((4, 5), np.tile([1, 2], (3, 1))),
        "policy": ((4,), np.tile([1.0, 0.5, -1.0], (3, 1))),
    }[kind]
    outputs = rng.standard_normal((1, 3, *shape))
    usual, _ = loss.gradient(outputs, targets)
    outputs[0, 1] = wrong
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, _ = loss.gradient(outputs, targets)
    assert np.isfinite(found[0]).tolist() == [True, False, True]
    np.testing.assert_allclose(found[0, [0, 2]], usual[0, [0, 2]], rtol=1e-12)


@pytest.mark.parametrize(
    "name", ["cross_entropy", "brier", "squared", "expected_return"]
)
def test_a_loss_can_be_differentiated_twice_by_pytorch(name):
    rng = np.random.default_rng(0)
    targets = torch.tensor([0, 2, 1])
    if name == "squared":
        targets = torch.from_numpy(rng.standard_normal((3, 4)))
    if name == "expected_return":
        targets = torch.from_numpy(np.tile([1.0, 0.5, -1.0], (3, 1)))
    for scale, dtype, near in ((1.0, torch.float64, 1e-8), (20.0, torch.float32, 1e-5)):
        outputs = torch.from_numpy(scale * rng.standard_normal((2, 3, 4))).to(dtype)
        found = []
        for each in (LOSSES[name].each, EACH[name]):
            leaf = outputs.clone().requires_grad_()
            (by,) = torch.autograd.grad(
                each(leaf, targets).mean(1).sum(), leaf, create_graph=True
            )
            found.append(torch.autograd.grad(by.square().sum(), leaf)[0])
        torch.testing.assert_close(*found, rtol=near, atol=near)
