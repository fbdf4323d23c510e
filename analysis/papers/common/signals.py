"""Does the training or the validation signal order cells better along a run? For all tables.

A signal is the training loss, the validation loss, or the validation measure of the goal, after
about a tenth, a fifth, half and all of a run. Its τ with the goal has an interval over cells, and
so has the difference of two signals on the same cells, both by what each cell adds to τ
(`analysis.orders`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analysis.orders import parts, signs
from analysis.papers.common.paper import Summary
from analysis.papers.common.ranks import Values, best, ceiling, mean_of
from analysis.signals import (
    MARKS,
    SIGNALS,
    Goal,
    final_goal,
    marks_of,
    seeds_of,
    signal_metrics,
)
from surrogate_nas.benchmarks import Benchmark, Question, load
from surrogate_nas.benchmarks.losses import TRAINED
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import Seed

_QUARTER = 0.25
_PAIRED = 1500
"""Cells that standard errors are estimated on, before scaling by the root of all there are."""
_REPEATED = 200
"""With so many cells of several trainings, or half of all, another training's goal is the judge."""
_FEWEST = 30
_SURE = 1.959964
_SEED = 20
_LIVE = "tasks trained here"

Columns = dict[str, dict[float, tuple[Question, Values]]]
"""By signal and mark, what was asked for and its values."""


@dataclass(frozen=True)
class Agreement:
    """How well a signal orders cells.

    Attributes:
        read: The metric, with its epochs.
        tau: Kendall's, over all cells.
        error: Its standard error over cells.
        quarter: τ in the best quarter by the goal.
    """

    read: str
    tau: float
    error: float
    quarter: float


@dataclass(frozen=True)
class Signals:
    """Training and validation signals of one table.

    Attributes:
        table: The benchmark.
        family: Its space; the tables that this project trained are a family of their own.
        goal: The final metric.
        tested: Whether that was measured on test data.
        cells: How many have it.
        others: Whether the goal is of other trainings than the signals, so that they share no
            noise.
        held: By signal and mark how well it orders.
        ahead: The training loss's τ minus that of the better validation signal, at the end.
        ahead_error: Its standard error over cells, which the two share.
        ceiling: τ of two seeds of the goal; None where the table has no seeds.
    """

    table: str
    family: str
    goal: str
    tested: bool
    cells: int
    others: bool
    held: Mapping[str, Mapping[float, Agreement]]
    ahead: float
    ahead_error: float
    ceiling: float | None

    @property
    def leader(self) -> str:
        """``training``, ``validation``, or ``neither``: the better one at the end, at 95 %."""
        if not math.isfinite(self.ahead) or abs(self.ahead) <= _SURE * self.ahead_error:
            return "neither"
        return "training" if self.ahead > 0 else "validation"

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        content = asdict(self) | {"leader": self.leader}
        content["held"] = {}
        for name, by_mark in self.held.items():
            content["held"][name] = {
                f"{mark:.0%}": asdict(one) for mark, one in by_mark.items()
            }
        return content


def _slopes(first: Values, second: Values, n: int) -> Values:
    """What each of some cells adds to τ of two columns, scaled to a table of ``n`` such cells."""
    return parts(signs(first), signs(second))[1] * math.sqrt(len(first) / n)


def _error(slopes: Values) -> float:
    """The standard error of τ, or of a difference."""
    return float(np.sqrt((slopes**2).sum()))


