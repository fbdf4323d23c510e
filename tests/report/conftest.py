"""What several tests of pages look at."""

import numpy as np
import pytest

from tests.outcomes import made, noisy


@pytest.fixture(scope="module")
def result():
    """Four strategies on seven problems; b is the best, and never finds the optimum."""
    rng = np.random.default_rng(0)
    return made({f"p{i}": noisy(rng, 0.4, 0.1, 0.8, 1.2 + i) for i in range(7)})
