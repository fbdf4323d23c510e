"""A table in memory, as a source makes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Set
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.digests import json_digest
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files.content import made
from surrogate_nas.files.paths import printable
from surrogate_nas.space import listed, space_named
from surrogate_nas.space.network import Network

# The index of a table: all that there is to know of it but the numbers, and a digest of every
# column of these.
#
# It is one JSON document, written into the file beside a seal over it. Who has checked the seal
# knows what every column must be, and so a column's own digest, checked when it is read, ties every
# number to the table's digest.


TEXTS = (
    "name",
    "space",
    "title",
    "source",
    "licence",
    "citation",
    "objective",
    "cost",
    "epochs",
    "banner",
    "card",
)
"""What a table says in plain text."""
N_SEEDS = "n_seeds"
_ANY = "any"
_COSTS = ("seconds", "queries")
_EPOCHS = ("runs", "curve")
_MEANING = ("unit", "kind", "quantity")

Seed = int | Literal["mean"]
"""A training seed, or the mean over all of them."""
Run = tuple[str, int | None]
"""A metric and the length of the training run; None where training plays no part."""
Contents = dict[str, dict[str, str]]
"""What a table holds: of every metric, by the length of the training run as a file spells it, a
digest.

The digest is of all columns of the run, mean and seeds, with how many seeds each cell has, and of
the metric's unit, kind and quantity: what does not depend on the file that the columns lie in, nor
on what else that holds.
"""
_SHORT = 16


class ColumnKey(NamedTuple):
    """Names a column.

    Attributes:
        metric: The metric's name.
        epochs: The length of the training run; None where training plays no part.
        seed: The training seed, or ``"mean"``.

    Example:
        >>> import surrogate_nas as sn
        >>> key = ColumnKey("valid_error", epochs=5, seed="mean")
        >>> (
        ...     key in sn.load("fashion").columns,
        ...     ColumnKey("params", None, "mean") in sn.load("fashion").columns,
        ... )
        (True, False)
    """

    metric: str
    epochs: int | None
    seed: Seed


@dataclass
class Index:
    """What a table is.

    Attributes:
        texts: All of `TEXTS`.
        network: The macro architecture behind `params` and `macs`.
        n_cells: How many cells every column has.
        metrics: By name.
        sources: Where the numbers of each run come from.
        digests: Of every column, by run and then by seed or `N_SEEDS`.
    """

    texts: dict[str, str]
    network: Network
    n_cells: int
    metrics: dict[str, Metric] = field(default_factory=dict)
    sources: dict[Run, str] = field(default_factory=dict)
    digests: dict[Run, dict[str, str]] = field(default_factory=dict)

    @property
    def keys(self) -> set[ColumnKey]:
        """The columns, those of `N_SEEDS` left out."""
        seeds = (
            (run, seed)
            for run, held in self.digests.items()
            for seed in held
            if seed != N_SEEDS
        )
        return {
            ColumnKey(*run, "mean" if seed == "mean" else int(seed)) for run, seed in seeds
        }

    def digest(self) -> str:
        """A sha256 over all numbers and what they mean; titles, sources and other remarks play no
        part.
        """
        values = {
            f"{m} {epochs_text(e)} {seed}": d
            for (m, e), held in self.digests.items()
            for seed, d in held.items()
        }
        meaning = {
            name: [getattr(metric, key) for key in _MEANING]
            for name, metric in self.metrics.items()
        }
        what = [
            *(self.texts[key] for key in ("name", "space", "cost", "epochs")),
            self.network.settings,
            meaning,
            values,
        ]
        return json_digest(what)

    def contents(self) -> Contents:
        """What it holds, a digest of the columns of every run."""
        by_metric: Contents = {name: {} for name in self.metrics}
        for (name, epochs), digests in self.digests.items():
            meaning = [getattr(self.metrics[name], key) for key in _MEANING]
            by_metric[name][epochs_text(epochs)] = json_digest([meaning, digests])[:_SHORT]
        return by_metric

    def only(self, runs: Collection[Run]) -> Index:
        """The same with some runs alone, and without metrics that have none of these."""
        part = Index(self.texts, self.network, self.n_cells)
        wanted = set(runs)
        for run in [run for run in self.digests if run in wanted]:
            part.digests[run], part.sources[run] = self.digests[run], self.sources[run]
        for name, metric in self.metrics.items():
            taken = [epochs for held, epochs in part.digests if held == name]
            if taken:
                epochs = tuple(sorted(length for length in taken if length is not None))
                part.metrics[name] = replace(metric, epochs=epochs)
        return part

    def dump(self) -> bytes:
        """The index as JSON."""
        runs: dict[str, dict[str, Any]] = {name: {} for name in self.metrics}
        for (name, epochs), digests in self.digests.items():
            runs[name][epochs_text(epochs)] = {
                "source": self.sources[name, epochs],
                "digests": digests,
            }
        metrics = {
            name: {"details": details(metric), "runs": runs[name]}
            for name, metric in self.metrics.items()
        }
        content = {
            "texts": self.texts,
            "network": self.network.settings,
            "cells": self.n_cells,
            "metrics": metrics,
        }
        return json.dumps(content, sort_keys=True).encode()

    @classmethod
    def load(cls, content: bytes) -> Index:
        """Read what `dump` wrote.

        Args:
            content: The JSON.

        Raises:
            ValueError: It is something else; also LookupError, TypeError, AttributeError.
        """
        read = json.loads(content)
        texts = {key: _text(read["texts"][key]) for key in TEXTS}
        if texts["cost"] not in _COSTS or texts["epochs"] not in _EPOCHS:
            raise ValueError(
                f"its cost is none of {', '.join(_COSTS)}, or its epochs none of"
                f" {', '.join(_EPOCHS)}"
            )
        if type(read["cells"]) is not int or read["cells"] < 1:
            raise ValueError("its index gives no number of cells")
        index = cls(texts, Network.of(read["network"]), read["cells"])
        for name, metric in read["metrics"].items():
            for spelled, run in metric["runs"].items():
                key = name, None if spelled == _ANY else _number(spelled)
                index.sources[key] = _text(run["source"])
                index.digests[key] = {
                    _seed(seed): _text(digest) for seed, digest in run["digests"].items()
                }
            epochs = sorted(
                epochs
                for held, epochs in index.digests
                if held == name and epochs is not None
            )
            index.metrics[name] = made(
                Metric,
                metric["details"],
                name=_text(name),
                epochs=tuple(epochs),
            )
        return index


def details(metric: Metric) -> dict[str, Any]:
    """What a file says of a metric beside its name and epochs."""
    return {
        key: value for key, value in asdict(metric).items() if key not in ("name", "epochs")
    }


def column_digest(values: NDArray[Any]) -> str:
    """A sha256 over a column's numbers, their type and how many they are."""
    total = hashlib.sha256(f"{values.dtype.str} {values.shape}".encode())
    total.update(np.ascontiguousarray(values).data)
    return total.hexdigest()


