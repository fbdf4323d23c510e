"""Translate a network's blueprint into instructions for compiled kernels: memory for every tensor,
and the order of forward and backward operations.

The translation yields three schedules: a training step, inference, and inference with the gradient
with respect to the input. A tensor occupies memory only from its first use to its last use. Tensors
that are used together are therefore close together in memory.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.network import Blueprint, Layer, Windows
from surrogate_nas.training.fast.assembly import LANES
from surrogate_nas.training.fast.kernels import ADD, BIAS, CODES, MASK, WORDS, Shape

Words = NDArray[np.int64]
# Numbers: every tensor begins at a line of the cache.
_ALIGN = 16
# Bytes of a tensor's piece that a weight's gradient takes at once.
_PIECE = 24 << 10
NOTHING = -1
_ADDS = ("normalisation", "average", "convolution", "depthwise")
_OF_NORMALISATION = (
    "running mean",
    "running variance",
    "mean",
    "inverse",
    "factor",
    "constant",
)


class Tables:
    """The index tables of all layer geometries that occur in this process. Tables are only
    appended, so their offsets remain valid.
    """

    def __init__(self) -> None:
        self.words: Words = np.zeros(0, np.int64)
        self._offsets: dict[tuple[object, ...], int] = {}

    def offset(self, layer: Layer, what: str, piece: int = 0) -> int:
        """Return the offset of a layer's index table.

        The argument `what` names the table. ``forward`` lists for each output pixel its input
        pixels and the taps of the kernel. ``backward`` lists for each input pixel its output pixels
        and the taps. ``taps`` lists for each piece of the output and each tap the pixels of output
        and input. ``mixed`` and ``unmixed`` are like ``forward`` and ``backward``, but contain the
        output pixel in place of the tap. The argument `piece` is the number of output pixels in a
        piece, or 0 for a single piece.
        """
        windows = _windows(layer)
        key = windows, what, piece
        if key not in self._offsets:
            starts, pairs = _table(windows, what, piece)
            begin = len(self.words)
            padded = np.zeros(len(starts) + len(starts) % 2, np.int64)
            padded[: len(starts)] = starts + (begin + len(padded)) // 2
            self.words = np.concatenate([self.words, padded, pairs.ravel()])
            self._offsets[key] = begin
        return self._offsets[key]


def _table(windows: Windows, what: str, piece: int) -> tuple[Words, Words]:
    """Return the start of each entry of a table, and the pairs of integers."""
    outputs, inputs, taps = windows.reads.T
    pixels = windows.size[0] * windows.size[1]
    in_pieces = outputs // (piece or pixels) * windows.taps + taps
    by, count, first, second = {
        "forward": (outputs, pixels, inputs, taps),
        "backward": (inputs, windows.inputs, outputs, taps),
        "mixed": (outputs, pixels, inputs, outputs),
        "unmixed": (inputs, windows.inputs, outputs, outputs),
        "taps": (in_pieces, pieces(windows, piece) * windows.taps, outputs, inputs),
    }[what]
    order = np.argsort(by, kind="stable")
    starts = np.searchsorted(by[order], np.arange(count + 1))
    return starts, np.stack([first[order], second[order]], 1)


def _windows(layer: Layer) -> Windows:
    assert layer.windows
    return layer.windows


def pieces(windows: Windows, piece: int) -> int:
    """Return the number of pieces into which the output pixels of a layer are divided."""
    pixels = windows.size[0] * windows.size[1]
    return -(-pixels // (piece or pixels))


TABLES = Tables()


def shares(layer: Layer) -> NDArray[np.float32]:
    """Return 1 / (number of input pixels in the window) for each output pixel of a layer, shape
    ``(output pixels,)``.
    """
    windows = _windows(layer)
    counts = np.bincount(
        windows.reads[:, 0], minlength=windows.size[0] * windows.size[1]
    )
    return (1 / np.maximum(counts, 1)).astype(np.float32)


@dataclass(eq=False)
class Slot:
    """The memory of a tensor: `size` numbers from `offset` on. The memory is reserved from the
    `first` instruction that uses the tensor to the `last`.
    """

    size: int
    offset: int = NOTHING
    first: int = 1 << 60
    last: int = NOTHING


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor in memory, or a range of its channels: `channels` channels from `start` on. Two
    neighbouring pixels are `rows` rows apart.
    """

    slot: Slot
    rows: int
    channels: int
    pixels: int
    start: int = 0

    def part(self, start: int, channels: int) -> "Tensor":
        """Return a view of some neighbouring channels of the tensor."""
        return replace(self, start=self.start + start, channels=channels)


