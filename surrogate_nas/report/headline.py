"""The result of a comparison in a few sentences that claim no more than the tests allow."""

from __future__ import annotations

from surrogate_nas.comparison import Comparison
from surrogate_nas.report.numbers import decimals_for, fixed, p_value, plural

_LEVEL = 0.05


def headline(comparison: Comparison) -> list[str]:
    """Which strategy is best, by how much, and whether that is more than chance; plain text.

    Args:
        comparison: The comparison.
    """
    names = comparison.strategies
    if not names:
        return ["No run has finished, so there is nothing to report."]
    summaries = {name: comparison.summary(name) for name in names}
    ranked = sorted(names, key=lambda name: summaries[name].mean)
    best = ranked[0]
    decimals = decimals_for([end for name in names for end in summaries[name].ci95] + [summaries[best].mean])
    runs = len(comparison.runs_of(best))
    summary = summaries[best]
    low, high = (fixed(end, decimals) for end in summary.ci95)
    mean = fixed(summary.mean, decimals)
    if runs == 1:
        figures = f"final score: {mean}, a figure from one run"
    else:
        iqm = fixed(summary.iqm, decimals)
        figures = f"mean final score: {mean} (95 % interval {low} to {high}, IQM {iqm}, {runs} runs)"
    if len(names) == 1:
        return [f"{best} is the only strategy, so there is nothing to compare it with. Its {figures}."]
    said = [f"{best} has the lowest {figures}."]
    by_iqm = min(names, key=lambda name: summaries[name].iqm)
    if summaries[by_iqm].iqm < summary.iqm:
        said.append(f"By IQM {by_iqm} is ahead ({fixed(summaries[by_iqm].iqm, decimals)}).")
    return [*said, _against(comparison, best, ranked[1])]


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
