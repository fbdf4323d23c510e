"""The contract of spaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from surrogate_nas.contract.checks import BrokenContractError
from surrogate_nas.contract.trying import draw, no_global_randomness
from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.failure import shown
from surrogate_nas.runtime.packing import pack, unpack
from surrogate_nas.space import Cell, Enumerable, Space, choices_of

_CELLS = 40
_CENTRES = 8
"""How many cells are drawn, and around how many all neighbours are visited."""
_LARGEST_INDEX = 10**9


@dataclass
class Spaces:
    """A space under check."""

    space: Space

    @cached_property
    def cells(self) -> list[Cell]:
        """Some of its cells."""
        return draw(self.space, _CELLS)


def subjects(space: Space, *_: object) -> list[Spaces]:
    """The space as its own only subject."""
    return [Spaces(space)]


def _prints_and_parses_back(subject: Spaces) -> str:
    """A cell's string parses back to that cell."""
    for cell in subject.cells:
        again = subject.space.parse(str(cell))
        if (again, again.choices, str(again)) != (cell, cell.choices, cell.text):
            raise BrokenContractError(f"{shown(cell)} parses back to {shown(again)}")
    return f"{len(subject.cells)} cells"


def _refuses_nonsense(subject: Spaces) -> str:
    """A string that names no cell is a `UserError`, of one line."""
    cell = subject.cells[0].text
    for text in ("", "nonsense", cell[:-1], f"{cell}{cell}", f"{cell}\0", "(" * 1000):
        try:
            parsed = subject.space.parse(text)
        except UserError as error:
            if "\n" in str(error):
                raise BrokenContractError(
                    f"the message on {shown(text)} has several lines"
                ) from error
            continue
        # a part of a string can be another cell's
        if parsed.text == text and parsed != cell and parsed in subject.space:
            continue
        raise BrokenContractError(f"{shown(text)} parses to {shown(parsed)}")
    return "6 strings were refused"


def _samples_inside(subject: Spaces) -> str:
    """`sample` gives cells of the space, and the same ones from equal generators."""
    first, second = (np.random.default_rng(3) for _ in range(2))
    for _ in range(_CELLS):
        one = subject.space.sample(first)
        other = subject.space.sample(second)
        if one not in subject.space:
            raise BrokenContractError(f"it samples {shown(one)}, which it does not contain")
        if one != other:
            raise BrokenContractError(f"equal generators give {shown(one)} and {shown(other)}")
    return f"{_CELLS} cells, twice"


def _mutates_to_neighbours(subject: Spaces) -> str:
    """`mutate` gives a neighbour, and the same ones from equal generators; equal cells mutate
    alike.
    """
    first, second = (np.random.default_rng(4) for _ in range(2))
    for cell in subject.cells[:_CENTRES]:
        around = set(subject.space.neighbours(cell))
        if not around:
            continue
        for _ in range(5):
            one = subject.space.mutate(cell, first)
            other = subject.space.mutate(subject.space.parse(cell.text), second)
            if one not in around:
                raise BrokenContractError(
                    f"{shown(cell)} mutates to {shown(one)}, which is no neighbour"
                )
            if one != other:
                raise BrokenContractError(
                    f"equal generators mutate {shown(cell)} to {shown(one)} and {shown(other)}"
                )
    return f"{5 * min(_CENTRES, len(subject.cells))} mutations, twice"


