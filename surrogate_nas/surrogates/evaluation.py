"""How good a surrogate is: split, scores, learning curves, and the ceiling that training noise
sets.

Ranks (Kendall, Spearman), errors (R², MAE), what a search would find (regret, rank and precision of
the best k, nDCG) and calibration (coverage) can disagree, and Kendall's τ over a whole space hides
the top: it is given for the better half and the best quarter too. Rank and precision as in Ning et
al., "GATES", ECCV 2020: their N@K and P@K; nDCG is Järvelin and Kekäläinen's, 2002, with the gains
of Burges et al., 2005.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError, check_whole
from surrogate_nas.space import Cell, Enumerable, Space
from surrogate_nas.surrogates.base import (
    FEWEST_CELLS,
    Z90,
    Floats,
    Prediction,
    check_values,
)

Indices = NDArray[np.int64]
SplitKind = Literal["random", "grouped"]

BANDS: Mapping[str, float] = {
    "kendall": 1.0,
    "kendall_top_half": 0.5,
    "kendall_top_quarter": 0.25,
}
"""Shares of the cells, the best by their true values, that τ is given for."""
TOP = 10
"""How many of the cells that a model likes best count for the regret and the precision."""
SHARE = 0.005
"""Of the cells: the best for `precision_half_percent`."""
# Of the cells, the best by truth: where a search works, and where ``coverage90_top_quarter`` is
# taken.
_QUARTER = 0.25
# The relevance of the best cell; each grade doubles the gain of nDCG.
_GRADES = 20
_FEWEST_TO_SCORE = 3
_SCORES = (
    "spearman",
    "r2",
    "mae",
    "coverage90",
    "coverage90_top_quarter",
    "regret_top",
    "precision_top",
    "rank_top",
    "precision_half_percent",
    "ndcg",
)


class Holdout(NamedTuple):
    """Cells to learn from and cells to test on, as indices into the space."""

    train: Indices
    test: Indices


def split_cells(
    space: Enumerable,
    values: Floats,
    n_train: int,
    kind: SplitKind = "random",
    seed: int = 0,
) -> Holdout:
    """Draw training cells among those that have a value; the test cells are the others.

    Grouped by functional class, only those others are tested that compute other functions than
    every training cell: isomorphic cells share their accuracy but for noise, so that a random split
    flatters. Both kinds learn from the same cells.

    Args:
        values: Shape ``(len(space),)``, NaN where a cell has none.
        kind: ``random`` or ``grouped``.

    Raises:
        UserError: The kind is unknown, the space has no functional classes, or there are not so
            many cells.
    """
    measured = np.flatnonzero(np.isfinite(check_values(values, len(space))))
    order = np.random.default_rng(check_whole("A seed", seed)).permutation(measured)
    if kind == "grouped" and space.classes is None:
        raise UserError(
            f"The space {space.name} has no functional classes to group by; use the random split."
        )
    return _split(order, n_train, kind, space.classes)


def split_drawn(
    space: Space,
    cells: Sequence[Cell],
    n_train: int,
    kind: SplitKind = "random",
) -> Holdout:
    """Holdout cells that were drawn at random: the first are learned from, the others tested.

    Grouped, only those others are tested that compute other functions than every training cell
    (`Space.identity`).

    Raises:
        UserError: The kind is unknown, or there are not so many cells.
    """
    classes = (
        np.array([space.identity(cell) for cell in cells])
        if kind == "grouped"
        else None
    )
    return _split(np.arange(len(cells)), n_train, kind, classes)


def _split(order: Indices, n_train: int, kind: SplitKind, classes: Any) -> Holdout:
    if kind not in ("random", "grouped"):
        raise UserError(f"A split is random or grouped, not {kind!r:.80}.")
    if (
        not FEWEST_CELLS
        <= check_whole("The number of cells to learn from", n_train)
        <= len(order)
    ):
        raise UserError(
            f"Cannot learn from {n_train} cells: {len(order)} have a value, and at least"
            f" {FEWEST_CELLS} are needed to learn."
        )
    train, others = order[:n_train], order[n_train:]
    if kind == "grouped":
        others = others[~np.isin(classes[others], classes[train])]
    return Holdout(train, others)


def scores_of(
    truth: Floats, prediction: Prediction, top: int = TOP
) -> dict[str, float]:
    """Score predictions; NaN where there are too few cells, or all are equal.

    Args:
        truth: Shape ``(n,)``, smaller is better.
        top: How many of the best count as the top.

    Returns:
        ``kendall`` (also ``_top_half`` and ``_top_quarter``, the best by truth), ``spearman``,
        ``r2``, ``mae``, ``coverage90`` (the share within ``mean ± 1.645 std``),
        ``coverage90_top_quarter`` (the same among the best quarter by truth), ``regret_top`` (the
        best truth among the `top` cells liked best, minus the best of all), ``rank_top`` (its true
        rank, 1 for the best of all: N@10 with the usual `top`) and ``precision_top`` (how many of
        the `top` are among the true `top`); ``precision_half_percent`` (likewise, of the best .5 %:
        P@.5 %) and ``ndcg`` (`ndcg_of`).
    """
    from scipy.stats import spearmanr

    if len(truth) < _FEWEST_TO_SCORE:
        return dict.fromkeys((*BANDS, *_SCORES), float("nan"))
    mean, std = prediction
    n = len(truth)
    error = truth - mean
    variance = float(((truth - truth.mean()) ** 2).sum())
    spearman = math.nan
    if np.ptp(truth) > 0 and np.ptp(mean) > 0:
        spearman = float(spearmanr(mean, truth).statistic)

    covered = np.abs(error) <= Z90 * std
    best_quarter = np.argsort(truth, kind="stable")[: max(1, round(_QUARTER * n))]

    chosen = truth[np.argsort(mean, kind="stable")]  # as a model orders the cells
    best = np.sort(truth)
    top = min(top, n)
    best_chosen = chosen[:top].min()
    n_share = max(1, int(SHARE * n))
    return bands(truth, mean) | {
        "spearman": spearman,
        "r2": 1 - float((error**2).sum()) / variance if variance else math.nan,
        "mae": float(np.abs(error).mean()),
        "coverage90": float(covered.mean()),
        "coverage90_top_quarter": float(covered[best_quarter].mean()),
        "regret_top": float(best_chosen - best[0]),
        "precision_top": float((chosen[:top] <= best[top - 1]).mean()),
        "rank_top": 1.0 + float((truth < best_chosen).sum()),
        "precision_half_percent": float((chosen[:n_share] <= best[n_share - 1]).mean()),
        "ndcg": ndcg_of(truth, mean),
    }


def ndcg_of(truth: Floats, mean: Floats) -> float:
    """Normalised discounted cumulative gain: 1 where the predicted order is the true one.

    A cell's relevance is 20 times the share of the cells that it is not better than; its gain is
    ``2^relevance - 1``, and the discount of place i ``log2(i + 1)``. Relevance by rank, for errors
    are too skewed to be grades.
    """
    from scipy.stats import rankdata

    gains = 2 ** (_GRADES * (1 - rankdata(truth, "max") / len(truth))) - 1
    discounts = 1 / np.log2(np.arange(len(truth)) + 2)
    ideal = float(np.sort(gains)[::-1] @ discounts)
    if not ideal:
        return math.nan
    return float(gains[np.argsort(mean, kind="stable")] @ discounts) / ideal


def kendall(first: Floats, second: Floats) -> float:
    """Kendall's τ (b, so ties count) of two columns; NaN where fewer than three cells have both, or
    one is constant; both of shape ``(n,)``.
    """
    from scipy.stats import kendalltau

    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < _FEWEST_TO_SCORE:
        return float("nan")
    return float(kendalltau(first[both], second[both], method="asymptotic").statistic)


def bands(truth: Floats, mean: Floats) -> dict[str, float]:
    """Kendall's τ over all cells, the better half and the best quarter by truth."""
    from scipy.stats import kendalltau

    order = np.argsort(truth, kind="stable")
    best = {
        name: order[: max(2, round(share * len(order)))]
        for name, share in BANDS.items()
    }
    return {
        name: float(kendalltau(mean[part], truth[part]).statistic)
        for name, part in best.items()
    }
