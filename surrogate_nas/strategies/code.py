"""Cells that are written as code: a user's function reads the code and returns the text of a cell.

The function runs in a process of its own, with a time limit, since it may run what it reads. Only
the text of a cell is used of its answer.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

from surrogate_nas.core.arguments import check_number
from surrogate_nas.core.errors import UserError, in_a_line
from surrogate_nas.core.registry import check_file, import_file
from surrogate_nas.runtime.command import Command

_START_SECONDS = 120.0


class Builder:
    """A user's ``FILE.py:build``, which returns the text of a cell for code.

    Args:
        place: ``FILE.py:NAME``.
        limit: The longest that one piece of code may take, in seconds.

    Raises:
        UserError: There is no such file, or the limit is not positive.
    """

    def __init__(self, place: str, limit: float) -> None:
        file, _, _ = place.rpartition(":")
        if not file:
            raise UserError(f"Code is built by FILE.py:NAME, not {place!r:.80}.")
        check_file(Path(file), "builder")
        self.place = place
        self._limit = check_number("The seconds of one build", limit, above=True)
        self._process: Command | None = None

    def text(self, code: str) -> str:
        """Return the text of the cell that code describes.

        Raises:
            UserError: The function raised, took too long, ended, or returned no text.
        """
        process, self._process = self._process, None  # one that fails is replaced
        if process is None:
            words = [sys.executable, "-m", __name__, self.place]
            process = Command(shlex.join(words), "The builder")
            process.receive(_START_SECONDS)
        process.send(code, self._limit)
        built = process.receive(self._limit)
        self._process = process
        if "error" in built:
            raise UserError(f"{self.place}: {built['error']}")
        return str(built["cell"])


def main(place: str) -> None:
    """Read lines of code, and answer each with a cell or an error."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    file, _, name = place.rpartition(":")
    build = getattr(import_file(Path(file), "builder"), name)
    print("{}", file=replies, flush=True)
    for line in sys.stdin:
        try:
            cell = build(json.loads(line))
            answer = {"cell": cell}
            if not isinstance(cell, str):
                answer = {"error": f"{cell!r:.80} is not the text of a cell."}
        except Exception as error:  # noqa: BLE001 - a user's function raises anything
            answer = {"error": in_a_line(error)}
        print(json.dumps(answer), file=replies, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
