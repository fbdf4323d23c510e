"""Locks: one holder at a time, whoever it is; they die with it."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HeldError, locked

HOLDER = """
import sys
from pathlib import Path
from surrogate_nas.files import locked
with locked(Path(sys.argv[1]), what="the book"):
    print("held", flush=True)
    sys.stdin.readline()
print("let go", flush=True)
"""


def hold(path, code=HOLDER):
    """A process that holds a lock until it reads a line."""
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def says(child, stream="stdout"):
    return str(getattr(child, stream).readline()).strip()


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, Path.touch, lambda path: path],
    ids=["folder", "file", "nothing"],
)
def test_a_second_process_is_refused_in_one_line_that_names_the_first(tmp_path, make):
    path = tmp_path / "work"
    make(path)
    holder = hold(path)
    assert says(holder) == "held"
    with pytest.raises(
        HeldError,
        match=rf"process {holder.pid} on \S+ \(since 20.*\) is writing the book",
    ):
        with locked(path, what="the book", wait=False):
            pass
    holder.communicate("\n")
    with locked(path, wait=False):
        pass
    assert sorted(found.name for found in tmp_path.rglob("*")) in (["work"], [])


def test_a_second_process_waits_and_says_once_for_whom(tmp_path):
    path = tmp_path / "work"
    first = hold(path)
    assert says(first) == "held"
    second = hold(path)
    assert f"Waiting for process {first.pid} on " in says(second, "stderr")
    first.communicate("\n")
    assert says(second) == "held"
    assert second.communicate("\n") == ("let go\n", "")


def test_a_killed_holder_holds_nothing_even_if_it_forked(tmp_path):
    path = tmp_path / "work"
    code = HOLDER.replace(
        "    print(", "    import os; os.fork() or sys.stdin.readline()\n    print(", 1
    )
    holder = hold(path, code)
    assert says(holder) == "held"
    with pytest.raises(UserError), locked(path, wait=False):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    for _ in range(200):  # the fork drops the lock when it first runs
        with suppress(UserError), locked(path, wait=False):
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the fork holds the lock")
    holder.communicate("\n\n")


def test_threads_of_one_process_exclude_each_other_and_themselves(tmp_path):
    path = tmp_path / "work"
    order = []
    waits = threading.Event()

    def second():
        waits.set()
        with locked(path):
            order.append("second")

    with locked(path):
        with pytest.raises(
            UserError, match="This process is writing .* already"
        ) as refused:
            with locked(path):
                pass
        assert not isinstance(refused.value, HeldError)
        thread = threading.Thread(target=second)
        thread.start()
        waits.wait()
        with pytest.raises(UserError, match="already"), locked(path):
            pass
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="Cannot write"),
        locked(tmp_path / "file" / "work"),
    ):
        pass
