"""Benchmarks that come with the project or with an installed package; they need no network."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from surrogate_nas.benchmarks.openers import Opener
from surrogate_nas.benchmarks.table import TableBenchmark, open_table
from surrogate_nas.errors import UserError
from surrogate_nas.files import locked, shipped, table_path
from surrogate_nas.sources import analog
from surrogate_nas.table import write_table

FASHION = "fashion"
"""The table that the project made and ships (`surrogate_nas.making`)."""


class Installed(Opener):
    """The shipped table, and AnalogNAS-Bench's package, whose table is assembled on first use."""

    def names(self) -> Iterable[str]:
        """Both of them."""
        return analog.NAME, FASHION

    def claims(self, name: str) -> bool:
        """Whether it is one of the two.

        Args:
            name: What the user wrote.
        """
        return name in self.names()

    def open(self, name: str) -> TableBenchmark:
        """Open the table.

        Args:
            name: One of `names`.

        Raises:
            UserError: It is damaged.
        """
        if name == FASHION:
            return open_table(shipped(f"{FASHION}.h5"))
        path = table_path(name)
        return open_table(path if _opens(path) else _make_analog(path))


def _make_analog(path: Path) -> Path:
    """Assemble AnalogNAS-Bench's table; where the folder cannot be written, in a temporary one."""
    try:
        with locked(path, what=f"the table {path.stem}"):
            if not _opens(path):  # else another process made it while this one waited
                write_table(analog.read(), path)
    except UserError as error:
        path = Path(_temporary_folder().name) / path.name
        write_table(analog.read(), path)
        warnings.warn(f"{error} Using {path} instead.", stacklevel=2)
    return path


def _opens(path: Path) -> bool:
    try:
        open_table(path)
    except UserError:
        return False
    return True


@lru_cache(maxsize=1)
def _temporary_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="surrogate_nas-")
