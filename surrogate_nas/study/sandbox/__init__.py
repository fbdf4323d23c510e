"""Strategies as a run sees them: ours in this process, a stranger's in one of its own (`hosted`).

A stranger's process is forked by a nursery (`nursery`, `nurse`), runs `host` and speaks over a `wire`; what it may
say is in `answers`, what it is sent in `parcel`, what became of it in `failure`.
"""

from surrogate_nas.study.sandbox.hosted import (
    CALL_LIMIT_SECONDS,
    Hosted,
    check_call_limit,
    hosted,
    introduce,
)

__all__ = ["CALL_LIMIT_SECONDS", "Hosted", "check_call_limit", "hosted", "introduce"]
