"""TransNAS-Bench-101's public files as arrays: the maxima over epochs of one repository, the final epoch of another.

The first lists both spaces one after the other, by number and without names; the second names its architectures. Both
spaces here list their cells in the order of these numbers, and every value of a final epoch must lie within the maximum
of its cell, so that a wrong order would be seen.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.files.paths import printable
from surrogate_nas.space import EnumerableChoiceSpace
from surrogate_nas.space.transnas import transnas_macro, transnas_micro
from surrogate_nas.tables.sources.fetching import files
from surrogate_nas.tables.sources.rows import read_rows

SOURCE = "transnas"
BEST, LAST = "Zhenhan-Huang/NASGraph-Public", "automl/NASLib"
"""The repository of the maxima over epochs, and that of the final epochs."""
SPACES: dict[str, Callable[[], EnumerableChoiceSpace]] = {"micro": transnas_micro, "macro": transnas_macro}
_ARCHIVES = {"micro": "all_benchmarks_zen.zip", "macro": "tnb101_macro_zen.zip"}
_NUMBER = "file_id"
"""The column that numbers the architectures."""
_LARGEST_MEMBER = 2_000_000
"""Bytes of a member of an archive once unpacked; the published ones have at most 150,000."""
_AGAIN = f"run snas data fetch {SOURCE}"
_DAMAGED = (OSError, EOFError, LookupError, RuntimeError, TypeError, ValueError, AttributeError, BadZipFile, zlib.error)

Columns = dict[str, NDArray[np.float64]]


def read_best(kind: str, task: str, wanted: Iterable[str]) -> Columns:
    """Columns of a task's maxima over epochs, for the cells of a space in their order.

    Args:
        kind: A key of `SPACES`.
        task: The task as the files spell it.
        wanted: The columns.

    Raises:
        UserError: The file is missing or damaged, lacks a column, or lists other architectures.
    """
    path = _fetched(BEST, f"transbench101_{task}.csv")
    header, *rows = read_rows(path)
    macro, micro = len(transnas_macro()), len(transnas_micro())
    try:
        numbers = np.array(rows, dtype=np.float64)
        columns = {name: numbers[:, header.index(name)] for name in (*wanted, _NUMBER)}
        listed = columns.pop(_NUMBER)
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    if not np.array_equal(listed, np.arange(macro + micro)):
        raise UserError(
            f"{printable(path)} lists {len(listed):,} architectures, not {macro:,} of the macro space and then "
            f"{micro:,} of the micro space in their order: {_AGAIN}."
        )
    part = slice(macro) if kind == "macro" else slice(macro, None)
    return {name: values[part] for name, values in columns.items()}


def read_last(kind: str, task: str) -> NDArray[np.float64]:
    """A task's metric after the final epoch, for the cells of a space in their order.

    Args:
        kind: A key of `SPACES`.
        task: The task as the files spell it.

    Raises:
        UserError: The archive is missing or damaged, or lists other architectures than the other source.
    """
    path, space, places = _fetched(LAST, _ARCHIVES[kind]), SPACES[kind](), _places(kind)
    try:
        records = [(record["arch"], float(record["val_accuracy"])) for record in _records(path, kind, task)]
        strangers = [architecture for architecture, _ in records if architecture not in places]
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    if strangers:
        raise UserError(
            f"{printable(path)} lists {printable(repr(strangers[0])):.80} for {task}, which is no cell of the space "
            f"{space.name}: {_AGAIN}."
        )
    values = {places[architecture]: value for architecture, value in records}
    if not len(records) == len(values) == len(space):
        raise UserError(
            f"The two sources disagree on the architectures of {task}: {printable(path)} lists {len(values):,} of the "
            f"{len(space):,} cells of the space {space.name} in {len(records):,} records: {_AGAIN}."
        )
    return np.array([values[index] for index in range(len(space))])


def check_agreement(
    best: NDArray[np.float64], last: NDArray[np.float64], space: EnumerableChoiceSpace, task: str
) -> None:
    """Hold the final epochs of one source against the maxima over all epochs of the other.

    Args:
        best: Larger is better, shape ``(len(space),)``.
        last: The same after the final epoch.
        space: The space that both list.
        task: The task as the files spell it.

    Raises:
        UserError: A final epoch is better than the best of all.
    """
    wrong = np.flatnonzero(last > best)
    if len(wrong):
        raise UserError(
            f"The two sources disagree on {task} for {len(wrong):,} of {len(space):,} cells: the final epoch of "
            f"{space[int(wrong[0])]} has {last[wrong[0]]:.6g}, the best of all epochs {best[wrong[0]]:.6g}: {_AGAIN}."
        )


def _fetched(repository: str, name: str) -> Path:
    path = next(path for path in files(SOURCE, f"{repository}/") if path.name == name)
    if not path.is_file():
        raise UserError(f"{printable(path)} is missing: {_AGAIN}.")
    return path


def _records(path: Path, kind: str, task: str) -> Iterator[dict[str, Any]]:
    with ZipFile(path) as archive:
        for member in archive.infolist():
            if f"--transbench101_{kind}--{task}--" in member.filename:
                yield from json.loads(_unpacked(archive, member))


def _unpacked(archive: ZipFile, member: ZipInfo) -> bytes:
    with archive.open(member) as packed:
        content = packed.read(_LARGEST_MEMBER + 1)
    if len(content) > _LARGEST_MEMBER:
        raise ValueError(f"{printable(member.filename)} unpacks to more than {_LARGEST_MEMBER / 1e6:.0f} MB")
    return content


@lru_cache(maxsize=len(SPACES))
def _places(kind: str) -> dict[str, int]:
    """The places of a space's cells by how the archives write them: all operations, or the modules that are there."""
    digits = ((digit for digit in cell.choices if digit or kind == "micro") for cell in SPACES[kind]())
    return {f"({', '.join(map(str, written))})": place for place, written in enumerate(digits)}


def _damaged(path: Path, error: BaseException) -> UserError:
    return UserError(f"{printable(path)} is damaged ({printable(error):.200}): {_AGAIN}.")
