"""Reading what another process tells of the trainings of a run (`surrogate_nas.runs.running`)."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from surrogate_nas.files.regular import open_regular
from surrogate_nas.runs.running import InFlight, Running

_LARGEST_FILE = 2**23
"""Bytes of a file that is read."""


def read_running(path: Path, since: float) -> Running | None:
    """What a run's file tells; None where there is none, or nothing sensible.

    Args:
        path: The file, which anybody may have written.
        since: When the process began that makes the run now; an older file is of another.
    """
    from surrogate_nas.runs.stored import RunningFile, checked_as  # it imports msgspec

    try:
        with open_regular(path, follow=False) as file:
            status = os.fstat(file.fileno())
            content = file.read(_LARGEST_FILE + 1)
        if status.st_mtime < since or len(content) > _LARGEST_FILE:
            return None
        told = checked_as(RunningFile, json.loads(content))
    except (OSError, ValueError, RecursionError):
        return None
    now = time.time()
    trainings = []
    for one in told.trainings:
        began = min(one.since, now)
        trainings.append(
            InFlight(one.cell, one.epochs, one.state, began, one.again, one.seconds, one.reports)
        )
    in_flight = max(told.in_flight, len(trainings))
    return Running(told.slots, told.ended, told.seconds, in_flight, tuple(trainings))
