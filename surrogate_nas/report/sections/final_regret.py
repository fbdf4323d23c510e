"""All strategies in one picture: final regrets, on each problem too, time to the optimum, and the
verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from surrogate_nas.core.numbers import NOTHING, fixed
from surrogate_nas.report.markup import Figures, Section, section
from surrogate_nas.report.picture import (
    HALF,
    SLIM,
    WIDE,
    Canvas,
    Picture,
    Scale,
    text_width,
)
from surrogate_nas.report.reading import (
    TARGET,
    ProblemResult,
    Study,
    Values,
    ends,
    joined,
    resampled_means,
)
from surrogate_nas.report.style import Style, plain

_HEAD = 38.0
_FOOT = 26.0  # pixels above and below rows
_ROW_SMALL = 17.0  # of a panel without names
_TITLE_CHARACTER = 6.9  # pixels of a character of a panel's title, on average
_LONGEST = 22
_WIDEST = 1.6  # normalised regrets above are drawn at the edge of a panel of one problem


@dataclass(frozen=True)
class Spot:
    """Where a strategy ends: the mean over runs with its interval, and each run."""

    mean: float
    low: float
    high: float
    runs: Values


@dataclass(frozen=True)
class Entry:
    """A strategy of the picture: over all problems, on each, what it spends until the target, how
    often it is there.

    What is spent is the quartiles, infinite where so many runs never were there; empty where no
    optimum is known.
    """

    name: str
    style: Style
    over_all: Spot
    on: Sequence[Spot]
    spent: tuple[float, float, float] | tuple[()]
    found: int
    reached: int
    runs: int
    alike: tuple[str, ...]


@dataclass(frozen=True)
class Ranking:
    """What the picture shows; regrets are normalised where there are several problems, else in
    units of the score.
    """

    entries: Sequence[Entry]
    problems: Sequence[ProblemResult]
    units: Sequence[float]
    several: bool
    front: bool

    @property
    def timed(self) -> bool:
        """Whether it is known what strategies spend until the target."""
        return bool(self.entries[0].spent)


@section(10, "suite", "comparison", "front")
def ranking(study: Study) -> Section | None:
    """Every strategy in a row, the leader first."""
    ranking = ranking_of(study)
    if ranking is None:
        return None
    width = WIDE if ranking.several else HALF
    picture = Picture("ranking", _caption(ranking), partial(_draw, ranking=ranking), width)
    return Section(
        _heading(study, ranking), [Figures([picture], below=True)], half=not ranking.several
    )


def ranking_of(study: Study) -> Ranking | None:
    """The strategies in the order of the verdict's procedure; None where none has a finished
    run.
    """
    problems = study.result.problems
    order = study.result.standings
    if not order or all(
        t.found_nothing for p in problems for name in order for t in p.traces[name]
    ):
        return None
    several = study.result.kind == "suite"
    units = [1.0 if several else problem.reference.scale for problem in problems]
    drawn = [
        dict(
            zip(
                order,
                resampled_means(i, {name: p.at(name)[:, None] * unit for name in order})[
                    :, :, 0
                ],
                strict=True,
            )
        )
        for i, (p, unit) in enumerate(zip(problems, units, strict=True))
    ]
    timed = [problem for problem in problems if problem.reference.exact]
    entries = []
    end = None if study.result.verdict is None else study.result.verdict.end
    for name in order:
        is_leader = end is not None and name == end.leader
        open_with = end.leaders[1:] if end is not None and is_leader else ()
        on = []
        for problem, unit, means in zip(problems, units, drawn, strict=True):
            runs = problem.at(name) * unit
            low, high = ends(means[name])
            on.append(Spot(float(runs.mean()), float(low), float(high), runs))
        low, high = ends(np.mean([means[name] for means in drawn], axis=0))
        over_all = Spot(
            float(np.mean([spot.mean for spot in on])),
            float(low),
            float(high),
            np.empty(0) if several else on[0].runs,
        )
        entries.append(
            Entry(
                name,
                study.styles[name],
                over_all,
                on,
                *_spent(timed, name, several),
                open_with,
            )
        )
    return Ranking(entries, problems, units, several, study.result.kind == "front")


def _spent(
    problems: Sequence[ProblemResult], name: str, several: bool
) -> tuple[tuple[float, float, float] | tuple[()], int, int, int]:
    """Quartiles of what runs spend until the target; how many find the optimum, reach the target,
    and are there.
    """
    if not problems:
        return (), 0, 0, 0
    spent = np.concatenate(
        [
            p.runtimes(name, TARGET) / (p.checkpoints[-1] if several else 1.0)
            for p in problems
        ]
    )
    n_found = sum(int(np.isfinite(p.runtimes(name, 0.0)).sum()) for p in problems)
    low, high = (
        float(np.quantile(spent, share, method="inverted_cdf")) for share in (0.25, 0.75)
    )
    return (
        (low, float(np.median(spent)), high),
        n_found,
        int(np.isfinite(spent).sum()),
        len(spent),
    )


def _heading(study: Study, ranking: Ranking) -> str:
    end = None if study.result.verdict is None else study.result.verdict.end
    what = "Hypervolume missed" if ranking.front else "Final regret"
    if end is None or not end.rivals:
        return what
    if not end.open:
        best = joined([end.leader, *end.same])
        if ranking.front:
            return f"{best} {'come' if end.same else 'comes'} nearest to the front"
        return f"{best} {'end' if end.same else 'ends'} best"
    return f"It is undecided which of {len(end.leaders)} strategies is best"


def _caption(ranking: Ranking) -> str:
    front, several = ranking.front, ranking.several
    exact = all(problem.reference.exact for problem in ranking.problems)
    above = (
        "the optimum" if exact else "the best score of all runs (the optimum is unknown)"
    )
    has_noise = any(problem.noise is not None for problem in ranking.problems)
    traces = [
        t for p in ranking.problems for e in ranking.entries for t in p.traces[e.name]
    ]
    parts = (
        (front, "The share of the front’s hypervolume that is missed"),
        (
            several and not front,
            "Mean regret; 0: the optimum, 1: the expected regret of random sampling",
        ),
        (not several and not front, f"Score above {above}"),
        (True, ". Mark and bar: mean and 95 % bootstrap interval; ticks: runs"),
        (several, ", drawn at the edge if they lie beyond it"),
        (has_noise, "; grey: the effect of retraining a cell"),
        (exact and not front and not several, "; dotted: random sampling"),
        (True, "."),
        (
            any(entry.alike for entry in ranking.entries),
            " The vertical bar joins the leader with the strategies that are not significantly"
            " worse.",
        ),
        (
            any(trace.failure or trace.found_nothing for trace in traces),
            " A run that failed or found no feasible cell counts as one random feasible cell.",
        ),
    )
    return "".join(text for holds, text in parts if holds)


def _draw(width: float, ranking: Ranking) -> Canvas:
    slim = width <= SLIM
    n = len(ranking.entries)
    row = 36.0 if slim else 30.0 if n <= 10 else 22.0  # many strategies stand closer
    names = 26 + min(
        max(text_width(plain(e.name, _LONGEST), 13.6) for e in ranking.entries),
        178.0 if not slim else 150.0,
    )
    names = max(names, 114.0)  # room for what stands above bars
    tied = {ranking.entries[0].name, *ranking.entries[0].alike}
    last = max(i for i, entry in enumerate(ranking.entries) if entry.name in tied)
    left = names + (17 if last else 10)
    below: list[int | None] = []
    if ranking.several and len(ranking.problems) > 1:
        below += range(len(ranking.problems))
    if ranking.several and ranking.timed and slim:
        below.append(None)
    columns = 2 if slim else 6
    high = _HEAD + row * n + _FOOT
    small = _HEAD + _ROW_SMALL * n + _FOOT
    canvas = Canvas(width, high + (small + 18) * -(-len(below) // columns))
    if slim:
        right = width - 44
    elif ranking.several:
        right = left + 420
    else:
        right = width - (132 if ranking.timed else 56)
    _draw_names(canvas, ranking, row, names, last)
    every = ", all problems" if len(ranking.problems) > 1 and not slim else ""
    title = "Hypervolume missed" if ranking.front else f"Final regret{every}"
    noise = None if ranking.several else ranking.problems[0].noise
    sub = _grey(ranking.problems[0])
    if ranking.several:
        sub = "0 optimum, 1 random" if slim else "0 optimum, 1 random sampling"
    _draw_panel(
        canvas,
        Scale(0.0, _edge(ranking), left, right),
        _HEAD,
        row,
        [e.over_all for e in ranking.entries],
        ranking,
        noise,
        title,
        sub,
    )
    _draw_numbers(canvas, ranking, row, right, slim)
    if ranking.several and not slim:
        if last + 1 < n:
            below_bar = _HEAD + row * (last + 1)
            canvas.line([(0, below_bar), (width, below_bar)], colour="axis")
    if ranking.several and not slim and ranking.timed:
        _draw_target(
            canvas,
            ranking,
            Scale(0.0, 1.0, right + 120, width - 84, "root"),
            row,
            numbers=True,
        )
    for i, panel in enumerate(below):
        x = (width + 18) / columns * (i % columns)
        y = high + 18 + (small + 18) * (i // columns)
        _draw_small(canvas, ranking, panel, x, y, (width + 18) / columns - 18)
    return canvas


def _draw_names(canvas: Canvas, ranking: Ranking, row: float, x: float, last: int) -> None:
    for i, entry in enumerate(ranking.entries):
        y = _HEAD + row * (i + 0.5)
        with canvas.of(entry.style, f"{entry.name}: click to hide or show", pick=True):
            canvas.rectangle(0, y - row / 2 + 1, x, y + row / 2 - 1, "paper")
            canvas.mark(8, y, entry.style, 12)
            canvas.text(
                22, y + 4.5, plain(entry.name, _LONGEST), size=13, colour="ink", bold=True
            )
    if not last:
        return
    at = x + 6
    joined = {ranking.entries[0].name, *ranking.entries[0].alike}
    # thin beside rows that it does not join
    canvas.line(
        [(at, _HEAD + 5), (at, _HEAD + row * (last + 1) - 5)], colour="axis", width=1
    )
    members = [i for i, entry in enumerate(ranking.entries) if entry.name in joined]
    canvas.line(
        *([(at, _HEAD + row * i + 5), (at, _HEAD + row * (i + 1) - 5)] for i in members),
        colour="ink",
        width=2,
    )
    canvas.text(x + 10, _HEAD - 10, "joined: not decided", align="right")


def _grey(problem: ProblemResult) -> str:
    return "" if problem.noise is None else "grey: seed noise"


def _edge(ranking: Ranking) -> float:
    highest = max(entry.over_all.high for entry in ranking.entries)
    if ranking.several:
        return max(1.05, 1.04 * highest)
    runs = np.concatenate([entry.over_all.runs for entry in ranking.entries])
    return 1.04 * max(highest, float(np.quantile(runs, 0.97))) or 1.0


def _draw_panel(
    canvas: Canvas,
    scale: Scale,
    top: float,
    row: float,
    spots: Sequence[Spot],
    ranking: Ranking,
    noise: float | None,
    title: str,
    sub: str,
    *,
    size: float = 11.0,
) -> None:
    """A row a strategy: runs as ticks, the interval as a bar, the mean as the mark."""
    bottom = top + row * len(spots)
    unit = 1.0 if ranking.several else ranking.units[0]
    if noise is not None:
        canvas.rectangle(scale(0), top, scale(noise * unit), bottom, "soft")
    ticks = scale.ticks(38.0)
    canvas.line(
        *([(scale(v), top), (scale(v), bottom)] for v, _ in ticks if v), colour="line"
    )
    canvas.line([(scale(0), top), (scale(0), bottom)], colour="axis", width=1.4)
    if not ranking.front and scale.high >= unit and ranking.problems[0].reference.exact:
        canvas.line(
            [(scale(unit), top), (scale(unit), bottom)],
            colour="axis",
            width=1.2,
            dash=(2.0, 3.0),
        )
    for value, text in ticks:
        shown = f"{100 * value:g} %" if ranking.front else text
        canvas.text(scale(value), bottom + 16, shown, align="center")
    canvas.text(scale.start, top - 24, title, size=12, colour="ink", bold=True)
    canvas.text(scale.start, top - 10, sub)
    for i, (entry, spot) in enumerate(zip(ranking.entries, spots, strict=True)):
        y = top + row * (i + 0.5) + (2.5 if len(spot.runs) else 0)
        label = f"{entry.name}: {_number(spot.mean, ranking)}"
        if spot.low < spot.high:
            label += f" ({_number(spot.low, ranking)} to {_number(spot.high, ranking)})"
        with canvas.of(entry.style, label):
            _draw_ticks(
                canvas,
                [scale(value) for value in spot.runs.tolist()],
                y - min(row / 2.4, 11),
                entry.style,
            )
            canvas.line(
                [(scale(spot.low), y), (scale(spot.high), y)],
                colour=entry.style,
                width=3,
                opacity=0.55,
            )
            canvas.mark(scale(spot.mean), y, entry.style, size)


def _draw_ticks(canvas: Canvas, positions: Sequence[float], y: float, style: Style) -> None:
    counts = Counter(round(position * 2) / 2 for position in positions)
    for several, opacity in ((False, 0.55), (True, 1.0)):
        at = sorted(x for x, n in counts.items() if (n > 1) == several)
        canvas.line(
            *([(x, y), (x, y + 4)] for x in at), colour=style, width=1.4, opacity=opacity
        )


def _number(value: float, ranking: Ranking) -> str:
    number = fixed(value, 2) if ranking.several else f"{value:.3g}"
    return f"{100 * value:.1f} %" if ranking.front else number


def _draw_numbers(
    canvas: Canvas, ranking: Ranking, row: float, x: float, slim: bool
) -> None:
    """Columns of numbers: the mean, or of one problem how often the optimum was found, and how
    soon.
    """
    if ranking.several or not ranking.timed:
        columns = [("", "", [_number(e.over_all.mean, ranking) for e in ranking.entries])]
    else:
        columns = [("found", "", [f"{e.found}/{e.runs}" for e in ranking.entries])]
        if not slim:
            spent = [e.spent[1] if e.spent else np.inf for e in ranking.entries]
            texts = [f"{value:,.0f}" if np.isfinite(value) else NOTHING for value in spent]
            columns.append((f"{ranking.problems[0].unit} to it", "within 1 %", texts))
    for i, (head, sub, texts) in enumerate(columns):
        at = x + (44 if slim else 46) + 82 * i
        canvas.text(at, _HEAD - 24 if sub else _HEAD - 10, head, align="right")
        canvas.text(at, _HEAD - 10, sub, align="right")
        for number, (entry, text) in enumerate(zip(ranking.entries, texts, strict=True)):
            with canvas.of(entry.style):
                canvas.text(
                    at,
                    _HEAD + row * (number + 0.5) + 4.5,
                    text,
                    size=13,
                    align="right",
                    colour="ink",
                )


def _edge_of(ranking: Ranking, i: int) -> float:
    highest = max(float(entry.on[i].runs.max()) for entry in ranking.entries)
    return min(max(1.04 * highest, 1.1), _WIDEST)


def _draw_target(
    canvas: Canvas,
    ranking: Ranking,
    scale: Scale,
    row: float,
    top: float = _HEAD,
    *,
    numbers: bool,
) -> None:
    """The quartiles of what a strategy spends until it is near the optimum, as shares of the
    budget.
    """
    bottom = top + row * len(ranking.entries)
    shares = (0.0, 0.1, 0.5, 1.0) if scale.end - scale.start > 90 else (0.0, 0.25, 1.0)
    canvas.line(*([(scale(v), top), (scale(v), bottom)] for v in shares), colour="line")
    canvas.text(scale.start, top - 24, "Budget needed", size=12, colour="ink", bold=True)
    canvas.text(
        scale.start,
        top - 10,
        "to the optimum, within 1 %" if numbers else "%, to within 1 %",
    )
    for share in shares:
        canvas.text(
            scale(share),
            bottom + 16,
            f"{100 * share:g}" + (" %" if numbers and share == 1 else ""),
            align="center",
        )
    for i, entry in enumerate(ranking.entries):
        if not entry.spent:
            continue
        y, (low, middle, high) = top + row * (i + 0.5), entry.spent
        label = f"{entry.name}: {entry.reached} of {entry.runs} runs come within 1 %"
        with canvas.of(entry.style, label):
            if np.isfinite(low):
                canvas.line(
                    [(scale(low), y), (scale(min(high, 1.0)), y)],
                    colour=entry.style,
                    width=2,
                    opacity=0.6,
                )
            if np.isfinite(middle):
                canvas.mark(scale(middle), y, entry.style, 8.5)
            if numbers:
                known = bool(np.isfinite(middle))
                text = (
                    f"{100 * middle:.0f} %"
                    if known
                    else f"{100 * entry.reached / entry.runs:.0f} % get there"
                )
                canvas.text(
                    canvas.width,
                    y + 4.5,
                    text,
                    size=13 if known else 11,
                    align="right",
                    colour="ink" if known else "quiet",
                )


def _draw_small(
    canvas: Canvas, ranking: Ranking, panel: int | None, x: float, top: float, width: float
) -> None:
    first = top + _HEAD
    for i, entry in enumerate(ranking.entries):
        with canvas.of(entry.style, entry.name):
            canvas.mark(x + 6, first + _ROW_SMALL * (i + 0.5), entry.style, 8.5)
    start = x + 20
    end = x + width - 13
    if panel is None:
        _draw_target(
            canvas,
            ranking,
            Scale(0.0, 1.0, start, end, "root"),
            _ROW_SMALL,
            first,
            numbers=False,
        )
        return
    problem = ranking.problems[panel]
    spots = [
        Spot(e.on[panel].mean, e.on[panel].low, e.on[panel].high, np.empty(0))
        for e in ranking.entries
    ]
    _draw_panel(
        canvas,
        Scale(0.0, _edge_of(ranking, panel), start, end),
        first,
        _ROW_SMALL,
        spots,
        ranking,
        problem.noise,
        plain(problem.name, int(width / _TITLE_CHARACTER)),
        _grey(problem),
        size=8.5,
    )
