"""Trade-offs between objectives: the exact Pareto front, the effect of λ, and results over a grid
of λ.

For two objectives, the page shows the median attainment surface of each strategy: the border of the
region that half of its runs dominate. A band around it extends from the best to the worst run.
Attainment surfaces are defined in Grunert da Fonseca, Fonseca & Hall, "Inferential Performance
Assessment of Stochastic Optimisers and the Attainment Function", EMO 2001.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import moocore
import numpy as np

from surrogate_nas.core import plural
from surrogate_nas.objective import Objective
from surrogate_nas.report.curves import Curve, Panel, chart
from surrogate_nas.report.markup import Figures, Section, folded, section
from surrogate_nas.report.picture import (
    SLIM,
    WIDE,
    Canvas,
    Picture,
    Point,
    Scale,
    ring,
    text_width,
)
from surrogate_nas.report.reading import (
    LambdaPath,
    Study,
    Values,
    diagnose,
    interval,
    nondominated,
    vectors_of,
)
from surrogate_nas.report.style import plain

_APART = 0.02  # optima nearer than this share of the axes share a label
_LOG = 15.0  # an axis whose ends differ by more than this factor is logarithmic
_GRAIN = 5.0  # pixels of a square of the picture of all cells
_SHADES = (
    (1, 0.16),
    (3, 0.3),
    (9, 0.5),
)  # from so many cells in a square on, how dark it is
_MOST_POINTS = 40  # of a front whose points are told one by one
_SAME = 1e-9


class Axis(NamedTuple):
    """How an objective is displayed on an axis: the score per displayed unit, and the label of the
    unit.
    """

    unit: float
    label: str

    @classmethod
    def of(cls, objective: Objective, part: int) -> "Axis":
        """Return an axis that shows the metric itself if the objective is a single metric, and
        otherwise the score.
        """
        terms = [term for term in objective.terms if term.part == part]
        if (
            len(terms) == 1
            and not terms[0].larger_is_better
            and not objective.has_history
        ):
            unit = "" if terms[0].unit in ("", "parameters") else f", {terms[0].unit}"
            return cls(terms[0].coefficient, f"{terms[0].name}{unit}")
        return cls(1.0, objective.part_text(part))


@dataclass(frozen=True)
class Plane:
    """The trade-off between two objectives of a comparison, in the units of the axes.

    Attributes:
        axes: The two axes: first the vertical axis, then the horizontal axis.
        points: The objectives of all feasible cells, shape ``(n, 2)``, or None if there is no
            table.
        front: The exact Pareto front within the displayed ranges, by increasing second objective,
            shape ``(k, 2)``. If there is no table, the joint Pareto front of all runs.
        beyond: Number of points of the Pareto front outside the displayed ranges.
        found: The points that the runs of each strategy found, by strategy: one array of shape
            ``(k, 2)`` per run.
        across: The displayed range of the second objective (the horizontal axis).
        up: The displayed range of the first objective (the vertical axis).
    """

    axes: tuple[Axis, Axis]
    points: Values | None
    front: Values
    beyond: int
    found: dict[str, list[Values]]
    across: tuple[float, float]
    up: tuple[float, float]

    @property
    def logarithmic(self) -> bool:
        """Whether the horizontal axis is logarithmic."""
        return self.across[0] > 0 and self.across[1] / self.across[0] > _LOG


def plane_of(study: Study) -> Plane | None:
    """Return the first two objectives of a comparison, or None if no run found a feasible cell."""
    comparison = study.comparison
    objective = study.comparison.objective
    if comparison.frame is None or not any(study.feasible.values()):
        return None
    axes = Axis.of(objective, 0), Axis.of(objective, 1)
    units = np.array([axis.unit for axis in axes])
    reached = {
        name: [
            vectors_of(run.contenders())[:, :2] / units for run in study.feasible[name]
        ]
        for name in study.result.standings
        if study.feasible.get(name)
    }
    scores = objective.over_space()
    every = None if scores is None else scores.vector[scores.feasible][:, :2] / units
    known = every
    if known is None:
        known = np.concatenate([run for runs in reached.values() for run in runs])
    whole = nondominated(known)
    inside = nondominated(
        (comparison.frame.utopia + comparison.frame.front * comparison.frame.span)[
            :, :2
        ]
        / units
    )
    low = inside.min(axis=0)
    high = inside.max(axis=0)
    seen = (whole <= high + _SAME * np.abs(high)).all(axis=1)
    front = whole[seen][np.argsort(whole[seen][:, 1])]
    spread = np.where(high > low, high - low, np.abs(high) + _SAME)
    room = high + np.array([0.35, 0.06]) * spread
    floor = low - 0.06 * spread
    if low[1] > 0 and high[1] / low[1] > _LOG:
        floor[1], room[1] = low[1] / 1.25, high[1] * 1.15
    return Plane(
        axes,
        every,
        front,
        int((~seen).sum()),
        reached,
        (floor[1], room[1]),
        (floor[0], room[0]),
    )


@section(5, "front")
def nearness(study: Study) -> Section | None:
    """Build the section with each strategy's Pareto front and the exact Pareto front, one panel per
    strategy.
    """
    plane = plane_of(study)
    if plane is None:
        return None
    two = study.comparison.objective.n_objectives == 2
    which = "the front of all runs" if plane.points is None else "the exact front"
    lies = "lies" if plane.beyond == 1 else "lie"
    sentences = (
        (
            True,
            f"{plane.axes[0].label} against"
            f" {plane.axes[1].label}{' (log)' if plane.logarithmic else ''}.",
        ),
        (
            not two,
            "Only the first two objectives are shown. A point that looks dominated may be the best"
            " in another one.",
        ),
        (True, f"Black: {which}, {plural(len(plane.front), 'point')}."),
        (
            True,
            "Coloured line: attained by half of the runs; band: best to worst run; filled marks:"
            " points of the front that were found.",
        ),
        (
            plane.points is not None,
            f"Grey: all {len(plane.points if plane.points is not None else ()):,} feasible cells.",
        ),
        (
            plane.beyond,
            f"{plural(plane.beyond, 'point')} of the front {lies} outside the frame: cells that"
            " hardly learn, which do not count for any run.",
        ),
    )
    caption = " ".join(text for holds, text in sentences if holds)
    draw = partial(_draw_fronts, plane=plane, study=study, stairs=two)
    picture = Picture("fronts", caption, draw, WIDE)
    return Section("Distance of each strategy to the front", [Figures([picture])])


def _draw_fronts(width: float, plane: Plane, study: Study, stairs: bool) -> Canvas:
    columns, high = (
        (2, 150.0) if width <= SLIM else (min(max(len(plane.found), 2), 4), 215.0)
    )
    gap, left = (12.0, 30.0) if width <= SLIM else (26.0, 42.0)
    room = (width - left - gap * (columns - 1)) / columns
    pitch = high + 62
    canvas = Canvas(width, pitch * -(-len(plane.found) // columns))
    for i, (name, runs) in enumerate(plane.found.items()):
        x0 = left + (room + gap) * (i % columns)
        top = pitch * (i // columns) + 26
        kind: Literal["log", "linear"] = "log" if plane.logarithmic else "linear"
        x = Scale(*plane.across, x0, x0 + room, kind)
        y = Scale(*plane.up, top + high, top)
        _draw_frame(canvas, x, y, plane, labelled=i % columns == 0, last=x0 + room)
        style = study.styles[name]
        missed = float(study.comparison.scores(name).mean())
        with canvas.of(style, f"{name}: click to hide or show", pick=True):
            canvas.rectangle(x0 - 4, top - 26, x0 + room, top - 3, "paper")
            canvas.mark(x0 + 6, top - 14, style, 11)
            longest = int(room / 8) - 10
            canvas.text(
                x0 + 18,
                top - 10,
                plain(name, longest),
                size=13,
                colour="ink",
                bold=True,
            )
            after = x0 + 24 + text_width(plain(name, longest), 15.5)
            canvas.text(after, top - 10, f"{100 * missed:.1f} % missed", size=12)
        if stairs:
            best, middle, worst = (
                attained(runs, share) for share in (100 / len(runs), 50, 100)
            )
            with canvas.of(style, name):
                canvas.area(
                    _stairs(best, x, y) + _stairs(worst, x, y)[::-1], style, 0.2
                )
                canvas.line(_stairs(middle, x, y), colour=style, width=2)
        _draw_front(canvas, plane.front, x, y, stairs)
        with canvas.of(style, name):
            for pair in (
                [] if stairs else np.unique(np.concatenate(runs), axis=0).tolist()
            ):
                canvas.mark(x(pair[1]), y(pair[0]), style, 6)
            for point in plane.front:
                near = np.abs(np.concatenate(runs) - point) <= _SAME * (
                    1 + np.abs(point)
                )
                if near.all(axis=1).any():
                    canvas.mark(x(point[1]), y(point[0]), style, 9)
    return canvas


def _draw_frame(
    canvas: Canvas, x: Scale, y: Scale, plane: Plane, *, labelled: bool, last: float
) -> None:
    across = x.ticks(58.0)
    up = y.ticks(36.0)
    canvas.grid(x, y, across, up)
    for value, text in across:
        canvas.text(
            min(x(value), last - text_width(text, 11) / 2),
            y.start + 16,
            text,
            align="center",
        )
    for value, text in up if labelled else ():
        canvas.text(x.start - 6, y(value) + 4, text, align="right")
    if plane.points is not None:
        _draw_density(canvas, plane.points[:, 1], plane.points[:, 0], x, y)


def _draw_density(
    canvas: Canvas, across: Values, up: Values, x: Scale, y: Scale
) -> None:
    """Plot all cells as squares, darker for more cells. Cells outside the frame are left out."""
    seen = (across >= x.low) & (across <= x.high) & (up >= y.low) & (up <= y.high)
    columns = ((x.pixels(across[seen]) - x.start) // _GRAIN).astype(int)
    rows = ((y.pixels(up[seen]) - y.end) // _GRAIN).astype(int)
    cells = Counter(zip(rows.tolist(), columns.tolist(), strict=True))
    for i, (least, opacity) in enumerate(_SHADES):
        most = _SHADES[i + 1][0] if i + 1 < len(_SHADES) else np.inf
        here = sorted(square for square, n in cells.items() if least <= n < most)
        runs: list[list[Point]] = []
        for row, column in here:
            left = x.start + column * _GRAIN
            middle = y.end + (row + 0.5) * _GRAIN
            if runs and runs[-1][1] == (left, middle):
                runs[-1][1] = (left + _GRAIN, middle)
            else:
                runs.append([(left, middle), (left + _GRAIN, middle)])
        canvas.line(*runs, colour="quiet", width=_GRAIN, opacity=opacity)


def _draw_front(
    canvas: Canvas, front: Values, x: Scale, y: Scale, stairs: bool = True
) -> None:
    if stairs:
        canvas.line(_stairs(front, x, y), colour="ink", width=1.3)
    for first, second in front.tolist():
        if len(front) <= _MOST_POINTS:
            around = ring(x(second), y(first), 2.6, 12)
            canvas.area(around, "paper")
            canvas.line(around, colour="ink", width=1.1)


def _stairs(points: Values, x: Scale, y: Scale) -> list[Point]:
    """Return steps through points by increasing second objective, from above the first to the right
    of the last.
    """
    steps: list[Point] = []
    for first, second in points[np.argsort(points[:, 1])].tolist():
        steps += [(x(second), steps[-1][1] if steps else y.end), (x(second), y(first))]
    return [*steps, (x.end, steps[-1][1])] if steps else []


def attained(runs: Sequence[Values], share: float = 50) -> Values:
    """Return the border of the region that at least `share` percent of the runs dominate or reach.
    Each run is an array of points of shape ``(n, 2)``.
    """
    of_run = np.repeat(np.arange(1, len(runs) + 1), [len(points) for points in runs])
    return np.asarray(
        moocore.eaf(np.concatenate(runs), sets=of_run, percentiles=[share])[:, :2]
    )


@section(82, "comparison")
def what_lambda_does(study: Study) -> Section | None:
    """Build the section on whether the term λ·R changes which cell is optimal."""
    objective = study.comparison.objective
    sentences = diagnose(objective) if study.comparison.strategies else None
    if sentences is None:
        return None
    if not all(term.is_loss for term in objective.terms):
        return folded("What λ does", *sentences)
    if not sentences or not objective.constraints:
        return None
    return folded("Limits", *sentences)


@section(10, "path")
def path_over_lambda(study: Study) -> Section | None:
    """Build the section on a path over λ: the optima and the strategies' results as Pareto fronts,
    and the regret at every λ.
    """
    path = study.path
    plane = (
        f"{path.expression} on {path.plane.benchmark.name}: all cells (grey), their exact front"
        " (black), the optimum at each λ (rings), and the front that half of a strategy's runs"
        " reach or dominate with their answers at all λ."
    )
    regret = "Mean normalised regret at each λ and its bootstrap 95 % interval."
    curves = {name: _regrets(path, name) for name in path.strategies}
    panel = Panel("λ", "normalised regret", True, steps=False)
    pictures = [
        Picture("lambda-path", plane, partial(_draw_plane, study=study)),
        Picture(
            "lambda-path-regret", regret, partial(chart, curves, study.styles, panel)
        ),
    ]
    return Section("The path over λ", [Figures(pictures)])


def _draw_plane(width: float, study: Study) -> Canvas:
    path = study.path
    canvas = Canvas(width, 340)
    low = path.frame.utopia
    span = path.frame.span
    x = Scale(low[1] - 0.06 * span[1], low[1] + 1.1 * span[1], 44, width - 8)
    y = Scale(low[0] - 0.06 * span[0], low[0] + 1.1 * span[0], 300, 8)
    across, up = x.ticks(60.0), y.ticks(34.0)
    canvas.grid(x, y, across, up)
    for value, text in up:
        canvas.text(x.start - 6, y(value) + 4, text, align="right")
    for value, text in across:
        canvas.text(x(value), y.start + 16, text, align="center")
    canvas.text(x.end, y.start + 31, "R (medians over the space)", align="right")
    canvas.text(x.start + 6, y.end + 10, "L")
    _draw_density(canvas, path.points[:, 1], path.points[:, 0], x, y)
    canvas.line(_stairs(nondominated(path.points), x, y), colour="ink", width=1.3)
    for name, style in study.styles.items():
        if runs := path.traced(name):
            traced = attained(runs)
            with canvas.of(style, name):
                canvas.line(_stairs(traced, x, y), colour=style, width=2)
                for loss, cost in traced.tolist():
                    canvas.mark(x(cost), y(loss), style, 8)
    named: list[Values] = []
    for step, optimum in zip(path.steps, path.optima, strict=True):
        loss, cost = point = path.points[optimum]
        canvas.line(ring(x(cost), y(loss), 5), colour="ink", width=1.4)
        if not named or np.abs((point - named[-1]) / span).max() > _APART:
            canvas.text(
                x(cost) + 8, y(loss) - 6, step.problem.partition("-")[2], colour="ink"
            )
            named.append(point)
    return canvas


def _regrets(path: LambdaPath, name: str) -> Curve:
    steps = [(step.key, step.normalised_regrets(name)) for step in path.steps]
    values, samples = zip(
        *((value, regrets) for value, regrets in steps if len(regrets)),
        strict=True,
    )
    ends = np.array([interval(sample[:, None]) for sample in samples])[:, :, 0]
    return Curve(
        np.array(values),
        np.array([sample.mean() for sample in samples]),
        ends[:, 0],
        ends[:, 1],
    )
