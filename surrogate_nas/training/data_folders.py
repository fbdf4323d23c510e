"""Where the data of tasks may lie on this machine."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from surrogate_nas.core.extras import is_installed, need, package_folder
from surrogate_nas.files.home import expanded

FASHION_VARIABLE = "SURROGATE_NAS_FASHION"
"""Names a folder with Fashion-MNIST's four files, before the other places are tried."""
FASHION_FILES = {
    "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
}
"""The published checksums (MD5) of the compressed files."""
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
CIFAR_VARIABLE = "SURROGATE_NAS_CIFAR"
"""Names the folder that torchvision keeps the data set in; ``data`` where unset."""
MLBENCH_VARIABLE = "SURROGATE_NAS_MLBENCH"
"""Names the folder of R's package mlbench, before the places where R installs it are tried."""
_R_LIBRARIES = ("/usr/lib/R/site-library", "/usr/local/lib/R/site-library")
_PHRASES = ("pycountry", "pycountry")
SERIES_PACKAGES = ("sktime", "aeon")
"""Either carries small sets of series; neither is imported."""
_TORCHVISION = Path("FashionMNIST") / "raw"


def fashion_folders() -> list[Path]:
    """Where Fashion-MNIST's files may be, in order of preference."""
    named = os.environ.get(FASHION_VARIABLE)
    own = [expanded(named)] if named else []
    return [*own, Path("data") / _TORCHVISION, Path.home() / "data" / _TORCHVISION, DEBIAN]


def fashion_folder() -> Path | None:
    """The first folder that holds Fashion-MNIST's four files, compressed or not; None where there
    is none.
    """
    for folder in fashion_folders():
        if all(
            (folder / name).is_file() or (folder / f"{name}.gz").is_file() for name in FASHION_FILES
        ):
            return folder
    return None


def has_fashion() -> bool:
    """Whether Fashion-MNIST can be read without a network."""
    return fashion_folder() is not None


def cifar_root() -> Path:
    """The folder with the data sets of CIFAR, whether it is there or not."""
    return Path(os.environ.get(CIFAR_VARIABLE, "data"))


def has_cifar(folder: str) -> bool:
    """Whether torchvision and the folder that it unpacks are here."""
    has_files = (cifar_root() / folder).is_dir()
    return has_files and importlib.util.find_spec("torchvision") is not None


def carried(name: str) -> Path | None:
    """The folder of a data set of the UCR or UEA archive that an installed package carries; None
    where none does.
    """
    for package in SERIES_PACKAGES:
        if is_installed(package):
            folder = package_folder((package, package)) / "datasets" / "data" / name
            if folder.is_dir():
                return folder
    return None


def mlbench(name: str) -> Path | None:
    """The file of a data set of R's package mlbench; None where the package is not here.

    Args:
        name: Of the data set.
    """
    named = os.environ.get(MLBENCH_VARIABLE)
    own = [expanded(named)] if named else []
    folders = own + [Path(library) / "mlbench" for library in _R_LIBRARIES]
    files = [folder / "data" / f"{name}.rda" for folder in folders]
    return next((file for file in files if file.is_file()), None)


def has_phrases() -> bool:
    """Whether the phrase catalogues of the package pycountry are here."""
    return is_installed(_PHRASES[1])


def phrases(task: str) -> Path:
    """The folder of the package pycountry, with its databases and catalogues."""
    need(f"The task {task}", _PHRASES[1])
    return package_folder(_PHRASES)
