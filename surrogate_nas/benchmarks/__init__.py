"""Benchmarks by name: `load` opens what is here and says how to fetch what is not."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks import learned, live
from surrogate_nas.benchmarks.base import Answer, Benchmark, Question
from surrogate_nas.benchmarks.catalogue import describe_live
from surrogate_nas.benchmarks.joined import JoinedBenchmark
from surrogate_nas.benchmarks.table import TableBenchmark, open_table
from surrogate_nas.errors import UserError, unknown
from surrogate_nas.files import home, shipped, table_path
from surrogate_nas.sources import analog, nb201
from surrogate_nas.table import write_table

__all__ = ["Answer", "Benchmark", "JoinedBenchmark", "Question", "TableBenchmark", "available", "default", "load"]


TABLE_SUFFIX = ".h5"
"""A name that ends so is the path of a table."""


FASHION = "fashion"
"""The table that the project made and ships (`surrogate_nas.making.assemble`)."""


def default() -> str:
    """The name of the benchmark that is compared on where none is named; it needs no download."""
    return FASHION


def load(name: str, *, with_: Sequence[str | Path] = ()) -> Benchmark:
    """Open a benchmark.

    Args:
        name: Such as ``nb201-cifar10``; ``live:TASK`` or ``live:TASK/macro`` to train; ``surrogate:FILE`` to predict;
            the path of a table (``.h5``).
        with_: Files whose metrics are joined to it, such as those that ``snas measure`` writes.

    Raises:
        UserError: The name is unknown, its data is not here yet, or a file is damaged or cannot be joined.
    """
    base = _load(name)
    return JoinedBenchmark(base, [Path(file) for file in with_]) if with_ else base


def _load(name: str) -> Benchmark:
    if name.startswith(live.PREFIX):
        return live.open_live(name.removeprefix(live.PREFIX))
    if name.startswith(learned.PREFIX):
        return learned.open_learned(name.removeprefix(learned.PREFIX))
    if name.endswith(TABLE_SUFFIX):
        return open_table(Path(name))
    if name == FASHION:
        return open_table(shipped(f"{FASHION}.h5"))
    path = table_path(name)
    if name == analog.NAME:
        return _load_embedded(path)
    if path.is_file():
        return open_table(path)
    if name in nb201.NAMES:
        raise UserError(f"{name} is not here yet: run snas data fetch nb201 (17 MB).")
    raise unknown(
        "benchmark", name, [*known(), f"{live.PREFIX}TASK", f"{live.PREFIX}TASK/macro", f"{learned.PREFIX}FILE"]
    )


def _load_embedded(path: Path) -> TableBenchmark:
    """Open AnalogNAS-Bench's table, which is made on first use and made again if damaged or of another version."""
    try:
        return open_table(path)
    except UserError:
        return open_table(_make_embedded(path))


def _make_embedded(path: Path) -> Path:
    """Assemble AnalogNAS-Bench's table; where the folder cannot be written, in a temporary one."""
    table = analog.read()
    try:
        write_table(table, path)
    except UserError as error:
        path = _temporary_folder() / path.name
        warnings.warn(f"{error} Using {path} instead.", stacklevel=2)
        write_table(table, path)
    return path


@lru_cache(maxsize=1)
def _temporary_folder() -> Path:
    from tempfile import TemporaryDirectory

    folder = TemporaryDirectory(prefix="surrogate_nas-")
    _kept.append(folder)
    return Path(folder.name)


_kept: list[Any] = []
"""Keeps temporary folders alive until the process ends."""


def reserved() -> frozenset[str]:
    """The names that no imported table may take."""
    return frozenset({analog.NAME, FASHION, *nb201.NAMES})


def known() -> list[str]:
    """The names of all benchmarks that `load` can open now or after a fetch."""
    imported = [path.stem for path in (home() / "tables").glob("*.h5")]
    return sorted({*reserved(), *imported})


def available() -> list[dict[str, Any]]:
    """Every known benchmark as ``snas benchmarks --json`` lists it; what is not here says how to get it."""
    return [*(_describe(name) for name in known()), *describe_live()]


def _describe(name: str) -> dict[str, Any]:
    if name in nb201.NAMES and not table_path(name).is_file():
        return {
            "name": name,
            "title": "not here yet: snas data fetch nb201",
            "space": "nb201",
            "cells": 15625,
            "available": False,
            "metrics": [],
            "source": "public extracts at pinned commits",
            "licence": "see data/manifest.json",
            "citation": nb201.manifest()["citation"],
            "banner": "",
        }
    return load(name).describe()
