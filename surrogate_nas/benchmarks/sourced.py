"""Resolvers, which open benchmarks by name, and the resolvers of tables and of files.

If a table's data is in an installed package, the table is created when it is first opened. Tables
that are not on this machine are listed from ``data/catalogue.json``, which
``analysis/catalogue.py`` creates.
"""

import copyreg
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar

from surrogate_nas.benchmarks.base import Benchmark
from surrogate_nas.benchmarks.reading import FilesRead
from surrogate_nas.benchmarks.table import TableBenchmark, open_table
from surrogate_nas.core import (
    AbsentError,
    UserError,
    absolute,
    check_file,
    import_file,
    unknown,
    with_imports,
)
from surrogate_nas.files import (
    home,
    locked,
    read_regular,
    shipped,
    table_path,
    write_whole,
)
from surrogate_nas.files.opened import heard
from surrogate_nas.space import SPACES
from surrogate_nas.tables import write_table
from surrogate_nas.tables.sources.base import (
    SOURCES,
    declared,
    made,
    source_of,
)
from surrogate_nas.tables.sources.fetching import (
    assembled,
    citation,
    how_to_get,
    is_ready,
    lacks,
    licence,
)
from surrogate_nas.version import __version__


class Resolver(ABC):
    """The base class of resolvers. A resolver opens one type of benchmark by name.

    Attributes:
        shape: The form of the benchmarks' names, such as ``live:TASK``; empty if `Resolver.names`
            lists all of them.
        has_tables: Whether the benchmarks that this resolver lists are tables.
    """

    shape: ClassVar[str] = ""
    has_tables: ClassVar[bool] = False

    @abstractmethod
    def matches(self, name: str) -> bool:
        """Return whether this resolver is responsible for a name. A benchmark whose name matches
        may still be unavailable.
        """

    @abstractmethod
    def open(self, name: str) -> Benchmark:
        """Open a benchmark by a name that matches this resolver."""

    def opened(self, name: str) -> Benchmark:
        """Open a benchmark by its name, and set the benchmark's address."""
        benchmark = self.open(name)
        benchmark.address = benchmark.address or self.address(name)
        return benchmark

    def address(self, name: str) -> str:
        """Return the name that opens the same benchmark from any working directory."""
        return name

    def runs_code(self, name: str) -> bool:
        """Return whether opening a benchmark by its name runs code of a user or of another package.

        A name that runs code must come from the user, not from a file.
        """
        return False

    def names(self) -> Iterable[str]:
        """Return the names of all benchmarks that this resolver can list."""
        return ()

    def family(self, name: str) -> tuple[str, str]:
        """Return the name and the title of a benchmark's family. The title is empty if the family
        has no other member.
        """
        return name, ""

    def describe(self) -> Iterator[dict[str, Any]]:
        """Yield the entries of this resolver's benchmarks for ``snas benchmarks --json``."""
        for name in self.names():
            yield self.open(name).describe()


RESOLVERS: list[Resolver] = []
"""The resolvers, set in `surrogate_nas.benchmarks`. The first that matches a name opens it."""


def known() -> list[str]:
    """Return the names of all benchmarks that can be opened now, or after their data is fetched."""
    return sorted({name for resolver in RESOLVERS for name in resolver.names()})


def resolver_of(name: str) -> Resolver:
    """Return the resolver that opens a benchmark with a given name."""
    for resolver in RESOLVERS:
        if resolver.matches(name):
            return resolver
    shapes = [resolver.shape for resolver in RESOLVERS if resolver.shape]
    raise unknown("benchmark", name, [*known(), *shapes], lister="snas benchmarks")


# Entries of tables are cached in ``listed.json`` of the data directory, by the size and the time of
# each file. A table of a user's space is never in it, since its entry depends on that code.


Entry = dict[str, Any]
# Caches that know more than their files.
_fresh: set[Path] = set()


