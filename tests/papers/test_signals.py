"""Who leads along a run: τ, its error and the leader, against other ways of counting the same."""

import numpy as np
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


def test_a_table_with_seeds_is_judged_by_other_trainings():
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
            assert told.tau == pytest.approx(kendalltau(column, wanted).statistic), (
                what,
                mark,
            )
    assert set(found.held["train loss"]) == set(MARKS)
    assert found.ahead == pytest.approx(
        found.held["train loss"][1.0].tau
        - max(found.held[what][1.0].tau for what in ("valid loss", "valid measure"))
    )


def made(table, family, ahead, error):
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


def test_who_leads_is_said_by_family():
    found = [made(f"a{i}", "a", 0.1 * i, 0.02) for i in range(-3, 4)]
    found += [made(f"b{i}", "b", 0.1 * i, 0.02) for i in range(1, 8)]
    assert [one.leader for one in found[:7]] == ["validation"] * 3 + ["neither"] + [
        "training"
    ] * 3
    said = " ".join(words(found))
    assert (
        "better than every validation signal on 10, worse than one on 3, and on 1"
        in said
    )
    assert "a 3 / 3 / 1; b 7 / 0 / 0" in said
    assert words([]) == []


def test_tables_without_a_training_loss_have_no_signals():
    assert signals_of("nbgraph-cora") is None and signals_of("no-such-table") is None


def test_the_line_of_a_table_shows_every_mark():
    found = signals_of("fashion")
    assert found is not None
    ((family, name, *_, leader),) = summary([found]).rows
    assert (family, name) == ("nb201", "fashion") and leader in (
        "training",
        "validation",
        "neither",
    )
    assert summary([found]).rows[0][4].startswith("· ."), (
        "a tenth of five epochs is not held"
    )
