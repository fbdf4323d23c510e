"""The table format: one HDF5 file per benchmark, with a column for every (metric, epochs, seed).

Layout: the dataset ``/columns/METRIC/EPOCHS/SEED`` is float64 of shape ``(len(space),)`` in the
order of the space, NaN where a cell has no value. EPOCHS is the training length, or ``any`` for a
metric that does not depend on training. SEED is the number of a seed, or ``mean`` for the mean over
the seeds of the source. For each METRIC and EPOCHS, the dataset ``n_seeds`` (int16, shape
``(len(space),)``) contains the number of seeds of each mean. The number of seeds is 0 for a missing
cell, and -1 if the source does not report it. The dataset ``/index`` describes the table and
contains the SHA-256 of every column (`surrogate_nas.tables.table`).

The attribute ``seal`` is the SHA-256 of the index, and ``digest`` is a SHA-256 of the columns and
the metadata that define their meaning. The other attributes of the file are for other programs.
Opening a table verifies the SHA-256 of the index. Reading a column verifies the SHA-256 of the
column. If the file is replaced while a table is open, the open table still reads the old content.
"""

import hashlib
import json
import math
import os
from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError
from surrogate_nas.files import hdf5, printable, write_whole
from surrogate_nas.space import ChoiceSpace, Enumerable, Sampled, listed, space_named
from surrogate_nas.space.product import MOST_COMBINATIONS
from surrogate_nas.tables.table import (
    N_SEEDS,
    ColumnKey,
    Contents,
    Index,
    Run,
    Table,
    TableView,
    Values,
    column_digest,
    details,
    epochs_text,
)

_CHUNK = 1 << 17
_LARGEST_INDEX = 64_000_000


def write_table(table: Table, path: Path, *, compressed: bool = False) -> None:
    """Write a table atomically: if anything fails, an existing file is not changed.

    Args:
        table: The table.
        path: The file to write; its folder is created if necessary.
        compressed: Whether to compress columns, which makes reading a little slower.

    Raises:
        UserError: The folder cannot be written, the disk is full, or the description of the
            metrics and the space is longer than 64 MB.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from surrogate_nas.core.metrics import metric_named
        >>> import surrogate_nas as sn
        >>> stacks = Table(
        ...     "mine", "macro", "36 stacks", "measured here", cost="queries"
        ... )
        >>> stacks.add(metric_named("valid_error"), 5, np.linspace(30.0, 12.0, 36))
        >>> with TemporaryDirectory() as folder:
        ...     write_table(stacks, Path(folder) / "mine.h5")
        ...     sn.load(f"{folder}/mine.h5").query(
        ...         "conv_stack(layers=6, channels=32)", "valid_error"
        ...     ).value
        15.085714285714287
    """
    index = table.index()
    content = index.dump()
    if len(content) > _LARGEST_INDEX:
        raise UserError(
            f"The table {table.name} is too large for a file: the description of its metrics and"
            f" its space has {len(content):,} bytes; the maximum is {_LARGEST_INDEX:,}."
        )
    chunks = (min(max(index.n_cells, 1), _CHUNK),)
    packing = {"compression": "gzip", "shuffle": True, "chunks": chunks}
    storage = packing if compressed else {}
    seal = hashlib.sha256(content).hexdigest()
    network = json.dumps(index.network.settings)
    about = {**index.texts, "network": network, "digest": index.digest()}
    with hdf5.writing(path, "table", seal=seal, **about) as file:
        file["index"] = np.frombuffer(content, dtype=np.uint8)
        file.create_group("columns")
        for name, metric in index.metrics.items():
            group = file.create_group(f"columns/{name}")
            group.attrs["n_cells"] = metric.n_cells
            texts = {k: v for k, v in details(metric).items() if isinstance(v, str)}
            hdf5.set_texts(group, texts)
        for (name, epochs, seed), values in table.columns.items():
            dataset = f"columns/{name}/{epochs_text(epochs)}/{seed}"
            file.create_dataset(dataset, data=values, **storage)
        for (name, epochs), counts in table.n_seeds.items():
            run = file[f"columns/{name}/{epochs_text(epochs)}"]
            run.create_dataset(N_SEEDS, data=counts, **storage)
            hdf5.set_texts(run, {"source": index.sources[name, epochs]})


def write_with_card(table: Table, card: Mapping[str, Any], path: Path) -> None:
    """Write a compressed table with its card (how the values were measured), and write the card to
    a JSON file of the same name.
    """
    table.card = json.dumps(card)
    write_table(table, path, compressed=True)
    write_whole(path.with_suffix(".json"), json.dumps(card, indent=1) + "\n")


