"""How a kernel is compiled, and what it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float32]


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compile a kernel when it is first called, and keep it on disk.

    Args:
        function: Loops over arrays.
    """
    made: Any = njit(fastmath=True, cache=True, nogil=True, error_model="numpy")(function)
    return cast(Callable[..., None], made)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a part of a kernel into each that calls it.

    Args:
        function: A loop over rows.
    """
    made: Any = njit(fastmath=True, nogil=True, error_model="numpy", inline="always")(function)
    return cast(Callable[..., Any], made)
