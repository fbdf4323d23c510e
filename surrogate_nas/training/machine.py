"""How training uses the machine: its device, how many cores, and an allocator that keeps what it was given.

Tensors of some megabytes come and go thousands of times a second. The C library hands each back to the system when
freed and must fetch fresh, zeroed pages for the next, which costs time in every operation on a large tensor.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch

from surrogate_nas.errors import UserError

MOST_EPOCHS = 100_000
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""glibc's numbers for two parameters of mallopt(3)."""


def device_named(name: str) -> torch.device:
    """Check that a device is here.

    Args:
        name: As PyTorch writes it: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises:
        UserError: The name is unknown, or the device is not here.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        found = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise UserError(f"There is no device {name!r} here, but {', '.join(found)}.") from error
    if device.type == "meta":
        raise UserError("The device 'meta' computes nothing.")
    return device


def check_numbers(**numbers: int) -> None:
    """Check counts that a user gives; only a seed may be 0.

    Args:
        **numbers: By name, `epochs` among them.

    Raises:
        UserError: One is no whole number, too small, or a run of more epochs than anybody waits for.
    """
    for name, number in numbers.items():
        least, what = (0 if name == "seed" else 1), name.replace("_", " ")
        if not isinstance(number, int) or isinstance(number, bool):
            raise UserError(f"The {what} must be a whole number, not {number!r:.80}.")
        if number < least:
            raise UserError(f"The {what} must be at least {least}, not {number}.")
        if name == "epochs" and number > MOST_EPOCHS:
            raise UserError(f"A run has at most {MOST_EPOCHS:,} epochs, not {number}.")


@contextmanager
def cores(threads: int) -> Iterator[None]:
    """Use a number of cores for arithmetic and keep freed memory; the number is restored afterwards.

    Args:
        threads: 1 where several worker processes share the machine.
    """
    keep_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=1)
def keep_memory() -> bool:
    """Ask glibc to keep freed memory for the rest of the process; returns whether it could be asked."""
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return bool(library.mallopt(_MMAP_THRESHOLD, 1 << 30) and library.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1))
