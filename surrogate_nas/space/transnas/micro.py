"""TransNAS-Bench-101's micro space: four nodes, six edges, one skeleton; 4,096 cells.

Duan et al., "TransNAS-Bench-101: Improving Transferability and Generalizability of Cross-Task
Neural Architecture Search", CVPR 2021. A cell prints as ``64-41414-1_02_333``: base width,
skeleton, and for nodes 1, 2 and 3 the digits of the operations that come from the nodes before. The
space lists its cells by those six digits as a number to base four, which is the order of the
published results.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property, lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import Analytic, Encoding, by_name, numbered, structural
from surrogate_nas.space.cell import Cell, Choices, cell_text
from surrogate_nas.space.four_nodes import (
    EDGES,
    PATHS,
    edge_live,
    four_nodes,
    path_counts,
    path_live,
)
from surrogate_nas.space.product import EnumerableChoiceSpace
from surrogate_nas.space.sketch import Sketch
from surrogate_nas.space.transnas.macro import SHOWN
from surrogate_nas.space.transnas.sizes import MICRO_SIZES

# How a model sees cells of the micro space, and what of their structure needs no measurement.
#
# Encodings map choices of shape ``(n, 6)`` to a matrix ``(n, d)`` of float32; none contains
# anything measured. Path features follow White et al., "BANANAS", AAAI 2021.


OPERATIONS = ("none", "skip", "conv_1x1", "conv_3x3")
"""The operations by the digit that stands for them."""
NONE, SKIP, CONV1, CONV3 = range(4)


_INTO_OUTPUT = (3, 4, 5)
_FROM_INPUT = (0, 1, 3)


def operation_counts(choices: Choices) -> NDArray[np.float32]:
    """How many edges hold each operation, dead ones included, 4 columns."""
    return np.stack([(choices == o).sum(axis=1) for o in range(len(OPERATIONS))], axis=1).astype(
        np.float32
    )


def paths(choices: Choices) -> NDArray[np.float32]:
    """How often each sequence of operations leads to the output, skips contracted; 15 columns.

    A sequence has zero to three convolutions of 1×1 or 3×3.
    """
    return path_counts(choices, CONV1, 2)


def path_and_graph(choices: Choices) -> NDArray[np.float32]:
    """`paths`, depth, live paths, and live edges by operation and place; 26 columns."""
    live = path_live(choices)
    edges = edge_live(choices)
    has_operation = [edges & (choices == operation) for operation in (SKIP, CONV1, CONV3)]
    columns = [
        h[:, list(among)].sum(axis=1)
        for h in has_operation
        for among in (range(len(EDGES)), _FROM_INPUT, _INTO_OUTPUT)
    ]
    return np.column_stack(
        [paths(choices), _path_lengths(choices).max(axis=1), live.sum(axis=1), *columns]
    ).astype(np.float32)


ENCODINGS: Mapping[str, Encoding] = {
    "operation_counts": operation_counts,
    "paths": paths,
    "path_and_graph": path_and_graph,
}
"""Every encoding by name, besides ``one_hot``."""


def _path_lengths(choices: Choices) -> NDArray[np.int64]:
    """The convolutions on each live path, 0 for others, shape ``(n, 4)``."""
    lengths = np.stack([(choices[:, list(path)] > SKIP).sum(axis=1) for path in PATHS], axis=1)
    return np.where(path_live(choices), lengths, 0)


STRUCTURE: Analytic = by_name(
    structural(
        "depth",
        "convolutions on the longest live path",
        lambda choices: _path_lengths(choices).max(axis=1),
    ),
    structural("convolutions", "built in a cell", lambda choices: (choices > SKIP).sum(axis=1)),
    structural(
        "paths", "live paths from input to output", lambda choices: path_live(choices).sum(axis=1)
    ),
)
"""Metrics of a cell's structure, with functions from choices and network to shape ``(n,)``."""


# When do two cells of the micro space compute the same?
#
# The skeleton holds a cell ten times. Three of these change width and resolution, and there a skip
# from the input is a convolution with weights of its own (see
# `surrogate_nas.space.transnas.sizes`). Two cells that are the same there are the same everywhere.


_INPUT = -1
Sums = dict[int, tuple[int, ...]]
"""For every edge with weights what it reads: a sum of the input and of other such edges."""


