"""Runs one command for `surrogate_nas.strategies.external.process`, and ends it, with all that it started, in time.

A small process of the standard library only: it leaves with the command's exit code when the command ends, and kills
the command's whole process group when something is written into a pipe, or when its owner dies.

    python supervisor.py PIPE OWNER COMMAND ARGUMENT ...
"""

import os
import select
import signal
import sys

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


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
