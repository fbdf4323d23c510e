"""Files of every release are read by this one, with the values noted beside them; newer and older
ones are told.
"""

import json
import re
import shutil
import sqlite3
from contextlib import closing

import h5py
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.trained import _sealed
from surrogate_nas.core.errors import UserError
from surrogate_nas.files.formats import FORMATS, RELEASE
from surrogate_nas.files.zipped import read_zip, write_zip
from surrogate_nas.results.archive import MANIFEST
from tests.formats import FILES, FOLDER, tiny_home

UPDATE = "update the clone (git pull) and run pip install . in it."
RELEASES = sorted(
    path.name for path in FOLDER.iterdir() if (path / "expected.json").is_file()
)
HELD = [
    (release, name)
    for release in RELEASES
    for name in FILES
    if (FOLDER / release / name).exists()
]


@pytest.fixture
def copied(request, tmp_path):
    """The file of a release, where it may be written beside it."""
    release, name = request.param
    target = tmp_path / name
    source = FOLDER / release / name
    (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    with tiny_home(FOLDER / release / "table.h5"):
        yield target


def same(found, expected):
    """Whether two trees of plain values are alike, numbers up to the rounding of another
    processor.
    """
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            same(found[key], expected[key]) for key in expected
        )
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return bool(
        found
        == (
            pytest.approx(expected, rel=1e-6, abs=1e-9)
            if isinstance(expected, float)
            else expected
        )
    )


def test_this_release_has_a_file_of_every_format():
    assert {
        FILES[name].format for release, name in HELD if release == sn.__version__
    } == set(FORMATS)
    assert (
        sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
        < 500_000
    )


@pytest.mark.parametrize("copied", HELD, indirect=True, ids="/".join)
def test_what_a_release_wrote_is_read(copied, request):
    release, name = request.node.callspec.params["copied"]
    expected = json.loads((FOLDER / release / "expected.json").read_text())[name]
    assert same(json.loads(json.dumps(FILES[name].read(copied))), expected)


def marked(path, version, release):
    """Let a file say that it is of another version, as its format says so."""
    if path.suffix in (".h5", ".surrogate"):
        with h5py.File(path, "a") as file:
            file.attrs["version"] = version
            file.attrs.modify(
                RELEASE, file.attrs[RELEASE].__class__(release.ljust(5)[:5].encode())
            )
        return
    if path.name == "answers.sqlite":
        with closing(sqlite3.connect(path)) as database, database:
            ((line,),) = database.execute("SELECT value FROM answers")
            *answer, notes = json.loads(line.partition(b" ")[2])
            notes |= {"version": version, RELEASE: release}
            database.execute(
                "UPDATE answers SET value = ?", [_sealed(json.dumps([*answer, notes]))]
            )
        return
    if path.suffix == ".zip":
        members = dict(read_zip(path))
        said = json.loads(members[MANIFEST]) | {"version": version, RELEASE: release}
        write_zip(path, (members | {MANIFEST: json.dumps(said).encode()}).items())
        return
    for file in [path] if path.is_file() else path.rglob("experiment.json"):
        first, _, rest = (
            file.read_text().partition("\n")
            if file.suffix == ".jsonl"
            else (file.read_text(), "", "")
        )
        content = json.loads(first) | {"version": version, RELEASE: release}
        file.write_text(json.dumps(content) + "\n" + rest)


UNVERSIONED = b"""\
{"settings": {"task": "digits", "epochs": 3}, "card": {"cores": 2}, "seal": "86bd8c29f8aee67d"}
{"entry": {"class": 11, "metrics": [1.5, null]}, "seal": "cb9f26f3a6569519"}
{"entry": "\\u00e9", "seal": "75d61a7db5f06896"}
"""
CURRENT = [(sn.__version__, name) for name in FILES]


@pytest.mark.parametrize("copied", CURRENT, indirect=True, ids="/".join)
def test_a_newer_version_names_the_release_that_reads_it(copied):
    own = FORMATS[FILES[copied.name].format].version
    marked(copied, own + 1, "9.8.7")
    with pytest.raises(UserError) as refused:
        FILES[copied.name].read(copied)
    said = str(refused.value)
    assert (
        f"of version {own + 1}; this release reads version {own}." in said
        and "\n" not in said
    )
    newer = f"A newer release wrote it, 9.8.7; this is {sn.__version__}"
    assert said.endswith(f"{newer}: {UPDATE}")


@pytest.mark.parametrize("copied", CURRENT, indirect=True, ids="/".join)
def test_an_older_version_says_how_it_is_carried_over(copied):
    format_ = FORMATS[FILES[copied.name].format]
    marked(copied, 0, "0.0.1")
    with pytest.raises(
        UserError, match=re.escape(f"reads version {format_.version}. {format_.older}")
    ):
        FILES[copied.name].read(copied)


@pytest.mark.parametrize("copied", [(sn.__version__, "comparison")], indirect=True)
@pytest.mark.parametrize("release", ["", "9.9; rm -rf /", None, 3, "9" * 50])
def test_a_release_that_is_none_is_not_repeated(copied, release):
    marked(copied, 99, release)
    with pytest.raises(
        UserError, match=rf"release wrote it; this is .*: {re.escape(UPDATE)}$"
    ):
        FILES["comparison"].read(copied)


@pytest.mark.parametrize(
    "copied",
    [(sn.__version__, "journal.jsonl"), (sn.__version__, "space.json")],
    indirect=True,
)
def test_files_from_before_they_said_a_version_are_of_the_first(copied):
    expected = json.loads((FOLDER / sn.__version__ / "expected.json").read_text())[
        copied.name
    ]
    if copied.suffix == ".json":
        entry = json.loads(copied.read_text())
        copied.write_text(json.dumps({key: entry[key] for key in ("file", "object")}))
    else:
        copied.write_bytes(UNVERSIONED)
    assert FILES[copied.name].read(copied) == expected
