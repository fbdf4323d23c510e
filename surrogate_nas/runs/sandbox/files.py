"""Which files beside its code a user's strategy reads in its own folder: they belong to its
provenance too.

They are heard of when Python's `open` or `os.open` opens them, whenever that is in a run. What the
strategy writes itself does not count, nor do installed packages, hidden files and our home folder.
What a library opens by itself, as HDF5 and SQLite do, and what lies in other folders is not seen.
"""

from __future__ import annotations

import builtins
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, wraps
from hashlib import sha256
from pathlib import Path
from typing import Any

from surrogate_nas.files import home

_CODE = (".py", ".pyc", ".pyi", ".so", ".pyd")
_MOST = 1_000
_LONGEST = 500
"""Files that are reported, and characters of a name."""
_PIECE = 2**20
_LARGEST = 100 * 2**20
"""Bytes that are read at once, and of a file in all: of a larger one its size counts too."""
MISSING = "missing"
SEVERAL = "several"
"""What stands for the digest of a file that is not there, and of one that runs read with different
content.
"""
_PACKAGE = Path(__file__).resolve().parents[2]


class Files:
    """The files of one run of a strategy.

    Attributes:
        folder: Where the strategy's file lies.
        read: By name, as seen from the folder, the digest of what was read; known after `end`.
        written: Names of what the strategy opened for writing.
        hears: Whether what is opened now counts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read: dict[str, str] = {}
        self.written: set[str] = set()
        self.hears = False
        self._root = os.path.join(os.path.realpath(folder), "")
        places = (sys.prefix, sys.base_prefix, home(), _PACKAGE)
        others = [os.path.join(os.path.realpath(place), "") for place in places]
        self._without = tuple(one for one in others if one.startswith(self._root))

    def listen(self) -> None:
        """Hear from now on what this process opens in the folder.

        An audit hook would hear of more, but Python calls it at every id() too: a copy.deepcopy
        takes 1.7 times as long.
        """

        def heard(
            function: Callable[..., Any], notes: Callable[..., None]
        ) -> Callable[..., Any]:
            @wraps(function)
            def called(*given: Any, **named: Any) -> Any:
                result = function(*given, **named)
                notes(*given, **named)
                return result

            return called

        def opened(file: Any, mode: str = "r", *_: Any, **__: Any) -> None:
            self._note(file, writes=bool({*mode} & {*"wax+"}))

        def opened_low(path: Any, flags: int, *_: Any, **__: Any) -> None:
            self._note(path, writes=bool(flags & (os.O_WRONLY | os.O_RDWR)))

        def moved(src: Any, dst: Any, **_: Any) -> None:
            self._note(dst, writes=True)

        builtins.open = io.open = heard(io.open, opened)
        os.open = heard(os.open, opened_low)
        os.rename, os.replace = heard(os.rename, moved), heard(os.replace, moved)

    def _note(self, path: Any, *, writes: bool) -> None:
        if not self.hears or isinstance(path, int) or len(self.read) >= _MOST:
            return
        parent, name = os.path.split(os.fsdecode(path))
        whole = os.path.join(os.path.realpath(parent or "."), name)
        inside = whole.removeprefix(self._root)
        hidden = any(
            part.startswith(".") or part == "__pycache__" for part in Path(inside).parts
        )
        is_own = whole.startswith(self._root) and not whole.startswith(self._without)
        if is_own and not hidden and not whole.endswith(_CODE) and len(inside) <= _LONGEST:
            self.read[inside] = MISSING
            if writes:
                self.written.add(inside)

    def end(self) -> None:
        """Take the digests of what was read, and not written too."""
        self.hears = False
        digests = {
            name: digest_of(self.folder / name) for name in {*self.read} - self.written
        }
        self.read = {name: one for name, one in digests.items() if one != MISSING}


def digest_of(file: Path) -> str:
    """A digest of a file's content; `MISSING` where it cannot be read."""
    try:
        status = file.stat()
        if not file.is_file():
            return MISSING
        return _digest(file, status.st_size, status.st_mtime_ns)
    except (OSError, ValueError):
        return MISSING


@lru_cache(maxsize=256)
def _digest(file: Path, size: int, changed: int) -> str:
    total = sha256(str(size).encode())
    left = _LARGEST
    with file.open("rb") as opened:
        while left > 0 and (piece := opened.read(min(_PIECE, left))):
            total.update(piece)
            left -= len(piece)
    return total.hexdigest()


def merged(runs: Sequence[tuple[Mapping[str, str], Sequence[str]]]) -> dict[str, str]:
    """What several runs read and none of them wrote, by name."""
    written = {name for _, names in runs for name in names}
    digests: dict[str, str] = {}
    for read, _ in runs:
        for name, digest in read.items():
            if name not in written:
                digests[name] = digest if digests.get(name, digest) == digest else SEVERAL
    return digests
