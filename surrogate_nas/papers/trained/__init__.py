"""Which loss should be trained and searched on, from tables where the same cells were trained by
every loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.losses import TRAINED, Losses
from surrogate_nas.core.errors import UserError
from surrogate_nas.papers.common.paper import COLOURS, STYLES, Row, Summary, Work, canvas, draw_map
from surrogate_nas.papers.trained.answer import ALL, BAND, findings, is_noise, rows, summary, words
from surrogate_nas.papers.trained.searched import FEWEST_TABLES, Searched, meetings, searched
from surrogate_nas.papers.trained.study import (
    EARLY,
    FEWEST,
    TABLE,
    Replication,
    Study,
    replication,
    study,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Answer", "answered"]


@dataclass(frozen=True)
class Answer:
    """What tables of losses say."""

    table: Summary  # A line a task
    rows: Sequence[Row]  # All of it
    words: Sequence[str]  # The answer in plain words
    findings: Mapping[str, Any]  # What JSON holds besides
    picture: Figure  # How well every loss orders the cells of every task, and what is known early


def answered(work: Work) -> Answer | None:
    """Study every table of losses that is here, and search on it; None where there is none."""
    names = [name for name in Losses().names() if name.endswith(TRAINED)]
    found: dict[str, Study | None] = replace(work, progress=None).results(
        _studied, {name: name for name in names}
    )
    studies = [one for one in found.values() if one is not None]
    if not studies:
        return None
    searches = searched([one for one in studies if not (one.longer or is_noise(one))], work)
    again = _again()
    few = [name for name, one in found.items() if one is None]
    notes = (
        [f"Fewer than {FEWEST} cells of two seeds, so not looked at: {', '.join(few)}."]
        if few
        else []
    )
    return Answer(
        summary(studies),
        list(rows(studies, searches)),
        [*words(studies, searches, again), *notes],
        findings(studies, searches, again),
        _drawn(studies, searches),
    )


def _studied(name: str) -> Study | None:
    return study(load(name))


def _again() -> Replication | None:
    """The replication, where its table is whole."""
    try:
        return replication(load(TABLE))
    except UserError:
        return None


def _drawn(studies: Sequence[Study], searches: Sequence[Searched]) -> Figure:
    """A map of τ, τ over cost, and the mean ranks of searches."""
    figure = canvas(23.0, 2.5 + 0.4 * max(len(studies), 6))
    left, middle, right = figure.subplots(1, 3, width_ratios=(11, 5, 5))
    losses = list(dict.fromkeys(loss for found in studies for loss in found.losses))
    names = [*losses, f"train loss,\nat {EARLY:.0%}", "two seeds\nagree"]
    values = np.full((len(studies), len(names)), math.nan)
    for i, found in enumerate(studies):
        goal = found.goals[0]
        for one in goal.told:
            if one.whole and one.metric == f"valid_loss@{one.loss}":
                values[i, losses.index(one.loss)] = one.taus[ALL]
            if (
                one.epochs == found.signals["early"].epochs
                and one.metric == f"train_loss@{found.usual}"
            ):
                values[i, -2] = one.taus[ALL]
        values[i, -1] = found.two_seeds.tau
    titles = [f"{found.name}: {found.judged}" for found in studies]
    draw_map(left, values, titles, [name.replace("_", " ") for name in names])
    left.set_title(
        "τ of the validation loss with the final test\nof the other seeds, by the loss trained",
        fontsize=10,
    )
    for i, found in enumerate(studies):
        told = [t for t in found.goals[0].told if t.metric == f"train_loss@{found.usual}"]
        points = sorted((t.share, t.taus[BAND]) for t in told)
        if points:
            middle.plot(
                *np.array(points).T,
                STYLES[i // len(COLOURS) % 3],
                marker="o",
                markersize=3,
                color=COLOURS[i % len(COLOURS)],
                label=found.name,
            )
    middle.set(
        xscale="log",
        xlabel="cost, as a share of a whole run with one validation",
        ylabel="τ in the better half",
        title="The usual training loss, epoch by epoch",
    )
    middle.grid(alpha=0.3)
    middle.legend(fontsize=7)
    _draw_ranks(right, searches)
    return figure


def _draw_ranks(axes: Axes, searches: Sequence[Searched]) -> None:
    """Mean ranks over the same tables: a block for every group of tables, the largest at the
    top.
    """
    lines: list[tuple[str, np.ndarray]] = []
    held = [
        one for one in (meetings(searches) if searches else []) if len(one.tables) >= FEWEST_TABLES
    ]
    for one in reversed(held):
        ordered = sorted(one.ranks.items(), key=lambda item: -float(item[1].mean()))
        lines += [(f"{role} ({len(one.tables)} tables)", ranks) for role, ranks in ordered]
        axes.axhline(len(lines) - 0.5, color="0.8", linewidth=0.8)
    for i, (_, ranks) in enumerate(lines):
        axes.plot(ranks, [i] * len(ranks), "o", color="0.6", markersize=4)
        axes.plot(ranks.mean(), i, "D", color=COLOURS[0])
    axes.set_yticks(range(len(lines)), [name for name, _ in lines], fontsize=8)
    axes.set(
        xlabel="rank by other seeds' final test, 1 is best (grey: each table)",
        title="In search, at equal seconds,\nover the same tables",
    )
    axes.grid(alpha=0.3)
