"""Which files beside its code a user's strategy reads in its own folder: they belong to its provenance too.

They are heard of when Python opens them, whenever that is in a run. What the strategy writes itself does not count, nor
do installed packages, hidden files and our home folder. What a library opens by itself, as HDF5 and SQLite do, and what
lies in other folders is not seen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeGuard

from surrogate_nas.files import home

_CODE = (".py", ".pyc", ".pyi", ".so", ".pyd")
_MOST, _LONGEST = 1_000, 500
"""Files that are reported, and characters of a name."""
_PIECE, _LARGEST = 2**20, 100 * 2**20
"""Bytes that are read at once, and of a file in all: of a larger one its size counts too."""
MISSING, SEVERAL = "missing", "several"
"""What stands for the digest of a file that is not there, and of one that runs read with different content."""
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
                self.read |= {name: digest for name in names if (digest := digest_of(self.folder / name)) != MISSING}


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
    total, left = sha256(str(size).encode()), _LARGEST
    with file.open("rb") as opened:
        while left > 0 and (piece := opened.read(min(_PIECE, left))):
            total.update(piece)
            left -= len(piece)
    return total.hexdigest()


def merged(runs: Sequence[tuple[Mapping[str, str], Sequence[str]]]) -> dict[str, str]:
    """What several runs read and none of them wrote, by name."""
    written = {name for _, names in runs for name in names}
    found: dict[str, str] = {}
    for read, _ in runs:
        for name, digest in read.items():
            if name not in written:
                found[name] = digest if found.get(name, digest) == digest else SEVERAL
    return found


def listen(folder: str) -> Callable[[], tuple[list[str], list[str]]]:
    """Hear from now on what this process opens in a folder; the answer tells what was read and what written."""
    root = os.path.join(os.path.realpath(folder), "")
    read: dict[str, None] = {}
    written: dict[str, None] = {}
    without = [os.path.join(os.path.realpath(one), "") for one in (sys.prefix, sys.base_prefix, home(), _PACKAGE)]
    without = [one for one in without if one.startswith(root)]
    here, separator, writing = len(root), os.sep, os.O_WRONLY | os.O_RDWR
    realpath, split, join, fspath, fsdecode = (
        os.path.realpath, os.path.split, os.path.join, os.fspath, os.fsdecode,
    )  # fmt: skip

    def note(path: Any, into: dict[str, None]) -> None:
        if isinstance(path, int) or len(into) >= _MOST:
            return
        parent, name = split(fsdecode(fspath(path)))
        whole = join(realpath(parent or "."), name)
        inside = whole[here:]
        if not whole.startswith(root) or whole.endswith(_CODE) or any(map(whole.startswith, without)):
            return
        if not any(part.startswith(".") or part == "__pycache__" for part in inside.split(separator)):
            into[inside] = None

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename"):
            return
        try:
            if event == "open":
                note(arguments[0], written if arguments[2] & writing else read)
            else:
                note(arguments[1], written)
        except Exception:  # noqa: BLE001, S110 - what is raised here would be raised by what the user's code does
            pass

    sys.addaudithook(hear)
    return lambda: (list(read), list(written))
