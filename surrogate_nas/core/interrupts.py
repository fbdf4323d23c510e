"""Whether the process is to end because the user wants it, or because a user's function does."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def staying() -> Iterator[None]:
    """Let ``os._exit`` raise `SystemExit` in this thread, as ``sys.exit`` does; processes that are
    forked still end.

    Example:
        >>> try:
        ...     with staying():
        ...         os._exit(0)
        ... except SystemExit as error:
        ...     error.code
        0
    """
    leave = os._exit
    place = (os.getpid(), threading.get_ident())

    def stay(code: int) -> None:
        if (os.getpid(), threading.get_ident()) != place:
            leave(code)
        raise SystemExit(code)

    os._exit = stay  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = leave


def is_interrupt(error: BaseException) -> bool:
    """Whether a signal raised an exception, such as Ctrl-C, rather than the code that ran.

    Where Python's own handler of SIGINT is in place the two cannot be told apart, and it counts as
    one.

    Example:
        >>> is_interrupt(KeyboardInterrupt()), is_interrupt(SystemExit(0))
        (True, False)
    """
    if not isinstance(error, KeyboardInterrupt):
        return False
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        return True
    # of a command's handler, which then is the innermost frame
    code = getattr(handler, "__code__", None)
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__))


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
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    def hear(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
        signal.signal(signal.SIGINT, before)
        note()

    signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is hear:
            signal.signal(signal.SIGINT, before)
