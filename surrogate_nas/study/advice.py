"""Which signal should drive a search, how early, and what a pilot must have to tell.

The candidates are the training loss, the validation loss and the validation measure, after 10, 20,
50 and 100 % of a run and as the mean over its last fifth. Each is judged by τ with the final goal
under other seeds, less that of the validation measure at the end: the reference. What other sources
of data say predicts a new source (`surrogate_nas.study.random_effects`); what the source's own
cells say moves that prediction by its precision.

The rule: (1) of the signals at the end, the best one whose interval lies above 0, corrected for
their number (Bonferroni); else the reference. (2) From there back in time, as long as the interval
of some signal's loss lies above −.05, the smallest difference of interest; at each time the best
one is taken. Where that ends at the reference, nothing is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from surrogate_nas.benchmarks import RESOLVERS, load
from surrogate_nas.benchmarks.live import PREFIX
from surrogate_nas.benchmarks.losses import PREFIX as TABLES
from surrogate_nas.benchmarks.losses import TRAINED
from surrogate_nas.benchmarks.resolvers import known as known_benchmarks
from surrogate_nas.core.arguments import checked
from surrogate_nas.core.errors import unknown
from surrogate_nas.core.levels import LEVEL, POWER
from surrogate_nas.core.numbers import fixed, plural, share
from surrogate_nas.study.orders import NOISE, Signal, SignalTable, by_source, difference
from surrogate_nas.study.pilot import Kind, of_benchmark, of_file, of_tasks, reference_of, source_of
from surrogate_nas.study.random_effects import FEWEST, Estimate, Sources, combine
from surrogate_nas.study.signals import MARKS, SIGNALS
from surrogate_nas.tables.sources.spreadsheet import SUFFIXES
from surrogate_nas.training import TASKS, task_named
from surrogate_nas.training.tasks import parted

OF_INTEREST = 0.05
"""The smallest difference of τ that is of interest."""
PILOT_CELLS = (10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000)
"""Numbers of cells that a pilot is proposed with."""


def _shrunk(prior: Sources | None, own: tuple[float, float] | None) -> Estimate | None:
    """What other sources and the own cells' difference and variance say together, if anything."""
    if prior is None:
        return None if own is None else Estimate.normal(*own)
    return prior.new if own is None else prior.new.seen(*own)


@dataclass(frozen=True)
class Evidence:
    """What is known of the signals on one source of data.

    Attributes:
        others: Tables of other sources, by source.
        own: Tables of its own cells.
        reference: The matched validation signal at the end.
    """

    others: Mapping[str, Sequence[SignalTable]]
    own: Sequence[SignalTable]
    reference: Signal
    _known: dict[tuple[Signal, Signal], Estimate | None] = field(default_factory=dict, repr=False)

    @property
    def signals(self) -> list[Signal]:
        """What its own cells can be searched by; without any, what other sources have."""
        tables = self.own or [one for some in self.others.values() for one in some]
        found = {signal for one in tables for signal in one.signals}
        return sorted(found, key=lambda one: (SIGNALS.index(one.what), one.at, one.late))

    def prior(self, signal: Signal, against: Signal) -> Sources | None:
        """What other sources say of a difference; None of fewer than three.

        Args:
            signal: The one.
            against: The other, whose τ is taken off.
        """
        each = (difference(some, signal, against) for some in self.others.values())
        told = np.array([one for one in each if one is not None])
        return combine(*told.T) if len(told) >= FEWEST else None

    def __call__(self, signal: Signal, against: Signal) -> Estimate | None:
        """τ of a signal less that of another one on this source; None where nobody tells."""
        key = signal, against
        if key not in self._known:
            own = difference(self.own, signal, against)
            is_told = own is not None or not self.own
            self._known[key] = _shrunk(self.prior(signal, against), own) if is_told else None
        return self._known[key]

    def advised(self) -> Signal:
        """The signal that the rule takes."""
        ends = self.ends.items()
        better = {one: told for one, told in ends if told.interval(self.level)[0] > 0}
        target = max(better, key=lambda one: better[one].mean, default=self.reference)
        chosen = target
        for mark in MARKS[-2::-1]:
            early = [one for one in self.signals if one.at == mark]
            told = {one: estimate for one in early if (estimate := self(one, target))}
            if not told:
                continue
            level = LEVEL / len(told)
            fine = {
                one: estimate
                for one, estimate in told.items()
                if estimate.interval(level)[0] > -OF_INTEREST
            }
            if not fine:
                break
            chosen = max(fine, key=lambda one: fine[one].mean)
        return chosen

    @property
    def ends(self) -> dict[Signal, Estimate]:
        """By signal of the end, without the reference, its difference to that."""
        ends = [one for one in self.signals if one.at == 1 and one != self.reference]
        return {one: told for one in ends if (told := self(one, self.reference))}

    @property
    def level(self) -> float:
        """Of an interval at the end, one of several."""
        return LEVEL / max(len(self.ends), 1)

    @property
    def nearest(self) -> Signal | None:
        """The signal of the end that is expected to be the best but for the reference."""
        return max(self.ends, key=lambda one: self.ends[one].mean, default=None)

    @property
    def settled(self) -> str:
        """What the nearest is beside the reference; empty where that is not told apart."""
        nearest = self.nearest
        return settled(*self.ends[nearest].interval(self.level)) if nearest else ""


