"""Check a strategy, space or surrogate in a process of its own.

The code under check may end that process, hang or print.
"""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
from collections.abc import Callable

from surrogate_nas.contract.checks import Check, process
from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.failure import StrategyError
from surrogate_nas.space import Space

LIMIT_SECONDS = 120.0
"""The longest that one check may take."""


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
            process("surrogate_nas.contract.inside", spec, space, limit, log=log) as running,
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
