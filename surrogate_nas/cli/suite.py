"""The command that runs strategies over many problems and says what that decides."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from surrogate_nas.cli.options import (
    OF_RUNS,
    AgainstOption,
    BlindOption,
    StrategiesOption,
    entering,
    names,
    results_folder,
    taking,
)
from surrogate_nas.cli.output import (
    JsonOption,
    note,
    present,
    progress_bar,
    show_table,
)
from surrogate_nas.cli.serve import ServeOption, shown
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.numbers import plural
from surrogate_nas.report.reading import kind_of
from surrogate_nas.results.api import run_suite, stored_suite
from surrogate_nas.results.archive import opened
from surrogate_nas.results.suite import TABLES, SuiteResult
from surrogate_nas.runs.problem import read_suite


@taking("workers engine", *(option for option in OF_RUNS if option.name != "target"))
def suite(
    name: Annotated[
        str,
        "starter, families, standard, or a TOML file of problems and strategies.",
    ],
    strategies: StrategiesOption = None,
    blind: BlindOption = False,
    problems: Annotated[
        list[str] | None,
        "Only these of the suite; commas between, or the option again.",
    ] = None,
    runs: Annotated[
        int | None,
        "Seeds per strategy and problem; each one's own if left out.",
    ] = None,
    seed: Annotated[
        int | None,
        "The root of all randomness; the suite's own, usually 0, if left out.",
    ] = None,
    out: Annotated[
        Path | None,
        (
            "Where results, tables and the report go, and are resumed from; results/suite-NAME"
            " if left out."
        ),
    ] = None,
    against: AgainstOption = None,
    serve: ServeOption = False,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Compare strategies over many problems. One verdict, one report.

    \b
    Examples:
      snas suite starter --serve
      snas suite standard --strategies random,local_search,mine.py:Mine --workers 2
      snas suite starter --strategies mine.py:Mine --out results/mine --against theirs.zip
      snas suite mine.toml --runs 5 --out results/own --engine dask:tcp://HOST:8786
    """
    asked = read_suite(name).only(names(problems))
    entered = entering(strategies, asked.labels, blind) if blind else names(strategies)
    chosen = asked.entered(entered, runs)
    chosen = chosen if seed is None else replace(chosen, seed=seed)
    folder = results_folder(out, "suite", "suite", chosen.name)
    with opened(against or ()) as earlier:
        for path in earlier:
            if kind_of(path) != "suite":
                raise UserError(f"{path} holds no results of snas suite.")
        with shown(folder, serve), progress_bar("runs") as progress:
            result = run_suite(chosen, folder, progress=progress, **options)
        if earlier:
            result = stored_suite(folder, against=earlier)
        finish(result, folder, json)


def finish(result: SuiteResult, folder: Path, json: bool) -> None:
    """Write what a suite has found, with its pages, and print it."""
    content = result.summary
    heads, rows = TABLES["strategies"].texts(result, "terminal")
    title = f"{result.suite.title} (regret: 0 the optimum, 1 random's)"

    def remark() -> None:
        for skipped in result.skipped:
            note(f"Not run: {skipped.problem.name}: {skipped.reason}")
        if failures := content["failures"]:
            others = f"{plural(len(failures) - 1, 'more failure')}, in suite.json."
            note(f"{failures[0]} ({others})" if failures[1:] else failures[0])

    show = partial(show_table, heads, rows, title=title)
    present(result, content, folder, json, show=show, remark=remark)
