"""The quality of a table's columns, examined before a search.

A column can be constant, a copy of another column, or so noisy that no strategy can be better than
another. It can contain marks for failures, or give the final result away. Each check looks for one
such fault and gives a `Finding`. An ``alarm`` says that a search on the column means nothing, a
``warning`` that somebody has to look first, a ``note`` what readers of results should know. The
thresholds were set so that the columns of NAS-Bench-201, whose measurements are sound, raise no
alarm.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from surrogate_nas.benchmarks.base import Benchmark
from surrogate_nas.benchmarks.doctor.checks import CHECKS, Case
from surrogate_nas.benchmarks.doctor.findings import LEVELS, Examination, Finding
from surrogate_nas.benchmarks.losses import FilledBenchmark, LossesBenchmark
from surrogate_nas.benchmarks.table import TableBenchmark, open_table
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Space
from surrogate_nas.tables import MemoryTable, Table
from surrogate_nas.tables.sources import spreadsheet

__all__ = ["LEVELS", "Examination", "Finding", "examine", "examine_file", "is_file"]


def examine(table: Benchmark | Table) -> Examination:
    """Examine every column of a table.

    A column has the values of a metric after its longest run, as means over seeds; a check of the
    seeds reads these too. In a table of losses whose other cells are predicted, only the trained
    cells are examined.

    Args:
        table: A benchmark that is a table, or a table in memory.

    Raises:
        UserError: The benchmark is no table; or a column is damaged.

    Example:
        >>> import surrogate_nas as sn
        >>> found = examine(sn.load("losses-gridworld"))
        >>> found.of("alarm"), len(found.columns) > 5
        ([], True)
    """
    if isinstance(table, FilledBenchmark):
        table = open_table(table.path, LossesBenchmark)
    if isinstance(table, Benchmark):
        if not isinstance(table, TableBenchmark):
            raise UserError(f"{table.name} is no table, so it has no columns to look at.")
        case = Case(table.table)
    else:
        case = Case(MemoryTable(table, ""))
    # of values near the limits of a float, what is not finite says nothing
    with np.errstate(all="ignore"):
        findings = [finding for check in CHECKS for finding in check(case)]
    findings.sort(key=lambda finding: LEVELS.index(finding.level))
    columns = [column.description for column in case.columns]
    return Examination(table.name, len(case.space), case.n_with_values, columns, findings)


def examine_file(
    path: Path,
    space: Space,
    declared: spreadsheet.Declared = spreadsheet.NOTHING_DECLARED,
) -> Examination:
    """Examine a CSV or Parquet file before it is imported.

    Args:
        path: The file, as `surrogate_nas.tables.sources.spreadsheet` describes it.
        space: The space of its cells.
        declared: Units and directions that its columns do not name.

    Raises:
        UserError: An import would refuse the file.

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
    table = spreadsheet.read(path, "file", frozenset(), space, declared=declared)
    table.name = path.name
    return examine(table)


def is_file(name: str) -> bool:
    """Whether a name is that of a file which `examine_file` reads, rather than of a benchmark.

    Args:
        name: What a user gave.

    Example:
        >>> is_file("mine.csv"), is_file("fashion"), is_file("mine.h5")
        (True, False, False)
    """
    return Path(name).suffix in spreadsheet.SUFFIXES
