"""The papers on landscapes, losses, transfer and limits: their computations by hand, and small
parts on real tables.
"""

import csv
import math
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import kendalltau

import surrogate_nas as sn
from analysis.papers import PAPERS, caps, landscape, losses, reproduce, transfer
from analysis.papers.common.paper import published
from analysis.papers.common.ranks import (
    MEASURES,
    WITHIN,
    agreement,
    best,
    candidates_of,
    ceiling,
    within,
)
from analysis.papers.landscape import DESCENTS
from analysis.papers.losses import SINGLE, Finding, families, summary
from analysis.signals import goal_of
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import space_named
from surrogate_nas.space.registry import SPACES
from surrogate_nas.surrogates.evaluation import kendall
from tests.papers import rows_of

QUARTER = "kendall_best_quarter"


def test_within_groups_pairs_of_different_groups_do_not_count():
    """Two groups, opposite orders between them: over all τ < 1, within them 1."""
    groups = np.repeat([0.0, 1.0], [3, 5])
    first = np.array([1.0, 2, 3, 11, 12, 13, 14, 15])
    second = np.array([11.0, 12, 13, 1, 2, 3, 4, 5])
    assert kendall(first, second) < 0 and within(
        first, second, groups
    ) == pytest.approx(1.0)
    mixed = np.where(groups == 0, -second, second)
    assert within(first, mixed, groups) == pytest.approx((-6 + 20) / 26)
    assert math.isnan(within(first, second, None))


def test_the_ceiling_is_the_agreement_of_two_seeds():
    rng = np.random.default_rng(0)
    wanted = rng.normal(size=400)
    seeds = [wanted + rng.normal(scale=0.3, size=400) for _ in range(2)]
    assert (
        ceiling(seeds, wanted, None)[QUARTER]
        == agreement(*seeds, wanted, None)[QUARTER]
        < 0.8
    )
    assert ceiling(seeds[:1], wanted, None) == {}


@pytest.mark.parametrize("name", DESCENTS)
def test_a_descent_on_a_ring_counts_every_different_cell_once(name):
    """One valley: from every start the way down leads to the optimum, along cells that are looked
    at once.
    """
    n = 21
    around = np.array([[(i - 1) % n, (i + 1) % n] for i in range(n)])
    valley = np.abs(np.arange(n) - 10).astype(float)
    counts = [
        DESCENTS[name](valley, around, np.random.default_rng(seed))
        for seed in range(60)
    ]
    assert min(counts) <= 3 and 8 <= max(counts) <= 13
    two_valleys = np.where(np.arange(n) == 3, -0.5, valley)
    two_valleys[10] = -1.0
    assert (
        max(
            DESCENTS[name](two_valleys, around, np.random.default_rng(seed))
            for seed in range(60)
        )
        <= n
    )


@pytest.mark.parametrize("name", SPACES)
def test_what_counts_as_complexity_is_a_metric_of_the_space(name):
    space = space_named(name)
    assert (
        not space.complexity
        or space.analytic[space.complexity][0].quantity == "structure"
    )


def finding(table, family, tau, **changes):
    taus = dict.fromkeys(MEASURES, tau)
    made = Finding(
        table,
        2000,
        "test_accuracy",
        "error",
        f"{family}[9]",
        family,
        "",
        False,
        True,
        None,
        taus,
        dict.fromkeys(MEASURES),
        {},
        90.0,
        None,
        91.0,
        1,
        0.01,
        None,
        1.0,
    )
    return replace(made, **changes)


def test_families_say_how_far_a_loss_is_behind():
    findings = [
        finding("a", "train loss", 0.5),
        finding("a", "valid error", 0.7),
        finding("a", "train loss", 0.6, share=0.1),
        finding("b", "train loss", 0.2, ceiling=dict.fromkeys(MEASURES, 0.61)),
        finding("b", "valid error", 0.6),
        finding("b", "test loss", 0.99, final=True),
        finding("b", f"valid error{SINGLE}", 0.65, seeds=2),
    ]
    by_name = {(family.name, family.early): family for family in families(findings)}
    assert by_name["train loss", False].behind == pytest.approx((0.2 + 0.4) / 2)
    assert (
        by_name["valid error", False].leads == 2
        and by_name[f"valid error{SINGLE}", False].leads == 0
    )
    assert (
        by_name["train loss", True].tau() == 0.6 and ("test loss", False) not in by_name
    )
    assert len(summary(findings).rows) == 4


