"""What a table of losses holds of its trainings, seed by seed, also where cells have different numbers of seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.core.metrics import Metric
from surrogate_nas.papers.trained.orders import Columns, others

EARLY = 0.2
"""The share of the run at which the early training loss is looked at: after the epoch in which it ends, or, in a table
of every epoch, the nearest."""
MEASURE, CONTRASTED = "measure", ("loss", "train", "early")
"""The keys of the signals: what judges, and what is contrasted with it."""


class Trainings:
    """The columns of a table of losses, of the cells that can be held against another seed.

    Attributes:
        bench: The table.
        losses: All that trained.
        usual: The loss that the task is trained with if nothing is named.
        measures: What tells how well the task is done, without the split; what judges it first.
        seeds: All training seeds of the usual loss.
        trainings: By cell, how many trainings by the usual loss there are.
        replicated: How many cells have several.
        whole: The places of all cells.
        cells: Of those that some loss trained with a seed beside which the usual loss trained another.
        params: The parameters of `cells`, or None.
    """

    def __init__(self, bench: Benchmark, losses: tuple[str, ...], usual: str, measures: list[str]) -> None:
        """Find the cells.

        Args:
            bench: ``losses-TASK/trained``.
            losses: All that trained.
            usual: The loss that the task is trained with if nothing is named.
            measures: What tells how well the task is done, without the split; what judges it first.
        """
        self.bench, self.losses, self.usual, self.measures = bench, losses, usual, measures
        self.cells: np.ndarray = np.arange(len(bench.column(*bench.question(f"valid_loss@{usual}"))))
        self.seeds = bench.seeds(bench.question(f"test_{measures[0]}@{usual}"))
        goal = self(f"test_{measures[0]}@{usual}")
        self.trainings = np.isfinite(goal).sum(axis=0)
        self.replicated = int((self.trainings > 1).sum())
        rest = np.isfinite(others(goal))
        held = [np.isfinite(self(f"valid_loss@{loss}")) & rest for loss in losses]
        self.whole = self.cells
        self.cells = np.flatnonzero(np.any(held, axis=(0, 1)))
        self.params = bench.column("params")[self.cells] if "params" in bench.space.analytic else None

    def __call__(self, metric: str, epochs: int | None = None, cells: np.ndarray | None = None) -> Columns:
        """A column of every seed as an objective counts it: smaller is better, what is in % as a fraction.

        Args:
            metric: Its name.
            epochs: After how many; None for a whole run.
            cells: Of which cells, by their places; None for `cells`.
        """
        found, question = self.bench.metric(metric), self.bench.question(metric, epochs)
        held, cells = self.bench.seeds(question), self.cells if cells is None else cells
        lacking = np.full(len(cells), math.nan)
        columns = [self.bench.column(*question, s)[cells] if s in held else lacking for s in self.seeds]
        values = found.minimised(np.array(columns))
        return values / 100 if found.unit == "%" else values

    def searchable(self, *, whole: bool) -> Iterator[tuple[Metric, int]]:
        """What a search may see, with its epochs.

        Args:
            whole: Whether at the end only.
        """
        for metric in self.bench.metrics:
            if metric.is_loss and metric.kind == "search":
                yield from ((metric, epochs) for epochs in metric.epochs[-1 if whole else 0 :])

    def seconds(self, metric: Metric, epochs: int) -> float:
        """Of a run so far and, but for what training itself tells, one validation pass; the mean over cells.

        Args:
            metric: What is read.
            epochs: After how many.
        """
        loss = metric.name.partition("@")[2]
        spent = self.bench.column(f"train_seconds@{loss}") * epochs / self.last(f"train_loss@{loss}")
        if metric.split != "train":
            spent = spent + self.bench.column(f"valid_seconds@{loss}")
        return float(np.nanmean(spent))

    def last(self, metric: str) -> int:
        """After how many epochs it is told last.

        Args:
            metric: Its name.
        """
        return self.bench.metric(metric).epochs[-1]

    def nearest(self, metric: str, epochs: float) -> int:
        """The epoch that is held and nearest, of two the earlier.

        Args:
            metric: Its name.
            epochs: What it should be near to.
        """
        return min(self.bench.metric(metric).epochs, key=lambda held: (abs(held - epochs), held))

    def _early(self, metric: str) -> int:
        held = self.bench.metric(metric).epochs
        share = EARLY * held[-1]
        return self.nearest(metric, share if held == tuple(range(1, held[-1] + 1)) else math.ceil(share - 1e-9))

    def named(self, measure: str) -> dict[str, tuple[str, int]]:
        """The signals that are named beforehand, each with its epochs, by `MEASURE` and `CONTRASTED`.

        Args:
            measure: What judges.
        """
        loss, train = f"valid_loss@{self.usual}", f"train_loss@{self.usual}"
        end = self.last(train)
        return {
            MEASURE: (f"valid_{measure}@{self.usual}", end),
            "loss": (loss, end),
            "train": (train, end),
            "early": (train, self._early(train)),
        }
