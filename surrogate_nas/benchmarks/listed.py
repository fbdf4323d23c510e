"""What lists say of tables, remembered by the size and the time of each file, since opening a hundred takes a second.

``listed.json`` in the home folder is a cache: whoever removes it waits once. A table of a space that is code of a
user's is never remembered, since its list entry depends on that code too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks.base import Benchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.version import __version__
from surrogate_nas.files import home, replacing, shipped
from surrogate_nas.space import SPACES

Entry = dict[str, Any]
_fresh: set[Path] = set()
"""Caches that know more than their files."""


def entry_of(name: str, path: Path, describe: Callable[[], Benchmark | Entry]) -> Entry:
    """The entry of a table, as ``snas benchmarks --json`` lists it.

    Args:
        name: The benchmark's.
        path: The table's file.
        describe: Opens it, or gives its entry where it cannot be opened.
    """
    place = home() / "listed.json"
    known, stamp = _known(place), _stamp(path)
    if stamp is not None and name in known and known[name][0] == stamp:
        return dict(known[name][1])
    found = describe()
    if not isinstance(found, Benchmark):
        return found
    entry, stamp = found.describe(), _stamp(path)
    if stamp is not None and (found.space.name in SPACES or found.space.definition.startswith("{")):
        known[name] = [stamp, entry]
        _fresh.add(place)
    return entry


def remember() -> None:
    """Write what was learned of tables, if the folder can be written."""
    place = home() / "listed.json"
    if place in _fresh:
        with suppress(UserError), replacing(place) as temporary:
            temporary.write_text(json.dumps([_made_by(), _known(place)]), encoding="utf-8")
        _fresh.discard(place)


def _stamp(path: Path) -> list[Any] | None:
    try:
        told = path.stat()
    except OSError:
        return None
    return [str(path), told.st_size, told.st_mtime_ns]


@lru_cache(maxsize=1)
def _made_by() -> list[Any]:
    """What entries depend on beside their tables: this version, and the proxies that come along with spaces."""
    return [__version__, *map(_stamp, sorted(shipped("manifest.json").parent.glob("proxies-*.h5")))]


@lru_cache(maxsize=4)
def _known(place: Path) -> dict[str, list[Any]]:
    try:
        made_by, known = json.loads(place.read_text(encoding="utf-8"))
        if made_by == _made_by() and all(isinstance(entry, dict) for _, entry in known.values()):
            return dict(known)
    except (OSError, ValueError, TypeError, AttributeError):  # none yet, or damaged
        pass
    return {}
