"""Who leads along a run, the training or the validation signal: for every table of every family
that holds them.

A signal is the training loss, the validation loss, or the validation measure of what is finally
wanted, after about a tenth, a fifth, half and all of a run. Its τ with the goal has an interval
over cells, and so has the difference of two signals in the same cells, from what each cell adds to
the pairs that it is in (the delta method for a U-statistic: Hoeffding, "A Class of Statistics with
Asymptotically Normal Distribution", Annals of Mathematical Statistics 1948).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from surrogate_nas.benchmarks import Benchmark, Question, load
from surrogate_nas.benchmarks.losses import TRAINED
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.papers.common.paper import Summary
from surrogate_nas.papers.common.ranks import (
    Goal,
    Indices,
    Values,
    best,
    ceiling,
    goal_of,
    mean_of,
    measure_of,
    own_loss,
    seeds_of,
    split_of,
)
from surrogate_nas.surrogates.evaluation import kendall

MARKS = (0.1, 0.2, 0.5, 1.0)
"""Shares of a run; a signal counts for one where it is held within a factor of 1.5 of it."""
SIGNALS = ("train loss", "valid loss", "valid measure")
_FACTOR = 1.5
_PERCENT = {"half": 0.5, **{str(per_cent): per_cent / 100 for per_cent in range(1, 100)}}
"""How metrics that are a signal earlier in a run end their names."""
_QUARTER = 0.25
_PAIRED = 1500
"""Cells that intervals are worked out over, which shrink by the root of all there are."""
_REPEATED = 200
"""So many cells of several trainings, or half of all, are enough to be judged by another training's
goal.
"""
_FEWEST = 30
_FEWEST_TABLES = 6
_SURE = 1.959964
_SEED = 20
_LIVE = "tasks trained here"


@dataclass(frozen=True)
class Agreement:
    """How a signal orders cells beside what is finally wanted.

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
    """What a table says of training and validation signals.

    Attributes:
        table: The benchmark.
        family: Its space; of the tables that this project trained, that.
        goal: What is finally wanted.
        tested: Whether that was measured on test data.
        cells: How many have it.
        others: Whether the goal is that of other trainings than the signals', so that none shares
            its noise.
        held: By signal and mark how well it orders.
        ahead: The training loss's τ minus that of the better validation signal, at the end.
        ahead_error: Its standard error over cells, which the two share.
        gap: How far the validation loss is above the training loss at the end, as a share of their
            sum; the median.
        ceiling: τ of two seeds of the goal; None where none are held.
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
    gap: float | None
    ceiling: float | None

    @property
    def leader(self) -> str:
        """Who leads at the end: ``training``, ``validation``, or ``neither``, by an interval of 95
        %.
        """
        if not math.isfinite(self.ahead) or abs(self.ahead) <= _SURE * self.ahead_error:
            return "neither"
        return "training" if self.ahead > 0 else "validation"

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        told = asdict(self) | {"leader": self.leader}
        told["held"] = {
            name: {f"{mark:.0%}": asdict(one) for mark, one in by_mark.items()}
            for name, by_mark in self.held.items()
        }
        return told


def shares_of_cells(first: Values, second: Values) -> tuple[Values, float]:
    """What each cell adds to Kendall's τ of two columns: its mean concordance with all others,
    shape ``(n,)``.

    Args:
        first: Shape ``(n,)``, finite.
        second: Likewise.

    Returns:
        These means, and τ-b, to which they are scaled; the standard error of τ is twice their
        deviation over √n.
    """
    one, other = (
        np.sign(column[:, None] - column[None, :]).astype(np.int8) for column in (first, second)
    )
    n = len(first) - 1
    shares = (one * other).sum(axis=1, dtype=np.int64) / n
    untied = math.sqrt(
        float(np.abs(one).sum(dtype=np.int64)) * float(np.abs(other).sum(dtype=np.int64))
    )
    scale = len(first) * n / untied if untied else math.nan
    return shares * scale, float(shares.mean()) * scale


def signals_of(name: str) -> Signals | None:
    """Read a table's signals; None where it lacks a training or a validation loss, or is not
    here.
    """
    try:
        bench = load(name)
        goal = _wanted(bench)
    except UserError:
        return None
    chosen = _chosen(bench, goal)
    if "train loss" not in chosen or len(chosen) < 2:
        return None
    seeds = seeds_of(bench, goal.metric, goal.question)
    others = mean_of(seeds[1:]) if len(seeds) > 1 else np.full(len(goal.values), math.nan)
    repeated = int(np.isfinite(others).sum())
    enough = repeated >= _REPEATED or repeated >= np.isfinite(goal.values).sum() / 2
    one = _first_seed(bench, chosen, goal) if repeated and enough else None
    # Of one training all see the same noise: where others of the cell are held, what one tells is
    # judged by them.
    finally_wanted = goal.values if one is None else others
    columns = {
        what: {
            mark: (asked, metric.minimised(bench.column(*asked, "mean" if one is None else one)))
            for mark, asked in _marks(bench, metric)
        }
        for what, metric in chosen.items()
    }
    known = np.isfinite(finally_wanted)
    for by_mark in columns.values():
        known &= np.isfinite(by_mark[1.0][1])
    if known.sum() < _FEWEST:
        return None
    cells = np.flatnonzero(known)
    wanted = finally_wanted[cells]
    looked = np.random.default_rng(_SEED).permutation(len(cells))[:_PAIRED]
    quarter = best(wanted, _QUARTER)
    held: dict[str, dict[float, Agreement]] = {}
    ends: dict[str, tuple[Values, float]] = {}
    for what, by_mark in columns.items():
        held[what] = {}
        for mark, (asked, column) in by_mark.items():
            values = column[cells]
            whole = np.isfinite(values[looked])
            shares, _ = shares_of_cells(values[looked][whole], wanted[looked][whole])
            error = 2 * float(shares.std(ddof=1)) / math.sqrt(int(np.isfinite(values).sum()))
            tau = kendall(values, wanted)
            held[what][mark] = Agreement(
                str(asked), tau, error, kendall(values[quarter], wanted[quarter])
            )
            if mark == 1.0:
                ends[what] = shares, tau
    usual = max((what for what in ends if what != "train loss"), key=lambda what: ends[what][1])
    difference = ends["train loss"][0] - ends[usual][0]
    return Signals(
        table=bench.name,
        family=(
            _LIVE
            if bench.name.endswith(TRAINED)
            else getattr(bench.space, "base", bench.space).name
        ),
        goal=goal.title,
        tested=goal.metric.kind == "final",
        cells=len(cells),
        others=one is not None,
        held=held,
        ahead=ends["train loss"][1] - ends[usual][1],
        ahead_error=2 * float(difference.std(ddof=1)) / math.sqrt(len(cells)),
        gap=_gap(columns, cells),
        ceiling=ceiling(seeds, goal.values, None).get("kendall"),
    )


def _wanted(bench: Benchmark) -> Goal:
    """What is finally wanted; of a table of losses the test measure of its task, after the usual
    loss.
    """
    condition = own_loss(bench).name.partition("@")[2]
    held = {metric.name: metric for metric in bench.metrics}
    usual = [name for name in held if condition and name.endswith(f"@{condition}")]
    measures = [
        name for name in usual if name.startswith("valid_") and not name.startswith("valid_loss@")
    ]
    metric = held.get(measures[0].replace("valid_", "test_", 1)) if measures else None
    if metric is None:
        return goal_of(bench)
    question = bench.question(metric.name)
    return Goal(metric, question, metric.minimised(bench.column(*question)))


def _chosen(bench: Benchmark, goal: Goal) -> dict[str, Metric]:
    """By signal the metric that it is read from, under the training's own conditions."""
    found: dict[str, Metric] = {}
    condition = own_loss(bench).name.partition("@")[2]
    for metric in sorted(bench.metrics, key=lambda metric: len(metric.name)):
        if not metric.is_loss or metric.kind == "final" or metric.name == goal.metric.name:
            continue
        # under other conditions, or earlier in a run
        if metric.name.partition("@")[2] != condition:
            continue
        split = split_of(metric)
        if split in ("train", "valid") and metric.quantity == "loss":
            found.setdefault(f"{split} loss", metric)
        if (
            split == "valid"
            and metric.quantity != "loss"
            and measure_of(metric.name) == goal.measure
        ):
            found.setdefault("valid measure", metric)
    return found


