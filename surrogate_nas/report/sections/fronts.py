"""What is traded: L against λR with the exact front, several objectives, what λ does, and a path over λ.

Of two objectives the median attainment surface of each strategy is drawn, what half of its runs dominate: Grunert da
Fonseca, Fonseca & Hall, "Inferential Performance Assessment of Stochastic Optimisers and the Attainment Function", EMO
2001.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import moocore
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from surrogate_nas.core.numbers import fixed, plural
from surrogate_nas.objective import Objective, Scores
from surrogate_nas.objective.expression import exact
from surrogate_nas.report.curves import Curve, draw_curve
from surrogate_nas.report.look import INK, MIDDLE, PAPER, plain
from surrogate_nas.report.markup import Section, drawn, section
from surrogate_nas.report.picture import Picture, legend, marked, picture
from surrogate_nas.report.reading import LambdaPath, Run, Study, Values, diagnose, interval, nondominated
from surrogate_nas.space import Cell, listed

_WIDTH = 5.8
_LONGEST_LABEL = 60
_SHOWN_SHARE = 0.6
"""The share of cells, best in L first, that the vertical axis has room for."""
_APART = 0.02
"""Optima nearer than this share of the axes share a label."""

_Frame = tuple[float, float, float, float]
"""Left, right, bottom and top of the axes."""


@section(60, "comparison")
def front(study: Study) -> Section | None:
    """L against λR: the whole trade-off, and the part where the runs ended; or the first two objectives."""
    return Section("L against R", [drawn(_pictures(study))]) if study.comparison.strategies else None


def _pictures(study: Study) -> list[Picture] | str:
    objective = study.comparison.objective
    if objective.has_history:
        return "No Pareto front: diversity makes scores depend on a run's history, so no exact front exists."
    if objective.parts > 1:
        return _objectives(study)
    if all(term.is_loss for term in objective.terms):
        return "No Pareto front: the objective has no regulariser, so there is nothing to trade L against."
    front = front_of(objective, [run for runs in study.feasible.values() for run in runs])
    if front is None:
        return f"No Pareto front: {objective.benchmark.name} is no table with feasible cells, so it is not known."
    caption = (
        f"L against λR. Grey: all {len(listed(objective.benchmark.space)):,} cells of the table; black: its exact "
        f"Pareto front ({plural(int(front.on_front.sum()), 'cell')}); dashed: lines of equal score, the darkest "
        "through the optimum (star); coloured: the best cell of each run, larger where several "
        "runs ended at the same one."
    )
    if front.hidden:
        caption += f" {plural(front.hidden, 'cell')} of higher L lie above the frame."
    near = (
        "The same, enlarged around the optimum (star) and the best cell of each run, drawn as outlines, so that "
        "those in one place show through one another."
    )
    draw, size = partial(_draw_front, front=front, study=study), (_WIDTH, 5.0)
    return [
        picture("pareto-front", caption, partial(draw, frame=front.whole), size),
        picture("pareto-front-near", near, partial(draw, frame=front.around_found, hollow=True), size),
    ]


@dataclass(frozen=True)
class Front:
    """The trade-off of L and λR over a whole table.

    Attributes:
        scores: Of every cell.
        on_front: Whether a feasible cell is dominated by no other feasible one, shape ``(cells,)``.
        optimum: The place of the best score in the order of the space.
        found: The places of the feasible incumbents of all runs.
    """

    scores: Scores
    on_front: NDArray[np.bool_]
    optimum: int
    found: list[int]

    @property
    def whole(self) -> _Frame:
        """The frame of the trade-off; cells of the highest L lie above it."""
        shown = float(np.quantile(self.scores.loss[self.scores.feasible], _SHOWN_SHARE))
        highest = max([shown, *self.scores.loss[self.found]])
        return _with_margin(self.scores.penalty, np.array([self.scores.loss.min(), highest]))

    @property
    def around_found(self) -> _Frame:
        """The frame of what the runs found, with the optimum."""
        inside = [self.optimum, *self.found]
        return _with_margin(self.scores.penalty[inside], self.scores.loss[inside])

    @property
    def hidden(self) -> int:
        """How many cells lie above the whole trade-off's frame."""
        return int((self.scores.loss > self.whole[3]).sum())


