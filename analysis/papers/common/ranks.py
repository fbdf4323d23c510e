"""Candidate losses and the goal of a table, and how well they agree in the order of cells.

Agreement is Kendall's τ: over all cells, over the best, and among cells of equal complexity. A high
τ over a whole space mostly says that bad cells differ from good ones; a search ends among the best
quarter. And a mere count of operations ranks well over a space, but not within equal counts.

A candidate is every loss, error and quality besides the goal (`analysis.signals`), after
every number of epochs in the table; its mean over seeds and, if the table has them, single seeds;
and of a training loss with a curve three sums (Ru et al., "Speedy Performance Estimation for Neural
Architecture Search", NeurIPS 2021): TSE over all epochs so far, TSE-E over the last two of them,
and TSE-EMA, the moving average of their published code, 0.1 of it and 0.9 of the new loss.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.signals import Goal, measure_of, seeds_of, split_of
from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.core.metrics import Metric
from surrogate_nas.surrogates.evaluation import kendall

Values = NDArray[np.float64]
Indices = NDArray[np.intp]

SHARES = {"kendall": 1.0, "kendall_best_half": 0.5, "kendall_best_quarter": 0.25}
"""By the metric of a row: the share of the cells, best first, that τ is over."""
WITHIN = "kendall_equal_complexity"
MEASURES = (*SHARES, WITHIN)
TITLES = {
    "kendall": "all",
    "kendall_best_half": "best half",
    "kendall_best_quarter": "best quarter",
    WITHIN: "equal complexity",
}
"""How a table heads each."""
_MOST_PAIRS = 3


def absent_tables(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """A note for every table that is not here, by the entries of `benchmarks.tables`."""
    absent = [entry for entry in entries if not entry["available"]]
    return [
        f"Not here: {entry['name']} ({entry.get('get') or entry['title']})."
        for entry in absent
    ]


def best(values: Values, share: float) -> Indices:
    """The cells with the smallest values, best first."""
    order = np.argsort(values, kind="stable")[: int(np.isfinite(values).sum())]
    return order[: round(len(order) * share)]


def within(first: Values, second: Values, groups: Values | None) -> float:
    """The mean τ within groups, each weighted by its pairs of cells; NaN without groups."""
    if groups is None:
        return math.nan
    taus = []
    pairs = []
    for group in np.unique(groups):
        here = groups == group
        tau = kendall(first[here], second[here])
        n = int(here.sum())
        if math.isfinite(tau):
            taus.append(tau)
            pairs.append(n * (n - 1))
    return float(np.average(taus, weights=pairs)) if taus else math.nan


def agreement(
    first: Values,
    second: Values,
    wanted: Values,
    groups: Values | None,
) -> dict[str, float]:
    """τ of two columns by every one of `MEASURES`; the best cells are those by a third column."""
    taus = {}
    for measure, share in SHARES.items():
        cells = best(wanted, share)
        taus[measure] = kendall(first[cells], second[cells])
    taus[WITHIN] = within(first, second, groups)
    return taus


def mean_of(columns: Sequence[Values]) -> Values:
    """The mean over the seeds that a cell has; NaN where it has none."""
    is_known = np.isfinite(columns)
    total = np.where(is_known, columns, 0.0).sum(axis=0)
    means = np.full(len(total), math.nan)
    np.divide(
        total,
        is_known.sum(axis=0),
        out=means,
        where=is_known.any(axis=0),
    )
    return means


def ceiling(
    seeds: Sequence[Values],
    wanted: Values,
    groups: Values | None,
) -> dict[str, float]:
    """How well one training seed ranks as another does, which bounds what a loss can reach.

    Returns:
        By every one of `MEASURES` the mean over at most three pairs of seeds; empty where there are
        none.
    """
    pairs = list(itertools.combinations(seeds, 2))[:_MOST_PAIRS]
    if not pairs:
        return {}
    taus = [agreement(first, second, wanted, groups) for first, second in pairs]
    return {
        measure: float(np.mean([tau[measure] for tau in taus])) for measure in MEASURES
    }


_LAST_EPOCHS = 2
_OF_NEW = 0.9
_SAME = "the final metric"
_LOSS = "loss"
_OTHER = "another metric"
_SUM = "sums of losses"
ROLES = (
    *(f"train: {what}" for what in (_LOSS, _SUM, _SAME, _OTHER)),
    *(f"valid: {what}" for what in (_LOSS, _SAME, _OTHER)),
)
"""What a candidate can be: its split, and what it measures compared with the goal."""
_LAST = "last"
_WAYS = {"best": "best epoch"}


@dataclass(frozen=True)
class Candidate:
    """One loss that a search can minimise."""

    name: str  # As rows show it, such as `valid_error[200]`
    family: str  # What is measured on which split, such as `train loss`; the same for all tables
    role: str  # The same relative to the goal: one of `ROLES`, or empty
    values: Values  # Smaller is better, shape `(n,)`
    seeds: tuple[Values, ...]  # The same of single seeds, if the table has them
    seconds: (
        float | None
    )  # What a cell costs on average, or None where the table does not say
    share: float  # Of the cost of the table's longest run, or of its epochs; 1 for a run to the end
    # Whether it was measured on test data, which a search may not see unless a study declares it
    final: bool


def itself(bench: Benchmark, goal: Goal) -> Candidate:
    """The goal as a candidate, of which single seeds can be compared with the others."""
    epochs = goal.question.epochs
    return _candidate(
        bench,
        goal,
        goal.metric,
        str(goal.question),
        "",
        epochs,
        goal.values,
        (),
        _longest(bench),
    )


def candidates_of(bench: Benchmark, goal: Goal) -> Iterator[Candidate]:
    """All losses that a search could minimise, without the goal itself."""
    longest = _longest(bench)
    for metric in bench.metrics:
        if not metric.is_loss or metric.name == goal.metric.name:
            continue
        for epochs in metric.epochs or (None,):
            question = Question(metric.name, epochs)
            values = metric.minimised(bench.column(*question))
            seeds = tuple(seeds_of(bench, metric, question))
            yield _candidate(
                bench, goal, metric, str(question), "", epochs, values, seeds, longest
            )
        if (
            bench.one_curve
            and split_of(metric) == "train"
            and metric.quantity == "loss"
        ):
            yield from _sums(bench, goal, metric, longest)


def _sums(
    bench: Benchmark,
    goal: Goal,
    metric: Metric,
    longest: int,
) -> Iterator[Candidate]:
    losses = np.array([bench.column(metric.name, epochs) for epochs in metric.epochs])
    average = losses[0]
    for i, epochs in enumerate(metric.epochs[1:], 1):
        average = (1 - _OF_NEW) * average + _OF_NEW * losses[i]
        kinds = {
            "TSE": losses[: i + 1].sum(axis=0),
            "TSE-E": losses[max(i + 1 - _LAST_EPOCHS, 0) : i + 1].sum(axis=0),
            "TSE-EMA": average,
        }
        for kind, values in kinds.items():
            if kind == "TSE-E" and i + 1 <= _LAST_EPOCHS:
                continue  # the same sum as TSE
            yield _candidate(
                bench,
                goal,
                metric,
                f"{kind}[{epochs}]",
                f", {kind}",
                epochs,
                values,
                (),
                longest,
            )


def _candidate(
    bench: Benchmark,
    goal: Goal,
    metric: Metric,
    name: str,
    end: str,
    epochs: int | None,
    values: Values,
    seeds: tuple[Values, ...],
    longest: int,
) -> Candidate:
    family = f"{_family(metric)}{end}"
    seconds = _seconds(bench, metric, epochs)
    whole = _seconds(bench, metric, longest)
    share = 1.0 if epochs is None else epochs / longest
    if seconds is not None and whole:
        share = seconds / whole
    return Candidate(
        name,
        family,
        _role(metric, goal, end),
        values,
        seeds,
        seconds,
        share,
        metric.kind == "final" or metric.split == "test",
    )


def _role(metric: Metric, goal: Goal, end: str) -> str:
    if end:
        kind = _SUM
    elif measure_of(metric.name) == goal.measure:
        kind = _SAME
    else:
        kind = _LOSS if metric.quantity == "loss" else _OTHER
    role = f"{split_of(metric)}: {kind}"
    return role if role in ROLES else ""


def _family(metric: Metric) -> str:
    """What is measured on which split, and how if not after the last epoch."""
    way = metric.name.partition("@")[2]
    words = f"{split_of(metric)} {measure_of(metric.name).replace('_', ' ')}".strip()
    return words if way in ("", _LAST) else f"{words}, {_WAYS.get(way, way)}"


def _longest(bench: Benchmark) -> int:
    """The epochs of the longest run."""
    return max(
        (
            epochs
            for metric in bench.metrics
            if metric.is_loss
            for epochs in metric.epochs
        ),
        default=1,
    )


def _seconds(bench: Benchmark, metric: Metric, epochs: int | None) -> float | None:
    """Of a training run and, unless training itself yields the metric, one validation pass.

    The mean over cells.
    """
    metrics = {m.name: m for m in bench.metrics}
    if bench.cost_unit != "seconds" or "train_seconds" not in metrics:
        return None
    if epochs not in metrics["train_seconds"].epochs:
        return None
    seconds = bench.column("train_seconds", epochs)
    if split_of(metric) != "train" and "valid_seconds" in metrics:
        known = metrics["valid_seconds"].epochs
        if not known:
            seconds = seconds + bench.column("valid_seconds")
        elif epochs in known:
            seconds = seconds + bench.column("valid_seconds", epochs)
    return float(np.nanmean(seconds))
