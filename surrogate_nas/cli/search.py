"""The command that runs one strategy once."""

import sys
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from surrogate_nas.cli.options import (
    OF_AN_OBJECTIVE,
    RESOURCES,
    BenchmarkArgument,
    FirstOption,
    RandomOption,
    WithOption,
    bound_objective,
    taking,
)
from surrogate_nas.cli.output import (
    JsonOption,
    emit,
    in_a_line,
    note,
    progress_bar,
    say,
    seconds,
    show_table,
)
from surrogate_nas.core import NO_CELL, UserError
from surrogate_nas.files import ProgressLines
from surrogate_nas.objective import Objective
from surrogate_nas.results.api import search as run_search
from surrogate_nas.results.comparison import final_metrics
from surrogate_nas.runs.events import Callback, Event
from surrogate_nas.runs.options import Resources, budget_of
from surrogate_nas.runs.run import Confirmation, Run
from surrogate_nas.space.trial import Trial
from surrogate_nas.stats.summaries import Row
from surrogate_nas.strategies import known as known_strategies


@taking(
    "objective subject_to budget budget_seconds budget_tokens target run seed",
    f"{OF_AN_OBJECTIVE} hidden {RESOURCES.removeprefix('workers ')}",
)
def search(
    bench: BenchmarkArgument,
    strategy: Annotated[
        str | None,
        Argument(
            help="The strategy, in the format of --strategy; bo by default.",
            autocompletion=known_strategies,
        ),
    ] = None,
    strategy_: Annotated[
        str | None,
        Option(
            "--strategy",
            help=(
                "A name (list them with snas strategies), a file.py:Class, or either with"
                " options, as in evolution(population=50)."
            ),
            autocompletion=known_strategies,
        ),
    ] = None,
    first: FirstOption = None,
    n_random: RandomOption = None,
    known: Annotated[
        Path | None,
        "A CSV file of earlier trainings with columns cell, epochs and metrics; not charged.",
    ] = None,
    confirm: Annotated[
        str | None,
        Option(
            metavar="CELLSxSEEDS",
            help="Train the best cells with seeds that the search did not use, such as 3x5.",
        ),
    ] = None,
    against_cell: Annotated[
        str | None,
        (
            "Your cell, to compare the confirmed cell with; by default the first cell of"
            " --first."
        ),
    ] = None,
    with_: WithOption = None,
    out: Annotated[
        Path | None,
        ("A folder to store the run in. Repeat the command to resume."),
    ] = None,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Run one strategy once.

    \b
    Examples:
      snas search fashion
      snas search fashion evolution --budget 300 --run 1
      snas search live:digits evolution --budget 60 --parallel 2
      snas search mine.py:MINE asha --first mine.txt --known runs.csv
      snas search nb201-cifar10 --objective "valid_error + 0.1*params" --subject-to "macs <= 9e7"
      snas search live:digits evolution --budget 60 --confirm 3x5 --against-cell 11
    """
    if strategy and strategy_:
        raise UserError(
            f"The strategy is given twice, as {strategy} and --strategy {strategy_}. Give it once."
        )
    strategy = strategy or strategy_ or "bo"
    bound = bound_objective(bench, with_, options)
    cells = budget_of(options["budget"], options["budget_seconds"]).cells
    with progress_bar("cells") as progress:
        run = run_search(
            bound.benchmark,
            strategy,
            bound,
            first=first or (),
            n_random=n_random,
            known=known,
            folder=out,
            confirm=confirm,
            against_cell=against_cell,
            callback=_counted(progress, cells or 0),
            resources=Resources.out_of(options),
            **options,
        )
    content = _content(run, bound)

    def show() -> None:
        show_table(
            ("", strategy), _rows(run, bound, content), title=f"{bench}: {bound}"
        )
        if run.confirmed is not None:
            _show_confirmed(run.confirmed)

    emit(content, json, show)
    if bound.warning:
        note(bound.warning)
    note(_where(out, bound))


def _where(out: Path | None, bound: Objective) -> str:
    if out is None:
        return "The run is not stored. Use --out DIR to store, resume and report it."
    address = bound.benchmark.address
    named = f" --bench {address}" if ".py:" in address else ""
    return f"Stored in {out}. Report it with: snas report {out}{named}"


_MOST_FINAL = 8


def _counted(progress: ProgressLines, total: int) -> Callback:
    """Return a callback that shows the progress of a search and each failed training."""
    trials = list[Trial]()

    def show(event: Event) -> None:
        trials.extend(event.trials)
        for cell, reason in event.failed.items():
            note(in_a_line(f"{cell}: {reason}"))
        detail = "confirming trainings" if event.total else ""
        if event.running and sys.stderr.isatty():
            failed = sum(bool(trial.failure) for trial in trials)
            detail = f"{event.running} running{f', {failed} failed' if failed else ''}"
        progress(event.done or len(trials), event.total or total, detail)

    return show


def _show_confirmed(confirmed: Confirmation) -> None:
    rows = [
        (
            str(candidate.cell),
            name,
            candidate.seen,
            candidate.mean,
            len(candidate.scores),
        )
        for name, cells in (
            ("found", confirmed.cells),
            ("yours", [confirmed.reference]),
        )
        for candidate in cells
        if candidate is not None
    ]
    if rows:
        heads = (
            "cell",
            "origin",
            "score in the search",
            "with fresh seeds",
            "trainings",
        )
        show_table(heads, rows)
    for sentence in confirmed.sentences:
        say(sentence)
    say(f"The confirmation cost {seconds(confirmed.cost)} {confirmed.cost_unit}.")


def _content(run: Run, bound: Objective) -> Row:
    known, several = run.best_known, bound.n_objectives > 1
    best = run.answer if run.is_feasible and not several else None
    optimum = None if best is None else bound.optimum()
    content = {
        "best": {
            "cell": best and str(best.cell),
            "score": best and best.score,
            "seen_score": best and run.incumbent.score,
            "feasible": run.is_feasible,
            "metrics": dict(best.values) if best else {},
            "final": final_metrics(bound, best.cell) if best else {},
        },
        "known": {
            "trainings": [
                _trial_row(t, "epochs", "score", "feasible") for t in run.known
            ],
            "best": None if known is None else _trial_row(known, "score"),
        },
        "trials": [
            {
                "index": trial.index,
                **_trial_row(trial, "epochs", "score", "feasible", "cost"),
                **({"failure": trial.failure} if trial.failure else {}),
            }
            for trial in run.trials
        ],
        "cost": run.cost,
        "cost_unit": bound.benchmark.cost_unit,
        "real_seconds": run.real_seconds,
        "regret": None if optimum is None else run.answer.score - optimum,
        "objective": bound.describe(),
        "warning": bound.warning,
    }
    if several:
        content["front"] = [
            _trial_row(trial, "scores") | {"metrics": dict(trial.values)}
            for trial in run.front
        ]
    if run.diagnosis:
        content["diagnosis"] = run.diagnosis
    if run.judged is not None:
        content["judged"] = {
            "seeds": list(run.judged.seeds),
            "trainings": run.judged.trainings,
            "cost": run.judged.cost,
            "failures": list(run.judged.failures),
        }
    if run.confirmed is not None:
        content["confirmed"] = run.confirmed.to_json()
    return content


def _trial_row(trial: Any, *fields: str) -> Row:
    return {"cell": str(trial.cell), **{name: getattr(trial, name) for name in fields}}


def _found(run: Run, bound: Objective, content: Row) -> list[tuple[str, object]]:
    answer, front = content["best"], content.get("front")
    rows: list[tuple[str, object]]
    if front:
        found = [
            (trial["cell"], ", ".join(f"{score:.6g}" for score in trial["scores"]))
            for trial in front[:_MOST_FINAL]
        ]
        return [("cells on the front", len(front)), *found]
    if not answer["feasible"]:
        least = run.lowest
        rows = [("best cell", NO_CELL), ("closest to the limits", str(least.cell))]
        return [*rows, *least.values.items()]
    rows = [("best cell", answer["cell"]), ("score", answer["score"])]
    if bound.draws:
        rows.append(("score in the search", answer["seen_score"]))
    above = ("score above the optimum", content["regret"])
    return [*rows, above, *answer["metrics"].items()]


def _rows(run: Run, bound: Objective, content: Row) -> list[tuple[str, object]]:
    answer, known = content["best"], content["known"]
    final = sorted(answer["final"].items(), key=lambda item: "@" in item[0])
    rows = _found(run, bound, content)
    rows += [(f"{name} (final)", value) for name, value in final[:_MOST_FINAL]]
    if final[_MOST_FINAL:]:
        rows.append(("more final metrics", f"{len(final) - _MOST_FINAL}, with --json"))
    if known["trainings"]:
        rows.append(("earlier trainings, not charged", len(known["trainings"])))
    if known["best"]:
        rows.append(("best of the earlier trainings", known["best"]["cell"]))
        rows.append(("its score", known["best"]["score"]))
    rows.append(("evaluations", len(run.trials)))
    if failures := [trial.failure for trial in run.trials if trial.failure]:
        rows.append(("failed trainings", f"{len(failures)}, the first: {failures[0]}"))
    if run.judged is not None:
        cost = f"{seconds(run.judged.cost)} {bound.benchmark.cost_unit}"
        spent = f"{run.judged.trainings}, {cost}, not charged"
        rows.append(("trainings with other seeds", spent))
        if run.judged.failures:
            rows.append(("failures among them", "; ".join(run.judged.failures)))
    charged = "charged" if bound.benchmark.one_by_one else "simulated"
    rows.append((f"{charged} {bound.benchmark.cost_unit}", seconds(run.cost)))
    return [*rows, ("real seconds", seconds(run.real_seconds))]
