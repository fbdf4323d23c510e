"""Reading a file of unknown origin: only a regular one, never a FIFO, which might never end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path, *, follow: bool = True) -> BinaryIO:
    """Open a regular file for reading; the caller closes it.

    Raises:
        OSError: It is something else, is not there, or cannot be read.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    file = os.fdopen(os.open(path, flags), "rb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "It is no file", str(path))


def read_regular(path: Path) -> bytes:
    """Read a regular file.

    Raises:
        OSError: It is something else, is not there, or cannot be read.
    """
    with open_regular(path) as file:
        return file.read()
