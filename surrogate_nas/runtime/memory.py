"""How much memory a process and all that it started take, on Linux."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from surrogate_nas.runtime.seconds import children_of


def can_be_watched() -> bool:
    """Whether this system tells what a process takes."""
    return Path(f"/proc/{os.getpid()}/statm").exists()


def takes_over(pid: int, most: int) -> bool:
    """Whether a process and its descendants have more than so many bytes in memory.

    What several of them share, as forked ones do, counts once.

    Example:
        >>> takes_over(os.getpid(), 10**18)
        False
    """
    family = _family(pid)
    return _sum(_resident, family) > most and _sum(_proportional, family) > most


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for one in found:
        found += children_of(one)
    return found


def _sum(size: Callable[[int], int], family: list[int]) -> int:
    total = 0
    for pid in family:
        with suppress(OSError, ValueError, IndexError):  # it has just ended
            total += size(pid)
    return total


def _resident(pid: int) -> int:
    """All pages that a process has in memory, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _proportional(pid: int) -> int:
    """The same, where a page that n processes share counts as 1/n; it takes longer to find."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return _resident(pid)
    return int(lines.partition("\nPss:")[2].split()[0]) * 1024
