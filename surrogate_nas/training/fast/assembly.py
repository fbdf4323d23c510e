"""Functions written down in LLVM's assembly language: what stays in a register is decided by
whoever writes them.

A kernel is a Python function that is run once and leaves its text behind. Loops of Python are
unrolled; `Code.loop` is a loop of the kernel. A value of the type `Code.lanes` is a vector register
of float32; variables become registers too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

I64 = "i64"
F32 = "float"
PTR = "ptr"
BOOL = "i1"
LANES = 16
"""Numbers of a vector, on every processor: another number is another order of sums, so another
training.
"""


class Value:
    """A number, a vector or an address that the kernel computes."""

    __slots__ = ("code", "text", "type")

    def __init__(self, code: Code, kind: str, text: str) -> None:
        """Name a value."""
        self.code = code
        self.type = kind
        self.text = text

    def __str__(self) -> str:
        return f"{self.type} {self.text}"

    def __add__(self, other: Operand) -> Value:
        if self.type == PTR:
            return self.code.do(
                PTR, f"getelementptr float, ptr {self.text}, {self.code.integer(other)}"
            )
        return self._with("add", other)

    def __sub__(self, other: Operand) -> Value:
        return self._with("sub", other)

    def __mul__(self, other: Operand) -> Value:
        return self._with("mul", other)

    def __truediv__(self, other: Operand) -> Value:
        return self._with("div", other)

    def _with(self, operation: str, other: Operand) -> Value:
        right = self.code.like(self, other)
        if right.type != self.type:
            raise TypeError(f"{operation} of {self.type} and {right.type}")
        prefix = "" if self.type == I64 else "f"
        return self.code.do(self.type, f"{prefix}{operation} {self}, {right.text}")

    def __lt__(self, other: Operand) -> Value:
        return self._compare("slt", "olt", other)

    def __gt__(self, other: Operand) -> Value:
        return self._compare("sgt", "ogt", other)

    def __ge__(self, other: Operand) -> Value:
        return self._compare("sge", "oge", other)

    def equals(self, other: Operand) -> Value:
        """Whether it is the same; never of two NaN."""
        return self._compare("eq", "oeq", other)

    def has(self, flag: int) -> Value:
        """Whether a bit of an integer is set."""
        bit = self.code.do(I64, f"and {self}, {flag}")
        return self.code.do(BOOL, f"icmp ne {bit}, 0")

    def _compare(self, whole: str, real: str, other: Operand) -> Value:
        right = self.code.like(self, other)
        if self.type == I64:
            return self.code.do(BOOL, f"icmp {whole} {self}, {right.text}")
        kind = self.type.replace(F32, BOOL)
        return self.code.do(kind, f"fcmp {real} {self}, {right.text}")


Operand: TypeAlias = Value | int | float


class Variable:
    """A value that changes while the kernel runs."""

    def __init__(self, code: Code, start: Value) -> None:
        """Begin with a value."""
        self._code = code
        self._type = start.type
        self._place = code.place(start.type)
        self.set(start)

    def get(self) -> Value:
        """The value of now."""
        return self._code.do(self._type, f"load {self._type}, ptr {self._place}")

    def set(self, value: Value) -> None:
        """Change it."""
        self._code.write(f"store {value}, ptr {self._place}")


class Code:
    """One function.

    Attributes:
        name: What it is called.
        arguments: Its arguments by name.
        lanes: The type of a vector of float32.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[tuple[str, str]],
        *,
        fused: bool = True,
        public: bool = False,
    ) -> None:
        """Begin a function that returns nothing."""
        self._fused = fused
        self.name = name
        self.lanes = f"<{LANES} x float>"
        self.arguments = {
            argument: Value(self, kind, f"%{argument}") for kind, argument in arguments
        }
        given = ", ".join(map(str, self.arguments.values()))
        self._head = f"define {'' if public else 'internal '}void @{name}({given}) nounwind {{"
        self._places: list[str] = []
        self._lines: list[str] = []
        self._count = 0

    def __str__(self) -> str:
        return "\n".join(
            [
                self._head,
                "entry:",
                *self._places,
                "br label %start",
                "start:",
                *self._lines,
                "ret void }",
            ]
        )

    def label(self) -> str:
        """A name that nothing else has."""
        self._count += 1
        return f"x{self._count}"

    def write(self, line: str) -> None:
        """Add an instruction without a result."""
        self._lines.append(line)

    def do(self, kind: str, text: str) -> Value:
        """Add an instruction."""
        value = Value(self, kind, f"%{self.label()}")
        self._lines.append(f"{value.text} = {text}")
        return value

    def place(self, kind: str) -> str:
        """Make room for a variable."""
        name = f"%{self.label()}"
        self._places.append(f"{name} = alloca {kind}")
        return name

    def integer(self, value: Operand) -> Value:
        """An integer as a value."""
        return value if isinstance(value, Value) else Value(self, I64, str(int(value)))

    def real(self, value: float) -> Value:
        """A number as a value, rounded to float32."""
        (rounded,) = struct.unpack("<f", struct.pack("<f", value))
        return Value(self, F32, f"0x{struct.pack('>d', rounded).hex()}")

    def like(self, model: Value, value: Operand) -> Value:
        """A number in the type of another value."""
        if isinstance(value, Value):
            return value
        if model.type == I64:
            return self.integer(value)
        return self.real(value) if model.type == F32 else self.spread(self.real(value))

    def variable(self, start: Value) -> Variable:
        """A variable."""
        return Variable(self, start)

    @contextmanager
    def loop(self, stop: Operand, start: Operand = 0, step: int = 1) -> Iterator[Value]:
        """Repeat what is written inside."""
        counter = self.variable(self.integer(start))
        head, body, end = (self.label() for _ in range(3))
        self._lines += [f"br label %{head}", f"{head}:"]
        now = counter.get()
        go_on = now < stop
        self._lines += [f"br {go_on}, label %{body}, label %{end}", f"{body}:"]
        yield now
        counter.set(now + step)
        self._lines += [f"br label %{head}", f"{end}:"]

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Do what is written inside only where a condition holds."""
        then = self.label()
        end = self.label()
        self._lines += [f"br {condition}, label %{then}, label %{end}", f"{then}:"]
        yield
        self._lines += [f"br label %{end}", f"{end}:"]

    def call(self, name: str, *values: Value) -> None:
        """Call another function."""
        self.write(f"call void @{name}({', '.join(map(str, values))})")

    def word(self, address: Value, at: Operand) -> Value:
        """Read an integer."""
        there = self.do(PTR, f"getelementptr i64, ptr {address.text}, {self.integer(at)}")
        return self.do(I64, f"load i64, ptr {there.text}, align 8")

    def number(self, address: Value) -> Value:
        """Read a float32."""
        return self.do(F32, f"load float, ptr {address.text}, align 4")

    def load(self, address: Value) -> Value:
        """Read a vector."""
        return self.do(self.lanes, f"load {self.lanes}, ptr {address.text}, align 4")

    def store(self, value: Value, address: Value) -> None:
        """Write a vector or a number."""
        self.write(f"store {value}, ptr {address.text}, align 4")

    def spread(self, number: Value) -> Value:
        """A vector of equal numbers."""
        if number.text[0] != "%":
            return Value(self, self.lanes, f"<{', '.join([str(number)] * LANES)}>")
        one = self.do(self.lanes, f"insertelement {self.lanes} poison, {number}, i64 0")
        zeros = f"<{LANES} x i32> zeroinitializer"
        return self.do(self.lanes, f"shufflevector {one}, {self.lanes} poison, {zeros}")

    @property
    def zero(self) -> Value:
        """A vector of zeros."""
        return Value(self, self.lanes, "zeroinitializer")

    def multiply_add(self, a: Value, b: Value, c: Value) -> Value:
        """``a·b + c``, rounded once; see `fused_multiply_add`."""
        lanes = 1 if a.type == F32 else LANES
        name = _fused_name(lanes, native=self._fused)
        return self.do(a.type, f"call {a.type} @{name}({a}, {b}, {c})")

    def root(self, number: Value) -> Value:
        """The square root of a number."""
        return self.do(F32, f"call float @llvm.sqrt.f32({number})")

    def choose(self, condition: Value, yes: Value, no: Value) -> Value:
        """One of two vectors, lane by lane."""
        return self.do(yes.type, f"select {condition}, {yes}, {no}")

    def positive(self, vector: Value) -> Value:
        """The larger of a vector and 0; NaN where it is NaN, so that what diverged is seen."""
        return self.choose(vector < 0.0, self.zero, vector)

    def real_of(self, whole: Value) -> Value:
        """An integer as a float32."""
        return self.do(F32, f"sitofp {whole} to float")

    def total(self, vector: Value) -> Value:
        """The sum of a vector's numbers."""
        length = LANES
        while length > 1:
            length //= 2
            halves = [
                self._shuffled(vector, vector, range(start, start + length))
                for start in (0, length)
            ]
            vector = halves[0] + halves[1]
        return self.do(F32, f"extractelement {vector}, i64 0")

    def totals(self, vectors: Sequence[Value]) -> Value:
        """The sums of as many vectors as there are lanes, in their order, as one vector."""
        return self._totals(vectors)[0]

    def _totals(self, vectors: Sequence[Value]) -> tuple[Value, int]:
        """The sums of some vectors in segments of one, and how many segments there are."""
        if len(vectors) == 1:
            return vectors[0], 1
        half = len(vectors) // 2
        a, segments = self._totals(vectors[:half])
        b, _ = self._totals(vectors[half:])
        length = LANES // segments // 2
        firsts: list[int] = []
        for start in range(0, 4 * length * segments, 2 * length):
            firsts += range(start, start + length)
        low = self._shuffled(a, b, firsts)
        high = self._shuffled(a, b, [i + length for i in firsts])
        return low + high, 2 * segments

    def _shuffled(self, a: Value, b: Value, order: Sequence[int]) -> Value:
        order = [*order] + [0] * (LANES - len(order))
        mask = ", ".join(f"i32 {i}" for i in order)
        return self.do(self.lanes, f"shufflevector {a}, {b}, <{LANES} x i32> <{mask}>")

    def part(self, vector: Value, start: int, length: int) -> Value:
        """Some neighbouring numbers of a vector, as a shorter one."""
        mask = ", ".join(f"i32 {i}" for i in range(start, start + length))
        kind = f"<{length} x float>"
        return self.do(
            kind, f"shufflevector {vector}, {self.lanes} poison, <{length} x i32> <{mask}>"
        )


