"""The estimators behind the answer on losses, on simulated cells whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, norm, ttest_1samp

from surrogate_nas.papers.trained import orders
from surrogate_nas.papers.trained.orders import (
    apart_by,
    corrected,
    crossed,
    draws,
    each_other,
    ends,
    order_of,
    others,
    seeds_of_goal,
    seen_from,
    spearman_of,
    taus_of,
    two_level,
    two_seeds,
    with_interval,
)


def trained(
    rng: np.random.Generator,
    n: int,
    seeds: int,
    noise: float,
    truth: np.ndarray | None = None,
) -> np.ndarray:
    """What runs of `seeds` seeds tell of cells: the truth and noise; shape ``(seeds, n)``."""
    truth = rng.normal(size=n) if truth is None else truth
    return truth + noise * rng.normal(size=(seeds, n))


@given(st.integers(0, 10_000), st.integers(10, 60), st.booleans())
def test_tau_is_that_of_scipy_also_with_ties_and_missing_cells(
    seed: int,
    n: int,
    ties: bool,
) -> None:
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=(2, n))
    if ties:
        one = one.round()
        two = two.round()
    one[rng.random(n) < 0.1] = math.nan
    held = np.isfinite(one)
    order = order_of(one, two)
    if held.sum() < orders.FEWEST_CELLS:
        assert order is None
        return
    assert order is not None
    found = order.taus(np.ones((1, n)))[0]
    assert found == pytest.approx(kendalltau(one[held], two[held]).statistic, nan_ok=True)
    counts = rng.multinomial(n, np.full(n, 1 / n), 3).astype(float)
    for count, tau in zip(counts, order.taus(counts), strict=True):
        cells = np.repeat(np.arange(n), count.astype(int))
        cells = cells[held[cells]]
        assert tau == pytest.approx(kendalltau(one[cells], two[cells]).statistic, nan_ok=True)


def test_many_cells_are_resampled_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    one, two = trained(rng, 300, 2, 1.0)
    counts = draws(300, 400)
    fast = taus_of([(one, two)], counts)
    monkeypatch.setattr(orders, "_BLOCK", 300)
    exact = taus_of([(one, two)], counts)
    assert fast[0] == exact[0] == pytest.approx(kendalltau(one, two).statistic)
    assert fast[1:].std() == pytest.approx(exact[1:].std(), rel=0.03)
    assert np.corrcoef(fast[1:], exact[1:])[0, 1] > 0.99


def test_the_goal_is_the_mean_of_the_other_seeds() -> None:
    goal = np.array(
        [[1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, math.nan], [6.0, 3.0, math.nan, math.nan]]
    )
    whole = others(goal[:, :2])
    assert np.allclose(whole, [[4.0, 3.5], [3.5, 2.5], [1.5, 3.0]])
    mixed = others(goal)  # centred on the two cells of all seeds: 1.5, 3, 4.5
    assert np.allclose(mixed[0, :3], [(-1 + 1.5) / 2, (1 - 1.5) / 2, 3.0]) and np.isnan(mixed[0, 3])
    assert (
        np.isnan(mixed[1, 3]) is np.False_
        and mixed[1, 3] == 2.5
        and mixed[2, 2] == pytest.approx((1.5 + 3) / 2)
    )
    assert seeds_of_goal(goal[:, :2]) == 2 and seeds_of_goal(goal[:1]) != seeds_of_goal(goal[:1])
    tied = np.array([[0.1, 0.2], [0.3, 0.3], [0.2, 0.1]])
    assert others(tied)[1, 0] == others(tied)[1, 1]


@pytest.mark.parametrize("seeds", [2, 4])
def test_noise_is_taken_out(seeds: int) -> None:
    """The true correlation of two signals is .6; each has a reliability of .5."""
    rng = np.random.default_rng(seeds)
    n = 400
    found = []
    raw = []
    for _ in range(20):
        truth, rest = rng.normal(size=(2, n))
        goal = trained(rng, n, seeds, 1.0, truth)
        signal = trained(rng, n, seeds, 1.0, 0.6 * truth + 0.8 * rest)
        if seeds > 2:  # cells of two, three and four seeds
            lacking = np.arange(seeds)[:, None] >= rng.integers(2, seeds + 1, size=n)
            goal[lacking] = signal[lacking] = math.nan
        once = np.ones((1, n))
        taus, own, of_goal = (
            taus_of(pairs, once)
            for pairs in (crossed(signal, goal), two_seeds(signal), two_seeds(goal))
        )
        found.append(corrected(taus, own, of_goal, seeds_of_goal(goal))[0])
        raw.append(taus[0])
    assert np.mean(found) == pytest.approx(0.6, abs=0.02)
    if seeds == 2:
        assert np.mean(raw) == pytest.approx(2 / math.pi * math.asin(0.3), abs=0.01)


def test_nothing_is_told_where_two_seeds_do_not_agree() -> None:
    assert np.isnan(corrected(np.array([0.1]), np.array([-0.1]), np.array([0.5]), 1)).all()
    assert np.isnan(with_interval(np.r_[0.9, np.full(90, 1.0), np.full(10, np.nan)]).high)
    few = np.full((2, 60), math.nan)
    few[:, :5] = 1.0
    assert np.isnan(taus_of(crossed(few, few), draws(60))).all()


def test_intervals_of_cells_cover() -> None:
    rng = np.random.default_rng(1)
    n = 60
    true = 2 / math.pi * math.asin(0.5)
    hits = 0
    for _ in range(200):
        truth = rng.normal(size=n)
        one = trained(rng, n, 2, 1.0, truth)
        two = trained(rng, n, 2, 1.0, truth)
        found = with_interval(taus_of(crossed(one, two), draws(n, 400)))
        hits += found.low <= true <= found.high
    assert 0.89 <= hits / 200 <= 0.98


@pytest.mark.parametrize(
    ("tasks", "between", "within"),
    [(15, 0.0, 0.05), (15, 0.05, 0.05), (15, 0.1, 0.02), (8, 0.05, 0.05)],
)
def test_two_levels_cover_about_as_said(
    tasks: int,
    between: float,
    within: float,
) -> None:
    rng = np.random.default_rng(2)
    hits = 0
    repeats = 600
    for i in range(repeats):
        found = rng.normal(0, math.hypot(between, within), size=(tasks, 1))
        resampled = two_level(
            np.hstack([found, found + rng.normal(0, within, size=(tasks, 300))]), 800, i
        )
        low, high = ends(resampled, tasks, 0.05)
        hits += low <= 0 <= high
        assert resampled[0] == found.mean()
    assert 0.925 <= hits / repeats <= 0.985


def test_a_difference_from_what_is_said_is_seen_four_times_of_five() -> None:
    rng = np.random.default_rng(3)
    tasks = 15
    shift = seen_from(tasks) * 0.1 / tasks**0.5
    repeats = 2000
    power = np.mean(
        [ttest_1samp(rng.normal(shift, 0.1, tasks), 0).pvalue < 0.05 for _ in range(repeats)]
    )
    assert power == pytest.approx(0.8, abs=0.03)
    assert seen_from(math.inf) == pytest.approx(norm.isf(0.025) + norm.isf(0.2))
    assert seen_from(math.inf, 41) / seen_from(math.inf) == pytest.approx(0.228 / 0.157, abs=0.01)


def test_an_order_that_is_worse_is_told_from_one_that_is_not() -> None:
    rng = np.random.default_rng(0)
    n = 200
    goal = rng.normal(size=(2, n))
    near, far = (goal[::-1] + noise * rng.normal(size=(2, n)) for noise in (0.3, 1.5))
    counts = draws(n)
    taus = {
        name: taus_of(crossed(values, goal), counts)
        for name, values in (("near", near), ("far", far))
    }
    gap, p = apart_by(taus["near"] - taus["far"], n)
    assert gap.low > 0.1 and p < 0.01 and apart_by(taus["near"] - taus["near"], n)[1] == 1
    assert np.allclose(taus_of(each_other(near, goal), counts), taus["near"])


def test_tasks_are_drawn_with_all_their_lengths() -> None:
    gaps = np.array([0.0, 0.1, 0.2, 0.3])
    values = np.array([1.0, 2.0, 3.0, 4.0])
    found = spearman_of(gaps, values, ["a", "a", "b", "b"])
    assert found[0] == pytest.approx(1) and np.allclose(found, 1)
    assert np.isnan(spearman_of(gaps, np.zeros(4), ["a", "a", "b", "b"])).all()
