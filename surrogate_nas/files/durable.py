"""What is written survives a power cut once these return."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_NOT_OFFERED = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EISDIR)
"""Where a file system cannot do it, or Windows a folder, there is nothing to be done."""


def sync(descriptor: int) -> None:
    """Wait until an open file is on the disk.

    Args:
        descriptor: The file's.

    Raises:
        OSError: The disk is full or broken.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise


def sync_path(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk.

    Args:
        path: The file or folder.

    Raises:
        OSError: The disk is full or broken, or there is no such path.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder on Windows
        return
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
