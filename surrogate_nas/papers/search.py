"""Two published search protocols on NAS-Bench-201, never mixed.

Dong & Yang (ICLR 2020), table 5: search on CIFAR-10 only for 12,000 simulated seconds; the reward is the valid accuracy
after the 12-epoch run, its cost the training time and one validation pass; the found cell is reported on three data
sets by its test accuracy after 200 epochs, mean of seeds. Dong et al., "NATS-Bench" (TPAMI 2021): the same reward, but
a search on each data set, for 20,000, 40,000 and 120,000 seconds. What every method had found after 3,051 seconds, the
budget of RoBoT (He et al., ICLR 2024), stands beside that.

Finished runs are kept in ``runs.jsonl``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from surrogate_nas.benchmarks import load
from surrogate_nas.papers.pictures import draw_test_curves
from surrogate_nas.papers.published import (
    ABSENT,
    BO,
    CELLS,
    DATA_SETS,
    NATS,
    NATS_ABSENT,
    NATS_SECONDS,
    NB201,
    REA,
    REWARD,
    ROBOT,
    UNCONFIRMED,
    ZERO_COST,
    Method,
    Published,
)
from surrogate_nas.papers.ranks import Values
from surrogate_nas.papers.rows import PaperResult, Row
from surrogate_nas.papers.searches import Found, Search, places, run_searches
from surrogate_nas.papers.tested import against_published, against_runs
from surrogate_nas.space import Cell
from surrogate_nas.study.experiment import Progress

_TOLERANCE = {"CIFAR-10": 0.15, "CIFAR-100": 0.4, "ImageNet16-120": 0.6}
_SECONDS = 12_000.0
_REA = next(method for method in NB201 if method.title == REA)
_ROBOT = ABSENT[f"{ROBOT[0]}, {ROBOT[1]:,.0f} s"][1]
_DRAWN = ("random search", REA, "REINFORCE", "BOHB", ZERO_COST, BO)
_NOISE_NOTE = (
    "The papers drew one training seed at random as the reward; this table has the mean over seeds at 12 epochs, so "
    "that noise (about 0.85 points on CIFAR-10) is missing here and searches do a little better."
)
_BOHB_NOTE = (
    "BOHB of the NAS-Bench-201 paper: its code trains every cell for 12 epochs whatever the budget of its rung, and a "
    "cell that goes on once more (num_samples 4, random_fraction 0, bandwidth_factor 3, min_bandwidth 0.3)."
)
_PROXIES_NOTE = (
    "Zero-cost BO is told the proxies of all cells, which were computed once for the whole space; the simulated "
    "seconds do not hold that, while RoBoT's hold its scores."
)


def nb201(
    *, runs: int | None, workers: int | None, engine: str, folder: Path, progress: Progress | None
) -> PaperResult:
    """Table 5 of the NAS-Bench-201 paper; may be interrupted and called again.

    Args:
        runs: Per strategy, at most; 500 if None, 20 of what asks a model.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        folder: Where the picture and the finished runs go.
        progress: Called with (runs done, runs in all).

    Raises:
        UserError: The tables are not here, or the folder cannot be written.
    """
    started = time.perf_counter()
    found = _found(NB201, {"CIFAR-10": _SECONDS}, runs, workers, engine, folder, progress)
    made = {method.title: found[method.title, "CIFAR-10"] for method in NB201}
    rows = [
        _row(method, dataset, made[method.title], _SECONDS, (method.title, dataset) not in UNCONFIRMED)
        for method in NB201
        for dataset in DATA_SETS
    ]
    rows += [*_marked_rows(made), *_ceiling_rows(), *_cell_rows(), *_absent_rows(ABSENT)]
    draw_test_curves({title: made[title] for title in _DRAWN}, folder / "curves.png", _SECONDS)
    notes = [
        _NOISE_NOTE,
        _BOHB_NOTE,
        _PROXIES_NOTE,
        "GDAS, DARTS and ENAS: published numbers; the all-skip cell is read from the table.",
    ]
    return PaperResult(
        "NAS-Bench-201 (ICLR 2020), table 5: test accuracy (%)", rows, time.perf_counter() - started, notes
    )


def nats(*, runs: int | None, workers: int | None, engine: str, folder: Path, progress: Progress | None) -> PaperResult:
    """The NATS-Bench paper's search on each data set; may be interrupted and called again.

    Args:
        runs: Per strategy and data set, at most; 500 if None, 20 of what asks a model.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        folder: Where the picture and the finished runs go.
        progress: Called with (runs done, runs in all).

    Raises:
        UserError: The tables are not here, or the folder cannot be written.
    """
    started = time.perf_counter()
    found = _found(NATS, NATS_SECONDS, runs, workers, engine, folder, progress)
    rows = [_row(method, data, found[method.title, data], NATS_SECONDS[data]) for data in DATA_SETS for method in NATS]
    rows += _absent_rows(NATS_ABSENT)
    on_cifar10 = {method.title: found[method.title, "CIFAR-10"] for method in NATS if method.title in _DRAWN}
    draw_test_curves(on_cifar10, folder / "curves.png", NATS_SECONDS["CIFAR-10"])
    notes = [
        _NOISE_NOTE,
        _PROXIES_NOTE,
        "The published numbers of this protocol are not confirmed here, hence the question marks.",
    ]
    return PaperResult(
        "NATS-Bench (TPAMI 2021), topology space: test accuracy (%)", rows, time.perf_counter() - started, notes
    )


def _found(
    methods: Sequence[Method],
    seconds: Mapping[str, float],
    runs: int | None,
    workers: int | None,
    engine: str,
    folder: Path,
    progress: Progress | None,
) -> dict[tuple[str, str], list[Found]]:
    """The runs of every method, by its title, on every data set that is searched on."""
    searches = {
        (method.title, data): Search(DATA_SETS[data], method.objective, method.strategy, seconds[data])
        for data in seconds
        for method in methods
    }
    numbers = {method.title: min(method.runs, runs or method.runs) for method in methods}
    jobs = [(search, numbers[title]) for (title, _), search in searches.items()]
    made = run_searches(jobs, folder / "runs.jsonl", workers=workers, engine=engine, progress=progress)
    return {key: made[search] for key, search in searches.items()}


def _accuracy(dataset: str, found: Sequence[Found], seconds: float) -> Values:
    """Test accuracy after 200 epochs of what runs had found after some time, in %."""
    test: Values = 100.0 - load(DATA_SETS[dataset]).column("test_error", 200)
    return test[places(found, seconds)]


def _row(method: Method, dataset: str, found: Sequence[Found], seconds: float, is_sure: bool = True) -> Row:
    accuracy = _accuracy(dataset, found, seconds)
    mean, std = method.published.get(dataset, (None, None))
    says = [_verdict(float(accuracy.mean()), mean, dataset), method.says]
    if method.title in (BO, ZERO_COST) and seconds == _SECONDS:
        says.append(against_published(accuracy, f"{REA}'s published", _REA.published[dataset], _REA.runs))
        says.append(against_published(accuracy, ROBOT[0], _ROBOT[dataset], None))
    return Row(
        method.title, dataset, "test_accuracy", published=mean, published_std=std, ours=float(accuracy.mean()),
        ours_std=_spread(accuracy), evaluations=_cells(found, seconds), runs=len(found),
        verdict="; ".join(filter(None, says)), mark=method.mark if is_sure else "?",
    )  # fmt: skip


def _marked_rows(found: Mapping[str, Sequence[Found]]) -> Iterator[Row]:
    """What every method with the 12-epoch reward had found after RoBoT's seconds."""
    rival, seconds = ROBOT
    for method in NB201:
        if method.objective != REWARD:
            continue
        for dataset in DATA_SETS:
            accuracy = _accuracy(dataset, found[method.title], seconds)
            says = [against_published(accuracy, rival, _ROBOT[dataset], None)]
            if method.title != REA:
                says.append(against_runs(accuracy, f"our {REA}", _accuracy(dataset, found[REA], seconds)))
            yield Row(
                f"{method.title}, {seconds:,.0f} s", dataset, "test_accuracy", ours=float(accuracy.mean()),
                ours_std=_spread(accuracy), evaluations=_cells(found[method.title], seconds), runs=len(accuracy),
                verdict="; ".join(says),
            )  # fmt: skip


