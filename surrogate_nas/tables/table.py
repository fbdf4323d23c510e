"""Tables in memory, as sources create them, and the index of a table."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import Metric, json_digest
from surrogate_nas.files.formats import build
from surrogate_nas.files.whole import printable
from surrogate_nas.space import Network, listed, space_named

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
N_SEEDS = "n_seeds"
_ANY = "any"
_COSTS = ("seconds", "queries")
_EPOCHS = ("runs", "curve")
_MEANING = ("unit", "kind", "quantity")

Seed = int | Literal["mean"]
"""A training seed, or the mean over all of them."""
Run = tuple[str, int | None]
"""A metric and the training length; None if the metric does not depend on training."""
Contents = dict[str, dict[str, str]]
"""Digests by metric and training length, which is written as in a file.

A digest depends on all columns of this metric and length, and on the metric's unit, kind and
quantity. It does not depend on other columns of the table.
"""
_SHORT = 16


class ColumnKey(NamedTuple):
    """The key of a column: a metric, a training length and a seed.

    The training length is None if the metric does not depend on training.

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
    """The description of a table: everything except its numbers, with a digest of every column.

    A table file stores the index as one JSON document with a checksum. The digest of a column is
    checked when the column is read. Therefore, the digest of the table also verifies the numbers.

    Attributes:
        texts: The descriptive texts of the table, by their names in `TEXTS`.
        network: The macro architecture in which cells are trained.
        n_cells: Number of cells of the space.
        metrics: The metrics by name.
        sources: The origin of the values, by metric and training length.
        digests: Digests of the columns, by metric and training length, then by seed or `N_SEEDS`.
    """

    texts: dict[str, str]
    network: Network
    n_cells: int
    metrics: dict[str, Metric] = field(default_factory=dict)
    sources: dict[Run, str] = field(default_factory=dict)
    digests: dict[Run, dict[str, str]] = field(default_factory=dict)

    @property
    def keys(self) -> set[ColumnKey]:
        """The keys of all columns, except the columns of `N_SEEDS`."""
        return {
            ColumnKey(*run, "mean" if seed == "mean" else int(seed))
            for run, digests in self.digests.items()
            for seed in digests.keys() - {N_SEEDS}
        }

    def digest(self) -> str:
        """Return a SHA-256 over all numbers and the metadata that define their meaning, without
        titles and sources.
        """
        values = {
            f"{m} {epochs_text(e)} {seed}": digest
            for (m, e), digests in self.digests.items()
            for seed, digest in digests.items()
        }
        texts = [self.texts[key] for key in ("name", "space", "cost", "epochs")]
        meaning = {name: self._meaning(name) for name in self.metrics}
        return json_digest([*texts, self.network.settings, meaning, values])

    def _meaning(self, name: str) -> list[str]:
        return [getattr(self.metrics[name], key) for key in _MEANING]

    def contents(self) -> Contents:
        """Return a digest of the columns for every metric and training length."""
        by_metric: Contents = {name: {} for name in self.metrics}
        for (name, epochs), digests in self.digests.items():
            digest = json_digest([self._meaning(name), digests])
            by_metric[name][epochs_text(epochs)] = digest[:_SHORT]
        return by_metric

    def only(self, runs: Collection[Run]) -> "Index":
        """Return the index restricted to some columns. Metrics without any of these columns are
        removed.

        Args:
            runs: The columns to keep, as pairs of a metric and a training length.
        """
        part = Index(self.texts, self.network, self.n_cells)
        wanted = {*runs}
        for run in (run for run in self.digests if run in wanted):
            part.digests[run], part.sources[run] = self.digests[run], self.sources[run]
        names = {name for name, _ in part.digests}
        part.metrics = {
            name: replace(metric, epochs=_epochs_of(name, part.digests))
            for name, metric in self.metrics.items()
            if name in names
        }
        return part

    def dump(self) -> bytes:
        """Return the index as JSON."""
        metrics: dict[str, dict[str, Any]] = {
            name: {"details": details(metric), "runs": {}}
            for name, metric in self.metrics.items()
        }
        for (name, epochs), digests in self.digests.items():
            run = {"source": self.sources[name, epochs], "digests": digests}
            metrics[name]["runs"][epochs_text(epochs)] = run
        content = {
            "texts": self.texts,
            "network": self.network.settings,
            "cells": self.n_cells,
            "metrics": metrics,
        }
        return json.dumps(content, sort_keys=True).encode()

    @classmethod
    def load(cls, content: bytes) -> "Index":
        """Read an index that `dump` wrote.

        Raises:
            ValueError: The content is not an index; the error can also be a LookupError, a
                TypeError or an AttributeError.
        """
        read = json.loads(content)
        texts = {key: _text(read["texts"][key]) for key in TEXTS}
        if texts["cost"] not in _COSTS or texts["epochs"] not in _EPOCHS:
            raise ValueError(
                f"its cost is {texts['cost']}, its epochs {texts['epochs']}"
            )
        if type(read["cells"]) is not int or read["cells"] < 1:
            raise ValueError("its index gives no number of cells")
        index = cls(texts, Network.of(read["network"]), read["cells"])
        for name, metric in read["metrics"].items():
            for spelled, run in metric["runs"].items():
                key = name, None if spelled == _ANY else _number(spelled)
                index.sources[key] = _text(run["source"])
                index.digests[key] = {
                    _seed(seed): _text(digest)
                    for seed, digest in run["digests"].items()
                }
            epochs = _epochs_of(name, index.digests)
            about = {"name": _text(name), "epochs": epochs}
            index.metrics[name] = build(Metric, metric["details"], **about)
        return index


