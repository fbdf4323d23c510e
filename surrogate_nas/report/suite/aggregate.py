"""The interquartile mean of normalised regret over all runs on all problems, with its interval."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from surrogate_nas.report.look import MIDDLE, Look, plain
from surrogate_nas.report.picture import Picture, picture

if TYPE_CHECKING:
    from surrogate_nas.study.suite import SuiteResult

_WIDTH = 5.4


def regret_intervals(result: SuiteResult, order: list[str], looks: dict[str, Look]) -> Picture:
    """Draw one line a strategy, the best rank above.

    Args:
        result: What the suite has found.
        order: The strategies from the best rank on.
        looks: How each is drawn.
    """
    caption = (
        "Interquartile mean of the normalised regret of all runs on all problems at the end of the budget, with its "
        "95 % interval (bootstrap within each problem); 0 is the optimum, the dashed line what random sampling is "
        "expected to reach."
    )
    draw = partial(_draw, result=result, order=order, looks=looks)
    return picture("regret-iqm", caption, draw, (_WIDTH, 1.1 + 0.3 * len(order)))


def _draw(figure: Figure, result: SuiteResult, order: list[str], looks: dict[str, Look]) -> None:
    axes, found = figure.add_subplot(), {one.strategy: one for one in result.aggregates}
    for row, name in enumerate(order):
        one, look = found[name], looks[name]
        axes.plot([one.low, one.high], [row, row], color=look.colour, linewidth=3, solid_capstyle="round")
        axes.plot(one.iqm, row, color=look.colour, marker=look.marker, markersize=8, linestyle="none")
    axes.axvline(1, color=MIDDLE, linewidth=1.2, linestyle=(0, (2, 2)))
    axes.set_yticks(range(len(order)), [plain(name) for name in order])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="normalised regret, IQM (lower is better)", ylim=(len(order) - 0.5, -0.5))
    axes.set_xlim(left=0)
