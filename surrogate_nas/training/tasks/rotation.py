"""Image regression: by how much was this digit turned? Mean squared error, in units of 60°, targets
from -1 to 1.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.tasks.base import (
    SPLIT_SEED,
    Schedule,
    Task,
    split_images,
    standardise,
)
from surrogate_nas.training.tasks.checking import Split
from surrogate_nas.training.tasks.digits import published

_LARGEST_DEGREES = 60.0
_ERROR_DEGREES = 15.0


def load() -> dict[str, Split]:
    """Turn each of scikit-learn's scans once, by an angle uniform in ±60°: 1,000 / 400 / 397."""
    from scipy.ndimage import rotate

    images, _ = published("rotation")
    angles = np.random.default_rng(SPLIT_SEED).uniform(-1, 1, len(images))
    turned = [
        rotate(
            i,
            _LARGEST_DEGREES * a,
            reshape=False,
            order=1,
        )
        for i, a in zip(images, angles, strict=True)
    ]
    return standardise(split_images(np.stack(turned)[:, None], angles, (1000, 400, 397)))


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
)
