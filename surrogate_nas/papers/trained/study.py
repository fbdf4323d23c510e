"""How well every training loss, and what it tells along the way, orders a task's cells by what is finally wanted.

Of a table of losses the cells of two seeds are looked at: what a run with one seed tells is held against what the run
with the other seed finally has, in both directions, since the luck of a run flatters what the same run told. The
ceiling is the final measure itself of one seed against that of the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.making.losses.agreement import Agreement, difference
from surrogate_nas.metrics import Metric
from surrogate_nas.papers.ranks import SHARES, Values, best, kendall

FEWEST = 40
"""Cells of two seeds from which a table says something."""
DRAWN, CHOICES = 0.5, 400
"""A choice is among this share of the cells, drawn so many times."""
LAMBDAS = (0.0, 0.02, 0.1, 0.3)
_DIRECTIONS = ((0, 1), (1, 0))
_SEED = 0


@dataclass(frozen=True)
class Told:
    """What one training told, held against what is finally wanted.

    Attributes:
        metric: Such as ``valid_loss@focal``.
        loss: What was trained.
        epochs: After how many.
        taus: Kendall's τ with the goal of the other seed, by the keys of `SHARES`.
        regret: What the cell that it likes best of a `DRAWN` share has more than the best of these, by the goal of the
            other seed, as an objective counts it.
        share: Of the cost of the usual loss's whole run.
        seconds: The mean over cells.
        whole: Whether the run was trained to its end.
    """

    metric: str
    loss: str
    epochs: int
    taus: dict[str, float]
    regret: float
    share: float
    seconds: float
    whole: bool


@dataclass(frozen=True)
class Goal:
    """What is finally wanted of a task, and how everything told orders cells by it.

    Attributes:
        metric: Such as ``test_error@cross_entropy``.
        ceiling: Its own τ between seeds, by the keys of `SHARES`.
        regret: Of choosing by it with the other seed.
        told: Everything that a search may see.
        apart: By loss but the usual one, by how much its validation measure orders cells worse than the usual one's
            (difference of τ, with its interval), and the p-value of there being none.
        by_lambda: By λ and loss: regret of L + λR, and parameters of what it chooses over the median's.
    """

    metric: str
    ceiling: dict[str, float]
    regret: float
    told: tuple[Told, ...]
    apart: dict[str, tuple[Agreement, float]] = field(default_factory=dict)
    by_lambda: dict[tuple[float, str], tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """A task.

    Attributes:
        table: The benchmark.
        task: The task.
        usual: The loss that the task is trained with if nothing is named.
        losses: All of them.
        judged: What the task is judged by, without its split.
        classes: How many cells of two seeds there are, and how many at all.
        goals: The task's own measure first, then others of the same runs.
    """

    table: str
    task: str
    usual: str
    losses: tuple[str, ...]
    judged: str
    classes: tuple[int, int]
    goals: tuple[Goal, ...]


def study(bench: Benchmark) -> Study | None:
    """Look at a table of losses; None where it holds too few cells of two seeds.

    Args:
        bench: ``losses-TASK/trained``.
    """
    usual = bench.objective.partition("@")[2].partition(" ")[0].partition("[")[0]
    losses = tuple(m.name.partition("@")[2] for m in bench.metrics if m.name.startswith("train_loss@"))
    told = [m.name.partition("@")[0] for m in bench.metrics if m.name.endswith(f"@{usual}") and m.split == "valid"]
    measures = [name.removeprefix("valid_") for name in told if name != "valid_loss" and not name.endswith("seconds")]
    table = _Table(bench, losses, usual, measures)
    if len(table.cells) < FEWEST:
        return None
    goals = tuple(_goal(table, measure) for measure in measures)
    return Study(
        bench.name, bench.name.removeprefix("losses-").removesuffix("/trained"), usual, losses, measures[0],
        (len(table.cells), table.trained), goals,
    )  # fmt: skip


class _Table:
    """The columns of the cells that both seeds trained by every loss."""

    def __init__(self, bench: Benchmark, losses: tuple[str, ...], usual: str, measures: list[str]) -> None:
        self.bench, self.losses, self.usual, self.measures = bench, losses, usual, measures
        held = [np.isfinite(self._whole(f"valid_loss@{loss}", seed)) for loss in losses for seed in (0, 1)]
        self.cells, self.trained = np.flatnonzero(np.all(held, axis=0)), len(held[0])
        self.params = bench.column("params")[self.cells] if "params" in bench.space.analytic else None

    def _whole(self, metric: str, seed: int) -> Values:
        question = self.bench.question(metric)
        if seed not in self.bench.seeds(question):
            return np.full(len(self.bench.column(*question)), np.nan)
        return self.bench.column(*question, seed)

    def __call__(self, metric: str, epochs: int | None, seed: int) -> Values:
        """A column as an objective counts it: smaller is better, what is in % as a fraction."""
        found = self.bench.metric(metric)
        values = found.minimised(self.bench.column(metric, epochs, seed)[self.cells])
        return values / 100 if found.unit == "%" else values

    def searchable(self) -> Iterator[tuple[Metric, int]]:
        """What a search may see, with its epochs."""
        for metric in self.bench.metrics:
            if metric.is_loss and metric.kind == "search":
                yield from ((metric, epochs) for epochs in metric.epochs)

    def seconds(self, metric: Metric, epochs: int) -> float:
        """Of a run so far and, but for what training itself tells, one validation pass; the mean over cells."""
        loss = metric.name.partition("@")[2]
        spent = self.bench.column(f"train_seconds@{loss}") * epochs / self._last(f"train_loss@{loss}")
        if metric.split != "train":
            spent = spent + self.bench.column(f"valid_seconds@{loss}")
        return float(np.nanmean(spent))

    def _last(self, metric: str) -> int:
        return self.bench.metric(metric).epochs[-1]


def _goal(table: _Table, measure: str) -> Goal:
    name = f"test_{measure}@{table.usual}"
    wanted = [table(name, None, seed) for seed in (0, 1)]
    whole = table.seconds(table.bench.metric(f"valid_loss@{table.usual}"), table._last(f"train_loss@{table.usual}"))
    told = []
    for metric, epochs in table.searchable():
        values = [table(metric.name, epochs, seed) for seed in (0, 1)]
        seconds = table.seconds(metric, epochs)
        told.append(
            Told(
                metric.name,
                metric.name.partition("@")[2],
                epochs,
                taus(values, wanted),
                regret(values, wanted),
                seconds / whole,
                seconds,
                epochs == metric.epochs[-1],
            )  # fmt: skip
        )
    return Goal(
        name, taus(wanted, wanted), regret(wanted, wanted), tuple(told), dict(_apart(table, measure, wanted)),
        dict(_by_lambda(table, wanted)),
    )  # fmt: skip


def taus(values: list[Values], wanted: list[Values]) -> dict[str, float]:
    """Kendall's τ of one seed's values with the other seed's goal, the mean of both directions, by band.

    Args:
        values: Of both seeds, shape ``(n,)``, smaller is better.
        wanted: Likewise.
    """
    found = {}
    for band, share in SHARES.items():
        cells = [best(wanted[other], share) for _, other in _DIRECTIONS]
        pairs = zip(_DIRECTIONS, cells, strict=True)
        found[band] = float(np.mean([kendall(values[one][c], wanted[other][c]) for (one, other), c in pairs]))
    return found


def regret(values: list[Values], wanted: list[Values]) -> float:
    """What the chosen of a share of the cells has more than the best of them, by the goal of the other seed; a mean.

    Args:
        values: Of both seeds, shape ``(n,)``, smaller is better; the smallest is chosen.
        wanted: Likewise.
    """
    drawn = _draws(len(values[0]))
    lost = [wanted[b][_chosen(values[a], drawn)] - wanted[b][drawn].min(axis=1) for a, b in _DIRECTIONS]
    return float(np.mean(lost))


@lru_cache(maxsize=4)
def _draws(n: int) -> np.ndarray:
    rng = np.random.default_rng(_SEED)
    return np.array([rng.permutation(n)[: round(DRAWN * n)] for _ in range(CHOICES)])


def _chosen(values: Values, drawn: np.ndarray) -> np.ndarray:
    chosen: np.ndarray = drawn[np.arange(len(drawn)), values[drawn].argmin(axis=1)]
    return chosen


def _apart(table: _Table, measure: str, wanted: list[Values]) -> Iterator[tuple[str, tuple[Agreement, float]]]:
    """By every other loss, how much worse its validation measure orders the cells than the usual loss's does."""
    usual = [table(f"valid_{measure}@{table.usual}", None, seed) for seed in (0, 1)]
    for loss in table.losses:
        if loss != table.usual:
            other = [table(f"valid_{measure}@{loss}", None, seed) for seed in (0, 1)]
            yield loss, difference(usual, other, wanted[::-1])


def _by_lambda(table: _Table, wanted: list[Values]) -> Iterator[tuple[tuple[float, str], tuple[float, float]]]:
    """By λ and loss, the regret of validation loss + λ·parameters, and how large what it chooses is."""
    if table.params is None:
        return
    size = table.params / np.median(table.params)
    drawn = _draws(len(size))
    for weight in LAMBDAS:
        regularised = [one + weight * size for one in wanted]
        for loss in table.losses:
            values = [table(f"valid_loss@{loss}", None, seed) + weight * size for seed in (0, 1)]
            chosen = [size[_chosen(one, drawn)].mean() for one in values]
            yield (weight, loss), (regret(values, regularised), float(np.mean(chosen)))
