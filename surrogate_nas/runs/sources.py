"""The source code of user-defined strategies: the strategy's file, and the user's files that it
imports.

`surrogate_nas.core.digests` describes how the code is found.

A version of a strategy is its source code together with the files that it read. The number of
versions that were run on one problem with equal seeds shows how often a user edited a strategy and
tried it again. Versions are recorded in ``versions/`` of the data directory, in one file per
strategy, problem and root seed. Deleting a results folder or using another ``--out`` therefore does
not erase the record. The folder of a comparison stores the number of versions at its last command,
so that its report page is equal on every machine.
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

_DAMAGE = "({}). Delete it. Versions are then counted from scratch."
_ROOT = "surrogate_nas versions 1"
# Bytes of a file that is taken for source where a command names it.
_LARGEST = 10**6


def sources_of(entry: StrategyEntry) -> Sources:
    """Return the source code of a strategy. A built-in strategy is identified by the version of the
    package, so only user files that its options name are returned.
    """
    if isinstance(entry.target, type):
        return {} if entry.is_trusted else source_of(entry.target)
    if entry.is_trusted:
        return {**_named_in(entry.options.get("command")), **_models_in(entry.options)}
    file = OURS.file(entry.target)
    return {} if file is None else with_imports(file)


def folder_of(entry: StrategyEntry) -> Path | None:
    """Return the folder of a user-defined strategy's file, or the working directory if the strategy
    has no file. Return None for built-in strategies.
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
    """Return the files of models in options, as in ``guided(model=file.py:Class)``."""
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
"""The entry in place of the digest of a file that runs read with different content."""


def files_read(opened: Opened) -> dict[str, str]:
    """Return the digests of files that a strategy read in addition to its code, by their names in
    the strategy's folder. Files that the strategy wrote itself are left out.
    """
    opened.close()
    names = (name for name in opened.read if not name.endswith(_CODE))
    digests = {
        name: digest_of(opened.folder / name) for name in {*names} - opened.written
    }
    return {name: digest for name, digest in digests.items() if digest != MISSING}


def digest_of(file: Path) -> str:
    """Return a digest of a file's content, or `MISSING` if the file cannot be read."""
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
    """Record a version of a strategy, and return the number of versions that were run on one
    problem with equal seeds.

    Args:
        name: The strategy's label.
        folder: The folder of the strategy's file.
        problem: The fingerprint (hash) of the objective, and the root seed.
        sources: The source code of the strategy, by file.
        files: The digests of other files that the strategy's runs read, or None if no run has
            finished yet.

    Returns:
        The number of versions, including the present version; 1 if the data directory is not
        writable.

    Raises:
        UserError: The record of versions is damaged.
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
    """Return the largest number of versions of each strategy over several problems."""
    most: dict[str, int] = {}
    for counts in counted:
        most |= {name: max(n, most.get(name, 0)) for name, n in counts.items()}
    return most
