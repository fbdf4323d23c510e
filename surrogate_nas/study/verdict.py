"""The verdict in plain words: who leads, whether the data decide that, and what would change it.

Computed once, by one procedure (`surrogate_nas.study.decision`), over the runs of one problem or of many; terminal,
JSON, notebook, pages and tables print it. Two claims are made, each at 5 %: who ends with the least regret, and who is
the first to come within a hundredth of the optimum, a target that is fixed beforehand and counted where the optimum is
known. What a run answers at its end counts, under drawn seeds too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from surrogate_nas.core.levels import LEVEL, POWER
from surrogate_nas.core.numbers import NO_CELL, decimals_for, fixed, p_value, plural
from surrogate_nas.strategies import BLIND
from surrogate_nas.study.decision import (
    FEWEST_SPACES,
    MOST_RUNS,
    Decision,
    Rival,
    claim,
    decide,
    detectable,
    flip_p,
    paired,
    signed_ranks,
)
from surrogate_nas.study.statistics import Summary, Values
from surrogate_nas.study.traces import Account, ProblemResult

TARGET = 0.01
"""Of the normalised regret: whoever is within it has practically found the optimum."""
_MOST_NAMED = 4
_NOT_REACHED = "not within the budget"
_SHARE_NAMED = 0.05
"""Of the answers: fewer that are first cells are not worth a sentence."""


def joined(names: Sequence[str]) -> str:
    """Names as a sentence has them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def figures_of(name: str, summary: Summary, runs: int, feasible: int, spread: Sequence[Summary]) -> str:
    """The scores of a strategy in a sentence, with as many decimals as the intervals of all deserve."""
    decimals = decimals_for([end for each in spread for end in each.ci95] + [summary.mean])
    low, high = (fixed(end, decimals) for end in summary.ci95)
    mean, iqm = fixed(summary.mean, decimals), fixed(summary.iqm, decimals)
    if runs == 1:
        return f"{name} has the final score {mean}, a figure from one run."
    counted = f"{runs} runs" if feasible == runs else f"the {feasible} of {runs} runs that found a feasible cell"
    if feasible == 1:
        return f"{name} has the final score {mean}, from {counted}."
    return f"{name} has the mean final score {mean} (95 % interval {low} to {high}, IQM {iqm}, {counted})."


def means_of(names: Sequence[str], problems: Sequence[ProblemResult], fraction: float = 1.0) -> Values:
    """Mean normalised regrets after a share of the budget, shape ``(problems, strategies)``."""
    return np.array([[p.at(name, fraction).mean() for name in names] for p in problems])


@dataclass(frozen=True)
class Holds:
    """Whether the verdict would hold if something else were asked.

    Attributes:
        question: What would be other, such as ``other search seeds``.
        answer: ``Yes``, ``Likely``, ``Partly``, ``No`` or ``Unknown``.
        why: In a line.
    """

    question: str
    answer: str
    why: str


@dataclass(frozen=True)
class BlindPair:
    """A strategy beside itself under names that say nothing.

    Attributes:
        name: The strategy.
        p: Exact, two-sided, of the signed ranks of paired runs.
        better: Pairs in which it ends better than when it is blinded.
        ties: Those without a difference.
        worse: Those in which it ends worse.
    """

    name: str
    p: float
    better: int
    ties: int
    worse: int


@dataclass(frozen=True)
class Verdict:
    """What a study says.

    Attributes:
        winner: Who ends best; a list where the runs do not tell several apart.
        runner_up: The closest rival that is none of these; None where there is none.
        decided_here: Whether, on these problems, the winner is told apart from every other strategy.
        decided: Whether it would be on other problems of the kind, of spaces that were not tried.
        level: How often a claim may be false.
        sentences: All this in words, the most important first.
        runs_needed: How many runs a problem would decide the difference seen, from low to high; None where it is
            decided, or where none would.
        problems_needed: How many spaces would; None likewise.
        end: Who ends with the least regret.
        speed: Who is first within a hundredth of the optimum; None where no optimum is known.
        elsewhere: The same of other problems of the kind; None where there are too few spaces.
        holds: What would change it.
        blinded: What each strategy that was also run blinded (``blind:NAME``) makes of the names that it reads.
        leading: How many of the sentences say who leads and whether that is decided.
    """

    winner: str | list[str]
    runner_up: str | None
    decided_here: bool
    decided: bool
    level: float
    sentences: list[str]
    runs_needed: list[int] | None
    problems_needed: list[int] | None
    end: Decision | None
    speed: Decision | None
    elsewhere: Decision | None
    holds: list[Holds]
    blinded: list[BlindPair]
    leading: int

    def to_json(self) -> dict[str, Any]:
        """The verdict as ``--json`` prints it."""
        told = asdict(self)
        del told["leading"]
        for name in ("end", "speed", "elsewhere"):
            decision: Decision | None = getattr(self, name)
            if decision is not None:
                told[name] |= {"leaders": list(decision.leaders), "decided": decision.decided}
        return told


