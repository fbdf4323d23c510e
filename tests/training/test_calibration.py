"""The calibration of tasks: what it says of simulated trainings, and a small one from end to end
that goes on.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from analysis import calibrate_tasks
from analysis.building.jobs import Job, Plan
from surrogate_nas.training import task_named

TASK = f"{Path(__file__).parents[1].joinpath('tiny_task.py')}:TINY"


def test_a_row_tells_cells_training_and_split_apart():
    rng = np.random.default_rng(0)
    n = 200
    task = task_named(TASK)
    measure = task.measured[0].name
    # the cell, and the noise of each seed
    network = rng.normal(size=n) + rng.normal(scale=0.5, size=(2, n))
    valid, test = (network + rng.normal(scale=0.3, size=(2, n)) for _ in range(2))
    entries = {
        Job(cell, seed): {
            f"valid_{measure}": [9.0, valid[seed, cell]],
            f"test_{measure}": test[seed, cell],
            "valid_loss": [3.0],
            "train_loss": [1.0],
            "processor_seconds": 0.5,
        }
        for cell in range(n)
        for seed in (0, 1)
    }
    entries[Job(n, 0)] = entries[Job(0, 0)]  # of one seed only
    entries[Job(1, 0)] = {**entries[Job(1, 0)], f"test_{measure}": float("nan")}
    row = calibrate_tasks.row_of(task, 2, Plan(TASK, 6, 2, n, n), entries)
    assert row is not None and (row["classes"], row["trainings"], row["epochs"]) == (
        n - 1,
        2 * n + 1,
        6,
    )
    held = np.arange(n) != 1
    assert row["two_seeds"] == pytest.approx(kendalltau(*test[:, held]).statistic)
    same = np.mean(
        [kendalltau(valid[seed, held], test[seed, held]).statistic for seed in (0, 1)]
    )
    assert (
        row["same_run"] == pytest.approx(same)
        and row["low"] < row["two_seeds"] < row["high"]
    )
    truth = np.array([1, 0.25, 0.09]) / 1.34
    assert [row[name] for name in ("cells", "training", "split")] == pytest.approx(
        truth, abs=0.08
    )
    assert (
        row["cells"] + row["training"] + row["split"] == pytest.approx(1)
        and row["gap"] == 0.5
    )
    assert calibrate_tasks.row_of(task, 1, Plan(TASK, 3, 2, 5, 5), {}) is None


def test_it_trains_goes_on_and_reads(tmp_path, fresh_home, capsys):
    asked = [
        "--tasks",
        f"{TASK},nothing",
        "--lengths",
        "1,2",
        "--classes",
        "10",
        "--workers",
        "1",
    ]
    assert calibrate_tasks.main([*asked, "--read", "--out", str(tmp_path)]) == 1
    assert calibrate_tasks.main([*asked, "--out", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "nothing ×1 is left out: " in told.err and "| tiny | ×2 |" in told.out
    journals = {path: path.read_bytes() for path in (fresh_home).rglob("*.jsonl")}
    assert len(journals) == 2
    assert (
        calibrate_tasks.main([*asked, "--read", "--out", str(tmp_path / "again")]) == 0
    )
    rows = [
        json.loads((folder / "calibration.json").read_text())
        for folder in (tmp_path, tmp_path / "again")
    ]
    assert rows[0] == rows[1] and [row["length"] for row in rows[0]] == [1, 2]
    assert {path: path.read_bytes() for path in journals} == journals
    with pytest.raises(SystemExit):
        calibrate_tasks.main(["--lengths", "one"])
