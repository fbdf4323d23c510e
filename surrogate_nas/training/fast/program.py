"""From a blueprint to instructions: which tensor lies where, and what is computed from what,
forwards and backwards.

Three timelines are written: a step of training, inference, and inference with its gradient by the
input. Room in the arena is given from a tensor's first use to its last, so that what is used
together lies together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.network.blueprint import Blueprint, Layer, Windows
from surrogate_nas.training.fast.assembly import LANES
from surrogate_nas.training.fast.kernels import ADD, BIAS, CODES, MASK, WORDS, Shape

Words = NDArray[np.int64]
_ALIGN = 16
"""Numbers: every tensor begins at a line of the cache."""
_PIECE = 24 << 10
"""Bytes of a tensor's piece that a weight's gradient takes at once."""
NOTHING = -1


class Tables:
    """The tables of all geometries of this process; they only grow, so that a place stays what it
    is.
    """

    def __init__(self) -> None:
        self.words: Words = np.zeros(0, np.int64)
        self._places: dict[tuple[object, ...], int] = {}

    def place(self, windows: Windows, what: str, piece: int = 0) -> int:
        """Where a table begins.

        Args:
            windows: The geometry.
            what: ``forward``: by pixel of the output the pixels of the input and the tap;
                ``backward``: by pixel of the input the pixels of the output and the tap; ``taps``:
                by piece and tap the pixels of both; ``mixed`` and ``unmixed``: as the first two,
                with the pixel of the output in place of the tap.
            piece: Pixels of the output in a piece; 0 for all.
        """
        key = windows, what, piece
        if key not in self._places:
            self._places[key] = self._add(*_table(windows, what, piece))
        return self._places[key]

    def _add(self, starts: Words, pairs: Words) -> int:
        begin = len(self.words)
        room = len(starts) + len(starts) % 2
        padded = np.zeros(room, np.int64)
        padded[: len(starts)] = starts + (begin + room) // 2
        self.words = np.concatenate([self.words, padded, pairs.ravel()])
        return begin


def _table(windows: Windows, what: str, piece: int) -> tuple[Words, Words]:
    """Where the entries of a table start, and the pairs."""
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


def pieces(windows: Windows, piece: int) -> int:
    """In how many pieces the output is taken."""
    pixels = windows.size[0] * windows.size[1]
    return -(-pixels // (piece or pixels))


TABLES = Tables()


@lru_cache(maxsize=512)
def shares(windows: Windows) -> NDArray[np.float32]:
    """One over how many pixels each window holds, shape ``(pixels of the output,)``."""
    counts = np.bincount(windows.reads[:, 0], minlength=windows.size[0] * windows.size[1])
    return (1 / np.maximum(counts, 1)).astype(np.float32)


@dataclass(eq=False)
class Room:
    """What a tensor needs of the arena.

    Attributes:
        size: Numbers.
        offset: Where it begins; -1 until it is placed.
        first: The instruction that uses it first.
        last: The instruction that uses it last.
    """

    size: int
    offset: int = NOTHING
    first: int = 1 << 60
    last: int = NOTHING


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor, or some of its channels.

    Attributes:
        room: Where it lies.
        rows: Channels of the whole: rows between two pixels.
        channels: Its own.
        pixels: How many.
        start: Its first channel in the whole.
    """

    room: Room
    rows: int
    channels: int
    pixels: int
    start: int = 0

    def part(self, start: int, channels: int) -> Tensor:
        """Some of its channels."""
        return replace(self, start=self.start + start, channels=channels)


