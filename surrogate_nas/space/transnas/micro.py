"""TransNAS-Bench-101's micro space: a cell of four nodes and six edges, ten times in one skeleton; 4,096 cells.

Duan et al., "TransNAS-Bench-101: Improving Transferability and Generalizability of Cross-Task Neural Architecture
Search", CVPR 2021. A cell prints as ``64-41414-1_02_333``: base width, skeleton, and for nodes 1, 2 and 3 the digits of
the operations that come from the nodes before. The space lists its cells by those six digits as a number to base four,
which is the order of the published results.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import Analytic, Encoding
from surrogate_nas.space.cell import Cell, cell_text
from surrogate_nas.space.drawing import four_nodes
from surrogate_nas.space.enumerable import numbered
from surrogate_nas.space.four_nodes import EDGES
from surrogate_nas.space.product import EnumerableChoiceSpace
from surrogate_nas.space.sketch import Sketch
from surrogate_nas.space.transnas.drawing import SHOWN
from surrogate_nas.space.transnas.encodings import ENCODINGS, STRUCTURE
from surrogate_nas.space.transnas.graph import OPERATIONS
from surrogate_nas.space.transnas.identity import functional_class
from surrogate_nas.space.transnas.sizes import MICRO_SIZES

_FORMAT = re.compile("64-41414-([0-3])_([0-3]{2})_([0-3]{3})")


class TransNASMicro(EnumerableChoiceSpace):
    """The micro space; use the shared instance `surrogate_nas.space.transnas.transnas_micro()`.

    Example:
        >>> space = TransNASMicro()
        >>> str(space[27])
        '64-41414-0_00_123'
    """

    name = "transnas-micro"
    positions = tuple(f"{source}-{target}" for source, target in EDGES)
    options = (OPERATIONS,) * len(EDGES)
    further_encodings: ClassVar[Mapping[str, Encoding]] = ENCODINGS
    views = ("path_and_graph", "one_hot")
    analytic: ClassVar[Analytic] = {**MICRO_SIZES, **STRUCTURE}
    complexity = "convolutions"
    drawing_size = (4.0, 2.0)

    def write(self, choices: tuple[int, ...]) -> str:
        """The benchmark's string of a combination.

        Args:
            choices: The operation of each edge.
        """
        a, b, c, d, e, f = choices
        return f"64-41414-{a}_{b}{c}_{d}{e}{f}"

    def parse(self, text: str) -> Cell:
        """Read the benchmark's string, such as ``64-41414-1_02_333``.

        Args:
            text: The string; surrounding white space is ignored.

        Raises:
            UserError: The string has another shape, or an operation is unknown.
        """
        stripped = cell_text(text)
        match = _FORMAT.fullmatch(stripped)
        if match is None:
            known = ", ".join(f"{digit} {operation}" for digit, operation in enumerate(OPERATIONS))
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} reads 64-41414-a_bc_def, each letter "
                f"a digit ({known})."
            )
        return self.at([int(digit) for digit in "".join(match.groups())])

    @cached_property
    def reference(self) -> Cell:
        """A cell that holds every operation."""
        return self.parse("64-41414-3_21_103")

    def identity(self, cell: Cell) -> str:
        """The canonical form of what a cell computes (see `functional_class`).

        Args:
            cell: A cell of the space.
        """
        return functional_class(cell.choices)

    @cached_property
    def classes(self) -> NDArray[np.int32]:
        """For every cell the number of its functional class, shape ``(4096,)``, in order of first appearance.

        Cells of one class compute the same family of functions of their live weights; each was trained by itself.
        """
        return numbered(map(self.identity, self), len(self))

    def sketch(self, cell: Cell) -> Sketch:
        """The cell as a graph; what lies on no path from input to output is grey and dashed.

        Args:
            cell: A cell of the space.
        """
        return four_nodes(cell, SHOWN)


@lru_cache(maxsize=1)
def transnas_micro() -> TransNASMicro:
    """The micro space, one shared instance a process."""
    return TransNASMicro()
