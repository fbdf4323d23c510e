"""Names of files that come from outside, which may be any bytes."""

from __future__ import annotations


def printable(text: object) -> str:
    r"""A text that any file and terminal can show; bytes that are no UTF-8 become ``\udcNN``."""
    return str(text).replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
