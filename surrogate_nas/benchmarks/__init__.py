"""Open benchmarks by name: `load` returns a benchmark, or raises an error that tells how to fetch
its data.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks.base import (
    Answer,
    Benchmark,
    CellLike,
    Question,
    SeedPolicy,
    Values,
)
from surrogate_nas.benchmarks.joined import JoinedBenchmark
from surrogate_nas.benchmarks.learned import Learned, Predicted
from surrogate_nas.benchmarks.live import Live
from surrogate_nas.benchmarks.losses import Losses
from surrogate_nas.benchmarks.sourced import (
    FASHION,
    RESOLVERS,
    TABLE_SUFFIX,
    File,
    Resolver,
    Tables,
    remember,
    resolver_of,
)
from surrogate_nas.benchmarks.table import TableBenchmark
from surrogate_nas.core import UserError, checked
from surrogate_nas.tables.sources.base import made, predicted

__all__ = [
    "RESOLVERS",
    "TABLE_SUFFIX",
    "Answer",
    "Benchmark",
    "CellLike",
    "JoinedBenchmark",
    "Question",
    "SeedPolicy",
    "TableBenchmark",
    "Values",
    "available",
    "default",
    "families",
    "load",
    "reopen",
    "reserved",
    "runs_code",
    "tables",
]

RESOLVERS[:] = (Tables(), Live(), Learned(), File(), Losses(), Predicted())


def default() -> str:
    """Return the name of the default benchmark, which needs no download.

    Example:
        >>> load(default()).objective
        'valid_loss + 0.1*params + 0.1*latency@cpu'
    """
    return FASHION


@checked
def load(name: str | Benchmark, *, with_: Sequence[str | Path] = ()) -> Benchmark:
    """Open a benchmark that a user named, and return it.

    Args:
        name: A name such as ``nb201-cifar10``. ``live:TASK`` or ``live:TASK/SPACE`` trains cells on
            this machine, and ``surrogate:FILE`` predicts with a fitted surrogate. The path of a
            table (``.h5``), ``FILE.py:BENCHMARK`` or a benchmark that is open already is also
            accepted.
        with_: Paths of files whose metrics are added to the benchmark, such as files that
            ``snas measure`` writes.

    Raises:
        UserError: The benchmark's name is unknown, its data is not on this machine, or a file is
            damaged or cannot be joined.

    Example:
        >>> bench = load("fashion")
        >>> len(bench.space), bench.cost_unit, bench.metric("valid_loss").epochs
        (15625, 'seconds', (1, 2, 3, 4, 5))
        >>> load(
        ...     "live:digits"
        ... ).one_by_one  # a cell is trained when a result is requested
        True
    """
    if isinstance(with_, str | Path):
        with_ = [with_]
    if not isinstance(with_, Sequence) or not all(
        isinstance(file, str | Path) for file in with_
    ):
        raise UserError(
            f"with_ must be a file or a list of files to join, not {with_!r:.80}."
        )
    if not isinstance(name, str | Benchmark):
        raise UserError(
            "A benchmark must be a name or the result of surrogate_nas.load, not"
            f" {name!r:.80}."
        )
    base = resolver_of(name).opened(name) if isinstance(name, str) else name
    return JoinedBenchmark(base, [Path(file) for file in with_]) if with_ else base


Benchmark._load = staticmethod(load)


def reopen(
    address: str,
    *,
    with_: Sequence[str | Path] = (),
    named: Sequence[str | Benchmark] = (),
) -> Benchmark:
    """Open a benchmark by an address that was read from a file. Code that the user did not name is
    never run.

    Args:
        address: The address of a benchmark, as in `Benchmark.address`.
        with_: Paths of files whose metrics are added to the benchmark.
        named: Empty, or a list with one benchmark that the user has passed explicitly. If opening
            the address would run code, the benchmark in `named` is opened instead.

    Raises:
        UserError: The benchmark cannot be opened, for a reason given in `load`. The error is also
            raised if opening the benchmark would run a file that the user did not name.

    Example:
        >>> reopen(load("fashion").address).name
        'fashion'
        >>> try:
        ...     reopen("mine.py:BENCHMARK")
        ... except UserError as error:
        ...     print(str(error).partition(";")[0])
        mine.py:BENCHMARK was read from a file and would run code
    """
    if not address or runs_code(address):
        if not named and not address:
            raise UserError(
                "its benchmark has no name. Pass the benchmark: sn.read(…, benchmark=…), or"
                " --bench FILE.py:NAME."
            )
        if not named:
            raise UserError(
                f"{address} was read from a file and would run code; name it yourself if you trust"
                f" it: --bench {address} (benchmark=), or the path of that file on this machine."
            )
        # the file may lie elsewhere by now: whoever reads results compares its fingerprint
        is_open = isinstance(named[0], Benchmark)
        return load(named[0], with_=() if is_open else with_)
    return load(address, with_=with_)


def runs_code(address: str) -> bool:
    """Return whether opening a benchmark by its address runs a user's file.

    Args:
        address: The address of a benchmark, as in `Benchmark.address`.

    Example:
        >>> runs_code("fashion"), runs_code("mine.py:MINE")
        (False, True)
    """
    try:
        return resolver_of(address).runs_code(address)
    except UserError:
        return False


def reserved() -> frozenset[str]:
    """Return the benchmark names that an imported table must not use.

    Example:
        >>> "fashion" in reserved(), "mine" in reserved()
        (True, False)
    """
    return frozenset({FASHION, *made(), *predicted()})


def available() -> list[dict[str, Any]]:
    """Describe every benchmark, as ``snas benchmarks --json`` does. The entry of an unavailable
    benchmark tells how to get its data.

    Example:
        >>> [
        ...     entry["name"]
        ...     for entry in available()
        ...     if entry["name"] in ("fashion", "live:digits")
        ... ]
        ['fashion', 'live:digits']
    """
    return [entry for _, entry in _entries()]


def _entries() -> list[tuple[Resolver, dict[str, Any]]]:
    entries = [
        (resolver, entry) for resolver in RESOLVERS for entry in resolver.describe()
    ]
    remember()
    return entries


def families() -> list[dict[str, Any]]:
    """Return the benchmarks listed by `available`, grouped by family as in ``snas benchmarks``.

    Returns:
        One dict ``{name, title, benchmarks}`` per family of benchmarks. ``benchmarks`` lists the
        entries of the family.

    Example:
        >>> [
        ...     (family["name"], len(family["benchmarks"]))
        ...     for family in families()
        ...     if family["name"] == "nbgraph"
        ... ]
        [('nbgraph', 9)]
    """
    by_family: dict[str, dict[str, Any]] = {}
    for resolver, entry in _entries():
        name, title = resolver.family(entry["name"])
        family = {"name": name, "title": title or entry["title"]}
        by_family.setdefault(name, {**family, "benchmarks": []})["benchmarks"].append(
            entry
        )
    return list(by_family.values())


def tables() -> list[dict[str, Any]]:
    """Return the entries of `available` whose benchmarks are tables, that is, have the values of
    all cells in advance.

    Example:
        >>> {entry["name"] for entry in tables()} >= {"fashion", "analog-cifar10"}
        True
    """
    return [entry for resolver, entry in _entries() if resolver.has_tables]
