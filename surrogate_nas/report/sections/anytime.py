"""Curves over the budget: the score and the final metric of the incumbents of a comparison, and the
mean regret of the strategies of a suite.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from surrogate_nas.benchmarks.base import Benchmark, Question
from surrogate_nas.core import MISSED, clock, plural
from surrogate_nas.report.curves import (
    Curve,
    Panel,
    chart,
    curve_over_cells,
    curve_over_cost,
    limits,
)
from surrogate_nas.report.markup import Figures, Section, folded, section
from surrogate_nas.report.picture import Picture
from surrogate_nas.report.reading import (
    Anytime,
    Run,
    Study,
    Values,
    ends,
    final_questions,
    resampled_means,
    shared_cells,
    values_of,
)
from surrogate_nas.report.style import plain
from surrogate_nas.space import listed

_LONGEST_LABEL = 60
_STEPS = 100
_Clock = Literal["cells", "cost"]


@section(20, "comparison", "front")
def anytime(study: Study) -> Section | None:
    """Build the section on regret (or score if regret is undefined) over evaluated cells."""
    speed = None if study.result.verdict is None else study.result.verdict.speed
    title = "Regret over the budget"
    if speed is not None and speed.decided:
        title = f"{speed.leader} is the first near the optimum"
    if not study.histories:
        return None
    return Section(title, [Figures([score_curves(study)])], half=True)


@section(30, "comparison")
def test(study: Study) -> Section | None:
    """Build the section on the main final (test) metric of the incumbent, which is chosen by its
    score.
    """
    if not study.histories:
        return None
    title = "Test metric of the best-scoring cell"
    picture = test_curves(study)
    if isinstance(picture, str):
        return folded(title, picture)
    return Section(title, [Figures([picture], wide=True)])


@section(64, "comparison", "front")
def over_time(study: Study) -> Section | None:
    """Build the section with the score and the final metric of the incumbent over simulated
    time.
    """
    if (
        not study.histories
        or study.comparison.objective.benchmark.cost_unit == "queries"
    ):
        return None
    makers = (
        (score_curves,) if study.result.kind == "front" else (score_curves, test_curves)
    )
    drawn = [
        picture
        for make in makers
        if isinstance(picture := make(study, "cost"), Picture)
    ]
    return folded("Over simulated time", Figures(drawn))


def score_curves(study: Study, over: _Clock = "cells") -> Picture:
    """Plot the incumbent's regret, or its score if regret is undefined."""
    comparison = study.comparison
    optimum = study.comparison.optimum
    reference = study.comparison.problem_result.reference
    scale = 1.0 if optimum is None else reference.scale
    values = _showing(
        study, lambda _, history: (history.score - (optimum or 0.0)) / scale
    )
    noise = None
    if comparison.noise is not None:
        noise = comparison.noise.mean_of_seeds / scale
    what, rule = "Mean normalised regret of the best cell so far; square-root scale", ""
    panel = Panel("", "normalised regret", True, noise=noise)
    if comparison.objective.n_objectives > 1:
        what, panel = f"{MISSED}; square-root scale", Panel("", "missed", True)
    elif optimum is None:
        what, panel = "Mean score of the best cell so far", Panel("", "score", False)
    elif noise is not None:
        rule = " Grey: the effect of training a good cell again."
    return _drawing("score", what, rule, study, values, over, panel)


def test_curves(study: Study, over: _Clock = "cells") -> Picture | str:
    """Plot the main final (test) metric of the incumbent."""
    objective, benchmark = (
        study.comparison.objective,
        study.comparison.objective.benchmark,
    )
    questions = final_questions(objective)
    if not questions:
        return f"{benchmark.name} has no final (test) metric that was hidden from the searches."
    question = questions[0]
    metric = benchmark.metric(questions[0].metric)
    if benchmark.is_expensive(metric.name):
        return (
            f"No curve of {question}: a user-defined function computes it, and only for the best"
            " cells."
        )
    values = _showing(
        study, lambda run, history: _final_values(benchmark, question, run, history)
    )
    if not all(len(curve_over_cells(runs, band=False).x) for runs in values.values()):
        return (
            f"No curve of {question}: for some strategy the benchmark never has values for the"
            " incumbents of all runs."
        )
    in_words = ", ".join(
        filter(
            None, [metric.unit, "larger is better" if metric.larger_is_better else ""]
        )
    )
    split = f", split {metric.split}" if metric.split else ""
    what = (
        f"{question} of the cell with the best score so far ({in_words}{split}), not the best"
        f" {metric.name} so far"
    )
    rule = " It was hidden from all strategies."
    reference = None
    over_space = objective.over_space()
    if over_space is not None and study.comparison.optimum is not None:
        best = listed(benchmark.space)[int(over_space.score.argmin())]
        reference = float(values_of(benchmark, question, [best])[0])
        rule += " Dotted: the cell with the optimal score."
    label = plain(str(question), _LONGEST_LABEL)
    is_rising = metric.larger_is_better
    panel = Panel("", label, False, reference=reference, rising=is_rising)
    return _drawing("test", what, rule, study, values, over, panel)


