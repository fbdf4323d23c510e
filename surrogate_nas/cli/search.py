"""The command that runs one strategy once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from surrogate_nas.cli.options import (
    DEFAULT_BUDGET,
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
from surrogate_nas.study.options import OBJECTIVE_OPTIONS

if TYPE_CHECKING:
    from surrogate_nas.benchmarks.base import CellLike
    from surrogate_nas.objective import Objective
    from surrogate_nas.space.trial import Trial
    from surrogate_nas.study.confirmation import Confirmation
    from surrogate_nas.study.run import Run
    from surrogate_nas.study.running import Running

FirstOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CELL|FILE",
        help="A cell to ask for first, or a file with one a line; the option again for more.",
    ),
]
KnownOption = Annotated[
    Path | None,
    typer.Option(help="A CSV file of what was trained before: cell, metrics, epochs; not charged."),
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
    from surrogate_nas.study.api import search as run_search
    from surrogate_nas.study.beginning import read_beginning, usual_first_cells
    from surrogate_nas.study.confirm import checked_shape
    from surrogate_nas.study.confirm import confirm as confirm_best
    from surrogate_nas.study.options import Options, of_a_search, trainings_in_flight
    from surrogate_nas.study.store import Store

    if strategy and strategy_:
        raise UserError(
            f"The strategy is named twice, {strategy} and --strategy {strategy_}; name it once."
        )
    strategy = strategy or strategy_ or DEFAULT_STRATEGY
    bound = bound_objective(bench, with_, objective, subject_to, options)
    against: CellLike | None = against_cell
    if confirm and against is None and first:
        against = read_beginning(bound, first).first[0]
    shape = checked_shape(bound, confirm, against)
    if budget is None and budget_seconds is None:
        budget = DEFAULT_BUDGET
    with progress_bar("cells") as progress:
        given = Options(**of_a_search(options))
        in_flight, _ = trainings_in_flight(given, bound.benchmark)
        counted = _Counted(progress, budget or 0, trains=in_flight is not None)
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
            callback=counted,
            watcher=counted,
            **options,
        )
    content = _content(run, bound)
    rows = _rows(run, bound, content)
    confirmed = None
    if shape is not None:
        with progress_bar("confirming trainings") as progress:
            confirmed = confirm_best(
                bound,
                run,
                *shape,
                against=against,
                progress=progress,
                options=given,
                engine=engine,
                store=None if out is None else Store(out),
            )
    if confirmed is not None:
        content["confirmed"] = confirmed.to_json()

    def show() -> None:
        show_table(("", strategy), rows, title=f"{bench}: {bound}")
        if confirmed is not None:
            _show_confirmed(confirmed)

    emit(content, json, show)
    if bound.warning:
        note(bound.warning)
    note_absent(bench, [content["best"]["final"]])
    drawn = usual_first_cells(bound.benchmark) if random_first is None else random_first
    note_unasked(budget, drawn)
    note(_where(out, bound))


def _where(out: Path | None, bound: Objective) -> str:
    """Say where the run is stored and how its report is written, or that it is not stored."""
    if out is None:
        return "This run is not stored: with --out DIR it is, and can be resumed and reported."
    address = bound.benchmark.address
    named = f" --bench {address}" if ".py:" in address else ""
    return f"Stored in {out}. Its report: snas report {out}{named}"


_MOST_FINAL = 8
"""Final metrics that are printed for people."""


class _Counted:
    """Tells how many cells a run has evaluated and, on a terminal, what it trains; a training that
    fails is told at once.
    """

    def __init__(self, progress: Progress, total: int, *, trains: bool) -> None:
        """Begin to count.

        Args:
            progress: Is told.
            total: The budget in cells; 0 for none.
            trains: Whether cells are trained in slots; then what a stored run knows already says
                nothing of the time that is left.
        """
        self._progress = progress
        self._total = total
        self._done = 0
        self._failed = 0
        self._detail = ""
        self._is_quiet = trains

    def __call__(self, trials: Sequence[Trial]) -> None:
        self._done += len(trials)
        self._failed += sum(bool(trial.failure) for trial in trials)
        if not self._is_quiet:
            self._progress(self._done, self._total, self._detail)

    def running(self, running: Running) -> None:
        """Tell what trains now."""
        self._is_quiet = False
        if sys.stderr.isatty():
            failed = f", {self._failed} failed" if self._failed else ""
            self._detail = f"{running.running} running{failed}"
        self._progress(self._done, self._total, self._detail)

    def failed(self, cell: str, reason: str) -> None:
        """Tell a training that has failed, in one line."""
        note(in_a_line(f"{cell}: {reason}"))


def _show_confirmed(confirmed: Confirmation) -> None:
    """Print the cells with their scores by fresh seeds, and what these decide."""
    rows = []
    for one in [*confirmed.cells, confirmed.reference]:
        if one is not None:
            name = "yours" if one is confirmed.reference else "found"
            rows.append((str(one.cell), name, one.seen, one.mean, len(one.scores)))
    if rows:
        show_table(("cell", "is", "the search saw", "fresh seeds", "trainings"), rows)
    for sentence in confirmed.sentences:
        say(sentence)
    say(f"The confirming trainings cost {seconds(confirmed.cost)} {confirmed.cost_unit}.")


def _content(run: Run, bound: Objective) -> dict[str, Any]:
    from surrogate_nas.study.comparison import final_metrics
    from surrogate_nas.study.judging import found_by

    best, optimum = found_by(bound, run), bound.optimum()
    answer: dict[str, Any] = {
        "cell": None,
        "score": None,
        "seen_score": None,
        "feasible": False,
        "metrics": {},
        "final": {},
    }
    if best.feasible:
        answer = {
            "cell": str(best.cell),
            "score": best.score,
            "seen_score": run.incumbent.score,
            "feasible": True,
            "metrics": dict(best.values),
            "final": final_metrics(bound, best.cell),
        }
    return {
        "best": answer,
        "known": _known_content(run),
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
        "regret": None
        if optimum is None or not best.feasible or bound.parts > 1
        else best.score - optimum,
        "objective": bound.describe(),
        "warning": bound.warning,
        **({"diagnosis": run.diagnosis} if run.diagnosis else {}),
        **_judged_content(run),
    }


def _judged_content(run: Run) -> dict[str, Any]:
    """What was trained by other seeds to judge the answer, which the budget does not hold."""
    if run.judged is None:
        return {}
    return {
        "judged": {
            "seeds": list(run.judged.seeds),
            "trainings": run.judged.trainings,
            "cost_seconds": run.judged.cost,
            "failures": list(run.judged.failures),
        }
    }


def _judged_rows(run: Run) -> list[tuple[str, object]]:
    if run.judged is None:
        return []
    spent = f"{run.judged.trainings}, {seconds(run.judged.cost)} s"
    rows: list[tuple[str, object]] = [("trainings by other seeds, not charged", spent)]
    if run.judged.failures:
        rows.append(("failed of these", "; ".join(run.judged.failures)))
    return rows


def _known_content(run: Run) -> dict[str, Any]:
    """What was trained before the run, which is none of its trials, and the best of it."""
    best = run.best_known
    return {
        "trainings": [
            {
                "cell": str(trial.cell),
                "epochs": trial.epochs,
                "score": trial.score,
                "feasible": trial.feasible,
            }
            for trial in run.known
        ],
        "best": None if best is None else {"cell": str(best.cell), "score": best.score},
    }


def _known_rows(content: dict[str, Any]) -> list[tuple[str, object]]:
    known = content["known"]
    if not known["trainings"]:
        return []
    rows: list[tuple[str, object]] = [("known before, not charged", len(known["trainings"]))]
    if known["best"] is not None:
        rows.append(("best known before", known["best"]["cell"]))
        rows.append(("score of that", known["best"]["score"]))
    return rows


def _charged(bound: Objective) -> str:
    """What the costs of a run are: recorded ones, or those of trainings made here."""
    return "charged" if bound.benchmark.one_by_one else "simulated"


def _rows(
    run: Run,
    bound: Objective,
    content: dict[str, Any],
) -> list[tuple[str, object]]:
    from surrogate_nas.study.judging import found_by

    best, best_content = found_by(bound, run), content["best"]
    final = sorted(best_content["final"].items(), key=lambda item: "@" in item[0])
    rows: list[tuple[str, object]] = [
        ("best cell", best_content["cell"]),
        ("score", best_content["score"]),
    ]
    if bound.draws and best.feasible:
        rows.append(("score that the search saw", best_content["seen_score"]))
    if not best.feasible:
        rows = [("best cell", NO_CELL), ("least over the limits", str(best.cell))]
    failures = [trial.failure for trial in run.trials if trial.failure]
    failed = []
    if failures:
        failed = [("failed trainings", f"{len(failures)}, the first by {failures[0]}")]
    return [
        *rows,
        ("regret", content["regret"]),
        *best.values.items(),
        *((f"{name} (final)", value) for name, value in final[:_MOST_FINAL]),
        *(
            [("further final metrics", f"{len(final) - _MOST_FINAL}, with --json")]
            if len(final) > _MOST_FINAL
            else []
        ),
        *_known_rows(content),
        ("evaluations", len(run.trials)),
        *failed,
        *_judged_rows(run),
        (f"{_charged(bound)} {bound.benchmark.cost}", seconds(run.simulated_seconds)),
        ("real seconds", seconds(run.real_seconds)),
    ]
