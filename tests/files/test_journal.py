"""The journal: it goes on after a crash, drops a torn line, and refuses what is damaged or of other
work.
"""

import errno
import json
import math
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import Journal
from surrogate_nas.files import journal as module
from surrogate_nas.files.formats import stamp

SETTINGS = {"task": "digits", "sizes": (3, 4)}


@pytest.fixture
def path(tmp_path):
    """A journal of two entries."""
    with Journal(
        tmp_path / "folder" / "work.jsonl", SETTINGS, {"begun": "today"}
    ) as journal:
        journal.append({"value": 1})
        journal.append([2, None])
    assert journal.path is not None
    return journal.path


def test_work_goes_on_where_it_stopped(path):
    with Journal(path, SETTINGS, {"begun": "tomorrow"}) as journal:
        assert journal.entries == [{"value": 1}, [2, None]]
        settings = {"task": "digits", "sizes": [3, 4]}
        assert journal.header == {
            **stamp("journal"),
            "settings": settings,
            "begun": "today",
        }
        journal.append("third")
    with Journal(path, SETTINGS) as journal:
        assert journal.entries == [{"value": 1}, [2, None], "third"]


@pytest.mark.parametrize("torn", [b"{", b'{"value": 3}', b"\xff"])
def test_a_torn_last_line_is_dropped(path, torn):
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    with Journal(path, SETTINGS) as journal:
        assert len(journal.entries) == 2
        assert path.read_bytes() == whole


def test_only_a_line_with_nan_or_half_a_letter_takes_the_slower_parser(
    tmp_path, monkeypatch
):
    lines = [{"loss": 0.1, "text": "é\ud800"}, {"loss": float("nan")}, {"n": 2**70}]
    content = module.sealed(
        b"".join(json.dumps(line).encode() + b"\n" for line in lines), "root"
    )
    slow = []
    parse = json.loads

    def counted(body):
        slow.append(body)
        return parse(body)

    monkeypatch.setattr(json, "loads", counted)
    read = module.read_chain(content, "root")
    assert read[0] == lines[0] and math.isnan(read[1]["loss"]) and read[2] == lines[2]
    assert slow == [b'{"loss": 0.1, "text": "\\u00e9\\ud800"}', b'{"loss": NaN}']


def test_a_torn_first_line_begins_anew(tmp_path):
    path = tmp_path / "work.jsonl"
    path.write_bytes(b'{"settings": {"ta')
    with Journal(path, SETTINGS) as journal:
        journal.append(1)
    with Journal(path, SETTINGS) as journal:
        assert journal.entries == [1]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    "line", [b"nonsense", b"", b"\xff", b"[]", b"{}", b'{"settings": 3}']
)
def test_a_damaged_line_is_told(path, number, line):
    lines = path.read_bytes().splitlines()
    lines[number] = line
    path.write_bytes(damaged := b"\n".join([*lines, b""]))
    with pytest.raises(
        UserError, match="is damaged .* Delete it to start from scratch"
    ):
        Journal(path, SETTINGS)
    assert path.read_bytes() == damaged


def test_other_settings_are_refused_by_name_and_the_file_is_left_alone(path):
    path.write_bytes(kept := path.read_bytes() + b"torn")
    with pytest.raises(UserError, match=r"other settings \(more, sizes\)"):
        Journal(path, {**SETTINGS, "sizes": (3, 5), "more": True})
    with pytest.raises(UserError, match=r"other settings \(sizes\)"):
        Journal(path, {"task": "digits"})
    assert path.read_bytes() == kept


def test_a_journal_without_an_entry_leaves_no_file(tmp_path):
    with Journal(tmp_path / "work.jsonl", SETTINGS):
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_without_a_path_everything_stays_in_memory():
    with Journal(None, SETTINGS) as journal:
        journal.append(1)
    assert journal.entries == [1] and journal.path is None


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "work.jsonl", tmp_path):
        with pytest.raises(UserError, match="Cannot write .*: ") as caught:
            Journal(path, SETTINGS)
        assert "\n" not in str(caught.value)


def test_a_line_is_in_the_file_at_once(path):
    with Journal(path, SETTINGS) as journal:
        for number in range(100):
            journal.append(f"line {number}")
        assert b"line 99" in path.read_bytes()


@pytest.mark.parametrize("call", ["append", "close"])
def test_a_line_that_does_not_fit_leaves_what_was_there(path, monkeypatch, call):
    whole = path.read_bytes()
    journal = Journal(path, SETTINGS)
    write = os.write

    def full(file, content):
        if len(content) < 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, content[:10])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(UserError, match="Cannot write .*: No space left on device"):
        journal.append("lost")
    monkeypatch.undo()
    if call == "append":
        with pytest.raises(UserError, match="an earlier write failed"):
            journal.append("more")
    journal.close()
    assert path.read_bytes() == whole


BURST = """
import os, signal, sys
from pathlib import Path
from surrogate_nas.files import Journal

journal = Journal(Path(sys.argv[1]), {"task": "digits"})
for number in range(100):
    journal.append(number)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_no_line(tmp_path):
    path = tmp_path / "work.jsonl"
    ended = subprocess.run([sys.executable, "-c", BURST, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert Journal.read(path, {"task": "digits"}) == [*range(100)]


def test_a_line_that_comes_after_a_pause_is_on_the_disk(path, monkeypatch):
    synced = []
    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(module, "sync", synced.append)
    counts = []
    with Journal(path, SETTINGS) as journal:
        for now[0] in (0.1, 0.3, 0.4):
            journal.append("a line")
            counts.append(len(synced))
    assert counts == [0, 1, 1] and len(synced) == 2
