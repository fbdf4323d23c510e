"""The scale of regret: what it costs, when it is made, and when a folder's record of it counts."""

from functools import partial

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.core.metrics import metric_named
from surrogate_nas.results.archive import create, opened
from surrogate_nas.runs import scale
from surrogate_nas.runs.options import Budget
from surrogate_nas.runs.store import Store
from surrogate_nas.tables import Table, write_table
from tests.forging import resealed

compare = partial(sn.compare, "fashion", ["random"], "valid_loss", runs=2)


@pytest.fixture
def curves(monkeypatch):
    """The curves of random sampling that are computed."""
    made = []
    expected = scale.expected

    def counted(*given):
        made.append(expected(*given))
        return made[-1]

    monkeypatch.setattr(scale, "expected", counted)
    return made


def objective_of(loss, folder):
    """The loss of a table with so many cells."""
    space = sn.ChoiceSpace("line", {"a": range(len(loss) // 100), "b": range(100)})
    table = Table("line", space.definition, "t", "s", cost="queries")
    table.add(metric_named("valid_loss"), 5, loss)
    write_table(table, folder / "line.h5")
    return sn.Objective("valid_loss", sn.load(str(folder / "line.h5")))


@pytest.mark.parametrize("worst", [50.0, 1e30])
def test_the_curve_of_random_sampling_sums_what_counts(worst, tmp_path, monkeypatch):
    loss = np.repeat(np.random.default_rng(0).normal(20, 3, 5_000), 2)
    loss[7] = worst
    objective = objective_of(loss, tmp_path)
    taken = []
    exp = np.exp

    def counted(values):
        taken.append(len(values))
        return exp(values)

    monkeypatch.setattr(np, "exp", counted)
    curve = scale.expected(objective, Budget(1000), 0.0)
    limit = 45 + np.log(worst)
    assert sum(taken) < len(np.unique(loss)) * limit * (1 + np.log(1000 / limit))
    loss.sort()
    missed = np.log1p(-np.arange(1, 10_000) / 10_000)
    for cells in (1, 2, 10, 150, 1000):
        whole = (exp(cells * missed) * np.diff(loss)).sum()
        assert curve[cells - 1] - loss[0] == pytest.approx(whole, rel=1e-12)


def test_where_all_cells_score_alike_the_curve_is_flat(tmp_path):
    objective = objective_of(np.full(100, 3.0), tmp_path)
    assert (scale.expected(objective, Budget(4), 3.0) == 3.0).all()


def test_a_folder_records_the_curve_once_and_after_its_runs(tmp_path, curves):
    folder = tmp_path / "out"

    def stop(event):
        if event.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(budget=20, folder=folder, callback=stop)
    assert not curves and not Store(folder).read().get("reference")
    made = compare(budget=20, folder=folder)
    assert len(curves) == 1
    assert Store(folder).read()["reference"]["random"] == curves[0].tolist()
    for result in (made, compare(budget=20, folder=folder), sn.read(folder)):
        reference = result.problem_result.reference
        assert (reference.random == curves[0]).all() and reference.exact
    assert len(curves) == 1
    longer = compare(budget=30, folder=folder)
    assert len(longer.problem_result.reference.random) == 30 and len(curves) == 2
    alone = compare(budget=30)
    assert alone.problem_result.reference.scale == longer.problem_result.reference.scale


def test_a_search_makes_no_curve_for_its_folder(tmp_path, curves):
    sn.search("fashion", "random", "valid_loss", budget=20, folder=tmp_path / "out")
    assert not curves
    run = sn.read(tmp_path / "out")
    assert len(run.curves()) == 20 and len(curves) == 1


def test_a_suite_makes_one_curve_for_each_problem(tmp_path, curves):
    problems = [
        sn.Problem("fashion", f"valid_{n}", budget=12) for n in ("loss", "error")
    ]
    for _ in range(2):
        result = sn.run_suite(problems, ["random"], runs=1, folder=tmp_path / "out")
        assert len(curves) == 2
    assert sn.read(tmp_path / "out").means().equals(result.means())
    assert len(curves) == 2


def test_a_record_counts_only_in_a_folder_of_ones_own(tmp_path, curves):
    made = compare(budget=20, folder=tmp_path / "out")
    true = made.problem_result.reference
    resealed(
        Store(tmp_path / "out"), lambda content: content["reference"].update(scale=9.0)
    )
    assert sn.read(tmp_path / "out").problem_result.reference.scale == 9.0
    create(tmp_path / "out", tmp_path / "out.zip")
    with opened([tmp_path / "out.zip"]) as (folder,):
        assert sn.read(folder).problem_result.reference.scale == true.scale
    path = tmp_path / "out" / "experiment.json"
    path.write_text(path.read_text().replace("9.0", "8.0"))
    with pytest.raises(sn.UserError, match="its checksum is wrong"):
        sn.read(tmp_path / "out")


@pytest.mark.parametrize("policy", ["mean", "draw"])
def test_a_history_takes_hypervolumes_where_the_front_changes(policy, monkeypatch):
    found = sn.compare(
        "fashion",
        ["nsga2"],
        "valid_error, latency@cpu",
        runs=1,
        budget=200,
        seed_policy=policy,
    )
    (run,) = found.runs
    taken = []
    missed = scale.Frame.missed

    def counted(frame, vectors):
        taken.append(missed(frame, vectors))
        return taken[-1]

    monkeypatch.setattr(scale.Frame, "missed", counted)
    history = run.anytime(found.frame).score
    assert len(taken) < 50
    each = [
        missed(found.frame, scale.vectors_of(run.contenders(n))) for n in range(1, 201)
    ]
    assert history.tolist() == each
