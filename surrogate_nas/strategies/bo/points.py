"""How the processes of `bo` see a space: points, which cells of one function share, and where each
cell lies.

A space says by `Space.views` which of its encodings tell what a cell computes; each is an expert's.
Where classes of equal functions are known a point is a class, with the mean of its members'
columns; elsewhere it is a cell. Columns are standardised, over the points of a space that is listed
and else over its reference sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space import Cell, Enumerable, Space, choices_of, listed
from surrogate_nas.space.cell import Choices
from surrogate_nas.strategies.bo.expert import Places
from surrogate_nas.surrogates.gaussian import Floats

View: TypeAlias = NDArray[np.float32]
"""Where points are, as an expert sees them, shape ``(m, d)``."""

_COSTS = "one_hot"
_WEIGHT_OF_COSTS = 0.25
"""Of what is built, in the squared distance, where R has to be learned too."""


class Points(NamedTuple):
    """Points, as each expert sees them.

    Attributes:
        views: A matrix each, shape ``(m, d)``, two random points about 1 apart.
        of_cell: The point of every cell, shape ``(n,)``.
    """

    views: tuple[View, ...]
    of_cell: Places


class _Standard(NamedTuple):
    centre: Floats
    spread: Floats

    @classmethod
    def of(cls, columns: Floats, share: float) -> Self:
        """From many points; `share` is the mean squared distance of two of them afterwards."""
        deviation = columns.std(axis=0)
        varying = deviation > 0
        spread = np.where(varying, deviation, 1.0) * np.sqrt(2 * max(int(varying.sum()), 1) / share)
        return cls(columns.mean(axis=0), spread)

    def __call__(self, columns: Floats) -> Floats:
        return np.asarray((columns - self.centre) / self.spread)


def _views(space: Space) -> tuple[str, ...]:
    """Two at least, since every second expert is of another sharpness."""
    return space.views * 2 if len(space.views) == 1 else space.views


def _blocks(space: Space, view: str, with_costs: bool) -> list[tuple[str, float]]:
    names = view.split("+")
    if not with_costs or _COSTS in names or _COSTS not in space.encodings:
        return [(name, 1 / len(names)) for name in names]
    return [
        *((name, (1 - _WEIGHT_OF_COSTS) / len(names)) for name in names),
        (_COSTS, _WEIGHT_OF_COSTS),
    ]


def _encoded(space: Space, name: str, choices: Choices) -> Floats:
    return np.asarray(space.encodings[name](choices), dtype=np.float64)


def _joined(blocks: Sequence[tuple[_Standard, Floats]]) -> View:
    ends = np.cumsum([columns.shape[1] for _, columns in blocks]).tolist()
    joined = np.empty((len(blocks[0][1]), ends[-1]), dtype=np.float32)
    for (standard, columns), end in zip(blocks, ends, strict=True):
        joined[:, end - columns.shape[1] : end] = standard(columns)
    return joined


@lru_cache(maxsize=4)
def whole(space: Enumerable, with_costs: bool) -> Points:
    """The points of all cells of a space."""
    classes = None if with_costs else space.classes
    of_cell: NDArray[np.intp] = (np.arange(len(space)) if classes is None else classes).astype(
        np.intp
    )
    wanted = _views(space)
    views = {view: _blocks(space, view, with_costs) for view in wanted}
    names = {name: None for blocks in views.values() for name, _ in blocks}
    means = {name: _averaged(_encoded(space, name, space.choices), of_cell) for name in names}
    points = {
        view: _joined([(_Standard.of(means[name], share), means[name]) for name, share in blocks])
        for view, blocks in views.items()
    }
    return Points(tuple(points[view] for view in wanted), of_cell)


def _averaged(cells: Floats, of_cell: Places) -> Floats:
    counts = np.bincount(of_cell)
    if len(counts) == len(cells):
        return cells
    sums = np.add.reduceat(cells[np.argsort(of_cell, kind="stable")], np.cumsum(counts) - counts)
    return np.asarray(sums / counts[:, None])


LARGEST_LISTED = 32_768
"""The most cells of a space of which all are points."""


def prepare(space: Space) -> None:
    """Work out what points follow from, where nothing of R has to be learned."""
    if is_listed(space):
        whole(listed(space), False)
    else:
        some(space, [space.reference], False)


def is_listed(space: Space) -> bool:
    """Whether all cells of a space are points, and not only some."""
    return isinstance(space, Enumerable) and space.size <= LARGEST_LISTED


@lru_cache(maxsize=16)
def _surveyed(space: Space, name: str, share: float) -> _Standard:
    return _Standard.of(_encoded(space, name, space.reference_choices), share)


def some(space: Space, cells: Sequence[Cell], with_costs: bool) -> Points:
    """The points of some cells, one each.

    Args:
        space: Their space.
        cells: Different cells.
        with_costs: As for `whole`.
    """
    choices = choices_of(cells)
    wanted = _views(space)
    points = {
        view: _joined(
            [
                (_surveyed(space, name, share), _encoded(space, name, choices))
                for name, share in _blocks(space, view, with_costs)
            ]
        )
        for view in dict.fromkeys(wanted)
    }
    return Points(tuple(points[view] for view in wanted), np.arange(len(cells)))
