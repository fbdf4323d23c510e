"""The verdict in plain words: who leads, whether the data decide that, and what would change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from surrogate_nas.study.suite.critical import ALPHA
from surrogate_nas.study.suite.pairs import POWER, Pair
from surrogate_nas.study.suite.stability import Stability

if TYPE_CHECKING:
    from surrogate_nas.study.suite.result import SuiteResult

_SURE = 0.95
_FEWEST_RUNS = 5
"""With fewer, resampled runs tell nothing of other seeds."""
_FEWEST_PROBLEMS = 6
"""With fewer, Wilcoxon's test stays above 5 % even where one strategy is better on all."""


@dataclass(frozen=True)
class Verdict:
    """What a suite says.

    Attributes:
        winner: The strategy of best average rank at the end of the budget.
        runner_up: The next one; None where there is one strategy only.
        decided_here: Whether, on these problems, other seeds would leave the winner in front (in 95 % of the
            resamples).
        decided: Whether the winner is told apart from the runner-up over problems, so that other problems of this kind
            would show the same: Nemenyi's critical difference, or Wilcoxon's test with Holm's correction.
        sentences: All this in words, the most important first.
    """

    winner: str
    runner_up: str | None
    decided_here: bool
    decided: bool
    sentences: list[str]


def verdict_of(result: SuiteResult) -> Verdict:
    """Judge a suite.

    Args:
        result: What it has found.
    """
    names, critical = result.strategies, result.critical[-1]
    order = sorted(range(len(names)), key=lambda i: (names[i] != result.stability.winner, critical.ranks[i]))
    winner = names[order[0]]
    if len(names) == 1:
        return Verdict(winner, None, False, False, [f"{winner} ran alone, so there is nothing to decide."])
    second = names[order[1]]
    gap = float(critical.ranks[order[1]] - critical.ranks[order[0]])
    sure = float(result.ranks.best_here[order[0]])
    pair = next(p for p in result.pairs if {p.test.first, p.test.second} == {winner, second})
    apart = critical.distance is not None and gap > critical.distance
    ahead = pair.test.effect > 0 if pair.test.first == winner else pair.test.effect < 0
    n = len(result.problems)
    decided = n >= _FEWEST_PROBLEMS and (apart or (pair.test.p_holm < ALPHA and ahead))
    fewest = min(entrant.runs for entrant in result.suite.entrants)
    decided_here = sure >= _SURE and fewest >= _FEWEST_RUNS
    first = f"{winner} has the best average rank over {_problems(n)}, {critical.ranks[order[0]]:.2f}"
    follows = f"{second} follows with {critical.ranks[order[1]]:.2f}" if gap > 0 else f"{second} has the same"
    said = [
        f"{first}; {follows}.",
        _here(pair, winner, second, sure, fewest),
        _elsewhere(result, pair, winner, second, gap, decided),
        *_noise(result, winner, second),
        *_changes(result.stability),
        *_incomplete(result),
    ]
    return Verdict(winner, second, decided_here, decided, said)


def _problems(n: int) -> str:
    return f"{n} problem{'s' * (n != 1)}"


def _here(pair: Pair, winner: str, second: str, sure: float, runs: int) -> str:
    if runs < _FEWEST_RUNS:
        return (
            f"{runs} run{'s' * (runs != 1)} of a strategy cannot tell what other seeds would show; {_FEWEST_RUNS} can."
        )
    if sure >= _SURE:
        return f"On these problems that is decided: with resampled seeds it leads in {sure:.0%} of the cases."
    text = (
        f"On these problems the seeds do not decide between {winner} and the others: resampled, it leads in "
        f"{sure:.1%} of the cases only."
    )
    if pair.detectable_here is None:
        return text
    return (
        f"{text} The mean normalised regrets of {winner} and {second} differ by {abs(pair.difference):.3f}; so many "
        f"runs detect {pair.detectable_here:.3f} with a probability of {POWER:.0%}."
    )


