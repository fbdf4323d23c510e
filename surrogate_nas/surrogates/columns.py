"""How a cell becomes columns for a model, by a named encoding, and how columns are scaled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import LOSSES, Quantity
from surrogate_nas.space import Cell, Enumerable, Space
from surrogate_nas.surrogates.base import Floats

Matrix = NDArray[np.float32]


class Scaling(NamedTuple):
    """How columns are brought to one scale: by their range over many points.

    Attributes:
        varies: Whether a column varies, shape ``(d,)``.
        centre: Their means, shape ``(varying,)``.
        span: Their ranges.
        distance: The mean squared distance of two random points after that.
    """

    varies: NDArray[np.bool_]
    centre: Floats
    span: Floats
    distance: float

    @classmethod
    def of(cls, block: NDArray[Any]) -> Self:
        """Take the constants from points, shape ``(n, d)``."""
        span = np.ptp(block, axis=0)
        varying = block[:, span > 0].astype(np.float64, copy=False)
        raw = cls(span > 0, varying.mean(axis=0), np.ptp(varying, axis=0), 1.0)
        return raw._replace(distance=float(2 * raw.unit(block).var(axis=0).sum()) or 1.0)

    def unit(self, block: NDArray[Any]) -> Floats:
        """Points with the columns that vary, each centred and divided by its range, and the whole
        so that two random points are 1 apart (root mean square), shape ``(n, varying)``.

        Args:
            block: Shape ``(n, d)``.
        """
        ranged = (
            block[:, self.varies].astype(np.float64, copy=False) - self.centre
        ) / self.span
        return np.asarray(ranged / np.sqrt(self.distance))


def spread_of(matrix: NDArray[Any], least: float) -> NDArray[Any]:
    """The standard deviation of every column; 1 where it is less than so much."""
    spread = np.asarray(matrix.std(axis=0))
    spread[spread < least] = 1.0
    return spread


def default_encoding(quantity: Quantity) -> str:
    """What trees and networks see: dead operations cost, but they neither help nor harm the
    accuracy.
    """
    return "functional" if quantity in LOSSES else "path_and_graph"


def columns(space: Space, cells: Sequence[Cell], encoding: str) -> Matrix:
    """Encode cells, shape ``(n, d)``."""
    if is_surveyed(space):
        return surveyed(space, encoding)[[cell.index for cell in cells]]
    return _encoded(space, cells, encoding)


def is_surveyed(space: Space) -> bool:
    """Whether the survey of a space is all of it, cell by cell in its order."""
    return isinstance(space, Enumerable) and len(space.reference_sample) == len(space)


@lru_cache(maxsize=16)
def surveyed(space: Space, encoding: str) -> Matrix:
    """Encode the cells of `Space.reference_sample`, once a process; in their order."""
    return _encoded(space, space.reference_sample, encoding)


@lru_cache(maxsize=16)
def scaling(space: Space, encoding: str) -> Scaling:
    """How the columns of an encoding are brought to one scale, from the survey of the space."""
    return Scaling.of(surveyed(space, encoding))


def _encoded(space: Space, cells: Sequence[Cell], encoding: str) -> Matrix:
    known = encoding if encoding in space.encodings else "one_hot"
    return np.ascontiguousarray(space.encode(cells, known), dtype=np.float32)
