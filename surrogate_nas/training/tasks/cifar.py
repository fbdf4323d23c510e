"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) through torchvision, where the user has them; no
augmentation.

The 50,000 training images are halved as NAS-Bench-201 does for CIFAR-10: 25,000 to train, 25,000 to
validate (a shuffle of our own, not its published one).
"""

from __future__ import annotations

import importlib.util
import os
from functools import partial
from pathlib import Path

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.training.tasks.base import (
    Schedule,
    Task,
    as_split,
    split_images,
    standardise,
)
from surrogate_nas.training.tasks.checking import Split

CIFAR_VARIABLE = "SURROGATE_NAS_CIFAR"
"""Names the folder that torchvision keeps the data set in; ``data`` where unset."""


def cifar_root() -> Path:
    """The folder with the data sets of CIFAR, whether it is there or not."""
    return Path(os.environ.get(CIFAR_VARIABLE, "data"))


def has_cifar(folder: str) -> bool:
    """Whether torchvision and the folder that it unpacks are here."""
    has_files = (cifar_root() / folder).is_dir()
    return has_files and importlib.util.find_spec("torchvision") is not None


def load(name: str) -> dict[str, Split]:
    """Read the images at their full 32×32 pixels."""
    try:
        from torchvision import datasets
    except ImportError as error:
        raise UserError(f"{name} needs torchvision: pip install torchvision.") from error
    root = str(cifar_root())
    try:
        train, test = (getattr(datasets, name)(root, train=part) for part in (True, False))
    except RuntimeError as error:
        raise UserError(
            f"{name} is not in {root}: torchvision.datasets.{name}({root!r}, download=True) brings"
            f" it; {CIFAR_VARIABLE} may name another folder."
        ) from error
    splits = split_images(_images(train.data), np.array(train.targets), (25000, 25000, 0))
    return standardise(
        {**splits, "test": as_split(_images(test.data), np.array(test.targets))}
    )


def _images(pixels: np.ndarray) -> np.ndarray:
    return pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255


def _task(
    name: str,
    title: str,
    folder: str,
    classes: int,
) -> Task:
    return Task(
        name=name.lower(),
        title=f"{title} at 32×32",
        load=partial(load, name),
        classes=classes,
        channels=16,
        cells_per_stage=5,
        schedule=Schedule(epochs=12, batch=256),
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        is_here=partial(has_cifar, folder),
    )


TASK = (
    _task("CIFAR10", "CIFAR-10", "cifar-10-batches-py", 10),
    _task("CIFAR100", "CIFAR-100", "cifar-100-python", 100),
)
