"""A worker process: reads a function and then jobs, writes answers, and ends when the process that made it does."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import struct
import sys
import threading
import time
import traceback
from queue import SimpleQueue
from typing import IO, Any

import cloudpickle

DONE, FAILED = b"d", b"f"
_LOST, _ANSWERED = b"l", b"a"
ORPHANED = 3
"""The exit code of a worker whose parent has ended."""
_LENGTH = struct.Struct("<Q")
_PR_SET_PDEATHSIG = 1
_WATCH_SECONDS = 1.0


def send(pipe: IO[bytes] | None, message: bytes) -> None:
    """Write a message.

    Args:
        pipe: Where.
        message: Its bytes.
    """
    assert pipe is not None
    pipe.write(_LENGTH.pack(len(message)) + message)
    pipe.flush()


def receive(pipe: IO[bytes] | None) -> bytes:
    """Read a message; empty when the other side has ended.

    Args:
        pipe: From where.
    """
    assert pipe is not None
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return b""
    (length,) = _LENGTH.unpack(head)
    message = pipe.read(length)
    return message if len(message) == length else b""


def packed(found: bytes | str) -> bytes:
    """What was found of a job, as it travels on from whoever had the worker.

    Args:
        found: The worker's message, or how the worker was lost, in words.
    """
    return _LOST + found.encode() if isinstance(found, str) else _ANSWERED + found


def unpacked(content: bytes) -> bytes | str:
    """What was found of a job.

    Args:
        content: As `packed` gave it.
    """
    return content[1:].decode() if content[:1] == _LOST else content[1:]


def die_with_parent(parent: int) -> None:
    """End this process, at once and without a word, when the process that made it ends.

    On Linux the kernel sees to it, however busy this process is; elsewhere, and where the kernel's word is lost, a
    thread looks every second.

    Args:
        parent: The parent's number, in case it has ended already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if hasattr(os, "getppid"):
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(ORPHANED)


def main() -> None:
    """Do jobs until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the parent decides
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    parent = receive(jobs)
    if not parent:
        return
    die_with_parent(int(parent))
    inbox: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(jobs, inbox), daemon=True).start()
    function: Any = None
    while True:
        message = inbox.get()
        try:
            if function is None:
                function = pickle.loads(message)
                continue
            answer = DONE + cloudpickle.dumps(function(pickle.loads(message)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it
            answer = failed(error)
        try:
            send(answers, answer)
        except BrokenPipeError:  # the parent was killed a moment ago; that is no news to anybody
            os._exit(ORPHANED)


def _read(jobs: IO[bytes], inbox: SimpleQueue[bytes]) -> None:
    """Hand on what comes; its end is the parent's end, or its wish."""
    while message := receive(jobs):
        inbox.put(message)
    os._exit(ORPHANED)


def failed(error: Exception) -> bytes:
    """The message that a function raised an exception.

    Args:
        error: The exception.
    """
    error.add_note(f"In a worker process:\n{''.join(traceback.format_exception(error))}")
    try:
        pickled: bytes = cloudpickle.dumps(error)
    except Exception:  # noqa: BLE001 - an exception may hold anything
        pickled = pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return FAILED + pickled
