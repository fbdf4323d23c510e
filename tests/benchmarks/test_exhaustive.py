"""A table of one's own: every class trained once, twins share it, interrupted work goes on, the
card is right.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.building.card import agreement_with
from surrogate_nas.benchmarks.building.make import assemble, finish_table, make_table
from surrogate_nas.benchmarks.building.plan import Job, Plan, journal_path, representatives
from surrogate_nas.benchmarks.building.train import train_classes
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import HOME_VARIABLE, table_path
from surrogate_nas.space import macro, nb201
from surrogate_nas.space.network import Network
from surrogate_nas.tables import CLASS_METRIC, Table, write_table
from surrogate_nas.training import task_named, train
from tests.conftest import Snas

TASK = f"{Path(__file__).parents[1].joinpath('tiny_task.py')}:TINY"
PLAN = Plan(TASK, epochs=2, seeds=2, noisy_classes=2, classes=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exhaustive") / "journal.jsonl"
    train_classes(PLAN, path)
    return path


def test_one_cell_stands_for_every_class() -> None:
    first = representatives(nb201())
    classes = nb201().classes
    assert len(first) == 5044 == len(set(classes[first]))
    assert all(
        first[number] == np.flatnonzero(classes == classes[first[number]])[0]
        for number in (0, 17, 5043)
    )
    assert representatives(macro()).tolist() == list(range(36))


def test_the_plan_trains_every_class_with_one_seed_and_some_with_all() -> None:
    jobs = Plan("digits", 3).jobs()
    assert len(jobs) == len(set(jobs)) == 5044 + 2 * 500
    by_seed = [{job.cell for job in jobs if job.seed == seed} for seed in range(3)]
    assert by_seed[0] == set(representatives(nb201()).tolist())
    assert by_seed[1] == by_seed[2] < by_seed[0]


def test_the_table_holds_what_training_gives_and_twins_share_it(trained: Path) -> None:
    table, card = assemble(PLAN, trained)
    space = nb201()
    task = task_named(TASK)
    first = table.columns[CLASS_METRIC, None, "mean"].astype(int)  # type: ignore[index]
    for cell, seed in PLAN.jobs():
        (curve,) = train([space[cell]], task, epochs=2, seed=seed)
        twins = np.flatnonzero(space.classes == space.classes[cell])
        assert set(first[twins]) == {cell}
        for name in ("train_loss", "train_error", "valid_loss", "valid_error"):
            for epoch in (1, 2):
                column = table.columns[name, epoch, seed]  # type: ignore[index]
                assert set(column[twins]) == {curve.values[name][epoch - 1]}
        assert set(table.columns["test_loss", 2, seed][twins]) == {curve.finals["test_loss"]}  # type: ignore[index]
    held = np.isfinite(table.columns["valid_loss", 2, 1])  # type: ignore[index]
    assert set(first[held]) == {job.cell for job in PLAN.jobs() if job.seed == 1}
    assert table.metrics["test_error"].kind == "final" and table.metrics["valid_loss"].epochs == (
        1,
        2,
    )
    assert (
        card["trainings"] == 5 and card["classes_of_several_seeds"] == 2 and card["diverged"] == 0
    )
    assert card["settings"]["splits"] == {"train": 96, "valid": 64, "test": 64}


@pytest.mark.slow
def test_interrupted_work_goes_on_and_trains_nothing_twice(trained: Path, tmp_path: Path) -> None:
    lines = trained.read_text().splitlines(keepends=True)
    path = tmp_path / "journal.jsonl"
    # two trainings, and a third that a crash tore
    path.write_text("".join(lines[:3]) + lines[3][:20])
    told: list[tuple[int, int]] = []
    train_classes(PLAN, path, progress=lambda *done: told.append(done))
    assert told[-1] == (5, 5) and told[0][0] > 2
    assert path.read_text().splitlines()[:3] == [line.strip() for line in lines[:3]]
    jobs = [Job(*json.loads(line)["entry"]["job"]) for line in path.read_text().splitlines()[1:]]
    assert sorted(jobs) == sorted(PLAN.jobs())


@pytest.mark.slow
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
    latency = bench.column("latency@cpu")
    marked = bench.column("latency_measured@cpu")
    assert np.isfinite(latency).all() and (latency > 0).mean() > 0.9 and marked.sum() == 12
    assert card["latency"]["n"] == 12 and {"drift", "device_card"} <= set(card["latency"])
    assert (
        json.loads(bench.card)
        == json.loads((tmp_path / "mine.json").read_text())
        == json.loads(json.dumps(card))
    )
    cell = nb201()[PLAN.jobs()[0].cell]
    assert bench.query(cell, "valid_loss", epochs=1).n_seeds == 1


ASKED = ["table", TASK, "--space", "macro", "--seeds", 2, "--noisy-classes", 2]


@pytest.fixture(scope="module")
def stacks(own_home: Path) -> Path:
    """A table of the macro space, made once."""
    assert own_home.is_dir()
    return make_table(TASK, seeds=2, noisy_classes=2, latencies=0, space="macro")[0]


def test_the_command_makes_a_benchmark_of_any_space(
    snas: Snas,
    stacks: Path,
    tmp_path: Path,
) -> None:
    asked = [*ASKED, "--latencies", 0]
    made = snas(*asked, "--json").json
    assert made["table"] == str(stacks) and made["trainings"] == 38 and made["bytes"] > 0
    bench = load("trained-tiny-macro")
    assert bench.space is macro() and bench.question("valid_loss").epochs == 1
    assert np.isfinite(bench.column("valid_loss")).all()
    assert "trainings" in snas(*asked, "--out", tmp_path / "own.h5").out


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["--seeds", 0], "from 1 to 1,000"),
        (["--seeds", 10**30], "from 1 to 1,000"),
        (["--epochs", 0], "at least 1"),
        (["--epochs", 10**30], "at most 100,000 epochs"),
        (["--workers", 0], "at least 1"),
        (["--noisy-classes", -1], "at least 0"),
        (["--latencies", -1], "0 or at least 10"),
        (["--latencies", 3], "0 or at least 10"),
        (["--space", "macros"], "Did you mean 'macro'"),
    ],
)
def test_absurd_numbers_get_one_line_before_anything_is_trained(
    snas: Snas,
    wrong: list[object],
    says: str,
) -> None:
    refused = snas(*ASKED, *wrong)
    assert refused.code == 2 and says in refused.err and len(refused.err.strip().splitlines()) == 1


def test_the_losses_of_a_regression_are_squared_errors(tmp_path: Path) -> None:
    plan = Plan("rotation", epochs=1, seeds=1, noisy_classes=0, classes=1, space="macro")
    train_classes(plan, tmp_path / "journal.jsonl")
    table, _ = assemble(plan, tmp_path / "journal.jsonl")
    assert {table.metrics[f"{split}_loss"].unit for split in ("train", "valid", "test")} == {
        "squared error"
    }


def test_the_card_compares_with_another_table_of_the_space(
    stacks: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, _ = assemble(
        Plan(TASK, 1, 2, 2, space="macro"), journal_path(Plan(TASK, 1, 2, 2, space="macro"))
    )
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    assert stacks.is_file() and agreement_with("not-here", table, 1) == {}
    other = Table("other", "macro", "t", "s", "l", "c", "valid_error", Network())
    own = table.columns["valid_loss", 1, 0]  # type: ignore[index]
    other.add(Metric("valid_error", "%", "search", "error"), 200, 3 * own + 1)
    other.add(Metric("valid_error", "%", "search", "error"), 12, -own)
    write_table(other, table_path("other"))
    said = agreement_with("other", table, 1)["kendall_with"]
    assert said["metric"] == "valid_error[200]" and said["of"]["valid_loss"] == pytest.approx(1)
    assert said["of"]["its own valid_error[12]"] == pytest.approx(-1)
    foreign = Table("foreign", "nb201", "t", "s", "l", "c", "valid_error", Network())
    foreign.add(Metric("valid_error", "%", "search", "error"), 200, np.zeros(15625))
    write_table(foreign, table_path("foreign"))
    with pytest.raises(UserError, match="cannot be compared with tiny: it needs the same space"):
        agreement_with("foreign", table, 1)
