"""DARTS's space: four nodes with two sources each, seven operations; 1.08·10¹⁸ cells.

Liu, Simonyan & Yang, ICLR 2019. Their eighth operation, ``none``, is one that a search weighs and
that no genotype holds: their 10¹⁸ too are counted without it. A node's sources are one choice among
the pairs, so that every combination of choices is a cell, and none is there twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import ClassVar

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import Analytic, Encoding
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.darts.family import GenotypeSpace
from surrogate_nas.space.darts.genotype import (
    CELLS,
    DARTS_CELLS,
    INPUTS,
    Half,
    Wiring,
    analytic_of,
    encodings_of,
)

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
NODES = 4
_PAIRS = tuple(tuple(combinations(range(INPUTS + node), 2)) for node in range(NODES))
"""By node the pairs of sources; the first node has one, which is no choice."""
_JOINED = tuple(range(INPUTS, INPUTS + NODES))


def _positions() -> dict[str, tuple[str, ...]]:
    positions: dict[str, tuple[str, ...]] = {}
    for cell in CELLS:
        for node, pairs in enumerate(_PAIRS):
            if len(pairs) > 1:
                positions[f"{cell}.{node + INPUTS}.sources"] = tuple(f"{a}+{b}" for a, b in pairs)
            positions |= dict.fromkeys(
                (f"{cell}.{node + INPUTS}.{edge}" for edge in ("first", "second")), OPERATIONS
            )
    return positions


_OPTIONS = _positions()
_WIDTH = len(_OPTIONS) // 2
_SOURCE_COLUMNS = [place for place, name in enumerate(_OPTIONS) if name.endswith("sources")]
_OPERATION_COLUMNS = [place for place in range(len(_OPTIONS)) if place not in _SOURCE_COLUMNS]
_PAIR_TABLE = np.array(
    [[*pairs, *[(0, 0)] * (len(_PAIRS[-1]) - len(pairs))] for pairs in _PAIRS], dtype=np.int8
)


def _wiring(choices: Choices) -> Wiring:
    n = len(choices)
    pairs = np.zeros((n, 2, NODES), dtype=np.intp)
    pairs[:, :, 1:] = choices[:, _SOURCE_COLUMNS].reshape(n, 2, NODES - 1)
    operations = choices[:, _OPERATION_COLUMNS].reshape(n, 2, NODES, 2)
    return Wiring(
        operations, _PAIR_TABLE[np.arange(NODES), pairs], np.ones((n, 2, NODES), dtype=bool)
    )


class Darts(GenotypeSpace):
    """DARTS's space; use the shared instance `surrogate_nas.space.space_named("darts")`.

    Example:
        >>> space = Darts()
        >>> space.size == 180**2 * 7**16
        True
        >>> str(space.parse("DARTS_V2"))[:56]
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1"
    """

    name = "darts"
    citation = "Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019"
    positions = tuple(_OPTIONS)
    options = tuple(_OPTIONS.values())
    nodes = NODES
    operations = OPERATIONS
    same_source = False
    half_size = math.prod(map(len, _PAIRS)) * len(OPERATIONS) ** (2 * NODES)
    named: ClassVar[Mapping[str, str]] = DARTS_CELLS
    further_encodings: ClassVar[Mapping[str, Encoding]] = encodings_of(_wiring, len(OPERATIONS))
    views = ("shape+operation_counts+adjacency",)
    analytic: ClassVar[Analytic] = analytic_of(_wiring, OPERATIONS)

    def sample(self, rng: np.random.Generator) -> Cell:
        """Draw a cell uniformly."""
        choices: list[int] = []
        for left in rng.integers(self.half_size, size=2).tolist():
            number = left
            for options in self.options[:_WIDTH]:
                number, choice = divmod(number, len(options))
                choices.append(choice)
        return self._cell(self.halves(tuple(choices)))

    def halves(self, choices: tuple[int, ...]) -> tuple[Half, Half]:
        """The normal and the reduction cell of some choices."""
        return _half(choices[:_WIDTH]), _half(choices[_WIDTH:])

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

    def joined(self, half: Half) -> tuple[int, ...]:  # noqa: ARG002 - all of them, in any cell
        """All nodes: their channels are the output of a cell."""
        return _JOINED


@lru_cache(maxsize=1 << 12)
def _half(choices: tuple[int, ...]) -> Half:
    first = ((0, choices[0]), (1, choices[1]))
    further = []
    for place, pairs in enumerate(_PAIRS[1:]):
        pair, one, other = choices[2 + 3 * place : 5 + 3 * place]
        low, high = pairs[pair]
        further.append(((low, one), (high, other)))
    return first, *further


darts = lru_cache(maxsize=1)(Darts)
