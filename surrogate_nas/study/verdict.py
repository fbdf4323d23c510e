"""The result of a comparison in a few sentences that claim no more than the tests allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from surrogate_nas.core.numbers import MISSED, NO_CELL, decimals_for, fixed, natural, p_value, plural
from surrogate_nas.study.comparison.statistics import Summary

if TYPE_CHECKING:
    from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.findings import best_cells, final_questions, values_of

_LEVEL = 0.05


def headline(comparison: Comparison) -> list[str]:
    """Which strategy is best, by how much, and whether that is more than chance; plain text.

    A strategy whose runs found feasible cells more often stands before one whose scores are lower.

    Args:
        comparison: The comparison.
    """
    names = comparison.strategies
    if not names:
        return ["No run has finished, so there is nothing to report."]
    summaries = {name: summary for name in names if (summary := comparison.summary(name)) is not None}
    if not summaries:
        runs = sum(len(comparison.runs_of(name)) for name in names)
        return [f"No feasible cell was found: {plural(runs, 'run')}, {NO_CELL}, so no strategy has a score."]
    share = {name: len(comparison.feasible_runs_of(name)) / len(comparison.runs_of(name)) for name in summaries}
    ranked = sorted(summaries, key=lambda name: (-share[name], summaries[name].mean))
    ranked += [name for name in names if name not in summaries]
    best = ranked[0]
    figures, decimals = _figures(comparison, best, summaries)
    if len(names) == 1:
        return [
            f"{best} is the only strategy, so there is nothing to compare it with. Its {figures}.",
            _best(comparison),
        ]
    leading = [name for name in ranked if name in summaries and share[name] == share[best]]
    leaders = [name for name in leading if summaries[name].mean == summaries[best].mean]
    if len(leaders) > 1:
        return [f"{_join(leaders)} share the lowest {figures}.", _best(comparison)]
    if len(leading) == 1:
        said = [f"{best} found a feasible cell more often than any other strategy. Its {figures}."]
    else:
        said = [f"{best} has the lowest {figures}."]
    by_iqm = min(leading, key=lambda name: summaries[name].iqm)
    if summaries[by_iqm].iqm < summaries[best].iqm:
        said.append(f"By IQM {by_iqm} is ahead ({fixed(summaries[by_iqm].iqm, decimals)}).")
    return [*said, _against(comparison, best, ranked[1]), _best(comparison)]


def _figures(comparison: Comparison, best: str, summaries: dict[str, Summary]) -> tuple[str, int]:
    """The scores of the best strategy in words, and how many decimals scores deserve."""
    summary = summaries[best]
    decimals = decimals_for([end for each in summaries.values() for end in each.ci95] + [summary.mean])
    low, high = (fixed(end, decimals) for end in summary.ci95)
    mean, iqm = fixed(summary.mean, decimals), fixed(summary.iqm, decimals)
    runs, feasible = len(comparison.runs_of(best)), len(comparison.feasible_runs_of(best))
    if runs == 1:
        return f"final score: {mean}, a figure from one run", decimals
    counted = f"{runs} runs" if feasible == runs else f"the {feasible} of {runs} runs that found a feasible cell"
    if feasible == 1:
        return f"final score: {mean}, from {counted}", decimals
    return f"mean final score: {mean} (95 % interval {low} to {high}, IQM {iqm}, {counted})", decimals


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _best(comparison: Comparison) -> str:
    """The best cell of all runs, with its error where L is one, and its main final metric."""
    objective = comparison.objective
    if objective.parts > 1:
        return f"{MISSED} is the score of a run: 0 where it found a whole front."
    found = best_cells(comparison, 1)[0]
    losses = [term for term in objective.terms if term.is_loss]
    shown = []
    if len(losses) == 1:
        shown.append(f"{losses[0].name} {natural(found.trial.values[losses[0].name], losses[0].unit)}")
    for question in final_questions(objective)[:1]:
        value = float(values_of(objective.benchmark, question, [found.trial.cell])[0])
        shown.append(f"{question} {natural(value, objective.benchmark.metric(question.metric).unit)}")
    by = _join(list(found.found_by))
    optimum = comparison.optimum
    is_optimum = optimum is not None and found.trial.score - optimum <= comparison.rounding
    place = ", the optimum of the space" if is_optimum else ""
    numbers = f" ({', '.join(shown)})" if shown else ""
    return f"The best cell of all scores {fixed(found.trial.score, 5)}{numbers}{place}; evaluated by {by}."


def _against(comparison: Comparison, best: str, second: str) -> str:
    """The runner-up, and what the paired test says of the difference."""
    test = next((test for test in comparison.tests if {test.first, test.second} == {best, second}), None)
    if test is None:
        return f"{second} comes second; no run was finished by all strategies, so no paired test can be made."
    wins, losses = (test.wins, test.losses) if test.first == best else (test.losses, test.wins)
    paired = wins + test.ties + losses
    if paired == 1:
        return f"{second} comes second. With one run of each, which one is ahead may be chance: nothing can be tested."
    tests = plural(len(comparison.tests), "pair")
    text = (
        f"Against the runner-up {second} it is better in {wins}, equal in {test.ties} and worse in {losses} of "
        f"{paired} paired runs; "
    )
    if test.p_holm < _LEVEL:
        text += f"the difference is significant (Wilcoxon, Holm over {tests}: p = {p_value(test.p_holm)})."
        return text.replace("p = <", "p <")
    text += f"the difference is not significant (Wilcoxon, Holm over {tests}: p = {p_value(test.p_holm)})."
    least = 2 ** (1 - paired) * len(comparison.tests)
    if least >= _LEVEL:
        text += f" With {paired} runs and {tests} none could be: the smallest possible p is {p_value(min(least, 1))}."
    return text