@dataclass(frozen=True)
class Fixed:
    """What lies in the arena for good: by name, the offset."""

    places: dict[str, int]
    size: int

    @classmethod
    def of(cls, sizes: Iterable[tuple[str, int]]) -> Fixed:
        """Give everything a place, in order."""
        places = {}
        end = 0
        for name, size in sizes:
            places[name] = end
            end += -(-size // _ALIGN) * _ALIGN
        return cls(places, end)


@dataclass
class Timeline:
    """Instructions in the order in which they are executed.

    Attributes:
        row: Numbers in a row of a tensor: the largest batch, in whole vectors.
        instructions: The operation, and its fields: numbers, or tensors.
    """

    row: int
    instructions: list[tuple[int, list[int | Tensor]]] = field(default_factory=list)
    rooms: list[Room] = field(default_factory=list)

    def tensor(self, layer: Layer) -> Tensor:
        """A new tensor."""
        channels, height, width = layer.shape
        rows = channels + (channels % 8 == 0)
        self.rooms.append(Room(rows * height * width * self.row))
        return Tensor(self.rooms[-1], rows, channels, height * width)

    def use(self, *tensors: Tensor) -> None:
        """Say that tensors are used at this point."""
        now = len(self.instructions)
        for tensor in tensors:
            room = tensor.room
            room.first = min(room.first, now)
            room.last = max(room.last, now)

    def do(self, name: str, *fields: int | Tensor) -> None:
        """Add an instruction."""
        self.use(*(one for one in fields if isinstance(one, Tensor)))
        self.instructions.append((CODES[name], [*fields]))

    def placed(self, start: int) -> int:
        """Give every tensor a place; returns the end of the last."""
        occupied: list[Room] = []
        end = start
        for room in sorted(
            (room for room in self.rooms if room.last >= 0), key=lambda room: room.first
        ):
            occupied = sorted(
                (one for one in occupied if one.last >= room.first), key=lambda one: one.offset
            )
            at = start
            for one in occupied:
                if one.offset - at >= room.size:
                    break
                at = max(at, one.offset + -(-one.size // _ALIGN) * _ALIGN)
            room.offset = at
            occupied.append(room)
            end = max(end, at + room.size)
        return -(-end // _ALIGN) * _ALIGN

    def words(self) -> Words:
        """The instructions as integers, shape ``(n, WORDS)``; every tensor has its place."""
        written = np.zeros((len(self.instructions), WORDS), np.int64)
        for line, (code, fields) in zip(written, self.instructions, strict=True):
            numbers = [code]
            for one in fields:
                if isinstance(one, Tensor):
                    numbers += (one.room.offset + one.start * self.row, one.rows)
                else:
                    numbers.append(one)
            line[: len(numbers)] = numbers
        return written


class Program:
    """The instructions of a network.

    Attributes:
        plan: The network.
        shape: What fits the registers.
        row: Numbers between two channels while training.
        inference_row: Likewise for inference.
        parameters: Where each parameter lies among the weights, and its gradient among the
            gradients.
        fixed: Where weights and what belongs to them lie.
        size: Numbers of the arena.
        step: Forwards and backwards while training.
        step_ends: Its tensors that others see, and how many instructions are forwards.
        fold: The work after a change of the weights, before inference.
        inference: The pass of inference.
        inference_ends: As `step_ends`.
    """

    def __init__(
        self,
        plan: Blueprint,
        batch: int,
        at_once: int,
        shape: Shape,
    ) -> None:
        """Translate a network."""
        self.plan = plan
        self.shape = shape
        self.row, self.inference_row = (
            -(-examples // LANES) * LANES for examples in (batch, at_once)
        )
        self.live = _live(plan)
        self.users: dict[int, list[int]] = {place: [] for place in self.live}
        for place in self.live:
            for source in plan.layers[place].sources:
                self.users[source].append(place)
        self.parameters = Fixed.of(
            (name, int(np.prod(one.shape))) for name, one in plan.parameters.items()
        )
        self.fixed = Fixed.of(self._fixed())
        start = self.fixed.size
        step, self.step_ends = self._step()
        inference, self.inference_ends = self._inference()
        self.fold = self._fold(start)
        self.size = max(step.placed(start), inference.placed(start))
        self.step = step.words()
        self.inference = inference.words()

    def _fixed(self) -> Iterable[tuple[str, int]]:
        for what in ("weights", "gradients", "momenta"):
            yield what, self.parameters.size
        taps = 1
        for place in self.live:
            layer = self.plan.layers[place]
            if layer.kind == "normalisation":
                for what in (
                    "running mean",
                    "running variance",
                    "mean",
                    "inverse",
                    "factor",
                    "constant",
                ):
                    yield f"{what} {place}", layer.shape[0]
                convolution = self._convolution_before(place)
                if convolution is not None:
                    name = self.plan.layers[convolution].name
                    yield f"folded {convolution}", int(np.prod(self.plan.parameters[name].shape))
            elif layer.kind == "average" and layer.windows:
                yield f"shares {place}", layer.windows.size[0] * layer.windows.size[1]
            elif layer.kind == "convolution" and layer.windows:
                taps = max(taps, layer.windows.taps)
        yield "room", taps * self.shape.pairs[0] * self.shape.pairs[1] * LANES

    def weight(self, name: str, what: str = "weights") -> int:
        """Where a parameter lies, or its gradient."""
        return self.fixed.places[what] + self.parameters.places[name]

    def _convolution_before(self, place: int) -> int | None:
        """The convolution that a normalisation alone reads, whose weights it can be folded into."""
        (source,) = self.plan.layers[place].sources
        alone = self.plan.layers[source].kind == "convolution" and self.users[source] == [place]
        return source if alone else None

    def _normalised(self, place: int) -> int | None:
        """The normalisation that a convolution is folded into."""
        users = self.users[place]
        folds = len(users) == 1 and self.plan.layers[users[0]].kind == "normalisation"
        return users[0] if folds and self.plan.layers[place].kind == "convolution" else None

    def _sink(self, place: int) -> int | None:
        """The sum that a layer alone is added to, which it can be written into at once."""
        users = self.users[place]
        if self.plan.layers[place].kind not in (
            "normalisation",
            "average",
            "convolution",
            "depthwise",
        ):
            return None
        if len(users) == 1 and self.plan.layers[users[0]].kind == "sum":
            return users[0] if self.plan.layers[users[0]].sources.count(place) == 1 else None
        return None

    def _fold(self, start: int) -> Words:
        timeline = Timeline(self.row)
        places = self.fixed.places
        for place in self.live:
            layer = self.plan.layers[place]
            if layer.kind != "normalisation":
                continue
            convolution = self._convolution_before(place)
            weight = NOTHING
            folded = NOTHING
            each = 0
            if convolution is not None:
                name = self.plan.layers[convolution].name
                weight = self.weight(name)
                folded = places[f"folded {convolution}"]
                each = int(np.prod(self.plan.parameters[name].shape)) // layer.shape[0]
            timeline.do(
                "fold",
                places[f"factor {place}"],
                places[f"constant {place}"],
                layer.shape[0],
                *self._affine(place),
                *(places[f"running {what} {place}"] for what in ("mean", "variance")),
                weight,
                folded,
                each,
            )
        timeline.placed(start)
        return timeline.words()

    def _affine(self, place: int, what: str = "weights") -> tuple[int, int]:
        """Where scales and shifts lie, or their gradients."""
        layer = self.plan.layers[place]
        if not layer.affine:
            return NOTHING, NOTHING
        return self.weight(f"{layer.name}.weight", what), self.weight(f"{layer.name}.bias", what)

    def _step(self) -> tuple[Timeline, Ends]:
        timeline = Timeline(self.row)
        forward = _Forward(self, timeline, training=True)
        forward.all()
        return timeline, _Backward(forward, by_input=False).all()

    def _inference(self) -> tuple[Timeline, Ends]:
        timeline = Timeline(self.inference_row)
        forward = _Forward(self, timeline, training=False)
        forward.all()
        last = forward.outputs[self.live[-1]]
        timeline.use(last)
        return timeline, Ends(
            timeline.row, forward.outputs[0], last, None, None, len(timeline.instructions)
        )

    def input_gradient(self) -> tuple[Words, Ends, int]:
        """Answers and their gradient by the input: the instructions, and how large the arena must
        be.
        """
        timeline = Timeline(self.inference_row)
        forward = _Forward(self, timeline, training=False)
        forward.all()
        ends = _Backward(forward, by_input=True).all()
        size = timeline.placed(self.fixed.size)
        return timeline.words(), ends, size


@dataclass(frozen=True)
class Ends:
    """Where a timeline meets its caller.

    Attributes:
        row: Numbers between two channels.
        input: The tensor of the examples.
        output: The tensor of the answers.
        output_gradient: Where its gradient is expected once the forward instructions are done.
        input_gradient: Where that of the examples is at the end.
        forwards: The instructions before.
    """

    row: int
    input: Tensor
    output: Tensor
    output_gradient: Tensor | None
    input_gradient: Tensor | None
    forwards: int


def _live(plan: Blueprint) -> list[int]:
    """The places of the layers that the last one depends on, in their order; the input always."""
    live = {0}
    left = [len(plan.layers) - 1]
    while left:
        place = left.pop()
        if place not in live or place == len(plan.layers) - 1:
            live.add(place)
            left += [source for source in plan.layers[place].sources if source not in live]
    return sorted(live)


class _Forward:
    """Writes the layers of a network in their order."""

    def __init__(self, program: Program, timeline: Timeline, *, training: bool) -> None:
        self.program = program
        self.timeline = timeline
        self.training = training
        self.plan = program.plan
        self.outputs: dict[int, Tensor] = {}
        self.begun: set[int] = set()
        self.joined: dict[int, tuple[int, int]] = {}
        for place in program.live:
            layer = self.plan.layers[place]
            start = 0
            for source in layer.sources if layer.kind == "join" else ():
                if source not in self.joined and self.plan.layers[source].kind not in (
                    "input",
                    "join",
                ):
                    self.joined[source] = place, start
                start += self.plan.layers[source].shape[0]

    def all(self) -> None:
        """Write all layers."""
        for place in self.program.live:
            layer = self.plan.layers[place]
            if layer.kind == "input":
                self.outputs[place] = self.timeline.tensor(layer)
                self.timeline.use(self.outputs[place])
            else:
                getattr(self, f"_{layer.kind}")(place, layer)

    def tensor(self, place: int) -> Tensor:
        """Where a layer is written: a tensor of its own, or the part of the one that it is joined
        into.
        """
        if place not in self.outputs:
            layer = self.plan.layers[place]
            if place in self.joined:
                whole, start = self.joined[place]
                self.outputs[place] = self.tensor(whole).part(start, layer.shape[0])
            else:
                self.outputs[place] = self.timeline.tensor(layer)
        return self.outputs[place]

    def target(self, place: int) -> tuple[Tensor, int]:
        """Where a layer is written, and whether it is added to what is there."""
        sink = self.program._sink(place)
        if sink is None:
            return self.tensor(place), 0
        flags = ADD if sink in self.begun else 0
        self.begun.add(sink)
        return self.tensor(sink), flags

    def _convolution(self, place: int, layer: Layer) -> None:
        norm = None if self.training else self.program._normalised(place)
        if norm is None:
            out, flags = self.target(place)
            weight = self.program.weight(layer.name)
            bias = NOTHING
        else:
            out, flags = self.target(norm)
            weight, bias = (
                self.program.fixed.places[f"{what}"]
                for what in (f"folded {place}", f"constant {norm}")
            )
        _convolve(self.timeline, layer, self.outputs[layer.sources[0]], out, weight, bias, flags)

    def _linear(self, place: int, layer: Layer) -> None:
        weight, bias = (self.program.weight(f"{layer.name}.{what}") for what in ("weight", "bias"))
        out, flags = self.target(place)
        _convolve(self.timeline, layer, self.outputs[layer.sources[0]], out, weight, bias, flags)

    def _depthwise(self, place: int, layer: Layer) -> None:
        out, flags = self.target(place)
        windows = layer.windows
        assert windows
        self.timeline.do(
            "convolve_each",
            out,
            self.outputs[layer.sources[0]],
            self.program.weight(layer.name),
            layer.shape[0],
            TABLES.place(windows, "forward"),
            out.pixels,
            flags,
            out,
        )

    def _normalisation(self, place: int, layer: Layer) -> None:
        fixed = self.program.fixed.places
        if not self.training and self.program._convolution_before(place) is not None:
            return  # it is folded into the convolution, which was written where this belongs
        x = self.outputs[layer.sources[0]]
        out, flags = self.target(place)
        if self.training:
            statistics = (
                fixed[f"{what} {place}"]
                for what in ("mean", "inverse", "running mean", "running variance")
            )
            self.timeline.do(
                "normalise",
                out,
                x,
                x.channels,
                x.pixels,
                *self.program._affine(place),
                *statistics,
                flags,
            )
        else:
            affine = (fixed[f"{what} {place}"] for what in ("factor", "constant"))
            self.timeline.do("scale", out, x, x.channels, x.pixels, *affine, flags)

    def _relu(self, place: int, layer: Layer) -> None:
        x = self.outputs[layer.sources[0]]
        out, flags = self.target(place)
        self.timeline.do("rectify", out, x, x.channels, x.pixels, flags)

    def _average(self, place: int, layer: Layer) -> None:
        out, flags = self.target(place)
        x = self.outputs[layer.sources[0]]
        windows = layer.windows
        assert windows
        self.timeline.do(
            "mix",
            out,
            x,
            x.channels,
            TABLES.place(windows, "mixed"),
            out.pixels,
            self.program.fixed.places[f"shares {place}"],
            flags,
        )

    def _largest(self, place: int, layer: Layer) -> None:
        x = self.outputs[layer.sources[0]]
        out = self.tensor(place)
        assert layer.windows
        self.timeline.do(
            "largest", out, x, x.channels, TABLES.place(layer.windows, "forward"), out.pixels
        )

    def _sum(self, place: int, layer: Layer) -> None:
        out = self.tensor(place)
        if not layer.sources:
            self.timeline.do("clear", out, out.channels, out.pixels)
        for source in layer.sources:
            if self.program._sink(source) == place:
                continue
            flags = ADD if place in self.begun else 0
            self.begun.add(place)
            self.timeline.do("move", out, self.outputs[source], out.channels, out.pixels, flags)

    def _join(self, place: int, layer: Layer) -> None:
        out = self.tensor(place)
        start = 0
        for source in layer.sources:
            part = self.outputs[source]
            if self.joined.get(source) != (place, start):
                self.timeline.do(
                    "move", out.part(start, part.channels), part, part.channels, part.pixels, 0
                )
            start += part.channels

    def _part(self, place: int, layer: Layer) -> None:
        out = self.tensor(place)
        x = self.outputs[layer.sources[0]].part(0, out.channels)
        self.timeline.do("move", out, x, out.channels, out.pixels, 0)


def _convolve(
    timeline: Timeline,
    layer: Layer,
    x: Tensor,
    out: Tensor,
    weight: int,
    bias: int,
    flags: int,
) -> None:
    """A convolution, or a linear layer at every pixel; weights are ``(tap, input, output)``."""
    assert layer.windows
    timeline.do(
        "convolve",
        out,
        x,
        weight,
        x.channels * out.channels,
        out.channels,
        1,
        bias,
        x.channels,
        out.channels,
        TABLES.place(layer.windows, "forward"),
        out.pixels,
        flags | (BIAS if bias >= 0 else 0),
        out,
    )


class _Backward:
    """Writes the gradients of a network's layers, in the opposite order."""

    def __init__(self, forward: _Forward, *, by_input: bool) -> None:
        self.forward = forward
        self.by_input = by_input
        self.program = forward.program
        self.timeline = forward.timeline
        self.plan = forward.plan
        self.gradients: dict[int, Tensor] = {}
        self.begun: set[int] = set()
        self.needed: set[int] = set()
        for place in self.program.live:
            layer = self.plan.layers[place]
            own = layer.kind == "input" if by_input else bool(layer.name)
            if own or any(source in self.needed for source in layer.sources):
                self.needed.add(place)

    def all(self) -> Ends:
        """Write all gradients."""
        last = self.program.live[-1]
        forwards = len(self.timeline.instructions)
        output = self.forward.outputs[last]
        gradient = self.gradients[last] = self.timeline.tensor(self.plan.layers[last])
        self.begun.add(last)
        self.timeline.use(output, gradient)
        for place in reversed(self.program.live):
            layer = self.plan.layers[place]
            if place in self.begun and place in self.needed and layer.kind != "input":
                getattr(self, f"_{layer.kind}")(place, layer, self.gradients[place])
        come = self.gradients.get(0)
        # the caller reads the outputs, and the gradient by the input, when all is done
        self.timeline.use(output)
        if come is not None:
            self.timeline.use(come)
        return Ends(self.timeline.row, self.forward.outputs[0], output, gradient, come, forwards)

    def target(self, place: int) -> tuple[Tensor, int] | None:
        """Where a contribution to a gradient is written, and whether it is added; None where nobody
        needs it.
        """
        if place not in self.needed:
            return None
        if place not in self.gradients:
            self.gradients[place] = self.timeline.tensor(self.plan.layers[place])
        flags = ADD if place in self.begun else 0
        self.begun.add(place)
        return self.gradients[place], flags

    def through_relu(self, place: int) -> tuple[Tensor, int, Tensor] | None:
        """The same for a layer that masks: the gradient of what was rectified, the flags, and the
        mask.
        """
        layer = self.plan.layers[place]
        if layer.kind != "relu":
            destination = self.target(place)
            return None if destination is None else (*destination, destination[0])
        destination = self.target(layer.sources[0])
        if destination is None:
            return None
        out, flags = destination
        return out, flags | MASK, self.forward.outputs[place]

    def _weights(
        self,
        layer: Layer,
        name: str,
        g: Tensor,
        x: Tensor,
    ) -> None:
        if self.by_input:
            return
        assert layer.windows
        pairs = self.program.shape.pairs
        piece = max(1, _PIECE // (4 * self.timeline.row * sum(pairs)))
        self.timeline.do(
            "weight_gradient",
            self.program.weight(name, "gradients"),
            x.channels * g.channels,
            g.channels,
            g,
            x,
            x.channels,
            g.channels,
            TABLES.place(layer.windows, "taps", piece),
            layer.windows.taps,
            pieces(layer.windows, piece),
            self.program.fixed.places["room"],
        )

    def _inputs(self, layer: Layer, weight: int, g: Tensor) -> None:
        destination = self.through_relu(layer.sources[0])
        if destination is None:
            return
        out, flags, mask = destination
        assert layer.windows
        self.timeline.do(
            "convolve",
            out,
            g,
            weight,
            out.channels * g.channels,
            1,
            g.channels,
            NOTHING,
            g.channels,
            out.channels,
            TABLES.place(layer.windows, "backward"),
            out.pixels,
            flags,
            mask,
        )

    def _convolution(self, place: int, layer: Layer, g: Tensor) -> None:  # noqa: ARG002 - as all
        self._weights(layer, layer.name, g, self.forward.outputs[layer.sources[0]])
        self._inputs(layer, self.program.weight(layer.name), g)

    def _linear(self, place: int, layer: Layer, g: Tensor) -> None:  # noqa: ARG002 - as all
        weight = f"{layer.name}.weight"
        bias = f"{layer.name}.bias"
        self._weights(layer, weight, g, self.forward.outputs[layer.sources[0]])
        if not self.by_input:
            self.timeline.do(
                "bias_gradient", self.program.weight(bias, "gradients"), g, g.channels, g.pixels
            )
        self._inputs(layer, self.program.weight(weight), g)

    def _depthwise(self, place: int, layer: Layer, g: Tensor) -> None:  # noqa: ARG002
        windows = layer.windows
        assert windows
        if not self.by_input:
            self.timeline.do(
                "weight_gradient_each",
                self.program.weight(layer.name, "gradients"),
                g,
                self.forward.outputs[layer.sources[0]],
                g.channels,
                TABLES.place(windows, "taps"),
                windows.taps,
            )
        destination = self.through_relu(layer.sources[0])
        if destination is not None:
            out, flags, mask = destination
            self.timeline.do(
                "convolve_each",
                out,
                g,
                self.program.weight(layer.name),
                g.channels,
                TABLES.place(windows, "backward"),
                out.pixels,
                flags,
                mask,
            )

    def _normalisation(self, place: int, layer: Layer, g: Tensor) -> None:
        (source,) = layer.sources
        fixed = self.program.fixed.places
        if self.by_input:
            convolution = self.program._convolution_before(place)
            if convolution is not None:
                self._inputs(self.plan.layers[convolution], fixed[f"folded {convolution}"], g)
                return
            destination = self.target(source)
            if destination is not None:
                out, flags = destination
                self.timeline.do(
                    "scale", out, g, g.channels, g.pixels, fixed[f"factor {place}"], NOTHING, flags
                )
            return
        # The gradients of scales and shifts are wanted even where that of the input is not.
        destination = self.target(source) or (self.timeline.tensor(self.plan.layers[source]), 0)
        out, flags = destination
        scale, _ = self.program._affine(place)
        self.timeline.do(
            "normalise_gradient",
            out,
            g,
            self.forward.outputs[source],
            g.channels,
            g.pixels,
            scale,
            fixed[f"mean {place}"],
            fixed[f"inverse {place}"],
            *self.program._affine(place, "gradients"),
            flags,
        )

    def _relu(self, place: int, layer: Layer, g: Tensor) -> None:
        destination = self.target(layer.sources[0])
        if destination is not None:
            out, flags = destination
            self.timeline.do(
                "rectify_gradient", out, g, g.channels, g.pixels, flags, self.forward.outputs[place]
            )

    def _average(self, place: int, layer: Layer, g: Tensor) -> None:
        destination = self.target(layer.sources[0])
        if destination is not None:
            assert layer.windows
            out, flags = destination
            self.timeline.do(
                "mix",
                out,
                g,
                g.channels,
                TABLES.place(layer.windows, "unmixed"),
                out.pixels,
                self.program.fixed.places[f"shares {place}"],
                flags,
            )

    def _largest(self, place: int, layer: Layer, g: Tensor) -> None:
        destination = self.target(layer.sources[0])
        if destination is None:
            return
        out, flags = destination
        if not flags:
            self.timeline.do("clear", out, out.channels, out.pixels)
        assert layer.windows
        self.timeline.do(
            "largest_gradient",
            out,
            g,
            self.forward.outputs[layer.sources[0]],
            self.forward.outputs[place],
            g.channels,
            TABLES.place(layer.windows, "forward"),
            g.pixels,
        )

    def _sum(self, place: int, layer: Layer, g: Tensor) -> None:
        for source in layer.sources:
            if self.program._sink(source) == place:
                if source in self.needed:
                    self.gradients[source] = g
                    self.begun.add(source)
                continue
            destination = self.target(source)
            if destination is not None:
                out, flags = destination
                self.timeline.do("move", out, g, g.channels, g.pixels, flags)

    def _join(self, place: int, layer: Layer, g: Tensor) -> None:  # noqa: ARG002
        start = 0
        for source in layer.sources:
            part = g.part(start, self.plan.layers[source].shape[0])
            start += part.channels
            if source not in self.needed:
                continue
            if source not in self.begun:
                self.gradients[source] = part
                self.begun.add(source)
            else:
                destination = self.target(source)
                assert destination
                self.timeline.do(
                    "move", destination[0], part, part.channels, part.pixels, destination[1]
                )

    def _part(self, place: int, layer: Layer, g: Tensor) -> None:  # noqa: ARG002
        destination = self.target(layer.sources[0])
        if destination is not None:
            out, flags = destination
            if not flags:
                self.timeline.do("clear", out, out.channels, out.pixels)
            self.timeline.do("move", out.part(0, g.channels), g, g.channels, g.pixels, ADD)
