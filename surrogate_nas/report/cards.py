"""The best cells that a comparison found, each with its graph, its numbers and who found it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import numpy as np

from surrogate_nas.comparison import Comparison
from surrogate_nas.report.findings import FoundCell, final_questions, values_of
from surrogate_nas.report.look import Look
from surrogate_nas.report.numbers import fixed, natural
from surrogate_nas.report.tables import strategy

_ALWAYS = ("params", "macs")
_RULE = '<div class="rule"></div>'
_FINAL = '<div class="rule">final, never searched on</div>'


def card(comparison: Comparison, found: FoundCell, looks: dict[str, Look], graph: str) -> str:
    """One cell.

    Args:
        comparison: The comparison.
        found: The cell.
        looks: How each strategy is drawn.
        graph: The HTML of its graph, or empty where the space has none.
    """
    final = _final(comparison, found)
    return (
        f'<article class="card"><h3>{found.rank}. {_title(comparison, found)}</h3>{graph}'
        f"<code>{escape(str(found.trial.cell))}</code>\n<dl>"
        + _entries(_scores(comparison, found))
        + _RULE
        + _entries(_metrics(comparison, found))
        + (_FINAL + _entries(final) if final else "")
        + _RULE
        + _entries(_finders(comparison, found, looks))
        + "</dl></article>"
    )


def _entries(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<dt>{name}</dt><dd>{value}</dd>\n" for name, value in pairs)


def _title(comparison: Comparison, found: FoundCell) -> str:
    trial, marks = found.trial, []
    optimum = comparison.optimum
    if optimum is not None and np.isclose(trial.score, optimum, rtol=0, atol=1e-12):
        marks.append("the optimum")
    if not trial.feasible:
        marks.append("infeasible")
    if found.twin_of is not None:
        marks.append(f"same function as no. {found.twin_of}")
    return f"score {fixed(trial.score, 5)}" + "".join(f' <span class="mark">{mark}</span>' for mark in marks)


def _scores(comparison: Comparison, found: FoundCell) -> list[tuple[str, str]]:
    pairs = [("L", fixed(found.trial.loss, 5)), ("λR", fixed(found.trial.penalty, 5))]
    if comparison.optimum is not None:
        pairs.append(("regret", fixed(found.trial.score - comparison.optimum, 5)))
    return pairs


def _metrics(comparison: Comparison, found: FoundCell) -> list[tuple[str, str]]:
    """What the objective looked up, and the cell's size."""
    benchmark, cell = comparison.objective.benchmark, found.trial.cell
    pairs = []
    for name, value in found.trial.values.items():
        pairs.append((escape(name), natural(value, benchmark.metric(name.partition("[")[0]).unit)))
    held = {metric.name for metric in benchmark.metrics}
    for name in _ALWAYS:
        if name in held and name not in found.trial.values:
            value = values_of(benchmark, benchmark.question(name), [cell])[0]
            pairs.append((name, natural(float(value), benchmark.metric(name).unit)))
    return pairs


def _final(comparison: Comparison, found: FoundCell) -> list[tuple[str, str]]:
    benchmark = comparison.objective.benchmark
    return [
        (
            escape(str(question)),
            natural(
                float(values_of(benchmark, question, [found.trial.cell])[0]), benchmark.metric(question.metric).unit
            ),
        )
        for question in final_questions(benchmark)
    ]


def _finders(comparison: Comparison, found: FoundCell, looks: dict[str, Look]) -> list[tuple[str, str]]:
    return [
        (strategy(name, looks[name]), f"{n} of {len(comparison.runs_of(name))} runs")
        for name, n in found.found_by.items()
    ]
