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
from surrogate_nas.papers.common.paper import Row, Summary, Work
from surrogate_nas.papers.common.pictures import (
    COLOURS,
    Item,
    Level,
    Map,
    Panel,
    Series,
    pen,
    picture,
)
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
        _picture(studies, searches),
    )


def _studied(name: str) -> Study | None:
    return study(load(name))


def _again() -> Replication | None:
    """The replication, where its table is whole."""
    try:
        return replication(load(TABLE))
    except UserError:
        return None


def _picture(studies: Sequence[Study], searches: Sequence[Searched]) -> Figure:
    """A map of τ, τ over cost, and the mean ranks of searches."""
    panels = [_map(studies), _costs(studies), _ranks(searches)]
    return picture([panels], 23.0, 2.5 + 0.4 * max(len(studies), 6), widths=(11, 5, 5))


def _map(studies: Sequence[Study]) -> Panel:
    """τ of the validation loss of every loss and task, and of the training loss early in a run."""
    losses = list(dict.fromkeys(loss for own in studies for loss in own.losses))
    columns = [*losses, f"train loss,\nat {EARLY:.0%}", "two seeds\nagree"]
    values = np.full((len(studies), len(columns)), math.nan)
    for i, own in enumerate(studies):
        early_epochs = own.signals["early"].epochs
        for one in own.goals[0].told:
            if one.whole and one.metric == f"valid_loss@{one.loss}":
                values[i, losses.index(one.loss)] = one.taus[ALL]
            if one.epochs == early_epochs and one.metric == f"train_loss@{own.usual}":
                values[i, -2] = one.taus[ALL]
        values[i, -1] = own.two_seeds.tau
    rows = [f"{own.name}: {own.judged}" for own in studies]
    title = "τ of the validation loss with the final test\nof the other seeds, by the loss trained"
    return Panel([Map(values, rows, [name.replace("_", " ") for name in columns])], title, grid="")


def _costs(studies: Sequence[Study]) -> Panel:
    """τ of the usual training loss over the cost of its epochs, a line a task."""
    items: list[Item] = []
    for number, own in enumerate(studies):
        points = []
        for one in own.goals[0].told:
            if one.metric == f"train_loss@{own.usual}":
                points.append((one.share, one.taus[BAND]))
        if points:
            shares, taus = np.array(sorted(points)).T
            style = {**pen(number), "marker": "o", "markersize": 3}
            items.append(
                Series(
                    shares,
                    taus,
                    label=own.name,
                    style=style,
                )
            )
    return Panel(
        items,
        title="The usual training loss, epoch by epoch",
        legend="best",
        axes={
            "xscale": "log",
            "xlabel": "cost, as a share of a whole run with one validation",
            "ylabel": "τ in the better half",
        },
    )


def _ranks(searches: Sequence[Searched]) -> Panel:
    """Mean ranks over the same tables: a block a group of tables, the largest at the top."""
    groups = meetings(searches) if searches else []
    items: list[Item] = []
    names: list[str] = []
    grey = {"color": "0.6", "marker": "o", "markersize": 4, "linestyle": "none"}
    mean = {"color": COLOURS[0], "marker": "D", "linestyle": "none"}
    for group in reversed(groups):
        if len(group.tables) < FEWEST_TABLES:
            continue
        for role, ranks in sorted(group.ranks.items(), key=lambda item: -float(item[1].mean())):
            height = len(names)
            names.append(f"{role} ({len(group.tables)} tables)")
            items.append(Series(ranks, np.full(len(ranks), height), style=grey))
            items.append(Series([ranks.mean()], [height], style=mean))
        items.append(Level(len(names) - 0.5, style={"color": "0.8", "linewidth": 0.8}))
    return Panel(
        items,
        title="In search, at equal seconds,\nover the same tables",
        axes={
            "xlabel": "rank by other seeds' final test, 1 is best (grey: each table)",
            "yticks": range(len(names)),
            "yticklabels": names,
        },
    )
