"""The process: how many threads it has, and whether it is to end because the user wants it, or
because a user's function does.

Several threads of a BLAS only slow down small matrices. Sums round by the number of threads, so one
thread makes results the same on similar machines.
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


# the functions of `os` that end a process or replace it; its others call these
_ENDING = ("_exit", "execv", "execve")


@contextmanager
def staying() -> Iterator[None]:
    """Let ``os._exit`` and ``os.exec…`` raise `SystemExit`, as ``sys.exit`` does, in any thread.

    What a thread raised so is raised again at the end of the block. Processes that are forked in
    the block still end, and one that comes to the end of the block ends there.
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
    """Whether a signal raised an exception, such as Ctrl-C, rather than the code that ran.

    With Python's own handler of SIGINT the two look alike, and it counts as a signal.
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
    """Let the first Ctrl-C call a function and interrupt nothing; the second is as without this.

    Nothing changes outside the main thread, or where Ctrl-C is ignored.

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
