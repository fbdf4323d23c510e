"""How alike two orders of the same cells are: over all of them, over the best, and among cells of equal complexity.

Kendall's τ throughout. A high τ over a whole space mostly says that bad cells are told from good ones; a search ends
among the best quarter. And what merely counts operations ranks well over a space, but not within equal counts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Indices = NDArray[np.intp]

SHARES = {"kendall": 1.0, "kendall_best_half": 0.5, "kendall_best_quarter": 0.25}
"""By the metric of a row: the share of the cells, best first, that τ is over."""
WITHIN = "kendall_equal_complexity"
MEASURES = (*SHARES, WITHIN)
TITLES = {
    "kendall": "all", "kendall_best_half": "best half", "kendall_best_quarter": "best quarter",
    WITHIN: "equal complexity",
}  # fmt: skip
"""How a table heads each."""
_FEWEST = 3
_MOST_PAIRS = 3


def kendall(first: Values, second: Values) -> float:
    """Kendall's τ (b, so ties count) of two columns; NaN where fewer than three cells have both, or one is constant.

    Args:
        first: Shape ``(n,)``; cells that are not finite are left out.
        second: Likewise.
    """
    from scipy.stats import kendalltau

    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < _FEWEST:
        return math.nan
    return float(kendalltau(first[both], second[both], method="asymptotic").statistic)


def best(values: Values, share: float) -> Indices:
    """The cells with the smallest values, best first.

    Args:
        values: Shape ``(n,)``, smaller is better; cells that are not finite are left out.
        share: Of the others, 0 to 1.
    """
    order = np.argsort(values, kind="stable")[: int(np.isfinite(values).sum())]
    return order[: round(len(order) * share)]


def within(first: Values, second: Values, groups: Values | None) -> float:
    """The mean τ within groups, each weighted by its pairs of cells; NaN without groups.

    Args:
        first: Shape ``(n,)``.
        second: Likewise.
        groups: The group of every cell, or None.
    """
    if groups is None:
        return math.nan
    taus, pairs = [], []
    for group in np.unique(groups):
        here = groups == group
        tau, n = kendall(first[here], second[here]), int(here.sum())
        if math.isfinite(tau):
            taus.append(tau)
            pairs.append(n * (n - 1))
    return float(np.average(taus, weights=pairs)) if taus else math.nan


def agreement(first: Values, second: Values, wanted: Values, groups: Values | None) -> dict[str, float]:
    """τ of two columns by every one of `MEASURES`.

    Args:
        first: Shape ``(n,)``, smaller is better.
        second: Likewise.
        wanted: What the better half and the best quarter are by, smaller is better.
        groups: The complexity of every cell, or None.
    """
    found = {}
    for measure, share in SHARES.items():
        cells = best(wanted, share)
        found[measure] = kendall(first[cells], second[cells])
    return {**found, WITHIN: within(first, second, groups)}


def ceiling(seeds: Sequence[Values], wanted: Values, groups: Values | None) -> dict[str, float]:
    """How well one training seed ranks as another does: no loss of one seed can be asked for much more.

    Args:
        seeds: The same metric for different seeds, shape ``(n,)`` each; with fewer than two there is no answer.
        wanted: As `agreement` takes it.
        groups: Likewise.

    Returns:
        By every one of `MEASURES` the mean over at most three pairs of seeds; empty where there are none.
    """
    pairs = list(itertools.combinations(seeds, 2))[:_MOST_PAIRS]
    each = [agreement(first, second, wanted, groups) for first, second in pairs]
    return {measure: float(np.mean([one[measure] for one in each])) for measure in MEASURES} if each else {}
