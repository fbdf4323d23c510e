"""Controls, searches, shares of variance, other people's data, short runs and another space."""

import ast
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.answer import optima as picks
from analysis.answer import replications as outside
from analysis.answer import searching
from analysis.answer.contrasts import second_space
from analysis.answer.controls import _Fast, controls
from analysis.answer.orders import CONTRASTED, MATCHED, judge
from analysis.answer.reading import designed, places_in, read_tables, stored
from analysis.answer.replications import judge as judge_columns
from analysis.answer.replications import (
    lacking,
    replications,
)
from analysis.answer.searching import (
    HEADS,
    SEEDS,
    SIGNALS,
    make_searches,
    read_searches,
)
from analysis.answer.variance import components, gains, shares, switches
from surrogate_nas.files.whole import HOME_VARIABLE
from surrogate_nas.tables import read_compact
from surrogate_nas.tables.sources import lcdb
from tests.answer import independent
from tests.answer.simulated import effects, write_lcdb, write_others, write_simulated

SHIPPED = Path(__file__).parents[2] / "data"
TASKS = ["rotation", "mnist1d", "text", "splice", "glyphs"]
FETCHED_VARIABLE = "SURROGATE_NAS_FETCHED"
"""Names a home whose tables of other people are recomputed too."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("tables")
    write_simulated(made, effects(TASKS), losses=("cross_entropy",), broken=False)
    write_simulated(made, effects(TASKS[:1]), lengths=(0.2,), broken=False)
    return made


@pytest.fixture(scope="module")
def judged(folder):
    return [judge(table, 100) for table in read_tables(folder)]


def test_a_control_has_the_difference_and_the_error_of_the_bootstrap(
    judged, monkeypatch
):
    fast = _Fast(judged[0], 100)
    monkeypatch.setattr(fast, "_drawn", lambda *_: iter(fast._goals))
    found = dict(fast.contrasts(np.random.default_rng(0), "labels"))
    assert list(found) == [*CONTRASTED, MATCHED]
    for name, values in found.items():
        expected = judged[0].taus[name]
        assert values[0] == pytest.approx(expected[0], abs=1e-6)
        error = np.sqrt(values[1:].var() * 100)
        assert error == pytest.approx(expected[1:].std(ddof=1), rel=0.25)


def test_controls_without_an_effect_decide_rarely_and_with_one_often(judged):
    usual = [one for one in judged if one.table.length == 1]
    found = controls(usual, 100, repeats=40).set_index("control")["any"]
    null = found.drop("an effect of .05, normal")
    # 5 % of 40 are 2; 9 or more come in one of 10,000
    assert (null <= 8 / 40).all()
    assert found["an effect of .05, normal"] > null.max()


def test_of_too_few_sources_there_is_no_control(judged):
    assert controls(judged[:2], 100, repeats=2).empty


def test_components_are_right_in_the_mean():
    rng = np.random.default_rng(0)
    each = []
    for _ in range(400):
        parts = rng.normal(0, 2, (3, 1, 1, 1)) + rng.normal(0, 1, (1, 7, 1, 1))
        together = rng.normal(0, 1.5, (3, 7, 4, 1))
        each.append(components(parts + together + rng.normal(0, 0.5, (3, 7, 4, 4))))
    mean = pd.DataFrame(each).mean()
    expected = {"signal": 4, "strategy": 1, "together": 2.25, "seed": 0.25}
    for name, variance in expected.items():
        assert mean[name] == pytest.approx(variance, rel=0.2), name
    assert mean["λ"] < 0.2


def test_searches_are_stored_gone_on_with_and_judged_by_other_seeds(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(searching, "STRATEGIES", ("random", "evolution"))
    monkeypatch.setattr(searching, "SWITCHED", ("hyperband",))
    monkeypatch.setattr(searching, "LAMBDAS", (0.0, 0.3))
    store = tmp_path / "searches.csv"
    make_searches(folder, store)
    lines = store.read_text(encoding="utf-8").splitlines()
    assert lines[0] == ",".join(HEADS)
    assert len(lines) == 1 + len(TASKS) * (len(SIGNALS) * 2 + 1) * 2 * SEEDS
    whole = store.read_bytes()
    store.write_text("\n".join(lines[:50]) + "\n", encoding="utf-8")
    make_searches(folder, store)
    again = store.read_text(encoding="utf-8").splitlines()
    assert again == lines and store.read_bytes().replace(b"\r", b"") == whole.replace(
        b"\r", b""
    )
    digests = {task: read_compact(folder / f"{task}.h5").digest for task in TASKS}
    found = read_searches(store, digests)
    assert len(found) == len(lines) - 1 and (found["regret"] >= 0).all()
    digests["text"] = "another table"
    assert set(read_searches(store, digests)["task"]) == {*TASKS} - {"text"}


def test_without_searches_nothing_is_said_of_them(tmp_path):
    none = read_searches(tmp_path / "none.csv", {})
    assert shares(none).empty and gains(none).empty and switches(none).empty


def test_the_script_that_recomputes_imports_nothing_of_what_it_checks():
    tree = ast.parse(Path(independent.__file__).read_text(encoding="utf-8"))
    names = {
        one.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for one in node.names
    }
    names |= {
        str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }
    others = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    assert others == {"h5py", "numpy", "pandas", "scipy"}


def assert_recomputed(frame, folder):
    """Each family's numbers are those of the tables in a home, by other means."""
    frame.to_csv(folder / "outside.csv", index=False)
    here = set(frame["family"])
    own = [line for line in independent.families(folder) if line["family"] in here]
    assert independent.differing(own, independent.rows(folder / "outside.csv")) == []


