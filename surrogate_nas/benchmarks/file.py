"""Benchmarks of a user's own: a table at a path, or an object in a Python file."""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from pathlib import Path

from surrogate_nas.benchmarks.base import Benchmark
from surrogate_nas.benchmarks.reading import FilesRead
from surrogate_nas.benchmarks.resolvers import Resolver
from surrogate_nas.benchmarks.table import open_table
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.plugin import absolute, check_file, import_file
from surrogate_nas.core.source import with_imports
from surrogate_nas.files.opened import heard

TABLE_SUFFIX = ".h5"
"""A name that ends so is the path of a table."""


class File(Resolver):
    """A table (``PATH.h5``), or a `Benchmark` in a Python file (``PATH.py:NAME``)."""

    shape = "TABLE.h5, FILE.py:BENCHMARK"

    def matches(self, name: str) -> bool:
        """Whether a name is the path of a table or names an object in a Python file."""
        path, _, attribute = name.rpartition(":")
        return name.endswith(TABLE_SUFFIX) or (path.endswith(".py") and attribute.isidentifier())

    def address(self, name: str) -> str:
        """The same with the whole path."""
        if name.endswith(TABLE_SUFFIX):
            return str(Path(name).absolute())
        return absolute(name)

    def runs_code(self, name: str) -> bool:
        """Whether it is a Python file; a table holds no code."""
        return not name.endswith(TABLE_SUFFIX)

    def open(self, name: str) -> Benchmark:
        """Open the table, or take the object from the file."""
        if name.endswith(TABLE_SUFFIX):
            return open_table(Path(name))
        path, _, attribute = name.rpartition(":")
        file = Path(path)
        check_file(file, "benchmark")
        key = file.absolute(), attribute, tuple(with_imports(file).items())
        files = getattr(_opened.get(key), "files", None)
        if key not in _opened or (isinstance(files, FilesRead) and files.are_stale):
            _opened[key] = _taken(file, attribute)
        return _opened[key]


_opened: dict[tuple[object, ...], Benchmark] = {}
"""Objects of files that are as they were, once a process: they remember what their functions
answered.
"""


def _taken(file: Path, attribute: str) -> Benchmark:
    with heard(file.absolute().parent) as opened:
        benchmark = getattr(import_file(file, "benchmark"), attribute, None)
    if not isinstance(benchmark, Benchmark):
        raise UserError(
            f"{file} holds no benchmark {attribute}: make one with surrogate_nas.Computed or"
            " surrogate_nas.Training."
        )
    if hasattr(benchmark, "imported"):
        benchmark.imported = opened
    kind = type(benchmark)
    if kind.__reduce__ is object.__reduce__:  # a class of the file, which cannot be imported
        copyreg.pickle(kind, _opened_elsewhere)
    return benchmark


def _opened_elsewhere(benchmark: Benchmark) -> tuple[Callable[[str], Benchmark], tuple[str]]:
    return _open_again, (benchmark.address,)


def _open_again(address: str) -> Benchmark:
    benchmark = File().open(address)
    benchmark.address = address
    return benchmark
