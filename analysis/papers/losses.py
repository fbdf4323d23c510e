"""Which loss should drive a search? How well each candidate L ranks the cells of every table.

Tables of losses, where every loss trained the same cells, are studied on a page of their own
(``make answer`` in the repository, by ``analysis/losses_protocol.md``); here they are tables like
all others, in what their signals tell along a run.

The paper reports a candidate's τ with the goal (`analysis.papers.common.ranks`) over the
space, its better half, its best quarter, and among cells with equally many operations with weights;
the final value of the cell that it ranks first; what it costs; and for every τ its ceiling, the τ
of two training seeds on the same cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.papers.common.paper import PaperResult, Row, Summary, Work, spread
from analysis.papers.common.pictures import (
    Map,
    Panel,
    picture,
)
from analysis.papers.common.ranks import (
    MEASURES,
    ROLES,
    TITLES,
    Candidate,
    Values,
    absent_tables,
    agreement,
    candidates_of,
    ceiling,
    itself,
    mean_of,
)
from analysis.papers.common.signals import Signals, signals_of
from analysis.papers.common.signals import summary as signals_table
from analysis.papers.common.signals import words as signals_in_words
from analysis.signals import Goal, goal_of, measure_of, seeds_of
from surrogate_nas.benchmarks import Benchmark, load, tables
from surrogate_nas.benchmarks.losses import TRAINED, Losses
from surrogate_nas.core.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FINAL = "measured on test data: a search may see it only where a study declares so"
_BEST = "@best"
_PAGE = (
    "Tables of losses, where every loss trained the same cells, have a page of their own: make"
    " answer writes results/answer/index.html in a clone of the repository."
)
_NEARLY_ALL = 0.9
_MOST_CROSSED = 3
DECIDES = "kendall_best_quarter"
"""Where a search ends, and so what losses are compared by."""
SINGLE = ", one seed"
"""The end of a candidate's name where it is of one seed."""
ACROSS = ", one seed for another's goal"
"""The same where it is judged by the goal of another training, whose noise it does not share."""
_EARLY = 0.5
"""A candidate that costs at most so much of a whole training run is an early one."""
_SEEDS = "two seeds\nagree"
_WANTED = ROLES[-2]
_COLUMNS = (*ROLES, f"{_WANTED}{SINGLE}")
_NOTES = [
    (
        "τ is Kendall's, with the goal; 1 means the same order. Halves and quarters are the best by"
        " the goal. Equal complexity: the mean τ among cells with equally many operations with"
        " weights, weighted by pairs of cells."
    ),
    (
        "The ceiling is the τ of one training seed with another, on the same cells: that of the"
        " loss itself if the table has its seeds, else that of the goal's measure; none without"
        " seeds. A mean over seeds can exceed it, and so can a loss of the training run of the goal"
        " itself, whose noise it shares (one seed for another's goal does not)."
    ),
    (
        "The value of its best cell is that of the first cell with the smallest loss; the share of"
        " better cells is the mean over all cells with that loss. Seconds: the training run and,"
        " unless training itself yields the loss, one validation pass; the mean over cells."
    ),
    (
        "TSE sums training losses over epochs, TSE-E those of the last two, TSE-EMA is their moving"
        " average (0.1 of it and 0.9 of the new one)."
    ),
]


def losses(work: Work) -> PaperResult:
    """Rank every candidate loss of every table by how well it orders the final metric.

    Args:
        work: The folder, and where; nothing is drawn, so runs do not matter.
    """
    entries = tables()
    here = [entry["name"] for entry in entries if entry["available"]]
    studied = work.results(study, {name: name for name in here})
    findings: list[Finding] = []
    problems: list[str] = []
    for own, problem in studied.values():
        findings += own
        if problem:
            problems.append(problem)
    if all(finding.final for finding in findings):
        raise UserError(
            "No table that is here holds a loss besides what is wanted of it: see snas benchmarks."
        )
    names = [*here, *(name for name in Losses().names() if name.endswith(TRAINED))]
    read: dict[str, Signals | None] = work.results(
        signals_of, {name: name for name in names}
    )
    signals = [one for one in read.values() if one is not None]
    rows = [row for finding in findings for row in _rows(finding)]
    fields: dict[str, Any] = {
        "summary": summary(findings),
        "signals": signals_table(signals) if signals else None,
        "findings": {"along_runs": [one.to_json() for one in signals]},
        "pictures": {"losses.png": _picture(findings)},
    }
    notes = [_PAGE, *signals_in_words(signals), *_NOTES, *problems]
    if any(_BEST in finding.goal for finding in findings):
        notes.append(
            f"Goals named {_BEST} are maxima over epochs, of test values too, and favour losses"
            " named so."
        )
    notes += absent_tables(entries)
    return work.result("Which loss should drive a search?", rows, notes, **fields)


