"""The warning signs: can training and validation data tell that the training loss orders worse?

Each sign is one number for a source and condition, from one seed; a high one warns of δ < −.05 in
other cells. See ``analysis/regimes_protocol.md``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.answer.conditions import DELTA, Condition
from analysis.answer.contrasts import OF_INTEREST
from analysis.answer.reading import Values
from surrogate_nas.core.numbers import LEVEL

CELLS = 8
"""The first cells of the design; the next one is the reference cell."""
SIGNS = ("W1", "W2", "W3", "W4", "W5")
_RESAMPLES = 10_000
_LEAST_AREA, _LEAST_LOW, _MOST_COST = 0.80, 0.65, 0.17
_OF_LOSS, _OF_ERROR = 0.001, 0.1
"""What W3 adds to losses, and to errors in percentage points."""


def signs_of(condition: Condition) -> dict[str, float]:
    """The five signs, by the first seed; NaN where one is not defined."""
    first = {name: values[0] for name, values in condition.columns.items()}
    (at,) = np.flatnonzero(condition.classes == CELLS)
    own = {name: float(values[at]) for name, values in first.items()}
    few = condition.classes < CELLS
    train, error = first["train_loss"][few], first["valid_error"][few]
    both = own["valid_loss"] + own["train_loss"]
    fall = np.log(
        (own["train_loss_50"] + _OF_LOSS) / (own["train_loss"] + _OF_LOSS)
    ) - np.log((own["valid_error_50"] + _OF_ERROR) / (own["valid_error"] + _OF_ERROR))
    values = (
        (own["valid_loss"] - own["train_loss"]) / both if both else np.nan,
        own["valid_error"] - own["valid_error_best"],
        fall,
        -stats.kendalltau(train, error).statistic,
        stats.kendalltau(-condition.params[few], train).statistic,
    )
    return dict(zip(SIGNS, map(float, values), strict=True))


def pairs_of(conditions: Iterable[Condition], first_seed: int) -> pd.DataFrame:
    """Signs, δ and regrets of every source and condition that has the nine cells and others."""
    lines = []
    for condition in conditions:
        has_cells = {*range(CELLS + 1)} < {*condition.classes.tolist()}
        if not has_cells or condition.seeds[0] != first_seed:
            continue
        others = condition.among(condition.classes > CELLS)
        regret = others.regret()
        line = {"task": condition.task, "condition": condition.name}
        costs = {"train": regret("train_loss"), "valid": regret("valid_error")}
        delta = float(others.differences(others.tau())[DELTA][0])
        lines.append({**line, **signs_of(condition), DELTA: delta, **costs})
    return pd.DataFrame(lines)


def area(sign: Values, is_worse: NDArray[np.bool_], tasks: Values) -> Values:
    """The area under the curve, and the ends of its interval by drawing sources."""
    names, source = np.unique(tasks, return_inverse=True)
    above = np.sign(sign[:, None] - sign) / 2 + 0.5
    member = np.eye(len(names))[source]
    worse, other = member[is_worse], member[~is_worse]
    wins = worse.T @ above[np.ix_(is_worse, ~is_worse)] @ other
    drawn = np.random.default_rng(0).integers(len(names), size=(_RESAMPLES, len(names)))
    counts = np.vstack([np.ones(len(names)), np.eye(len(names))[drawn].sum(axis=1)])
    number = (counts @ worse.sum(axis=0)) * (counts @ other.sum(axis=0))
    won = np.einsum("ri,ij,rj->r", counts, wins, counts)
    areas = np.divide(won, number, out=np.full(len(won), np.nan), where=number > 0)
    ends = np.nanquantile(areas[1:], [LEVEL / 2, 1 - LEVEL / 2])
    return np.array([areas[0], *ends])


def threshold(sign: Values, is_worse: NDArray[np.bool_]) -> float:
    """Where the true positive rate exceeds the false positive rate most; the lowest if tied."""
    values = np.unique(sign)
    middles = (values[1:] + values[:-1]) / 2
    if not len(middles):
        return np.inf
    warned = sign > middles[:, None]
    gains = [
        warned[:, group].sum(axis=1) / max(group.sum(), 1)
        for group in (is_worse, ~is_worse)
    ]
    return float(middles[np.round(gains[0] - gains[1], 12).argmax()])


def evaluate(pairs: pd.DataFrame) -> pd.DataFrame:
    """How well each sign warns, leaving one source out: a line a sign."""
    if pairs.empty:
        return pairs
    tasks, lines = pairs["task"].to_numpy(), []
    is_worse = (pairs[DELTA] < -OF_INTEREST).to_numpy()
    if is_worse.all() or not is_worse.any():
        return pd.DataFrame()
    for name in SIGNS:
        sign = pairs[name].fillna(pairs[name].min()).to_numpy()
        thresholds = {
            task: threshold(sign[tasks != task], is_worse[tasks != task])
            for task in dict.fromkeys(tasks)
        }
        warned = sign > pd.Series(tasks).map(thresholds).to_numpy()
        lost = np.where(warned, 0.0, pairs["train"] - pairs["valid"])
        cost = float(pd.Series(lost).groupby(tasks).mean().mean())
        found, low, high = area(sign, is_worse, tasks)
        is_good = found >= _LEAST_AREA and low > _LEAST_LOW and cost <= _MOST_COST
        line = {"sign": name, "pairs": len(pairs), "worse": int(is_worse.sum())}
        line |= {"area": found, "low": low, "high": high, "cost": cost}
        rates = warned[is_worse].mean(), warned[~is_worse].mean()
        line |= dict(zip(("true_warnings", "false_warnings"), rates, strict=True))
        lines.append(line | {"accepted": bool(is_good), "thresholds": thresholds})
    good = [line["area"] for line in lines if line["accepted"]]
    for line in lines:
        line["used"] = line["accepted"] and line["area"] == max(good)
    return pd.DataFrame(lines)
