"""Evaluation of surrogates: splits of cells, and scores of predictions.

Scores of ranks (Kendall, Spearman), of errors (R², MAE), of search (regret, rank and precision of
the best k, nDCG) and of calibration (coverage) can disagree. Kendall's τ over a whole space hides
the best cells, so it is also computed for the better half and the best quarter. Rank and precision
of the best k are the scores N@K and P@K of Ning et al., "GATES", ECCV 2020. The score nDCG was
introduced by Järvelin and Kekäläinen, 2002, and its gains are those of Burges et al., 2005.
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
"""Shares of the cells, the best ones by their true values, for which τ is computed."""
TOP = 10
"""The number of top-ranked cells that count for the regret and the precision."""
SHARE = 0.005
"""The share of best cells for `precision_half_percent`."""
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
    """A split into training cells and test cells, as indices into the space."""

    train: Indices
    test: Indices


def split_cells(
    space: Enumerable,
    values: Floats,
    n_train: int,
    kind: SplitKind = "random",
    seed: int = 0,
) -> Holdout:
    """Sample training cells from the cells that have a value.

    All other cells with a value are test cells.

    A grouped split omits test cells that are isomorphic to a training cell. Isomorphic cells have
    the same accuracy up to noise, so a random split is optimistic. The grouped split and the random
    split have the same training cells.

    Args:
        space: The space of the cells.
        values: Values of all cells, shape ``(len(space),)``, with NaN for a cell without a value.
        n_train: Number of training cells, at least 2.
        kind: The kind of split, ``random`` or ``grouped``.
        seed: Seed of the sampling.

    Raises:
        UserError: The kind of split is unknown, the space has no isomorphism classes, or there are
            too few cells.
    """
    measured = np.flatnonzero(np.isfinite(check_values(values, len(space))))
    order = np.random.default_rng(check_whole("A seed", seed)).permutation(measured)
    if kind == "grouped" and space.classes is None:
        raise UserError(
            f"The space {space.name} has no isomorphism classes to group by; use the random split."
        )
    return _split(order, n_train, kind, space.classes)


def split_drawn(
    space: Space,
    cells: Sequence[Cell],
    n_train: int,
    kind: SplitKind = "random",
) -> Holdout:
    """Split randomly sampled cells.

    The first `n_train` cells are training cells, and all others are test cells.

    A grouped split omits test cells that are isomorphic to a training cell (`Space.identity`).

    Args:
        space: The space of the cells.
        cells: Cells in random order.
        n_train: Number of training cells, at least 2.
        kind: The kind of split, ``random`` or ``grouped``.

    Raises:
        UserError: The kind of split is unknown, or there are too few cells.
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
            f"{n_train} training cells are not possible: {len(order)} cells have a value, and at"
            f" least {FEWEST_CELLS} are needed."
        )
    train, others = order[:n_train], order[n_train:]
    if kind == "grouped":
        others = others[~np.isin(classes[others], classes[train])]
    return Holdout(train, others)


def scores_of(
    truth: Floats, prediction: Prediction, top: int = TOP
) -> dict[str, float]:
    """Compute scores of predictions.

    A score is NaN if there are too few cells or all values are equal.

    Args:
        truth: True values of the cells, shape ``(n,)``, of which smaller values are better.
        prediction: The predicted values of these cells.
        top: Number k of best cells for ``regret_top``, ``rank_top`` and ``precision_top``.

    Returns:
        The scores by name:

        - ``kendall``, ``kendall_top_half``, ``kendall_top_quarter``: Kendall's τ of all cells, of
          the better half and of the best quarter of cells by true value.
        - ``spearman``, ``r2``, ``mae``: Spearman's ρ, R² and the mean absolute error.
        - ``coverage90``, ``coverage90_top_quarter``: The share of values within ``mean ± 1.645
          std``, of all cells and of the best quarter of cells by true value.
        - ``regret_top``: The best true value of the `top` cells with the best predictions, minus
          the best true value of all cells.
        - ``rank_top``: The best true rank among the `top` cells with the best predictions, 1 for
          the best of all cells. With the default `top`, this score is N@10.
        - ``precision_top``: The share of the `top` cells with the best predictions that are among
          the `top` truly best cells.
        - ``precision_half_percent``: The precision for the best 0.5 % of the cells (P@0.5 %)
          instead of the `top` cells.
        - ``ndcg``: The normalised discounted cumulative gain (see `ndcg_of`).
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
    """Return the normalised discounted cumulative gain, which is 1 if the predicted order is the
    true order.

    A cell's gain is ``2^relevance - 1``, and its relevance is 20 times the share of cells that are
    worse. The discount at rank i is ``log2(i + 1)``. Relevance follows ranks, because errors are
    too skewed to serve as grades.
    """
    from scipy.stats import rankdata

    gains = 2 ** (_GRADES * (1 - rankdata(truth, "max") / len(truth))) - 1
    discounts = 1 / np.log2(np.arange(len(truth)) + 2)
    ideal = float(np.sort(gains)[::-1] @ discounts)
    if not ideal:
        return math.nan
    return float(gains[np.argsort(mean, kind="stable")] @ discounts) / ideal


def kendall(first: Floats, second: Floats) -> float:
    """Return Kendall's τ-b of two columns, each of shape ``(n,)``.

    The result is NaN if fewer than three cells have both values, or if a column is constant.
    """
    from scipy.stats import kendalltau

    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < _FEWEST_TO_SCORE:
        return float("nan")
    return float(kendalltau(first[both], second[both], method="asymptotic").statistic)


def bands(truth: Floats, mean: Floats) -> dict[str, float]:
    """Return Kendall's τ of all cells, of the better half and of the best quarter by true value."""
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
