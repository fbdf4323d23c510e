"""Cells as sums of shared terms: the form in which a space of graphs offers them to a graph network.

A term is the input, or a convolution of a sum of terms, pooled zero or more times; a space has few of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float32]
"""Whole numbers, of any shape."""


class Level(NamedTuple):
    """The terms that hold one more convolution in a row than those before them, in the order of computing.

    Attributes:
        sums: What each convolution reads, over the terms before: uses, then different ones, shape ``(n, 2 before)``.
        ones: How many of these convolutions are 1×1; they come first, the 3×3 ones follow.
        pooled: For one, two … poolings: the positions of the terms to pool once more.
    """

    sums: Counts
    ones: int
    pooled: tuple[list[int], ...]


class Terms(NamedTuple):
    """All terms of the space, and the functional classes as counts of them.

    Attributes:
        poolings: How many terms are the input, pooled 0, 1, … times; they come first.
        levels: The other terms.
        classes: For each functional class, over all terms: uses in the output's sum, different ones in it, and
            different live convolutions in the whole cell, shape ``(classes, 3 terms)``.
    """

    poolings: int
    levels: tuple[Level, ...]
    classes: Counts
