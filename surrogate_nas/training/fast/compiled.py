"""The kernels as machine code for this processor: compiled once on a machine, and stored.

What is stored is code that will run, so its folder is this user's alone, and a file that others own
or can write is passed over and written again. The checksum only detects damage.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import need
from surrogate_nas.files import home, locked, replacing
from surrogate_nas.files.whole import open_regular

if TYPE_CHECKING:
    from surrogate_nas.training.fast.kernels import Shape

_SPEED = 2
_SOURCES = ("assembly.py", "kernels.py", "elementary.py", "compiled.py")
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
    """What was compiled: the functions of `surrogate_nas.training.fast.kernels` and ``elementary``.

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
        from surrogate_nas.training.fast.kernels import NARROW, WIDE

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
    from surrogate_nas.training.fast.kernels import NARROW, WIDE

    return WIDE if "zmm" in machine.emit_assembly(llvm.parse_assembly(_PROBE)) else NARROW


def written(shape: Shape) -> str:
    """All kernels, in LLVM's assembly language."""
    from surrogate_nas.training.fast.elementary import functions
    from surrogate_nas.training.fast.kernels import assembly

    return "\n\n".join([assembly(shape), *map(str, functions())])


def _compile(llvm: Any, machine: Any, shape: Shape) -> bytes:
    sys.stderr.write(
        "Compiling the kernels that train on this processor: once, a second or two.\n"
    )
    module = llvm.parse_assembly(written(shape))
    module.triple = machine.triple
    options = llvm.create_pipeline_tuning_options(speed_level=_SPEED)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    code: bytes = machine.emit_object(module)
    return code
