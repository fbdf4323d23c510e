"""One figure: how well every loss orders the cells of every task, and what is known early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from surrogate_nas.papers.pictures import COLOURS, save
from surrogate_nas.papers.trained.answer import ALL, BAND
from surrogate_nas.papers.trained.searched import FEWEST_TABLES, Searched, meetings
from surrogate_nas.papers.trained.study import Study
from surrogate_nas.papers.trained.trainings import EARLY


def draw(studies: Sequence[Study], searches: Sequence[Searched], path: Path) -> None:
    """A map of τ, τ over cost, and the mean ranks of searches.

    Args:
        studies: Of all tasks.
        searches: Of all tasks.
        path: The PNG.
    """
    figure = Figure(figsize=(23.0, 2.5 + 0.4 * max(len(studies), 6)), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(11, 5, 5))
    losses = list(dict.fromkeys(loss for found in studies for loss in found.losses))
    names = [*losses, f"train loss,\nat {EARLY:.0%}", "two seeds\nagree"]
    values = np.full((len(studies), len(names)), math.nan)
    for i, found in enumerate(studies):
        goal = found.goals[0]
        for one in goal.told:
            if one.whole and one.metric == f"valid_loss@{one.loss}":
                values[i, losses.index(one.loss)] = one.taus[ALL]
            if one.epochs == found.signals["early"].epochs and one.metric == f"train_loss@{found.usual}":
                values[i, -2] = one.taus[ALL]
        values[i, -1] = found.two_seeds.tau
    left.imshow(values, cmap="RdYlBu", vmin=-1, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if math.isfinite(value):
            left.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7)
    left.set_xticks(range(len(names)), [name.replace("_", " ") for name in names], rotation=60, ha="right", fontsize=8)
    left.set_yticks(range(len(studies)), [f"{found.name}: {found.judged}" for found in studies], fontsize=8)
    left.set_title("τ of the validation loss with the final test\nof the other seeds, by the loss trained", fontsize=10)
    for i, found in enumerate(studies):
        told = [t for t in found.goals[0].told if t.metric == f"train_loss@{found.usual}"]
        points = sorted((t.share, t.taus[BAND]) for t in told)
        if points:
            middle.plot(*np.array(points).T, ("-", "--", ":")[i // len(COLOURS) % 3], marker="o", markersize=3,
                        color=COLOURS[i % len(COLOURS)], label=found.name)  # fmt: skip
    middle.set(xscale="log", xlabel="cost, as a share of a whole run with one validation",
               ylabel="τ in the better half", title="The usual training loss, epoch by epoch")  # fmt: skip
    middle.grid(alpha=0.3)
    middle.legend(fontsize=7)
    _draw_ranks(right, searches)
    save(figure, path)


def _draw_ranks(axes: Axes, searches: Sequence[Searched]) -> None:
    """Mean ranks over the same tables: a block for every group of tables, the largest at the top."""
    lines: list[tuple[str, np.ndarray]] = []
    held = [one for one in (meetings(searches) if searches else []) if len(one.tables) >= FEWEST_TABLES]
    for one in reversed(held):
        ordered = sorted(one.ranks.items(), key=lambda item: -float(item[1].mean()))
        lines += [(f"{role} ({len(one.tables)} tables)", ranks) for role, ranks in ordered]
        axes.axhline(len(lines) - 0.5, color="0.8", linewidth=0.8)
    for i, (_, ranks) in enumerate(lines):
        axes.plot(ranks, [i] * len(ranks), "o", color="0.6", markersize=4)
        axes.plot(ranks.mean(), i, "D", color=COLOURS[0])
    axes.set_yticks(range(len(lines)), [name for name, _ in lines], fontsize=8)
    axes.set(xlabel="rank by other seeds' final test, 1 is best (grey: each table)",
             title="In search, at equal seconds,\nover the same tables")  # fmt: skip
    axes.grid(alpha=0.3)
