"""Replacing files whole: with the permissions of any new file, and nobody else's in between."""

import os
import stat
import sys

import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import replacing, write_whole


@pytest.fixture(params=[0o022, 0o077, 0o007], ids=oct)
def mask(request):
    before = os.umask(request.param)
    pause = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield int(request.param)
    sys.setswitchinterval(pause)
    os.umask(before)


def permissions(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_gets_the_permissions_of_any_new_file(tmp_path, mask):
    for _ in range(2):
        assert permissions(write_whole(tmp_path / "new.txt", "x")) == 0o666 & ~mask
    with replacing(tmp_path / "other.txt") as temporary:
        assert permissions(temporary) & mask == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.txt", "other.txt"]


def test_an_interrupted_block_leaves_what_was_there(tmp_path):
    path = write_whole(tmp_path / "rows.json", "the old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise KeyboardInterrupt
    assert path.read_text() == "the old" and [*tmp_path.iterdir()] == [path]


def test_what_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / ("x" * 300), tmp_path / "folder"):
        with pytest.raises(UserError, match="Cannot write .* It was not changed"):
            write_whole(path, "x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
