"""Tables of a report: quality, uncertainty and cost of each strategy of a comparison, and the
tables of a suite with links to their files.
"""

from functools import partial

import numpy as np

from surrogate_nas.core import (
    MISSED,
    NO_CELL,
    NOTHING,
    decimals_for,
    fixed,
    plural,
    quantity,
    share,
    some_of,
)
from surrogate_nas.report.markup import (
    Content,
    Section,
    Span,
    Table,
    files_of,
    folded,
    note,
    section,
    strategy,
)
from surrogate_nas.report.reading import TABLES, Comparison, Study
from surrogate_nas.report.style import Style

_OVERTUNING_NOTE = (
    "Overtuning (Schneider et al., 2025): the share of runs whose answer is worse, by the mean over"
    " seeds, than an earlier pick, and the mean loss over all runs."
)
_OPTIMISM_NOTE = (
    "Optimism: the search score of the answer minus its score by the mean over seeds, which all"
    " other numbers use. If it is negative, the answer looked better than it is."
)
_OVERTUNING = [("overtuning", "runs"), ("overtuning", "loss")]


@section(70, "comparison", "front")
def summary(study: Study) -> Section | None:
    """Build the section with the summary table, one row per strategy."""
    if not study.comparison.strategies:
        return None
    comparison = study.comparison
    return folded(
        "Summary",
        summary_table(comparison, study.styles),
        note(" ".join(summary_notes(comparison))),
    )


def summary_table(comparison: Comparison, styles: dict[str, Style]) -> Table:
    """Build the summary table of a comparison: quality, uncertainty and cost of each strategy, one
    per row.
    """
    names = comparison.strategies
    decimals = decimals_for(
        [value for name in names for value in comparison.scores(name)]
    )
    queries = comparison.objective.benchmark.cost_unit == "queries"
    heads = [
        "strategy",
        "runs",
        ("score", "mean ± std"),
        ("score", "IQM"),
        ("mean’s", "95 % interval"),
        ("normalised regret", "mean"),
        ("normalised regret", "median"),
        *([("optimism", "search − mean")] if comparison.objective.draws else []),
        *(_OVERTUNING if comparison.tells_overtuning else []),
        ("cells", "evaluated"),
        ("cells", "distinct"),
        "queries" if queries else ("time", "simulated, s"),
        ("time", "strategy, s"),
        ("time", "in all, s"),
    ]
    rows: list[list[Content]] = [
        [
            strategy(name, styles[name]),
            some_of(
                len(comparison.feasible_runs_of(name)), len(comparison.runs_of(name))
            ),
            *_scores(comparison, name, decimals),
            *_costs(comparison, name),
        ]
        for name in names
    ]
    failed = [
        name for name in comparison.description["strategies"] if name not in names
    ]
    rows += [
        [strategy(name, styles[name]), "0", *[NOTHING] * (len(heads) - 2)]
        for name in failed
    ]
    return Table(heads, rows)


def _scores(comparison: Comparison, name: str, decimals: int) -> list[Content]:
    summary = comparison.summary(name)
    regrets = comparison.normalised_regrets(name)
    overtuning = comparison.problem_result.overtuning(name)
    draws = comparison.objective.draws
    if not len(regrets):
        more = draws + len(_OVERTUNING) * comparison.tells_overtuning
        return [NO_CELL, *[NOTHING] * (4 + more)]
    single = len(comparison.feasible_runs_of(name)) == 1
    between = " – ".join(fixed(end, decimals) for end in summary.ci95 or ())
    return [
        f"{fixed(summary.mean, decimals)}{'' if single else f' ± {fixed(summary.std, decimals)}'}",
        NOTHING if single else fixed(summary.iqm, decimals),
        between or NOTHING,
        fixed(float(regrets.mean()), 3),
        fixed(float(np.median(regrets)), 3),
        *([fixed(float(comparison.optimism(name).mean()), decimals)] if draws else []),
        *(
            []
            if overtuning is None
            else [share(overtuning[0]), fixed(overtuning[1], decimals)]
        ),
    ]


def _costs(comparison: Comparison, name: str) -> list[Content]:
    runs = comparison.runs_of(name)
    costs: list[list[float]] = [
        [len(run.trials) for run in runs],
        [len({trial.cell for trial in run.trials}) for run in runs],
        [run.cost for run in runs],
        [run.strategy_seconds for run in runs],
        [run.real_seconds for run in runs],
    ]
    return [quantity(float(np.mean(cost))) for cost in costs]


