"""One thread for small matrices, which several threads of a BLAS only slow down.

Sums round by the number of threads, so one thread makes results the same on similar machines.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

VARIABLES = {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
} | {"VECLIB_MAXIMUM_THREADS": "1"}
"""The environment of a process whose arithmetic shall have one thread from the beginning."""
# modules that bring a pool of threads when they are first imported
_WITH_POOLS = ("numpy", "scipy.linalg", "sklearn", "xgboost", "torch", "numba")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS, OpenMP and PyTorch use one thread each until the block ends; quick to enter.

    A library that is first imported inside the block keeps its threads: import it before.
    """
    import scipy.linalg  # noqa: F401

    with threads(1):
        yield


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let what is loaded of BLAS, OpenMP and PyTorch use so many threads each until the block
    ends.
    """
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else number
    loaded = tuple(name in sys.modules for name in _WITH_POOLS)
    with ExitStack() as stack:
        stack.enter_context(_controller(loaded).limit(limits=number))
        if torch and before != number:
            torch.set_num_threads(number)
            stack.callback(torch.set_num_threads, before)
        yield


@lru_cache(maxsize=1)
def _controller(loaded: tuple[bool, ...]) -> Any:
    """The pools of the libraries that are loaded; finding them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
