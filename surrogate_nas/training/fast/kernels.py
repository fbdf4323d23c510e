"""The operations of a network, written for the processor at hand.

Everything is in one flat array of float32. A tensor is ``(pixel, channel, example)``: the examples
of a batch lie side by side and fill vector registers, a neighbouring channel is a row of numbers
further on, a neighbouring pixel a fixed number of rows. Which pixels a layer combines is a table:
for every pixel of its output the pixels of its input, each with the tap of the kernel that weighs
it. So one convolution serves images and signals, strides, dilation and causal padding, no border is
padded, and the gradient by the input is the same convolution with the transposed table. Weights are
``(tap, input, output)``.

A network is a list of instructions, each `WORDS` integers, that `execute` walks through: an
operation, then the fields that its docstring names, in their order. Examples beyond a batch, up to
a whole vector, are computed along; batch normalisation, the only operation that looks across
examples, leaves them out and sets them and their gradients to 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from surrogate_nas.training.fast.assembly import (
    BOOL,
    F32,
    I64,
    LANES,
    PTR,
    Code,
    Value,
    Variable,
    fused_multiply_add,
)

WORDS = 20
"""Integers of an instruction."""
EPSILON = 1e-5
MOMENTUM = 0.1
"""Of batch normalisation: PyTorch's defaults."""
ADD = 1
MASK = 2
BIAS = 4
"""Flags: add to what is there; only where a rectified tensor is above 0; begin with a bias."""
_SIGNATURE = ((PTR, "words"), (PTR, "arena"), (PTR, "tables"), (I64, "row"), (I64, "examples"))


@dataclass(frozen=True)
class Shape:
    """What fits the registers of a processor; it changes the speed, and no sum.

    A vector has `LANES` numbers on every processor, which lie in as many registers as they need:
    how many examples are summed side by side decides in which order they are added, so it must not
    depend on the processor.

    Attributes:
        blocks: Of a convolution, by vectors of examples, how many output channels are in registers
            at once.
        pairs: Of a weight's gradient, how many input and output channels are in registers at once.
        fused: Whether it has a fused multiply-add; where not, simpler operations give the same
            numbers.
    """

    blocks: tuple[tuple[int, int], ...]
    pairs: tuple[int, int]
    fused: bool = True

    @property
    def is_wide(self) -> bool:
        """Whether the registers are those of `WIDE`."""
        return self.blocks == WIDE.blocks


WIDE = Shape(((4, 4), (2, 8), (1, 8)), (4, 4))
"""32 registers of 16 numbers (AVX-512)."""
NARROW = Shape(((2, 2), (1, 4)), (2, 2))
"""16 registers of 8 (AVX2), or 32 of 4 (NEON): a vector takes two of the ones, four of the
others.
"""


class _Operation:
    """What every operation begins with: its function, its fields, and how a tensor is found."""

    def __init__(self, name: str, fields: str, shape: Shape) -> None:
        self.code = Code(name, _SIGNATURE, fused=shape.fused)
        given = self.code.arguments
        self.arena, self.tables, self.row, self.examples = (
            given[n] for n in ("arena", "tables", "row", "examples")
        )
        self.fields = {
            field: self.code.word(given["words"], 1 + at) for at, field in enumerate(fields.split())
        }
        # Vectors that hold examples; `row` numbers part two channels, whatever the batch.
        self.used = self._rounded(self.examples)

    def __getitem__(self, field: str) -> Value:
        return self.fields[field]

    def _rounded(self, examples: Value) -> Value:
        return self.code.do(I64, f"and {examples + (LANES - 1)}, {-LANES}")

    def at(
        self,
        field: str,
        pixel: Value,
        channel: Value,
        example: Value | int = 0,
    ) -> Value:
        """The address in a tensor, whose offset and rows by pixel are two fields."""
        rows = pixel * self[f"{field}_rows"] + channel
        return self.arena + self[field] + (rows * self.row + example)

    def float_at(self, field: str, place: Value | int = 0) -> Value:
        return self.arena + self[field] + place

    @property
    def inside(self) -> Value:
        """Which numbers of the batch's last vector are examples."""
        code = self.code
        kind = f"<{LANES} x i64>"
        one = code.do(
            kind, f"insertelement {kind} poison, {self.examples - self.used + LANES}, i64 0"
        )
        same = code.do(kind, f"shufflevector {one}, {kind} poison, <{LANES} x i32> zeroinitializer")
        steps = ", ".join(f"i64 {i}" for i in range(LANES))
        return code.do(f"<{LANES} x i1>", f"icmp slt {kind} <{steps}>, {same.text}")

    def masked(self, vector: Value, example: Value, inside: Value) -> Value:
        """A vector with zeros for what is no example."""
        last = self.code.do(BOOL, f"icmp eq {example + LANES}, {self.used.text}")
        return self.code.choose(last, self.code.choose(inside, vector, self.code.zero), vector)


