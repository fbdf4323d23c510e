"""The trainings of each source under each condition, and how well their signals order cells.

All values are such that smaller is better. See ``analysis/regimes_protocol.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.answer.design import Pair
from analysis.answer.orders import Crossed, draws, regret_by, spread_of_seeds
from analysis.answer.reading import Values, rows_in, told_by
from analysis.orders import filled
from surrogate_nas.benchmarks.losses import LossesBenchmark
from surrogate_nas.core.errors import UserError

SIGNALS = (
    "train_loss",
    "train_error",
    "valid_loss",
    "valid_error",
    "valid_half_loss",
    "valid_half_error",
    "valid_clean_loss",
    "valid_clean_error",
)
SHARES = {20: "_20", 50: "_50", 100: ""}
"""Endings of columns by per cent of the run."""
GOALS = ("test_error", "test_loss")
KEYS = ["condition", "signal", "percent", "goal"]
DELTA, TWIN = "δ", "twin"
DIFFERENCES = {
    DELTA: ("train_loss", "valid_error", "test_error"),
    TWIN: ("train_error", "valid_error", "test_error"),
    "δ at 20 %": ("train_loss_20", "valid_error_20", "test_error"),
    "δ at 50 %": ("train_loss_50", "valid_error_50", "test_error"),
    "half": ("valid_half_error", "valid_error", "test_error"),
    "clean": ("valid_clean_error", "valid_error", "test_error"),
    "δ from clean": ("train_loss", "valid_clean_error", "test_error"),
    "δ of test loss": ("train_loss", "valid_loss", "test_loss"),
}
"""τ of the first signal less τ of the second one, both with the third column."""


@dataclass(frozen=True)
class Condition:
    """The trainings of one source under one condition.

    Attributes:
        task: The task of the source.
        name: The condition.
        seeds: Those of the trainings.
        columns: By name, shape ``(seeds, classes)``.
        params: The number of parameters, shape ``(classes,)``.
        classes: Places of the classes that every seed trained, from the design's first one.
        unit: The standard deviation of test error between the seeds of a cell.
    """

    task: str
    name: str
    seeds: list[int]
    columns: dict[str, Values]
    params: Values
    classes: NDArray[np.intp]
    unit: float

    def among(self, chosen: NDArray[np.bool_]) -> Condition:
        """Keep some classes, shape ``(classes,)``; the unit stays that of all."""
        columns = {name: values[:, chosen] for name, values in self.columns.items()}
        params, classes = self.params[chosen], self.classes[chosen]
        return replace(self, columns=columns, params=params, classes=classes)

    def tau(self, n: int = 0) -> Callable[[str, str], Values]:
        """τ of a signal with a goal; followed by its resamples where `n` classes are drawn."""
        once = np.ones((1, len(self.classes)), np.float32)
        counts = np.ascontiguousarray(draws(n)[:, self.classes]) if n else once
        crossed = Crossed(counts)
        return lambda one, two: crossed(self.columns[one], self.columns[two])

    def regret(self) -> Callable[[str], float]:
        """The regret of a signal in test error, in standard deviations between seeds."""
        goal = self.columns[GOALS[0]]
        regret = regret_by(goal, np.ones((1, len(self.classes)), bool))
        return lambda signal: regret(self.columns[signal]) / self.unit

    def differences(self, tau: Callable[[str, str], Values]) -> dict[str, Values]:
        """All of `DIFFERENCES` whose signals were recorded."""
        return {
            name: tau(one, goal) - tau(two, goal)
            for name, (one, two, goal) in DIFFERENCES.items()
            if {one, two} <= self.columns.keys()
        }

    def signals(self) -> list[dict[str, Any]]:
        """τ of every signal at every share of the run with both goals, and its regret."""
        tau, regret, lines = self.tau(), self.regret(), []
        names = [name for name in SIGNALS if name in self.columns]
        for signal, percent, goal in product(names, SHARES, GOALS):
            column = signal + SHARES[percent]
            lost = regret(column) if goal == GOALS[0] else None
            key = (
                self.task,
                self.name,
                signal,
                percent,
                goal,
                tau(column, goal)[0],
                lost,
            )
            names_of = ("task", *KEYS, "tau", "regret")
            lines.append(dict(zip(names_of, key, strict=True)))
        return lines


def read_conditions(
    folder: Path, pairs: list[Pair]
) -> tuple[list[Condition], list[str]]:
    """The conditions of a design that have at least two cells and seeds, and what is not whole.

    Raises:
        UserError: The folder has none of them, or a table is damaged.
    """
    found, lacking = [], []
    for pair in pairs:
        plan, path = pair.plan, folder / f"{pair.table}.h5"
        classes = range(plan.first_class, plan.first_class + plan.noisy_classes)
        own = _read(path, classes).get(pair.loss) if path.is_file() else None
        shape = (own.params.size, len(own.seeds)) if own else (0, 0)
        found += [own] if own else []
        if shape != (plan.noisy_classes, plan.seeds):
            about = "{} of {} cells, {} of {} seeds"
            told = about.format(shape[0], plan.noisy_classes, shape[1], plan.seeds)
            lacking.append(f"{pair.table}, {pair.loss}: {told}")
    if not found:
        raise UserError(
            f"{folder} has no table of this design with two cells and two seeds."
        )
    return found, lacking


@lru_cache(maxsize=32)
def _read(path: Path, classes: range) -> dict[str, Condition]:
    bench = LossesBenchmark(path)
    looked, rows, here = rows_in(bench, classes)
    made, told = told_by(bench.table, rows)
    found = {}
    for name, known in made.items():
        seeds = sorted(seed for seed, trained in known.items() if trained.any())
        whole = np.all([known[seed] for seed in seeds], axis=0)
        if len(seeds) < 2 or whole.sum() < 2:
            continue
        columns = {
            f"{split}_{quantity}": np.array(
                [filled(values[seed], known[seed]) for seed in seeds]
            )[:, whole]
            for (condition, split, quantity, time), values in told.items()
            if (condition, time) == (name, 100)
        }
        params = bench.column("params")[np.array(rows)[whole]]
        places = np.array(here)[whole] - looked.start
        unit = spread_of_seeds(columns[GOALS[0]])
        found[name] = Condition(path.stem, name, seeds, columns, params, places, unit)
    return found
