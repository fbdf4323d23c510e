"""Functions in LLVM's assembly language: the writer decides what stays in a register.

A kernel is a Python function that is run once and leaves its text behind. Loops of Python are
unrolled; `Code.loop` is a loop of the kernel. A value of the type `VECTOR` is a vector register of
float32; variables become registers too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

I64 = "i64"
F32 = "float"
F64 = "double"
PTR = "ptr"
BOOL = "i1"
LANES = 16
"""Numbers of a vector, on every processor: another number is another order of sums, so another
training.
"""
VECTOR = f"<{LANES} x {F32}>"


def several(kind: str, count: int) -> str:
    """The type of a vector, or of one number."""
    return kind if count == 1 else f"<{count} x {kind}>"


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

    @property
    def element(self) -> str:
        """The type of a vector's numbers, or of the number."""
        return self.type.rpartition(" ")[2].rstrip(">")

    def __add__(self, other: Operand) -> Value:
        return self.at(other) if self.type == PTR else self._with("add", other)

    def at(self, index: Operand, kind: str = F32) -> Value:
        """An address some numbers behind this one."""
        number = index if isinstance(index, Value) else self.code.constant(I64, index)
        return self.code.do(PTR, f"getelementptr {kind}, {self}, {number}")

    def __sub__(self, other: Operand) -> Value:
        return self._with("sub", other)

    def __rsub__(self, other: float) -> Value:
        return self.code.constant(self.type, other) - self

    def __mul__(self, other: Operand) -> Value:
        return self._with("mul", other)

    def __truediv__(self, other: Operand) -> Value:
        return self._with("div", other)

    def _with(self, operation: str, other: Operand) -> Value:
        prefix = "" if self.element == I64 else "f"
        return self.code.do(
            self.type, f"{prefix}{operation} {self}, {self._like(other)}"
        )

    def _like(self, other: Operand) -> str:
        """The text of a value of the same type, or of a number in that type."""
        value = (
            other if isinstance(other, Value) else self.code.constant(self.type, other)
        )
        if value.type != self.type:
            raise TypeError(f"{self.type} meets {value.type}")
        return value.text

    def bitwise(self, operation: str, other: int) -> Value:
        """An operation on the bits of integers: ``and``, ``or``, ``shl`` or ``ashr``."""
        return self.code.do(self.type, f"{operation} {self}, {self._like(other)}")

    def cast(self, element: str) -> Value:
        """The same bits as numbers of another type."""
        kind = self.type.replace(self.element, element)
        return self.code.do(kind, f"bitcast {self} to {kind}")

    def __lt__(self, other: Operand) -> Value:
        return self.compare("slt", "olt", other)

    def __gt__(self, other: Operand) -> Value:
        return self.compare("sgt", "ogt", other)

    def __ge__(self, other: Operand) -> Value:
        return self.compare("sge", "oge", other)

    def equals(self, other: Operand) -> Value:
        """Whether it is the same; never of two NaN."""
        return self.compare("eq", "oeq", other)

    def has(self, flag: int) -> Value:
        """Whether a bit of an integer is set."""
        return self.bitwise("and", flag).compare("ne", "", 0)

    def compare(self, whole: str, real: str, other: Operand) -> Value:
        """Compare integers or floating-point numbers by LLVM's name of the comparison."""
        operation = f"icmp {whole}" if self.element == I64 else f"fcmp {real}"
        kind = self.type.replace(self.element, BOOL)
        return self.code.do(kind, f"{operation} {self}, {self._like(other)}")


Operand: TypeAlias = Value | int | float


class Variable:
    """A value that changes while the kernel runs."""

    def __init__(self, start: Value) -> None:
        """Begin with a value."""
        self._code = start.code
        self._type = start.type
        self._address = self._code.allocate(start.type)
        self.set(start)

    def get(self) -> Value:
        """Return the current value."""
        return self._code.do(self._type, f"load {self._type}, ptr {self._address}")

    def set(self, value: Value) -> None:
        """Change it."""
        self._code.write(f"store {value}, ptr {self._address}")


