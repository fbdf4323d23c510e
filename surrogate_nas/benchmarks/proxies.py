"""The metrics of a cell before any training: its sizes, and the shipped zero-cost proxies.

``data/proxies-SPACE.h5`` holds proxies of all cells of a space (``make proxies``). They belong to
the space, not to a benchmark, so they are in no benchmark's fingerprint; an objective that names
one includes its digest.
"""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import shipped
from surrogate_nas.space import Space
from surrogate_nas.space.base import Analytic
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import EnumerableChoiceSpace
from surrogate_nas.tables import ColumnKey, TableFile


@lru_cache(maxsize=32)
def untrained(space: Space) -> Analytic:
    """The metrics of a space that need no training: analytic ones, and computed proxies."""
    proxies = _proxies(space)
    if proxies is None:
        return space.analytic
    looked_up = {
        name: (metric, _Stored(space.name, name))
        for name, metric in proxies.metrics.items()
    }
    return {**space.analytic, **looked_up}


def sizes_of(space: Space, measured: Container[str] = ()) -> list[Metric]:
    """The metrics of a space that need no training, without those that are measured."""
    return [
        metric for metric, _ in untrained(space).values() if metric.name not in measured
    ]


def digest_of(space: Space, metric: str) -> str:
    """The digest of the data of an untrained metric; empty for a formula or a trained metric."""
    entry = untrained(space).get(metric)
    return (
        _file(space.name).digest
        if entry is not None and isinstance(entry[1], _Stored)
        else ""
    )


@dataclass(frozen=True)
class _Stored:
    """The column of a shipped proxy as a function of choices; read when first called."""

    space: str
    metric: str

    def __call__(self, choices: Choices, network: Network) -> NDArray[np.float64]:
        values, shape = _by_code(self.space, self.metric)
        looked_up: NDArray[np.float64] = values[_code(choices, shape)]
        return looked_up


@lru_cache(maxsize=32)
def _by_code(name: str, metric: str) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """A column by the number of a cell's choices, and the number of choices per position."""
    file = _file(name)
    space = file.cells
    # `_proxies` offers no others
    shape = tuple(map(len, cast(EnumerableChoiceSpace, space).options))
    values = np.full(math.prod(shape), np.nan)
    values[_code(space.choices, shape)] = file.column(ColumnKey(metric, None, "mean"))
    return values, shape


def _code(choices: Choices, shape: tuple[int, ...]) -> NDArray[np.intp]:
    codes: NDArray[np.intp] = np.ravel_multi_index(
        tuple(np.asarray(choices, dtype=np.intp).T), shape
    )
    return codes


def _proxies(space: Space) -> TableFile | None:
    """The proxies that come along for a space, or None."""
    if (
        not isinstance(space, EnumerableChoiceSpace)
        or not shipped(f"proxies-{space.name}.h5").is_file()
    ):
        return None
    file = _file(space.name)
    return file if file.cells.definition == space.definition else None


@lru_cache(maxsize=8)
def _file(space: str) -> TableFile:
    return TableFile(shipped(f"proxies-{space}.h5"))
