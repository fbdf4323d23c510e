"""How well every training loss, and what it tells along the way, orders a task's cells by what is
finally wanted.

Every training of a table of losses is used, also where cells have different numbers of seeds: what
a run with one seed tells is held against the mean of what the runs with the other seeds finally
have (`orders` says how). The ceiling is the final measure itself of one seed against that of the
others.

A task may have tables of several run lengths: the usual one is ``losses-TASK``, and others name the
task in their card.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.benchmarks.building.losses.agreement import Agreement
from surrogate_nas.benchmarks.building.losses.trainings import LATE
from surrogate_nas.core.metrics import Metric
from surrogate_nas.papers.common.ranks import SHARES, Values, best
from surrogate_nas.papers.trained.orders import (
    FEWEST_CELLS,
    Columns,
    Pairs,
    apart_by,
    corrected,
    crossed,
    draws,
    each_other,
    others,
    paired,
    same_run,
    seeds_of_goal,
    taus_of,
    two_seeds,
    with_interval,
)
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import CLASS_METRIC

FEWEST = 40
"""Cells of two seeds from which a table says something."""
DRAWN = 0.5
CHOICES = 400
"""A choice is among this share of the cells, drawn so many times."""
LAMBDAS = (0.0, 0.02, 0.1, 0.3)
_SEED = 0
EARLY = 0.2
"""The share of the run at which the early training loss is looked at: after the epoch in which it
ends, or, in a table of every epoch, the nearest.
"""
MEASURE = "measure"
CONTRASTED = ("loss", "train", "early")
"""The keys of the signals: what judges, and what is contrasted with it."""
TABLE = "fashion"
SOON = 0.4
"""The share of a run after which the early training loss is looked at."""
_TEST = "test_error"
_SIGNALS = {
    "measure": "valid_error",
    "loss": "valid_loss",
    "train": "train_loss",
    "early": "train_loss",
}


@dataclass(frozen=True)
class Reading:
    """What one training told, held against what is finally wanted."""

    metric: str  # Such as `valid_loss@focal`
    loss: str  # What was trained
    epochs: int  # After how many
    # Kendall's τ with the mean goal of the other seeds, by the keys of `SHARES`
    taus: dict[str, float]
    # What the cell that it likes best of a `DRAWN` share has more than the best of these, by the
    # mean goal of the other seeds, as an objective counts it
    regret: float
    share: float  # Of the cost of the usual loss's whole run
    seconds: float  # The mean over cells
    whole: bool  # Whether the run was trained to its end


@dataclass(frozen=True)
class Wanted:
    """What is finally wanted of a task, and how everything told orders cells by it."""

    metric: str  # Such as `test_error@cross_entropy`
    # Its own τ between one seed and the mean of the others, by the keys of `SHARES`
    ceiling: dict[str, float]
    regret: float  # Of choosing by it with one seed
    # Everything that a search may see; of other goals than a task's own, of whole runs
    told: tuple[Reading, ...]
    # By loss but the usual one, by how much its validation measure orders cells worse than the
    # usual one's (difference of τ, with its interval), and the p-value of there being none
    apart: dict[str, tuple[Agreement, float]] = field(default_factory=dict)
    # By λ and loss: regret of L + λR, and parameters of what it chooses over the median's
    by_lambda: dict[tuple[float, str], tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Signal:
    """One of the four signals of the usual loss's runs that are named beforehand."""

    metric: str  # Such as `valid_loss@focal`
    epochs: int  # After how many
    tau: Agreement  # With the mean final measure of the other seeds
    # The correlation with it without the noise of seeds; NaN where two seeds do not agree
    corrected: Agreement
    two_seeds: float  # τ of two seeds of the signal
    same_run: float  # τ with the final measure of its own run
    # Validation loss less training loss at that epoch, over the sum of their sizes; −1 to 1
    gap: float


