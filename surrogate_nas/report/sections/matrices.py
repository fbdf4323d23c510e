"""Two matrices of a suite: regret by problem and strategy, and how probably one strategy ends better than another."""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from surrogate_nas.report.look import plain
from surrogate_nas.report.markup import Section, drawn, section
from surrogate_nas.report.picture import picture
from surrogate_nas.report.reading import Study, SuiteResult, Values

_COLOURS = LinearSegmentedColormap.from_list("blue to orange", ["#0a4f8f", "#7fb2da", "#f4f4f2", "#e8995a", "#c04a00"])
_LIGHT, _DARK = "#ffffff", "#111111"
_CELL, _SIDE = 0.62, 2.1
_LONGEST = 22


@section(60, "suite")
def regret_map(study: Study) -> Section | None:
    """The mean normalised regret of every strategy on every problem."""
    result, order = study.suite, study.ranked
    caption = (
        "Mean normalised regret at the end of the budget: 0 is the known optimum (blue), 1 what random sampling is "
        "expected to reach (white), above 1 is worse than that (orange); framed: the best of the problem. Last column: "
        "what another training of the best cells would change, where the table holds several seeds."
    )
    size = (_SIDE + _CELL * (len(order) + 1), 1.5 + 0.3 * len(result.problems))
    told = picture("regret-map", caption, partial(_draw_regret, result=result, order=order), size)
    return Section("Problem by problem", [drawn([told], wide=True)])


def _draw_regret(figure: Figure, result: SuiteResult, order: list[str]) -> None:
    axes = figure.add_subplot()
    means = result.means()[:, [result.strategies.index(name) for name in order]]
    shades = np.where(means <= 1, np.sqrt(means) / 2, 0.5 + np.log2(np.maximum(means, 1)) / 4)
    _matrix(axes, shades, [[f"{value:.2f}" for value in row] for row in means])
    for row, (problem, values) in enumerate(zip(result.problems, means.round(12), strict=True)):
        for column in np.flatnonzero(values == values.min()):
            axes.add_patch(_frame(int(column), row))
        noise = "–" if problem.noise is None else f"{problem.noise:.2f}"
        axes.text(len(order), row, noise, ha="center", va="center", fontsize=8)
    axes.set_xlim(-0.5, len(order) + 0.5)
    axes.set_xticks(range(len(order) + 1), [*(plain(name, _LONGEST) for name in order), "seed noise"])
    axes.set_yticks(range(len(result.problems)), [plain(p.name, _LONGEST) for p in result.problems])
    axes.tick_params(axis="x", rotation=40)
    for label in axes.get_xticklabels():
        label.set(ha="left", rotation_mode="anchor")


@section(50, "suite")
def improvement_matrix(study: Study) -> Section | None:
    """The probability of improvement of every pair."""
    result, order = study.suite, study.ranked
    if not result.improvements:
        return None
    caption = (
        "How probably a run of the row's strategy ends with a lower regret than one of the column's on the same "
        "problem, in %, averaged over problems, a tie counting half; bold where the bootstrap 95 % interval leaves "
        "out 50 %."
    )
    size = (_SIDE + _CELL * len(order), 1.5 + 0.3 * len(order))
    told = picture("improvement", caption, partial(_draw_improvement, result=result, order=order), size)
    return Section("Who ends better", [drawn([told], wide=True)])


def _draw_improvement(figure: Figure, result: SuiteResult, order: list[str]) -> None:
    axes, place = figure.add_subplot(), {name: i for i, name in enumerate(order)}
    chance = np.full((len(order), len(order)), np.nan)
    sure = np.zeros(chance.shape, dtype=bool)
    for pair in result.improvements:
        i, j = place[pair.first], place[pair.second]
        chance[i, j], chance[j, i] = pair.probability, 1 - pair.probability
        sure[i, j] = sure[j, i] = pair.low > 0.5 or pair.high < 0.5
    texts = [["" if np.isnan(value) else f"{100 * value:.0f}" for value in row] for row in chance]
    _matrix(axes, 1 - chance, texts, sure)
    names = [plain(name, _LONGEST) for name in order]
    axes.set_xticks(range(len(order)), names, rotation=40, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(order)), names)


def _matrix(axes: Axes, shades: Values, texts: list[list[str]], bold: Values | None = None) -> None:
    """Coloured cells with numbers; a shade is from 0 to 1."""
    across, down = np.arange(shades.shape[1] + 1) - 0.5, np.arange(shades.shape[0] + 1) - 0.5
    axes.pcolormesh(across, down, np.ma.masked_invalid(shades), cmap=_COLOURS, vmin=0, vmax=1)  # an image is no vector
    axes.set(xlim=across[[0, -1]], ylim=down[[-1, 0]])
    for (row, column), shade in np.ndenumerate(shades):
        if texts[row][column]:
            axes.text(
                column, row, texts[row][column], ha="center", va="center", fontsize=8,
                color=_DARK if 0.22 < shade < 0.85 else _LIGHT,
                weight="bold" if bold is not None and bold[row, column] else "normal",
            )  # fmt: skip
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=8)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _frame(column: int, row: int) -> Rectangle:
    return Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, fill=False, edgecolor=_DARK, linewidth=1.4)
