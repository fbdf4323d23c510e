"""A table of one's own: every class trained once, twins share it, interrupted work goes on, the card is right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import surrogate_nas.making.assemble as exhaustive
from surrogate_nas.benchmarks import load
from surrogate_nas.errors import UserError
from surrogate_nas.making.assemble import (
    Job,
    Plan,
    assemble,
    finish_table,
    journal_path,
    representatives,
    train_classes,
)
from surrogate_nas.space import nb201
from surrogate_nas.table import CLASS_METRIC
from surrogate_nas.training import task_named, train
from tests.conftest import Snas

TASK = f"{Path(__file__).with_name('tiny_task.py')}:TINY"
PLAN = Plan(TASK, epochs=2, seeds=2, noisy_classes=2, classes=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exhaustive") / "journal.jsonl"
    train_classes(PLAN, path)
    return path


def test_one_cell_stands_for_every_class() -> None:
    first = representatives()
    classes = nb201().classes
    assert len(first) == 5044 == len(set(classes[first]))
    assert all(first[number] == np.flatnonzero(classes == classes[first[number]])[0] for number in (0, 17, 5043))


def test_the_plan_trains_every_class_with_one_seed_and_some_with_all() -> None:
    jobs = Plan("digits", 3).jobs()
    assert len(jobs) == len(set(jobs)) == 5044 + 2 * 500
    by_seed = [{job.cell for job in jobs if job.seed == seed} for seed in range(3)]
    assert by_seed[0] == set(representatives().tolist())
    assert by_seed[1] == by_seed[2] < by_seed[0]


def test_the_table_holds_what_training_gives_and_twins_share_it(trained: Path) -> None:
    table, card = assemble(PLAN, trained)
    space, task = nb201(), task_named(TASK)
    first = table.columns[CLASS_METRIC, None, "mean"].astype(int)  # type: ignore[index]
    for cell, seed in PLAN.jobs():
        (curve,) = train([space[cell]], task, epochs=2, seed=seed)
        twins = np.flatnonzero(space.classes == space.classes[cell])
        assert set(first[twins]) == {cell}
        for name in ("train_loss", "train_error", "valid_loss", "valid_error"):
            for epoch in (1, 2):
                column = table.columns[name, epoch, seed]  # type: ignore[index]
                assert set(column[twins]) == {getattr(curve, name)[epoch - 1]}
        assert set(table.columns["test_loss", 2, seed][twins]) == {curve.test_loss}  # type: ignore[index]
    held = np.isfinite(table.columns["valid_loss", 2, 1])  # type: ignore[index]
    assert set(first[held]) == {job.cell for job in PLAN.jobs() if job.seed == 1}
    assert table.metrics["test_error"].kind == "final" and table.metrics["valid_loss"].epochs == (1, 2)
    assert card["trainings"] == 5 and card["classes_of_several_seeds"] == 2 and card["diverged"] == 0
    assert card["settings"]["splits"] == {"train": 96, "valid": 64, "test": 64}


def test_interrupted_work_goes_on_and_trains_nothing_twice(trained: Path, tmp_path: Path) -> None:
    lines = trained.read_text().splitlines(keepends=True)
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(lines[:3]) + lines[3][:20])  # two trainings, and a third that a crash tore
    told: list[tuple[int, int]] = []
    train_classes(PLAN, path, progress=lambda *done: told.append(done))
    assert told[-1] == (5, 5) and told[0][0] > 2
    assert path.read_text().splitlines()[:3] == [line.strip() for line in lines[:3]]
    jobs = [Job(*json.loads(line)["entry"]["job"]) for line in path.read_text().splitlines()[1:]]
    assert sorted(jobs) == sorted(PLAN.jobs())


def test_two_workers_make_the_same_table(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    train_classes(PLAN, path, workers=2)
    one, two = (assemble(PLAN, file)[0] for file in (trained, path))
    for key, column in one.columns.items():
        if "seconds" not in key.metric:
            assert np.array_equal(column, two.columns[key], equal_nan=True)


def test_missing_trainings_and_other_settings_are_told(trained: Path) -> None:
    with pytest.raises(UserError, match="lacks 1 of 6 trainings; run the same command again"):
        assemble(Plan(TASK, 2, seeds=2, noisy_classes=3, classes=3), trained)
    with pytest.raises(UserError, match=r"other settings \(epochs\)"):
        train_classes(Plan(TASK, 3, classes=3), trained)
    assert journal_path(PLAN) != journal_path(Plan(TASK, 3))
    with pytest.raises(UserError, match="There is no task|Unknown task"):
        journal_path(Plan("fashoin", 3))


def test_the_finished_file_opens_and_says_how_it_was_made(trained: Path, tmp_path: Path) -> None:
    out, card = finish_table(PLAN, trained, tmp_path / "mine.h5", latencies=12)
    bench = load(str(out))
    assert bench.name == "mine"
    latency, marked = bench.column("latency@cpu"), bench.column("latency_measured@cpu")
    assert np.isfinite(latency).all() and (latency > 0).mean() > 0.9 and marked.sum() == 12
    assert card["latency"]["n"] == 12 and {"drift", "device_card"} <= set(card["latency"])
    assert json.loads(bench.card) == json.loads((tmp_path / "mine.json").read_text()) == json.loads(json.dumps(card))
    cell = nb201()[PLAN.jobs()[0].cell]
    assert bench.query(cell, "valid_loss", epochs=1).n_seeds == 1


def test_the_command_makes_a_benchmark(snas: Snas, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few = representatives()[:2]
    monkeypatch.setattr(exhaustive, "representatives", lambda: few)
    asked = ["table", TASK, "--seeds", 2, "--noisy-classes", 2, "--latencies", 0]
    made = snas(*asked, "--json").json
    assert made["table"].endswith("trained-tiny.h5") and made["trainings"] == 4 and made["bytes"] > 0
    assert load("trained-tiny").question("valid_loss").epochs == 1
    assert "trainings" in snas(*asked, "--out", tmp_path / "own.h5").out
    for wrong in (["--seeds", 0], ["--epochs", 0], ["--workers", 0], ["--latencies", -1]):
        refused = snas("table", TASK, *wrong)
        assert refused.code == 2 and "at least" in refused.err and len(refused.err.strip().splitlines()) == 1
