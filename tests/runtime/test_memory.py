"""What a process and all that it started have in memory."""

import subprocess
import sys

import psutil
import pytest

from surrogate_nas.runtime.worker import family_of, takes_over

MB = 1_000_000
FORKS = """
import os, sys, time

taken = bytearray(b"x" * 200_000_000)
waiting, alive = os.pipe()
for _ in range(3):
    if os.fork() == 0:
        os.close(alive)
        own = bytearray(b"x" * int(sys.argv[1]))
        os.write(1, b".")
        os.read(waiting, 1)
        os._exit(0)
os.read(0, 1)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no other system is watched")
@pytest.mark.parametrize(
    ("own", "least", "most"), [(1, 200, 400), (100 * MB, 500, 700)]
)
def test_what_forked_processes_share_counts_once(own, least, most, monkeypatch):
    with subprocess.Popen(
        [sys.executable, "-c", FORKS, str(own)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.read(3) == b"..."
        child = psutil.Process(process.pid)
        assert takes_over(child, least * MB)
        assert not takes_over(child, most * MB)
        monkeypatch.delattr(psutil.Process, "children")  # which reads of all processes
        assert len(family_of(child)) == 4
        process.stdin.close()
    assert not takes_over(child, 0)
