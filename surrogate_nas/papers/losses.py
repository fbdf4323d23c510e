"""Which loss should drive a search? For every table and candidate L, how well L ranks what one finally wants.

For each loss or error that a search may see, after each run held: Kendall's τ with the final test error over the space,
over its better half and over its best quarter (by test error), and the test accuracy of the cell that it likes best.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from surrogate_nas.benchmarks import Benchmark, load
from surrogate_nas.experiment.experiment import Progress
from surrogate_nas.papers.pictures import draw_losses
from surrogate_nas.papers.rows import PaperResult, Row
from surrogate_nas.papers.search import DATA_SETS

_SHARES = {"kendall": 1.0, "kendall_best_half": 0.5, "kendall_best_quarter": 0.25}


def losses(*, runs: int | None, workers: int, folder: Path, progress: Progress | None) -> PaperResult:  # noqa: ARG001
    """Rank every candidate loss of every table by how well it orders the final test error.

    Args:
        runs: Without meaning here: the whole table is read once.
        workers: Without meaning here.
        folder: Where the picture goes.
        progress: Called with (tables done, tables in all).
    """
    started = time.perf_counter()
    rows: list[Row] = []
    for done, (dataset, name) in enumerate(DATA_SETS.items()):
        rows += _rows(dataset, load(name))
        if progress:
            progress(done + 1, len(DATA_SETS))
    draw_losses(rows, folder / "losses.png")
    notes = [
        "τ is Kendall's, with the test error after 200 epochs (mean of seeds); 1 means the same order.",
        "Halves and quarters are the best by test error. Over-confident networks spoil the validation loss.",
        "The public extracts hold losses after 200 epochs for CIFAR-10 only.",
    ]
    return PaperResult("Which loss should drive a search?", rows, time.perf_counter() - started, notes)


def _rows(dataset: str, bench: Benchmark) -> list[Row]:
    test = bench.column("test_error", 200)
    order = np.argsort(test, kind="stable")
    rows = []
    for metric in bench.metrics:
        if metric.kind != "search" or metric.quantity not in ("error", "loss"):
            continue
        for epochs in metric.epochs:
            values = bench.column(metric.name, epochs)
            method = f"{metric.name}[{epochs}]"
            for label, share in _SHARES.items():
                best = order[: round(len(order) * share)]
                tau = float(kendalltau(values[best], test[best]).statistic)
                rows.append(Row(method, dataset, label, ours=tau, verdict="over the table", mark="D"))
            found = 100.0 - float(test[int(values.argmin())])
            optimum = 100.0 - float(test.min())
            verdict = f"{found - optimum:+.2f} from the best test accuracy {optimum:.2f}"
            rows.append(Row(method, dataset, "test_accuracy_of_best", ours=found, verdict=verdict, mark="D"))
    return rows
