"""The commands that compare strategies (on one problem, on a suite, or over a grid of λ), plan a
study, and rebuild the report of stored results.
"""

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from typer import Argument

from surrogate_nas.benchmarks import default, load
from surrogate_nas.benchmarks.sourced import known as known_benchmarks
from surrogate_nas.cli.options import (
    OF_AN_OBJECTIVE,
    RESOURCES,
    AgainstOption,
    BenchmarkArgument,
    BenchOption,
    BlindOption,
    FirstOption,
    RandomOption,
    StrategiesOption,
    WithOption,
    bound_objective,
    names,
    numbers,
    results_folder,
    taking,
)
from surrogate_nas.cli.output import (
    JsonOption,
    emit,
    note,
    present,
    progress_bar,
    runs_shown,
    say,
    seconds,
    show_table,
)
from surrogate_nas.cli.stored import ServeOption
from surrogate_nas.core import NO_CELL, UserError, decimals_for, fixed, plural, share
from surrogate_nas.files import write_whole
from surrogate_nas.report.export.figures import rendered
from surrogate_nas.report.live import serve as served
from surrogate_nas.report.page import Page
from surrogate_nas.report.reading import Study
from surrogate_nas.results.api import compare as run_compare
from surrogate_nas.results.api import read_comparison, run_suite, stored_suite
from surrogate_nas.results.archive import opened
from surrogate_nas.results.comparison import Comparison
from surrogate_nas.results.lambda_path import lambda_path as run_path
from surrogate_nas.results.plan import STRATEGIES
from surrogate_nas.results.plan import plan as planned
from surrogate_nas.results.suite import TABLES, SuiteResult
from surrogate_nas.runs.options import Resources, budget_of
from surrogate_nas.runs.problem import SUITES, Problem, Suite, read_suite
from surrogate_nas.runs.store import PLAN, Store
from surrogate_nas.strategies import DEFAULTS