def signals_of(name: str) -> Signals | None:
    """Read a table's signals; None if it lacks a training or a validation loss, or is not here."""
    try:
        bench = load(name)
        goal = final_goal(bench)
    except UserError:
        return None
    metrics = signal_metrics(bench, goal)
    if "train loss" not in metrics or len(metrics) < 2:
        return None
    seeds = seeds_of(bench, goal.metric, goal.question)
    others = (
        mean_of(seeds[1:]) if len(seeds) > 1 else np.full(len(goal.values), math.nan)
    )
    n_repeated = int(np.isfinite(others).sum())
    enough = n_repeated >= _REPEATED or n_repeated >= np.isfinite(goal.values).sum() / 2
    # All metrics of one training share its noise: if a cell has other trainings, they judge it.
    first_seed = _first_seed(bench, metrics, goal) if n_repeated and enough else None
    goal_values = goal.values if first_seed is None else others
    columns: Columns = {}
    for signal, metric in metrics.items():
        columns[signal] = {}
        for mark, question in marks_of(bench, metric):
            seed: Seed = "mean" if first_seed is None else first_seed
            values = metric.minimised(bench.column(*question, seed))
            columns[signal][mark] = question, values
    known = np.isfinite(goal_values)
    for by_mark in columns.values():
        known &= np.isfinite(by_mark[1.0][1])
    if known.sum() < _FEWEST:
        return None

    cells = np.flatnonzero(known)
    wanted = goal_values[cells]
    sample = np.random.default_rng(_SEED).permutation(len(cells))[:_PAIRED]
    quarter = best(wanted, _QUARTER)
    agreements: dict[str, dict[float, Agreement]] = {}
    slopes_at_end: dict[str, Values] = {}
    for signal, by_mark in columns.items():
        agreements[signal] = {}
        for mark, (question, column) in by_mark.items():
            values = column[cells]
            finite = np.isfinite(values[sample])
            n_finite = int(np.isfinite(values).sum())
            slopes = _slopes(values[sample][finite], wanted[sample][finite], n_finite)
            agreements[signal][mark] = Agreement(
                read=str(question),
                tau=kendall(values, wanted),
                error=_error(slopes),
                quarter=kendall(values[quarter], wanted[quarter]),
            )
            if mark == 1.0:
                slopes_at_end[signal] = slopes
    taus = {signal: agreements[signal][1.0].tau for signal in agreements}
    validation = [signal for signal in taus if signal != "train loss"]
    better = max(validation, key=lambda signal: taus[signal])
    difference = slopes_at_end["train loss"] - slopes_at_end[better]
    family = getattr(bench.space, "base", bench.space).name
    return Signals(
        table=bench.name,
        family=_LIVE if bench.name.endswith(TRAINED) else family,
        goal=goal.title,
        tested=goal.metric.kind == "final",
        cells=len(cells),
        others=first_seed is not None,
        held=agreements,
        ahead=taus["train loss"] - taus[better],
        ahead_error=_error(difference),
        ceiling=ceiling(seeds, goal.values, None).get("kendall"),
    )


def _first_seed(
    bench: Benchmark, metrics: Mapping[str, Metric], goal: Goal
) -> int | None:
    """The first seed of the goal, if all signals have it at all their epochs."""
    first = bench.seeds(goal.question)[0]
    for metric in metrics.values():
        for _, question in marks_of(bench, metric):
            if first not in bench.seeds(question):
                return None
    return first


def _taus_text(signals: Signals, signal: str) -> str:
    """τ at the marks, ``·`` where the table lacks one."""
    by_mark = signals.held.get(signal, {})
    if not by_mark:
        return "–"
    taus = [_short(by_mark[mark].tau) if mark in by_mark else "·" for mark in MARKS]
    return f"{' '.join(taus)} ± {_short(_SURE * by_mark[1.0].error, 3)}"


def _short(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".replace("0.", ".", 1) if math.isfinite(value) else "–"


def _goal_text(signals: Signals) -> str:
    untested = "" if signals.tested else " (no test)"
    others = ", other seeds'" if signals.others else ""
    return f"{signals.goal}{untested}{others}"


def summary(tables: Sequence[Signals]) -> Summary:
    """A line a table: τ at 10, 20, 50 and 100 % of a run, the interval of the last, the leader."""
    heads = (
        "family",
        "table",
        "cells",
        "wanted",
        *(f"τ {signal}" for signal in SIGNALS),
        "best quarter",
        "two seeds",
        "training ahead by",
        "leads",
    )
    rows = []
    for one in sorted(tables, key=lambda one: (one.family, one.table)):
        quarters = []
        for signal in SIGNALS:
            known = signal in one.held
            quarters.append(_short(one.held[signal][1.0].quarter) if known else "·")
        row = [one.family, one.table, f"{one.cells:,}", _goal_text(one)]
        row += [_taus_text(one, signal) for signal in SIGNALS]
        row.append(" ".join(quarters))
        row.append("–" if one.ceiling is None else _short(one.ceiling))
        row.append(f"{one.ahead:+.3f} ± {_SURE * one.ahead_error:.3f}")
        row.append(one.leader)
        rows.append(tuple(row))
    return Summary(heads, rows)


def words(tables: Sequence[Signals]) -> list[str]:
    """Which signal is better, family by family."""
    if not tables:
        return []
    families: dict[str, list[Signals]] = {}
    for one in tables:
        families.setdefault(one.family, []).append(one)
    training, validation, neither = _leads(tables)
    by_family = []
    for family, own in sorted(families.items()):
        by_family.append(f"{family} {' / '.join(map(str, _leads(own)))}")
    return [
        f"At the end of a run, on {len(tables)} tables of {len(families)} spaces: the training loss"
        f" orders cells better than every validation signal on {training}, worse than one on"
        f" {validation}, and on {neither} the interval of the difference includes 0 (cells are what"
        " varies; one training each, where the table has no seeds).",
        f"By space (training / validation / neither): {'; '.join(by_family)}.",
    ]


def _leads(tables: Sequence[Signals]) -> list[int]:
    """On how many tables training leads, validation, or neither."""
    leaders = [one.leader for one in tables]
    return [leaders.count(name) for name in ("training", "validation", "neither")]
