"""A contract as a class of checks, and the processes that its checks are made in."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

from surrogate_nas.runtime.packing import pack
from surrogate_nas.space import Space


@dataclass(frozen=True)
class Check:
    """The outcome of one check on one subject.

    Attributes:
        name: The promise, and the space that it was checked on.
        passed: Whether it holds.
        detail: What went wrong, and what to do; empty where the promise holds.

    Example:
        >>> Check("asks for one to n cells [nb201]", False, "asked for 3, it gave 5").passed
        False
    """

    name: str
    passed: bool
    detail: str = ""


class Contract:
    """Checks of one kind of thing: the methods ``test_…``, whose docstrings are the promises."""

    space: Space | None = None

    def spaces(self) -> Sequence[Space]:
        """The spaces that every check is made on."""
        raise NotImplementedError

    def checks(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """The name of every check, and a function that makes it."""
        methods = [getattr(self, name) for name in dir(self) if name.startswith("test_")]
        for space in self.spaces():
            for method in sorted(methods, key=lambda method: method.__code__.co_firstlineno):
                promise = " ".join(method.__doc__.split()).rstrip(".")
                yield f"{promise} [{space.name}]", partial(method, space)

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Make a test of each check and space."""
        if "space" in metafunc.fixturenames:
            metafunc.parametrize("space", self.spaces(), ids=lambda space: space.name)


@contextmanager
def process(
    module: str, *objects: object, log: IO[bytes] | int = subprocess.DEVNULL, hash_seed: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a module on some objects; it ends with everything it started."""
    path = os.pathsep.join(filter(None, sys.path))
    seed = {"PYTHONHASHSEED": hash_seed} if hash_seed else {}
    started = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**os.environ, "PYTHONPATH": path, **seed},
        start_new_session=True,
    )
    try:
        assert started.stdin is not None
        with suppress(BrokenPipeError), started.stdin:
            pickle.dump(pack(*objects), started.stdin)
        yield started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()
        started.stdout.close()  # type: ignore[union-attr]
