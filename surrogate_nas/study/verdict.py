"""The verdict in plain words: which strategy leads, how certain that is, and what would change it.

One procedure (`surrogate_nas.study.decision`) computes it once, over the runs of one problem or of
many; terminal, JSON, notebook, pages and tables print the same verdict. It claims which strategy
ends with the lowest regret, which one does so on other problems of the same kind, which one is the
first within a hundredth of the optimum, and how a strategy differs from its baselines. In at most
5 % of studies any of these claims is false. The target is fixed beforehand and counted where the
optimum is known. A run counts with the cell that it ends with, also where its search saw drawn
seeds. All that is said beyond these claims describes the runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from surrogate_nas.core.levels import LEVEL, POWER
from surrogate_nas.core.numbers import decimals_for, fixed, p_value, plural, share
from surrogate_nas.strategies import BLIND, controls_of
from surrogate_nas.study.curves import Account, ProblemResult
from surrogate_nas.study.decision import (
    ALIKE,
    FEWEST_SPACES,
    MARGIN,
    MINOR_LEVEL,
    Decision,
    Rival,
    Statement,
    decide,
    detectable,
    flip_p,
    paired,
    runs_for_same,
    signed_ranks,
)
from surrogate_nas.study.statistics import Summary, Values, holm

TARGET = 0.01
"""A normalised regret up to this is practically the optimum."""
_MOST_NAMED = 4
_MOST_LEADING = 3
"""Sentences of the verdict on a first screen."""
_SHARE_NAMED = 0.05
"""A smaller share of runs that end with an initial cell is not worth a sentence."""
_LEAST_DETECTABLE = 0.001
"""Smaller differences of normalised regret have no practical meaning."""


@dataclass(frozen=True)
class _Unit:
    """The unit of all differences and means of a verdict: that of the table beside it.

    Attributes:
        name: The name, as in "mean score".
        scale: By what a normalised regret is multiplied.
        means: Of each strategy, in this unit.
    """

    name: str
    scale: float
    means: Mapping[str, float]

    @classmethod
    def of(cls, evidence: Evidence) -> _Unit:
        """Scores where there is one problem, else normalised regrets."""
        problems = evidence.problems
        if evidence.figures:
            reference = problems[0].reference
            at = {name: float(problems[0].at(name).mean()) for name in evidence.names}
            in_scores = {name: reference.optimum + reference.scale * at[name] for name in at}
            return cls("score", reference.scale, in_scores)
        means = means_of(evidence.names, problems).mean(axis=0)
        return cls("normalised regret", 1.0, dict(zip(evidence.names, means.tolist(), strict=True)))

    def size(self, value: float) -> str:
        """A normalised regret in this unit, with two significant digits."""
        if self.scale == 1.0 and 0 < value < _LEAST_DETECTABLE:
            return f"less than {_LEAST_DETECTABLE:g}"
        return f"{value * self.scale:.2g}"

    def mean(self, difference: float, interval: tuple[float, float] | None) -> str:
        """A difference with its interval, if the differences are not all equal."""
        width = 0.0 if interval is None else interval[1] - interval[0]
        if interval is None or width <= 0 or max(map(abs, interval)) < _LEAST_DETECTABLE:
            return self.size(difference)
        width *= self.scale
        decimals = min(max(1 - int(np.floor(np.log10(width))), 2), 6)
        low, high = (fixed(end * self.scale, decimals) for end in interval)
        return f"{fixed(difference * self.scale, decimals)}, 95 % CI {low} to {high}"

    def lower_by(self, rival: Rival) -> str:
        """By how much the leader's mean is lower than a rival's, or higher; empty for ranks."""
        if rival.difference is None or rival.interval is None:
            return ""
        if rival.difference >= 0:
            return f"mean {self.name} lower by {self.mean(rival.difference, rival.interval)}"
        low, high = rival.interval
        return f"mean {self.name} higher by {self.mean(-rival.difference, (-high, -low))}"

    def both_means(self, one: str, other: str) -> tuple[str, str]:
        """The means of two strategies, with as many decimals as tell them apart."""
        pair = [self.means[one], self.means[other]]
        decimals = decimals_for(pair)
        return fixed(pair[0], decimals), fixed(pair[1], decimals)


def joined(names: Sequence[str]) -> str:
    """Names as a sentence has them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def figures_of(
    name: str,
    summary: Summary,
    runs: int,
    feasible: int,
    spread: Sequence[Summary],
) -> str:
    """The scores of a strategy in a sentence; `spread` of all strategies sets the decimals."""
    decimals = decimals_for([end for each in spread for end in each.ci95 or ()] + [summary.mean])
    mean = fixed(summary.mean, decimals)
    iqm = fixed(summary.iqm, decimals)
    if runs == 1:
        return f"The final score of {name} is {mean}, from one run."
    counted = f"{runs} runs"
    if feasible < runs:
        counted = f"the {feasible} of {runs} runs that found a feasible cell"
    if summary.ci95 is None:
        return f"The final score of {name} is {mean}, from {counted}."
    low, high = (fixed(end, decimals) for end in summary.ci95)
    return (
        f"The mean final score of {name} is {mean} (95 % interval {low} to {high}, IQM {iqm},"
        f" {counted})."
    )