@dataclass(frozen=True)
class Study:
    """A task, in runs of one length."""

    table: str  # The benchmark
    task: str  # The task
    usual: str  # The loss that the task is trained with if nothing is named
    losses: tuple[str, ...]  # All of them
    judged: str  # What the task is judged by, without its split
    classes: tuple[int, int]  # How many cells have two seeds or more, and how many there are at all
    # The fewest and the most trainings of a cell by the usual loss, and all of them
    seeds: tuple[int, int, int]
    epochs: int  # Of a whole run
    longer: bool  # Whether these are not the runs of the table `losses-TASK`
    goals: tuple[Wanted, ...]  # The task's own measure first, then others of the same runs
    signals: dict[str, Signal]  # By `MEASURE` and `CONTRASTED`
    two_seeds: Agreement  # τ of two single seeds of the task's final measure
    ceiling: Agreement  # τ of one seed of it with the mean of the others
    # τ of every signal, and as `goal` the ceiling: the first number is the estimate, the others are
    # resamples of cells
    taus: dict[str, Values] = field(compare=False)
    # By `CONTRASTED`, τ less that of the validation measure over the same cells, likewise
    contrasts: dict[str, Values] = field(compare=False)

    @property
    def name(self) -> str:
        """The task, with the length of its runs where it is not the usual one."""
        return f"{self.task}, {self.epochs} epochs" if self.longer else self.task


class Trainings:
    """The columns of a table of losses, of the cells that can be held against another seed."""

    def __init__(
        self,
        bench: Benchmark,
        losses: tuple[str, ...],
        usual: str,
        measures: list[str],
    ) -> None:
        """Find the cells; the first of the measures, named without a split, judges the task."""
        self.bench = bench
        self.losses = losses
        self.usual = usual
        self.measures = measures
        self.whole: np.ndarray = np.arange(
            len(bench.column(*bench.question(f"valid_loss@{usual}")))
        )
        self.cells = self.whole
        self.seeds = bench.seeds(bench.question(f"test_{measures[0]}@{usual}"))  # of the usual loss
        goal = self(f"test_{measures[0]}@{usual}")
        self.trainings = np.isfinite(goal).sum(axis=0)  # by the usual loss, of every cell
        self.replicated = int((self.trainings > 1).sum())
        rest = np.isfinite(others(goal))
        held = [np.isfinite(self(f"valid_loss@{loss}")) & rest for loss in losses]
        # The cells that some loss trained with a seed beside which the usual loss trained another
        self.cells = np.flatnonzero(np.any(held, axis=(0, 1)))
        self.params = (
            bench.column("params")[self.cells] if "params" in bench.space.analytic else None
        )

    def __call__(
        self,
        metric: str,
        epochs: int | None = None,
        cells: np.ndarray | None = None,
    ) -> Columns:
        """A column of every seed as an objective counts it: smaller is better, what is in % as a
        fraction.
        """
        found = self.bench.metric(metric)
        question = self.bench.question(metric, epochs)
        held = self.bench.seeds(question)
        cells = self.cells if cells is None else cells
        lacking = np.full(len(cells), math.nan)
        columns = [
            self.bench.column(*question, s)[cells] if s in held else lacking for s in self.seeds
        ]
        values = found.minimised(np.array(columns))
        return values / 100 if found.unit == "%" else values

    def searchable(self, *, whole: bool) -> Iterator[tuple[Metric, int]]:
        """What a search may see, with its epochs."""
        for metric in self.bench.metrics:
            if metric.is_loss and metric.kind == "search":
                yield from ((metric, epochs) for epochs in metric.epochs[-1 if whole else 0 :])

    def seconds(self, metric: Metric, epochs: int) -> float:
        """Of a run so far and, but for what training itself tells, one validation pass; the mean
        over cells.
        """
        loss = metric.name.partition("@")[2]
        spent = (
            self.bench.column(f"train_seconds@{loss}") * epochs / self.last(f"train_loss@{loss}")
        )
        if metric.split != "train":
            spent = spent + self.bench.column(f"valid_seconds@{loss}")
        return float(np.nanmean(spent))

    def last(self, metric: str) -> int:
        """After how many epochs it is told last."""
        return self.bench.metric(metric).epochs[-1]

    def nearest(self, metric: str, epochs: float) -> int:
        """The epoch that is held and nearest, of two the earlier."""
        return min(self.bench.metric(metric).epochs, key=lambda held: (abs(held - epochs), held))

    def _early(self, metric: str) -> int:
        held = self.bench.metric(metric).epochs
        share = EARLY * held[-1]
        return self.nearest(
            metric, share if held == tuple(range(1, held[-1] + 1)) else math.ceil(share - 1e-9)
        )

    def named(self, measure: str) -> dict[str, tuple[str, int]]:
        """The signals that are named beforehand, each with its epochs, by `MEASURE` and
        `CONTRASTED`.
        """
        loss = f"valid_loss@{self.usual}"
        train = f"train_loss@{self.usual}"
        end = self.last(train)
        judged = f"valid_{measure}@{self.usual}"
        return {
            MEASURE: (judged, end),
            "loss": (loss, end),
            "train": (train, end),
            "early": (train, self._early(train)),
        }


