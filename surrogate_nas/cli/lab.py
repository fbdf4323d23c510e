"""Commands of the lab: query a benchmark, run a search, compare strategies, report, check a strategy, redo a paper."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from surrogate_nas.cli.output import JsonOption, emit, note, progress_bar, show_table
from surrogate_nas.errors import UserError

BenchmarkArgument = Annotated[str, typer.Argument(help="A benchmark's name; snas benchmarks lists them.")]
ObjectiveOption = Annotated[
    str | None, typer.Option(help='Such as "valid_error + 0.1*params"; the benchmark\'s default if left out.')
]
SubjectToOption = Annotated[str | None, typer.Option(help='Limits, such as "latency@raspi4 <= 20".')]
BudgetOption = Annotated[int | None, typer.Option(help="The most evaluated cells of a run.")]
BudgetSecondsOption = Annotated[float | None, typer.Option(help="The most simulated seconds of a run.")]
WithOption = Annotated[
    list[Path] | None, typer.Option("--with", help="A table whose metrics are joined, as snas measure writes it.")
]
CallLimitOption = Annotated[float, typer.Option(help="The most seconds that a strategy may take to answer once.")]
SimulatedWorkersOption = Annotated[int, typer.Option(help="Cells evaluated side by side on the simulated clock.")]
HiddenOption = Annotated[bool, typer.Option("--hidden", help="Deny strategies what is known for free.")]
TargetOption = Annotated[float | None, typer.Option(help="A run ends when a feasible cell scores this or less.")]
CALL_LIMIT_SECONDS = 600.0
_DEFAULT_BUDGET = 150

new_app = typer.Typer(no_args_is_help=True, help="Write a starting point.")


def query(
    bench: BenchmarkArgument,
    cells: Annotated[list[str], typer.Argument(help="Cells as the field prints them.")],
    metric: Annotated[str | None, typer.Option(help="The metric; every search metric if left out.")] = None,
    epochs: Annotated[int | None, typer.Option(help="The length of the training run; the longest if left out.")] = None,
    seed: Annotated[int | None, typer.Option(help="A training seed; the mean if left out.")] = None,
    with_: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Look up metrics of cells."""
    from surrogate_nas.benchmarks import load

    found: list[Any] = load(bench, with_=with_ or ()).query(cells, metric, epochs=epochs, seed=seed)
    answers = found if metric else [answer for by_name in found for answer in by_name.values()]
    content = [answer.to_json() for answer in answers]
    rows = [(a["cell"], a["metric"], a["epochs"], a["seed"], a["value"], a["unit"], a["source"]) for a in content]
    emit(content, json, lambda: show_table(("cell", "metric", "epochs", "seed", "value", "unit", "source"), rows))


