"""The command that compares strategies over a grid of λ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from surrogate_nas.benchmarks import load
from surrogate_nas.cli.options import (
    OF_RUNS,
    BenchmarkArgument,
    StrategiesOption,
    WithOption,
    names,
    numbers,
    results_folder,
    taking,
)
from surrogate_nas.cli.output import JsonOption, emit, note, progress_bar, say, show_table
from surrogate_nas.files import write_whole
from surrogate_nas.report.export.figures import rendered
from surrogate_nas.report.page import Page
from surrogate_nas.report.reading import Study
from surrogate_nas.results.lambda_path import lambda_path as run_path
from surrogate_nas.runs.store import Store
from surrogate_nas.strategies import DEFAULTS


@taking("objective subject_to runs budget seed workers engine", *OF_RUNS)
def lambda_path(
    bench: BenchmarkArgument,
    lambdas: Annotated[
        str,
        "Numbers with commas between; each replaces the sum of R's weights.",
    ] = "0,0.02,0.05,0.1,0.2,0.5,1",
    strategies: StrategiesOption = None,
    out: Annotated[
        Path | None,
        (
            "Where results and figures go, and are resumed from; results/lambda-path-BENCH"
            " if left out."
        ),
    ] = None,
    with_: WithOption = None,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Compare strategies at every λ of a grid. The benchmark is a table, whose optima are known.

    The objective is read as L + λ·R: each λ replaces the sum of the weights of R's terms and keeps
    their proportions.

    \b
    Examples:
      snas lambda-path fashion --lambdas 0,0.1,0.5 --strategies random,bo --runs 5
      snas lambda-path nb201-cifar10 --objective "valid_error + 0.1*latency@raspi4"
    """
    opened = load(bench, with_=with_ or ())
    asked = options["objective"], options["subject_to"]
    folder = results_folder(out, "path over λ", "lambda-path", bench, *asked)
    with progress_bar("runs") as progress:
        path = run_path(
            opened,
            names(strategies) or list(DEFAULTS),
            lambdas=numbers(lambdas, "λ", float),
            folder=folder,
            progress=progress,
            **options,
        )
    content = path.to_json()
    Store(folder).write_json("lambda-path.json", content)
    for drawn in Page(Study(path)).pictures:
        for ending, image in rendered(drawn).items():
            write_whole(folder / f"{drawn.name}.{ending}", image)
    heads, rows = _table(content)
    title = f"{content['benchmark']}: {content['objective']}, mean regret at each λ"

    def show() -> None:
        show_table(heads, rows, title=title)
        covered = content["hypervolume"]
        shares = [f"{row['name']} {_share(row['mean'])}" for row in covered["strategies"]]
        say(
            f"Hypervolume of the exact front covered: its optima {_share(covered['optima'])},"
            f" {', '.join(shares)}."
        )

    emit(content, json, show)
    note(f"Figures: {folder}. As CSV: snas export csv {folder}")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _table(content: dict[str, Any]) -> tuple[list[str], list[list[object]]]:
    listed = [row["name"] for row in content["hypervolume"]["strategies"]]
    rows: list[list[object]] = []
    for step in content["lambdas"]:
        regrets = {row["name"]: row["regret"] for row in step["strategies"]}
        winners = ", ".join(step["winners"]) + ("" if step["decided"] else " (undecided)")
        shown = [
            None if regrets.get(name) is None else f"{regrets[name]:.5f}" for name in listed
        ]
        rows.append(
            [step["value"], step["optimum"]["L"], step["optimum"]["R"], *shown, winners]
        )
    return ["λ", "L of the optimum", "R of the optimum", *listed, "winner"], rows
