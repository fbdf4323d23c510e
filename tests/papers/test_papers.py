"""The redone papers on real data: their rows, their conventions and their verdicts."""

import json

import pytest

import surrogate_nas as sn
from analysis.papers import nb101, predictors
from analysis.papers.common.paper import Work
from analysis.papers.common.searches import Search, run_searches
from surrogate_nas.files import table_path
from surrogate_nas.tables import write_table
from surrogate_nas.tables.sources import nb101 as nb101_source
from tests.papers import rows_of


@pytest.mark.slow
def test_the_nas_bench_201_table_stands_beside_the_published_one(fetched, tmp_path):
    assert fetched
    every = rows_of("nb201", tmp_path, runs=4)
    assert {metric for *_, metric in every} == {"test_accuracy"}
    rows = {key[:2]: row for key, row in every.items()}
    random = rows["random search", "CIFAR-10"]
    assert (random.published, random.published_std, random.runs) == (93.70, 0.36, 4)
    assert random.evaluations == pytest.approx(106, abs=3)
    for method, dataset, ours, error in (
        ("random search", "CIFAR-10", 93.75, 0.45),
        ("DARTS V1/V2, ENAS (all-skip cell)", "CIFAR-100", 15.61, 0.01),
        ("optimum", "ImageNet16-120", 47.3111, 1e-4),
        ("BOHB", "CIFAR-10", 93.8, 0.4),
        ("zero-cost BO (ours), 3,051 s", "CIFAR-10", 94.37, 0.05),
        ("best by the reward", "CIFAR-100", 73.09, 0.01),
    ):
        assert rows[method, dataset].ours == pytest.approx(ours, abs=error), method
    bohb = rows["BOHB", "CIFAR-10"]
    assert bohb.published == 93.61 and bohb.evaluations == pytest.approx(103, abs=4)
    plain = rows["BO (ours)", "CIFAR-10"]
    noisy = rows["BO (ours), one seed's noise put back", "CIFAR-10"]
    assert plain.runs == noisy.runs == 4 and (noisy.ours or 0) < (plain.ours or 0)
    for said in ("REA's published 93.92", "RoBoT 94.36"):
        assert said in noisy.verdict
    assert "p " not in noisy.verdict
    assert "RoBoT 94.36" in rows["zero-cost BO (ours), 3,051 s", "CIFAR-10"].verdict
    assert rows["RoBoT, 3,051 s", "CIFAR-100"].published == 73.51
    stored = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert stored[0]["metric"] == "test_accuracy"
    assert "| random search | CIFAR-10 |" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "curves.png").stat().st_size > 20_000


def test_finished_searches_are_kept_and_read_at_any_time(fetched, tmp_path):
    assert fetched
    search = Search("nb201-cifar10", "valid_error[12]", "random", 3000.0)
    calls = []
    for n in (2, 3, 3):
        found = run_searches(
            {search: n},
            "runs.jsonl",
            Work(tmp_path, progress=lambda *c: calls.append(c)),
        )
    assert calls[0] == (0, 2) and (2, 3) in calls and calls[-1] == (3, 3), (
        "only what is missing is made"
    )
    runs = found[search]
    assert (
        len(runs) == 3
        and runs[0].incumbent_at(1.0) is None
        and runs[0].cells_at(1.0) == 0
    )
    errors = sn.load("nb201-cifar10").column("valid_error", 12)
    best = [
        errors[[run.incumbent_at(seconds) for run in runs]]
        for seconds in (1000.0, 2000.0, 3000.0)
    ]
    assert (best[0] >= best[1]).all() and (best[1] >= best[2]).all()
    assert 20 < runs[0].cells_at(3000.0) == len(runs[0].finished) < 35


@pytest.mark.slow
def test_the_nats_bench_protocol_searches_on_each_data_set(fetched, tmp_path):
    assert fetched
    rows = rows_of("nats", tmp_path, runs=1)
    accuracy = {key[:2]: row for key, row in rows.items() if row.ours is not None}
    assert {("REA", "CIFAR-100"), ("BO (ours)", "ImageNet16-120")} <= set(accuracy)
    for row in rows.values():
        assert row.published is None or row.method == "MF-NAS" or row.mark == "?"
    cells = accuracy["random search", "CIFAR-10"].evaluations
    assert cells == pytest.approx(20_000 / 112.84, rel=0.1)


@pytest.mark.slow
def test_predictors_stand_beside_the_published_ones(fetched, tmp_path, monkeypatch):
    assert fetched
    monkeypatch.setattr(predictors, "SIZES", (78,))
    monkeypatch.setattr(predictors, "MODELS", ("ridge", "gp"))
    rows = rows_of("predictors", tmp_path, runs=2)
    ours = rows["gp (ours)", "CIFAR-10", "kendall@78"]
    assert ours.runs == 2 and ours.evaluations == 78
    assert (
        ours.ours is not None and 0.6 < ours.ours < 0.9 and "from PINAT" in ours.verdict
    )
    assert rows["PINAT", "CIFAR-10", "kendall@1563"].published == 0.784
    assert rows["NAR-Former", "CIFAR-10", "kendall@1563"].mark == "?"
    ceiling = rows[
        "valid_error as the mean of isomorphic cells", "CIFAR-10", "kendall@15625"
    ].ours
    assert ceiling == pytest.approx(0.90, abs=0.005)
    assert ("ridge (ours)", "ImageNet16-120", "kendall@78") in rows
    unseen = rows["gp (ours)", "CIFAR-10", "kendall_unseen@78"].ours
    assert unseen is not None and 0.6 < unseen < 0.9
    half = rows["gp (ours)", "CIFAR-10", "kendall_top_half@78"].ours
    assert half is not None and half < unseen
    assert (tmp_path / "predictors.png").stat().st_size > 20_000


@pytest.mark.slow
def test_predictors_on_nb101_stand_beside_what_needs_no_model(
    fetched_nb101, tmp_path, monkeypatch
):
    assert fetched_nb101
    write_table(nb101_source.read("nb101"), table_path("nb101"))
    monkeypatch.setattr(nb101, "SIZES", (78,))
    monkeypatch.setattr(nb101, "TENTH_MODELS", ())
    monkeypatch.setattr(nb101, "MODELS", ("gp",))
    rows = rows_of("nb101", tmp_path, runs=2)
    by = {(method, metric): row for (method, _, metric), row in rows.items()}
    ours = by["gp (ours)", "kendall@78"]
    assert ours.ours is not None and ours.runs == 2 and 0.55 < ours.ours < 0.75
    for method, tau in (
        ("the most parameters", 0.316),
        ("a training of 36 epochs", 0.695),
    ):
        assert by[method, "kendall"].ours == pytest.approx(tau, abs=5e-4)
    theirs = by["NN-Former", "kendall"]
    assert theirs.published == 0.877 and theirs.mark == "?"