def test_lcdb_is_recomputed(tmp_path, monkeypatch):
    folder = tmp_path / "fetched/lcdb/0.1.0"
    folder.mkdir(parents=True)
    path = write_lcdb(folder / "lcdb-0.1.0.tar.gz", range(11, 16))
    sheets = lcdb.read_archive(path)
    entries = [{"name": f"lcdb-{data}", "available": True} for data in range(11, 16)]
    monkeypatch.setattr(outside, "tables", lambda: entries)
    monkeypatch.setattr("analysis.answer.replications.archive", lambda: sheets)
    frame = replications()
    assert len(frame) == 5 and (frame["family"] == "LCDB").all()
    assert (frame["sources"] == 5).all()
    assert_recomputed(frame, tmp_path)
    assert "TabM" in lacking(frame) and "LCDB" not in lacking(frame)


def test_tables_of_others_are_recomputed(fresh_home):
    write_others(fresh_home / "tables")
    frame = replications()
    found = frame.set_index(["family", "contrast"])
    assert found.loc[("TabM", "train"), ["tables", "sources"]].tolist() == [4, 3]
    assert {"fashion", "TabM", "NAS-Bench-NLP"} <= set(found.index.get_level_values(0))
    assert_recomputed(frame, fresh_home)


def test_families_that_are_not_here_stay_stored(fresh_home, tmp_path, monkeypatch):
    store = stored(tmp_path / "losses", "outside")
    write_others(fresh_home / "tables")
    monkeypatch.setattr(
        sys, "argv", ["replications", "--data", str(tmp_path / "losses")]
    )
    outside.main()
    first = outside.read_replications(store)
    shutil.rmtree(fresh_home / "tables")
    outside.main()
    assert "TabM" in set(first["family"])
    pd.testing.assert_frame_equal(outside.read_replications(store), first)


def test_what_is_stored_of_our_own_table_is_recomputed(fresh_home, tmp_path):
    """The families that come with the package, among all that are stored."""
    found = outside.read_replications(stored(SHIPPED / "losses", "outside"))
    assert not lacking(found) or set(lacking(found)) == {"ViT-Bench"}
    assert_recomputed(found[found["family"] == "fashion"], tmp_path)


@pytest.mark.slow
def test_fetched_tables_are_recomputed(tmp_path, monkeypatch):
    """Of a home with fetched data, which is only read."""
    fetched = os.environ.get(FETCHED_VARIABLE)
    if not fetched:
        pytest.skip(f"set {FETCHED_VARIABLE} to a home with other people's tables")
    (tmp_path / "tables").mkdir()
    (tmp_path / "fetched").symlink_to(Path(fetched) / "fetched")
    for path in (Path(fetched) / "tables").glob("*.h5"):
        (tmp_path / "tables" / path.name).symlink_to(path)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    frame = replications()
    assert len(set(frame["family"])) > 1
    assert_recomputed(frame, tmp_path)


def test_an_error_of_many_cells_is_scaled_from_some(monkeypatch):
    rng = np.random.default_rng(2)
    goal = rng.normal(size=(1, 1000))
    columns = {("valid", "measure", 100): goal + rng.normal(size=(1, 1000))}
    columns["test", "measure", 100] = goal
    (whole,) = judge_columns(columns).values()
    monkeypatch.setattr(outside, "_PAIRED", 400)
    (some,) = judge_columns(columns).values()
    assert len(some) == 401 and some[0] == pytest.approx(whole[0])
    errors = [np.sqrt((own[1:] ** 2).sum()) for own in (some, whole)]
    assert errors[0] == pytest.approx(errors[1], rel=0.15)


def test_another_space_is_told_apart(tmp_path):
    """Its classes are the first, those of the design's space the tested ones, in one folder."""
    some = effects(["rotation", "text"])
    write_simulated(tmp_path, some, losses=("cross_entropy",), broken=False)
    write_simulated(
        tmp_path,
        effects(["rotation"]),
        classes=range(36),
        losses=("cross_entropy",),
        broken=False,
        space="macro",
    )
    tables = {table.name: table for table in read_tables(tmp_path)}
    assert set(tables) == {"rotation", "rotation-macro", "text"}
    assert len(tables["rotation"].classes) == len(tables["text"].classes) == 100
    assert np.array_equal(tables["rotation-macro"].classes, np.arange(36))
    found = second_space([judge(table, 100) for table in tables.values()])
    assert set(found["space"]) == {"macro"} and len(found) == 4
    assert places_in("macro", range(50, 150)) == range(100)


def test_a_pick_among_all_classes(tmp_path, monkeypatch):
    monkeypatch.setattr(picks, "_FEWEST", 60)
    write_simulated(tmp_path, effects(["rotation"]), classes=range(80), broken=False)
    write_simulated(tmp_path, effects(["digits"]), classes=range(50), broken=False)
    found = picks.optima(tmp_path)
    assert set(found["task"]) == {"rotation"} and set(found["classes"]) == {80}
    found.to_csv(tmp_path / "optima.csv", index=False)
    again = independent.optima(tmp_path, fewest=60)
    assert independent.differing(again, independent.rows(tmp_path / "optima.csv")) == []


def test_the_design_is_counted_among_the_classes_that_are_looked_at():
    wanted = designed()
    assert (
        wanted["digits", "cross_entropy"] == wanted["digits-x4", "cross_entropy"] == 400
    )
    assert wanted["rotation-x0.2", "squared"] == 400
    assert wanted["digits-macro", "cross_entropy"] == 2 * 36, (
        "the space has no more cells"
    )
    assert ("digits-x4", "focal") not in wanted and wanted["digits", "focal"] == 400
