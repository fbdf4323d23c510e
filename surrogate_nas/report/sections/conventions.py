"""The constants and conventions behind every number of a report, and the origin of its data and
results.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from surrogate_nas.benchmarks import load
from surrogate_nas.core import NOTHING, UserError, scientific
from surrogate_nas.objective import Objective
from surrogate_nas.report.bibliography import citations_of_data, papers_of_strategies
from surrogate_nas.report.markup import (
    Block,
    Content,
    Paragraph,
    Section,
    Span,
    Table,
    files_of,
    folded,
    note,
    section,
)
from surrogate_nas.report.reading import RESAMPLES, Comparison, Study, provenance
from surrogate_nas.strategies import LABELS, strategy_entry

_SUITE = (
    (
        "All strategies of a problem have the same L, R, λ, constraints and budget. Run k of every"
        " strategy starts from the same initial cells, which are charged."
    ),
    (
        "Ranks are those of mean normalised regrets on each problem. Tied strategies share the mean"
        " of their ranks."
    ),
    (
        "Random sampling samples with replacement; on a table its expectation is exact. The"
        " strategy random does not evaluate a cell twice."
    ),
    (
        "If a search uses one random training seed per cell, its answer is reported by the"
        " mean over seeds."
    ),
    (
        "A run that failed or found no feasible cell is not excluded: it counts as one random"
        " feasible cell."
    ),
    (
        f"Problems have equal weight. Bands and intervals contain 95 % of {RESAMPLES:,}"
        " resamples of the runs within each problem; they say nothing about other problems."
    ),
)
_WITHHELD = "Free terms of the objective were hidden from all strategies."
_DRAWN = (
    "Searches used one training of each cell. Its seed is sampled from the root seed, the run and"
    " the cell, among those that the benchmark has for the cell, and is the same for all strategies"
    " of a run. A run's answer is chosen by these scores. Every score, curve, regret and the"
    " optimum"
    " use the mean over seeds, and a cell is feasible if it is so in the search and by the mean."
)


_LIMITED = (
    "A cell that violates a constraint scores worse than every feasible cell, and a larger"
    " violation scores worse."
)
_DIVERSITY = (
    "Diversity is a cell's largest similarity (0 to 1) to the ten cells of lowest L in the run"
    " when the cell was first evaluated, so the order of evaluation affects the score."
)
_JUDGED = (
    "Searches used one training of each cell. Its seed is sampled from the root seed, the run and"
    " the cell among {seeds}, and is the same for all strategies of a run. The answer of a run was"
    " then trained with the other seeds, which its budget was not charged for. Its score is the"
    " mean"
    " over seeds, and it is feasible if it is so in the search and by the mean. All other cells"
    " have"
    " their search scores, and so do curves before the last improvement of a run."
)


@section(100, "comparison", "front")
def constants(study: Study) -> Section | None:
    """Build the section on the terms of the objective and their fixed constants, such as weights
    and divisors.
    """
    objective = study.comparison.objective
    rows: list[list[Content]] = [
        [
            Span(term.name, "code"),
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
        meaning = "similarity to the run's ten best cells by L"
        weight = f"{objective.diversity_weight:g}"
        rows.append(
            [Span("diversity", "code"), "R", meaning, weight, "1", NOTHING, NOTHING]
        )
    heads = [
        "term",
        "part of",
        "divisor is",
        ("weight", "λ of a regulariser"),
        "divisor",
        "unit",
        ("score per unit", "weight / divisor"),
    ]
    blocks: list[Table | Paragraph] = [Table(heads, rows, texts=3)]
    if limits := objective.describe()["constraints"]:
        between = [
            part for limit in limits for part in ("; ", Span(str(limit), "code"))
        ]
        blocks.append(Paragraph(["Subject to ", *between[1:], "."]))
    frozen = (
        "Computed from the space before any run, never from the runs. Results of two"
        " fingerprints are never mixed; "
    )
    blocks.append(
        note(f"{frozen}this one is ", Span(objective.fingerprint, "code"), ".")
    )
    return folded("Constants of the objective", *blocks)


@section(110, "comparison", "front")
def comparison_conventions(study: Study) -> Section | None:
    """Build the section on conventions of a comparison: what was charged to the budget, shared
    between strategies, averaged, and tested.
    """
    return folded("Conventions", Block("items", conventions(study.comparison)))


@section(110, "suite")
def suite_conventions(study: Study) -> Section | None:
    """Build the section on how a suite combines the results of its problems."""
    options = study.suite.suite.options
    items = [
        *_SUITE,
        *([_WITHHELD] if options.get("hidden") else []),
        *_side_by_side(options),
    ]
    return folded("Conventions", Block("items", items))


@section(120, "comparison", "front")
def comparison_provenance(study: Study) -> Section | None:
    """Build the section on the origin of the data and results of a comparison."""
    blocks: list[Table | Block | str] = [_facts(provenance_rows(study.comparison))]
    if study.command:
        blocks += ["Made by", Block("command", study.command)]
    return folded("Provenance", *blocks)


@section(120, "suite")
def suite_provenance(study: Study) -> Section | None:
    """Build the section on the origin of a suite's data and results, and on the files in its
    folder.
    """
    result = study.suite
    suite = result.suite
    rows = [("suite", suite.name), ("root seed", str(suite.seed))]
    rows += [
        (name.replace("_", " "), str(value)) for name, value in suite.options.items()
    ]
    papers = []
    for name in dict.fromkeys(p.problem.benchmark for p in result.problems):
        with suppress(UserError):  # it is no longer here
            benchmark = load(name)
            about = f"{name}: {benchmark.title}. Source: {benchmark.source}."
            rows.append(("data", f"{about} Licence: {benchmark.licence}."))
            papers += f"{benchmark.citation}; {benchmark.space.citation}".split("; ")
    entries = [strategy_entry(entry.strategy) for entry in suite.entries]
    papers += papers_of_strategies(entries).values()
    rows += [
        (f"strategy {e.label}", e.written) for e in entries if e.label != e.written
    ]
    rows += [("to cite", paper) for paper in _cited(papers)]
    rows += [(str(name), str(value)) for name, value in provenance().items()]
    further: list[Content] = ["Further tables"]
    for before, name in (
        (": mean regret by problem (", "regret"),
        ("), pairs of strategies (", "pairs"),
    ):
        further += [before, *files_of(name)]
    further += ["). Every trial of every run is in ", Span("problems/", "code"), "."]
    blocks: list[Table | Paragraph | Block | str] = [_facts(rows), Paragraph(further)]
    if study.command:
        again = (
            "Made by this command. Repeat it to make only what is missing, also with more runs or"
            " strategies:"
        )
        blocks += [again, Block("command", study.command)]
    return folded("Provenance", *blocks)


def _facts(rows: Iterable[tuple[str, str]]) -> Table:
    return Table((), [[name, Span(value, "code")] for name, value in rows], texts=2)


def _cited(papers: Iterable[str]) -> list[str]:
    plain = (paper.replace('"', "").rstrip(".") for paper in papers if paper)
    return list(dict.fromkeys(plain))


def conventions(comparison: Comparison) -> list[str]:
    """Return sentences on the conventions of a comparison: what was charged to the budget, shared
    between strategies, averaged, and tested.
    """
    objective = comparison.objective
    first = comparison.description["first_cells"]
    return [
        objective.benchmark.charge,
        (
            "Evaluating the same cell again gives the same answer and is charged again, for every"
            " strategy."
        ),
        (
            f"Run k of every strategy starts with the same {first} random cells, sampled from the"
            " root seed and k."
            if first
            else "Strategies start without shared initial cells."
        ),
        _seeds(objective),
        (
            "A run's answer is the best cell of its whole history, the earliest of equal ones."
            " Curves are right-continuous: a trial counts once it has finished."
        ),
        (
            "Intervals are percentile bootstrap intervals of the mean over runs (95 %, 10,000"
            " resamples, fixed seed), so they repeat. IQM is the mean of the middle half of the"
            " runs."
        ),
        objective.warning
        or "Final (test) metrics are used only in this report and were hidden from strategies.",
        *_inputs(comparison),
        *([_LIMITED] if objective.constraints else []),
        *([_DIVERSITY] if objective.has_history else []),
    ]


def _seeds(objective: Objective) -> str:
    if objective.trained_seeds:
        return _JUDGED.format(seeds=len(objective.trained_seeds))
    if objective.draws:
        return _DRAWN
    if objective.training_seed == "mean":
        return (
            "Every value is the mean over the cell's training seeds in the benchmark;"
            " the optimum and regret follow the same convention."
        )
    return (
        f"Every value is that of training seed {objective.training_seed}; the optimum and regret"
        " follow that convention."
    )


def _side_by_side(options: Mapping[str, Any]) -> list[str]:
    workers = options.get("simulated_workers", 1)
    in_flight = options.get("in_flight")
    if in_flight is not None:
        how = "They are reported as they finish, so a run depends on timing, in wall-clock times."
        if options.get("order") == "clock":
            how = (
                "They are reported in the order of a clock of predicted costs, so a run does"
                " not depend on the workers. Its times are those of as many workers as pending"
                " trainings, each taking the charged time."
            )
        if options.get("at_end") == "stop":
            how += " Trainings that ran at the end of a budget in seconds do not count."
        return [f"Pending trainings: {in_flight}. {how}"]
    if workers == 1:
        return []
    return [
        f"{workers} cells are evaluated in parallel on the simulated clock: a strategy is asked"
        " for cells while others are running and observes scores in the order of completion. A"
        " budget in seconds is wall time of that clock."
    ]


def _inputs(comparison: Comparison) -> list[str]:
    terms = comparison.objective.free.terms
    trained = [
        entry.label
        for entry in comparison.entries
        if entry.is_trusted and entry.load().needs_supernet
    ]
    weighted = [
        s
        for s in comparison.strategies
        if any(run.scalarised for run in comparison.runs_of(s))
    ]
    hidden = comparison.description["hidden"]
    items = (
        (
            terms and hidden,
            f"The free terms of the objective ({', '.join(terms)}) were hidden from all"
            " strategies.",
        ),
        (
            terms and not hidden,
            "Free terms, available for any cell to every strategy that declares to use them:"
            f" {', '.join(terms)}.",
        ),
        *((True, item) for item in _side_by_side(comparison.description)),
        (
            trained,
            f"{', '.join(trained)}: a supernet is trained on the task's training and validation"
            " data. Its steps are charged by an additive model of the cost of operations in this"
            " benchmark's trainings, and the charge is added to the next evaluated cell. E[λR] is"
            " exact if R is a sum over edges.",
        ),
        (
            weighted,
            f"{', '.join(weighted)}: made for one objective, run on several with random"
            " scalarisation (the augmented Chebyshev norm of ParEGO, with new random weights"
            " every ten trials, after which the strategy observes the history again).",
        ),
    )
    return [item for holds, item in items if holds]


def citations(comparison: Comparison) -> list[str]:
    """Return the papers to cite for a comparison's data, space and strategies, without
    duplicates.
    """
    own = comparison.description.get("sources", {})
    papers = papers_of_strategies(comparison.entries, own)
    return _cited([*citations_of_data(comparison), *papers.values()])


def provenance_rows(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the origin of a comparison's data and results, as pairs of name and value."""
    benchmark = comparison.objective.benchmark
    description = comparison.description
    budget = description["budget"]
    cells, seconds = (
        "no limit" if amount is None else form.format(amount)
        for amount, form in ((budget["cells"], "{}"), (budget["seconds"], "{:g}"))
    )
    rows = [
        ("benchmark", f"{benchmark.name}: {benchmark.title}"),
        ("source", benchmark.source),
        ("licence", benchmark.licence),
        *(("to cite", cited) for cited in citations(comparison)),
        ("fingerprint", comparison.objective.fingerprint),
        ("root seed", str(description["seed"])),
        ("runs", str(description["runs"])),
        ("budget, evaluations", cells),
        (f"budget, {benchmark.cost_unit}", seconds),
    ]
    rows += [(f"strategy {k}", v) for k, v in description.get(LABELS, {}).items()]
    for key, head in (("sources", "source of {}"), ("files", "files that {} read")):
        for label, files in description.get(key, {}).items():
            named = (f"{name} (sha256 {digest:.12})" for name, digest in files.items())
            rows.append((head.format(label), ", ".join(named)))
    provenance = description.get("provenance") or {}
    return rows + [(str(name), str(value)) for name, value in provenance.items()]
