"""What lists remember of tables: the same as what is opened, until the file changes."""

import json
import os

import pytest

from surrogate_nas.benchmarks import available, load
from surrogate_nas.benchmarks.sourced import _known, entry_of, remember
from surrogate_nas.files import shipped, table_path

CSV = 'cell,valid_error[2],latency@mine\n"conv_stack(layers=1, channels=4)",{},1.5\n'


@pytest.fixture
def place(fresh_home):
    """Where lists are remembered, in a home of one's own; nothing is yet."""
    (fresh_home / "listed.json").unlink()
    return fresh_home / "listed.json"


def imported(snas, folder, error, name="mine"):
    """A table of one cell's error."""
    (folder / f"{name}.csv").write_text(CSV.format(error))
    assert (
        snas("data", "import", "csv", folder / f"{name}.csv", "--space", "macro").code
        == 0
    )
    return table_path(name)


def entry(name):
    return next(entry for entry in available() if entry["name"] == name)


def test_a_list_is_the_same_when_it_is_remembered(place, snas, tmp_path):
    path = imported(snas, tmp_path, 30.0)
    first = available()
    again = available()
    assert first == again and place.is_file()
    _known.cache_clear()  # as another process has it
    assert json.dumps(available()) == json.dumps(first)
    assert entry("mine") == load("mine").describe()

    never = entry_of("mine", path, lambda: pytest.fail("it was opened again"))
    assert never == entry("mine")
    os.utime(path, ns=(1, 1))
    assert entry_of("mine", path, lambda: load("mine"))["cells"] == 36

    path.write_bytes(path.read_bytes()[:3000])
    assert not entry("mine")["available"] and "damaged" in entry("mine")["title"]
    path.unlink()
    assert "mine" not in {entry["name"] for entry in available()}


@pytest.mark.parametrize(
    "content", ["[1, 2]", '{"a": 1}', '[null, {"fashion": [1, 2]}]', "[" * 10**5]
)
def test_a_spoilt_memory_is_none(content, place):
    place.write_text(content)
    _known.cache_clear()
    told = entry_of("fashion", shipped("fashion.h5"), lambda: load("fashion"))
    remember()
    assert told["cells"] == 15625
    assert json.loads(place.read_text())[1]["fashion"][1]["cells"] == 15625


def test_what_cannot_be_remembered_is_told_all_the_same(place):
    place.mkdir()
    _known.cache_clear()
    assert entry_of("fashion", shipped("fashion.h5"), lambda: load("fashion"))[
        "available"
    ]
    remember()
    assert not list(place.iterdir())
