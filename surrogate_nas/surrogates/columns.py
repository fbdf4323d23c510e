"""How a cell becomes columns for a model: a named encoding, and metrics that are free beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import unknown
from surrogate_nas.space import Cell, Enumerable, Space, choices_of
from surrogate_nas.space.network import Network
from surrogate_nas.surrogates.gaussian import Floats, Scaling

Matrix = NDArray[np.float32]


def columns(
    space: Space,
    cells: Sequence[Cell],
    encoding: str,
    extra: Sequence[str] = (),
) -> Matrix:
    """Encode cells, shape ``(n, d)``.

    Args:
        space: The cells' space; one that lacks the encoding is read one-hot.
        cells: Cells of it.
        encoding: A key of `Space.encodings`.
        extra: Names of analytic metrics (`Space.analytic`) to add as columns.

    Raises:
        UserError: There is no such encoding or free metric.
    """
    if is_surveyed(space):
        return surveyed(space, encoding, tuple(extra))[[cell.index for cell in cells]]
    return _encoded(space, cells, encoding, extra)


def is_surveyed(space: Space) -> bool:
    """Whether the survey of a space is all of it, cell by cell in its order."""
    return isinstance(space, Enumerable) and len(space.reference_sample) == len(space)


@lru_cache(maxsize=16)
def surveyed(space: Space, encoding: str, extra: tuple[str, ...]) -> Matrix:
    """Encode the cells of `Space.reference_sample`, once a process; in their order.

    Args:
        encoding: See `columns`.
        extra: See `columns`.
    """
    return _encoded(space, space.reference_sample, encoding, extra)


@lru_cache(maxsize=16)
def scaling(space: Space, encoding: str) -> Scaling:
    """How the columns of an encoding are brought to one scale, from the survey of the space.

    Args:
        encoding: See `columns`.
    """
    return Scaling.of(surveyed(space, encoding, ()))


def positions(space: Space, cells: Sequence[Cell], encoding: str) -> Floats:
    """Where cells lie by an encoding, two random ones about 1 apart, shape ``(n, d)``.

    Args:
        encoding: See `columns`.
    """
    return scaling(space, encoding).unit(columns(space, cells, encoding))


def _encoded(
    space: Space,
    cells: Sequence[Cell],
    encoding: str,
    extra: Sequence[str],
) -> Matrix:
    if encoding not in space.encodings:
        encoding = "one_hot"
    blocks: list[NDArray[Any]] = [space.encode(cells, encoding)]
    for name in extra:
        if name not in space.analytic:
            raise unknown("free metric", name, space.analytic)
        blocks.append(space.analytic[name][1](choices_of(cells), Network())[:, None])
    return np.column_stack(blocks).astype(np.float32)