@cache
def functional_class(choices: tuple[int, ...]) -> str:
    """A canonical form, equal for cells that compute the same functions of live weights.

    ``none`` is dropped, skips between inner nodes are contracted, sums are flattened, and live
    operations with weights are named, so that a result used twice differs from two operations; of
    all namings the smallest text is taken.
    """
    output, read = _sums(choices)
    live = _live(output, read)
    return min(_write(output, read, choices, names) for names in _namings(live, read, choices))


def _sums(choices: tuple[int, ...]) -> tuple[tuple[int, ...], Sums]:
    """What the output sums, and what every operation with weights reads."""
    nodes: list[tuple[int, ...]] = [(_INPUT,), (), (), ()]
    read: Sums = {}
    for edge, (source, target) in enumerate(EDGES):
        if choices[edge] == NONE or not nodes[source]:
            continue
        if choices[edge] == SKIP and source:
            nodes[target] += nodes[source]
        else:
            read[edge] = nodes[source]
            nodes[target] += (edge,)
    return nodes[-1], read


def _live(output: tuple[int, ...], read: Sums) -> list[int]:
    """The edges with weights that the output depends on, each after those that it reads."""
    reached = {_INPUT}
    waiting = list(output)
    while waiting:
        edge = waiting.pop()
        if edge not in reached:
            reached.add(edge)
            waiting += read[edge]
    return sorted(reached - {_INPUT})


def _namings(
    live: list[int],
    read: Sums,
    choices: tuple[int, ...],
) -> Iterator[dict[int, int]]:
    """The namings that may give the smallest text: only similar edges can change places."""
    shapes = {_INPUT: "x"}
    for edge in live:
        shapes[edge] = f"{choices[edge]}({'+'.join(sorted(shapes[part] for part in read[edge]))})"
    ordered = sorted(live, key=lambda edge: shapes[edge])
    groups = [list(group) for _, group in itertools.groupby(ordered, key=lambda edge: shapes[edge])]
    for arrangement in itertools.product(*map(itertools.permutations, groups)):
        yield {_INPUT: 0} | {
            edge: i for i, edge in enumerate(itertools.chain.from_iterable(arrangement), 1)
        }


def _write(
    output: tuple[int, ...],
    read: Sums,
    choices: tuple[int, ...],
    names: dict[int, int],
) -> str:
    """One line: the operations with their inputs, then the sum of the output; 0 is the input."""

    def total(sources: tuple[int, ...]) -> str:
        return "+".join(map(str, sorted(names[part] for part in sources)))

    operations = sorted((name, edge) for edge, name in names.items() if name)
    return " ".join(
        [
            *(f"{name}={choices[edge]}({total(read[edge])})" for name, edge in operations),
            total(output),
        ]
    )


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
    reference_text = "64-41414-3_21_103"

    def write(self, choices: tuple[int, ...]) -> str:
        """The benchmark's string of a combination."""
        a, b, c, d, e, f = choices
        return f"64-41414-{a}_{b}{c}_{d}{e}{f}"

    def parse(self, text: str) -> Cell:
        """Read the benchmark's string, such as ``64-41414-1_02_333``.

        Raises:
            UserError: The string has another shape, or an operation is unknown.
        """
        stripped = cell_text(text)
        match = _FORMAT.fullmatch(stripped)
        if match is None:
            known = ", ".join(f"{digit} {operation}" for digit, operation in enumerate(OPERATIONS))
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} reads"
                f" 64-41414-a_bc_def, each letter a digit ({known})."
            )
        return self.at([int(digit) for digit in "".join(match.groups())])

    def identity(self, cell: Cell) -> str:
        """The canonical form of what a cell computes (see `functional_class`)."""
        return functional_class(cell.choices)

    @cached_property
    def classes(self) -> NDArray[np.int32]:
        """The functional class of every cell, shape ``(4096,)``, in order of first appearance.

        Cells of one class compute the same family of functions of their live weights; each was
        trained by itself.
        """
        return numbered(map(self.identity, self), len(self))

    def sketch(self, cell: Cell) -> Sketch:
        """The cell as a graph; what lies on no path from input to output is grey and dashed."""
        return four_nodes(cell, SHOWN)


transnas_micro = lru_cache(maxsize=1)(TransNASMicro)
