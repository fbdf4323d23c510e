"""The tables of a report as data: how good, how sure, at what cost, and under which constants."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from surrogate_nas.report.look import Look
from surrogate_nas.report.markup import Content, Head, Shown, Table, strategy
from surrogate_nas.report.numbers import (
    MISSED,
    NO_CELL,
    NOTHING,
    decimals_for,
    fixed,
    p_value,
    plural,
    quantity,
    scientific,
)
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.comparison.statistics import Values
from surrogate_nas.study.store import Run

_LEVEL = 0.05


def summary_table(comparison: Comparison, looks: dict[str, Look]) -> Table:
    """One row per strategy: how good, how sure, at what cost.

    Args:
        comparison: The comparison.
        looks: How each strategy is drawn.
    """
    names = comparison.strategies
    decimals = decimals_for([value for name in names for value in comparison.scores(name)])
    queries = comparison.objective.benchmark.cost == "queries"
    heads = [
        Head("strategy"), Head("runs"), Head("score", "mean ± std"), Head("score", "IQM"),
        Head("mean’s", "95 % interval"), Head("regret", "mean"), Head("regret", "median"),
        *([Head("optimism", "seen − mean")] if comparison.objective.draws else []), Head("cells", "evaluated"),
        Head("cells", "distinct"), Head("queries") if queries else Head("time", "simulated, s"),
        Head("time", "strategy, s"), Head("time", "in all, s"),
    ]  # fmt: skip
    rows: list[list[Content]] = []
    for name in names:
        runs = comparison.runs_of(name)
        row: list[Content] = [strategy(name, looks[name]), _counted(comparison, name)]
        rows.append(row + _scores(comparison, name, decimals) + _costs(runs))
    failed = [name for name in comparison.description["strategies"] if name not in names]
    rows += [[strategy(name, looks[name]), "0", *[NOTHING] * (len(heads) - 2)] for name in failed]
    return Table(heads, rows)


def _counted(comparison: Comparison, name: str) -> str:
    """How many runs there are, and how many of them have a score where that is not all."""
    runs, feasible = len(comparison.runs_of(name)), len(comparison.feasible_runs_of(name))
    return str(runs) if runs == feasible else f"{feasible} of {runs}"


def _scores(comparison: Comparison, name: str, decimals: int) -> list[Content]:
    summary, regrets = comparison.summary(name), comparison.regrets(name)
    optimism = comparison.optimism(name)
    if summary is None:
        return [NO_CELL, *[NOTHING] * (4 if optimism is None else 5)]
    one = len(comparison.feasible_runs_of(name)) == 1
    low, high = (fixed(end, decimals) for end in summary.ci95)
    return [
        f"{fixed(summary.mean, decimals)}{'' if one else f' ± {fixed(summary.std, decimals)}'}",
        NOTHING if one else fixed(summary.iqm, decimals),
        NOTHING if one else f"{low} – {high}",
        fixed(_mean(regrets), decimals),
        NOTHING if regrets is None else fixed(float(np.median(regrets)), decimals),
        *([] if optimism is None else [fixed(float(optimism.mean()), decimals)]),
    ]


def _costs(runs: Sequence[Run]) -> list[Content]:
    costs: list[Sequence[float]] = [
        [len(run.trials) for run in runs],
        [len({trial.cell for trial in run.trials}) for run in runs],
        [run.simulated_seconds for run in runs],
        [run.strategy_seconds for run in runs],
        [run.real_seconds for run in runs],
    ]
    return [quantity(float(np.mean(cost))) for cost in costs]


def _mean(values: Values | None) -> float | None:
    return None if values is None else float(values.mean())


def summary_notes(comparison: Comparison) -> list[str]:
    """What a reader of the summary table must know.

    Args:
        comparison: The comparison.
    """
    objective = comparison.objective
    score = (
        "The score is L + λR and has no dimension"
        if objective.parts == 1
        else f"The score: {MISSED[0].lower()}{MISSED[1:]}"
    )
    notes = [
        f"{score}; lower is better. Cells and times are means per run: time that the strategy took to ask and to "
        "learn, and in all, on the machine that ran it."
    ]
    runs = [run for name in comparison.strategies for run in comparison.runs_of(name)]
    if objective.parts > 1:
        notes.append("Objectives are scaled between the best and the worst of the exact front, or of all runs' front.")
    elif comparison.optimum is not None:
        notes.append(f"Regret is the score minus the optimum of the space, {fixed(comparison.optimum, 6)}.")
    elif objective.has_history:
        notes.append("Regret is undefined: scores depend on history.")
    elif objective.over_space() is not None:
        notes.append("Regret is undefined: no cell of the space is feasible.")
    else:
        notes.append("Regret is undefined: the benchmark is no table, so its optimum is not known.")
    if comparison.optimum is not None and objective.parts == 1:
        notes.append(_noise_note(comparison))
    if len(runs) == len(comparison.strategies):
        notes.append("Every figure is from one run.")
    infeasible = sum(not comparison.answer(run).feasible for run in runs)
    if infeasible:
        notes.append(
            f"{infeasible} of {plural(len(runs), 'run')} found {NO_CELL} and have no score: scores and regrets are "
            "over the others, and the count of runs says of how many."
        )
    if objective.draws:
        notes.append(
            "Optimism: the score that a search saw of its answer, minus that of the mean over seeds, which every other "
            "number here is by; below 0 the answer looked better than it is."
        )
    if objective.benchmark.cost == "queries":
        notes.append("The benchmark holds no training times: a query costs one unit.")
    return notes


def _noise_note(comparison: Comparison) -> str:
    """What a regret is to be held against."""
    noise = comparison.noise
    if noise is None:
        return "There is no noise band: the benchmark does not hold two training seeds of a cell for this objective."
    return (
        f"Noise of training, in the same unit: {fixed(noise.mean_of_seeds, 6)} for the mean over a cell's seeds, "
        f"{fixed(noise.one_seed, 6)} for one seed (standard deviation over seeds, on average over the "
        f"{plural(noise.cells, 'best cell')} with several seeds: the best 1 %, at least ten); regrets that differ by "
        "less say little."
    )


def constants_table(comparison: Comparison) -> Table:
    """The terms of the objective with their frozen constants.

    Args:
        comparison: The comparison.
    """
    objective = comparison.objective
    rows: list[list[Content]] = [
        [
            Shown(term.name, "code"),
            "L" if term.is_loss else "R",
            term.divisor_meaning,
            f"{term.weight:g}",
            f"{term.divisor:,.6g}",
            term.unit or NOTHING,
            scientific(term.coefficient),
        ]
        for term in objective.terms
    ]
    if objective.has_history:
        meaning, weight = "similarity to the run's ten best cells by L", f"{objective.diversity_weight:g}"
        rows.append([Shown("diversity", "code"), "R", meaning, weight, "1", NOTHING, NOTHING])
    heads = [
        Head("term"), Head("part of"), Head("divisor is"), Head("weight", "λ of a regulariser"), Head("divisor"),
        Head("unit"), Head("score per unit", "weight / divisor"),
    ]  # fmt: skip
    return Table(heads, rows, texts=3)


def tests_table(comparison: Comparison, looks: dict[str, Look]) -> Table:
    """Every pair of strategies.

    Args:
        comparison: The comparison.
        looks: How each strategy is drawn.
    """
    heads = [
        Head("first"), Head("second"), Head("first better"), Head("equal"), Head("second better"),
        Head("effect", "rank-biserial"), Head("p", "Wilcoxon"), Head("p", "after Holm"),
    ]  # fmt: skip
    rows: list[list[Content]] = []
    for test in comparison.tests:
        corrected = p_value(test.p_holm)
        rows.append(
            [
                strategy(test.first, looks[test.first]),
                strategy(test.second, looks[test.second]),
                str(test.wins),
                str(test.ties),
                str(test.losses),
                NOTHING if math.isnan(test.effect) else f"{test.effect:+.2f}".replace("-", "−"),
                p_value(test.p),
                Shown(corrected, "strong") if test.p_holm < _LEVEL else corrected,
            ]
        )
    return Table(heads, rows, texts=2)