def entry_of(name: str, path: Path, describe: Callable[[], Benchmark | Entry]) -> Entry:
    """Return the entry of a table, as ``snas benchmarks --json`` lists it."""
    cache = home() / "listed.json"
    stamp, entry = _known(cache).get(name, [None, {}])
    if stamp is not None and stamp == _stamp(path):
        return dict(entry)
    description = describe()
    if not isinstance(description, Benchmark):
        return description
    entry = description.describe()
    space = description.space
    stamp = _stamp(path)  # it may have been made
    if stamp is not None and (space.name in SPACES or space.definition.startswith("{")):
        _known(cache)[name] = [stamp, entry]
        _fresh.add(cache)
    return entry


def remember() -> None:
    """Write the cached entries of tables to the data directory, unless the directory is
    read-only.
    """
    cache = home() / "listed.json"
    if cache in _fresh:
        known = {k: v for k, v in _known(cache).items() if os.path.isfile(v[0][0])}
        with suppress(UserError):
            write_whole(cache, json.dumps([_version(), known]))
        _fresh.discard(cache)


def _stamp(path: Path) -> list[Any] | None:
    with suppress(OSError):
        status = path.stat()
        return [str(path), status.st_size, status.st_mtime_ns]
    return None


@lru_cache(maxsize=1)
def _version() -> list[Any]:
    """The further dependencies of entries: this version, and the shipped proxies."""
    proxies = sorted(shipped("manifest.json").parent.glob("proxies-*.h5"))
    return [__version__, *map(_stamp, proxies)]


@lru_cache(maxsize=4)
def _known(cache: Path) -> dict[str, list[Any]]:
    # there is none yet, or it is damaged
    with suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
        version, known = json.loads(read_regular(cache))
        if version == _version() and all(
            isinstance(e, dict) for _, e in known.values()
        ):
            return dict(known)
    return {}


FASHION = "fashion"
"""The name of the table that ships with the package."""


class Tables(Resolver):
    """The resolver of three types of table: the shipped one, tables of published sources, and
    tables in the data directory.
    """

    has_tables = True

    def names(self) -> Iterable[str]:
        """Return the names of the shipped table, of the tables of published sources, and of
        imported tables.
        """
        here = {
            path.stem for path in (home() / "tables").glob("*.h5") if path.is_file()
        }
        return FASHION, *sorted({*made(), *here} - {FASHION})

    def family(self, name: str) -> tuple[str, str]:
        """Return the name and the title of a table's family: its published source, the shipped
        table, or imported tables.
        """
        if name == FASHION:
            return FASHION, ""
        source = source_of(name)
        if source is None:
            return "imported", "tables that you imported"
        return source, declared(source).title

    def matches(self, name: str) -> bool:
        """Return whether a table with this name is on this machine or can be created."""
        is_here = Path(name).name == name and os.path.isfile(table_path(name))
        return is_here or name == FASHION or name in made()

    def runs_code(self, name: str) -> bool:
        """Return whether a table is created by code of another installed package."""
        return source_of(name) not in (None, *SOURCES)

    def open(self, name: str) -> TableBenchmark:
        """Open the table. If the table does not exist but needs no fetch, it is created first."""
        path = _path(name)
        source = source_of(name) or ""
        if not _is_here(name):
            if not is_ready(source):
                raise AbsentError(
                    f"{name} is not on this machine yet: {how_to_get(source)}."
                )
            with locked(path, what=f"the table {path.stem}"):
                # else another process made it while this one waited
                if not _is_here(name):
                    write_table(assembled(name), path)
        bench = open_table(path)
        if source and declared(source).package and lacks(source):
            bench.more = f"To get more metrics, run snas data fetch {source}."
        return bench

    def describe(self) -> Iterator[dict[str, Any]]:
        """Describe all tables. Tables that are not on this machine are described from the
        catalogue.
        """
        for name in self.names():
            yield entry_of(name, _path(name), partial(self._describe, name))

    def _describe(self, name: str) -> TableBenchmark | dict[str, Any]:
        """Return the table, or an entry if it is not available or cannot be opened."""
        if not _is_here(name):
            return described(name)
        try:
            return self.open(name)
        except UserError as error:
            unknown = dict.fromkeys(
                ("space", "source", "licence", "citation", "banner"), ""
            )
            absent = {"name": name, "title": str(error), "cells": 0, "available": False}
            return {**absent, "metrics": [], **unknown}


