"""Fashion-MNIST (Xiao et al., 2017): ten kinds of clothing, pooled from 28×28 to 7×7 pixels.

Size and network are those, of the tried ones, under which a second of training orders
NAS-Bench-201's cells most like its own 200 epochs on CIFAR-10 (figures: analysis/README.md). The
residual blocks between the stages are left out: in a network this small they do most of the work,
whatever the cell. And the images are small: on larger ones the field of view of three cells is what
counts, so that pooling looks better, and a direct path worse, than in a network of fifteen.

The idx files are read from torchvision's folder, from the folder of Debian's package, or fetched
with a checksum.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.training.data_folders import (
    DEBIAN,
    FASHION_FILES,
    FASHION_VARIABLE,
    fashion_folder,
    has_fashion,
)
from surrogate_nas.training.tasks.base import Schedule, Task, as_split, split_images, standardise
from surrogate_nas.training.tasks.checking import Split

ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_SIZES = (4000, 5000)
_PART = 2000
"""Images that are pooled at once."""


def find() -> Callable[[str], bytes]:
    """Find the files: a function from a file's name to its uncompressed content."""
    folder = fashion_folder()
    if folder is not None:
        return partial(_read, folder)
    try:
        return _fetch()
    except Exception as error:
        raise UserError(
            "Fashion-MNIST is not here. Any of three ways brings it:"
            " torchvision.datasets.FashionMNIST('data', download=True); apt-get install"
            f" dataset-fashion-mnist (into {DEBIAN}); or a network that reaches {ADDRESS}"
            f" ({type(error).__name__}). {FASHION_VARIABLE} may name a folder with its four files."
        ) from error


def _fetch() -> Callable[[str], bytes]:
    import pooch

    paths = {
        name: Path(
            pooch.retrieve(
                f"{ADDRESS}{name}.gz",
                f"md5:{md5}",
                fname=f"{name}.gz",
                progressbar=False,
            )
        )
        for name, md5 in FASHION_FILES.items()
    }
    return lambda name: gzip.decompress(paths[name].read_bytes())


def _read(folder: Path, name: str) -> bytes:
    plain = folder / name
    return (
        plain.read_bytes()
        if plain.is_file()
        else gzip.decompress((folder / f"{name}.gz").read_bytes())
    )


def parse_idx(content: bytes, name: str) -> np.ndarray:
    """Read an idx file of bytes."""
    dimensions = content[3] if content[:3] == b"\0\0\x08" else 0
    shape = (
        np.frombuffer(content, ">i4", dimensions, 4)
        if dimensions and len(content) >= 4 + 4 * dimensions
        else ()
    )
    body = len(content) - 4 - 4 * dimensions
    if not len(shape) or body != np.prod(shape):
        raise UserError(
            f"Fashion-MNIST's file {name} is damaged: it is not a whole idx file of bytes."
        )
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def pool(images: np.ndarray, size: int) -> np.ndarray:
    """Average square blocks of pixels, shape ``(n, 1, size, size)``."""
    _, height, _ = images.shape
    block = height // size
    pooled = [
        part.reshape(len(part), 1, size, block, size, block).astype(np.float32).mean((3, 5)) / 255
        # all at once would take hundreds of MB
        for part in np.split(images, range(_PART, len(images), _PART))
    ]
    return np.concatenate(pooled)


def load(size: int = 7) -> dict[str, Split]:
    """Read 4,000 images to train and 5,000 to validate from the training file, and all 10,000 test
    images.
    """
    content = find()
    arrays = {name: parse_idx(content(name), name) for name in FASHION_FILES}
    splits = split_images(
        pool(arrays["train-images-idx3-ubyte"], size),
        arrays["train-labels-idx1-ubyte"],
        (*_SIZES, 0),
    )
    test = as_split(pool(arrays["t10k-images-idx3-ubyte"], size), arrays["t10k-labels-idx1-ubyte"])
    return standardise({**splits, "test": test})


TASK = Task(
    name="fashion",
    title="which piece of clothing is this? Fashion-MNIST at 7×7",
    load=load,
    classes=10,
    channels=8,
    residual=False,
    schedule=Schedule(epochs=5),
    is_here=has_fashion,
    source="Fashion-MNIST, MIT licence, https://github.com/zalandoresearch/fashion-mnist",
)
