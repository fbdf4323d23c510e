"""The processor's seconds of this process and of all that it started, living or ended.

On Linux living descendants are counted as they run; elsewhere when they have ended.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":

    def _of_ended_children() -> float:
        return 0.0

else:
    import resource

    def _of_ended_children() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime


_TICKS = os.sysconf("SC_CLK_TCK") if sys.platform == "linux" else 100
_FIRST_TIME = 11
"""The place of a process's own seconds in ``/proc/PID/stat`` behind its name; three others follow:
the system's for it, and both of its ended children.
"""


def processor_seconds() -> float:
    """Of this process, its threads and its descendants; only differences mean anything.

    Example:
        >>> processor_seconds() > 0
        True
    """
    living = sum(map(_of_family, children_of(os.getpid())))
    return time.process_time() + _of_ended_children() + living


def _of_family(pid: int) -> float:
    """Of a process and its descendants."""
    own = 0.0
    with suppress(OSError, ValueError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        own = sum(map(int, fields[_FIRST_TIME : _FIRST_TIME + 4])) / _TICKS
    return own + sum(map(_of_family, children_of(pid)))


def children_of(pid: int) -> Iterator[int]:
    """The children of a process; none where the system does not list them."""
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                yield from map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