def _chunks(op: _Operation, sizes: tuple[int, ...]) -> Iterator[tuple[Value, int]]:
    """Cover all vectors of a row by pieces of the given sizes, the largest first: the example and
    the vectors.
    """
    code = op.code
    done = code.variable(code.integer(0))
    for size in sizes:
        first = done.get()
        pieces = code.do(I64, f"sdiv {op.used - first}, {size * LANES}")
        stop = first + pieces * (size * LANES)
        with code.loop(stop, first, size * LANES) as example:
            yield example, size
        done.set(stop)


def _blocks(op: _Operation, channels: Value, size: int) -> Iterator[tuple[Value, int]]:
    """Cover all channels by blocks of a size, then one by one."""
    code = op.code
    whole = code.do(I64, f"sdiv {channels}, {size}") * size
    with code.loop(whole, 0, size) as channel:
        yield channel, size
    if size > 1:
        with code.loop(channels, whole) as channel:
            yield channel, 1


def _pairs(op: _Operation, table: str, at: Value) -> Iterator[tuple[Value, Value]]:
    """The pairs of integers of one entry of a table."""
    code = op.code
    start = code.do(PTR, f"getelementptr i64, ptr {op.tables.text}, {op[table]}")
    with code.loop(code.word(start, at + 1), code.word(start, at)) as pair:
        yield code.word(op.tables, pair * 2), code.word(op.tables, pair * 2 + 1)


def convolve(shape: Shape) -> Code:
    """A convolution of all channels with all, or its gradient by the input.

    Fields: the output and its rows by pixel; the input likewise; weights and how far apart those of
    two taps, two inputs and two outputs are; a bias; inputs; outputs; the table by pixel of the
    output; its pixels; flags; the tensor that masks, and its rows.
    """
    op = _Operation(
        "convolve",
        "out out_rows in in_rows weight by_tap by_input by_output bias inputs outputs table pixels"
        " flags mask mask_rows",
        shape,
    )
    code = op.code
    for example, vectors in _chunks(op, tuple(n for n, _ in shape.blocks)):
        with code.loop(op["pixels"]) as pixel:
            for channel, channels in _blocks(op, op["outputs"], dict(shape.blocks)[vectors]):
                _convolve_block(op, pixel, channel, example, vectors, channels)
    return code


def _convolve_block(
    op: _Operation,
    pixel: Value,
    channel: Value,
    example: Value,
    vectors: int,
    channels: int,
) -> None:
    code = op.code
    sums = [[code.variable(code.zero) for _ in range(vectors)] for _ in range(channels)]
    with code.when(op["flags"].has(BIAS)):
        for k, line in enumerate(sums):
            bias = code.spread(code.number(op.float_at("bias", channel + k)))
            for one in line:
                one.set(bias)
    for source, tap in _pairs(op, "table", pixel):
        x = op.at("in", source, code.integer(0), example)
        w = op.float_at("weight", tap * op["by_tap"] + channel * op["by_output"])
        columns = [w + op["by_output"] * k for k in range(channels)]
        with code.loop(op["inputs"]) as j:
            seen = x + j * op.row
            xs = [code.load(seen + v * LANES) for v in range(vectors)]
            at = j * op["by_input"]
            for column, line in zip(columns, sums, strict=True):
                factor = code.spread(code.number(column + at))
                for one, vector in zip(line, xs, strict=True):
                    one.set(code.multiply_add(factor, vector, one.get()))
    with code.when(op["flags"].has(MASK)):
        for k, v, one in _each(sums):
            seen = code.load(op.at("mask", pixel, channel + k, example + v * LANES))
            one.set(code.choose(seen > 0.0, one.get(), code.zero))
    with code.when(op["flags"].has(ADD)):
        for k, v, one in _each(sums):
            one.set(one.get() + code.load(op.at("out", pixel, channel + k, example + v * LANES)))
    for k, v, one in _each(sums):
        code.store(one.get(), op.at("out", pixel, channel + k, example + v * LANES))


