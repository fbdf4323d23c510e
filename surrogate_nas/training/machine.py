"""Functions for the machine that trains: conversion to NumPy arrays, the choice of the device, the
number of cores, and memory.

Training on a CPU does not need PyTorch, but a user's code may return PyTorch tensors. During
training, tensors of some megabytes are allocated and freed thousands of times per second. Freed
memory is kept, because new memory pages would take time.
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
"""A function of outputs and targets that returns the loss of every network on every example, and a
gradient with respect to the outputs.
"""
LossAndGradient: TypeAlias = Callable[[Any, Array], tuple[Array, Any]]
"""A function of arranged outputs ``(K, batch, …)`` and targets that returns the losses ``(K,)`` and
the gradient of their sum.
"""
InputGradient: TypeAlias = Callable[[Array, Callable[[Array], Array]], Array]
"""A function that returns the gradient of each network with respect to its inputs, ``(K, n, …)``.
Its arguments are the inputs ``(n, …)`` and a function from outputs ``(K, n, …)`` to the gradient
with respect to them.
"""


def as_array(given: Any) -> Array:
    """Convert an array or a tensor to a NumPy array, without a copy if possible."""
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    return np.asarray(given)


def exp(x: Array) -> Array:
    """Return the exponential of each number as float64, in the shape of `x`."""
    return _compiled("exponentials", np.exp, x)


def log(x: Array) -> Array:
    """Return the natural logarithm of each number as float64, in the shape of `x`."""
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
    """Return the logarithm of the softmax of scores as float64, in the shape of the scores."""
    shifted = scores.astype(np.float64)
    shifted -= shifted.max(axis, keepdims=True)
    shifted -= log(exp(shifted).sum(axis, keepdims=True))
    return shifted


def softmax(scores: Array, axis: int) -> Array:
    """Return the softmax of scores as float64, in the shape of the scores."""
    shifted = scores.astype(np.float64)
    shifted -= shifted.max(axis, keepdims=True)
    shifted = exp(shifted)
    shifted /= shifted.sum(axis, keepdims=True)
    return shifted


COMPILED = "compiled 2"
"""The name of the engine that trains on a CPU. Its number changes with the order of sums, which
changes the results. The loss tables that the project publishes were computed with ``compiled 1`` on
processors with AVX-512, where both are identical; on other processors ``compiled 1`` summed 8
examples side by side.
"""
HOW_TO_AGREE = (
    "To get the same engine on all machines, even with BLAS in its name, set"
    " OPENBLAS_CORETYPE=Haswell and NPY_DISABLE_CPU_FEATURES='X86_V4 AVX512_ICL"
    " AVX512_SPR'. To match a processor without AVX2, add X86_V3 to these"
    " features."
)
"""Instructions for getting the same engine on two machines, for messages."""
# A digest of NumPy's exponentials and logarithms of some float32, wherever a processor has AVX2
# or more.
_EXPONENTIALS = "6b93613d"
# glibc's numbers for two parameters of mallopt(3).
_MMAP_THRESHOLD = -3
_TRIM_THRESHOLD = -1
# The cores that blocks of `cores` ask for, with what they undo at their end, the innermost last.
_ASKED: list[tuple[int, ExitStack]] = []


def device_named(name: str) -> str:
    """Check that a device is available, and return its name in PyTorch's notation. The CPU is
    always available and needs no PyTorch.
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
            f"There is no device {name!r} here; available: {', '.join(available)}."
        ) from error
    if device.type == "meta":
        raise UserError("The device 'meta' computes nothing.")
    return str(device)


def engine_named(
    space: "Space", device: str = "cpu", *, by_matrices: bool = False
) -> str:
    """Return the name of the engine that trains the cells of a space. The name is stored with every
    training.

    If NumPy's arithmetic has other last digits on this processor, the name contains a digest of
    some results.

    Args:
        space: The space.
        device: The device for training, in PyTorch's notation.
        by_matrices: Whether the task's trainer uses NumPy's matrix products.
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
    """Return whether the name of a training engine is that of the compiled kernels."""
    return engine.startswith("compiled ")


@lru_cache(maxsize=1)
def exponentials() -> str:
    """Return a digest of some exponentials and logarithms that NumPy computes in float32."""
    numbers = (np.arange(-4096, 4097) / 256).astype(np.float32)
    return _digest(np.exp(numbers), np.log(numbers[4097:]))


@lru_cache(maxsize=1)
def matrices() -> str:
    """Return a digest of some matrix products, eigenvalues and float64 exponentials that NumPy
    computes.
    """
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
    """Use a given number of cores for arithmetic inside a ``with`` block, and keep freed memory.

    PyTorch is not imported here. Code that needs PyTorch calls `loaded`, which sets PyTorch's
    number of cores.
    """
    keep_memory()
    with threads(number), ExitStack() as stack:
        _ASKED.append((number, stack))
        stack.callback(_ASKED.pop)
        yield


def loaded() -> Any:
    """Import and return PyTorch, and let it use the number of cores that the enclosing `cores`
    block sets.
    """
    import torch

    for number, stack in _ASKED[-1:]:
        if torch.get_num_threads() != number:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(number)
    return torch


@lru_cache(maxsize=1)
def keep_memory() -> bool:
    """Ask glibc to keep freed memory for the rest of the process. Return whether the request
    succeeded.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return bool(
        library.mallopt(_MMAP_THRESHOLD, 1 << 30)
        and library.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
    )
