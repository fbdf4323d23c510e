"""The process of a user's strategy, from inside: it makes the strategy, asks it, tells it, and
answers as JSON.

Started by `surrogate_nas.study.sandbox.outside`, forked by the fork server, in which `shared` and
`prepared` run.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

from surrogate_nas.runtime.packing import Packed, unpack
from surrogate_nas.runtime.sandbox import Commands, file_of, serve
from surrogate_nas.space import Enumerable, EnumerableChoiceSpace, Space
from surrogate_nas.space.memo import Question, asked_of, precompute, warm_up_list
from surrogate_nas.strategies import Strategy, resolve
from surrogate_nas.study.sandbox.files import listen
from surrogate_nas.study.sandbox.interface import (
    cells_to_json,
    flags_of,
    flags_of_class,
    own_cells,
    trials_from_rows,
)

LIBRARIES = ("surrogate_nas", "numpy", "scipy", "sklearn", "torch", "xgboost", "numba")
"""What is imported before a fork if an earlier process needed it: ours, and what strategies and
models of ours need.
"""


@cache
def shared(space: bytes | None) -> Space | None:
    """A pickled space of ours, with its cells, that all of a fork server's processes share; None
    for a user's space.
    """
    return None if space is None else _listed(pickle.loads(space)[0])


def prepared(
    space: bytes | None,
    modules: Sequence[str],
    questions: Sequence[Any],
) -> None:
    """Import and work out what processes need, so that they are forked with it; what these imports
    will ask too.
    """
    for name in modules:
        with suppress(Exception, SystemExit):
            import_module(name)
    if (shared_space := shared(space)) is not None:
        precompute(shared_space, [*warm_up_list(), *questions])


def _listed(space: Space) -> Space:
    if isinstance(space, Enumerable):
        # lists the cells, and by their choices too, which is no work of the strategy's
        space.cell(space[0])
        if isinstance(space, EnumerableChoiceSpace):
            space.at(space[0].choices)
    return space


def main(connection: int, log: int, space: Space | None) -> None:
    """Serve one strategy until the parent process closes the connection."""
    session = _Session(space)
    commands: Commands = {
        "load": (session.load, "was loaded"),
        "make": (session.make, "was made"),
        "give": (session.give, "was given what is known"),
        "ask": (session.ask, "was asked"),
        "tell": (session.tell, "was told"),
        "needed": (session.needed, "was asked what it needed"),
        "files": (session.files, "was asked what it read"),
    }
    serve(connection, log, commands, lambda: session.file)


class _Session:
    """The strategy."""

    _factory: type[Strategy]
    _space: Space
    _epochs: Sequence[int] = ()

    def __init__(self, space: Space | None) -> None:
        if space is not None:
            self._space = space
        self.file = ""
        self._opened: Callable[[], tuple[list[str], list[str]]] = lambda: ([], [])

    def load(
        self,
        strategy: Packed,
        space: Packed | None,
        folder: str = "",
    ) -> dict[str, Any]:
        """Import its class, and the space, and hear what it opens in a folder; the answer is its
        file and its flags.
        """
        if folder:
            self._opened = listen(folder)
        if space is not None:
            self._space = _listed(unpack(space)[0])
        (reference,) = unpack(strategy)
        self._factory = resolve(reference)
        self.file = file_of(self._factory)
        return {"file": self.file, "flags": flags_of_class(self._factory)._asdict()}

    def make(self, seed: int) -> dict[str, Any]:
        """Make it; the answer is its flags."""
        self._strategy = self._factory(self._space, seed=seed)
        return flags_of(self._strategy)._asdict()

    def give(self, settings: Packed) -> None:
        """Set attributes of it."""
        for name, value in unpack(settings, self._space)[0].items():
            setattr(self._strategy, name, value)
            if name == "epochs":
                self._epochs = value

    def ask(self, n: int) -> list[Any]:
        """The texts of the cells that it asks for."""
        asked = self._strategy.ask(n)
        may_end = bool(self._strategy.from_outside)
        cells = own_cells(asked, n, self._space, self._epochs, may_end=may_end)
        return cells_to_json(cells)

    def tell(self, rows: list[tuple[Any, ...]]) -> None:
        """Tell it trials."""
        self._strategy.tell(trials_from_rows(rows))

    def files(self) -> tuple[list[str], list[str]]:
        """The names of the files in its folder that it opened for reading, and of those that it
        opened for writing.
        """
        return self._opened()

    def needed(self) -> tuple[list[str], list[Question]]:
        """What of `LIBRARIES` this process holds, in the order of import, and what was asked of the
        space.
        """
        names = [
            name
            for name in list(sys.modules)
            if isinstance(name, str) and name.partition(".")[0] in LIBRARIES
        ]
        return names, asked_of(self._space)
