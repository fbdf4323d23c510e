"""Which loss to search on, in a short table and in plain words; both are computed from the findings alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from surrogate_nas.papers.ranks import MEASURES, TITLES
from surrogate_nas.papers.rows import Summary

DECIDES = "kendall_best_quarter"
"""Where a search ends, and so what losses are compared by."""
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
        final: Whether a search may not see it.
        seeds: Over how many seeds the numbers are means; None for the mean of seeds itself.
        taus: τ with the goal, by `MEASURES`.
        spread: The standard deviations of these over seeds.
        ceiling: τ of two seeds with one another, by `MEASURES`; empty where no seeds are held.
        of_best: What the cell that it likes best finally has, as rows show it.
        of_best_spread: Its standard deviation over seeds.
        optimum: What the best cell has.
        better: The share of cells that are better than the one that it likes best.
        seconds: What it costs to know of a cell, on average, or None.
        share: Of a whole training run.
    """

    table: str
    goal: str
    measure: str
    candidate: str
    family: str
    final: bool
    seeds: int | None
    taus: dict[str, float]
    spread: dict[str, float | None]
    ceiling: dict[str, float]
    of_best: float
    of_best_spread: float | None
    optimum: float
    better: float
    seconds: float | None
    share: float

    @property
    def early(self) -> bool:
        """Whether it is known long before a training run ends."""
        return self.share <= _EARLY


@dataclass(frozen=True)
class Family:
    """One kind of loss on all tables of one kind of task, each table's latest run of it.

    Attributes:
        measure: The kind of task.
        name: The family.
        early: Whether these are runs that end early.
        findings: One a table.
    """

    measure: str
    name: str
    early: bool
    findings: Sequence[Finding]

    def tau(self, measure: str = DECIDES) -> float:
        """The mean τ over tables.

        Args:
            measure: One of `MEASURES`.
        """
        return _mean(finding.taus[measure] for finding in self.findings)

    @property
    def ceiling(self) -> float:
        """The mean ceiling in the best quarter, over the tables that have one."""
        return _mean(finding.ceiling.get(DECIDES, math.nan) for finding in self.findings)

    @property
    def better(self) -> float:
        """The mean share of cells that are better than the one that it likes best."""
        return _mean(finding.better for finding in self.findings)

    @property
    def share(self) -> float:
        """The mean share of a whole training run that it costs."""
        return _mean(finding.share for finding in self.findings)


def _mean(values: Iterable[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan


def families(findings: Sequence[Finding]) -> list[Family]:
    """What a search may see, by kind of task and of loss, whole runs before early ones, the best first.

    Args:
        findings: Of all tables.
    """
    grouped: dict[tuple[str, bool, str], dict[str, Finding]] = {}
    for finding in findings:
        if finding.final:
            continue
        tables = grouped.setdefault((finding.measure, finding.early, finding.family), {})
        held = tables.get(finding.table)
        if held is None or held.share < finding.share:
            tables[finding.table] = finding
    made = [Family(measure, name, early, list(by.values())) for (measure, early, name), by in grouped.items()]
    return sorted(made, key=lambda f: (f.measure, f.early, -f.tau() if math.isfinite(f.tau()) else math.inf))


def summary(findings: Sequence[Finding]) -> Summary:
    """One line a kind of task and loss: means over tables.

    Args:
        findings: Of all tables.
    """
    heads = (
        "wanted", "L", "tables", "of a run", *(f"τ {TITLES[measure]}" for measure in MEASURES), "two seeds",
        "better cells",
    )  # fmt: skip
    rows = [
        (
            f.measure, f.name, str(len(f.findings)), f"{f.share:.0%}",
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
    made = families(findings)
    return [" ".join(_paragraph([f for f in made if f.measure == m])) for m in dict.fromkeys(f.measure for f in made)]


def _paragraph(made: Sequence[Family]) -> Iterator[str]:
    whole = [f for f in made if not f.early]
    tables = {finding.table for f in made for finding in f.findings}
    common = [f for f in whole if len(f.findings) * 2 >= len(tables)] or whole
    yield f"Where {made[0].measure.replace('_', ' ')} is wanted ({_count(len(tables), 'table')}):"
    if common:
        first, *others = common
        yield f"{first.name} orders the best quarter best after whole runs, τ {_with_ceiling(first)}"
        if others:
            alike = [f.name for f in others if first.tau() - f.tau() < _CLOSE]
            last = others[-1]
            yield f"(as good: {', '.join(alike)})," if alike else f"then {others[0].name} with {others[0].tau():.3f},"
            yield f"and {last.name} worst, {_number(last.tau())}" if last.name not in alike else "none much worse"
        yield f"; {first.better:.2%} of cells are better than the one that it likes best."
    early = [f for f in made if f.early and math.isfinite(f.tau())]
    if early:
        yield (
            f"Of what is known after {early[0].share:.0%} of a run, {early[0].name} is best with τ "
            f"{_with_ceiling(early[0])}"
            + (f", {early[-1].name} worst with {early[-1].tau():.3f}." if len(early) > 1 else ".")
        )
    fooled = [f for f in common if f.tau("kendall") - f.tau() > 2 * _EARLY * 0.5]
    if fooled:
        worst = max(fooled, key=lambda f: f.tau("kendall") - f.tau())
        yield f"A τ over all cells flatters: that of {worst.name} is {worst.tau('kendall'):.3f}."


def _with_ceiling(family: Family) -> str:
    limit = family.ceiling
    ends = f" (two seeds agree with {limit:.3f})" if math.isfinite(limit) else " (no seeds held, so no ceiling)"
    return f"{family.tau():.3f}{ends}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
