"""NASNet's space: five nodes with any two sources, eight operations; about 4.3·10²⁶ cells.

Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", CVPR 2018, and
Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019. Of their
operations those that NASNet-A and AmoebaNet-A hold, and a dilated convolution. What is joined is no
choice: all nodes that no edge leaves. Cells are read as DARTS's repository writes them and built of
DARTS's operations, so these are not the authors' own networks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations_with_replacement, product
from typing import Any, ClassVar

import numpy as np

from surrogate_nas.space.base import Analytic, Encoding
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.darts.family import GenotypeSpace
from surrogate_nas.space.darts.genotype import (
    CELLS,
    INPUTS,
    NASNET_CELLS,
    Half,
    Wiring,
    analytic_of,
    encodings_of,
    loose_ends,
)

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "conv_7x1_1x7",
)
NODES = 5
_EDGES = tuple((INPUTS + node) * len(OPERATIONS) for node in range(NODES))
"""By node how many edges may enter it."""
_WIDTH = 4 * NODES
_OPTIONS = {
    f"{cell}.{node + INPUTS}.{edge}.{part}": tuple(map(str, range(INPUTS + node)))
    if part == "source"
    else OPERATIONS
    for cell in CELLS
    for node in range(NODES)
    for edge in ("first", "second")
    for part in ("source", "operation")
}


def _wiring(choices: Choices) -> Wiring:
    edges = choices.reshape(len(choices), 2, NODES, 2, 2)
    return Wiring(edges[..., 1], edges[..., 0], loose_ends(edges[..., 0]))


class NASNet(GenotypeSpace):
    """NASNet's space; use the shared instance `surrogate_nas.space.space_named("nasnet")`.

    A cell's choices have the lesser edge of a node first; `at` takes them in any order.

    Example:
        >>> space = NASNet()
        >>> str(space.parse("AmoebaNet"))[:56]
        "Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1"
    """

    name = "nasnet"
    citation = (
        "Zoph et al., Learning Transferable Architectures for Scalable Image Recognition, CVPR 2018"
    )
    positions = tuple(_OPTIONS)
    options = tuple(_OPTIONS.values())
    nodes = NODES
    operations = OPERATIONS
    same_source = True
    half_size = math.prod(edges * (edges + 1) // 2 for edges in _EDGES)
    named: ClassVar[Mapping[str, str]] = NASNET_CELLS
    further_encodings: ClassVar[Mapping[str, Encoding]] = encodings_of(_wiring, len(OPERATIONS))
    views = ("shape+operation_counts+adjacency",)
    analytic: ClassVar[Analytic] = analytic_of(_wiring, OPERATIONS)

    def sample(self, rng: np.random.Generator) -> Cell:
        """Draw a cell uniformly."""
        pairs = _pairs_of_edges() * 2
        drawn = rng.integers([len(of_node) for of_node in pairs]).tolist()
        nodes = [of_node[i] for of_node, i in zip(pairs, drawn, strict=True)]
        return self._cell((tuple(nodes[:NODES]), tuple(nodes[NODES:])))

    def halves(self, choices: tuple[int, ...]) -> tuple[Half, Half]:
        """The normal and the reduction cell of some choices."""
        return _half(choices[:_WIDTH]), _half(choices[_WIDTH:])

    def chosen(self, halves: Sequence[Half]) -> tuple[int, ...]:
        """The choices of a normal and a reduction cell."""
        return tuple(number for half in halves for node in half for edge in node for number in edge)

    def joined(self, half: Half) -> tuple[int, ...]:
        """The nodes that no edge leaves: their channels are the output of a cell."""
        left = {source for node in half for source, _ in node}
        return tuple(node for node in range(INPUTS, INPUTS + NODES) if node not in left)


@lru_cache(maxsize=1)
def _pairs_of_edges() -> tuple[tuple[Any, ...], ...]:
    """By node every pair of edges, the lower first; computed on first use, since it is slow."""
    edges = (product(range(INPUTS + node), range(len(OPERATIONS))) for node in range(NODES))
    return tuple(tuple(combinations_with_replacement(of_node, 2)) for of_node in edges)


@lru_cache(maxsize=1 << 12)
def _half(choices: tuple[int, ...]) -> Half:
    nodes = []
    for place in range(0, _WIDTH, 4):
        edges = (choices[place], choices[place + 1]), (choices[place + 2], choices[place + 3])
        nodes.append((min(edges), max(edges)))
    return tuple(nodes)


nasnet = lru_cache(maxsize=1)(NASNet)
