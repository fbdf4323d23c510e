"""Which loss should drive a search? Answered twice, from tables of losses of our own and from everybody's tables.

Where the same cells were trained by every loss (`surrogate_nas.papers.trained`): which of these losses, which of its
measures and after how many epochs finds what is finally best, in order and in search. And for every other table and
every candidate L, how well L ranks cells.

A candidate's τ with the goal (`surrogate_nas.papers.candidates`) over the space, its better half, its best quarter, and
among cells with equally many operations with weights; what the cell that it likes best finally has; what it costs to
know; and beside every τ its ceiling, how well one training seed ranks the same cells as another does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from surrogate_nas.benchmarks import Benchmark, load, tables
from surrogate_nas.core.errors import UserError
from surrogate_nas.papers.advice import ACROSS, SINGLE, Finding, advice, summary
from surrogate_nas.papers.candidates import Candidate, Goal, candidates_of, goal_of, itself, measure_of, seeds_of
from surrogate_nas.papers.jobs import finished
from surrogate_nas.papers.maps import draw_losses
from surrogate_nas.papers.ranks import MEASURES, Values, agreement, ceiling
from surrogate_nas.papers.rows import PaperResult, Row
from surrogate_nas.papers.trained import answered
from surrogate_nas.study.experiment import Progress

_FINAL = "measured on test data: a search may see it only where a study declares so"
_BEST = "@best"
_NONE_TRAINED = "No table of losses is here: snas table-losses makes them."
_NEARLY_ALL, _MOST_CROSSED = 0.9, 3


def losses(
    *, runs: int | None, workers: int | None, engine: str, folder: Path, progress: Progress | None
) -> PaperResult:
    """Rank every candidate loss of every table by how well it orders what one finally wants.

    Args:
        runs: Of every strategy on every loss of a table of losses; all else is read once.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        folder: Where the picture goes.
        progress: Called with (tables done, tables in all).

    Raises:
        UserError: No table is here that holds a loss to compare, or the folder cannot be written.
    """
    started = time.perf_counter()
    entries = tables()
    here = [entry["name"] for entry in entries if entry["available"]]
    studied = dict(finished(study, here, workers=workers, engine=engine, progress=progress))
    studies = [studied[name] for name in here if studied[name].findings]
    rows = [row for made in studies for finding in made.findings for row in _rows(finding)]
    findings = [finding for made in studies for finding in made.findings]
    if all(finding.final for finding in findings):
        raise UserError("No table that is here holds a loss besides what is wanted of it: see snas data list.")
    draw_losses(findings, folder / "losses.png")
    answer = answered(runs=runs, workers=workers, engine=engine, folder=folder, progress=progress)
    said = answer.words if answer else [_NONE_TRAINED]
    notes = [*said, *advice(findings), *_notes(), *(made.problem for made in studied.values() if made.problem)]
    if any(_BEST in finding.goal for finding in findings):
        notes.append(f"Goals named {_BEST} are maxima over epochs, of test values too, and favour losses named so.")
    notes += [f"Not here: {entry['name']} ({entry['title']})." for entry in entries if not entry["available"]]
    title, seconds = "Which loss should drive a search?", time.perf_counter() - started
    if answer is None:
        return PaperResult(title, rows, seconds, notes, summary(findings))
    return PaperResult(title, [*answer.rows, *rows], seconds, notes, summary(findings), answer.table, answer.findings)


@dataclass(frozen=True)
class Study:
    """What was found on one table.

    Attributes:
        findings: One a candidate.
        problem: Why there are none, or empty.
    """

    findings: tuple[Finding, ...]
    problem: str = ""


def study(name: str) -> Study:
    """Try every candidate loss of a table.

    Args:
        name: The benchmark.
    """
    try:
        bench = load(name)
        goal = goal_of(bench)
        found = tuple(_findings(bench, goal))
    except UserError as error:
        return Study((), f"{name}: {error}")
    return Study(found, "" if found else f"{name} holds one measure only, so there is nothing to compare.")


def _findings(bench: Benchmark, goal: Goal) -> Iterator[Finding]:
    groups = bench.column(bench.space.complexity) if bench.space.complexity else None
    candidates = list(candidates_of(bench, goal))
    wanted = seeds_of(bench, goal.metric, goal.question)
    usual = _usual_ceiling(goal, wanted, candidates, groups)
    if goal.metric.kind == "search" and len(wanted) > 1:  # no test is held, so one seed is asked for all the others
        rests = [(seed, _mean_of(wanted[:i] + wanted[i + 1 :])) for i, seed in enumerate(wanted)]
        yield _finding(bench, goal, itself(bench, goal), SINGLE, rests, usual, groups)
    for candidate in candidates:
        own = ceiling(candidate.seeds, goal.values, groups) or usual
        yield _finding(bench, goal, candidate, "", [(candidate.values, goal.values)], own, groups)
        single = [seed for seed in candidate.seeds if _covers(seed, goal)]
        if len(single) > 1:
            yield _finding(bench, goal, candidate, SINGLE, [(seed, goal.values) for seed in single], own, groups)
        if len(candidate.seeds) > 1 and len(candidate.seeds) == len(wanted):
            crossed = [(a, b) for i, a in enumerate(candidate.seeds) for j, b in enumerate(wanted) if i != j]
            yield _finding(bench, goal, candidate, ACROSS, crossed[:_MOST_CROSSED], own, groups)


def _mean_of(columns: Sequence[Values]) -> Values:
    held = np.isfinite(columns)
    total = np.where(held, columns, 0.0).sum(axis=0)
    means: Values = np.divide(total, held.sum(axis=0), out=np.full(len(total), math.nan), where=held.any(axis=0))
    return means


def _covers(seed: Values, goal: Goal) -> bool:
    """Whether a seed is held for nearly all cells, so that its τ are over the same cells as those of the mean."""
    return bool(np.isfinite(seed).sum() >= _NEARLY_ALL * np.isfinite(goal.values).sum())


def _usual_ceiling(
    goal: Goal, wanted: Sequence[Values], candidates: Sequence[Candidate], groups: Values | None
) -> dict[str, float]:
    """That of the goal, else of the costliest candidate of the goal's own measure, for losses without seeds."""
    if len(wanted) < 2:
        alike = [c for c in candidates if len(c.seeds) > 1 and measure_of(c.name.partition("[")[0]) == goal.measure]
        wanted = max(alike, key=lambda c: c.share).seeds if alike else ()
    return ceiling(wanted, goal.values, groups)


