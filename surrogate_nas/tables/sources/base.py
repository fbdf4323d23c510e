"""Sources of tables.

Each source of this package has an entry in ``data/manifest.json``, or a table ``[entry]`` in its
declaration. The module or package of a source lies in this folder and has the source's name. The
entry of a source has these fields:

- ``title``: a short description.
- ``names``: the benchmarks for which the source creates tables.
- ``predicts``: the benchmarks for which the source has a predictive model instead of a table.
- ``package``: the installed package with the source's data, given by the name that pip installs and
  the name that Python imports.
- ``module``: the module in this folder that reads the source, if its name differs from the source's
  name.
- ``lazy``: whether a fetch only downloads the source's files. Each table of a lazy source is
  assembled when it is first used. The field ``lazy`` is for sources with many tables.
- ``licence``, ``citation``: the licence and the citation of the package, and of the source as a
  whole.
- ``repositories``: the repositories with the files to fetch. Each repository has the fields
  ``repository``, ``commit``, ``licence``, ``holds`` (its content) and ``files`` with their
  ``sha256`` and ``bytes``. A repository can also have a ``citation`` and ``optional`` files. If a
  repository has the field ``package``, its single file is a package of pip's index, and the commit
  is the package's version. If a repository has the field ``members``, a pattern of paths, its
  single file is an uncompressed tar of the matching members of the repository's archive. The field
  ``archive`` is the name of that archive in a mirror.

An installed package adds a source by an entry point of the group ``surrogate_nas.sources``. The
entry point names a module that defines the fields of an entry as constants (``TITLE``, ``NAMES``,
…). These constants must be literals, because they are read without importing the module.

The module of a source has a function ``read(name)``, which creates the `Table` of a benchmark. Most
modules in this folder use a declaration, the TOML file of the same name
(`surrogate_nas.tables.sources.declaration`). The module of a source can have a function
``verify()`` with further checks of the tables. The module of a source with a model has a function
``predict(name, choices, epochs)`` instead of ``read``. The declaration of a source with a model
lists the predicted metrics and the numbers of epochs.
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
    """The interface of the module of a source."""

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
    """Convert errors about an invalid file, raised in the ``with`` block, to a one-line
    `UserError`.

    Args:
        path: The file.
        what: The noun that messages use for the file.
        source: The source from which the file can be fetched again, or empty.
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
    """Cache the result of a function that reads a file, until the file changes."""

    @lru_cache(maxsize=4)
    def cached(path: Path, modified: int) -> T:
        return read(path)

    return lambda path: cached(path, path.stat().st_mtime_ns)


class Declared(Struct, frozen=True, forbid_unknown_fields=True):
    """The entry of a source; the docstring of this module describes the fields."""

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
        """The source's benchmarks: first the benchmarks with a table, then the benchmarks with a
        model.
        """
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