def _epochs_of(name: str, runs: Iterable[Run]) -> tuple[int, ...]:
    return tuple(
        sorted(
            epochs for metric, epochs in runs if metric == name and epochs is not None
        )
    )


def details(metric: Metric) -> dict[str, Any]:
    """Return the fields of a metric that a file stores, without its name and epochs."""
    return {
        key: value
        for key, value in asdict(metric).items()
        if key not in ("name", "epochs")
    }


def column_digest(values: NDArray[Any]) -> str:
    """Return the SHA-256 of a column's numbers, their type and their shape."""
    total = hashlib.sha256(f"{values.dtype.str} {values.shape}".encode())
    total.update(np.ascontiguousarray(values).data)
    return total.hexdigest()


def printables(holder: object, keys: Iterable[str]) -> dict[str, str]:
    """Return the values of an object's text attributes, without control characters."""
    return {key: printable(getattr(holder, key)) for key in keys}


def epochs_text(epochs: int | None) -> str:
    """Return a training length as text, in the form that a table file uses."""
    return _ANY if epochs is None else str(epochs)


def runs_of(contents: Contents) -> list[Run]:
    """Return the pairs of a metric and a training length in the contents of a table.

    Raises:
        ValueError: A training length is neither a number nor ``any``.

    Example:
        >>> runs_of(
        ...     {"valid_error": {"12": "97ca", "200": "0f3c"}, "params": {"any": "a1"}}
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
        raise TypeError(f"{value!r:.60} should be a text")
    return value


def _number(spelled: str) -> int:
    number = int(spelled)
    if str(number) != spelled:
        raise ValueError(f"{spelled!r:.60} is neither a number of epochs nor a seed")
    return number


def _seed(spelled: str) -> str:
    return spelled if spelled in ("mean", N_SEEDS) else str(_number(spelled))


UNKNOWN_SEEDS = -1
"""The number of seeds in a table if the source does not give it."""
CLASS_METRIC = "functional_class"
"""The metric with the index of the first cell of each cell's isomorphism class.