def _with_margin(x: Values, y: Values) -> _Frame:
    across, up = 0.05 * float(np.ptp(x)) or 0.001, 0.08 * float(np.ptp(y)) or 0.001
    return float(x.min()) - across, float(x.max()) + across, float(y.min()) - up, float(y.max()) + up


def front_of(objective: Objective, runs: Sequence[Run]) -> Front | None:
    """The exact front of a table; None where there is no regulariser, no table, a history, or no feasible cell."""
    scores = objective.over_space()
    if scores is None or all(term.is_loss for term in objective.terms) or not scores.feasible.any():
        return None
    on_front = np.zeros(len(scores.loss), dtype=bool)
    feasible = np.flatnonzero(scores.feasible)
    points = np.column_stack([scores.loss, scores.penalty])[feasible]
    on_front[feasible[moocore.is_nondominated(points)]] = True
    found = [run.incumbent.cell.index for run in runs]
    return Front(scores, on_front, int(scores.score.argmin()), found)


def _draw_front(figure: Figure, front: Front, frame: _Frame, study: Study, hollow: bool = False) -> None:
    """Cells, front, lines of equal score and incumbents, as outlines where those in one place shall show through."""
    axes, scores = figure.add_subplot(), front.scores
    handles: list[Any] = []
    for held, alpha in ((scores.feasible, 0.32), (~scores.feasible, 0.1)):
        if held.any():
            handles.append(_dots(axes, scores.penalty[held], scores.loss[held], alpha))
    order = np.flatnonzero(front.on_front)[np.argsort(scores.penalty[front.on_front])]
    handles += _steps(axes, scores.penalty[order], scores.loss[order])
    axes.set(xlim=frame[:2], ylim=frame[2:])
    axes.locator_params(axis="x", nbins=6)
    _draw_equal_scores(axes, float(scores.score[front.optimum]))
    labels = [f"all {len(scores.loss):,} cells", "exact front"]
    if not scores.feasible.all():
        labels.insert(1, "infeasible cells")
    for name, made in study.feasible.items():
        found = Counter(run.incumbent.cell.index for run in made)
        index, counts = list(found), np.array(list(found.values()))
        look = study.looks[name]
        open_ = hollow or look.hollow
        face = "none" if open_ else look.colour
        axes.scatter(
            scores.penalty[index], scores.loss[index], s=36 + 24 * (counts - 1), facecolor=face,
            edgecolor=look.colour if open_ else PAPER, linewidth=1.6 if open_ else 0.8, marker=look.marker, zorder=5,
        )  # fmt: skip
        points = marked(look, 7.0) | {"markerfacecolor": face}
        handles.append(Line2D([], [], linestyle="none", markeredgewidth=1.6, **points))
        labels.append(plain(name))
    best = (scores.penalty[front.optimum], scores.loss[front.optimum])
    handles.append(axes.scatter(*best, s=210, marker="*", facecolor="none", edgecolor=INK, linewidth=1.4, zorder=6))
    labels.append("optimum")
    axes.set(xlabel="λR, the weighted regularisers (dimensionless)", ylabel="L (dimensionless)")
    legend(figure, handles, labels)


def _dots(axes: Axes, x: Values, y: Values, alpha: float = 0.32) -> Any:
    """All cells as pixels, since vector graphics of so many would be large; returns the legend's entry."""
    axes.scatter(x, y, s=3.5, color=MIDDLE, alpha=alpha, linewidth=0, rasterized=True)
    return Line2D([], [], color=MIDDLE, marker=".", alpha=min(2 * alpha, 1), linestyle="none")


def _steps(axes: Axes, x: Values, y: Values, **more: Any) -> list[Any]:
    """A front, by rising x."""
    points: dict[str, Any] = {"color": INK, "marker": ".", "markersize": 4} | more
    return list(axes.plot(x, y, linewidth=1.3, drawstyle="steps-post", **points))


