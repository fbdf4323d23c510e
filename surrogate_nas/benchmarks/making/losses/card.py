"""What a table of losses says of itself: what was trained, what it took, and whether two seeds order cells alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from surrogate_nas.benchmarks.making.losses.agreement import agreement
from surrogate_nas.benchmarks.making.losses.held import Of, settings_of
from surrogate_nas.benchmarks.making.losses.kept import DIVERGED
from surrogate_nas.benchmarks.making.losses.pace import seconds_each
from surrogate_nas.benchmarks.making.losses.pairs import Pair
from surrogate_nas.benchmarks.making.plan import Job
from surrogate_nas.training.diagnostics import Diagnostic

_FEWEST, _MOST = 10, 1000
"""Classes of two seeds from which their agreement is told, and of how many of them at most."""


def card_of(held: Mapping[Pair, Of], asked: Mapping[str, int]) -> dict[str, Any]:
    """The card of a task's table.

    Args:
        held: What there is of each pair of the task.
        asked: By loss, how many trainings are asked for in all.
    """
    pair = next(iter(held))
    return {
        "task": pair.task.name,
        "length": pair.length,
        "judged_by": f"valid_{pair.task.measured[0].name}",
        "losses": {pair.loss: _of_pair(pair, of, asked.get(pair.loss, 0)) for pair, of in held.items()},
    }


def _of_pair(pair: Pair, of: Of, asked: int) -> dict[str, Any]:
    seconds, jobs = of.seconds(), of.trainings
    seeds = sorted({*range(pair.plan.seeds), *(job.seed for job in jobs)})
    return {
        **settings_of(pair),
        "made": list(of.made),
        "classes": {seed: sum(job.seed == seed for job in jobs) for seed in seeds},
        "diverged": sum(bool(training.last(DIVERGED)) for training in jobs.values()),
        "processor_seconds": sum(seconds),
        "processor_seconds_a_training": float(np.median(seconds)) if seconds else None,
        "processor_hours_of_all": max(asked, len(seconds)) * seconds_each(seconds) / 3600 if seconds else None,
        "two_seeds": {told.name: found for told in pair.trained.diagnostics if (found := _agreement(told, of))},
    }


def _agreement(told: Diagnostic, of: Of) -> dict[str, Any]:
    """How two seeds agree at the end of the run; empty for what is no search metric, or of too few classes."""
    cells = [job.cell for job in of.trainings if job.seed == 0 and Job(job.cell, 1) in of.trainings][:_MOST]
    if told.split == "test" or len(cells) < _FEWEST:
        return {}
    values = np.array([[of.trainings[Job(cell, seed)].last(told.name) for seed in (0, 1)] for cell in cells])
    found = agreement(*values.T)
    numbers = {name: value if math.isfinite(value) else None for name, value in found._asdict().items()}
    return {**numbers, "classes": len(cells), "is_noise": found.is_noise}