def means_of(
    names: Sequence[str],
    problems: Sequence[ProblemResult],
    fraction: float = 1.0,
) -> Values:
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
class ControlPair:
    """A strategy against a control of it (`surrogate_nas.strategies.controls_of`).

    Attributes:
        name: The strategy.
        p: Exact, two-sided, of the signed ranks of paired runs; after Holm's correction over all
            pairs of the study.
        better: Pairs in which it ends better than the control.
        ties: Those without a difference.
        worse: Those in which it ends worse.
        control: The control, such as ``blind:NAME``.
    """

    name: str
    p: float
    better: int
    ties: int
    worse: int
    control: str


@dataclass(frozen=True)
class Verdict:
    """What a study says.

    Attributes:
        winner: The strategy that ends best; a list where several do not differ significantly.
        runner_up: The closest rival that is none of these; None where there is none.
        decided_here: Whether, on these problems, the winner is significantly better than every
            other strategy.
        decided: Whether it would be on other problems of the kind, of spaces that were not tried.
        statement: What holds between the leader and the closest rival that is not significantly
            worse, or where all are worse the closest; one of
            `surrogate_nas.study.decision.Statement`. None without a rival.
        level: In what share of studies any claim may be false: `end`, `speed`, `elsewhere`,
            `blinded` and `controls` together.
        sentences: All this in words, the most important first.
        runs_needed: How many runs a problem would decide a difference as observed, from low to
            high; high is None where only a lower bound is known. None where it is decided, or where
            the runs do not say.
        problems_needed: How many spaces would; None likewise.
        end: Which strategy ends with the lowest regret.
        speed: Which is first within a hundredth of the optimum; None if no optimum is known.
        elsewhere: The same of other problems of the kind; None where there are too few spaces.
        holds: What would change it.
        blinded: What each strategy that was also run blinded (``blind:NAME``) makes of the names
            that it reads.
        controls: Each strategy against its further controls.
        leading: How many of the sentences belong on a first screen, at most three.
    """

    winner: str | list[str]
    runner_up: str | None
    decided_here: bool
    decided: bool
    statement: Statement | None
    level: float
    sentences: list[str]
    runs_needed: list[int | None] | None
    problems_needed: list[int | None] | None
    end: Decision | None
    speed: Decision | None
    elsewhere: Decision | None
    holds: list[Holds]
    blinded: list[ControlPair]
    controls: list[ControlPair]
    leading: int

    def __str__(self) -> str:
        """The sentences, one a line."""
        return "\n".join(self.sentences)

    def to_json(self) -> dict[str, Any]:
        """The verdict as ``--json`` prints it."""
        content = asdict(self)
        del content["leading"]
        for name in ("end", "speed", "elsewhere"):
            decision: Decision | None = getattr(self, name)
            if decision is not None:
                content[name] |= {"leaders": list(decision.leaders), "decided": decision.decided}
        return content