def settled(low: float, high: float) -> str:
    """What an interval of a difference says; empty where it says nothing.

    Args:
        low: Its lower end.
        high: Its upper end.

    Example:
        >>> settled(0.01, 0.2), settled(-0.04, 0.04), settled(-0.04, 0.2)
        ('better than', 'as good, within 0.05 of τ, as', '')
    """
    if low > 0:
        return "better than"
    if high < 0:
        return "worse than"
    inside = -OF_INTEREST < low and high < OF_INTEREST
    return f"as good, within {OF_INTEREST} of τ, as" if inside else ""


def power(now: Estimate, variance: float, level: float = LEVEL) -> float:
    """The probability that a pilot settles a difference (`settled`).

    The true difference is taken as normal around what is known now. With the pilot's own estimate,
    of the given variance, the mean of both is normal again, and its interval has a known length.

    Args:
        now: What is known of the difference before the pilot.
        variance: Of the difference in the pilot.
        level: Of the interval.
    """
    from scipy.special import ndtr, ndtri

    of_pilot = now.error**2 / (now.error**2 + variance)
    spread = math.sqrt(of_pilot) * now.error
    half = float(ndtri(1 - level / 2)) * math.sqrt(of_pilot * variance)
    inside = max(OF_INTEREST - half, 0.0)
    if inside >= half:
        return 1.0

    def below(value: float) -> float:
        return float(ndtr((value - now.mean) / spread))

    return 1 - below(half) + below(-half) + below(inside) - below(-inside)


class Pilot(NamedTuple):
    """What a pilot must have; zeros where none is needed, None where none of the sizes tells.

    Attributes:
        cells: How many cells.
        seeds: Trainings of each.
    """

    cells: int | None
    seeds: int | None


def pilot_of(evidence: Evidence) -> Pilot:
    """The fewest trainings by which the nearest rival of the reference is settled.

    Args:
        evidence: What is known before.

    Returns:
        Of `PILOT_CELLS` and of two seeds to as many as the tables have, those with 80 % power. The
        variance of a difference is that of the tables with as many seeds, in proportion to 1/cells.
    """
    rival = evidence.nearest
    if rival is None:
        return Pilot(None, None)
    if evidence.settled:
        return Pilot(0, 0)
    now, level = evidence.ends[rival], evidence.level
    tables = evidence.own or [one for some in evidence.others.values() for one in some]
    sizes = []
    for seeds in range(2, max(one.seeds for one in tables) + 1):
        spread = _variance_of_a_cell(tables, seeds, rival, evidence.reference)
        sizes += [(cells * seeds, cells, seeds, spread / cells) for cells in PILOT_CELLS]
    for _, cells, seeds, variance in sorted(sizes):
        if power(now, variance, level) >= POWER:
            return Pilot(cells, seeds)
    return Pilot(None, None)


def _variance_of_a_cell(
    tables: Iterable[SignalTable], seeds: int, signal: Signal, against: Signal
) -> float:
    """The variance of a difference times the number of cells; the mean over tables."""
    found = []
    for one in tables:
        told = difference([one.part(seeds=seeds)], signal, against) if one.seeds >= seeds else None
        if told is not None:
            found.append(told[1] * len(one.cells))
    return float(np.mean(found)) if found else math.inf


