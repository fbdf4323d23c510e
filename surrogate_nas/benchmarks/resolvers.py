"""What an opener is: one kind of benchmark, the names that it knows, and how it opens one.

`OPENERS`, which `surrogate_nas.benchmarks` fills, is asked in turn. A further kind of benchmark is
one more opener beside that kind.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from surrogate_nas.benchmarks.base import Benchmark
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.core.version import __version__
from surrogate_nas.files import home, shipped, write_whole
from surrogate_nas.files.regular import read_regular
from surrogate_nas.space import SPACES


class Family(NamedTuple):
    """Benchmarks that a short list shows in one line.

    Attributes:
        name: What ``snas benchmarks`` calls them.
        title: What they are; empty for that of the only one.
    """

    name: str
    title: str = ""


class Opener(ABC):
    """Opens one kind of benchmark by name.

    Attributes:
        shape: How its names read, such as ``live:TASK``; empty where `names` lists them all.
        has_tables: Whether what it lists has whole columns.
    """

    shape: ClassVar[str] = ""
    has_tables: ClassVar[bool] = False

    @abstractmethod
    def claims(self, name: str) -> bool:
        """Whether a name is of this kind, here or not."""

    @abstractmethod
    def open(self, name: str) -> Benchmark:
        """Open a benchmark that this opener claims."""

    def opened(self, name: str) -> Benchmark:
        """Open a benchmark, which then says how it is opened again."""
        found = self.open(name)
        found.address = found.address or self.address(name)
        return found

    def address(self, name: str) -> str:
        """The name that opens the same benchmark from any folder."""
        return name

    def runs_code(self, name: str) -> bool:  # noqa: ARG002 - most kinds never do
        """Whether opening runs a file that the name points at, so that only a user may say it."""
        return False

    def names(self) -> Iterable[str]:
        """The names that can be listed."""
        return ()

    def family(self, name: str) -> Family:
        """With which others a short list shows a benchmark."""
        return Family(name)

    def describe(self) -> Iterator[dict[str, Any]]:
        """The entries of its names for ``snas benchmarks --json``; opens what is cheap to open."""
        for name in self.names():
            yield self.open(name).describe()


OPENERS: list[Opener] = []
"""Asked in turn; the first that claims a name opens it."""


def known() -> list[str]:
    """The names of all benchmarks that can be opened now or after a fetch."""
    return sorted({name for opener in OPENERS for name in opener.names()})


def opener_of(name: str) -> Opener:
    """What opens a name."""
    for opener in OPENERS:
        if opener.claims(name):
            return opener
    shapes = [opener.shape for opener in OPENERS if opener.shape]
    raise unknown("benchmark", name, [*known(), *shapes], lister="snas benchmarks")


# What lists say of tables, remembered by the size and the time of each file, since opening a
# hundred takes a second.
#
# ``listed.json`` in the home folder is a cache: whoever removes it waits once. A table of a space
# that is code of a user's is never remembered, since its list entry depends on that code too.


Entry = dict[str, Any]
_fresh: set[Path] = set()
"""Caches that know more than their files."""


def entry_of(name: str, path: Path, describe: Callable[[], Benchmark | Entry]) -> Entry:
    """The entry of a table, as ``snas benchmarks --json`` lists it."""
    place = home() / "listed.json"
    known = _known(place)
    stamp = _stamp(path)
    if stamp is not None and name in known and known[name][0] == stamp:
        return dict(known[name][1])
    found = describe()
    if not isinstance(found, Benchmark):
        return found
    entry = found.describe()
    stamp = _stamp(path)
    if stamp is not None and (found.space.name in SPACES or found.space.definition.startswith("{")):
        known[name] = [stamp, entry]
        _fresh.add(place)
    return entry


def remember() -> None:
    """Write what was learned of tables, if the folder can be written."""
    place = home() / "listed.json"
    if place in _fresh:
        known = {name: held for name, held in _known(place).items() if os.path.isfile(held[0][0])}
        with suppress(UserError):
            write_whole(place, json.dumps([_made_by(), known]))
        _fresh.discard(place)


def _stamp(path: Path) -> list[Any] | None:
    try:
        told = path.stat()
    except OSError:
        return None
    return [str(path), told.st_size, told.st_mtime_ns]


@lru_cache(maxsize=1)
def _made_by() -> list[Any]:
    """What entries depend on beside their tables: this version, and the proxies that come along
    with spaces.
    """
    return [__version__, *map(_stamp, sorted(shipped("manifest.json").parent.glob("proxies-*.h5")))]


@lru_cache(maxsize=4)
def _known(place: Path) -> dict[str, list[Any]]:
    try:
        made_by, known = json.loads(read_regular(place))
        if made_by == _made_by() and all(isinstance(entry, dict) for _, entry in known.values()):
            return dict(known)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):  # none yet, or damaged
        pass
    return {}
