"""The table format: one HDF5 file a benchmark, a column for every (metric, epochs, seed).

Layout: ``/columns/METRIC/EPOCHS/SEED`` holds float64 of shape ``(len(space),)`` in the order of the space, NaN where
a cell has no value. EPOCHS is the length of the training run, or ``any`` where training plays no part; SEED is a
number, or ``mean`` over the seeds that the source holds. Beside the columns of a run stands ``n_seeds``, int16 of
shape ``(len(space),)``, 0 for a missing cell and -1 where the source does not say. A metric's group carries unit,
kind, quantity, split, description and source as attributes; the file carries the rest of `Table`.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from surrogate_nas.errors import UserError
from surrogate_nas.files import replacing
from surrogate_nas.metrics import Metric
from surrogate_nas.network import Network
from surrogate_nas.space import Enumerable, listed, space_named

FORMAT = "surrogate_nas table"
VERSION = 1
UNKNOWN_SEEDS = -1
CLASS_METRIC = "functional_class"
"""In a table where the cells of a functional class share one training: the index of the class's first cell."""
_ANY = "any"
_TEXTS = ("name", "space", "title", "source", "licence", "citation", "objective", "cost", "banner")
"""The attributes of a file that are plain text."""
_OPTIONAL_TEXTS = ("card",)
"""Those that a file may lack; they then read as empty."""

Seed = int | Literal["mean"]
Values = NDArray[np.float64]


class ColumnKey(NamedTuple):
    """Names a column: the metric, the length of the training run (None: training plays no part), the seed."""

    metric: str
    epochs: int | None
    seed: Seed


@dataclass
class Table:
    """A benchmark's answers in memory, as a source makes them.

    Attributes:
        name: The benchmark's name, such as ``nb201-cifar10``.
        space: The name of its space.
        title: One line saying what it holds.
        source: Where the numbers come from.
        licence: The licence that the source states.
        citation: The paper to cite.
        objective: The default objective over it, such as ``valid_error``.
        network: The macro architecture behind `params` and `macs`.
        cost: ``seconds`` where training times are held, ``queries`` where every query costs one unit.
        banner: A warning that every report of it must carry, or empty.
        card: How it was measured, as a JSON object (machine, protocol, duration), or empty.
        metrics: Every metric by name; `Metric.epochs` and `Metric.n_cells` are filled in by `add`.
        columns: Shape ``(len(space),)`` each.
        n_seeds: Per (metric, epochs), shape ``(len(space),)``.
        sources: Where the numbers of each (metric, epochs) come from.
    """

    name: str
    space: str
    title: str
    source: str
    licence: str
    citation: str
    objective: str
    network: Network
    cost: Literal["seconds", "queries"] = "seconds"
    banner: str = ""
    card: str = ""
    metrics: dict[str, Metric] = field(default_factory=dict)
    columns: dict[ColumnKey, Values] = field(default_factory=dict)
    n_seeds: dict[tuple[str, int | None], NDArray[np.int16]] = field(default_factory=dict)
    sources: dict[tuple[str, int | None], str] = field(default_factory=dict)

    def add(
        self,
        metric: Metric,
        epochs: int | None,
        mean: Values,
        n_seeds: int | NDArray[np.int16] = UNKNOWN_SEEDS,
        per_seed: dict[int, Values] | None = None,
    ) -> None:
        """Add a column of means, and those of single seeds where the source holds them.

        Args:
            metric: The metric; its `epochs` and `n_cells` are replaced by what the table holds.
            epochs: The length of the training run; None where training plays no part.
            mean: Shape ``(len(space),)``, NaN where missing.
            n_seeds: How many seeds each mean is over; `UNKNOWN_SEEDS` where the source does not say.
            per_seed: The columns of single seeds.
        """
        mean = np.asarray(mean, dtype=np.float64)
        held = self.metrics.get(metric.name, metric)
        runs = held.epochs if epochs is None else tuple(sorted({*held.epochs, epochs}))
        present = int(np.isfinite(mean).sum())
        n_cells = present if held.n_cells < 0 else min(held.n_cells, present)
        self.metrics[metric.name] = replace(metric, epochs=runs, n_cells=n_cells)
        self.columns[ColumnKey(metric.name, epochs, "mean")] = mean
        counts = np.where(np.isfinite(mean), n_seeds, 0).astype(np.int16)
        self.n_seeds[metric.name, epochs] = counts
        self.sources[metric.name, epochs] = metric.source
        for seed, values in (per_seed or {}).items():
            self.columns[ColumnKey(metric.name, epochs, seed)] = np.asarray(values, dtype=np.float64)

    def digest(self) -> str:
        """A sha256 over all columns and their names: equal tables have equal digests."""
        total = hashlib.sha256(f"{self.name} {self.space} {self.cost} {asdict(self.network)}".encode())
        for key in sorted(self.columns, key=str):
            total.update(str(tuple(key)).encode())
            total.update(np.ascontiguousarray(self.columns[key]).tobytes())
        return total.hexdigest()