class Scored(NamedTuple):
    """What advice was worth on a source that had not given it.

    Attributes:
        source: Of data.
        piloted: Whether half of its cells were a pilot, and the other half judged.
        known: Whether another signal than the reference was advised.
        signal: The one that was.
        tau: With the goal under other seeds.
        reference: τ of the reference.
        gain: The difference.
        error: Its standard error over cells.
    """

    source: str
    piloted: bool
    known: bool
    signal: Signal
    tau: float
    reference: float
    gain: float
    error: float

    @property
    def is_hit(self) -> bool:
        """Whether its τ is at least as high as that of the reference."""
        return self.gain >= 0


def scored(tables: Mapping[str, Sequence[SignalTable]], *, piloted: bool = False) -> list[Scored]:
    """Advise each source by the others, and look at what that is worth.

    Args:
        tables: By source.
        piloted: Whether every other cell of the source is a pilot; the rest judges.
    """
    found = []
    for source, own in tables.items():
        others = {name: some for name, some in tables.items() if name != source}
        pilot = [one.part(slice(0, None, 2)) for one in own] if piloted else []
        judges = [one.part(slice(1, None, 2)) for one in own] if piloted else own
        reference = own[0].reference
        signal = Evidence(others, pilot, reference).advised()
        judges = [one for one in judges if signal in one.signals]
        gain, variance = difference(judges, signal, reference) or (0.0, 0.0)
        tau, least = (
            float(np.mean([one.tau(which) for one in judges])) if judges else math.nan
            for which in (signal, reference)
        )
        known = signal != reference
        error = math.sqrt(variance)
        found.append(Scored(source, piloted, known, signal, tau, least, gain, error))
    return found


@dataclass(frozen=True)
class Score:
    """How good advice was on sources that had not given it.

    Attributes:
        piloted: Whether each source gave half of its cells as a pilot.
        sources: How many were advised.
        known: On how many another signal than the reference was advised.
        hits: On how many of these its τ was at least as high as the reference's.
        close: On how many of these it was at most .05 lower.
        gain: The mean difference of τ on these; None where there are none.
        interval: Of that over all sources that there might be; None of fewer than three.
        run: The mean share of a run that the advice takes, over all sources.
    """

    piloted: bool
    sources: int
    known: int
    hits: int
    close: int
    gain: float | None
    interval: tuple[float, float] | None
    run: float

    @classmethod
    def of(cls, found: Sequence[Scored]) -> Score:
        """Sum up.

        Args:
            found: Of one kind, with a pilot or without.
        """
        known = [one for one in found if one.known]
        gains = np.array([one.gain for one in known])
        gain = float(gains.mean()) if known else None
        interval = None
        if len(known) >= FEWEST:
            over_all = combine(gains, np.array([one.error**2 for one in known])).mean
            gain, interval = over_all.mean, over_all.interval()
        hits = sum(one.is_hit for one in known)
        close = sum(one.gain > -OF_INTEREST for one in known)
        run = float(np.mean([one.signal.at for one in found])) if found else 1.0
        piloted = any(one.piloted for one in found)
        return cls(piloted, len(found), len(known), hits, close, gain, interval, run)

    @property
    def sentence(self) -> str:
        """The same in words."""
        given = "the others and half of its own cells" if self.piloted else "the others alone"
        said = f"another signal for {self.known} of {plural(self.sources, 'source')} by {given}"
        if not self.known or self.gain is None:
            return said
        return (
            f"{said} (τ at least the reference's on {self.hits}, at most {OF_INTEREST} lower on"
            f" {self.close}; mean difference {fixed(self.gain, 2)}{_ends(self.interval)})"
        )


