"""Tables: a benchmark's results in memory (`Table`) and in a file (`TableFile`, `write_table`)."""

from surrogate_nas.tables.compact import read_compact, write_compact
from surrogate_nas.tables.file import TableFile, write_table
from surrogate_nas.tables.table import (
    CLASS_METRIC,
    UNKNOWN_SEEDS,
    ColumnKey,
    Contents,
    MemoryTable,
    Run,
    Seed,
    Table,
    Values,
    runs_of,
)

__all__ = [
    "CLASS_METRIC",
    "UNKNOWN_SEEDS",
    "ColumnKey",
    "Contents",
    "MemoryTable",
    "Run",
    "Seed",
    "Table",
    "TableFile",
    "Values",
    "read_compact",
    "runs_of",
    "write_compact",
    "write_table",
]
