"""The statistics of the study on regimes: simulated studies, and cases worked by hand."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.answer.conditions import DELTA, Condition
from analysis.answer.regimes import decide, find, main, sign_flip
from analysis.answer.warning import area, evaluate, signs_of, threshold
from tests.answer.independent_regimes import differing, recomputed
from tests.answer.simulated_regimes import (
    CELLS,
    DESIGN,
    FIRST,
    TASKS,
    write,
    write_regimes,
)

EXPERIMENT = Path(__file__).parents[2] / "data/regimes"


def told(folder, capsys):
    """The exit status, what was printed and what was written."""
    (folder / "design.toml").write_text(DESIGN)
    options = ["--data", folder, "--design", folder / "design.toml", "--out", folder]
    status = main([*map(str, options)])
    path = folder / "regimes.json"
    found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return status, capsys.readouterr(), found


def test_a_simulated_study_is_decided_as_it_was_made(tmp_path, capsys):
    write_regimes(tmp_path)
    status, printed, found = told(tmp_path, capsys)
    assert status == 0 and not found["lacking"]
    tested = {
        line["contrast"]: line for line in found["contrasts"] if line["of"] == DELTA
    }
    assert [tested[d]["decision"] for d in ("D1", "D3")] == ["lower", "higher"]
    assert tested["D2"]["decision"] not in ("lower", "higher")
    assert tested["D1"]["worse"] > 4 and tested["D1"]["better"] == 0
    (line,) = [
        one for one in printed.out.splitlines() if one.split()[:2] == [DELTA, "D1"]
    ]
    assert line.endswith(" lower")
    signs = {line["sign"]: line for line in found["signs"]}
    assert signs["W4"]["area"] > 0.7 > signs["W2"]["area"]
    assert signs["W4"]["pairs"] == 4 * len(TASKS) and not signs["W2"]["accepted"]
    lines = recomputed(tmp_path, TASKS, FIRST, CELLS)
    assert differing(found, lines) == []
    lines[DELTA, "D1"]["low"] += 1e-5
    assert len(differing(found, lines)) == 1


@pytest.mark.slow
def test_every_contrast_of_the_experiment_is_recomputed():
    found = find(EXPERIMENT)
    tasks = sorted({*found["differences"]["task"]})
    lines = recomputed(EXPERIMENT, tasks, 150, 60)
    told = {name: found[name].to_dict("records") for name in ("contrasts", "besides")}
    assert len(tasks) == 14 and found["lacking"].empty
    assert differing(told, lines) == []


def test_what_is_lacking_is_said(tmp_path, capsys):
    status, printed, _ = told(tmp_path, capsys)
    assert status == 2 and printed.err.count("\n") == 1 and "two seeds" in printed.err
    write(tmp_path, "digits", 0, {"x1": 0.5, "x4": 0.1}, cells=2)
    status, printed, found = told(tmp_path, capsys)
    assert (
        status == 0 and not found["contrasts"] and "Fewer than 3 sources" in printed.out
    )
    assert found["lacking"][0]["lacking"] == "digits, x1: 2 of 24 cells, 3 of 3 seeds"
    assert "digits, noise-x4: 0 of 24 cells" in printed.out
    assert len(found["lacking"]) == 4 * len(TASKS) + 1


def condition(columns, params, unit=1.0):
    columns = {name: np.array(values, float) for name, values in columns.items()}
    n = len(params)
    return Condition(
        "t", "c", [10, 11], columns, np.array(params, float), np.arange(n), unit
    )


def test_delta_and_regret_of_four_cells_by_hand():
    rising = [1, 2, 3, 4]
    columns = {
        "train_loss": [rising, [2, 1, 3, 4]],  # τ 1 and 2/3
        "valid_error": [[4, 3, 2, 1], [1, 1, 1, 1]],  # τ −1 and 0
        "test_error": [rising, rising],
    }
    four = condition(columns, rising, unit=0.5)
    delta = four.differences(four.tau())[DELTA]
    assert delta == pytest.approx([5 / 6 + 1 / 2])
    assert four.differences(four.tau(4))[DELTA][0] == pytest.approx(4 / 3)
    assert four.regret()("train_loss") == pytest.approx((0 + 1) / 2 / 0.5)
    assert four.regret()("valid_error") == pytest.approx((3 + 1.5) / 2 / 0.5)
    kept = four.among(np.array([True, True, False, False]))
    assert kept.differences(kept.tau())[DELTA] == pytest.approx([0 + 1 / 2])


def test_signs_by_hand():
    row = [*range(1, 9), 2.0]  # the last one is the reference cell
    columns = {
        "train_loss": row,
        "train_loss_50": [5.0] * 9,
        "valid_loss": [6.0] * 9,
        "valid_error": [8, 7, 6, 5, 4, 3, 1, 2, 30],
        "valid_error_50": [40.0] * 9,
        "valid_error_best": [25.0] * 9,
    }
    other = [[9.0] * 9]
    found = condition({k: [v, *other] for k, v in columns.items()}, [7] * 9)
    signs = signs_of(found)
    assert np.isnan(signs.pop("W5"))  # all parameters tie
    log = np.log(5.001 / 2.001) - np.log(40.1 / 30.1)
    assert [*signs.values()] == pytest.approx([(6 - 2) / 8, 5, log, 26 / 28])


def test_flip_threshold_and_area_by_hand():
    assert sign_flip(np.array([1.0, 2.0, 3.0])) == 2 / 8
    assert sign_flip(np.array([1.0, -2.0, 3.0])) == 6 / 8
    is_worse = np.array([False, False, True, True])
    assert threshold(np.array([1.0, 2.0, 4.0, 5.0]), is_worse) == 3
    assert threshold(np.array([1.0, 4.0, 2.0, 5.0]), is_worse) == 1.5  # or 4.5
    tasks = np.array(["a", "b", "a", "b"])
    found = area(np.array([1.0, 4.0, 2.0, 4.0]), is_worse, tasks)
    assert found == pytest.approx([2.5 / 4, 0.5, 1.0])


def test_all_tests_must_agree():
    rest = {"mean": -0.1, "low": -0.2, "high": -0.01}
    every = [(0.001, 0.001, 0.001), (0.001, 0.001, 0.03), (0.001, 0.06, 0.001)]
    names = ("p", "flip", "hall")
    lines = decide([dict(zip(names, p, strict=True)) | rest for p in every])
    undecided = "too small to tell"
    assert [line["decision"] for line in lines] == ["lower", undecided, undecided]
    assert [line["protocol"] for line in lines] == ["lower", "lower", undecided]
    small = {"mean": 0.0, "low": -0.04, "high": 0.04, **dict.fromkeys(names, 1.0)}
    assert decide([small])[0]["decision"] == "no difference of interest"


def test_a_warning_in_vain_costs_what_the_training_loss_would_have_gained():
    lines = []
    for task, worse in itertools.product("abc", (False, True)):
        sign = {f"W{i}": float(worse) for i in range(1, 6)}
        line = {"task": task, "condition": str(worse), DELTA: -0.3 if worse else 0.1}
        lines.append(line | sign | {"train": 2.0 if worse else 0.5, "valid": 1.0})
    lines[1]["W2"], lines[3]["W2"] = 0.0, np.nan  # not defined: the lowest
    found = evaluate(pd.DataFrame(lines)).set_index("sign")
    assert found.loc["W1", ["area", "low", "cost", "accepted"]].tolist() == [
        1,
        1,
        -0.25,
        True,
    ]
    assert found.loc["W2", "cost"] == pytest.approx(0.25)  # it never warns
    assert found.loc["W2", "area"] == pytest.approx((3 + 6 * 0.5) / 9)
    assert not found.loc["W2", "accepted"]
