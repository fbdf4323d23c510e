"""How a model sees cells of the macro space: how wide and how small the signal is on its way through the modules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.cell import Choices

_MOST_DOUBLINGS, _MOST_HALVINGS = 3, 4


def progress(choices: Choices) -> NDArray[np.float32]:
    """Modules, doublings and halvings, those up to every module, and the modules at each width and resolution.

    Up to a module that is not there it is none; 24 columns.

    Args:
        choices: The digit of every module, shape ``(n, 6)``.
    """
    there = choices > 0
    doubled, halved = np.isin(choices, (2, 4)), np.isin(choices, (3, 4))
    wide, small = (np.where(there, np.cumsum(each, axis=1), 0) for each in (doubled, halved))
    at_width = [(there & (wide == k)).sum(axis=1) for k in range(_MOST_DOUBLINGS + 1)]
    at_side = [(there & (small == k)).sum(axis=1) for k in range(_MOST_HALVINGS + 1)]
    counts = [each.sum(axis=1) for each in (there, doubled, halved)]
    return np.column_stack([*counts, wide, small, *at_width, *at_side]).astype(np.float32)
