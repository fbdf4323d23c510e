"""What another process prints, passed on to our standard error up to a limit: what follows is read, so that the process
does not wait, and left out, which is said.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress

MOST_PRINTED = 100_000
"""The most bytes that a process may print."""
_PIECE = 2**16


class Passing:
    """A pipe for a process's output, and the thread that reads it.

    Attributes:
        inlet: Where the process writes; whoever starts it closes this end when it has it.
    """

    def __init__(self, who: str) -> None:
        """Begin to read.

        Args:
            who: Whose output it is, for the line that says that some was left out.

        Raises:
            OSError: The system gives no pipe.
        """
        self._who = who
        self._outlet, self.inlet = os.pipe()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def finish(self, patience: float) -> None:
        """Wait until all that was printed is passed on.

        Args:
            patience: How long to wait, in seconds, where somebody holds the other end.
        """
        self._thread.join(patience)

    def _pass_on(self) -> None:
        left = MOST_PRINTED
        with suppress(OSError), os.fdopen(self._outlet, "rb", buffering=0) as pipe:
            while piece := pipe.read(_PIECE):
                if not left:
                    continue
                _write(piece[:left])
                left = max(left - len(piece), 0)
                if not left:
                    _write(f"\n{self._who} has printed {MOST_PRINTED:,} bytes; the rest is left out.\n".encode())


def _write(content: bytes) -> None:
    """Write to standard error, whoever has closed it."""
    with suppress(OSError):
        while content:
            content = content[os.write(2, content) :]