@dataclass(frozen=True)
class Advice:
    """Which signal should drive a search, by what is known.

    Attributes:
        what: That was asked about.
        signal: The one to search by.
        reference: The matched validation signal at the end.
        measure: What the validation measure is, such as ``error``.
        nearest: The rival of the reference that is expected to be the best at the end, if any.
        difference: τ of the signal less that of the reference, or that of the nearest where
            nothing is known.
        prior: What other sources say of that difference; None where nothing was asked of them.
        own: How many cells of its own there are, and how many seeds of each.
        settled: What the nearest is beside the reference, as ``better than``; empty where that is
            not told apart.
        pilot: What would settle it.
        scores: How good such advice is on sources that did not give it.
        limits: What it does not say, a sentence each.
    """

    what: str
    signal: Signal
    reference: Signal
    measure: str
    nearest: Signal | None
    difference: Estimate | None
    prior: Sources | None
    own: tuple[int, int]
    settled: str
    pilot: Pilot
    scores: tuple[Score, ...]
    limits: tuple[str, ...]

    @property
    def known(self) -> bool:
        """Whether something better than the reference is known: higher in τ, or as good earlier."""
        return self.signal != self.reference

    @property
    def metric(self) -> str:
        """The metric of the signal, such as ``valid_loss``."""
        split, _, quantity = self.signal.what.partition(" ")
        name = f"{split}_{self.measure if quantity == 'measure' else quantity}"
        return f"{name}_late" if self.signal.late else name

    @property
    def sentences(self) -> list[str]:
        """The advice, its evidence, what a pilot would tell, how good it is, and its limits: at
        most five.
        """
        search = self._words(self.signal)
        reference = self._words(self.reference)
        lead = f"{self.what}: search by the {search}."
        if not self.known:
            lead = (
                f"{self.what}: not known. Nothing is shown to be better than the {reference}, or as"
                " good and earlier; search by that."
            )
        return [
            lead,
            *self._evidence(),
            *self._of_pilot(),
            *self._of_score(),
            " ".join(self.limits),
        ]

    def _words(self, signal: Signal) -> str:
        split, _, quantity = signal.what.partition(" ")
        named = self.measure.replace("_", " ") if quantity == "measure" else quantity
        when = "at the end of the run"
        if signal.late:
            when = "as its mean over the last fifth of the run"
        elif signal.at < 1:
            when = f"after {share(signal.at)} of the run"
        return f"{'training' if split == 'train' else 'validation'} {named} {when}"

    def _evidence(self) -> list[str]:
        shown = self.signal if self.known else self.nearest
        if shown is None or self.difference is None:
            return ["No other signal is known of it, so nothing can be compared."]
        by = []
        if self.own[0]:
            by.append(f"{plural(self.own[0], 'cell')} × {plural(self.own[1], 'seed')} of its own")
        if self.prior is not None:
            by.append(
                f"{plural(self.prior.number, 'other source')} (mean {_told(self.prior.mean)})"
            )
        lead = "Its τ" if self.known else f"The τ of the nearest, the {self._words(shown)},"
        than, less = self._words(self.reference), _told(self.difference)
        return [f"{lead} less that of the {than} is {less}, by {' and '.join(by)}."]

    def _of_pilot(self) -> list[str]:
        if self.nearest is None:
            return []
        rival, reference = self._words(self.nearest), self._words(self.reference)
        cells, seeds = self.pilot
        if cells == 0:
            return [f"It needs no pilot: the {rival} is {self.settled} the {reference}."]
        asked = f"settle whether the {rival} is better than the {reference}"
        if cells is None or seeds is None:
            return [f"No pilot of {PILOT_CELLS[-1]:,} cells or fewer would {asked}."]
        more = "another " if self.own[0] else ""
        size = f"{more}{plural(cells, 'cell')} × {plural(seeds, 'seed')}"
        return [f"A pilot of {size} would {asked}, with {share(POWER)} power."]

    def _of_score(self) -> list[str]:
        told = [score.sentence for score in self.scores if score.sources]
        return [f"On sources that it had not seen it advised {'; '.join(told)}."] if told else []

    def to_json(self) -> dict[str, Any]:
        """The advice as a JSON object; ``at`` is a share of the run."""
        low, high = self.difference.interval() if self.difference else (None, None)
        evidence = {
            "reference": self._words(self.reference),
            "compared": self._words(self.signal if self.known else self.nearest or self.signal),
            "difference": self.difference.mean if self.difference else None,
            "low": low,
            "high": high,
            "own_cells": self.own[0],
            "own_seeds": self.own[1],
            "sources": self.prior.number if self.prior else 0,
            "scores": [asdict(score) for score in self.scores],
            "sentences": self.sentences[:-1],
        }
        return {
            "signal": self.metric,
            "at": self.signal.at,
            "seeds": self.pilot.seeds,
            "cells": self.pilot.cells,
            "evidence": evidence,
            "limits": list(self.limits),
            "known": self.known,
        }


def _told(found: Estimate) -> str:
    return f"{fixed(found.mean, 2)}{_ends(found.interval())}"


def _ends(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{', '.join(fixed(end, 2) for end in interval)}]"


