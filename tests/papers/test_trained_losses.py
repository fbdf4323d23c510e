"""The answer on losses: its numbers, computed again from the shipped tables by other means, and its
words.
"""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau, norm, rankdata, spearmanr, ttest_rel

from surrogate_nas.benchmarks import Benchmark, load
from surrogate_nas.benchmarks.losses import TRAINED, Losses
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.papers.common.paper import Work
from surrogate_nas.papers.trained import answer
from surrogate_nas.papers.trained.answer import by_length, contrasts_of, moderations_of, words
from surrogate_nas.papers.trained.searched import (
    Searched,
    drives_of,
    judging,
    meetings,
    role_of,
    searched,
)
from surrogate_nas.papers.trained.study import FEWEST, Replication, Study, replication, study
from surrogate_nas.space import Sampled, nb201
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, write_compact

RESAMPLES = 300
"""Of the checks; intervals are compared as far as so few tell."""


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(tmp_path_factory.mktemp("home")))
        names = [name for name in Losses().names() if name.endswith(TRAINED)]
        return [found for name in names if (found := study(load(name))) is not None]


@pytest.fixture(scope="module")
def again() -> Replication:
    found = replication(load("fashion"))
    assert found is not None
    return found


def told(studies: list[Study]) -> list[Study]:
    return [found for found in studies if not answer.is_noise(found)]


def tau(one: np.ndarray, two: np.ndarray) -> float:
    both = np.isfinite(one) & np.isfinite(two)
    return float(kendalltau(one[both], two[both]).statistic)


def column(bench: Benchmark, metric: str, epochs: int | None, seed: int) -> np.ndarray:
    return bench.metric(metric).minimised(bench.column(metric, epochs, seed))


def both_ways(bench: Benchmark, metric: str, epochs: int | None, wanted: str) -> float:
    """The mean τ of one seed's signal with the other's goal, of tables of two seeds."""
    return float(
        np.mean(
            [
                tau(column(bench, metric, epochs, a), column(bench, wanted, None, 1 - a))
                for a in (0, 1)
            ]
        )
    )


def numbers(line: str) -> list[float]:
    return [float(text.replace("−", "-")) for text in re.findall(r"[−]?\d*\.\d+", line)]


def said(lines: list[str], begin: str) -> str:
    (line,) = [line for line in lines if line.startswith(begin)]
    return line


def greiner(tau: float) -> float:
    return float(np.sin(np.pi / 2 * tau))


def test_signals_are_those_of_scipy(studies: list[Study]) -> None:
    assert studies
    for found in studies:
        bench = load(found.table)
        wanted = found.goals[0].metric
        seeds = [column(bench, wanted, None, seed) for seed in (0, 1)]
        assert FEWEST <= found.classes[0] <= found.classes[1] == len(list(bench.space))  # type: ignore[call-overload]
        assert found.seeds == (2, 2, 2 * found.classes[0])
        assert found.two_seeds.tau == found.ceiling.tau == pytest.approx(tau(*seeds))
        assert found.two_seeds.low <= found.two_seeds.tau <= found.two_seeds.high
        for signal in found.signals.values():
            own = [column(bench, signal.metric, signal.epochs, seed) for seed in (0, 1)]
            crossed = both_ways(bench, signal.metric, signal.epochs, wanted)
            assert signal.tau.tau == pytest.approx(crossed)
            assert signal.two_seeds == pytest.approx(tau(*own))
            assert signal.same_run == pytest.approx(
                np.mean([tau(own[seed], seeds[seed]) for seed in (0, 1)])
            )
            reliable = greiner(tau(*own)) * greiner(tau(*seeds))
            if reliable > 0 and greiner(tau(*own)) > 0:
                assert signal.corrected.tau == pytest.approx(greiner(crossed) / reliable**0.5)
            else:
                assert np.isnan(signal.corrected.tau)
            losses = [
                np.mean(
                    [
                        bench.column(f"{split}_loss@{found.usual}", signal.epochs, seed)
                        for seed in (0, 1)
                    ]
                )
                for split in ("valid", "train")
            ]
            assert signal.gap == pytest.approx(
                (losses[0] - losses[1]) / (abs(losses[0]) + abs(losses[1]))
            )
        for name in found.contrasts:
            assert found.contrasts[name][0] == pytest.approx(
                found.signals[name].tau.tau - found.signals["measure"].tau.tau
            )
        early = found.signals["early"].epochs
        held = bench.metric(f"train_loss@{found.usual}").epochs
        assert abs(early - 0.2 * held[-1]) == min(abs(epochs - 0.2 * held[-1]) for epochs in held)


