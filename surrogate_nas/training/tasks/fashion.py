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
import os
from pathlib import Path

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.files.home import expanded
from surrogate_nas.training.tasks.base import (
    Schedule,
    Task,
    as_split,
    split_images,
    standardise,
)
from surrogate_nas.training.tasks.checking import Split

VARIABLE = "SURROGATE_NAS_FASHION"
"""Names a folder with Fashion-MNIST's four files, before the other places are tried."""
FILES = {
    "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
}
"""The published checksums (MD5) of the compressed files."""
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_TORCHVISION = Path("FashionMNIST") / "raw"
ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_SIZES = (4000, 5000)
_PART = 2000
"""Images that are pooled at once."""


def folders() -> list[Path]:
    """Where Fashion-MNIST's files may be, in order of preference."""
    named = os.environ.get(VARIABLE)
    own = [expanded(named)] if named else []
    return [*own, Path("data") / _TORCHVISION, Path.home() / "data" / _TORCHVISION, DEBIAN]


def found() -> dict[str, Path] | None:
    """Fashion-MNIST's four files by name, compressed or not, in the first folder that holds all;
    None where there is none.
    """
    for folder in folders():
        files = [path for name in FILES for path in (folder / name, folder / f"{name}.gz")]
        here = {path.name.removesuffix(".gz"): path for path in files if path.is_file()}
        if len(here) == len(FILES):
            return here
    return None


def has_fashion() -> bool:
    """Whether Fashion-MNIST can be read without a network."""
    return found() is not None


def find() -> dict[str, bytes]:
    """Find the files: by name, the uncompressed content."""
    try:
        files = found() or _fetch()
    except Exception as error:
        raise UserError(
            "Fashion-MNIST is not here. Any of three ways brings it:"
            " torchvision.datasets.FashionMNIST('data', download=True); apt-get install"
            f" dataset-fashion-mnist (into {DEBIAN}); or a network that reaches {ADDRESS}"
            f" ({type(error).__name__}). {VARIABLE} may name a folder with its four files."
        ) from error
    contents = {name: path.read_bytes() for name, path in files.items()}
    compressed = [name for name, path in files.items() if path.suffix == ".gz"]
    return contents | {name: gzip.decompress(contents[name]) for name in compressed}


def _fetch() -> dict[str, Path]:
    from pooch import retrieve

    return {
        name: Path(retrieve(f"{ADDRESS}{name}.gz", f"md5:{md5}", fname=f"{name}.gz"))
        for name, md5 in FILES.items()
    }


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
        part.reshape(len(part), 1, size, block, size, block).astype(np.float32).mean((3, 5))
        / 255
        # all at once would take hundreds of MB
        for part in np.split(images, range(_PART, len(images), _PART))
    ]
    return np.concatenate(pooled)


def load(size: int = 7) -> dict[str, Split]:
    """Read 4,000 images to train and 5,000 to validate from the training file, and all 10,000 test
    images.
    """
    arrays = {name: parse_idx(content, name) for name, content in find().items()}
    splits = split_images(
        pool(arrays["train-images-idx3-ubyte"], size),
        arrays["train-labels-idx1-ubyte"],
        (*_SIZES, 0),
    )
    test = as_split(
        pool(arrays["t10k-images-idx3-ubyte"], size), arrays["t10k-labels-idx1-ubyte"]
    )
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