def _first_seed(bench: Benchmark, chosen: Mapping[str, Metric], goal: Goal) -> int | None:
    """The first seed of the goal, where all signals hold it at all their epochs."""
    first = bench.seeds(goal.question)[0]
    asked = [question for metric in chosen.values() for _, question in _marks(bench, metric)]
    return first if all(first in bench.seeds(one) for one in asked) else None


def _marks(bench: Benchmark, metric: Metric) -> Iterator[tuple[float, Question]]:
    """The shares of a run at which it is held, and as what: by epochs, or by metrics that end in
    per cent (``@25``).
    """
    held = {
        share: Question(one.name, None)
        for one in bench.metrics
        if (share := _PERCENT.get(one.name.removeprefix(f"{metric.name}@")))
    }
    longest = max(metric.epochs, default=0)
    held |= {epochs / longest: Question(metric.name, epochs) for epochs in metric.epochs if epochs}
    for mark in MARKS[:-1]:
        shares = [share for share in held if share < 1 and 1 / _FACTOR <= share / mark <= _FACTOR]
        if shares:
            yield mark, held[min(shares, key=lambda share: abs(math.log(share / mark)))]
    yield 1.0, held.get(1.0, Question(metric.name, None))


def _gap(
    columns: Mapping[str, Mapping[float, tuple[Question, Values]]], cells: Indices
) -> float | None:
    """The relative gap between validation and training loss at the end, where both are losses above
    0.
    """
    if "valid loss" not in columns:
        return None
    train, valid = (columns[what][1.0][1][cells] for what in ("train loss", "valid loss"))
    total = np.abs(train) + np.abs(valid)
    return float(np.median((valid - train) / np.where(total > 0, total, np.nan)))