def _undecided(sentences: Sequence[str], winner: Sequence[str] = ()) -> Verdict:
    """Where there is nothing to decide between."""
    who = winner[0] if len(winner) == 1 else list(winner)
    return Verdict(
        who, None, False, False, LEVEL, list(sentences), None, None, None, None, None, [], [], len(sentences)
    )


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on.

    Attributes:
        names: The strategies.
        problems: Their runs.
        figures: What is said of each strategy's scores, where there is one problem; else empty.
        accounts: What each strategy spent, and what failed.
        skipped: How many problems were not run.
        versions: How many versions of each strategy were run on these problems and seeds, where that is counted.
        seed: The root seed.
    """

    names: Sequence[str]
    problems: Sequence[ProblemResult]
    accounts: Sequence[Account]
    figures: Mapping[str, str]
    skipped: int
    versions: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0


def ends_of(names: Sequence[str], problems: Sequence[ProblemResult]) -> dict[str, list[Values]]:
    """What is decided by: per strategy and problem how the runs end that all strategies have, paired by number."""
    return {name: [p.paired(p.answers(name), name, names) for p in problems] for name in names}


def verdict_of(found: Evidence) -> Verdict:
    """Judge strategies over the runs of one problem or of many."""
    names, problems = found.names, found.problems
    if not names:
        return _undecided(["No run has finished, so there is nothing to report."])
    if all(trace.found_nothing for problem in problems for name in names for trace in problem.traces[name]):
        runs = sum(len(problem.traces[name]) for problem in problems for name in names)
        said = [f"No feasible cell was found: {plural(runs, 'run')}, {NO_CELL}, so no strategy has a score."]
        return _undecided([*said, *_incomplete(found)])
    if len(names) == 1:
        said = [f"{names[0]} is the only strategy, so there is nothing to compare it with.", *found.figures.values()]
        return _undecided([*said, *_incomplete(found)], names)
    ends = ends_of(names, problems)
    if not all(len(runs) for of in ends.values() for runs in of):
        said = ["No run was finished by all strategies, so none can be compared."]
        return _undecided([*said, *_incomplete(found)], names)
    end = decide(ends)
    timed = [p for p in problems if p.reference.exact]
    speed = None if not timed else decide({name: [_reached(p, name, names) for p in timed] for name in names})
    spaces = [p.space for p in problems]
    elsewhere = decide(ends, spaces) if len(set(spaces)) >= FEWEST_SPACES else None
    leading = [
        *_end(end, ends, len(problems)),
        *([] if speed is None else _speed(speed, names, timed)),
        _elsewhere(elsewhere, len(problems), len(set(spaces))),
    ]
    pairs = _blinded(ends)
    said = [
        *leading,
        *map(_blind_in_words, pairs),
        *(found.figures[name] for name in found.figures if name == end.leader),
        *_noise(end, problems),
        *_answers(names, problems),
        *_changes(ends, problems, end),
        *_versions(found),
        *_incomplete(found),
    ]
    apart = [rival.name for rival in end.rivals if rival.apart]
    first = None if end.decided or not end.rivals else end.rivals[0].needed
    spaces_needed = (
        None if elsewhere is None or elsewhere.decided or not elsewhere.rivals else elsewhere.rivals[0].needed
    )
    return Verdict(
        winner=end.leader if len(end.leaders) == 1 else list(end.leaders),
        runner_up=apart[0] if apart else None,
        decided_here=end.decided,
        decided=elsewhere is not None and elsewhere.decided,
        level=LEVEL,
        sentences=said,
        runs_needed=None if first is None else list(first),
        problems_needed=None if spaces_needed is None else list(spaces_needed),
        end=end,
        speed=speed,
        elsewhere=elsewhere,
        holds=_holds(found, end, elsewhere, len(set(spaces))),
        blinded=pairs,
        leading=len(leading),
    )


def _blinded(ends: Mapping[str, Sequence[Values]]) -> list[BlindPair]:
    """Every strategy that was run with and without a disguise."""
    found = []
    for name in ends:
        if (hidden := BLIND + name) in ends:
            differences = paired(ends[name], ends[hidden])
            ranks = [signed_ranks(one) for one in differences]
            signs = np.concatenate([np.sign(one) for one in ranks])
            p = min(1.0, flip_p(ranks), flip_p([-one for one in ranks]))
            counted = (int((signs == sign).sum()) for sign in (1, 0, -1))
            found.append(BlindPair(name, p, *counted))
    return found


def _blind_in_words(pair: BlindPair) -> str:
    """What the names are worth to a strategy."""
    runs = pair.better + pair.ties + pair.worse
    counted = f"better in {pair.better} of {plural(runs, 'pair')}, equal in {pair.ties}, worse in {pair.worse}"
    said = f"{pair.name} beside itself under names that say nothing: {counted} ({_p(pair.p)})"
    if pair.p > LEVEL:
        return f"{said}; that it reads names cannot be seen here."
    if pair.better > pair.worse:
        return f"{said}; part of what it finds, it finds by reading names."
    return f"{said}; the names mislead it."


def _reached(problem: ProblemResult, name: str, names: Sequence[str]) -> Values:
    """What each run spent until it was within the target; twice the budget and one for never."""
    spent = problem.runtimes(name, TARGET)
    return problem.paired(np.where(np.isfinite(spent), spent, 2 * problem.checkpoints[-1] + 1), name, names)


def _few(names: Sequence[str]) -> str:
    """Names, or how many they are."""
    return joined(names) if len(names) <= _MOST_NAMED else f"{names[0]}, {names[1]} and {len(names) - 2} others"


def _p(p: float) -> str:
    told = p_value(p)
    return f"p {told}" if told.startswith("<") else f"p = {told}"


def _end(end: Decision, ends: Mapping[str, Sequence[Values]], problems: int) -> list[str]:
    """Who ends best, beside the closest rival, and how many runs would decide."""
    where = f"On {'this problem' if problems == 1 else f'these {problems} problems'}"
    same = f" ({joined([end.leader, *end.same])} are equal in every run)" if end.same else ""
    if not end.rivals:
        return [f"{where} {joined([end.leader, *end.same])} are equal in every run: there is nothing to decide."]
    closest, apart = end.rivals[0], [rival for rival in end.rivals if rival.apart]
    if end.decided:
        others = f", and from {_few([r.name for r in end.rivals[1:]])} too" if len(end.rivals) > 1 else ""
        return [f"{where} it is decided: {end.leader} ends best, told apart from {_beside(closest)}{others}."]
    if not [rival for rival in end.rivals if not rival.apart]:
        return [f"{where} it is decided: {end.leader} ends best{same}, told apart from {_beside(closest)}."]
    ahead = f"; both are ahead of {_few([r.name for r in apart])} ({_p(apart[0].p)})" if apart else ""
    if len(end.leaders) > 2:
        ahead = ahead.replace("both are", "all are")
    said = [f"{where} {_few(end.leaders)} cannot be told apart at the end{same}{ahead}."]
    text = f"Closest to {end.leader} is {_beside(closest)}"
    text += "; the two are practically the same." if closest.alike else "."
    if closest.needed is None:
        text += " No number of runs would tell them apart by what was seen."
    else:
        low, high = closest.needed
        text += f" If what was seen is what is, {_range(low, high)} runs a problem would tell them apart ({POWER:.0%})."
    seen = detectable(paired(ends[end.leader], ends[closest.name]))
    if seen is not None:
        text += f" So many runs would have seen a difference of {seen:.2g} of the normalised regret."
    return [*said, text]


def _range(low: int, high: int) -> str:
    if high >= MOST_RUNS:
        return f"at least {low:,}"
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _beside(rival: Rival) -> str:
    """A rival with what was counted against it, from the leader's side."""
    counted = rival.wins + rival.ties + rival.losses
    ties = f", equal in {rival.ties}" if rival.ties else ""
    losses = f", worse in {rival.losses}" if rival.losses else ""
    return f"{rival.name} (better in {rival.wins} of {plural(counted, 'paired run')}{ties}{losses}; {_p(rival.p)})"


