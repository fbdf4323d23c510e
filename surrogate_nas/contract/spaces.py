"""The contract that every search space must fulfil, as a class of checks."""

import pickle
from collections.abc import Sequence

import numpy as np

from surrogate_nas.contract.checks import Contract, draw, no_global_randomness
from surrogate_nas.core import UserError, shown
from surrogate_nas.runtime.user_code import pack
from surrogate_nas.space import Cell, Enumerable, Space, choices_of

_CELLS = 40
_CENTRES = 8
_LARGEST_INDEX = 10**9


class SpaceContract(Contract):
    """The checks that every search space must pass.

    Attributes:
        space: The space under check.

    Example:
        >>> import surrogate_nas as sn
        >>> class TestMine(sn.SpaceContract):  # pytest runs the checks
        ...     space = sn.ChoiceSpace("mlp", {"width": (16, 64)})
        >>> len(dict(TestMine().checks())) > 5
        True
    """

    def spaces(self) -> Sequence[Space]:
        """Return a list with the space under check."""
        assert self.space is not None
        return [self.space]

    def test_prints_and_parses_back(self, space: Space) -> None:
        """A cell's string parses back to that cell."""
        for cell in draw(space, _CELLS):
            again = space.parse(str(cell))
            assert (again, again.choices, str(again)) == (
                cell,
                cell.choices,
                cell.text,
            ), f"{shown(cell)} parses back to {shown(again)}"

    def test_refuses_nonsense(self, space: Space) -> None:
        """A string that names no cell raises a one-line `UserError`."""
        cell = draw(space, _CELLS)[0].text
        for text in (
            "",
            "nonsense",
            cell[:-1],
            f"{cell}{cell}",
            f"{cell}\0",
            "(" * 1000,
        ):
            try:
                parsed = space.parse(text)
            except UserError as error:
                assert "\n" not in str(error), (
                    f"the message for {shown(text)} has several lines"
                )
                continue
            # a part of a string can be another cell's
            assert parsed.text == text and parsed != cell and parsed in space, (
                f"{shown(text)} parses to {shown(parsed)}"
            )

    def test_samples_and_mutates(self, space: Space) -> None:
        """`sample` returns cells of the space and `mutate` returns neighbours. `sample` and
        `mutate` depend only on the generator: equal generators give equal cells. Global generators
        of `random` and NumPy are not used.
        """
        first, second = (np.random.default_rng(3) for _ in range(2))
        with no_global_randomness("the given generator"):
            for _ in range(_CELLS):
                cell, again = space.sample(first), space.sample(second)
                assert cell in space, (
                    f"it samples {shown(cell)}, which is not a cell of it"
                )
                assert cell == again, (
                    f"equal generators give {shown(cell)} and {shown(again)}"
                )
            for cell in draw(space, _CENTRES):
                neighbours = set(space.neighbours(cell))
                for _ in range(5 if neighbours else 0):
                    mutant = space.mutate(cell, first)
                    again = space.mutate(space.parse(cell.text), second)
                    assert mutant in neighbours, (
                        f"{shown(cell)} mutates to {shown(mutant)}, which is not a neighbour"
                    )
                    assert mutant == again, (
                        f"equal generators mutate {shown(cell)} to {shown(mutant)} and"
                        f" {shown(again)}"
                    )

    def test_has_mutual_neighbours(self, space: Space) -> None:
        """Neighbours are distinct cells of the space, differ from the cell itself, and have the
        cell as a neighbour.
        """
        for cell in draw(space, _CELLS)[:_CENTRES]:
            neighbours = list(space.neighbours(cell))
            assert len({*neighbours, cell}) == len(neighbours) + 1, (
                f"the neighbours of {shown(cell)} contain a duplicate or the cell itself"
            )
            for neighbour in neighbours:
                assert neighbour in space, (
                    f"{shown(neighbour)} is a neighbour, but not a cell of the space"
                )
            for neighbour in neighbours[:: max(len(neighbours) // 5, 1)]:
                assert cell in set(space.neighbours(neighbour)), (
                    f"{shown(neighbour)} is a neighbour of {shown(cell)}, but not vice versa"
                )

    def test_pickles_to_an_equal_space(self, space: Space) -> None:
        """Pickling gives an equal space with an equal hash and the same cells."""
        (again,) = pickle.loads(pack(space))
        assert again == space and hash(again) == hash(space), (
            f"unpickling gives {shown(again)}, which is not equal to the space"
        )
        for cell in draw(space, _CELLS):
            own = again.cell(cell)
            assert (own, own.choices) == (cell, cell.choices), (
                f"{shown(cell)} is another cell in the unpickled space"
            )

    def test_contains_no_foreign_cells(self, space: Space) -> None:
        """The space contains its cells and nothing else. The method `cell` uses only the string of
        a given cell.
        """
        cell, *_ = cells = draw(space, _CELLS)
        longer = Cell((*cell.choices, 0), cell.text, cell.index)
        forged = Cell(cell.choices, "foreign", cell.index)
        for foreign in (
            None,
            0,
            cell.text,
            cell.choices,
            Cell((0,), "foreign"),
            forged,
            longer,
        ):
            assert foreign not in space, f"it contains {shown(foreign)}"
        for cell in cells:
            assert cell in space, f"it does not contain {shown(cell)}"
            own = space.cell(Cell((), cell.text, _LARGEST_INDEX))
            assert (own.choices, own.text, own.index) == (
                cell.choices,
                cell.text,
                cell.index,
            ), f"{shown(cell)} with a forged index is looked up as {shown(own)}"

    def test_lists_its_cells_in_order(self, space: Space) -> None:
        """If the space lists its cells, its length, indices, iteration and choices agree, and every
        cell occurs once.
        """
        if not isinstance(space, Enumerable):
            return
        cells = list(space)
        assert (
            len(space)
            == len(cells)
            == len(set(cells))
            == space.size
            == len(space.choices)
        ), (
            f"its length is {len(space)}, its size {space.size}, its cells {len(set(cells))}"
        )
        for index, cell in enumerate(cells):
            assert cell.index == index == space.index(cell) and space[index] is cell, (
                f"cell {index}, {shown(cell)}, is at {cell.index} and {space.index(cell)}"
            )
        assert np.array_equal(space.choices, choices_of(cells)), (
            "its choices differ from those of its cells"
        )

    def test_encodes_each_cell_by_itself(self, space: Space) -> None:
        """Every encoding gives one row of finite numbers per cell, and the row does not depend on
        other cells.
        """
        cells = draw(space, _CELLS)
        for name in space.encodings:
            rows = space.encode(cells, name)
            assert (
                rows.ndim == 2 and len(rows) == len(cells) and np.isfinite(rows).all()
            ), (
                f"{name} gives an array of shape {rows.shape}, or numbers that are not finite"
            )
            assert np.array_equal(space.encode(cells[::-1], name)[::-1], rows), (
                f"{name} depends on the other cells"
            )

    def test_is_most_similar_to_itself(self, space: Space) -> None:
        """Similarity is a number from 0 to 1, symmetric, and 1 for cells of equal identity."""
        cells = draw(space, _CELLS)
        for cell, other in zip(cells, cells[::-1], strict=True):
            value = space.similarity(cell, other)
            same = space.identity(cell) == space.identity(other)
            assert (
                0 <= value <= 1
                and value == space.similarity(other, cell)
                and space.similarity(cell, cell) == 1
                and (value == 1 or not same)
            ), f"the similarity of {shown(cell)} and {shown(other)} is {shown(value)}"
