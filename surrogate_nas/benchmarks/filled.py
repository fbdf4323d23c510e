"""A sampled table over the whole space that its cells are of: what was not trained is predicted, and says so.

A Gaussian process of ours (`surrogate_nas.surrogates.gp`) learns a column from the trained classes when it is first
asked for, and what it predicts for the other classes is kept in the home folder. Of 1,000 classes of the shipped table
`fashion` it orders the other 4,044 with a Kendall's τ of .81 by validation loss, of .35 within the best quarter; a cell
is its class's, as with trainings. No final metric is ever predicted: a found cell that was not trained has none.

Where every class was trained with some loss, nothing is predicted: every cell has what its class has, seed by seed, and
metrics of losses that did not train all classes are missing elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Set
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import home, replacing
from surrogate_nas.space import Sampled, listed
from surrogate_nas.surrogates import make_model
from surrogate_nas.tables import UNKNOWN_SEEDS, ColumnKey, HeldTable, Values

MODEL, VERSION = "gp", 1
"""What predicts; another version keeps its predictions elsewhere."""
MARK = Metric(
    "trained", "", "record", "structure", description="1 where the cell's class was trained, 0 where it is predicted"
)
_MARKED = ColumnKey(MARK.name, None, "mean")


class FilledTable(HeldTable):
    """A table whose search metrics and seconds are held for all cells of the space that its own are sampled from.

    Attributes:
        is_trained: Of every cell of the space whether its class was trained, shape ``(len(cells),)``.
        is_whole: Whether all of them were, so that nothing is predicted.
    """

    def __init__(self, trained: HeldTable) -> None:
        """Extend a table; nothing is predicted yet.

        Args:
            trained: A table of a sampled space whose columns are all of trainings.

        Raises:
            UserError: Its space is no sample of one whose cells can be listed.
        """
        super().__init__(trained.table, trained.digest)
        if not isinstance(self.cells, Sampled):
            raise UserError(f"{self.name} is no table of a sampled space.")
        self._trained, self.cells = self.cells, listed(self.cells.base)
        numbers = np.arange(len(self.cells)) if self.cells.classes is None else self.cells.classes
        _, self._first, self._class = np.unique(numbers, return_index=True, return_inverse=True)
        self._row = np.full(len(self._first), -1)
        self._row[self._class[[self.cells.index(cell) for cell in self._trained]]] = np.arange(len(self._trained))
        self.is_trained: NDArray[np.bool_] = (self._row >= 0)[self._class]
        n, total = int(self.is_trained.sum()), len(self.cells)
        self.is_whole = n == total
        if self.is_whole:
            self.digest = hashlib.sha256(f"{trained.digest} whole".encode()).hexdigest()
            self.metrics = {name: self._spread(metric) for name, metric in self.metrics.items()} | {MARK.name: MARK}
            self.sources = {**self.sources, (MARK.name, None): MARK.source}
            return
        self.digest = hashlib.sha256(f"{trained.digest} {MODEL} {VERSION}".encode()).hexdigest()
        self.title = f"{self.title}; the other cells predicted"
        self.banner = (
            f"Only {n:,} of these {total:,} cells are of the {len(self._trained):,} classes that were trained. What is "
            f"searched on was predicted for all others ({MODEL}), so a regret here is one against predictions too; "
            f"their final metrics are missing, since nothing predicted is reported as a result. {self.name}/trained "
            "has the trained cells alone."
        )
        self.metrics = {name: self._extended(metric, n) for name, metric in self.metrics.items()} | {MARK.name: MARK}
        self.sources = {
            (name, epochs): self.metrics[name].source for name, epochs in self.sources
        } | {(MARK.name, None): MARK.source}  # fmt: skip

    def _extended(self, metric: Metric, n_trained: int) -> Metric:
        if not _is_predicted(metric):
            return replace(metric, n_cells=n_trained)
        return replace(metric, n_cells=len(self.cells), source=f"{metric.source}; cells of other classes predicted")

    def _spread(self, metric: Metric) -> Metric:
        """A metric with the cells that have it after every run."""
        known = [np.isfinite(self.table.columns[ColumnKey(metric.name, epochs, "mean")]) for epochs in metric.epochs]
        return replace(metric, n_cells=int(np.all(known, axis=0)[self._row[self._class]].sum()))

    @cached_property
    def keys(self) -> Set[ColumnKey]:
        """The columns that it holds: means, where nothing is predicted of single seeds too, and which were trained."""
        if self.is_whole:
            return {*self.table.columns, _MARKED}
        return {key for key in self.table.columns if key.seed == "mean"} | {_MARKED}

    def column(self, key: ColumnKey) -> Values:
        """One column, shape ``(len(cells),)``; NaN where a cell was not trained and nothing is predicted.

        Args:
            key: One of `keys`.
        """
        if key == _MARKED:
            return self.is_trained.astype(np.float64)
        values = np.full(len(self._row), np.nan)
        known = self._row >= 0
        values[known] = self.table.columns[key][self._row[known]]
        lacking = np.isnan(values)
        if _is_predicted(self.metrics[key.metric]) and lacking.any() and not self.is_whole:
            values[lacking] = self._predicted(key, lacking)
        return values[self._class]

    def n_seeds(self, metric: str, epochs: int | None) -> NDArray[np.int16]:
        """How many seeds each cell's mean is over, shape ``(len(cells),)``; 0 where it was not trained.

        Args:
            metric: The metric's name.
            epochs: The length of the training run, or None.
        """
        if metric == MARK.name:
            return np.full(len(self.cells), UNKNOWN_SEEDS, dtype=np.int16)
        counts = np.append(self.table.n_seeds[metric, epochs], np.int16(0))  # the last is that of no row
        return np.asarray(counts[self._row[self._class]])

    def _predicted(self, key: ColumnKey, lacking: NDArray[np.bool_]) -> Values:
        """What is foretold of the classes that lack it, in their order; kept once it was computed."""
        path = home() / "losses" / "predicted" / f"{self.digest[:24]}-{key.metric}-{key.epochs}.npy"
        wanted = int(lacking.sum())
        with suppress(OSError, ValueError):
            kept = np.load(path, allow_pickle=False)
            if kept.shape == (wanted,) and kept.dtype == np.float64 and np.isfinite(kept).all():
                return np.asarray(kept)
        found = self._foretold(self.metrics[key.metric], self.table.columns[key], lacking)
        with suppress(UserError), replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, found, allow_pickle=False)
        return found

    def _foretold(self, metric: Metric, values: Values, lacking: NDArray[np.bool_]) -> Values:
        space, known = self.cells, np.isfinite(values)
        others = [space[place] for place in self._first[lacking]]
        if np.ptp(values[known]) == 0:
            return np.full(len(others), values[known][0])
        cells = [space.cell(cell) for cell, is_known in zip(self._trained, known, strict=True) if is_known]
        model = make_model(MODEL, metric.quantity, calibrate=False).fit(cells, values[known], space)
        return model.predict(others).mean


def _is_predicted(metric: Metric) -> bool:
    return metric.kind == "search" or metric.quantity == "cost"
