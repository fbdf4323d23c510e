"""How a model sees the options of a product space: a column for every option, or one for a number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.cell import Choices

_LEAST_STEPS = 3


def one_hot(choices: Choices, options: Sequence[Sequence[str]]) -> NDArray[np.float32]:
    """Every option of every position, a column each.

    Args:
        choices: Shape ``(n, positions)``.
        options: Of each position.
    """
    each = [choices[:, [p]] == np.arange(len(names)) for p, names in enumerate(options)]
    return np.column_stack(each).astype(np.float32)


def numbers(choices: Choices, options: Sequence[Sequence[str]]) -> NDArray[np.float32]:
    """A column for every position whose options are a scale, which counts its steps; the others as in `one_hot`.

    Args:
        choices: Shape ``(n, positions)``.
        options: Of each position.
    """
    each = [
        choices[:, [p]] if is_scale(names) else choices[:, [p]] == np.arange(len(names))
        for p, names in enumerate(options)
    ]
    return np.column_stack(each).astype(np.float32)


def is_scale(names: Sequence[str]) -> bool:
    """Whether options are at least three numbers that rise or fall.

    Args:
        names: Of a position.
    """
    try:
        values = [float(name) for name in names]
    except ValueError:
        return False
    steps = {low < high for low, high in pairwise(values)}
    return len(values) >= _LEAST_STEPS and len(steps) == 1