def _final_values(
    benchmark: Benchmark, question: Question, run: Run, history: Anytime
) -> Values:
    """Return a final metric of the best cell after each trial. It is NaN while all trainings have
    failed, because these are not repeated.
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
    """Return every history with the value to show after each of its trials, NaN before the first
    feasible answer.
    """
    values: _Histories = {}
    for name, runs in study.histories.items():
        values[name] = []
        for run, history in runs:
            reported = run.reported
            has_answer = np.isfinite(history.score) & np.array(
                [reported[i].feasible for i in history.best]
            )
            values[name].append(
                (history, np.where(has_answer, shown(run, history), np.nan))
            )
    return values


def _drawing(
    name: str,
    what: str,
    rule: str,
    study: Study,
    values: _Histories,
    over: _Clock,
    panel: Panel,
) -> Picture:
    leader = next(iter(study.result.standings))
    panel = replace(panel, banded={leader, "random"})
    shared = shared_cells(study.comparison)
    if over == "cells":
        curves = {
            strategy: curve_over_cells(runs, band=strategy in {leader, "random"})
            for strategy, runs in values.items()
        }
        panel = replace(panel, x_label="cells", shared_until=shared)
        rule = (
            " Shaded: the initial cells, the same for all." if shared > 1 else ""
        ) + rule
    else:
        longest = max(
            history.cost[-1] for runs in values.values() for history, _ in runs
        )
        divisor, unit = clock(longest)
        curves = {
            strategy: curve_over_cost(
                runs, divisor, band=strategy in {leader, "random"}
            )
            for strategy, runs in values.items()
        }
        panel = replace(panel, x_label=unit)
        rule += (
            f" Over simulated {unit}: a line starts when every run has finished a trial, and a"
            " finished run keeps its value."
        )
    bottom, top = limits(curves.values(), panel)
    ends = [
        end for curve in curves.values() for end in (curve.low.min(), curve.high.max())
    ]
    if not panel.root and (min(ends) < bottom or max(ends) > top):
        rule += " The steep start is not shown."
    bands = "Bands: 95 % intervals of the leader and of random search."
    if {len(runs) for runs in study.histories.values()} == {1}:
        bands = (
            "One run per strategy: there are no bands, and chance is not averaged out."
        )
    ordered = {
        strategy: curves[strategy]
        for strategy in study.result.standings
        if strategy in curves
    }
    draw = partial(chart, ordered, study.styles, panel)
    return Picture(
        f"{name}-by-{over}", f"{what}. {bands}{rule}{_until_feasible(study)}", draw
    )


def _until_feasible(study: Study) -> str:
    comparison = study.comparison
    if not comparison.objective.constraints:
        return ""
    none = sum(
        len(comparison.runs_of(name)) - len(runs)
        for name, runs in study.feasible.items()
    )
    left_out = (
        f" {plural(none, 'run')} without a feasible cell {'is' if none == 1 else 'are'} left out."
        if none
        else ""
    )
    return f" A line starts when every run has found a feasible cell.{left_out}"


@section(20, "suite")
def regret_along_the_budget(study: Study) -> Section | None:
    """Build the section on the mean normalised regret over all problems along the budget."""
    names = list(study.result.standings)
    problems = study.result.problems
    fractions = np.arange(1, _STEPS + 1) / _STEPS
    samples = [
        {
            name: p.regrets(name)[:, [p.place(fraction) for fraction in fractions]]
            for name in names
        }
        for p in problems
    ]
    banded = {names[0], "random"}
    curves = {}
    for name in names:
        mean = np.mean([by_name[name].mean(axis=0) for by_name in samples], axis=0)
        low = mean
        high = mean
        if name in banded:
            drawn = [
                resampled_means(i, {name: by_name[name]})[0]
                for i, by_name in enumerate(samples)
            ]
            low, high = ends(np.mean(drawn, axis=0))
        curves[name] = Curve(100 * fractions, mean, low, high)
    panel = Panel("%", "regret", True, reference=1.0, banded=banded)
    caption = (
        f"Mean normalised regret of the best cell so far over {plural(len(problems), 'problem')}"
        " after each share of the budget; square-root scale. Bands: 95 % of resampled runs, of the"
        " leader and of random search."
    )
    picture = Picture(
        "regret-by-budget", caption, partial(chart, curves, study.styles, panel)
    )
    return Section("Regret over the budget", [Figures([picture], wide=True)])