class Code:
    """One function: its name, and its arguments by name."""

    def __init__(
        self,
        name: str,
        arguments: dict[str, str],
        *,
        public: bool = False,
    ) -> None:
        """Begin a function that returns nothing."""
        self.name = name
        self.arguments = {
            argument: Value(self, kind, f"%{argument}")
            for argument, kind in arguments.items()
        }
        given = ", ".join(map(str, self.arguments.values()))
        self._head = (
            f"define {'' if public else 'internal '}void @{name}({given}) nounwind {{"
        )
        self._allocations: list[str] = []
        self._lines: list[str] = []
        self._count = 0
        self.zero = Value(self, VECTOR, "zeroinitializer")

    def __str__(self) -> str:
        begin = [self._head, "entry:", *self._allocations, "br label %start", "start:"]
        return "\n".join([*begin, *self._lines, "ret void }"])

    def label(self) -> str:
        """A name that nothing else has."""
        self._count += 1
        return f"x{self._count}"

    def write(self, *lines: str) -> None:
        """Add instructions without a result."""
        self._lines += lines

    def do(self, kind: str, text: str) -> Value:
        """Add an instruction."""
        value = Value(self, kind, f"%{self.label()}")
        self.write(f"{value.text} = {text}")
        return value

    def allocate(self, kind: str) -> str:
        """Reserve the memory of a variable."""
        name = f"%{self.label()}"
        self._allocations.append(f"{name} = alloca {kind}")
        return name

    def constant(self, kind: str, number: float) -> Value:
        """A number as a value, or a vector of equal ones; rounded to float32 where that is the
        type.
        """
        value = Value(self, kind, str(number))
        element = value.element
        if element == F32:
            (number,) = struct.unpack("<f", struct.pack("<f", number))
        if element != I64:
            value.text = f"0x{struct.pack('>d', number).hex()}"
        if element != kind:
            value.text = (
                f"<{', '.join([f'{element} {value.text}'] * int(kind[1:].split()[0]))}>"
            )
        return value

    @contextmanager
    def loop(self, stop: Operand, start: Operand = 0, step: int = 1) -> Iterator[Value]:
        """Repeat what is written inside."""
        first = start if isinstance(start, Value) else self.constant(I64, start)
        counter = Variable(first)
        head, body, end = (self.label() for _ in range(3))
        self.write(f"br label %{head}", f"{head}:")
        now = counter.get()
        self.write(f"br {now < stop}, label %{body}, label %{end}", f"{body}:")
        yield now
        counter.set(now + step)
        self.write(f"br label %{head}", f"{end}:")

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Do what is written inside only where a condition holds."""
        then = self.label()
        end = self.label()
        self.write(f"br {condition}, label %{then}, label %{end}", f"{then}:")
        yield
        self.write(f"br label %{end}", f"{end}:")

    def call(self, name: str, *values: Value) -> None:
        """Call another function."""
        self.write(f"call void @{name}({', '.join(map(str, values))})")

    def word(self, address: Value, index: Operand) -> Value:
        """Read an integer."""
        return self.do(I64, f"load i64, {address.at(index, I64)}, align 8")

    def number(self, address: Value) -> Value:
        """Read a float32."""
        return self.load(address, F32)

    def load(self, address: Value, kind: str = VECTOR) -> Value:
        """Read a vector."""
        return self.do(kind, f"load {kind}, {address}, align 4")

    def store(self, value: Value, address: Value) -> None:
        """Write a vector or a number."""
        self.write(f"store {value}, {address}, align 4")

    def spread(self, number: Value, count: int = LANES) -> Value:
        """A vector of equal numbers."""
        kind = several(number.type, count)
        one = self.do(kind, f"insertelement {kind} poison, {number}, i64 0")
        zeros = f"{several('i32', count)} zeroinitializer"
        return self.do(kind, f"shufflevector {one}, {kind} poison, {zeros}")

    def multiply_add(self, a: Value, b: Value, c: Value) -> Value:
        """``a·b + c``, rounded once: by the C library where the processor cannot."""
        kind = "f32" if a.type == F32 else f"v{LANES}f32"
        return self.do(a.type, f"call {a.type} @llvm.fma.{kind}({a}, {b}, {c})")

    def whole_part(self, number: Value, size: int) -> Value:
        """The largest multiple of a size that an integer holds."""
        return self.do(I64, f"sdiv {number}, {size}") * size

    def root(self, number: Value) -> Value:
        """The square root of a number."""
        return self.do(F32, f"call float @llvm.sqrt.f32({number})")

    def choose(self, condition: Value, yes: Value, no: Value) -> Value:
        """One of two values, lane by lane."""
        return self.do(yes.type, f"select {condition}, {yes}, {no}")

    def total(self, vector: Value) -> Value:
        """The sum of a vector's numbers."""
        length = LANES
        while length > 1:
            length //= 2
            low, high = (
                self._shuffled(vector, vector, range(i, i + length))
                for i in (0, length)
            )
            vector = low + high
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

    def _shuffled(
        self, a: Value, b: Value, order: Sequence[int], length: int = LANES
    ) -> Value:
        order = [*order] + [0] * (length - len(order))
        mask = ", ".join(f"i32 {i}" for i in order)
        return self.do(
            several(F32, length), f"shufflevector {a}, {b}, <{length} x i32> <{mask}>"
        )

    def part(self, vector: Value, start: int, length: int) -> Value:
        """Some neighbouring numbers of a vector, as a shorter one."""
        return self._shuffled(vector, vector, range(start, start + length), length)
