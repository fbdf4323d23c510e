"""The spaces of TransNAS-Bench-101: micro (4,096 cells) and macro (3,256 skeletons).

Duan et al., "TransNAS-Bench-101: Improving Transferability and Generalizability of Cross-Task
Neural Architecture Search", CVPR 2021. The cells of both spaces have the order of the published
results.

A micro cell prints as ``64-41414-1_02_333``: base width, skeleton, and, for each of the nodes 1, 2
and 3, the digits of the operations on edges from earlier nodes. Micro cells are ordered by their
six digits, read as a base-four number. A macro cell prints as ``64-1234-basic``: base width, one
digit per module, and the type of block. A module with digit 2 or 4 doubles the channels, and a
module with digit 3 or 4 halves the resolution. One to three modules of a macro cell double the
channels, and one to four modules halve the resolution. Macro cells are ordered by the numbers of
modules, of doublings and of halvings, then by the positions of doublings and halvings.

Parameters and MACs are counted as in the benchmark's files ``net_macro.py`` and ``decoder.py``. The
network consists of a stem of two 3×3 convolutions of stride 2 (3 → 32 → 64 channels), followed by
modules of two blocks each. The first block of a module doubles the channels or halves the
resolution, as given by its digit. The block of the macro space is ResNet's basic block, with a 1×1
shortcut convolution if width or resolution change. In the micro space, the modules are always
41414, and the cell is the block. If a cell changes width and resolution, its edges from the input
make the change. A skip from the input then becomes two 1×1 convolutions, each of half the width.
Every convolution has batch normalisation and no bias. Operations that do not affect the output are
built, so their parameters and MACs are counted.

The heads of classification and regression tasks consist of pooling and one linear layer. The head
of the jigsaw task pools the features of nine tiles, each processed by the same backbone, and
applies one linear layer to all tiles. The heads of segmentation and image translation are decoders
of 3×3 convolutions, with transposed convolutions of stride 2 for upsampling to 256 × 256. All
convolutions of a decoder have a bias, and all but the last have batch normalisation. The training
of the tasks normal and autoencoder uses a discriminator, which is not part of the network and is
not counted.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from functools import cache, cached_property, lru_cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError
from surrogate_nas.space.base import (
    Analysed,
    Column,
    Flags,
    Matrix,
    by_name,
    numbered,
    sizes_of,
    stacked,
    structural,
)
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.four_nodes import (
    EDGES,
    SHOWN,
    arrangements,
    depth,
    four_nodes,
    live_edges,
    operation_counts,
    path_counts,
    path_live,
    paths_metric,
)
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import ChoiceSpace
from surrogate_nas.space.sketch import INK, PAPER, Box, Frame, Mark, Sketch, Text

MOST_MODULES = 6
MICRO_MODULES = (4, 1, 4, 1, 4)
_WIDTH = 64
_DOUBLE = (2, 4)
# The digits of modules that double the channels, and of those that halve the resolution.
_HALVE = (3, 4)


class Backbone:
    """The sizes of the networks of ``n`` cells, without the head that depends on the task.

    Attributes:
        parameters: Numbers of trainable parameters, shape ``(n,)``.
        macs: Multiply-accumulates of the convolutions on one image, shape ``(n,)``. Normalisation,
            ReLU and sums are not counted.
        channels: Channels of the output, shape ``(n,)``.
        side: Height and width of the output, shape ``(n,)``.
    """

    def __init__(self, n: int, network: Network) -> None:
        """Count the stem of `n` networks."""
        self.parameters = np.zeros(n)
        self.macs = np.zeros(n)
        self.channels = np.full(n, float(network.input_channels))
        self.side = np.full(n, float(network.image_size))
        for width in (_WIDTH // 2, _WIDTH):
            self.side = np.ceil(self.side / 2)
            self.add(9 * self.channels, np.full(n, float(width)))
            self.channels = np.full(n, float(width))

    def add(
        self, weights: Column, channels: Column, built: Flags | bool = True
    ) -> None:
        """Count a convolution with given weights per output channel in the networks that contain
        it.
        """
        self.parameters += (weights + 2) * channels * built
        self.macs += weights * channels * self.side**2 * built

    def blocks(self, modules: Choices) -> Iterator[tuple[Choices, bool, Column]]:
        """Yield, for each block, the digits of its module, whether it is the module's first block,
        and its input channels.

        When a block is yielded, `channels` and `side` describe the output of this block.
        """
        for digits in modules.T:
            inputs = self.channels
            self.channels = np.where(np.isin(digits, _DOUBLE), 2.0, 1.0) * inputs
            self.side = np.ceil(self.side / np.where(np.isin(digits, _HALVE), 2.0, 1.0))
            yield digits, True, inputs
            yield digits, False, self.channels


def macro_backbone(choices: Choices, network: Network) -> Backbone:
    """Return the sizes of the backbones of macro cells."""
    total = Backbone(len(choices), network)
    for digits, is_first, inputs in total.blocks(choices):
        there = digits > 0
        total.add(9 * inputs, total.channels, there)
        total.add(9 * total.channels, total.channels, there)
        total.add(inputs, total.channels, there & (digits > 1) & is_first)
    return total


def micro_backbone(choices: Choices, network: Network) -> Backbone:
    """Return the sizes of the backbones of micro cells."""
    total = Backbone(len(choices), network)
    modules = np.tile(np.array(MICRO_MODULES, dtype=np.int8), (len(choices), 1))
    for digits, is_first, inputs in total.blocks(modules):
        changes = is_first and digits[0] > 1
        for (source, _), operations in zip(EDGES, choices.T, strict=True):
            taps = np.array([0, changes and source == 0, 1, 9])[operations]
            read = total.channels if source else inputs
            total.add(taps * read, total.channels, taps > 0)
    return total


def _sizes(
    backbone: Callable[[Choices, Network], Backbone],
) -> tuple[Analysed, Analysed]:
    def sizes(choices: Choices, network: Network) -> tuple[Column, Column]:
        total = backbone(choices, network)
        return total.parameters, total.macs

    scope = "of the backbone without the task's head, computed from the published definition"
    return sizes_of(
        sizes, f"trainable, {scope}", f"multiply-accumulates of convolutions, {scope}"
    )


Head = Literal["linear", "jigsaw", "segmentation", "image"]
TILES = 9
_FULL_SIDE = 256
# The channels between layers, and which layers enlarge from how many enlargements on.
_DECODERS = {
    "segmentation": (
        (1024, 512, 256, 128, 64, 32, 32),
        {i: 7 - i for i in range(1, 7)},
    ),
    "image": (
        (1024, 1024, 512, 512, 256, 128, 64, 64, 32, 32, 16, 32, 16),
        {2: 6, 4: 5, 6: 4, 8: 3, 10: 2, 12: 2},
    ),
}


def model_sizes(backbone: Backbone, head: Head, outputs: int) -> tuple[Column, Column]:
    """Return trainable parameters and multiply-accumulates of backbone and head, ``(n,)`` each.

    Multiply-accumulates are counted for convolutions and linear layers, without biases. A
    transposed convolution has one multiply-accumulate for every weight and position of its input.
    In the jigsaw task, the backbone runs nine times.
    """
    shapes = np.column_stack([backbone.channels, backbone.side]).astype(int).tolist()
    sizes = np.array(
        [_head(head, channels, side, outputs) for channels, side in shapes]
    )
    passes = TILES if head == "jigsaw" else 1
    return backbone.parameters + sizes[:, 0], passes * backbone.macs + sizes[:, 1]


@lru_cache
def _head(head: Head, channels: int, side: int, outputs: int) -> tuple[float, float]:
    if head in ("linear", "jigsaw"):
        weights = channels * outputs * (TILES if head == "jigsaw" else 1)
        return weights + outputs, weights
    enlargements = (_FULL_SIDE // side).bit_length() - 1
    between, enlarging = _DECODERS[head]
    parameters = macs = 0
    shapes = itertools.pairwise((channels, *between, outputs))
    for layer, (inputs, wide) in enumerate(shapes):
        weights = 9 * inputs * wide
        parameters += weights + 3 * wide
        macs += weights * side**2
        side *= 2 if enlargements >= enlarging.get(layer, _FULL_SIDE) else 1
    return parameters - 2 * outputs, macs


OPERATIONS = ("none", "skip", "conv_1x1", "conv_3x3")
NONE, SKIP, CONV1, CONV3 = range(4)


def path_and_graph(choices: Choices) -> Matrix:
    """Return 26 columns: counts of paths, depth, number of live paths, and counts of live edges by
    operation and position.
    """
    live = path_live(choices).sum(axis=1)
    edges = live_edges(choices, (SKIP, CONV1, CONV3))
    return stacked(path_counts(choices, CONV1, 2), depth(choices), live, *edges)


# When do two cells of the micro space compute the same?
#
# The skeleton holds a cell ten times. Three of these change width and resolution, and there a skip
# from the input is a convolution with weights of its own (see
# `surrogate_nas.space.transnas.sizes`). Two cells that are the same there are the same everywhere.


_INPUT = -1


@cache
def functional_class(choices: tuple[int, ...]) -> str:
    """Return a canonical form, which is equal for cells that compute the same functions of live
    weights.

    In the canonical form, edges with ``none`` are dropped, skips between inner nodes are
    contracted, and sums are flattened. Live operations with weights have names, so one operation
    whose result is used twice differs from two operations. The canonical form is the smallest text
    for all possible names.
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
    live: set[int] = set()
    for edge in sorted(read, reverse=True):
        if any(
            edge in sources for sources in (nodes[-1], *map(read.get, live)) if sources
        ):
            live.add(edge)
    shapes = {_INPUT: "x"}
    for edge in sorted(live):
        inner = "+".join(sorted(shapes[part] for part in read[edge]))
        shapes[edge] = f"{choices[edge]}({inner})"
    del shapes[_INPUT]

    def written(order: tuple[int, ...]) -> str:
        names = {edge: name for name, edge in enumerate((_INPUT, *order))}

        def total(parts: tuple[int, ...]) -> str:
            return "+".join(map(str, sorted(names[part] for part in parts)))

        terms = [f"{names[e]}={choices[e]}({total(read[e])})" for e in order]
        return " ".join([*terms, total(nodes[-1])])

    return min(map(written, arrangements(shapes)))


