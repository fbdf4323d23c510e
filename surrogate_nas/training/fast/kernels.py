"""The operations of a network, written for the processor at hand.

Everything is in one flat array of float32. A tensor is ``(pixel, channel, example)``: the examples
of a batch lie side by side and fill vector registers, a neighbouring channel is a row of numbers
further on, a neighbouring pixel a fixed number of rows. Which pixels a layer combines is a table:
for every pixel of its output the pixels of its input, each with the tap of the kernel that weighs
it. So one convolution serves images and signals, strides, dilation and causal padding, no border is
padded, and the gradient by the input is the same convolution with the transposed table. Weights are
``(tap, input, output)``.

A network is a list of instructions, each `WORDS` integers, that `execute` walks through: an
operation, then its tensors and its numbers in the order in which `_Operation` names them. A tensor
is four integers: where it begins, its rows by pixel, its channels, and its pixels. Examples beyond
a batch, up to a whole vector, are computed along; batch normalisation, the only operation that
looks across examples, leaves them out and sets them and their gradients to 0.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from surrogate_nas.training.fast.assembly import (
    BOOL,
    F32,
    I64,
    LANES,
    PTR,
    VECTOR,
    Code,
    Value,
    Variable,
    several,
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
_SIGNATURE = {"words": PTR, "arena": PTR, "tables": PTR, "row": I64, "examples": I64}


class Shape(NamedTuple):
    """What fits the registers of a processor; it changes the speed, and no sum.

    A vector has `LANES` numbers on every processor, in as many registers as they need.

    Attributes:
        blocks: Of a convolution, by vectors of examples, how many output channels are in registers
            at once.
        pairs: Of a weight's gradient, how many input and output channels are in registers at once.
    """

    blocks: dict[int, int]
    pairs: tuple[int, int]


WIDE = Shape({4: 4, 2: 8, 1: 8}, (4, 4))
"""32 registers of 16 numbers (AVX-512)."""
NARROW = Shape({2: 2, 1: 4}, (2, 2))
"""16 registers of 8 (AVX2), or 32 of 4 (NEON): a vector takes two of the ones, four of the
others.
"""


class _Operation:
    """The function of an operation, its fields, and its tensors; `used` counts the numbers of a row
    that hold examples, in whole vectors.
    """

    def __init__(self, name: str, tensors: str, numbers: str) -> None:
        self.code = Code(name, _SIGNATURE)
        given = self.code.arguments
        self.arena, self.tables, self.row, self.examples = (
            given[n] for n in ("arena", "tables", "row", "examples")
        )
        parts = ("", "_rows", "_channels", "_pixels")
        names = [f"{tensor}{part}" for tensor in tensors.split() for part in parts]
        self.fields = {
            name: self.code.word(given["words"], index)
            for index, name in enumerate([*names, *numbers.split()], 1)
        }
        self.used = _whole_vectors(self.examples)

    def __getitem__(self, field: str) -> Value:
        return self.fields[field]

    def at(
        self,
        tensor: str,
        pixel: Value,
        channel: Value,
        example: Value | int = 0,
    ) -> Value:
        """The address in a tensor."""
        rows = pixel * self[f"{tensor}_rows"] + channel
        return self.float_at(tensor, rows * self.row + example)

    def float_at(self, field: str, index: Value | int = 0) -> Value:
        return self.arena + self[field] + index

    def number(self, field: str, index: Value | int = 0) -> Value:
        return self.code.number(self.float_at(field, index))

    def planes(self, tensor: str) -> Iterator[tuple[Value, Value]]:
        """Repeat what follows for every pixel and channel."""
        with self.code.loop(self[f"{tensor}_pixels"]) as pixel:
            with self.code.loop(self[f"{tensor}_channels"]) as channel:
                yield pixel, channel

    def vectors(self) -> Iterator[Value]:
        """Repeat what follows for every vector of examples."""
        with self.code.loop(self.used, 0, LANES) as example:
            yield example

    def of_channel(self, channel: Value, *tensors: str) -> Iterator[tuple[Value, ...]]:
        """Repeat what follows for all vectors of a channel: the example, and the addresses in some
        tensors.
        """
        with self.code.loop(self[f"{tensors[0]}_pixels"]) as pixel:
            starts = [self.at(tensor, pixel, channel) for tensor in tensors]
            for example in self.vectors():
                yield example, *(start + example for start in starts)

    def put(self, result: Value, address: Value) -> None:
        """Write a vector, added to what is there where a flag says so."""
        code = self.code
        total = Variable(result)
        with code.when(self["flags"].has(ADD)):
            total.set(result + code.load(address))
        code.store(total.get(), address)

    @property
    def inside(self) -> Value:
        """Which numbers of the batch's last vector are examples."""
        code = self.code
        last = code.spread(self.examples - self.used + LANES)
        steps = ", ".join(f"i64 {i}" for i in range(LANES))
        return code.do(several(BOOL, LANES), f"icmp sgt {last}, <{steps}>")

    def masked(self, vector: Value, example: Value, inside: Value) -> Value:
        """A vector with zeros for what is no example."""
        last = (example + LANES).equals(self.used)
        return self.code.choose(
            last, self.code.choose(inside, vector, self.code.zero), vector
        )


