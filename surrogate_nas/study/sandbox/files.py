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
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeGuard

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


@dataclass
class Files:
    """The files of one run of a strategy.

    Attributes:
        folder: Where the strategy's file lies.
        read: By name, as seen from the folder, the digest of what was read.
        written: Names of what the strategy opened for writing.
    """

    folder: Path
    read: dict[str, str] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)

    def take(self, answer: object) -> None:
        """Take what the strategy's process reports, of which nothing is trusted."""
        match answer:
            case [[*read], [*written]]:
                self.written |= set(filter(_is_name, written))
                names = set(filter(_is_name, read)) - self.written
                self.read |= {
                    name: digest
                    for name in names
                    if (digest := digest_of(self.folder / name)) != MISSING
                }


def _is_name(value: object) -> TypeGuard[str]:
    """Whether a report names a file in the folder."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        return False
    return not os.path.isabs(value) and ".." not in Path(value).parts


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
def _digest(file: Path, size: int, changed: int) -> str:  # noqa: ARG001 - a file that changed is read anew
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


def listen(folder: str) -> Callable[[], tuple[list[str], list[str]]]:
    """Hear from now on what this process opens in a folder; the answer tells what was read and what
    written.
    """
    root = os.path.join(os.path.realpath(folder), "")
    read: dict[str, None] = {}
    written: dict[str, None] = {}
    without = [
        os.path.join(os.path.realpath(one), "")
        for one in (sys.prefix, sys.base_prefix, home(), _PACKAGE)
    ]
    without = [one for one in without if one.startswith(root)]

    def note(path: Any, into: dict[str, None]) -> None:
        if isinstance(path, int) or len(into) >= _MOST:
            return
        parent, name = os.path.split(os.fsdecode(path))
        whole = os.path.join(os.path.realpath(parent or "."), name)
        inside = whole[len(root) :]
        if (
            not whole.startswith(root)
            or whole.endswith(_CODE)
            or any(map(whole.startswith, without))
        ):
            return
        if not any(part.startswith(".") or part == "__pycache__" for part in inside.split(os.sep)):
            into[inside] = None

    # An audit hook would hear of more, but Python calls it at every id() too: a copy.deepcopy takes
    # 1.7 times as long.
    plain_open = io.open
    low_open = os.open
    rename = os.rename
    replace = os.replace

    @wraps(plain_open)
    def opened(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        stream = plain_open(file, mode, *more, **named)
        note(file, written if {*mode} & {*"wax+"} else read)
        return stream

    @wraps(low_open)
    def opened_low(path: Any, flags: int, *more: Any, **named: Any) -> int:
        descriptor = low_open(path, flags, *more, **named)
        note(path, written if flags & (os.O_WRONLY | os.O_RDWR) else read)
        return descriptor

    def moving(move: Callable[..., None]) -> Callable[..., None]:
        @wraps(move)
        def moved(src: Any, dst: Any, **named: Any) -> None:
            move(src, dst, **named)
            note(dst, written)

        return moved

    builtins.open = io.open = opened
    os.open = opened_low
    os.rename = moving(rename)
    os.replace = moving(replace)
    return lambda: (list(read), list(written))
