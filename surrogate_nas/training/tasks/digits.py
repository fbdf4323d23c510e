"""Handwritten digits: scikit-learn's 1,797 real scans of 8×8 pixels; nothing to download, a run
takes no second.

Few are trained on, and all are seen through noise: the scans as they are were read without an error
by half of the cells, so that which of them is better was noise (figures: analysis/README.md,
Calibration).
"""

from __future__ import annotations

import gzip

import numpy as np

from surrogate_nas.core.extras import need, package_folder
from surrogate_nas.training.arrays import Array
from surrogate_nas.training.tasks.base import (
    SPLIT_SEED,
    Schedule,
    Task,
    split_images,
    standardise,
)
from surrogate_nas.training.tasks.checking import Split

BRIGHTEST = 16
_SIDE = 8
_SIZES = (600, 500, 697)
_NOISE = 3.0


def load() -> dict[str, Split]:
    """Read the scans and add noise: 600 to train, 500 to validate, 697 to test."""
    images, labels = published("digits")
    seen = images[:, None] + _NOISE * np.random.default_rng(SPLIT_SEED).standard_normal(
        (len(images), 1, _SIDE, _SIDE)
    )
    return standardise(split_images(seen, labels, _SIZES))


def scans(scale: float = 1.0) -> dict[str, Split]:
    """The scans as they are: 1,000 / 400 / 397, which other tasks are made of."""
    images, labels = published("digits")
    return split_images(images[:, None] / scale, labels, (1000, 400, 397))


def published(task: str) -> tuple[Array, Array]:
    """All scans as scikit-learn's own loader gives them, read from its file: importing the library
    takes longer.

    Returns:
        Images, shape ``(1797, 8, 8)``, from 0 to `BRIGHTEST`, and digits, shape ``(1797,)``.
    """
    need(f"The task {task}", "sklearn")
    file = (
        package_folder(("scikit-learn", "sklearn")) / "datasets" / "data" / "digits.csv.gz"
    )
    rows = np.array(
        gzip.decompress(file.read_bytes()).replace(b"\n", b",").rstrip(b",").split(b",")
    ).astype(np.int64)
    rows = rows.reshape(-1, _SIDE**2 + 1)
    return rows[:, :-1].astype(np.float64).reshape(-1, _SIDE, _SIDE), rows[:, -1]


TASK = Task(
    name="digits",
    title="which digit is this? 8×8 scans in noise",
    load=load,
    classes=10,
    residual=False,
    schedule=Schedule(epochs=10),
    source="scikit-learn's copy of the UCI optical recognition of handwritten digits",
)
