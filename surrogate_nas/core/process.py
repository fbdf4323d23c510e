"""Control of this process: the number of its threads, and requests of users or user code to end it.

Several BLAS threads only slow down computations with small matrices. The rounding of sums depends
on the number of threads, so results with one thread agree on similar machines.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache, partial
from types import FrameType
from typing import Any

VARIABLES = {
    f"{name}_NUM_THREADS": "1"
    for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
} | {"VECLIB_MAXIMUM_THREADS": "1"}
"""The environment variables of a process whose arithmetic uses one thread from the start."""
# modules that bring a pool of threads when they are first imported
_WITH_POOLS = ("numpy", "scipy.linalg", "sklearn", "xgboost", "torch", "numba")


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS, OpenMP and PyTorch to one thread each until the block ends.

    A library that is first imported inside the block is not limited, so import it before the block.
    """
    import scipy.linalg  # noqa: F401

    with threads(1):
        yield


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Limit BLAS, OpenMP and PyTorch to a number of threads in the block, if they are loaded."""
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
    """Return the thread pools of the loaded libraries. Finding them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


# the functions of `os` that end a process or replace it; its others call these
_ENDING = ("_exit", "execv", "execve")


@contextmanager
def staying() -> Iterator[None]:
    """Make ``os._exit`` and ``os.exec…`` raise `SystemExit`, as ``sys.exit`` does, in any thread.

    If a thread raised `SystemExit` in this way, the end of the block raises it again. ``os._exit``
    and ``os.exec…`` still end processes that are forked inside the block. A forked process that
    reaches the end of the block ends there.
    """
    owner = os.getpid()
    before = {name: getattr(os, name) for name in _ENDING}
    raised: list[SystemExit] = []

    def stay(name: str, *arguments: object) -> None:
        if os.getpid() != owner:
            before[name](*arguments)
        raised.append(SystemExit(arguments[0] if name == "_exit" else f"os.{name}"))
        raise raised[-1]

    for name in _ENDING:
        setattr(os, name, partial(stay, name))
    try:
        yield
        if raised:
            raise raised[0]
    finally:
        if os.getpid() != owner:
            before["_exit"](1)
        for name in _ENDING:
            setattr(os, name, before[name])


def is_interrupt(error: BaseException) -> bool:
    """Return whether a signal such as Ctrl-C, and not the running code, raised an exception.

    With Python's default handler of SIGINT, the two origins of a `KeyboardInterrupt` cannot be
    distinguished, and the function returns True.
    """
    if not isinstance(error, KeyboardInterrupt):
        return False
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        return True
    # of a command's handler, which then is the innermost frame
    code = getattr(handler, "__code__", None)
    return any(
        frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__)
    )


@contextmanager
def first_noted(note: Callable[[], None]) -> Iterator[None]:
    """Make the first Ctrl-C in the block call `note` instead of interrupting the program.

    The second Ctrl-C interrupts the program. Outside the main thread, or where Ctrl-C is ignored,
    nothing changes.

    Example:
        >>> heard = []
        >>> with first_noted(lambda: heard.append("once")):
        ...     signal.raise_signal(signal.SIGINT)
        >>> heard
        ['once']
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(
        before
    ):
        yield
        return

    def hear(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        note()

    signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is hear:
            signal.signal(signal.SIGINT, before)
