"""The network around a cell: its frame here, its PyTorch layers in the files beside (imported where
they are used).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.files.content import build


@dataclass(frozen=True)
class Network:
    """The macro architecture around the cell.

    Attributes:
        classes: Outputs of the linear layer.
        channels: Channels of the first stage, C; without meaning where a cell is the whole network,
            as is N.
        cells_per_stage: Cells in each of the three stages, N.
        image_size: Height and width of the input, or the length of a one-dimensional one.
        input_channels: Channels of the input.
        dimensions: 2 for images, 1 for signals, where 3×3 kernels become kernels of length 3.
        causal: Whether padding is on the left only, so that a position sees itself and what is
            before it; then nothing is strided and the linear layer answers at every position,
            whatever the next two say.
        positions: Whether the linear layer answers at every position instead of after pooling over
            them.
        strided: Whether the blocks between the stages halve the size.
        residual: Whether the block between stages is the published one; without, only its shortcut
            is there (pooling and a 1×1 convolution), so that in a small network the cell does the
            work.

    Example:
        >>> Network().stages  # of NAS-Bench-201: channels and image size of each stage
        [(16, 32), (32, 16), (64, 8)]
        >>> Network(
        ...     classes=10, channels=4, cells_per_stage=1, image_size=28, input_channels=1
        ... ).stages
        [(4, 28), (8, 14), (16, 7)]
    """

    classes: int = 10
    channels: int = 16
    cells_per_stage: int = 5
    image_size: int = 32
    input_channels: int = 3
    dimensions: int = 2
    causal: bool = False
    residual: bool = True
    positions: bool = False
    strided: bool = True

    def __post_init__(self) -> None:
        if self.causal:
            object.__setattr__(self, "positions", True)
            object.__setattr__(self, "strided", False)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Network:
        """The network of stored `settings`.

        Args:
            settings: As they were read; older files lack `positions` and `strided`.

        Raises:
            ValueError: A field is missing, unknown or of another type.
        """
        defaults = {"positions": cls.positions, "strided": cls.strided}
        return build(cls, defaults | settings if isinstance(settings, dict) else settings)

    @property
    def settings(self) -> dict[str, Any]:
        """Its fields as data; `positions` and `strided` only where `causal` does not imply them."""
        implied = {"positions": self.causal, "strided": not self.causal}
        return {
            name: value
            for name, value in asdict(self).items()
            if implied.get(name) is not value
        }

    @property
    def taps(self) -> int:
        """Weights of a 3×3 kernel (or one of length 3) between two channels."""
        return int(3**self.dimensions)

    @property
    def stages(self) -> list[tuple[int, int]]:
        """(channels, image size) of the three stages; a stride of 2 rounds an odd size up."""
        sizes = [self.image_size]
        for _ in range(2):
            sizes.append((sizes[-1] + 1) // 2 if self.strided else sizes[-1])
        return [(self.channels * 2**i, size) for i, size in enumerate(sizes)]

    @property
    def answers(self) -> int:
        """At how many positions of the last stage the linear layer answers."""
        return int(self.stages[-1][1] ** self.dimensions) if self.positions else 1


NONE, SKIP, CONV1, CONV3, POOL = range(5)
"""The operations that the layers know: nothing, the identity, convolutions of 1×1 and 3×3, average
pooling of 3×3.
"""


class Graph(NamedTuple):
    """Edges with their operations.

    Attributes:
        edges: (from, to), every edge from a lower to a higher node.
        operations: One of the operations above for each edge.

    Example:
        >>> graph = Graph(edges=((0, 1), (0, 2), (1, 2)), operations=(NONE, SKIP, CONV3))
        >>> graph.live().operations == (
        ...     NONE,
        ...     SKIP,
        ...     NONE,
        ... )  # nothing reaches node 1, so what leaves it is dead
        True
    """

    edges: tuple[tuple[int, int], ...]
    operations: tuple[int, ...]

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return 1 + max(target for _, target in self.edges)

    def live(self) -> Graph:
        """The same graph with ``NONE`` wherever the output does not depend on the edge."""
        steps = list(zip(self.edges, self.operations, strict=True))
        present = sorted(edge for edge, operation in steps if operation != NONE)
        fed = {0}
        for source, target in present:
            if source in fed:
                fed.add(target)
        used = {self.nodes - 1}
        for source, target in reversed(present):
            if target in used:
                used.add(source)
        operations = []
        for (source, target), operation in steps:
            operations.append(operation if (source in fed and target in used) else NONE)
        return Graph(self.edges, tuple(operations))


# Cells as sums of shared terms: the form in which a space of graphs offers them to a graph network.
#
# A term is the input, or a convolution of a sum of terms, pooled zero or more times; a space has
# few of them.


Counts = NDArray[np.float32]


class Level(NamedTuple):
    """The terms that hold one more convolution in a row than those before them, in the order of
    computing.

    Attributes:
        sums: What each convolution reads, over the terms before: uses, then different ones, shape
            ``(n, 2 before)``.
        ones: How many of these convolutions are 1×1; they come first, the 3×3 ones follow.
        pooled: For one, two … poolings: the positions of the terms to pool once more.
    """

    sums: Counts
    ones: int
    pooled: tuple[list[int], ...]


class Terms(NamedTuple):
    """All terms of the space, and the functional classes as counts of them.

    Attributes:
        poolings: How many terms are the input, pooled 0, 1, … times; they come first.
        levels: The other terms.
        classes: For each functional class, over all terms: uses in the output's sum, different ones
            in it, and different live convolutions in the whole cell, shape ``(classes, 3 terms)``.
    """

    poolings: int
    levels: tuple[Level, ...]
    classes: Counts
