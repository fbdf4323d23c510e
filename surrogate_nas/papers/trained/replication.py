"""The same question on the table `fashion`, whose many classes of several seeds decide it for that task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.benchmarks.making.losses.agreement import Agreement
from surrogate_nas.papers.ranks import Values
from surrogate_nas.papers.trained.orders import (
    Columns,
    Pairs,
    corrected,
    crossed,
    draws,
    each_other,
    same_run,
    taus_of,
    two_seeds,
    with_interval,
)
from surrogate_nas.tables import CLASS_METRIC

TABLE = "fashion"
SOON = 0.4
"""The share of a run after which the early training loss is looked at."""
_GOAL = "test_error"
_NAMES = {"measure": "valid_error", "loss": "valid_loss", "train": "train_loss", "early": "train_loss"}


@dataclass(frozen=True)
class Replication:
    """What a table of many classes says.

    Attributes:
        table: The benchmark.
        classes: Those of several seeds.
        seeds: How many.
        epochs: Of the whole run, and of the early training loss.
        taus: By signal (``measure``, ``loss``, ``train``, ``early``), with the test error of another single seed.
        of_means: The same with the mean test error of all other seeds.
        corrected: The correlation with the test error without the noise of seeds.
        same_run: τ with the test error of the signal's own run.
        differences: By signal but the measure, its τ less that of the measure.
        two_seeds: τ of two seeds of the test error.
    """

    table: str
    classes: int
    seeds: int
    epochs: tuple[int, int]
    taus: Mapping[str, Agreement] = field(default_factory=dict)
    of_means: Mapping[str, Agreement] = field(default_factory=dict)
    corrected: Mapping[str, Agreement] = field(default_factory=dict)
    same_run: Mapping[str, float] = field(default_factory=dict)
    differences: Mapping[str, Agreement] = field(default_factory=dict)
    two_seeds: float = float("nan")


def replication(bench: Benchmark) -> Replication | None:
    """Look at a table of one loss whose classes have several seeds; None where they have not.

    Args:
        bench: Such as `TABLE`.
    """
    last = bench.metric(_GOAL).epochs[-1]
    soon = min(bench.metric("train_loss").epochs, key=lambda epochs: abs(epochs - SOON * last))
    seeds = bench.seeds(bench.question(_GOAL, last))
    first = np.unique(bench.column(CLASS_METRIC).astype(int))

    def columns(metric: str, epochs: int) -> Columns:
        return np.array([bench.column(metric, epochs, seed)[first] for seed in seeds])

    goal = columns(_GOAL, last)
    held = np.isfinite(goal).sum(axis=0) > 1
    if held.sum() < 2:  # noqa: PLR2004 - an order needs two
        return None
    goal = goal[:, held]
    signals = {key: columns(name, soon if key == "early" else last)[:, held] for key, name in _NAMES.items()}
    counts, once = draws(int(held.sum())), np.ones((1, int(held.sum())))

    def all_of(pairs: Mapping[str, Pairs]) -> dict[str, Values]:
        return {key: taus_of(found, counts) for key, found in pairs.items()}

    taus = all_of({key: each_other(values, goal) for key, values in signals.items()})
    own = all_of({key: two_seeds(values) for key, values in signals.items()})
    of_goal = taus_of(two_seeds(goal), counts)
    of_means = all_of({key: crossed(values, goal) for key, values in signals.items()})
    return Replication(
        bench.name,
        len(goal[0]),
        len(seeds),
        (last, soon),
        {key: with_interval(values) for key, values in taus.items()},
        {key: with_interval(values) for key, values in of_means.items()},
        {key: with_interval(corrected(values, own[key], of_goal, 1)) for key, values in taus.items()},
        {key: float(taus_of(same_run(values, goal), once)[0]) for key, values in signals.items()},
        {key: with_interval(values - taus["measure"]) for key, values in taus.items() if key != "measure"},
        float(of_goal[0]),
    )
