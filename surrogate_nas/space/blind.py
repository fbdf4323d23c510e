"""Blinded spaces: the cells of another space under meaningless names.

Blinded spaces are for strategies that may have prior knowledge of the benchmark. For example, a
language model has read papers that print the best cells of a public benchmark. A program may
contain knowledge about operations such as ``conv``.

From a seed, a blinded space samples the order of positions, the names of options, and the texts and
indices of cells. The structure of the space is preserved: cells keep their neighbours, and
positions that share options still share them. Options on a scale keep their order, possibly
reversed. Encodings keep their columns, in another order. A search that does not use names finds the
same cells as in the original space.
"""

import hashlib
from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError
from surrogate_nas.space.base import (
    Analytic,
    Encoding,
    Matrix,
    Space,
)
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.product import ChoiceSpace, is_scale

_NAME = "space"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class BlindSpace(ChoiceSpace):
    """A space that contains the cells of a `ChoiceSpace` under random names.

    Example:
        >>> import surrogate_nas as sn
        >>> space = blind(sn.nb201(), seed=3)
        >>> cell = space.hide(sn.nb201()[11])
        >>> print(cell)
        space(p1=a5, p2=a5, p3=a2, p4=a2, p5=a4, p6=a2)
        >>> space.reveal(cell) == sn.nb201()[11], len(space) == len(sn.nb201())
        (True, True)

    Attributes:
        base: The original space.
        seed: The seed from which the names are sampled.
    """

    name = _NAME

    def __init__(self, base: ChoiceSpace, seed: int) -> None:
        self.base = base
        self.seed = seed
        rng = np.random.default_rng(seed)
        self._order = rng.permutation(len(base.positions)).tolist()
        groups = list(dict.fromkeys(base.texts))
        codes: dict[tuple[str, ...], list[int]] = {}
        names: dict[tuple[str, ...], tuple[str, ...]] = {}
        for group in rng.permutation(len(groups)).tolist():
            options = groups[group]
            steps = range(len(options))
            times, letter = divmod(len(codes), len(_LETTERS))
            prefix = _LETTERS[letter] * (1 + times)
            if is_scale(options):
                prefix = ""
                codes[options] = list(steps[:: int(rng.choice([1, -1]))])
            else:
                codes[options] = rng.permutation(len(options)).tolist()
            names[options] = tuple(f"{prefix}{step + 1}" for step in steps)
        behind = [base.texts[position] for position in self._order]
        self._codes = [np.array(codes[options], dtype=np.int8) for options in behind]
        self.positions = tuple(
            f"p{position + 1}" for position in range(len(self._order))
        )
        self.texts = tuple(names[options] for options in behind)
        self.listed = base.is_listed
        self._check()

    @property
    def definition(self) -> str:
        """A name of this space that differs between seeds and that cannot be opened from a file."""
        return f"{_NAME}-{self.seed}-{hashlib.sha256(self.base.definition.encode()).hexdigest()}"

    @property
    def size(self) -> float:  # type: ignore[override]
        """The number of cells of the original space."""
        return self.base.size

    def hide(self, cell: Cell) -> Cell:
        """Return the blinded cell for a cell of the original space."""
        return self.at(self._hidden(np.array([cell.choices]))[0].tolist())

    def _hidden(self, choices: Choices) -> Choices:
        pairs = zip(self._codes, self._order, strict=True)
        return np.column_stack(
            [codes[choices[:, position]] for codes, position in pairs]
        )

    def reveal(self, cell: Cell) -> Cell:
        """Return the original cell for a cell of this space."""
        return self.base.at(self._one_behind(cell.choices))

    def _one_behind(self, choices: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(self._behind(np.array([choices], dtype=np.int8))[0].tolist())

    def _behind(self, choices: Choices) -> Choices:
        pairs = zip(self._codes, choices.T, strict=True)
        revealed = np.column_stack(
            [np.argsort(codes)[column] for codes, column in pairs]
        )
        return revealed[:, np.argsort(self._order)].astype(np.int8)

    def allows(self, choices: tuple[int, ...]) -> bool:
        """Return whether a combination of options is a cell."""
        return self.base.allows(self._one_behind(choices))

    def sample(self, rng: np.random.Generator) -> Cell:
        """Sample a cell as the original space does."""
        return self.hide(self.base.sample(rng))

    def mutate(self, cell: Cell, rng: np.random.Generator) -> Cell:
        """Sample a neighbour of a cell as the original space does."""
        return self.hide(self.base.mutate(self.reveal(cell), rng))

    def _matrix(self) -> Choices:
        return self._hidden(
            np.random.default_rng(self.seed).permutation(self.base.choices)
        )

    def _near(self, cell: Cell) -> list[Cell]:
        return list(map(self.hide, self.base.neighbours(self.reveal(cell))))

    def identity(self, cell: Cell) -> str:
        """Return a key that is equal for isomorphic cells and otherwise meaningless."""
        text = f"{self.seed}:{self.base.identity(self.reveal(cell))}"
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def similarity(self, first: Cell, second: Cell) -> float:
        """Return the similarity of two cells in the original space."""
        return self.base.similarity(self.reveal(first), self.reveal(second))

    @property
    def encodings(self) -> Mapping[str, Encoding]:  # type: ignore[override]
        """The encodings of the original space, with permuted columns."""
        return {name: partial(self._encoded, name) for name in self.base.encodings}

    def _encoded(self, name: str, choices: Choices) -> Matrix:
        columns: Matrix = self.base.encodings[name](self._behind(choices))
        return columns[:, self._order_of(columns.shape[1])]

    def _order_of(self, n: int) -> NDArray[np.intp]:
        return np.random.default_rng(self.seed).permutation(n)

    @property
    def groups(self) -> Mapping[str, NDArray[np.intp]]:  # type: ignore[override]
        """The column groups of the original space, in the order of the permuted columns."""
        return {name: g[self._order_of(len(g))] for name, g in self.base.groups.items()}

    @property
    def views(self) -> tuple[str, ...]:  # type: ignore[override]
        """The views (model inputs) of the original space."""
        return self.base.views

    @property
    def analytic(self) -> Analytic:  # type: ignore[override]
        """An empty mapping, because the names of analytic metrics reveal information about the
        space.
        """
        return {}


def blind(space: Space, seed: int) -> BlindSpace:
    """Return a space with the same cells under meaningless names.

    Raises:
        UserError: The space is not a `ChoiceSpace`.
    """
    if not isinstance(space, ChoiceSpace):
        raise UserError(
            f"The space {space.name} cannot be blinded: it is not a ChoiceSpace."
        )
    return BlindSpace(space, seed)
