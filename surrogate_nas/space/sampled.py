"""Sampled spaces: the cells of a larger space that a table has values for.

Some benchmarks trained a few thousand architectures of a space of 10^10 and more, and their tables
have no values for the others. These cells are the authors' data, so they are stored in the table's
file and never in code: a definition names the larger space and lists the option of every position
of every cell, one byte each, in base 64.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import home, replacing
from surrogate_nas.space.base import stacked
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.product import ChoiceSpace, EnumerableChoiceSpace, keys_of

NEAREST = 12
"""How many of the nearest held cells are neighbours for certain."""
MOST_CELLS = 1_000_000
# With so many cells, neighbours are found anew in every process; with more they are remembered in
# the home folder.
_QUICK = 500
_BLOCK = 256
_AS_IN_BASE = (
    "encodings",
    "views",
    "analytic",
    "is_buildable",
    "has_blueprints",
    "write",
    "identity",
    "similarity",
    "cost_groups",
    "graph",
    "blueprint",
    "build",
    "sketch",
)


class Sampled(EnumerableChoiceSpace):
    """The held cells of a larger space, in the order in which the table holds them.

    Sampling is uniform over the held cells. Two of them are neighbours if either is among the
    `NEAREST` nearest of the other, so every cell has at least as many and can be reached. Distance
    is the number of positions that differ, or the sum of differences in an encoding that the larger
    space names (`ChoiceSpace.apart`); of equally distant cells those come first whose options are
    fewer steps apart in all, then those that come next in the order of the space, counted on from
    the cell. Everything else is as in the larger space.

    Example:
        >>> mlp = ChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        >>> held = Sampled(mlp, np.array([[0, 2], [1, 0]], dtype=np.int8))
        >>> held.name, len(held), str(held[1])
        ('mlp-2', 2, 'mlp(width=64, depth=1)')
    """

    def __init__(self, base: ChoiceSpace, choices: Choices) -> None:
        """Choose the cells.

        Args:
            choices: One option index a position, shape ``(n, positions)``.

        Raises:
            UserError: A row is no cell of the larger space, or is there twice.
        """
        self.base = base
        self._choices = array = np.array(choices, dtype=np.int8, order="C")
        array.flags.writeable = False
        widths = [len(options) for options in base.options]
        n = len(array)
        if array.shape != (n, len(widths)) or not n:
            raise UserError(
                f"Cells of the space {base.name} have {len(widths)} positions; at least one is"
                " needed."
            )
        if n > MOST_CELLS:
            raise UserError(
                f"{n:,} cells of the space {base.name} are held; {MOST_CELLS:,} are the most."
            )
        if not ((array >= 0) & (array < widths)).all() or not base.allows_all(array):
            raise UserError(f"A cell that should be held is none of the space {base.name}.")
        if len(set(keys_of(array))) < n:
            raise UserError(f"A cell of the space {base.name} is held twice.")
        self.name = f"{base.name}-{n}"
        self.positions = base.positions
        self.options = base.options
        super().__init__()

    @cached_property
    def definition(self) -> str:
        """The larger space and the held cells, so that a file can hold both without code."""
        encoded = base64.b64encode(self._choices.tobytes()).decode()
        return json.dumps({"of": self.base.definition, "held": encoded})

    @property
    def notice(self) -> str:
        """What every report of a search among the held cells must say."""
        return (
            f"A sampled space: a search here chooses among the {len(self):,} architectures that are"
            f" held, of about {self.base.size:.2g} in the space {self.base.name}."
        )

    def _matrix(self) -> Choices:
        return self._choices

    def allows(self, choices: tuple[int, ...]) -> bool:
        """Whether a combination is a held cell."""
        return self._cells.find(choices) is not None

    def parse(self, text: str) -> Cell:
        """Read a string as the larger space prints it.

        Raises:
            UserError: It names no cell of the larger space, or one that is not held; the message
                says which.
        """
        return self._own(self.base.parse(text))

    def at(self, choices: Sequence[int]) -> Cell:
        """The held cell of some choices.

        Raises:
            UserError: They are no cell of the larger space, or of one that is not held; the message
                says which.
        """
        return self._own(self.base.at(choices))

    def _own(self, cell: Cell) -> Cell:
        known = self._cells.find(cell.choices)
        if known is None:
            raise UserError(
                f"{cell} is a cell of the space {self.base.name}, but not held: {len(self):,} of"
                f" its {self.base.size:.3g} cells are, and only those can be asked for here."
            )
        return known

    @cached_property
    def _graph(self) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """Where the neighbours of each cell begin, and the places of all neighbours."""
        n = len(self)
        content = self._related() if n <= _QUICK else self._remembered()
        return np.cumsum([0, *content[:n]]), content[n:]

    def _remembered(self) -> NDArray[np.int32]:
        digest = hashlib.sha256(self.definition.encode()).hexdigest()
        path = home() / "neighbours" / f"{digest[:32]}.npy"
        content = _unsealed(path)
        if content is None:
            content = self._related()
            with suppress(UserError), replacing(path) as part, part.open("wb") as file:
                np.save(file, _sealed(content))
        return content

    def _related(self) -> NDArray[np.int32]:
        """How many neighbours each cell has, and behind that the places of all neighbours."""
        n = len(self)
        k = min(NEAREST, n - 1)
        if not k:
            return np.zeros(1, dtype=np.int32)
        counts = list(map(len, self.options))
        chosen = [(self._choices[:, [p]], np.arange(m)) for p, m in enumerate(counts)]
        equal = stacked(*(values == numbers for values, numbers in chosen))
        steps = stacked(*(values >= numbers[1:] for values, numbers in chosen))
        apart = self.base.apart
        seen = self.base.encodings[apart](self._choices) if apart else equal
        near = []
        for start in range(0, n, _BLOCK):
            block = slice(start, start + _BLOCK)
            distances = steps[block].sum(axis=1)[:, None] + steps.sum(axis=1)
            distances -= 2 * (steps[block] @ steps.T)
            if apart:
                far = np.stack([np.abs(seen - row).sum(axis=1) for row in seen[block]])
            else:
                far = len(counts) - equal[block] @ equal.T
            distances += (
                sum(counts) * far
            )  # more than the steps that two cells can be apart
            near.append(_nearest(distances, start, k))
        sources, targets = np.repeat(np.arange(n), k), np.concatenate(near).ravel()
        pairs = np.unique(np.concatenate([sources * n + targets, targets * n + sources]))
        counted = np.bincount(pairs // n, minlength=n)
        return np.concatenate([counted, pairs % n]).astype(np.int32)

    def _near(self, index: int) -> list[Cell]:
        starts, near = self._graph
        indices = near[starts[index] : starts[index + 1]].tolist()
        return [self._cells[neighbour] for neighbour in indices]


def _as_in_base(name: str) -> property:
    def answered(self: Sampled) -> Any:
        return getattr(self.base, name)

    answered.__doc__ = f"The `{name}` of the base."
    return property(answered)


for _name in _AS_IN_BASE:
    setattr(Sampled, _name, _as_in_base(_name))


def _nearest(distances: NDArray[np.float32], start: int, k: int) -> NDArray[np.intp]:
    n_some, n = distances.shape
    indices = np.arange(start, start + n_some)
    distances[np.arange(n_some), indices] = np.inf
    furthest = np.partition(distances, k - 1, axis=1)[:, [k - 1]]
    rows, neighbours = np.nonzero(distances <= furthest)
    order = np.lexsort(
        [(neighbours - indices[rows]) % n, distances[rows, neighbours], rows]
    )
    starts = np.searchsorted(rows, np.arange(n_some))
    nearest: NDArray[np.intp] = neighbours[order[starts[:, None] + np.arange(k)]]
    return nearest


def _sealed(content: NDArray[np.int32]) -> NDArray[np.int32]:
    seal = hashlib.sha256(content.tobytes()).digest()
    return np.concatenate([content, np.frombuffer(seal, dtype=np.int32)])


def _unsealed(path: Path) -> NDArray[np.int32] | None:
    """The content of a sealed file of whole numbers; None if it is absent or damaged."""
    try:
        sealed = np.load(path)
        content = sealed[: -hashlib.sha256().digest_size // sealed.itemsize]
        intact = sealed.dtype == np.int32 and np.array_equal(sealed, _sealed(content))
        return content if intact else None
    except (OSError, ValueError, EOFError):
        return None


def subset_of(base: ChoiceSpace, encoded: str) -> Sampled:
    """The sampled space that a definition lists.

    Raises:
        ValueError: It lists no whole cells; also UserError, from `Sampled`.
    """
    content = np.frombuffer(base64.b64decode(encoded, validate=True), dtype=np.int8)
    return Sampled(base, content.reshape(-1, len(base.positions)))
