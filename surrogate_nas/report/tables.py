"""The tables of a report as HTML; every text that a user could have chosen is escaped here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from surrogate_nas.comparison import Comparison
from surrogate_nas.comparison.statistics import Values
from surrogate_nas.report.look import Look
from surrogate_nas.report.numbers import NOTHING, decimals_for, fixed, p_value, quantity, scientific


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """A table that scrolls by itself where the page is narrow.

    Args:
        heads: The HTML of the head cells.
        rows: The HTML of the cells.
        texts: How many leading columns are text, and so are set to the left.
    """
    head = "".join(_cell("th", content, column < texts) for column, content in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(_cell("td", content, column < texts) for column, content in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>'


def _cell(tag: str, content: str, is_text: bool) -> str:
    return f'<{tag} class="text">{content}</{tag}>' if is_text else f"<{tag}>{content}</{tag}>"


def strategy(name: str, look: Look) -> str:
    """A strategy's name with the line that it has in figures.

    Args:
        name: The name.
        look: How it is drawn.
    """
    dashes = " ".join(f"{2 * length:g}" for length in look.dash)
    return (
        f'<span class="strategy"><svg viewBox="0 0 34 12" aria-hidden="true"><line x1="1" y1="6" x2="33" y2="6" '
        f'stroke="{look.colour}" stroke-width="3" stroke-dasharray="{dashes or "none"}"/></svg>{escape(name)}</span>'
    )


def summary_table(comparison: Comparison, looks: dict[str, Look]) -> str:
    """One row per strategy: how good, how sure, at what cost.

    Args:
        comparison: The comparison.
        looks: How each strategy is drawn.
    """
    names = comparison.strategies
    summaries = {name: comparison.summary(name) for name in names}
    decimals = decimals_for([value for name in names for value in comparison.scores(name)])
    queries = comparison.objective.benchmark.cost == "queries"
    heads = [
        "strategy", "runs", "score <small>mean ± std</small>", "score <small>IQM</small>",
        "mean’s <small>95 % interval</small>", "regret <small>mean</small>", "regret <small>median</small>",
        "cells <small>evaluated</small>", "cells <small>distinct</small>",
        "queries" if queries else "time <small>simulated, s</small>", "time <small>strategy, s</small>",
        "time <small>in all, s</small>",
    ]  # fmt: skip
    rows = []
    for name in names:
        runs, summary = comparison.runs_of(name), summaries[name]
        one = len(runs) == 1
        low, high = (fixed(end, decimals) for end in summary.ci95)
        regrets = comparison.regrets(name)
        costs: list[Sequence[float]] = [
            [len(run.trials) for run in runs],
            [len({trial.cell for trial in run.trials}) for run in runs],
            [run.simulated_seconds for run in runs],
            [run.strategy_seconds for run in runs],
            [run.real_seconds for run in runs],
        ]
        rows.append(
            [
                strategy(name, looks[name]),
                str(len(runs)),
                f"{fixed(summary.mean, decimals)}{'' if one else f' ± {fixed(summary.std, decimals)}'}",
                NOTHING if one else fixed(summary.iqm, decimals),
                NOTHING if one else f"{low} – {high}",
                fixed(_mean(regrets), decimals),
                NOTHING if regrets is None else fixed(float(np.median(regrets)), decimals),
                *(quantity(float(np.mean(cost))) for cost in costs),
            ]
        )
    failed = [name for name in comparison.description["strategies"] if name not in names]
    rows += [[strategy(name, looks[name]), "0", *[NOTHING] * (len(heads) - 2)] for name in failed]
    return table(heads, rows)


def _mean(values: Values | None) -> float | None:
    return None if values is None else float(values.mean())


def summary_notes(comparison: Comparison) -> list[str]:
    """What a reader of the summary table must know.

    Args:
        comparison: The comparison.
    """
    objective = comparison.objective
    notes = [
        "The score is L + λR and has no dimension; lower is better. Cells and times are means per run: time that the "
        "strategy took to ask and to learn, and in all, on the machine that ran it."
    ]
    runs = [run for name in comparison.strategies for run in comparison.runs_of(name)]
    if comparison.optimum is not None:
        notes.append(f"Regret is the score minus the optimum of the space, {fixed(comparison.optimum, 6)}.")
    elif objective.has_history:
        notes.append("Regret is undefined: scores depend on history.")
    else:
        notes.append("Regret is undefined: the benchmark is no table, so its optimum is not known.")
    if len(runs) == len(comparison.strategies):
        notes.append("Every figure is from one run.")
    infeasible = sum(not run.incumbent.feasible for run in runs)
    if infeasible:
        notes.append(
            f"{infeasible} of {len(runs)} runs found no feasible cell; such a score lies above that of every feasible "
            "cell and dominates the mean, so read the IQM, the median and the points below."
        )
    if objective.benchmark.cost == "queries":
        notes.append("The benchmark holds no training times: a query costs one unit.")
    return notes


def constants_table(comparison: Comparison) -> str:
    """The terms of the objective with their frozen constants.

    Args:
        comparison: The comparison.
    """
    objective = comparison.objective
    rows = [
        [
            f"<code>{escape(term.name)}</code>",
            "L" if term.is_loss else "R",
            escape(term.divisor_meaning),
            f"{term.weight:g}",
            f"{term.divisor:,.6g}",
            escape(term.unit) or NOTHING,
            scientific(term.coefficient),
        ]
        for term in objective.terms
    ]
    if objective.has_history:
        meaning = "similarity to the run's ten best cells by L"
        rows.append(["<code>diversity</code>", "R", meaning, f"{objective.diversity_weight:g}", "1", NOTHING, NOTHING])
    heads = [
        "term", "part of", "divisor is", "weight <small>λ of a regulariser</small>", "divisor", "unit",
        "score per unit <small>weight / divisor</small>",
    ]  # fmt: skip
    return table(heads, rows, texts=3)


def tests_table(comparison: Comparison, looks: dict[str, Look]) -> str:
    """Every pair of strategies.

    Args:
        comparison: The comparison.
        looks: How each strategy is drawn.
    """
    heads = [
        "first", "second", "first better", "equal", "second better", "effect <small>rank-biserial</small>",
        "p <small>Wilcoxon</small>", "p <small>after Holm</small>",
    ]  # fmt: skip
    rows = [
        [
            strategy(test.first, looks[test.first]),
            strategy(test.second, looks[test.second]),
            str(test.wins),
            str(test.ties),
            str(test.losses),
            NOTHING if math.isnan(test.effect) else f"{test.effect:+.2f}".replace("-", "−"),
            escape(p_value(test.p)),
            f"<strong>{escape(p_value(test.p_holm))}</strong>" if test.p_holm < 0.05 else escape(p_value(test.p_holm)),
        ]
        for test in comparison.tests
    ]
    return table(heads, rows, texts=2)
