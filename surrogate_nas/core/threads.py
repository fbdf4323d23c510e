"""One thread for small matrices: several threads of a BLAS spend more time meeting each other than
they save.

Sums round by the number of threads too, so one thread makes results the same on every machine of a
kind.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

VARIABLES = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    )
}
"""What the environment of a process says before it imports anything, so that arithmetic has one
thread there.
"""
# modules that bring a pool of threads when they are first imported
_WITH_POOLS = ("numpy", "scipy.linalg", "sklearn", "xgboost", "torch", "numba")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS, OpenMP and PyTorch use one thread each until the block ends; quick to enter again
    and again.

    A library that is first imported inside the block keeps its threads: import it before. SciPy's
    BLAS is loaded here.
    """
    import scipy.linalg  # noqa: F401

    with threads(1):
        yield


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let what is loaded of BLAS, OpenMP and PyTorch use so many threads each until the block ends.

    Example:
        >>> import threadpoolctl
        >>> import numpy
        >>> with threads(1):
        ...     {
        ...         pool["num_threads"]
        ...         for pool in threadpoolctl.threadpool_info()
        ...         if pool["user_api"] == "blas"
        ...     }
        {1}
    """
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 0
    with _controller(tuple(name in sys.modules for name in _WITH_POOLS)).limit(
        limits=number
    ):
        if torch is not None and before != number:
            torch.set_num_threads(number)
        try:
            yield
        finally:
            if torch is not None and before != number:
                torch.set_num_threads(before)


@lru_cache(maxsize=1)
def _controller(loaded: tuple[bool, ...]) -> Any:
    """The pools of the libraries that are loaded; finding them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
