"""Tables of losses, which are opened as ``losses-TASK`` and ``losses-TASK/trained``.

The tables in the package were created by the command ``make table-losses`` in a clone of the
repository.

For each task, up to a thousand isomorphism classes of cells were trained with every loss that suits
the task. ``valid_error@focal[3]`` is the error after the third epoch of training with the focal
loss. The benchmark ``losses-TASK/trained`` contains only the trained cells. The benchmark
``losses-TASK`` contains all cells of the space. Values of cells in other isomorphism classes are
predicted, and are marked as predictions. Tables of longer trainings have names of their own, such
as ``losses-TASK-x4``.

When a column is first requested, a Gaussian process (`surrogate_nas.surrogates.gaussian`) is fitted
to the values of the trained classes. The predictions of the Gaussian process are cached in the data
directory. For example, the Gaussian process was trained on 1,000 classes of the table `fashion`,
and ranked the other 4,044 by validation loss with a Kendall's τ of 0.81. Within the best quarter of
these cells, the Gaussian process had a τ of 0.35. Final metrics are never predicted. If every
isomorphism class was trained, nothing is predicted, and every cell has the values of its class for
every training seed.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.base import Answer, Question
from surrogate_nas.benchmarks.sourced import Resolver, entry_of
from surrogate_nas.benchmarks.table import TableBenchmark, open_table
from surrogate_nas.core import AbsentError, Metric, UserError
from surrogate_nas.files import home, replacing, shipped, table_path
from surrogate_nas.space import Cell, Sampled, listed
from surrogate_nas.surrogates.base import make_model
from surrogate_nas.tables import (
    UNKNOWN_SEEDS,
    ColumnKey,
    MemoryTable,
    Seed,
    Values,
    read_compact,
)

MODEL = "gp"
VERSION = 1
"""The version of the model. Predictions of other versions are cached separately."""
MARK = Metric(
    "trained",
    "",
    "record",
    "structure",
    description="1 if the cell's class was trained, 0 if it is predicted",
)
_MARKED = ColumnKey(MARK.name, None, "mean")


class FilledTable(MemoryTable):
    """A table of losses that is extended from a sample to all cells of a space.

    Attributes:
        is_trained: Whether the isomorphism class of each cell was trained, shape ``(len(cells),)``.
        is_whole: Whether all isomorphism classes were trained, so that nothing is predicted.
    """

    def __init__(self, trained: MemoryTable) -> None:
        super().__init__(trained.table, trained.digest)
        if not isinstance(self.cells, Sampled):
            raise UserError(f"{self.name} is not a table of a sampled space.")
        self._trained, self.cells = self.cells, listed(self.cells.base)
        numbers = (
            np.arange(len(self.cells))
            if self.cells.classes is None
            else self.cells.classes
        )
        _, self._first, self._class = np.unique(
            numbers, return_index=True, return_inverse=True
        )
        self._row = np.full(len(self._first), -1)
        indices = [self.cells.index(cell) for cell in self._trained]
        self._row[self._class[indices]] = np.arange(len(indices))
        self.is_trained: NDArray[np.bool_] = (self._row >= 0)[self._class]
        n, total = int(self.is_trained.sum()), len(self.cells)
        self.is_whole = n == total
        kind = "whole" if self.is_whole else f"{MODEL} {VERSION}"
        self.digest = hashlib.sha256(f"{trained.digest} {kind}".encode()).hexdigest()
        if not self.is_whole:
            self.title = f"{self.title}; the other cells predicted"
            self.banner = (
                f"Only {n:,} of the {total:,} cells belong to the {len(self._trained):,} classes"
                f" that were trained. For the other cells, search metrics are predicted ({MODEL}),"
                " so a regret is partly relative to predictions. Their final metrics are missing,"
                " because predictions are never reported as results."
                f" {self.name}/trained has only the trained cells."
            )
        filled = {name: self._filled(metric) for name, metric in self.metrics.items()}
        self.metrics = {**filled, MARK.name: MARK}
        self.sources = {**self.sources, (MARK.name, None): MARK.source}
        if not self.is_whole:
            self.sources = {run: self.metrics[run[0]].source for run in self.sources}

    def _filled(self, metric: Metric) -> Metric:
        """Count the cells that have a metric for every training length."""
        if self.is_whole:
            keys = [ColumnKey(metric.name, epochs, "mean") for epochs in metric.epochs]
            known = np.all(
                [np.isfinite(self.table.columns[key]) for key in keys], axis=0
            )
            return replace(metric, n_cells=int(known[self._row[self._class]].sum()))
        if not _is_predicted(metric):
            return replace(metric, n_cells=int(self.is_trained.sum()))
        return replace(
            metric,
            n_cells=len(self.cells),
            source=f"{metric.source}; cells of other classes predicted",
        )

    @cached_property
    def keys(self) -> Set[ColumnKey]:
        """The keys of all columns: means over seeds, the values of single seeds if nothing is
        predicted, and the column `MARK`.
        """
        return {
            _MARKED,
            *(k for k in self.table.columns if self.is_whole or k.seed == "mean"),
        }

    def column(self, key: ColumnKey) -> Values:
        """Return a column, shape ``(len(cells),)``. Values that were neither trained nor predicted
        are NaN.
        """
        if key == _MARKED:
            return self.is_trained.astype(np.float64)
        values = np.full(len(self._row), np.nan)
        known = self._row >= 0
        values[known] = self.table.columns[key][self._row[known]]
        lacking = np.isnan(values)
        if (
            _is_predicted(self.metrics[key.metric])
            and lacking.any()
            and not self.is_whole
        ):
            values[lacking] = self._predicted(key, lacking)
        return values[self._class]

    def n_seeds(self, metric: str, epochs: int | None) -> NDArray[np.int16]:
        """Return, for each cell, the number of training seeds in the mean; 0 for a cell that was
        not trained.
        """
        if metric == MARK.name:
            return np.full(len(self.cells), UNKNOWN_SEEDS, dtype=np.int16)
        # the last is that of no row
        counts = np.append(self.table.n_seeds[metric, epochs], np.int16(0))
        return np.asarray(counts[self._row[self._class]])

    def _predicted(self, key: ColumnKey, lacking: NDArray[np.bool_]) -> Values:
        """Predict the classes without values, in order. Cache them in the data directory."""
        name = f"{self.digest[:24]}-{key.metric}-{key.epochs}.npy"
        path = home() / "losses" / "predicted" / name
        with suppress(OSError, ValueError):
            cached = np.load(path, allow_pickle=False)
            fits = cached.shape == (lacking.sum(),) and cached.dtype == np.float64
            if fits and np.isfinite(cached).all():
                return np.asarray(cached)
        predicted = self._by_model(key, lacking)
        with suppress(UserError), replacing(path) as new, new.open("wb") as file:
            np.save(file, predicted, allow_pickle=False)
        return predicted

    def _by_model(self, key: ColumnKey, lacking: NDArray[np.bool_]) -> Values:
        values = self.table.columns[key]
        known = np.isfinite(values)
        to_predict = [self.cells[index] for index in self._first[lacking]]
        if np.ptp(values[known]) == 0:
            return np.full(len(to_predict), values[known][0])
        cells = [self.cells.cell(self._trained[i]) for i in np.flatnonzero(known)]
        model = make_model(MODEL, self.metrics[key.metric].quantity, calibrate=False)
        return model.fit(cells, values[known], self.cells).predict(to_predict).mean


def _is_predicted(metric: Metric) -> bool:
    return metric.kind == "search" or metric.quantity == "cost"


PREFIX = "losses-"
TRAINED = "/trained"
"""The suffix of benchmarks with only the trained cells of a table of losses."""
_CHARGE = (
    "An evaluation is charged the processor seconds of one training for every loss whose metrics it"
    " reads, up to the last epoch that it reads, and one validation pass for each epoch that it"
    " reads; metrics that need no training are free. Continuing a training costs the difference,"
    " and another validation pass."
)


class LossesBenchmark(TableBenchmark):
    """A benchmark with only the trained cells of a table of losses. The names of metrics contain
    the training loss, as in ``valid_error@focal``.

    Example:
        >>> import surrogate_nas as sn
        >>> sn.load("losses-digits/trained").query(0, "valid_error@cross_entropy").unit
        '%'
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.name += TRAINED
        self.charge = _CHARGE
        self.one_curve = True

    def _read_table(self, path: Path) -> MemoryTable:
        return read_compact(path)

    def _spent(self, questions: Sequence[Question], seed: Seed) -> Values:
        runs: dict[str, set[int]] = {}
        for metric, epochs in questions:
            if epochs is not None:
                runs.setdefault(_loss_of(metric), set()).add(epochs)
        spent = np.zeros(len(self.space))
        for loss, read in runs.items():
            spent += self._training(loss, max(read)) + len(read) * self._pass(loss)
        return spent

    def continued(
        self,
        cell: Cell,
        since: int,
        epochs: int,
        metrics: Sequence[str] = (),
        *,
        training_seed: Seed | None = None,
    ) -> float:
        """Return the seconds of training from `since` to `epochs` plus one validation pass, summed
        over the losses of the metrics.
        """
        index = self.space.index(cell)
        spent = 0.0
        for loss in {_loss_of(metric) for metric in metrics}:
            seconds = self._training(loss, epochs) - self._training(loss, since)
            spent += float((seconds + self._pass(loss))[index])
        return spent

    def _training(self, loss: str, epochs: int) -> Values:
        whole = self.question(f"train_seconds@{loss}")
        return self._column(whole, "mean") * (epochs / (whole.epochs or 1))

    def _pass(self, loss: str) -> Values:
        return self._column(self.question(f"valid_seconds@{loss}"), "mean")


