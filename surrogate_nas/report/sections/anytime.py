"""Score and final metric of the incumbent of a comparison's runs, over evaluated cells and over
time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from surrogate_nas.benchmarks.base import Benchmark, Question
from surrogate_nas.core.numbers import MISSED, clock, plural
from surrogate_nas.report.curves import (
    Curve,
    Panel,
    chart,
    curve_over_cells,
    curve_over_cost,
    is_cut_off,
)
from surrogate_nas.report.markup import Figures, Section, section
from surrogate_nas.report.picture import Picture
from surrogate_nas.report.reading import (
    Anytime,
    Run,
    Study,
    Values,
    final_questions,
    shared_cells,
    values_of,
)
from surrogate_nas.report.style import plain
from surrogate_nas.space import listed

_LONGEST_LABEL = 60
_Clock = Literal["cells", "cost"]


class Drawing(NamedTuple):
    """Curves before they are drawn."""

    name: str
    caption: str
    curves: dict[str, Curve]
    panel: Panel


@section(20, "comparison", "front")
def anytime(study: Study) -> Section | None:
    """Regret, or score where regret is undefined, over evaluated cells."""
    speed = None if study.result.verdict is None else study.result.verdict.speed
    title = "Regret over the budget"
    if speed is not None and speed.decided:
        title = f"{speed.leader} is the first near the optimum"
    return _half(title, study, score_curves)


@section(30, "comparison")
def test(study: Study) -> Section | None:
    """The main final metric of the incumbent, which is chosen by score."""
    return _half("Test metric of the best-scoring cell", study, test_curves)


@section(64, "comparison", "front")
def over_time(study: Study) -> Section | None:
    """Both over the simulated clock."""
    if not study.histories or study.comparison.objective.benchmark.cost == "queries":
        return None
    makers = (score_curves,) if study.result.kind == "front" else (score_curves, test_curves)
    drawings = [drawing for make in makers if isinstance(drawing := make(study, "cost"), Drawing)]
    return Section(
        "Over simulated time", [Figures([_picture(one, study) for one in drawings])], folded=True
    )


def _half(
    title: str,
    study: Study,
    of: Callable[[Study], Drawing | str],
) -> Section | None:
    if not study.histories:
        return None
    drawing = of(study)
    if isinstance(drawing, str):
        return Section(title, [drawing], folded=True)
    return Section(title, [Figures([_picture(drawing, study)])], half=True)


def _picture(one: Drawing, study: Study) -> Picture:
    curves = {name: one.curves[name] for name in study.result.standings if name in one.curves}
    return Picture(one.name, one.caption, partial(chart, curves, study.styles, one.panel))


def score_curves(study: Study, over: _Clock = "cells") -> Drawing | str:
    """The incumbent's regret, or score where regret is undefined."""
    comparison = study.comparison
    optimum = study.comparison.optimum
    values = _showing(study, lambda _, history: history.score - (optimum or 0.0))
    if comparison.objective.parts > 1:
        return _drawing(
            "score",
            f"{MISSED}; square-root scale",
            "",
            study,
            values,
            over,
            Panel("", "missed", True),
        )
    if optimum is None:
        return _drawing(
            "score",
            "Mean score of the best cell so far",
            "",
            study,
            values,
            over,
            Panel("", "score", False),
        )
    noise = None if comparison.noise is None else comparison.noise.mean_of_seeds
    rule = "" if noise is None else " Grey below: what training a good cell again would change."
    what = "Mean regret of the best cell so far; square-root scale"
    return _drawing(
        "score", what, rule, study, values, over, Panel("", "regret", True, noise=noise)
    )