def _fused_name(count: int, *, native: bool) -> str:
    kind = "f32" if count == 1 else f"v{count}f32"
    return f"llvm.fma.{kind}" if native else f"fused.{kind}"


def fused_multiply_add(count: int, *, native: bool) -> str:
    """The function that multiplies and adds with a single rounding, of as many numbers at once.

    Where the processor has none, the product of two float32 is exact in float64, and so is the
    error of its sum with the third (Knuth's two-sum). A sum that is inexact and ends in an even bit
    is moved to its odd neighbour on the exact sum's side, so that rounding it to float32 rounds the
    exact sum (Boldo & Melquiond, IEEE Trans. Comput. 2008).
    """
    real, double, whole, truth = (
        kind if count == 1 else f"<{count} x {kind}>" for kind in (F32, "double", I64, BOOL)
    )
    name = _fused_name(count, native=native)
    if native:
        return f"declare {real} @{name}({real}, {real}, {real})"
    zero, one, less = (
        str(number) if count == 1 else f"<{', '.join([f'i64 {number}'] * count)}>"
        for number in (0, 1, -1)
    )
    nothing = "0.0" if count == 1 else "zeroinitializer"
    return f"""define internal {real} @{name}({real} %a, {real} %b, {real} %c) nounwind {{
%x = fpext {real} %a to {double}
%y = fpext {real} %b to {double}
%z = fpext {real} %c to {double}
%product = fmul {double} %x, %y
%sum = fadd {double} %product, %z
%seen = fsub {double} %sum, %product
%rest = fsub {double} %sum, %seen
%lost1 = fsub {double} %product, %rest
%lost2 = fsub {double} %z, %seen
%error = fadd {double} %lost1, %lost2
%bits = bitcast {double} %sum to {whole}
%last = and {whole} %bits, {one}
%even = icmp eq {whole} %last, {zero}
%inexact = fcmp one {double} %error, {nothing}
%moves = and {truth} %even, %inexact
%sign = bitcast {double} %error to {whole}
%other = xor {whole} %bits, %sign
%inwards = icmp slt {whole} %other, {zero}
%step = select {truth} %inwards, {whole} {less}, {whole} {one}
%next = add {whole} %bits, %step
%odd = select {truth} %moves, {whole} %next, {whole} %bits
%exact = bitcast {whole} %odd to {double}
%found = fptrunc {double} %exact to {real}
ret {real} %found }}"""