def _speed(speed: Decision, names: Sequence[str], problems: Sequence[ProblemResult]) -> list[str]:
    """Who is first near the optimum, which runs that end alike do not tell."""
    if not speed.rivals:
        return []

    def spent(name: str) -> str:
        one = len(problems) == 1
        all_of = [p.runtimes(name, TARGET) / (1 if one else p.checkpoints[-1]) for p in problems]
        middle = float(np.median(np.concatenate(all_of)))
        if not np.isfinite(middle):
            return _NOT_REACHED
        return f"{middle:,.0f} {problems[0].unit}" if one else f"{middle:.0%} of the budget"

    target = "Within a hundredth of the optimum"
    shown = ", ".join(f"{name} {spent(name)}" for name in speed.leaders[:_MOST_NAMED])
    if len(speed.leaders) > _MOST_NAMED:
        shown += ", …"
    closest = speed.rivals[0]
    if speed.decided:
        follows = f"{closest.name} {spent(closest.name)}"
        return [f"{target} is {speed.leader} first: {spent(speed.leader)} in the median, {follows} ({_p(closest.p)})."]
    apart = [rival for rival in speed.rivals if rival.apart]
    behind = f"; {apart[0].name} needs {spent(apart[0].name)} ({_p(apart[0].p)})" if apart else ""
    who = _few(speed.leaders)
    if all(spent(name) == _NOT_REACHED for name in names):
        return [f"{target} comes less than half of the runs of any strategy, so the runs do not tell who is first."]
    return [f"{target} the runs do not tell who is first: of {who} the medians are {shown}{behind}."]


