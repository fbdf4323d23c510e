"""What the incumbent of a comparison's runs was worth, by score and by a final metric, over both clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from surrogate_nas.core.numbers import MISSED, clock, plural
from surrogate_nas.report.curves import (
    Curve,
    Panel,
    curve_over_cells,
    curve_over_cost,
    draw_curves,
    is_cut_off,
    reaches_zero,
)
from surrogate_nas.report.look import plain
from surrogate_nas.report.markup import Section, drawn, section
from surrogate_nas.report.picture import picture
from surrogate_nas.report.reading import (
    Anytime,
    Comparison,
    Run,
    Study,
    Values,
    final_questions,
    shared_cells,
    values_of,
)
from surrogate_nas.space import listed

_SIZE = (6.4, 4.0)
_LONGEST_LABEL = 60
_NONE = "no run found a feasible cell."
_Histories = dict[str, list[tuple[Anytime, Values]]]


class Drawing(NamedTuple):
    """A figure of curves before it is drawn."""

    name: str
    caption: str
    curves: dict[str, Curve]
    panel: Panel


@section(30, "comparison")
def anytime(study: Study) -> Section | None:
    """Regret, or score where regret is undefined."""
    return _section("Anytime performance", study, score_curves)


@section(40, "comparison")
def test(study: Study) -> Section | None:
    """The main final metric of the incumbent, which is chosen by score."""
    return _section("Test of the best-scoring cell", study, test_curves)


def _section(title: str, study: Study, of: Callable[[Comparison], list[Drawing] | str]) -> Section | None:
    if not study.comparison.strategies:
        return None
    told = of(study.comparison)
    if isinstance(told, str):
        return Section(title, [told])
    pictures = [
        picture(one.name, one.caption,
                partial(draw_curves, curves=one.curves, looks=study.looks, panel=one.panel), _SIZE)
        for one in told
    ]  # fmt: skip
    return Section(title, [drawn(pictures)])


def score_curves(comparison: Comparison) -> list[Drawing] | str:
    """The incumbent's regret, or score where regret is undefined, over both clocks."""
    histories = _Incumbents(comparison)
    if not histories.runs:
        return f"No curve of scores: {_NONE}"
    optimum = comparison.optimum
    offset = optimum or 0.0
    values = histories.showing(lambda _, history: history.score - offset)
    if comparison.objective.parts > 1:
        panel = Panel("", "share of the hypervolume missed (log scale)", True, rounding=comparison.rounding)
        return histories.two_clocks("score", f"{MISSED} by what was found", histories.until_feasible, values, panel)
    if optimum is None:
        what, y_label = "Score of the incumbent", "score of the incumbent"
    else:
        what, y_label = "Regret of the incumbent: its score minus the optimum of the space", "regret (log scale)"
    noise = None if optimum is None else comparison.noise
    panel = Panel("", y_label, optimum is not None, noise=noise, rounding=comparison.rounding)
    rule = histories.until_feasible
    if noise is not None:
        rule += (
            " Grey: a regret that the noise of training could make, as two cells that differ by less may be equal; "
            "the band ends at the standard deviation of the mean over a cell's seeds, the dotted line is that of "
            f"one seed (on average over the {plural(noise.cells, 'best cell')} with several seeds)."
        )
    return histories.two_clocks("score", what, rule, values, panel)


def test_curves(comparison: Comparison) -> list[Drawing] | str:
    """The main final metric of the incumbent over both clocks."""
    objective, benchmark = comparison.objective, comparison.objective.benchmark
    questions, histories = final_questions(objective), _Incumbents(comparison)
    if not questions:
        return f"{benchmark.name} holds no final (test) metric that no search saw, so nothing was held out."
    if not histories.runs:
        return f"No curve of a final metric: {_NONE}"
    question, metric = questions[0], benchmark.metric(questions[0].metric)
    values = histories.showing(
        lambda run, history: values_of(benchmark, question, [run.trials[i].cell for i in history.best])
    )
    if not all(len(curve_over_cells(runs).x) for runs in values.values()):
        return f"No curve of {question}: some strategy has no moment at which it is held of all its incumbents."
    what = (
        f"{question}{f' (split {metric.split})' if metric.split else ''} of the incumbent, the cell with the best "
        f"score so far, never the best {metric.name} so far"
    )
    rule = f"No strategy saw it; a better score can bring a worse test. {histories.until_feasible}"
    reference, over_space = None, objective.over_space() if objective.parts == 1 else None
    if over_space is not None and comparison.optimum is not None:
        best = listed(benchmark.space)[int(over_space.score.argmin())]
        reference = float(values_of(benchmark, question, [best])[0])
        rule += " Dashed grey: the cell of the optimal score."
    direction = "larger is better" if metric.larger_is_better else ""
    in_words = ", ".join(filter(None, [metric.unit, direction]))
    y_label = plain(f"{question} of the incumbent ({in_words})", _LONGEST_LABEL)
    panel = Panel("", y_label, False, 0.0, reference, "optimum of the score", metric.larger_is_better)
    return histories.two_clocks("test", what, rule, values, panel)


