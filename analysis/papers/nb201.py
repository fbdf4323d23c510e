"""Table 5 of the NAS-Bench-201 paper (Dong & Yang, ICLR 2020).

Search on CIFAR-10 only for 12,000 simulated seconds. The reward is the validation accuracy after
the 12-epoch run; it costs the training time and one validation pass. The found cell is reported on
three data sets by its test accuracy after 200 epochs, mean of seeds. Besides, the table has what
every method had found after 3,051 seconds, the budget of RoBoT (He et al., ICLR 2024). Finished
runs are stored in ``runs.jsonl``.

The published searches saw one training seed of a cell, the public extracts have the mean. So three
methods are run once more on that mean plus about the noise of one seed, for as many cells as they
had in the seconds: the noise is normal, with a standard deviation of 0.85 points for every cell,
drawn anew for every run. Random search and REA, compared with their published numbers, show how
right that is. These runs are stored in ``noise.jsonl``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from analysis.papers.common.paper import PaperResult, Row, Work, joined, published
from analysis.papers.common.searches import (
    BO,
    DATA_SETS,
    DENSITY,
    METRIC,
    NOISE_NOTE,
    OURS,
    PROXIES_NOTE,
    REA,
    REWARD,
    ZERO_COST,
    Method,
    Trajectory,
    accuracy_curves,
    accuracy_of,
    accuracy_row,
    against_published,
    against_runs,
    method_row,
    published_only,
    run_methods,
    verdict,
)
from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.computed import Computed
from surrogate_nas.results.api import search

_METHODS = (
    Method("random search", "random"),
    Method(REA, "evolution"),
    Method("REINFORCE", "reinforce"),
    Method(
        "BOHB",
        f"bohb({DENSITY},rungs=3)",
        remark="as its code: all three rungs are the 12-epoch run, made again",
    ),
    *OURS,
)
_CELLS = {
    "DARTS V1/V2, ENAS (all-skip cell)": (
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
    ),
    "ResNet (cell)": (
        "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
    ),
    "optimum": None,
}
"""Read from the table; None for the best."""
_SECONDS = 12_000.0
_ROBOT = "RoBoT"
_ROBOT_SECONDS = 3_051.0
_NOISY = ("random search", REA, BO)
"""The methods that are run once more with the noise of one seed."""
_NOISE = 0.85
"""Its standard deviation in points of accuracy."""
_NOTES = [
    NOISE_NOTE,
    (
        "BOHB of the NAS-Bench-201 paper: its code trains every cell for 12 epochs whatever the"
        " budget of its rung, and a cell that goes on once more (num_samples 4, random_fraction 0,"
        " bandwidth_factor 3, min_bandwidth 0.3)."
    ),
    PROXIES_NOTE,
    "GDAS, DARTS and ENAS: published numbers; the all-skip cell is read from the table.",
]


def nb201(work: Work) -> PaperResult:
    """Table 5 of the NAS-Bench-201 paper: at most 500 runs a strategy, 20 with a model.

    Args:
        work: The folder, how many runs, and where.
    """
    runs = run_methods(_METHODS, {"CIFAR-10": _SECONDS}, work)
    by_method = {title: own for (title, _), own in runs.items()}
    rows = []
    for method in _METHODS:
        for dataset in DATA_SETS:
            rows.append(_row(method, dataset, by_method[method.title]))
    rows += _noisy_rows(by_method, work)
    rows += _early_rows(by_method)
    rows += _ceiling_rows()
    rows += _cell_rows()
    rows += published_only("nb201")
    title = "NAS-Bench-201 (ICLR 2020), table 5: test accuracy (%)"
    pictures = {"curves.png": accuracy_curves(runs, _SECONDS)}
    return work.result(title, rows, _NOTES, pictures=pictures)


def _printed(method: str, dataset: str) -> float:
    return published("nb201")[method, dataset, METRIC].value or 0.0


def _against_robot(dataset: str, runs: Sequence[Trajectory], seconds: float) -> str:
    printed = _printed(f"{_ROBOT}, {_ROBOT_SECONDS:,.0f} s", dataset)
    return against_published(accuracy_of(dataset, runs, seconds), _ROBOT, printed)


def _row(method: Method, dataset: str, runs: Sequence[Trajectory]) -> Row:
    remarks = []
    if method.title in (BO, ZERO_COST):
        accuracy = accuracy_of(dataset, runs, _SECONDS)
        remarks = [
            against_published(accuracy, f"{REA}'s published", _printed(REA, dataset)),
            _against_robot(dataset, runs, _SECONDS),
        ]
    return method_row("nb201", method, dataset, runs, _SECONDS, *remarks)


def noisy_run(job: tuple[str, int, int]) -> int:
    """The index of the cell that a search finds with the noise of one seed.

    Args:
        job: A strategy, how many cells it evaluates, and the number of the run.
    """
    strategy, n_cells, run = job
    bench = load(DATA_SETS["CIFAR-10"])
    mean = bench.column("valid_error", 12)
    noisy = mean + np.random.default_rng(run).normal(0.0, _NOISE, len(mean))
    functions = {"valid_error": lambda cell: float(noisy[cell.index])}
    benchmark = Computed(bench.space, functions, cheap=True)
    result = search(
        benchmark,
        strategy,
        "valid_error",
        budget=n_cells,
        run=run,
    )
    return int(min(result.trials, key=lambda trial: trial.score).cell.index)


def _noisy_rows(runs: Mapping[str, Sequence[Trajectory]], work: Work) -> Iterator[Row]:
    keys = {}
    n_runs = {}
    for method in _METHODS:
        if method.title in _NOISY:
            own = runs[method.title]
            n_cells = round(np.mean([run.cells_at(_SECONDS) for run in own]))
            keys[method.title] = method.strategy, n_cells
            n_runs[keys[method.title]] = len(own)
    settings = {"benchmark": load(DATA_SETS["CIFAR-10"]).fingerprint, "noise": _NOISE}
    cells = work.runs_of(noisy_run, n_runs, "noise.jsonl", settings)
    for title in _NOISY:
        noisy_runs = [Trajectory([0.0], [(0, cell)]) for cell in cells[keys[title]]]
        other = REA if title == BO else title
        for dataset in DATA_SETS:
            accuracy = accuracy_of(dataset, noisy_runs, 0.0)
            remarks = [
                against_published(
                    accuracy, f"{other}'s published", _printed(other, dataset)
                )
            ]
            if title == BO:
                remarks.append(_against_robot(dataset, noisy_runs, 0.0))
            yield Row.over(
                f"{title}, one seed's noise put back",
                dataset,
                METRIC,
                accuracy,
                evaluations=keys[title][1],
                verdict=joined(*remarks),
            )


def _early_rows(runs: Mapping[str, Sequence[Trajectory]]) -> Iterator[Row]:
    """What every method with the 12-epoch reward had found after RoBoT's seconds."""
    seconds = _ROBOT_SECONDS
    for method in _METHODS:
        if method.objective != REWARD:
            continue
        own = runs[method.title]
        for dataset in DATA_SETS:
            remarks = [_against_robot(dataset, own, seconds)]
            if method.title != REA:
                ours = accuracy_of(dataset, own, seconds)
                rea = accuracy_of(dataset, runs[REA], seconds)
                remarks.append(against_runs(ours, f"our {REA}", rea))
            yield accuracy_row(
                f"{method.title}, {seconds:,.0f} s", dataset, own, seconds, remarks
            )


def _ceiling_rows() -> Iterator[Row]:
    """What a search finds that sees the reward of every cell."""
    best = int(load(DATA_SETS["CIFAR-10"]).column("valid_error", 12).argmin())
    for dataset, name in DATA_SETS.items():
        accuracy = float(100.0 - load(name).column("test_error", 200)[best])
        yield Row(
            "best by the reward",
            dataset,
            METRIC,
            ours=accuracy,
            verdict="a perfect search",
            mark="D",
        )


def _cell_rows() -> Iterator[Row]:
    for method, text in _CELLS.items():
        for dataset, name in DATA_SETS.items():
            bench = load(name)
            accuracy = 100.0 - bench.column("test_error", 200)
            if text is None:
                ours = float(accuracy.max())
            else:
                ours = float(accuracy[bench.space.parse(text).index])
            entry = published("nb201")[method, dataset, METRIC]
            yield entry.row(ours=ours, verdict=verdict(ours, entry.value, dataset))
