"""Who leads and whether that is decided: exact, calibrated, and ties are ties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from surrogate_nas.core.errors import UserError
from surrogate_nas.study.decision import by_space, claim, decide, detectable, flip_p, signed_ranks


@pytest.mark.parametrize("seed", range(30))
def test_p_is_the_share_of_all_flips(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [signed_ranks(np.round(rng.normal(0.4, 1, size=n), 1)) for n in rng.integers(1, 5, size=3)]
    signed = np.concatenate(parts)
    sums = [
        sum(s * abs(v) for s, v in zip(signs, signed, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(signed))
    ]
    wanted = 1.0 if signed.sum() <= 0 else min(1.0, 2 * np.mean(sums >= signed.sum()))
    assert flip_p(parts) == pytest.approx(wanted, abs=1e-12)


def test_p_without_ties_is_wilcoxon_s() -> None:
    rng = np.random.default_rng(3)
    for n in (6, 12, 25):
        d = np.abs(rng.normal(0.2, 1, size=n)) * rng.choice([1, 1, 1, -1], size=n)
        p = flip_p([signed_ranks(d)])
        if signed_ranks(d).sum() > 0:
            assert p == pytest.approx(stats.wilcoxon(d, method="exact").pvalue, abs=1e-12)


def test_p_is_exact_up_to_a_thousand_differing_runs_and_then_the_normal_approximation_s() -> None:
    for n in (999, 1000, 1001):
        p = flip_p([np.repeat([1, -1], [530, n - 530])])
        normal = math.erfc((1060 - n) / math.sqrt(2 * n))
        assert p == pytest.approx(stats.binomtest(530, n).pvalue if n <= 1000 else normal, rel=1e-9)


def test_76_ties_and_four_wins_are_not_decided_and_practically_the_same() -> None:
    first, second = np.zeros(80), np.zeros(80)
    second[:4] = 0.004
    found = decide({"zero_cost": [first], "bo": [second]})
    (rival,) = found.rivals
    assert found.leader == "zero_cost" and not found.decided and set(found.leaders) == {"zero_cost", "bo"}
    assert rival.p == 0.125 and (rival.wins, rival.ties, rival.losses) == (4, 76, 0) and rival.alike


def test_twenty_wins_are_more_than_eighteen_with_two_ties() -> None:
    wins = np.ones(20)
    some = np.r_[np.ones(18), 0.0, 0.0]
    assert flip_p([signed_ranks(wins)]) < flip_p([signed_ranks(some)])


def test_five_runs_of_one_problem_never_decide_and_six_do() -> None:
    for runs, decided in ((5, False), (6, True)):
        assert decide({"a": [np.zeros(runs)], "b": [1 + np.arange(runs)]}).decided is decided
    assert decide({"a": [np.zeros(3)] * 2, "b": [1 + np.arange(3)] * 2}).decided


def test_strategies_equal_in_every_run_count_once() -> None:
    a, b = [np.zeros(8)], [np.arange(1.0, 9.0)]
    alone, twice = decide({"a": a, "b": b}), decide({"a": a, "b": b, "c": b, "d": b})
    assert [r.p for r in alone.rivals] == [r.p for r in twice.rivals]
    same = decide({"a": a, "z": a, "b": b})
    assert same.same == ("z",) and not same.decided and same.rivals[0].apart


def test_whoever_passes_carries_all_farther_ones() -> None:
    rng = np.random.default_rng(0)
    best = rng.normal(size=20)
    found = decide({"a": [best], "b": [best + rng.normal(0.1, 1, 20)], **{f"c{i}": [best + 3 + i] for i in range(3)}})
    apart = [rival.apart for rival in found.rivals]
    assert apart == sorted(apart) and apart[-1] and found.rivals[0].needed is not None


def test_infinite_runs_are_worst_and_two_of_them_tie() -> None:
    ranks = signed_ranks(np.array([np.inf, 1.0, np.nan, -np.inf]))
    assert ranks.tolist() == [7, 4, 0, -7]
    found = decide({"a": [np.zeros(8)], "b": [np.r_[np.full(4, np.inf), np.ones(4)]]})
    assert found.decided and found.leader == "a"


def test_unequal_numbers_of_runs_pair_those_that_both_have() -> None:
    found = decide({"a": [np.zeros(6), np.zeros(20)], "b": [np.ones(6), np.ones(12)]})
    assert found.decided and found.rivals[0].wins == 18


def test_a_problem_of_fewer_runs_counts_as_much_as_one_of_more() -> None:
    few, many = np.array([3.0, 1.0, -2.0, 4.0, 5.0]), np.array([-1.0, *range(2, 9), -9.0, 10.0, 11.0])
    found = decide({"a": [np.zeros(5), np.zeros(11)], "b": [few, many]})
    assert (found.leader, found.rivals[0].p) == ("a", flip_p([2 * signed_ranks(few), signed_ranks(many)]))


def test_one_number_a_space_and_none_below_six() -> None:
    differences = [np.ones(4), -np.ones(4), np.ones(4)]
    assert by_space(differences, ["x", "x", "y"]).tolist() == [0.0, 1.0]
    values = {"a": [np.zeros(5)] * 7, "b": [np.ones(5)] * 7}
    assert not decide(values, list("aabbcde")).decided
    found = decide(values, list("aabcdef"))
    assert found.decided and found.units == 6 and not found.rivals[0].alike


def test_sixteen_problems_of_one_space_are_one_witness() -> None:
    rng = np.random.default_rng(1)
    spaces = ["x"] * 16 + list("abcde")
    better = [-1.0] * 16 + list(rng.choice([-1.0, 1.0], size=5))
    values = {"a": [np.full(6, b) + rng.normal(0, 0.1, 6) for b in better], "b": [np.zeros(6)] * 21}
    here, elsewhere = decide(values), decide(values, spaces)
    assert here.decided and not elsewhere.decided


def test_needed_runs_hold_what_the_truth_needs() -> None:
    rng = np.random.default_rng(5)
    a = rng.normal(size=40)
    found = decide({"a": [a], "b": [a + rng.normal(0.3, 1, 40)]})
    if found.rivals[0].needed:
        low, high = found.rivals[0].needed
        assert 10 <= low <= high
    assert decide({"a": [np.zeros(9)], "b": [np.zeros(9)]}).same == ("b",)


def test_detectable_is_seen_with_eighty_percent() -> None:
    rng = np.random.default_rng(2)
    spread = [rng.normal(size=30)]
    shift = detectable(spread)
    assert shift is not None and 0.3 < shift < 0.9
    seen = np.mean([flip_p([signed_ranks(rng.normal(shift, 1, 30))]) <= 0.05 for _ in range(600)])
    assert 0.65 < seen < 0.92
    assert detectable([np.zeros(30)]) is None


def test_different_problems_are_refused() -> None:
    for values in ({"a": [np.zeros(3)], "b": []}, {"a": [], "b": []}, {}):
        with pytest.raises(UserError, match="same problems, and at least one"):
            decide(values)


@pytest.mark.parametrize(("k", "m", "r", "tied"), [(2, 1, 10, 0.0), (3, 4, 5, 0.0), (8, 2, 10, 0.0), (2, 8, 10, 0.95)])
def test_identical_strategies_are_told_apart_in_five_percent(k: int, m: int, r: int, tied: float) -> None:
    rng = np.random.default_rng([k, m, r])
    repeats, wrong = 600, 0
    for _ in range(repeats):
        values = np.where(rng.random((k, m, r)) < np.sqrt(tied), 0.0, rng.normal(size=(k, m, r)))
        found = claim({str(i): list(of) for i, of in enumerate(values)})
        wrong += found.first < len(found.rivals)
    assert wrong / repeats <= 0.055 + 3 * np.sqrt(0.055 * 0.945 / repeats)
