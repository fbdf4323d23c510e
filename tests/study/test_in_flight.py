"""`analysis/in_flight.py`: what it measures, and that it goes on where it was interrupted."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import pytest

import surrogate_nas as sn
from surrogate_nas.files import Journal

TOP = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(TOP / "analysis"))
    return importlib.import_module("in_flight")


def test_regret_is_that_of_the_best_whole_training_so_far(script: Any) -> None:
    bench = sn.load("fashion")
    objective = sn.Objective(bench.objective, bench)
    found = script.found(script.Search("fashion", "asha", 4, 7), [1, 30])
    run = sn.search("fashion", "asha", budget=30, simulated_workers=4, seed=7)
    whole = [trial.score for trial in run.trials if trial.epochs == objective.epochs]
    assert found.regrets[1] == pytest.approx(min(whole) - objective.optimum())
    assert found.seconds == [run.trials[0].finished, run.trials[29].finished]


def test_a_run_without_a_score_has_no_mean(script: Any) -> None:
    assert script.summary([0.001, math.inf, 0.003]) == "3.0, –"
    assert script.summary([0.001, 0.003, 0.005]) == "3.0, 3.0 ± 1.2"


def test_the_same_command_runs_what_is_missing(
    script: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "runs.journal"
    words = "in_flight.py --tables fashion --strategies random --in-flight 1 4 --after 5 10"
    told = []
    for runs in ("1", "2", "2"):
        given = [*words.split(), "--workers", "1", "--out", str(file), "--runs", runs]
        monkeypatch.setattr("sys.argv", given)
        script.main()
        told.append(capsys.readouterr().out)
    entries = Journal.read(file, {"in_flight": 1, "after": [5, 10]})
    assert len(entries) == 4 == len({tuple(entry["search"]) for entry in entries})
    assert told[0] != told[1] == told[2]
    assert "| `fashion` | `clock` | 1.00 |" in told[2]
