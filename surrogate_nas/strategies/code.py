"""Cells that are written as code: a user's function reads the code and says which cell it is.

The function runs in a process of its own, with a limit of time, since what it reads comes from
outside and may be run by it. Of its answer only the text of a cell is used.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from surrogate_nas.core.arguments import check_number
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.registry import Registry
from surrogate_nas.runtime.failure import StrategyError
from surrogate_nas.runtime.forkserver import START_SECONDS
from surrogate_nas.runtime.sandbox import Sandbox, serve

LARGEST_CODE = 2**16
"""The most characters of code that are taken for a cell."""


def _checked(thing: object, name: str) -> Callable[[str], object]:
    if not callable(thing):
        raise UserError(f"{name} is no function of code.")
    return thing


_BUILDERS: Registry[Callable[[str], object]] = Registry("builder", _checked)


class Builder:
    """A user's ``FILE.py:build``, which gives the text of a cell for code.

    Attributes:
        place: Its file and name.
    """

    def __init__(self, place: str, limit: float) -> None:
        """Name it; its process starts with the first code.

        Args:
            place: ``FILE.py:NAME``.
            limit: The longest that one piece of code may take, in seconds.

        Raises:
            UserError: There is no such file, or the limit is none.
        """
        if ":" not in place:
            raise UserError(f"Code is built by FILE.py:NAME, not {place!r:.80}.")
        _BUILDERS.expect(place)
        self.place = place
        self._limit = check_number("The seconds of one build", limit, above=True)
        self._process: Sandbox | None = None

    def text(self, code: object) -> str:
        """The text of the cell that code stands for.

        Args:
            code: What the answer holds.

        Raises:
            UserError: It is no text, is too long, or the function raised, took too long, ended or
                gave no text.
        """
        if not isinstance(code, str):
            raise UserError(f"Code is a text, not {code!r:.80}.")
        if len(code) > LARGEST_CODE:
            raise UserError(f"The code has {len(code):,} characters; {LARGEST_CODE:,} may be.")
        try:
            built = self._running().call("build", code, limit=self._limit, when="built a cell")
        except StrategyError as error:
            self._end()
            raise UserError(f"{self.place}: {error}") from error
        if not isinstance(built, str):
            raise UserError(f"{self.place} gave {built!r:.80}, not the text of a cell.")
        return built

    def _running(self) -> Sandbox:
        if self._process is None:
            self._process = Sandbox("surrogate_nas.strategies.code:main", who=self.place)
            weakref.finalize(self, self._process.kill)
            self._process.call("load", self.place, limit=START_SECONDS, when="was loaded")
        return self._process

    def _end(self) -> None:
        """Forget the process, so that the next code is read by a new one."""
        if self._process is not None:
            self._process.kill()
            self._process = None


def main(connection: int, log: int, _: object) -> None:
    """The process from inside."""
    functions: dict[str, Callable[[str], object]] = {}

    def load(place: str) -> None:
        functions["build"] = _BUILDERS.find(place)

    def build(code: str) -> Any:
        return functions["build"](code)

    commands = {"load": (load, "was loaded"), "build": (build, "built a cell")}
    serve(connection, log, commands, str)
