"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) through torchvision, where the user has them; no augmentation.

The 50,000 training images are halved as NAS-Bench-201 does for CIFAR-10: 25,000 to train, 25,000 to validate (a
shuffle of our own, not its published one).
"""

from __future__ import annotations

import os
from functools import partial

import numpy as np

from surrogate_nas.errors import UserError
from surrogate_nas.training.tasks.base import Schedule, Split, Task, as_split, split_images, standardise

DATA_VARIABLE = "SURROGATE_NAS_CIFAR"
"""Names the folder that torchvision keeps the data set in; ``data`` where unset."""


def load(name: str) -> dict[str, Split]:
    """Read the images at their full 32×32 pixels.

    Args:
        name: ``CIFAR10`` or ``CIFAR100``.

    Raises:
        UserError: torchvision or the data set is not here.
    """
    try:
        from torchvision import datasets
    except ImportError as error:
        raise UserError(f"{name} needs torchvision: pip install torchvision.") from error
    root = os.environ.get(DATA_VARIABLE, "data")
    try:
        train, test = (getattr(datasets, name)(root, train=part) for part in (True, False))
    except RuntimeError as error:
        raise UserError(
            f"{name} is not in {root}: torchvision.datasets.{name}({root!r}, download=True) brings it; "
            f"{DATA_VARIABLE} may name another folder."
        ) from error
    splits = split_images(_images(train.data), np.array(train.targets), (25000, 25000, 0))
    return standardise({**splits, "test": as_split(_images(test.data), np.array(test.targets))})


def _images(pixels: np.ndarray) -> np.ndarray:
    return pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255


_SCHEDULE = Schedule(epochs=12, batch=256)
CIFAR10 = Task("cifar10", "CIFAR-10 at 32×32", partial(load, "CIFAR10"), 10, channels=16, cells_per_stage=5,
               schedule=_SCHEDULE, installed=False, source="https://www.cs.toronto.edu/~kriz/cifar.html")  # fmt: skip
CIFAR100 = Task("cifar100", "CIFAR-100 at 32×32", partial(load, "CIFAR100"), 100, channels=16, cells_per_stage=5,
                schedule=_SCHEDULE, installed=False, source="https://www.cs.toronto.edu/~kriz/cifar.html")  # fmt: skip