def test_every_paper_is_a_function_of_its_file():
    assert {"nb201", "nats", "losses"} <= {*PAPERS}
    for name in PAPERS:
        paper = getattr(import_module(f"analysis.papers.{name}"), name)
        assert paper.__name__ == name and paper.__doc__


def test_no_runs_are_refused(tmp_path):
    with pytest.raises(UserError, match="at least 1 run"):
        reproduce("nb201", folder=tmp_path, runs=0)


def test_every_published_figure_has_a_paper_a_source_and_a_mark():
    with (Path(landscape.__file__).parent / "published.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        rows = list(csv.DictReader(file))
    assert {row["paper"] for row in rows} <= {*PAPERS}
    assert all(
        row["source"]
        and row["mark"] in "CID?"
        and bool(row["mark"]) == bool(row["value"])
        for row in rows
    )
    assert len(rows) == sum(len(published(name)) for name in PAPERS), (
        "no two of one method, data set and metric"
    )
    told = published("nb201")["REA", "ImageNet16-120", "test_accuracy"]
    assert (told.value, told.std, told.mark) == (45.54, 1.03, "?")


def test_sums_of_training_losses_rank_as_computed_by_hand():
    bench = sn.load("fashion")
    goal = goal_of(bench)
    assert str(goal.question) == "test_error[5]"
    made = {candidate.name: candidate for candidate in candidates_of(bench, goal)}
    epochs = [bench.column("train_loss", n) for n in (1, 2, 3)]
    assert np.allclose(made["TSE[3]"].values, sum(epochs))
    assert np.allclose(made["TSE-E[3]"].values, epochs[1] + epochs[2])
    average = 0.1 * (0.1 * epochs[0] + 0.9 * epochs[1]) + 0.9 * epochs[2]
    assert np.allclose(made["TSE-EMA[3]"].values, average)
    taus = [
        kendall(made[name].values, goal.values)
        for name in ("train_loss[1]", "train_loss[2]", "valid_loss[1]")
    ]
    assert taus == pytest.approx([0.793, 0.860, 0.622], abs=5e-4)
    early = made["valid_error[1]"]
    assert early.seconds is not None and made["train_loss[1]"].seconds is not None
    assert early.seconds > made["train_loss[1]"].seconds and 0.15 < early.share < 0.3


def only(monkeypatch, module, *names):
    """Let a paper see these tables, and one that is not here."""
    entries = [{"name": name, "available": True, "title": ""} for name in names]
    missing = {
        "name": "far-away",
        "available": False,
        "title": "run snas data fetch far",
    }
    monkeypatch.setattr(module, "tables", lambda: [*entries, missing])


@pytest.mark.slow
def test_the_paper_on_losses_takes_whatever_is_here(small, monkeypatch, tmp_path):
    only(monkeypatch, losses, "analog-cifar10", str(small.path))
    result = reproduce("losses", folder=tmp_path, runs=1)
    rows = {(row.method, row.metric): row for row in result.rows}
    bench = sn.load("analog-cifar10")
    noisy = bench.column("noisy_error")
    wanted = bench.column("digital_error")
    assert rows["noisy_error", "kendall"].ours == pytest.approx(
        kendalltau(noisy, wanted).statistic
    )
    counts = bench.column("convolutions")
    assert rows["noisy_error", WITHIN].ours == pytest.approx(
        within(noisy, wanted, counts)
    )
    assert "measured on test data" in rows["noisy_error", "kendall"].verdict
    assert rows["train_loss[200]", "test_accuracy_of_best"].ours == pytest.approx(94.0)
    assert (
        rows["valid_error[12]", "kendall"].seconds == 13.0
        and rows["train_loss[200]", "kendall"].seconds == 200.0
    )
    assert any(
        note.startswith("Not here: far-away (run snas data fetch far")
        for note in result.notes
    )
    assert (tmp_path / "losses.png").is_file() and result.summary is not None


def test_transfer_compares_every_two_tables_of_a_space(monkeypatch, tmp_path):
    only(monkeypatch, transfer, "analog-cifar10", "fashion")
    result = reproduce("transfer", folder=tmp_path)
    rows = {(row.method, row.dataset, row.metric): row for row in result.rows}
    digital = sn.load("analog-cifar10").column("digital_error")
    clothes = sn.load("fashion").column("test_error", 5)
    assert rows["from fashion", "analog-cifar10", "kendall"].ours == pytest.approx(
        kendall(digital, clothes)
    )
    quarter = best(clothes, 0.25)
    by_hand = kendall(digital[quarter], clothes[quarter])
    assert rows["from analog-cifar10", "fashion", QUARTER].ours == pytest.approx(
        by_hand
    )
    reached = 100.0 - clothes[digital == digital.min()].mean()
    carried = rows["from analog-cifar10", "fashion", "test_accuracy_of_best"]
    assert carried.ours == pytest.approx(reached)
    better = (clothes < 100.0 - reached).mean()
    assert (
        f"{better:.2%} of cells are better" in carried.verdict
        and "nb201 (2 tasks)" in result.notes[0]
    )
    assert (tmp_path / "transfer.png").is_file()
    only(monkeypatch, transfer, "fashion")
    with pytest.raises(UserError, match="No two tables of one space"):
        reproduce("transfer", folder=tmp_path)


def test_the_landscape_is_as_known(fetched, monkeypatch, tmp_path):
    assert fetched
    monkeypatch.setattr(landscape, "_picture", lambda _: Figure())
    rows = rows_of("landscape", tmp_path, runs=30)
    known = {
        "CIFAR-10": (13, 24, -0.416),
        "CIFAR-100": (26, 50, -0.465),
        "ImageNet16-120": (34, 56, -0.354),
    }
    for dataset, (means, one, correlation) in known.items():
        assert rows["mean of seeds", dataset, "local_optima"].ours == means
        assert rows["one seed", dataset, "local_optima"].ours == one
        found = rows["mean of seeds", dataset, "fitness_distance_correlation"].ours
        assert found == pytest.approx(correlation, abs=0.001)
    noise = [
        rows["seed noise, all cells", dataset, "std_over_seeds"].ours
        for dataset in known
    ]
    assert noise == pytest.approx([0.297, 0.491, 0.541], abs=6e-4)
    assert rows["two seeds", "CIFAR-100", QUARTER].ours == pytest.approx(
        0.508, abs=6e-4
    )
    outside = {
        k: r.verdict
        for k, r in rows.items()
        if k[2].startswith("fitness") and "outside" in r.verdict
    }
    assert outside.keys() == {
        ("mean of seeds", "CIFAR-100", "fitness_distance_correlation"),
        ("one seed", "ImageNet16-120", "fitness_distance_correlation"),
    }
    steepest = rows["local search, steepest", "CIFAR-100", "cells_to_optimum"]
    assert (
        steepest.published == 127
        and steepest.runs == 30
        and 60 < (steepest.ours or 0) < 190
    )


def test_a_search_under_a_limit_is_held_against_the_truth(fetched, monkeypatch):
    assert fetched
    monkeypatch.setattr(caps, "LOOKUPS", (4, 12))
    cap = caps.limits()["pixel2 ≤ 18 ms"]
    bench = sn.load("nb201-cifar100")
    truth = bench.column("latency@pixel2")
    expected = caps.predicted("pixel2", 1)
    errors = bench.column("valid_error", 200)
    few, more, every = caps.search_under((cap.title, 1))
    assert (
        errors[more.cell] <= errors[few.cell]
        and every.lookups == (expected <= 18).sum()
    )
    assert (
        expected[every.cell] <= 18
        and errors[every.cell] == errors[expected <= 18].min()
    )
    for answer in (few, more, every):
        assert truth[answer.kept] <= 18 and answer.measured >= 1
        assert (
            (answer.kept == answer.cell)
            == (truth[answer.cell] <= 18)
            == (answer.measured == 1)
        )
    exact = {row.method: row.ours for row in caps._exact_rows(cap)}
    assert exact["exact optimum"] == pytest.approx(71.83, abs=5e-3)
