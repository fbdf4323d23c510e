"""Two published search protocols on NAS-Bench-201, never mixed.

Dong & Yang (ICLR 2020), table 5: search on CIFAR-10 only for 12,000 simulated seconds; the reward is the valid accuracy
after the 12-epoch run, its cost the training time and one validation pass; the found cell is reported on three data
sets by its test accuracy after 200 epochs, mean of seeds. Dong et al., "NATS-Bench" (TPAMI 2021): the same reward, but
a search on each data set, for 20,000, 40,000 and 120,000 seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from surrogate_nas.benchmarks import load
from surrogate_nas.errors import UserError
from surrogate_nas.experiment.experiment import Budget, Experiment, Progress
from surrogate_nas.experiment.store import Run
from surrogate_nas.objective import Objective
from surrogate_nas.papers.pictures import draw_test_curves
from surrogate_nas.papers.rows import PaperResult, Row
from surrogate_nas.space import Cell

DATA_SETS = {"CIFAR-10": "nb201-cifar10", "CIFAR-100": "nb201-cifar100", "ImageNet16-120": "nb201-imagenet16"}
_TOLERANCE = {"CIFAR-10": 0.15, "CIFAR-100": 0.4, "ImageNet16-120": 0.6}
_RUNS, _BO_RUNS = 500, 20
_TITLES = {"random": "random search", "evolution": "REA", "reinforce": "REINFORCE", "bo": "BO (ours)"}
_ALL_SKIP = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
_RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
_NOISE_NOTE = (
    "The papers drew one training seed at random as the reward; this table has the mean over seeds at 12 epochs, so "
    "that noise (about 0.85 points on CIFAR-10) is missing here and searches do a little better."
)

Published = dict[str, tuple[float, float | None]]

_NB201: dict[str, tuple[str, Published]] = {
    "random": ("I", {"CIFAR-10": (93.70, 0.36), "CIFAR-100": (71.04, 1.07), "ImageNet16-120": (44.57, 1.25)}),
    "evolution": ("I", {"CIFAR-10": (93.92, 0.30), "CIFAR-100": (71.84, 0.99), "ImageNet16-120": (45.54, 1.03)}),
    "reinforce": ("I", {"CIFAR-10": (93.85, 0.37), "CIFAR-100": (71.71, 1.09), "ImageNet16-120": (45.24, 1.18)}),
    "bo": ("", {}),
}
_UNCONFIRMED = {("evolution", "ImageNet16-120")}
_CELLS: dict[str, tuple[str, str | None, Published]] = {
    "DARTS V1/V2, ENAS (all-skip cell)": (
        "C", _ALL_SKIP, {"CIFAR-10": (54.30, None), "CIFAR-100": (15.61, None), "ImageNet16-120": (16.32, None)},
    ),
    "ResNet (cell)": (
        "C", _RESNET, {"CIFAR-10": (93.97, None), "CIFAR-100": (70.86, None), "ImageNet16-120": (43.63, None)},
    ),
    "optimum": (
        "D", None, {"CIFAR-10": (94.37, None), "CIFAR-100": (73.51, None), "ImageNet16-120": (47.31, None)},
    ),
}  # fmt: skip
_ABSENT: dict[str, tuple[str, Published, str]] = {
    "BOHB": (
        "I", {"CIFAR-10": (93.61, 0.52), "CIFAR-100": (70.85, 1.28), "ImageNet16-120": (44.42, 1.49)},
        "not made: needs the learning curves, which the public extracts lack",
    ),
    "GDAS": (
        "C", {"CIFAR-10": (93.61, 0.09), "CIFAR-100": (70.70, 0.30), "ImageNet16-120": (41.84, 0.90)},
        "not made: a one-shot method trains a supernet, which no table holds",
    ),
    "RSPS, SETN": ("", {}, "not made: one-shot methods train a supernet, which no table holds"),
}  # fmt: skip
_NATS: dict[str, tuple[str, Published]] = {
    "random": ("?", {"CIFAR-10": (93.86, None), "CIFAR-100": (71.55, None), "ImageNet16-120": (45.28, None)}),
    "evolution": ("?", {"CIFAR-10": (94.02, None), "CIFAR-100": (72.23, None), "ImageNet16-120": (45.77, None)}),
    "reinforce": ("?", {"CIFAR-10": (93.90, None), "CIFAR-100": (71.86, None), "ImageNet16-120": (45.64, None)}),
    "bo": ("", {}),
}
_NATS_ABSENT: dict[str, tuple[str, Published, str]] = {
    "BOHB": (
        "?", {"CIFAR-10": (93.94, None), "CIFAR-100": (72.00, None), "ImageNet16-120": (45.70, None)},
        "not made: needs the learning curves, which the public extracts lack",
    ),
}  # fmt: skip
_NATS_SECONDS = {"CIFAR-10": 20_000.0, "CIFAR-100": 40_000.0, "ImageNet16-120": 120_000.0}


@dataclass(frozen=True)
class _Search:
    """One strategy's runs on one data set."""

    strategy: str
    dataset: str
    runs: Sequence[Run]


