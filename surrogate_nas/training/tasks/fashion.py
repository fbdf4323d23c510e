"""Classification of Fashion-MNIST (Xiao et al., 2017): ten types of clothing, reduced from 28×28 to
7×7 pixels by averaging.

We tried several image sizes and networks that train in a second. The task's image size and network
rank the cells of NAS-Bench-201 most like 200 epochs of training on CIFAR-10 do (figures:
analysis/README.md). With residual blocks between the stages of the network, results would hardly
depend on the cell. On larger images, results would depend mostly on the receptive field of three
cells in sequence.

The data files (idx format) are read from torchvision's folder or from that of Debian's package.
Otherwise, they are downloaded and verified by checksum.
"""

import gzip
import os
from pathlib import Path

import numpy as np

from surrogate_nas.core import UserError
from surrogate_nas.files.whole import expanded
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

VARIABLE = "SURROGATE_NAS_FASHION"
"""The environment variable that names a folder with Fashion-MNIST's four files; it has precedence
over other folders.
"""
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
# Images that are pooled at once.
_PART = 2000
_BLOCK = 4


def folders() -> list[Path]:
    """Return the folders that may contain the files of Fashion-MNIST, in order of preference."""
    named = os.environ.get(VARIABLE)
    own = [expanded(named)] if named else []
    return [
        *own,
        Path("data") / _TORCHVISION,
        Path.home() / "data" / _TORCHVISION,
        DEBIAN,
    ]


def found() -> dict[str, Path] | None:
    """Return the paths of the four data files by name, from the first folder that contains all of
    them, compressed or not. Return None if there is no such folder.
    """
    for folder in folders():
        files = [
            path for name in FILES for path in (folder / name, folder / f"{name}.gz")
        ]
        here = {path.name.removesuffix(".gz"): path for path in files if path.is_file()}
        if len(here) == len(FILES):
            return here
    return None


def has_fashion() -> bool:
    """Return whether Fashion-MNIST can be read without network access."""
    return found() is not None


def find() -> dict[str, bytes]:
    """Find the four data files of Fashion-MNIST, and return their uncompressed contents by name."""
    try:
        files = found() or _fetch()
    except Exception as error:
        raise UserError(
            "Fashion-MNIST is not here. There are three ways to get it:"
            " torchvision.datasets.FashionMNIST('data', download=True); apt-get install"
            f" dataset-fashion-mnist (into {DEBIAN}); or a network that reaches {ADDRESS}"
            f" ({type(error).__name__}). {VARIABLE} may name a folder with its four files."
        ) from error
    contents = {name: path.read_bytes() for name, path in files.items()}
    compressed = [name for name, path in files.items() if path.suffix == ".gz"]
    return contents | {name: gzip.decompress(contents[name]) for name in compressed}


def _fetch() -> dict[str, Path]:
    from surrogate_nas.tables.sources.fetching import download, folder

    files = {name: folder() / "fashion" / f"{name}.gz" for name in FILES}
    for name, path in files.items():
        if not path.is_file():
            download(f"{ADDRESS}{name}.gz", path, FILES[name], kind="md5")
    return files


def parse_idx(content: bytes, name: str) -> Array:
    """Parse the content of an idx file of bytes, and return it as an array."""
    try:
        dimensions = content[3] * (content[:3] == b"\0\0\x08")
        shape = np.frombuffer(content, ">i4", dimensions, 4)
        numbers = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
        return numbers.reshape(shape)
    except (ValueError, IndexError) as error:
        raise UserError(
            f"Fashion-MNIST's file {name} is damaged: it is not a whole idx file of bytes."
        ) from error


def small(images: Array) -> Array:
    """Return images reduced to means of blocks of pixels, shape ``(n, 1, 7, 7)``, with values from
    0 to 1.
    """
    # all at once would take hundreds of MB
    parts = np.split(images[:, None], range(_PART, len(images), _PART))
    return np.concatenate(
        [pooled(part.astype(np.float32), _BLOCK) / 255 for part in parts]
    )


def load() -> Splits:
    """Read 4,000 images for training and 5,000 for validation from the training file, and all
    10,000 images from the test file.
    """
    arrays = {name: parse_idx(content, name) for name, content in find().items()}
    splits = split_images(
        small(arrays["train-images-idx3-ubyte"]),
        arrays["train-labels-idx1-ubyte"],
        (*_SIZES, 0),
    )
    images = small(arrays["t10k-images-idx3-ubyte"])
    test = as_split(images, arrays["t10k-labels-idx1-ubyte"])
    return standardise({**splits, "test": test})


TASK = Task(
    name="fashion",
    title="which piece of clothing is this? Fashion-MNIST at 7×7",
    load=load,
    classes=10,
    channels=8,
    residual=False,
    schedule=Schedule(epochs=5),
    has_files=has_fashion,
    source="Fashion-MNIST, MIT licence, https://github.com/zalandoresearch/fashion-mnist",
)
