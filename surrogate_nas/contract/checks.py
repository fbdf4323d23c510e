"""Checks of a strategy, space or surrogate, made in a process of its own.

The code under check may end that process, hang or print.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.failure import StrategyError
from surrogate_nas.runtime.packing import pack
from surrogate_nas.space import Space

LIMIT_SECONDS = 120.0
"""The longest that one check may take."""


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
    mode: str, *objects: object, log: IO[bytes] | int = subprocess.DEVNULL, hash_seed: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """Start `surrogate_nas.contract.inside` on some objects; it ends with everything it started."""
    path = os.pathsep.join(filter(None, sys.path))
    seed = {"PYTHONHASHSEED": hash_seed} if hash_seed else {}
    started = subprocess.Popen(
        [sys.executable, "-m", "surrogate_nas.contract.inside", mode],
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


def check(
    spec: object,
    space: Space | None = None,
    *,
    limit: float = LIMIT_SECONDS,
    progress: Callable[[int, int], object] | None = None,
) -> list[Check]:
    """Check a strategy, a space or a surrogate against its contract.

    Args:
        spec: A registered name, ``file.py:NAME``, a class, or a space.
        space: The only space to check a strategy or a surrogate on; None for those of the contract.
        limit: The longest that one check may take, in seconds.
        progress: Called after each check with the number of checks made and the number of all.

    Returns:
        One `Check` for every promise and space.

    Raises:
        UserError: There is no such thing, or it is none of the three.

    Example:
        >>> import surrogate_nas as sn
        >>> mine = sn.EnumerableChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        >>> outcomes = check(mine)
        >>> len(outcomes) > 10, [outcome.name for outcome in outcomes if not outcome.passed]
        (True, [])
    """
    outcomes: list[Check] = []
    try:
        with (
            tempfile.TemporaryFile() as log,
            process("check", spec, space, limit, log=log) as running,
        ):
            assert running.stdout is not None
            loaded = json.loads(running.stdout.readline() or '{"error": "its process ended."}')
            if "error" in loaded:
                raise UserError(loaded["error"])
            names = loaded["names"]
            for name, line in zip(names, running.stdout, strict=False):
                outcomes.append(Check(name, *json.loads(line)))
                if progress:
                    progress(len(outcomes), len(names))
            if len(outcomes) < len(names):
                log.seek(0)
                why = _end(running.wait(), log.read().decode(errors="replace"), limit)
                outcomes.append(Check(names[len(outcomes)], False, why))
            missing = names[len(outcomes) :]
    except StrategyError as error:
        raise UserError(str(error)) from error
    return outcomes + [Check(name, False, f"not checked after that: {why}") for name in missing]


def _end(code: int, log: str, limit: float) -> str:
    _, hung, trace = log.rpartition("Timeout (")
    how = f"its process was killed by {signal.Signals(-code).name}" if code < 0 else ""
    how = how or f"its process ended with exit code {code}"
    if hung:
        how = f"it takes more than {limit:g} s"
    elif "Fatal Python error" in log:
        trace = log.rpartition("Fatal Python error")[2]
    here = os.path.dirname(__file__)
    for file, line, name in re.findall(r'File "(.+)", line (\d+) in (\S+)', trace):
        if not file.startswith((here, os.path.dirname(os.__file__))):
            return f"{how}, in {name} ({os.path.basename(file)}:{line})"
    return how
