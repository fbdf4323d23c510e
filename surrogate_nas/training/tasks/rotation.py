"""Regression of images: by which angle was a digit turned? The loss is the mean squared error.
Targets are angles in units of 60°, from -1 to 1.
"""

import numpy as np

from surrogate_nas.training.tasks import (
    Schedule,
    Splits,
    Task,
    split_images,
    split_rng,
    standardise,
)
from surrogate_nas.training.tasks.digits import published

_LARGEST_DEGREES = 60.0
_ERROR_DEGREES = 15.0


def load() -> Splits:
    """Turn each of scikit-learn's scans once, by an angle uniform in ±60°. There are 1,000 scans
    for training, 400 for validation, 397 for testing.
    """
    from scipy.ndimage import rotate

    images, _ = published()
    angles = split_rng().uniform(-1, 1, len(images))
    turned = [
        rotate(image, _LARGEST_DEGREES * angle, reshape=False, order=1)
        for image, angle in zip(images, angles, strict=True)
    ]
    return standardise(
        split_images(np.stack(turned)[:, None], angles, (1000, 400, 397))
    )


TASK = Task(
    name="rotation",
    title="by how much was this digit turned? error: more than 15° off",
    load=load,
    classes=1,
    kind="regression",
    residual=False,
    schedule=Schedule(epochs=10, learning_rate=0.05),
    tolerance=_ERROR_DEGREES / _LARGEST_DEGREES,
    source="scikit-learn's digits, turned here",
    packages=("sklearn",),
)
