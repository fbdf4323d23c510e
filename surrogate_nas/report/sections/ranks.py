"""Who is how far ahead in a suite: ranks along the budget, and critical differences.

Diagrams: Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006. Departure: every strategy
has its own line, best first, so that long names fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from surrogate_nas.core.numbers import p_value, plural
from surrogate_nas.report.curves import Curve, draw_curve
from surrogate_nas.report.look import INK, MIDDLE, PAPER, Look, plain
from surrogate_nas.report.markup import Section, drawn, section
from surrogate_nas.report.picture import Picture, label_ends, marked, picture
from surrogate_nas.report.reading import TARGETS, Critical, Study

_SIZE = (11.4, 4.6)
_HEIGHT = 0.85 * _SIZE[1]
_WIDTH, _ROW = 5.4, 0.27


@section(20, "suite")
def ranks(study: Study) -> Section | None:
    """Ranks along the budget, and how much of the suite was solved when."""
    caption = (
        f"Left: the average rank over {plural(len(study.suite.problems), 'problem')} by mean normalised regret along "
        "the budget, 1 is the best; the band holds 95 % of resampled runs. It begins where the first cells, which all "
        "strategies of a run share, end. Right: the share of all problems, targets and runs that a strategy had "
        f"solved; {len(TARGETS)} targets, from about three times what random sampling reaches down to the optimum."
    )
    told = picture("overview", caption, partial(_draw_overview, study=study), _SIZE)
    return Section("Ranks and runtime profile", [drawn([told], wide=True)])


def _draw_overview(figure: Figure, study: Study) -> None:
    left, right = figure.subplots(1, 2)
    _draw_ranks(left, study)
    profile = study.suite.profile
    solved = dict(zip(study.suite.strategies, profile.share, strict=True))
    for name, share in solved.items():
        draw_curve(right, Curve(profile.fractions, share, share, share), study.looks[name], band=False)
    right.set(xlabel="share of the budget", ylabel="problems × targets solved", xlim=(0, 1), ylim=(0, None))
    right.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    label_ends(right, {name: float(share[-1]) for name, share in solved.items()}, study.looks, _HEIGHT)
    for axes in (left, right):
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))


def _draw_ranks(axes: Axes, study: Study) -> None:
    found, names = study.suite.ranks, study.suite.strategies
    for name, *parts in zip(names, found.mean, found.low, found.high, strict=True):
        one = len(found.fractions) == 1
        draw_curve(axes, Curve(found.fractions, *parts), study.looks[name], steps=False, marks=one)
    axes.axvspan(0, found.fractions[0], color=MIDDLE, alpha=0.13, linewidth=0)
    n = len(names)
    axes.set(xlabel="share of the budget", ylabel="average rank, 1 is the best", xlim=(0, 1), ylim=(n + 0.2, 0.8))
    axes.set_yticks(np.arange(1, n + 1))
    ends = {name: float(mean[-1]) for name, mean in zip(names, found.mean, strict=True)}
    label_ends(axes, ends, study.looks, _HEIGHT)


@section(30, "suite")
def critical_differences(study: Study) -> Section | None:
    """Average ranks on a line at three budgets, and bars over those that the data do not tell apart."""
    told = [diagram(critical, study.suite.strategies, study.looks) for critical in study.suite.critical]
    said = [one for one in told if isinstance(one, str)]
    pictures = said[0] if said else [one for one in told if not isinstance(one, str)]
    return Section("Critical differences", [drawn(pictures)])


def diagram(critical: Critical, names: Sequence[str], looks: Mapping[str, Look]) -> Picture | str:
    """One diagram of ranks and tests at a share of the budget, or why there is none."""
    if critical.distance is None or critical.p is None:
        return "No diagram: Friedman's test takes at least three strategies and two problems."
    told = "differ" if critical.p < 0.05 else "are not told apart"
    p = f"p = {p_value(critical.p)}".replace("= <", "<")
    caption = (
        f"After {100 * critical.fraction:.0f} % of the budget: by Friedman's test the strategies {told} ({p}). Bars "
        f"join those whose average ranks lie within Nemenyi's critical difference, {critical.distance:.2f}."
    )
    size = (_WIDTH, 0.9 + _ROW * (len(names) + len(critical.cliques)))
    draw = partial(_draw_critical, critical=critical, names=names, looks=looks)
    return picture(f"critical-{round(100 * critical.fraction)}", caption, draw, size)


def _draw_critical(figure: Figure, critical: Critical, names: Sequence[str], looks: Mapping[str, Look]) -> None:
    axes = figure.add_subplot()
    rank = dict(zip(names, critical.ranks.tolist(), strict=True))
    order = sorted(names, key=lambda name: rank[name])
    bars = len(critical.cliques)
    for row, clique in enumerate(critical.cliques):
        ends = [rank[name] for name in clique]
        axes.plot([min(ends), max(ends)], [row, row], color=INK, linewidth=3.2, solid_capstyle="round")
    for row, name in enumerate(order, bars):
        axes.plot([rank[name]] * 2, [-0.7, row], color=MIDDLE, linewidth=0.8, zorder=0.5)
        axes.plot(rank[name], row, **marked(looks[name], 7.0, linestyle="none"))
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
