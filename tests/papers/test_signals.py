"""Who leads along a run: τ, its error and the leader, against other ways of counting the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from analysis.papers.common.signals import (
    MARKS,
    Signals,
    signals_of,
    summary,
    words,
)
from surrogate_nas.benchmarks import load
from surrogate_nas.files import HOME_VARIABLE, shipped, table_path
from surrogate_nas.tables import read_compact, write_compact, write_table
from surrogate_nas.tables.sources import fetching, graphgym


def test_a_table_with_seeds_is_judged_by_other_trainings() -> None:
    found = signals_of("losses-rotation/trained")
    bench = load("losses-rotation/trained")
    usual = bench.objective.partition("@")[2].partition(" ")[0].partition("[")[0]
    goal = bench.question(f"test_error@{usual}")
    others = np.array([bench.column(*goal, seed) for seed in bench.seeds(goal)[1:]])
    known = np.isfinite(others).any(axis=0)
    wanted = np.nanmean(others[:, known], axis=0)
    assert found is not None and found.others and found.tested
    assert found.cells == len(wanted) >= 50
    for what, name in (
        ("train loss", f"train_loss@{usual}"),
        ("valid measure", f"valid_error@{usual}"),
    ):
        for mark, told in found.held[what].items():
            metric, _, epochs = told.read.rstrip("]").partition("[")
            assert metric == name
            column = bench.column(metric, int(epochs), 0)[known]
            assert told.tau == pytest.approx(kendalltau(column, wanted).statistic), (what, mark)
    assert set(found.held["train loss"]) == set(MARKS)
    assert found.ahead == pytest.approx(
        found.held["train loss"][1.0].tau
        - max(found.held[what][1.0].tau for what in ("valid loss", "valid measure"))
    )


def test_means_over_epochs_are_not_taken_for_the_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = read_compact(shipped("losses/gridworld.h5")).table
    usual = table.objective.partition("@")[2].partition(" ")[0]
    loss, late = f"valid_loss@{usual}", f"valid_loss_late@{usual}"
    for key in [key for key in table.columns if key.metric == loss]:
        table.columns[key._replace(metric=late)] = table.columns[key]
    table.metrics = {late: replace(table.metrics[loss], name=late), **table.metrics}
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    write_compact(table, tmp_path / "losses" / "late.h5")
    found, before = signals_of("losses-late/trained"), signals_of("losses-gridworld/trained")
    assert found is not None and before is not None
    assert found.goal == before.goal == f"test_return@{usual}"


def made(
    table: str,
    family: str,
    ahead: float,
    error: float,
) -> Signals:
    return Signals(
        table,
        family,
        "test_accuracy",
        True,
        100,
        False,
        {"train loss": {}, "valid loss": {}},
        ahead,
        error,
        None,
    )


def test_who_leads_is_said_by_family() -> None:
    found = [made(f"a{i}", "a", 0.1 * i, 0.02) for i in range(-3, 4)]
    found += [made(f"b{i}", "b", 0.1 * i, 0.02) for i in range(1, 8)]
    assert [one.leader for one in found[:7]] == ["validation"] * 3 + ["neither"] + ["training"] * 3
    said = " ".join(words(found))
    assert "better than every validation signal on 10, worse than one on 3, and on 1" in said
    assert "a 3 / 3 / 1; b 7 / 0 / 0" in said
    assert words([]) == []


def test_tables_without_a_training_loss_have_no_signals() -> None:
    assert signals_of("nbgraph-cora") is None and signals_of("no-such-table") is None


def test_the_line_of_a_table_shows_every_mark() -> None:
    found = signals_of("fashion")
    assert found is not None
    ((family, name, *_, leader),) = summary([found]).rows
    assert (family, name) == ("nb201", "fashion") and leader in (
        "training",
        "validation",
        "neither",
    )
    assert summary([found]).rows[0][4].startswith("· ."), "a tenth of five epochs is not held"


def test_the_line_of_every_graphgym_task_is_that_of_its_raw_files(
    mirror: Path, own_home: Path
) -> None:
    assert own_home.is_dir()
    fetching.fetch("graphgym")
    (folder,) = mirror.glob("snap-stanford/GraphGym/*/run/results/design_v2_grid_round2/agg")
    train, valid = (pd.read_csv(folder / f"{split}.csv") for split in ("train", "val"))
    raw = []
    for _, rows in valid.groupby(["dataset", "task", "trans", "feature", "label"], dropna=False):
        alike = train.loc[rows.index]
        raw.append(
            tuple(
                kendalltau(losses, -rows["accuracy"], nan_policy="omit").statistic
                for losses in (alike["loss"], rows["loss"])
            )
        )
    names = [
        name
        for name in graphgym.NAMES
        if not name.startswith(("graphgym-link", "graphgym-wide", "graphgym-ogb"))
    ]
    for name in names:
        write_table(graphgym.read(name), table_path(name))
    found = [signals_of(name) for name in names]
    ours = [
        (one.held["train loss"][1.0].tau, one.held["valid loss"][1.0].tau)
        for one in found
        if one is not None
    ]
    assert len(ours) == len(raw) == 32
    assert np.array(sorted(ours)) == pytest.approx(np.array(sorted(raw)), abs=1e-9)