def _each(sums: list[list[Variable]]) -> Iterator[tuple[int, int, Variable]]:
    for k, line in enumerate(sums):
        for v, one in enumerate(line):
            yield k, v, one


def weight_gradient(shape: Shape) -> Code:
    """The gradient of a convolution's weights.

    Fields: the gradient of the weights, how far apart those of two taps and two inputs are (two
    outputs are neighbours); the gradient of the output and its rows; the input and its rows;
    inputs; outputs; the table by piece of the output and tap; how many taps; how many pieces; room
    for `Shape.pairs` vectors by tap.
    """
    op = _Operation(
        "weight_gradient",
        "weight by_tap by_input out out_rows in in_rows inputs outputs table taps pieces room",
        shape,
    )
    code = op.code
    for j, inputs in _blocks(op, op["inputs"], shape.pairs[0]):
        for k, outputs in _blocks(op, op["outputs"], shape.pairs[1]):
            _weight_block(op, j, k, inputs, outputs)
    return code


def _weight_block(
    op: _Operation,
    j: Value,
    k: Value,
    inputs: int,
    outputs: int,
) -> None:
    code = op.code
    count = inputs * outputs

    def rooms(tap: Value) -> list[Value]:
        start = op.float_at("room", tap * (count * LANES))
        return [start + i * LANES for i in range(count)]

    final = op["pieces"] - 1
    with code.loop(op["pieces"]) as piece, code.loop(op["taps"]) as tap:
        sums = [code.variable(code.zero) for _ in range(count)]
        with code.when(piece > 0):
            for one, room in zip(sums, rooms(tap), strict=True):
                one.set(code.load(room))
        for target, source in _pairs(op, "table", piece * op["taps"] + tap):
            g = op.at("out", target, k)
            x = op.at("in", source, j)
            with code.loop(op.used, 0, LANES) as example:
                gs = [code.load(g + (op.row * i + example)) for i in range(outputs)]
                for i in range(inputs):
                    seen = code.load(x + (op.row * i + example))
                    for n, gradient in enumerate(gs):
                        one = sums[i * outputs + n]
                        one.set(code.multiply_add(gradient, seen, one.get()))
        with code.when(piece < final):
            for one, room in zip(sums, rooms(tap), strict=True):
                code.store(one.get(), room)
        with code.when(piece >= final):
            weight = op.float_at("weight", tap * op["by_tap"] + j * op["by_input"] + k)
            if count == LANES:
                totals = code.totals([one.get() for one in sums])
                for i in range(inputs):
                    code.store(code.part(totals, i * outputs, outputs), weight + op["by_input"] * i)
            else:
                for n, one in enumerate(sums):
                    code.store(
                        code.total(one.get()),
                        weight + op["by_input"] * (n // outputs) + n % outputs,
                    )


def convolve_each(shape: Shape) -> Code:
    """A convolution of every channel by itself, or its gradient by the input.

    Fields: the output and its rows by pixel; the input likewise; weights ``(tap, channel)``;
    channels; the table by pixel of the output; its pixels; flags; the tensor that masks, and its
    rows.
    """
    op = _Operation(
        "convolve_each",
        "out out_rows in in_rows weight channels table pixels flags mask mask_rows",
        shape,
    )
    code = op.code
    for example, vectors in _chunks(op, tuple(n for n, _ in shape.blocks)):
        with code.loop(op["pixels"]) as pixel, code.loop(op["channels"]) as channel:
            sums = [code.variable(code.zero) for _ in range(vectors)]
            for source, tap in _pairs(op, "table", pixel):
                factor = code.spread(
                    code.number(op.float_at("weight", tap * op["channels"] + channel))
                )
                x = op.at("in", source, channel, example)
                for v, one in enumerate(sums):
                    one.set(code.multiply_add(factor, code.load(x + v * LANES), one.get()))
            out = op.at("out", pixel, channel, example)
            mask = op.at("mask", pixel, channel, example)
            with code.when(op["flags"].has(MASK)):
                for v, one in enumerate(sums):
                    one.set(code.choose(code.load(mask + v * LANES) > 0.0, one.get(), code.zero))
            with code.when(op["flags"].has(ADD)):
                for v, one in enumerate(sums):
                    one.set(one.get() + code.load(out + v * LANES))
            for v, one in enumerate(sums):
                code.store(one.get(), out + v * LANES)
    return code


def weight_gradient_each(shape: Shape) -> Code:
    """The gradient of the weights of `convolve_each`.

    Fields: the gradient of the weights; the gradient of the output and its rows; the input and its
    rows; channels; the table by tap; how many taps.
    """
    op = _Operation(
        "weight_gradient_each", "weight out out_rows in in_rows channels table taps", shape
    )
    code = op.code
    with code.loop(op["taps"]) as tap, code.loop(op["channels"]) as channel:
        total = code.variable(code.zero)
        for target, source in _pairs(op, "table", tap):
            g = op.at("out", target, channel)
            x = op.at("in", source, channel)
            with code.loop(op.used, 0, LANES) as example:
                total.set(
                    code.multiply_add(code.load(g + example), code.load(x + example), total.get())
                )
        code.store(code.total(total.get()), op.float_at("weight", tap * op["channels"] + channel))
    return code


def mix(shape: Shape) -> Code:
    """Every pixel a weighted sum of pixels, for all channels alike: average pooling, the mean, and
    their gradients.

    Fields: the output and its rows by pixel; the input likewise; channels; the table by pixel of
    the output, whose second numbers say which of the factors; its pixels; the factors; flags.
    """
    op = _Operation("mix", "out out_rows in in_rows channels table pixels factors flags", shape)
    code = op.code
    for example, vectors in _chunks(op, tuple(n for n, _ in shape.blocks)):
        with code.loop(op["pixels"]) as pixel, code.loop(op["channels"]) as channel:
            out = op.at("out", pixel, channel, example)
            sums = [code.variable(code.zero) for _ in range(vectors)]
            with code.when(op["flags"].has(ADD)):
                for v, one in enumerate(sums):
                    one.set(code.load(out + v * LANES))
            for source, which in _pairs(op, "table", pixel):
                factor = code.spread(code.number(op.float_at("factors", which)))
                x = op.at("in", source, channel, example)
                for v, one in enumerate(sums):
                    one.set(code.multiply_add(factor, code.load(x + v * LANES), one.get()))
            for v, one in enumerate(sums):
                code.store(one.get(), out + v * LANES)
    return code


def largest(shape: Shape) -> Code:
    """Every pixel the largest of some pixels: max pooling.

    Fields: the output and its rows by pixel; the input likewise; channels; the table by pixel of
    the output; its pixels.
    """
    op = _Operation("largest", "out out_rows in in_rows channels table pixels", shape)
    code = op.code
    with code.loop(op["pixels"]) as pixel, code.loop(op["channels"]) as channel:
        with code.loop(op.used, 0, LANES) as example:
            most = code.variable(code.spread(code.real(float("-inf"))))
            for source, _ in _pairs(op, "table", pixel):
                seen = code.load(op.at("in", source, channel, example))
                best = most.get()
                most.set(code.choose(_not_at_most(seen, best), seen, best))
            code.store(most.get(), op.at("out", pixel, channel, example))
    return code


def _not_at_most(seen: Value, best: Value) -> Value:
    """Whether one is larger than the other, or NaN, which is then passed on."""
    return seen.code.do(f"<{LANES} x i1>", f"fcmp ugt {seen}, {best.text}")


def largest_gradient(shape: Shape) -> Code:
    """The gradient of `largest`, added to that of the input: all of it to the first of the largest.

    Fields: the gradient of the input and its rows by pixel; the gradient of the output likewise;
    the input and the output likewise; channels; the table by pixel of the output; its pixels.
    """
    fields = "to to_rows out out_rows in in_rows most most_rows channels table pixels"
    op = _Operation("largest_gradient", fields, shape)
    code = op.code
    with code.loop(op["pixels"]) as pixel, code.loop(op["channels"]) as channel:
        with code.loop(op.used, 0, LANES) as example:
            left = code.variable(code.load(op.at("out", pixel, channel, example)))
            best = code.load(op.at("most", pixel, channel, example))
            for source, _ in _pairs(op, "table", pixel):
                here = code.load(op.at("in", source, channel, example)).equals(best)
                to = op.at("to", source, channel, example)
                gradient = left.get()
                code.store(code.load(to) + code.choose(here, gradient, code.zero), to)
                left.set(code.choose(here, code.zero, gradient))
    return code


def _elementwise(
    name: str,
    shape: Shape,
    compute: Callable[[_Operation, Value, Value], Value],
) -> Code:
    op = _Operation(name, "out out_rows in in_rows channels pixels flags mask mask_rows", shape)
    code = op.code
    with code.loop(op["pixels"]) as pixel, code.loop(op["channels"]) as channel:
        out, x, mask = (op.at(field, pixel, channel) for field in ("out", "in", "mask"))
        with code.loop(op.used, 0, LANES) as example:
            result = code.variable(compute(op, code.load(x + example), mask + example))
            with code.when(op["flags"].has(ADD)):
                result.set(result.get() + code.load(out + example))
            code.store(result.get(), out + example)
    return code


def move(shape: Shape) -> Code:
    """A tensor as it is, to another place or added to what is there.

    Fields: the output and its rows by pixel; the input likewise; channels; pixels; flags; two
    without meaning.
    """
    return _elementwise("move", shape, lambda op, x, mask: x)  # noqa: ARG005


def rectify(shape: Shape) -> Code:
    """The larger of a tensor and 0. Fields as of `move`."""
    return _elementwise("rectify", shape, lambda op, x, mask: op.code.positive(x))  # noqa: ARG005


def rectify_gradient(shape: Shape) -> Code:
    """The gradient of `rectify`. Fields as of `move`, the last two a rectified tensor and its
    rows.
    """

    def where(op: _Operation, x: Value, mask: Value) -> Value:
        return op.code.choose(op.code.load(mask) > 0.0, x, op.code.zero)

    return _elementwise("rectify_gradient", shape, where)


def clear(shape: Shape) -> Code:
    """Zeros. Fields: the tensor and its rows by pixel; channels; pixels."""
    op = _Operation("clear", "out out_rows channels pixels", shape)
    code = op.code
    with code.loop(op["pixels"]) as pixel, code.loop(op["channels"]) as channel:
        out = op.at("out", pixel, channel)
        with code.loop(op.used, 0, LANES) as example:
            code.store(code.zero, out + example)
    return code


def normalise(shape: Shape) -> Code:
    """Batch normalisation by the batch's own statistics.

    Fields: the output and its rows by pixel; the input likewise; channels; pixels; scales and
    shifts (-1 for none); where means and one over deviations are written; running means and
    variances, which are updated; flags.
    """
    op = _Operation(
        "normalise",
        "out out_rows in in_rows channels pixels scale shift mean inverse running_mean"
        " running_variance flags",
        shape,
    )
    code = op.code
    inside = op.inside
    count = code.real_of(op["pixels"] * op.examples)
    with code.loop(op["channels"]) as channel:
        total = code.variable(code.zero)
        for x, _ in _of_channel(op, "in", channel):
            total.set(total.get() + code.load(x))
        mean = code.total(total.get()) / count
        centre = code.spread(mean)
        squares = code.variable(code.zero)
        for x, example in _of_channel(op, "in", channel):
            off = op.masked(code.load(x) - centre, example, inside)
            squares.set(code.multiply_add(off, off, squares.get()))
        square = code.total(squares.get())
        inverse = code.real(1.0) / code.root(square / count + code.real(EPSILON))
        code.store(mean, op.float_at("mean", channel))
        code.store(inverse, op.float_at("inverse", channel))
        _update(op, "running_mean", channel, mean)
        _update(op, "running_variance", channel, square / _at_least_one(count))
        scale, shift = _affine(op, channel)
        factor = scale * inverse
        constant = code.spread(shift - factor * mean)
        vector = code.spread(factor)
        with code.loop(op["pixels"]) as pixel:
            x = op.at("in", pixel, channel)
            out = op.at("out", pixel, channel)
            with code.loop(op.used, 0, LANES) as example:
                y = op.masked(
                    code.multiply_add(code.load(x + example), vector, constant), example, inside
                )
                result = code.variable(y)
                with code.when(op["flags"].has(ADD)):
                    result.set(result.get() + code.load(out + example))
                code.store(result.get(), out + example)
    return code


def _at_least_one(count: Value) -> Value:
    code = count.code
    less = count - 1.0
    return code.do(F32, f"select {less > 1.0}, {less}, {code.real(1.0)}")


def _update(
    op: _Operation,
    field: str,
    channel: Value,
    value: Value,
) -> None:
    code = op.code
    place = op.float_at(field, channel)
    before = code.number(place)
    code.store(code.multiply_add(value - before, code.real(MOMENTUM), before), place)


def _affine(op: _Operation, channel: Value) -> tuple[Value, Value]:
    """Scale and shift of a channel, 1 and 0 where there are none."""
    code = op.code
    scale = code.variable(code.real(1.0))
    shift = code.variable(code.real(0.0))
    with code.when(op["scale"] > -1):
        scale.set(code.number(op.float_at("scale", channel)))
        if "shift" in op.fields:
            shift.set(code.number(op.float_at("shift", channel)))
    return scale.get(), shift.get()


def _of_channel(
    op: _Operation,
    field: str,
    channel: Value,
) -> Iterator[tuple[Value, Value]]:
    """All vectors of a channel: address and example."""
    code = op.code
    with code.loop(op["pixels"]) as pixel:
        start = op.at(field, pixel, channel)
        with code.loop(op.used, 0, LANES) as example:
            yield start + example, example


def normalise_gradient(shape: Shape) -> Code:
    """The gradients of `normalise`.

    Fields: the gradient of the input and its rows by pixel; the gradient of the output likewise;
    the input likewise; channels; pixels; scales (-1 for none); means and one over deviations; the
    gradients of scales and shifts; flags.
    """
    op = _Operation(
        "normalise_gradient",
        "to to_rows out out_rows in in_rows channels pixels scale mean inverse scale_gradient"
        " shift_gradient flags",
        shape,
    )
    code = op.code
    inside = op.inside
    count = code.real_of(op["pixels"] * op.examples)
    with code.loop(op["channels"]) as channel:
        mean, inverse = (code.number(op.float_at(field, channel)) for field in ("mean", "inverse"))
        centre = code.spread(mean)
        sums = code.variable(code.zero)
        products = code.variable(code.zero)
        with code.loop(op["pixels"]) as pixel:
            g = op.at("out", pixel, channel)
            x = op.at("in", pixel, channel)
            with code.loop(op.used, 0, LANES) as example:
                gradient = code.load(g + example)
                sums.set(sums.get() + gradient)
                products.set(
                    code.multiply_add(gradient, code.load(x + example) - centre, products.get())
                )
        total = code.total(sums.get())
        product = code.total(products.get()) * inverse
        with code.when(op["scale"] > -1):
            code.store(product, op.float_at("scale_gradient", channel))
            code.store(total, op.float_at("shift_gradient", channel))
        scale, _ = _affine(op, channel)
        factor = scale * inverse
        tilt = factor * inverse * product / count
        vector = code.spread(factor)
        minus_tilt = code.spread(code.real(0.0) - tilt)
        constant = code.spread(tilt * mean - factor * total / count)
        with code.loop(op["pixels"]) as pixel:
            g, x, to = (op.at(field, pixel, channel) for field in ("out", "in", "to"))
            with code.loop(op.used, 0, LANES) as example:
                base = code.multiply_add(code.load(x + example), minus_tilt, constant)
                gradient = op.masked(
                    code.multiply_add(code.load(g + example), vector, base), example, inside
                )
                result = code.variable(gradient)
                with code.when(op["flags"].has(ADD)):
                    result.set(result.get() + code.load(to + example))
                code.store(result.get(), to + example)
    return code


def scale(shape: Shape) -> Code:
    """Every channel times a number, plus another: batch normalisation by running statistics, and
    its gradient.

    Fields: the output and its rows by pixel; the input likewise; channels; pixels; the factors; the
    constants (-1 for none); flags.
    """
    op = _Operation("scale", "out out_rows in in_rows channels pixels factor constant flags", shape)
    code = op.code
    with code.loop(op["channels"]) as channel:
        vector = code.spread(code.number(op.float_at("factor", channel)))
        constant = code.variable(code.zero)
        with code.when(op["constant"] > -1):
            constant.set(code.spread(code.number(op.float_at("constant", channel))))
        with code.loop(op["pixels"]) as pixel:
            x = op.at("in", pixel, channel)
            out = op.at("out", pixel, channel)
            with code.loop(op.used, 0, LANES) as example:
                result = code.variable(
                    code.multiply_add(code.load(x + example), vector, constant.get())
                )
                with code.when(op["flags"].has(ADD)):
                    result.set(result.get() + code.load(out + example))
                code.store(result.get(), out + example)
    return code


def fold(shape: Shape) -> Code:
    """Batch normalisation by running statistics as a factor and a constant, and weights times the
    factor.

    Fields: the factors and constants, which are written; channels; scales and shifts (-1 for none);
    running means and variances; weights and where they are written (-1 for none); how many weights
    a channel has.
    """
    op = _Operation(
        "fold",
        "factor constant channels scale shift running_mean running_variance weight folded each",
        shape,
    )
    code = op.code
    with code.loop(op["channels"]) as channel:
        variance = code.number(op.float_at("running_variance", channel))
        inverse = code.real(1.0) / code.root(variance + code.real(EPSILON))
        given, shift = _affine(op, channel)
        factor = given * inverse
        code.store(factor, op.float_at("factor", channel))
        mean = code.number(op.float_at("running_mean", channel))
        code.store(shift - factor * mean, op.float_at("constant", channel))
        with code.when(op["weight"] > -1), code.loop(op["each"]) as i:
            at = i * op["channels"] + channel
            code.store(code.number(op.float_at("weight", at)) * factor, op.float_at("folded", at))
    return code


def bias_gradient(shape: Shape) -> Code:
    """The gradient of a bias. Fields: where it is written; the gradient of the output, its rows;
    channels; pixels.
    """
    op = _Operation("bias_gradient", "bias out out_rows channels pixels", shape)
    code = op.code
    with code.loop(op["channels"]) as channel:
        total = code.variable(code.zero)
        for g, _ in _of_channel(op, "out", channel):
            total.set(total.get() + code.load(g))
        code.store(code.total(total.get()), op.float_at("bias", channel))
    return code


OPERATIONS = (
    convolve,
    weight_gradient,
    convolve_each,
    weight_gradient_each,
    mix,
    largest,
    largest_gradient,
    move,
    rectify,
    rectify_gradient,
    clear,
    normalise,
    normalise_gradient,
    scale,
    fold,
    bias_gradient,
)
"""All of them; an instruction begins with the place here."""
CODES = {operation.__name__: code for code, operation in enumerate(OPERATIONS)}


def execute(shape: Shape) -> Code:  # noqa: ARG001 - as all
    """Walk through instructions: arena, tables, instructions, how many, numbers in a row, examples
    of the batch.
    """
    arguments = (
        (PTR, "arena"),
        (PTR, "tables"),
        (PTR, "program"),
        (I64, "count"),
        (I64, "row"),
        (I64, "examples"),
    )
    code = Code("execute", arguments, public=True)
    given = code.arguments
    with code.loop(given["count"] * WORDS, 0, WORDS) as at:
        words = code.do(PTR, f"getelementptr i64, ptr {given['program'].text}, {at}")
        chosen = code.word(words, 0)
        end = code.label()
        ways = " ".join(f"i64 {i}, label %op{i}" for i in CODES.values())
        code.write(f"switch {chosen}, label %{end} [{ways}]")
        for name, i in CODES.items():
            code.write(f"op{i}:")
            code.call(name, words, *(given[n] for n in ("arena", "tables", "row", "examples")))
            code.write(f"br label %{end}")
        code.write(f"{end}:")
    return code


def enter(shape: Shape) -> Code:  # noqa: ARG001 - as all
    """Bring examples into the arena: from ``(example, channel, pixel)`` to
    ``(pixel, channel, example)``.

    Arguments: the tensor's address, the examples' address, channels, rows between two
    pixels, pixels, numbers in a row, examples.
    """
    arguments = (
        (PTR, "to"),
        (PTR, "come"),
        (I64, "channels"),
        (I64, "rows"),
        (I64, "pixels"),
        (I64, "row"),
        (I64, "examples"),
    )
    code = Code("enter", arguments, public=True)
    given = code.arguments
    size = given["channels"] * given["pixels"]
    with code.loop(given["channels"]) as channel, code.loop(given["pixels"]) as pixel:
        to = given["to"] + (pixel * given["rows"] + channel) * given["row"]
        come = given["come"] + (channel * given["pixels"] + pixel)
        with code.loop(given["examples"]) as example:
            code.store(code.number(come + example * size), to + example)
        # Zeros up to a whole vector, so that nothing that is no number is carried along.
        more = given["examples"] + (LANES - 1)
        with code.loop(code.do(I64, f"and {more}, {-LANES}"), given["examples"]) as example:
            code.store(code.real(0.0), to + example)
    return code


def descend(shape: Shape) -> Code:
    """A step of stochastic gradient descent with Nesterov's momentum and weight decay, as PyTorch
    has it.

    Arguments: weights, gradients, momenta, how many (a multiple of `LANES`), learning rate,
    momentum, decay.
    """
    arguments = (
        (PTR, "weights"),
        (PTR, "gradients"),
        (PTR, "momenta"),
        (I64, "count"),
        (F32, "rate"),
        (F32, "momentum"),
        (F32, "decay"),
    )
    code = Code(
        "descend",
        arguments,
        fused=shape.fused,
        public=True,
    )
    given = code.arguments
    rate, momentum, decay = (code.spread(given[name]) for name in ("rate", "momentum", "decay"))
    down = code.zero - rate
    with code.loop(given["count"], 0, LANES) as i:
        weight, moved = (code.load(given[name] + i) for name in ("weights", "momenta"))
        gradient = code.multiply_add(decay, weight, code.load(given["gradients"] + i))
        moved = code.multiply_add(momentum, moved, gradient)
        code.store(moved, given["momenta"] + i)
        code.store(
            code.multiply_add(down, code.multiply_add(momentum, moved, gradient), weight),
            given["weights"] + i,
        )
    return code


def assembly(shape: Shape) -> str:
    """All functions, in LLVM's assembly language."""
    fused = [fused_multiply_add(count, native=shape.fused) for count in (1, LANES)]
    written = [make(shape) for make in (*OPERATIONS, execute, enter, descend)]
    return "\n\n".join([*fused, "declare float @llvm.sqrt.f32(float)", *map(str, written)])
