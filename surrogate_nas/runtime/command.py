"""A user's command that speaks JSON lines, with time limits, ended as a whole.

None of its output is trusted: a line is JSON or an error that quotes it. The fork server starts the
command, so that it and its descendants end when we do, even if we are killed. Its standard error is
passed on, up to a limit.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
import weakref
from typing import Any, NoReturn

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.forkserver import Forked

_LONGEST_LINE = 2**20
_PATIENCE_SECONDS = 2.0
_NOT_FOUND = 127


def run(connection: int, log: int, words: list[str]) -> None:
    """Become a command that reads from and writes to the connection, in a forked process."""
    os.close(log)
    for stream in (0, 1):
        os.dup2(connection, stream)
    os.close(connection)
    become(words)


def become(words: list[str]) -> NoReturn:
    """Replace this process by a command; it ends with a line where there is none."""
    os.environ["PYTHONUNBUFFERED"] = "1"
    try:
        os.execvp(words[0], words)
    except OSError as error:
        sys.stderr.write(f"{words[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(_NOT_FOUND)


class Command:
    """A command that reads JSON lines and answers with JSON lines.

    Attributes:
        end: Ends the process and what it started; called at the latest when this is forgotten.
    """

    def __init__(self, command: str, who: str) -> None:
        """Start it."""
        self._who = f"{who} {command!r:.200}"
        try:
            words = shlex.split(command)
            if shutil.which(words[0]) is None:
                raise ValueError(f"there is no command {words[0]!r:.80}")
            entry = "surrogate_nas.runtime.command:run"
            self._process = Forked(entry, words, f"{who} {command!r:.80}", most=_LONGEST_LINE)
        except (ValueError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UserError(f"{self._who} cannot be started: {reason}.") from error
        self._link = self._process.link
        self.end = weakref.finalize(self, self._process.kill)

    def send(self, message: Any, limit: float) -> None:
        """Write a line."""
        try:
            if unread := self._link.unread():
                line = _shown(unread.partition(b"\n")[0])
                raise self._failure(f"said {line} without being asked")
            self._link.send_plain(json.dumps(message).encode() + b"\n", time.monotonic() + limit)
        except TimeoutError:
            raise self._failure(f"read nothing for {limit:g} s") from None
        except (OSError, EOFError):
            raise self._failure(self._ended()) from None

    def receive(self, limit: float) -> Any:
        """Read a line: a JSON value."""
        line = b""
        try:
            line = self._link.receive_line(time.monotonic() + limit)
            return json.loads(line)
        except OverflowError:
            begun = _shown(self._link.begun)
            raise self._failure(
                f"answered {begun}, a line of more than {_LONGEST_LINE:,} bytes"
            ) from None
        except TimeoutError:
            begun = f", only {_shown(self._link.begun)}" if self._link.begun else ""
            raise self._failure(f"answered no line within {limit:g} s{begun}") from None
        except (OSError, EOFError):
            begun = f" after {_shown(self._link.begun)}" if self._link.begun else ""
            raise self._failure(self._ended() + begun) from None
        except (ValueError, RecursionError):
            raise self._failure(f"answered {_shown(line)}, which is no JSON") from None

    def _ended(self) -> str:
        return self._process.ended(_PATIENCE_SECONDS) or "closed its standard streams"

    def _failure(self, what: str) -> UserError:
        """The end of it, and the error that says why."""
        self.end()
        return UserError(f"{self._who} {what}.")


def _shown(output: bytes | bytearray) -> str:
    """What it said, as a message can quote it."""
    text = repr(output[:400].decode(errors="replace"))
    return text if len(text) <= 120 else f"{text[:117]}..."
