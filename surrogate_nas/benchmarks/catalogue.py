"""Live benchmarks as a list shows them, from plain data: nothing is opened, so nothing waits for PyTorch.

A test holds every entry against what the opened benchmark says of itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

from surrogate_nas.benchmarks.proxies import untrained
from surrogate_nas.metrics import Metric
from surrogate_nas.space import DEFAULT_SPACE, SPACES, Space, space_named
from surrogate_nas.training.catalogue import CATALOGUE, Entry

_PREFIX = "live:"
_SPLITS = ("train", "valid", "test")
_QUANTITIES: tuple[Literal["error", "loss"], ...] = ("loss", "error")


def describe_live() -> Iterator[dict[str, Any]]:
    """Every task of the catalogue on every space of the project's own whose cells can be trained, as a list has it."""
    for space in filter(lambda space: space.is_buildable, map(space_named, SPACES)):
        yield from (_describe(entry, space) for entry in CATALOGUE)


def _describe(entry: Entry, space: Space) -> dict[str, Any]:
    trained = [_trained(entry, split, quantity) for split in _SPLITS for quantity in _QUANTITIES]
    metrics = [*trained, *(metric for metric, _ in untrained(space).values())]
    return {
        "name": _PREFIX + (entry.name if space.name == DEFAULT_SPACE else f"{entry.name}/{space.name}"),
        "title": f"live training: {entry.title}",
        "space": space.name,
        "cells": int(space.size) if math.isfinite(space.size) else None,
        "available": entry.is_here(),
        "metrics": [metric.describe() for metric in metrics],
        "seeds": [],
        "source": f"trained here on cpu: {entry.source}",
        "licence": "see the task's source",
        "citation": "",
        "banner": "",
    }


def _trained(entry: Entry, split: str, quantity: Literal["error", "loss"]) -> Metric:
    return Metric(
        name=f"{split}_{quantity}",
        unit="%" if quantity == "error" else entry.loss_unit,
        kind="final" if split == "test" else "search",
        quantity=quantity,
        epochs=(entry.epochs,),
        split=split,
        description="at the end of the run, one seed",
    )
