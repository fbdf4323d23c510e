"""The network around a cell: its frame here, its PyTorch layers in the files beside (imported where
they are used).
"""

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.files.formats import build


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
        ...     classes=10,
        ...     channels=4,
        ...     cells_per_stage=1,
        ...     image_size=28,
        ...     input_channels=1,
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
    def of(cls, settings: Mapping[str, Any]) -> "Network":
        """The network of stored `settings`.

        Args:
            settings: As they were read; older files lack `positions` and `strided`.

        Raises:
            ValueError: A field is missing, unknown or of another type.
        """
        defaults = {"positions": cls.positions, "strided": cls.strided}
        return build(
            cls, defaults | settings if isinstance(settings, dict) else settings
        )

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
"""The operations of a graph's edges by number; `OPERATIONS` says what each adds to a network."""
"""The operations that the layers know: nothing, the identity, convolutions of 1×1 and 3×3, average
pooling of 3×3.
"""


class Graph(NamedTuple):
    """Edges with their operations.

    Attributes:
        edges: (from, to), every edge from a lower to a higher node.
        operations: One of the operations above for each edge.

    Example:
        >>> graph = Graph(
        ...     edges=((0, 1), (0, 2), (1, 2)), operations=(NONE, SKIP, CONV3)
        ... )
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

    def live(self) -> "Graph":
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


Shape = tuple[int, int, int]
"""Channels, height and width of a tensor."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Where the pixels of an output look; there is one object for each geometry.

    Attributes:
        size: Rows and columns of the output.
        inputs: Pixels of the input.
        taps: Weights of a window.
        reads: The pixel of the output, the pixel of the input that it looks at and the tap, in
            rows, in the order of the first, then of the third; shape ``(n, 3)``.
        kernel: Rows and columns of a window; empty for one that holds all pixels.
        dilation: How far apart neighbours in a window are.
        start: The row and the column where the first window begins; negative where it begins
            outside.
    """

    size: tuple[int, int]
    inputs: int
    taps: int
    reads: NDArray[np.int64]
    kernel: tuple[int, ...] = ()
    stride: tuple[int, int] = (1, 1)
    dilation: int = 1
    start: tuple[int, int] = (0, 0)

    @cached_property
    def reach(self) -> tuple[int, ...]:
        """From the first to the last neighbour in a window, down and along."""
        return tuple(self.dilation * (length - 1) for length in self.kernel)

    @cached_property
    def padding(self) -> tuple[int, int] | None:
        """Rows and columns of padding on every side; None where the sides differ."""
        sides = zip(self.start, self.reach, strict=True)
        if any(-2 * first != reach for first, reach in sides):
            return None
        return self.reach[0] // 2, self.reach[1] // 2


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        kind: ``input``, ``convolution``, ``depthwise``, ``normalisation``, ``relu``, ``sum``,
            ``join``, ``part``, ``average``, ``largest``, ``linear`` or ``module``.
        shape: Of what it makes.
        sources: The places of the layers that it reads.
        name: Of its parameters, as PyTorch would name its module or tensor; empty where it has
            none.
        windows: Where it looks, if at more than the same pixel.
        affine: Whether a normalisation has scales and shifts.
    """

    kind: str
    shape: Shape
    sources: tuple[int, ...] = ()
    name: str = ""
    windows: Windows | None = None
    affine: bool = True


@dataclass(frozen=True)
class Parameter:
    """One tensor of weights.

    Attributes:
        shape: As PyTorch has it: outputs first, then inputs, rows and columns.
        bound: It starts uniform within this, or, where None, at `value`.
        value: The number that it starts at.
    """

    shape: tuple[int, ...]
    bound: float | None = None
    value: float = 0.0