_MICRO_FORMAT = re.compile("64-41414-([0-3])_([0-3]{2})_([0-3]{3})")


class TransNASMicro(ChoiceSpace):
    """The micro space of TransNAS-Bench-101."""

    name = "transnas-micro"
    positions = tuple(f"{source}-{target}" for source, target in EDGES)
    options = (OPERATIONS,) * len(EDGES)
    further_encodings = {
        "operation_counts": partial(operation_counts, n=len(OPERATIONS)),
        "paths": partial(path_counts, first=CONV1, kinds=2),
        "path_and_graph": path_and_graph,
    }
    views = ("path_and_graph", "one_hot")
    analytic = by_name(
        *_sizes(micro_backbone),
        structural("depth", "convolutions on the longest live path", depth),
        structural(
            "convolutions",
            "built in a cell",
            lambda choices: (choices > SKIP).sum(axis=1),
        ),
        paths_metric,
    )
    complexity = "convolutions"
    reference_text = "64-41414-3_21_103"

    def write(self, choices: tuple[int, ...]) -> str:
        """Return the benchmark's string for a combination of operations."""
        a, b, c, d, e, f = choices
        return f"64-41414-{a}_{b}{c}_{d}{e}{f}"

    def parse(self, text: str) -> Cell:
        """Return the cell for the benchmark's string, such as ``64-41414-1_02_333``.

        Raises:
            UserError: The string has another format, or an operation is unknown.
        """
        known = ", ".join(f"{digit} {name}" for digit, name in enumerate(OPERATIONS))
        shape = f"64-41414-a_bc_def, each letter a digit ({known})"
        return self.at(
            list(map(int, "".join(self._matched(_MICRO_FORMAT, text, shape))))
        )

    def identity(self, cell: Cell) -> str:
        """Return the canonical form of a cell's function (see `functional_class`)."""
        return functional_class(cell.choices)

    @cached_property
    def classes(self) -> NDArray[np.int32]:
        """The isomorphism class of every cell, shape ``(4096,)``, in order of first appearance.

        Cells of one isomorphism class compute the same family of functions of the weights that
        affect their output. The benchmark trained isomorphic cells separately.
        """
        return numbered(map(self.identity, self), len(self))

    def sketch(self, cell: Cell) -> Sketch:
        """Sketch a cell as a graph. Edges on no path from input to output are grey and dashed."""
        return four_nodes(cell)


