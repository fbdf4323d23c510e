"""The kernels as machine code for this processor: compiled once on a machine, stored in the home
folder.

What is stored is code that will run, so its folder is this user's alone, and a file that others own
or can write is passed over and written anew. The checksum tells damage; it keeps nobody out, as it
has no secret.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import need
from surrogate_nas.files import home, locked, replacing
from surrogate_nas.files.regular import open_regular
from surrogate_nas.runtime.worker import ending

if TYPE_CHECKING:
    from surrogate_nas.training.fast.kernels import Shape

CPU_VARIABLE = "SURROGATE_NAS_CPU"
"""Names another processor to compile for, as LLVM calls it, such as ``haswell``; one that this
machine can run.
"""
NATIVE = ("", "native")
"""What names the processor at hand."""
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
    "enter": (_ADDRESS, _ADDRESS, _WORD, _WORD, _WORD, _WORD, _WORD),
    "descend": (_ADDRESS, _ADDRESS, _ADDRESS, _WORD, _REAL, _REAL, _REAL),
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
_on_trial = False


class Kernels(NamedTuple):
    """What was compiled.

    Attributes:
        shape: For which registers.
        execute: See `surrogate_nas.training.fast.kernels`.
        enter: Likewise.
        descend: Likewise.
        exponentials: See `surrogate_nas.training.fast.elementary`.
        logarithms: Likewise.
        owner: Keeps the code in memory.
    """

    shape: Shape
    execute: Any
    enter: Any
    descend: Any
    exponentials: Any
    logarithms: Any
    owner: Any


class _Processor(NamedTuple):
    """What is compiled for.

    Attributes:
        name: As LLVM calls it.
        features: What it has beside what its name says, as LLVM writes it.
        foreign: Whether the user named it: LLVM may not know it, and this machine may not run it.
    """

    name: str
    features: str
    foreign: bool

    @classmethod
    def chosen(cls, llvm: Any) -> _Processor:
        """The processor at hand, or the one that the user names."""
        named = os.environ.get(CPU_VARIABLE, "")
        if named in NATIVE:
            return cls(
                llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), foreign=False
            )
        if not named[0].isalnum() or not all(c.isalnum() or c in "-_." for c in named):
            raise _unknown(named)
        return cls(named, "", foreign=True)

    def key(self, llvm: Any) -> str:
        """A digest of everything that the code depends on, and of the machine that has tried a
        foreign one.
        """
        tried = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
        settings = *self, tried if self.foreign else (), llvm.llvm_version_info, sys.platform
        digest = hashlib.sha256(repr(settings).encode())
        for source in _SOURCES:
            digest.update(Path(__file__).with_name(source).read_bytes())
        return digest.hexdigest()[:32]

    def machine(self, llvm: Any) -> Any:
        """LLVM's target; prints and aborts later where LLVM does not know the name."""
        target = llvm.Target.from_default_triple()
        return target.create_target_machine(
            cpu=self.name,
            features=self.features,
            opt=_SPEED,
            jit=True,
        )


@lru_cache(maxsize=1)
def kernels() -> Kernels:
    """The compiled kernels of this process; the first call on a machine takes a few seconds and
    says so.

    Raises:
        UserError: The user names a processor that LLVM does not know, or that this machine cannot
            run.
    """
    need("Training on a CPU", "llvmlite")
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    processor = _Processor.chosen(llvm)
    cache = _Cache(processor.key(llvm))
    cached = cache.read()
    if cached is None and processor.foreign and not _on_trial:
        _try(processor.name, llvm)
        cached = cache.read()
        if cached:
            _tell_of(cached[0])
    machine = processor.machine(llvm)
    shape, code = cached or cache.filled(llvm, machine)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    functions = {}
    for name, arguments in _ARGUMENTS.items():
        functions[name] = ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address(name))
    return Kernels(shape, **functions, owner=(engine, machine))


def _unknown(named: str) -> UserError:
    return UserError(
        f"{CPU_VARIABLE} names a processor as LLVM does, such as haswell, or native for this one; "
        f"{named!r:.80} is none."
    )


def _try(named: str, llvm: Any) -> None:
    """Compile for a named processor and train a step, in a process of its own: LLVM aborts, and so
    does the system.
    """
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import trial; trial()"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    if not made.returncode:
        return
    how = ending(made.returncode)
    lines = made.stderr.decode(errors="replace").splitlines()
    if any("not a recognized processor" in line for line in lines):
        raise _unknown(named)
    reasons = [
        line.removeprefix("LLVM ERROR: ") for line in lines if line.startswith("LLVM ERROR: ")
    ]
    raise UserError(
        f"This machine (LLVM calls its processor {llvm.get_host_cpu_name()}) cannot run code for "
        f"{CPU_VARIABLE}={named}: a trial {how}{f' ({reasons[0]:.100})' if reasons else ''}."
    )


