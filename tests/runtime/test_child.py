"""Child processes: what is sent comes whole or in time to be told so, and an end has words."""

from __future__ import annotations

import os
import signal
import socket
import time

import pytest

from surrogate_nas.runtime import child
from surrogate_nas.runtime.child import Child, Link, ending


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (7, "ended with exit code 7"),
        (-15, "was killed by SIGTERM (15)"),
        (-9, "was killed by SIGKILL (9)"),
        (-200, "was killed by a signal (200)"),
    ],
)
def test_an_end_has_words(code: int, words: str) -> None:
    assert ending(code) == words


def test_a_kill_for_want_of_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "memory_kills", lambda: 4)
    assert ending(-9, 3) == "was killed by SIGKILL (9) as memory ran out"
    assert (
        ending(-9, 4) == "was killed by SIGKILL (9)"
        and ending(-15, 3) == "was killed by SIGTERM (15)"
    )


@pytest.fixture
def ends() -> tuple[Link, Link]:
    ours, theirs = socket.socketpair()
    return Link(ours.detach(), most=1000), Link(theirs.detach(), exact=True)


def test_messages_come_one_by_one_and_whole(ends: tuple[Link, Link]) -> None:
    for one, other in (ends, ends[::-1]):
        for content in (b"first", b"", b"x" * 900):
            one.send(content)
        assert [len(other.receive(time.monotonic() + 60)) for _ in range(3)] == [5, 0, 900]


def test_a_deadline_a_length_and_an_end_are_told(ends: tuple[Link, Link]) -> None:
    one, other = ends
    with pytest.raises(TimeoutError):
        one.receive(time.monotonic() + 0.05)
    with pytest.raises(EOFError):
        one.receive(watch=lambda: False)
    with pytest.raises(TimeoutError):
        one.send(bytes(10**8), time.monotonic() + 0.05)
    other.send(bytes(1001))
    with pytest.raises(OverflowError):
        one.receive()
    one.close()
    with pytest.raises(EOFError):
        while True:
            other.receive()


def test_lines_are_read_up_to_a_length(ends: tuple[Link, Link]) -> None:
    one, other = ends
    other.send_plain(b"one\ntwo\nthree")
    assert [one.receive_line(time.monotonic() + 60) for _ in range(2)] == [b"one", b"two"]
    assert one.unread() == b"three"
    other.send_plain(bytes(2000))
    with pytest.raises(OverflowError):
        one.receive_line(time.monotonic() + 60)


def test_a_child_that_ends_before_it_speaks_is_told() -> None:
    made = Child("os:abort")
    with pytest.raises((EOFError, ConnectionError)):
        made.link.receive(time.monotonic() + 60)
    assert made.ended() == f"was killed by SIGABRT ({int(signal.SIGABRT)})"
    made.end()
    assert not made.runs() and os.getpid() != made.process.pid
