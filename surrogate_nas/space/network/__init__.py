"""The network around a cell as a list of layers. The PyTorch modules are in other files."""

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
        classes: Number of outputs of the linear layer.
        channels: Number of channels of the first stage, C. `channels` and `cells_per_stage` are
            ignored if a cell is the whole network.
        cells_per_stage: Number of cells in each of the three stages, N.
        image_size: Height and width of the input, or the length of a one-dimensional input.
        input_channels: Number of channels of the input.
        dimensions: 2 for images, or 1 for sequences, where 3×3 kernels become kernels of length 3.
        causal: Whether padding is on the left only, so that each position depends only on itself
            and earlier positions. A causal network has `positions` and no strides.
        positions: Whether the linear layer is applied at every position instead of after pooling
            over positions.
        strided: Whether the blocks between the stages halve the size.
        residual: Whether the block between stages is the published residual block. If `residual` is
            False, the block has only the shortcut (pooling and a 1×1 convolution), so that the
            cells of a small network dominate.

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
        """Create a `Network` from stored `settings`.

        Args:
            settings: The stored fields. Older files lack `positions` and `strided`.

        Raises:
            ValueError: A field is missing, unknown or of the wrong type.
        """
        defaults = {"positions": cls.positions, "strided": cls.strided}
        return build(
            cls, defaults | settings if isinstance(settings, dict) else settings
        )

    @property
    def settings(self) -> dict[str, Any]:
        """A dictionary of all fields.

        `positions` and `strided` are omitted if `causal` implies them.
        """
        implied = {"positions": self.causal, "strided": not self.causal}
        return {
            name: value
            for name, value in asdict(self).items()
            if implied.get(name) is not value
        }

    @property
    def taps(self) -> int:
        """The number of weights of a 3×3 kernel (or a kernel of length 3) between two channels."""
        return int(3**self.dimensions)

    @property
    def stages(self) -> list[tuple[int, int]]:
        """The channels and the image size of each stage. A stride of 2 rounds odd sizes up."""
        sizes = [self.image_size]
        for _ in range(2):
            sizes.append((sizes[-1] + 1) // 2 if self.strided else sizes[-1])
        return [(self.channels * 2**i, size) for i, size in enumerate(sizes)]

    @property
    def answers(self) -> int:
        """The number of positions of the last stage at which the linear layer is applied."""
        return int(self.stages[-1][1] ** self.dimensions) if self.positions else 1


NONE, SKIP, CONV1, CONV3, POOL = range(5)
"""The numbers of the operations on edges: nothing, the identity, convolutions of 1×1 and 3×3, and
average pooling of 3×3. `OPERATIONS` contains the layers of each.
"""


class Graph(NamedTuple):
    """A graph with an operation on every edge.

    Attributes:
        edges: The edges as pairs (from, to). Every edge leads from a lower to a higher node.
        operations: The number of the operation on each edge.

    Example:
        >>> graph = Graph(
        ...     edges=((0, 1), (0, 2), (1, 2)), operations=(NONE, SKIP, CONV3)
        ... )
        >>> graph.live().operations == (
        ...     NONE,
        ...     SKIP,
        ...     NONE,
        ... )  # nothing reaches node 1, so its outgoing edges are dead
        True
    """

    edges: tuple[tuple[int, int], ...]
    operations: tuple[int, ...]

    @property
    def nodes(self) -> int:
        """The number of nodes."""
        return 1 + max(target for _, target in self.edges)

    def live(self) -> "Graph":
        """Return the same graph with ``NONE`` on all edges that do not affect the output."""
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
    """A level of terms, which have one more successive convolution than the terms of the previous
    level.

    Attributes:
        sums: The input of each convolution as counts of the terms of previous levels: first the
            number of uses of each term, then the number of its different uses. The shape is ``(n, 2
            before)``, where ``before`` is the number of terms of previous levels.
        ones: The number of 1×1 convolutions, which precede the 3×3 convolutions.
        pooled: For each number of poolings (1, 2, …), the positions of the terms to pool once more.
    """

    sums: Counts
    ones: int
    pooled: tuple[list[int], ...]


class Terms(NamedTuple):
    """All terms of a space for a graph neural network, and its isomorphism classes as counts of
    terms.

    Attributes:
        poolings: The number of terms that are the input, pooled 0, 1, … times. These input terms
            come first.
        levels: All other terms, in levels by their number of successive convolutions.
        classes: Three counts of every term for each isomorphism class, shape ``(classes, 3
            terms)``: its uses in the output's sum, its different uses in this sum, and its
            different live convolutions in the whole cell.
    """

    poolings: int
    levels: tuple[Level, ...]
    classes: Counts


Shape = tuple[int, int, int]
"""Channels, height and width of a tensor."""


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of a layer: the input pixels that every output pixel reads.

    Layers with equal geometry share one object.

    Attributes:
        size: Number of rows and columns of the output.
        inputs: Number of pixels of the input.
        taps: Number of weights of a window.
        reads: Triples of output pixel, input pixel and weight of the window, sorted by output
            pixel, then by weight, shape ``(n, 3)``.
        kernel: Number of rows and columns of a window, or empty for a window of all pixels.
        dilation: The distance between neighbouring pixels in a window.
        start: The row and the column at which the first window begins, negative if it begins
            outside the input.
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
        """The distance from the first to the last pixel of a window, per axis."""
        return tuple(self.dilation * (length - 1) for length in self.kernel)

    @cached_property
    def padding(self) -> tuple[int, int] | None:
        """The rows and columns of padding on every side, or None if the sides differ."""
        sides = zip(self.start, self.reach, strict=True)
        if any(-2 * first != reach for first, reach in sides):
            return None
        return self.reach[0] // 2, self.reach[1] // 2


@dataclass(frozen=True)
class Layer:
    """One layer of a neural network in a blueprint.

    Attributes:
        kind: The type of the layer: ``input``, ``convolution``, ``depthwise``, ``normalisation``,
            ``relu``, ``sum``, ``join``, ``part``, ``average``, ``largest``, ``linear`` or
            ``module``.
        shape: The shape of the output.
        sources: The indices of the input layers.
        name: The name of the layer's parameters, as in a PyTorch module, or empty for a layer
            without parameters.
        windows: The windows of the layer, if it reads more than one pixel.
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
    """One tensor of trainable weights in a blueprint.

    Attributes:
        shape: The shape of the tensor as in PyTorch: outputs, inputs, rows, columns.
        bound: The bound of the uniform initial values, or None if all initial values are the
            constant `value`.
        value: The constant initial value.
    """

    shape: tuple[int, ...]
    bound: float | None = None
    value: float = 0.0


@dataclass
class Blueprint:
    """A network as a list of layers.

    For each type of layer, there is a method that adds such a layer and returns its index.

    Attributes:
        layers: The layers in the order of computation. The last layer is the output.
        parameters: The parameters by the name of their tensor, in the order of PyTorch's modules.
        graph: The cell as a graph, if the function `around` created the network.

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
        """The number of trainable parameters."""
        return sum(math.prod(tensor.shape) for tensor in self.parameters.values())

    @property
    def multiply_accumulates(self) -> int:
        """The multiply-accumulates for one example, by NAS-Bench-201's convention ("FLOPs").

        Convolutions and the linear layer (with its bias) are counted, including padding. Pooling,
        normalisation, ReLU and sums are not counted.
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
        """Add the input layer, for images or sequences.

        Args:
            shape: The shape of the input, or None for the shape that `network` describes.
        """
        network = self.network
        height = network.image_size if network.dimensions == 2 else 1
        usual = (network.input_channels, height, network.image_size)
        return self._add(Layer("input", shape or usual))

    def module(
        self, x: int, name: str, parameters: Mapping[str, Parameter] | None = None
    ) -> int:
        """Add a layer that only PyTorch can compute and that keeps the tensor's shape.

        Args:
            x: The index of the input layer.
            name: The name of the module.
            parameters: The parameters by their names in the module.
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
        """Add a convolution without bias.

        Padding keeps the size at stride 1. At stride 2 the size is halved and rounded up.

        Args:
            x: The index of the input layer.
            name: The name of the weights.
            outputs: Number of output channels.
            kernel: Rows and columns of the kernel.
            stride: The stride along each axis. The stride is ignored along an axis of one pixel.
            dilation: The distance between neighbouring weights.
            depthwise: Whether each channel is convolved separately.
            start: The position of the first window. If `start` is None, the first window is centred
                at the first pixel, or ends there in a causal network.
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
        """Add batch normalisation."""
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
        """Add an optional ReLU, a convolution and batch normalisation.

        Args:
            x: The index of the input layer.
            name: The name of the parameters.
            outputs: Number of output channels.
            kernel: The size of the kernel, 1 or 3. Kernels are one-dimensional for sequences.
            relu: Whether to apply a ReLU to the input.
            stride: The stride, 1 or 2.
        """
        window = (kernel if self.network.dimensions == 2 else 1, kernel)
        if relu:
            x = self.relu(x)
        x = self.convolution(
            x, f"{name}.weight", outputs, window, stride=(stride, stride)
        )
        return self.normalisation(x, f"{name}.norm")

    def relu(self, x: int) -> int:
        """Add a ReLU, unless the network already contains a ReLU of the same tensor."""
        layer = Layer("relu", self.layers[x].shape, (x,))
        return self.layers.index(layer) if layer in self.layers else self._add(layer)

    def sum(self, *terms: int) -> int:
        """Add a sum of tensors of the same shape.

        Args:
            *terms: The indices of the summands. The index of a single summand is returned
                unchanged.
        """
        if len(terms) == 1:
            return terms[0]
        return self._add(Layer("sum", self.layers[terms[0]].shape, terms))

    def zeros(self, shape: Shape) -> int:
        """Add a tensor of zeros."""
        return self._add(Layer("sum", shape))

    def join(self, *tensors: int) -> int:
        """Add a concatenation of the channels of tensors of the same size."""
        channels, heights, widths = zip(
            *(self.layers[x].shape for x in tensors), strict=True
        )
        return self._add(Layer("join", (sum(channels), heights[0], widths[0]), tensors))

    def part(self, x: int, channels: int) -> int:
        """Add a layer with the first channels of a tensor.

        Args:
            x: The index of the input layer. The index is returned unchanged if the layer has
                exactly this number of channels.
            channels: Number of channels to keep.
        """
        inputs, height, width = self.layers[x].shape
        if inputs == channels:
            return x
        return self._add(Layer("part", (channels, height, width), (x,)))

    def pool(
        self, x: int, kernel: int = 3, stride: int = 1, *, largest: bool = False
    ) -> int:
        """Add max pooling, or average pooling whose means exclude the padding.

        Args:
            x: The index of the input layer.
            kernel: The side length of a window, an odd number. Windows are one-dimensional for
                sequences.
            stride: The stride, 1 or 2.
            largest: Whether to use max pooling.
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
        """Add average or max pooling over windows of 2×2 pixels (2 for sequences) at stride 2.

        An odd last row or column is a separate window.
        """
        _, height, width = self.layers[x].shape
        steps = (min(2, height), 2)
        geometry = windows((height, width), steps, steps, 1, False, (0, 0))
        return self._pooled(x, geometry, largest)

    def answer(self, x: int, name: str = "head") -> int:
        """Add the linear output layer, which is applied to the mean over pixels or at every
        position.
        """
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
        """Return the initial weights by name, sampled uniformly within ±1 / √(fan-in) as in
        PyTorch.

        Each tensor has its own random stream, determined by the seed and the tensor's name.
        Therefore, a cell's live operations have the same initial weights whether or not dead
        operations are built. The random number generator is that of PyTorch.
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
    """Return the windows of a layer.

    Args:
        size: Height and width of the input.
        kernel: Number of rows and columns of a window.
        stride: The stride per axis.
        dilation: The distance between neighbouring pixels in a window.
        causal: Whether a window ends at its position instead of being centred there.
        start: The position of the first window. If `start` is None, `causal` determines the
            position.

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
"""A function that adds layers to a plan.

Its arguments are the plan, the index of the input layer, a name and the number of output channels.
It returns the index of the output layer.
"""


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
"""The layers of an operation on an edge, by its number.

They define compiled networks, PyTorch networks, stacks, supernets and sizes.
"""


def piece(
    operation: int, name: str, shape: Shape, network: Network, *, times: int = 1
) -> Blueprint:
    """Return a network that consists of a single operation on a tensor of a cell.

    Args:
        operation: The number of the operation.
        name: The name of the parameters.
        shape: The shape of the input.
        network: The macro architecture.
        times: The ratio of output channels to input channels.
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
    """Return the whole network of a cell."""
    plan = skeleton(network, lambda *arguments: cell(*arguments, graph=graph))
    plan.graph = graph
    return plan


def skeleton(network: Network, write: Writer) -> Blueprint:
    """Return a network whose cells are added by the function `write`."""
    plan = Blueprint(network)
    x = plan.convolution_bn(plan.input(), "stem", network.channels, 3, relu=False)
    for stage, (channels, _) in enumerate(network.stages):
        if stage:
            x = reduction(plan, x, f"reductions.{stage - 1}", channels)
        for n in range(network.cells_per_stage):
            x = write(plan, x, f"stages.{stage}.{n}", channels)
    return answered(plan, x)


def cell(plan: Blueprint, x: int, name: str, channels: int, *, graph: Graph) -> int:
    """Add a cell, in which every node is the sum of operations on earlier nodes.

    If the input has another number of channels than the cell, the operations on the input change
    this number, as in NATS-Bench's size space.
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
    """Add the residual block between stages (ResNetBasicblock), or only its shortcut."""
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
    """Add the end of the network: batch normalisation, ReLU and the linear layer."""
    plan.answer(plan.relu(plan.normalisation(x, "last")))
    return plan