def _elsewhere(result: SuiteResult, pair: Pair, winner: str, second: str, gap: float, decided: bool) -> str:
    n, critical = len(result.problems), result.critical[-1]
    if n < _FEWEST_PROBLEMS:
        return (
            f"{_problems(n)} cannot decide about others of their kind, whatever is found: that takes at least "
            f"{_FEWEST_PROBLEMS}."
        )
    tests = f"Wilcoxon's p with Holm's correction {pair.test.p_holm:.2g}"
    if critical.distance is not None:
        side = "above" if gap > critical.distance else "below"
        tests += f"; ranks {gap:.2f} apart, {side} Nemenyi's critical difference of {critical.distance:.2f}"
    if decided:
        return f"For problems of this kind it is decided: {winner} is told apart from {second} ({tests})."
    wins = pair.test.wins if pair.test.first == winner else pair.test.losses
    losses = pair.test.losses if pair.test.first == winner else pair.test.wins
    text = (
        f"For problems of this kind the data do not decide between {winner} and {second} ({tests}): {winner} is better "
        f"on {wins}, {second} on {losses} of {n}."
    )
    if pair.detectable is not None:
        text += (
            f" Their mean normalised regrets differ by {abs(pair.difference):.3f}; so many problems detect "
            f"{pair.detectable:.3f} with a probability of {POWER:.0%}."
        )
    return text


def _noise(result: SuiteResult, winner: str, second: str) -> list[str]:
    """Where the two differ by less than another training of the same cells would change."""
    known = [(p, p.noise) for p in result.problems if p.noise is not None]
    below = [p.name for p, noise in known if abs(p.at(winner).mean() - p.at(second).mean()) < noise]
    if not known:
        return []
    return [
        f"On {len(below)} of {len(known)} problems with several training seeds they differ by less than the seeds do."
    ]


def _changes(stability: Stability) -> list[str]:
    """What would change the winner."""
    winner, said = stability.winner, []
    if stability.half_of_seeds is not None:
        share = stability.half_of_seeds[winner]
        others = {name: s for name, s in stability.half_of_seeds.items() if name != winner and s > 0}
        instead = "" if not others else f", else mostly {max(others, key=lambda name: others[name])}"
        said.append(f"Half of the seeds: {winner} leads in {share:.0%} of random halves{instead}.")
    for part, who in (("half", stability.half_budget), ("a quarter", stability.quarter_budget)):
        said.append(f"After {part} of the budget {'still ' * (who == winner)}{who} leads.")
    kinds = {"L alone": stability.plain, "L + λR": stability.weighted, "a limit": stability.capped}
    told = {kind: who for kind, who in kinds.items() if who is not None}
    if len(told) > 1:
        if set(told.values()) == {winner}:
            said.append(f"It leads with {', with '.join(told)} alike.")
        else:
            said.append("By kind: " + "; ".join(f"with {kind} {who} leads" for kind, who in told.items()) + ".")
    changing = {table: best for table, best in stability.by_weight.items() if len(set(best.values())) > 1}
    if stability.by_weight:
        text = f"Another λ changes the best strategy on {len(changing)} of {len(stability.by_weight)} tables"
        shown = [
            f"{table}: " + ", ".join(f"{who} at λ = {weight:g}" for weight, who in best.items())
            for table, best in changing.items()
        ]
        said.append(f"{text} ({'; '.join(shown)})." if shown else f"{text}.")
    if stability.without:
        shown = [f"{who} without {problem}" for problem, who in stability.without.items()]
        said.append(f"One problem fewer: {', '.join(shown)} would lead.")
    return said


def _incomplete(result: SuiteResult) -> list[str]:
    """What was not run, or failed."""
    said = []
    if result.skipped:
        said.append(f"Not run: {_problems(len(result.skipped))} whose data is not here.")
    for account in result.accounts:
        if account.failures:
            said.append(
                f"{account.strategy} failed in {account.failures} of {account.runs} runs, which count as having found "
                "nothing."
            )
        if account.empty:
            said.append(f"{account.strategy} found no feasible cell in {account.empty} of {account.runs} runs.")
    return said
