"""The constants and conventions behind every number, and where a page's data and results come
from.
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
        "All strategies of a problem have the same L, R, λ, limits and budget. Run k of every"
        " strategy starts from the same first cells, and they count."
    ),
    (
        "Ranks are those of mean normalised regrets on each problem; strategies that tie share"
        " the mean of their ranks."
    ),
    (
        "Random sampling draws with replacement; on a table its expectation is exact. The strategy"
        " random does not ask for a cell twice."
    ),
    (
        "Where a search sees one drawn training seed of each cell, its answer is reported by the"
        " mean over seeds."
    ),
    (
        "A run that failed or found no feasible cell is not left out: it counts as one random"
        " feasible cell."
    ),
    (
        f"Problems weigh equally. Bands and intervals hold 95 % of {RESAMPLES:,} resamples of the"
        " runs within each problem; they say nothing about other problems."
    ),
)
_WITHHELD = "Free terms of the objective were withheld from all strategies."
_DRAWN = (
    "Searches saw one training of each cell: its seed is drawn from the root seed, the run and the"
    " cell among those that the benchmark holds for it, the same for all strategies of a run. A"
    " run's answer is chosen by what its search saw; every score, curve, regret and the optimum is"
    " by the mean over seeds, and a cell is feasible if it was seen to be and is so by the mean."
)


_LIMITED = (
    "A cell that violates a constraint scores worse than every feasible cell, and the more it"
    " violates the constraint, the worse."
)
_DIVERSITY = (
    "Diversity is a cell's largest similarity (0 to 1) to the ten cells of lowest L that the run"
    " held when it first met the cell: the order of evaluation is part of the score."
)
_JUDGED = (
    "Searches saw one training of each cell: its seed is drawn from the root seed, the run and the"
    " cell among {seeds}, the same for all strategies of a run. What a run found was then trained"
    " by the other seeds, which its budget was not charged for: its score is by the mean over"
    " seeds, and it is feasible if it was seen to be and is so by the mean. All other cells are as"
    " their search saw them, and so are curves before the last improvement of a run."
)


@section(100, "comparison", "front")
def constants(study: Study) -> Section | None:
    """The terms of the objective with their frozen constants."""
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
        "Frozen from the space before any run, never from the runs. Results of two fingerprints are"
        " never mixed; "
    )
    blocks.append(
        note(f"{frozen}this one is ", Span(objective.fingerprint, "code"), ".")
    )
    return folded("Constants of the objective", *blocks)


@section(110, "comparison", "front")
def comparison_conventions(study: Study) -> Section | None:
    """What was charged, shared, averaged and tested."""
    return folded("Conventions", Block("items", conventions(study.comparison)))


@section(110, "suite")
def suite_conventions(study: Study) -> Section | None:
    """How problems are put together."""
    options = study.suite.suite.options
    items = [
        *_SUITE,
        *([_WITHHELD] if options.get("hidden") else []),
        *_side_by_side(options),
    ]
    return folded("Conventions", Block("items", items))


@section(120, "comparison", "front")
def comparison_provenance(study: Study) -> Section | None:
    """Where data and results come from."""
    blocks: list[Table | Block | str] = [_facts(provenance_rows(study.comparison))]
    if study.command:
        blocks += ["Made by", Block("command", study.command)]
    return folded("Provenance", *blocks)


@section(120, "suite")
def suite_provenance(study: Study) -> Section | None:
    """Where data and results come from, and the files beside the page."""
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
            "Made by this command; given again it makes only what is missing, with more runs or"
            " strategies too:"
        )
        blocks += [again, Block("command", study.command)]
    return folded("Provenance", *blocks)


def _facts(rows: Iterable[tuple[str, str]]) -> Table:
    return Table((), [[name, Span(value, "code")] for name, value in rows], texts=2)


def _cited(papers: Iterable[str]) -> list[str]:
    plain = (paper.replace('"', "").rstrip(".") for paper in papers if paper)
    return list(dict.fromkeys(plain))


def conventions(comparison: Comparison) -> list[str]:
    """What was charged, shared, averaged and tested, one sentence or two each."""
    objective = comparison.objective
    first = comparison.description["first_cells"]
    return [
        objective.benchmark.charge,
        (
            "Asking for the same cell again gives the same answer and is charged again, for every"
            " strategy."
        ),
        (
            f"Run k of every strategy starts with the same {first} random cells, drawn from the"
            " root seed and k."
            if first
            else "Strategies start without shared first cells."
        ),
        _seeds(objective),
        (
            "A run's answer is the best cell of its whole history, the earliest among equals."
            " Curves are right-continuous: a trial counts once it has finished."
        ),
        (
            "Intervals are percentile bootstrap intervals of the mean over runs (95 %, 10,000"
            " resamples, fixed seed), so they repeat. IQM is the mean of the middle half of the"
            " runs."
        ),
        objective.warning
        or "Final (test) metrics are read for this report alone; no strategy could ask for one.",
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
            "Every value is the mean over the training seeds that the benchmark holds for the cell;"
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
        how = "They are told as they finish: a run is a race, and its times are the wall's."
        if options.get("order") == "clock":
            how = (
                "They are told in the order of a clock of predicted costs, so that a run is the"
                " same on any slots; its times are those of as many workers as trainings in flight,"
                " each taking what was charged."
            )
        if options.get("at_end") == "stop":
            how += " What ran at the end of a budget in seconds was stopped and does not count."
        return [f"Trainings in flight: {in_flight}. {how}"]
    if workers == 1:
        return []
    return [
        f"{workers} cells are evaluated in parallel on the simulated clock: a strategy is asked"
        " for cells while others are running and observes scores in the order of finishing; a"
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
            f"The free terms of the objective ({', '.join(terms)}) were withheld from all"
            " strategies.",
        ),
        (
            terms and not hidden,
            "Free terms, known for any cell to every strategy that declares that it uses them:"
            f" {', '.join(terms)}.",
        ),
        *((True, item) for item in _side_by_side(comparison.description)),
        (
            trained,
            f"{', '.join(trained)}: a supernet is trained on the task's training and validation"
            " data; its steps are charged what their operations take in the trainings of this"
            " benchmark, by an additive model, and fall to the first cell that is asked for"
            " afterwards. E[λR] is exact where R adds up over edges.",
        ),
        (
            weighted,
            f"{', '.join(weighted)}: made for one objective, run on several by random scalarisation"
            " (the augmented Chebyshev norm of ParEGO, with weights drawn anew every ten trials"
            " and the history told again).",
        ),
    )
    return [item for holds, item in items if holds]


def citations(comparison: Comparison) -> list[str]:
    """The papers to cite for all that a comparison used: its data, its space, its strategies; each
    once.
    """
    own = comparison.description.get("sources", {})
    papers = papers_of_strategies(comparison.entries, own)
    return _cited([*citations_of_data(comparison), *papers.values()])


def provenance_rows(comparison: Comparison) -> list[tuple[str, str]]:
    """Where data and results come from, as names and values."""
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
