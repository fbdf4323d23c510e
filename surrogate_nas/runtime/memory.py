"""How much memory and time a process and all that it started take."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import psutil


def takes_over(process: psutil.Process, most: int) -> bool:
    """Whether a process and its descendants have more than so many bytes in memory.

    What several of them share, as forked ones do, counts once where the system tells.
    """

    def proportional(process: psutil.Process) -> int:
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))

    with suppress(psutil.Error):
        family = family_of(process)
        resident = _sum(lambda process: process.memory_info().rss, family)
        return resident > most and _sum(proportional, family) > most
    return False


def family_of(process: psutil.Process) -> list[psutil.Process]:
    """A process and its descendants."""
    return [process, *process.children(recursive=True)]


def _sum(size: Callable[[psutil.Process], float], family: list[psutil.Process]) -> float:
    total = 0.0
    for process in family:
        with suppress(psutil.Error):  # it has just ended
            total += size(process)
    return total


def processor_seconds() -> float:
    """Of this process, its threads and its descendants; only differences mean anything."""
    current, *descendants = family_of(psutil.Process())
    ended = current.cpu_times()
    living = _sum(lambda process: sum(process.cpu_times()[:4]), descendants)
    return time.process_time() + float(ended.children_user + ended.children_system) + living
