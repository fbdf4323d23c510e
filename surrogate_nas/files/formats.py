"""The formats of files that this package writes and reads, and checks of their fields.

Every file contains the version of its format and the release that wrote it. A release reads only
files of its own format version. For a file of an older version, the error says how to convert the
file. A file of a newer version is refused. Reports, pictures, tables in CSV and LaTeX, and cards
have no format here because the package does not read them. Data files that ship with the package
belong to the same release.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import (
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from surrogate_nas.core import UserError
from surrogate_nas.files.whole import open_regular, printable

RELEASE = "written_by"
"""The field of a file that names the release that wrote it."""
_RELEASE_TEXT = re.compile(r"\d{1,4}(\.\d{1,4}){1,3}\w{0,8}")
_LONGEST_LINE = 1_000_000


class Format(NamedTuple):
    """A file format.

    Attributes:
        what: The noun for a file of this format in messages.
        version: The format version that this release writes, and the only one that it reads.
        older: The instruction for a user with a file of an older version.
    """

    what: str
    version: int
    older: str


FORMATS = {
    "table": Format(
        "table", 2, "Rebuild it with snas data fetch, snas data import or snas table."
    ),
    "compact": Format("compact table", 1, "Make it again with make table-losses."),
    "surrogate": Format("surrogate", 2, "Rebuild it with snas fit."),
    "comparison": Format(
        "comparison",
        2,
        "Run the comparison again in another folder (--out, in Python folder=).",
    ),
    "archive": Format(
        "archive of results", 1, "Rebuild it from its folder with snas archive create."
    ),
    "journal": Format(
        "journal of long work",
        1,
        "Finish the work with the release that began it, or delete the file.",
    ),
    "answers": Format(
        "file of live answers",
        1,
        "Delete it: its results are trained again when they are needed.",
    ),
    "space": Format(
        "registered space",
        1,
        "Register it again: name its file once more with --space.",
    ),
}
"""The formats by name. A comparison is a folder with the files of its runs."""


def stamp(name: str) -> dict[str, Any]:
    """Return the fields at the start of every JSON file of a format: format version and release."""
    return {"version": FORMATS[name].version, RELEASE: this_release()}


def this_release() -> str:
    """Return the version of the installed release."""
    return str(import_module("surrogate_nas.version").__version__)


def check_version(
    path: Path,
    name: str,
    version: object,
    release: object = "",
) -> None:
    """Check that this release can read a file of a given format version."""
    format_ = FORMATS[name]
    if type(version) is int and version == format_.version:
        return
    advice = format_.older
    if type(version) is int and version > format_.version:
        written = f", {release}" if _RELEASE_TEXT.fullmatch(str(release)) else ""
        advice = (
            f"A newer release wrote it{written}; this is {this_release()}: update the clone (git"
            " pull) and run pip install . in it."
        )
    raise UserError(
        f"{printable(path)} is a {format_.what} of version {str(version):.20}; this release reads"
        f" version {format_.version}. {advice}"
    )


def check_first_line(path: Path) -> None:
    """Check the format version in the first line of a journal, before its checksums are checked."""
    header = None
    with suppress(OSError, ValueError, RecursionError), open_regular(path) as file:
        header = json.loads(file.readline(_LONGEST_LINE))
    if header and isinstance(header, dict):
        check_version(path, "journal", header.get("version", 1), header.get(RELEASE))


T = TypeVar("T")
_hints: Callable[[type], dict[str, Any]] = cache(get_type_hints)


def build(kind: type[T], content: Mapping[str, Any], **further: Any) -> T:
    """Create an instance of a dataclass whose fields are strings, numbers, flags or literals.

    Args:
        kind: The dataclass.
        content: The values of the fields by name. Names and types must match the dataclass exactly.
        further: Values of the fields that are not in `content`. The types of these further values
            are not checked.

    Raises:
        ValueError: A field is missing, unknown or of another type.
    """
    hints = {name: hint for name, hint in _hints(kind).items() if name not in further}
    is_whole = isinstance(content, Mapping) and content.keys() == hints.keys()
    if not is_whole or not all(
        _fits(content[name], hint) for name, hint in hints.items()
    ):
        raise ValueError(
            f"a {kind.__name__.lower()} needs the fields {', '.join(hints)}, each of its type"
        )
    return kind(**content, **further)


def _fits(value: object, hint: Any) -> bool:
    return (
        value in get_args(hint) if get_origin(hint) is Literal else type(value) is hint
    )
