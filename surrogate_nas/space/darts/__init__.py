"""Cells of genotypes: DARTS's space of 1.08·10¹⁸, and NASNet's of about 4.3·10²⁶.

Liu, Simonyan & Yang, ICLR 2019. DARTS's cells have four nodes with two sources each and seven
operations. Their eighth operation, ``none``, is one that a search weighs and that no genotype
holds: their 10¹⁸ too are counted without it. A node's sources are one choice among the pairs, so
that every combination of choices is a cell, and none is there twice.

Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", CVPR 2018, and
Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019. NASNet's
cells have five nodes with any two sources. Of their operations those that NASNet-A and AmoebaNet-A
hold, and a dilated convolution. What is joined is no choice: all nodes that no edge leaves. Cells
are read as DARTS's repository writes them and built of DARTS's operations, so these are not the
authors' own networks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations, combinations_with_replacement, product
from typing import Any, ClassVar

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import Analytic, Encoding
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.darts.family import GenotypeSpace, analytic_of
from surrogate_nas.space.darts.genotype import (
    CELLS,
    DARTS_CELLS,
    INPUTS,
    NASNET_CELLS,
    Half,
    Wiring,
    encodings_of,
)

_DARTS_OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
_DARTS_NODES = 4
_PAIRS = tuple(tuple(combinations(range(INPUTS + node), 2)) for node in range(_DARTS_NODES))
"""By node the pairs of sources; the first node has one, which is no choice."""
_JOINED = tuple(range(INPUTS, INPUTS + _DARTS_NODES))


def _darts_options() -> dict[str, tuple[str, ...]]:
    positions: dict[str, tuple[str, ...]] = {}
    for cell in CELLS:
        for node, pairs in enumerate(_PAIRS):
            if len(pairs) > 1:
                positions[f"{cell}.{node + INPUTS}.sources"] = tuple(
                    f"{a}+{b}" for a, b in pairs
                )
            positions |= dict.fromkeys(
                (f"{cell}.{node + INPUTS}.{edge}" for edge in ("first", "second")),
                _DARTS_OPERATIONS,
            )
    return positions


_DARTS_OPTIONS = _darts_options()
_SOURCE_COLUMNS = [
    place for place, name in enumerate(_DARTS_OPTIONS) if name.endswith("sources")
]
_OPERATION_COLUMNS = [
    place for place in range(len(_DARTS_OPTIONS)) if place not in _SOURCE_COLUMNS
]
_PAIR_TABLE = np.array(
    [[*pairs, *[(0, 0)] * (len(_PAIRS[-1]) - len(pairs))] for pairs in _PAIRS],
    dtype=np.int8,
)


def _darts_wiring(choices: Choices) -> Wiring:
    n = len(choices)
    pairs = np.zeros((n, 2, _DARTS_NODES), dtype=np.intp)
    pairs[:, :, 1:] = choices[:, _SOURCE_COLUMNS].reshape(n, 2, _DARTS_NODES - 1)
    operations = choices[:, _OPERATION_COLUMNS].reshape(n, 2, _DARTS_NODES, 2)
    return Wiring(
        operations,
        _PAIR_TABLE[np.arange(_DARTS_NODES), pairs],
        np.ones((n, 2, _DARTS_NODES), dtype=bool),
    )


class Darts(GenotypeSpace):
    """DARTS's space.

    Example:
        >>> space = Darts()
        >>> space.size == 180**2 * 7**16
        True
        >>> str(space.parse("DARTS_V2"))[:56]
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1"
    """

    name = "darts"
    citation = "Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019"
    positions = tuple(_DARTS_OPTIONS)
    options = tuple(_DARTS_OPTIONS.values())
    nodes = _DARTS_NODES
    operations = _DARTS_OPERATIONS
    same_source = False
    half_size = math.prod(map(len, _PAIRS)) * len(_DARTS_OPERATIONS) ** (2 * _DARTS_NODES)
    named: ClassVar[Mapping[str, str]] = DARTS_CELLS
    further_encodings: ClassVar[Mapping[str, Encoding]] = encodings_of(
        _darts_wiring, len(_DARTS_OPERATIONS)
    )
    analytic: ClassVar[Analytic] = analytic_of(_darts_wiring, _DARTS_OPERATIONS)

    def sample(self, rng: np.random.Generator) -> Cell:
        """Draw a cell uniformly."""
        choices: list[int] = []
        for left in rng.integers(self.half_size, size=2).tolist():
            number = left
            for options in self.options[: len(self.options) // 2]:
                number, choice = divmod(number, len(options))
                choices.append(choice)
        return self._cell(self.halves(tuple(choices)))

    def half(self, choices: tuple[int, ...]) -> Half:
        """The normal or the reduction cell of its choices."""
        return _darts_half(choices)

    def chosen(self, halves: Sequence[Half]) -> tuple[int, ...]:
        """The choices of a normal and a reduction cell.

        Raises:
            UserError: Both edges of a node have one source.
        """
        choices: list[int] = []
        for name, half in zip(CELLS, halves, strict=True):
            for place, ((low, first), (high, second)) in enumerate(half):
                if low == high:
                    message = (
                        f"Node {place + INPUTS} of the {name} cell of the space {self.name} has two"
                        " different sources"
                    )
                    raise UserError(f"{message}, not {low} twice.")
                choices += (
                    [first, second]
                    if not place
                    else [_PAIRS[place].index((low, high)), first, second]
                )
        return tuple(choices)

    def joined(self, half: Half) -> tuple[int, ...]:
        """All nodes: their channels are the output of a cell."""
        return _JOINED


@lru_cache(maxsize=1 << 12)
def _darts_half(choices: tuple[int, ...]) -> Half:
    first = ((0, choices[0]), (1, choices[1]))
    further = []
    for place, pairs in enumerate(_PAIRS[1:]):
        pair, one, other = choices[2 + 3 * place : 5 + 3 * place]
        low, high = pairs[pair]
        further.append(((low, one), (high, other)))
    return first, *further


_NASNET_OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "conv_7x1_1x7",
)
_NASNET_NODES = 5
_EDGES = tuple((INPUTS + node) * len(_NASNET_OPERATIONS) for node in range(_NASNET_NODES))
_NASNET_OPTIONS = {
    f"{cell}.{node + INPUTS}.{edge}.{part}": tuple(map(str, range(INPUTS + node)))
    if part == "source"
    else _NASNET_OPERATIONS
    for cell in CELLS
    for node in range(_NASNET_NODES)
    for edge in ("first", "second")
    for part in ("source", "operation")
}


def _nasnet_wiring(choices: Choices) -> Wiring:
    edges = choices.reshape(len(choices), 2, _NASNET_NODES, 2, 2)
    nodes = np.arange(INPUTS, INPUTS + _NASNET_NODES)
    is_left = (edges[:, :, None, ..., 0] == nodes[:, None, None]).any(axis=(3, 4))
    return Wiring(edges[..., 1], edges[..., 0], ~is_left)


class NASNet(GenotypeSpace):
    """NASNet's space.

    A cell's choices have the lesser edge of a node first; `at` takes them in any order.

    Example:
        >>> space = NASNet()
        >>> str(space.parse("AmoebaNet"))[:56]
        "Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1"
    """

    name = "nasnet"
    citation = (
        "Zoph et al., Learning Transferable Architectures for Scalable Image Recognition,"
        " CVPR 2018"
    )
    positions = tuple(_NASNET_OPTIONS)
    options = tuple(_NASNET_OPTIONS.values())
    nodes = _NASNET_NODES
    operations = _NASNET_OPERATIONS
    same_source = True
    half_size = math.prod(edges * (edges + 1) // 2 for edges in _EDGES)
    named: ClassVar[Mapping[str, str]] = NASNET_CELLS
    further_encodings: ClassVar[Mapping[str, Encoding]] = encodings_of(
        _nasnet_wiring, len(_NASNET_OPERATIONS)
    )
    analytic: ClassVar[Analytic] = analytic_of(_nasnet_wiring, _NASNET_OPERATIONS)

    def sample(self, rng: np.random.Generator) -> Cell:
        """Draw a cell uniformly."""
        pairs = _pairs_of_edges() * 2
        drawn = rng.integers([len(of_node) for of_node in pairs]).tolist()
        nodes = [of_node[i] for of_node, i in zip(pairs, drawn, strict=True)]
        return self._cell((tuple(nodes[:_NASNET_NODES]), tuple(nodes[_NASNET_NODES:])))

    def half(self, choices: tuple[int, ...]) -> Half:
        """The normal or the reduction cell of its choices."""
        return _nasnet_half(choices)

    def chosen(self, halves: Sequence[Half]) -> tuple[int, ...]:
        """The choices of a normal and a reduction cell."""
        return tuple(
            number for half in halves for node in half for edge in node for number in edge
        )

    def joined(self, half: Half) -> tuple[int, ...]:
        """The nodes that no edge leaves: their channels are the output of a cell."""
        left = {source for node in half for source, _ in node}
        return tuple(
            node for node in range(INPUTS, INPUTS + _NASNET_NODES) if node not in left
        )


@lru_cache(maxsize=1)
def _pairs_of_edges() -> tuple[tuple[Any, ...], ...]:
    """By node every pair of edges, the lower first; computed on first use, since it is slow."""
    edges = (
        product(range(INPUTS + node), range(len(_NASNET_OPERATIONS)))
        for node in range(_NASNET_NODES)
    )
    return tuple(tuple(combinations_with_replacement(of_node, 2)) for of_node in edges)


@lru_cache(maxsize=1 << 12)
def _nasnet_half(choices: tuple[int, ...]) -> Half:
    nodes = []
    for place in range(0, len(choices), 4):
        edges = (
            (choices[place], choices[place + 1]),
            (choices[place + 2], choices[place + 3]),
        )
        nodes.append((min(edges), max(edges)))
    return tuple(nodes)
