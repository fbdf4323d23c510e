"""Benchmarks in the home folder: fetched from public files, or imported from files of the user's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from surrogate_nas.benchmarks.described import described
from surrogate_nas.benchmarks.installed import Installed
from surrogate_nas.benchmarks.openers import Opener
from surrogate_nas.benchmarks.table import TableBenchmark, open_table
from surrogate_nas.core.errors import AbsentError, UserError
from surrogate_nas.files import home, table_path
from surrogate_nas.tables.sources.catalogue import how_to_get, made, source_of


class Fetched(Opener):
    """The tables of the home folder, and those that can be fetched into it."""

    has_tables = True

    def names(self) -> Iterable[str]:
        """What is there, and what can be fetched; what is installed only keeps its table there."""
        here = {path.stem for path in (home() / "tables").glob("*.h5") if path.is_file()}
        return sorted({*made(), *here} - {*Installed().names()})

    def claims(self, name: str) -> bool:
        """Whether a table of that name is here or can be fetched.

        Args:
            name: What the user wrote.
        """
        return name in self.names()

    def open(self, name: str) -> TableBenchmark:
        """Open the table.

        Args:
            name: One of `names`.

        Raises:
            AbsentError: It has to be fetched first.
            UserError: It is damaged.
        """
        path = table_path(name)
        if not path.is_file():
            raise AbsentError(f"{name} is not here yet: {how_to_get(source_of(name) or '')}.")
        return open_table(path)

    def describe(self) -> Iterator[dict[str, Any]]:
        """The tables that are here, and what is known of those that are not."""
        for name in self.names():
            yield self._describe(name) if table_path(name).is_file() else described(name)

    def _describe(self, name: str) -> dict[str, Any]:
        """The entry of a table; where it cannot be opened, why not."""
        try:
            return self.open(name).describe()
        except UserError as error:
            unknown = dict.fromkeys(("space", "source", "licence", "citation", "banner"), "")
            return {"name": name, "title": str(error), "cells": 0, "available": False, "metrics": [], **unknown}
