"""Sources of tables.

Each source of this package has an entry in ``data/manifest.json``, or a table ``[entry]`` in its
declaration. Its module or package in this folder has the same name. An entry has these fields:

- ``title``: a short description.
- ``names``: the benchmarks for which it creates tables.
- ``predicts``: the benchmarks for which it has a model instead.
- ``package``: the installed package with its data: the name that pip installs, and the name that
  Python imports.
- ``module``: the module in this folder that reads it, if this has another name.
- ``lazy``: whether a fetch downloads only the files. Each table is then assembled when it is first
  used. This is for sources with many tables.
- ``licence``, ``citation``: those of the package, and of the source as a whole.
- ``repositories``: the files to fetch. Each has ``repository``, ``commit``, ``licence``, ``holds``
  (its content) and ``files`` with their ``sha256`` and ``bytes``. It can have ``citation`` and
  ``optional`` files. With ``package``, its one file is a package of pip's index, and the commit is
  the version. With ``members``, a pattern of paths, its one file is an uncompressed tar of these
  members of the repository's archive; ``archive`` is the name of this archive in a mirror.

An installed package adds a source by an entry point of the group ``surrogate_nas.sources``. The
entry point names a module with the same values as constants (``TITLE``, ``NAMES``, …). They must be
literals, because they are read without importing the module.

The module of a source has a function ``read(name)``, which creates the `Table` of a benchmark. Most
modules in this folder use a declaration, the TOML file of the same name
(`surrogate_nas.tables.sources.declaration`). A module can have ``verify()``, with further checks of
the tables. A source with a model has ``predict(name, choices, epochs)`` instead of ``read``. Its
declaration lists the predicted metrics and the numbers of epochs.
"""

import ast
import csv
import importlib.util
import json
import tomllib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tarfile import TarError
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from zipfile import BadZipFile

from msgspec import Struct, convert

from surrogate_nas.core import Registry, UserError, unknown
from surrogate_nas.files import printable, shipped

if TYPE_CHECKING:
    from surrogate_nas.tables import Table


T = TypeVar("T")


class Source(Protocol):
    """The module of a source."""

    def read(self, name: str) -> "Table":
        """Assemble the table of a benchmark from installed packages and fetched files."""


class Verified(NamedTuple):
    """The result of a check: its name, whether it passed, and the actual and published values."""

    name: str
    passed: bool
    detail: str

    def to_json(self) -> dict[str, Any]:
        """Return the check as a JSON object."""
        return self._asdict()


_WRONG = (
    UserError,
    AttributeError,
    EOFError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    TypeError,
    ValueError,
    BadZipFile,
    TarError,
    zlib.error,
    csv.Error,
)


@contextmanager
def reading(path: object, what: str, source: str = "") -> Iterator[None]:
    """Convert errors in the block about an invalid file to a `UserError` of one line.

    Args:
        path: The file.
        what: The noun for the file in messages.
        source: The source to fetch the file again, or empty.
    """
    advice = f" Run snas data fetch {source}." if source else ""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"Cannot read {printable(path)}: {error.strerror}.{advice}"
        ) from error
    except _WRONG as error:
        if isinstance(error, UserError) and str(error).startswith(printable(path)):
            raise  # it says all of that itself
        kind = type(error).__name__
        message = f"{kind} {error}" if isinstance(error, KeyError) else error
        reason = " ".join(printable(message).split()) or kind
        raise UserError(
            f"{printable(path)} is damaged, or not a valid {what} ({reason:.300}).{advice}"
        ) from error


def read_once(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """Cache a function that reads a file, until the file changes."""

    @lru_cache(maxsize=4)
    def cached(path: Path, modified: int) -> T:
        return read(path)

    return lambda path: cached(path, path.stat().st_mtime_ns)


class Declared(Struct, frozen=True, forbid_unknown_fields=True):
    """The entry of a source. The docstring of the module describes its fields."""

    title: str
    names: tuple[str, ...]
    predicts: tuple[str, ...] = ()
    package: tuple[str, ...] = ()
    module: str = ""
    lazy: bool = False
    licence: str = ""
    citation: str = ""
    repositories: tuple[dict[str, Any], ...] = ()

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """The benchmarks with a table, then those with a model."""
        return (*self.names, *self.predicts)


@lru_cache(maxsize=1)
def manifest() -> dict[str, Any]:
    """Return the entries of this package's sources, and the addresses to fetch files from."""
    content: dict[str, Any] = json.loads(
        shipped("manifest.json").read_text(encoding="utf-8")
    )
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        if "\n[entry]\n" in (text := path.read_text(encoding="utf-8")):
            content["sources"][path.stem] = tomllib.loads(text)["entry"]
    return content


def _check_source(module: object, name: str) -> Source:
    if not any(callable(getattr(module, what, None)) for what in ("read", "predict")):
        raise UserError(f"{name} is not a source of data: it needs read(name).")
    return module  # type: ignore[return-value]


SOURCES: Registry[Source] = Registry(
    "source of data",
    _check_source,
    {
        name: f"{__package__}.{entry.get('module', name)}"
        for name, entry in manifest()["sources"].items()
    },
    group="surrogate_nas.sources",
)
"""The sources by name, as ``snas data fetch`` takes it."""


def declared(name: str) -> Declared:
    """Return the entry of a source, without importing its module."""
    if name in SOURCES:
        return _ours(name)
    return _theirs(SOURCES.points()[name].value)


@lru_cache(maxsize=64)
def _ours(name: str) -> Declared:
    entry = manifest()["sources"][name]
    for key in entry.keys() - {*Declared.__struct_fields__}:
        raise unknown(f"key of the source {name}", key, Declared.__struct_fields__)
    if not entry.get("package") and not entry.get("repositories"):
        raise UserError(f"The source {name} needs a package or repositories.")
    return convert(entry, Declared)


@lru_cache(maxsize=64)
def _theirs(module: str) -> Declared:
    """Read the constants of a package's module."""
    nothing: dict[str, Any] = {"title": module, "names": ()}
    try:
        spec = importlib.util.find_spec(module)
        text = (
            Path(spec.origin).read_text(encoding="utf-8")
            if spec and spec.origin
            else ""
        )
        constants = {
            target.id.lower(): ast.literal_eval(node.value)
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in [
                node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            ]
            if isinstance(target, ast.Name)
            and target.id.lower() in Declared.__struct_fields__
        }
        return convert(nothing | constants, Declared)
    except (ImportError, OSError, ValueError, SyntaxError):  # it is listed all the same
        return Declared(**nothing)


def package_of(source: str) -> tuple[str, str]:
    """Return the package of a source that has one: its names in pip and in Python."""
    distribution, module = declared(source).package
    return distribution, module


def sources() -> list[str]:
    """Return the names of all sources, the project's own first."""
    return [*SOURCES, *SOURCES.points()]


def source_of(benchmark: str) -> str | None:
    """Return the name of the source of a benchmark, or None."""
    return next((n for n in sources() if benchmark in declared(n).benchmarks), None)


def predicted() -> list[str]:
    """Return the names of all benchmarks for which this package's sources have models."""
    return [benchmark for name in SOURCES for benchmark in declared(name).predicts]


def made() -> frozenset[str]:
    """Return the names of all benchmarks for which sources create tables."""
    return frozenset(
        benchmark for name in sources() for benchmark in declared(name).names
    )
