"""What became of a job."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.engines.worker import FAILED

J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True)
class Outcome(Generic[J, R]):
    """What became of a job.

    Attributes:
        job: The job.
        answer: What its function returned; None where its worker was lost.
        failure: Empty, or how its worker ended, in one line without a full stop.

    Example:
        >>> Outcome("cell 11", answer=8.5).result
        8.5
    """

    job: J
    answer: R | None = None
    failure: str = ""

    @property
    def result(self) -> R:
        """What the function returned.

        Raises:
            UserError: The worker was lost.
        """
        if self.failure:
            raise UserError(f"{self.failure[:1].upper()}{self.failure[1:]}. Run the same command again to go on.")
        return self.answer  # type: ignore[return-value]


def told(job: J, found: bytes | str) -> Outcome[J, Any]:
    """The outcome of a job from what was found of it.

    Args:
        job: The job.
        found: Its worker's message, or how its worker was lost, in words.

    Raises:
        Exception: What the function raised.
    """
    if isinstance(found, str):
        return Outcome(job, failure=found)
    content = pickle.loads(found[1:])
    if found[:1] == FAILED:
        raise content
    return Outcome(job, content)


def raise_lost(lost: Sequence[Outcome[Any, Any]]) -> None:
    """Say, when all else is done, that workers were lost, if any were.

    Args:
        lost: The outcomes of their jobs.

    Raises:
        UserError: There is at least one.

    Example:
        >>> raise_lost([])
        >>> raise_lost([Outcome("cell 11", failure="killed by signal 9")])
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: 1 job was lost: killed by signal 9. Run the same command again to go on.
    """
    if lost:
        jobs = "1 job was" if len(lost) == 1 else f"{len(lost)} jobs were"
        raise UserError(f"{jobs} lost: {lost[0].failure}. Run the same command again to go on.")
