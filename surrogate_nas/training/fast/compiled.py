"""The kernels as machine code for this processor: compiled once on a machine, kept in the home folder."""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import need
from surrogate_nas.files import home, locked, replacing

if TYPE_CHECKING:
    from surrogate_nas.training.fast.kernels import Shape

CPU_VARIABLE = "SURROGATE_NAS_CPU"
"""Names another processor to compile for, as LLVM calls it, such as ``haswell``; one that this machine can run."""
_SPEED = 2
_SOURCES = ("assembly.py", "kernels.py", "compiled.py")
_WORD, _ADDRESS, _REAL = ctypes.c_int64, ctypes.c_void_p, ctypes.c_float


class Kernels(NamedTuple):
    """What was compiled.

    Attributes:
        shape: For which registers.
        execute: See `surrogate_nas.training.fast.kernels`.
        enter: Likewise.
        descend: Likewise.
        owner: Keeps the code in memory.
    """

    shape: Shape
    execute: Any
    enter: Any
    descend: Any
    owner: Any


@lru_cache(maxsize=1)
def kernels() -> Kernels:
    """The compiled kernels of this process; the first call on a machine takes a few seconds and says so."""
    need("Training on a CPU", "llvmlite")
    import llvmlite.binding as llvm

    from surrogate_nas.training.fast.kernels import NARROW, WIDE

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    processor, features = _processor(llvm)
    shape = WIDE if _is_wide(processor, features) else NARROW
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=processor, features=features, opt=_SPEED, jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(_object(llvm, machine, processor, features, shape)))
    engine.finalize_object()
    found = {}
    for name, arguments in _ARGUMENTS.items():
        found[name] = ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address(name))
    return Kernels(shape, **found, owner=(engine, machine))


_ARGUMENTS = {
    "execute": (_ADDRESS, _ADDRESS, _ADDRESS, _WORD, _WORD, _WORD),
    "enter": (_ADDRESS, _ADDRESS, _WORD, _WORD, _WORD, _WORD, _WORD),
    "descend": (_ADDRESS, _ADDRESS, _ADDRESS, _WORD, _REAL, _REAL, _REAL),
}


def _processor(llvm: Any) -> tuple[str, str]:
    named = os.environ.get(CPU_VARIABLE, "")
    if not named:
        return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    if not all(c.isalnum() or c in "-_." for c in named):
        raise UserError(f"{CPU_VARIABLE} names a processor as LLVM does, such as haswell, not {named!r:.80}.")
    return named, ""


def _is_wide(processor: str, features: str) -> bool:
    """Whether there are vectors of 16."""
    return "+avx512f" in features.split(",") or processor in ("skylake-avx512", "icelake-server", "sapphirerapids")


def _object(llvm: Any, machine: Any, processor: str, features: str, shape: Shape) -> bytes:
    """The machine code, from the cache if it is there and whole."""
    key = hashlib.sha256(repr((processor, features, llvm.llvm_version_info, sys.platform, shape)).encode())
    for source in _SOURCES:
        key.update(Path(__file__).with_name(source).read_bytes())
    path = home() / "compiled" / f"{key.hexdigest()[:32]}.o"
    found = _kept(path)
    if found:
        return found
    try:
        with locked(path, what="the compiled kernels"):  # of processes that start at once, one compiles
            found = _kept(path)
            if not found:
                found = _compile(llvm, machine, shape)
                with replacing(path) as temporary:
                    temporary.write_bytes(found + hashlib.sha256(found).digest())
    except UserError:  # a home that cannot be written: the next process compiles again
        found = found or _compile(llvm, machine, shape)
    return found


def _kept(path: Path) -> bytes:
    """The code in a file; empty where there is none, or it is damaged."""
    try:
        whole = path.read_bytes()
    except OSError:
        return b""
    return whole[:-32] if hashlib.sha256(whole[:-32]).digest() == whole[-32:] else b""


def _compile(llvm: Any, machine: Any, shape: Shape) -> bytes:
    from surrogate_nas.training.fast.kernels import assembly

    sys.stderr.write("Compiling the kernels that train on this processor: once, a second or two.\n")
    module = llvm.parse_assembly(assembly(shape))
    module.triple = machine.triple
    options = llvm.create_pipeline_tuning_options(speed_level=_SPEED)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    code: bytes = machine.emit_object(module)
    return code
