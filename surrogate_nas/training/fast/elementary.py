"""Exponentials and logarithms in float64 that are the same, bit for bit, on every processor.

NumPy's differ in the last place from one processor to the next: for AVX-512 it has code of its own,
elsewhere it calls the C library. These are FreeBSD's ``e_exp.c`` and ``e_log.c`` (within one unit
of the last place), written as operations that IEEE 754 rounds alike everywhere; no product and sum
are fused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from surrogate_nas.training.fast.assembly import F64, I64, PTR, Code, Value, several

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


def _series(factors: Sequence[float], square: Value) -> Value:
    """A polynomial in the square, without its constant term, by Horner's scheme."""
    total = square * factors[0]
    for factor in factors[1:]:
        total = square * (total + factor)
    return total


def _exponential(x: Value) -> Value:
    code = x.code
    x = code.choose(x < -750.0, code.constant(x.type, -750.0), x)
    x = code.choose(x > 710.0, code.constant(x.type, 710.0), x)
    shifted = x * _LOG2_E + _MAGIC
    times = shifted - _MAGIC
    high = x - times * _LN2[0]
    low = times * _LN2[1]
    rest = high - low
    series = rest - _series(_EXP, rest * rest)
    result = 1.0 - ((low - rest * series / (2.0 - series)) - high)
    whole = shifted.cast(I64) - code.constant(x.type, _MAGIC).cast(I64)
    # twice, as 2 to the whole may be beyond what a number can be
    half = whole.bitwise("ashr", 1)
    for part in (half, whole - half):
        result = result * (part + 1023).bitwise("shl", 52).cast(F64)
    return result


def _logarithm(x: Value) -> Value:
    code = x.code

    def number(value: float) -> Value:
        return code.constant(x.type, value)

    is_tiny = x < 2.0**-1022
    bits = code.choose(is_tiny, x * 2.0**54, x).cast(I64)
    offset = code.choose(is_tiny, number(-1023.0 - 54), number(-1023.0))
    exponent = bits.bitwise("ashr", 52) + number(_MAGIC).cast(I64)
    power = exponent.cast(F64) - _MAGIC + offset
    fraction = bits.bitwise("and", (1 << 52) - 1).bitwise("or", 1023 << 52).cast(F64)
    is_large = fraction > 2**0.5
    power = code.choose(is_large, power + 1.0, power)
    fraction = code.choose(is_large, fraction * 0.5, fraction) - 1.0
    quotient = fraction / (fraction + 2.0)
    half = fraction * fraction * 0.5
    series = quotient * (half + _series(_LOG, quotient * quotient))
    rest = half - (series + power * _LN2[1]) - fraction
    result = power * _LN2[0] - rest
    result = code.choose(x.equals(float("inf")), x, result)
    result = code.choose(x.equals(0.0), number(float("-inf")), result)
    return code.choose(x >= 0.0, result, number(float("nan")))


def _function(name: str, compute: Callable[[Value], Value]) -> Code:
    """``void name(float64 *at, int64 count)``, in place: whole vectors, then one by one."""
    code = Code(name, {"at": PTR, "count": I64}, public=True)
    first, count = code.arguments.values()
    whole = count.bitwise("and", -LANES)
    for start, stop, step in ((0, whole, LANES), (whole, count, 1)):
        with code.loop(stop, start, step) as i:
            address = first.at(i, F64)
            code.store(compute(code.load(address, several(F64, step))), address)
    return code


def functions() -> list[Code]:
    """The kernels of this file."""
    return [_function("exponentials", _exponential), _function("logarithms", _logarithm)]