@taking("", f"budget_tokens hidden {RESOURCES}")
def suite(
    name: Annotated[
        str,
        "starter, families, standard, or a TOML file that lists problems and strategies.",
    ],
    strategies: StrategiesOption = None,
    blind: BlindOption = False,
    problems: Annotated[
        list[str] | None,
        "Use only these problems of the suite, separated by commas; may be repeated.",
    ] = None,
    runs: Annotated[
        int | None,
        "Runs (seeds) per strategy and problem; by default the number set by each problem.",
    ] = None,
    seed: Annotated[
        int | None,
        "The seed from which all randomness is derived; the suite's own (0) by default.",
    ] = None,
    n_random: RandomOption = None,
    out: Annotated[
        Path | None,
        (
            "The folder for results and report. Repeat the command to resume."
            " results/suite-NAME by default."
        ),
    ] = None,
    against: AgainstOption = None,
    serve: ServeOption = False,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Compare strategies over many problems, with one verdict and one report.

    \b
    Examples:
      snas suite starter --serve
      snas suite standard --strategies random,local_search,mine.py:Mine --workers 2
      snas suite starter --strategies mine.py:Mine --out results/mine --against theirs.zip
      snas suite mine.toml --runs 5 --out results/own --engine dask:tcp://HOST:8786
    """
    asked = read_suite(name).select(names(problems))
    folder = results_folder(out, "suite", "suite", asked.name)
    with served(folder) if serve else nullcontext(), progress_bar("runs") as progress:
        result = run_suite(
            asked,
            names(strategies),
            runs=runs,
            folder=folder,
            seed=seed,
            n_random=n_random,
            against=against or (),
            blind=blind,
            callback=runs_shown(progress),
            resources=Resources.out_of(options),
            **options,
        )
    finish(result, folder, json)


def finish(result: SuiteResult, folder: Path, json: bool) -> None:
    """Write the results and pages of a suite, and print the results."""
    content = result.summary
    heads, rows = TABLES["strategies"].texts(result, "terminal")
    title = f"{result.suite.title} (regret: 0 the optimum, 1 random sampling)"

    def remark() -> None:
        for name, reason in result.suite.not_run.items():
            note(f"Not run: {name}: {reason}")
        if failures := content["failures"]:
            others = f"{plural(len(failures) - 1, 'more failure')}, in suite.json."
            note(f"{failures[0]} ({others})" if failures[1:] else failures[0])

    show = partial(show_table, heads, rows, title=title)
    present(result, content, folder, json, show=show, remark=remark)


@taking(
    "objective subject_to runs budget budget_seconds budget_tokens target seed n_random",
    f"{OF_AN_OBJECTIVE} hidden {RESOURCES}",
)
def compare(
    bench: Annotated[
        str | None,
        Argument(
            help="The name of a benchmark; by default fashion, which is part of the package.",
            autocompletion=known_benchmarks,
        ),
    ] = None,
    strategies: StrategiesOption = None,
    blind: BlindOption = False,
    controls: Annotated[
        bool,
        (
            "Also run three baselines of each external program: renamed operations and metrics,"
            " no history, and random mutation."
        ),
    ] = False,
    first: FirstOption = None,
    out: Annotated[
        Path | None,
        (
            "The folder for results and report. Repeat the command to resume."
            " results/compare-BENCH by default, with a suffix for a given objective."
        ),
    ] = None,
    with_: WithOption = None,
    against: AgainstOption = None,
    serve: ServeOption = False,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Compare strategies under one objective and write a report.

    \b
    Examples:
      snas compare
      snas compare nb201-cifar100 --strategies random,bo --runs 20 --workers 4
      snas compare fashion --strategies evolution,mine.py:Mine --out results/fashion-mine
      snas compare --strategies "external(command='python propose.py')" --controls
      snas compare --strategies mine.py:Mine --out results/today --against results/last-month
      snas compare --strategies mine.py:Mine --out results/beside --against theirs.zip
    """
    name = bench or default()
    asked = options["objective"], options["subject_to"]
    bound = bound_objective(name, with_, options)
    folder = results_folder(out, "comparison", "compare", name, *asked)
    with opened(against or (), objective=bound) as earlier:
        with served(folder) if serve else nullcontext(), progress_bar("runs") as bar:
            comparison = run_compare(
                bound.benchmark,
                names(strategies) or DEFAULTS,
                bound,
                first=first or (),
                folder=folder,
                blind=blind,
                controls=controls,
                callback=runs_shown(bar),
                resources=Resources.out_of(options),
                **options,
            )
        failures = comparison.failures
        if comparison.strategies:
            # the folder may hold further strategies and runs, made before
            whole = read_comparison(
                folder,
                against=earlier,
                benchmark=name,
                created=comparison,
            )
            _finish(whole, folder, json)
    if failures:
        more = (
            f" ({plural(len(failures) - 1, 'more failure')}.)" if failures[1:] else ""
        )
        raise UserError(failures[0] + more)


def report(
    folder: Annotated[Path, "The --out folder of compare or suite."],
    bench: BenchOption = None,
    verify: Annotated[
        bool,
        "Look up every score in its table, not only the best score of each run.",
    ] = False,
    against: AgainstOption = None,
    json: JsonOption = False,
) -> None:
    """Rebuild the report pages of a stored comparison or suite.

    The pages are report.html and explore.html. The pages include all finished runs. The command
    fails if a stored score differs from its table.

    \b
    Examples:
      snas report results/compare
      snas report results/today --against results/last-month
      snas report results/compare-fashion --verify
    """
    if (folder / PLAN).is_file():
        with opened(against or ()) as earlier:
            stored = stored_suite(
                folder, against=earlier, benchmark=bench, verify=verify
            )
            if not stored.problems:
                raise UserError(
                    f"{folder} contains no problem on which every strategy has finished a run."
                )
            finish(stored, folder, json)
        return
    own = read_comparison(folder, benchmark=bench, verify=verify)
    with opened(against or (), objective=own.objective) as earlier:
        whole = read_comparison(folder, against=earlier, created=own, verify=verify)
        _finish(whole, folder, json)


def _finish(comparison: Comparison, folder: Path, json: bool) -> None:
    content = comparison.to_json()
    objective = comparison.objective
    several = objective.n_objectives > 1
    is_score = "score: the missed share of the front's hypervolume; " if several else ""
    title = f"{content['benchmark']}: {objective} ({is_score}lower is better)"
    heads = (
        "strategy",
        "runs",
        "mean missed" if several else "mean score",
        "95 % interval",
        "iqm",
        "normalised regret",
        "evaluations",
        "real seconds",
    )
    spare = ("real seconds", "evaluations", "iqm")

    def remark() -> None:
        for banner in (objective.warning, objective.benchmark.banner):
            if banner:
                note(banner)
        if objective.benchmark.keeps_answers and len(comparison.strategies) > 1:
            note(
                "Real seconds: a training that several strategies share is counted for the"
                " first of them."
            )

    show = partial(
        show_table, heads, _rows(content["strategies"]), title=title, spare=spare
    )
    present(comparison, content, folder, json, show=show, remark=remark)


def _rows(strategies: list[dict[str, Any]]) -> list[list[object]]:
    means = [s["score"]["mean"] for s in strategies if s["score"]["mean"] is not None]
    spreads = [s["score"]["std"] for s in strategies if s["score"]["std"]]
    decimals = decimals_for(
        [*means, *(mean + spread for mean in means for spread in spreads)]
    )
    rows: list[list[object]] = []
    worst = float("inf")
    for s in sorted(
        strategies,
        key=lambda s: worst if s["score"]["mean"] is None else s["score"]["mean"],
    ):
        runs = s["runs"]
        feasible = s["feasible_runs"]
        score = s["score"]
        mean, iqm = (fixed(score[name], decimals) for name in ("mean", "iqm"))
        between = " to ".join(fixed(end, decimals) for end in score["ci95"] or ())
        shown = [mean, between or "–", iqm]
        rows.append(
            [
                s["name"],
                runs if feasible == runs else f"{feasible} of {runs}",
                *(shown if feasible else [NO_CELL, "–", "–"]),
                fixed(s["normalised_regret"]["mean"], 3),
                s["evaluations"],
                seconds(s["real_seconds"]),
            ]
        )
    return rows


@taking(
    "objective subject_to runs budget budget_tokens target seed n_random",
    f"hidden {RESOURCES}",
)
def lambda_path(
    bench: BenchmarkArgument,
    lambdas: Annotated[
        str,
        "Values of λ, separated by commas. Each replaces the sum of the weights in R.",
    ] = "0,0.02,0.05,0.1,0.2,0.5,1",
    strategies: StrategiesOption = None,
    first: FirstOption = None,
    out: Annotated[
        Path | None,
        (
            "The folder for results and figures. Repeat the command to resume."
            " results/lambda-path-BENCH by default."
        ),
    ] = None,
    with_: WithOption = None,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Compare strategies at every λ of a grid.

    The benchmark must be a table, so that its optima are available. The objective has the form L +
    λ·R. For each λ of the grid, the weights of the terms in R are rescaled so that their sum is λ.

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
            names(strategies) or DEFAULTS,
            first=first or (),
            lambdas=numbers(lambdas, "λ", float),
            folder=folder,
            callback=runs_shown(progress),
            resources=Resources.out_of(options),
            **options,
        )
    content = path.to_json()
    Store(folder).write_json("lambda-path.json", content)
    for drawn in Page(Study(path)).pictures:
        for ending, image in rendered(drawn).items():
            write_whole(folder / f"{drawn.name}.{ending}", image)
    heads, rows = _table(content)
    title = f"{content['benchmark']}: {content['objective']}, mean normalised regret at each λ"

    def show() -> None:
        show_table(heads, rows, title=title)
        covered = content["hypervolume"]
        shares = [
            f"{row['name']} {_share(row['mean'])}" for row in covered["strategies"]
        ]
        say(
            f"Share of the exact front's hypervolume: optima {_share(covered['optima'])},"
            f" {', '.join(shares)}."
        )

    emit(content, json, show)
    note(f"Figures: {folder}. Export as CSV: snas export csv {folder}")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _table(content: dict[str, Any]) -> tuple[list[str], list[list[object]]]:
    listed = [row["name"] for row in content["hypervolume"]["strategies"]]
    rows: list[list[object]] = []
    for step in content["lambdas"]:
        regrets = {row["name"]: row["normalised_regret"] for row in step["strategies"]}
        winners = ", ".join(step["winners"]) + (
            "" if step["decided"] else " (undecided)"
        )
        shown = [
            None if regrets.get(name) is None else f"{regrets[name]:.3f}"
            for name in listed
        ]
        rows.append(
            [step["value"], step["optimum"]["L"], step["optimum"]["R"], *shown, winners]
        )
    return ["λ", "L of the optimum", "R of the optimum", *listed, "winner"], rows


_OF_PROBLEMS = ("objective", "subject_to", "budget")


@taking("objective subject_to budget seed workers")
def plan(
    what: Annotated[
        list[str] | None,
        Argument(
            metavar="[BENCH... | SUITE]",
            help="Benchmarks with tables, or a suite; fashion by default.",
        ),
    ] = None,
    strategies: StrategiesOption = None,
    difference: Annotated[
        str,
        "Differences in mean normalised regret (1 = random sampling), separated by commas.",
    ] = "0.05,0.1,0.2,0.5",
    runs: Annotated[
        str,
        "Numbers of runs per problem to compute the power for, separated by commas.",
    ] = "10,20",
    pilot: Annotated[
        int,
        "Pilot runs of each strategy on each problem, to estimate the variance.",
    ] = 40,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Estimate how many runs a study needs.

    The variance between runs is estimated from pilot runs on the tables, with evolution and
    local_search or with --strategies. Studies are then simulated from the pilot runs and evaluated
    with the statistical procedure of real studies.

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
    title = (
        f"{', '.join(result.problems)}: with the variance of {result.pilot_runs} runs of"
        f" {result.widest}"
    )

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
                name,
                objective,
                subject_to=subject_to,
                budget=cells,
            )
            for name in asked
        ]
    if len(asked) > 1:
        raise UserError(
            f"A plan is for one suite or for benchmarks, but {suites[0]} is a suite."
        )
    if objective or subject_to:
        raise UserError(
            f"{suites[0]} defines its own objectives. Leave out --objective and --subject-to."
        )
    return read_suite(suites[0])
