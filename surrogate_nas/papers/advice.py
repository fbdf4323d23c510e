"""Which loss to search on, in a short table and in plain words; both are computed from the findings alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from surrogate_nas.papers.ranks import MEASURES, TITLES
from surrogate_nas.papers.rows import Summary

DECIDES = "kendall_best_quarter"
"""Where a search ends, and so what losses are compared by."""
SINGLE = ", one seed"
"""Ends the names of what one seed tells."""
ACROSS = ", one seed for another's goal"
"""Ends the names of what is held against the goal of another training, whose luck it does not share."""
_EARLY = 0.5
"""A candidate that costs at most so much of a whole training run is an early one."""
_CLOSE = 0.02
"""Two mean τ that differ less are called alike."""


@dataclass(frozen=True)
class Finding:
    """How one candidate loss did on one table.

    Attributes:
        table: The benchmark.
        goal: What one finally wants there, as rows show it.
        measure: What that measures, whatever the split: the kind of task.
        candidate: The loss, with its epochs.
        family: What is measured on which split, over all tables.
        role: The same beside what is wanted (`surrogate_nas.papers.candidates.ROLES`), or empty.
        final: Whether a search may not see it.
        tested: Whether the goal was measured on test data, and not on validation data for want of a test.
        seeds: Over how many seeds the numbers are means; None for the mean of seeds itself.
        taus: τ with the goal, by `MEASURES`.
        spread: The standard deviations of these over seeds.
        ceiling: τ of two seeds with one another, by `MEASURES`; empty where no seeds are held.
        of_best: What the cell that it likes best finally has, as rows show it.
        of_best_spread: Its standard deviation over seeds.
        optimum: What the best cell has.
        tied: How many cells share its smallest value, at most.
        better: The share of cells that are better than those.
        seconds: What it costs to know of a cell, on average, or None.
        share: Of a whole training run.
    """

    table: str
    goal: str
    measure: str
    candidate: str
    family: str
    role: str
    final: bool
    tested: bool
    seeds: int | None
    taus: dict[str, float]
    spread: dict[str, float | None]
    ceiling: dict[str, float]
    of_best: float
    of_best_spread: float | None
    optimum: float
    tied: int
    better: float
    seconds: float | None
    share: float

    @property
    def early(self) -> bool:
        """Whether it is known long before a training run ends."""
        return self.share <= _EARLY


@dataclass(frozen=True)
class Family:
    """One kind of loss on all tables of one kind of task, each table's longest run of it.

    Attributes:
        measure: The kind of task.
        name: The family.
        early: Whether these are runs that end early.
        findings: One a table.
        behind: The mean over tables of how far its τ in the best quarter lies below that of the table's best loss.
        leads: On how many tables it is the best loss.
    """

    measure: str
    name: str
    early: bool
    findings: Sequence[Finding]
    behind: float
    leads: int

    def tau(self, measure: str = DECIDES) -> float:
        """The mean τ over tables.

        Args:
            measure: One of `MEASURES`.
        """
        return mean(finding.taus[measure] for finding in self.findings)

    @property
    def ceiling(self) -> float:
        """The mean ceiling in the best quarter, over the tables that have one."""
        return mean(finding.ceiling[DECIDES] for finding in self.findings if finding.ceiling)

    @property
    def better(self) -> float:
        """The mean share of cells that are better than the one that it likes best."""
        return mean(finding.better for finding in self.findings)

    @property
    def share(self) -> float:
        """The mean share of a whole training run that it costs."""
        return mean(finding.share for finding in self.findings)


def mean(values: Iterable[float]) -> float:
    """The mean of the finite ones; NaN where there is none.

    Args:
        values: Any numbers.
    """
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan


def families(findings: Sequence[Finding]) -> list[Family]:
    """What a search may see, by kind of task and of loss; whole runs before early ones, the least behind first.

    Args:
        findings: Of all tables.
    """
    grouped: dict[tuple[str, bool, str], dict[str, Finding]] = {}
    for finding in findings:
        if finding.final or not math.isfinite(finding.taus[DECIDES]):
            continue
        tables = grouped.setdefault((finding.measure, finding.early, finding.family), {})
        held = tables.get(finding.table)
        if held is None or held.share < finding.share:
            tables[finding.table] = finding
    best: dict[tuple[str, bool], float] = {}
    for (_, early, _), tables in grouped.items():
        for table, finding in tables.items():
            if finding.seeds is None:
                best[table, early] = max(best.get((table, early), -1.0), finding.taus[DECIDES])
    made = []
    for (measure, early, name), tables in grouped.items():
        gaps = [best.get((table, early), math.nan) - finding.taus[DECIDES] for table, finding in tables.items()]
        leads = sum(gap <= 0 and f.seeds is None for gap, f in zip(gaps, tables.values(), strict=True))
        made.append(Family(measure, name, early, list(tables.values()), mean(gaps), leads))
    return sorted(made, key=lambda f: (f.measure, f.early, not math.isfinite(f.behind), f.behind))


def summary(findings: Sequence[Finding]) -> Summary:
    """One line a kind of task and loss: means over tables.

    Args:
        findings: Of all tables.
    """
    heads = (
        "wanted", "L", "tables", "best on", "cost", "behind", *(f"τ {TITLES[measure]}" for measure in MEASURES),
        "two seeds", "better cells",
    )  # fmt: skip
    rows = [
        (
            f.measure, f.name, str(len(f.findings)), str(f.leads), f"{f.share:.0%}", _number(f.behind),
            *(_number(f.tau(measure)) for measure in MEASURES), _number(f.ceiling), f"{f.better:.2%}",
        )
        for f in families(findings)
    ]  # fmt: skip
    return Summary(heads, rows)


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"


def advice(findings: Sequence[Finding]) -> list[str]:
    """The answer in plain words, a paragraph a kind of task.

    Args:
        findings: Of all tables.
    """
    made = [family for family in families(findings) if family.findings[0].seeds is None]
    kinds = dict.fromkeys(family.measure for family in made)
    across = {(f.table, f.candidate.removesuffix(ACROSS)): f for f in findings if f.candidate.endswith(ACROSS)}
    return [" ".join(_paragraph([family for family in made if family.measure == kind], across)) for kind in kinds]


def _paragraph(made: Sequence[Family], across: Mapping[tuple[str, str], Finding]) -> Iterator[str]:
    tested = {finding.table: finding.tested for family in made for finding in family.findings}
    without = len(tested) - sum(tested.values())
    untested = f", {without} without a test, so validation stands for it" if without else ""
    yield f"For the best {made[0].measure.replace('_', ' ')} ({_count(len(tested), 'table')}{untested})."
    for early, when in ((False, "After whole runs"), (True, f"For at most {_EARLY:.0%} of the cost of a run")):
        held = [family for family in made if family.early == early]
        if not held:
            continue
        on = len({finding.table for family in held for finding in family.findings})
        first = next((family for family in held if 2 * len(family.findings) >= on), held[0])
        yield f"{when} search on {first.name} (held by {len(first.findings)} of {on}, the best L on {first.leads}):"
        yield f"τ {first.tau():.3f} in the best quarter{_ceiling_of(first)}, {first.tau('kendall'):.3f} over all cells;"
        yield from _without_luck(first, across)
        yield f"{first.better:.2%} of cells are better than the one that it likes best."
        others = [family for family in held if family is not first]
        ahead = [f"{f.name} ({f.behind:.3f})" for f in others if f.behind < first.behind - _CLOSE]
        near = [f.name for f in others if abs(f.behind - first.behind) <= _CLOSE]
        far = [f"{f.name} ({f.behind:.3f})" for f in others if f.behind > first.behind + _CLOSE]
        yield f"It lies {first.behind:.3f} behind the best L of a table."
        if ahead:
            yield f"Less behind where they are held: {'; '.join(ahead)}."
        if near:
            yield f"About as good: {'; '.join(near)}."
        if far:
            yield f"Further behind: {'; '.join(far)}."


def _without_luck(family: Family, across: Mapping[tuple[str, str], Finding]) -> Iterator[str]:
    """What is left where the goal is that of another training."""
    pairs = [(f, across[f.table, f.candidate]) for f in family.findings if (f.table, f.candidate) in across]
    if pairs:
        same, other = (mean(finding.taus["kendall"] for finding in held) for held in zip(*pairs, strict=True))
        yield (
            f"with another training's goal, whose luck it does not share, {other:.3f} instead of {same:.3f} "
            f"({_count(len(pairs), 'table')});"
        )


def _ceiling_of(family: Family) -> str:
    n = sum(bool(finding.ceiling) for finding in family.findings)
    return f" (two seeds agree with {family.ceiling:.3f} there, {_count(n, 'table')})" if n else " (no ceiling known)"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
