"""Forecasting and anomaly detection: nothing leaks, and known good cells beat what needs no
network.
"""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.training import TASKS, Task, train
from surrogate_nas.training.metrics import METRICS, Predictions
from surrogate_nas.training.tasks import anomaly, as_split, forecasting, vowels
from surrogate_nas.training.trainers import Reconstruction

GOOD = nb201().parse(
    "|nor_conv_3x3~0|+|none~0|none~1|+|avg_pool_3x3~0|avg_pool_3x3~1|skip_connect~2|"
)


def judged(task, measure, split, outputs):
    inputs, targets = task.data[split]
    answers = Predictions(outputs[None], targets, inputs, task, lambda _: np.zeros(0))
    return METRICS[measure].of(answers).item()


def test_what_is_forecast_lies_behind_what_was_trained_on():
    parts = forecasting.windows(np.arange(200.0))
    ahead = {name: rows[:, -forecasting.SEASON :] for name, rows in parts.items()}
    assert (
        ahead["train"].max() < ahead["valid"].min()
        and ahead["valid"].max() < ahead["test"].min()
    )
    assert parts["train"].max() < ahead["valid"].min()
    inputs, _ = TASKS["forecasting"].data["test"]
    assert (
        np.abs(inputs.mean(3)).max() < 1e-4 and np.abs(inputs.std(3) - 1).max() < 1e-4
    )


def test_the_scaled_error_is_that_of_the_paper():
    past = np.array([1.0, 2, 3, 4, 3, 5, 7, 3])
    task = Task("line", "", dict, 2, kind="regression")
    split = as_split(past[None, None, None], np.array([[6.0, 9.0]]))
    answers = Predictions(
        np.array([[[7.0, 6.0]]]),
        split.targets,
        split.inputs,
        task,
        lambda _: np.zeros(0),
    )
    assert METRICS["mase"].of(answers).tolist() == pytest.approx(
        [2.0 / np.abs(past[2:] - past[:-2]).mean()]
    )


def test_a_good_cell_forecasts_better_than_naive_and_linear_forecasts():
    task = TASKS["forecasting"]
    inputs, targets = (part.reshape(len(part), -1) for part in task.data["test"])
    linear = Ridge(3.0).fit(
        *(part.reshape(len(part), -1) for part in task.data["train"])
    )
    naive, seasonal, ridge = (
        judged(task, "mase", "test", outputs)
        for outputs in (
            np.broadcast_to(inputs[:, -1:], targets.shape),
            inputs[:, -12:],
            linear.predict(inputs),
        )
    )
    found = [train([GOOD], task, seed=seed)[0].finals["test_mase"] for seed in (0, 1)]
    assert naive > seasonal > ridge > max(found)
    assert ridge - np.mean(found) > abs(found[0] - found[1])


def test_the_area_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    days = rng.standard_normal((60, 1, 1, 4))
    labels = rng.integers(2, size=60)
    split = as_split(days, labels)
    outputs = np.stack([rng.standard_normal(days.shape), np.full(days.shape, np.nan)])
    answers = Predictions(
        outputs, split.targets, split.inputs, TASKS["digits"], lambda _: np.zeros(0)
    )
    found = METRICS["auc"].of(answers)
    errors = np.square(outputs[0] - split.inputs).mean((1, 2, 3))
    assert found[0].item() == pytest.approx(roc_auc_score(labels, errors)) and np.isnan(
        found[1]
    )
    alike = Predictions(
        outputs[:1] * 0, split.targets, split.inputs * 0, TASKS["digits"], answers.again
    )
    assert METRICS["auc"].of(alike) == 0.5


def test_only_normal_examples_are_trained_on():
    inputs = np.arange(6.0).reshape(6, 1, 1, 1)
    split = as_split(inputs, np.array([0, 1, 0, 1, 0, 1]))
    task = Task("odd", "", dict, 2, kind="reconstruction", outputs=1)
    trainer = Reconstruction(task, dict.fromkeys(("train", "valid"), split), seed=0)
    (batch,) = trainer.batches(0, lambda _: np.zeros(0))
    assert (
        sorted(batch[0].ravel().tolist())
        == sorted(batch[1].ravel().tolist())
        == [0, 2, 4]
    )
    loss, answers = trainer.judged(
        "valid", lambda given: given.reshape(1, len(given), -1) * 0
    )
    assert loss.tolist() == pytest.approx([20 / 3]) and answers.outputs.shape == (
        1,
        6,
        1,
        1,
        1,
    )
    losses, gradient = trainer.loss_and_gradient(
        np.zeros((1, 3, 1), np.float32), batch[1]
    )
    assert losses.tolist() == pytest.approx([20 / 3]) and gradient.shape == (1, 3, 1)


@pytest.mark.skipif(not anomaly.TASK.is_here(), reason="needs sktime's or aeon's files")
def test_a_good_cell_finds_winter_days():
    task = TASKS["anomaly"]
    assert {
        name: tuple(np.bincount(split.targets)) for name, split in task.data.items()
    } == {
        "train": (300,),
        "valid": (124, 273),
        "test": (125, 274),
    }
    days, test = (
        task.data[name].inputs.reshape(-1, anomaly.HOURS) for name in ("train", "test")
    )
    shape = task.data["test"].inputs.shape
    mean = judged(
        task, "auc", "test", np.tile(days.mean(0), (len(test), 1)).reshape(shape)
    )
    linear = PCA(3).fit(days)
    components = judged(
        task,
        "auc",
        "test",
        linear.inverse_transform(linear.transform(test)).reshape(shape),
    )
    curve = train([GOOD], task)[0]
    assert (
        0.5 < mean < components
        and mean + 0.05 < curve.finals["test_auc"]
        and not curve.note
    )


@pytest.mark.parametrize(
    "text",
    ["", "1,2:1", "a:1", ",".join(["1"] * 24) + ":7", ",".join(["nan"] * 24) + ":1"],
)
def test_a_damaged_file_of_days_is_told(text):
    with pytest.raises(UserError, match="ItalyPowerDemand is damaged"):
        anomaly.arrays(vowels.parsed(text, "ItalyPowerDemand"))