@dataclass(frozen=True)
class Finding:
    """How one candidate loss did on one table."""

    table: str  # The benchmark
    cells: int  # The number of cells that have its final metric
    goal: str  # What one finally wants there, as rows show it
    measure: str  # What that measures, whatever the split: the kind of task
    candidate: str  # The loss, with its epochs
    family: str  # What is measured on which split, over all tables
    # The same beside what is wanted (`analysis.papers.common.ranks.ROLES`), or empty
    role: str
    final: bool  # Whether a search may not see it
    # Whether the goal was measured on test data, and not on validation data for want of a test
    tested: bool
    # Over how many seeds the numbers are means; None for the mean of seeds itself
    seeds: int | None
    taus: dict[str, float]  # τ with the goal, by `MEASURES`
    spread: dict[str, float | None]  # The standard deviations of these over seeds
    # τ of two seeds with one another, by `MEASURES`; empty where no seeds are held
    ceiling: dict[str, float]
    of_best: float  # What the cell that it likes best finally has, as rows show it
    of_best_spread: float | None  # Its standard deviation over seeds
    optimum: float  # What the best cell has
    tied: int  # How many cells share its smallest value, at most
    better: float  # The share of cells that are better than those
    seconds: float | None  # What it costs to know of a cell, on average, or None
    share: float  # Of a whole training run

    @property
    def early(self) -> bool:
        """Whether it is known long before a training run ends."""
        return self.share <= _EARLY


def study(name: str) -> tuple[list[Finding], str]:
    """Try every candidate loss of a table; with why there are none, or an empty text."""
    try:
        bench = load(name)
        findings = list(_findings(bench, goal_of(bench)))
    except UserError as error:
        return [], f"{name}: {error}"
    return (
        findings,
        ""
        if findings
        else f"{name} holds one measure only, so there is nothing to compare.",
    )


def _findings(bench: Benchmark, goal: Goal) -> Iterator[Finding]:
    groups = bench.column(bench.space.complexity) if bench.space.complexity else None
    candidates = list(candidates_of(bench, goal))
    wanted = seeds_of(bench, goal.metric, goal.question)
    usual = _usual_ceiling(goal, wanted, candidates, groups)
    # no test is held, so one seed is asked for all the others
    if goal.metric.kind == "search" and len(wanted) > 1:
        rests = [
            (seed, mean_of(wanted[:i] + wanted[i + 1 :]))
            for i, seed in enumerate(wanted)
        ]
        yield _finding(bench, goal, itself(bench, goal), SINGLE, rests, usual, groups)
    for candidate in candidates:
        own = ceiling(candidate.seeds, goal.values, groups) or usual
        yield _finding(
            bench, goal, candidate, "", [(candidate.values, goal.values)], own, groups
        )
        single = [seed for seed in candidate.seeds if _covers(seed, goal)]
        if len(single) > 1:
            yield _finding(
                bench,
                goal,
                candidate,
                SINGLE,
                [(seed, goal.values) for seed in single],
                own,
                groups,
            )
        if len(candidate.seeds) > 1 and len(candidate.seeds) == len(wanted):
            crossed = [
                (a, b)
                for i, a in enumerate(candidate.seeds)
                for j, b in enumerate(wanted)
                if i != j
            ]
            yield _finding(
                bench, goal, candidate, ACROSS, crossed[:_MOST_CROSSED], own, groups
            )


def _covers(seed: Values, goal: Goal) -> bool:
    """Whether a seed is held for nearly all cells, so that its τ are over the same cells as those
    of the mean.
    """
    return bool(np.isfinite(seed).sum() >= _NEARLY_ALL * np.isfinite(goal.values).sum())