def summary_notes(comparison: Comparison) -> list[str]:
    """Return notes that explain the summary table."""
    objective, optimum = comparison.objective, comparison.optimum
    several = objective.n_objectives > 1
    runs = [run for name in comparison.strategies for run in comparison.runs_of(name)]
    infeasible = sum(not run.is_feasible for run in runs)
    score = (
        f"The score: {MISSED[0].lower()}{MISSED[1:]}"
        if several
        else "The score is L + λR and has no dimension"
    )
    of_regret = (
        (
            several,
            "Objectives are scaled between the best and the worst of the exact front, or of all"
            " runs' front.",
        ),
        (
            optimum is not None,
            f"Regret is the score minus the optimum of the space, {fixed(optimum, 6)}.",
        ),
        (objective.has_history, "Regret is undefined: scores depend on history."),
        (
            objective.over_space() is not None,
            "Regret is undefined: no cell of the space is feasible.",
        ),
        (
            True,
            "Regret is undefined: the benchmark is not a table, so its optimum is not available.",
        ),
    )
    notes = (
        (
            True,
            f"{score}; lower is better. Cells and times are means per run. Times are those of `ask`"
            " and `tell`, and in all, on the machine that executed the run.",
        ),
        next((True, text) for holds, text in of_regret if holds),
        (
            optimum is not None and not several,
            "" if several else _noise_note(comparison),
        ),
        (len(runs) == len(comparison.strategies), "Each number is from one run."),
        (
            infeasible,
            f"{infeasible} of {plural(len(runs), 'run')} found {NO_CELL} and have no score. Scores"
            " and regrets are over the other runs, whose number is in the column of runs.",
        ),
        (objective.draws, _OPTIMISM_NOTE),
        (comparison.tells_overtuning, _OVERTUNING_NOTE),
        (
            objective.benchmark.cost_unit == "queries",
            "The benchmark contains no training times: a query costs one unit.",
        ),
    )
    return [text for holds, text in notes if holds]


def _noise_note(comparison: Comparison) -> str:
    noise = comparison.noise
    if noise is None:
        return (
            "There is no noise band: the benchmark does not have two training seeds of a cell for"
            " this objective."
        )
    return (
        f"Training noise, in the same unit: {fixed(noise.mean_of_seeds, 6)} for the mean over a"
        f" cell's seeds, {fixed(noise.one_seed, 6)} for one seed (standard deviation over seeds, on"
        f" average over the {plural(noise.cells, 'best cell')} with several seeds: the best 1 %, at"
        " least ten). Smaller differences of regret are not meaningful."
    )


_FEWEST_PROBLEMS = 7  # with fewer, pairs of strategies say nothing over problems
_OF_STRATEGIES = ("name", "strategy", "first", "second")
_CODE = ("objective", "fingerprint")
# Left-aligned columns, where these are more than one.
_TEXTS = {"problems": 3, "pairs": 2, "runtime": 2}
# The place on the page, the title, the table, and what a reader must know.
_SHOWN = (
    (
        70,
        "Strategies",
        "strategies",
        "Probability best: from the p-values of the verdict. The odds of a rival against the leader"
        " are p / 2 to 1 − p / 2; on these problems from paired runs, on such problems from one"
        " number per space. Tied strategies share the probability.",
    ),
    (
        72,
        "Problem by problem",
        "regret",
        "Mean normalised regret at the end; 0: the optimum, 1: the expected regret of random"
        " sampling; bold: the lowest.",
    ),
    (
        75,
        "Problems",
        "problems",
        "Normalised regret is (score − optimum) / (random sampling − optimum); without a table, the"
        " best and the mean of all runs are used instead. Seed noise: the standard deviation of the"
        " best cells over training seeds, in the same unit; a smaller difference may vanish when"
        " cells are retrained.",
    ),
    (
        85,
        "Expected running time",
        "runtime",
        "The budget of all runs until they reached the target, divided by the number of runs that"
        " reached it: the expected cost of restarting until one run succeeds.",
    ),
    (
        90,
        "Accounts",
        "accounts",
        "Over all runs. A cell that is evaluated again gives the same answer and is charged again."
        " Time in all: strategy and evaluations, on the machine that executed them.",
    ),
    (
        95,
        "Every pair",
        "pairs",
        "Descriptive only; see the verdict for significance. Wilcoxon's signed-rank test of"
        " mean regrets over problems, Holm's correction over all pairs. Improvement: the"
        " probability that a run of the first ends better than one of the second on the same"
        " problem; a tie counts half.",
    ),
)


def _table(study: Study, title: str, name: str, text: str) -> Section | None:
    if name == "pairs" and len(study.result.problems) < _FEWEST_PROBLEMS:
        return None
    table = TABLES[name]
    columns = table.shown("page", study.result.standings)
    best = table.best(table.rows(study.suite)) if name == "regret" else ()
    rows: list[list[Content]] = []
    for i, row in enumerate(table.make(study.suite)):
        cells: list[Content] = []
        for column in columns:
            shown: Content = column.text(row)
            if column.key in _OF_STRATEGIES:
                shown = strategy(row[column.key], study.styles[row[column.key]])
            elif column.key in _CODE or (i, column.key) in best:
                shown = Span(
                    column.text(row), "code" if column.key in _CODE else "strong"
                )
            cells.append(shown)
        rows.append(cells)
    heads = [(column.head or column.key, column.small) for column in columns]
    content = Table(heads, rows, texts=_TEXTS.get(name, 1))
    return folded(title, content, note(f"{text} ", *files_of(name), "."))


for _position, _title, _name, _text in _SHOWN:
    section(_position, "suite")(partial(_table, title=_title, name=_name, text=_text))
