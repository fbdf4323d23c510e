"""NumPy arrays, and what turns into them; the device, the cores, and the memory of training.

Training on a CPU needs no PyTorch, but users' code may speak it. Tensors of some megabytes come and
go thousands of times a second; fresh pages would cost time.
"""

import ctypes
import hashlib
import platform
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError, is_installed, threads

if TYPE_CHECKING:
    from surrogate_nas.space import Space

Array: TypeAlias = NDArray[Any]
Gradient: TypeAlias = Callable[[Array, Array], tuple[Array, Array]]
"""From outputs and targets to the loss of every network on every example, and a gradient by the
outputs.
"""
LossAndGradient: TypeAlias = Callable[[Any, Array], tuple[Array, Any]]
"""From arranged outputs ``(K, batch, …)`` and targets to the losses ``(K,)`` and the gradient of
their sum.
"""
InputGradient: TypeAlias = Callable[[Array, Callable[[Array], Array]], Array]
"""From inputs ``(n, …)``, and a function from outputs ``(K, n, …)`` of networks to the gradient by
them, to the gradient of each network by its inputs ``(K, n, …)``.
"""


def as_array(given: Any) -> Array:
    """An array of what is given, without a copy where there need be none."""
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    return np.asarray(given)


def exp(x: Array) -> Array:
    """The exponential of each number, in float64 and in the shape of `x`."""
    return _compiled("exponentials", np.exp, x)


def log(x: Array) -> Array:
    """The natural logarithm of each number, in float64 and in the shape of `x`."""
    return _compiled("logarithms", np.log, x)


def _compiled(name: str, plain: np.ufunc, x: Array) -> Array:
    values = np.array(x, np.float64)
    # where PyTorch trains, whose own numbers depend on the device anyway
    if not is_installed("llvmlite"):
        return np.asarray(plain(values, out=values))
    from surrogate_nas.training.fast.compiled import kernels

    # as it lies in memory, in whatever order
    getattr(kernels(), name)(values.ctypes.data, values.size)
    return values


def log_softmax(scores: Array, axis: int) -> Array:
    """The logarithms of the softmax, float64, in the shape of the scores."""
    shifted = scores.astype(np.float64)
    shifted -= shifted.max(axis, keepdims=True)
    shifted -= log(exp(shifted).sum(axis, keepdims=True))
    return shifted


def softmax(scores: Array, axis: int) -> Array:
    """Probabilities, float64, in the shape of the scores."""
    shifted = scores.astype(np.float64)
    shifted -= shifted.max(axis, keepdims=True)
    shifted = exp(shifted)
    shifted /= shifted.sum(axis, keepdims=True)
    return shifted


COMPILED = "compiled 2"
"""The name of the engine that trains on a CPU; another number is another order of sums, so another
training. The tables of losses that the project publishes were made by ``compiled 1`` on processors
with AVX-512, where it was the same; elsewhere it summed 8 examples side by side.
"""
HOW_TO_AGREE = (
    "On all machines OPENBLAS_CORETYPE=Haswell with NPY_DISABLE_CPU_FEATURES='X86_V4 AVX512_ICL"
    " AVX512_SPR' makes engines with BLAS in their name one; X86_V3 among the features gives the"
    " exponentials of a processor without AVX2."
)
"""What makes two engines one, for messages."""
# A digest of NumPy's exponentials and logarithms of some float32, wherever a processor has AVX2
# or more.
_EXPONENTIALS = "6b93613d"
# glibc's numbers for two parameters of mallopt(3).
_MMAP_THRESHOLD = -3
_TRIM_THRESHOLD = -1
# The cores that blocks of `cores` ask for, with what they undo at their end, the innermost last.
_ASKED: list[tuple[int, ExitStack]] = []


def device_named(name: str) -> str:
    """Check that a device is here, and give its name as PyTorch writes it; the CPU is, and needs no
    PyTorch.
    """
    if name == "cpu":
        return name
    import torch

    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        available = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise UserError(
            f"There is no device {name!r} here, but {', '.join(available)}."
        ) from error
    if device.type == "meta":
        raise UserError("The device 'meta' computes nothing.")
    return str(device)


def engine_named(
    space: "Space", device: str = "cpu", *, by_matrices: bool = False
) -> str:
    """The name of what trains the cells of a space, which is stored with every training.

    It has a digest of NumPy's own arithmetic where that is another on this processor.

    Args:
        space: The space.
        device: As PyTorch names it.
        by_matrices: Whether the trainer multiplies matrices by NumPy.
    """
    if device != "cpu" or not space.has_blueprints:
        return "pytorch"
    name = COMPILED
    if exponentials() != _EXPONENTIALS:
        name += f", NumPy {exponentials()}"
    if by_matrices:
        name += f", BLAS {matrices()}"
    return name


def is_compiled(engine: str) -> bool:
    """Whether an engine's name is that of the compiled kernels."""
    return engine.startswith("compiled ")


@lru_cache(maxsize=1)
def exponentials() -> str:
    """A digest of NumPy's exponentials and logarithms of some float32."""
    numbers = (np.arange(-4096, 4097) / 256).astype(np.float32)
    return _digest(np.exp(numbers), np.log(numbers[4097:]))


@lru_cache(maxsize=1)
def matrices() -> str:
    """A digest of matrix products, eigenvalues and float64 exponentials."""
    numbers = (
        (np.arange(144 * 700) * 7919 % 1009 / 1009).astype(np.float32).reshape(144, 700)
    )
    square = numbers @ numbers.T
    values = np.linalg.eigvalsh(square[:64, :64].astype(float))
    return _digest(
        square,
        numbers[:48, :64].T @ numbers[:48],
        values,
        np.exp(-numbers[:8].astype(float)),
    )


def _digest(*arrays: Any) -> str:
    digest = hashlib.sha256(
        b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    )
    return digest.hexdigest()[:8]


@contextmanager
def cores(number: int) -> Iterator[None]:
    """Use a number of cores for arithmetic and keep freed memory.

    PyTorch is not imported; what needs it later imports it by `loaded`, which minds the number.
    """
    keep_memory()
    with threads(number), ExitStack() as stack:
        _ASKED.append((number, stack))
        stack.callback(_ASKED.pop)
        yield


def loaded() -> Any:
    """PyTorch, imported now if it was not before, which uses the cores that the block of `cores`
    around asks for.
    """
    import torch

    for number, stack in _ASKED[-1:]:
        if torch.get_num_threads() != number:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(number)
    return torch


@lru_cache(maxsize=1)
def keep_memory() -> bool:
    """Ask glibc to keep freed memory for the rest of the process; returns whether it could be
    asked.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return bool(
        library.mallopt(_MMAP_THRESHOLD, 1 << 30)
        and library.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
    )
