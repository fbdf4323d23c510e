"""τ and what each cell adds to it, against other ways of counting the same."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from analysis.orders import parts, signs


@pytest.mark.parametrize("seed", range(2))
def test_the_parts_of_cells_are_the_spread_of_the_bootstrap(seed):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=100)
    second = first + rng.normal(size=100)
    if seed % 2:  # ties count as in scipy
        first = first.round()
    tau, slopes = parts(signs(first), signs(second))
    assert tau == pytest.approx(kendalltau(first, second).statistic)
    assert slopes.sum() == pytest.approx(0, abs=1e-5)
    drawn = [rng.integers(100, size=100) for _ in range(400)]
    spread = np.std(
        [kendalltau(first[chosen], second[chosen]).statistic for chosen in drawn]
    )
    assert np.sqrt((slopes**2).sum()) == pytest.approx(spread, rel=0.2)