class Constant:
    """A memory area for data that stays during all passes. `offsets` has the offset of each item by
    name.
    """

    def __init__(self, sizes: Iterable[tuple[str, int]]) -> None:
        """Allocate all items in order."""
        self.offsets: dict[str, int] = {}
        self.size = 0
        for name, size in sizes:
            self.offsets[name] = self.size
            self.size += _aligned(size)


def _aligned(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN


@dataclass
class Schedule:
    """A list of instructions in the order of execution. Each instruction has a name and its
    arguments, tensors first.

    The attribute `row` is the length of a tensor's row, that is, the largest batch size rounded up
    to whole vectors.
    """

    row: int
    instructions: list[tuple[str, tuple[int | Tensor, ...]]] = field(
        default_factory=list
    )
    slots: list[Slot] = field(default_factory=list)

    def tensor(self, layer: Layer) -> Tensor:
        """Create a tensor for the output of a layer."""
        channels, height, width = layer.shape
        rows = channels + (channels % 8 == 0)
        self.slots.append(Slot(rows * height * width * self.row))
        return Tensor(self.slots[-1], rows, channels, height * width)

    def use(self, *tensors: Tensor) -> None:
        """Record that tensors are used by the next instruction."""
        now = len(self.instructions)
        for tensor in tensors:
            tensor.slot.first = min(tensor.slot.first, now)
            tensor.slot.last = max(tensor.slot.last, now)

    def emit(self, name: str, *fields: int | Tensor) -> None:
        """Append an instruction."""
        self.use(*(value for value in fields if isinstance(value, Tensor)))
        self.instructions.append((name, fields))

    def allocate(self, start: int) -> int:
        """Allocate memory for every tensor, and return the end of the allocated memory."""
        occupied: list[Slot] = []
        end = start
        used = [slot for slot in self.slots if slot.last >= 0]
        for slot in sorted(used, key=lambda slot: slot.first):
            occupied = [other for other in occupied if other.last >= slot.first]
            occupied.sort(key=lambda other: other.offset)
            slot.offset = start
            for other in occupied:
                if other.offset - slot.offset >= slot.size:
                    break
                slot.offset = max(slot.offset, other.offset + _aligned(other.size))
            occupied.append(slot)
            end = max(end, slot.offset + slot.size)
        return _aligned(end)

    def words(self) -> Words:
        """Return the instructions as integers, shape ``(n, WORDS)``. Memory must have been
        allocated for all tensors before.
        """
        written = np.zeros((len(self.instructions), WORDS), np.int64)
        for line, (name, fields) in zip(written, self.instructions, strict=True):
            numbers = [CODES[name]]
            for value in fields:
                if isinstance(value, Tensor):
                    offset = value.slot.offset + value.start * self.row
                    numbers += (offset, value.rows, value.channels, value.pixels)
                else:
                    numbers.append(value)
            line[: len(numbers)] = numbers
        return written


@dataclass(frozen=True)
class Signature:
    """A schedule as instructions, with the tensors through which its caller passes inputs and reads
    results.

    The caller sets `output_gradient` before the backward instructions. The attribute
    `input_gradient` is available after the backward instructions. The attribute `size` is the
    number of float32 values in the arena, the memory block of the network.
    """

    row: int
    input: Tensor
    output: Tensor
    output_gradient: Tensor | None
    input_gradient: Tensor | None
    forward: Words
    backward: Words
    size: int


class Program:
    """The instructions that train and evaluate a network.

    Attributes:
        live: Indices of the input and of all layers on which the last layer depends, in order.
        norm_after: For each convolution whose only reader is a normalisation, the index of the
            normalisation, which is folded into the convolution.
        sinks: For each layer whose only reader is a sum, the index of the sum. The layer writes its
            output directly into the sum.
        parameters: The offset of each parameter in the memory area of weights. The offset of its
            gradient in the area of gradients is the same.
        fixed: The offsets of the memory areas of weights, gradients, momenta and statistics.
        size: Number of float32 values in the arena, the memory block of the network.
        step: The schedule of a training step, with a forward and a backward pass.
        fold: The schedule that prepares inference after the weights have changed.
        inference: The schedule of inference.
    """

    def __init__(self, plan: Blueprint, batch: int, at_once: int, shape: Shape) -> None:
        """Translate a network."""
        self.plan = plan
        self.shape = shape
        self.rows = [-(-examples // LANES) * LANES for examples in (batch, at_once)]
        self.live = _live(plan)
        self.norm_after: dict[int, int] = {}
        self.sinks: dict[int, int] = {}
        times = Counter(
            source for index in self.live for source in plan.layers[index].sources
        )
        for index in self.live:
            for source in plan.layers[index].sources:
                kinds = plan.layers[source].kind, plan.layers[index].kind
                if times[source] == 1 and kinds == ("convolution", "normalisation"):
                    self.norm_after[source] = index
                elif times[source] == 1 and kinds[0] in _ADDS and kinds[1] == "sum":
                    self.sinks[source] = index
        self.convolution_before = {
            norm: index for index, norm in self.norm_after.items()
        }
        self.parameters = Constant(
            (name, math.prod(parameter.shape))
            for name, parameter in plan.parameters.items()
        )
        self.fixed = Constant(self._fixed())
        self.fold = self._fold()
        self.step = self.schedule(training=True)
        self.inference = self.schedule(training=False)
        self.size = max(self.step.size, self.inference.size)

    def _fixed(self) -> Iterable[tuple[str, int]]:
        for what in ("weights", "gradients", "momenta"):
            yield what, self.parameters.size
        taps = 1
        for index in self.live:
            layer = self.plan.layers[index]
            if layer.kind == "normalisation":
                for what in _OF_NORMALISATION:
                    yield f"{what} {index}", layer.shape[0]
                if convolution := self.convolution_before.get(index):
                    yield f"folded {convolution}", self._weights_of(convolution)
            elif layer.kind == "average" and layer.windows:
                yield f"shares {index}", layer.windows.size[0] * layer.windows.size[1]
            elif layer.kind == "convolution" and layer.windows:
                taps = max(taps, layer.windows.taps)
        yield "kept", taps * self.shape.pairs[0] * self.shape.pairs[1] * LANES

    def _weights_of(self, index: int) -> int:
        return math.prod(self.plan.parameters[self.plan.layers[index].name].shape)

    def weight(self, name: str, what: str = "weights") -> int:
        """Return the memory offset of a parameter, or of its gradient."""
        return self.fixed.offsets[what] + self.parameters.offsets[name]

    def offsets(self, index: int, *names: str) -> list[int]:
        """Return the memory offsets of some of a layer's arrays, given their names."""
        return [self.fixed.offsets[f"{name} {index}"] for name in names]

    def _fold(self) -> Words:
        schedule = Schedule(LANES)
        for index in self.live:
            layer = self.plan.layers[index]
            if layer.kind != "normalisation":
                continue
            weights = NOTHING, NOTHING, 0
            if convolution := self.convolution_before.get(index):
                weight = self.weight(self.plan.layers[convolution].name)
                per_channel = self._weights_of(convolution) // layer.shape[0]
                (folded,) = self.offsets(convolution, "folded")
                weights = weight, folded, per_channel
            written = self.offsets(index, "factor", "constant")
            running = self.offsets(index, "running mean", "running variance")
            schedule.emit(
                "fold",
                *written,
                layer.shape[0],
                *self.affine(layer),
                *running,
                *weights,
            )
        return schedule.words()

    def affine(self, layer: Layer, what: str = "weights") -> tuple[int, int]:
        """Return the memory offsets of a normalisation's scales and shifts, or of their
        gradients.
        """
        if not layer.affine:
            return NOTHING, NOTHING
        scale, shift = (f"{layer.name}.{part}" for part in ("weight", "bias"))
        return self.weight(scale, what), self.weight(shift, what)

    def schedule(self, *, training: bool, by_input: bool = False) -> Signature:
        """Write the schedule of a pass through the network. The schedule is for a training step or
        for inference, optionally with the gradient with respect to the input.
        """
        schedule = Schedule(self.rows[0] if training else self.rows[1])
        forward = _Forward(self, schedule, training=training)
        output = forward.outputs[self.live[-1]]
        forwards = len(schedule.instructions)
        gradients: dict[int, Tensor] = {}
        if training or by_input:
            gradients = _Backward(forward, by_input=by_input).gradients
        input_gradient = gradients.get(0)
        # the caller reads the outputs, and the gradient by the input, when all is done
        schedule.use(output, *([input_gradient] if input_gradient else []))
        size = schedule.allocate(self.fixed.size)
        words = schedule.words()
        return Signature(
            schedule.row,
            forward.outputs[0],
            output,
            gradients.get(self.live[-1]),
            input_gradient,
            words[:forwards],
            words[forwards:],
            size,
        )


def _live(plan: Blueprint) -> list[int]:
    live = {0, len(plan.layers) - 1}
    for index in reversed(range(len(plan.layers))):
        if index in live:
            live.update(plan.layers[index].sources)
    return sorted(live)


class _Forward:
    def __init__(self, program: Program, schedule: Schedule, *, training: bool) -> None:
        self.program = program
        self.emit = schedule.emit
        self.schedule = schedule
        self.training = training
        self.plan = program.plan
        self.outputs: dict[int, Tensor] = {}
        self.begun: set[int] = set()
        self.joined: dict[int, tuple[int, int]] = {}
        for index in program.live:
            layer = self.plan.layers[index]
            start = 0
            for source in layer.sources if layer.kind == "join" else ():
                if self.plan.layers[source].kind not in ("input", "join"):
                    self.joined.setdefault(source, (index, start))
                start += self.plan.layers[source].shape[0]
        for index in program.live:
            layer = self.plan.layers[index]
            inputs = [
                self.outputs[source]
                for source in layer.sources
                if source in self.outputs
            ]
            getattr(self, f"_{layer.kind}")(index, layer, *inputs[:1])

    def tensor(self, index: int) -> Tensor:
        """Return the tensor that a layer writes: its own, or its part of the tensor that it is
        concatenated into.
        """
        if index not in self.outputs:
            layer = self.plan.layers[index]
            if index in self.joined:
                joint, start = self.joined[index]
                self.outputs[index] = self.tensor(joint).part(start, layer.shape[0])
            else:
                self.outputs[index] = self.schedule.tensor(layer)
        return self.outputs[index]

    def target(self, index: int) -> tuple[Tensor, int]:
        """Return the tensor that a layer writes, and whether its values are added to that
        tensor.
        """
        sink = self.program.sinks.get(index)
        if sink is None:
            return self.tensor(index), 0
        return self.tensor(sink), self.added(sink)

    def added(self, index: int) -> int:
        """Return the flag that adds a term to a sum, for all terms except the first."""
        flags = ADD if index in self.begun else 0
        self.begun.add(index)
        return flags

    def _input(self, index: int, layer: Layer) -> None:
        self.outputs[index] = self.schedule.tensor(layer)
        self.schedule.use(self.outputs[index])

    def _convolution(self, index: int, layer: Layer, x: Tensor) -> None:
        norm = None if self.training else self.program.norm_after.get(index)
        if norm is None:
            self._convolve(index, layer, x, self.program.weight(layer.name), NOTHING)
        else:
            (weight,) = self.program.offsets(index, "folded")
            self._convolve(
                norm, layer, x, weight, *self.program.offsets(norm, "constant")
            )

    def _linear(self, index: int, layer: Layer, x: Tensor) -> None:
        parts = (f"{layer.name}.{what}" for what in ("weight", "bias"))
        self._convolve(index, layer, x, *map(self.program.weight, parts))

    def _convolve(
        self, index: int, layer: Layer, x: Tensor, weight: int, bias: int
    ) -> None:
        """Write a convolution, or a linear layer at every pixel; weights are
        ``(tap, input, output)``.
        """
        out, flags = self.target(index)
        table = TABLES.offset(layer, "forward")
        flags |= BIAS if bias >= 0 else 0
        self.emit("convolve", out, x, out, weight, out.channels, 1, bias, table, flags)

    def _depthwise(self, index: int, layer: Layer, x: Tensor) -> None:
        out, flags = self.target(index)
        weight = self.program.weight(layer.name), TABLES.offset(layer, "forward")
        self.emit("convolve_each", out, x, out, *weight, flags)

    def _normalisation(self, index: int, layer: Layer, x: Tensor | None = None) -> None:
        if not self.training and index in self.program.convolution_before:
            return  # it is folded into the convolution, which was written where this belongs
        assert x
        out, flags = self.target(index)
        if self.training:
            names = "mean", "inverse", "running mean", "running variance"
            affine = self.program.affine(layer)
            self.emit(
                "normalise",
                out,
                x,
                *affine,
                *self.program.offsets(index, *names),
                flags,
            )
        else:
            self.emit(
                "scale",
                out,
                x,
                *self.program.offsets(index, "factor", "constant"),
                flags,
            )

    def _relu(self, index: int, layer: Layer, x: Tensor) -> None:
        self.emit("rectify", self.tensor(index), x, 0)

    def _average(self, index: int, layer: Layer, x: Tensor) -> None:
        out, flags = self.target(index)
        table = TABLES.offset(layer, "mixed")
        self.emit(
            "weighted_pool",
            out,
            x,
            table,
            *self.program.offsets(index, "shares"),
            flags,
        )

    def _largest(self, index: int, layer: Layer, x: Tensor) -> None:
        self.emit("max_pool", self.tensor(index), x, TABLES.offset(layer, "forward"))

    def _sum(self, index: int, layer: Layer, _: Tensor | None = None) -> None:
        if not layer.sources:
            self.emit("clear", self.tensor(index))
        for source in layer.sources:
            if self.program.sinks.get(source) != index:
                out = self.tensor(index)
                self.emit("move", out, self.outputs[source], self.added(index))

    def _join(self, index: int, layer: Layer, _: Tensor) -> None:
        start = 0
        for source in layer.sources:
            part = self.outputs[source]
            if self.joined.get(source) != (index, start):
                self.emit(
                    "move", self.tensor(index).part(start, part.channels), part, 0
                )
            start += part.channels

    def _part(self, index: int, layer: Layer, x: Tensor) -> None:
        out = self.tensor(index)
        self.emit("move", out, x.part(0, out.channels), 0)


class _Backward:
    def __init__(self, forward: _Forward, *, by_input: bool) -> None:
        self.outputs = forward.outputs
        self.by_input = by_input
        self.program = forward.program
        self.schedule = forward.schedule
        self.emit = forward.emit
        self.plan = forward.plan
        self.begun: set[int] = set()
        self.needed: set[int] = set()
        for index in self.program.live:
            layer = self.plan.layers[index]
            own = layer.kind == "input" if by_input else bool(layer.name)
            if own or self.needed.intersection(layer.sources):
                self.needed.add(index)
        last = self.program.live[-1]
        self.gradients = {last: self.schedule.tensor(self.plan.layers[last])}
        self.begun.add(last)
        self.schedule.use(self.outputs[last], self.gradients[last])
        for index in reversed(self.program.live):
            layer = self.plan.layers[index]
            if index in self.begun and index in self.needed and layer.kind != "input":
                getattr(self, f"_{layer.kind}")(index, layer, self.gradients[index])

    def target(self, index: int) -> tuple[Tensor, int] | None:
        """Return the tensor to which a contribution to a gradient is written, and whether it is
        added; None if the gradient is not needed.
        """
        if index not in self.needed:
            return None
        if index not in self.gradients:
            self.gradients[index] = self.schedule.tensor(self.plan.layers[index])
        flags = ADD if index in self.begun else 0
        self.begun.add(index)
        return self.gradients[index], flags

    def into(self, index: int, name: str, *fields: int | Tensor) -> None:
        """Write a contribution to a layer's gradient, if the gradient is needed."""
        if target := self.target(index):
            out, flags = target
            self.emit(name, out, *fields, flags)

    def cleared(self, index: int) -> Tensor | None:
        """Return a layer's gradient, zero if nothing was written yet; None if it is not needed."""
        if not (target := self.target(index)):
            return None
        out, flags = target
        if not flags:
            self.emit("clear", out)
        return out

    def through(self, name: str, layer: Layer, g: Tensor, *numbers: int) -> None:
        """Write a layer's contribution to the gradient of its input. If the input comes from a
        ReLU, mask the contribution and add it to the gradient of the ReLU's input.
        """
        (source,) = layer.sources
        input_layer = self.plan.layers[source]
        masks = input_layer.kind == "relu"
        if target := self.target(input_layer.sources[0] if masks else source):
            out, flags = target
            mask = self.outputs[source] if masks else out
            table = TABLES.offset(layer, "backward")
            self.emit(
                name, out, g, mask, *numbers, table, flags | (MASK if masks else 0)
            )

    def _convolve(self, layer: Layer, name: str, g: Tensor) -> None:
        """Write the gradients of a convolution, or of a linear layer at every pixel."""
        if not self.by_input:
            windows = _windows(layer)
            bytes_of_pixel = 4 * self.schedule.row * sum(self.program.shape.pairs)
            piece = max(1, _PIECE // bytes_of_pixel)
            self.emit(
                "weight_gradient",
                g,
                self.outputs[layer.sources[0]],
                self.program.weight(name, "gradients"),
                TABLES.offset(layer, "taps", piece),
                windows.taps,
                pieces(windows, piece),
                self.program.fixed.offsets["kept"],
            )
        self._inputs(layer, self.program.weight(name), g)

    def _inputs(self, layer: Layer, weight: int, g: Tensor) -> None:
        self.through("convolve", layer, g, weight, 1, g.channels, NOTHING)

    def _convolution(self, _: int, layer: Layer, g: Tensor) -> None:
        self._convolve(layer, layer.name, g)

    def _linear(self, _: int, layer: Layer, g: Tensor) -> None:
        if not self.by_input:
            bias = self.program.weight(f"{layer.name}.bias", "gradients")
            self.emit("bias_gradient", g, bias)
        self._convolve(layer, f"{layer.name}.weight", g)

    def _depthwise(self, _: int, layer: Layer, g: Tensor) -> None:
        if not self.by_input:
            weight = self.program.weight(layer.name, "gradients")
            table = TABLES.offset(layer, "taps")
            taps = _windows(layer).taps
            x = self.outputs[layer.sources[0]]
            self.emit("weight_gradient_each", g, x, weight, table, taps)
        self.through("convolve_each", layer, g, self.program.weight(layer.name))

    def _normalisation(self, index: int, layer: Layer, g: Tensor) -> None:
        (source,) = layer.sources
        if self.by_input:
            if convolution := self.program.convolution_before.get(index):
                (weight,) = self.program.offsets(convolution, "folded")
                self._inputs(self.plan.layers[convolution], weight, g)
            else:
                self.into(
                    source, "scale", g, *self.program.offsets(index, "factor"), NOTHING
                )
            return
        # The gradients of scales and shifts are wanted even where that of the input is not.
        spare = self.schedule.tensor(self.plan.layers[source])
        out, flags = self.target(source) or (spare, 0)
        scale, _ = self.program.affine(layer)
        statistics = self.program.offsets(index, "mean", "inverse")
        gradients = self.program.affine(layer, "gradients")
        tensors = out, g, self.outputs[source]
        self.emit("normalise_gradient", *tensors, scale, *statistics, *gradients, flags)

    def _relu(self, index: int, layer: Layer, g: Tensor) -> None:
        self.into(layer.sources[0], "rectify_gradient", g, self.outputs[index])

    def _average(self, index: int, layer: Layer, g: Tensor) -> None:
        table = TABLES.offset(layer, "unmixed")
        shares = self.program.offsets(index, "shares")
        self.into(layer.sources[0], "weighted_pool", g, table, *shares)

    def _largest(self, index: int, layer: Layer, g: Tensor) -> None:
        (source,) = layer.sources
        if out := self.cleared(source):
            table = TABLES.offset(layer, "forward")
            tensors = out, g, self.outputs[source], self.outputs[index]
            self.emit("max_pool_gradient", *tensors, table)

    def _sum(self, index: int, layer: Layer, g: Tensor) -> None:
        for source in layer.sources:
            if self.program.sinks.get(source) != index:
                self.into(source, "move", g)
            elif source in self.needed:
                self.gradients[source] = g
                self.begun.add(source)

    def _join(self, _: int, layer: Layer, g: Tensor) -> None:
        start = 0
        for source in layer.sources:
            part = g.part(start, self.plan.layers[source].shape[0])
            start += part.channels
            if source in self.needed and source not in self.begun:
                self.gradients[source] = part
                self.begun.add(source)
            else:
                self.into(source, "move", part)

    def _part(self, _: int, layer: Layer, g: Tensor) -> None:
        if out := self.cleared(layer.sources[0]):
            self.emit("move", out.part(0, g.channels), g, ADD)
