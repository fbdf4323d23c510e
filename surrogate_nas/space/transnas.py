"""TransNAS-Bench-101's spaces: cells in one skeleton (micro, 4,096) and skeletons (macro, 3,256).

Duan et al., "TransNAS-Bench-101: Improving Transferability and Generalizability of Cross-Task
Neural Architecture Search", CVPR 2021. Both spaces list their cells in the order of the published
results.

A micro cell prints as ``64-41414-1_02_333``: base width, skeleton, and for nodes 1, 2 and 3 the
digits of the operations that come from the nodes before; cells are listed by those six digits as a
number to base four. A macro cell prints as ``64-1234-basic``: base width, one digit a module, and
the block. A module of digit 2 or 4 doubles the channels, one of 3 or 4 halves the resolution; one
to three double and one to four halve. Macro cells are listed by the number of modules, of
doublings, of halvings, then by the places of the doublings and those of the halvings.

Sizes are those of ``net_macro.py`` and ``decoder.py``. A stem of two 3×3 convolutions of stride 2
(3 → 32 → 64 channels), then modules of two blocks each, the first of which doubles the channels or
halves the resolution where the module's digit says so. The macro space's block is ResNet's basic
one, with a 1×1 convolution beside it where width or resolution change. The micro space has the
modules 41414 and its cell as the block; where that changes width and resolution, the edges from the
input do it, and a skip among them becomes two 1×1 convolutions of half the width each. Every
convolution is without bias and with batch normalisation. Dead operations are built, so they count.

Heads: classification and regression pool and have one linear layer; the jigsaw puzzle pools nine
tiles, each seen by the same backbone, and has one linear layer over all. Segmentation and image
translation have decoders of 3×3 convolutions (with bias, all but the last with batch
normalisation), the steps that enlarge transposed ones of stride 2, up to 256 × 256. The
discriminator that normals and autoencoder are trained against is no part of the network and counts
nowhere.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property, lru_cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import four_nodes as cells
from surrogate_nas.space.base import (
    Analysed,
    Analytic,
    Column,
    Encoding,
    by_name,
    macs_of,
    numbered,
    params_of,
    structural,
)
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.four_nodes import (
    EDGES,
    PATHS,
    arrangements,
    edge_live,
    four_nodes,
    path_counts,
    path_live,
)
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import EnumerableChoiceSpace
from surrogate_nas.space.sketch import INK, PAPER, Box, Frame, Mark, Sketch, Text

MOST_MODULES = 6
MICRO_MODULES = (4, 1, 4, 1, 4)
_WIDTH = 64
_BLOCKS = 2


class Backbone:
    """What cells' networks are before the task's head, for ``n`` cells at once.

    Attributes:
        parameters: All trainable ones, shape ``(n,)``.
        macs: Multiply-accumulates of the convolutions on one image, shape ``(n,)``; normalisation,
            ReLU and sums are not counted.
        channels: Of the output, shape ``(n,)``.
        side: Height and width of the output, shape ``(n,)``.
    """

    def __init__(self, n: int, network: Network) -> None:
        """Count the stem."""
        self.parameters = np.zeros(n)
        self.macs = np.zeros(n)
        self.channels = np.full(n, float(network.input_channels))
        self.side = np.full(n, float(network.image_size))
        for width in (_WIDTH // 2, _WIDTH):
            self.side = np.ceil(self.side / 2)
            self.add(9 * self.channels, np.full(n, float(width)))
            self.channels = np.full(n, float(width))

    def add(
        self, weights: Column, channels: Column, built: NDArray[np.bool_] | bool = True
    ) -> None:
        """Add a convolution, with its weights per output channel, where it is built."""
        self.parameters += (weights + 2) * channels * built
        self.macs += weights * channels * self.side**2 * built

    def blocks(self, modules: Choices) -> Iterator[tuple[Choices, bool, Column]]:
        """Go through the blocks; gives the digits of modules, whether it is the first, and inputs.

        The attributes are those of the block's output already.
        """
        for digits in modules.T:
            for block in range(_BLOCKS):
                inputs = self.channels
                if not block:
                    self.channels = np.where(np.isin(digits, (2, 4)), 2.0, 1.0) * inputs
                    self.side = np.ceil(
                        self.side / np.where(np.isin(digits, (3, 4)), 2.0, 1.0)
                    )
                yield digits, not block, inputs


def macro_backbone(choices: Choices, network: Network) -> Backbone:
    """The backbones of macro cells."""
    total = Backbone(len(choices), network)
    for digits, is_first, inputs in total.blocks(choices):
        there = digits > 0
        total.add(9 * inputs, total.channels, there)
        total.add(9 * total.channels, total.channels, there)
        total.add(inputs, total.channels, there & (digits > 1) & is_first)
    return total


def micro_backbone(choices: Choices, network: Network) -> Backbone:
    """The backbones of micro cells."""
    total = Backbone(len(choices), network)
    modules = np.tile(np.array(MICRO_MODULES, dtype=np.int8), (len(choices), 1))
    for digits, is_first, inputs in total.blocks(modules):
        changes = is_first and digits[0] > 1
        for (source, _), operations in zip(EDGES, choices.T, strict=True):
            taps = np.array([0, 1 if changes and source == 0 else 0, 1, 9])[operations]
            total.add(
                taps * (total.channels if source else inputs), total.channels, taps > 0
            )
    return total


def _sizes(backbone: Callable[[Choices, Network], Backbone]) -> Analytic:
    computed = (
        "of the backbone without the task's head, computed from the published definition"
    )
    return by_name(
        params_of(
            lambda choices, network: backbone(choices, network).parameters,
            f"trainable, {computed}",
        ),
        macs_of(
            lambda choices, network: backbone(choices, network).macs,
            f"multiply-accumulates of convolutions, {computed}",
        ),
    )


def _count(name: str, description: str, *digits: int) -> Analysed:
    return structural(
        name, description, lambda choices: np.isin(choices, digits).sum(axis=1)
    )


MICRO_SIZES: Analytic = _sizes(micro_backbone)
MACRO_SIZES: Analytic = {
    **_sizes(macro_backbone),
    **by_name(
        _count("modules", "of two blocks each", 1, 2, 3, 4),
        _count("doublings", "of the channels", 2, 4),
        _count("halvings", "of the resolution, after the stem", 3, 4),
    ),
}


Head = Literal["linear", "jigsaw", "segmentation", "image"]
TILES = 9
_FULL_SIDE = 256
_DECODERS = {
    "segmentation": ((1024, 512, 256, 128, 64, 32, 32), {i: 7 - i for i in range(1, 7)}),
    "image": (
        (1024, 1024, 512, 512, 256, 128, 64, 64, 32, 32, 16, 32, 16),
        {2: 6, 4: 5, 6: 4, 8: 3, 10: 2, 12: 2},
    ),
}
"""The channels between layers, and which layers enlarge from how many enlargements on."""


def model_sizes(backbone: Backbone, head: Head, outputs: int) -> tuple[Column, Column]:
    """Trainable parameters and multiply-accumulates of backbone and head, ``(n,)`` each.

    Multiply-accumulates are those of convolutions and linear layers, without biases; a transposed
    convolution has one for every weight and position of its input. The jigsaw's backbone runs nine
    times.
    """
    shapes = np.column_stack([backbone.channels, backbone.side]).astype(int).tolist()
    sizes = np.array([_head(head, channels, side, outputs) for channels, side in shapes])
    passes = TILES if head == "jigsaw" else 1
    return backbone.parameters + sizes[:, 0], passes * backbone.macs + sizes[:, 1]


@lru_cache
def _head(
    head: Head,
    channels: int,
    side: int,
    outputs: int,
) -> tuple[float, float]:
    if head in ("linear", "jigsaw"):
        weights = channels * outputs * (TILES if head == "jigsaw" else 1)
        return weights + outputs, weights
    enlargements = (_FULL_SIDE // side).bit_length() - 1
    between, enlarging = _DECODERS[head]
    parameters = macs = 0
    for layer, (inputs, wide) in enumerate(
        itertools.pairwise((channels, *between, outputs))
    ):
        weights = 9 * inputs * wide
        parameters += weights + 3 * wide
        macs += weights * side**2
        side *= 2 if enlargements >= enlarging.get(layer, _FULL_SIDE) else 1
    return parameters - 2 * outputs, macs


OPERATIONS = ("none", "skip", "conv_1x1", "conv_3x3")
NONE, SKIP, CONV1, CONV3 = range(4)
_SHOWN = (cells.NOTHING, cells.SKIP, cells.CONV1, cells.CONV3)


def operation_counts(choices: Choices) -> NDArray[np.float32]:
    """How many edges hold each operation, dead ones included, 4 columns."""
    return np.stack(
        [(choices == o).sum(axis=1) for o in range(len(OPERATIONS))], axis=1
    ).astype(np.float32)


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
        for among in (range(len(EDGES)), (0, 1, 3), (3, 4, 5))
    ]
    return np.column_stack(
        [paths(choices), _path_lengths(choices).max(axis=1), live.sum(axis=1), *columns]
    ).astype(np.float32)


def _path_lengths(choices: Choices) -> NDArray[np.int64]:
    """The convolutions on each live path, 0 for others, shape ``(n, 4)``."""
    lengths = np.stack(
        [(choices[:, list(path)] > SKIP).sum(axis=1) for path in PATHS], axis=1
    )
    return np.where(path_live(choices), lengths, 0)


# When do two cells of the micro space compute the same?
#
# The skeleton holds a cell ten times. Three of these change width and resolution, and there a skip
# from the input is a convolution with weights of its own (see
# `surrogate_nas.space.transnas.sizes`). Two cells that are the same there are the same everywhere.


_INPUT = -1


@cache
def functional_class(choices: tuple[int, ...]) -> str:
    """A canonical form, equal for cells that compute the same functions of live weights.

    ``none`` is dropped, skips between inner nodes are contracted, sums are flattened, and live
    operations with weights are named, so that a result used twice differs from two operations; of
    all namings the smallest text is taken.
    """
    nodes: list[tuple[int, ...]] = [(_INPUT,), (), (), ()]
    read: dict[int, tuple[int, ...]] = {}
    for edge, (source, target) in enumerate(EDGES):
        if choices[edge] == NONE or not nodes[source]:
            continue
        if choices[edge] == SKIP and source:
            nodes[target] += nodes[source]
        else:
            read[edge] = nodes[source]
            nodes[target] += (edge,)
    live = {_INPUT}
    for edge in sorted(read, reverse=True):
        users = [nodes[-1], *(read[other] for other in live if other in read)]
        if any(edge in sources for sources in users):
            live.add(edge)
    shapes = {_INPUT: "x"}
    for edge in sorted(live - {_INPUT}):
        shapes[edge] = (
            f"{choices[edge]}({'+'.join(sorted(shapes[part] for part in read[edge]))})"
        )
    del shapes[_INPUT]

    def written(order: tuple[int, ...]) -> str:
        names = {edge: name for name, edge in enumerate((_INPUT, *order))}
        sums = [sorted(names[part] for part in read[edge]) for edge in order]
        texts = ["+".join(map(str, total)) for total in sums]
        output = "+".join(map(str, sorted(names[part] for part in nodes[-1])))
        pairs = enumerate(zip(order, texts, strict=True), 1)
        return " ".join(
            [*(f"{name}={choices[e]}({text})" for name, (e, text) in pairs), output]
        )

    return min(map(written, arrangements(shapes)))


_MICRO_FORMAT = re.compile("64-41414-([0-3])_([0-3]{2})_([0-3]{3})")


class TransNASMicro(EnumerableChoiceSpace):
    """The micro space.

    Example:
        >>> space = TransNASMicro()
        >>> str(space[27])
        '64-41414-0_00_123'
    """

    name = "transnas-micro"
    positions = tuple(f"{source}-{target}" for source, target in EDGES)
    options = (OPERATIONS,) * len(EDGES)
    further_encodings: ClassVar[Mapping[str, Encoding]] = {
        "operation_counts": operation_counts,
        "paths": paths,
        "path_and_graph": path_and_graph,
    }
    views = ("path_and_graph", "one_hot")
    analytic: ClassVar[Analytic] = {
        **MICRO_SIZES,
        **by_name(
            structural(
                "depth",
                "convolutions on the longest live path",
                lambda choices: _path_lengths(choices).max(axis=1),
            ),
            structural(
                "convolutions",
                "built in a cell",
                lambda choices: (choices > SKIP).sum(axis=1),
            ),
            structural(
                "paths",
                "live paths from input to output",
                lambda choices: path_live(choices).sum(axis=1),
            ),
        ),
    }
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
        known = ", ".join(
            f"{digit} {operation}" for digit, operation in enumerate(OPERATIONS)
        )
        shape = f"64-41414-a_bc_def, each letter a digit ({known})"
        return self.at(
            [int(digit) for digit in "".join(self._matched(_MICRO_FORMAT, text, shape))]
        )

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
        return four_nodes(cell, _SHOWN)


_COLOURS = {1: PAPER, 2: cells.CONV1[1], 3: cells.CONV3[1], 4: "#8250df"}
_PAPER = (288.0, 115.2)
_WIDE = 0.16
_CHANNELS = 64
_TALLEST = 2.0
_GAP = 0.3
_ABOVE = 7.0


LENGTHS = (4, 5, 6)
DOUBLINGS = (1, 2, 3)
HALVINGS = (1, 2, 3, 4)
"""How many modules there may be, and how many of them double the channels and halve the
resolution.
"""


def progress(choices: Choices) -> NDArray[np.float32]:
    """Modules, doublings and halvings, in all and up to each module; modules by width and size.

    Up to a module that is not there it is none; 24 columns.
    """
    there = choices > 0
    doubled = np.isin(choices, (2, 4))
    halved = np.isin(choices, (3, 4))
    wide, small = (
        np.where(there, np.cumsum(each, axis=1), 0) for each in (doubled, halved)
    )
    at_width = [(there & (wide == k)).sum(axis=1) for k in range(DOUBLINGS[-1] + 1)]
    at_side = [(there & (small == k)).sum(axis=1) for k in range(HALVINGS[-1] + 1)]
    counts = [each.sum(axis=1) for each in (there, doubled, halved)]
    return np.column_stack([*counts, wide, small, *at_width, *at_side]).astype(np.float32)


_MACRO_FORMAT = re.compile("64-([1-4]{4,6})-basic")


class TransNASMacro(EnumerableChoiceSpace):
    """The macro space.

    Choices are a cell's digits, with 0 for modules 5 and 6 where these are not there. Neighbours
    differ in one digit, so a cell also has a last module more or less.

    Example:
        >>> space = TransNASMacro()
        >>> str(space[0]), str(space[3255])
        ('64-4111-basic', '64-113444-basic')
    """

    name = "transnas-macro"
    positions = tuple(f"module{i}" for i in range(1, 1 + MOST_MODULES))
    options = (tuple("01234"),) * MOST_MODULES
    further_encodings: ClassVar[Mapping[str, Encoding]] = {"progress": progress}
    views = ("progress", "progress+one_hot")
    analytic: ClassVar[Analytic] = MACRO_SIZES
    complexity = "modules"
    reference_text = "64-1234-basic"

    def _matrix(self) -> Choices:
        rows = []
        for length, doublings, halvings in itertools.product(LENGTHS, DOUBLINGS, HALVINGS):
            doubled = itertools.combinations(range(length), doublings)
            halved = tuple(itertools.combinations(range(length), halvings))
            for double, halve in itertools.product(doubled, halved):
                digits = [1 + (i in double) + 2 * (i in halve) for i in range(length)]
                rows.append(digits + [0] * (MOST_MODULES - length))
        return np.array(rows, dtype=np.int8)

    def allows(self, choices: tuple[int, ...]) -> bool:
        """Whether there are four to six modules, no gap, and valid doublings and halvings."""
        length = choices.index(0) if 0 in choices else MOST_MODULES
        doublings = sum(digit in (2, 4) for digit in choices)
        halvings = sum(digit in (3, 4) for digit in choices)
        return (
            length in LENGTHS
            and not any(choices[length:])
            and doublings in DOUBLINGS
            and halvings in HALVINGS
        )

    def write(self, choices: tuple[int, ...]) -> str:
        """The benchmark's string of a combination."""
        return f"64-{''.join(str(digit) for digit in choices if digit)}-basic"

    def parse(self, text: str) -> Cell:
        """Read the benchmark's string, such as ``64-1234-basic``.

        Raises:
            UserError: The string has another shape, or too few or too many modules double or halve.
        """
        shape = "64-1234-basic, with four to six digits from 1 to 4"
        (digits,) = self._matched(_MACRO_FORMAT, text, shape)
        choices = tuple(map(int, digits.ljust(MOST_MODULES, "0")))
        if not self.allows(choices):
            raise UserError(
                f"{text.strip()} is no cell of the space {self.name}: one to three modules double"
                " the channels (2, 4), and one to four halve the resolution (3, 4)."
            )
        return self.at(choices)

    def sketch(self, cell: Cell) -> Sketch:
        """Sketch a cell of the macro space, with the channels under and the digit over every
        module.
        """
        modules: list[tuple[int, int, float, float]] = []
        height = _TALLEST
        channels = _CHANNELS
        for digit in (digit for digit in cell.choices if digit):
            height /= 2 if digit in (3, 4) else 1
            channels *= 2 if digit in (2, 4) else 1
            modules.append((digit, channels, _WIDE * channels / _CHANNELS, height))
        right = sum(width + _GAP for _, _, width, _ in modules)
        frame = Frame.around(
            (-_GAP, right), (-_TALLEST * 0.7, _TALLEST * 0.7), _PAPER, equal=True
        )
        marks: list[Mark] = []
        left = 0.0
        for digit, channels, width, height in modules:
            (x, y), size = frame.at((left + width / 2, 0.0)), frame.span((width, height))
            marks += [
                Box((x, y), size, 0.0, _COLOURS[digit], INK, 1.2),
                Text((x, y - size[1] / 2 - _ABOVE), str(digit)),
                Text((x, y + size[1] / 2 + _ABOVE), str(channels), 8.0),
            ]
            left += width + _GAP
        return Sketch(_PAPER, marks)
