"""The NAS-Bench-Graph space: trees of four graph operations, 26,206 architectures; 2,021 of them for ogbn-proteins.

Qin et al., "NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search", NeurIPS 2022 Datasets and Benchmarks.
A cell prints as the benchmark's own constructor, ``Arch([0, 1, 2, 2], ['fc', 'gat', 'gin', 'fc'])``: what each node
reads (0 is the input), and what it does; what no node reads goes to the output. Only canonical forms are cells, derived
here from the rules (`surrogate_nas.space.nbgraph.trees`); another way to write an architecture is read as its canonical
form. Cells are listed by their link list, then by their operations, in the benchmark's order of both.

Where we depart from it: the benchmark draws a link list and operations, so architectures with many ways to write them
come up more often; here sampling is uniform over architectures, and mutation uniform over an architecture's neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import Analytic, Encoding
from surrogate_nas.space.cell import Cell, Choices, cell_text
from surrogate_nas.space.nbgraph.canonical import Forms
from surrogate_nas.space.nbgraph.drawing import tree
from surrogate_nas.space.nbgraph.structure import analytic, encodings
from surrogate_nas.space.nbgraph.trees import LINKS, NODES, shape_of
from surrogate_nas.space.product import EnumerableChoiceSpace
from surrogate_nas.space.sketch import Sketch

OPERATIONS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
"""Attention with two heads, convolution, isomorphism network, Chebyshev, GraphSAGE, ARMA, k-GNN, linear, identity."""
PROTEINS_OPERATIONS = ("gcn", "sage", "arma", "fc", "skip")
"""Those that the benchmark trained on ogbn-proteins."""
_SHAPE = "Arch([0, 1, 2, 3], ['gcn', 'gcn', 'fc', 'skip'])"
_FORMAT = re.compile(r"Arch\(\[([0-4](?:, ?[0-4])*)\], ?\[('[a-z]+'(?:, ?'[a-z]+')*)\]\)")


class NBGraph(EnumerableChoiceSpace):
    """The space; use the shared instances `nbgraph` and `nbgraph_proteins`.

    Example:
        >>> space = nbgraph()
        >>> str(space.parse("Arch([0, 1, 2, 1], ['gcn', 'gin', 'fc', 'cheb'])"))
        "Arch([0, 1, 1, 2], ['gcn', 'gin', 'cheb', 'fc'])"
    """

    positions = ("links", *(f"operation_{node}" for node in range(1, NODES + 1)))
    cell_name = "Arch"
    complexity = "operations"
    views = ("functional+one_hot", "one_hot")
    drawing_size = (4.6, 2.4)

    def __init__(self, name: str, operations: Sequence[str]) -> None:
        """Define the space of some operations.

        Args:
            name: Its name.
            operations: Some of `OPERATIONS` in their order, the skip among them.
        """
        self.operations = tuple(operations)
        self.options = (tuple("".join(map(str, links)) for links in LINKS), *(self.operations,) * NODES)
        super().__init__(name)

    @cached_property
    def _forms(self) -> Forms:
        return Forms(len(self.operations))

    def _matrix(self) -> Choices:
        return self._forms.all

    def allows(self, choices: tuple[int, ...]) -> bool:
        """Whether a combination is a canonical form.

        Args:
            choices: The link list's number and four operations'.
        """
        code = self._forms.code(choices[0], choices[1:])
        return bool(self._forms.canonical[code] == code)

    def write(self, choices: tuple[int, ...]) -> str:
        """The benchmark's constructor of an architecture.

        Args:
            choices: The link list's number and four operations'.
        """
        shape, *operations = choices
        return f"Arch({list(LINKS[shape])}, {[self.operations[operation] for operation in operations]})"

    def parse(self, text: str) -> Cell:
        """Read a constructor such as ``Arch([0, 1, 2, 2], ['fc', 'gat', 'gin', 'fc'])``, canonical or not.

        Args:
            text: The text; surrounding white space is ignored.

        Raises:
            UserError: It has another shape, an operation is unknown, or it is no architecture of the benchmark.
        """
        stripped = cell_text(text)
        match = _FORMAT.fullmatch(stripped)
        if match is None:
            raise UserError(f"Malformed cell {text!r:.200}: a cell of the space {self.name} reads {_SHAPE}.")
        operations = re.findall("[a-z]+", match[2])
        if unknown := [operation for operation in operations if operation not in self.operations]:
            raise UserError(f"An operation of the space {self.name} is {', '.join(self.operations)}, not {unknown[0]}.")
        found = shape_of(tuple(map(int, re.findall("[0-4]", match[1]))))
        if found is None or len(operations) != NODES:
            raise UserError(f"{text!r:.200} is no tree of {NODES} nodes: a cell of {self.name} reads {_SHAPE}.")
        shape, order = found
        code = self._forms.code(shape, tuple(self.operations.index(operations[node]) for node in order))
        if self._forms.canonical[code] < 0:
            raise UserError(f"{text!r:.200} has nothing but skips, so it is not a cell of the space {self.name}.")
        return self.at(self._forms.choices(int(self._forms.canonical[code])))

    def _steps(self, choices: tuple[int, ...]) -> list[tuple[int, ...]]:
        code = self._forms.code(choices[0], choices[1:])
        return [self._forms.choices(other) for other in self._forms.neighbours(code)]

    def neighbours(self, cell: Cell) -> Sequence[Cell]:
        """All cells that another operation of one node, or another node for it to read, makes of a cell.

        An architecture that can be written in several ways has the neighbours of all of these, so that being a
        neighbour is mutual. They come in the order of the space.

        Args:
            cell: The centre.
        """
        return super().neighbours(cell)

    @cached_property
    def further_encodings(self) -> Mapping[str, Encoding]:  # type: ignore[override]
        """``operation_counts`` and ``functional`` (see `surrogate_nas.space.nbgraph.structure`)."""
        return encodings(len(self.operations))

    @cached_property
    def analytic(self) -> Analytic:  # type: ignore[override]
        """How many operations and branches a cell has, and how deep it is."""
        return analytic(len(self.operations))

    def key(self, cell: Cell) -> int:
        """The benchmark's own key: the link list's number, then the operations' among all nine, as decimal digits.

        Args:
            cell: A cell of the space.
        """
        digits = (OPERATIONS.index(self.operations[operation]) for operation in cell.choices[1:])
        return int("".join(map(str, (cell.choices[0], *digits))))

    def sketch(self, cell: Cell) -> Sketch:
        """The cell as a tree (see `surrogate_nas.space.nbgraph.drawing`).

        Args:
            cell: A cell of the space.
        """
        return tree(LINKS[cell.choices[0]], [self.operations[o] for o in cell.choices[1:]])


@lru_cache(maxsize=1)
def nbgraph() -> NBGraph:
    """The space of all nine operations, one shared instance a process."""
    return NBGraph("nbgraph", OPERATIONS)


@lru_cache(maxsize=1)
def nbgraph_proteins() -> NBGraph:
    """The space of the five operations of ogbn-proteins, one shared instance a process."""
    return NBGraph("nbgraph-proteins", PROTEINS_OPERATIONS)