def epochs_text(epochs: int | None) -> str:
    """How a file spells the length of a training run."""
    return _ANY if epochs is None else str(epochs)


def runs_of(contents: Contents) -> list[Run]:
    """The runs of a table by its contents.

    Args:
        contents: By metric and length of the run a digest; ``any`` where training plays no part.

    Raises:
        ValueError: It is none of `Contents`.

    Example:
        >>> runs_of(
        ...     {
        ...         "valid_error": {"12": "97cac76af7edcb7f", "200": "0f3c"},
        ...         "params": {"any": "a1"},
        ...     }
        ... )
        [('valid_error', 12), ('valid_error', 200), ('params', None)]
    """
    return [
        (name, None if spelled == _ANY else _number(spelled))
        for name, runs in contents.items()
        for spelled in runs
    ]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} stands where a text should")
    return value


def _number(spelled: str) -> int:
    if not spelled.isascii() or not spelled.isdecimal() or str(int(spelled)) != spelled:
        raise ValueError(f"{spelled!r:.60} is no number of epochs and no seed")
    return int(spelled)


def _seed(spelled: str) -> str:
    return spelled if spelled in ("mean", N_SEEDS) else str(_number(spelled))


UNKNOWN_SEEDS = -1
"""In place of a number of seeds where the source does not say."""
CLASS_METRIC = "functional_class"
"""In a table where the cells of a functional class share one training: the index of the class's
first cell.
"""

Values = NDArray[np.float64]
"""A column, shape ``(len(space),)``."""


