"""A table of NAS-Bench-201 from all sources that are here, each column from one of them."""

from __future__ import annotations

from pickle import UnpicklingError
from types import ModuleType
from zipfile import BadZipFile

from surrogate_nas.core.errors import UserError
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.nb201 import (
    LICENCE,
    hardware,
    landscape,
    latencies,
    losses,
    package,
    robustness,
    seed_888,
    short_run,
    version_1_1,
)
from surrogate_nas.tables.sources.nb201.data_sets import DATA_SETS
from surrogate_nas.tables.sources.nb201.fetched import RECORDS, SOURCE, is_here

PARTS: tuple[ModuleType, ...] = (
    landscape, short_run, losses, latencies, hardware, robustness, version_1_1, seed_888,
)  # fmt: skip
"""What can be fetched: modules with the ``REPOSITORY`` that holds it, and ``add(table, data)``."""
_SPACE = "nb201"


def assemble(name: str) -> Table:
    """Assemble a table from the installed package, and from those of the extracts that were fetched.

    Args:
        name: The benchmark's.

    Raises:
        UserError: The package is missing, a file is altered or not what it should be, or two sources disagree.
    """
    data = DATA_SETS[name]
    here = [part for part in PARTS if is_here(part.REPOSITORY)]
    repositories = [part.REPOSITORY for part in here]
    beside = "tests, losses, 12 epochs, devices" if data.is_cifar10 else "tests, 12 epochs, devices"
    lacks = len(here) < len(PARTS)
    table = Table(
        name=name,
        space=_SPACE,
        title=f"NAS-Bench-201 on {data.title}: every seed after 200 epochs"
        + (f"; snas data fetch nb201 adds {beside}" if lacks else f", {beside}"),
        source="; ".join([package.ORIGIN, *(["public extracts, see data/manifest.json"] if here else [])]),
        licence="; ".join(filter(None, (LICENCE, fetching.licences(SOURCE, repositories)))),
        citation=fetching.citation(SOURCE, [RECORDS, *repositories]),
        objective="valid_error",
        network=data.network,
    )
    package.add(table, data)
    for part in here:
        try:
            part.add(table, data)
        except UserError:
            raise
        except (
            OSError, EOFError, LookupError, RuntimeError, TypeError, ValueError, UnpicklingError, BadZipFile,
        ) as error:  # fmt: skip
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(
                f"A file of {part.REPOSITORY} in {fetching.folder()} is damaged ({reason:.200}): "
                "run snas data fetch nb201."
            ) from error
    return table
