"""What sources say of a new one: in limits that can be worked by hand, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from surrogate_nas.study.random_effects import Estimate, combine


def test_a_measurement_moves_what_is_known_by_its_precision() -> None:
    found = Estimate.normal(0.1, 0.04).seen(0.4, 0.02)
    assert (found.mean, found.error**2) == pytest.approx((0.1 + 0.3 * 2 / 3, 0.04 / 3))
    assert found.interval() == pytest.approx(stats.norm.interval(0.95, found.mean, found.error))
    exact = Estimate.normal(0.1, 0.04).seen(0.4, 0.0)
    assert exact.mean == pytest.approx(0.4) and exact.error < 1e-5


def test_many_exact_sources_give_the_mean_and_the_spread_that_they_have() -> None:
    values = 0.05 + 0.1 * stats.norm.ppf((np.arange(200) + 0.5) / 200)
    found = combine(values, np.full(200, 1e-8))
    assert found.mean.mean == pytest.approx(0.05, abs=1e-6)
    assert found.mean.error == pytest.approx(0.1 / np.sqrt(200), rel=0.05)
    assert found.new.interval() == pytest.approx((0.05 - 0.196, 0.05 + 0.196), abs=0.01)


def test_a_measurement_that_few_sources_contradict_is_believed() -> None:
    prior = combine(np.array([0.01, 0.02, 0.03, 0.02]), np.full(4, 0.0004)).new
    assert prior.interval()[0] > -0.2
    found = prior.seen(-0.25, 0.0004)
    assert found.mean < -0.15, "the spread between sources was underestimated, and is now not"


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_intervals_cover_what_they_promise(spread: float) -> None:
    rng = np.random.default_rng(7)
    covered = []
    for _ in range(100):
        true = rng.normal(0.02, spread, 9)
        variances = rng.uniform(0.0004, 0.003, 9)
        seen = true + rng.standard_normal(9) * np.sqrt(variances)
        found = combine(seen[:8], variances[:8]).new
        again = found.seen(seen[8], variances[8])
        covered.append(
            [low <= true[8] <= high for low, high in (found.interval(), again.interval())]
        )
    assert np.mean(covered, axis=0).min() >= 0.88, "95 % within what 100 studies can show"