def _has_mutual_neighbours(subject: Spaces) -> str:
    """Neighbours are different cells of the space, none is the cell itself, and each has the cell
    as a neighbour.
    """
    seen = 0
    for cell in subject.cells[:_CENTRES]:
        around = list(subject.space.neighbours(cell))
        if len(set(around)) < len(around) or cell in around:
            raise BrokenContractError(
                f"among the neighbours of {shown(cell)} is one twice, or itself"
            )
        for other in around:
            if other not in subject.space:
                raise BrokenContractError(f"{shown(other)} is a neighbour, but no cell")
        for other in around[:: max(len(around) // 5, 1)]:
            if cell not in set(subject.space.neighbours(other)):
                raise BrokenContractError(
                    f"{shown(other)} is a neighbour of {shown(cell)}, but not the other way"
                )
        seen += len(around)
    return f"{seen} neighbours"


def _leaves_global_randomness_alone(subject: Spaces) -> str:
    """It neither uses nor disturbs the global generators of `random` and NumPy."""
    rng = np.random.default_rng(5)
    with no_global_randomness("the generator that is given"):
        for cell in subject.cells[:_CENTRES]:
            subject.space.sample(rng)
            if subject.space.neighbours(cell):
                subject.space.mutate(cell, rng)
    return "both states are as before"


def _pickles_to_an_equal_space(subject: Spaces) -> str:
    """Pickled, it is an equal space with an equal hash, which holds the same cells."""
    (again,) = unpack(pack(subject.space))
    if again != subject.space or hash(again) != hash(subject.space):
        raise BrokenContractError(f"it comes back as {shown(again)}, which is not equal to it")
    for cell in subject.cells:
        if again.cell(cell) != cell or again.cell(cell).choices != cell.choices:
            raise BrokenContractError(f"{shown(cell)} is another cell there")
    return f"{len(subject.cells)} cells are the same"


def _contains_no_foreign_cells(subject: Spaces) -> str:
    """It contains its cells and nothing else."""
    cell = subject.cells[0]
    foreign = (
        None,
        0,
        cell.text,
        cell.choices,
        Cell((0,), "foreign"),
        Cell(cell.choices, "foreign", cell.index),
    )
    for thing in (*foreign, Cell((*cell.choices, 0), cell.text, cell.index)):
        if thing in subject.space:
            raise BrokenContractError(f"it contains {shown(thing)}")
    for cell in subject.cells:
        if cell not in subject.space:
            raise BrokenContractError(f"it does not contain {shown(cell)}")
    return f"{len(subject.cells)} cells of its own, {len(foreign) + 1} other things"


def _finds_cells_by_their_text(subject: Spaces) -> str:
    """`cell` believes a cell's text and nothing else of it."""
    for cell in subject.cells:
        own = subject.space.cell(Cell((), cell.text, _LARGEST_INDEX))
        if (own.choices, own.text, own.index) != (cell.choices, cell.text, cell.index):
            raise BrokenContractError(
                f"{shown(cell)} with a forged place is looked up as {shown(own)}"
            )
    return f"{len(subject.cells)} cells with forged choices and places"


def _lists_its_cells_in_order(subject: Spaces) -> str:
    """Where it lists its cells, length, places, iteration and choices agree; each is there once."""
    space = subject.space
    if not isinstance(space, Enumerable):
        return "it lists none"
    cells = list(space)
    if not len(space) == len(cells) == len(set(cells)) == space.size == len(space.choices):
        raise BrokenContractError(
            f"its length is {len(space)}, its size {space.size}, its cells {len(set(cells))}"
        )
    for place, cell in enumerate(cells):
        if cell.index != place or space[place] is not cell or space.index(cell) != place:
            raise BrokenContractError(
                f"cell {place}, {shown(cell)}, is at {cell.index} and {space.index(cell)}"
            )
    if not np.array_equal(space.choices, choices_of(cells)):
        raise BrokenContractError("its choices are not those of its cells")
    return f"{len(cells)} cells"


def _encodes_each_cell_by_itself(subject: Spaces) -> str:
    """Every encoding gives finite numbers, a row a cell, which do not depend on the other cells."""
    cells = subject.cells
    for name in subject.space.encodings:
        rows = subject.space.encode(cells, name)
        if rows.ndim != 2 or len(rows) != len(cells) or not np.isfinite(rows).all():
            raise BrokenContractError(
                f"{name} gives an array of shape {rows.shape}, or numbers that are not finite"
            )
        if not np.array_equal(subject.space.encode(cells[::-1], name)[::-1], rows):
            raise BrokenContractError(f"{name} depends on the other cells")
    return f"encodings: {', '.join(subject.space.encodings) or 'none'}"


def _is_most_similar_to_itself(subject: Spaces) -> str:
    """Similarity is a number from 0 to 1, the same both ways, and 1 where identities are equal."""
    space = subject.space
    for one, other in zip(subject.cells, subject.cells[::-1], strict=True):
        value = space.similarity(one, other)
        if (
            not 0 <= value <= 1
            or value != space.similarity(other, one)
            or space.similarity(one, one) != 1
        ):
            raise BrokenContractError(f"{shown(one)} and {shown(other)} are {shown(value)} alike")
        if space.identity(one) == space.identity(other) and value != 1:
            raise BrokenContractError(
                f"{shown(one)} and {shown(other)} have one identity, but are {value} alike"
            )
    return f"{len(subject.cells)} pairs"


CHECKS: tuple[Callable[[Spaces], str], ...] = (
    _prints_and_parses_back,
    _refuses_nonsense,
    _samples_inside,
    _mutates_to_neighbours,
    _has_mutual_neighbours,
    _leaves_global_randomness_alone,
    _pickles_to_an_equal_space,
    _contains_no_foreign_cells,
    _finds_cells_by_their_text,
    _lists_its_cells_in_order,
    _encodes_each_cell_by_itself,
    _is_most_similar_to_itself,
)
"""Every check; the docstring is the promise."""