def _usual_ceiling(
    goal: Goal,
    wanted: Sequence[Values],
    candidates: Sequence[Candidate],
    groups: Values | None,
) -> dict[str, float]:
    """That of the goal, else of the costliest candidate of the goal's own measure, for losses
    without seeds.
    """
    if len(wanted) < 2:
        alike = [
            c
            for c in candidates
            if len(c.seeds) > 1 and measure_of(c.name.partition("[")[0]) == goal.measure
        ]
        wanted = max(alike, key=lambda c: c.share).seeds if alike else ()
    return ceiling(wanted, goal.values, groups)


def _finding(
    bench: Benchmark,
    goal: Goal,
    candidate: Candidate,
    end: str,
    pairs: Sequence[tuple[Values, Values]],
    limit: dict[str, float],
    groups: Values | None,
) -> Finding:
    each = [agreement(values, wanted, goal.values, groups) for values, wanted in pairs]
    liked = [_liked_best(values, goal.values) for values, _ in pairs]
    chosen = np.array([cells[0] for cells in liked])
    ranked = np.sort(goal.values[np.isfinite(goal.values)])
    return Finding(
        table=bench.name,
        cells=len(ranked),
        goal=goal.title,
        measure=goal.measure,
        candidate=f"{candidate.name}{end}",
        family=f"{candidate.family}{end}",
        role="" if end == ACROSS else f"{candidate.role}{end}" * bool(candidate.role),
        final=candidate.final,
        tested=goal.metric.kind == "final",
        seeds=len(pairs) if end else None,
        taus={
            measure: float(np.mean([one[measure] for one in each]))
            for measure in MEASURES
        },
        spread={
            measure: spread([one[measure] for one in each]) for measure in MEASURES
        },
        ceiling=limit,
        of_best=goal.shown(float(chosen.mean())),
        of_best_spread=spread(chosen),
        optimum=goal.shown(float(ranked[0])),
        tied=max(map(len, liked)),
        better=float(
            np.mean(
                [np.searchsorted(ranked, cells).mean() / len(ranked) for cells in liked]
            )
        ),
        seconds=candidate.seconds,
        share=candidate.share,
    )


def _liked_best(values: Values, goal: Values) -> Values:
    """What the cells with the smallest value have, in the order of the space."""
    finite = np.isfinite(values) & np.isfinite(goal)
    liked: Values = goal[finite & (values == values[finite].min())]
    return liked


def _rows(finding: Finding) -> Iterator[Row]:
    declared = _FINAL if finding.final else ""
    for measure in MEASURES:
        tau = finding.taus[measure]
        if math.isfinite(tau):
            yield Row(
                finding.candidate,
                finding.table,
                measure,
                ours=tau,
                ours_std=finding.spread[measure],
                runs=finding.seeds,
                mark="D",
                verdict=declared or f"with {finding.goal}",
                ceiling=finding.ceiling.get(measure),
                seconds=finding.seconds,
            )
    short = finding.of_best - finding.optimum
    tied = f"; up to {finding.tied} cells share its value" if finding.tied > 1 else ""
    yield Row(
        finding.candidate,
        finding.table,
        f"{finding.goal}_of_best",
        ours=finding.of_best,
        ours_std=finding.of_best_spread,
        runs=finding.seeds,
        mark="D",
        seconds=finding.seconds,
        verdict=(
            f"{short:+.3g} from the best, {finding.optimum:.4g}; {finding.better:.2%} of cells are"
            f" better{tied}"
        ),
    )


@dataclass(frozen=True)
class Family:
    """One kind of loss on all tables of one kind of task, each table's longest run of it."""

    measure: str  # The kind of task
    name: str  # The family
    early: bool  # Whether these are runs that end early
    findings: Sequence[Finding]  # One a table
    # The mean over tables of how far its τ in the best quarter lies below that of the table's best
    # loss
    behind: float
    leads: int  # On how many tables it is the best loss

    def tau(self, measure: str = DECIDES) -> float:
        """The mean τ over tables."""
        return mean(finding.taus[measure] for finding in self.findings)

    @property
    def ceiling(self) -> float:
        """The mean ceiling in the best quarter, over the tables that have one."""
        return mean(
            finding.ceiling[DECIDES] for finding in self.findings if finding.ceiling
        )

    @property
    def better(self) -> float:
        """The mean share of cells that are better than the one that it likes best."""
        return mean(finding.better for finding in self.findings)

    @property
    def share(self) -> float:
        """The mean share of a whole training run that it costs."""
        return mean(finding.share for finding in self.findings)