class TableFile(TableView):
    """A table on disk. Metadata is read when the file is opened; a column is read when it is first
    needed.

    Attributes:
        path: The file.
        keys: The keys of the table's columns.
        cells: The space of the table, in whose order columns list their values.

    Example:
        >>> from surrogate_nas.files import shipped
        >>> table = TableFile(shipped("fashion.h5"))
        >>> len(table.column(ColumnKey("valid_loss", 5, "mean")))
        15625
    """

    def __init__(self, path: Path) -> None:
        """Open a table.

        Args:
            path: A file that `write_table` wrote.

        Raises:
            UserError: The file is missing or damaged, or has another format. Or its space is
                unknown, cannot be listed, or has a different number of cells than the columns.
        """
        self.path = path
        if not os.path.isfile(path):
            raise UserError(f"There is no table at {printable(path)}.")
        self._file = hdf5.OpenFile(path, "table")
        with self._file.reading() as file:
            self._hold(_read_index(file))
            if hdf5.text(file, "digest") != self.digest:
                raise ValueError("its index was altered")
        self.cells = self._space()

    def _hold(self, index: Index) -> None:
        super().__init__(index, index.texts, index.digest())
        self._index = index
        self.keys: set[ColumnKey] = index.keys

    def column(self, key: ColumnKey) -> Values:
        """Read one column, shape ``(len(space),)``.

        Raises:
            UserError: The column in the file is damaged.
        """
        return self._read(key.metric, key.epochs, str(key.seed), np.float64)

    def n_seeds(self, metric: str, epochs: int | None) -> NDArray[np.int16]:
        """Read the number of seeds of each cell's mean, shape ``(len(space),)``.

        Raises:
            UserError: The column in the file is damaged.
        """
        return self._read(metric, epochs, N_SEEDS, np.int16)

    @cached_property
    def contents(self) -> Contents:
        """Digests of the table's columns, by metric and training length."""
        return self._index.contents()

    def only(self, runs: Collection[Run]) -> "TableFile":
        """Return the table restricted to some columns, as it was before other columns were added.

        Args:
            runs: The columns to keep, as pairs of a metric and a training length. Pairs that the
                table lacks are ignored.

        Example:
            >>> import surrogate_nas as sn
            >>> part = sn.load("analog-cifar10").table.only([("digital_error", None)])
            >>> sorted(part.metrics)
            ['digital_error']
        """
        part = copy(self)
        vars(part).pop("contents", None)
        part._hold(self._index.only(runs))
        for name, metric in part.metrics.items():
            part_runs, all_runs = (
                [run for run in sources if run[0] == name]
                for sources in (part.sources, self.sources)
            )
            if len(part_runs) < len(all_runs):
                counts = [int((self.n_seeds(*run) != 0).sum()) for run in part_runs]
                part.metrics[name] = replace(metric, n_cells=min(counts))
        return part

    def _space(self) -> Enumerable:
        space = listed(space_named(self.space))
        n_cells = self._index.n_cells
        combinations = 0
        if isinstance(space, ChoiceSpace) and not isinstance(space, Sampled):
            combinations = math.prod(map(len, space.options))
        if self.space.startswith("{") and combinations > MOST_COMBINATIONS:
            raise UserError(
                f"{self.path} defines a space of {combinations:,} cells; the maximum for a table is"
                f" {MOST_COMBINATIONS:,}."
            )
        # where every combination is a cell, none has to be made
        if n_cells != combinations and n_cells != len(space):
            raise UserError(
                f"{self.path} is for {n_cells:,} cells, but its space {space.name} has"
                f" {len(space):,}. Import the table again with the present space."
            )
        return space

    def _read(
        self, metric: str, epochs: int | None, name: str, dtype: Any
    ) -> NDArray[Any]:
        with self._file.reading() as file:
            wanted = self._index.digests[metric, epochs][name]
            group = hdf5.child(hdf5.child(file, "columns"), metric)
            run = hdf5.child(group, epochs_text(epochs))
            values = hdf5.array(hdf5.child(run, name), (self._index.n_cells,), dtype)
            if column_digest(values) != wanted:
                raise ValueError(
                    f"{run.name}/{name} has changed since it was written or opened"
                )
            return values


def _read_index(file: h5py.File) -> Index:
    dataset = hdf5.child(file, "index")
    if getattr(dataset, "nbytes", 0) > _LARGEST_INDEX:
        raise ValueError("its index is too long")
    content = hdf5.array(dataset, dtype=np.uint8).tobytes()
    if hashlib.sha256(content).hexdigest() != hdf5.text(file, "seal"):
        raise ValueError("its index was altered")
    return Index.load(content)
