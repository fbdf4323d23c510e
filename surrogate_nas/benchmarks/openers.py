"""What an opener is: one kind of benchmark, the names that it knows, and how it opens one.

`OPENERS`, which `surrogate_nas.benchmarks` fills, is asked in turn. A further kind of benchmark is one more opener
beside that kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from surrogate_nas.benchmarks.base import Benchmark
from surrogate_nas.core.errors import unknown


class Opener(ABC):
    """Opens one kind of benchmark by name.

    Attributes:
        shape: How its names read, such as ``live:TASK``; empty where `names` lists them all.
        has_tables: Whether what it lists has whole columns.
    """

    shape: ClassVar[str] = ""
    has_tables: ClassVar[bool] = False

    @abstractmethod
    def claims(self, name: str) -> bool:
        """Whether a name is of this kind, here or not.

        Args:
            name: What the user wrote.
        """

    @abstractmethod
    def open(self, name: str) -> Benchmark:
        """Open a benchmark that this opener claims.

        Args:
            name: Its name.

        Raises:
            UserError: It is not here, or damaged; the message says what to do.
        """

    def opened(self, name: str) -> Benchmark:
        """Open a benchmark, which then says how it is opened again.

        Args:
            name: A name that this opener claims.

        Raises:
            UserError: As `open`.
        """
        found = self.open(name)
        found.address = found.address or self.address(name)
        return found

    def address(self, name: str) -> str:
        """The name that opens the same benchmark from any folder.

        Args:
            name: A name that this opener claims.
        """
        return name

    def runs_code(self, name: str) -> bool:  # noqa: ARG002 - most kinds never do
        """Whether opening runs a file that the name points at, so that only a user may say it.

        Args:
            name: A name that this opener claims.
        """
        return False

    def names(self) -> Iterable[str]:
        """The names that can be listed."""
        return ()

    def describe(self) -> Iterator[dict[str, Any]]:
        """The entries of its names for ``snas benchmarks --json``; opens what is cheap to open."""
        for name in self.names():
            yield self.open(name).describe()


OPENERS: list[Opener] = []
"""Asked in turn; the first that claims a name opens it."""


def known() -> list[str]:
    """The names of all benchmarks that can be opened now or after a fetch."""
    return sorted({name for opener in OPENERS for name in opener.names()})


def opener_of(name: str) -> Opener:
    """What opens a name.

    Args:
        name: A benchmark's.

    Raises:
        UserError: No opener claims it.
    """
    for opener in OPENERS:
        if opener.claims(name):
            return opener
    shapes = [opener.shape for opener in OPENERS if opener.shape]
    raise unknown("benchmark", name, [*known(), *shapes], lister="snas benchmarks")