_COLOURS = {1: PAPER, 2: SHOWN[2][1], 3: SHOWN[3][1], 4: "#8250df"}
_PAPER = (288.0, 115.2)
_CHANNELS = 64
_TALLEST = 2.0
_GAP = 0.3
_ABOVE = 7.0


LENGTHS = (4, 5, 6)
DOUBLINGS = (1, 2, 3)
HALVINGS = (1, 2, 3, 4)
"""The options for the numbers of modules, of modules that double the channels, and of modules that
halve the resolution.
"""


def progress(choices: Choices) -> Matrix:
    """Return 24 columns: counts of modules, of channel doublings and of resolution halvings.

    Doublings and halvings are counted in total and up to each module (0 for an absent module).
    Modules are counted in total, by width and by resolution.
    """
    there = choices > 0
    changes = np.isin(choices, _DOUBLE), np.isin(choices, _HALVE)
    counts = [counted.sum(axis=1) for counted in (there, *changes)]
    wide, small = (np.where(there, np.cumsum(change, axis=1), 0) for change in changes)
    ranges = (wide, range(len(DOUBLINGS) + 1)), (small, range(len(HALVINGS) + 1))
    at = [
        (there & (values == k)).sum(axis=1) for values, steps in ranges for k in steps
    ]
    return stacked(*counts, wide, small, *at)


