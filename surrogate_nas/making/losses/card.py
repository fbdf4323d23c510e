"""What a table of losses says of itself: what was trained, what it took, and whether two seeds order cells alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from surrogate_nas.making.batches import Entry
from surrogate_nas.making.losses.agreement import agreement
from surrogate_nas.making.losses.pace import seconds_each
from surrogate_nas.making.losses.pairs import CLASSES, NOISY_CLASSES, SEEDS, Pair
from surrogate_nas.making.plan import Job, describe
from surrogate_nas.training.told import Told

_FEWEST = 10
"""Classes of two seeds from which their agreement is told."""


def card_of(held: Mapping[Pair, Mapping[Job, Entry]]) -> dict[str, Any]:
    """The card of a task's table.

    Args:
        held: What each pair of the task holds.
    """
    task = next(iter(held)).task
    return {
        "task": task.name,
        "judged_by": f"valid_{task.measured[0].name}",
        "losses": {pair.loss: _of_pair(pair, entries) for pair, entries in held.items()},
    }


def _of_pair(pair: Pair, entries: Mapping[Job, Entry]) -> dict[str, Any]:
    seconds = [entry["processor_seconds"] for entry in entries.values()]
    whole = CLASSES + NOISY_CLASSES * (SEEDS - 1)
    return {
        "digest": describe(pair.plan)["digest"],
        "epochs": pair.plan.epochs,
        "classes": {seed: sum(job.seed == seed for job in entries) for seed in range(pair.plan.seeds)},
        "diverged": sum(bool(entry["note"]) for entry in entries.values()),
        "processor_seconds": sum(seconds),
        "processor_seconds_a_training": float(np.median(seconds)) if seconds else None,
        "processor_hours_of_all": whole * seconds_each(seconds) / 3600 if seconds else None,
        "two_seeds": {told.name: found for told in pair.trained.told if (found := _agreement(told, entries))},
    }


def _agreement(told: Told, entries: Mapping[Job, Entry]) -> dict[str, Any]:
    """How two seeds agree at the end of the run; empty for what is no search metric, or of too few classes."""
    first = {job.cell: entry for job, entry in entries.items() if job.seed == 0}
    second = {job.cell: entry for job, entry in entries.items() if job.seed == 1 and job.cell in first}
    if told.split == "test" or len(second) < _FEWEST:
        return {}
    values = np.array([[_last(seed[cell][told.name]) for seed in (first, second)] for cell in second])
    found = agreement(*values.T)
    numbers = {name: value if math.isfinite(value) else None for name, value in found._asdict().items()}
    return {**numbers, "classes": len(second), "is_noise": found.is_noise}


def _last(value: Any) -> float:
    return float(value[-1] if isinstance(value, list) else value)