def _figures(found: Signals, what: str) -> str:
    """τ at the marks, ``·`` where a signal is not held."""
    by_mark = found.held.get(what, {})
    if not by_mark:
        return "–"
    shown = " ".join(_short(by_mark[mark].tau) if mark in by_mark else "·" for mark in MARKS)
    return f"{shown} ± {_short(_SURE * by_mark[1.0].error, 3)}"


def _short(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".replace("0.", ".", 1) if math.isfinite(value) else "–"


def _goal_in_words(found: Signals) -> str:
    untested = " (no test)" * (not found.tested)
    others = ", other seeds'" * found.others
    return f"{found.goal}{untested}{others}"


def summary(found: Sequence[Signals]) -> Summary:
    """A line a table: τ at 10, 20, 50 and 100 % of a run with the interval of the last, and who
    leads.
    """
    heads = (
        "family",
        "table",
        "cells",
        "wanted",
        *(f"τ {what}" for what in SIGNALS),
        "best quarter",
        "two seeds",
        "training ahead by",
        "leads",
    )
    rows = [
        (
            one.family,
            one.table,
            f"{one.cells:,}",
            _goal_in_words(one),
            *(_figures(one, what) for what in SIGNALS),
            " ".join(
                _short(one.held[what][1.0].quarter) if what in one.held else "·" for what in SIGNALS
            ),
            "–" if one.ceiling is None else _short(one.ceiling),
            f"{one.ahead:+.3f} ± {_SURE * one.ahead_error:.3f}",
            one.leader,
        )
        for one in sorted(found, key=lambda one: (one.family, one.table))
    ]
    return Summary(heads, rows)


def words(found: Sequence[Signals]) -> list[str]:
    """Who leads, family by family, and whether the gap between the losses foretells it."""
    if not found:
        return []
    counts = {
        who: sum(one.leader == who for one in found)
        for who in ("training", "validation", "neither")
    }
    families: dict[str, list[Signals]] = {}
    for one in found:
        families.setdefault(one.family, []).append(one)
    said = [
        f"At the end of a run, on {len(found)} tables of {len(families)} spaces: the training loss"
        f" orders cells better than every validation signal on {counts['training']}, worse than one"
        f" on {counts['validation']}, and on {counts['neither']} the interval of the difference"
        " holds 0 (cells are what varies; one training each, where no seeds are held)."
    ]
    each = [
        f"{family} {' / '.join(str(sum(one.leader == who for one in of)) for who in counts)}"
        for family, of in sorted(families.items())
    ]
    said.append(f"By space (training / validation / neither): {'; '.join(each)}.")
    early = [
        (
            one.held["train loss"][mark].tau
            - max(
                (
                    one.held[what][mark].tau
                    for what in SIGNALS[1:]
                    if mark in one.held.get(what, {})
                ),
                default=math.nan,
            ),
            one,
        )
        for mark in MARKS[:1]
        for one in found
        if mark in one.held["train loss"]
    ]
    compared = [difference for difference, _ in early if math.isfinite(difference)]
    if compared:
        ahead = sum(difference > 0 for difference in compared)
        said.append(
            f"After a tenth of a run the training loss is ahead on {ahead} of the {len(compared)}"
            " that hold it."
        )
    said += _moderated(families)
    return said


def _moderated(families: Mapping[str, Sequence[Signals]]) -> list[str]:
    """Spearman's ρ over tables between the gap of the losses and by how much training is ahead."""
    from scipy.stats import spearmanr

    told = {}
    for family, of in sorted(families.items()):
        pairs = [
            (one.gap, one.ahead) for one in of if one.gap is not None and math.isfinite(one.ahead)
        ]
        if len(pairs) >= _FEWEST_TABLES:
            gaps, ahead = np.array(pairs).T
            told[family] = float(spearmanr(gaps, ahead).statistic), len(pairs)
    if not told:
        return []
    signs = {rho > 0 for rho, _ in told.values()}
    shown = ", ".join(
        f"{rho:+.2f} over {n} tables of {family}" for family, (rho, n) in told.items()
    )
    end = (
        "it has both signs, so it foretells nothing yet"
        if len(signs) > 1
        else "few tables: a hypothesis, no finding"
    )
    return [
        "The gap between validation and training loss as a sign of who leads: Spearman's ρ"
        f" {shown}; {end}."
    ]
