"""The conventions behind every number of a report, and where the report comes from."""

from __future__ import annotations

from surrogate_nas.objective import Objective
from surrogate_nas.strategies import is_builtin, resolve
from surrogate_nas.strategies.listing import described
from surrogate_nas.study.comparison import Comparison

_DRAWN = (
    "Searches saw one training of each cell: its seed is drawn from the root seed, the run and the cell among those "
    "that the benchmark holds for it, the same for all strategies of a run. A run's answer is chosen by what its "
    "search saw; every score, curve, regret and the optimum is by the mean over seeds, and a cell is feasible if it "
    "was seen to be and is so by the mean."
)


def conventions(comparison: Comparison) -> list[str]:
    """What was charged, shared, averaged and tested, one sentence or two each.

    Args:
        comparison: The comparison.
    """
    objective, first = comparison.objective, comparison.description["first_cells"]
    items = [
        objective.benchmark.charge,
        "Asking for a known cell again gives the same answer and is charged again, for every strategy alike.",
        f"Run k of every strategy is first told the same {first} random cells, drawn from the root seed and k alone."
        if first
        else "Strategies start without shared first cells.",
        _seeds(objective),
        "A run's answer is the best cell of its whole history, the earliest among equals. Curves are right-continuous: "
        "a trial counts once it has finished.",
        "Intervals are percentile bootstrap intervals of the mean over runs (95 %, 10,000 resamples, fixed seed), so "
        "they repeat. IQM is the mean of the middle half of the runs.",
        objective.warning or "Final (test) metrics are read for this report alone; no strategy could ask for one.",
    ]
    items += _told(comparison)
    if objective.constraints:
        items.append("A cell that violates a constraint scores above every feasible one, by how much it violates it.")
    if objective.has_history:
        items.append(
            "Diversity is a cell's largest similarity (0 to 1) to the ten cells of lowest L that the run held when it "
            "first met the cell: the order of evaluation is part of the score."
        )
    return items


def _seeds(objective: Objective) -> str:
    """Which training seeds values are of."""
    if objective.draws:
        return _DRAWN
    if objective.seed == "mean":
        return (
            "Every value is the mean over the training seeds that the benchmark holds for the cell; the optimum and "
            "regret follow the same convention."
        )
    return f"Every value is that of training seed {objective.seed}; the optimum and regret follow that convention."


def _told(comparison: Comparison) -> list[str]:
    """What strategies were given beside trials, and how they were run."""
    known, hidden = comparison.objective.known, comparison.description["hidden"]
    items = []
    if known.terms and hidden:
        items.append(f"What is known of any cell for free ({', '.join(known.terms)}) was withheld from all strategies.")
    elif known.terms:
        items.append(
            f"Known of any cell for free, to every strategy that declares that it reads it: {', '.join(known.terms)}."
        )
    if (workers := comparison.description["simulated_workers"]) > 1:
        items.append(
            f"{workers} cells are evaluated side by side on the simulated clock: strategies are asked while others run "
            "and told in the order of finishing; a budget in seconds is wall time of that clock."
        )
    if trained := [s for s in comparison.strategies if is_builtin(s) and resolve(s).needs_workshop]:
        items.append(
            f"{', '.join(trained)}: a supernet is trained on the task's training and validation data; its steps are "
            "charged what their operations take in the trainings of this benchmark, by an additive model, and fall to "
            "the first cell that is asked for afterwards. E[λR] is exact where R adds up over edges."
        )
    if weighted := [s for s in comparison.strategies if any(run.scalarised for run in comparison.runs_of(s))]:
        items.append(
            f"{', '.join(weighted)}: made for one objective, run on several by random scalarisation (the augmented "
            "Chebyshev norm of ParEGO, with weights drawn anew every ten trials and the history told again)."
        )
    return items


def citations(comparison: Comparison) -> list[str]:
    """The papers to cite for all that a comparison used: its data, its space, its strategies; each once.

    Args:
        comparison: The comparison.
    """
    benchmark = comparison.objective.benchmark
    papers = {strategy["name"]: strategy["paper"] for strategy in described()}
    used = [*benchmark.citation.split("; "), benchmark.space.citation, *map(papers.get, comparison.strategies)]
    return list(dict.fromkeys(paper.replace('"', "").rstrip(".") for paper in used if paper))


def provenance_rows(comparison: Comparison) -> list[tuple[str, str]]:
    """Where data and results come from, as names and values.

    Args:
        comparison: The comparison.
    """
    benchmark, description = comparison.objective.benchmark, comparison.description
    budget = description["budget"]
    rows = [
        ("benchmark", f"{benchmark.name}: {benchmark.title}"),
        ("source", benchmark.source),
        ("licence", benchmark.licence),
        *(("to cite", cited) for cited in citations(comparison)),
        ("fingerprint", comparison.objective.fingerprint),
        ("root seed", str(description["seed"])),
        ("runs", str(description["runs"])),
        ("budget, evaluations", "no limit" if budget["cells"] is None else str(budget["cells"])),
        (f"budget, {benchmark.cost}", "no limit" if budget["seconds"] is None else f"{budget['seconds']:g}"),
    ]
    for label, files in description.get("sources", {}).items():
        rows.append(
            (f"source of {label}", ", ".join(f"{name} (sha256 {digest:.12})" for name, digest in files.items()))
        )
    return rows + [(str(name), str(value)) for name, value in (description.get("provenance") or {}).items()]
