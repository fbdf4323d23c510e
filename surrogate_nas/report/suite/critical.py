"""Critical-difference diagrams: average ranks on a line, and bars over those that the data do not tell apart.

Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006. Departure: every strategy has its
own line, best first, so that long names fit.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.figure import Figure

from surrogate_nas.report.look import INK, MIDDLE, PAPER, Look, plain
from surrogate_nas.report.numbers import p_value
from surrogate_nas.report.picture import Picture, picture
from surrogate_nas.study.suite.critical import Critical

_WIDTH, _ROW = 5.4, 0.27


def diagram(critical: Critical, names: list[str], looks: dict[str, Look]) -> Picture | str:
    """Draw one diagram, or say why there is none.

    Args:
        critical: Ranks and tests at a share of the budget.
        names: The strategies, in the order of its ranks.
        looks: How each is drawn.
    """
    if critical.distance is None or critical.p is None:
        return "No diagram: Friedman's test takes at least three strategies and two problems."
    told = "differ" if critical.p < 0.05 else "are not told apart"
    p = f"p = {p_value(critical.p)}".replace("= <", "<")
    caption = (
        f"After {100 * critical.fraction:.0f} % of the budget: by Friedman's test the strategies {told} ({p}). Bars "
        f"join those whose average ranks lie within Nemenyi's critical difference, {critical.distance:.2f}."
    )
    size = (_WIDTH, 0.9 + _ROW * (len(names) + len(critical.cliques)))
    draw = partial(_draw, critical=critical, names=names, looks=looks)
    return picture(f"critical-{round(100 * critical.fraction)}", caption, draw, size)


def _draw(figure: Figure, critical: Critical, names: list[str], looks: dict[str, Look]) -> None:
    axes = figure.add_subplot()
    rank = dict(zip(names, critical.ranks.tolist(), strict=True))
    order = sorted(names, key=lambda name: rank[name])
    bars = len(critical.cliques)
    for row, clique in enumerate(critical.cliques):
        ends = [rank[name] for name in clique]
        axes.plot([min(ends), max(ends)], [row, row], color=INK, linewidth=3.2, solid_capstyle="round")
    for row, name in enumerate(order, bars):
        look = looks[name]
        axes.plot([rank[name]] * 2, [-0.7, row], color=MIDDLE, linewidth=0.8, zorder=0.5)
        axes.plot(rank[name], row, color=look.colour, marker=look.marker, markersize=7, linestyle="none")
        left = rank[name] < (1 + len(names)) / 2
        axes.annotate(
            f"{plain(name)}  {rank[name]:.2f}", (rank[name], row), xytext=(8 if left else -8, 0),
            textcoords="offset points", va="center", ha="left" if left else "right", fontsize=9,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.0},
        )  # fmt: skip
    axes.set(xlim=(0.8, len(names) + 0.2), ylim=(bars + len(names) - 0.4, -0.7))
    axes.set_xticks(np.arange(1, len(names) + 1))
    axes.xaxis.tick_top()
    axes.set_yticks([])
    axes.grid(axis="y", visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.spines["top"].set_visible(True)
    axes.set_title(f"average rank after {100 * critical.fraction:.0f} % of the budget", fontsize=10)
