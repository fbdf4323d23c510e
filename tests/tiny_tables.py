"""Tables of made-up numbers."""

import numpy as np

from surrogate_nas.core.metrics import Metric
from surrogate_nas.space import ChoiceSpace
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table

N = 15625


def _named_small(space):
    about = ("A title", "a source", "MIT", "a paper", "valid_error")
    return Table("small", space, *about, Network(classes=7))


def tiny_table():
    """Few cells of a space that the file itself defines."""
    space = ChoiceSpace(
        "tiny", {"a": tuple("0123"), "b": tuple("0123"), "c": tuple("0123")}
    )
    table = _named_small(space.definition)
    rng = np.random.default_rng(0)
    valid = Metric(
        "valid_error", "%", "search", "error", description="é", source="one file"
    )
    table.add(valid, 12, rng.random(64), 3, {1: rng.random(64), 2: rng.random(64)})
    table.add(Metric("latency@thing", "ms", "search", "cost"), None, rng.random(64))
    return table


def small_table(scale=1.0):
    """A table with every kind of column: per seed, mean only, without epochs, and with holes."""
    table = _named_small("nb201")
    rng = np.random.default_rng(0)
    seeds = {777: scale * rng.random(N), 888: scale * rng.random(N)}
    seeds[888][5:50] = np.nan
    counts = np.where(np.isfinite(seeds[888]), 2, 1).astype(np.int16)
    valid = Metric(
        "valid_error",
        "%",
        "search",
        "error",
        split="x-valid",
        description="é, a note",
        source="one file",
    )
    table.add(valid, 200, np.nanmean(list(seeds.values()), axis=0), counts, seeds)
    table.add(valid, 12, scale * rng.random(N), 3)
    holes = scale * rng.random(N)
    holes[100:] = np.nan
    table.add(Metric("latency@thing", "ms", "search", "cost"), None, holes)
    return table
