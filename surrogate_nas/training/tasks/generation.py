"""Generation of handwritten digits of 8×8 pixels from noise. The generator contains the cell and is
trained adversarially.

The noise of an image is a point with six coordinates, the same at every pixel. Two further input
channels contain the row and column of the pixel. The real images are scikit-learn's scans of
digits, with values from 0 to 1.
"""

import numpy as np

from surrogate_nas.training.tasks import (
    Array,
    Schedule,
    Splits,
    Task,
    as_split,
    split_rng,
)
from surrogate_nas.training.tasks.digits import BRIGHTEST, scans

_DIMENSIONS = 6


def load() -> Splits:
    """Return splits of noise with the same number of real images: 1,000 for training, 400 for
    validation, 397 for testing.
    """
    rng = split_rng()
    return {
        name: as_split(
            noise(len(split.inputs), split.inputs.shape[3], rng), split.inputs
        )
        for name, split in scans(BRIGHTEST).items()
    }


def noise(n: int, size: int, rng: np.random.Generator) -> Array:
    """Return the inputs of the generator, shape ``(n, 8, size, size)``: standard normal points
    repeated at all pixels, and the pixels' coordinates.
    """
    points = rng.standard_normal((n, _DIMENSIONS, 1, 1)) * np.ones((size, size))
    coordinates = np.stack(np.meshgrid(*2 * [np.linspace(-1.5, 1.5, size)]))
    return np.concatenate(
        [points, np.broadcast_to(coordinates, (n, *coordinates.shape))], axis=1
    )


TASK = Task(
    name="generation",
    title="digits from noise, 8×8, against a discriminator; evaluated by a Fréchet distance",
    load=load,
    classes=1,
    kind="generation",
    channels=12,
    residual=False,
    schedule=Schedule(epochs=6, batch=50, learning_rate=0.05, momentum=0.5),
    source="scikit-learn's copy of the UCI optical recognition of handwritten digits",
    packages=("sklearn",),
)
