"""LCDB: tables that are assembled when first used, and bad archives of a few rows."""

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE, table_path
from surrogate_nas.space import Sampled, space_named
from surrogate_nas.tables import ColumnKey
from surrogate_nas.tables.sources import fetching, lcdb
from tests.archives import tarred

NAME = "lcdb/0.1.0/lcdb-0.1.0.tar.gz"
HEAD = (
    "openmlid,learner,size_train,size_test,outer_seed,inner_seed,traintime,"
    "score_train,score_valid,score_test"
)


def column(table, metric, epochs, seed="mean"):
    return table.columns[ColumnKey(metric, epochs, seed)]


# An archive of a few rows


def made(data, learner, scores, size=16, seed=0):
    outer, inner = divmod(seed, 5)
    return f"{data},{learner},{size},100,{outer},{inner},0.25,{scores}"


def sheets():
    """Two learners of two sizes; one failed at the larger in the second split."""
    tree, bayes = (
        "sklearn.tree.DecisionTreeClassifier",
        "sklearn.naive_bayes.BernoulliNB",
    )
    accuracy = [
        made(44, tree, "1.0,0.7,0.6"),
        made(44, tree, "1.0,0.8,0.7", seed=7),
        made(44, tree, "1.0,0.9,0.8", size=64),
        made(44, bayes, "0.9,0.75,0.65"),
        made(44, bayes, "0.8,0.65,0.55", seed=7),
        made(44, bayes, "0.9,0.85,0.75", size=64),
        made(44, bayes, "0.9,0.95,0.85", size=64, seed=7),
        made(44, "SVC_rbf", "0.9,0.8,0.7"),
        "44,SVC_rbf,16,100,0,5,0.25,0.1,0.1,0.1",
        made(3, tree, "1.0,0.5,0.5"),
    ]
    empty = [made(44, tree, ",,")]
    return {"accuracy": accuracy, "logloss": accuracy, "auc": empty, "f1": accuracy[:2]}


def archived(path, written, head=HEAD):
    path.parent.mkdir(parents=True, exist_ok=True)
    members = [("lcdb-0.1.0/lcdb/datasets.csv", b"no scores")]
    for kind, lines in written.items():
        content = "\n".join([head, *lines]) + "\n"
        members.append((f"lcdb-0.1.0/lcdb/database-{kind}.csv", content.encode()))
    return tarred(path, members, "w:gz")


@pytest.fixture
def small(fresh_home, monkeypatch):
    """A home where the small archive lies as if it were fetched."""
    monkeypatch.setattr(fetching, "_sha256", lambda *_: fetching.registry("lcdb")[NAME])
    return archived(fresh_home / "fetched" / NAME, sheets())


def test_means_are_of_the_splits_that_are_there(small):
    table = lcdb.table_of_set("lcdb-44", lcdb.read_archive(small))
    space = space_named(table.space)
    assert isinstance(space, Sampled)
    learners = [str(cell) for cell in space]
    assert learners == [
        "lcdb(learner=SVC_rbf)",
        "lcdb(learner=BernoulliNB)",
        "lcdb(learner=DecisionTreeClassifier)",
    ]
    valid = column(table, "valid_error", 16)
    assert valid == pytest.approx([20.0, 30.0, 25.0])
    assert table.n_seeds["valid_error", 16].tolist() == [1, 2, 2]
    assert column(table, "valid_error", 64) == pytest.approx(
        [np.nan, 10.0, 10.0], nan_ok=True
    )
    assert table.n_seeds["valid_error", 64].tolist() == [0, 2, 1]
    second = column(table, "test_error", 64, 7)
    assert second == pytest.approx([np.nan, 15.0, np.nan], nan_ok=True)
    assert column(table, "train_seconds", 16) == pytest.approx([0.25] * 3)
    assert column(table, "gives_probabilities", None).tolist() == [0.0, 1.0, 1.0]
    assert table.objective == "valid_error[16]", (
        "the largest size that all learners have"
    )
    assert "valid_auc" not in table.metrics and "valid_f1" in table.metrics
    finals = {name for name, metric in table.metrics.items() if metric.kind == "final"}
    assert finals == {"test_error", "test_loss", "test_f1"}
    assert "leak" in table.banner


def test_a_table_is_assembled_when_it_is_first_used(small):
    assert small.is_file() and not table_path("lcdb-44").exists()
    assert fetching.is_ready("lcdb") and not fetching.lacks("lcdb")
    assert fetching.how_to_get("lcdb") == "fetched; assembled when first used"
    bench = sn.load("lcdb-44")
    assert (
        len(bench.space) == 3
        and bench.licence == "MIT"
        and table_path("lcdb-44").is_file()
    )
    assert (
        bench.query(
            "lcdb(learner=BernoulliNB)", "test_error", epochs=64, training_seed=0
        ).value
        == 25.0
    )
    assert not table_path("lcdb-3").exists()


@pytest.mark.usefixtures("fresh_home")
def test_without_the_archive_it_is_said_how_to_get_it():
    with pytest.raises(UserError, match=r"run snas data fetch lcdb \(68 MB\)"):
        sn.load("lcdb-44")
    with pytest.raises(UserError, match="is missing: run snas data fetch lcdb"):
        lcdb.read("lcdb-44")


def test_what_pip_cannot_download_is_one_line(tmp_path, monkeypatch):
    for name in ("index", "mirror"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, str(tmp_path / "mirror"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    with pytest.raises(
        UserError,
        match=r"Cannot fetch lcdb/0\.1\.0/.*: pip's index has no .*, set",
    ) as told:
        fetching.fetch("lcdb")
    assert "\n" not in str(told.value)


HOSTILE = {
    "pyproject.toml": """[build-system]
requires = []
build-backend = "build"
backend-path = ["."]
""",
    "build.py": "import os, pathlib\npathlib.Path(os.environ['RAN']).write_text('it ran')",
    "setup.py": "import os, pathlib\npathlib.Path(os.environ['RAN']).write_text('it ran')",
    "PKG-INFO": "Metadata-Version: 2.1\nName: lcdb\nVersion: 0.1.0",
}


@pytest.mark.parametrize("is_index", [True, False])
def test_no_code_of_another_archive_runs(is_index, tmp_path, monkeypatch):
    index = tmp_path / "index"
    (index / "lcdb").mkdir(parents=True)
    (tmp_path / "mirror").mkdir()
    place = (index / "lcdb" if is_index else index) / "lcdb-0.1.0.tar.gz"
    members = [(f"lcdb-0.1.0/{name}", text.encode()) for name, text in HOSTILE.items()]
    tarred(place, members, "w:gz")
    (index / "lcdb/index.html").write_text(f'<a href="{place.name}">{place.name}</a>')
    settings = {"PIP_INDEX_URL": index.as_uri()}
    if not is_index:
        settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    for name, value in {**settings, "RAN": str(tmp_path / "ran")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, str(tmp_path / "mirror"))
    with pytest.raises(UserError) as refused:
        fetching.fetch("lcdb")
    assert not (tmp_path / "ran").exists(), "its build backend ran"
    assert str(refused.value).startswith(
        f"{place.as_uri()} was altered: its sha256 is not 450ea69b"
    )
    assert not list((tmp_path / "home").rglob("*.gz"))
