"""A table that is held in memory whole, and is asked as one in a file (`surrogate_nas.tables.TableFile`)."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space import listed, space_named
from surrogate_nas.tables.index import TEXTS, ColumnKey
from surrogate_nas.tables.table import Table, Values


class HeldTable:
    """A table in memory.

    Attributes:
        table: Its columns.
        name, space, title, source, licence, citation, objective, cost, epochs, banner, card: See `Table`.
        digest: Of all that it holds.
        network: The macro architecture behind `params` and `macs`.
        metrics: Every metric by name.
        sources: Where the numbers of each (metric, epochs) come from.
        cells: The table's space.

    Example:
        >>> from surrogate_nas.core.metrics import metric_named
        >>> from surrogate_nas.space.network import Network
        >>> table = Table("mine", "macro", "36 stacks", "measured here", "MIT", "", "valid_error", Network())
        >>> table.add(metric_named("valid_error"), 5, np.linspace(30.0, 12.0, 36))
        >>> held = HeldTable(table, table.digest())
        >>> held.title, float(held.column(ColumnKey("valid_error", 5, "mean"))[-1])
        ('36 stacks', 12.0)
    """

    name: str
    space: str
    title: str
    source: str
    licence: str
    citation: str
    objective: str
    cost: str
    banner: str
    epochs: str
    card: str

    def __init__(self, table: Table, digest: str) -> None:
        """Hold a table.

        Args:
            table: Its columns, which nobody changes from now on.
            digest: Of all that it holds.

        Raises:
            UserError: Its space is unknown or cannot be listed.
        """
        for key in TEXTS:
            setattr(self, key, getattr(table, key))
        self.digest, self.network = digest, table.network
        self.metrics, self.sources = table.metrics, table.sources
        self.cells = listed(space_named(table.space))
        self.table = table

    @property
    def keys(self) -> Set[ColumnKey]:
        """The columns that it holds."""
        return self.table.columns.keys()

    def column(self, key: ColumnKey) -> Values:
        """One column, shape ``(len(space),)``, NaN where a cell has no value.

        Args:
            key: One of `keys`.
        """
        return self.table.columns[key].copy()

    def n_seeds(self, metric: str, epochs: int | None) -> NDArray[np.int16]:
        """How many seeds each cell's mean is over, shape ``(len(space),)``.

        Args:
            metric: The metric's name.
            epochs: The length of the training run, or None.
        """
        return self.table.n_seeds[metric, epochs]