class _Incumbents:
    """The histories of all runs that found a feasible cell, and what is said of their curves."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self._feasible = {name: comparison.feasible_runs_of(name) for name in comparison.strategies}
        self.runs = {
            name: [(run, comparison.anytime(run)) for run in runs] for name, runs in self._feasible.items() if runs
        }

    @property
    def until_feasible(self) -> str:
        """What curves show of runs before they hold a feasible cell, in words."""
        if not self.comparison.objective.constraints:
            return ""
        rule = "A line starts when every run holds a feasible cell."
        none = sum(len(self.comparison.runs_of(name)) - len(runs) for name, runs in self._feasible.items())
        if none:
            rule += f" {plural(none, 'run')} that found none {'is' if none == 1 else 'are'} left out."
        return rule

    def showing(self, shown: Callable[[Run, Anytime], Values]) -> _Histories:
        """Every history with the value shown after each of its trials: NaN until it holds a feasible answer."""
        values: _Histories = {}
        for name, runs in self.runs.items():
            values[name] = []
            for run, history in runs:
                told = self.comparison.reported(run)
                held = np.isfinite(history.score) & np.array([told[i].feasible for i in history.best])
                values[name].append((history, np.where(held, shown(run, history), np.nan)))
        return values

    def two_clocks(self, name: str, what: str, rule: str, values: _Histories, panel: Panel) -> list[Drawing]:
        """Both figures; one where the benchmark counts queries."""
        shared, mean_of = shared_cells(self.comparison), self._mean_of
        same = " Shaded: the first cells, the same for all strategies of a run." if shared > 1 else ""
        over_cells = {strategy: curve_over_cells(runs) for strategy, runs in values.items()}
        cells = replace(panel, x_label="evaluated cells", shared_until=shared)
        caption = f"{what}, over evaluated cells. {mean_of}{same} {rule}"
        drawings = [_drawing(f"{name}-by-cells", caption, over_cells, cells)]
        if self.comparison.objective.benchmark.cost == "queries":
            return drawings
        longest = max(history.cost[-1] for runs in values.values() for history, _ in runs)
        divisor, unit = clock(longest)
        over_cost = {strategy: curve_over_cost(runs, divisor) for strategy, runs in values.items()}
        caption = (
            f"{what}, over simulated {unit} spent. {mean_of} Only finished trials count: a line starts when "
            "every run has finished one and ends with its strategy's longest run, until when shorter runs keep their "
            f"last value. {rule}"
        )
        cost = replace(panel, x_label=f"simulated {unit}")
        return [*drawings, _drawing(f"{name}-by-cost", caption, over_cost, cost)]

    @property
    def _mean_of(self) -> str:
        """What a curve's value and band are, in words."""
        counts = sorted({len(runs) for runs in self.runs.values()})
        if counts == [1]:
            return "One run per strategy, so there is no band and chance is not averaged out."
        n = plural(counts[0], "run") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} runs"
        return f"Line: mean over {n}; band: bootstrap 95 % interval of that mean."


def _drawing(name: str, caption: str, curves: dict[str, Curve], panel: Panel) -> Drawing:
    if panel.logarithmic and reaches_zero(curves.values(), panel):
        caption += " A line at the lower edge has found the optimum in every run."
    elif not panel.logarithmic and is_cut_off(curves.values(), panel):
        caption += " The steep start is cut off."
    return Drawing(name, caption, curves, panel)
