"""What is a zero-cost proxy worth? τ of each with the final metric, over all tables with proxies.

The τ over all cells is always shown with the τ among cells with equally many operations with
weights. Most proxies rank because they count: a larger network has more of everything that is
summed. So do parameters and MACs, which are in the same table. Published: Spearman's ρ of
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

from analysis.papers.common.paper import (
    PaperResult,
    Row,
    Summary,
    Work,
    published_fields,
)
from analysis.papers.common.pictures import Map, Panel, picture
from analysis.papers.common.ranks import (
    MEASURES,
    TITLES,
    WITHIN,
    Values,
    agreement,
)
from analysis.signals import Goal, goal_of
from surrogate_nas.benchmarks import Benchmark, load, tables
from surrogate_nas.core.errors import UserError
from surrogate_nas.tables.sources.nb201.extracts import zen_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = ("params", "macs")
"""What a proxy must beat; larger networks are expected to be better."""
TOGETHER = "mean rank"
"""All proxies of a table together: the unweighted mean of their ranks."""
_RHO = "spearman"
_WITH_NASLIB = "spearman_with_naslib"


@dataclass(frozen=True)
class ProxyFinding:
    """One proxy on one table."""

    table: str  # The benchmark
    proxy: str  # The metric, one of `SIZES`, or `TOGETHER`
    goal: str  # What is finally wanted, as rows show it
    taus: dict[str, float]  # τ by every one of `analysis.papers.common.ranks.MEASURES`
    rho: float  # Spearman's ρ over all cells
    with_naslib: float  # The same with NASLib's values of the same proxy; NaN where there are none


def proxies(work: Work) -> PaperResult:
    """Try every proxy of every table that is here; tables are read once, whatever the runs.

    Args:
        work: The folder, how many runs, and where.
    """
    names = [entry["name"] for entry in tables() if entry["available"]]
    findings: list[ProxyFinding] = []
    for own in work.results(study, {name: name for name in names}).values():
        findings += own
    if not findings:
        raise UserError("No table that is here has cells with proxies.")
    return work.result(
        "What is a zero-cost proxy worth?",
        [row for finding in findings for row in _rows(finding)],
        _notes(findings),
        summary=_summary(findings),
        pictures={"proxies.png": _picture(findings)},
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
    scores = {}
    for metric in bench.metrics:
        if metric.quantity == "proxy":
            scores[metric.name] = metric.minimised(bench.column(metric.name))
    scores[TOGETHER] = np.mean([rankdata(values) for values in scores.values()], axis=0)
    for size in SIZES:
        if size in bench.space.analytic:
            scores[size] = -bench.column(size)
    naslib = _of_naslib(bench.name)
    for proxy, values in scores.items():
        finite = np.isfinite(values) & np.isfinite(goal.values)
        with_naslib = math.nan
        theirs = naslib.get(proxy.partition("@")[0])
        if theirs is not None:
            with_naslib = float(spearmanr(-values, theirs).statistic)
        yield ProxyFinding(
            table=bench.name,
            proxy=proxy,
            goal=goal.title,
            taus=agreement(values, goal.values, goal.values, groups),
            rho=float(spearmanr(values[finite], goal.values[finite]).statistic),
            with_naslib=with_naslib,
        )


def _of_naslib(name: str) -> dict[str, Values]:
    """By proxy NASLib's values of all cells, where a benchmark's were published and fetched."""
    try:
        return {"zen": zen_scores(name)}
    except UserError:
        return {}


def _rows(finding: ProxyFinding) -> Iterator[Row]:
    remark = f"with {finding.goal}"
    for measure in MEASURES:
        tau = finding.taus[measure]
        if np.isfinite(tau):
            yield Row(
                finding.proxy,
                finding.table,
                measure,
                ours=tau,
                mark="D",
                verdict=remark,
            )
    name = finding.proxy.partition("@")[0]
    fields = published_fields("proxies", name, finding.table, _RHO, mark="D")
    if "published" in fields:
        remark += "; published: on the task itself, full size"
    yield Row(
        finding.proxy, finding.table, _RHO, ours=finding.rho, verdict=remark, **fields
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
    rows = []
    for finding in findings:
        taus = [f"{finding.taus[measure]:+.3f}" for measure in MEASURES]
        rows.append((finding.table, finding.proxy, *taus))
    return Summary(heads, rows)


def _notes(findings: Sequence[ProxyFinding]) -> list[str]:
    flipped = set()
    for finding in findings:
        if finding.taus["kendall"] * finding.taus[WITHIN] < 0:
            flipped.add(f"{finding.proxy} on {finding.table}")
    return [
        (
            "τ is Kendall's, with the final metric; above 0 where larger proxies rightly promise"
            " better cells. Best half and quarter are by the final metric. Equal complexity: the"
            " mean τ among cells with equally many operations with weights, weighted by pairs of"
            " cells. It shows what is left without counting."
        ),
        (
            "The sign among cells of equal complexity differs from that over all cells:"
            f" {', '.join(sorted(flipped)) or 'never'}."
        ),
        (
            "A proxy named @TASK was computed on TASK by our own network, for one cell of every"
            " functional class."
        ),
    ]


def _picture(findings: Sequence[ProxyFinding]) -> Figure:
    """τ of every table and proxy: over all cells, and among cells of equal complexity."""
    names = list(dict.fromkeys(finding.table for finding in findings))
    columns = list(dict.fromkeys(finding.proxy for finding in findings))
    panels = []
    for measure in ("kendall", WITHIN):
        taus = np.full((len(names), len(columns)), math.nan)
        for finding in findings:
            place = names.index(finding.table), columns.index(finding.proxy)
            taus[place] = finding.taus[measure]
        title = f"τ with the final metric: {TITLES[measure]}"
        axes = {"xlabel": "proxy", "ylabel": "table"}
        panels.append(
            Panel([Map(taus, names, columns)], title=title, grid="", axes=axes)
        )
    return picture([panels], 4.5 + 0.9 * len(columns), max(3.0, 2.2 + 0.3 * len(names)))