def trial() -> None:
    """What the process of `_try` does: a step of a small network, of zeros."""
    import numpy as np

    from surrogate_nas.space.network import Graph, Network
    from surrogate_nas.space.network.blueprint import around
    from surrogate_nas.training.fast.program import TABLES, Program

    global _on_trial
    _on_trial = True
    code = kernels()
    plan = around(Graph(((0, 1),), (3,)), Network(channels=8, cells_per_stage=1, image_size=4))
    program = Program(plan, 16, 16, code.shape)
    arena = np.zeros(program.size, np.float32)
    words = program.step
    code.execute(
        arena.ctypes.data, TABLES.words.ctypes.data, words.ctypes.data, len(words), program.row, 16
    )
    numbers = np.zeros(16)
    code.exponentials(numbers.ctypes.data, len(numbers))
    code.logarithms(numbers.ctypes.data, len(numbers))


class _Cache:
    """The file of one key in ``compiled`` of the home folder, of this user alone.

    The file holds a line of JSON (the key, the shape, the kernels), the code, and a checksum of
    both.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._folder = home() / "compiled"
        self._path = self._folder / f"{key}.o"

    def read(self) -> tuple[Shape, bytes] | None:
        """The shape and the code; None where there is no file, it is damaged, or others could have
        written it.
        """
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
        digest = whole[-_DIGEST:]
        if hashlib.sha256(sealed).digest() != digest:
            return None
        head, _, code = sealed.partition(b"\n")
        with suppress(ValueError, TypeError, LookupError, RecursionError):
            settings = json.loads(head)
            registers = WIDE if settings["wide"] else NARROW
            shape = replace(registers, fused=settings["fused"])
            if head == self._head(shape):
                return shape, code
        return None

    def filled(self, llvm: Any, machine: Any) -> tuple[Shape, bytes]:
        """Compile, and keep what comes if that can be done."""
        # where LLVM aborts for a name that it does not know, before anything is locked
        shape = _shape(llvm, machine)
        entry: tuple[Shape, bytes] | None = None
        try:
            if not self._is_ours():
                raise UserError("The folder is another's.")
            # of processes that start at once, one compiles
            with locked(self._path, what="the compiled kernels"):
                entry = self.read()
                if not entry:
                    entry = shape, _compile(llvm, machine, shape)
                    self._write(*entry)
        # a home that cannot be written: the next process compiles again
        except (OSError, UserError):
            entry = entry or (shape, _compile(llvm, machine, shape))
        return entry

    def _write(self, shape: Shape, code: bytes) -> None:
        sealed = self._head(shape) + b"\n" + code
        with replacing(self._path) as temporary:
            temporary.write_bytes(sealed + hashlib.sha256(sealed).digest())
        self._path.chmod(0o600)  # whatever the user's mask allows others

    def _head(self, shape: Shape) -> bytes:
        settings = {
            "key": self._key,
            "wide": shape.is_wide,
            "fused": shape.fused,
            "kernels": [*_ARGUMENTS],
        }
        return json.dumps(settings).encode()

    def _is_ours(self) -> bool:
        """Make the folder, or take others' rights from it; False where it is no folder or
        another's.

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
    """Whether this user owns a file or folder and others lack some rights; on Windows its folder's
    rights decide.
    """
    return not hasattr(os, "geteuid") or (
        status.st_uid == os.geteuid() and not status.st_mode & forbidden
    )


def _shape(llvm: Any, machine: Any) -> Shape:
    """Which registers a target has, and whether a fused multiply-add, as its own code for one
    shows.
    """
    from surrogate_nas.training.fast.kernels import NARROW, WIDE

    written = machine.emit_assembly(llvm.parse_assembly(_PROBE))
    registers = WIDE if "zmm" in written else NARROW
    return replace(registers, fused="fmaf" not in written)


def _tell_of(shape: Shape) -> None:
    """Say what a processor lacks."""
    if not shape.fused:
        sys.stderr.write(
            "This processor has no fused multiply-add: the kernels compute it from simpler"
            " operations, which gives the same numbers, but takes some twenty-five times as long.\n"
        )


def written(shape: Shape) -> str:
    """All kernels, in LLVM's assembly language."""
    from surrogate_nas.training.fast.elementary import functions
    from surrogate_nas.training.fast.kernels import assembly

    return "\n\n".join([assembly(shape), *functions()])


def _compile(llvm: Any, machine: Any, shape: Shape) -> bytes:
    sys.stderr.write("Compiling the kernels that train on this processor: once, a second or two.\n")
    _tell_of(shape)
    module = llvm.parse_assembly(written(shape))
    module.triple = machine.triple
    options = llvm.create_pipeline_tuning_options(speed_level=_SPEED)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    code: bytes = machine.emit_object(module)
    return code
