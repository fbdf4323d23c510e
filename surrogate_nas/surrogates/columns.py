"""How a cell becomes columns for a model: a named encoding, and metrics that are free beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.errors import unknown
from surrogate_nas.metrics import ANALYTIC, Network
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.encodings import encode

Matrix = NDArray[np.float32]


def columns(space: Space, cells: Sequence[Cell], encoding: str, extra: Sequence[str] = ()) -> Matrix:
    """Encode cells, shape ``(n, d)``.

    Args:
        space: The cells' space; where it is not NAS-Bench-201's, every encoding is one-hot.
        cells: Cells of it.
        encoding: A key of `surrogate_nas.space.encodings.ENCODINGS`.
        extra: Names of analytic metrics (`surrogate_nas.metrics.ANALYTIC`) to add as columns.

    Raises:
        UserError: There is no such encoding or free metric.
    """
    return whole_space(space, encoding, tuple(extra))[[cell.index for cell in cells]]


@lru_cache(maxsize=16)
def whole_space(space: Space, encoding: str, extra: tuple[str, ...] = ()) -> Matrix:
    """Encode every cell of a space once a process, shape ``(len(space), d)``.

    Args:
        space: The space.
        encoding: See `columns`.
        extra: See `columns`.
    """
    parts: list[NDArray[Any]] = [_encoded(space, encoding)]
    for name in extra:
        if name not in ANALYTIC:
            raise unknown("free metric", name, ANALYTIC)
        parts.append(ANALYTIC[name][1](space.choices, Network())[:, None])
    return np.column_stack(parts).astype(np.float32)


def _encoded(space: Space, encoding: str) -> Matrix:
    if space.name == "nb201":
        return encode(space.choices, encoding)
    each = [space.choices[:, [p]] == np.arange(len(options)) for p, options in enumerate(space.options)]
    return np.column_stack(each).astype(np.float32)