def study(bench: Benchmark) -> Study | None:
    """Look at a table of losses; None where it holds too few cells of two seeds."""
    usual = bench.objective.partition("@")[2].partition(" ")[0].partition("[")[0]
    losses = tuple(
        m.name.partition("@")[2] for m in bench.metrics if m.name.startswith("train_loss@")
    )
    told = [
        m.name.partition("@")[0]
        for m in bench.metrics
        if m.name.endswith(f"@{usual}") and m.split == "valid"
    ]
    left_out = ("valid_loss", "seconds", LATE)
    measures = [name.removeprefix("valid_") for name in told if not name.endswith(left_out)]
    table = Trainings(bench, losses, usual, measures)
    if table.replicated < FEWEST:
        return None
    task = _task_of(bench)
    goal = table(f"test_{measures[0]}@{usual}")
    counts = draws(goal.shape[1])
    trainings = table.trainings
    orders = {
        key: taus_of(crossed(table(*named), goal), counts)
        for key, named in table.named(measures[0]).items()
    }
    orders["goal"] = taus_of(crossed(goal, goal), counts)
    return Study(
        bench.name,
        task,
        usual,
        losses,
        measures[0],
        (table.replicated, len(trainings)),
        (int(trainings.min()), int(trainings.max()), int(trainings.sum())),
        table.last(f"train_loss@{usual}"),
        bench.name != f"losses-{task}/trained",
        tuple(_goal(table, measure, own=measure == measures[0]) for measure in measures),
        dict(_signals(table, measures[0], goal, orders)),
        with_interval(taus_of(two_seeds(goal), counts)),
        with_interval(orders["goal"]),
        orders,
        dict(_contrasts(table, measures[0], goal, counts)),
    )


def _task_of(bench: Benchmark) -> str:
    """What the card says, else what the name does."""
    try:
        named = json.loads(getattr(bench, "card", "") or "{}").get("task")
    except (ValueError, AttributeError):
        named = None
    return (
        named
        if isinstance(named, str)
        else bench.name.removeprefix("losses-").removesuffix("/trained")
    )


def _signals(
    table: Trainings,
    measure: str,
    goal: Columns,
    orders: dict[str, Values],
) -> Iterator[tuple[str, Signal]]:
    counts = draws(goal.shape[1])
    of_goal = taus_of(two_seeds(goal), counts)
    seeds = seeds_of_goal(goal)
    whole = table(f"test_{measure}@{table.usual}", None, table.whole)
    for key, (metric, epochs) in table.named(measure).items():
        taus = orders[key]
        own = taus_of(two_seeds(table(metric, epochs)), counts)
        run = taus_of(
            same_run(table(metric, epochs, table.whole), whole), np.ones((1, whole.shape[1]))
        )
        yield (
            key,
            Signal(
                metric,
                epochs,
                with_interval(taus),
                with_interval(corrected(taus, own, of_goal, seeds)),
                float(own[0]),
                float(run[0]),
                _gap(table, epochs),
            ),
        )


