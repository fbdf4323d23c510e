"""The commands that compare strategies, and that report a comparison again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from typer import Argument

from surrogate_nas.benchmarks import default
from surrogate_nas.benchmarks.sourced import known as known_benchmarks
from surrogate_nas.cli.options import (
    OF_ONE_OBJECTIVE,
    AgainstOption,
    BenchOption,
    BlindOption,
    StrategiesOption,
    WithOption,
    bound_objective,
    entering,
    results_folder,
    taking,
    with_controls,
)
from surrogate_nas.cli.output import (
    JsonOption,
    note,
    note_unasked,
    present,
    progress_bar,
    seconds,
    show_table,
)
from surrogate_nas.cli.serve import ServeOption, shown
from surrogate_nas.cli.suite import finish
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.numbers import NO_CELL, decimals_for, fixed, plural
from surrogate_nas.results.api import compare as run_compare
from surrogate_nas.results.api import read_comparison, stored_suite
from surrogate_nas.results.archive import opened
from surrogate_nas.results.comparison import Comparison
from surrogate_nas.runs.store import PLAN
from surrogate_nas.strategies import DEFAULTS


@taking(
    "objective subject_to runs budget budget_seconds seed workers engine", *OF_ONE_OBJECTIVE
)
def compare(
    bench: Annotated[
        str | None,
        Argument(
            help="A benchmark's name; fashion, which comes along, if left out.",
            autocompletion=known_benchmarks,
        ),
    ] = None,
    strategies: StrategiesOption = None,
    blind: BlindOption = False,
    controls: Annotated[
        bool,
        (
            "Run each external program also with hidden names, without history, and beside"
            " random mutation."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        (
            "Where results and the report go, and are resumed from; results/compare-BENCH if"
            " left out, with the objective behind it if one is given."
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
    entered = entering(strategies, DEFAULTS, blind)
    if controls:
        entered = with_controls(entered, bound.benchmark.space)
    folder = results_folder(out, "comparison", "compare", name, *asked)
    with opened(against or (), objective=bound) as earlier:
        with shown(folder, serve), progress_bar("runs") as bar:
            counts = (0, 0)

            def progress(done: int, total: int) -> None:
                nonlocal counts
                counts = done, total
                bar(done, total)

            def within(strategy: str, run: int, trials: Sequence[Any]) -> None:
                bar(*counts, f"{strategy}, run {run}: {trials[-1].index + 1} cells")

            comparison = run_compare(
                bound.benchmark,
                entered,
                bound,
                folder=folder,
                progress=progress,
                callback=within,
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
        more = f" ({plural(len(failures) - 1, 'more failure')}.)" if failures[1:] else ""
        raise UserError(failures[0] + more)


def report(
    folder: Annotated[Path, "Where compare or suite stored its results."],
    bench: BenchOption = None,
    verify: Annotated[
        bool,
        "Look every score up again in its table, not the best of each run alone.",
    ] = False,
    against: AgainstOption = None,
    json: JsonOption = False,
) -> None:
    """Write the pages of a stored comparison or suite again.

    They are report.html and explore.html, of as many runs as there are. A score that its table
    contradicts is refused.

    \b
    Examples:
      snas report results/compare
      snas report results/today --against results/last-month
      snas report results/compare-fashion --verify
    """
    if (folder / PLAN).is_file():
        with opened(against or ()) as earlier:
            stored = stored_suite(folder, against=earlier, benchmark=bench, verify=verify)
            if not stored.problems:
                raise UserError(
                    f"{folder} holds no problem yet on which every strategy has a run."
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
    several = objective.parts > 1
    is_score = (
        "score: the share of the front's hypervolume that is missed; " if several else ""
    )
    title = f"{content['benchmark']}: {objective} ({is_score}lower is better)"
    heads = (
        "strategy",
        "runs",
        "mean missed" if several else "mean score",
        "95 % interval",
        "iqm",
        "mean regret",
        "evaluations",
        "real seconds",
    )
    spare = ("real seconds", "evaluations", "iqm")

    def remark() -> None:
        for banner in (objective.warning, objective.benchmark.banner):
            if banner:
                note(banner)
        described = comparison.description
        note_unasked(described["budget"]["cells"], described["first_cells"])
        if objective.benchmark.keeps_answers and len(comparison.strategies) > 1:
            note(
                "Real seconds: a training that several strategies asked for counts for the first"
                " one."
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
                fixed(s["regret"]["mean"], decimals),
                s["evaluations"],
                seconds(s["real_seconds"]),
            ]
        )
    return rows
