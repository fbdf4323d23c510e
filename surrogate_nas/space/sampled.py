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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import home, replacing
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.product import ChoiceSpace, EnumerableChoiceSpace

NEAREST = 12
"""How many of the nearest held cells are neighbours for certain."""
MOST_CELLS = 1_000_000
"""The most cells that a sample may have."""
_QUICK = 500
"""With so many cells, neighbours are found anew in every process; with more they are remembered in
the home folder.
"""
_BLOCK = 256
"""Rows of distances that are in memory at a time."""


class _Graph(NamedTuple):
    """Which cells are neighbours.

    Attributes:
        ends: For every cell where its neighbours end in `near`; those of the next cell begin there.
        near: The places of all neighbours, cell by cell.
    """

    ends: NDArray[np.intp]
    near: NDArray[np.int32]

    def around(self, place: int) -> NDArray[np.int32]:
        """The places of a cell's neighbours."""
        return self.near[self.ends[place - 1] if place else 0 : self.ends[place]]


def _of_base(name: str) -> Any:
    """An attribute or a method of the larger space."""

    def of_base(self: Sampled) -> Any:
        return getattr(self.base, name)

    return property(of_base, doc=f"`{name}` of the larger space.")


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

    Attributes:
        base: The larger space.
    """

    def __init__(self, base: ChoiceSpace, choices: Choices) -> None:
        """Choose the cells.

        Args:
            base: The larger space.
            choices: One option index a position, shape ``(n, positions)``.

        Raises:
            UserError: A row is no cell of the larger space, or is there twice.
        """
        self.base = base
        self._choices = np.array(choices, dtype=np.int8, order="C")
        self._choices.flags.writeable = False
        widths = [len(options) for options in base.options]
        if (
            self._choices.ndim != 2
            or self._choices.shape[1] != len(widths)
            or not len(self._choices)
        ):
            raise UserError(
                f"Cells of the space {base.name} have {len(widths)} positions; at least one is"
                " needed."
            )
        if len(self._choices) > MOST_CELLS:
            raise UserError(
                f"{len(self._choices):,} cells of the space {base.name} are held;"
                f" {MOST_CELLS:,} are the most."
            )
        inside = bool(((self._choices >= 0) & (self._choices < widths)).all())
        if not inside or not base.allows_all(self._choices):
            raise UserError(f"A cell that should be held is none of the space {base.name}.")
        if len(set(self._choices.view(f"V{len(widths)}").ravel().tolist())) < len(self._choices):
            raise UserError(f"A cell of the space {base.name} is held twice.")
        self.name = f"{base.name}-{len(self._choices)}"
        self.positions = base.positions
        self.options = base.options
        super().__init__()

    @cached_property
    def _rows(self) -> list[tuple[int, ...]]:
        return list(map(tuple, self._choices.tolist()))

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

    def __len__(self) -> int:
        return len(self._choices)

    @property
    def size(self) -> float:  # type: ignore[override]
        """How many cells are held."""
        return len(self._choices)

    @property
    def choices(self) -> Choices:
        """The choices of the held cells in their order, shape ``(len(space), positions)``."""
        return self._choices

    def allows(self, choices: tuple[int, ...]) -> bool:
        """Whether a combination is a held cell."""
        return choices in self._by_choices

    def _listed(self) -> list[Cell]:
        return [Cell(row, self.base.write(row), place) for place, row in enumerate(self._rows)]

    def parse(self, text: str) -> Cell:
        """Read a string as the larger space prints it.

        Raises:
            UserError: It names no cell of the larger space, or one that is not held; the message
                says which.
        """
        return self._own(self.base.parse(text))

    def cell(self, given: Cell | str | Sequence[int]) -> Cell:
        """This space's own cell for a cell, its string, or one option index per position.

        Raises:
            UserError: It names no cell of the larger space, or one that is not held; the message
                says which.
        """
        if type(given) is Cell and isinstance(given.text, str):
            return self._by_text.get(given.text) or self.parse(given.text)
        return super().cell(given)

    def at(self, choices: Sequence[int]) -> Cell:
        """The held cell of some choices.

        Raises:
            UserError: They are no cell of the larger space, or of one that is not held; the message
                says which.
        """
        return self._own(self.base.at(choices))

    def _own(self, cell: Cell) -> Cell:
        known = self._by_choices.get(cell.choices)
        if known is None:
            raise UserError(
                f"{cell} is a cell of the space {self.base.name}, but not held: {len(self):,} of"
                f" its {self.base.size:.3g} cells are, and only those can be asked for here."
            )
        return known

    @cached_property
    def _graph(self) -> _Graph:
        """The places of the neighbours of every cell, in their order."""
        n = len(self._choices)
        if n <= _QUICK:
            return self._related()
        path = (
            home()
            / "neighbours"
            / f"{hashlib.sha256(self.definition.encode()).hexdigest()[:32]}.npy"
        )
        graph = _remembered(path, n)
        if graph is None:
            graph = self._related()
            with suppress(UserError), replacing(path) as temporary, temporary.open("wb") as file:
                np.save(
                    file,
                    _sealed(
                        np.concatenate([np.diff(graph.ends, prepend=0), graph.near]).astype(
                            np.int32
                        )
                    ),
                )
        return graph

    def _related(self) -> _Graph:
        n = len(self._choices)
        k = min(NEAREST, len(self._choices) - 1)
        if not k:
            return _Graph(np.zeros(1, dtype=np.intp), np.empty(0, dtype=np.int32))
        near = [
            self._nearest(np.arange(start, min(start + _BLOCK, n)), k)
            for start in range(0, n, _BLOCK)
        ]
        ends = np.concatenate(near).ravel()
        starts = np.repeat(np.arange(n), k)
        pairs = np.sort(np.concatenate([starts * n + ends, ends * n + starts]))
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        return _Graph(
            np.searchsorted(pairs // n, np.arange(1, n + 1)), (pairs % n).astype(np.int32)
        )

    def _nearest(self, places: NDArray[np.intp], k: int) -> NDArray[np.intp]:
        """The places of the k cells nearest to each of some, shape ``(len(places), k)``."""
        n, (equal, steps) = len(self._choices), self._columns
        most = sum(map(len, self.options))  # more than the steps that two cells can be apart
        weight = 0 if self.base.apart else most
        products = (
            np.hstack([weight * equal[places], 2 * steps[places]]) @ np.hstack([equal, steps]).T
        )
        apart = (
            weight * len(self.positions)
            + steps[places].sum(axis=1)[:, None]
            + steps.sum(axis=1)
            - products
        )
        if self.base.apart:
            seen = self._seen
            apart += most * np.stack([np.abs(seen - seen[place]).sum(axis=1) for place in places])
        apart[np.arange(len(places)), places] = np.inf
        furthest = np.partition(apart, k - 1, axis=1)[:, [k - 1]]
        rows, others = np.nonzero(apart <= furthest)
        order = np.lexsort([(others - places[rows]) % n, apart[rows, others], rows])
        starts = np.searchsorted(rows, np.arange(len(places)))
        nearest: NDArray[np.intp] = others[order[starts[:, None] + np.arange(k)]]
        return nearest

    @cached_property
    def _columns(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Matrices whose products count equal options, and steps that both cells have taken."""
        chosen = [
            (self._choices[:, [p]], np.arange(len(options)))
            for p, options in enumerate(self.options)
        ]
        equal = np.concatenate([values == numbers for values, numbers in chosen], axis=1)
        steps = np.concatenate([values >= numbers[1:] for values, numbers in chosen], axis=1)
        return equal.astype(np.float32), steps.astype(np.float32)

    @cached_property
    def _seen(self) -> NDArray[np.float32]:
        """The held cells in the encoding that their distance is taken in."""
        return self.base.encodings[self.base.apart](self._choices)

    def _near(self, place: int) -> list[Cell]:
        return [self._cells[other] for other in self._graph.around(place).tolist()]

    # As in the larger space.
    encodings = _of_base("encodings")
    views = _of_base("views")
    analytic = _of_base("analytic")
    is_buildable = _of_base("is_buildable")
    has_blueprints = _of_base("has_blueprints")
    write = _of_base("write")
    identity = _of_base("identity")
    similarity = _of_base("similarity")
    cost_groups = _of_base("cost_groups")
    graph = _of_base("graph")
    blueprint = _of_base("blueprint")
    build = _of_base("build")
    sketch = _of_base("sketch")


def _sealed(content: NDArray[np.int32]) -> NDArray[np.int32]:
    """Whole numbers, and a sha256 over them behind."""
    return np.concatenate(
        [content, np.frombuffer(hashlib.sha256(content.tobytes()).digest(), dtype=np.int32)]
    )


def _remembered(path: Path, n: int) -> _Graph | None:
    """The neighbours of all cells from an earlier process; None if absent or damaged."""
    try:
        sealed = np.load(path)
        content = sealed[: -hashlib.sha256().digest_size // sealed.itemsize]
        if sealed.dtype != np.int32 or not np.array_equal(sealed, _sealed(content)):
            return None
        return _Graph(np.cumsum(content[:n], dtype=np.intp), content[n:])
    except (OSError, ValueError, EOFError):
        return None


def subset_of(base: ChoiceSpace, encoded: str) -> Sampled:
    """The sampled space that a definition lists.

    Raises:
        ValueError: It lists no whole cells; also UserError, from `Sampled`.
    """
    content = np.frombuffer(base64.b64decode(encoded, validate=True), dtype=np.int8)
    return Sampled(base, content.reshape(-1, len(base.positions)))