def _draw_equal_scores(axes: Axes, optimum: float) -> None:
    """Lines of equal L + λR through the optimum and above it, labelled where they leave the frame."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    apart = 0.05 * (top - bottom)
    levels = [level for level in MaxNLocator(6).tick_values(optimum, top + right) if level > optimum + apart]
    for level in [optimum, *levels]:
        strong = level == optimum
        axes.plot(
            [left, right], [level - left, level - right], color=INK if strong else MIDDLE,
            linewidth=1.1 if strong else 0.7, linestyle=(0, (4, 3)), zorder=1.5, scalex=False, scaley=False,
        )  # fmt: skip
        if bottom < level - right < top:
            place, shift, sides = (right, level - right), (3, 0), ("left", "center")
        elif left < level - top < right:
            place, shift, sides = (level - top, top), (0, 2), ("center", "bottom")
        elif left < level - bottom < right:
            place, shift, sides = (level - bottom - apart, bottom + apart), (0, 0), ("center", "center")
        else:
            continue
        axes.annotate(
            f"{level:.4g}", place, xytext=shift, textcoords="offset points", ha=sides[0], va=sides[1], fontsize=8,
            bbox={"facecolor": PAPER, "edgecolor": "none", "boxstyle": "round,pad=0.1"},
            annotation_clip=False, zorder=4,
        )  # fmt: skip


def _objectives(study: Study) -> list[Picture] | str:
    """The first two of several objectives: all cells, the exact front, and what the runs found."""
    objective = study.comparison.objective
    if not any(study.feasible.values()):
        return "No Pareto front: no run found a feasible cell."
    caption = f"{objective.part_text(0)} against {objective.part_text(1)}. Coloured: " + (
        "the median attainment surface of each strategy, which half of its runs reach or dominate."
        if objective.parts == 2
        else "what no other cell of a strategy's runs beats in every objective."
    )
    if objective.over_space() is not None:
        caption += (
            " Grey: all feasible cells of the table; black: their exact front. Hypervolumes are taken between its "
            "best and its worst, to 1.1 in each objective; what lies beyond Tukey's fence in an objective with a "
            "loss, as cells do that cannot learn, bounds none."
        )
    return [picture("pareto-front", caption, partial(_draw_objectives, study=study), (_WIDTH, 5.0))]


def _draw_objectives(figure: Figure, study: Study) -> None:
    made, objective = study.comparison, study.comparison.objective
    axes, handles, texts = figure.add_subplot(), list[Any](), list[str]()
    if (scores := objective.over_space()) is not None:
        every = scores.vector[scores.feasible]
        handles += [_dots(axes, every[:, 0], every[:, 1]), *_steps(axes, *_front(every))]
        texts += [f"all {len(every):,} cells", "exact front"]
        low, high = every.min(axis=0), np.quantile(every, _SHOWN_SHARE, axis=0)
        margin = 0.05 * (high - low)
        axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
        axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
    for name, runs in study.feasible.items():
        if runs:
            found = [made.vectors(run) for run in runs]
            shown = attained(found) if objective.parts == 2 else np.concatenate(found)
            handles += _steps(axes, *_front(shown), **marked(study.looks[name], 6.0))
            texts.append(plain(name))
    labels = [plain(objective.part_text(part), _LONGEST_LABEL) for part in (0, 1)]
    axes.set(xlabel=labels[0], ylabel=labels[1])
    legend(figure, handles, texts)


def _front(points: Values) -> Values:
    """The first two numbers of the points that no other dominates, by rising first, shape ``(2, k)``."""
    front = nondominated(points)
    return front[np.argsort(front[:, 0])].T[:2]


def attained(runs: Sequence[Values]) -> Values:
    """The front of the points that at least half of some runs, shape ``(n, 2)`` each, dominate or reach."""
    of_run = np.repeat(np.arange(1, len(runs) + 1), [len(points) for points in runs])
    return np.asarray(moocore.eaf(np.concatenate(runs), sets=of_run, percentiles=[50])[:, :2])


@section(65, "comparison")
def what_lambda_does(study: Study) -> Section | None:
    """Whether R moves the optimum."""
    objective = study.comparison.objective
    if not study.comparison.strategies:
        return None
    found = diagnose(objective)
    if found is None:
        said = ["Not known: it takes a table with feasible cells whose scores do not depend on a run's history."]
    elif all(term.is_loss for term in objective.terms):
        said = [*found.sentences(), "The objective has no regulariser: the score is L."]
    else:
        (alone, with_r) = (_place(objective, cell) for cell in (found.best_by_loss, found.best_by_score))
        said = [*found.sentences(), f"The optimum of L alone has {alone}; that of L + λR has {with_r}."]
    return Section("What λ does", said)


def _place(objective: Objective, cell: Cell) -> str:
    """Where a cell lies in the plane of L and λR, in words."""
    scores = objective.look_up([cell])[1]
    return f"L = {fixed(float(scores.loss[0]), 5)} and λR = {fixed(float(scores.penalty[0]), 5)}"


@section(10, "path")
def path_over_lambda(study: Study) -> Section | None:
    """The front that the optima and the strategies trace, and each one's regret at every λ."""
    path = study.path
    caption = (
        f"{path.expression} on {path.plane.benchmark.name}. Left: all cells (grey), their exact front (black), the "
        "optimum at each λ (stars), and the front that half of a strategy's runs reach or dominate with their answers "
        "at all λ. Right: mean regret at each λ and its bootstrap 95 % interval."
    )
    told = picture("lambda-path", caption, partial(_draw_path, study=study), (10.0, 4.6))
    return Section("The path over λ", [drawn([told], wide=True)])


