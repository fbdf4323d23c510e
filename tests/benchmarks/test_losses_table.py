"""The table of losses: rounds, what a crash costs, tables of whatever there is, and what was
predicted says so.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kendalltau

import surrogate_nas as sn
from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.building.losses.agreement import agreement
from surrogate_nas.benchmarks.building.losses.pairs import Pair, pairs_of
from surrogate_nas.benchmarks.building.losses.rounds import (
    ROUND,
    Forecast,
    rounds,
    run_of,
    train_rounds,
)
from surrogate_nas.benchmarks.building.losses.trainings import in_journal
from surrogate_nas.benchmarks.building.losses.write import write_losses
from surrogate_nas.benchmarks.building.plan import Job, Plan, describe, journal_path
from surrogate_nas.benchmarks.losses import FilledBenchmark, FilledTable, LossesBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import HOME_VARIABLE, Journal, home
from surrogate_nas.objective import Objective
from surrogate_nas.space import Sampled, nb201
from surrogate_nas.space.network import Network
from surrogate_nas.tables import ColumnKey, Table, read_compact, write_compact
from surrogate_nas.training import train
from tests.conftest import Snas

TASK = f"{Path(__file__).parents[1].joinpath('tiny_task.py')}:TINY"
LOSSES = ("focal", "brier")
FEW = {"classes": 14, "noisy_classes": 11}


def pairs(**changed: int) -> list[Pair]:
    return pairs_of([TASK], LOSSES, **{**FEW, **changed})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home in which a small table of losses was made by one worker."""
    before = os.environ.get(HOME_VARIABLE, "")
    folder = tmp_path_factory.mktemp("losses")
    os.environ[HOME_VARIABLE] = str(folder)
    assert train_rounds([pair.plan for pair in pairs()]) == {}
    write_losses(pairs(), folder / "losses")
    yield folder
    os.environ[HOME_VARIABLE] = before


@pytest.fixture
def exact(made: Path) -> LossesBenchmark:
    assert made.is_dir()
    bench = load("losses-tiny/trained")
    assert isinstance(bench, LossesBenchmark)
    return bench


@pytest.fixture
def filled(made: Path) -> FilledBenchmark:
    assert made.is_dir()
    bench = load("losses-tiny")
    assert isinstance(bench, FilledBenchmark)
    return bench


def content(pairs: list[Pair]) -> dict[str, dict[Job, dict[str, object]]]:
    """All that was trained, without what a clock said."""
    clocks = ("seconds", "made")
    return {
        pair.loss: {
            job: {name: value for name, value in sorted(entry.items()) if not name.endswith(clocks)}
            for job, entry in in_journal(pair).items()
        }
        for pair in pairs
    }


