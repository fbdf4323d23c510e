"""The quality of a table's columns, examined before a search.

A column can be no data at all (random numbers, a copy of another column, a constant), mix two
units, give the answer away, or be so noisy that no strategy can be better than another. Each check
looks for one such fault and gives a `Finding`. An ``alarm`` says that a search on the column means
nothing, a ``warning`` that somebody has to look first, a ``note`` what readers of results should
know. Each threshold is explained beside it; all were set so that the columns of NAS-Bench-201,
whose measurements are sound, raise no alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from surrogate_nas.benchmarks.base import Benchmark
from surrogate_nas.benchmarks.doctor.case import Case
from surrogate_nas.benchmarks.doctor.columns import (
    empty_or_constant,
    mixed_units,
    predictability,
    sentinels,
    too_few,
    undeclared,
    unrelated,
)
from surrogate_nas.benchmarks.doctor.findings import LEVELS, Examination, Finding
from surrogate_nas.benchmarks.doctor.pairs import (
    duplicates,
    explained_by_cost,
    near_duplicates,
    peaked,
)
from surrogate_nas.benchmarks.doctor.rows import missing, repeated
from surrogate_nas.benchmarks.doctor.training import learning_curves, seed_agreement, ties
from surrogate_nas.benchmarks.losses import FilledBenchmark, LossesBenchmark
from surrogate_nas.benchmarks.table import TableBenchmark, open_table
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Space
from surrogate_nas.tables import MemoryTable, Table
from surrogate_nas.tables.sources import spreadsheet

__all__ = ["LEVELS", "Examination", "Finding", "examine", "examine_file", "is_file"]

CHECKS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    empty_or_constant,
    unrelated,
    too_few,
    sentinels,
    mixed_units,
    undeclared,
    duplicates,
    repeated,
    peaked,
    near_duplicates,
    seed_agreement,
    explained_by_cost,
    missing,
    learning_curves,
    ties,
    predictability,
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
        >>> found = examine(sn.load("losses-gridworld"))
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
        case = Case(table.name, MemoryTable(table, ""), repeats)
    # of values near the limits of a float, what is not finite says nothing
    with np.errstate(all="ignore"):
        findings = [finding for check in CHECKS for finding in check(case)]
    # checks stand in the order of what matters
    findings.sort(key=lambda finding: LEVELS.index(finding.level))
    columns = [case.described(column) for column in case.columns]
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
    table = spreadsheet.read(path, "file", frozenset(), space, repeats=repeats, declared=declared)
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
