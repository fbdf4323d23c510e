"""Where a model-guided strategy looks for its next cell: pools of candidates, made by the space's own moves.

Mutations of the best cells, White et al., "BANANAS", AAAI 2021; tournaments, Wei et al., "NPENAS", TNNLS 2022. A
mutation is one move of `Space.mutate`, and with probability 1/2 each a second, a third … one, so that a pool does not
run dry around cells whose neighbours are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from surrogate_nas.space import Cell, Enumerable, Space

_PARENTS, _CHILDREN, _DRAWN = 10, 10, 200
_TOURNAMENT = 3
_LONGEST = 6


def mutations(space: Space, ranked: Sequence[Cell], rng: np.random.Generator) -> Iterable[Cell]:
    """Ten mutations of each of the ten best.

    Args:
        space: The space that cells come from.
        ranked: The told cells, the best first; at least one.
        rng: The generator that the draws advance.
    """
    return [_mutated(space, parent, rng) for parent in ranked[:_PARENTS] for _ in range(_CHILDREN)]


def offspring(space: Space, ranked: Sequence[Cell], rng: np.random.Generator) -> Iterable[Cell]:
    """A hundred mutations of the winners of random tournaments of three among all told cells.

    Args:
        space: The space that cells come from.
        ranked: The told cells, the best first; at least one.
        rng: The generator that the draws advance.
    """
    winners = rng.integers(len(ranked), size=(_PARENTS, _TOURNAMENT)).min(axis=1)
    return [_mutated(space, ranked[place], rng) for place in winners for _ in range(_CHILDREN)]


def local(space: Space, ranked: Sequence[Cell], rng: np.random.Generator) -> Iterable[Cell]:  # noqa: ARG001
    """All neighbours of the three best.

    Args:
        space: The space that cells come from.
        ranked: The told cells, the best first; at least one.
        rng: Not drawn from.
    """
    return [cell for centre in ranked[:_TOURNAMENT] for cell in space.neighbours(centre)]


def sampled(space: Space, ranked: Sequence[Cell], rng: np.random.Generator) -> Iterable[Cell]:  # noqa: ARG001
    """Cells drawn at random.

    Args:
        space: The space that cells come from.
        ranked: Not read.
        rng: The generator that the draws advance.
    """
    return [space.sample(rng) for _ in range(_DRAWN)]


def mixed(space: Space, ranked: Sequence[Cell], rng: np.random.Generator) -> Iterable[Cell]:
    """Mutations of the best, and cells drawn at random.

    Args:
        space: The space that cells come from.
        ranked: The told cells, the best first; at least one.
        rng: The generator that the draws advance.
    """
    return [*mutations(space, ranked, rng), *sampled(space, ranked, rng)]


def whole(space: Space, ranked: Sequence[Cell], rng: np.random.Generator) -> Iterable[Cell]:
    """Every cell, where they can be listed, else those of `mixed`.

    Args:
        space: The space that cells come from.
        ranked: The told cells, the best first; at least one.
        rng: The generator that the draws advance.
    """
    return space if isinstance(space, Enumerable) else mixed(space, ranked, rng)


def _mutated(space: Space, cell: Cell, rng: np.random.Generator) -> Cell:
    for _ in range(min(int(rng.geometric(0.5)), _LONGEST)):
        cell = space.mutate(cell, rng)
    return cell


Pool = Callable[[Space, Sequence[Cell], np.random.Generator], Iterable[Cell]]

POOLS: dict[str, Pool] = {
    "mutations": mutations,
    "offspring": offspring,
    "local": local,
    "sampled": sampled,
    "mixed": mixed,
    "all": whole,
}
"""By name."""