@dataclass
class Blueprint:
    """A network, layer by layer; a method for each kind adds one and gives its place.

    Attributes:
        layers: In the order in which they are computed; the last answers.
        parameters: By the name of the tensor, in the order of PyTorch's modules.
        graph: The cell, where `around` wrote the network.

    Example:
        >>> plan = Blueprint(Network(channels=4, image_size=8))
        >>> features = plan.convolution_bn(plan.input(), "stem", 4, 3, relu=False)
        >>> plan.layers[features].shape, plan.answer(features)
        ((4, 8, 8), 4)
    """

    network: Network
    layers: list[Layer] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    graph: Graph | None = None

    @property
    def size(self) -> int:
        """Trainable parameters."""
        return sum(math.prod(tensor.shape) for tensor in self.parameters.values())

    @property
    def multiply_accumulates(self) -> int:
        """Multiply-accumulates for one example, by NAS-Bench-201's convention ("FLOPs").

        Convolutions and the linear layer (with its bias) are counted, padding too; pooling,
        normalisation, ReLU and sums are not.
        """
        total = 0
        for layer in self.layers:
            names = {
                "convolution": [layer.name],
                "depthwise": [layer.name],
                "linear": [f"{layer.name}.weight", f"{layer.name}.bias"],
            }.get(layer.kind, [])
            weights = sum(math.prod(self.parameters[name].shape) for name in names)
            total += layer.shape[1] * layer.shape[2] * weights
        return total

    def input(self, shape: Shape | None = None) -> int:
        """The images or signals.

        Args:
            shape: Of what comes in; None for the task's examples.
        """
        network = self.network
        height = network.image_size if network.dimensions == 2 else 1
        usual = (network.input_channels, height, network.image_size)
        return self._add(Layer("input", shape or usual))

    def module(
        self, x: int, name: str, parameters: Mapping[str, Parameter] | None = None
    ) -> int:
        """What PyTorch alone computes, from a tensor to one of the same shape.

        Args:
            name: Of the module.
            parameters: By their names in the module.
        """
        for inner, parameter in (parameters or {}).items():
            self.parameters[f"{name}.{inner}"] = parameter
        return self._add(Layer("module", self.layers[x].shape, (x,), name))

    def convolution(
        self,
        x: int,
        name: str,
        outputs: int,
        kernel: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        dilation: int = 1,
        depthwise: bool = False,
        start: tuple[int, int] | None = None,
    ) -> int:
        """A convolution without bias, padded so that it keeps the size at stride 1 and rounds it up
        at stride 2.

        Args:
            stride: Down and along; along an axis of one pixel it has no meaning.
            dilation: How far apart neighbouring weights look.
            start: Where the first window begins; None for a window around the first pixel, or,
                where the network is causal, one that ends there.
        """
        inputs, height, width = self.layers[x].shape
        geometry = windows(
            (height, width), kernel, stride, dilation, self.network.causal, start
        )
        fan_in = (1 if depthwise else inputs) * kernel[0] * kernel[1]
        self._weigh(name, (outputs, 1 if depthwise else inputs, *kernel), fan_in)
        kind = "depthwise" if depthwise else "convolution"
        return self._add(Layer(kind, (outputs, *geometry.size), (x,), name, geometry))

    def normalisation(self, x: int, name: str, *, affine: bool = True) -> int:
        """Batch normalisation."""
        shape = self.layers[x].shape
        if affine:
            self.parameters[f"{name}.weight"] = Parameter(shape[:1], value=1.0)
            self.parameters[f"{name}.bias"] = Parameter(shape[:1])
        return self._add(Layer("normalisation", shape, (x,), name, affine=affine))

    def convolution_bn(
        self,
        x: int,
        name: str,
        outputs: int,
        kernel: int,
        *,
        relu: bool = True,
        stride: int = 1,
    ) -> int:
        """[ReLU,] convolution, batch normalisation: most trained layers.

        Args:
            kernel: 1 or 3; one-dimensional for signals.
            relu: Whether the input passes a ReLU first.
            stride: 1 or 2.
        """
        window = (kernel if self.network.dimensions == 2 else 1, kernel)
        if relu:
            x = self.relu(x)
        x = self.convolution(
            x, f"{name}.weight", outputs, window, stride=(stride, stride)
        )
        return self.normalisation(x, f"{name}.norm")

    def relu(self, x: int) -> int:
        """The larger of a tensor and 0; asked for twice, it is computed once."""
        layer = Layer("relu", self.layers[x].shape, (x,))
        return self.layers.index(layer) if layer in self.layers else self._add(layer)

    def sum(self, *terms: int) -> int:
        """A sum of tensors of one shape.

        Args:
            *terms: What is added; a single one is given back as it is.
        """
        if len(terms) == 1:
            return terms[0]
        return self._add(Layer("sum", self.layers[terms[0]].shape, terms))

    def zeros(self, shape: Shape) -> int:
        """Zeros."""
        return self._add(Layer("sum", shape))

    def join(self, *tensors: int) -> int:
        """Tensors of one size with their channels side by side."""
        channels, heights, widths = zip(
            *(self.layers[x].shape for x in tensors), strict=True
        )
        return self._add(Layer("join", (sum(channels), heights[0], widths[0]), tensors))

    def part(self, x: int, channels: int) -> int:
        """The first channels of a tensor.

        Args:
            x: What it reads; given back as it is where it has no more.
        """
        inputs, height, width = self.layers[x].shape
        if inputs == channels:
            return x
        return self._add(Layer("part", (channels, height, width), (x,)))

    def pool(
        self, x: int, kernel: int = 3, stride: int = 1, *, largest: bool = False
    ) -> int:
        """The mean of a window, padding not counted, or its largest number.

        Args:
            kernel: The length of a window, odd; one-dimensional for signals.
            stride: 1 or 2.
        """
        window = (kernel if self.network.dimensions == 2 else 1, kernel)
        steps = (stride, stride)
        size = self.layers[x].shape[1:]
        return self._pooled(
            x, windows(size, window, steps, 1, self.network.causal), largest
        )

    def _pooled(self, x: int, geometry: Windows, largest: bool = False) -> int:
        kind = "largest" if largest else "average"
        shape = (self.layers[x].shape[0], *geometry.size)
        return self._add(Layer(kind, shape, (x,), windows=geometry))

    def halve(self, x: int, *, largest: bool = False) -> int:
        """The mean of windows of 2×2 (or 2) at stride 2; an odd last row or column is a window of
        its own.
        """
        _, height, width = self.layers[x].shape
        steps = (min(2, height), 2)
        geometry = windows((height, width), steps, steps, 1, False, (0, 0))
        return self._pooled(x, geometry, largest)

    def answer(self, x: int, name: str = "head") -> int:
        """The linear layer: of the mean over pixels, or at every position."""
        if not self.network.positions:
            x = self._pooled(x, _everything(math.prod(self.layers[x].shape[1:])))
        inputs, *size = self.layers[x].shape
        classes = self.network.classes
        self._weigh(f"{name}.weight", (classes, inputs), inputs)
        self._weigh(f"{name}.bias", (classes,), inputs)
        geometry = windows((size[0], size[1]), (1, 1), (1, 1))
        return self._add(
            Layer("linear", (classes, *geometry.size), (x,), name, geometry)
        )

    def weights(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """Initial weights by name: uniform within one over the root of the fan-in, as PyTorch's
        layers start.

        Each tensor comes from a stream of its own, named by seed and tensor, so that a cell's live
        operations start alike whether or not its dead ones are built. The stream is PyTorch's.
        """
        stream = np.random.MT19937(0)  # seeded anew for every tensor
        return {
            name: _drawn(tensor, stream, zlib.crc32(f"{seed}/{name}".encode()))
            for name, tensor in self.parameters.items()
        }

    def _add(self, layer: Layer) -> int:
        self.layers.append(layer)
        return len(self.layers) - 1

    def _weigh(self, name: str, shape: tuple[int, ...], fan_in: int) -> None:
        self.parameters[name] = Parameter(shape, 1 / math.sqrt(fan_in))


@lru_cache(maxsize=512)
def windows(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: int = 1,
    causal: bool = False,
    start: tuple[int, int] | None = None,
) -> Windows:
    """Where the windows of a layer look, and how many rows and columns of them there are.

    Args:
        size: Height and width of the input.
        kernel: Rows and columns of a window.
        dilation: How far apart neighbours in a window are.
        causal: Whether a window ends at its position instead of lying around it.
        start: Where the first window begins; None for what `causal` says.

    Example:
        >>> windows((1, 3), (1, 3), (1, 1)).reads.tolist()
        [[0, 0, 1], [0, 1, 2], [1, 0, 0], [1, 1, 1], [1, 2, 2], [2, 1, 0], [2, 2, 1]]
    """
    axes = (0, 1)
    steps = tuple(stride[axis] if size[axis] > 1 else 1 for axis in axes)
    reach = [dilation * (kernel[axis] - 1) for axis in axes]
    starts = start or (-(reach[0] // 2), -reach[1] if causal else -(reach[1] // 2))
    rows, columns = (
        np.arange(0, size[axis], steps[axis])[:, None]
        + (starts[axis] + dilation * np.arange(kernel[axis]))
        for axis in axes
    )
    y = rows[:, None, :, None]
    x = columns[None, :, None, :]
    inside = (y >= 0) & (y < size[0]) & (x >= 0) & (x < size[1])
    shape = (len(rows) * len(columns), kernel[0] * kernel[1])
    pixels, taps = np.nonzero(inside.reshape(shape))
    reads = np.stack([pixels, (y * size[1] + x).reshape(shape)[pixels, taps], taps], 1)
    return Windows(
        (len(rows), len(columns)),
        size[0] * size[1],
        shape[1],
        reads,
        kernel,
        (steps[0], steps[1]),
        dilation,
        starts,
    )


@lru_cache(maxsize=64)
def _everything(pixels: int) -> Windows:
    reads = np.zeros((pixels, 3), dtype=np.int64)
    reads[:, 1] = np.arange(pixels)
    return Windows((1, 1), pixels, 1, reads)


def _drawn(
    parameter: Parameter, stream: np.random.MT19937, seed: int
) -> NDArray[np.float32]:
    if parameter.bound is None:
        return np.full(parameter.shape, parameter.value, np.float32)
    stream._legacy_seeding(seed)
    bits = stream.random_raw(parameter.shape) & np.uint64(2**24 - 1)
    bound = np.float32(parameter.bound)
    uniform = bits.astype(np.float32) * np.float32(2**-24) * (bound + bound) - bound
    return uniform


Writer: TypeAlias = Callable[[Blueprint, int, str, int], int]
"""Adds to a plan what reads a place; is given a name and the channels out, and gives its place."""


def _convolution(kernel: int) -> Writer:
    return lambda plan, x, name, channels: plan.convolution_bn(
        x, name, channels, kernel
    )


OPERATIONS: dict[int, Writer] = {
    SKIP: lambda _plan, x, _name, _channels: x,
    CONV1: _convolution(1),
    CONV3: _convolution(3),
    POOL: lambda plan, x, _name, _channels: plan.pool(x),
}
"""What stands on an edge, by its number. Compiled networks, PyTorch's, stacks, supernets and sizes
are all made from this, so that an operation is written once.
"""


def piece(
    operation: int, name: str, shape: Shape, network: Network, *, times: int = 1
) -> Blueprint:
    """One operation by itself, on a tensor of a cell.

    Args:
        times: How many times the channels that it reads it gives.
    """
    plan = Blueprint(network)
    OPERATIONS[operation](plan, plan.input(shape), name, times * shape[0])
    return plan


# A network of cells, as NAS-Bench-201 published it (Dong & Yang, ICLR 2020), as a blueprint.
#
# Stem 3×3 + BN; three stages of N cells at C, 2C and 4C channels; a residual block of stride 2
# between stages; BN and ReLU before global average pooling; a linear layer. Where nothing is
# strided, the blocks' shortcuts have no pooling.


def around(graph: Graph, network: Network) -> Blueprint:
    """The whole network of a cell."""
    plan = skeleton(network, lambda *arguments: cell(*arguments, graph=graph))
    plan.graph = graph
    return plan


def skeleton(network: Network, write: Writer) -> Blueprint:
    """The network around cells that are written by a function."""
    plan = Blueprint(network)
    x = plan.convolution_bn(plan.input(), "stem", network.channels, 3, relu=False)
    for stage, (channels, _) in enumerate(network.stages):
        if stage:
            x = reduction(plan, x, f"reductions.{stage - 1}", channels)
        for n in range(network.cells_per_stage):
            x = write(plan, x, f"stages.{stage}.{n}", channels)
    return answered(plan, x)


def cell(plan: Blueprint, x: int, name: str, channels: int, *, graph: Graph) -> int:
    """One cell: every node the sum of operations on those before it.

    Where the input has other channels than the cell, its operations change them, as NATS-Bench's
    size space has it.
    """
    widens = plan.layers[x].shape[0] != channels
    nodes = [x]
    edges = list(enumerate(zip(graph.edges, graph.operations, strict=True)))
    for target in range(1, graph.nodes):
        terms = []
        for e, ((source, to), operation) in edges:
            if to != target or operation == NONE:
                continue
            where = f"{name}.edges.{e}"
            if operation == SKIP and widens and not source:
                terms.append(plan.convolution_bn(x, where, channels, 1, relu=False))
            else:
                terms.append(
                    OPERATIONS[operation](plan, nodes[source], where, channels)
                )
        size = plan.layers[x].shape[1:]
        nodes.append(plan.sum(*terms) if terms else plan.zeros((channels, *size)))
    return nodes[-1]


def reduction(plan: Blueprint, x: int, name: str, channels: int) -> int:
    """The residual block between stages (ResNetBasicblock), or only its shortcut."""
    stride = 2 if plan.network.strided else 1
    pooled = plan.halve(x) if plan.network.strided else x
    shortcut = plan.convolution(pooled, f"{name}.shortcut", channels, (1, 1))
    if not plan.network.residual:
        return shortcut
    middle = plan.convolution_bn(x, f"{name}.first", channels, 3, stride=stride)
    return plan.sum(
        shortcut, plan.convolution_bn(middle, f"{name}.second", channels, 3)
    )


def answered(plan: Blueprint, x: int) -> Blueprint:
    """The end of the network: BN, ReLU and what answers."""
    plan.answer(plan.relu(plan.normalisation(x, "last")))
    return plan
