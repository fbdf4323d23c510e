"""Runs one command for `surrogate_nas.strategies.external.process`, and ends it, with all that it started, in time.

A small process of the standard library only: it leaves with the command's exit code when the command ends, and kills
the command's whole process group when something is written into a pipe, or when its owner dies. On Linux it also adopts
and kills what the command left in sessions of its own.

    python supervisor.py PIPE OWNER COMMAND ARGUMENT ...
"""

import ctypes
import os
import select
import signal
import sys
from collections.abc import Collection
from contextlib import suppress

_SET_SUBREAPER = 36
_ROUNDS = 100
"""So often is looked for what killed processes have left behind in turn."""
_CHECK_SECONDS = 0.1
_NOT_FOUND = 127


def main(pipe: int, owner: int, command: list[str]) -> int:
    """Run the command to its end.

    Args:
        pipe: The file descriptor that becomes readable when the command shall end.
        owner: The process that started this one.
        command: What to run, with its arguments.

    Returns:
        Its exit code, or 128 and the signal that ended it.
    """
    adopt()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(pipe)
        try:
            os.execvp(command[0], command)
        except OSError as error:
            sys.stderr.write(f"{command[0]}: {error.strerror}\n")
            os._exit(_NOT_FOUND)
    for stream in (0, 1):
        os.close(stream)
    while True:
        wanted = not select.select([pipe], [], [], _CHECK_SECONDS)[0] and os.getppid() == owner
        ended, status = os.waitpid(child, os.WNOHANG)
        has_group = _kill(child) if ended or not wanted else False
        if ended or has_group:
            end_adopted(())
        if ended:  # what it started was killed
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if has_group:
            return 0


def _kill(group: int) -> bool:
    """Kill a process group, if there is one: a process that has just been forked has none yet."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def adopt() -> None:
    """Let orphaned descendants of this process become its children, also those in sessions of their own."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_SUBREAPER, 1, 0, 0, 0)


def end_adopted(own: Collection[int]) -> None:
    """Kill all children of this process, and what these leave behind; nothing where it cannot adopt.

    Args:
        own: Those that stay.
    """
    for _ in range(_ROUNDS):
        left = [pid for pid in _children() if pid not in own]
        if not left:
            return
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            with suppress(OSError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    """The children of this process."""
    if sys.platform != "linux":
        return []
    me, found = os.getpid(), []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as stat:
            if int(stat.read().rpartition(b")")[2].split()[1]) == me:
                found.append(int(name))
    return found


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
