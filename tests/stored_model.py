"""A surrogate in a file, as a command stores it."""

from dataclasses import replace

from surrogate_nas import Surrogate
from surrogate_nas.space.network import Network
from surrogate_nas.surrogates.evaluation import split_cells
from surrogate_nas.surrogates.storage import Card


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
    cells = split_cells(bench.space, bench.column(metric, epochs), 300).train
    model = Surrogate("ridge").fit(bench, metric, cells, epochs=epochs)
    model.card = replace(model.card, benchmark=str(bench.path))
    model.save(path)
    return path