def _elsewhere(found: Decision | None, problems: int, spaces: int) -> str:
    where = f"{plural(problems, 'problem')} of {plural(spaces, 'space')}"
    if found is None:
        return f"About other problems of the kind nothing can be decided: {where}, and it takes {FEWEST_SPACES} spaces."
    if not found.rivals:
        return "On other problems of the kind nothing tells them apart."
    closest = found.rivals[0]
    counted = f"better in {closest.wins} of {plural(spaces, 'space')}, {_p(closest.p)}"
    if found.decided:
        return f"On other problems of the kind it is decided too: {found.leader} over {closest.name} ({counted})."
    text = f"For other problems of the kind {_few(found.leaders)} cannot be told apart ({closest.name}: {counted})"
    if closest.needed is None:
        return f"{text}; no number of spaces would by what was seen."
    low, high = closest.needed
    return f"{text}; {_range(low, high)} spaces would, if what was seen is what is."


def _noise(end: Decision, problems: Sequence[ProblemResult]) -> list[str]:
    """Where training a found cell again moves its regret by more than what divides the two that are closest."""
    known = [(p, p.noise) for p in problems if p.noise is not None]
    if not known or not end.rivals:
        return []
    other = end.rivals[0].name
    gaps = [abs(float(p.at(end.leader).mean() - p.at(other).mean())) for p, _ in known]
    above = sum(noise > gap for (_, noise), gap in zip(known, gaps, strict=True))
    noise = float(np.median([noise for _, noise in known]))
    many = "" if len(known) == 1 else f"on {above} of {len(known)} problems with several training seeds "
    more = "more" if above or len(known) > 1 else "less"
    return [
        f"Retraining a good cell moves its normalised regret by {noise:.2g} in the median, {many}{more} than the "
        f"{float(np.median(gaps)):.2g} that {end.leader} and {other} differ by; random search is 1 from the optimum."
    ]


def _answers(names: Sequence[str], problems: Sequence[ProblemResult]) -> list[str]:
    """What was no find of a search, and what a search found and gave up."""
    said = []
    ended = [(p, trace) for p in problems for name in names for trace in p.traces[name] if trace.answer]
    first = [(p, trace) for p, trace in ended if trace.answer_index < p.problem.first_cells]
    if first and len(first) >= _SHARE_NAMED * len(ended):
        said.append(
            f"{len(first)} of {plural(len(ended), 'answer')} {'is' if len(first) == 1 else 'are'} among the random "
            "cells that all strategies begin with: what came after found nothing better."
        )
    known = [p for p in problems if p.reference.exact]
    lost = {name: sum(p.given_up(name) for p in known) for name in names}
    if given_up := {name: n for name, n in lost.items() if n}:
        runs = sum(len(p.traces[name]) for p in known for name in names)
        most = max(given_up, key=lambda name: given_up[name])
        said.append(
            f"The optimum was evaluated and given up for a cell that looked better in {sum(given_up.values())} of "
            f"{plural(runs, 'run')} (most often by {most}: {given_up[most]}); these did not find it."
        )
    return said


