"""Who leads and whether that is decided: exact, calibrated, and ties are ties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from surrogate_nas.core.errors import UserError
from surrogate_nas.stats.decision import (
    END_LEVEL,
    MARGIN,
    Needed,
    by_space,
    decide,
    detectable,
    flip_p,
    mean_bound,
    mean_difference,
    runs_for_mean,
    signed_ranks,
)


@pytest.mark.parametrize("seed", range(6))
def test_p_is_the_share_of_all_flips(seed):
    rng = np.random.default_rng(seed)
    parts = [
        signed_ranks(np.round(rng.normal(0.4, 1, size=n), 1))
        for n in rng.integers(1, 5, size=3)
    ]
    signed = np.concatenate(parts)
    sums = [
        sum(s * abs(v) for s, v in zip(signs, signed, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(signed))
    ]
    wanted = 1.0 if signed.sum() <= 0 else min(1.0, 2 * np.mean(sums >= signed.sum()))
    assert flip_p(parts) == pytest.approx(wanted, abs=1e-12)


def test_p_is_exact_up_to_a_thousand_differing_runs_and_then_the_normal_approximation_s() -> (
    None
):
    for n in (999, 1000, 1001):
        p = flip_p([np.repeat([1, -1], [530, n - 530])])
        normal = math.erfc((1060 - n) / math.sqrt(2 * n))
        assert p == pytest.approx(
            stats.binomtest(530, n).pvalue if n <= 1000 else normal, rel=1e-9
        )


def test_76_ties_and_four_wins_are_not_decided_and_practically_the_same():
    first = np.zeros(80)
    second = np.zeros(80)
    second[:4] = 0.004
    found = decide({"zero_cost": [first], "bo": [second]})
    (rival,) = found.rivals
    assert found.leader == "zero_cost"
    assert not found.decided
    assert set(found.leaders) == {"zero_cost", "bo"}
    assert rival.p == 0.125 and (rival.wins, rival.ties, rival.losses) == (4, 76, 0)
    assert rival.alike and rival.statement == "same" and rival.needed is None


def test_five_runs_of_one_problem_never_decide_and_six_do():
    for runs, decided in ((5, False), (6, True)):
        assert (
            decide({"a": [np.zeros(runs)], "b": [1 + np.arange(runs)]}).decided
            is decided
        )
    assert decide({"a": [np.zeros(3)] * 2, "b": [1 + np.arange(3)] * 2}).decided


def test_strategies_equal_in_every_run_count_once():
    a = [np.zeros(8)]
    b = [np.arange(1.0, 9.0)]
    alone = decide({"a": a, "b": b})
    twice = decide({"a": a, "b": b, "c": b, "d": b})
    assert [r.p for r in alone.rivals] == [r.p for r in twice.rivals]
    same = decide({"a": a, "z": a, "b": b})
    assert same.same == ("z",) and not same.decided and same.rivals[0].apart


def test_whoever_passes_carries_all_farther_ones():
    rng = np.random.default_rng(0)
    best = rng.normal(size=20)
    found = decide(
        {
            "a": [best],
            "b": [best + rng.normal(0.1, 1, 20)],
            **{f"c{i}": [best + 3 + i] for i in range(3)},
        }
    )
    apart = [rival.apart for rival in found.rivals]
    assert apart == sorted(apart) and apart[-1]


def test_infinite_runs_are_worst_and_two_of_them_tie():
    ranks = signed_ranks(np.array([np.inf, 1.0, np.nan, -np.inf]))
    assert ranks.tolist() == [7, 4, 0, -7]
    found = decide({"a": [np.zeros(8)], "b": [np.r_[np.full(4, np.inf), np.ones(4)]]})
    assert found.decided and found.leader == "a"


def test_a_problem_of_fewer_runs_counts_as_much_as_one_of_more():
    few = np.array([3.0, 1.0, -2.0, 4.0, 5.0])
    many = np.array([-1.0, *range(2, 9), -9.0, 10.0, 11.0])
    found = decide({"a": [np.zeros(5), np.zeros(11)], "b": [few, many]})
    assert (found.leader, found.rivals[0].p) == (
        "a",
        flip_p([2 * signed_ranks(few), signed_ranks(many)]),
    )


def test_one_number_a_space_and_none_below_six():
    differences = [np.ones(4), -np.ones(4), np.ones(4)]
    assert by_space(differences, ["x", "x", "y"]).tolist() == [0.0, 1.0]
    values = {"a": [np.zeros(5)] * 7, "b": [np.ones(5)] * 7}
    assert not decide(values, list("aabbcde")).decided
    found = decide(values, list("aabcdef"))
    assert found.decided and found.units == 6 and not found.rivals[0].alike


def test_sixteen_problems_of_one_space_are_one_witness():
    rng = np.random.default_rng(1)
    spaces = ["x"] * 16 + list("abcde")
    better = [-1.0] * 16 + list(rng.choice([-1.0, 1.0], size=5))
    values = {
        "a": [np.full(6, b) + rng.normal(0, 0.1, 6) for b in better],
        "b": [np.zeros(6)] * 21,
    }
    here = decide(values)
    elsewhere = decide(values, spaces)
    assert here.decided and not elsewhere.decided


def rival_of(better, worse, problems=4):
    """The only rival of two strategies with the same regrets on each problem."""
    return decide(
        {"a": np.split(better, problems), "b": np.split(worse, problems)}
    ).rivals[0]


def test_the_mean_has_a_say():
    """Better in most runs and worse in the mean is not best, whatever the ranks say."""
    rng = np.random.default_rng(0)
    fails = np.where(np.arange(80) % 5 == 4, 1.0, 0.0)
    split = decide({"fails": np.split(fails, 4), "steady": [np.full(20, 0.1)] * 4})
    (rival,) = split.rivals
    assert split.leader == "fails" and rival.p < 0.05 and rival.statement == "split"
    assert (
        not split.decided and split.leaders == ("fails", "steady") and split.worse == ()
    )
    assert rival.interval is not None and rival.interval[1] < 0 and rival.p_both == 1.0

    most = rival_of(
        np.where(np.arange(80) % 20 == 19, 1.0, 0.0), 0.1 + 0.01 * rng.random(80)
    )
    assert (
        most.p < 0.001 and most.statement == "most runs" and most.interval is not None
    )
    assert most.interval[0] < 0 < most.interval[1]

    far = np.where(np.arange(80) % 4 == 3, 1.0, -0.01) + 0.001 * rng.random(80)
    mean = rival_of(np.zeros(80), far)
    assert mean.p > 0.05 and mean.statement == "open" and not mean.apart
    assert mean.interval is not None and mean.interval[0] <= 0 <= mean.interval[1]

    clear = rival_of(0.1 * rng.random(80), 0.3 + 0.1 * rng.random(80))
    assert clear.statement == "decided" and clear.apart and clear.needed is None


def test_few_runs_support_no_statement_on_means():
    """Failures that would reverse the mean happen in none of ten runs with a probability above the
    level. After as many runs as `runs_for_mean` says that is below it.
    """
    for difference in (0.05, 0.1, 0.3):
        enough = runs_for_mean(difference)
        for runs, statement in ((enough - 1, "most runs"), (enough, "decided")):
            rival = rival_of(np.zeros(runs), np.full(runs, difference), 1)
            assert rival.statement == statement and rival.p < 0.001
        assert (
            (1 - difference) ** enough
            <= END_LEVEL / 2
            < (1 - difference) ** (enough - 1)
        )
    # a failure may be as bad as the worst of either
    assert (
        rival_of(np.zeros(80), np.r_[np.full(79, 0.1), 9.0], 1).statement == "most runs"
    )


@pytest.mark.parametrize(("m", "r"), [(1, 10), (4, 20)])
def test_rare_failures_make_no_claim_false(m, r):
    """a is better in most runs, fails at times, and its mean is not lower: never decided for a."""
    share, repeats, wrong = 0.05, 300, 0
    rng = np.random.default_rng([m, r, 50])
    for _ in range(repeats):
        fails = np.where(rng.random((m, r)) < share, 1.0, 0.0)
        steady = share * (1 + 0.001 * rng.normal(size=(m, r)))
        found = decide({"a": list(fails), "b": list(steady)})
        wrong += found.rivals[0].statement in ("decided", "split")
    assert wrong / repeats <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / repeats)


def test_a_later_decision_claims_nothing_unless_the_first_is_decided():
    values = {"a": [np.zeros(8)], "b": [np.ones(8)]}
    first, undecided = decide(values), decide({"a": [np.zeros(3)], "b": [np.ones(3)]})
    assert decide(values, after=first).decided
    assert not decide(values, after=undecided).decided


def test_rare_failures_are_not_the_same():
    """The share of runs that differ is small, the mean difference is not."""
    fails = np.zeros(200)
    fails[:10] = 1.0
    rare = rival_of(np.zeros(200), fails)
    tiny = rival_of(np.zeros(200), 0.008 * fails)
    assert rare.bound is not None and rare.bound > MARGIN and not rare.alike
    assert tiny.alike and tiny.bound is not None and tiny.bound <= MARGIN


def test_the_bound_covers_the_mean_in_95_percent():
    rng = np.random.default_rng(4)
    wrong = 0
    for _ in range(400):
        sample = np.where(rng.random(60) < 0.1, rng.random(60), 0.0)  # of mean .05
        wrong += mean_bound(sample, 1.0) < 0.05
    assert wrong / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_hall_s_interval_is_student_s_without_skewness_and_covers_with_it():
    symmetric = np.array([-3.0, -1.0, 1.0, 3.0]) + 0.5
    found = mean_difference([symmetric])
    wanted = stats.t.interval(0.95, 3, symmetric.mean(), stats.sem(symmetric))
    assert found.interval == pytest.approx(wanted)
    assert found.p == pytest.approx(stats.ttest_1samp(symmetric, 0).pvalue)
    rng = np.random.default_rng(3)
    hall = student = 0
    for _ in range(600):
        parts = [rng.exponential(size=20) for _ in range(2)]
        interval = mean_difference(parts).interval
        assert interval is not None
        hall += interval[0] <= 1 <= interval[1]
        both = np.concatenate(parts)
        low, high = stats.t.interval(0.95, 39, both.mean(), stats.sem(both))
        student += low <= 1 <= high
    assert hall / 600 >= 0.92 and hall >= student


def test_one_run_has_no_interval_and_decides_nothing():
    rival = rival_of(np.zeros(1), np.ones(1), 1)
    assert rival.interval is None
    assert rival.p_mean == 1.0
    assert rival.statement == "open"
    assert rival.needed is None


def test_a_tie_in_all_runs_but_one_has_no_favourite():
    one = np.zeros(40)
    one[0] = 0.7
    found = decide(
        {"a": np.split(np.zeros(40), 4), "b": np.split(one, 4), "c": [np.ones(10)] * 4}
    )
    assert found.chances["a"] == found.chances["b"] == pytest.approx(0.5)
    assert sum(found.chances.values()) == pytest.approx(1)
    assert found.rivals[0].needed is None


def test_what_is_needed_is_a_number_or_a_lower_bound_or_nothing():
    spread = np.random.default_rng(5).permutation(
        stats.norm.ppf((np.arange(160) + 0.5) / 160)
    )
    seen = {}
    for shift in (0.02, 0.08, 0.13):
        rival = rival_of(np.zeros(160), spread + shift)
        seen[shift] = rival.needed
    lower, nothing, about = seen.values()
    assert lower is not None
    assert lower.about is None
    assert lower.high is None
    assert lower.low > 40
    assert nothing is None
    assert about is not None and about.about is not None and about.high is not None
    assert 41 <= about.low <= about.about <= about.high <= 400
    assert Needed(7, 26).about == 13


def test_the_number_of_runs_that_are_needed_decides_with_eighty_percent():
    """Of 40 runs with the true spread and shift; the rule is asked, in new studies of as many runs
    as it said.
    """
    rng = np.random.default_rng(11)
    quantiles = stats.norm.ppf((np.arange(20) + 0.5) / 20)
    needed = rival_of(np.zeros(20), quantiles / quantiles.std() + 0.4, 1).needed
    assert needed is not None and needed.about is not None
    runs = needed.about
    decided = np.mean(
        [
            rival_of(np.zeros(runs), rng.normal(0.4, 1, runs), 1).apart
            for _ in range(400)
        ]
    )
    assert 0.65 < decided < 0.92


def test_detectable_is_decided_with_eighty_percent():
    rng = np.random.default_rng(2)
    for law in (rng.normal, rng.uniform):
        spread = law(size=2000)
        shift = detectable([np.zeros(30)], [spread[:30] / spread.std()])
        assert shift is not None and 0.3 < shift < 0.9
        own = (spread - spread.mean()) / spread.std()
        seen = [
            rival_of(np.zeros(30), rng.choice(own, 30) + shift, 1).apart
            for _ in range(400)
        ]
        assert 0.65 < np.mean(seen) < 0.93
    for runs in (np.zeros(30), np.arange(5.0)):
        assert detectable([np.zeros(len(runs))], [runs]) is None


def test_times_are_decided_by_ranks_alone():
    never = np.full(9, 301.0)
    found = decide(
        {"a": [np.r_[np.full(7, 20.0), 301.0, 301.0]], "b": [never]}, ranks_only=True
    )
    (rival,) = found.rivals
    assert rival.apart
    assert rival.interval is None
    assert rival.p_mean is None
    assert not rival.alike


def test_other_problems_have_one_mean_a_space():
    rng = np.random.default_rng(6)
    spaces = [str(i % 9) for i in range(18)]
    better = [rng.random(5) for _ in spaces]
    rare = [one + (0.1 if i % 9 else -3.0) for i, one in enumerate(better)]
    here = decide({"a": better, "b": rare})
    elsewhere = decide({"a": better, "b": rare}, spaces)
    assert here.rivals[0].statement == "split" and not elsewhere.decided
    assert elsewhere.pairs == 9 and elsewhere.rivals[0].bound is None


def test_different_problems_are_refused():
    for values in ({"a": [np.zeros(3)], "b": []}, {"a": [], "b": []}, {}):
        with pytest.raises(UserError, match="at least one strategy, and the same"):
            decide(values)


@pytest.mark.parametrize(
    ("k", "m", "r", "tied"),
    [(2, 1, 10, 0.0), (3, 4, 5, 0.0), (8, 2, 10, 0.0), (2, 8, 10, 0.95)],
)
def test_identical_strategies_are_told_apart_in_five_percent(k, m, r, tied):
    rng = np.random.default_rng([k, m, r])
    repeats = 300
    wrong = 0
    for _ in range(repeats):
        values = np.where(
            rng.random((k, m, r)) < np.sqrt(tied), 0.0, rng.normal(size=(k, m, r))
        )
        found = decide({str(i): list(of) for i, of in enumerate(values)})
        wrong += bool(found.worse)
    assert wrong / repeats <= 0.055 + 3 * np.sqrt(0.055 * 0.945 / repeats)
