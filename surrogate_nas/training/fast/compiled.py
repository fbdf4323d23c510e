"""The kernels as machine code for this processor: compiled once on a machine, and stored.

What is stored is code that will run, so its folder is this user's alone, and a file that others own
or can write is passed over and written again. The checksum only detects damage.
"""

import ctypes
import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from surrogate_nas.core import UserError, need
from surrogate_nas.files import home, locked, replacing
from surrogate_nas.files.whole import open_regular
from surrogate_nas.training.fast.assembly import F64, I64, PTR, Code, Value, several
from surrogate_nas.training.fast.kernels import NARROW, WIDE, Shape, assembly

# Exponentials and logarithms in float64 that are the same, bit for bit, on every processor.
#
# NumPy's differ in the last place from one processor to the next: for AVX-512 it has code of its
# own, elsewhere it calls the C library. These are FreeBSD's e_exp.c and e_log.c (within one unit of
# the last place), written as operations that IEEE 754 rounds alike everywhere; no product and sum
# are fused.


# Numbers that are worked on at once; each by itself, so this changes none.
_AT_ONCE = 8
# The logarithm of 2 in two parts, the first with zeros behind, so that its multiples are exact.
_LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LOG2_E = 1.44269504088896338700
# Added to a small number, it leaves the nearest integer in the last bits.
_MAGIC = 1.5 * 2.0**52
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
    whole = count.bitwise("and", -_AT_ONCE)
    for start, stop, step in ((0, whole, _AT_ONCE), (whole, count, 1)):
        with code.loop(stop, start, step) as i:
            address = first.at(i, F64)
            code.store(compute(code.load(address, several(F64, step))), address)
    return code


_SPEED = 2
_SOURCES = ("assembly.py", "kernels.py", "compiled.py")
_DIGEST = 32
_OTHERS = 0o077
_OTHERS_WRITE = 0o022
_WORD = ctypes.c_int64
_ADDRESS = ctypes.c_void_p
_REAL = ctypes.c_float
_ARGUMENTS = {
    "execute": (_ADDRESS, _ADDRESS, _ADDRESS, _WORD, _WORD, _WORD),
    "load": (_ADDRESS, _ADDRESS, _WORD, _WORD, _WORD, _WORD, _WORD),
    "sgd_step": (_ADDRESS, _ADDRESS, _ADDRESS, _WORD, _REAL, _REAL, _REAL),
    "exponentials": (_ADDRESS, _WORD),
    "logarithms": (_ADDRESS, _WORD),
}
_PROBE = """
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
define void @probe(ptr %at) {
%x = load <16 x float>, ptr %at
%y = call <16 x float> @llvm.fma.v16f32(<16 x float> %x, <16 x float> %x, <16 x float> %x)
store <16 x float> %y, ptr %at
ret void }
"""


class Kernels(NamedTuple):
    """What was compiled: the functions of `surrogate_nas.training.fast.kernels` and of this file.

    Attributes:
        shape: For which registers.
        owner: Keeps the code in memory.
    """

    shape: Shape
    execute: Any
    load: Any
    sgd_step: Any
    exponentials: Any
    logarithms: Any
    owner: Any


@lru_cache(maxsize=1)
def kernels() -> Kernels:
    """The compiled kernels of this process; the first call on a machine takes a few seconds."""
    need("Training on a CPU", "llvmlite")
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = _processor(llvm)
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=name, features=features, opt=_SPEED, jit=True
    )
    settings = name, features, llvm.llvm_version_info, sys.platform
    digest = hashlib.sha256(repr(settings).encode())
    for source in _SOURCES:
        digest.update(Path(__file__).with_name(source).read_bytes())
    cache = _Cache(digest.hexdigest()[:32])
    shape, code = cache.read() or cache.filled(llvm, machine)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    functions = {
        name: ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address(name))
        for name, arguments in _ARGUMENTS.items()
    }
    return Kernels(shape, **functions, owner=(engine, machine))


def _processor(llvm: Any) -> tuple[str, str]:
    """The processor at hand and its features, as LLVM writes them."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


class _Cache:
    """The file of one key in ``compiled`` of the data directory, of this user alone.

    It holds a line (the key and the shape), the code, and a checksum of both.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._folder = home() / "compiled"
        self._path = self._folder / f"{key}.o"

    def read(self) -> tuple[Shape, bytes] | None:
        """The shape and the code, if the file is whole and nobody else could have written it."""
        try:
            if not self._is_ours():
                return None
            with open_regular(self._path, follow=False) as file:
                if not _is_of_this_user(os.fstat(file.fileno()), _OTHERS_WRITE):
                    return None
                whole = file.read()
        except OSError:
            return None
        sealed = whole[:-_DIGEST]
        head, _, code = sealed.partition(b"\n")
        if hashlib.sha256(sealed).digest() == whole[-_DIGEST:]:
            for shape in (WIDE, NARROW):
                if head == self._head(shape):
                    return shape, code
        return None

    def filled(self, llvm: Any, machine: Any) -> tuple[Shape, bytes]:
        """Compile, and store the result if that can be done."""
        shape = _shape(llvm, machine)
        # in a home that cannot be written, the next process compiles again
        with suppress(OSError, UserError):
            if self._is_ours():
                # of processes that start at once, one compiles
                with locked(self._path, what="the compiled kernels"):
                    entry = self.read() or (shape, _compile(llvm, machine, shape))
                    self._write(*entry)
                    return entry
        return shape, _compile(llvm, machine, shape)

    def _write(self, shape: Shape, code: bytes) -> None:
        sealed = self._head(shape) + b"\n" + code
        with replacing(self._path) as temporary:
            temporary.write_bytes(sealed + hashlib.sha256(sealed).digest())
        self._path.chmod(0o600)  # whatever the user's mask allows others

    def _head(self, shape: Shape) -> bytes:
        return f"{self._key} {shape.pairs} {' '.join(_ARGUMENTS)}".encode()

    def _is_ours(self) -> bool:
        """Make the folder, or take others' rights from it; False where it is another user's.

        Raises:
            OSError: It cannot be made or read, or is something else.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not hasattr(os, "geteuid"):
            return True
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            status = os.fstat(descriptor)
            if _is_of_this_user(status, 0) and status.st_mode & _OTHERS:
                os.fchmod(descriptor, 0o700)
            return _is_of_this_user(os.fstat(descriptor), _OTHERS)
        finally:
            os.close(descriptor)


def _is_of_this_user(status: os.stat_result, forbidden: int) -> bool:
    """Whether this user owns a file or folder and others lack some rights; True on Windows."""
    return not hasattr(os, "geteuid") or (
        status.st_uid == os.geteuid() and not status.st_mode & forbidden
    )


def _shape(llvm: Any, machine: Any) -> Shape:
    """Which registers a target has, as its own code for a vector shows."""
    return (
        WIDE if "zmm" in machine.emit_assembly(llvm.parse_assembly(_PROBE)) else NARROW
    )


def written(shape: Shape) -> str:
    """All kernels, in LLVM's assembly language."""
    functions = ("exponentials", _exponential), ("logarithms", _logarithm)
    written_out = (str(_function(*function)) for function in functions)
    return "\n\n".join([assembly(shape), *written_out])


def _compile(llvm: Any, machine: Any, shape: Shape) -> bytes:
    sys.stderr.write(
        "Compiling the kernels that train on this processor: once, a second or two.\n"
    )
    module = llvm.parse_assembly(written(shape))
    module.triple = machine.triple
    options = llvm.create_pipeline_tuning_options(speed_level=_SPEED)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = (
        False
    )
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    code: bytes = machine.emit_object(module)
    return code
