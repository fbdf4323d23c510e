"""Searches at equal seconds on the tables with four seeds, driven by different signals.

    python -m analysis.answer.searching --data data/losses

A search sees one training seed, its run's, of the classes that all seeds trained. What it finds
is judged by the mean of the other seeds: the measure and λ·params above the least there is, in
standard deviations of the measure between seeds. Strategies over epochs search with the switch
besides, at its default, which was tuned on nothing. It takes minutes, stores every search in a CSV
file, and goes on from there; the page reads that file and says what is not in it.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import surrogate_nas as sn
from analysis.answer.orders import others, spread_of_seeds
from analysis.answer.reading import SOURCES, Table, Values, read_tables, stored
from surrogate_nas.benchmarks.losses import LossesBenchmark
from surrogate_nas.objective import Objective
from surrogate_nas.space import Sampled
from surrogate_nas.tables import read_compact, write_compact

SIGNALS = ("measure", "validation loss", "training loss")
STRATEGIES = (
    "random",
    "evolution",
    "local_search",
    "bo",
    "hyperband",
    "bo_epochs",
    "zero_cost",
)
SWITCH = "training loss early"
"""Objective by the measure; the training loss ranks runs shorter than its (`drive=`)."""
SWITCHED = ("hyperband", "bo_epochs")
LAMBDAS = (0.0, 0.02, 0.1, 0.3)
SEEDS = 4
TRAININGS = 25
"""The budget: so many whole runs of the usual loss, with a validation pass each."""
HEADS = ("digest", "task", "signal", "strategy", "lambda", "seed", "regret")
_SHORTEST = 40
_DIGITS = 12
"""So much of a table's digest is stored."""


class Problem(NamedTuple):
    """The classes of a table that every seed trained, as a benchmark."""

    bench: LossesBenchmark
    digest: str  # Of the table, its first digits: searches on another are not mixed with these
    task: str
    measure: str  # The name of its measure, with the usual loss
    seconds: float  # The budget


def _problem(path: Path, table: Table, folder: Path) -> Problem:
    """Write the complete classes of a table as one of its own, and open it."""
    whole = read_compact(path)
    usual, measure = table.usual, table.measure
    names = (
        f"valid_{measure}",
        "valid_loss",
        "train_loss",
        f"test_{measure}",
        "train_seconds",
    )
    columns = {
        key: values
        for key, values in whole.table.columns.items()
        if key.metric.partition("@")[0] in names and key.metric.endswith(f"@{usual}")
    }
    rows = np.flatnonzero(
        np.all([np.isfinite(values) for values in columns.values()], axis=0)
    )
    assert isinstance(whole.cells, Sampled)
    space = Sampled(whole.cells.base, whole.cells.choices[rows]).definition
    some = replace(
        whole.table, space=space, metrics={}, columns={}, n_seeds={}, sources={}
    )
    for key in whole.table.columns:
        if key.seed == "mean" and key.metric.endswith(f"@{usual}"):
            metric = replace(whole.table.metrics[key.metric], epochs=())
            of_seeds = {
                own.seed: values[rows]
                for own, values in whole.table.columns.items()
                if own[:2] == key[:2] and own.seed != "mean"
            }
            some.add(metric, key.epochs, of_seeds[0], 1, of_seeds)  # type: ignore[arg-type]
    write_compact(some, folder / path.name)
    bench = LossesBenchmark(folder / path.name)
    spent = bench.column(f"train_seconds@{usual}") + bench.column(
        f"valid_seconds@{usual}"
    )
    seconds = round(TRAININGS * float(spent.mean()), 3)
    return Problem(
        bench, whole.digest[:_DIGITS], table.task, f"{measure}@{usual}", seconds
    )


def _judging(problem: Problem, weight: float) -> Values:
    """What every cell is worth by the seeds that a search does not see, shape (seeds, cells)."""
    bench = problem.bench
    metric = bench.metric(f"test_{problem.measure}")
    question = bench.question(metric.name)
    columns = [metric.minimised(bench.column(*question, seed)) for seed in range(SEEDS)]
    goal = np.array(columns) / (100 if metric.unit == "%" else 1)
    params = bench.column("params")
    worth = others(goal) + weight * params / np.median(params)
    return (worth - worth.min(axis=1, keepdims=True)) / spread_of_seeds(goal)


