"""Slots that several processes of this machine share: each is a file, locked while it is taken.

The system keeps the locks, so what a process has taken is free when it ends, however it ends.
"""

from __future__ import annotations

import os
from pathlib import Path

from surrogate_nas.files.locks import claim

_ALL = -1
"""In place of a slot: the wish to have all of them."""


class SharedSlots:
    """One process's view of them. Which of several processes gets a free slot is left to chance.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     slots = SharedSlots(Path(folder), 2)
        ...     slots.take(), slots.take(), slots.take()
        (0, 1, None)
    """

    def __init__(self, folder: Path, count: int) -> None:
        """Take none yet.

        Args:
            folder: An existing one of this machine, the same for all processes, for nothing else.
            count: How many slots there are, the same for all.
        """
        self._folder = folder
        self._count = count
        self._taken: dict[int, int] = {}
        """The descriptors of locked files, by slot."""

    def take(self) -> int | None:
        """The number of a slot that is this process's from now on; None where none is free, or
        another process waits for all.
        """
        if self._has(_ALL):
            return None
        if not self._claim(_ALL):
            return None
        self.leave(_ALL)
        return next((slot for slot in self._free if self._claim(slot)), None)

    def take_all(self) -> bool:
        """Take what is free; whether that makes all of them this process's.

        Until it leaves them nobody else gets one, so another call some time later has more.
        """
        if not self._has(_ALL) and not self._claim(_ALL):
            return False
        return all([self._claim(slot) for slot in self._free])

    @property
    def _free(self) -> list[int]:
        """The slots that this process has not taken."""
        return [slot for slot in range(self._count) if not self._has(slot)]

    def _has(self, slot: int) -> bool:
        return slot in self._taken

    def _claim(self, slot: int) -> bool:
        descriptor = claim(self._folder / str(slot))
        if descriptor is not None:
            self._taken[slot] = descriptor
        return descriptor is not None

    def leave(self, slot: int) -> None:
        """Let others have a slot."""
        os.close(self._taken.pop(slot))

    def leave_all(self) -> None:
        """Let others have all that was taken."""
        for slot in list(self._taken):
            self.leave(slot)