def write_table(table: Table, path: Path, *, compressed: bool = False) -> None:
    """Write a table so that the file is either whole or, if anything fails, as it was before.

    Args:
        table: What to write.
        path: The file; its folder is made if need be.
        compressed: Whether columns are stored compressed, which makes opening one a little slower.

    Raises:
        UserError: The folder cannot be written, or the disk is full.
    """
    storage = {"compression": "gzip", "shuffle": True} if compressed else {}
    image = io.BytesIO()  # HDF5 itself does not survive a full disk, so it writes to memory
    with h5py.File(image, "w") as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "digest": table.digest()})
        file.attrs.update({key: getattr(table, key) for key in (*_TEXTS, *_OPTIONAL_TEXTS)})
        file.attrs["network"] = json.dumps(asdict(table.network))
        for name, metric in table.metrics.items():
            group = file.create_group(f"columns/{name}")
            details = asdict(metric)
            del details["name"], details["epochs"]
            group.attrs.update(details)
        for (name, epochs, seed), values in table.columns.items():
            file.create_dataset(f"columns/{name}/{_epochs_text(epochs)}/{seed}", data=values, **storage)
        for (name, epochs), counts in table.n_seeds.items():
            file[f"columns/{name}/{_epochs_text(epochs)}/n_seeds"] = counts
            file[f"columns/{name}/{_epochs_text(epochs)}"].attrs["source"] = table.sources[name, epochs]
    with replacing(path) as temporary:
        temporary.write_bytes(image.getbuffer())


class TableFile:
    """A table on disk: metadata is read at once, columns when they are first asked for.

    Attributes:
        path: The file.
        network: The macro architecture behind `params` and `macs`.
        metrics: Every metric by name.
        keys: The columns that it holds.
        sources: Where the numbers of each (metric, epochs) come from.
    """

    def __init__(self, path: Path) -> None:
        """Open a table.

        Args:
            path: A file that `write_table` wrote.

        Raises:
            UserError: The file is missing, damaged, or of another format.
        """
        self.path = path
        with self._open() as file:
            attributes: dict[str, Any] = dict.fromkeys(_OPTIONAL_TEXTS, "") | dict(file.attrs)
            if attributes.get("format") != FORMAT:
                raise UserError(f"{path} is not a {FORMAT} file.")
            if attributes["version"] != VERSION:
                raise UserError(
                    f"{path} has table version {attributes['version']}; this program reads version {VERSION}. "
                    "Make it anew (snas data fetch or snas data import)."
                )
            if missing := sorted({*_TEXTS, "network", "digest"} - set(attributes)):
                raise KeyError(f"no {', '.join(missing)}")
            self._attributes = attributes
            self.network = Network(**json.loads(attributes["network"]))
            self.metrics: dict[str, Metric] = {}
            self.keys: set[ColumnKey] = set()
            self.sources: dict[tuple[str, int | None], str] = {}
            for name, group in file["columns"].items():
                runs = []
                for epochs_text, run in group.items():
                    epochs = None if epochs_text == _ANY else int(epochs_text)
                    runs += [] if epochs is None else [epochs]
                    self.sources[name, epochs] = str(run.attrs["source"])
                    self.keys |= {
                        ColumnKey(name, epochs, "mean" if seed == "mean" else int(seed))
                        for seed in run
                        if seed != "n_seeds"
                    }
                details: dict[str, Any] = {k: v if isinstance(v, str) else int(v) for k, v in group.attrs.items()}
                self.metrics[name] = Metric(name=name, epochs=tuple(sorted(runs)), **details)

    def __getattr__(self, name: str) -> str:
        attributes = self.__dict__.get("_attributes", {})
        if name in attributes:
            return str(attributes[name])
        raise AttributeError(name)

    @cached_property
    def cells(self) -> Enumerable:
        """The table's space."""
        return listed(space_named(self.space))

    def column(self, key: ColumnKey) -> Values:
        """Read one column, shape ``(len(space),)``.

        Args:
            key: One of `keys`.
        """
        with self._open() as file:
            return np.asarray(file[f"columns/{key.metric}/{_epochs_text(key.epochs)}/{key.seed}"])

    def n_seeds(self, metric: str, epochs: int | None) -> NDArray[np.int16]:
        """How many seeds each cell's mean is over, shape ``(len(space),)``.

        Args:
            metric: The metric's name.
            epochs: The length of the training run, or None.
        """
        with self._open() as file:
            return np.asarray(file[f"columns/{metric}/{_epochs_text(epochs)}/n_seeds"])

    @contextmanager
    def _open(self) -> Iterator[h5py.File]:
        if not self.path.is_file():
            raise UserError(f"There is no table at {self.path}.")
        try:
            with h5py.File(self.path, "r") as file:
                yield file
        except UserError:
            raise
        except (OSError, LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"The table {self.path} is damaged ({error}). Delete it and fetch or import it again."
            ) from error


def _epochs_text(epochs: int | None) -> str:
    return _ANY if epochs is None else str(epochs)
