"""Trainings that look hopeless are stopped, charged for what they took, and made up no number."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.running import RunningTrial
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import EnumerableChoiceSpace

SPACE = EnumerableChoiceSpace("slow", {"good": ("1", "0"), "size": tuple(map(str, range(12)))})
EPOCHS = 12


def train(_: sn.Cell, trial: RunningTrial) -> None:
    for epoch in range(trial.start + 1, trial.epochs + 1):
        is_good = trial.options["good"] == "1"
        if not is_good:
            time.sleep(0.4)
        error = 50.0 / epoch if is_good else 90.0
        if not trial.report(epoch, valid_error=error + int(trial.options["size"]) / 10):
            return


def bench() -> sn.Training:
    return sn.Training(SPACE, train, metrics=["valid_error"], epochs=EPOCHS)


def test_a_training_that_is_worse_than_the_median_is_stopped(tmp_path: Path) -> None:
    mine = bench()
    good = [f"slow(good=1, size={size})" for size in range(6)]
    bad = [f"slow(good=0, size={size})" for size in range(2)]
    run = sn.search(
        mine,
        "random",
        "valid_error",
        budget=8,
        parallel=2,
        first=[*good, *bad],
        stopping="median",
        folder=tmp_path / "run",
    )
    failures = {trial.cell.text: trial.failure for trial in run.trials}
    assert [failures[cell] for cell in good] == [""] * 6
    for cell in bad:
        assert failures[cell].startswith("it was stopped after ")
        reports = mine.reports_of(SPACE.cell(cell), 0)
        assert reports is not None
        assert 1 <= len(reports.read_text().splitlines()) < EPOCHS
    assert not run.incumbent.failure
    stopped = [trial for trial in run.trials if trial.failure]
    assert all(trial.cost_seconds > 0 and not trial.values for trial in stopped)


def test_what_stops_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="--stopping needs --order finished"):
        sn.search(bench(), "random", budget=2, stopping="median", order="clock")
    with pytest.raises(UserError, match=r"live:digits reports nothing while it trains"):
        sn.search("live:digits", "random", budget=2, stopping="median")
    with pytest.raises(UserError, match="one objective"):
        sn.search(bench(), "random", "valid_error, 0.1*valid_error", budget=2, stopping="median")
