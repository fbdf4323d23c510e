"""What the spaces of genotypes share: reading, printing, neighbours, identity, sizes, drawing and the network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.space.cell import Cell, Choices, cell_text
from surrogate_nas.space.darts.drawing import genotype_sketch
from surrogate_nas.space.darts.genotype import CELLS, INPUTS, SHAPE, Genotype, nodes_of, read
from surrogate_nas.space.darts.wiring import Half, relabelled
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import ChoiceSpace
from surrogate_nas.space.sketch import Sketch

if TYPE_CHECKING:
    from torch import nn

    from surrogate_nas.space.network.blueprint import Blueprint

_MOST_REMEMBERED = 1 << 13
_Place: TypeAlias = tuple[int, int, int]
"""Which cell, which of its nodes, inputs not counted, and which of the node's edges."""


class GenotypeSpace(ChoiceSpace):
    """A normal and a reduction cell of so many nodes, each the sum of two operations on earlier nodes.

    Subclasses say what the choices are: `halves`, `chosen` and `joined`.

    Attributes:
        nodes: How many nodes a cell has besides its two inputs.
        operations: What an edge may hold.
        same_source: Whether both edges of a node may come from one node.
        half_size: How many normal cells there are, and reduction cells.
    """

    cell_name = "Genotype"
    nodes: ClassVar[int]
    operations: ClassVar[tuple[str, ...]]
    same_source: ClassVar[bool]
    half_size: ClassVar[int]
    drawing_size = (8.0, 5.2)

    @abstractmethod
    def halves(self, choices: tuple[int, ...]) -> tuple[Half, Half]:
        """The normal and the reduction cell of some choices.

        Args:
            choices: Of a cell of the space.
        """

    @abstractmethod
    def chosen(self, halves: Sequence[Half]) -> tuple[int, ...]:
        """The choices of a normal and a reduction cell.

        Args:
            halves: Both; the lesser edge of a node comes first.

        Raises:
            UserError: The space has no such cell.
        """

    @abstractmethod
    def joined(self, half: Half) -> tuple[int, ...]:
        """The nodes whose channels are the output of a cell.

        Args:
            half: A normal or a reduction cell.
        """

    @property
    def size(self) -> float:  # type: ignore[override]
        """How many cells there are, a whole number."""
        return self.half_size**2

    def genotype(self, cell: Cell) -> Genotype:
        """Both cells by the names of their operations.

        Args:
            cell: A cell of the space.
        """
        return self._genotype(self.halves(cell.choices))

    def _genotype(self, halves: Sequence[Half]) -> Genotype:
        named = self.operations
        normal, reduce = (tuple((named[o], source) for node in half for source, o in node) for half in halves)
        return Genotype(normal, self.joined(halves[0]), reduce, self.joined(halves[1]))

    def write(self, choices: tuple[int, ...]) -> str:
        """The genotype as the DARTS repository prints it, the lower source of a node first.

        Args:
            choices: Of a cell of the space.
        """
        return str(self._genotype(self.halves(choices)))

    def parse(self, text: str) -> Cell:
        """Read a printed genotype, or the name of a published one (`named`).

        Args:
            text: The edges of a node in any order, concats as ranges or lists.

        Raises:
            UserError: It is neither, or a genotype that is no cell of this space.
        """
        stripped = cell_text(text)
        return self._made.get(text) or self._read(text, stripped)

    def _read(self, text: str, name: str) -> Cell:
        if name.isidentifier() and name not in self.named:
            raise unknown(f"published cell of {self.name}", name, self.named)
        genotype = read(self.named.get(name, text))
        if genotype is None:
            names = ", ".join(self.named)
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} reads {SHAPE}, or is one of {names}."
            )
        parts = (genotype.normal, genotype.normal_concat), (genotype.reduce, genotype.reduce_concat)
        halves: list[Half] = []
        for name, (edges, concat) in zip(CELLS, parts, strict=True):
            said = f"The {name} cell of the space {self.name}"
            nodes = nodes_of(edges, self.nodes, self.operations, said)
            halves.append(tuple((self._numbered(*first), self._numbered(*second)) for first, second in nodes))
            if tuple(sorted(concat)) != self.joined(halves[-1]):
                joined = ", ".join(map(str, self.joined(halves[-1])))
                raise UserError(f"{said} joins the nodes {joined} ({name}_concat), not {', '.join(map(str, concat))}.")
        return self._cell((halves[0], halves[1]))

    def _cell(self, halves: tuple[Half, Half]) -> Cell:
        return self._remembered(Cell(self.chosen(halves), str(self._genotype(halves))))

    @cached_property
    def _made(self) -> dict[str, Cell]:
        """Cells of late by their texts: a search looks each up several times."""
        return {}

    def _remembered(self, cell: Cell) -> Cell:
        if len(self._made) >= _MOST_REMEMBERED:
            self._made.clear()
        self._made[cell.text] = cell
        return cell

    def at(self, choices: Sequence[int]) -> Cell:
        """The cell of some choices.

        Args:
            choices: One option index per position.

        Raises:
            UserError: They are no cell of this space.
        """
        return self._cell(self.halves(self._checked(choices)))

    def _numbered(self, operation: str, source: int) -> tuple[int, int]:
        return source, self.operations.index(operation)

    def neighbours(self, cell: Cell) -> Sequence[Cell]:
        """All cells with another operation at one edge, or with one edge from another source.

        In the order of the edges, normal cell first: at each its other operations, then its other sources, where the
        operation is kept. Of two equal edges of a node only one is changed.

        Args:
            cell: The centre.
        """
        halves = self.halves(cell.choices)
        return [
            self._changed(halves, place, edge)
            for place in self._places(halves)
            for edge in self._others(halves, place)
        ]  # fmt: skip

    def mutate(self, cell: Cell, rng: np.random.Generator) -> Cell:
        """Draw uniformly among `neighbours`.

        Args:
            cell: The parent.
            rng: The generator that the draw advances.
        """
        halves = self.halves(cell.choices)
        places = self._places(halves)
        ends = np.cumsum([len(self.operations) - 1 + node + self.same_source for _, node, _ in places])
        number = int(rng.integers(ends[-1]))
        which = int(np.searchsorted(ends, number, side="right"))
        return self._changed(halves, places[which], self._others(halves, places[which])[number - int(ends[which])])

    def _places(self, halves: tuple[Half, Half]) -> list[_Place]:
        """The edges that can be changed."""
        return [
            (which, place, slot)
            for which, half in enumerate(halves)
            for place, node in enumerate(half)
            for slot in ((0, 1) if node[0] != node[1] else (0,))
        ]

    def _others(self, halves: tuple[Half, Half], place: _Place) -> list[tuple[int, int]]:
        """What an edge can become: as many, whatever it is, as `mutate` counts."""
        which, node, slot = place
        source, operation = halves[which][node][slot]
        taken = source if self.same_source else halves[which][node][1 - slot][0]
        edges = [(source, other) for other in range(len(self.operations)) if other != operation]
        return edges + [(other, operation) for other in range(node + INPUTS) if other not in (source, taken)]

    def _changed(self, halves: tuple[Half, Half], place: _Place, edge: tuple[int, int]) -> Cell:
        which, node, slot = place
        half = halves[which]
        kept = half[node][1 - slot]
        changed = (*half[:node], (edge, kept) if edge < kept else (kept, edge), *half[node + 1 :])
        return self._cell((changed, halves[1]) if which == 0 else (halves[0], changed))

    def identity(self, cell: Cell) -> str:
        """The first of the genotypes that differ from it only in the order of their nodes, printed.

        Args:
            cell: A cell of the space.
        """
        return str(self._genotype([relabelled(half) for half in self.halves(cell.choices)]))

    def _shared(self, first: Cell, second: Cell) -> float:
        """The share of edges that enter the same node from the same source alike."""
        shared = 0
        for one, other in zip(self.halves(first.choices), self.halves(second.choices), strict=True):
            for node, same in zip(one, other, strict=True):
                shared += max(sum(a == b for a, b in zip(node, way, strict=True)) for way in (same, same[::-1]))
        return shared / (4 * self.nodes)

    def cost_groups(self, choices: Choices) -> list[NDArray[np.float32]]:
        """A constant, operations by where they are, and single edges: a cost is about the sum of its operations.

        Args:
            choices: Of any cells, shape ``(n, positions)``.

        Returns:
            Matrices of shape ``(n, d)``, the first of them constant.
        """
        own = self.encodings
        return [
            np.ones((len(choices), 1), dtype=np.float32), own["operation_counts"](choices), own["adjacency"](choices)
        ]  # fmt: skip

    def blueprint(self, cell: Cell, network: Network, *, live_only: bool = False) -> Blueprint:  # noqa: ARG002
        """DARTS's network of a cell, layer by layer.

        Args:
            cell: A cell of the space.
            network: The macro architecture.
            live_only: Without meaning: every operation is live.
        """
        from surrogate_nas.space.darts.blueprint import genotyped

        return genotyped(self.genotype(cell), network)

    def build(self, cell: Cell, network: Network, *, seed: int, live_only: bool = False) -> nn.Module:  # noqa: ARG002
        """DARTS's network of a cell, with fresh weights.

        Args:
            cell: A cell of the space.
            network: The macro architecture: N normal cells a stage, a reduction cell between two.
            seed: The root of the initial weights.
            live_only: Without meaning: every operation is live.
        """
        from surrogate_nas.space.darts.network import GenotypeNetwork

        return GenotypeNetwork(self.genotype(cell), network, seed=seed)

    def sketch(self, cell: Cell) -> Sketch:
        """Both cells as graphs (see `surrogate_nas.space.darts.drawing`).

        Args:
            cell: A cell of the space.
        """
        return genotype_sketch(self.genotype(cell))
