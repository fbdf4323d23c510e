"""One picture of all strategies: final regret over all problems and on each problem, time to the
optimum, and the verdict.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from surrogate_nas.core import NOTHING, fixed
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
_WIDEST = (
    1.6  # normalised regrets above are drawn at the edge of a panel of one problem
)


@dataclass(frozen=True)
class Spot:
    """The final regret of a strategy: the mean over runs with its interval, and the value of each
    run.
    """

    mean: float
    low: float
    high: float
    runs: Values


@dataclass(frozen=True)
class Entry:
    """A strategy's row of the picture: its result over all problems and on each problem, the cost
    of each run to reach the target, and the number of runs that found the optimum.

    The cost is infinite for a run that does not reach the target. The array of costs is empty if
    the optimum is not available.
    """

    name: str
    style: Style
    over_all: Spot
    on: Sequence[Spot]
    spent: Values
    found: int


@dataclass(frozen=True)
class Ranking:
    """The content of the picture of final regrets. Regrets are normalised if there are several
    problems. For a single problem, regrets are in units of the score.
    """

    entries: Sequence[Entry]
    problems: Sequence[ProblemResult]
    unit: float
    tied: Sequence[str]
    several: bool
    front: bool

    @property
    def timed(self) -> bool:
        """Whether the costs of runs to reach the target are available."""
        return len(self.entries[0].spent) > 0


@section(10, "suite", "comparison", "front")
def ranking(study: Study) -> Section | None:
    """Build the section with the picture of final regrets, one row per strategy and the leader
    first.
    """
    ranking = ranking_of(study)
    if ranking is None:
        return None
    width = WIDE if ranking.several else HALF
    picture = Picture(
        "ranking", _caption(ranking), partial(_draw, ranking=ranking), width
    )
    return Section(
        _heading(study, ranking),
        [Figures([picture], below=True)],
        half=not ranking.several,
    )


def ranking_of(study: Study) -> Ranking | None:
    """Return the content of the picture, with the strategies in the order of the verdict. Return
    None if no strategy has a finished run.
    """
    problems = study.result.problems
    order = list(study.result.standings)
    if not order or all(
        t.found_nothing for p in problems for name in order for t in p.traces[name]
    ):
        return None
    several = study.result.kind == "suite"
    unit = 1.0 if several else problems[0].reference.scale
    runs = [{name: p.at(name) * unit for name in order} for p in problems]
    drawn = [
        resampled_means(i, {name: values[:, None] for name, values in by_name.items()})
        for i, by_name in enumerate(runs)
    ]
    timed = [problem for problem in problems if problem.reference.exact]
    entries = []
    for k, name in enumerate(order):
        means = [sample[k, :, 0] for sample in drawn]
        on = [
            _spot(float(values[name].mean()), drawn_means, values[name])
            for values, drawn_means in zip(runs, means, strict=True)
        ]
        over_all = on[0]
        if several:
            mean = float(np.mean([spot.mean for spot in on]))
            over_all = _spot(mean, np.mean(means, axis=0), np.empty(0))
        spent = [
            p.runtimes(name, TARGET) / (p.checkpoints[-1] if several else 1.0)
            for p in timed
        ]
        found = sum(int(np.isfinite(p.runtimes(name, 0.0)).sum()) for p in timed)
        style = study.styles[name]
        entries.append(
            Entry(
                name, style, over_all, on, np.concatenate([np.empty(0), *spent]), found
            )
        )
    verdict = study.result.verdict
    end = None if verdict is None else verdict.end
    tied = order[:1] if end is None else end.leaders
    return Ranking(entries, problems, unit, tied, several, study.result.kind == "front")


def _spot(mean: float, means: Values, runs: Values) -> Spot:
    low, high = ends(means)
    return Spot(mean, float(low), float(high), runs)


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
        "the optimum"
        if exact
        else "the best score of all runs (the optimum is unknown)"
    )
    has_noise = any(problem.noise is not None for problem in ranking.problems)
    traces = [
        t for p in ranking.problems for e in ranking.entries for t in p.traces[e.name]
    ]
    parts = (
        (front, "The missed share of the front’s hypervolume"),
        (
            several and not front,
            "Mean regret; 0: the optimum, 1: the expected regret of random sampling",
        ),
        (not several and not front, f"Score above {above}"),
        (True, ". Mark and bar: mean and 95 % bootstrap interval; ticks: runs"),
        (several, ", at the edge if they lie beyond it"),
        (has_noise, "; grey: the effect of retraining a cell"),
        (exact and not front and not several, "; dotted: random sampling"),
        (True, "."),
        (
            len(ranking.tied) > 1,
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
    longest = max(text_width(plain(e.name, _LONGEST), 13.6) for e in ranking.entries)
    # room for what stands above bars
    names = max(26 + min(longest, 150.0 if slim else 178.0), 114.0)
    last = max(
        i for i, entry in enumerate(ranking.entries) if entry.name in ranking.tied
    )
    left = names + (17 if last else 10)
    below = _below(ranking, slim)
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
    _draw_panel(canvas, ranking, None, left, right, _HEAD, row)
    _draw_numbers(canvas, ranking, row, right, slim)
    if ranking.several and not slim:
        if last + 1 < n:
            below_bar = _HEAD + row * (last + 1)
            canvas.line([(0, below_bar), (width, below_bar)], colour="axis")
        if ranking.timed:
            _draw_target(canvas, ranking, right + 120, width - 84, _HEAD, row)
    pitch = (width + 18) / columns
    for i, panel in enumerate(below):
        x = pitch * (i % columns)
        top = high + 18 + (small + 18) * (i // columns) + _HEAD
        for number, entry in enumerate(ranking.entries):
            with canvas.of(entry.style, entry.name):
                canvas.mark(x + 6, top + _ROW_SMALL * (number + 0.5), entry.style, 8.5)
        start, end = x + 20, x + pitch - 31
        if panel is None:
            _draw_target(canvas, ranking, start, end, top, _ROW_SMALL)
        else:
            _draw_panel(canvas, ranking, panel, start, end, top, _ROW_SMALL)
    return canvas


def _below(ranking: Ranking, slim: bool) -> list[int | None]:
    """Return the small panels: one per problem if there are several, and None for the cost to reach
    the target.
    """
    if not ranking.several:
        return []
    n_problems = len(ranking.problems)
    spent = [None] if ranking.timed and slim else []
    return [*(range(n_problems) if n_problems > 1 else ()), *spent]


def _draw_names(
    canvas: Canvas, ranking: Ranking, row: float, x: float, last: int
) -> None:
    for i, entry in enumerate(ranking.entries):
        y = _HEAD + row * (i + 0.5)
        with canvas.of(entry.style, f"{entry.name}: click to hide or show", pick=True):
            canvas.rectangle(0, y - row / 2 + 1, x, y + row / 2 - 1, "paper")
            canvas.mark(8, y, entry.style, 12)
            canvas.text(
                22,
                y + 4.5,
                plain(entry.name, _LONGEST),
                size=13,
                colour="ink",
                bold=True,
            )
    if not last:
        return
    at = x + 6
    # thin beside rows that it does not join
    canvas.line(
        [(at, _HEAD + 5), (at, _HEAD + row * (last + 1) - 5)], colour="axis", width=1
    )
    members = [
        i for i, entry in enumerate(ranking.entries) if entry.name in ranking.tied
    ]
    canvas.line(
        *(
            [(at, _HEAD + row * i + 5), (at, _HEAD + row * (i + 1) - 5)]
            for i in members
        ),
        colour="ink",
        width=2,
    )
    canvas.text(x + 10, _HEAD - 10, "joined: not decided", align="right")


def _edge(ranking: Ranking, panel: int | None) -> float:
    if panel is not None:
        highest = max(float(entry.on[panel].runs.max()) for entry in ranking.entries)
        return min(max(1.04 * highest, 1.1), _WIDEST)
    highest = max(entry.over_all.high for entry in ranking.entries)
    if ranking.several:
        return max(1.05, 1.04 * highest)
    runs = np.concatenate([entry.over_all.runs for entry in ranking.entries])
    return 1.04 * max(highest, float(np.quantile(runs, 0.97))) or 1.0


def _draw_panel(
    canvas: Canvas,
    ranking: Ranking,
    panel: int | None,
    left: float,
    right: float,
    top: float,
    row: float,
) -> None:
    """Plot one row per strategy: runs as ticks, the interval as a bar, the mean as the mark. A
    panel of one of several problems has only the last two.
    """
    slim = canvas.width <= SLIM
    scale = Scale(0.0, _edge(ranking, panel), left, right)
    bottom = top + row * len(ranking.entries)
    problem = ranking.problems[panel or 0]
    noise = None if panel is None and ranking.several else problem.noise
    sub = "" if noise is None else "grey: seed noise"
    if panel is not None:
        what = "missed" if ranking.front else "final regret"
        sub = what if slim or not sub else f"{what}; {sub}"
        title = plain(problem.name, int((right - left + 33) / _TITLE_CHARACTER))
    else:
        every = ", all problems" if len(ranking.problems) > 1 and not slim else ""
        title = "Hypervolume missed" if ranking.front else f"Final regret{every}"
        if ranking.several:
            sub = "0 optimum, 1 random" if slim else "0 optimum, 1 random sampling"
    unit = ranking.unit
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
    canvas.text(left, top - 24, title, size=12, colour="ink", bold=True)
    canvas.text(left, top - 10, sub)
    for i, entry in enumerate(ranking.entries):
        spot = entry.over_all if panel is None else entry.on[panel]
        has_ticks = panel is None and not ranking.several
        y = top + row * (i + 0.5) + (2.5 if has_ticks else 0)
        label = f"{entry.name}: {_number(spot.mean, ranking)}"
        if spot.low < spot.high:
            label += f" ({_number(spot.low, ranking)} to {_number(spot.high, ranking)})"
        with canvas.of(entry.style, label):
            if has_ticks:
                at = map(scale, spot.runs.tolist())
                _draw_ticks(canvas, at, y - min(row / 2.4, 11), entry.style)
            canvas.line(
                [(scale(spot.low), y), (scale(spot.high), y)],
                colour=entry.style,
                width=3,
                opacity=0.55,
            )
            canvas.mark(
                scale(spot.mean), y, entry.style, 11.0 if panel is None else 8.5
            )


def _draw_ticks(
    canvas: Canvas, positions: Iterable[float], y: float, style: Style
) -> None:
    counts = Counter(round(position * 2) / 2 for position in positions)
    for several, opacity in ((False, 0.55), (True, 1.0)):
        at = sorted(x for x, n in counts.items() if (n > 1) == several)
        canvas.line(
            *([(x, y), (x, y + 4)] for x in at),
            colour=style,
            width=1.4,
            opacity=opacity,
        )


def _number(value: float, ranking: Ranking) -> str:
    number = fixed(value, 2) if ranking.several else f"{value:.3g}"
    return f"{100 * value:.1f} %" if ranking.front else number


def _draw_numbers(
    canvas: Canvas, ranking: Ranking, row: float, x: float, slim: bool
) -> None:
    """Add columns of numbers: the mean, or for one problem how often the optimum was found and how
    soon.
    """
    if ranking.several or not ranking.timed:
        columns = [
            ("", "", [_number(e.over_all.mean, ranking) for e in ranking.entries])
        ]
    else:
        columns = [
            ("found", "", [f"{e.found}/{len(e.spent)}" for e in ranking.entries])
        ]
        if not slim:
            spent = [float(np.median(entry.spent)) for entry in ranking.entries]
            texts = [
                f"{value:,.0f}" if np.isfinite(value) else NOTHING for value in spent
            ]
            columns.append((f"{ranking.problems[0].unit} to it", "within 1 %", texts))
    for i, (head, sub, texts) in enumerate(columns):
        at = x + (44 if slim else 46) + 82 * i
        canvas.text(at, _HEAD - 24 if sub else _HEAD - 10, head, align="right")
        canvas.text(at, _HEAD - 10, sub, align="right")
        for number, (entry, text) in enumerate(
            zip(ranking.entries, texts, strict=True)
        ):
            y = _HEAD + row * (number + 0.5) + 4.5
            with canvas.of(entry.style):
                canvas.text(at, y, text, size=13, align="right", colour="ink")


def _draw_target(
    canvas: Canvas, ranking: Ranking, left: float, right: float, top: float, row: float
) -> None:
    """Plot the quartiles of a strategy's cost to come near the optimum, as shares of the budget."""
    scale = Scale(0.0, 1.0, left, right, "root")
    numbers = row > _ROW_SMALL
    bottom = top + row * len(ranking.entries)
    shares = (0.0, 0.1, 0.5, 1.0) if right - left > 90 else (0.0, 0.25, 1.0)
    canvas.line(*([(scale(v), top), (scale(v), bottom)] for v in shares), colour="line")
    canvas.text(left, top - 24, "Budget needed", size=12, colour="ink", bold=True)
    canvas.text(
        left, top - 10, "to the optimum, within 1 %" if numbers else "%, to within 1 %"
    )
    for share in shares:
        text = f"{100 * share:g}" + (" %" if numbers and share == 1 else "")
        canvas.text(scale(share), bottom + 16, text, align="center")
    for i, entry in enumerate(ranking.entries):
        y = top + row * (i + 0.5)
        quartiles = np.quantile(entry.spent, (0.25, 0.75), method="inverted_cdf")
        low, high = quartiles.tolist()
        middle = float(np.median(entry.spent))
        n = len(entry.spent)
        reached = int(np.isfinite(entry.spent).sum())
        label = f"{entry.name}: {reached} of {n} runs come within 1 %"
        with canvas.of(entry.style, label):
            if np.isfinite(low):
                canvas.line(
                    [(scale(low), y), (scale(min(high, 1.0)), y)],
                    colour=entry.style,
                    width=2,
                    opacity=0.6,
                )
            known = bool(np.isfinite(middle))
            if known:
                canvas.mark(scale(middle), y, entry.style, 8.5)
            if numbers:
                text = f"{100 * middle:.0f} %"
                if not known:
                    text = f"{100 * reached / n:.0f} % get there"
                canvas.text(
                    canvas.width,
                    y + 4.5,
                    text,
                    size=13 if known else 11,
                    align="right",
                    colour="ink" if known else "quiet",
                )