def test_curves(study: Study, over: _Clock = "cells") -> Drawing | str:
    """The main final metric of the incumbent."""
    objective, benchmark = study.comparison.objective, study.comparison.objective.benchmark
    questions = final_questions(objective)
    if not questions:
        return f"{benchmark.name} has no final (test) metric that was hidden from the searches."
    question = questions[0]
    metric = benchmark.metric(questions[0].metric)
    if benchmark.is_dear(metric.name):
        return (
            f"No curve of {question}: your function computes it, and only the best cells are"
            " evaluated with it."
        )
    values = _showing(
        study,
        lambda run, history: _final_values(benchmark, question, run, history),
    )
    if not all(len(curve_over_cells(runs, band=False).x) for runs in values.values()):
        return (
            f"No curve of {question}: for some strategy there is no moment at which the benchmark"
            " has a value for the incumbents of all runs."
        )
    in_words = ", ".join(
        filter(None, [metric.unit, "larger is better" if metric.larger_is_better else ""])
    )
    split = f", split {metric.split}" if metric.split else ""
    what = (
        f"{question} of the cell with the best score so far ({in_words}{split}), not the best"
        f" {metric.name} so far"
    )
    rule = " No strategy saw it."
    reference = None
    over_space = objective.over_space()
    if over_space is not None and study.comparison.optimum is not None:
        best = listed(benchmark.space)[int(over_space.score.argmin())]
        reference = float(values_of(benchmark, question, [best])[0])
        rule += " Dotted: the cell of the optimal score."
    panel = Panel(
        "", plain(str(question), _LONGEST_LABEL), False, 0.0, reference, metric.larger_is_better
    )
    return _drawing("test", what, rule, study, values, over, panel)


def _final_values(benchmark: Benchmark, question: Question, run: Run, history: Anytime) -> Values:
    """A final metric of the best cell after each trial; NaN where all trainings failed until then,
    which are not trained again.
    """
    best = [run.trials[i] for i in history.best]
    is_known = np.array([not trial.failure for trial in best], dtype=bool)
    values = np.full(len(best), np.nan)
    if is_known.any():
        cells = [trial.cell for trial in best if not trial.failure]
        values[is_known] = values_of(benchmark, question, cells)
    return values


_Histories = dict[str, list[tuple[Anytime, Values]]]


def _showing(study: Study, shown: Callable[[Run, Anytime], Values]) -> _Histories:
    """Every history with the value shown after each of its trials: NaN until it holds a feasible
    answer.
    """
    values: _Histories = {}
    for name, runs in study.histories.items():
        values[name] = []
        for run, history in runs:
            reported = study.comparison.reported(run)
            has_answer = np.isfinite(history.score) & np.array(
                [reported[i].feasible for i in history.best]
            )
            values[name].append((history, np.where(has_answer, shown(run, history), np.nan)))
    return values


def _drawing(
    name: str,
    what: str,
    rule: str,
    study: Study,
    values: _Histories,
    over: _Clock,
    panel: Panel,
) -> Drawing:
    """Curves over a clock, with bands of the leader and of random search."""
    leader = next(iter(study.result.standings))
    panel = replace(panel, banded={leader, "random"})
    shared = shared_cells(study.comparison)
    if over == "cells":
        curves = {
            one: curve_over_cells(runs, band=one in {leader, "random"})
            for one, runs in values.items()
        }
        panel = replace(panel, x_label="cells", shared_until=shared)
        rule = (" Shaded: the first cells, the same for all." if shared > 1 else "") + rule
    else:
        longest = max(history.cost[-1] for runs in values.values() for history, _ in runs)
        divisor, unit = clock(longest)
        curves = {
            one: curve_over_cost(runs, divisor, band=one in {leader, "random"})
            for one, runs in values.items()
        }
        panel = replace(panel, x_label=unit)
        rule += (
            f" Over simulated {unit}: a line starts when every run has finished a trial, and a run"
            " that has ended keeps its value."
        )
    if not panel.root and is_cut_off(curves.values(), panel):
        rule += " The steep start is cut off."
    return Drawing(
        f"{name}-by-{over}",
        f"{what}. {_mean_of(study)}{rule}{_until_feasible(study)}",
        curves,
        panel,
    )


def _until_feasible(study: Study) -> str:
    """What curves show of runs before they hold a feasible cell, in words."""
    comparison = study.comparison
    if not comparison.objective.constraints:
        return ""
    none = sum(len(comparison.runs_of(name)) - len(runs) for name, runs in study.feasible.items())
    left_out = (
        f" {plural(none, 'run')} without a feasible cell {'is' if none == 1 else 'are'} left out."
        if none
        else ""
    )
    return f" A line starts when every run has found a feasible cell.{left_out}"


def _mean_of(study: Study) -> str:
    """What a curve's value and band are, in words."""
    if {len(runs) for runs in study.histories.values()} == {1}:
        return "One run per strategy, so there are no bands, and chance is not averaged out."
    return "Bands: 95 % intervals of the leader and of random search."
