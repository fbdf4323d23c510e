"""What is a zero-cost proxy worth? τ of each with what is finally wanted, over every table whose cells have proxies.

Beside the τ over all cells always stands that among cells with equally many operations with weights: most proxies rank
because they count (a larger network has more of everything that is summed), as parameters and MACs do, which stand in
the same table. Published: Spearman's ρ of Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, from
one batch of the task itself at the published size; ours are of a small network on another task. NASLib's Zen-scores of
all cells are compared with ours directly, where they were fetched.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from surrogate_nas.benchmarks import Benchmark, load, tables
from surrogate_nas.core.errors import UserError
from surrogate_nas.papers.candidates import Goal, goal_of
from surrogate_nas.papers.jobs import finished
from surrogate_nas.papers.maps import draw_proxies
from surrogate_nas.papers.ranks import MEASURES, TITLES, Values, agreement
from surrogate_nas.papers.rows import PaperResult, Row, Summary
from surrogate_nas.study.experiment import Progress
from surrogate_nas.tables.sources.nb201 import seed_888

SIZES = ("params", "macs")
"""What a proxy has to beat: larger is taken to promise more."""
TOGETHER = "mean rank"
"""All proxies of a table together: the mean of their ranks, none of them weighted."""
PUBLISHED = {
    "nb201-cifar10": dict(grad_norm=0.58, snip=0.58, grasp=0.48, fisher=0.36, synflow=0.74, jacob_cov=0.73),
    "nb201-cifar100": dict(grad_norm=0.64, snip=0.63, grasp=0.54, fisher=0.39, synflow=0.76, jacob_cov=0.71),
    "nb201-imagenet16": dict(grad_norm=0.58, snip=0.58, grasp=0.56, fisher=0.33, synflow=0.75, jacob_cov=0.71),
}
"""Spearman's ρ with the final accuracy over NAS-Bench-201, Abdelfattah et al., Table 2."""
_RHO, _WITH_NASLIB = "spearman", "spearman_with_naslib"


@dataclass(frozen=True)
class Finding:
    """One proxy on one table.

    Attributes:
        table: The benchmark.
        proxy: The metric, one of `SIZES`, or `TOGETHER`.
        goal: What is finally wanted, as rows show it.
        taus: τ by every one of `surrogate_nas.papers.ranks.MEASURES`.
        rho: Spearman's ρ over all cells.
        with_naslib: The same with NASLib's values of the same proxy; NaN where there are none.
    """

    table: str
    proxy: str
    goal: str
    taus: dict[str, float]
    rho: float
    with_naslib: float


def proxies(
    *,
    runs: int | None,  # noqa: ARG001 - all papers are called alike
    workers: int | None,
    engine: str,
    folder: Path,
    progress: Progress | None,
) -> PaperResult:
    """Rank every proxy of every table by how well it orders what one finally wants.

    Args:
        runs: Without meaning here: whole tables are read once.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        folder: Where the picture goes.
        progress: Called with (tables done, tables in all).

    Raises:
        UserError: No table is here whose cells have proxies, or the folder cannot be written.
    """
    started = time.perf_counter()
    here = [entry["name"] for entry in tables() if entry["available"]]
    studied = dict(finished(study, here, workers=workers, engine=engine, progress=progress))
    findings = [finding for name in here for finding in studied[name]]
    if not findings:
        raise UserError("No table that is here has cells with proxies; snas proxies makes some.")
    draw_proxies([(f.table, f.proxy, f.taus) for f in findings], folder / "proxies.png")
    rows = [row for finding in findings for row in _rows(finding)]
    return PaperResult(
        "What is a zero-cost proxy worth?", rows, time.perf_counter() - started, _notes(findings), _summary(findings)
    )


def study(name: str) -> list[Finding]:
    """Try every proxy of a table.

    Args:
        name: The benchmark.

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


def _findings(bench: Benchmark, goal: Goal) -> Iterator[Finding]:
    from scipy.stats import rankdata, spearmanr

    groups = bench.column(bench.space.complexity) if bench.space.complexity else None
    scores = {m.name: m.minimised(bench.column(m.name)) for m in bench.metrics if m.quantity == "proxy"}
    scores[TOGETHER] = np.mean([rankdata(values) for values in scores.values()], axis=0)
    scores |= {size: -bench.column(size) for size in SIZES if size in bench.space.analytic}
    published = _of_naslib(bench.name)
    for proxy, values in scores.items():
        held = np.isfinite(values) & np.isfinite(goal.values)
        theirs = published.get(proxy.partition("@")[0])
        yield Finding(
            bench.name, proxy, goal.title, agreement(values, goal.values, goal.values, groups),
            float(spearmanr(values[held], goal.values[held]).statistic),
            np.nan if theirs is None else float(spearmanr(-values, theirs).statistic),
        )  # fmt: skip


def _of_naslib(name: str) -> dict[str, Values]:
    """By proxy NASLib's values of all cells, where a benchmark's were published and fetched."""
    try:
        return {"zen": seed_888.zen_scores(name)}
    except UserError:
        return {}


def _rows(finding: Finding) -> Iterator[Row]:
    for measure in MEASURES:
        if np.isfinite(finding.taus[measure]):
            yield Row(
                finding.proxy, finding.table, measure, ours=finding.taus[measure], mark="D",
                verdict=f"with {finding.goal}",
            )  # fmt: skip
    published = PUBLISHED.get(finding.table, {}).get(finding.proxy.partition("@")[0])
    yield Row(
        finding.proxy, finding.table, _RHO, published, ours=finding.rho, mark="D" if published is None else "?",
        verdict=f"with {finding.goal}" + ("" if published is None else "; published: on the task itself, full size"),
    )  # fmt: skip
    if np.isfinite(finding.with_naslib):
        yield Row(
            finding.proxy, finding.table, _WITH_NASLIB, ours=finding.with_naslib, mark="D",
            verdict="ours against NASLib's of the same cells, theirs of the published network on the task itself",
        )  # fmt: skip


def _summary(findings: list[Finding]) -> Summary:
    heads = ("table", "proxy", *(f"τ, {TITLES[measure]}" for measure in MEASURES))
    rows = [(f.table, f.proxy, *(f"{f.taus[measure]:+.3f}" for measure in MEASURES)) for f in findings]
    return Summary(heads, rows)


def _notes(findings: list[Finding]) -> list[str]:
    flipped = sorted({f"{f.proxy} on {f.table}" for f in findings if f.taus[MEASURES[0]] * f.taus[MEASURES[-1]] < 0})
    return [
        "τ is Kendall's, with what is finally wanted; above 0 where larger proxies promise rightly. Best half and "
        "quarter are by what is wanted. Equal complexity: the mean τ among cells with equally many operations with "
        "weights, weighted by pairs of cells: what is left once counting is taken away.",
        f"Another sign among cells of equal complexity than over all: {', '.join(flipped) or 'none'}.",
        "A proxy named @TASK was computed on TASK by our own network, for one cell of every functional class.",
    ]