_MACRO_FORMAT = re.compile("64-([1-4]{4,6})-basic")


class TransNASMacro(ChoiceSpace):
    """The macro space of TransNAS-Bench-101.

    The choices of a macro cell are its digits, with 0 for absent modules 5 and 6. Neighbouring
    cells differ in one digit, so a neighbour may have one module more or less at the end.
    """

    name = "transnas-macro"
    positions = tuple(f"module{i}" for i in range(1, 1 + MOST_MODULES))
    texts = (tuple("01234"),) * MOST_MODULES
    further_encodings = {"progress": progress}
    views = ("progress", "progress+one_hot")
    analytic = by_name(
        *_sizes(macro_backbone),
        structural(
            "modules", "of two blocks each", lambda some: (some > 0).sum(axis=1)
        ),
        structural(
            "doublings",
            "of the channels",
            lambda some: np.isin(some, _DOUBLE).sum(axis=1),
        ),
        structural(
            "halvings",
            "of the resolution, after the stem",
            lambda some: np.isin(some, _HALVE).sum(axis=1),
        ),
    )
    complexity = "modules"
    reference_text = "64-1234-basic"

    def _matrix(self) -> Choices:
        rows = []
        for length, doublings, halvings in itertools.product(
            LENGTHS, DOUBLINGS, HALVINGS
        ):
            doubled = itertools.combinations(range(length), doublings)
            halved = tuple(itertools.combinations(range(length), halvings))
            for double, halve in itertools.product(doubled, halved):
                digits = [1 + (i in double) + 2 * (i in halve) for i in range(length)]
                rows.append(digits + [0] * (MOST_MODULES - length))
        return np.array(rows, dtype=np.int8)

    def write(self, choices: tuple[int, ...]) -> str:
        """Return the benchmark's string for a combination of digits."""
        return f"64-{''.join(str(digit) for digit in choices if digit)}-basic"

    def parse(self, text: str) -> Cell:
        """Return the cell for the benchmark's string, such as ``64-1234-basic``.

        Raises:
            UserError: The string has another format, or the number of modules that double the
                channels or halve the resolution is out of range.
        """
        shape = "64-1234-basic, with four to six digits from 1 to 4"
        (digits,) = self._matched(_MACRO_FORMAT, text, shape)
        cell = self._cell_of(tuple(map(int, digits.ljust(MOST_MODULES, "0"))))
        if cell is None:
            raise UserError(
                f"{text.strip()} is not a cell of the space {self.name}: one to three modules must"
                " double the channels (2, 4), and one to four halve the resolution (3, 4)."
            )
        return cell

    def sketch(self, cell: Cell) -> Sketch:
        """Sketch a macro cell, with the channels below and the digit above every module."""
        modules: list[tuple[int, int, float, float]] = []
        height = _TALLEST
        channels = _CHANNELS
        for digit in filter(None, cell.choices):
            height /= 2 if digit in _HALVE else 1
            channels *= 2 if digit in _DOUBLE else 1
            modules.append((digit, channels, 0.16 * channels / _CHANNELS, height))
        right = sum(width + _GAP for _, _, width, _ in modules)
        up = -_TALLEST * 0.7, _TALLEST * 0.7
        frame = Frame.around((-_GAP, right), up, _PAPER, equal=True)
        marks: list[Mark] = []
        left = 0.0
        for digit, channels, width, height in modules:
            (x, y), size = (
                frame.at((left + width / 2, 0.0)),
                frame.span((width, height)),
            )
            marks += [
                Box((x, y), size, 0.0, _COLOURS[digit], INK, 1.2),
                Text((x, y - size[1] / 2 - _ABOVE), str(digit)),
                Text((x, y + size[1] / 2 + _ABOVE), str(channels), 8.0),
            ]
            left += width + _GAP
        return Sketch(_PAPER, marks)