def test_what_is_told_is_that_of_scipy(studies: list[Study]) -> None:
    for found in studies:
        bench = load(found.table)
        goal = found.goals[0]
        for one in goal.told[:: max(len(goal.told) // 4, 1)]:
            expected = both_ways(bench, one.metric, one.epochs, goal.metric)
            assert one.taus["kendall"] == pytest.approx(expected, nan_ok=True)
        for loss, (gap, p) in goal.apart.items():
            usual, other = (
                both_ways(bench, f"valid_{found.judged}@{of}", None, goal.metric)
                for of in (found.usual, loss)
            )
            assert gap.tau == pytest.approx(usual - other) and 0 <= p <= 1


def test_the_intervals_are_those_of_an_independent_bootstrap(studies: list[Study]) -> None:
    rng = np.random.default_rng(5)
    for found in studies[::6]:
        bench = load(found.table)
        wanted = found.goals[0].metric
        goal = [column(bench, wanted, None, seed) for seed in (0, 1)]
        drawn = [rng.integers(len(goal[0]), size=len(goal[0])) for _ in range(RESAMPLES)]
        for key in ("measure", "train"):
            values = [
                column(bench, found.signals[key].metric, found.signals[key].epochs, seed)
                for seed in (0, 1)
            ]
            taus = [
                np.mean([kendalltau(values[a][c], goal[1 - a][c]).statistic for a in (0, 1)])
                for c in drawn
            ]
            assert found.taus[key][1:].std() == pytest.approx(np.std(taus), rel=0.15)
            low, high = np.quantile(taus, [0.025, 0.975])
            assert (found.signals[key].tau.low, found.signals[key].tau.high) == pytest.approx(
                (low, high), abs=0.06
            )


def test_the_words_give_the_mean_taus(studies: list[Study]) -> None:
    line = said(words(studies, []), "Mean τ over")
    held = told(studies)
    assert line.startswith(f"Mean τ over {len(held)} tasks:")
    keys = ("measure", "loss", "train", "early")
    means = [
        np.mean(
            [
                both_ways(
                    load(f.table), f.signals[key].metric, f.signals[key].epochs, f.goals[0].metric
                )
                for f in held
            ]
        )
        for key in keys
    ]
    means.append(
        np.mean(
            [
                tau(*(column(load(f.table), f.goals[0].metric, None, s) for s in (0, 1)))
                for f in held
            ]
        )
    )
    assert numbers(line.replace("20%", ""))[::3] == pytest.approx(means, abs=0.0051)
    assert means == pytest.approx([0.465, 0.464, 0.470, 0.349, 0.472], abs=6e-4)


def test_the_contrasts_are_told_with_what_could_be_seen(studies: list[Study]) -> None:
    held = told(studies)
    lines = words(studies, [])
    found = {one.signal: one for one in contrasts_of(held)}
    titles = {
        "loss": "Validation loss −",
        "train": "Final training loss −",
        "early": "Training loss at 20% of the run −",
    }
    p = {}
    for key, title in titles.items():
        one = found[key]
        line = said(lines, title)
        each = np.array([f.signals[key].tau.tau - f.signals["measure"].tau.tau for f in held])
        assert one.difference == pytest.approx(each.mean()) and one.tasks == len(each)
        assert numbers(line.replace("20%", ""))[0] == pytest.approx(each.mean(), abs=5.1e-4)
        # Between tasks a t-interval holds both levels: cells' noise is in the differences between
        # tasks.
        spread = each.std(ddof=1) / len(each) ** 0.5
        within = np.mean([f.contrasts[key][1:].var() for f in held]) / len(each)
        expected = max(spread**2, within) ** 0.5
        assert (one.high - one.low) / 2 == pytest.approx(2.145 * expected, rel=0.1)
        assert one.detectable == pytest.approx((2.718 + 0.842) * expected, rel=0.1)
        p[key] = one.p
        if not one.seen:
            assert f"from {answer.number(one.detectable, 3)} it would be seen (power 80 %" in line
    smallest = sorted(p.values())
    assert found[min(p, key=lambda key: p[key])].corrected == pytest.approx(3 * smallest[0])
    assert (
        found["early"].seen
        and not found["loss"].seen
        and found["loss"].negligible
        and not found["train"].seen
    )


def test_the_moderator_is_a_hypothesis_where_it_fails(studies: list[Study]) -> None:
    held = told(studies)
    for one in moderations_of(held):
        gaps = [f.signals[one.signal].gap for f in held]
        each = [f.signals[one.signal].tau.tau - f.signals["measure"].tau.tau for f in held]
        assert one.rho == pytest.approx(spearmanr(gaps, each).statistic) and one.tables == len(held)
        assert one.low < one.rho < one.high and not one.seen
    assert "a hypothesis still, not seen here; no ρ has 80 % power" in said(
        words(studies, []), "Moderator"
    )


def test_short_runs_do_not_tell_signals_apart(studies: list[Study]) -> None:
    line = said(words(studies, []), "Runs too short to overfit")
    short = [f for f in told(studies) if abs(f.signals["train"].gap) <= 0.2]
    medians = [
        np.median([f.signals[key].corrected.tau for f in short])
        for key in ("measure", "loss", "train")
    ]
    assert numbers(line)[::3] == pytest.approx(medians, abs=0.0051) and medians == pytest.approx(
        [1, 1, 1], abs=0.02
    )
    assert (
        f"{len(short)} of {len(told(studies))}" in line
        and "these runs cannot tell them apart" in line
    )


def test_what_cannot_be_seen_between_losses_is_told_at_80_percent(studies: list[Study]) -> None:
    line = said(words(studies, []), "Trained by another loss")
    gaps = [gap for f in told(studies) for gap, _ in f.goals[0].apart.values()]
    error = np.median([gap.high - gap.low for gap in gaps]) / 2 / 1.96
    needed = [(norm.isf(0.025 / tests) + norm.isf(0.2)) * error for tests in (1, len(gaps))]
    assert f"3 of {len(gaps)} pairs" in line and numbers(line)[-2:] == pytest.approx(
        needed, abs=1e-3
    )
    assert needed == pytest.approx([0.157, 0.228], abs=1.5e-3)


def test_fashion_decides_by_another_seeds_test(again: Replication) -> None:
    bench = load("fashion")
    first = np.unique(bench.column("functional_class").astype(int))
    values = {
        (name, epochs): [bench.column(name, epochs, seed)[first] for seed in range(3)]
        for name, epochs in (
            ("train_loss", 5),
            ("valid_loss", 5),
            ("valid_error", 5),
            ("train_loss", 2),
            ("test_error", 5),
        )
    }
    goal = values["test_error", 5]
    assert (again.classes, again.seeds, again.epochs) == (500, 3, (5, 2))
    keys = {
        "train": ("train_loss", 5),
        "loss": ("valid_loss", 5),
        "measure": ("valid_error", 5),
        "early": ("train_loss", 2),
    }
    for key, name in keys.items():
        own = values[name]
        crossed = np.mean([tau(own[a], goal[b]) for a, b in itertools.permutations(range(3), 2)])
        of_means = [
            tau(own[a][held], rest[held]) for a in range(3) for held, rest in [several(goal, a)]
        ]
        assert again.taus[key].tau == pytest.approx(crossed) and again.of_means[
            key
        ].tau == pytest.approx(np.mean(of_means))
        held, _ = several(goal, 0)
        assert again.same_run[key] == pytest.approx(
            np.mean([tau(own[a][held], goal[a][held]) for a in range(3)])
        )
    lines = words([], [], again)
    assert numbers(said(lines, "`fashion`"))[:4] == pytest.approx(
        [0.766, 0.754, 0.735, 0.031], abs=1e-9
    )
    gap = again.differences["train"]
    assert (gap.low, gap.high) == pytest.approx((0.027, 0.037), abs=0.0025)
    early = again.differences["early"]
    assert (early.tau, early.low, early.high) == pytest.approx((0.004, -0.004, 0.014), abs=0.0015)
    line = said(lines, "Without noise all three")
    assert "2 epochs of training loss are within .05 of the whole run's error (+.004" in line
    assert "40% of the cost" in line
    assert ".838" in line and ".739" in line


def several(goal: list[np.ndarray], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The cells of all seeds, and the mean of the others."""
    rest = np.round(
        np.mean([values for other, values in enumerate(goal) if other != seed], axis=0), 12
    )
    return np.isfinite(goal).all(axis=0), rest


def test_noise_is_named_and_left_out(studies: list[Study]) -> None:
    line = said(words(studies, []), "Named noise")
    for found in studies:
        assert (found.task in line) == (found.two_seeds.tau < 0.2)
    for line in (said(words(studies, []), begin) for begin in ("Noise of training", "Evaluation:")):
        for found in studies:
            clean = line.startswith("Noise")
            same = found.signals["measure"].same_run
            assert (found.task in line) == (same >= 0.85 if clean else same <= 0.65), (
                found.task,
                line,
            )


def test_searches_are_driven_by_every_loss_and_judged_by_another_seed(
    studies: list[Study], tmp_path: Path
) -> None:
    found = min(studies, key=lambda one: len(one.losses))
    made = searched([found], Work(tmp_path, runs=1))
    assert [one.drive for one in made] == list(dict.fromkeys(drives_of(found)))
    assert {len(runs) for one in made for runs in one.regret.values()} == {1}
    assert all(value >= 0 for one in made for runs in one.regret.values() for value in runs)
    again = searched([found], Work(tmp_path, runs=1))
    assert again == made
    assert isinstance(made[0], Searched) and role_of(made[0], made) == "usual validation measure"
    bench = load(found.table)
    metric = found.goals[0].metric
    judge = column(bench, metric, None, 1) / (100 if bench.metric(metric).unit == "%" else 1)
    assert np.allclose(judging(found), judge)
    regrets = {value for one in made for runs in one.regret.values() for value in runs}
    assert all(np.isclose(judge - judge.min(), value).any() for value in regrets)


def test_ranks_are_over_the_same_tables() -> None:
    rng = np.random.default_rng(0)
    drives = {
        "one": ["valid_error@ce", "valid_loss@ce", "valid_loss@brier", "valid_loss@dice"],
        "two": ["valid_error@ce", "valid_loss@ce", "valid_loss@brier"],
        "three": ["valid_error@ce", "valid_loss@ce", "valid_loss@brier"],
        "four": ["valid_psnr@squared", "valid_loss@squared"],
    }
    made = [
        Searched(
            table,
            drive,
            {"bo": rng.random(5).tolist(), "random": rng.random(5).tolist()},
            1.0,
            1.0,
            9.0,
        )
        for table, names in drives.items()
        for drive in names
    ]
    of = {(one.table, one.drive): np.concatenate([*one.regret.values()]) for one in made}
    common, family, single = meetings(made)
    assert common.tables == ("one", "two", "three", "four") and family.tables == (
        "one",
        "two",
        "three",
    )
    assert list(family.ranks) == [
        "usual validation measure",
        "usual valid loss",
        "validation loss of brier",
    ]
    assert single.tables == ("one",) and "validation loss of dice" in single.ranks
    names = drives["two"]
    expected = np.array(
        [
            rankdata([of[table, name] for name in names], axis=0).mean(axis=1)
            for table in family.tables
        ]
    )
    assert np.allclose(np.array([*family.ranks.values()]).T, expected)
    raw = [ttest_rel(expected[:, i], expected[:, 0]).pvalue for i in (1, 2)]
    assert min(family.p["usual valid loss"], family.p["validation loss of brier"]) == pytest.approx(
        min(1, 2 * min(raw))
    )
    lines = words([], made)
    (line,) = [line for line in lines if "same 3 tables" in line]
    assert f"validation loss of brier {expected[:, 2].mean():.2f}" in line
    assert "On fewer than 3 tables, so not ranked: dice." in lines


def simulated(
    name: str,
    task: str,
    epochs: int,
    seeds: list[int],
    folder: Path,
) -> Path:
    """A table of losses of a task that nobody trained: cells have different numbers of seeds."""
    rng = np.random.default_rng(len(name) + epochs)
    space = nb201()
    n = len(seeds)
    table = Table(
        f"losses-{name}",
        Sampled(space, space.choices[:n]).definition,
        "t",
        "s",
        "l",
        "c",
        "valid_loss@ce + 0.1*params",
        Network(),
        epochs="curve",
        card=json.dumps({"task": task}),
    )
    truth = rng.normal(size=n)
    held = np.arange(max(seeds))[:, None] < np.array(seeds)
    looks = (max(1, epochs // 5), epochs)
    for told, kind, at in (
        ("train_loss", "search", looks),
        ("valid_loss", "search", looks),
        ("valid_error", "search", looks),
        ("test_loss", "final", looks[1:]),
        ("test_error", "final", looks[1:]),
    ):
        unit, quantity = ("%", "error") if told.endswith("error") else ("nats", "loss")
        for look in at:
            noisy = 30 + 5 * truth + rng.normal(scale=4, size=held.shape)
            columns = np.where(held, noisy, np.nan)
            metric = Metric(f"{told}@ce", unit, kind, quantity, split=told.partition("_")[0])  # type: ignore[arg-type]
            table.add(metric, look, columns[0], 1, dict(enumerate(columns)))
    for split in ("train", "valid"):
        seconds = np.ones(n)
        table.add(
            Metric(f"{split}_seconds@ce", "s", "record", "cost"), epochs, seconds, 1, {0: seconds}
        )
    path = folder / f"{name}.h5"
    write_compact(table, path)
    return path


def test_every_training_is_used_and_lengths_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    (tmp_path / "losses").mkdir()
    seeds = [4] * 30 + [2] * 30 + [1] * 20
    simulated("made", "made", 5, seeds, tmp_path / "losses")
    simulated("made-x4", "made", 20, seeds, tmp_path / "losses")
    usual = study(load("losses-made/trained"))
    longer = study(load("losses-made-x4/trained"))
    assert usual is not None and longer is not None
    assert (usual.name, usual.longer, usual.epochs) == ("made", False, 5)
    assert (longer.name, longer.task, longer.longer) == ("made, 20 epochs", "made", True)
    assert {
        length: [one.name for one in held] for length, held in by_length([usual, longer]).items()
    } == {1: ["made"], 4: ["made, 20 epochs"]}
    assert usual.classes == (60, 80) and usual.seeds == (1, 4, 200)
    assert answer.summary([usual]).rows[0][2] == "60 × 1–4"
    bench = load("losses-made/trained")
    goal = np.array([column(bench, "test_error@ce", None, seed) for seed in range(4)])
    centred = goal - goal[:, :30].mean(axis=1, keepdims=True)
    taus = []
    cells = []
    for seed in range(4):
        own = column(bench, "valid_error@ce", None, seed)
        rest = np.delete(centred, seed, axis=0)
        enter = np.isfinite(own) & np.isfinite(rest).any(axis=0)
        taus.append(tau(own[enter], np.round(np.nanmean(rest[:, enter], axis=0), 12)))
        cells.append(int(enter.sum()))
    assert cells == [60, 60, 30, 30]
    assert usual.signals["measure"].tau.tau == pytest.approx(np.average(taus, weights=cells))
    same = [tau(column(bench, "valid_error@ce", None, seed), goal[seed]) for seed in range(4)]
    assert usual.signals["measure"].same_run == pytest.approx(
        np.average(same, weights=[80, 60, 30, 30])
    )
    assert any("20 epochs" in row[0] for row in answer.summary([usual, longer]).rows)


def test_json_holds_the_old_keys_and_the_new_ones(studies: list[Study], again: Replication) -> None:
    (row, *_) = answer.summary(studies).to_json()
    assert {
        "task",
        "judged by",
        "cells",
        "two seeds: τ",
        "best L after whole runs",
        "its regret",
        "early τ",
        "trained otherwise: apart",
        "two seeds",
        "measure: τ → r",
    } <= row.keys()
    found = json.loads(json.dumps(answer.findings(studies, [], again), allow_nan=False))
    assert found.keys() == {"signals", "contrasts", "moderator", "replication", "mean_ranks"}
    assert [one["task"] for one in found["signals"]] == [one.name for one in studies]
    assert found["replication"]["taus"]["train"]["estimate"] == pytest.approx(0.766, abs=5e-4)
    metrics = {row.metric for row in answer.rows(studies, [])}
    assert {
        "kendall",
        "kendall_best_half",
        "kendall_difference",
        "regret_with_lambda",
        "kendall_same_run",
        "correlation_corrected",
    } <= metrics