@checked
def advise(what: str | Path, *, goal: Kind = "measure") -> Advice:
    """Say which signal should drive a search.

    Args:
        what: A benchmark's name, whose own seeds tell; a task's name, or ``live:TASK``, where its
            table and other sources tell; or a CSV file of a pilot (`surrogate_nas.study.pilot`),
            where it and other sources tell.
        goal: What judges: the task's ``measure`` on test data, or the test ``loss``.

    Returns:
        The advice; `known` is False where nothing better than the matched validation measure at
        the end is known.

    Raises:
        UserError: There is no such benchmark, task or file, or it cannot tell: it has one seed, too
            few cells, no such goal, or no matched validation signal.

    Example:
        >>> found = advise("cartpole")
        >>> found.measure, len(found.sentences) <= 5
        ('return', True)
    """
    name = str(what)
    if name.lower().endswith(SUFFIXES):
        return _of_file(Path(what), goal)
    if not name.startswith(PREFIX) and any(one.matches(name) for one in RESOLVERS):
        return _of_benchmark(name, goal)
    return _of_task(name.removeprefix(PREFIX), goal)


_OF_RANDOM = "τ is over random cells; a search ends among the few best."
_OF_SMALL = "The other sources are small tasks, trained here on cells of one space."
_OF_CURVE = "Early points are of whole runs; a short run of its own may order otherwise."
_OF_RUNS = "Shorter runs are trainings of their own; early points of a long one may differ."


def _of_benchmark(name: str, goal: Kind) -> Advice:
    """By the benchmark's own seeds alone."""
    if name.startswith(TABLES) and not name.endswith(TRAINED):
        name += TRAINED  # what is predicted has no seeds
    bench = load(name)
    evidence = Evidence({}, [of_benchmark(bench, goal)], reference_of(goal))
    limits = [_OF_CURVE if bench.one_curve else _OF_RUNS, _OF_RANDOM]
    return _advice(name, evidence, evidence.own[0].measure, {}, limits)


def _of_task(name: str, goal: Kind) -> Advice:
    """By other sources, and the task's own table where it has one."""
    task, _ = parted(name)
    if task not in TASKS and ":" not in task:
        names = [*known_benchmarks(), *TASKS]
        raise unknown("benchmark, task or file", name, names, lister="snas benchmarks")
    measure = task_named(name).measured[0].name
    tables = of_tasks(goal)
    own = [one for one in tables if one.name == name]
    others = [one for one in tables if one.source != source_of(task)]
    limits = [_OF_CURVE, _OF_SMALL, _OF_RANDOM]
    evidence = Evidence(by_source(_alike(others, own)), own, reference_of(goal))
    return _advice(name, evidence, measure, by_source(tables), limits)


def _of_file(path: Path, goal: Kind) -> Advice:
    """By the pilot, and by all sources."""
    own = of_file(path, goal)
    others = of_tasks(goal)
    evidence = Evidence(by_source(_alike(others, [own])), [own], reference_of(goal))
    limits = [_OF_CURVE, _OF_SMALL, _OF_RANDOM]
    return _advice(own.name, evidence, own.measure, by_source(others), limits)


def _alike(others: Sequence[SignalTable], own: Sequence[SignalTable]) -> list[SignalTable]:
    """Other tables with no more seeds than one's own: a goal of more seeds is less noisy."""
    return [one.part(seeds=min(own[0].seeds, one.seeds)) if own else one for one in others]


def _advice(
    what: str,
    evidence: Evidence,
    measure: str,
    tables: Mapping[str, Sequence[SignalTable]],
    limits: Sequence[str],
) -> Advice:
    """The advice that some evidence gives, and how good such advice is on tables by source."""
    signal, reference, nearest = evidence.advised(), evidence.reference, evidence.nearest
    shown = signal if signal != reference else nearest
    own = (0, 0)
    for one in evidence.own:
        own = len(one.cells), one.seeds
        if not one.is_tested:
            limits = ["Without test data, validation data under other seeds judge.", *limits]
        if one.agreement < NOISE:
            limits = [
                f"Two seeds agree with τ {fixed(one.agreement, 2)} only: what judges is noise.",
                *limits,
            ]
    scores = []
    if tables:
        scores = [Score.of(scored(tables, piloted=piloted)) for piloted in (False, True)]
    return Advice(
        what=what,
        signal=signal,
        reference=reference,
        measure=measure,
        nearest=nearest,
        difference=evidence(shown, reference) if shown else None,
        prior=evidence.prior(shown, reference) if shown else None,
        own=own,
        settled=evidence.settled,
        pilot=pilot_of(evidence),
        scores=tuple(scores),
        limits=tuple(limits),
    )