def _whole_vectors(examples: Value) -> Value:
    return (examples + (LANES - 1)).bitwise("and", -LANES)


def _chunks(op: _Operation, sizes: Iterable[int]) -> Iterator[tuple[Value, int]]:
    """Cover all vectors of a row by pieces of the given sizes, the largest first: the example and
    the vectors.
    """
    code = op.code
    done = Variable(code.constant(I64, 0))
    for size in sizes:
        first = done.get()
        stop = first + code.whole_part(op.used - first, size * LANES)
        with code.loop(stop, first, size * LANES) as example:
            yield example, size
        done.set(stop)


def _blocks(op: _Operation, channels: Value, size: int) -> Iterator[tuple[Value, int]]:
    """Cover all channels by blocks of a size, then one by one."""
    code = op.code
    whole = code.whole_part(channels, size)
    with code.loop(whole, 0, size) as channel:
        yield channel, size
    if size > 1:
        with code.loop(channels, whole) as channel:
            yield channel, 1


def _pairs(op: _Operation, index: Value) -> Iterator[tuple[Value, Value]]:
    """The pairs of integers of one entry of the table."""
    code = op.code
    start = op.tables.at(op["table"], I64)
    with code.loop(code.word(start, index + 1), code.word(start, index)) as pair:
        yield code.word(op.tables, pair * 2), code.word(op.tables, pair * 2 + 1)


class _Sum(NamedTuple):
    """A sum in a register, and its pixel, channel and example."""

    variable: Variable
    indices: tuple[Value, Value, Value]

    def add_product(self, factor: Value, vector: Value) -> None:
        code = factor.code
        self.variable.set(code.multiply_add(factor, vector, self.variable.get()))


def _sums(
    op: _Operation, pixel: Value, channel: Value, example: Value, vectors: int
) -> list[_Sum]:
    """The sums of some vectors of a channel, which begin with zeros."""
    places = [(pixel, channel, example + v * LANES) for v in range(vectors)]
    return [_Sum(Variable(op.code.zero), place) for place in places]


def _write(op: _Operation, sums: Sequence[_Sum]) -> None:
    """Write sums, masked and added as the flags say."""
    code = op.code
    with code.when(op["flags"].has(MASK)):
        for total, indices in sums:
            mask = code.load(op.at("mask", *indices))
            total.set(code.choose(mask > 0.0, total.get(), code.zero))
    with code.when(op["flags"].has(ADD)):
        for total, indices in sums:
            total.set(total.get() + code.load(op.at("out", *indices)))
    for total, indices in sums:
        code.store(total.get(), op.at("out", *indices))


def convolve(shape: Shape) -> Code:
    """A convolution of all channels with all, or its gradient by the input.

    ``by_input`` and ``by_output`` say how far apart the weights of two inputs and of two outputs
    lie.
    """
    op = _Operation(
        "convolve", "out in mask", "weight by_input by_output bias table flags"
    )
    code = op.code
    by_tap = op["in_channels"] * op["out_channels"]
    for example, vectors in _chunks(op, shape.blocks):
        with code.loop(op["out_pixels"]) as pixel:
            for first, channels in _blocks(
                op, op["out_channels"], shape.blocks[vectors]
            ):
                lines = [
                    _sums(op, pixel, first + k, example, vectors)
                    for k in range(channels)
                ]
                with code.when(op["flags"].has(BIAS)):
                    for k, line in enumerate(lines):
                        bias = code.spread(op.number("bias", first + k))
                        for one in line:
                            one.variable.set(bias)
                for source, tap in _pairs(op, pixel):
                    x = op.at("in", source, code.constant(I64, 0), example)
                    w = op.float_at("weight", tap * by_tap + first * op["by_output"])
                    columns = [w + op["by_output"] * k for k in range(channels)]
                    with code.loop(op["in_channels"]) as j:
                        read = [
                            code.load(x + (j * op.row + v * LANES))
                            for v in range(vectors)
                        ]
                        for column, line in zip(columns, lines, strict=True):
                            factor = code.spread(
                                code.number(column + j * op["by_input"])
                            )
                            for one, vector in zip(line, read, strict=True):
                                one.add_product(factor, vector)
                _write(op, [one for line in lines for one in line])
    return code


