"""Generation and denoising: losses against formulas, measures against baselines, and what good
cells make of it.
"""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.ndimage import gaussian_filter, median_filter
from sklearn.linear_model import Ridge

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.training import TASKS, train
from surrogate_nas.training.losses import LOSSES
from surrogate_nas.training.metrics import METRICS, Predictions
from surrogate_nas.training.metrics.generation import frechet
from surrogate_nas.training.trainers.adversarial import Adversarial
from tests.training.losses_in_torch import EACH

CELL = nb201().parse(
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_3x3~0|none~1|nor_conv_3x3~2|"
)
DEAD = nb201().parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
CLEANER = nb201().parse(
    "|nor_conv_1x1~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|none~0|skip_connect~1|none~2|"
)


def judged(task, measure, outputs):
    inputs, targets = task.data["test"]
    return (
        METRICS[measure]
        .of(Predictions(outputs[None], targets, inputs, task, lambda _: np.zeros(0)))
        .item()
    )


def made(task):
    """Images that need no generator, by name, as many as the test split has."""
    train_images, test = (task.data[name].targets for name in ("train", "test"))
    pixels = train_images.reshape(len(train_images), -1).astype(np.float64)
    rng = np.random.default_rng(0)
    normal = rng.multivariate_normal(pixels.mean(0), np.cov(pixels.T), len(test))
    return {
        "noise": rng.random(test.shape),
        "normal": normal.reshape(test.shape),
        "mean": np.broadcast_to(train_images.mean(0, keepdims=True), test.shape),
        "repeated": np.broadcast_to(train_images[:1], test.shape),
        "real": train_images[: len(test)],
    }


def test_the_frechet_distance_is_that_of_its_formula():
    a, b = (
        np.random.default_rng(seed).standard_normal((50, 3)) @ np.diag([1, 2, seed])
        + seed
        for seed in (1, 2)
    )
    roots = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(
        np.cov(a.T) + np.cov(b.T) - 2 * roots
    )
    assert frechet(a, b) == pytest.approx(expected)
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert np.isnan(frechet(a * np.nan, b))


def test_measures_order_images_that_need_no_generator():
    task = TASKS["generation"]
    images = made(task)
    distance = {name: judged(task, "frechet", one) for name, one in images.items()}
    covered = {name: judged(task, "coverage", one) for name, one in images.items()}
    assert (
        distance["real"]
        < distance["normal"]
        < 10
        < distance["mean"]
        < distance["noise"]
        < distance["repeated"]
    )
    assert (
        covered["real"]
        > 0.9
        > covered["normal"]
        > 0.2
        > 0.1
        > max(covered[name] for name in ("noise", "mean", "repeated"))
    )


@pytest.mark.slow
def test_a_good_cell_makes_digits_and_a_dead_one_collapses():
    task = TASKS["generation"]
    images = made(task)
    found = [train([CELL], task, seed=seed)[0] for seed in (0, 1)]
    distances = [curve.finals["test_frechet"] for curve in found]
    rivals = [
        judged(task, "frechet", images[name]) for name in ("noise", "repeated", "mean")
    ]
    assert max(distances) + abs(distances[0] - distances[1]) < min(rivals)
    assert min(curve.finals["test_coverage"] for curve in found) > judged(
        task, "coverage", images["mean"]
    )
    dead = train([DEAD], task, seed=0, epochs=1)[0]
    assert (
        dead.note.startswith("collapsed: test coverage 0.0")
        and dead.finals["test_coverage"] < 0.1
    )


def test_a_discriminator_learns_to_tell_noise_from_digits():
    task = TASKS["generation"]
    noise = (
        np.random.default_rng(0).standard_normal((1, 50, 1, 8, 8)).astype(np.float32)
    )
    own = replace(
        task.trained,
        each=EACH["adversarial"],
        gradient=None,
    )
    found = []
    for outputs, loss in (
        (noise, task.trained),
        (noise, own),
        (torch.from_numpy(noise), own),
    ):
        trainer = Adversarial(replace(task, loss=loss), task.data, seed=0)
        batches = (batch for epoch in (0, 1) for batch in trainer.batches(epoch, len))
        values, gradients = zip(
            *(trainer.loss_and_gradient(outputs, targets) for _, targets in batches),
            strict=True,
        )
        assert (
            values[0].shape == (1,)
            and values[0].dtype == np.float64
            and values[-1][0] > values[0][0] + 1
        )
        assert (
            type(gradients[0]) is type(outputs) and gradients[0].shape == outputs.shape
        )
        found.append((np.stack(values), np.asarray(gradients[-1])))
    for values, gradient in found[1:]:
        np.testing.assert_allclose(values, found[0][0], rtol=1e-4)
        np.testing.assert_allclose(gradient, found[0][1], rtol=1e-2, atol=1e-5)
    with pytest.raises(UserError, match="not an AdversarialLoss"):
        Adversarial(TASKS["denoising"], task.data, seed=0)


def test_images_that_are_not_finite_make_losses_that_are_not():
    task = TASKS["generation"]
    trainer = Adversarial(task, task.data, seed=0)
    _, targets = next(iter(trainer.batches(0, len)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses, gradient = trainer.loss_and_gradient(
            np.full((1, 50, 1, 8, 8), np.nan, np.float32), targets
        )
    assert np.isnan(losses).all() and np.isnan(gradient).all()


def test_a_good_cell_denoises_better_than_filters_and_a_linear_one():
    task = TASKS["denoising"]
    noisy, clean = task.data["test"]
    patches, targets = task.data["train"]

    def windows(images):
        padded = np.pad(images[:, 0], ((0, 0), (1, 1), (1, 1)))
        return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2)).reshape(
            -1, 9
        )

    linear = (
        Ridge(1.0)
        .fit(windows(patches), targets.ravel())
        .predict(windows(noisy))
        .reshape(clean.shape)
    )
    filters = [
        noisy,
        gaussian_filter(noisy, (0, 0, 0.7, 0.7)),
        median_filter(noisy, (1, 1, 3, 3)),
        linear,
    ]
    rivals = [judged(task, "psnr", one) for one in filters]
    found = [
        train([CLEANER], task, seed=seed)[0].finals["test_psnr"] for seed in (0, 1)
    ]
    assert max(rivals) + abs(found[0] - found[1]) < min(found)
    assert rivals[0] == pytest.approx(-20 * np.log10(0.3), abs=0.1)


def test_a_negative_is_not_similar():
    images = torch.from_numpy(TASKS["denoising"].data["test"].targets[:4])
    same, negative = (
        LOSSES["ssim"].each(one[None], images)[0] for one in (images, -images)
    )
    assert same.abs().max() < 1e-5 and negative.min() > 1
