"""Table 5 of the NAS-Bench-201 paper (Dong & Yang, ICLR 2020).

Search on CIFAR-10 only for 12,000 simulated seconds; the reward is the valid accuracy after the
12-epoch run, its cost the training time and one validation pass; the found cell is reported on
three data sets by its test accuracy after 200 epochs, mean of seeds. What every method had found
after 3,051 seconds, the budget of RoBoT (He et al., ICLR 2024), stands beside that. Finished runs
are kept in ``runs.jsonl``.

The published searches saw one training seed of a cell, the public extracts hold the mean. So three
methods are run once more on that mean with about the noise of one seed put back, for as many cells
as they had in the seconds: normal, the same for every cell and drawn anew for every run, of 0.85
points. What random search and REA then have beside their published numbers says how right that is.
These runs are kept in ``noise.jsonl``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.computed import Computed
from surrogate_nas.papers.common.paper import PaperResult, Row, Work, published
from surrogate_nas.papers.common.searches import (
    BO,
    DATA_SETS,
    DENSITY,
    NOISE_NOTE,
    OURS,
    PROXIES_NOTE,
    REA,
    REWARD,
    ZERO_COST,
    Found,
    Method,
    accuracy_curves,
    accuracy_of,
    against_published,
    against_runs,
    found_by,
    method_row,
    not_made_rows,
    row_of,
    verdict,
)
from surrogate_nas.space import Cell
from surrogate_nas.study.api import search

_METHODS = (
    Method("random search", "random"),
    Method(REA, "evolution"),
    Method("REINFORCE", "reinforce"),
    Method(
        "BOHB",
        f"bohb({DENSITY},rungs=3)",
        says="as its code: all three rungs are the 12-epoch run, made again",
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
_NOISE = 0.85
"""What is run with the noise of one seed put back, and its standard deviation in points of
accuracy.
"""
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
    """Table 5 of the NAS-Bench-201 paper: at most 500 runs a strategy, 20 of what asks a model.

    Args:
        work: The folder, how many runs, and where.
    """
    found = found_by(_METHODS, {"CIFAR-10": _SECONDS}, work)
    made = {title: runs for (title, _), runs in found.items()}
    rows = [
        _row(method, dataset, made[method.title]) for method in _METHODS for dataset in DATA_SETS
    ]
    rows += [
        *_noisy_rows(made, work),
        *_early_rows(made),
        *_ceiling_rows(),
        *_cell_rows(),
        *not_made_rows("nb201"),
    ]
    title = "NAS-Bench-201 (ICLR 2020), table 5: test accuracy (%)"
    return work.result(
        title, rows, _NOTES, pictures={"curves.png": accuracy_curves(found, _SECONDS)}
    )


def _printed(method: str, dataset: str) -> float:
    return published("nb201")[method, dataset, "test_accuracy"].value or 0.0


def _against_robot(dataset: str, found: Sequence[Found], seconds: float) -> str:
    printed = _printed(f"{_ROBOT}, {_ROBOT_SECONDS:,.0f} s", dataset)
    return against_published(accuracy_of(dataset, found, seconds), _ROBOT, printed)


def _row(method: Method, dataset: str, found: Sequence[Found]) -> Row:
    says = []
    if method.title in (BO, ZERO_COST):
        accuracy = accuracy_of(dataset, found, _SECONDS)
        says = [
            against_published(accuracy, f"{REA}'s published", _printed(REA, dataset)),
            _against_robot(dataset, found, _SECONDS),
        ]
    return method_row("nb201", method, dataset, found, _SECONDS, *says)


def noisy_run(job: tuple[str, int, int]) -> int:
    """The index of the cell that a strategy finds within some cells, where one seed's noise was put
    back.
    """
    strategy, cells, run = job
    bench = load(DATA_SETS["CIFAR-10"])
    mean = bench.column("valid_error", 12)
    seen = mean + np.random.default_rng(run).normal(0.0, _NOISE, len(mean))
    drawn = Computed(bench.space, {"valid_error": lambda cell: float(seen[cell.index])}, cheap=True)
    made = search(drawn, strategy, "valid_error", budget=cells, seed=run)
    return int(min(made.trials, key=lambda trial: trial.score).cell.index)


def _noisy_rows(found: Mapping[str, Sequence[Found]], work: Work) -> Iterator[Row]:
    strategies = {method.title: method.strategy for method in _METHODS if method.title in _NOISY}
    cells = {
        title: round(np.mean([run.cells_at(_SECONDS) for run in found[title]])) for title in _NOISY
    }
    jobs = {
        f"{title}, {cells[title]} cells, {run}": (strategies[title], cells[title], run)
        for title in _NOISY
        for run in range(len(found[title]))
    }
    settings = {"benchmark": load(DATA_SETS["CIFAR-10"]).fingerprint, "noise": _NOISE}
    made = work.results(noisy_run, jobs, "noise.jsonl", settings)
    for title in _NOISY:
        runs = [
            Found([0.0], [(0, cell)])
            for name, cell in made.items()
            if name.startswith(f"{title}, ")
        ]
        for dataset in DATA_SETS:
            accuracy = accuracy_of(dataset, runs, 0.0)
            beside = REA if title == BO else title
            says = [against_published(accuracy, f"{beside}'s published", _printed(beside, dataset))]
            says += [_against_robot(dataset, runs, 0.0)] if title == BO else []
            name = f"{title}, one seed's noise put back"
            yield Row.over(
                name,
                dataset,
                "test_accuracy",
                accuracy,
                evaluations=cells[title],
                verdict="; ".join(says),
            )


def _early_rows(found: Mapping[str, Sequence[Found]]) -> Iterator[Row]:
    """What every method with the 12-epoch reward had found after RoBoT's seconds."""
    seconds = _ROBOT_SECONDS
    for title in (method.title for method in _METHODS if method.objective == REWARD):
        for dataset in DATA_SETS:
            says = [_against_robot(dataset, found[title], seconds)]
            if title != REA:
                ours, rea = (accuracy_of(dataset, found[name], seconds) for name in (title, REA))
                says.append(against_runs(ours, f"our {REA}", rea))
            yield row_of(f"{title}, {seconds:,.0f} s", dataset, found[title], seconds, says)


def _ceiling_rows() -> Iterator[Row]:
    """What a search finds that sees the reward of every cell."""
    place = int(load(DATA_SETS["CIFAR-10"]).column("valid_error", 12).argmin())
    for dataset, name in DATA_SETS.items():
        ours = float(100.0 - load(name).column("test_error", 200)[place])
        yield Row(
            "best by the reward",
            dataset,
            "test_accuracy",
            ours=ours,
            verdict="a perfect search",
            mark="D",
        )


def _cell_rows() -> Iterator[Row]:
    for method, text in _CELLS.items():
        for dataset, name in DATA_SETS.items():
            column = 100.0 - load(name).column("test_error", 200)
            cell: Cell | None = None if text is None else load(name).space.parse(text)
            ours = float(column.max() if cell is None else column[cell.index])
            told = published("nb201")[method, dataset, "test_accuracy"]
            yield told.row(ours=ours, verdict=verdict(ours, told.value, dataset))
