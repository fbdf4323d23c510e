"""A table in memory, as a source makes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Metric
from surrogate_nas.files.paths import printable
from surrogate_nas.space.network import Network
from surrogate_nas.tables.index import N_SEEDS, TEXTS, ColumnKey, Index, column_digest

UNKNOWN_SEEDS = -1
"""In place of a number of seeds where the source does not say."""
CLASS_METRIC = "functional_class"
"""In a table where the cells of a functional class share one training: the index of the class's first cell."""

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
        licence: The licence that the source states.
        citation: The paper to cite.
        objective: The default objective over it, such as ``valid_error``.
        network: The macro architecture behind `params` and `macs`.
        cost: ``seconds`` where training times are held, ``queries`` where every query costs one unit.
        epochs: ``curve`` where all epochs are points of one run, ``runs`` where each is a run of its own.
        banner: A warning that every report of it must carry, or empty.
        card: How it was measured, as a JSON object (machine, protocol, duration), or empty.
        metrics: Every metric by name; `Metric.epochs` and `Metric.n_cells` are filled in by `add`.
        columns: Shape ``(len(space),)`` each.
        n_seeds: Per (metric, epochs), shape ``(len(space),)``.
        sources: Where the numbers of each (metric, epochs) come from.

    Example:
        >>> from surrogate_nas.core.metrics import metric_named
        >>> table = Table("mine", "macro", "36 stacks", "measured here", "MIT", "", "valid_error", Network())
        >>> table.add(metric_named("valid_error"), 5, np.linspace(30.0, 12.0, 36), n_seeds=3)
        >>> table.metrics["valid_error"].epochs, table.metrics["valid_error"].n_cells
        ((5,), 36)
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

    def index(self) -> Index:
        """All that there is to know of the table but its numbers, with a digest of each column of these."""
        n_cells = len(next(iter(self.columns.values()), ()))
        index = Index({key: printable(getattr(self, key)) for key in TEXTS}, self.network, n_cells)
        for name, metric in self.metrics.items():
            texts = {key: printable(getattr(metric, key)) for key in ("split", "description", "source", "unit")}
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
