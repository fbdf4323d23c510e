"""Archives that tests make."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path


def tarred(path: Path, members: Iterable[tuple[str, bytes]], mode: str = "w") -> Path:
    """A tar of files with their contents."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
