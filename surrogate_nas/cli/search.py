"""The command that runs one strategy once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from surrogate_nas.cli.options import (
    DEFAULT_STRATEGY,
    PROCESSES,
    BenchmarkArgument,
    BudgetOption,
    BudgetSecondsOption,
    EngineOption,
    ObjectiveOption,
    StrategyArgument,
    StrategyOption,
    SubjectToOption,
    WithOption,
    bound_objective,
    run_options,
)
from surrogate_nas.cli.output import (
    JsonOption,
    Progress,
    emit,
    in_a_line,
    note,
    note_absent,
    note_unasked,
    progress_bar,
    say,
    seconds,
    show_table,
)
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.numbers import NO_CELL
from surrogate_nas.objective import Objective
from surrogate_nas.results.api import search as run_search
from surrogate_nas.results.comparison import final_metrics
from surrogate_nas.runs.beginning import usual_first_cells
from surrogate_nas.runs.confirm import found_by
from surrogate_nas.runs.options import (
    OBJECTIVE_OPTIONS,
    budget_of,
)
from surrogate_nas.runs.run import Run
from surrogate_nas.runs.running import Running
from surrogate_nas.runs.stored import Confirmation
from surrogate_nas.space.trial import Trial

FirstOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CELL|FILE",
        help="A cell to ask for first, or a file with one a line; the option again for more.",
    ),
]
KnownOption = Annotated[
    Path | None,
    typer.Option(
        help="A CSV file of what was trained before: cell, metrics, epochs; not charged."
    ),
]
RandomFirstOption = Annotated[
    int | None,
    typer.Option(
        help="How many random cells come first; by default 10, and 0 on a training of your own."
    ),
]

ConfirmOption = Annotated[
    str | None,
    typer.Option(
        metavar="CELLSxSEEDS",
        help="Train the best cells with seeds that the search did not see, such as 3x5.",
    ),
]
AgainstCellOption = Annotated[
    str | None,
    typer.Option(
        help="A cell of yours that the confirmed one must beat; by default the first of --first."
    ),
]


@partial(run_options, more=OBJECTIVE_OPTIONS)
def search(
    bench: BenchmarkArgument,
    strategy: StrategyArgument = None,
    strategy_: StrategyOption = None,
    objective: ObjectiveOption = None,
    subject_to: SubjectToOption = None,
    budget: BudgetOption = None,
    budget_seconds: BudgetSecondsOption = None,
    seed: Annotated[int, typer.Option(help="Which run to make.")] = 0,
    first: FirstOption = None,
    known: KnownOption = None,
    random_first: RandomFirstOption = None,
    confirm: ConfirmOption = None,
    against_cell: AgainstCellOption = None,
    with_: WithOption = None,
    engine: EngineOption = PROCESSES,
    out: Annotated[
        Path | None,
        typer.Option(
            help=(
                "A folder in which the run is stored as it is made, and from which the same command"
                " goes on."
            )
        ),
    ] = None,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Run one strategy once.

    \b
    Examples:
      snas search fashion
      snas search fashion evolution --budget 300 --seed 1
      snas search live:digits evolution --budget 60 --parallel 2
      snas search mine.py:MINE asha --first mine.txt --known runs.csv
      snas search nb201-cifar10 --objective "valid_error + 0.1*params" --subject-to "macs <= 9e7"
      snas search live:digits evolution --budget 60 --confirm 3x5 --against-cell 11
    """
    if strategy and strategy_:
        raise UserError(
            f"The strategy is named twice, {strategy} and --strategy {strategy_}; name it once."
        )
    strategy = strategy or strategy_ or DEFAULT_STRATEGY
    bound = bound_objective(bench, with_, objective, subject_to, options)
    budget = budget_of(budget, budget_seconds).cells
    with progress_bar("cells") as progress:
        counted = _Counted(progress, budget or 0)
        run = run_search(
            bound.benchmark,
            strategy,
            bound,
            budget=budget,
            budget_seconds=budget_seconds,
            seed=seed,
            first=first or (),
            known=known,
            random_first=random_first,
            engine=engine,
            folder=out,
            confirm=confirm,
            against_cell=against_cell,
            callback=counted,
            watcher=counted,
            progress=lambda done, total: progress(done, total, "confirming trainings"),
            **options,
        )
    content = _content(run, bound)

    def show() -> None:
        show_table(("", strategy), _rows(run, bound, content), title=f"{bench}: {bound}")
        if run.confirmed is not None:
            _show_confirmed(run.confirmed)

    emit(content, json, show)
    if bound.warning:
        note(bound.warning)
    note_absent(bench, [content["best"]["final"]])
    drawn = usual_first_cells(bound.benchmark) if random_first is None else random_first
    note_unasked(budget, drawn)
    note(_where(out, bound))


def _where(out: Path | None, bound: Objective) -> str:
    if out is None:
        return (
            "This run is not stored: with --out DIR it is, and can be resumed and reported."
        )
    address = bound.benchmark.address
    named = f" --bench {address}" if ".py:" in address else ""
    return f"Stored in {out}. Its report: snas report {out}{named}"


_MOST_FINAL = 8


