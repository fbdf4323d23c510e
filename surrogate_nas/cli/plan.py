"""The command that says before a study how many runs it needs."""

from __future__ import annotations

import re
from typing import Annotated, Any

from typer import Argument

from surrogate_nas.benchmarks import default
from surrogate_nas.cli.options import StrategiesOption, names, numbers, taking
from surrogate_nas.cli.output import JsonOption, emit, progress_bar, say, show_table
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.numbers import share
from surrogate_nas.results.plan import STRATEGIES
from surrogate_nas.results.plan import plan as planned
from surrogate_nas.runs.options import budget_of
from surrogate_nas.runs.problem import SUITES, Problem, Suite, read_suite

_OF_PROBLEMS = ("objective", "subject_to", "budget")


@taking("objective subject_to budget seed workers")
def plan(
    what: Annotated[
        list[str] | None,
        Argument(
            metavar="[BENCH... | SUITE]",
            help="Benchmarks with tables, or a suite; fashion if left out.",
        ),
    ] = None,
    strategies: StrategiesOption = None,
    difference: Annotated[
        str,
        "Of mean normalised regrets, 1 being random sampling's; commas between.",
    ] = "0.05,0.1,0.2,0.5",
    runs: Annotated[
        str,
        "Numbers of runs per problem whose power to show; commas between.",
    ] = "10,20",
    pilot: Annotated[
        int,
        "Runs of each strategy on each problem that show the spread.",
    ] = 40,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Say before a study how many runs it needs.

    A pilot on the tables shows how runs spread (of evolution and local_search, or --strategies);
    studies drawn from it are judged by the verdict's own procedure.

    \b
    Examples:
      snas plan
      snas plan nb201-cifar10 nb201-cifar100 --strategies bo --difference 0.1
      snas plan starter --runs 10,20,40
    """
    counts = numbers(runs, "number of runs", int)
    with progress_bar("runs and differences") as progress:
        result = planned(
            _problems(what, **{name: options.pop(name) for name in _OF_PROBLEMS}),
            names(strategies) or list(STRATEGIES),
            differences=numbers(difference, "difference", float),
            runs=counts,
            pilot_runs=pilot,
            progress=progress,
            **options,
        )
    rows: list[list[object]] = []
    for row in result.differences:
        powers = [share(at["power"]) for at in row["power"]]
        rows.append([f"{row['difference']:g}", row["runs_needed"], *powers])
    heads = ["difference", "runs needed", *(f"power of {n} runs" for n in counts)]
    title = f"{', '.join(result.problems)}: as {result.pilot_runs} runs of {result.widest} spread"

    def show() -> None:
        show_table(heads, rows, title=title)
        for sentence in result.sentences[-2:]:
            say(sentence)

    emit(result.to_json(), json, show)


def _problems(
    what: list[str] | None,
    objective: str | None,
    subject_to: str | None,
    budget: int | None,
) -> Suite | list[Problem]:
    asked = what or [default()]
    suites = [name for name in asked if name in SUITES or name.endswith(".toml")]
    if not suites:
        cells = budget_of(budget, None).cells
        return [
            Problem(
                re.sub(r"[^\w.+-]+", "-", name), name, objective, subject_to, cells=cells
            )
            for name in asked
        ]
    if len(asked) > 1:
        raise UserError(f"A plan is of one suite or of benchmarks; {suites[0]} is a suite.")
    if objective or subject_to:
        raise UserError(
            f"{suites[0]} has objectives of its own; leave out --objective and --subject-to."
        )
    return read_suite(suites[0])
