"""The table that the project ships: whole, as its card says, and what twins share."""

import json

import numpy as np
import pytest
from scipy.stats import kendalltau

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark, default
from surrogate_nas.files import shipped
from surrogate_nas.space.nb201 import sizes
from surrogate_nas.training import TASKS

EPOCHS = (1, 2, 3, 4, 5)


@pytest.fixture(scope="module")
def fashion():
    bench = sn.load("fashion")
    assert isinstance(bench, TableBenchmark)
    return bench


def test_it_is_the_default_and_small(fashion):
    assert default() == "fashion"
    assert shipped("fashion.h5").stat().st_size <= 15e6
    assert fashion.objective == "valid_loss + 0.1*params + 0.1*latency@cpu"
    assert fashion.banner == ""


def test_every_cell_has_every_value_of_seed_0(fashion):
    for name in ("train_loss", "train_error", "valid_loss", "valid_error"):
        assert fashion.metric(name).epochs == EPOCHS
        for epoch in EPOCHS:
            values = fashion.column(name, epoch, 0)
            assert np.isfinite(values).all() and np.array_equal(
                values, fashion.column(name, epoch)
            )
            assert values.min() > 0
    for name in ("test_loss", "test_error"):
        assert (
            fashion.metric(name).kind == "final"
            and np.isfinite(fashion.column(name)).all()
        )
    assert (fashion.column("train_seconds") > 0).all()


def test_twins_share_a_training_and_say_so(fashion):
    classes = fashion.space.classes
    first = fashion.column("functional_class").astype(int)
    assert len(set(first)) == 5044
    assert np.array_equal(classes[first], classes)
    for name in ("valid_loss", "test_error"):
        values = fashion.column(name)
        assert np.array_equal(values, values[first])
    assert fashion.metric("functional_class").kind == "record"


def test_the_network_is_the_tasks(fashion):
    task = TASKS["fashion"]
    settings = json.loads(fashion.card)["settings"]
    assert settings["schedule"]["batch"] == task.schedule.batch
    assert (fashion.network.channels, fashion.network.residual) == (
        task.channels,
        task.residual,
    )
    assert np.array_equal(
        fashion.column("params"), sizes(fashion.space.choices, fashion.network)[0]
    )
    assert np.allclose(
        fashion.column("macs"),
        sizes(fashion.space.choices, fashion.network)[1] / 1e6,
    )


def test_the_card_says_how_noisy_a_seed_is(fashion):
    card = json.loads(fashion.card)
    assert card == json.loads(shipped("fashion.json").read_text())
    first, second = (fashion.column("valid_loss", EPOCHS[-1], seed) for seed in (0, 1))
    classes = np.unique(fashion.column("functional_class")).astype(int)
    both = classes[np.isfinite(second[classes])]
    assert len(both) == card["classes_of_several_seeds"] == 500
    tau = kendalltau(first[both], second[both])[0]
    assert card["kendall_between_seeds_valid_loss"][0] == pytest.approx(tau)
    assert card["trainings"] >= 5044 + 500


def test_latency_is_measured_or_predicted_and_marked(fashion):
    latency = fashion.column("latency@cpu")
    measured = fashion.column("latency_measured@cpu")
    assert (latency > 0).all() and set(measured) == {0.0, 1.0}
    assert measured.sum() == json.loads(fashion.card)["latency"]["n"] >= 300
    assert (
        fashion.metric("latency@cpu").kind == "search"
        and fashion.metric("latency_measured@cpu").kind == "record"
    )
