"""Checks a strategy, space or surrogate in a process of its own.

The code under check may end that process, hang or print.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from typing import Any

from surrogate_nas.contract.checks import LIMIT_SECONDS, Check, CheckFunction, promise
from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.failure import StrategyError, as_text
from surrogate_nas.runtime.forkserver import START_SECONDS
from surrogate_nas.runtime.packing import Packed, pack
from surrogate_nas.runtime.sandbox import Sandbox
from surrogate_nas.space import Space

KINDS = {
    "strategy": "surrogate_nas.contract.strategies",
    "space": "surrogate_nas.contract.spaces",
    "surrogate": "surrogate_nas.contract.surrogates",
}
"""What can be checked: by noun the module with its `CHECKS` and `subjects`."""
_ENTRY = "surrogate_nas.contract.inside:main"
_LONGEST_DETAIL = 2_000
_MOST_ENDS = 5


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
        space: The only space to check a strategy on; None for NAS-Bench-201's, a tiny and a large
            one.
        limit: The longest that one check may take, in seconds.
        progress: Told after each check how many are made, and how many there are in all.

    Returns:
        One `Check` for every promise and subject.

    Raises:
        UserError: There is no such thing, or it is none of the three.

    Example:
        >>> import surrogate_nas as sn
        >>> mine = sn.EnumerableChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        >>> outcomes = check(mine)
        >>> len(outcomes) > 10, [outcome.name for outcome in outcomes if not outcome.passed]
        (True, [])
    """
    with closing(_Inspection(spec, space, limit)) as inspection:
        n_checks = len(inspection.checks)
        total = len(inspection.subjects) * n_checks
        checks: list[Check] = []
        while len(checks) < total:
            subject, number = divmod(len(checks), n_checks)
            checks.append(inspection.outcome(subject, number))
            if progress:
                progress(len(checks), total)
        return checks


class _Inspection:
    """The checks of one thing, in a process that is started again when a check has ended it."""

    def __init__(self, spec: object, space: Space | None, limit: float) -> None:
        self._limit = limit
        self._ends = 0
        self._last = ""
        try:
            self._what: object = spec if isinstance(spec, str) else pack(spec)
            self._where: Packed | None = None if space is None else pack(space)
            self._start()
        except StrategyError as error:
            raise UserError(str(error)) from error

    def _start(self) -> None:
        self._process = Sandbox(_ENTRY)
        try:
            loaded = self._process.call(
                "load",
                KINDS,
                self._what,
                self._where,
                limit=START_SECONDS,
                when="was loaded",
            )
        except BaseException:
            self._process.kill()
            raise
        described = loaded if isinstance(loaded, dict) else {}
        self._process.file = as_text(described.get("file"), _LONGEST_DETAIL)
        kind = described.get("kind")
        subjects = described.get("subjects")
        if kind not in KINDS or not isinstance(subjects, list):
            self._process.kill()
            raise StrategyError("its process did not say what it is.")
        self.checks: tuple[CheckFunction, ...] = import_module(KINDS[kind]).CHECKS
        self.subjects = [as_text(name, _LONGEST_DETAIL) for name in subjects]

    def outcome(self, subject: int, number: int) -> Check:
        """The outcome of one check on one subject."""
        name = f"{promise(self.checks[number])} [{self.subjects[subject]}]"
        if self._ends >= _MOST_ENDS:
            return Check(name, False, self._last)
        try:
            if not self._process.alive:
                self._start()
            reply = self._process.call(
                "check",
                subject,
                number,
                limit=self._limit,
                when="was checked",
            )
        except StrategyError as error:
            if not self._process.alive:
                self._ends = self._ends + 1
                self._last = f"not checked after that: {str(error).rstrip('.')}"
            return Check(name, False, str(error).rstrip("."))
        return _read(name, reply)

    def close(self) -> None:
        self._process.kill()


def _read(name: str, reply: Any) -> Check:
    if not isinstance(reply, dict) or type(reply.get("passed")) is not bool:
        return Check(name, False, "its process did not say what it found")
    detail, hint = (as_text(reply.get(key), _LONGEST_DETAIL) for key in ("detail", "hint"))
    return Check(name, reply["passed"], detail, hint)