def _gap(table: Trainings, epochs: int) -> float:
    valid = f"valid_loss@{table.usual}"
    train = f"train_loss@{table.usual}"
    at = table.nearest(valid, epochs)
    one, two = (np.nanmean(table(name, at, table.whole)) for name in (valid, train))
    return float((one - two) / (abs(one) + abs(two)))


def _contrasts(
    table: Trainings,
    measure: str,
    goal: Columns,
    counts: Values,
) -> Iterator[tuple[str, Values]]:
    named = table.named(measure)
    judged = table(*named[MEASURE])
    for key in CONTRASTED:
        one, two = paired(table(*named[key]), judged, goal)
        yield key, taus_of(one, counts) - taus_of(two, counts)


def _goal(table: Trainings, measure: str, *, own: bool) -> Wanted:
    name = f"test_{measure}@{table.usual}"
    wanted = table(name)
    rest = others(wanted)
    whole = table.seconds(
        table.bench.metric(f"valid_loss@{table.usual}"), table.last(f"train_loss@{table.usual}")
    )
    told = []
    for metric, epochs in table.searchable(whole=not own):
        values = table(metric.name, epochs)
        seconds = table.seconds(metric, epochs)
        loss = metric.name.partition("@")[2]
        ordered = taus(values, rest), regret(values, rest), seconds / whole, seconds
        told.append(Reading(metric.name, loss, epochs, *ordered, epochs == metric.epochs[-1]))
    apart = dict(_apart(table, measure, wanted)) if own else {}
    by_lambda = dict(_by_lambda(table, rest)) if own else {}
    return Wanted(name, taus(wanted, rest), regret(wanted, rest), tuple(told), apart, by_lambda)


def _pairs(values: Columns, rest: Columns) -> list[tuple[Values, Values]]:
    """By seed, both columns of the cells that have both; of seeds with enough of them."""
    pairs = [
        (v[known], r[known])
        for v, r in zip(values, rest, strict=True)
        if (known := _both(v, r)).any()
    ]
    return [pair for pair in pairs if len(pair[0]) >= FEWEST_CELLS]


def _both(one: Values, two: Values) -> np.ndarray:
    return np.isfinite(one) & np.isfinite(two)


def _mean(values: Sequence[float], pairs: Sequence[tuple[Values, Values]]) -> float:
    """The mean over seeds, weighted by their cells."""
    return float(np.average(values, weights=[len(one) for one, _ in pairs])) if pairs else math.nan


def taus(values: Columns, rest: Columns) -> dict[str, float]:
    """Kendall's τ of one seed's values with the other seeds' goal, the mean over seeds, by band."""
    pairs = _pairs(values, rest)
    found = {}
    for band, share in SHARES.items():
        cells = [best(goal, share) for _, goal in pairs]
        each = [kendall(one[c], goal[c]) for (one, goal), c in zip(pairs, cells, strict=True)]
        found[band] = _mean(each, pairs)
    return found


def regret(values: Columns, rest: Columns) -> float:
    """What the chosen of a share of the cells has more than the best of them by the other seeds'
    goal; a mean.
    """
    pairs = _pairs(values, rest)
    drawn = [_draws(len(one)) for one, _ in pairs]
    lost = [
        goal[_chosen(one, d)] - goal[d].min(axis=1)
        for (one, goal), d in zip(pairs, drawn, strict=True)
    ]
    return _mean([float(each.mean()) for each in lost], pairs)


@lru_cache(maxsize=8)
def _draws(n: int) -> np.ndarray:
    rng = np.random.default_rng(_SEED)
    return np.array([rng.permutation(n)[: round(DRAWN * n)] for _ in range(CHOICES)])


def _chosen(values: Values, drawn: np.ndarray) -> np.ndarray:
    chosen: np.ndarray = drawn[np.arange(len(drawn)), values[drawn].argmin(axis=1)]
    return chosen