def _holds(found: Evidence, end: Decision, elsewhere: Decision | None, spaces: int) -> list[Holds]:
    """What a reader asks of a verdict."""
    closest = end.rivals[0] if end.rivals else None
    said = []
    if closest is not None:
        why = f"against {closest.name}, the closest: {_p(closest.p)}"
        apart = sum(rival.apart for rival in end.rivals)
        answer = "Yes" if end.decided else "Partly" if apart else "Unknown"
        why += "" if end.decided or not apart else f"; {plural(apart, 'other')} are behind for sure"
        said.append(Holds("other search seeds", answer, why))
    said.append(_with_less(found, end))
    known = [(p, p.noise) for p in found.problems if p.noise is not None]
    if known and closest is not None:
        below = sum(abs(float(p.at(end.leader).mean() - p.at(closest.name).mean())) < noise for p, noise in known)
        why = f"on {below} of {plural(len(known), 'problem')} retraining moves a cell by more than the two differ"
        said.append(
            Holds("cells trained again", "Yes" if not below else "No" if below == len(known) else "Partly", why)
        )
    else:
        said.append(Holds("cells trained again", "Unknown", "the tables hold one training of each cell"))
    if elsewhere is None:
        why = f"{plural(len(found.problems), 'problem')} of {plural(spaces, 'space')}; it takes {FEWEST_SPACES} spaces"
        said.append(Holds("other problems", "Unknown", why))
    else:
        why = _p(elsewhere.rivals[0].p) + f" over {spaces} spaces" if elsewhere.rivals else "all are equal"
        said.append(Holds("other problems", "Likely" if elsewhere.decided else "Unknown", why))
    return said


def _with_less(found: Evidence, end: Decision) -> Holds:
    """Who leads after half and a quarter of the budget."""
    leading = {}
    for fraction in (0.5, 0.25):
        early = {
            name: [p.paired(p.at(name, fraction), name, found.names) for p in found.problems] for name in found.names
        }
        leading[fraction] = claim(early)
    kept = [{*claims.leaders} <= {*end.leaders} for claims in leading.values()]
    half, quarter = (_few(leading[f].leaders) for f in (0.5, 0.25))
    answer = "Yes" if all(kept) else "Partly" if any(kept) else "No"
    return Holds("less budget", answer, f"after half {half}; after a quarter {quarter}")


def _changes(ends: Mapping[str, Sequence[Values]], problems: Sequence[ProblemResult], end: Decision) -> list[str]:
    """What leads with L alone, with λR and under limits, and whether another λ changes it; by the same procedure."""

    def among(chosen: Sequence[int]) -> tuple[str, ...]:
        return claim({name: [of[place] for place in chosen] for name, of in ends.items()}).leaders

    said = []
    kinds = {
        "L alone": [i for i, p in enumerate(problems) if p.weight == 0 and not p.problem.subject_to],
        "L + λR": [i for i, p in enumerate(problems) if p.weight > 0],
        "a limit": [i for i, p in enumerate(problems) if p.problem.subject_to],
    }
    told = {kind: among(chosen) for kind, chosen in kinds.items() if chosen}
    if len(told) > 1:
        if all({*leaders} == {*end.leaders} for leaders in told.values()):
            said.append(f"The same with {', with '.join(told)}.")
        else:
            said.append("By kind: " + "; ".join(f"with {kind} {_leading(who)}" for kind, who in told.items()) + ".")
    alike: dict[tuple[str, ...], dict[float, tuple[str, ...]]] = {}
    for place, result in enumerate(problems):
        problem = result.problem
        if not problem.subject_to:
            table = problem.benchmark, result.loss, problem.seed_policy, result.unit
            alike.setdefault(table, {})[result.weight] = among([place])
    several = {f"{table}, {loss}": best for (table, loss, *_), best in alike.items() if len(best) > 1}
    changing = {table: best for table, best in several.items() if not set.intersection(*map(set, best.values()))}
    if several:
        text = f"Another λ changes who leads on {len(changing)} of {plural(len(several), 'table')} asked with several"
        shown = [
            f"{table}: " + ", ".join(f"at λ = {weight:g} {_leading(who)}" for weight, who in sorted(best.items()))
            for table, best in changing.items()
        ]
        said.append(f"{text} ({'; '.join(shown)})." if shown else f"{text}.")
    return said


def _leading(leaders: Sequence[str]) -> str:
    return f"{leaders[0]} leads" if len(leaders) == 1 else f"{_few(leaders)} cannot be told apart"


def _versions(found: Evidence) -> list[str]:
    """Which strategies were edited and run again on the same seeds."""
    counted = {name: found.versions.get(name, 1) for name in found.names}
    return [
        f"{name} was edited and run again on these seeds ({count} versions so far): a result that was chosen among "
        f"versions needs fresh seeds (--seed {found.seed + 1})."
        for name, count in counted.items()
        if count > 1
    ]


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
