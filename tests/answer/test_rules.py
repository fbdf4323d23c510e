"""The rules of the study on losses, each on a case that can be worked by hand."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from analysis.answer.contrasts import (
    Combined,
    combine,
    contrasts,
    decide,
    outcome,
)
from analysis.answer.orders import (
    Crossed,
    judge,
    others,
    regret_resampled,
)
from analysis.answer.reading import SOURCES, designed, read_tables
from surrogate_nas.core.errors import UserError
from tests.answer.simulated import effects, write_simulated

TASKS = ["digits", "rotation", "mnist1d", "text", "splice"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    write_simulated(folder, effects(TASKS))
    return read_tables(folder)


@pytest.fixture(scope="module")
def judged(tables):
    return [judge(table, 100) for table in tables]


def test_tau_of_resampled_classes_is_that_of_the_drawn_values():
    rng = np.random.default_rng(0)
    signal, goal = rng.integers(5, size=(2, 2, 12)).astype(float)
    counts = np.vstack([np.ones(12), rng.multinomial(12, np.full(12, 1 / 12), 20)])
    found = Crossed(counts.astype(np.float32))(signal, goal)
    for row, count in zip(found, counts.astype(int), strict=True):
        drawn = np.repeat(np.arange(12), count)
        each = [
            kendalltau(signal[s][drawn], goal[1 - s][drawn]).statistic for s in (0, 1)
        ]
        assert row == pytest.approx(np.mean(each), abs=1e-6)


def test_a_signal_that_ties_everywhere_orders_nothing():
    goal = np.array([[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]])
    assert Crossed(np.ones((1, 3), dtype=np.float32))(np.ones((2, 3)), goal)[0] == 0


def test_regret_of_resamples_is_the_mean_over_all_halves():
    rng = np.random.default_rng(1)
    signal = rng.integers(4, size=(2, 6)).astype(float)
    goal = rng.standard_normal((2, 6))
    counts = np.array([[1, 1, 1, 1, 1, 1], [2, 0, 1, 0, 3, 0]], dtype=np.float32)
    found = regret_resampled(goal, counts)(signal)
    for value, count in zip(found, counts.astype(int), strict=True):
        drawn = np.repeat(np.arange(6), count)
        lost = []
        for seed, cells in itertools.product((0, 1), itertools.combinations(drawn, 3)):
            half = np.array(cells)
            seen, wanted = signal[seed][half], others(goal)[seed][half]
            lost.append(wanted[seen == seen.min()].mean() - wanted.min())
        assert value == pytest.approx(np.mean(lost))


def combined(p):
    return Combined(9, 0.1, 0.02, p, 0.0)


def test_a_test_that_halls_interval_does_not_follow_decides_nothing():
    skewed = np.array([-0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    (found,) = decide([(combined(0.001), skewed)])
    assert found.hall[0] < 0 and not found.decided


@pytest.mark.parametrize(
    ("decided", "difference", "negligible", "said"),
    [
        (True, 0.1, False, "for"),
        (True, -0.1, False, "against"),
        (True, -0.02, True, "against"),
        (False, 0.01, True, "same"),
        (False, 0.04, False, "open"),
    ],
)
def test_each_outcome_has_a_name(decided, difference, negligible, said):
    told = {"decided": decided, "difference": difference, "negligible": negligible}
    assert outcome(pd.Series({**told, "whole": True})) == said
    assert outcome(pd.Series({**told, "whole": False})) == "part"


def test_the_design_has_27_tasks_of_20_sources():
    tasks = {
        table for table, _ in designed() if "-x" not in table and "macro" not in table
    }
    assert len(tasks) == 27 and len({SOURCES[task] for task in tasks}) == 20


def test_noise_is_told_by_validation_data_alone(tables):
    rng = np.random.default_rng(4)
    noisy = dict(tables[0].columns)
    key = (tables[0].usual, "valid", tables[0].measure, 100)
    noisy[key] = rng.standard_normal(noisy[key].shape)
    assert judge(replace(tables[0], columns=noisy), 100).is_noise
    assert not judge(tables[0], 100).is_noise


def test_a_loss_that_is_the_measure_takes_no_part_in_two_contrasts(tables):
    same = dict(tables[0].columns)
    usual = tables[0].usual
    same[usual, "valid", "loss", 100] = same[usual, "valid", tables[0].measure, 100]
    found = judge(replace(tables[0], columns=same), 100)
    assert set(found.taus) == set(found.regrets) == {"train", "early"}


def test_effects_that_were_put_in_are_found(judged):
    """The validation loss of the simulation follows the measure by half, the early one is noise."""
    found = contrasts(judged).set_index("contrast")["difference"]
    assert found["early"] < found["train"] < 0 < found["matched"]
    assert found["valid_loss"] < 0


def test_missing_and_diverged_trainings(tables):
    first = next(table for table in tables if table.task == TASKS[0])
    assert len(first.classes) == 99 and all(
        len(t.classes) == 100 for t in tables if t != first
    )
    assert first.trained == {"cross_entropy": 399, "brier": 399}
    values = first("test", "error")
    assert np.isfinite(values).all()
    worst = np.flatnonzero(values[2] == values[2].max())
    assert len(worst) == 2  # the diverged one has the worst value of its seed


def test_a_task_without_a_source_is_one_line(tmp_path):
    write_simulated(tmp_path, {"nobody": (0.1, 0.1)}, losses=("cross_entropy",))
    with pytest.raises(UserError, match="the task nobody has no source"):
        read_tables(tmp_path)


def test_a_folder_without_tables_is_one_line(tmp_path):
    with pytest.raises(UserError, match="There is no table in"):
        read_tables(tmp_path)


@pytest.mark.parametrize("law", ["normal", "exponential"])
def test_without_a_mean_few_are_decided(law):
    """At the level of Holm's first of four 1 to 2 % are, 3 to 6 of 300."""
    rng = np.random.default_rng(5)
    n = 0
    for _ in range(300):
        drawn = (
            rng.standard_normal(18) if law == "normal" else rng.exponential(size=18) - 1
        )
        values = 0.092 * drawn + 0.035 * rng.standard_normal(18)
        found = combine(values, np.full(18, 0.035**2))
        n += decide([(found, values), *[(combined(1.0), values)] * 3])[0].decided
    assert n <= 15