def _apart(
    table: Trainings,
    measure: str,
    wanted: Columns,
) -> Iterator[tuple[str, tuple[Agreement, float]]]:
    """By every other loss, how much worse its validation measure orders the cells than the usual
    loss's does.
    """
    counts = draws(wanted.shape[1])
    usual = table(f"valid_{measure}@{table.usual}")
    for loss in table.losses:
        if loss != table.usual:
            one, two = paired(usual, table(f"valid_{measure}@{loss}"), wanted)
            yield loss, apart_by(taus_of(one, counts) - taus_of(two, counts), wanted.shape[1])


def _by_lambda(
    table: Trainings, rest: Columns
) -> Iterator[tuple[tuple[float, str], tuple[float, float]]]:
    """By λ and loss, the regret of validation loss + λ·parameters, and how large what it chooses
    is.
    """
    if table.params is None:
        return
    size = table.params / np.median(table.params)
    for weight in LAMBDAS:
        for loss in table.losses:
            values = table(f"valid_loss@{loss}") + weight * size
            sizes = _pairs(values, np.where(np.isfinite(rest), size, math.nan))
            chosen = [float(sized[_chosen(one, _draws(len(one)))].mean()) for one, sized in sizes]
            yield (weight, loss), (regret(values, rest + weight * size), _mean(chosen, sizes))


@dataclass(frozen=True)
class Replication:
    """What a table of many classes says."""

    table: str  # The benchmark
    classes: int  # Those of several seeds
    seeds: int  # How many
    epochs: tuple[int, int]  # Of the whole run, and of the early training loss
    # By signal (`measure`, `loss`, `train`, `early`), with the test error of another single seed
    taus: Mapping[str, Agreement] = field(default_factory=dict)
    # The same with the mean test error of all other seeds
    of_means: Mapping[str, Agreement] = field(default_factory=dict)
    # The correlation with the test error without the noise of seeds
    corrected: Mapping[str, Agreement] = field(default_factory=dict)
    # τ with the test error of the signal's own run
    same_run: Mapping[str, float] = field(default_factory=dict)
    # By signal but the measure, its τ less that of the measure
    differences: Mapping[str, Agreement] = field(default_factory=dict)
    two_seeds: float = float("nan")  # τ of two seeds of the test error


def replication(bench: Benchmark) -> Replication | None:
    """Look at a table of one loss whose classes have several seeds; None where they have not."""
    last = bench.metric(_TEST).epochs[-1]
    soon = min(bench.metric("train_loss").epochs, key=lambda epochs: abs(epochs - SOON * last))
    seeds = bench.seeds(bench.question(_TEST, last))
    first = np.unique(bench.column(CLASS_METRIC).astype(int))

    def columns(metric: str, epochs: int) -> Columns:
        return np.array([bench.column(metric, epochs, seed)[first] for seed in seeds])

    goal = columns(_TEST, last)
    held = np.isfinite(goal).sum(axis=0) > 1
    if held.sum() < 2:
        return None
    goal = goal[:, held]
    signals = {
        key: columns(name, soon if key == "early" else last)[:, held]
        for key, name in _SIGNALS.items()
    }
    counts = draws(int(held.sum()))
    once = np.ones((1, int(held.sum())))

    def all_of(pairs: Mapping[str, Pairs]) -> dict[str, Values]:
        return {key: taus_of(found, counts) for key, found in pairs.items()}

    taus = all_of({key: each_other(values, goal) for key, values in signals.items()})
    own = all_of({key: two_seeds(values) for key, values in signals.items()})
    of_goal = taus_of(two_seeds(goal), counts)
    of_means = all_of({key: crossed(values, goal) for key, values in signals.items()})
    return Replication(
        bench.name,
        len(goal[0]),
        len(seeds),
        (last, soon),
        {key: with_interval(values) for key, values in taus.items()},
        {key: with_interval(values) for key, values in of_means.items()},
        {
            key: with_interval(corrected(values, own[key], of_goal, 1))
            for key, values in taus.items()
        },
        {key: float(taus_of(same_run(values, goal), once)[0]) for key, values in signals.items()},
        {
            key: with_interval(values - taus["measure"])
            for key, values in taus.items()
            if key != "measure"
        },
        float(of_goal[0]),
    )
