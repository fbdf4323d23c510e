"""The source of users' strategies: the file of each, and the files of the user's own that it
imports.

How it is found is described in `surrogate_nas.core.digests`.

A version of a strategy is its source with the files that it read. How many were run on the same
problem and seeds shows a search over one's own edits. The record lies in ``versions/`` of the data
directory, a file for each strategy, problem and root seed, so that a folder that was deleted and
another ``--out`` forget nothing. A comparison's folder has the count of its last command, so that
its page says the same everywhere.
"""

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from surrogate_nas.core import (
    Sources,
    UserError,
    json_check,
    parse_reference,
    source_of,
    text_of,
    with_imports,
)
from surrogate_nas.files import home
from surrogate_nas.files.journal import Chain
from surrogate_nas.files.opened import MISSING, Opened
from surrogate_nas.strategies import OURS, StrategyEntry

__all__ = [
    "SEVERAL",
    "Sources",
    "count_version",
    "digest_of",
    "files_read",
    "folder_of",
    "most_versions",
    "sources_of",
]

_DAMAGE = "({}). Delete it; versions are then counted anew."
_ROOT = "surrogate_nas versions 1"
# Bytes of a file that is taken for source where a command names it.
_LARGEST = 10**6


def sources_of(entry: StrategyEntry) -> Sources:
    """The source of a strategy; of those that come with the project, whose version tells theirs,
    only that of a user's files which their options name.
    """
    if isinstance(entry.target, type):
        return {} if entry.is_trusted else source_of(entry.target)
    if entry.is_trusted:
        return {**_named_in(entry.options.get("command")), **_models_in(entry.options)}
    file = OURS.file(entry.target)
    return {} if file is None else with_imports(file)


def folder_of(entry: StrategyEntry) -> Path | None:
    """The folder of a user's strategy; the working directory for a class without a file.

    None for ours.
    """
    if entry.is_trusted:
        return None
    if not isinstance(entry.target, type):
        file = OURS.file(entry.target)
        return None if file is None else file.absolute().parent
    module = entry.target.__module__
    file_name = getattr(sys.modules.get(module), "__file__", None)
    if file_name is None or module in sys.stdlib_module_names:
        return Path.cwd()
    return Path(file_name).absolute().parent


def _named_in(command: object) -> Sources:
    sources: dict[str, str] = {}
    with suppress(ValueError):
        for word in shlex.split(command)[1:] if isinstance(command, str) else ():
            if os.path.isfile(word) and os.path.getsize(word) <= _LARGEST:
                sources[Path(word).name] = text_of(Path(word))
    return sources


def _models_in(options: Mapping[str, Any]) -> Sources:
    """The files of models that options name, as in ``guided(model=file.py:Class)``."""
    sources: dict[str, str] = {}
    for value in options.values():
        if isinstance(value, str):
            with suppress(UserError):
                head, _ = parse_reference(value)
                path = head.removeprefix("sklearn:").rpartition(":")[0]
                if path.endswith(".py"):
                    sources.update(with_imports(Path(path)))
    return sources


_CODE = (".py", ".pyi", ".so", ".pyd")
_PIECE = 2**20
# Bytes that are read at once, and of a file in all: of a larger one its size counts too.
_MOST_READ = 100 * 2**20
SEVERAL = "several"
"""What stands for the digest of a file that runs read with different content."""


def files_read(opened: Opened) -> dict[str, str]:
    """Digests of what a strategy read beside its code and did not write, by name in its folder."""
    opened.close()
    names = (name for name in opened.read if not name.endswith(_CODE))
    digests = {
        name: digest_of(opened.folder / name) for name in {*names} - opened.written
    }
    return {name: digest for name, digest in digests.items() if digest != MISSING}


def digest_of(file: Path) -> str:
    """A digest of a file's content; `MISSING` where it cannot be read."""
    try:
        status = file.stat()
        return _digest(file, status.st_size, status.st_mtime_ns)
    except (OSError, ValueError):
        return MISSING


@lru_cache(maxsize=256)
def _digest(file: Path, size: int, changed: int) -> str:
    total = sha256(str(size).encode())
    left = _MOST_READ
    with file.open("rb") as opened:
        while left > 0 and (piece := opened.read(min(_PIECE, left))):
            total.update(piece)
            left -= len(piece)
    return total.hexdigest()


def count_version(
    name: str,
    folder: Path,
    problem: tuple[str, int],
    sources: Sources,
    files: Mapping[str, str] | None,
) -> int:
    """Note a version of a strategy, and count those that were run on the same problem and seeds.

    Args:
        name: The strategy's label.
        folder: The folder of its file.
        problem: The objective's fingerprint and the root seed.
        sources: The text of its code by file.
        files: The digests of what its runs read besides; None before a run has told.

    Returns:
        How many there are with this one; 1 where the home folder cannot be written.

    Raises:
        UserError: The record is not as it was written.
    """
    key = json_check([name, str(folder), *problem])
    path = home() / "versions" / f"{key}.jsonl"
    entry = {
        "code": json_check(dict(sources)),
        "files": None if files is None else json_check(dict(files)),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(Chain(path, f"{_ROOT} {key}", damage=_DAMAGE)) as chain:
            known = list(chain.entries)
            is_known = entry in known or (
                files is None
                and any(version["code"] == entry["code"] for version in known)
            )
            if not is_known:
                chain.append(entry)
                known.append(entry)
    except (OSError, UserError) as error:
        if not isinstance(error.__cause__ or error, OSError):
            raise
        return 1
    whole = {
        (version["code"], version["files"])
        for version in known
        if version["files"] is not None
    }
    begun = {version["code"] for version in known} - {code for code, _ in whole}
    return len(whole) + len(begun)


def most_versions(counted: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Of several problems the largest count of each strategy."""
    most: dict[str, int] = {}
    for counts in counted:
        most |= {name: max(n, most.get(name, 0)) for name, n in counts.items()}
    return most