def _loss_of(metric: str) -> str:
    return metric.partition("@")[2]


class FilledBenchmark(LossesBenchmark):
    """A benchmark with all cells of a table of losses, including predictions for cells that were
    not trained.
    """

    table: FilledTable

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.name = self.table.name

    def _read_table(self, path: Path) -> FilledTable:
        trained = open_table(path, LossesBenchmark).table
        assert isinstance(trained, MemoryTable)
        return FilledTable(trained)

    def _answer(
        self, cell: Cell, question: Question, seed: Seed, value: float
    ) -> Answer:
        answer = super()._answer(cell, question, seed, value)
        trained = self.table.table.sources.get(question)
        if trained is not None:
            predicted = f"predicted from the trained cells of {self.name}"
            answer.source = trained if answer.n_seeds else predicted
        return answer


class Losses(Resolver):
    """The resolver of names ``losses-TASK`` (all cells) and ``losses-TASK/trained`` (trained cells
    only).
    """

    def names(self) -> Iterable[str]:
        """Return the names of all tables of losses, both shipped ones and those in the data
        directory.
        """
        folders = (home() / "losses", shipped("losses"))
        tasks = sorted(
            {path.stem for folder in folders for path in folder.glob("*.h5")}
        )
        return [PREFIX + task + what for task in tasks for what in ("", TRAINED)]

    def family(self, name: str) -> tuple[str, str]:
        """Return the name and the title of the family of all tables of losses."""
        return "losses", "cells trained on a task with every training loss that fits it"

    def matches(self, name: str) -> bool:
        """Return whether a name begins with ``losses-`` and does not belong to an
        imported table.
        """
        return name.startswith(PREFIX) and not table_path(name).is_file()

    def open(self, name: str) -> TableBenchmark:
        """Open a table of losses. A table in the data directory takes precedence over the shipped
        table.
        """
        path = _path(name)
        if not path.is_file():
            raise AbsentError(
                f"{name} does not exist: the tables of losses come with the package."
            )
        kind = LossesBenchmark if name.endswith(TRAINED) else FilledBenchmark
        return open_table(path, kind)

    def describe(self) -> Iterator[dict[str, Any]]:
        """Yield one catalogue entry per loss table."""
        for name in self.names():
            yield entry_of(name, _path(name), partial(self.open, name))


def _path(name: str) -> Path:
    """Return the file of a table, in the data directory rather than the shipped one."""
    task = name.removeprefix(PREFIX).removesuffix(TRAINED)
    own = home() / "losses" / f"{task}.h5"
    return own if own.is_file() else shipped(f"losses/{task}.h5")
