"""Exponentials and logarithms in float64 that are the same, bit for bit, on every processor.

NumPy's differ in the last place from one processor to the next: for AVX-512 it has code of its own,
elsewhere it calls the C library. These are FreeBSD's ``e_exp.c`` and ``e_log.c`` (within one unit
of the last place), written as operations that IEEE 754 rounds alike everywhere; no product and sum
are fused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

LANES = 8
"""Numbers that are worked on at once; each by itself, so this changes none."""
_LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""The logarithm of 2 in two parts, the first with zeros behind, so that its multiples are exact."""
_LOG2_E = 1.44269504088896338700
_MAGIC = 1.5 * 2.0**52
"""Added to a small number, it leaves the nearest integer in the last bits."""
_EXP = (
    4.13813679705723846039e-08,
    -1.65339022054652515390e-06,
    6.61375632143793436117e-05,
    -2.77777777770155933842e-03,
    1.66666666666666019037e-01,
)
_LOG = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
)


class _Lines:
    """Instructions on float64, or on vectors of them."""

    def __init__(self, count: int) -> None:
        self.real, self.whole, self.truth = (
            kind if count == 1 else f"<{count} x {kind}>" for kind in ("double", "i64", "i1")
        )
        self._count = count
        self.lines: list[str] = []

    def do(self, text: str) -> str:
        name = f"%v{self._count}.{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name

    def number(self, value: float) -> str:
        return self._all(f"double 0x{struct.pack('>d', value).hex()}")

    def integer(self, value: int) -> str:
        return self._all(f"i64 {value}")

    def _all(self, one: str) -> str:
        return one.partition(" ")[2] if self._count == 1 else f"<{', '.join([one] * self._count)}>"

    def real_(self, operation: str, a: str, b: str | float) -> str:
        return self.do(
            f"f{operation} {self.real} {a}, {b if isinstance(b, str) else self.number(b)}"
        )

    def whole_(self, operation: str, a: str, b: str | int) -> str:
        return self.do(
            f"{operation} {self.whole} {a}, {b if isinstance(b, str) else self.integer(b)}"
        )

    def choose(
        self,
        comparison: str,
        a: str,
        b: float,
        yes: str,
        no: str,
    ) -> str:
        """One of two numbers, by a comparison of others."""
        holds = self.do(f"fcmp {comparison} {self.real} {a}, {self.number(b)}")
        return self.do(f"select {self.truth} {holds}, {self.real} {yes}, {self.real} {no}")

    def bits(self, a: str) -> str:
        return self.do(f"bitcast {self.real} {a} to {self.whole}")

    def number_of(self, bits: str) -> str:
        return self.do(f"bitcast {self.whole} {bits} to {self.real}")

    def series(self, factors: Sequence[float], square: str) -> str:
        """A polynomial in the square, without its constant term, by Horner's scheme."""
        total = self.real_("mul", square, factors[0])
        for factor in factors[1:]:
            total = self.real_("mul", square, self.real_("add", total, factor))
        return total


def _exponential(op: _Lines, x: str) -> str:
    x = op.choose("olt", x, -750.0, op.number(-750.0), x)
    x = op.choose("ogt", x, 710.0, op.number(710.0), x)
    shifted = op.real_("add", op.real_("mul", x, _LOG2_E), _MAGIC)
    times = op.real_("sub", shifted, _MAGIC)
    high = op.real_("sub", x, op.real_("mul", times, _LN2[0]))
    low = op.real_("mul", times, _LN2[1])
    rest = op.real_("sub", high, low)
    square = op.real_("mul", rest, rest)
    series = op.real_("sub", rest, op.series(_EXP, square))
    quotient = op.real_(
        "div", op.real_("mul", rest, series), op.real_("sub", op.number(2.0), series)
    )
    result = op.real_("sub", op.number(1.0), op.real_("sub", op.real_("sub", low, quotient), high))
    whole = op.whole_("sub", op.bits(shifted), op.bits(op.number(_MAGIC)))
    # twice, as 2 to the whole may be beyond what a number can be
    half = op.whole_("ashr", whole, 1)
    for part in (half, op.whole_("sub", whole, half)):
        power = op.number_of(op.whole_("shl", op.whole_("add", part, 1023), 52))
        result = op.real_("mul", result, power)
    return result


def _logarithm(op: _Lines, x: str) -> str:
    tiny = op.real_("mul", x, 2.0**54)
    scaled = op.choose("olt", x, 2.0**-1022, tiny, x)
    offset = op.choose("olt", x, 2.0**-1022, op.number(-1023.0 - 54), op.number(-1023.0))
    bits = op.bits(scaled)
    exponent = op.whole_("add", op.whole_("lshr", bits, 52), op.bits(op.number(_MAGIC)))
    power = op.real_("add", op.real_("sub", op.number_of(exponent), _MAGIC), offset)
    fraction = op.number_of(op.whole_("or", op.whole_("and", bits, (1 << 52) - 1), 1023 << 52))
    large = 2**0.5
    power = op.choose("ogt", fraction, large, op.real_("add", power, 1.0), power)
    fraction = op.choose("ogt", fraction, large, op.real_("mul", fraction, 0.5), fraction)
    fraction = op.real_("sub", fraction, 1.0)
    quotient = op.real_("div", fraction, op.real_("add", fraction, 2.0))
    square = op.real_("mul", quotient, quotient)
    half = op.real_("mul", op.real_("mul", fraction, fraction), 0.5)
    series = op.real_("mul", quotient, op.real_("add", half, op.series(_LOG, square)))
    low = op.real_("add", series, op.real_("mul", power, _LN2[1]))
    rest = op.real_("sub", op.real_("sub", half, low), fraction)
    result = op.real_("sub", op.real_("mul", power, _LN2[0]), rest)
    result = op.choose("oeq", x, float("inf"), x, result)
    result = op.choose("oeq", x, 0.0, op.number(float("-inf")), result)
    return op.choose("oge", x, 0.0, result, op.number(float("nan")))


def _function(name: str, compute: Callable[[_Lines, str], str]) -> str:
    """``void name(float64 *at, int64 count)``, in place: whole vectors, then one by one."""
    loops = []
    for label, count, stop, after in (("many", LANES, "%most", "few"), ("few", 1, "%count", "end")):
        op = _Lines(count)
        there = f"%{label}.at"
        result = compute(op, f"%{label}.x")
        loops += [
            f"{label}:",
            f"%{label}.i = load i64, ptr %place",
            f"%{label}.more = icmp slt i64 %{label}.i, {stop}",
            f"br i1 %{label}.more, label %{label}.do, label %{after}",
            f"{label}.do:",
            f"{there} = getelementptr double, ptr %at, i64 %{label}.i",
            f"%{label}.x = load {op.real}, ptr {there}, align 8",
            *op.lines,
            f"store {op.real} {result}, ptr {there}, align 8",
            f"%{label}.next = add i64 %{label}.i, {count}",
            f"store i64 %{label}.next, ptr %place",
            f"br label %{label}",
        ]
    head = [
        f"define void @{name}(ptr %at, i64 %count) nounwind {{",
        "%place = alloca i64",
        "store i64 0, ptr %place",
    ]
    whole = [f"%most = and i64 %count, {-LANES}", "br label %many"]
    return "\n".join([*head, *whole, *loops, "end:", "ret void }"])


def functions() -> list[str]:
    """The kernels of this file, in LLVM's assembly language."""
    return [_function("exponentials", _exponential), _function("logarithms", _logarithm)]
