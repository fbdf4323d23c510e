"""Segmentation of a grid: which cells live after one step of Conway's Game of Life (Gardner, 1970)?

Random grids of 8×8 cells with periodic edges are sampled. Two fifths of the cells are alive.
"""

import numpy as np

from surrogate_nas.training.tasks import Array, Schedule, Splits, Task, cut, split_rng

SIDE = 8
_ALIVE = 0.4
_SIZES = (800, 500, 1500)


def step(grids: Array) -> Array:
    """Return the cells ``(n, rows, columns)`` that are alive after one step. A cell is alive if it
    has three living neighbours, or if it was alive and has two.
    """
    moves = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
    neighbours = sum(np.roll(grids, move, (1, 2)) for move in moves)
    return np.asarray((neighbours == 3) | ((neighbours == 2) & (grids == 1)), np.int64)


def load() -> Splits:
    """Sample random grids and compute one step: 800 grids for training, 500 for validation, 1,500
    for testing.
    """
    noise = split_rng().random((sum(_SIZES), SIDE, SIDE))
    grids = (noise < _ALIVE).astype(np.int64)
    return cut(grids[:, None], step(grids), _SIZES)


TASK = Task(
    name="life",
    title="which cells live after a step of Conway's Game of Life? 8×8",
    load=load,
    classes=2,
    kind="segmentation",
    residual=False,
    strided=False,
    schedule=Schedule(epochs=5, batch=32),
    source="drawn here",
)
