"""Metrics of which larger is better: wherever a metric is minimised, ranked, limited or drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.metrics import Metric, metric_named
from surrogate_nas.objective import parse
from surrogate_nas.report.curves import Curve, Panel, is_cut_off, limits
from surrogate_nas.space.network import Network
from surrogate_nas.study.comparison import final_questions
from surrogate_nas.study.scale import nondominated
from surrogate_nas.surrogates import make_model
from surrogate_nas.surrogates.evaluation import evaluate, split_cells
from surrogate_nas.tables import Table, write_table
from tests.conftest import Snas

N = 15625
MIOU = np.linspace(5.0, 30.0, N)
SSIM = np.linspace(0.7, -0.1, N)
"""Falls where the other rises."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = Table("dense", "nb201", "t", "s", "l", "c", "valid_miou", Network(), cost="queries")
    table.add(Metric("valid_miou", "%", "search", "quality"), 10, MIOU)
    table.add(Metric("ssim@pgd-1", "", "search", "quality"), 10, SSIM)
    table.add(Metric("test_miou", "%", "final", "quality"), 10, MIOU - 1)
    table.add(Metric("test_loss", "nats", "final", "loss"), 10, SSIM)
    file = tmp_path_factory.mktemp("dense") / "dense.h5"
    write_table(table, file)
    return file


@pytest.fixture(scope="module")
def dense(path: Path) -> TableBenchmark:
    return TableBenchmark(path)


def test_l_is_what_a_quality_lacks_to_one(dense: TableBenchmark) -> None:
    scores = sn.Objective("valid_miou + 2*ssim@pgd-1", dense).over_space()
    assert scores is not None
    np.testing.assert_allclose(scores.loss, (1 - MIOU / 100) + 2 * (1 - SSIM), rtol=0, atol=1e-12)
    assert not scores.penalty.any()
    objective = sn.Objective("valid_miou", dense)
    assert objective.optimum() == pytest.approx(0.7) and objective.bound == pytest.approx(0.95)
    assert (
        objective.terms[0].coefficient == -0.01
        and "larger_is_better" in objective.describe()["terms"][0]
    )
    # a negative SSIM lacks more than 1
    assert sn.Objective("ssim@pgd-1", dense).bound == pytest.approx(1.1)


def test_limits_from_below_and_fronts_know_the_direction(dense: TableBenchmark) -> None:
    objective = sn.Objective(
        "valid_miou", dense, subject_to="ssim@pgd-1 >= .5 and ssim@pgd-1 <= .6"
    )
    scores = objective.over_space()
    assert scores is not None
    np.testing.assert_array_equal(scores.feasible, (SSIM >= 0.5) & (SSIM <= 0.6))
    assert scores.score[scores.feasible].max() < scores.score[~scores.feasible].min()
    assert objective.optimum() == pytest.approx(1 - MIOU[SSIM >= 0.5].max() / 100)
    both = sn.Objective("valid_miou, ssim@pgd-1", dense).over_space()
    assert both is not None
    np.testing.assert_allclose(both.vector, np.column_stack([1 - MIOU / 100, 1 - SSIM]))
    assert len(nondominated(both.vector)) == N  # the two qualities trade against each other
    assert (
        str(parse("ssim@pgd-1 subject to ssim@pgd-1 >= -0.2"))
        == "ssim@pgd-1 subject to ssim@pgd-1 >= -0.2"
    )


def test_a_search_finds_the_largest_and_the_report_says_so(
    path: Path,
    snas: Snas,
    tmp_path: Path,
) -> None:
    found = snas("search", path, "--strategy", "local_search", "--budget", 60, "--json").json
    space = sn.load(str(path)).space
    best = found["best"]
    miou = max(MIOU[space.cell(trial["cell"]).index] for trial in found["trials"])
    assert best["metrics"] == {"valid_miou[10]": miou} and best["score"] == pytest.approx(
        1 - miou / 100
    )
    assert found["regret"] == pytest.approx((30 - miou) / 100)
    arguments = ["--strategies", "random", "--runs", 2, "--budget", 12, "--out", tmp_path / "out"]
    made = snas("compare", path, *arguments, "--json").json["strategies"][0]
    assert made["best"]["final"]["test_miou"] == pytest.approx(
        100 * (1 - made["best"]["score"]) - 1
    )
    page = (tmp_path / "out" / "report.html").read_text()
    assert (
        "test_miou[10] of the cell with the best score so far" in page
        and "1 − fraction, from %" in page
    )
    entry = next(m for m in sn.load(str(path)).describe()["metrics"] if m["name"] == "valid_miou")
    assert entry["direction"] == "larger"
    proxies = {m.name for m in sn.load("fashion").metrics if m.quantity == "proxy"}
    assert (
        {m["name"] for m in sn.load("fashion").describe()["metrics"] if m["direction"] == "larger"}
        == proxies
        != set()
    )


def test_the_main_final_metric_is_a_quality_before_a_loss(dense: TableBenchmark) -> None:
    assert [str(question) for question in final_questions(sn.Objective("valid_miou", dense))] == [
        "test_miou[10]",
        "test_loss[10]",
    ]


def test_a_rising_curve_leaves_its_steep_start_out_below() -> None:
    x = np.arange(1.0, 101.0)
    y = np.r_[5.0, np.linspace(60.0, 70.0, 99)]
    curve = Curve(x, y, y, y)
    bottom, top = limits([curve], Panel("", "", False, 10, rising=True))
    assert (
        5 < bottom < 61 and top > 70 and is_cut_off([curve], Panel("", "", False, 10, rising=True))
    )
    assert limits([curve], Panel("", "", False, 10))[0] < 5


def test_a_surrogate_s_top_is_the_largest(dense: TableBenchmark) -> None:
    """Predicting a quality and predicting what it lacks to 1 are equally hard, on the same
    scale.
    """
    space = dense.space
    values = space.choices.astype(float) @ [1.0, 2, 3, 4, 5, 6] / 100 - 0.1
    split = split_cells(space, values, 40)
    found = evaluate(make_model("ridge", "quality", calibrate=False), space, values, split).scores
    lacking = evaluate(
        make_model("ridge", "structure", calibrate=False), space, 1 - values, split
    ).scores
    assert found == pytest.approx(lacking, nan_ok=True) and found["precision_top"] > 0


def test_directions_and_names() -> None:
    accuracy = metric_named("valid_accuracy")
    assert (accuracy.unit, accuracy.quantity, accuracy.larger_is_better) == ("%", "quality", True)
    assert (
        metric_named("robust_error@pgd-1").quantity == "error"
        and metric_named("my_quality").quantity == "undeclared"
    )
    values = np.array([1.0, 2.0])
    assert accuracy.worst(values) == 1 and metric_named("valid_error").worst(values) == 2
    assert (
        accuracy.minimised(values).tolist() == [-1, -2]
        and metric_named("latency@x").minimised(values) is values
    )