class _Counted:
    """Shows how many cells a run has evaluated and, on a terminal, how many trainings run."""

    def __init__(self, progress: Progress, total: int) -> None:
        """Begin to count.

        Args:
            progress: Called with the number of cells.
            total: The budget in cells; 0 for none.
        """
        self._progress = progress
        self._total = total
        self._done = 0
        self._failed = 0
        self._detail = ""

    def __call__(self, trials: Sequence[Trial]) -> None:
        self._done += len(trials)
        self._failed += sum(bool(trial.failure) for trial in trials)
        self._progress(self._done, self._total, self._detail)

    def running(self, running: Running) -> None:
        """Show how many trainings run now."""
        if sys.stderr.isatty():
            failed = f", {self._failed} failed" if self._failed else ""
            self._detail = f"{running.running} running{failed}"
        self._progress(self._done, self._total, self._detail)

    def failed(self, cell: str, reason: str) -> None:
        """Report a failed training in one line."""
        note(in_a_line(f"{cell}: {reason}"))


def _show_confirmed(confirmed: Confirmation) -> None:
    rows = [
        (str(one.cell), name, one.seen, one.mean, len(one.scores))
        for name, cells in (("found", confirmed.cells), ("yours", [confirmed.reference]))
        for one in cells
        if one is not None
    ]
    if rows:
        show_table(("cell", "is", "the search saw", "fresh seeds", "trainings"), rows)
    for sentence in confirmed.sentences:
        say(sentence)
    say(f"The confirming trainings cost {seconds(confirmed.cost)} {confirmed.cost_unit}.")


def _content(run: Run, bound: Objective) -> dict[str, Any]:
    best, optimum, known = found_by(bound, run), bound.optimum(), run.best_known
    is_exact = best.feasible and bound.parts == 1
    content = {
        "best": {
            "cell": str(best.cell) if best.feasible else None,
            "score": best.score if best.feasible else None,
            "seen_score": run.incumbent.score if best.feasible else None,
            "feasible": best.feasible,
            "metrics": dict(best.values) if best.feasible else {},
            "final": final_metrics(bound, best.cell) if best.feasible else {},
        },
        "known": {
            "trainings": [
                {
                    "cell": str(t.cell),
                    "epochs": t.epochs,
                    "score": t.score,
                    "feasible": t.feasible,
                }
                for t in run.known
            ],
            "best": None
            if known is None
            else {"cell": str(known.cell), "score": known.score},
        },
        "trials": [
            {
                "index": trial.index,
                "cell": str(trial.cell),
                "epochs": trial.epochs,
                "score": trial.score,
                "feasible": trial.feasible,
                "cost_seconds": trial.cost_seconds,
                **({"failure": trial.failure} if trial.failure else {}),
            }
            for trial in run.trials
        ],
        "cost_unit": bound.benchmark.cost,
        "simulated_seconds": run.simulated_seconds,
        "real_seconds": run.real_seconds,
        "regret": None if optimum is None or not is_exact else best.score - optimum,
        "objective": bound.describe(),
        "warning": bound.warning,
    }
    if run.diagnosis:
        content["diagnosis"] = run.diagnosis
    if run.judged is not None:
        content["judged"] = {
            "seeds": list(run.judged.seeds),
            "trainings": run.judged.trainings,
            "cost_seconds": run.judged.cost,
            "failures": list(run.judged.failures),
        }
    if run.confirmed is not None:
        content["confirmed"] = run.confirmed.to_json()
    return content


def _rows(run: Run, bound: Objective, content: dict[str, Any]) -> list[tuple[str, object]]:
    best, found, known, judged = (
        found_by(bound, run),
        content["best"],
        content["known"],
        run.judged,
    )
    final = sorted(found["final"].items(), key=lambda item: "@" in item[0])
    further = len(final) - _MOST_FINAL
    before = known["best"] or {}
    failures = [trial.failure for trial in run.trials if trial.failure]
    charged = "charged" if bound.benchmark.one_by_one else "simulated"
    rows: list[tuple[Any, str, object]] = [
        (best.feasible, "best cell", found["cell"]),
        (best.feasible, "score", found["score"]),
        (best.feasible and bound.draws, "score that the search saw", found["seen_score"]),
        (not best.feasible, "best cell", NO_CELL),
        (not best.feasible, "least over the limits", str(best.cell)),
        (True, "regret", content["regret"]),
        *((True, *item) for item in best.values.items()),
        *((True, f"{name} (final)", value) for name, value in final[:_MOST_FINAL]),
        (further > 0, "further final metrics", f"{further}, with --json"),
        (known["trainings"], "known before, not charged", len(known["trainings"])),
        (before, "best known before", before.get("cell")),
        (before, "score of that", before.get("score")),
        (True, "evaluations", len(run.trials)),
        (
            failures,
            "failed trainings",
            f"{len(failures)}, the first by {''.join(failures[:1])}",
        ),
    ]
    if judged is not None:
        spent = f"{judged.trainings}, {seconds(judged.cost)} s"
        rows.append((True, "by other seeds, not charged", spent))
        rows.append((judged.failures, "failed of these", "; ".join(judged.failures)))
    rows.append((True, f"{charged} {bound.benchmark.cost}", seconds(run.simulated_seconds)))
    rows.append((True, "real seconds", seconds(run.real_seconds)))
    return [(head, value) for is_shown, head, value in rows if is_shown]
