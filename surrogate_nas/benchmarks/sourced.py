"""Benchmarks whose tables come with the project, from a source, or from an import.

A table from an installed package is assembled on first use, without a network. Files that the
source can also fetch belong to the same benchmarks, and `Benchmark.more` says how to get them. For
tables that are not here, lists read ``data/catalogue.json``, which ``analysis/catalogue.py`` makes;
a test compares it with the tables.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from surrogate_nas.benchmarks.resolvers import Family, Resolver, entry_of
from surrogate_nas.benchmarks.table import TableBenchmark, open_table
from surrogate_nas.core.errors import AbsentError, UserError
from surrogate_nas.files import home, locked, shipped, table_path
from surrogate_nas.tables import write_table
from surrogate_nas.tables.sources.base import (
    SOURCES,
    declared,
    is_current,
    made,
    source_of,
    sources,
)
from surrogate_nas.tables.sources.fetching import (
    assembled,
    citation,
    how_to_get,
    is_ready,
    lacks,
    licence,
)

FASHION = "fashion"
"""The table that the project made and ships."""


_IMPORTED = Family("imported", "tables that you imported")


def _family_of(name: str) -> Family:
    """What one source makes, or one came with the project, or was imported."""
    if name == FASHION:
        return Family(FASHION)
    source = source_of(name)
    return _IMPORTED if source is None else Family(source, declared(source).title)


class Installed(Resolver):
    """The shipped table, and those of installed packages, each assembled on first use."""

    has_tables = True

    def names(self) -> Iterable[str]:
        """All of them."""
        installed = (source for source in map(declared, sources()) if source.package)
        return FASHION, *(name for source in installed for name in source.names)

    def family(self, name: str) -> Family:
        """What its source makes."""
        return _family_of(name)

    def matches(self, name: str) -> bool:
        """Whether it is one of them."""
        return name in self.names()

    def runs_code(self, name: str) -> bool:
        """Whether its source is of another package, whose code makes the table."""
        return name != FASHION and source_of(name) not in SOURCES

    def open(self, name: str) -> TableBenchmark:
        """Open the table."""
        if name == FASHION:
            return open_table(shipped(f"{FASHION}.h5"))
        path = table_path(name)
        if not _is_here(name):
            path = _assemble(name, path)
        bench = open_table(path)
        source = source_of(name) or ""
        bench.more = (
            f"More of it is to be had: run snas data fetch {source}." if lacks(source) else ""
        )
        return bench

    def describe(self) -> Iterator[dict[str, Any]]:
        """The tables that are assembled, and what is known of those that will be."""
        for name in self.names():
            path = shipped(f"{FASHION}.h5") if name == FASHION else table_path(name)
            yield entry_of(name, path, lambda n=name: self._describe(n))  # type: ignore[misc]

    def _describe(self, name: str) -> TableBenchmark | dict[str, Any]:
        return self.open(name) if name == FASHION or _is_here(name) else described(name)


class Fetched(Resolver):
    """The tables of the home folder, and those that can be fetched into it."""

    has_tables = True

    def names(self) -> Iterable[str]:
        """What is there, and what can be fetched; what is installed only keeps its table there."""
        here = {path.stem for path in (home() / "tables").glob("*.h5") if path.is_file()}
        return sorted({*made(), *here} - {*Installed().names()})

    def family(self, name: str) -> Family:
        """What its source makes, or what was imported."""
        return _family_of(name)

    def matches(self, name: str) -> bool:
        """Whether a table of that name is here or can be fetched."""
        if name in Installed().names():
            return False
        return name in made() or (Path(name).name == name and os.path.isfile(table_path(name)))

    def open(self, name: str) -> TableBenchmark:
        """Open the table."""
        path = table_path(name)
        if not path.is_file():
            source = source_of(name)
            if source is None or not is_ready(source):
                raise AbsentError(f"{name} is not here yet: {how_to_get(source or '')}.")
            path = _assemble(name, path)
        return open_table(path)

    def describe(self) -> Iterator[dict[str, Any]]:
        """The tables that are here, and what is known of those that are not."""
        for name in self.names():
            yield entry_of(name, table_path(name), lambda n=name: self._describe(n))  # type: ignore[misc]

    def _describe(self, name: str) -> TableBenchmark | dict[str, Any]:
        """The table, or its entry where it is not here or cannot be opened, which then says why."""
        if not table_path(name).is_file():
            return described(name)
        try:
            return self.open(name)
        except UserError as error:
            unknown = dict.fromkeys(("space", "source", "licence", "citation", "banner"), "")
            return {
                "name": name,
                "title": str(error),
                "cells": 0,
                "available": False,
                "metrics": [],
                **unknown,
            }


def _assemble(name: str, path: Path) -> Path:
    """Make a package's table; where the folder cannot be written, in a temporary one."""
    try:
        with locked(path, what=f"the table {path.stem}"):
            if not _is_here(name):  # else another process made it while this one waited
                write_table(assembled(name), path)
    except UserError as error:
        table = assembled(name)
        path = Path(_temporary_folder().name) / path.name
        write_table(table, path)
        warnings.warn(f"{error} Using {path} instead.", stacklevel=2)
    return path


def _is_here(name: str) -> bool:
    """Whether a package's table is here, whole, and as this version makes it."""
    try:
        return is_current(name, open_table(table_path(name)).columns)
    except UserError:
        return False


@lru_cache(maxsize=1)
def _temporary_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="surrogate_nas-")


@lru_cache(maxsize=1)
def _catalogue() -> dict[str, Any]:
    return dict(json.loads(shipped("catalogue.json").read_text()))


def described(name: str) -> dict[str, Any]:
    """The entry of a benchmark that has no table yet, as ``snas benchmarks --json`` lists it."""
    source = source_of(name)
    if source is None:
        raise LookupError(name)
    ready = is_ready(source)
    entry = {
        "name": name,
        "title": declared(source).title,
        "space": "",
        "cells": None,
        "metrics": [],
        "source": "",
        "banner": "",
        **_catalogue().get(name, {}),
        "licence": licence(source),
        "citation": citation(source),
        "available": ready,
    }
    return entry if ready else entry | {"get": how_to_get(source)}
