"""The fetched files of NAS-Bench-201: which are here, and the cells that their rows are of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.tables import Values
from surrogate_nas.tables.sources import fetching

SOURCE = "nb201"
RECORDS = "D-X-Y/NATS-Bench"
"""The repository of the official records, whose numbers the package holds too."""
_TUPLE = re.compile(r"\((\d), (\d), (\d), (\d), (\d), (\d)\)")


def files_of(repository: str) -> list[Path]:
    """Where the files of a repository lie once they are fetched, in the order of the manifest.

    Args:
        repository: ``OWNER/REPO``.
    """
    return fetching.files(SOURCE, f"{repository}/")


def is_here(repository: str) -> bool:
    """Whether a repository's files were fetched; a version of the program may have fetched fewer repositories.

    Args:
        repository: ``OWNER/REPO``.

    Raises:
        UserError: Some of its files are here and others are not.
    """
    missing = [path for path in files_of(repository) if not path.is_file()]
    if missing and len(missing) < len(files_of(repository)):
        raise UserError(f"{missing[0]} is missing: run snas data fetch nb201.")
    return not missing


def origin(repository: str) -> str:
    """A repository with its commits, as metrics name their source.

    Args:
        repository: ``OWNER/REPO``.
    """
    return fetching.origin(SOURCE, repository)


def rows_of(path: Path) -> Any:
    """A CSV file as a frame; read again only where the file has changed.

    Args:
        path: The file.
    """
    return _rows_of(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _rows_of(path: Path, modified: int) -> Any:  # noqa: ARG001 - part of the cache's key
    import pandas as pd

    return pd.read_csv(path)


def check_order(strings: Iterable[str], path: Path) -> None:
    """Refuse a file whose rows are not the architectures in the official index order.

    Args:
        strings: The architectures as it lists them.
        path: The file, for the message.

    Raises:
        UserError: They are others, or in another order.
    """
    if list(strings) != [str(cell) for cell in nb201()]:
        raise UserError(f"{path} lists other architectures than the official order.")


def indices_of(tuples: Iterable[str], path: Path) -> NDArray[np.intp]:
    """The official indices of architectures that are spelled as NASLib's tuples, such as ``(4, 0, 3, 1, 4, 3)``.

    Args:
        tuples: All architectures of the space, in any order.
        path: The file, for the message.

    Raises:
        UserError: One is malformed, missing or there twice.
    """
    space = nb201()
    found = [_TUPLE.fullmatch(text) for text in tuples]
    indices = [space.from_naslib(map(int, match.groups())).index for match in found if match]
    if sorted(indices) != list(range(len(space))) or len(found) != len(indices):
        raise UserError(f"{path} lists other architectures than each of the {len(space):,} once.")
    return np.array(indices)


def agree(what: str, first: tuple[str, Values], second: tuple[str, Values], tolerance: float) -> None:
    """Hold two sources of the same numbers against each other, so that one can stand for both.

    Args:
        what: The metric.
        first: A source and its numbers, shape ``(len(space),)``.
        second: The other.
        tolerance: Of a difference, absolute.

    Raises:
        UserError: They disagree.
    """
    differ = np.flatnonzero(~(np.abs(first[1] - second[1]) <= tolerance))
    if len(differ):
        i = int(differ[0])
        raise UserError(
            f"Two sources disagree on {what} of {len(differ):,} cells, the first of them {nb201()[i]}: {first[0]} has "
            f"{first[1][i]:.10g}, {second[0]} has {second[1][i]:.10g}. Install or fetch anew what was altered."
        )
