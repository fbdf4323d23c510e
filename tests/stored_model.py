"""A surrogate in a file, as a command stores it."""

from __future__ import annotations

from pathlib import Path

from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.surrogates import make_model
from surrogate_nas.surrogates.evaluation import evaluate, split_cells
from surrogate_nas.surrogates.storage import Card, save


def stored(
    bench: TableBenchmark,
    metric: str,
    path: Path,
    epochs: int | None = None,
) -> Path:
    """A ridge fitted on 300 cells of a table."""
    known = bench.metric(metric)
    values = bench.column(metric, epochs)
    split = split_cells(bench.space, values, 300)
    found = evaluate(make_model("ridge", known.quantity), bench.space, values, split)
    card = Card(
        model="ridge",
        benchmark=str(bench.path),
        fingerprint=bench.fingerprint,
        space="nb201",
        metric=known,
        epochs=bench.question(metric, epochs).epochs,
        network=bench.network,
        split="random",
        seed=0,
        n_train=300,
        n_test=15325,
        scores=found.scores,
    )
    save(found.model, card, split.train, path)
    return path
