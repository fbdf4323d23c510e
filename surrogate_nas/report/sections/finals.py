"""How runs end: the final score of every run of a comparison, and normalised regret over all problems of a suite."""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.figure import Figure

from surrogate_nas.report.look import INK, MIDDLE, PAPER, plain
from surrogate_nas.report.markup import Section, drawn, section
from surrogate_nas.report.picture import marked, picture, rows_of
from surrogate_nas.report.reading import Study, Values, summarise

_SPREAD = 0.26
"""How far points of one row are moved apart, in rows."""


@section(50, "comparison")
def final_scores(study: Study) -> Section | None:
    """The final score of every run, one row per strategy."""
    made = study.comparison
    if not made.strategies:
        return None
    if not any(study.feasible.values()):
        return Section("Final scores", ["No final score: no run found a feasible cell."])
    caption = (
        "Final score of every run (coloured points, moved apart vertically); where there are several, their mean "
        "(diamond) and its bootstrap 95 % interval (bar)."
    )
    if any(len(made.runs_of(name)) > len(runs) for name, runs in study.feasible.items()):
        caption += " Runs that found no feasible cell are counted, not drawn, and are not part of this mean."
    size = (5.8, 1.1 + 0.55 * len(made.strategies))
    return Section("Final scores", [drawn([picture("final-scores", caption, partial(_draw, study=study), size)])])


def _draw(figure: Figure, study: Study) -> None:
    """Final scores as points, with mean and interval; runs that found no feasible cell are counted in words."""
    axes, labels = figure.add_subplot(), []
    for row, name in enumerate(study.comparison.strategies):
        found, count = study.comparison.scores(name), len(study.comparison.runs_of(name))
        missing = count - len(found)
        labels.append(plain(name) + (f"\n({missing} of {count}: no feasible cell)" if missing else ""))
        points = marked(study.looks[name], 5.5, alpha=0.6, linestyle="none")
        axes.plot(found, row + _spread(len(found)), **points)
        if len(found) > 1:
            summary = summarise(found)
            axes.plot(summary.ci95, [row, row], color=INK, linewidth=2.2, solid_capstyle="round", zorder=4)
            axes.scatter([summary.mean], [row], s=62, color=INK, marker="d", edgecolor=PAPER, linewidth=0.9, zorder=5)
    if (optimum := study.comparison.optimum) is not None:
        axes.axvline(optimum, color=MIDDLE, linewidth=1.2, linestyle=(0, (2, 2)))
        axes.annotate(
            "optimum", (optimum, 1), xycoords=("data", "axes fraction"), xytext=(4, -2),
            textcoords="offset points", va="bottom", fontsize=9,
        )  # fmt: skip
    rows_of(axes, labels)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel("final score of a run (dimensionless, lower is better)")


def _spread(n: int) -> Values:
    """Offsets that alternate around the row, the same for every report."""
    return _SPREAD * np.sin(2.4 * np.arange(n)) if n > 1 else np.zeros(n)


@section(40, "suite")
def regret_intervals(study: Study) -> Section | None:
    """The interquartile mean of normalised regret over all runs on all problems, one line a strategy."""
    caption = (
        "Interquartile mean of the normalised regret of all runs on all problems at the end of the budget, with its "
        "95 % interval (bootstrap within each problem); 0 is the optimum, the dashed line what random sampling is "
        "expected to reach."
    )
    size = (5.4, 1.1 + 0.3 * len(study.ranked))
    told = picture("regret-iqm", caption, partial(_draw_regret, study=study), size)
    return Section("Regret over all problems", [drawn([told])])


def _draw_regret(figure: Figure, study: Study) -> None:
    axes, found = figure.add_subplot(), {one.strategy: one for one in study.suite.aggregates}
    for row, name in enumerate(study.ranked):
        one, look = found[name], study.looks[name]
        axes.plot([one.low, one.high], [row, row], color=look.colour, linewidth=3, solid_capstyle="round")
        axes.plot(one.iqm, row, **marked(look, 8.0, linestyle="none"))
    axes.axvline(1, color=MIDDLE, linewidth=1.2, linestyle=(0, (2, 2)))
    rows_of(axes, [plain(name) for name in study.ranked])
    axes.set_xlabel("normalised regret, IQM (lower is better)")
    axes.set_xlim(left=0)
