"""The verdict in plain words: who leads, whether the data decide that, and what would change it.

The one place that decides. Over the runs of one problem (`headline`) and over problems (`verdict_of`) it says what
terminal, JSON, notebook and pages print; the tests that it rests on are those of `surrogate_nas.study.statistics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from surrogate_nas.core.numbers import NO_CELL, decimals_for, fixed, p_value, plural
from surrogate_nas.study.statistics import ALPHA, POWER, Critical, Pair, PairedTest, Ranks, Summary, Values, ranks
from surrogate_nas.study.traces import Account, ProblemResult

_SURE = 0.95
_FEWEST_RUNS = 5
"""With fewer, resampled runs tell nothing of other seeds."""
_FEWEST_PROBLEMS = 6
"""With fewer, Wilcoxon's test stays above 5 % even where one strategy is better on all."""
_HALVES, _FEWEST_HALVED = 400, 4
"""Random halves of the runs; a half of fewer runs than these is no sample."""


@dataclass(frozen=True)
class Standing:
    """What is said of one problem rests on this.

    Attributes:
        runs: By strategy how many runs ended.
        feasible: By strategy how many of these found a feasible cell.
        summaries: Of the scores of these, for every strategy that has one.
        tests: Of all pairs over paired runs.
        best: The best cell of all in words.
    """

    runs: Mapping[str, int]
    feasible: Mapping[str, int]
    summaries: Mapping[str, Summary]
    tests: Sequence[PairedTest]
    best: str


def headline(found: Standing) -> list[str]:
    """Which strategy is best on a problem, by how much, and whether that is more than chance.

    A strategy whose runs found feasible cells more often stands before one whose scores are lower.
    """
    names, summaries = list(found.runs), found.summaries
    if not names:
        return ["No run has finished, so there is nothing to report."]
    if not summaries:
        runs = sum(found.runs.values())
        return [f"No feasible cell was found: {plural(runs, 'run')}, {NO_CELL}, so no strategy has a score."]
    share = {name: found.feasible[name] / found.runs[name] for name in summaries}
    ranked = sorted(summaries, key=lambda name: (-share[name], summaries[name].mean))
    ranked += [name for name in names if name not in summaries]
    best = ranked[0]
    figures, decimals = _figures(found, best)
    if len(names) == 1:
        return [f"{best} is the only strategy, so there is nothing to compare it with. Its {figures}.", found.best]
    leading = [name for name in ranked if name in summaries and share[name] == share[best]]
    leaders = [name for name in leading if summaries[name].mean == summaries[best].mean]
    if len(leaders) > 1:
        return [f"{joined(leaders)} share the lowest {figures}.", found.best]
    if len(leading) == 1:
        said = [f"{best} found a feasible cell more often than any other strategy. Its {figures}."]
    else:
        said = [f"{best} has the lowest {figures}."]
    by_iqm = min(leading, key=lambda name: summaries[name].iqm)
    if summaries[by_iqm].iqm < summaries[best].iqm:
        said.append(f"By IQM {by_iqm} is ahead ({fixed(summaries[by_iqm].iqm, decimals)}).")
    return [*said, _against(found.tests, best, ranked[1]), found.best]


def leaders(means: Mapping[str, float], rounding: float) -> list[str]:
    """The strategies of the least mean regret; several where they tie."""
    least = min(means.values(), default=0.0)
    return [name for name, mean in means.items() if mean <= least + rounding]


def told_apart(winners: Sequence[str], tests: Sequence[PairedTest]) -> bool:
    """Whether one strategy wins, and each other is worse in paired runs (Wilcoxon, Holm) at 5 %."""
    own = [test for test in tests if {test.first, test.second} & {*winners}]
    return len(winners) == 1 and all(test.p_holm < ALPHA for test in own)


def _figures(found: Standing, best: str) -> tuple[str, int]:
    """The scores of the best strategy in words, and how many decimals scores deserve."""
    summary = found.summaries[best]
    decimals = decimals_for([end for each in found.summaries.values() for end in each.ci95] + [summary.mean])
    low, high = (fixed(end, decimals) for end in summary.ci95)
    mean, iqm = fixed(summary.mean, decimals), fixed(summary.iqm, decimals)
    runs, feasible = found.runs[best], found.feasible[best]
    if runs == 1:
        return f"final score: {mean}, a figure from one run", decimals
    counted = f"{runs} runs" if feasible == runs else f"the {feasible} of {runs} runs that found a feasible cell"
    if feasible == 1:
        return f"final score: {mean}, from {counted}", decimals
    return f"mean final score: {mean} (95 % interval {low} to {high}, IQM {iqm}, {counted})", decimals