def _finding(
    bench: Benchmark, goal: Goal, candidate: Candidate, end: str, pairs: Sequence[tuple[Values, Values]],
    limit: dict[str, float], groups: Values | None,
) -> Finding:  # fmt: skip
    each = [agreement(values, wanted, goal.values, groups) for values, wanted in pairs]
    liked = [_liked_best(values, goal.values) for values, _ in pairs]
    chosen = np.array([cells[0] for cells in liked])
    ranked = np.sort(goal.values[np.isfinite(goal.values)])
    return Finding(
        table=bench.name,
        goal=goal.title,
        measure=goal.measure,
        candidate=f"{candidate.name}{end}",
        family=f"{candidate.family}{end}",
        role="" if end == ACROSS else f"{candidate.role}{end}" * bool(candidate.role),
        final=candidate.final,
        tested=goal.metric.kind == "final",
        seeds=len(pairs) if end else None,
        taus={measure: float(np.mean([one[measure] for one in each])) for measure in MEASURES},
        spread={measure: _spread([one[measure] for one in each]) for measure in MEASURES},
        ceiling=limit,
        of_best=goal.shown(float(chosen.mean())),
        of_best_spread=_spread(chosen.tolist()),
        optimum=goal.shown(float(ranked[0])),
        tied=max(map(len, liked)),
        better=float(np.mean([np.searchsorted(ranked, cells).mean() / len(ranked) for cells in liked])),
        seconds=candidate.seconds,
        share=candidate.share,
    )


def _spread(values: list[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _liked_best(values: Values, goal: Values) -> Values:
    """What the cells with the smallest value have, in the order of the space."""
    held = np.isfinite(values) & np.isfinite(goal)
    liked: Values = goal[held & (values == values[held].min())]
    return liked


def _rows(finding: Finding) -> Iterator[Row]:
    declared = _FINAL if finding.final else ""
    for measure in MEASURES:
        tau = finding.taus[measure]
        if math.isfinite(tau):
            yield Row(
                finding.candidate, finding.table, measure, ours=tau, ours_std=finding.spread[measure],
                runs=finding.seeds, mark="D", verdict=declared or f"with {finding.goal}",
                ceiling=finding.ceiling.get(measure), seconds=finding.seconds,
            )  # fmt: skip
    short = finding.of_best - finding.optimum
    tied = f"; up to {finding.tied} cells share its value" if finding.tied > 1 else ""
    yield Row(
        finding.candidate, finding.table, f"{finding.goal}_of_best", ours=finding.of_best,
        ours_std=finding.of_best_spread, runs=finding.seeds, mark="D", seconds=finding.seconds,
        verdict=f"{short:+.3g} from the best, {finding.optimum:.4g}; {finding.better:.2%} of cells are better{tied}",
    )  # fmt: skip


def _notes() -> list[str]:
    return [
        "τ is Kendall's, with the goal; 1 means the same order. Halves and quarters are the best by the goal. Equal "
        "complexity: the mean τ among cells with equally many operations with weights, weighted by pairs of cells.",
        "The ceiling is the τ of one training seed with another, in the same cells: that of the loss itself where its "
        "seeds are held, else that of the goal's measure; none where no seeds are held. A mean over seeds can exceed "
        "it, and so can a loss of the very training run that is wanted, whose luck it shares (one seed for another's "
        "goal does not).",
        "What its best cell has is that of the first cell with the smallest value; the share of better cells is the "
        "mean over all cells that share this value. Seconds: the training run and, "
        "but for what training itself tells, one validation pass; the mean over cells.",
        "TSE sums training losses over epochs, TSE-E those of the last two, TSE-EMA is their moving average (0.1 of "
        "it and 0.9 of the new one).",
    ]
