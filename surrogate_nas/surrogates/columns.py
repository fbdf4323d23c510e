"""How a cell becomes columns for a model: a named encoding, and metrics that are free beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.errors import unknown
from surrogate_nas.network import Network
from surrogate_nas.space import Cell, Enumerable

Matrix = NDArray[np.float32]


def columns(space: Enumerable, cells: Sequence[Cell], encoding: str, extra: Sequence[str] = ()) -> Matrix:
    """Encode cells, shape ``(n, d)``.

    Args:
        space: The cells' space; one that lacks the encoding is read one-hot.
        cells: Cells of it.
        encoding: A key of `Space.encodings`.
        extra: Names of analytic metrics (`Space.analytic`) to add as columns.

    Raises:
        UserError: There is no such encoding or free metric.
    """
    return whole_space(space, encoding, tuple(extra))[[cell.index for cell in cells]]


@lru_cache(maxsize=16)
def whole_space(space: Enumerable, encoding: str, extra: tuple[str, ...] = ()) -> Matrix:
    """Encode every cell of a space once a process, shape ``(len(space), d)``.

    Args:
        space: The space.
        encoding: See `columns`.
        extra: See `columns`.
    """
    parts: list[NDArray[Any]] = [_encoded(space, encoding)]
    for name in extra:
        if name not in space.analytic:
            raise unknown("free metric", name, space.analytic)
        parts.append(space.analytic[name][1](space.choices, Network())[:, None])
    return np.column_stack(parts).astype(np.float32)


def _encoded(space: Enumerable, encoding: str) -> Matrix:
    return space.encode(space, encoding if encoding in space.encodings else "one_hot")