def joined(names: Sequence[str]) -> str:
    """Names as a sentence has them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _against(tests: Sequence[PairedTest], best: str, second: str) -> str:
    """The runner-up, and what the paired test says of the difference."""
    test = next((test for test in tests if {test.first, test.second} == {best, second}), None)
    if test is None:
        return f"{second} comes second; no run was finished by all strategies, so no paired test can be made."
    wins, losses = (test.wins, test.losses) if test.first == best else (test.losses, test.wins)
    paired = wins + test.ties + losses
    if paired == 1:
        return f"{second} comes second. With one run of each, which one is ahead may be chance: nothing can be tested."
    pairs = plural(len(tests), "pair")
    text = (
        f"Against the runner-up {second} it is better in {wins}, equal in {test.ties} and worse in {losses} of "
        f"{paired} paired runs; "
    )
    if test.p_holm < ALPHA:
        text += f"the difference is significant (Wilcoxon, Holm over {pairs}: p = {p_value(test.p_holm)})."
        return text.replace("p = <", "p <")
    text += f"the difference is not significant (Wilcoxon, Holm over {pairs}: p = {p_value(test.p_holm)})."
    least = 2 ** (1 - paired) * len(tests)
    if least >= ALPHA:
        text += f" With {paired} runs and {pairs} none could be: the smallest possible p is {p_value(min(least, 1))}."
    return text


@dataclass(frozen=True)
class Stability:
    """Who leads, by the average rank of mean regrets, when something else is asked.

    Attributes:
        winner: Who leads the whole suite at the end of the budget.
        half_of_seeds: Per strategy how often it leads when a random half of the runs is left out on every problem; None
            where a strategy has too few runs.
        half_budget: Who leads after half of the budget.
        quarter_budget: Who leads after a quarter.
        without: Per problem whose absence changes the winner, who leads then.
        plain: Who leads on the problems of L alone; None where there are none.
        weighted: Who leads on those with λR; None where there are none.
        capped: Who leads on those with limits; None where there are none.
        by_weight: Per table and L that are asked alike with several λ, the best strategy at each λ.
    """

    winner: str
    half_of_seeds: dict[str, float] | None
    half_budget: str
    quarter_budget: str
    without: dict[str, str]
    plain: str | None
    weighted: str | None
    capped: str | None
    by_weight: dict[str, dict[float, str]]


def means_of(names: Sequence[str], problems: Sequence[ProblemResult], fraction: float = 1.0) -> Values:
    """Mean normalised regrets after a share of the budget, shape ``(problems, strategies)``."""
    return np.array([[p.at(name, fraction).mean() for name in names] for p in problems])


def stability_of(names: Sequence[str], problems: Sequence[ProblemResult]) -> Stability:
    """Ask otherwise who leads."""
    means = means_of(names, problems)
    winner = leader(names, means)
    without = {}
    for place, problem in enumerate(problems):
        rest = np.delete(means, place, axis=0)
        if len(rest) and (other := leader(names, rest)) != winner:
            without[problem.name] = other

    def among(chosen: Sequence[bool]) -> str | None:
        return leader(names, means[np.array(chosen)]) if any(chosen) else None

    return Stability(
        winner=winner,
        half_of_seeds=_halves(names, problems),
        half_budget=leader(names, means_of(names, problems, 0.5)),
        quarter_budget=leader(names, means_of(names, problems, 0.25)),
        without=without,
        plain=among([p.weight == 0 and not p.problem.subject_to for p in problems]),
        weighted=among([p.weight > 0 for p in problems]),
        capped=among([bool(p.problem.subject_to) for p in problems]),
        by_weight=_by_weight(names, problems, means),
    )


def leader(names: Sequence[str], means: Values) -> str:
    """Who has the best average rank by `means_of`; of equals the one of lower mean regret, then the first."""
    average = ranks(means.T).mean(axis=1).round(9)
    return names[int(np.lexsort((means.mean(axis=0), average))[0])]


def _halves(names: Sequence[str], problems: Sequence[ProblemResult]) -> dict[str, float] | None:
    """How often each strategy leads by a random half of the runs."""
    runs = [len(p.traces[name]) for p in problems for name in names]
    if min(runs) < _FEWEST_HALVED:
        return None
    rng = np.random.default_rng(0)
    ends = [[p.at(name) for name in names] for p in problems]
    counts = dict.fromkeys(names, 0)
    for _ in range(_HALVES):
        orders = {n: rng.permutation(n)[: n // 2] for n in sorted(set(runs))}
        means = np.array([[values[orders[len(values)]].mean() for values in row] for row in ends])
        counts[leader(names, means)] += 1
    return {name: count / _HALVES for name, count in counts.items()}


def _by_weight(names: Sequence[str], problems: Sequence[ProblemResult], means: Values) -> dict[str, dict[float, str]]:
    """The best strategy by λ, for every L of a table that has several."""
    found: dict[tuple[str, ...], dict[float, str]] = {}
    for result, row in zip(problems, means, strict=True):
        problem = result.problem
        if not problem.subject_to:
            alike = problem.benchmark, result.loss, problem.seed_policy, result.unit
            found.setdefault(alike, {})[result.weight] = leader(names, row[None])
    several = {f"{table}, {loss}": best for (table, loss, *_), best in found.items() if len(best) > 1}
    return {key: dict(sorted(best.items())) for key, best in several.items()}


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


@dataclass(frozen=True)
class Evidence:
    """What is said over problems rests on this.

    Attributes:
        names: The strategies.
        problems: Their runs.
        critical: Tests of average ranks at the end of the budget.
        ranks: Average ranks, also of resampled runs.
        pairs: Tests of all pairs.
        stability: Who leads when something else is asked.
        accounts: What each strategy spent, and what failed.
        fewest_runs: The smallest number of runs of a strategy.
        skipped: How many problems were not run.
    """

    names: Sequence[str]
    problems: Sequence[ProblemResult]
    critical: Critical
    ranks: Ranks
    pairs: Sequence[Pair]
    stability: Stability
    accounts: Sequence[Account]
    fewest_runs: int
    skipped: int


def verdict_of(found: Evidence) -> Verdict:
    """Judge strategies over problems."""
    names, critical = found.names, found.critical
    order = sorted(range(len(names)), key=lambda i: (names[i] != found.stability.winner, critical.ranks[i]))
    winner = names[order[0]]
    if len(names) == 1:
        return Verdict(winner, None, False, False, [f"{winner} ran alone, so there is nothing to decide."])
    second = names[order[1]]
    gap = float(critical.ranks[order[1]] - critical.ranks[order[0]])
    sure = float(found.ranks.best_here[order[0]])
    pair = next(p for p in found.pairs if {p.test.first, p.test.second} == {winner, second})
    apart = critical.distance is not None and gap > critical.distance
    ahead = pair.test.effect > 0 if pair.test.first == winner else pair.test.effect < 0
    n = len(found.problems)
    decided = n >= _FEWEST_PROBLEMS and (apart or (pair.test.p_holm < ALPHA and ahead))
    decided_here = sure >= _SURE and found.fewest_runs >= _FEWEST_RUNS
    first = f"{winner} has the best average rank over {plural(n, 'problem')}, {critical.ranks[order[0]]:.2f}"
    follows = f"{second} follows with {critical.ranks[order[1]]:.2f}" if gap > 0 else f"{second} has the same"
    said = [
        f"{first}; {follows}.",
        _here(pair, winner, second, sure, found.fewest_runs),
        _elsewhere(found, pair, winner, second, gap, decided),
        *_noise(found, winner, second),
        *_changes(found.stability),
        *_incomplete(found),
    ]
    return Verdict(winner, second, decided_here, decided, said)


def _here(pair: Pair, winner: str, second: str, sure: float, runs: int) -> str:
    if runs < _FEWEST_RUNS:
        return f"{plural(runs, 'run')} of a strategy cannot tell what other seeds would show; {_FEWEST_RUNS} can."
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


def _elsewhere(found: Evidence, pair: Pair, winner: str, second: str, gap: float, decided: bool) -> str:
    n, critical = len(found.problems), found.critical
    if n < _FEWEST_PROBLEMS:
        return (
            f"{plural(n, 'problem')} cannot decide about others of their kind, whatever is found: that takes at least "
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


def _noise(found: Evidence, winner: str, second: str) -> list[str]:
    """Where the two differ by less than another training of the same cells would change."""
    known = [(p, p.noise) for p in found.problems if p.noise is not None]
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


def _incomplete(found: Evidence) -> list[str]:
    """What was not run, or failed."""
    said = []
    if found.skipped:
        said.append(f"Not run: {plural(found.skipped, 'problem')} whose data is not here.")
    for account in found.accounts:
        if account.failures:
            said.append(
                f"{account.strategy} failed in {account.failures} of {account.runs} runs, which count as having found "
                "nothing."
            )
        if account.empty:
            said.append(f"{account.strategy} found no feasible cell in {account.empty} of {account.runs} runs.")
    return said
