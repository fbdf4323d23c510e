"""Picks among all classes of a space, on the tasks where every class was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from analysis.answer.orders import CONTRASTED, others, spread_of_seeds
from analysis.answer.reading import read_tables

TASKS = ("digits", "rotation")
"""Those that the protocol trains all classes of."""
EVERY = range(10_000)
_FEWEST = 1000


def optima(data: Path) -> pd.DataFrame:
    """A line a task and signal: τ, the pick's regret, and how many classes are better than it.

    Ties share the pick; regret is in standard deviations between seeds. With two seeds the goal is
    that of one other training.
    """
    here = [name for name in TASKS if (data / f"{name}.h5").exists()]
    tables = [table for name in here for table in read_tables(data, EVERY, name)]
    lines = []
    for table in (one for one in tables if len(one.classes) >= _FEWEST):
        goal = table("test", table.measure)
        for key in [("valid", table.measure, 100), *CONTRASTED.values()]:
            each = [_pick(s, g) for s, g in zip(table(*key), others(goal), strict=True)]
            tau, regret, better = np.mean(each, axis=0)
            signal, spread = " ".join(map(str, key)), spread_of_seeds(goal)
            lines.append(
                (table.task, signal, len(table.classes), tau, regret / spread, better)
            )
    return pd.DataFrame(
        lines, columns=["task", "signal", "classes", "tau", "regret", "better"]
    )


def _pick(signal: np.ndarray, goal: np.ndarray) -> tuple[float, float, float]:
    picked = goal[signal == signal.min()]
    better = np.mean([(goal < value).mean() for value in picked])
    tau = float(kendalltau(signal, goal).statistic)
    return tau, float(picked.mean() - goal.min()), float(better)