Tables have it if all cells of an isomorphism class share one training.
"""

Values = NDArray[np.float64]
"""A column, shape ``(len(space),)``."""


@dataclass
class Table:
    """A benchmark's results in memory, as a source creates them.

    Attributes:
        name, title, source: The benchmark's name, a description of its content, and the origin of
            its values.
        space: The name of the table's space, or the space's `Space.definition`.
        licence: The licence of the values; if empty, the licence that the source declares.
        citation: The papers to cite; if empty, the papers that the source declares.
        objective: The default objective on the benchmark, such as ``valid_error``.
        network: The macro architecture from which `params` and `macs` are computed.
        cost: ``seconds`` if the table contains training times, ``queries`` if every query costs
            one unit.
        epochs: ``curve`` if all numbers of epochs are points of one training, ``runs`` if each
            number of epochs is a separate training.
        banner: A warning that every report must show, or empty.
        card: A JSON object that describes how the values were measured (machine, protocol,
            duration), or empty.
        metrics: The metrics of the table, by name. The method `add` sets `Metric.epochs` and
            `Metric.n_cells`.
        columns: The columns of values, each of shape ``(len(space),)``.
        n_seeds: The number of seeds of each cell's mean, shape ``(len(space),)``, by metric and
            epochs.
        sources: The origin of the values, by metric and epochs.

    Example:
        >>> from surrogate_nas.core.metrics import metric_named
        >>> table = Table("mine", "macro", "36 stacks", "measured here")
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
    n_seeds: dict[tuple[str, int | None], NDArray[np.int16]] = field(
        default_factory=dict
    )
    sources: dict[tuple[str, int | None], str] = field(default_factory=dict)

    def add(
        self,
        metric: Metric,
        epochs: int | None,
        mean: Values,
        n_seeds: int | NDArray[np.int16] = UNKNOWN_SEEDS,
        per_seed: dict[int, Values] | None = None,
    ) -> None:
        """Add a column of means, and columns of single seeds if the source has them.

        Args:
            metric: The metric of the columns; its epochs and number of cells are replaced.
            epochs: The training length; None if the metric does not depend on training.
            mean: The means, shape ``(len(space),)``, NaN where missing.
            n_seeds: The number of seeds of each mean.
            per_seed: The columns of single seeds, by seed.
        """
        mean = np.asarray(mean, dtype=np.float64)
        previous = self.metrics.get(metric.name, metric)
        runs = (
            previous.epochs
            if epochs is None
            else tuple(sorted({*previous.epochs, epochs}))
        )
        present = int(np.isfinite(mean).sum())
        n_cells = present if previous.n_cells < 0 else min(previous.n_cells, present)
        self.metrics[metric.name] = replace(metric, epochs=runs, n_cells=n_cells)
        self.columns[ColumnKey(metric.name, epochs, "mean")] = mean
        counts = np.where(np.isfinite(mean), n_seeds, 0).astype(np.int16)
        self.n_seeds[metric.name, epochs] = counts
        self.sources[metric.name, epochs] = metric.source
        for seed, values in (per_seed or {}).items():
            key = ColumnKey(metric.name, epochs, seed)
            self.columns[key] = np.asarray(values, dtype=np.float64)

    def index(self) -> Index:
        """Return the description of the table, with a digest of each column."""
        n_cells = len(next(iter(self.columns.values()), ()))
        index = Index(printables(self, TEXTS), self.network, n_cells)
        for name, metric in self.metrics.items():
            texts: Any = printables(metric, ("split", "description", "source", "unit"))
            index.metrics[name] = replace(metric, **texts)
        for (name, epochs), counts in self.n_seeds.items():
            index.sources[name, epochs] = printable(self.sources[name, epochs])
            index.digests[name, epochs] = {N_SEEDS: column_digest(counts)}
        for (name, epochs, seed), values in self.columns.items():
            index.digests[name, epochs][str(seed)] = column_digest(values)
        return index

    def digest(self) -> str:
        """Return a SHA-256 over all columns and the metadata that define their meaning."""
        return self.index().digest()


class TableView:
    """The metadata of a table in a file or in memory, with the attributes that `Table`
    documents.
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

    def __init__(
        self, content: Table | Index, texts: Mapping[str, str], digest: str
    ) -> None:
        vars(self).update({key: texts[key] for key in TEXTS})
        self.digest = digest
        self.network = content.network
        self.metrics = content.metrics
        self.sources = content.sources


class MemoryTable(TableView):
    """A table in memory, whose columns must not be changed any more.

    Attributes:
        table: The table with its columns.
        cells: The space of the table, in whose order columns list their values.

    Raises:
        UserError: The space is unknown or cannot be listed.
    """

    def __init__(self, table: Table, digest: str) -> None:
        super().__init__(table, vars(table), digest)
        self.cells = listed(space_named(table.space))
        self.table = table

    @property
    def keys(self) -> Set[ColumnKey]:
        """The keys of the table's columns."""
        return self.table.columns.keys()

    @property
    def contents(self) -> Contents:
        """An empty mapping, because a table in memory is identified by its digest and has no older
        part.
        """
        return {}

    def column(self, key: ColumnKey) -> Values:
        """Return one column, shape ``(len(space),)``, NaN where a cell has no value."""
        return self.table.columns[key].copy()

    def n_seeds(self, metric: str, epochs: int | None) -> NDArray[np.int16]:
        """Return the number of seeds of each cell's mean, shape ``(len(space),)``."""
        return self.table.n_seeds[metric, epochs]
