"""SIGTERM and SIGHUP end a command as Ctrl-C does: in order, with one line, and within a few seconds in any case."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_AGAIN_SECONDS = 0.05
_PATIENCE_SECONDS = 4.0
"""How long a command may tidy up; whatever it holds back then is lost, as in a crash, and nothing more."""


def farewell(received: list[int]) -> tuple[str, int]:
    """What to say at the end of an interrupted command, and its exit code: 128 and the signal's number.

    Args:
        received: The signals that came.
    """
    number = received[0] if received else signal.SIGINT
    how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    return f"snas: {how}. What was finished is kept; the same command goes on from there.", 128 + number


@contextmanager
def ending_signals(received: list[int]) -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP raise `KeyboardInterrupt`, unless they are ignored, as nohup has it.

    Args:
        received: Filled with the numbers of those that came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ending = _Ending(received)
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    usual = [n for n in numbers if signal.getsignal(n) in (signal.SIG_DFL, signal.default_int_handler)]
    before = {number: signal.signal(number, ending.begin) for number in usual}
    sys.unraisablehook = ending.unraisable
    try:
        yield
    finally:
        ending.over.set()
        sys.unraisablehook = ending.hook
        for number, handler in before.items():  # what comes while an ended command leaves has been heard before
            signal.signal(number, signal.SIG_IGN if received else handler)


class _Ending:
    """The end of a command, once a signal has come."""

    def __init__(self, received: list[int]) -> None:
        self.received, self.over, self.hook = received, threading.Event(), sys.unraisablehook
        self._uncaught = False

    def begin(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        """End the command; a second signal is noted, and must not end the tidying up."""
        is_first = not self.received
        self.received.append(number)
        if is_first:
            threading.Thread(target=self._leave, daemon=True).start()
        if is_first or self._uncaught:
            self._uncaught = False
            raise KeyboardInterrupt

    def _leave(self) -> None:
        if not self.over.wait(_PATIENCE_SECONDS):
            line, code = farewell(self.received)
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
            os._exit(code)

    def unraisable(self, found: Any) -> None:
        """An interrupt that came while an object was let go, which nothing could catch, comes again."""
        if self.received and issubclass(found.exc_type, KeyboardInterrupt):
            self._uncaught = True
            threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), self.received[0])).start()
        else:
            self.hook(found)
