"""Archives that tests make."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from surrogate_nas.tables.sources import fetching


def tarred(path: Path, members: Iterable[tuple[str, bytes]], mode: str = "w") -> Path:
    """A tar of files with their contents."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def fetched_archive(variable: str, what: str, source: str, name: str, folder: Path) -> Path:
    """The package that a variable names, fetched from a mirror that has it; else a test is skipped.

    Args:
        variable: Of the environment.
        what: The package, for the reason.
        source: The source that is fetched.
        name: The package's place on a mirror.
        folder: The mirror's, which is made.
    """
    given = os.environ.get(variable)
    if not given:
        pytest.skip(f"set {variable} to {what}")
    (folder / name).parent.mkdir(parents=True)
    shutil.copyfile(given, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(fetching.MIRROR_VARIABLE, str(folder))
        (path,) = fetching.fetch(source)
    return path
