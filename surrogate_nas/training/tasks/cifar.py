"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), read through torchvision, without augmentation.

Half of the 50,000 training images are used for validation, as in NAS-Bench-201, but with a
different shuffle.
"""

import os
from functools import partial
from pathlib import Path

import numpy as np

from surrogate_nas.core import UserError, is_installed
from surrogate_nas.training.tasks import (
    Array,
    Schedule,
    Splits,
    Task,
    as_split,
    split_images,
    standardise,
)

CIFAR_VARIABLE = "SURROGATE_NAS_CIFAR"
"""The environment variable that names the folder in which torchvision stores the data sets;
``data`` if unset.
"""


def cifar_root() -> Path:
    """Return the folder in which the CIFAR data sets should be. The folder need not exist."""
    return Path(os.environ.get(CIFAR_VARIABLE, "data"))


def has_cifar(folder: str) -> bool:
    """Return whether torchvision is installed and the unpacked folder of CIFAR exists."""
    return (cifar_root() / folder).is_dir() and is_installed("torchvision")


def load(name: str) -> Splits:
    """Read the CIFAR images at their full size of 32×32 pixels."""
    try:
        from torchvision import datasets
    except ImportError as error:
        raise UserError(
            f"{name} needs torchvision: pip install torchvision."
        ) from error
    root = str(cifar_root())
    try:
        train, test = (
            getattr(datasets, name)(root, train=part) for part in (True, False)
        )
    except RuntimeError as error:
        raise UserError(
            f"{name} is not in {root}: torchvision.datasets.{name}({root!r}, download=True) fetches"
            f" it; {CIFAR_VARIABLE} may name another folder."
        ) from error
    splits = split_images(
        _images(train.data), np.array(train.targets), (25000, 25000, 0)
    )
    return standardise(
        {**splits, "test": as_split(_images(test.data), np.array(test.targets))}
    )


def _images(pixels: Array) -> Array:
    return pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255


def _task(name: str, title: str, folder: str, classes: int) -> Task:
    return Task(
        name=name.lower(),
        title=f"{title} at 32×32",
        load=partial(load, name),
        classes=classes,
        channels=16,
        cells_per_stage=5,
        schedule=Schedule(epochs=12, batch=256),
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        has_files=partial(has_cifar, folder),
    )


TASK = (
    _task("CIFAR10", "CIFAR-10", "cifar-10-batches-py", 10),
    _task("CIFAR100", "CIFAR-100", "cifar-100-python", 100),
)