def _undecided(sentences: Sequence[str], winner: Sequence[str] = ()) -> Verdict:
    """Where there is nothing to decide between."""
    return Verdict(
        winner=winner[0] if len(winner) == 1 else list(winner),
        runner_up=None,
        decided_here=False,
        decided=False,
        statement=None,
        level=LEVEL,
        sentences=list(sentences),
        runs_needed=None,
        problems_needed=None,
        end=None,
        speed=None,
        elsewhere=None,
        holds=[],
        blinded=[],
        controls=[],
        leading=min(len(sentences), _MOST_LEADING),
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
        versions: How many versions of each strategy were run on these problems and seeds, where
            that is counted.
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
    """What is decided by: per strategy and problem how the runs end that all strategies have,
    paired by number.
    """
    return {name: [p.paired(p.answers(name), name, names) for p in problems] for name in names}


def verdict_of(evidence: Evidence) -> Verdict:
    """Judge strategies over the runs of one problem or of many."""
    names = evidence.names
    problems = evidence.problems
    if not names:
        return _undecided(["No run has finished, so there is nothing to report."])
    if all(
        trace.found_nothing
        for problem in problems
        for name in names
        for trace in problem.traces[name]
    ):
        runs = sum(len(problem.traces[name]) for problem in problems for name in names)
        counted = plural(runs, "run")
        sentences = [f"No feasible cell was found in {counted}, so no strategy has a score."]
        return _undecided([*sentences, *_incomplete(evidence)])
    if len(names) == 1:
        sentences = [
            f"{names[0]} is the only strategy, so there is nothing to compare it with.",
            *evidence.figures.values(),
        ]
        return _undecided([*sentences, *_incomplete(evidence)], names)
    ends = ends_of(names, problems)
    if not all(len(runs) for of in ends.values() for runs in of):
        sentences = ["No run was finished by all strategies, so none can be compared."]
        return _undecided([*sentences, *_incomplete(evidence)], names)
    timed = [p for p in problems if p.reference.exact]
    times = {name: [_reached(p, name, names) for p in timed] for name in names if timed}
    spaces = [p.space for p in problems]
    end, speed, elsewhere, pairs = claims_of(ends, times, spaces)
    unit = _Unit.of(evidence)
    leading = [
        *_end_sentences(end, len(problems), unit),
        *_versions(evidence),
        *_control_sentences(pairs),
        *([] if speed is None else _speed_sentences(speed, timed)),
        *_elsewhere_sentences(elsewhere, len(problems), len(set(spaces)), unit),
    ]
    sentences = [
        *leading,
        *_detectable_sentences(end, ends, unit),
        *(evidence.figures[name] for name in evidence.figures if name == end.leader),
        *_noise_sentences(end, problems, unit),
        *_answer_sentences(names, problems),
        *_changes(evidence.names, problems),
        *_incomplete(evidence),
    ]
    closest = _closest(end)
    return Verdict(
        winner=end.leader if len(end.leaders) == 1 else list(end.leaders),
        runner_up=end.worse[0].name if end.worse else None,
        decided_here=end.decided,
        decided=elsewhere is not None and elsewhere.decided,
        statement=None if closest is None else closest.statement,
        level=LEVEL,
        sentences=sentences,
        runs_needed=_needed(end),
        problems_needed=None if elsewhere is None else _needed(elsewhere),
        end=end,
        speed=speed,
        elsewhere=elsewhere,
        holds=_holds(evidence, end, elsewhere, len(set(spaces))),
        blinded=[pair for pair in pairs if pair.control.startswith(BLIND)],
        controls=[pair for pair in pairs if not pair.control.startswith(BLIND)],
        leading=min(len(leading), _MOST_LEADING),
    )


def _closest(decision: Decision) -> Rival | None:
    """The closest rival that is not significantly worse, or the closest if all are worse."""
    return next(iter((*decision.open, *decision.rivals)), None)


def _needed(decision: Decision) -> list[int | None] | None:
    closest = _closest(decision)
    return None if closest is None or closest.needed is None else list(closest.needed)


class Claims(NamedTuple):
    """All claims of a study. Any of them is false in at most a share `LEVEL` of studies.

    Attributes:
        end: Which strategy ends with the lowest regret.
        speed: Which is first within `TARGET` of the optimum; None if no optimum is known.
        elsewhere: Which ends best on other problems; None where there are too few spaces.
        controls: Each strategy against its baselines.
    """

    end: Decision
    speed: Decision | None
    elsewhere: Decision | None
    controls: list[ControlPair]


def claims_of(
    ends: Mapping[str, Sequence[Values]],
    times: Mapping[str, Sequence[Values]],
    spaces: Sequence[str],
) -> Claims:
    """Decide all that a study claims.

    How runs end has the level `surrogate_nas.study.decision.END_LEVEL`, which is passed on to other
    problems if it is decided on these. Speed and baselines have `MINOR_LEVEL` each.

    Args:
        ends: Per strategy and problem the regrets of the runs, as `ends_of` returns them.
        times: Per strategy and problem with a known optimum the time to reach it; or empty.
        spaces: The search space of each problem.
    """
    end = decide(ends)
    is_wide = len(set(spaces)) >= FEWEST_SPACES
    elsewhere = decide(ends, spaces, after=end) if is_wide else None
    speed = decide(times, ranks_only=True, level=MINOR_LEVEL) if times else None
    return Claims(end, speed, elsewhere, controlled(ends))


def controlled(ends: Mapping[str, Sequence[Values]]) -> list[ControlPair]:
    """Every strategy against those controls of it that were run too.

    Args:
        ends: How runs end, as `ends_of` gives it.
    """
    pairs = [_against(name, one, ends) for name in ends for one in controls_of(name) if one in ends]
    corrected = holm([pair.p for pair in pairs])
    return [replace(pair, p=float(p)) for pair, p in zip(pairs, corrected, strict=True)]


def _against(name: str, control: str, ends: Mapping[str, Sequence[Values]]) -> ControlPair:
    ranks = [signed_ranks(one) for one in paired(ends[name], ends[control])]
    signs = np.concatenate([np.sign(one) for one in ranks])
    p = min(1.0, flip_p(ranks), flip_p([-one for one in ranks]))
    better, ties, worse = (int((signs == sign).sum()) for sign in (1, 0, -1))
    return ControlPair(name, p, better=better, ties=ties, worse=worse, control=control)


def _control_sentences(pairs: Sequence[ControlPair]) -> Iterator[str]:
    """What the names, the history and the choice of parents are worth to each strategy."""
    for pair in pairs:
        if pair.control.startswith(BLIND):
            yield _blind_sentence(pair)
            continue
        what = controls_of(pair.name)[pair.control]
        text = f"{pair.name} against its control ({what}): {_pairs_counted(pair)}"
        if pair.p > MINOR_LEVEL:
            yield f"{text}; no significant difference."
        elif pair.better > pair.worse:
            yield f"{text}; it is better."
        else:
            yield f"{text}; it is worse."


def _pairs_counted(pair: ControlPair) -> str:
    runs = pair.better + pair.ties + pair.worse
    return (
        f"better in {pair.better} of {plural(runs, 'pair')}, equal in {pair.ties}, worse in"
        f" {pair.worse} ({_p(pair.p)})"
    )


def _blind_sentence(pair: ControlPair) -> str:
    """What the names are worth to a strategy."""
    text = f"{pair.name} against itself with hidden names: {_pairs_counted(pair)}"
    if pair.p > MINOR_LEVEL:
        return f"{text}; no effect of the names was found."
    if pair.better > pair.worse:
        return f"{text}; part of its success comes from reading names."
    return f"{text}; the names mislead it."


def _reached(problem: ProblemResult, name: str, names: Sequence[str]) -> Values:
    """What each run spent until it was within the target; twice the budget and one for never."""
    spent = problem.runtimes(name, TARGET)
    return problem.paired(
        np.where(np.isfinite(spent), spent, 2 * problem.checkpoints[-1] + 1), name, names
    )


def _few(names: Sequence[str]) -> str:
    """Names, or how many they are."""
    return (
        joined(names)
        if len(names) <= _MOST_NAMED
        else f"{names[0]}, {names[1]} and {len(names) - 2} others"
    )


def _p(p: float) -> str:
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _counts(rival: Rival, noun: str = "paired run") -> str:
    """In how many pairs the leader is better than a rival, and how certain that is."""
    text = f"better in {rival.wins} of {plural(rival.pairs, noun)}"
    if rival.ties:
        text += f", equal in {rival.ties}"
    if rival.losses:
        text += f", worse in {rival.losses}"
    return f"{text}; {_p(rival.p)}"


def _counts_and_mean(rival: Rival, unit: _Unit, noun: str = "paired run") -> str:
    return "; ".join(filter(None, (_counts(rival, noun), unit.lower_by(rival))))


def _end_sentences(end: Decision, problems: int, unit: _Unit) -> list[str]:
    """Which strategy ends with the lowest regret, how certain that is, and what would settle it."""
    scope = "On this problem" if problems == 1 else f"On these {problems} problems"
    if not end.rivals:
        return [f"{scope}, {_equal_clause(end, unit)}."]
    if not end.open:
        return [_winner_sentence(scope, end, unit), *_unseen_sentences(end.pairs)]
    closest = end.open[0]
    return [
        *_tie_sentences(scope, end, unit),
        _CLOSEST[closest.statement](end.leader, closest, unit),
        *_needed_sentences(closest, "run"),
    ]


def _equal_clause(end: Decision, unit: _Unit) -> str:
    """The leader and its equals, and whether that makes them practically the same."""
    assert end.same_bound is not None
    text = f"{joined([end.leader, *end.same])} are equal in {_all_pairs(end.pairs)}"
    if end.same_bound <= MARGIN:
        return f"{text}: practically the same{_at_most(end.same_bound, unit)}"
    return f"{text}, {_too_few(end.same_bound, end.pairs, unit)}"


def _at_most(bound: float, unit: _Unit) -> str:
    return f", as the mean {unit.name} differs by at most {unit.size(bound)} (95 % bound)"


def _all_pairs(runs: int) -> str:
    return "their only paired run" if runs == 1 else f"all {plural(runs, 'paired run')}"


def _too_few(bound: float, runs: int, unit: _Unit) -> str:
    """What so many runs without a difference leave open."""
    from scipy.special import betaincinv

    # the bound is the share that may be unseen, at the worst
    worst = bound / float(betaincinv(1, runs, 1 - LEVEL))
    return (
        "too few to call them the same: the mean"
        f" {unit.name} may differ by {unit.size(bound)} (95 % bound), and"
        f" {runs_for_same(max(worst, 1.0))} such runs would exclude a difference above"
        f" {unit.size(MARGIN)}"
    )


def _winner_sentence(scope: str, end: Decision, unit: _Unit) -> str:
    closest, *others = end.rivals
    if end.same:
        text = (
            f"{scope}, {joined([end.leader, *end.same])} end with the lowest regret and are equal"
            " in every run: "
        )
    else:
        text = f"{scope}, {end.leader} ends with the lowest regret: "
    text += f"significantly better than {closest.name} ({_counts_and_mean(closest, unit)})"
    if others:
        text += f", and than {_few([rival.name for rival in others])}"
    if closest.alike:
        text += f"; but {end.leader} and {closest.name} are{_same_clause(closest, unit)}"
    return f"{text}."


def _unseen_sentences(runs: int) -> list[str]:
    """How frequent a failure may be that happened in none of the runs."""
    unseen = 1 - LEVEL ** (1 / runs)
    if unseen < ALIKE:
        return []
    return [
        f"A failure that happens in fewer than {share(unseen)} of the runs may not have shown in"
        f" these {runs}."
    ]


def _tie_sentences(scope: str, end: Decision, unit: _Unit) -> list[str]:
    if all(rival.statement in ("open", "same", "equal") for rival in end.open):
        text = f"{scope}, the final regrets of {_few(end.leaders)} do not differ significantly"
    else:
        text = f"{scope}, it is undecided which of {_few(end.leaders)} is best"
    if end.same:
        text += f" ({joined([end.leader, *end.same])} are equal in every run)"
    if not end.worse:
        return [f"{text}."]
    worse = [rival.name for rival in end.worse]
    verb = "is" if len(worse) == 1 else "are"
    text += (
        f"; {_few(worse)} {verb} significantly worse than {end.leader}"
        f" by ranks ({_p(end.worse[0].p)}) and in the mean"
    )
    lowest = min(worse, key=unit.means.__getitem__)
    highest = max((rival.name for rival in end.open), key=unit.means.__getitem__)
    if unit.means[lowest] >= unit.means[highest]:
        return [f"{text}."]
    low, high = unit.both_means(lowest, highest)
    return [
        f"{text}.",
        f"By ranks of paired runs, {lowest} is worse than {end.leader} more consistently than"
        f" {highest} is, although the mean {unit.name} of {lowest} ({low}) is lower than that of"
        f" {highest} ({high}).",
    ]


def _open_sentence(leader: str, rival: Rival, unit: _Unit) -> str:
    text = f"{leader} is not significantly better than {rival.name}"
    return f"{text} ({_counts_and_mean(rival, unit)})."


def _most_runs_sentence(leader: str, rival: Rival, unit: _Unit) -> str:
    text = f"{leader} is better than {rival.name} in most runs ({_counts(rival)}), but"
    if rival.alike:
        return f"{text} the two are{_same_clause(rival, unit)}."
    unseen = share(1 - LEVEL ** (1 / rival.pairs))
    return (
        f"{text} it is not decided which has the lower mean ({leader}: {unit.lower_by(rival)}; a"
        f" failure in up to {unseen} of the runs may not have shown)."
    )


def _split_sentence(leader: str, rival: Rival, unit: _Unit) -> str:
    assert rival.difference is not None and rival.interval is not None
    lower = unit.mean(-rival.difference, (-rival.interval[1], -rival.interval[0]))
    return (
        f"{leader} is better than {rival.name} in most runs ({_counts(rival)}), but the mean"
        f" {unit.name} of {rival.name} is lower by {lower}: some runs of {leader} fail badly, and"
        " which one is best depends on what a failure costs."
    )


def _same_sentence(leader: str, rival: Rival, unit: _Unit) -> str:
    n_different = rival.wins + rival.losses
    differ = "differs" if n_different == 1 else "differ"
    return (
        f"{leader} and {rival.name} are{_same_clause(rival, unit)} and {n_different} of"
        f" {plural(rival.pairs, 'paired run')} {differ}, by at most {unit.size(rival.largest)}."
    )


def _same_clause(rival: Rival, unit: _Unit) -> str:
    assert rival.bound is not None
    return f" practically the same{_at_most(rival.bound, unit)}"


def _equal_sentence(leader: str, rival: Rival, unit: _Unit) -> str:
    assert rival.bound is not None
    text = f"{leader} and {rival.name} are equal in {_all_pairs(rival.pairs)}"
    return f"{text}, {_too_few(rival.bound, rival.pairs, unit)}."


_CLOSEST: Mapping[Statement, Callable[[str, Rival, _Unit], str]] = {
    "open": _open_sentence,
    "most runs": _most_runs_sentence,
    "split": _split_sentence,
    "same": _same_sentence,
    "equal": _equal_sentence,
}
"""The sentence on the leader and the closest rival that is not significantly worse."""


def _needed_sentences(rival: Rival, noun: str) -> list[str]:
    """How many runs per problem, or spaces, would decide; nothing if it cannot be estimated."""
    per = f"{noun}s per problem" if noun == "run" else f"{noun}s"
    needed = rival.needed
    if needed is None:
        return []
    if needed.about is None:
        return [
            f"To decide would take at least {needed.low:,} {per}, and these {noun}s do not show how"
            " many more."
        ]
    return [
        f"If the true difference equals the observed one, about {needed.about:,} {per} (half or"
        f" twice as many) would show it with {share(POWER)} power."
    ]


def _detectable_sentences(
    end: Decision, ends: Mapping[str, Sequence[Values]], unit: _Unit
) -> list[str]:
    """The difference that these runs could have shown. Where most pairs tie, the spread is that of
    a few runs, so nothing is said.
    """
    if not end.open:
        return []
    closest = end.open[0]
    seen = detectable(ends[end.leader], ends[closest.name])
    if seen is None or 2 * closest.ties > closest.pairs:
        return []
    return [
        f"These {closest.pairs} paired runs could have shown a difference of {unit.size(seen)} in"
        f" the mean {unit.name} of {end.leader} and {closest.name} with {share(POWER)} power."
    ]


def _speed_sentences(speed: Decision, problems: Sequence[ProblemResult]) -> list[str]:
    """Which strategy is the first near the optimum; runs that end equally may differ in this."""
    if not speed.rivals:
        return []
    near = f"{share(TARGET)} of the optimum"
    closest = speed.rivals[0]
    if speed.decided:
        leader = _spent(speed.leader, problems)
        if leader is None:
            first, second = (
                share(_reached_share(name, problems)) for name in (speed.leader, closest.name)
            )
            return [
                f"{speed.leader} comes within {near} in {first} of its runs, significantly more"
                f" often or sooner than {closest.name} ({second}; {_p(closest.p)})."
            ]
        follows = _spent(closest.name, problems) or "not within the budget"
        return [
            f"In most runs, {speed.leader} is the first to come within {near}: {leader} in the"
            f" median, {closest.name} {follows} ({_p(closest.p)})."
        ]
    medians = {name: _spent(name, problems) for name in speed.leaders}
    if not any(medians.values()):
        return [
            f"No strategy comes within {near} reliably: at least half of the runs of each do not"
            " get there."
        ]
    shown = ", ".join(
        f"{name} {spent or 'not reached'}" for name, spent in [*medians.items()][:_MOST_NAMED]
    )
    if len(medians) > _MOST_NAMED:
        shown += ", …"
    who = "Neither" if len(medians) == 2 else f"None of {_few(speed.leaders)}"
    text = f"{who} reaches {near} reliably sooner (median: {shown})"
    if speed.worse:
        slower = speed.worse[0]
        spent = _spent(slower.name, problems)
        how = "does not get there within the budget" if spent is None else f"needs {spent}"
        text += f"; {slower.name} {how} ({_p(slower.p)})"
    return [f"{text}."]


def _spent(name: str, problems: Sequence[ProblemResult]) -> str | None:
    """What the median run spends until it is near the optimum; None where that is beyond the
    budget.
    """
    one = len(problems) == 1
    spent = [p.runtimes(name, TARGET) / (1 if one else p.checkpoints[-1]) for p in problems]
    median = float(np.median(np.concatenate(spent)))
    if not np.isfinite(median):
        return None
    if not one:
        return f"{share(median)} of the budget"
    unit = problems[0].unit
    return (
        f"{median:,.0f}"
        f" {unit.removesuffix('s') if round(median) == 1 and unit == 'cells' else unit}"
    )


def _reached_share(name: str, problems: Sequence[ProblemResult]) -> float:
    """The share of runs that come near the optimum."""
    return float(np.isfinite(np.concatenate([p.runtimes(name, TARGET) for p in problems])).mean())


def _elsewhere_sentences(
    elsewhere: Decision | None, problems: int, spaces: int, unit: _Unit
) -> list[str]:
    """What is known of other problems of the kind, where a space counts once."""
    if elsewhere is None:
        if problems == 1:
            text = "This problem has one search space"
        elif spaces == 1:
            text = f"These {problems} problems share one search space"
        else:
            text = f"These {problems} problems have {spaces} search spaces"
        return [f"{text}; at least {FEWEST_SPACES} spaces are needed to generalise."]
    where = "On other problems of this kind"
    closest = _closest(elsewhere)
    if closest is None:
        return [f"{where}, no difference between the strategies is to be expected."]
    counted = _counts_and_mean(closest, unit, "space")
    counted = f"{elsewhere.leader} against {closest.name}: {counted}"
    if not elsewhere.open:
        who = joined([elsewhere.leader, *elsewhere.same])
        verb = "leads" if len(elsewhere.leaders) == 1 else "lead"
        return [f"{where}, {who} also {verb} in most spaces ({counted})."]
    return [
        f"{where}, it is undecided which of {_few(elsewhere.leaders)} is best ({counted}).",
        *_needed_sentences(closest, "space"),
    ]


def _noise_sentences(end: Decision, problems: Sequence[ProblemResult], unit: _Unit) -> list[str]:
    """Whether retraining a cell changes its regret more than the closest strategies differ."""
    known = _noise_and_gaps(end, problems)
    closest = _closest(end)
    if not known or closest is None:
        return []
    larger = sum(noise > gap for noise, gap in known)
    if len(known) == 1:
        ((noise, gap),) = known
        where = "On this problem" if len(problems) == 1 else "On the problem with training seeds"
        return [
            f"{where}, training noise ({unit.size(noise)} in {unit.name}) is"
            f" {'larger' if larger else 'smaller'} than the difference between the means of"
            f" {end.leader} and {closest.name} ({unit.size(gap)})."
        ]
    return [
        f"On {larger} of {len(known)} problems with several training seeds, training noise is"
        f" larger than the difference between the means of {end.leader} and {closest.name}."
    ]


def _noise_and_gaps(end: Decision, problems: Sequence[ProblemResult]) -> list[tuple[float, float]]:
    """On problems with several training seeds their noise, and how far the closest two differ."""
    closest = _closest(end)
    if closest is None:
        return []
    return [
        (p.noise, abs(float(p.at(end.leader).mean() - p.at(closest.name).mean())))
        for p in problems
        if p.noise is not None
    ]


def _answer_sentences(names: Sequence[str], problems: Sequence[ProblemResult]) -> list[str]:
    """How many runs end with an initial cell, and how many lost an optimum that they evaluated."""
    sentences = []
    ended = [
        (p, trace) for p in problems for name in names for trace in p.traces[name] if trace.answer
    ]
    first = [(p, trace) for p, trace in ended if trace.answer_index < p.problem.first_cells]
    if first and len(first) >= _SHARE_NAMED * len(ended):
        sentences.append(
            f"In {len(first)} of {plural(len(ended), 'run')} the answer is one of the random cells"
            " that all strategies begin with: the search found nothing better."
        )
    known = [p for p in problems if p.reference.exact]
    lost = {name: sum(p.given_up(name) for p in known) for name in names}
    if given_up := {name: n for name, n in lost.items() if n}:
        runs = sum(len(p.traces[name]) for p in known for name in names)
        most = max(given_up, key=lambda name: given_up[name])
        sentences.append(
            f"In {sum(given_up.values())} of {plural(runs, 'run')} the optimum was evaluated, but"
            f" noise made another cell look better (most often for {most}: {given_up[most]}); these"
            " runs count as not having found it."
        )
    return sentences


def _holds(
    evidence: Evidence,
    end: Decision,
    elsewhere: Decision | None,
    spaces: int,
) -> list[Holds]:
    """What a reader asks of a verdict."""
    closest = _closest(end)
    holds = []
    if closest is not None:
        answer = "Yes" if end.decided else "Partly" if end.worse else "Unknown"
        holds.append(Holds("other search seeds", answer, _seeds_why(end, closest)))
    holds.append(_with_less(evidence, end))
    known = _noise_and_gaps(end, evidence.problems)
    if known:
        below = sum(gap < noise for noise, gap in known)
        why = (
            f"training noise is larger than the difference on {below} of"
            f" {plural(len(known), 'problem')}"
        )
        holds.append(
            Holds(
                "cells trained again",
                "Yes" if not below else "No" if below == len(known) else "Partly",
                why,
            )
        )
    else:
        holds.append(Holds("cells trained again", "Unknown", "each cell has one training"))
    if elsewhere is None:
        why = (
            f"{plural(len(evidence.problems), 'problem')} of {plural(spaces, 'space')};"
            f" {FEWEST_SPACES} are needed"
        )
        holds.append(Holds("other problems", "Unknown", why))
    else:
        other = _closest(elsewhere)
        why = "all are equal" if other is None else f"{_p(other.p)} over {spaces} spaces"
        holds.append(Holds("other problems", "Likely" if elsewhere.decided else "Unknown", why))
    return holds


def _seeds_why(end: Decision, closest: Rival) -> str:
    """Against which rivals the runs decide, and against which they do not."""
    if not end.open:
        text = f"closest rival {closest.name} ({_p(closest.p)})"
        return (
            f"{text}; {joined([end.leader, *end.same])} are equal in every run"
            if end.same
            else text
        )
    text = f"not against {closest.name} ({_NOT_DECIDED.get(closest.statement, _p(closest.p))})"
    if len(end.worse) == 1:
        return f"{text}; {end.worse[0].name} is significantly worse"
    return f"{text}; the {len(end.worse)} others are significantly worse" if end.worse else text


_NOT_DECIDED: Mapping[Statement, str] = {
    "most runs": "better in most runs, not in the mean",
    "split": "better in most runs, worse in the mean",
    "same": "practically the same",
    "equal": "equal in every run",
}


def _with_less(evidence: Evidence, end: Decision) -> Holds:
    """Which strategy has the lowest mean after half and a quarter of the budget."""
    half, quarter = (_lowest(evidence.names, evidence.problems, part) for part in (0.5, 0.25))
    why = f"lowest mean regret after half of it: {half}; after a quarter: {quarter}"
    if not end.decided:
        return Holds("less budget", "Unknown", f"undecided with all of it; {why}")
    n_same = (half, quarter).count(end.leader)
    return Holds("less budget", ("No", "Partly", "Yes")[n_same], why)


def _lowest(names: Sequence[str], problems: Sequence[ProblemResult], fraction: float = 1.0) -> str:
    """The strategies with the lowest mean regret."""
    means = means_of(names, problems, fraction).mean(axis=0)
    is_lowest = np.isclose(means, means.min(), rtol=0, atol=1e-12)
    return _few([name for name, is_it in zip(names, is_lowest, strict=True) if is_it])


def _changes(names: Sequence[str], problems: Sequence[ProblemResult]) -> list[str]:
    """Which strategy has the lowest mean with L alone, with λR and under limits, and by λ."""
    sentences = []
    kinds = {
        "L alone": [p for p in problems if p.weight == 0 and not p.problem.subject_to],
        "L + λR": [p for p in problems if p.weight > 0],
        "a limit": [p for p in problems if p.problem.subject_to],
    }
    by_kind = {kind: _lowest(names, chosen) for kind, chosen in kinds.items() if chosen}
    if len(by_kind) > 1:
        listed = "; ".join(f"with {kind}, {who}" for kind, who in by_kind.items())
        sentences.append(f"Lowest mean regret by kind of objective: {listed}.")
    by_table: dict[tuple[str, ...], dict[float, str]] = {}
    for result in problems:
        problem = result.problem
        if not problem.subject_to:
            table = problem.benchmark, result.loss, problem.seed_policy or "mean", result.unit
            by_table.setdefault(table, {})[result.weight] = _lowest(names, [result])
    several = {
        f"{table}, {loss}": best for (table, loss, *_), best in by_table.items() if len(best) > 1
    }
    changing = {table: best for table, best in several.items() if len(set(best.values())) > 1}
    if several:
        tables = plural(len(several), "table")
        text = (
            f"The strategy with the lowest mean regret depends on λ on {len(changing)} of {tables}"
            " with several λ"
        )
        shown = [
            f"{table}: "
            + ", ".join(f"{who} at λ = {weight:g}" for weight, who in sorted(best.items()))
            for table, best in changing.items()
        ]
        sentences.append(f"{text} ({'; '.join(shown)})." if shown else f"{text}.")
    return sentences


def _versions(evidence: Evidence) -> list[str]:
    """Which strategies were edited and run again on the same seeds."""
    counted = {name: evidence.versions.get(name, 1) for name in evidence.names}
    return [
        f"{name} was edited and run again on these seeds ({count} versions so far); a result chosen"
        f" among versions must be confirmed on fresh seeds (--seed {evidence.seed + 1})."
        for name, count in counted.items()
        if count > 1
    ]


def _incomplete(evidence: Evidence) -> list[str]:
    """What was not run, or failed."""
    sentences = []
    if evidence.skipped:
        n_problems = plural(evidence.skipped, "problem")
        sentences.append(f"Not run, as the data is not installed: {n_problems}.")
    for account in evidence.accounts:
        if account.failures:
            sentences.append(
                f"{account.strategy} failed in {account.failures} of {account.runs} runs; these"
                " count as having found nothing."
            )
        if account.empty:
            sentences.append(
                f"{account.strategy} found no feasible cell in {account.empty} of {account.runs}"
                " runs."
            )
    return sentences
