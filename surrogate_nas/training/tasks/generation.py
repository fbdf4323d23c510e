"""Generation: handwritten digits of 8×8 pixels from noise, by a generator made of the cell and
trained adversarially.

The noise of an image is a point of a space of six dimensions, the same at every pixel, beside two
channels that say where the pixel is; the generator keeps that size and answers every pixel. Real
images are scikit-learn's scans, scaled to values from 0 to 1. Judged by distances in the features
of a small fixed classifier; lower is better.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.tasks.base import SPLIT_SEED, Schedule, Task, as_split
from surrogate_nas.training.tasks.checking import Split
from surrogate_nas.training.tasks.digits import BRIGHTEST, scans

_DIMENSIONS = 6


def load() -> dict[str, Split]:
    """Noise with as many real images: 1,000 / 400 / 397."""
    rng = np.random.default_rng(SPLIT_SEED)
    return {
        name: as_split(noise(len(split.inputs), split.inputs.shape[3], rng), split.inputs)
        for name, split in scans(BRIGHTEST).items()
    }


def noise(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Standard normal points, spread over all pixels, and the pixels' coordinates, shape
    ``(n, 8, size, size)``.
    """
    points = rng.standard_normal((n, _DIMENSIONS, 1, 1)) * np.ones((size, size))
    places = np.stack(np.meshgrid(*2 * [np.linspace(-1.5, 1.5, size)]))
    return np.concatenate([points, np.broadcast_to(places, (n, *places.shape))], axis=1)


TASK = Task(
    name="generation",
    title="digits from noise, 8×8, against a discriminator; judged by a Fréchet distance",
    load=load,
    classes=1,
    kind="generation",
    channels=12,
    residual=False,
    schedule=Schedule(
        epochs=6,
        batch=50,
        learning_rate=0.05,
        momentum=0.5,
    ),
    source="scikit-learn's copy of the UCI optical recognition of handwritten digits",
)
