"""Resolvers: each opens one kind of benchmark by name."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from surrogate_nas.benchmarks.base import Benchmark
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.core.version import __version__
from surrogate_nas.files import home, shipped, write_whole
from surrogate_nas.files.regular import read_regular
from surrogate_nas.space import SPACES


class Resolver(ABC):
    """Opens one kind of benchmark by name.

    Attributes:
        shape: How its names read, such as ``live:TASK``; empty where `names` lists them all.
        has_tables: Whether what it lists has whole columns.
    """

    shape: ClassVar[str] = ""
    has_tables: ClassVar[bool] = False

    @abstractmethod
    def matches(self, name: str) -> bool:
        """Whether a name is of this kind, here or not."""

    @abstractmethod
    def open(self, name: str) -> Benchmark:
        """Open a benchmark whose name this resolver matches."""

    def opened(self, name: str) -> Benchmark:
        """Open a benchmark, which then says how it is opened again."""
        benchmark = self.open(name)
        benchmark.address = benchmark.address or self.address(name)
        return benchmark

    def address(self, name: str) -> str:
        """The name that opens the same benchmark from any folder."""
        return name

    def runs_code(self, name: str) -> bool:
        """Whether opening runs a file that the name points at, so that only a user may say it."""
        return False

    def names(self) -> Iterable[str]:
        """The names that can be listed."""
        return ()

    def family(self, name: str) -> tuple[str, str]:
        """Return the name and the title of a benchmark's family; no title for one alone."""
        return name, ""

    def describe(self) -> Iterator[dict[str, Any]]:
        """The entries of its names for ``snas benchmarks --json``; opens what is cheap to open."""
        for name in self.names():
            yield self.open(name).describe()


RESOLVERS: list[Resolver] = []
"""Filled in `surrogate_nas.benchmarks`; the first that matches a name opens it."""


def known() -> list[str]:
    """The names of all benchmarks that can be opened now or after a fetch."""
    return sorted({name for resolver in RESOLVERS for name in resolver.names()})


def resolver_of(name: str) -> Resolver:
    """Return the resolver that opens a name."""
    for resolver in RESOLVERS:
        if resolver.matches(name):
            return resolver
    shapes = [resolver.shape for resolver in RESOLVERS if resolver.shape]
    raise unknown("benchmark", name, [*known(), *shapes], lister="snas benchmarks")


# What lists say of tables is cached in ``listed.json`` of the data directory, by the size and the
# time of each file. A table of a user's space is never in it, since its entry depends on that code.


Entry = dict[str, Any]
_fresh: set[Path] = set()
"""Caches that know more than their files."""


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
    """Write what was learned of tables, if the folder can be written."""
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
        if version == _version() and all(isinstance(e, dict) for _, e in known.values()):
            return dict(known)
    return {}
