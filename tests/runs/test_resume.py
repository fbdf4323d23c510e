"""Results survive a crash at any moment: killed and resumed, a comparison says what an
uninterrupted one says.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.results.api import compare, read_comparison
from tests.outcomes import bare

SETTLED = {
    "runs": 2,
    "budget": 400,
    "objective": "digital_error + 0.02*params + 0.01*macs",
}
SHORT = {"runs": 2, "budget": 100}
SWIFT = ["random", "local_search", "evolution", "reinforce"]
CHILD = f"""
import os, signal, sys
from pathlib import Path
import surrogate_nas as sn
write, left, torn = os.write, int(sys.argv[2]), int(sys.argv[3])
def counted(file, content):
    global left
    left -= 1
    if left == 0:
        write(file, content[: torn * len(content) // 100])
        os.kill(os.getpid(), signal.SIGKILL)
    return write(file, content)
os.write, os.fsync = counted, lambda _: None
sn.compare(sn.load("analog-cifar10"), {SWIFT!r}, folder=Path(sys.argv[1]), **{SETTLED!r})
"""


def kill(folder, line, torn):
    """Let a comparison kill itself while it writes its nth line, a share (%) of which still reaches
    the file.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    arguments = [sys.executable, "-c", CHILD, str(folder), str(line), str(torn)]
    assert subprocess.run(arguments, env=environment).returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def whole(tmp_path_factory, analog):
    """The folder of a comparison that nothing interrupted, and what it says."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, bare(compare(analog, SWIFT, folder=folder, **SETTLED))


def trial_lines(folder):
    return {
        path.name: path.read_text().splitlines()[:-1]
        for path in sorted((folder / "runs").glob("*.jsonl"))
    }


@pytest.mark.slow
def test_killed_four_times_and_resumed_it_says_the_same(whole, analog, tmp_path):
    undisturbed, expected = whole
    folder = tmp_path / "killed"
    rng = np.random.default_rng(8)
    for torn in (0, 1, 60, 100):
        kill(folder, int(rng.integers(2, 700)), torn)
        last = max(
            (folder / "runs").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns
        ).read_bytes()
        assert last.endswith(b"\n") == (torn in (0, 100)) and not last.splitlines()[
            -1
        ].startswith(b'{"end"')
    resumed = compare(analog, SWIFT, folder=folder, **SETTLED)
    assert bare(resumed) == expected
    assert trial_lines(folder) == trial_lines(undisturbed)
    assert bare(read_comparison(folder)) == expected
    json.dumps(expected, allow_nan=False)


@pytest.fixture(scope="module")
def short(tmp_path_factory, analog):
    """A shorter one, for what damages files by hand."""
    folder = tmp_path_factory.mktemp("short")
    return folder, bare(compare(analog, SWIFT, folder=folder, **SHORT))


@pytest.fixture
def copy(short, tmp_path):
    shutil.copytree(short[0], tmp_path / "copy")
    return tmp_path / "copy"


def again(folder, bench):
    return bare(compare(bench, SWIFT, folder=folder, **SHORT))


def test_a_torn_last_line_is_dropped_wherever_it_is_torn(copy, short, analog):
    path = copy / "runs" / "evolution-1.jsonl"
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    last = content.rstrip(b"\n").rfind(b"\n") + 1
    for cut in [
        0,
        1,
        last - 1,
        last,
        last + 3,
        len(content) - 1,
        *rng.integers(len(content), size=4),
    ]:
        path.write_bytes(content[:cut])
        assert again(copy, analog) == short[1]
        assert path.read_bytes().splitlines()[:-1] == content.splitlines()[:-1]


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize(
    "line", ["", "{", "[1]", "3", "null", '{"cell": "odd"}', '{"index": 3}', "é\x00"]
)
def test_a_corrupted_middle_line_is_a_clear_error(copy, analog, ended, line):
    path = copy / "runs" / "random-0.jsonl"
    lines = path.read_text().splitlines()
    lines[70] = line
    path.write_text("\n".join(lines if ended else lines[:-1]) + "\n")
    with pytest.raises(
        UserError,
        match=r"random-0\.jsonl .*(Delete it and repeat|differs from this run)",
    ):
        again(copy, analog)