@dataclass
class Table:
    """A benchmark's answers in memory, as a source makes them.

    Attributes:
        name: The benchmark's name, such as ``nb201-cifar10``.
        space: Its space: the name, or what `Space.definition` wrote.
        title: One line saying what it holds.
        source: Where the numbers come from.
        licence: The licence that the source states; empty for what it declares of itself.
        citation: The paper to cite, likewise.
        objective: The default objective over it, such as ``valid_error``.
        network: The macro architecture behind `params` and `macs`.
        cost: ``seconds`` where training times are held, ``queries`` where every query costs one
            unit.
        epochs: ``curve`` where all epochs are points of one run, ``runs`` where each is a run of
            its own.
        banner: A warning that every report of it must carry, or empty.
        card: How it was measured, as a JSON object (machine, protocol, duration), or empty.
        metrics: Every metric by name; `Metric.epochs` and `Metric.n_cells` are filled in by `add`.
        columns: Shape ``(len(space),)`` each.
        n_seeds: Per (metric, epochs), shape ``(len(space),)``.
        sources: Where the numbers of each (metric, epochs) come from.

    Example:
        >>> from surrogate_nas.core.metrics import metric_named
        >>> table = Table(
        ...     "mine",
        ...     "macro",
        ...     "36 stacks",
        ...     "measured here",
        ...     "MIT",
        ...     "",
        ...     "valid_error",
        ...     Network(),
        ... )
        >>> table.add(
        ...     metric_named("valid_error"), 5, np.linspace(30.0, 12.0, 36), n_seeds=3
        ... )
        >>> table.metrics["valid_error"].epochs, table.metrics["valid_error"].n_cells
        ((5,), 36)
    """

    name: str
    space: str
    title: str
    source: str
    licence: str = ""
    citation: str = ""
    objective: str = "valid_error"
    network: Network = Network()
    cost: Literal["seconds", "queries"] = "seconds"
    epochs: Literal["runs", "curve"] = "runs"
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
            metric: The metric; its `epochs` and ``n_cells`` are replaced by what the table holds.
            epochs: The length of the training run; None where training plays no part.
            mean: Shape ``(len(space),)``, NaN where missing.
            n_seeds: How many seeds each mean is over; `UNKNOWN_SEEDS` where the source does not
                say.
            per_seed: The columns of single seeds.
        """
        mean = np.asarray(mean, dtype=np.float64)
        known = self.metrics.get(metric.name, metric)
        runs = known.epochs if epochs is None else tuple(sorted({*known.epochs, epochs}))
        present = int(np.isfinite(mean).sum())
        n_cells = present if known.n_cells < 0 else min(known.n_cells, present)
        self.metrics[metric.name] = replace(metric, epochs=runs, n_cells=n_cells)
        self.columns[ColumnKey(metric.name, epochs, "mean")] = mean
        counts = np.where(np.isfinite(mean), n_seeds, 0).astype(np.int16)
        self.n_seeds[metric.name, epochs] = counts
        self.sources[metric.name, epochs] = metric.source
        for seed, values in (per_seed or {}).items():
            self.columns[ColumnKey(metric.name, epochs, seed)] = np.asarray(
                values, dtype=np.float64
            )

    def index(self) -> Index:
        """All that there is to know of the table but its numbers, with a digest of each column of
        these.
        """
        n_cells = len(next(iter(self.columns.values()), ()))
        index = Index(
            {key: printable(getattr(self, key)) for key in TEXTS}, self.network, n_cells
        )
        for name, metric in self.metrics.items():
            texts = {
                key: printable(getattr(metric, key))
                for key in ("split", "description", "source", "unit")
            }
            index.metrics[name] = replace(metric, **texts)  # type: ignore[arg-type]
        for (name, epochs), counts in self.n_seeds.items():
            index.sources[name, epochs] = printable(self.sources[name, epochs])
            index.digests[name, epochs] = {N_SEEDS: column_digest(counts)}
        for (name, epochs, seed), values in self.columns.items():
            index.digests[name, epochs][str(seed)] = column_digest(values)
        return index

    def digest(self) -> str:
        """A sha256 over all columns and what they mean: equal tables have equal digests."""
        return self.index().digest()


class TableView:
    """What can be read of a table, wherever its columns lie.

    Attributes:
        name, space, title, source, licence, citation, objective, cost, epochs, banner, card: See
            `Table`.
        digest: Of all that it holds.
        network: The macro architecture behind `params` and `macs`.
        metrics: Every metric by name.
        sources: Where the numbers of each (metric, epochs) come from.
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

    def __init__(self, of: Table | Index, texts: Mapping[str, str], digest: str) -> None:
        """Take over what a table says of itself.

        Args:
            of: The table, or the index of its file.
            texts: All of `TEXTS`.
            digest: Of all that it holds.
        """
        for key in TEXTS:
            setattr(self, key, texts[key])
        self.digest = digest
        self.network = of.network
        self.metrics = of.metrics
        self.sources = of.sources


class MemoryTable(TableView):
    """A table in memory.

    Attributes:
        table: Its columns.
        cells: The table's space.

    Example:
        >>> from surrogate_nas.core.metrics import metric_named
        >>> from surrogate_nas.space.network import Network
        >>> table = Table(
        ...     "mine",
        ...     "macro",
        ...     "36 stacks",
        ...     "measured here",
        ...     "MIT",
        ...     "",
        ...     "valid_error",
        ...     Network(),
        ... )
        >>> table.add(metric_named("valid_error"), 5, np.linspace(30.0, 12.0, 36))
        >>> held = MemoryTable(table, table.digest())
        >>> held.title, float(held.column(ColumnKey("valid_error", 5, "mean"))[-1])
        ('36 stacks', 12.0)
    """

    def __init__(self, table: Table, digest: str) -> None:
        """Hold a table.

        Args:
            table: Its columns, which must not be changed any more.
            digest: Of all that it holds.

        Raises:
            UserError: Its space is unknown or cannot be listed.
        """
        super().__init__(table, vars(table), digest)
        self.cells = listed(space_named(table.space))
        self.table = table

    @property
    def keys(self) -> Set[ColumnKey]:
        """The columns that it holds."""
        return self.table.columns.keys()

    @property
    def contents(self) -> Contents:
        """Nothing: a table in memory is identified by its digest and has no older part."""
        return {}

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
