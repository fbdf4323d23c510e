"""Which files beside its code a user's strategy reads in its own folder: they belong to its
provenance too.

They are heard of when Python's `open` or `os.open` opens them, whenever that is in a run. What the
strategy writes itself does not count; for what else does not, see `surrogate_nas.files.opened`.
"""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable
from functools import lru_cache, wraps
from hashlib import sha256
from pathlib import Path
from typing import Any

from surrogate_nas.files.opened import MISSING, Opened

_CODE = (".py", ".pyi", ".so", ".pyd")
_PIECE = 2**20
_LARGEST = 100 * 2**20
"""Bytes that are read at once, and of a file in all: of a larger one its size counts too."""
SEVERAL = "several"
"""What stands for the digest of a file that runs read with different content."""


class Files:
    """The files of one run of a strategy: digests of what was `read`, after `end`, by name."""

    def __init__(self, folder: Path) -> None:
        """Name the folder of the strategy's file."""
        self.read: dict[str, str] = {}
        self.hears = False
        self._opened = Opened(folder)
        self.written = self._opened.written

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
                if self.hears:
                    notes(*given, **named)
                return result

            return called

        note = self._opened.note

        def opened(file: Any, mode: str = "r", *_: Any, **__: Any) -> None:
            note(file, is_written=bool({*mode} & {*"wax+"}))

        def opened_low(path: Any, flags: int, *_: Any, **__: Any) -> None:
            note(path, is_written=bool(flags & (os.O_WRONLY | os.O_RDWR)))

        def moved(src: Any, dst: Any, **_: Any) -> None:
            note(dst, is_written=True)

        builtins.open = io.open = heard(io.open, opened)
        os.open = heard(os.open, opened_low)
        os.rename, os.replace = heard(os.rename, moved), heard(os.replace, moved)

    def end(self) -> None:
        """Take the digests of what was read, and not written too."""
        self.hears = False
        self._opened.close()
        names = (name for name in self._opened.read if not name.endswith(_CODE))
        digests = {
            name: digest_of(self._opened.folder / name) for name in {*names} - self.written
        }
        self.read = {name: digest for name, digest in digests.items() if digest != MISSING}


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