def _draw_path(figure: Figure, study: Study) -> None:
    plane, regrets = figure.subplots(1, 2)
    path = study.path
    handles = _draw_plane(plane, path)
    labels = [f"all {len(path.points):,} cells", "exact front", "optimum at λ"]
    for name, look in study.looks.items():
        if runs := path.traced(name):
            traced = attained(runs)
            x, y = traced[np.argsort(traced[:, 1])][:, ::-1].T
            handles += _steps(plane, x, y, **marked(look, 4.0))
            labels.append(plain(name))
        draw_curve(regrets, _regrets(path, name), look, steps=False, marks=True)
    regrets.set(xlabel="λ", ylabel="mean regret")
    positive = [step.value for step in path.steps if step.value > 0]
    if len(positive) > 1:
        regrets.set_xscale("symlog", linthresh=positive[0])
    regrets.set_xticks([step.value for step in path.steps], [exact(step.value) for step in path.steps], fontsize=8)
    regrets.minorticks_off()
    legend(figure, handles, labels)


def _draw_plane(axes: Axes, path: LambdaPath) -> list[Any]:
    """Cells, their front and the optima, in the frame of the front; returns the legend's entries."""
    loss, cost = path.points.T
    front = nondominated(path.points)
    front = front[np.argsort(front[:, 1])]
    handles = [_dots(axes, cost, loss), *_steps(axes, front[:, 1], front[:, 0])]
    optima = path.points[[step.optimum for step in path.steps]]
    stars = axes.scatter(optima[:, 1], optima[:, 0], s=120, marker="*", facecolor="none", edgecolor=INK, zorder=6)
    low, span = path.frame.utopia, path.frame.span
    axes.set_xlim(low[1] - 0.06 * span[1], low[1] + 1.1 * span[1])
    axes.set_ylim(low[0] - 0.06 * span[0], low[0] + 1.1 * span[0])
    axes.set(xlabel="R (medians over the space)", ylabel="L")
    told: list[Any] = []
    for step, point in zip(path.steps, optima, strict=True):
        if not told or np.abs((point - told[-1]) / span).max() > _APART:
            axes.annotate(
                exact(step.value), (point[1], point[0]), xytext=(5, 5), textcoords="offset points", fontsize=8
            )
            told.append(point)
    return [*handles, stars]


def _regrets(path: LambdaPath, name: str) -> Curve:
    """A strategy's mean regret at every λ at which it has one."""
    held = [(step.value, step.comparison.regrets(name)) for step in path.steps]
    values, samples = zip(*((value, each) for value, each in held if each is not None), strict=True)
    ends = np.array([interval(each[:, None]) for each in samples])[:, :, 0]
    return Curve(np.array(values), np.array([each.mean() for each in samples]), ends[:, 0], ends[:, 1])
