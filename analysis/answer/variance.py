"""How much of the regret of a search is due to signal, strategy, λ and seed.

Components of variance of a balanced design within a task, by the method of moments: the mean square
of a factor exceeds that of all interactions together by its own variance times the searches of a
level, and that of interactions exceeds the seeds' likewise. Negative ones are 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.answer.contrasts import FEWEST, combine
from analysis.answer.reading import Values
from analysis.answer.searching import LAMBDAS, SIGNALS, SWITCH, SWITCHED, cube

FACTORS = ("signal", "strategy", "λ")
TOGETHER, SEED = "together", "seed"


def components(regrets: Values) -> dict[str, float]:
    """The variance between signals, strategies, λ, their combinations, and seeds, the axes."""
    shape = regrets.shape
    cells = regrets.mean(axis=-1)
    within = float(regrets.var(axis=-1, ddof=1).mean())
    mean = cells.mean()
    rest = cells - mean
    squares, freedom = {}, {}
    for axis, name in enumerate(FACTORS):
        others = tuple(i for i in range(3) if i != axis)
        level = cells.mean(axis=others, keepdims=True) - mean
        rest = rest - level
        of_level = regrets.size / shape[axis]
        freedom[name] = shape[axis] - 1
        squares[name] = of_level * float((level**2).sum()) / freedom[name]
    left = cells.size - 1 - sum(freedom.values())
    interactions = shape[-1] * float((rest**2).sum()) / left
    found = {}
    for axis, name in enumerate(FACTORS):
        found[name] = max(
            0.0, (squares[name] - interactions) / (regrets.size / shape[axis])
        )
    found[TOGETHER] = max(0.0, (interactions - within) / shape[-1])
    found[SEED] = within
    return found


def shares(searches: pd.DataFrame) -> pd.DataFrame:
    """The mean over sources of each task's components as shares of their sum."""
    tasks = searches.groupby(["source", "task"])
    every = pd.DataFrame({task: components(cube(own)) for task, own in tasks}).T
    if every.empty:
        return pd.DataFrame(columns=["component", "share", "sources"])
    of_source = every.div(every.sum(axis=1), axis=0).dropna().groupby(level=0).mean()
    mean = of_source.mean()
    columns = {
        "component": mean.index,
        "share": mean.to_numpy(),
        "sources": len(of_source),
    }
    return pd.DataFrame(columns)


def gains(searches: pd.DataFrame) -> pd.DataFrame:
    """What driving by another signal than the measure costs in regret without λ, over sources.

    With λ the unit of a loss decides how much of the parameters it buys, which is no matter of how
    well the loss orders cells.
    """
    lines = []
    for (source, _), own in searches.groupby(["source", "task"]):
        reference, *others = cube(own)[:, :, LAMBDAS.index(0.0)]
        for signal, regrets in zip(SIGNALS[1:], others, strict=True):
            lines.append((source, signal, *of_seeds(regrets - reference)))
    return over_sources(lines, "signal")


def switches(searches: pd.DataFrame) -> pd.DataFrame:
    """What the training loss costs in regret that ranks short runs of a strategy, over sources.

    Objective and budget are those of the strategy without it, so all λ count.
    """
    lines = []
    for (source, _), own in searches.groupby(["source", "task"]):
        plain, driven = cube(own, (SIGNALS[0], SWITCH), SWITCHED)
        for strategy, lost in zip(SWITCHED, driven - plain, strict=True):
            if np.isfinite(lost).all():
                lines.append((source, strategy, *of_seeds(lost)))
    return over_sources(lines, "strategy")


def of_seeds(regrets: Values) -> tuple[float, float]:
    """The mean of differences of regret, and its variance by seed, the last axis."""
    by_seed = regrets.reshape(-1, regrets.shape[-1]).mean(axis=0)
    return float(by_seed.mean()), float(by_seed.var(ddof=1) / len(by_seed))


def over_sources(
    lines: Sequence[tuple[str, str, float, float]], by: str
) -> pd.DataFrame:
    """For each of some kinds the mean over sources, and in how many it is above 0.

    Lines are of source, kind, difference and variance, one a task.
    """
    told = []
    frame = pd.DataFrame(lines, columns=["source", by, "difference", "variance"])
    for kind, own in frame.groupby(by, sort=False):
        means = own.groupby("source")[["difference", "variance"]].mean()
        if len(means) >= FEWEST:
            values, variances = means.to_numpy().T
            # few seeds tell little of a source's own variance, and nothing where all picks agree
            combined = combine(np.array(values), np.full(len(values), variances.mean()))
            worse = int((values > 0).sum())
            told.append(
                (kind, combined.mean, *combined.interval(), combined.sources, worse)
            )
    return pd.DataFrame(
        told, columns=[by, "difference", "low", "high", "sources", "worse"]
    )
