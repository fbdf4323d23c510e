"""What every benchmark of a space knows of a cell before any training: its sizes, and the proxies
that come along.

``data/proxies-SPACE.h5`` holds zero-cost proxies of all cells of a space (``make proxies``). They
belong to the space, not to a benchmark, so they are in no benchmark's fingerprint; an objective
that names one has its digest in its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.files import shipped
from surrogate_nas.space import Space
from surrogate_nas.space.base import Analytic
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import EnumerableChoiceSpace
from surrogate_nas.tables import ColumnKey, TableFile


@lru_cache(maxsize=32)
def untrained(space: Space) -> Analytic:
    """The metrics of a space that need no training: analytic ones, and the proxies that were
    computed here.
    """
    found = _proxies(space)
    if found is None:
        return space.analytic
    looked_up = {
        name: (metric, _Looked(space.name, name)) for name, metric in found.metrics.items()
    }
    return {**space.analytic, **looked_up}


def digest_of(space: Space, metric: str) -> str:
    """What identifies the data behind a metric that needs no training; empty where it is a formula
    or is trained.
    """
    found = untrained(space).get(metric)
    return _file(space.name).digest if found is not None and isinstance(found[1], _Looked) else ""


@dataclass(frozen=True)
class _Looked:
    """The column of a shipped proxy as a function of choices; read when first called."""

    space: str
    metric: str

    def __call__(self, choices: Choices, network: Network) -> NDArray[np.float64]:  # noqa: ARG002 - its own network's
        values, shape = _by_code(self.space, self.metric)
        found: NDArray[np.float64] = values[_code(choices, shape)]
        return found


@lru_cache(maxsize=32)
def _by_code(name: str, metric: str) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """A column by the number that a cell's choices make, and how many choices there are at each
    position.
    """
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
    found = _file(space.name)
    return found if found.cells.definition == space.definition else None


@lru_cache(maxsize=8)
def _file(space: str) -> TableFile:
    return TableFile(shipped(f"proxies-{space}.h5"))