def _spread(values: Values) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def _cells(found: Sequence[Found], seconds: float) -> float:
    return float(np.mean([one.cells_at(seconds) for one in found]))


def _verdict(ours: float, published: float | None, dataset: str) -> str:
    if published is None:
        return "ours only"
    difference = ours - published
    within = abs(difference) <= _TOLERANCE[dataset]
    return f"{'agrees' if within else 'differs'}: {difference:+.2f} (tolerance {_TOLERANCE[dataset]})"


def _ceiling_rows() -> Iterator[Row]:
    """What a search finds that sees the reward of every cell."""
    place = int(load(DATA_SETS["CIFAR-10"]).column("valid_error", 12).argmin())
    for dataset, name in DATA_SETS.items():
        ours = float(100.0 - load(name).column("test_error", 200)[place])
        yield Row("best by the reward", dataset, "test_accuracy", ours=ours, verdict="a perfect search", mark="D")


def _cell_rows() -> Iterator[Row]:
    for method, (mark, text, published) in CELLS.items():
        for dataset, name in DATA_SETS.items():
            column = 100.0 - load(name).column("test_error", 200)
            cell: Cell | None = None if text is None else load(name).space.parse(text)
            ours = float(column.max() if cell is None else column[cell.index])
            known = published[dataset][0]
            verdict = _verdict(ours, known, dataset)
            yield Row(method, dataset, "test_accuracy", published=known, ours=ours, verdict=verdict, mark=mark)


def _absent_rows(absent: Mapping[str, tuple[str, Published, str]]) -> Iterator[Row]:
    for method, (mark, published, reason) in absent.items():
        for dataset in DATA_SETS:
            mean, std = published.get(dataset, (None, None))
            yield Row(method, dataset, "test_accuracy", published=mean, published_std=std, verdict=reason, mark=mark)