def weight_gradient(shape: Shape) -> Code:
    """The gradient of a convolution's weights, from that of the output and the input.

    The table has the pairs of pixels of every piece of the output and tap; ``kept`` has space for
    `Shape.pairs` vectors by tap.
    """
    op = _Operation("weight_gradient", "out in", "weight table taps pieces kept")
    code = op.code
    by_tap = op["in_channels"] * op["out_channels"]
    for j, inputs in _blocks(op, op["in_channels"], shape.pairs[0]):
        for k, outputs in _blocks(op, op["out_channels"], shape.pairs[1]):
            _weight_block(op, by_tap, (j, inputs), (k, outputs))
    return code


def _weight_block(
    op: _Operation,
    by_tap: Value,
    of_input: tuple[Value, int],
    of_output: tuple[Value, int],
) -> None:
    code = op.code
    j, inputs = of_input
    k, outputs = of_output
    count = inputs * outputs
    final = op["pieces"] - 1
    with code.loop(op["pieces"]) as piece, code.loop(op["taps"]) as tap:
        start = op.float_at("kept", tap * (count * LANES))
        kept = [start + i * LANES for i in range(count)]
        sums = [Variable(code.zero) for _ in range(count)]
        with code.when(piece > 0):
            for total, address in zip(sums, kept, strict=True):
                total.set(code.load(address))
        for target, source in _pairs(op, piece * op["taps"] + tap):
            g = op.at("out", target, k)
            x = op.at("in", source, j)
            for example in op.vectors():
                gradients = [
                    code.load(g + (op.row * i + example)) for i in range(outputs)
                ]
                for i in range(inputs):
                    read = code.load(x + (op.row * i + example))
                    for total, gradient in zip(
                        sums[i * outputs :], gradients, strict=False
                    ):
                        total.set(code.multiply_add(gradient, read, total.get()))
        with code.when(piece < final):
            for total, address in zip(sums, kept, strict=True):
                code.store(total.get(), address)
        with code.when(piece >= final):
            by_input = op["out_channels"]
            weight = op.float_at("weight", tap * by_tap + j * by_input + k)
            if count == LANES:
                totals = code.totals([total.get() for total in sums])
                for i in range(inputs):
                    code.store(
                        code.part(totals, i * outputs, outputs), weight + by_input * i
                    )
            else:
                for n, total in enumerate(sums):
                    address = weight + by_input * (n // outputs) + n % outputs
                    code.store(code.total(total.get()), address)


def convolve_each(shape: Shape) -> Code:
    """A convolution of every channel by itself, or its gradient by the input; weights are
    ``(tap, channel)``.
    """
    op = _Operation("convolve_each", "out in mask", "weight table flags")
    code = op.code
    for example, vectors in _chunks(op, shape.blocks):
        for pixel, channel in op.planes("out"):
            sums = _sums(op, pixel, channel, example, vectors)
            for source, tap in _pairs(op, pixel):
                factor = code.spread(
                    op.number("weight", tap * op["out_channels"] + channel)
                )
                x = op.at("in", source, channel, example)
                for v, one in enumerate(sums):
                    one.add_product(factor, code.load(x + v * LANES))
            _write(op, sums)
    return code


def weight_gradient_each(shape: Shape) -> Code:
    """The gradient of the weights of `convolve_each`; the table is by tap."""
    op = _Operation("weight_gradient_each", "out in", "weight table taps")
    code = op.code
    with code.loop(op["taps"]) as tap, code.loop(op["out_channels"]) as channel:
        total = Variable(code.zero)
        for target, source in _pairs(op, tap):
            g = op.at("out", target, channel)
            x = op.at("in", source, channel)
            for example in op.vectors():
                product = code.load(g + example), code.load(x + example)
                total.set(code.multiply_add(*product, total.get()))
        weight = op.float_at("weight", tap * op["out_channels"] + channel)
        code.store(code.total(total.get()), weight)
    return code


def weighted_pool(shape: Shape) -> Code:
    """Every pixel a weighted sum of pixels, for all channels alike: average pooling, the mean, and
    their gradients. The second numbers of the table say which of the factors.
    """
    op = _Operation("weighted_pool", "out in", "table factors flags")
    code = op.code
    for example, vectors in _chunks(op, shape.blocks):
        for pixel, channel in op.planes("out"):
            out = op.at("out", pixel, channel, example)
            sums = [Variable(code.zero) for _ in range(vectors)]
            with code.when(op["flags"].has(ADD)):
                for v, total in enumerate(sums):
                    total.set(code.load(out + v * LANES))
            for source, which in _pairs(op, pixel):
                factor = code.spread(op.number("factors", which))
                x = op.at("in", source, channel, example)
                for v, total in enumerate(sums):
                    total.set(
                        code.multiply_add(factor, code.load(x + v * LANES), total.get())
                    )
            for v, total in enumerate(sums):
                code.store(total.get(), out + v * LANES)
    return code


def max_pool(shape: Shape) -> Code:
    """Every pixel the largest of some pixels; NaN is passed on."""
    op = _Operation("max_pool", "out in", "table")
    code = op.code
    for pixel, channel in op.planes("out"):
        for example in op.vectors():
            most = Variable(code.constant(VECTOR, float("-inf")))
            for source, _ in _pairs(op, pixel):
                read = code.load(op.at("in", source, channel, example))
                best = most.get()
                most.set(code.choose(read.compare("", "ugt", best), read, best))
            code.store(most.get(), op.at("out", pixel, channel, example))
    return code


def max_pool_gradient(shape: Shape) -> Code:
    """The gradient of `max_pool`, added to that of the input: all of it to the first of the
    largest.
    """
    op = _Operation("max_pool_gradient", "to out in most", "table")
    code = op.code
    for pixel, channel in op.planes("out"):
        for example in op.vectors():
            left = Variable(code.load(op.at("out", pixel, channel, example)))
            best = code.load(op.at("most", pixel, channel, example))
            for source, _ in _pairs(op, pixel):
                here = code.load(op.at("in", source, channel, example)).equals(best)
                to = op.at("to", source, channel, example)
                gradient = left.get()
                code.store(code.load(to) + code.choose(here, gradient, code.zero), to)
                left.set(code.choose(here, code.zero, gradient))
    return code


def _elementwise(
    name: str, tensors: str, compute: Callable[..., Value]
) -> Callable[[Shape], Code]:
    """An operation on every number of the output by those of other tensors at its place."""

    def write(_shape: Shape) -> Code:
        op = _Operation(name, tensors, "flags")
        for pixel, channel in op.planes("out"):
            out, *others = (op.at(tensor, pixel, channel) for tensor in tensors.split())
            for example in op.vectors():
                values = (op.code.load(other + example) for other in others)
                op.put(compute(*values), out + example)
        return op.code

    return write


def clear(_shape: Shape) -> Code:
    """Zeros."""
    op = _Operation("clear", "out", "")
    for pixel, channel in op.planes("out"):
        out = op.at("out", pixel, channel)
        for example in op.vectors():
            op.code.store(op.code.zero, out + example)
    return op.code


def normalise(shape: Shape) -> Code:
    """Batch normalisation by the batch's own statistics; running ones are updated.

    Scales and shifts are -1 where there are none.
    """
    numbers = "scale shift mean inverse running_mean running_variance flags"
    op = _Operation("normalise", "out in", numbers)
    code = op.code
    inside = op.inside
    count = _real(op["in_pixels"] * op.examples)
    with code.loop(op["in_channels"]) as channel:
        total = Variable(code.zero)
        for _, x in op.of_channel(channel, "in"):
            total.set(total.get() + code.load(x))
        mean = code.total(total.get()) / count
        centre = code.spread(mean)
        squares = Variable(code.zero)
        for example, x in op.of_channel(channel, "in"):
            off = op.masked(code.load(x) - centre, example, inside)
            squares.set(code.multiply_add(off, off, squares.get()))
        square = code.total(squares.get())
        inverse = _inverse_deviation(square / count)
        code.store(mean, op.float_at("mean", channel))
        code.store(inverse, op.float_at("inverse", channel))
        less = count - 1.0
        unbiased = code.choose(less > 1.0, less, code.constant(F32, 1.0))
        for field, value in (
            ("running_mean", mean),
            ("running_variance", square / unbiased),
        ):
            before = op.number(field, channel)
            after = code.multiply_add(
                value - before, code.constant(F32, MOMENTUM), before
            )
            code.store(after, op.float_at(field, channel))
        factor = _optional(op, "scale", channel, 1.0) * inverse
        constant = code.spread(_optional(op, "shift", channel, 0.0) - factor * mean)
        vector = code.spread(factor)
        for example, x, out in op.of_channel(channel, "in", "out"):
            y = code.multiply_add(code.load(x), vector, constant)
            op.put(op.masked(y, example, inside), out)
    return code


def _real(whole: Value) -> Value:
    return whole.code.do(F32, f"sitofp {whole} to float")


def _inverse_deviation(variance: Value) -> Value:
    code = variance.code
    return code.constant(F32, 1.0) / code.root(variance + EPSILON)


def _optional(op: _Operation, field: str, channel: Value, otherwise: float) -> Value:
    """A parameter of a channel; another number where there is none."""
    code = op.code
    result = Variable(code.constant(F32, otherwise))
    with code.when(op[field] > -1):
        result.set(op.number(field, channel))
    return result.get()


def normalise_gradient(shape: Shape) -> Code:
    """The gradients of `normalise`: by the input, and by scales and shifts where there are any."""
    numbers = "scale mean inverse scale_gradient shift_gradient flags"
    op = _Operation("normalise_gradient", "to out in", numbers)
    code = op.code
    inside = op.inside
    count = _real(op["out_pixels"] * op.examples)
    with code.loop(op["out_channels"]) as channel:
        mean, inverse = (op.number(field, channel) for field in ("mean", "inverse"))
        centre = code.spread(mean)
        sums = Variable(code.zero)
        products = Variable(code.zero)
        for _, g, x in op.of_channel(channel, "out", "in"):
            gradient = code.load(g)
            sums.set(sums.get() + gradient)
            products.set(
                code.multiply_add(gradient, code.load(x) - centre, products.get())
            )
        total = code.total(sums.get())
        product = code.total(products.get()) * inverse
        with code.when(op["scale"] > -1):
            code.store(product, op.float_at("scale_gradient", channel))
            code.store(total, op.float_at("shift_gradient", channel))
        factor = _optional(op, "scale", channel, 1.0) * inverse
        tilt = factor * inverse * product / count
        vector = code.spread(factor)
        minus_tilt = code.spread(0.0 - tilt)
        constant = code.spread(tilt * mean - factor * total / count)
        for example, g, x, to in op.of_channel(channel, "out", "in", "to"):
            base = code.multiply_add(code.load(x), minus_tilt, constant)
            by_input = code.multiply_add(code.load(g), vector, base)
            op.put(op.masked(by_input, example, inside), to)
    return code


def scale(shape: Shape) -> Code:
    """Every channel times a number, plus another (-1 for none): batch normalisation by running
    statistics, and its gradient.
    """
    op = _Operation("scale", "out in", "factor constant flags")
    code = op.code
    with code.loop(op["in_channels"]) as channel:
        vector = code.spread(op.number("factor", channel))
        constant = code.spread(_optional(op, "constant", channel, 0.0))
        for _, x, out in op.of_channel(channel, "in", "out"):
            op.put(code.multiply_add(code.load(x), vector, constant), out)
    return code


def fold(shape: Shape) -> Code:
    """Batch normalisation by running statistics as a factor and a constant, and weights times the
    factor; ``each`` is how many weights a channel has.
    """
    op = _Operation(
        "fold",
        "",
        "factor constant channels scale shift running_mean running_variance weight folded each",
    )
    code = op.code
    with code.loop(op["channels"]) as channel:
        inverse = _inverse_deviation(op.number("running_variance", channel))
        factor = _optional(op, "scale", channel, 1.0) * inverse
        code.store(factor, op.float_at("factor", channel))
        mean = op.number("running_mean", channel)
        constant = _optional(op, "shift", channel, 0.0) - factor * mean
        code.store(constant, op.float_at("constant", channel))
        with code.when(op["weight"] > -1), code.loop(op["each"]) as i:
            index = i * op["channels"] + channel
            code.store(
                op.number("weight", index) * factor, op.float_at("folded", index)
            )
    return code


def bias_gradient(shape: Shape) -> Code:
    """The gradient of a bias, from that of the output."""
    op = _Operation("bias_gradient", "out", "bias")
    code = op.code
    with code.loop(op["out_channels"]) as channel:
        total = Variable(code.zero)
        for _, g in op.of_channel(channel, "out"):
            total.set(total.get() + code.load(g))
        code.store(code.total(total.get()), op.float_at("bias", channel))
    return code


OPERATIONS = {
    make.__name__: make
    for make in (
        convolve,
        weight_gradient,
        convolve_each,
        weight_gradient_each,
        weighted_pool,
        max_pool,
        max_pool_gradient,
        clear,
        normalise,
        normalise_gradient,
        scale,
        fold,
        bias_gradient,
    )
} | {
    name: _elementwise(name, tensors, compute)
    for name, tensors, compute in (
        ("move", "out in", lambda x: x),
        # NaN where it is NaN, so that divergence shows
        ("rectify", "out in", lambda x: x.code.choose(x < 0.0, x.code.zero, x)),
        # the mask is what was rectified
        (
            "rectify_gradient",
            "out in mask",
            lambda x, mask: x.code.choose(mask > 0.0, x, x.code.zero),
        ),
    )
}
CODES = {name: code for code, name in enumerate(OPERATIONS)}
"""An instruction begins with the code of its operation."""


def execute() -> Code:
    """Walk through instructions: arena, tables, instructions, how many, numbers in a row, examples
    of the batch.
    """
    numbers = dict.fromkeys(("count", "row", "examples"), I64)
    arguments = dict.fromkeys(("arena", "tables", "program"), PTR) | numbers
    code = Code("execute", arguments, public=True)
    given = code.arguments
    with code.loop(given["count"] * WORDS, 0, WORDS) as index:
        words = given["program"].at(index, I64)
        chosen = code.word(words, 0)
        end = code.label()
        ways = " ".join(f"i64 {i}, label %op{i}" for i in CODES.values())
        code.write(f"switch {chosen}, label %{end} [{ways}]")
        for name, i in CODES.items():
            code.write(f"op{i}:")
            code.call(
                name, words, *(given[n] for n in ("arena", "tables", "row", "examples"))
            )
            code.write(f"br label %{end}")
        code.write(f"{end}:")
    return code


def load() -> Code:
    """Copy examples into the arena, from ``(example, channel, pixel)`` to
    ``(pixel, channel, example)``, with zeros up to a whole vector.
    """
    numbers = dict.fromkeys(("channels", "rows", "pixels", "row", "examples"), I64)
    code = Code("load", {"to": PTR, "source": PTR} | numbers, public=True)
    given = code.arguments
    size = given["channels"] * given["pixels"]
    with code.loop(given["channels"]) as channel, code.loop(given["pixels"]) as pixel:
        to = given["to"] + (pixel * given["rows"] + channel) * given["row"]
        source = given["source"] + (channel * given["pixels"] + pixel)
        with code.loop(given["examples"]) as example:
            code.store(code.number(source + example * size), to + example)
        with code.loop(_whole_vectors(given["examples"]), given["examples"]) as example:
            code.store(code.constant(F32, 0.0), to + example)
    return code


def sgd_step() -> Code:
    """A step of descent with Nesterov's momentum and weight decay, as PyTorch has it."""
    settings = dict.fromkeys(("rate", "momentum", "decay"), F32)
    arguments = dict.fromkeys(("weights", "gradients", "momenta"), PTR)
    code = Code("sgd_step", arguments | {"count": I64} | settings, public=True)
    given = code.arguments
    rate, momentum, decay = (code.spread(given[name]) for name in settings)
    down = code.zero - rate
    with code.loop(given["count"], 0, LANES) as i:
        weight, moved = (code.load(given[name] + i) for name in ("weights", "momenta"))
        gradient = code.multiply_add(decay, weight, code.load(given["gradients"] + i))
        moved = code.multiply_add(momentum, moved, gradient)
        code.store(moved, given["momenta"] + i)
        step = code.multiply_add(momentum, moved, gradient)
        code.store(code.multiply_add(down, step, weight), given["weights"] + i)
    return code


_DECLARED = f"""declare float @llvm.sqrt.f32(float)
declare float @llvm.fma.f32(float, float, float)
declare {VECTOR} @llvm.fma.v{LANES}f32({VECTOR}, {VECTOR}, {VECTOR})"""


def assembly(shape: Shape) -> str:
    """All functions, in LLVM's assembly language."""
    written = [
        *(make(shape) for make in OPERATIONS.values()),
        execute(),
        load(),
        sgd_step(),
    ]
    return "\n\n".join([_DECLARED, *map(str, written)])
