"""Benchmarks that come with the project or with an installed package; they need no network.

What a source can also fetch belongs to the same benchmarks; `Benchmark.more` says how to get it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from surrogate_nas.benchmarks.described import described
from surrogate_nas.benchmarks.openers import Opener
from surrogate_nas.benchmarks.table import TableBenchmark, open_table
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import locked, shipped, table_path
from surrogate_nas.tables import write_table
from surrogate_nas.tables.sources.catalogue import SOURCES, is_current, lacks, source_named, source_of

FASHION = "fashion"
"""The table that the project made and ships (`surrogate_nas.benchmarks.making`)."""


class Installed(Opener):
    """The shipped table, and those of installed packages, each assembled on first use."""

    has_tables = True

    def names(self) -> Iterable[str]:
        """All of them."""
        return FASHION, *(name for source in SOURCES.values() if source.package for name in source.names)

    def claims(self, name: str) -> bool:
        """Whether it is one of them.

        Args:
            name: What the user wrote.
        """
        return name in self.names()

    def open(self, name: str) -> TableBenchmark:
        """Open the table.

        Args:
            name: One of `names`.

        Raises:
            UserError: It is damaged, or its package is not installed.
        """
        if name == FASHION:
            return open_table(shipped(f"{FASHION}.h5"))
        path = table_path(name)
        bench = open_table(path if _is_here(name) else _assemble(name, path))
        source = source_of(name) or ""
        bench.more = f"More of it is to be had: run snas data fetch {source}." if lacks(source) else ""
        return bench

    def describe(self) -> Iterator[dict[str, Any]]:
        """The tables that are assembled, and what is known of those that will be."""
        for name in self.names():
            here = name == FASHION or _is_here(name)
            yield self.open(name).describe() if here else described(name)


def _assemble(name: str, path: Path) -> Path:
    """Make a package's table; where the folder cannot be written, in a temporary one."""
    source = source_named(source_of(name) or "")
    try:
        with locked(path, what=f"the table {path.stem}"):
            if not _is_here(name):  # else another process made it while this one waited
                write_table(source.read(name), path)
    except UserError as error:
        table = source.read(name)
        path = Path(_temporary_folder().name) / path.name
        write_table(table, path)
        warnings.warn(f"{error} Using {path} instead.", stacklevel=2)
    return path


def _is_here(name: str) -> bool:
    """Whether a package's table is here, whole, and as this version makes it."""
    try:
        return is_current(name, open_table(table_path(name)).columns)
    except UserError:
        return False


@lru_cache(maxsize=1)
def _temporary_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="surrogate_nas-")
