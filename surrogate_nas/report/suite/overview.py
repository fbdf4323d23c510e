"""Ranks along the budget, and how much of the suite was solved when: the two panels that stand first."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from surrogate_nas.report.look import MIDDLE, Look, legend, line_handles, plain
from surrogate_nas.report.numbers import plural
from surrogate_nas.report.picture import Picture, picture
from surrogate_nas.study.suite.profile import TARGETS

if TYPE_CHECKING:
    from surrogate_nas.study.suite import SuiteResult

_SIZE = (10.4, 4.6)


def overview(result: SuiteResult, order: list[str], looks: dict[str, Look]) -> Picture:
    """Draw both panels.

    Args:
        result: What the suite has found.
        order: The strategies from the best rank on.
        looks: How each is drawn.
    """
    caption = (
        f"Left: the average rank over {plural(len(result.problems), 'problem')} by mean normalised regret along the "
        "budget, 1 is the best; the band holds 95 % of resampled runs. It begins where the first cells, which all "
        "strategies of a run share, end. Right: the share of all problems, targets and runs that a strategy had "
        f"solved; {len(TARGETS)} targets, from about three times what random sampling reaches down to the optimum."
    )
    return picture("overview", caption, partial(_draw, result=result, order=order, looks=looks), _SIZE)


def _draw(figure: Figure, result: SuiteResult, order: list[str], looks: dict[str, Look]) -> None:
    left, right = figure.subplots(1, 2)
    _draw_ranks(left, result, looks)
    profile = result.profile
    for place, name in enumerate(result.strategies):
        look = looks[name]
        right.plot(profile.fractions, profile.share[place], color=look.colour, linestyle=look.linestyle,
                   drawstyle="steps-post")  # fmt: skip
    right.set(xlabel="share of the budget", ylabel="problems × targets solved", xlim=(0, 1), ylim=(0, None))
    for axes in (left, right):
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    right.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    legend(figure, line_handles(order, looks), [plain(name) for name in order])


def _draw_ranks(axes: Axes, result: SuiteResult, looks: dict[str, Look]) -> None:
    ranks, n = result.ranks, len(result.strategies)
    for place, name in enumerate(result.strategies):
        look = looks[name]
        axes.fill_between(
            ranks.fractions, ranks.low[place], ranks.high[place], color=look.colour, alpha=0.14, linewidth=0
        )
        axes.plot(ranks.fractions, ranks.mean[place], color=look.colour, linestyle=look.linestyle,
                  marker=look.marker if len(ranks.fractions) == 1 else None)  # fmt: skip
    axes.axvspan(0, ranks.fractions[0], color=MIDDLE, alpha=0.13, linewidth=0)
    axes.set(xlabel="share of the budget", ylabel="average rank, 1 is the best", xlim=(0, 1), ylim=(n + 0.2, 0.8))
    axes.set_yticks(np.arange(1, n + 1))
