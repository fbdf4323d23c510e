"""A user's command that prints lines, read as they come, and ended politely before it is killed.

As for a command that is spoken with (`surrogate_nas.runtime.command`), the fork server starts it,
so that it and its descendants end when we do. Its standard error goes to a file.
"""

from __future__ import annotations

import os
import signal
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from surrogate_nas.core.threads import VARIABLES
from surrogate_nas.runtime.command import become
from surrogate_nas.runtime.forkserver import Forked

_LONGEST_LINE = 2**20


def run(connection: int, log: int, argument: tuple[list[str], str, int]) -> None:
    """Become a command that prints to the connection, in a forked process."""
    words, errors, threads = argument
    os.close(log)
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(errors, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for stream, descriptor in enumerate((nothing, connection, written)):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.environ.update(dict.fromkeys(VARIABLES, str(threads)))
    become(words)


class Printing:
    """A command that runs and prints."""

    def __init__(self, words: Sequence[str], errors: Path, threads: int = 1) -> None:
        """Start it; OSError where the system does not.

        Args:
            words: The command and its arguments, as no shell reads them.
            errors: The file that its standard error is added to.
            threads: How many threads its arithmetic is told to use.
        """
        argument = (list(words), str(errors), threads)
        entry = "surrogate_nas.runtime.printing:run"
        self._process = Forked(entry, argument, words[0], most=_LONGEST_LINE)
        self._is_open = True
        self._how = ""
        self._kill = weakref.finalize(self, self._process.kill)

    def line(self, patience: float) -> bytes:
        """The next line with its end, or a piece of one that is very long; empty if none comes
        within some seconds.
        """
        link = self._process.link
        try:
            if self._is_open:
                return link.receive_line(time.monotonic() + patience) + b"\n"
        except TimeoutError:
            return b""
        except OverflowError:
            pass
        except (OSError, EOFError):
            self._is_open = False
        piece = bytes(link.begun)
        link.begun.clear()
        return piece

    def ended(self, patience: float) -> str:
        """How it ended, in words that follow its name; empty if it still runs."""
        self._how = self._how or self._process.ended(patience)
        return self._how

    @property
    def is_open(self) -> bool:
        """Whether it can print further lines."""
        return self._is_open

    def end(self, patience: float) -> str:
        """Ask it and what it started to end, kill them after some seconds, and say how it ended."""
        if not self._how:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGTERM)
        how = self.ended(patience)
        self._kill()
        return how or "did not end when it was asked to, and was killed"
