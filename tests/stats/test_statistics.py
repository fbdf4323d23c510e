"""Statistics against scipy and numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from surrogate_nas.runs.run import Run
from surrogate_nas.space import nb201
from surrogate_nas.space.trial import Trial
from surrogate_nas.stats.summaries import interval, paired_tests, summarise

SAMPLES = st.lists(st.floats(-100, 100), min_size=1, max_size=30)


def run_of(scores, costs=None):
    costs = costs or [1.0] * len(scores)
    ends = np.cumsum(costs)
    trials = [
        Trial(
            i,
            nb201()[i],
            score,
            score,
            0.0,
            True,
            None,
            cost,
            started=end - cost,
            finished=end,
        )
        for i, (score, cost, end) in enumerate(
            zip(scores, costs, ends.tolist(), strict=True)
        )
    ]
    return Run("mine", 0, trials, 1.0, 0.5)


def test_a_summary_by_hand():
    summary = summarise([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 100.0])
    assert summary.mean == 16.0
    assert summary.std == pytest.approx(
        np.sqrt(((np.array([1, 2, 3, 4, 5, 6, 7, 100]) - 16) ** 2).sum() / 7)
    )
    assert summary.iqm == (3 + 4 + 5 + 6) / 4


def test_one_value_has_no_spread_and_no_interval():
    summary = summarise([2.5])
    assert (summary.mean, summary.std, summary.iqm, summary.ci95) == (
        2.5,
        0.0,
        2.5,
        None,
    )


@given(SAMPLES)
@settings(max_examples=30, deadline=None)
def test_intervals_repeat_with_the_seed_and_lie_within_the_sample(sample):
    summary = summarise(sample, seed=4)
    assert summary == summarise(sample, seed=4)
    if summary.ci95 is None:
        assert len(sample) == 1
        return
    low, high = summary.ci95
    assert min(sample) - 1e-9 <= low <= high <= max(sample) + 1e-9
    assert summary.iqm == pytest.approx(stats.trim_mean(sample, 0.25))


def test_the_interval_is_scipys_percentile_bootstrap():
    sample = np.random.default_rng(0).normal(size=25)
    summary = summarise(sample)
    scipys = stats.bootstrap(
        (sample,), np.mean, method="percentile", n_resamples=10_000, random_state=0
    )
    assert summary.ci95 == pytest.approx(tuple(scipys.confidence_interval), abs=0.02)
    assert summarise(sample, seed=1).ci95 != summary.ci95
    assert summarise(sample, seed=1).ci95 == pytest.approx(summary.ci95, abs=0.03)


def test_paired_tests_are_wilcoxons_with_holms_correction():
    rng = np.random.default_rng(3)
    base = rng.normal(size=20)
    scores = {
        "a": base,
        "b": base + rng.normal(0.5, 0.5, 20),
        "c": base + rng.normal(0.1, 1, 20),
    }
    tests = paired_tests(scores)
    assert [(t.first, t.second) for t in tests] == [("a", "b"), ("a", "c"), ("b", "c")]
    plain = [stats.wilcoxon(scores[t.first], scores[t.second]).pvalue for t in tests]
    assert [t.p for t in tests] == pytest.approx(plain)
    order = np.argsort(plain)
    corrected = np.empty(3)
    corrected[order] = np.minimum(
        1, np.maximum.accumulate(np.array(plain)[order] * [3, 2, 1])
    )
    assert [t.p_holm for t in tests] == pytest.approx(corrected)
    for t in tests:
        assert t.wins == (scores[t.first] < scores[t.second]).sum(), "lower is better"
        assert t.wins + t.ties + t.losses == 20


def test_the_effect_by_hand():
    """Differences b - a of 1, 2, 3, -4 and a tie: ranks 1, 2, 3 for a and 4 for b; (6 - 4) / 10."""
    (test,) = paired_tests(
        {"a": np.array([0.0, 0, 0, 4, 7]), "b": np.array([1.0, 2, 3, 0, 7])}
    )
    assert (test.wins, test.ties, test.losses) == (3, 1, 1)
    assert test.effect == pytest.approx(0.2)
    (always,) = paired_tests({"a": np.zeros(6), "b": np.arange(1.0, 7)})
    assert always.effect == 1.0
    assert always.p == pytest.approx(2 / 2**6)


def test_the_incumbent_by_hand_the_earliest_among_equals():
    run = run_of([5.0, 3.0, 4.0, 3.0, 2.0, 2.0])
    curve = run.anytime()
    assert curve.best.tolist() == [0, 1, 1, 1, 4, 4]
    assert curve.score.tolist() == [5, 3, 3, 3, 2, 2]
    assert run.incumbent.index == 4


def test_curves_are_right_continuous():
    """Trials finish at 10, 30 and 60 seconds: until then each one counts for nothing."""
    curve = run_of([5.0, 3.0, 4.0], [10.0, 20.0, 30.0]).anytime()
    at = curve.at_cost(
        curve.score, np.array([0.0, 9.99, 10.0, 29.99, 30.0, 59.0, 60.0, 1e9])
    )
    assert at.tolist()[2:] == [5, 5, 3, 3, 3, 3]
    assert np.isnan(at[:2]).all()
    assert curve.at_cells(curve.score, np.array([1, 2, 3, 9])).tolist() == [5, 3, 3, 3]


def test_the_resamples_of_several_hundred_rows_are_drawn_once(monkeypatch):
    drawn = []
    generator = np.random.default_rng

    def counted(*seed):
        drawn.append(seed)
        return generator(*seed)

    samples = generator(0).normal(size=(600, 2))
    monkeypatch.setattr(np.random, "default_rng", counted)
    first, second = interval(samples, seed=31), interval(samples[::-1], seed=31)
    assert drawn == [(31,)]
    assert np.concatenate(first) == pytest.approx(np.concatenate(second), abs=0.02)


def test_an_interval_of_many_rows_is_the_normal_one_of_each_column():
    samples = np.random.default_rng(0).normal(size=(1000, 2)) * [1.0, 5.0]
    low, high = interval(samples)
    expected = stats.norm.interval(
        0.95, samples.mean(axis=0), samples.std(axis=0) / np.sqrt(1000)
    )
    np.testing.assert_allclose([low, high], expected, rtol=1e-6)