def _searches(
    problem: Problem, known: set[tuple[str, ...]]
) -> Iterator[tuple[str, ...]]:
    usual = problem.measure.partition("@")[2]
    measure = f"valid_{problem.measure}"
    losses = (measure, f"valid_loss@{usual}", f"train_loss@{usual}")
    ways = [
        (signal, loss, {one: one for one in STRATEGIES})
        for signal, loss in zip(SIGNALS, losses, strict=True)
    ]
    driven = {one: f"{one}(drive='train_loss@{usual}')" for one in SWITCHED}
    ways.append((SWITCH, measure, driven))
    search = partial(sn.search, problem.bench, budget_seconds=problem.seconds)
    for weight in LAMBDAS:
        regrets = _judging(problem, weight)
        for (signal, loss, strategies), seed in itertools.product(ways, range(SEEDS)):
            objective = Objective(
                f"{loss} + {weight}*params", problem.bench, training_seed=seed
            )
            for name, strategy in strategies.items():
                key = (
                    problem.digest,
                    problem.task,
                    signal,
                    name,
                    str(weight),
                    str(seed),
                )
                if key not in known:
                    found = search(strategy, objective, run=seed).incumbent.cell.index
                    yield (*key, f"{regrets[seed, int(found)]:.6g}")


def make_searches(data: Path, store: Path) -> None:
    """Make every search that is not in a CSV file yet, and add it there."""
    known: set[tuple[str, ...]] = set()
    if store.exists():
        frame = pd.read_csv(store, dtype=str)
        known = set(frame[list(HEADS[:-1])].itertuples(index=False, name=None))
    else:
        store.parent.mkdir(parents=True, exist_ok=True)
        store.write_text(",".join(HEADS) + "\n", encoding="utf-8")
    with (
        TemporaryDirectory() as folder,
        store.open("a", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        for table in filter(_is_usable, read_tables(data)):
            print(f"searching on {table.name}", file=sys.stderr)
            problem = _problem(data / f"{table.name}.h5", table, Path(folder))
            for line in _searches(problem, known):
                writer.writerow(line)
                file.flush()


def _is_usable(table: Table) -> bool:
    """Whether its runs are of usual length, and enough classes have four seeds."""
    is_usual = table.name == table.task and len(table("test", "loss")) == SEEDS
    return is_usual and len(table.classes) >= _SHORTEST


def read_searches(store: Path, digests: dict[str, str]) -> pd.DataFrame:
    """The searches of the tables as they are now, whose digests are given by task."""
    if not store.exists():
        return pd.DataFrame(columns=[*HEADS, "source"])
    frame = pd.read_csv(store)
    now = frame["task"].map(digests)
    frame = frame[now.str[:_DIGITS] == frame["digest"].str[:_DIGITS]]
    balanced = frame[frame["signal"].isin(SIGNALS)].groupby("task")["regret"].size()
    wanted = len(SIGNALS) * len(STRATEGIES) * len(LAMBDAS) * SEEDS
    whole = frame["task"].map(balanced) == wanted
    return frame[whole].assign(source=frame["task"].map(SOURCES))


def cube(
    own: pd.DataFrame,
    signals: Sequence[str] = SIGNALS,
    strategies: Sequence[str] | None = None,
) -> NDArray[np.float64]:
    """One task's regrets, shape ``(signals, strategies, λ, seeds)``; NaN where one is missing."""
    levels = [signals, strategies or STRATEGIES, LAMBDAS, range(SEEDS)]
    order = own.set_index(["signal", "strategy", "lambda", "seed"])["regret"]
    index = pd.MultiIndex.from_product(levels)
    return order.reindex(index).to_numpy().reshape([len(level) for level in levels])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("data/losses"))
    parser.add_argument(
        "--store", type=Path, help="a CSV file; DATA-searches.csv if left out"
    )
    given = parser.parse_args()
    make_searches(given.data, given.store or stored(given.data, "searches"))


if __name__ == "__main__":
    main()
