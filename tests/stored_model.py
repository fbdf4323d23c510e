"""A surrogate in a file, as a command stores it."""

from surrogate_nas.space.network import Network
from surrogate_nas.surrogates import make_model
from surrogate_nas.surrogates.evaluation import evaluate, split_cells
from surrogate_nas.surrogates.storage import Card, save


def card(model, metric, n, **others):
    """What a file says of a model that learned from `n` cells of NAS-Bench-201's space."""
    told = {
        "benchmark": "b",
        "fingerprint": "f",
        "space": "nb201",
        "network": Network(),
    }
    told |= {
        "epochs": metric.epochs[-1] if metric.epochs else None,
        "split": "random",
        "seed": 0,
    }
    return Card(
        model=model,
        metric=metric,
        n_train=n,
        **(told | {"n_test": 0, "scores": {}} | others),
    )


def stored(bench, metric, path, epochs=None):
    """A ridge fitted on 300 cells of a table."""
    known = bench.metric(metric)
    values = bench.column(metric, epochs)
    split = split_cells(bench.space, values, 300)
    model = make_model("ridge", known.quantity)
    scores, _ = evaluate(model, bench.space, values, split)
    told = card(
        "ridge",
        known,
        300,
        benchmark=str(bench.path),
        fingerprint=bench.fingerprint,
        epochs=bench.question(metric, epochs).epochs,
        network=bench.network,
        scores=scores,
    )
    save(model, told, split.train, path)
    return path
