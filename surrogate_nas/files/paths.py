"""Names of files that come from outside: some that can be typed no file can have."""

from __future__ import annotations

from pathlib import Path


def is_file(path: Path) -> bool:
    """Whether a file is there; False also for a name that no file can have (too long, or with a null character).

    Args:
        path: Any path.
    """
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def exists(path: Path) -> bool:
    """Whether a file or folder is there; False also for a name that none can have.

    Args:
        path: Any path.
    """
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def printable(text: object) -> str:
    r"""A text that any file can hold and any terminal show; bytes that are no UTF-8 become ``\udcNN``.

    Args:
        text: Such as a path, which can be any bytes.
    """
    return str(text).replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