def test_rounds_bring_all_pairs_forward_together() -> None:
    plans = [Plan(name, 3, 2, 75, 125) for name in ("digits?loss=focal", "digits?loss=brier")]
    order = [job.cell for job in plans[0].jobs() if job.seed == 0]
    made = list(rounds(plans, lambda _: 7))
    steps = list(dict.fromkeys((of, order.index(jobs[0].cell) // ROUND) for of, jobs in made))
    one, two = map(run_of, plans)
    assert steps == [(one, 0), (two, 0), (one, 1), (two, 1), (one, 2), (two, 2)]
    assert {len(batch.jobs) for batch in made} == {7, 100 % 7, 75 % 7, 25 % 7}
    for plan in plans:
        jobs = [job for batch in made if batch.plan == run_of(plan) for job in batch.jobs]
        assert len(jobs) == len(set(jobs)) == 200 and set(jobs) == set(plan.jobs())
        assert [(job.cell, job.seed) for job in jobs[:4]] == [
            (cell, seed) for cell in order[:2] for seed in (0, 1)
        ]


def test_it_holds_what_training_gives(exact: LossesBenchmark) -> None:
    space, first = nb201(), exact.space[0]
    assert len(exact.space) == 14 and exact.objective == "valid_loss@focal + 0.1*params"
    for pair in pairs():
        for seed in (0, 1):
            (curve,) = train([space.cell(str(first))], pair.trained, seed=seed, space=space)
            for name, value in curve.metrics.items():
                assert exact.column(f"{name}@{pair.loss}", 1, seed)[0] == pytest.approx(
                    value, rel=2e-3
                )
    answer = exact.query(first, "valid_error@brier")
    assert (
        answer.n_seeds == 1
        and answer.unit == "%"
        and answer == exact.query(first, "valid_error@brier", seed=0)
    )
    assert np.isfinite(exact.column("valid_loss@brier", seed=1)).sum() == 11
    assert exact.banner == "" and exact.metric("test_error@brier").kind == "final"


KILLED = """
import os, signal, sys
from surrogate_nas.benchmarks.building.losses.pairs import pairs_of
from surrogate_nas.benchmarks.building.losses.rounds import train_rounds
plans = [pair.plan for pair in pairs_of([sys.argv[1]], sys.argv[2].split(","), classes=14, noisy_classes=11)]
train_rounds(plans, workers=2, progress=lambda done, *_: done > 8 and os.kill(os.getpid(), signal.SIGKILL))
"""  # noqa: E501


@pytest.mark.slow
def test_killed_and_finished_by_another_number_of_workers_it_is_the_same(
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = content(pairs())
    assert made.is_dir() and [len(jobs) for jobs in whole.values()] == [47, 47]
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.run(
        [sys.executable, "-c", KILLED, TASK, ",".join(LOSSES)], env=environment
    )
    assert process.returncode == -signal.SIGKILL
    kept = sum(map(len, content(pairs()).values()))
    assert 8 < kept < 94  # what was told as done is on the disk
    told: list[tuple[int, int]] = []
    plans = [pair.plan for pair in pairs()]
    assert train_rounds(plans, progress=lambda done, total, _: told.append((done, total))) == {}
    assert told[0][0] > kept and told[-1] == (94, 94) and content(pairs()) == whole


def test_a_table_of_what_there_is_while_another_process_goes_on(
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained = {
        pair.loss: [entry for job, entry in in_journal(pair).items() if job.seed == 0]
        for pair in pairs()
    }
    assert made.is_dir()
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    with ExitStack() as stack:
        for pair, held in zip(pairs(), (9, 7), strict=True):
            journal = stack.enter_context(Journal(journal_path(pair.plan), describe(pair.plan)))
            for entry in trained[pair.loss][:held]:
                journal.append(entry)
            journal.commit()
        card = write_losses(pairs(), tmp_path / "out")["tiny"]
        assert card["cells"] == 9 and card["losses"]["focal"]["classes"] == {0: 9, 1: 0, 2: 0, 3: 0}
        notes: list[str] = []
        card = write_losses(
            [*pairs(), *pairs_of([TASK], ["hinge"])], tmp_path / "out", note=notes.append
        )["tiny"]
    assert card["cells"] == 9 and "hinge is left out of the table: it has no training" in notes[0]
    found = read_compact(tmp_path / "out" / "tiny.h5")
    assert len(found.cells) == 9 and json.loads(found.card) == json.loads(
        (tmp_path / "out" / "tiny.json").read_text()
    )
    held = {
        loss: int(np.isfinite(found.column(ColumnKey(f"train_loss@{loss}", 1, 0))).sum())
        for loss in LOSSES
    }
    assert held == {"focal": 9, "brier": 7}  # all that was trained, and nothing more
    shutil.copytree(tmp_path / "out", tmp_path / "losses")
    run = sn.search("losses-tiny/trained", "random", "valid_loss@focal", budget=9)
    assert len(run.trials) == 9
    with pytest.raises(UserError, match="for 7 of 9 cells only; a fair search needs it for all"):
        sn.search("losses-tiny/trained", "random", "valid_loss@brier", budget=9)


def test_a_pair_that_fails_ends_no_other(fresh_home: Path) -> None:
    file = fresh_home / "broken.py"
    file.write_text(
        "from surrogate_nas.training.losses import LOSSES, Loss\n"
        "def fail(outputs, targets):\n    raise ArithmeticError('no such loss')\n"
        "BROKEN = Loss('broken', 't', 'u', ('classification',), fail, lambda n: 1.0, 'none')\n"
    )
    both = pairs_of([TASK], [f"{file}:BROKEN", "brier"], classes=2, noisy_classes=0)
    failures = train_rounds([pair.plan for pair in both])
    assert list(failures) == [both[0].plan.task] and "no such loss" in failures[both[0].plan.task]
    assert [len(in_journal(pair)) for pair in both] == [0, 2]


def test_what_is_predicted_says_so_and_is_no_result(
    filled: FilledBenchmark, exact: LossesBenchmark
) -> None:
    space = filled.space
    trained = filled.column("trained") == 1
    assert (
        14 <= trained.sum() < 100 and f"Only {trained.sum()} of these 15,625 cells" in filled.banner
    )
    classes = space.classes
    assert classes is not None
    errors = filled.column("valid_error@brier")
    assert np.isfinite(errors).all()
    for cell in exact.space:
        twins = np.flatnonzero(classes == classes[space.index(str(cell))])
        assert trained[twins].all() and set(errors[twins]) == {
            exact.query(cell, "valid_error@brier").value
        }
    known = space[int(np.flatnonzero(trained)[0])]
    unknown = space[int(np.flatnonzero(~trained)[0])]
    assert filled.query(known, "valid_error@brier").n_seeds == 1
    answer = filled.query(unknown, "valid_error@brier")
    assert answer.n_seeds == 0 and "predicted" in answer.source
    assert (
        filled.query(known, "valid_error@brier").source
        == "tiny?loss=brier, trained by this project"
    )
    assert (
        set(filled.final(unknown).values()) == {None} and None not in filled.final(known).values()
    )
    with pytest.raises(UserError, match="has no test_error@brier"):
        filled.query(unknown, "test_error@brier")
    assert [filled.metric(f"{split}_error@brier").n_cells for split in ("valid", "test")] == [
        15625,
        trained.sum(),
    ]
    assert (
        filled.fingerprint != exact.fingerprint
        and filled.seeds(filled.question("valid_error@brier")) == ()
    )


def test_predictions_are_kept_and_repeat(filled: FilledBenchmark, made: Path) -> None:
    key = ColumnKey("valid_loss@focal", 1, "mean")
    first = filled.column("valid_loss@focal", 1)
    (kept,) = (made / "losses" / "predicted").glob("*-valid_loss@focal-1.npy")
    table = FilledTable(read_compact(made / "losses" / "tiny.h5"))
    assert np.array_equal(table.column(key), first)
    np.save(kept, np.zeros(3))
    assert np.array_equal(table.column(key), first) and np.array_equal(
        np.load(kept).min() > 0, True
    )


def test_every_loss_that_is_read_is_a_training_to_pay(exact: LossesBenchmark) -> None:
    def cost(*names: str) -> NDArray[np.float64]:
        return exact.measure(list(exact.space), [exact.question(name) for name in names]).cost

    seconds = {
        loss: exact.column(f"train_seconds@{loss}") + exact.column(f"valid_seconds@{loss}")
        for loss in LOSSES
    }
    assert np.allclose(cost("valid_loss@focal", "valid_error@focal", "params"), seconds["focal"])
    assert np.allclose(
        cost("valid_loss@focal", "valid_error@brier"), seconds["focal"] + seconds["brier"]
    )
    assert not cost("params").any()
    assert Objective("valid_loss@focal + 0.1*params", exact).questions()[0] == exact.question(
        "valid_loss@focal"
    )


def test_training_on_costs_the_difference(fresh_home: Path) -> None:
    write_compact(curves(20), fresh_home / "losses" / "curves.h5")
    bench = load("losses-curves/trained")
    cell = bench.space[3]
    cost = {e: bench.measure([cell], [bench.question("valid_loss@one", e)]).cost[0] for e in (1, 3)}
    assert cost == {1: pytest.approx(2.5 + 0.5), 3: pytest.approx(7.5 + 0.5)}
    assert bench.continued(cell, 1, 3, ["valid_loss@one"]) == pytest.approx(5 + 0.5)
    assert bench.continued(cell, 1, 3, ["valid_loss@one", "valid_loss@two"]) == pytest.approx(
        2 * 5.5
    )
    assert pickle.loads(pickle.dumps(bench)) is bench


def curves(
    n: int,
    losses: tuple[str, ...] = ("one", "two"),
    metrics: int = 1,
    epochs: int = 3,
) -> Table:
    """Made-up curves: 2.5 s an epoch, half a second a pass."""
    rng = np.random.default_rng(1)
    space = nb201()
    cells = rng.permutation(len(space))[:n]
    table = Table(
        "losses-curves",
        Sampled(space, space.choices[cells]).definition,
        "t",
        "s",
        "l",
        "c",
        f"valid_loss@{losses[0]}",
        Network(),
        epochs="curve",
    )
    for loss in losses:
        for epoch in range(1, epochs + 1):
            for number in range(metrics):
                values = np.exp(0.4 * rng.standard_normal(n)) + 1 / epoch
                second = np.where(np.arange(n) < n // 5, values * rng.uniform(0.9, 1.1, n), np.nan)
                name = f"valid_loss{number or ''}@{loss}"
                table.add(
                    Metric(name, "nats", "search", "loss"), epoch, values, 1, {0: values, 1: second}
                )
        for name, seconds in (("train_seconds", 7.5), ("valid_seconds", 0.5)):
            column = np.full(n, seconds)
            table.add(
                Metric(f"{name}@{loss}", "s", "record", "cost"), epochs, column, 1, {0: column}
            )
    return table


def test_a_compact_table_keeps_four_digits_and_what_is_missing(tmp_path: Path) -> None:
    table = curves(50)
    path = tmp_path / "table.h5"
    write_compact(table, path)
    held = read_compact(path)
    assert (
        held.keys == table.columns.keys()
        and held.metrics == table.metrics
        and held.name == table.name
    )
    for key, column in table.columns.items():
        assert np.array_equal(np.isnan(column), np.isnan(held.column(key)))
        assert np.allclose(column, held.column(key), rtol=2e-3, atol=5e-4, equal_nan=True)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(UserError, match="is damaged"):
        read_compact(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="is damaged"):
        read_compact(path)
    with pytest.raises(UserError, match="There is no table"):
        read_compact(tmp_path / "none.h5")


def test_fifty_pairs_of_a_thousand_classes_take_less_than_six_megabytes(tmp_path: Path) -> None:
    write_compact(curves(1000, losses=("one", "two"), metrics=8, epochs=5), tmp_path / "table.h5")
    assert (tmp_path / "table.h5").stat().st_size / 2 < 6e6 / 50


def test_two_seeds_agree_as_scipy_says() -> None:
    rng = np.random.default_rng(3)
    first = rng.standard_normal(150).round(1)
    second = (first + rng.standard_normal(150)).round(1)
    found = agreement(first, second)
    assert found.tau == pytest.approx(kendalltau(first, second).statistic)
    assert (
        found.low < found.tau < found.high
        and not found.is_noise
        and found == agreement(first, second)
    )
    assert (
        agreement(first, rng.standard_normal(150)).is_noise
        and agreement(first, np.zeros(150)).is_noise
    )


def test_the_time_left_is_each_pairs_own_at_this_runs_pace() -> None:
    now = [0.0]
    swift = Plan("digits?loss=focal", 3)
    slow = Plan("digits?loss=brier", 3)
    pace = Forecast(
        {swift: [{"processor_seconds": 1.0}], slow: []}, {swift: 3, slow: 2}, lambda: now[0]
    )
    assert pace.words() == ""
    now[0] = 6.0
    pace.add(
        swift, [Job(0, 0), Job(1, 0)], [{"processor_seconds": 1.0}, {"processor_seconds": 1.0}]
    )
    # 3 s of wall-clock for one of the processor
    assert pace.seconds_left() == pytest.approx(3.0 * (1 + 2))
    pace.add(slow, [Job(0, 0)], [{"processor_seconds": 4.0}])
    assert (pace.done, pace.words()) == (3, "about 5 s left")


def test_the_commands(snas: Snas, made: Path) -> None:
    asked = [
        "table-losses",
        "--tasks",
        TASK,
        "--losses",
        "focal,brier",
        "--classes",
        14,
        "--noisy-classes",
        11,
    ]
    card = snas(*asked, "--assemble", "--json").json["tiny"]
    assert card["judged_by"] == "valid_error" and set(card["losses"]) == set(LOSSES)
    told = card["losses"]["brier"]["two_seeds"]["valid_loss"]
    assert (
        told["classes"] == 11
        and told["is_noise"] in (True, False)
        and card["losses"]["brier"]["diverged"] == 0
    )
    assert "two seeds" in snas(*asked, "--workers", 1).out
    assert {"losses-tiny", "losses-tiny/trained"} <= {
        entry["name"] for entry in snas("benchmarks", "--json").json
    }
    (answer,) = snas("query", "losses-tiny", 0, "--metric", "valid_error@brier", "--json").json
    assert answer["n_seeds"] in (0, 1)
    out = made / "compared"
    told = snas(
        "compare",
        "losses-tiny",
        "--objective",
        "valid_loss@brier + 0.1*params",
        "--strategies",
        "random",
        "--runs",
        1,
        "--budget",
        8,
        "--out",
        out,
        "--json",
    )
    assert (
        told.json["strategies"][0]["evaluations"] == 8
        and "was predicted for all others" in told.err
    )
    assert "was predicted for all others" in (out / "report.html").read_text()


@pytest.mark.usefixtures("fresh_home")
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["--tasks", "digts"], "Did you mean 'digits'"),
        (["--tasks", "digits", "--losses", "focl"], "Did you mean 'focal'"),
        (["--tasks", "digits", "--losses", "squared"], "nothing to train"),
        (["--tasks", "digits?loss=focal"], "name the task alone"),
        (["--tasks", "digits", "--classes", 0], "at least 1"),
        (["--tasks", "digits", "--workers", 0], "at least 1 worker"),
        (["--tasks", "digits", "--assemble"], "leave --assemble out"),
    ],
)
def test_what_cannot_be_asked_for(
    snas: Snas,
    wrong: list[object],
    says: str,
) -> None:
    told = snas("table-losses", *wrong)
    assert (
        told.code == 2
        and says in told.err
        and len(told.err.splitlines()) == 1
        and not (home() / "losses").exists()
    )


def test_a_table_that_is_not_here_says_how_to_make_it() -> None:
    with pytest.raises(UserError, match="run snas table-losses --tasks nothing"):
        load("losses-nothing/trained")