def mean(values: Iterable[float]) -> float:
    """The mean of the finite ones; NaN where there is none."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan


def families(findings: Sequence[Finding]) -> list[Family]:
    """What a search may see, by kind of task and of loss; whole runs before early ones, the least
    behind first.
    """
    grouped: dict[tuple[str, bool, str], dict[str, Finding]] = {}
    for finding in findings:
        if finding.final or not math.isfinite(finding.taus[DECIDES]):
            continue
        tables = grouped.setdefault(
            (finding.measure, finding.early, finding.family), {}
        )
        earlier = tables.get(finding.table)
        if earlier is None or earlier.share < finding.share:
            tables[finding.table] = finding
    best: dict[tuple[str, bool], float] = {}
    for (_, early, _), tables in grouped.items():
        for table, finding in tables.items():
            if finding.seeds is None:
                best[table, early] = max(
                    best.get((table, early), -1.0), finding.taus[DECIDES]
                )
    groups = []
    for (measure, early, name), tables in grouped.items():
        gaps = [
            best.get((table, early), math.nan) - finding.taus[DECIDES]
            for table, finding in tables.items()
        ]
        leads = sum(
            gap <= 0 and f.seeds is None
            for gap, f in zip(gaps, tables.values(), strict=True)
        )
        groups.append(
            Family(measure, name, early, list(tables.values()), mean(gaps), leads)
        )
    return sorted(
        groups,
        key=lambda f: (f.measure, f.early, not math.isfinite(f.behind), f.behind),
    )


def summary(findings: Sequence[Finding]) -> Summary:
    """One line a kind of task and loss: means over tables."""
    heads = (
        "wanted",
        "L",
        "tables",
        "best on",
        "cost",
        "behind",
        *(f"τ {TITLES[measure]}" for measure in MEASURES),
        "two seeds",
        "better cells",
    )
    rows = [
        (
            f.measure,
            f.name,
            str(len(f.findings)),
            str(f.leads),
            f"{f.share:.0%}",
            _number(f.behind),
            *(_number(f.tau(measure)) for measure in MEASURES),
            _number(f.ceiling),
            f"{f.better:.2%}",
        )
        for f in families(findings)
    ]
    return Summary(heads, rows)


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"


_MANY = 1000
"""The number of cells from which a table is in the picture; all tables are in the page."""


def _picture(findings: Sequence[Finding]) -> Figure:
    """Plot a map of τ after whole runs, for tables of many cells."""
    findings = [f for f in findings if f.cells >= _MANY] or findings
    tau_map, n_rows, n_columns = _map(findings)
    return picture([[tau_map]], 5.5 + 0.75 * n_columns, max(3.5 + 0.24 * n_rows, 5.0))


def _map(findings: Sequence[Finding]) -> tuple[Panel, int, int]:
    """The best τ of each kind of loss on every table after whole runs, and the map's size."""
    whole = [
        f for f in findings if not f.early and f.role and math.isfinite(f.taus[DECIDES])
    ]
    taus: dict[tuple[str, str], float] = {}
    for finding in whole:
        key = finding.table, finding.role
        taus[key] = max(finding.taus[DECIDES], taus.get(key, -1.0))
    limits = {}
    for finding in sorted(findings, key=lambda f: f.role == _WANTED):
        if finding.ceiling:
            limits[finding.table] = finding.ceiling[DECIDES]
    goals = {f.table: f.goal for f in sorted(whole, key=lambda f: f.measure)}
    roles = [role for role in _COLUMNS if any(role == other for _, other in taus)]
    n_compared = sum(not role.endswith(SINGLE) for role in roles)
    values = np.full((len(goals), len(roles) + 1), math.nan)
    framed = []
    for i, table in enumerate(goals):
        values[i, :-1] = [taus.get((table, role), math.nan) for role in roles]
        values[i, -1] = limits.get(table, math.nan)
        compared = values[i, :n_compared]
        if np.isfinite(compared).any():
            framed.append((i, int(np.nanargmax(compared))))
    names = [f"{table}: {goal}" for table, goal in goals.items()]
    title = (
        "Kendall's τ with the final metric, in the best quarter, after whole runs\n"
        "(the best L of each column; framed: the best of a table)"
    )
    panel = Panel(
        [Map(values, names, [*roles, _SEEDS], framed)],
        title,
        grid="",
        axes={"xlabel": "search metric", "ylabel": "table: final metric"},
    )
    return panel, len(goals), len(roles)