def nb201(*, runs: int | None, workers: int, folder: Path, progress: Progress | None) -> PaperResult:
    """Table 5 of the NAS-Bench-201 paper.

    Args:
        runs: Per strategy, 500 if None; the Bayesian optimisation makes at most 20.
        workers: Processes.
        folder: Where the picture goes.
        progress: Called with (runs done, runs in all).
    """
    started = time.perf_counter()
    jobs = [("CIFAR-10", strategy, _runs(strategy, runs)) for strategy in _NB201]
    searches = list(_execute(jobs, {"CIFAR-10": 12_000.0}, workers, progress))
    rows = []
    for search in searches:
        mark, published = _NB201[search.strategy]
        for dataset in DATA_SETS:
            sure = "?" if (search.strategy, dataset) in _UNCONFIRMED else mark
            rows.append(_row(search, dataset, sure, published.get(dataset)))
    rows += [*_cell_rows(), *_absent_rows(_ABSENT)]
    draw_test_curves({_TITLES[s.strategy]: s.runs for s in searches}, folder / "curves.png", 12_000.0)
    notes = [_NOISE_NOTE, "GDAS, DARTS and ENAS: published numbers; the all-skip cell is read from the table."]
    return PaperResult(
        "NAS-Bench-201 (ICLR 2020), table 5: test accuracy (%)", rows, time.perf_counter() - started, notes
    )


def nats(*, runs: int | None, workers: int, folder: Path, progress: Progress | None) -> PaperResult:
    """The NATS-Bench paper's search on each data set.

    Args:
        runs: Per strategy and data set, 500 if None; the Bayesian optimisation makes at most 20.
        workers: Processes.
        folder: Where the picture goes.
        progress: Called with (runs done, runs in all).
    """
    started = time.perf_counter()
    jobs = [(dataset, strategy, _runs(strategy, runs)) for dataset in DATA_SETS for strategy in _NATS]
    searches = list(_execute(jobs, _NATS_SECONDS, workers, progress))
    rows = []
    for search in searches:
        mark, published = _NATS[search.strategy]
        rows.append(_row(search, search.dataset, mark, published.get(search.dataset)))
    rows += _absent_rows(_NATS_ABSENT)
    on_cifar10 = {_TITLES[s.strategy]: s.runs for s in searches if s.dataset == "CIFAR-10"}
    draw_test_curves(on_cifar10, folder / "curves.png", _NATS_SECONDS["CIFAR-10"])
    notes = [_NOISE_NOTE, "The published numbers of this protocol are not confirmed here, hence the question marks."]
    return PaperResult(
        "NATS-Bench (TPAMI 2021), topology space: test accuracy (%)", rows, time.perf_counter() - started, notes
    )


def _runs(strategy: str, runs: int | None) -> int:
    wanted = _RUNS if runs is None else runs
    return min(wanted, _BO_RUNS) if strategy == "bo" else wanted


def _execute(
    jobs: Sequence[tuple[str, str, int]],
    seconds: dict[str, float],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[_Search]:
    """Run every job under the papers' conventions: no shared first cells, a budget in simulated seconds."""
    total, before = sum(n for *_, n in jobs), 0
    for dataset, strategy, n in jobs:
        objective = Objective("valid_error[12]", load(DATA_SETS[dataset]))
        experiment = Experiment(objective, [strategy], n, Budget(seconds=seconds[dataset]), first_cells=0)

        def report(done: int, _: int, before: int = before) -> None:
            if progress:
                progress(before + done, total)

        made = experiment.execute(workers=workers, progress=report)
        if failures := [run.failure for run in made if run.failure]:
            raise UserError(failures[0])
        yield _Search(strategy, dataset, made)
        before += n


def _row(search: _Search, dataset: str, mark: str, published: tuple[float, float | None] | None) -> Row:
    found = [run.incumbent.cell.index for run in search.runs]
    accuracy = 100.0 - load(DATA_SETS[dataset]).column("test_error", 200)[found]
    mean = float(accuracy.mean())
    return Row(
        method=_TITLES[search.strategy],
        dataset=dataset,
        metric="test_accuracy",
        published=published[0] if published else None,
        published_std=published[1] if published else None,
        ours=mean,
        ours_std=float(accuracy.std(ddof=1)) if len(accuracy) > 1 else None,
        evaluations=float(np.mean([len(run.trials) for run in search.runs])),
        runs=len(search.runs),
        verdict=_verdict(mean, published[0] if published else None, dataset),
        mark=mark,
    )


def _verdict(ours: float, published: float | None, dataset: str) -> str:
    if published is None:
        return "ours only"
    difference = ours - published
    within = abs(difference) <= _TOLERANCE[dataset]
    return f"{'agrees' if within else 'differs'}: {difference:+.2f} (tolerance {_TOLERANCE[dataset]})"


def _cell_rows() -> Iterator[Row]:
    for method, (mark, text, published) in _CELLS.items():
        for dataset, name in DATA_SETS.items():
            column = 100.0 - load(name).column("test_error", 200)
            cell: Cell | None = None if text is None else load(name).space.parse(text)
            ours = float(column.max() if cell is None else column[cell.index])
            known = published[dataset][0]
            verdict = _verdict(ours, known, dataset)
            yield Row(method, dataset, "test_accuracy", published=known, ours=ours, verdict=verdict, mark=mark)


def _absent_rows(absent: dict[str, tuple[str, Published, str]]) -> Iterator[Row]:
    for method, (mark, published, reason) in absent.items():
        for dataset in DATA_SETS:
            mean, std = published.get(dataset, (None, None))
            yield Row(method, dataset, "test_accuracy", published=mean, published_std=std, verdict=reason, mark=mark)