def search(
    bench: BenchmarkArgument,
    strategy: Annotated[str, typer.Option(help="A strategy's name, or file.py:Class.")] = "bo",
    objective: ObjectiveOption = None,
    subject_to: SubjectToOption = None,
    budget: BudgetOption = None,
    budget_seconds: BudgetSecondsOption = None,
    seed: Annotated[int, typer.Option(help="Which run to make.")] = 0,
    call_limit: CallLimitOption = CALL_LIMIT_SECONDS,
    simulated_workers: SimulatedWorkersOption = 1,
    hidden: HiddenOption = False,
    target: TargetOption = None,
    with_: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Run one strategy once."""
    from surrogate_nas.benchmarks import load
    from surrogate_nas.comparison import bind, final_metrics
    from surrogate_nas.comparison import search as run_search

    bound = bind(load(bench, with_=with_ or ()), objective, subject_to)
    if budget is None and budget_seconds is None:
        budget = _DEFAULT_BUDGET
    run = run_search(
        bound.benchmark, strategy, bound, budget=budget, budget_seconds=budget_seconds, seed=seed,
        call_limit_seconds=call_limit, simulated_workers=simulated_workers, hidden=hidden, target=target,
    )  # fmt: skip
    best, optimum = run.incumbent, bound.optimum()
    regret = None if optimum is None else best.score - optimum
    final = final_metrics(bound, best.cell)
    content = {
        "best": {
            "cell": str(best.cell),
            "score": best.score,
            "feasible": best.feasible,
            "metrics": dict(best.values),
            "final": final,
        },
        "trials": [
            {
                "index": trial.index,
                "cell": str(trial.cell),
                "epochs": trial.epochs,
                "score": trial.score,
                "cost_seconds": trial.cost_seconds,
            }
            for trial in run.trials
        ],
        "simulated_seconds": run.simulated_seconds,
        "real_seconds": run.real_seconds,
        "regret": regret,
        "objective": bound.describe(),
    }
    rows = [
        ("best cell", str(best.cell)),
        ("score", best.score),
        ("regret", regret),
        *((name, value) for name, value in best.values.items()),
        *((f"{name} (final)", value) for name, value in final.items()),
        ("evaluations", len(run.trials)),
        (f"simulated {bound.benchmark.cost}", run.simulated_seconds),
        ("real seconds", run.real_seconds),
    ]
    emit(content, json, lambda: show_table(("", strategy), rows, title=f"{bench}: {bound}"))


def compare(
    bench: Annotated[str | None, typer.Argument(help="A benchmark's name; the embedded one if left out.")] = None,
    strategies: Annotated[str, typer.Option(help="Names or file.py:Class, with commas between.")] = "",
    objective: ObjectiveOption = None,
    subject_to: SubjectToOption = None,
    runs: Annotated[int, typer.Option(help="Seeds per strategy.")] = 10,
    budget: BudgetOption = None,
    budget_seconds: BudgetSecondsOption = None,
    seed: Annotated[int, typer.Option(help="The root of all randomness.")] = 0,
    call_limit: CallLimitOption = CALL_LIMIT_SECONDS,
    simulated_workers: SimulatedWorkersOption = 1,
    hidden: HiddenOption = False,
    target: TargetOption = None,
    workers: Annotated[int, typer.Option(help="Processes; results do not depend on it.")] = 1,
    out: Annotated[Path, typer.Option(help="Where results and the report go, and are resumed from.")] = Path(
        "results/compare"
    ),
    with_: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Compare strategies under one objective and write a report."""
    from surrogate_nas.benchmarks import default, load
    from surrogate_nas.comparison import compare as run_compare
    from surrogate_nas.strategies import STRATEGIES

    names = [name.strip() for name in strategies.split(",") if name.strip()] or list(STRATEGIES)
    if budget is None and budget_seconds is None:
        budget = _DEFAULT_BUDGET
    with progress_bar("runs") as progress:
        comparison = run_compare(
            load(bench or default(), with_=with_ or ()),
            names,
            objective,
            subject_to=subject_to,
            runs=runs,
            budget=budget,
            budget_seconds=budget_seconds,
            seed=seed,
            call_limit_seconds=call_limit,
            simulated_workers=simulated_workers,
            hidden=hidden,
            target=target,
            workers=workers,
            folder=out,
            progress=progress,
        )
    failures = comparison.failures
    if comparison.strategies:
        _finish(out, json, bench)
    if failures:
        raise UserError(failures[0] + (f" ({len(failures) - 1} more failures.)" if failures[1:] else ""))


def report(
    folder: Annotated[Path, typer.Argument(help="Where compare stored its results.")],
    bench: Annotated[str | None, typer.Option(help="The benchmark again, where it is code of a file of yours.")] = None,
    json: JsonOption = False,
) -> None:
    """Write the report of a stored comparison again."""
    _finish(folder, json, bench)


def _finish(folder: Path, json: bool, bench: str | None) -> None:
    """Read a comparison back from its store, write summary and report, and print it."""
    from surrogate_nas.comparison import read_comparison
    from surrogate_nas.experiment.store import Store
    from surrogate_nas.report import write_report

    comparison = read_comparison(folder, benchmark=bench)
    content = comparison.to_json()
    Store(folder).write_json("summary.json", content)
    page = write_report(comparison, folder, command=_command())
    rows = [
        (
            s["name"], s["runs"], s["score"]["mean"], s["score"]["std"], s["score"]["iqm"], s["regret"]["mean"],
            s["evaluations"], s["real_seconds"],
        )
        for s in content["strategies"]
    ]  # fmt: skip
    heads = ("strategy", "runs", "mean score", "std", "iqm", "mean regret", "evaluations", "real seconds")
    title = f"{content['benchmark']}: {comparison.objective} (lower is better)"
    emit(content, json, lambda: show_table(heads, rows, title=title))
    if banner := comparison.objective.benchmark.banner:
        note(banner)
    note(f"Report: {page}")


def _command() -> str:
    """The command line that was given, to be quoted in the report."""
    return shlex.join(["snas", *sys.argv[1:]])


def check(
    what: Annotated[str, typer.Argument(help="A strategy, a space or a surrogate: its name, or file.py:NAME.")],
    json: JsonOption = False,
) -> None:
    """Check that a strategy, a space or a surrogate keeps its contract."""
    from dataclasses import asdict

    from surrogate_nas import contract

    checks = contract.check(what)
    emit([asdict(c) for c in checks], json, lambda: show_table(("", "promise", "found"), contract.rows(checks)))
    if verdict := contract.verdict(what, checks):
        raise UserError(verdict)


def paper(
    name: Annotated[str, typer.Argument(help="Which paper's comparison: nb201, nats, losses, predictors, latency.")],
    runs: Annotated[int | None, typer.Option(help="Runs per strategy; the paper's number if left out.")] = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
    out: Annotated[Path | None, typer.Option(help="Folder; results/paper-NAME if left out.")] = None,
    json: JsonOption = False,
) -> None:
    """Redo a published comparison and put our numbers beside the published ones."""
    from surrogate_nas.papers import reproduce

    folder = out or Path("results") / f"paper-{name}"
    with progress_bar("runs") as progress:
        result = reproduce(name, runs=runs, workers=workers, folder=folder, progress=progress)
    rows = [
        (r.method, r.dataset, r.metric, r.published_text, r.ours_text, r.evaluations, r.runs, r.verdict)
        for r in result.rows
    ]
    heads = ("method", "data set", "metric", "published", "ours", "cells", "runs", "verdict")
    emit(result.to_json(), json, lambda: show_table(heads, rows, title=result.title))
    for line in result.notes:
        note(line)
    note(f"Table and picture: {folder}")


_TEMPLATE = '''"""{name}: a search strategy for surrogate_nas. Try it: snas check {file}:{name}"""

import surrogate_nas as sn


class {name}(sn.Strategy):
    best = None

    def ask(self, n):
        parent = self.best.cell if self.best else self.space.sample(self.rng)
        return [self.space.mutate(parent, self.rng) for _ in range(n)]

    def tell(self, trials):
        known = [*trials, self.best] if self.best else trials
        self.best = min(known, key=lambda trial: trial.score)
'''


@new_app.command("strategy")
def new_strategy(
    name: Annotated[str, typer.Argument(help="The class's name.")],
    folder: Annotated[Path, typer.Option(help="Where to write NAME.py.")] = Path(),
    json: JsonOption = False,
) -> None:
    """Write a strategy of ten lines to start from."""
    from surrogate_nas.files import replacing

    if not name.isidentifier():
        raise UserError(f"{name!r} is no name for a class: use letters, digits and underscores, as in MySearch.")
    file = folder / f"{name.lower()}.py"
    if file.exists():
        raise UserError(f"{file} exists already; choose another name.")
    with replacing(file) as temporary:
        temporary.write_text(_TEMPLATE.format(name=name, file=file), encoding="utf-8")
    spec = f"{file}:{name}"
    emit({"file": str(file), "strategy": spec}, json, lambda: typer.echo(f"Wrote {file}. Next: snas check {spec}"))
