"""Slots that processes share: each has one taker, and what a process had is free after it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from surrogate_nas.runtime.shared import SharedSlots

OTHER = """
import sys
from pathlib import Path
from surrogate_nas.runtime.shared import SharedSlots

slots = SharedSlots(Path(sys.argv[1]), 3)
for line in sys.stdin:
    print(eval(line), flush=True)
"""


class Other:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def does(self, what: str) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"slots.{what}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextmanager
def another_process(folder: Path) -> Iterator[Other]:
    command = [sys.executable, "-c", OTHER, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Other(process)
        finally:
            process.kill()


def test_a_slot_has_one_taker_until_it_leaves_it(tmp_path: Path) -> None:
    slots = SharedSlots(tmp_path, 3)
    assert slots.take() == 0
    with another_process(tmp_path) as other:
        assert other.does("take()") == "1"
        assert slots.take() == 2
        assert slots.take() is None and other.does("take()") == "None"
        slots.leave(0)
        assert other.does("take()") == "0"
        assert slots.take() is None
    # it was killed
    assert slots.take() == 0 and slots.take() == 1


def test_who_waits_for_all_slots_gets_them(tmp_path: Path) -> None:
    slots = SharedSlots(tmp_path, 3)
    with another_process(tmp_path) as other:
        assert other.does("take()") == "0"
        assert not slots.take_all()
        assert other.does("take()") == "None"
        assert other.does("take_all()") == "False"
        other.does("leave(0)")
        assert other.does("take()") == "None"
        assert slots.take_all()
        slots.leave_all()
        assert other.does("take_all()") == "True"
        assert slots.take() is None and not slots.take_all()
