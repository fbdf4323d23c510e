"""Checks of the available tables against published numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from surrogate_nas.core import UserError
from surrogate_nas.files import table_path
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import ColumnKey, TableFile, Values
from surrogate_nas.tables.sources.base import SOURCES, Verified
from surrogate_nas.tables.sources.declaration import Facts, declaration

_QUANTILES = {"best": 0.0, "median": 0.5, "worst": 1.0}


def verified(source: str) -> Iterator[Verified]:
    """Check the tables of a source against its declared facts, and with the checks of its
    module.
    """
    for name, facts in declaration(source).facts.items():
        try:
            yield from check_facts(name, facts)
        except KeyError as error:
            raise UserError(
                f"The table {name} lacks {error}. An earlier version created it: run"
                f" snas data fetch {source} to replace it."
            ) from error
    yield from getattr(SOURCES.find(source), "verify", tuple)()


def check_facts(name: str, facts: Facts) -> Iterator[Verified]:
    """Check the table of a benchmark against published numbers."""
    table = TableFile(table_path(name))
    metrics = [what.partition(" ")[2] for what in facts.values]
    metrics += table.metrics
    n_cells = int(np.isfinite(column(table, metrics[0])).sum())
    yield equal(f"cells of {name}", n_cells, facts.cells)
    if facts.trainings is not None:
        metric, epochs, _ = _key(table, metrics[0])
        n_trainings = int(table.n_seeds(metric, epochs).sum())
        yield equal(f"trainings of {name}", n_trainings, facts.trainings)
    for what, published in facts.values.items():
        word, _, text = what.partition(" ")
        metric_of_table = table.metrics[_key(table, text).metric]
        values = metric_of_table.minimised(column(table, text))
        (value,) = metric_of_table.minimised(
            np.quantile(values, [_QUANTILES[word]])
        ).tolist()
        yield close(f"{what} of {name}", value, published, facts.within)
    for pair, published in facts.ranks.items():
        tau = kendall(*(column(table, text) for text in pair.split(" ~ ")))
        yield close(f"τ({pair}) of {name}", tau, published, facts.rank_within)


def column(table: TableFile, text: str) -> Values:
    """Return the values (means over seeds) of a metric that a fact names, or compute the metric
    from the cells.
    """
    key = _key(table, text)
    if key.metric in table.metrics:
        return table.column(key)
    space: Any = table.cells
    values: Values = space.analytic[key.metric][1](space.choices, table.network)
    return values


def _key(table: TableFile, text: str) -> ColumnKey:
    """Return the key of ``METRIC[EPOCHS]``, or of a metric after its longest training."""
    name, _, spelled = text.rstrip("]").partition("[")
    epochs = int(spelled) if spelled else None
    if epochs is None and name in table.metrics and table.metrics[name].epochs:
        epochs = table.metrics[name].epochs[-1]
    return ColumnKey(name, epochs, "mean")


def equal(name: str, number: int, published: int) -> Verified:
    """Check that a number equals the published number."""
    return Verified(name, number == published, f"{number:,}, {published:,} published")


def close(name: str, value: float, published: float, within: float) -> Verified:
    """Check that a value differs from the published value by at most `within`."""
    passed = abs(value - published) <= within
    return Verified(name, passed, f"{value:.9g}, {published:.9g} published")
