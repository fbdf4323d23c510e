"""Studies of Optuna as tables: what is read of them, what is left out, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import ChoiceSpace
from surrogate_nas.tables.sources.studies import Imported, read_study
from tests.conftest import Snas

WIDTHS = (16, 32, 64)
ACTS = ("relu", "tanh")


@pytest.fixture(autouse=True)
def quiet() -> Any:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def journal(path: Path) -> Any:
    return optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(path))
    )


def error_of(trial: optuna.Trial) -> float:
    width = trial.suggest_categorical("width", WIDTHS)
    act = trial.suggest_categorical("act", ACTS)
    return 30.0 - width / 4 + 3 * (act == "tanh") + trial.suggest_int("depth", 1, 4)


def studied(
    storage: Any, objective: Callable[..., Any] = error_of, n: int = 30, **kwargs: Any
) -> optuna.Study:
    study = optuna.create_study(
        storage=storage,
        sampler=optuna.samplers.RandomSampler(seed=0),
        **{"study_name": "mine", **kwargs},
    )
    study.optimize(objective, n_trials=n)
    return study


def read(place: Any, **kwargs: Any) -> Imported:
    return read_study(str(place), "", frozenset(), **kwargs)


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_study_is_imported_and_compared_on(
    snas: Snas,
    tmp_path: Path,
    own_home: Path,
    kind: str,
) -> None:
    assert own_home.is_dir()
    path = tmp_path / "study.db"
    study = studied(journal(path) if kind == "journal" else f"sqlite:///{path}")
    before = path.read_bytes()
    for place in [str(path), f"sqlite:///{path}"][: 1 + (kind == "sqlite")]:
        words = (
            "import",
            "optuna",
            place,
            "--name",
            "ours",
            "--metric",
            "valid_error",
            "--json",
        )
        told = snas(*words).json
        assert told["benchmarks"] == ["ours"] and told["files"] == 1
        assert path.read_bytes() == before
    bench = sn.load("ours")
    by_cell: dict[str, list[float]] = {}
    for trial in study.trials:
        text = (
            f"ours(width={trial.params['width']}, act={trial.params['act']},"
            f" depth={trial.params['depth']})"
        )
        by_cell.setdefault(text, []).append(trial.value)
    assert {str(cell) for cell in bench.space} == set(by_cell)
    for cell, value in zip(bench.space, bench.column("valid_error"), strict=True):
        assert value == pytest.approx(np.mean(by_cell[str(cell)]))
    found = sn.compare("ours", ["random", "local_search"], runs=2, budget=8)
    assert str(found.objective) == "valid_error" and found.optimum == pytest.approx(
        min(map(np.mean, by_cell.values())) / 100
    )


def test_what_is_maximised_is_a_quality_and_repeats_are_averaged(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)

    def score(trial: optuna.Trial) -> float:
        return {"relu": 0.9, "tanh": 0.7}[trial.suggest_categorical("act", ACTS)] + float(
            noise.normal(0, 0.01)
        )

    study = studied(journal(tmp_path / "s.log"), score, n=10, direction="maximize")
    found = read(tmp_path / "s.log")
    (metric,) = found.table.metrics.values()
    assert metric.larger_is_better and metric.is_loss and found.table.objective == "value"
    assert found.notes == [
        "8 trials evaluated a cell again: a cell has the mean of its trials"
    ]
    column = found.table.columns["value", None, "mean"]
    assert len(column) == 2 and column.max() == pytest.approx(
        np.mean([trial.value for trial in study.trials if trial.params["act"] == "relu"])
    )
    with pytest.raises(
        UserError, match="maximises its objective 0, and of valid_error smaller is better"
    ):
        read(tmp_path / "s.log", metrics=["valid_error"])


def test_failed_and_pruned_trials_are_left_out_and_counted(tmp_path: Path) -> None:
    def some(trial: optuna.Trial) -> float:
        value = error_of(trial)
        if trial.number in (2, 3, 4):
            raise optuna.TrialPruned
        if trial.number == 5:
            raise ValueError
        return float("inf") if trial.number == 6 else value

    study = optuna.create_study(
        storage=journal(tmp_path / "s.log"), sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(some, n_trials=9, catch=ValueError)
    study.ask()
    found = read(tmp_path / "s.log")
    left = "left out of 10 trials: 1 failed, 3 pruned, 1 running, 1 without a finite value"
    assert found.notes[0] == left
    assert sum(found.table.n_seeds["value", None]) == 4


def test_steps_that_all_reported_are_epochs_of_a_curve(tmp_path: Path) -> None:
    def curve(trial: optuna.Trial, last: float = 0.0) -> float:
        value = error_of(trial)
        for step in range(3):
            trial.report(value + 2 - step, step)
        return value + last

    studied(journal(tmp_path / "s.log"), curve, n=12)
    found = read(tmp_path / "s.log").table
    assert found.epochs == "curve" and found.metrics["value"].epochs == (1, 2, 3)
    first, last = (found.columns["value", epochs, "mean"] for epochs in (1, 3))
    assert first == pytest.approx(last + 2)
    studied(journal(tmp_path / "t.log"), lambda trial: curve(trial, 1.0), n=12)
    other = read(tmp_path / "t.log")
    assert (
        other.table.metrics["value"].epochs == ()
        and "intermediate values are left out" in other.notes[-1]
    )


def test_several_objectives_have_a_column_each(tmp_path: Path) -> None:
    studied(
        journal(tmp_path / "s.log"),
        lambda trial: (error_of(trial), float(trial.params["width"])),
        directions=["minimize", "minimize"],
    )
    found = read(tmp_path / "s.log", metrics=["valid_error", "latency@mine"]).table
    assert [(m.name, m.unit, m.is_loss) for m in found.metrics.values()] == [
        ("valid_error", "%", True),
        ("latency@mine", "ms", False),
    ]
    assert set(read(tmp_path / "s.log").table.metrics) == {"value_0", "value_1"}


def test_a_space_of_one_s_own_gives_the_cells(tmp_path: Path) -> None:
    studied(journal(tmp_path / "s.log"), n=12)
    space = ChoiceSpace("net", {"depth": (4, 3, 2, 1), "act": ACTS, "width": WIDTHS})
    found = read(tmp_path / "s.log", space=space).table
    from surrogate_nas.space import space_named

    assert all(cell.text.startswith("net(depth=") for cell in space_named(found.space))
    with pytest.raises(
        UserError,
        match="has the parameters width, act, depth; the space nb201 has the positions",
    ):
        read(tmp_path / "s.log", space=sn.load("fashion").space)
    with pytest.raises(UserError, match="the space net has the options relu"):
        read(
            tmp_path / "s.log",
            space=ChoiceSpace(
                "net", {"depth": (1, 2, 3, 4), "act": ("relu",), "width": WIDTHS}
            ),
        )


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        (
            lambda t: t.suggest_float("lr", 0, 1),
            "lr was drawn from a range of real numbers \\(suggest_float\\)",
        ),
        (
            lambda t: float(t.suggest_int("lr", 0, 1000)),
            "lr has 1,001 values; 127 are the most",
        ),
        (
            lambda t: float(t.suggest_int(f"p{t.number}", 0, 5)),
            "Trials 0 and 1 have other parameters or ranges",
        ),
        (lambda t: float(t.number), "Trial 0 has no parameter"),
    ],
)
def test_parameters_that_are_no_choices_are_refused(
    tmp_path: Path,
    objective: Any,
    said: str,
) -> None:
    studied(journal(tmp_path / "s.log"), objective, n=3)
    with pytest.raises(UserError, match=said):
        read(tmp_path / "s.log")


def test_what_is_no_study_is_one_line(snas: Snas, tmp_path: Path, own_home: Path) -> None:
    garbage = tmp_path / "garbage"
    empty = tmp_path / "empty"
    csv = tmp_path / "mine.csv"
    garbage.write_bytes(bytes(range(256)))
    empty.write_bytes(b"")
    csv.write_text("cell,valid_error\n")
    two = tmp_path / "two.log"
    for name in ("first", "second"):
        optuna.create_study(storage=journal(two), study_name=name)
    missing = tmp_path / "missing.db"
    for arguments, says in (
        ((garbage,), "holds no studies of Optuna"),
        ((csv,), "holds no study"),
        ((empty,), "holds no study"),
        ((two,), "holds 2 studies; choose one with --study: first, second"),
        ((two, "--study", "third"), "holds no study third: there are first, second"),
        ((two, "--study", "first"), "has no finished trial: it is empty"),
        ((missing,), "There is no file"),
        ((f"sqlite:///{missing}",), "There is no file"),
        ((f"sqlite:///{csv}",), "is no SQLite file"),
        (
            ("nosuch://user:secret@host/db",),
            "nosuch://user@host/db holds no studies of Optuna",
        ),
    ):
        outcome = snas("import", "optuna", *arguments)
        assert (
            outcome.code == 2 and says in outcome.err and "Traceback" not in outcome.err
        ), arguments
        assert "secret" not in outcome.err and len(outcome.err.splitlines()) == 1
    assert not missing.exists() and not (own_home / "tables" / "first.h5").exists()
    assert snas("import", "csv", csv, "--study", "first").code == 2


def test_what_was_exported_comes_back(snas: Snas, tmp_path: Path, own_home: Path) -> None:
    assert own_home.is_dir()
    sn.compare(
        "fashion", ["random"], "valid_loss", runs=1, budget=12, folder=tmp_path / "made"
    )
    out = snas("export", "optuna", tmp_path / "made", "--json").json["files"][0]
    assert (
        snas("import", "optuna", out, "--name", "back", "--metric", "valid_loss").code == 0
    )
    fashion = sn.load("fashion")
    back = sn.load("back")
    for cell, value in zip(back.space, back.column("valid_loss"), strict=True):
        known = fashion.space.at(cell.choices)
        assert value == pytest.approx(fashion.query(known, "valid_loss").value)
