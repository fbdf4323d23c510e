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
from itertools import combinations, combinations_with_replacement, product, zip_longest
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
# By node the pairs of sources; the first node has one, which is no choice.
_PAIRS = tuple(tuple(combinations(range(INPUTS + node), 2)) for node in range(_DARTS_NODES))
_DARTS_OPTIONS = {
    f"{cell}.{node}.{part}": tuple(f"{a}+{b}" for a, b in pairs)
    if part == "sources"
    else _DARTS_OPERATIONS
    for cell in CELLS
    for node, pairs in enumerate(_PAIRS, INPUTS)
    for part in ("sources", "first", "second")
    if part != "sources" or len(pairs) > 1
}
_IS_SOURCE = np.array([name.endswith("sources") for name in _DARTS_OPTIONS])
_PAIR_TABLE = np.array(list(zip_longest(*_PAIRS, fillvalue=(0, 0))), dtype=np.int8)


def _darts_wiring(choices: Choices) -> Wiring:
    shape = len(choices), 2, _DARTS_NODES
    pairs = np.zeros(shape, dtype=np.intp)
    pairs[:, :, 1:] = choices[:, _IS_SOURCE].reshape(-1, 2, _DARTS_NODES - 1)
    operations = choices[:, ~_IS_SOURCE].reshape(*shape, 2)
    sources = _PAIR_TABLE[pairs, np.arange(_DARTS_NODES)]
    return Wiring(operations, sources, np.ones(shape, dtype=bool))


@lru_cache(maxsize=1 << 12)
def _darts_half(choices: tuple[int, ...]) -> Half:
    """The normal or the reduction cell of its choices."""
    nodes = [((0, choices[0]), (1, choices[1]))]
    for index, pairs in enumerate(_PAIRS[1:]):
        pair, first, second = choices[2 + 3 * index : 5 + 3 * index]
        low, high = pairs[pair]
        nodes.append(((low, first), (high, second)))
    return tuple(nodes)


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

    half = staticmethod(_darts_half)

    def sample(self, rng: np.random.Generator) -> Cell:
        """Draw a cell uniformly."""
        choices: list[int] = []
        for left in rng.integers(self.half_size, size=2).tolist():
            number = left
            for options in self.options[: len(self.options) // 2]:
                choices.append(number % len(options))
                number //= len(options)
        return self._cell_of(tuple(choices))

    def chosen(self, halves: Sequence[Half]) -> tuple[int, ...]:
        """The choices of a normal and a reduction cell.

        Raises:
            UserError: Both edges of a node have one source.
        """
        choices: list[int] = []
        for name, half in zip(CELLS, halves, strict=True):
            for index, ((low, first), (high, second)) in enumerate(half):
                if low == high:
                    raise UserError(
                        f"Node {index + INPUTS} of the {name} cell of the space {self.name} has two"
                        f" different sources, not {low} twice."
                    )
                choices += [_PAIRS[index].index((low, high))] if index else []
                choices += [first, second]
        return tuple(choices)

    def joined(self, half: Half) -> tuple[int, ...]:
        """All nodes."""
        return tuple(range(INPUTS, INPUTS + _DARTS_NODES))


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


@lru_cache(maxsize=1)
def _pairs_of_edges() -> tuple[tuple[Any, ...], ...]:
    """By node every pair of edges, the lower first; computed on first use, since it is slow."""
    operations = range(len(_NASNET_OPERATIONS))
    edges = (product(range(INPUTS + node), operations) for node in range(_NASNET_NODES))
    return tuple(tuple(combinations_with_replacement(of_node, 2)) for of_node in edges)


@lru_cache(maxsize=1 << 12)
def _nasnet_half(choices: tuple[int, ...]) -> Half:
    """The normal or the reduction cell of its choices."""
    edges = list(zip(choices[::2], choices[1::2], strict=True))
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return tuple((min(pair), max(pair)) for pair in pairs)


class NASNet(GenotypeSpace):
    """NASNet's space.

    A cell's choices have the lesser edge of a node first; `at` takes them in any order.
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
    half = staticmethod(_nasnet_half)

    def sample(self, rng: np.random.Generator) -> Cell:
        """Draw a cell uniformly."""
        pairs = _pairs_of_edges() * 2
        drawn = rng.integers([len(of_node) for of_node in pairs]).tolist()
        nodes = tuple(of_node[i] for of_node, i in zip(pairs, drawn, strict=True))
        return self._cell((nodes[:_NASNET_NODES], nodes[_NASNET_NODES:]))

    def chosen(self, halves: Sequence[Half]) -> tuple[int, ...]:
        """The choices of a normal and a reduction cell."""
        return tuple(np.ravel(halves).tolist())

    def joined(self, half: Half) -> tuple[int, ...]:
        """The nodes that no edge leaves."""
        left = {source for node in half for source, _ in node}
        return tuple(sorted({*range(INPUTS, INPUTS + _NASNET_NODES)} - left))
