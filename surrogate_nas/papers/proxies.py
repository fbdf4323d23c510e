"""What is a zero-cost proxy worth? τ of each with what is finally wanted, over every table whose
cells have proxies.

Beside the τ over all cells always stands that among cells with equally many operations with
weights: most proxies rank because they count (a larger network has more of everything that is
summed), as parameters and MACs do, which stand in the same table. Published: Spearman's ρ of
Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, from one batch of the task
itself at the published size; ours are of a small network on another task. NASLib's Zen-scores of
all cells are compared with ours directly, where they were fetched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from surrogate_nas.benchmarks import Benchmark, load, tables
from surrogate_nas.core.errors import UserError
from surrogate_nas.papers.common.paper import (
    PaperResult,
    Row,
    Summary,
    Work,
    canvas,
    draw_map,
    published,
)
from surrogate_nas.papers.common.ranks import (
    MEASURES,
    TITLES,
    WITHIN,
    Goal,
    Values,
    agreement,
    goal_of,
)
from surrogate_nas.tables.sources.nb201.extracts import zen_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = ("params", "macs")
"""What a proxy has to beat: larger is taken to promise more."""
TOGETHER = "mean rank"
"""All proxies of a table together: the mean of their ranks, none of them weighted."""
_RHO = "spearman"
_WITH_NASLIB = "spearman_with_naslib"


@dataclass(frozen=True)
class ProxyFinding:
    """One proxy on one table."""

    table: str  # The benchmark
    proxy: str  # The metric, one of `SIZES`, or `TOGETHER`
    goal: str  # What is finally wanted, as rows show it
    taus: dict[str, float]  # τ by every one of `surrogate_nas.papers.common.ranks.MEASURES`
    rho: float  # Spearman's ρ over all cells
    with_naslib: float  # The same with NASLib's values of the same proxy; NaN where there are none


def proxies(work: Work) -> PaperResult:
    """Try every proxy of every table that is here; tables are read once, whatever the runs.

    Args:
        work: The folder, how many runs, and where.
    """
    here = [entry["name"] for entry in tables() if entry["available"]]
    findings: list[ProxyFinding] = sum(
        work.results(study, {name: name for name in here}).values(), []
    )
    if not findings:
        raise UserError("No table that is here has cells with proxies; snas proxies makes some.")
    rows = [row for finding in findings for row in _rows(finding)]
    return work.result(
        "What is a zero-cost proxy worth?",
        rows,
        _notes(findings),
        summary=_summary(findings),
        pictures={"proxies.png": _drawn(findings)},
    )


def study(name: str) -> list[ProxyFinding]:
    """Try every proxy of a table.

    Returns:
        Nothing where its cells have no proxies, or it holds nothing to order them by.
    """
    bench = load(name)
    if not any(metric.quantity == "proxy" for metric in bench.metrics):
        return []
    try:
        goal = goal_of(bench)
    except UserError:
        return []
    return list(_findings(bench, goal))


def _findings(bench: Benchmark, goal: Goal) -> Iterator[ProxyFinding]:
    from scipy.stats import rankdata, spearmanr

    groups = bench.column(bench.space.complexity) if bench.space.complexity else None
    scores = {
        m.name: m.minimised(bench.column(m.name)) for m in bench.metrics if m.quantity == "proxy"
    }
    scores[TOGETHER] = np.mean([rankdata(values) for values in scores.values()], axis=0)
    scores |= {size: -bench.column(size) for size in SIZES if size in bench.space.analytic}
    naslib = _of_naslib(bench.name)
    for proxy, values in scores.items():
        held = np.isfinite(values) & np.isfinite(goal.values)
        theirs = naslib.get(proxy.partition("@")[0])
        yield ProxyFinding(
            bench.name,
            proxy,
            goal.title,
            agreement(values, goal.values, goal.values, groups),
            float(spearmanr(values[held], goal.values[held]).statistic),
            np.nan if theirs is None else float(spearmanr(-values, theirs).statistic),
        )


def _of_naslib(name: str) -> dict[str, Values]:
    """By proxy NASLib's values of all cells, where a benchmark's were published and fetched."""
    try:
        return {"zen": zen_scores(name)}
    except UserError:
        return {}


def _rows(finding: ProxyFinding) -> Iterator[Row]:
    for measure in MEASURES:
        if np.isfinite(finding.taus[measure]):
            yield Row(
                finding.proxy,
                finding.table,
                measure,
                ours=finding.taus[measure],
                mark="D",
                verdict=f"with {finding.goal}",
            )
    told = published("proxies").get((finding.proxy.partition("@")[0], finding.table, _RHO))
    yield Row(
        finding.proxy,
        finding.table,
        _RHO,
        told and told.value,
        ours=finding.rho,
        mark=told.mark if told else "D",
        verdict=f"with {finding.goal}"
        + ("; published: on the task itself, full size" if told else ""),
    )
    if np.isfinite(finding.with_naslib):
        yield Row(
            finding.proxy,
            finding.table,
            _WITH_NASLIB,
            ours=finding.with_naslib,
            mark="D",
            verdict=(
                "ours against NASLib's of the same cells, theirs of the published network on the"
                " task itself"
            ),
        )


def _summary(findings: Sequence[ProxyFinding]) -> Summary:
    heads = ("table", "proxy", *(f"τ, {TITLES[measure]}" for measure in MEASURES))
    rows = [
        (f.table, f.proxy, *(f"{f.taus[measure]:+.3f}" for measure in MEASURES)) for f in findings
    ]
    return Summary(heads, rows)


def _notes(findings: Sequence[ProxyFinding]) -> list[str]:
    flipped = sorted(
        {
            f"{f.proxy} on {f.table}"
            for f in findings
            if f.taus[MEASURES[0]] * f.taus[MEASURES[-1]] < 0
        }
    )
    return [
        (
            "τ is Kendall's, with what is finally wanted; above 0 where larger proxies promise"
            " rightly. Best half and quarter are by what is wanted. Equal complexity: the mean τ"
            " among cells with equally many operations with weights, weighted by pairs of cells:"
            " what is left once counting is taken away."
        ),
        (
            "Another sign among cells of equal complexity than over all:"
            f" {', '.join(flipped) or 'none'}."
        ),
        (
            "A proxy named @TASK was computed on TASK by our own network, for one cell of every"
            " functional class."
        ),
    ]


def _drawn(findings: Sequence[ProxyFinding]) -> Figure:
    """τ of every table and proxy: over all cells, and among cells of equal complexity."""
    held = {(finding.table, finding.proxy): finding.taus for finding in findings}
    named, columns = (list(dict.fromkeys(names)) for names in zip(*held, strict=True))
    figure = canvas(4.5 + 0.9 * len(columns), max(3.0, 2.2 + 0.3 * len(named)))
    for axes, measure in zip(figure.subplots(1, 2), ("kendall", WITHIN), strict=True):
        taus = [[held.get((t, p), {}).get(measure, math.nan) for p in columns] for t in named]
        draw_map(axes, np.array(taus), named, columns)
        axes.set_title(f"τ with what is finally wanted: {TITLES[measure]}", fontsize=10)
    return figure
