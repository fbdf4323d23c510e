"""Rows of a CSV or Parquet file as text, a few at a time, so that no file takes more memory than its useful part."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.files.paths import printable

MOST_COLUMNS = 1_000
_LONGEST_LINE = 1_000_000
_BATCH = 1_000
_PARQUET = (".parquet", ".pq")
_LARGEST_GROUP = 400_000_000
"""Bytes of a Parquet file's part once unpacked, as the file itself says."""


def read_rows(path: Path) -> Iterator[list[str]]:
    """The header, and then every row, each with as many entries as the header; empty lines are left out.

    Args:
        path: The file; ``.parquet`` or ``.pq`` is Parquet, everything else CSV.

    Raises:
        UserError: The file is missing, no such file, or a row has another number of entries.
    """
    if not os.path.isfile(path):
        raise UserError(f"There is no file {printable(path)}.")
    try:
        rows = _parquet(path) if path.suffix in _PARQUET else _csv(path)
        header = next(rows, [])
        if len(header) > MOST_COLUMNS:
            raise UserError(f"{printable(path)} has {len(header):,} columns; {MOST_COLUMNS:,} are the most.")
        yield header
        for number, row in enumerate(rows, 1):
            if len(row) != len(header):
                raise UserError(
                    f"{printable(path)} has {len(row)} entries in row {number} and {len(header)} in its header."
                )
            yield row
    except UserError:
        raise
    except ImportError as error:
        raise UserError(
            f"Reading {printable(path)} needs the package pyarrow: pip install pyarrow; or give a CSV file."
        ) from error
    except Exception as error:  # noqa: BLE001 - csv and pyarrow raise their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"Cannot read {printable(path)}: {printable(reason):.300}.") from error


def _csv(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from filter(None, csv.reader(_lines(file), strict=True))


def _lines(file: Any) -> Iterator[str]:
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise ValueError(f"a line has {_LONGEST_LINE:,} characters or more")
        yield line


def _parquet(path: Path) -> Iterator[list[str]]:
    from pyarrow import parquet

    schema = parquet.read_schema(path)
    texts = [field.name for field in schema if str(field.type) in ("string", "large_string")]
    with parquet.ParquetFile(path, read_dictionary=texts) as file:
        sizes = [file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)]
        if max(sizes, default=0) > _LARGEST_GROUP:
            raise ValueError(f"a part of it unpacks to {max(sizes):,} bytes")
        yield list(schema.names)
        for batch in file.iter_batches(batch_size=_BATCH):
            columns = [["" if value is None else str(value) for value in column.to_pylist()] for column in batch]
            yield from map(list, zip(*columns, strict=True))
