"""What the columns of a table are worth, before anybody searches on them.

A column can be no data at all (random numbers, another column once more, a constant), hold two
units, give the answer away, or be so noisy that no strategy can be better than another. Each check
looks for one such thing and gives a `Finding`. An ``alarm`` says that a search on the column as it
is means nothing, a ``warning`` that somebody has to look first, a ``note`` what a reader of results
should know. What each threshold is for stands beside it; all were set so that the columns of
NAS-Bench-201, whose measurements are sound, raise no alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from surrogate_nas.benchmarks.base import Benchmark
from surrogate_nas.benchmarks.doctor.alone import (
    forests,
    marks,
    too_few,
    units,
    without_order,
    without_relation,
)
from surrogate_nas.benchmarks.doctor.case import Case
from surrogate_nas.benchmarks.doctor.findings import LEVELS, Examination, Finding
from surrogate_nas.benchmarks.doctor.pairs import alike, explained, peaked, twice
from surrogate_nas.benchmarks.doctor.rows import again, missing
from surrogate_nas.benchmarks.doctor.training import curves, noise, ties
from surrogate_nas.benchmarks.losses import FilledBenchmark, LossesBenchmark
from surrogate_nas.benchmarks.table import TableBenchmark, open_table
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Space
from surrogate_nas.tables import HeldTable, Table
from surrogate_nas.tables.sources import spreadsheet

__all__ = ["LEVELS", "Examination", "Finding", "examine", "examine_file", "is_file"]

CHECKS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    without_order,
    without_relation,
    too_few,
    marks,
    units,
    twice,
    again,
    peaked,
    alike,
    noise,
    explained,
    missing,
    curves,
    ties,
    forests,
)
"""In the order of what matters most."""


def examine(table: Benchmark | Table, repeats: Sequence[spreadsheet.Repeat] = ()) -> Examination:
    """Look at every column of a table; 15,625 cells with 60 columns take some ten seconds.

    Looked at is what every metric is after its longest run, the mean over seeds; seeds and shorter
    runs where the check is about them. Of a table of losses whose other cells are predicted, the
    trained cells alone are looked at.

    Args:
        table: A benchmark that is a table, or a table in memory.
        repeats: Rows of its file that have the cell of an earlier one.

    Raises:
        UserError: The benchmark is no table; or a column is damaged.

    Example:
        >>> import surrogate_nas as sn
        >>> found = examine(sn.load("losses-digits"))
        >>> found.of("alarm"), len(found.columns) > 5
        ([], True)
    """
    if isinstance(table, FilledBenchmark):
        table = open_table(table.path, LossesBenchmark)
    if isinstance(table, Benchmark):
        if not isinstance(table, TableBenchmark):
            raise UserError(f"{table.name} is no table, so it has no columns to look at.")
        case = Case(table.name, table.table, repeats)
    else:
        case = Case(table.name, HeldTable(table, ""), repeats)
    # of values near the limits of a float, what is not finite says nothing
    with np.errstate(all="ignore"):
        found = [finding for check in CHECKS for finding in check(case)]
    # checks stand in the order of what matters
    found.sort(key=lambda finding: LEVELS.index(finding.level))
    columns = [case.described(column) for column in case.columns]
    return Examination(table.name, len(case.space), case.n_with_values, columns, found)


def examine_file(path: Path, space: Space) -> Examination:
    """Look at a CSV or Parquet file of one's own before it is imported
    (`surrogate_nas.tables.sources.spreadsheet`).

    Raises:
        UserError: An import would refuse the file, for another reason than a cell that it has
            twice.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from surrogate_nas.space import space_named
        >>> macro = space_named("macro")
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "mine.csv"
        ...     text = "".join(f'"{cell}",{20 - 0.1 * i},7\\n' for i, cell in enumerate(macro))
        ...     _ = path.write_text(f"cell,valid_error,latency@mine\\n{text}")
        ...     print(examine_file(path, macro).of("alarm")[0])
        latency@mine: is 7 for every cell: nothing to search on
    """
    repeats: list[spreadsheet.Repeat] = []
    table = spreadsheet.read(path, "file", frozenset(), space, repeats=repeats)
    table.name = path.name
    return examine(table, repeats)


def is_file(name: str) -> bool:
    """Whether a name is that of a file which `examine_file` reads, rather than of a benchmark.

    Args:
        name: What a user gave.

    Example:
        >>> is_file("mine.csv"), is_file("fashion"), is_file("mine.h5")
        (True, False, False)
    """
    return Path(name).suffix in spreadsheet.SUFFIXES
