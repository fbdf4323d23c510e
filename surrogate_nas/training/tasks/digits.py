"""Classification of handwritten digits: scikit-learn's 1,797 scans of 8×8 pixels. A training takes
less than a second.

The training split is small and all scans have noise. Without noise, half of the cells would make no
error (figures: analysis/README.md, Calibration).
"""

import gzip

import numpy as np

from surrogate_nas.core import package_folder
from surrogate_nas.training.tasks import (
    Array,
    Schedule,
    Splits,
    Task,
    split_images,
    split_rng,
    standardise,
)

BRIGHTEST = 16
_SIDE = 8
_SIZES = (600, 500, 697)
_NOISE = 3.0


def load() -> Splits:
    """Read the scans of digits and add noise: 600 scans for training, 500 for validation, 697 for
    testing.
    """
    images, labels = published()
    noisy = (images + _NOISE * split_rng().standard_normal(images.shape))[:, None]
    return standardise(split_images(noisy, labels, _SIZES))


def scans(scale: float = 1.0) -> Splits:
    """Return splits of scans without noise, from which other tasks are built: 1,000 for training,
    400 for validation, 397 for testing.
    """
    images, labels = published()
    return split_images(images[:, None] / scale, labels, (1000, 400, 397))


def published() -> tuple[Array, Array]:
    """Return all scans, shape ``(1797, 8, 8)``, with values from 0 to `BRIGHTEST`, and their
    digits, shape ``(1797,)``.

    The scans are read directly from scikit-learn's data file, because importing the library takes
    longer.
    """
    file = (
        package_folder(("scikit-learn", "sklearn"))
        / "datasets"
        / "data"
        / "digits.csv.gz"
    )
    numbers = gzip.decompress(file.read_bytes()).replace(b"\n", b",").rstrip(b",")
    rows = np.array(numbers.split(b",")).astype(np.int64).reshape(-1, _SIDE**2 + 1)
    return rows[:, :-1].astype(np.float64).reshape(-1, _SIDE, _SIDE), rows[:, -1]


TASK = Task(
    name="digits",
    title="which digit is this? 8×8 scans in noise",
    load=load,
    classes=10,
    residual=False,
    schedule=Schedule(epochs=10),
    source="scikit-learn's copy of the UCI optical recognition of handwritten digits",
    packages=("sklearn",),
)
