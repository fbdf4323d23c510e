"""Metrics of which larger is better: wherever a metric is minimised, ranked, limited or drawn."""

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.metrics import Metric, metric_named
from surrogate_nas.objective import parse
from surrogate_nas.runs.scale import nondominated
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, write_table

N = 15625
MIOU = np.linspace(5.0, 30.0, N)
SSIM = np.linspace(0.7, -0.1, N)
"""Falls where the other rises."""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    table = Table(
        "dense", "nb201", "t", "s", "l", "c", "valid_miou", Network(), cost="queries"
    )
    table.add(Metric("valid_miou", "%", "search", "quality"), 10, MIOU)
    table.add(Metric("ssim@pgd-1", "", "search", "quality"), 10, SSIM)
    table.add(Metric("test_miou", "%", "final", "quality"), 10, MIOU - 1)
    table.add(Metric("test_loss", "nats", "final", "loss"), 10, SSIM)
    file = tmp_path_factory.mktemp("dense") / "dense.h5"
    write_table(table, file)
    return file


@pytest.fixture(scope="module")
def dense(path):
    return TableBenchmark(path)


def test_l_is_what_a_quality_lacks_to_one(dense):
    scores = sn.Objective("valid_miou + 2*ssim@pgd-1", dense).over_space()
    assert scores is not None
    np.testing.assert_allclose(
        scores.loss, (1 - MIOU / 100) + 2 * (1 - SSIM), rtol=0, atol=1e-12
    )
    assert not scores.penalty.any()
    objective = sn.Objective("valid_miou", dense)
    assert objective.optimum() == pytest.approx(
        0.7
    ) and objective.bound == pytest.approx(0.95)
    assert (
        objective.terms[0].coefficient == -0.01
        and "larger_is_better" in objective.describe()["terms"][0]
    )
    # a negative SSIM lacks more than 1
    assert sn.Objective("ssim@pgd-1", dense).bound == pytest.approx(1.1)


def test_limits_from_below_and_fronts_know_the_direction(dense):
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
    # the two qualities trade against each other
    assert len(nondominated(both.vector)) == N
    assert (
        str(parse("ssim@pgd-1 subject to ssim@pgd-1 >= -0.2"))
        == "ssim@pgd-1 subject to ssim@pgd-1 >= -0.2"
    )


def test_directions_and_names():
    accuracy = metric_named("valid_accuracy")
    assert (accuracy.unit, accuracy.quantity, accuracy.larger_is_better) == (
        "%",
        "quality",
        True,
    )
    assert (
        metric_named("robust_error@pgd-1").quantity == "error"
        and metric_named("my_quality").quantity == "undeclared"
    )
    values = np.array([1.0, 2.0])
    assert (
        accuracy.worst(values) == 1 and metric_named("valid_error").worst(values) == 2
    )
    assert (
        accuracy.minimised(values).tolist() == [-1, -2]
        and metric_named("latency@x").minimised(values) is values
    )