def _path(name: str) -> Path:
    return shipped(f"{FASHION}.h5") if name == FASHION else table_path(name)


def _is_here(name: str) -> bool:
    """Return whether a table is available. If a package can rebuild it, it must be undamaged."""
    path = _path(name)
    source = source_of(name)
    if not path.is_file() or source is None or not declared(source).package:
        return path.is_file()
    try:
        open_table(path)
    except UserError:
        return False
    return True


@lru_cache(maxsize=1)
def _catalogue() -> dict[str, Any]:
    return dict(json.loads(shipped("catalogue.json").read_text()))


def described(name: str) -> dict[str, Any]:
    """Return the entry, for ``snas benchmarks --json``, of a table that is not on this machine."""
    source = source_of(name) or ""
    ready = is_ready(source)
    entry: dict[str, Any] = {"name": name, "title": declared(source).title, "space": ""}
    entry |= {"cells": None, "metrics": [], "source": "", "banner": ""}
    entry |= _catalogue().get(name, {})
    entry |= {
        "licence": licence(source),
        "citation": citation(source),
        "available": ready,
    }
    return entry if ready else entry | {"get": how_to_get(source)}


TABLE_SUFFIX = ".h5"
"""The suffix of paths of tables."""


class File(Resolver):
    """The resolver of paths of tables (``PATH.h5``) and of benchmarks in Python files
    (``PATH.py:NAME``).
    """

    shape = "TABLE.h5, FILE.py:BENCHMARK"

    def matches(self, name: str) -> bool:
        """Return whether a name is the path of a table, or names an object in a Python file."""
        path, _, attribute = name.rpartition(":")
        return name.endswith(TABLE_SUFFIX) or (
            path.endswith(".py") and attribute.isidentifier()
        )

    def address(self, name: str) -> str:
        """Return the benchmark's name with an absolute path."""
        if name.endswith(TABLE_SUFFIX):
            return str(Path(name).absolute())
        return absolute(name)

    def runs_code(self, name: str) -> bool:
        """Return whether a benchmark's name refers to a Python file. Tables contain no code that
        could be run.
        """
        return not name.endswith(TABLE_SUFFIX)

    def open(self, name: str) -> Benchmark:
        """Open a table by its path, or import a benchmark from a Python file."""
        if name.endswith(TABLE_SUFFIX):
            return open_table(Path(name))
        path, _, attribute = name.rpartition(":")
        file = Path(path)
        check_file(file, "benchmark")
        key = file.absolute(), attribute, tuple(with_imports(file).items())
        files = getattr(_opened.get(key), "files", None)
        if key not in _opened or (isinstance(files, FilesRead) and files.are_stale):
            _opened[key] = _imported(file, attribute)
        return _opened[key]


# Objects of unchanged files, which cache the results of their functions.
_opened: dict[tuple[object, ...], Benchmark] = {}


def _imported(file: Path, attribute: str) -> Benchmark:
    with heard(file.absolute().parent) as opened:
        benchmark = getattr(import_file(file, "benchmark"), attribute, None)
    if not isinstance(benchmark, Benchmark):
        raise UserError(
            f"{file} contains no benchmark {attribute}: create one with surrogate_nas.Computed or"
            " surrogate_nas.Training."
        )
    if hasattr(benchmark, "imported"):
        benchmark.imported = opened
    kind = type(benchmark)
    # a class of the file, which cannot be imported
    if kind.__reduce__ is object.__reduce__:
        copyreg.pickle(kind, lambda benchmark: (_open_again, (benchmark.address,)))
    return benchmark


def _open_again(address: str) -> Benchmark:
    benchmark = File().open(address)
    benchmark.address = address
    return benchmark
