"""Columns of tables, each declared once for every place where it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from surrogate_nas.core.numbers import NOTHING, fixed

Row = dict[str, Any]
"""From column to value, or from key to value of JSON; None where there is none."""
Rows = list[Row]
EACH = "*"
"""The key of a column that every strategy has."""
EVERYWHERE = "page terminal file"


class Column(NamedTuple):
    """A column of a table, wherever that is shown.

    Attributes:
        key: The name in JSON and CSV.
        head: What a reader sees; the key if left out.
        small: The second line of the head.
        show: The text of a value on a page and a terminal; a value that is None is a dash.
        best: `min` or `max` where strategies are compared.
        where: Where the column is shown: on a ``page``, on a ``terminal`` and in a notebook, in a
            ``file``.
    """

    key: str
    head: str = ""
    small: str = ""
    show: Callable[[Any], str] = str
    best: Callable[[Iterable[float]], float] | None = None
    where: str = "page file"

    @property
    def title(self) -> str:
        """The head on one line."""
        head = self.head or self.key.replace("_", " ")
        return f"{head}, {self.small}" if self.small else head

    def text(self, row: Mapping[str, Any]) -> str:
        """The text of its value in a row."""
        return NOTHING if row[self.key] is None else self.show(row[self.key])


def shown_in(
    where: str, columns: Sequence[Column], strategies: Sequence[str] = ()
) -> list[Column]:
    """The columns that are shown somewhere, with one for each strategy."""
    shown = []
    for column in columns:
        if where in column.where.split():
            names = strategies if column.key == EACH else ()
            shown += [column._replace(key=name, head=name) for name in names] or [column]
    return shown


def texts(columns: Sequence[Column], rows: Rows) -> tuple[list[str], list[list[str]]]:
    """The heads and the rows as these columns show them."""
    return (
        [column.title for column in columns],
        [[column.text(row) for column in columns] for row in rows],
    )


def digits(n: int) -> Callable[[Any], str]:
    """Write a number with so many digits after the point."""
    return partial(fixed, decimals=n)
