"""How far apart the optimal cells of different losses lie under one rule for λ.

A tolerance says what twice the median parameters are worth, in interquartile ranges of a loss: λ is
that share of its range. The same λ is the validation measure's,
whatever the loss. The limit is the parameters of the measure's pick by the tolerance. The knee of
the front of a loss and parameters lies farthest below the line of its ends. No table made the rule.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.answer.orders import others, spread_of_seeds
from analysis.answer.reading import Table, Values
from analysis.answer.variance import of_seeds, over_sources

RULES = ("tolerance", "same λ", "limit", "knee")
SHARES = (0.1, 0.3, 1.0)
"""What twice the median parameters are worth, in interquartile ranges of the loss."""
QUANTITIES = ("params", "goal")


def spread(values: Values) -> float:
    """The interquartile range of values, shape ``(n,)``."""
    low, high = np.percentile(values, [25, 75])
    return float(high - low)


def knee(loss: Values, size: Values) -> int:
    """The place of the knee of the front of two quantities, each shape ``(classes,)``."""
    order = np.lexsort((loss, size))
    least = np.minimum.accumulate(loss[order])
    front = order[loss[order] < np.append(np.inf, least[:-1])]
    ends = (values[front] - values[front].min() for values in (loss, size))
    below = sum(along / (np.ptp(along) or 1.0) for along in ends)
    return int(front[np.argmin(below)])


def picks(losses: Sequence[Values], size: Values, share: float) -> dict[str, list[int]]:
    """By rule the place of the class that each loss picks, the measure first.

    Sizes are parameters over their median, shape ``(classes,)`` as each loss; share: see `SHARES`.
    """
    weights = [share * spread(loss) for loss in losses]
    pairs = zip(losses, weights, strict=True)
    by_tolerance = [int((loss + weight * size).argmin()) for loss, weight in pairs]
    kept = size <= size[by_tolerance[0]]
    return {
        "tolerance": by_tolerance,
        "same λ": [int((loss + weights[0] * size).argmin()) for loss in losses],
        "limit": [int(np.where(kept, loss, np.inf).argmin()) for loss in losses],
        "knee": [knee(loss, size) for loss in losses],
    }


def apart(table: Table) -> Values:
    """How far the picks of validation and training loss lie from the measure's, the mean over both
    losses and all shares, shape ``(rules, 2, seeds)``: in doublings of parameters, and in standard
    deviations of the goal between seeds.
    """
    unit = 100 if table.unit == "%" else 1
    signals = (
        table("valid", table.measure) / unit,
        table("valid", "loss"),
        table("train", "loss"),
    )
    goal = table("test", table.measure)
    wanted = others(goal) / spread_of_seeds(goal)
    size = table.params / np.median(table.params)
    found = np.zeros((len(RULES), len(QUANTITIES), len(goal)))
    for seed, losses in enumerate(zip(*signals, strict=True)):
        for share in SHARES:
            for rule, (own, *rest) in enumerate(picks(losses, size, share).values()):
                for other in rest:
                    doublings = abs(np.log2(size[other] / size[own]))
                    far = abs(wanted[seed, other] - wanted[seed, own])
                    found[rule, :, seed] += (
                        np.array([doublings, far]) / len(rest) / len(SHARES)
                    )
    return found


def tolerances(tables: Sequence[Table]) -> pd.DataFrame:
    """A line a rule, and one for each less the tolerance: ``params`` (doublings) and ``goal``
    (standard deviations of seeds) with intervals over sources.
    """
    far = [apart(table) for table in tables]
    wide = []
    for place, quantity in enumerate(QUANTITIES):
        lines = []
        for table, found in zip(tables, far, strict=True):
            own = dict(zip(RULES, found[:, place], strict=True))
            own |= {
                f"{rule} less tolerance": own[rule] - own[RULES[0]]
                for rule in RULES[1:]
            }
            lines += [
                (table.source, rule, *of_seeds(values)) for rule, values in own.items()
            ]
        ends = {end: f"{quantity}_{end}" for end in ("low", "high")}
        frame = over_sources(lines, "rule").drop(columns="worse")
        wide.append(frame.rename(columns={"difference": quantity, **ends}))
    return wide[0].merge(wide[1], on=["rule", "sources"])
