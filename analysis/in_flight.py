"""What trainings in flight cost a strategy: regret by how many of them it has to do without.

    python analysis/in_flight.py                                   # some ten minutes
    python analysis/in_flight.py --tables fashion --strategies bo --runs 100 --seeds 5000
    python analysis/in_flight.py --read                            # tells what is stored

With V trainings in flight a strategy is asked before V − 1 of its earlier questions are answered.
Simulated workers make exactly the trials of trainings in slots in the order of the clock
(``analysis/same_twice.py``), so tables can tell. Regret is the distance of the best score so far
from the table's optimum, in thousandths of the objective, after so many finished evaluations. Those
of fewer epochs than the objective's count as evaluations, but their scores do not; a run without a
score yet counts as infinitely bad in a median, and there is then no mean.

A run has as many evaluations as the last number says. Before its end, what is in flight does not
count; at its end all of it has finished.

Only tables that record seconds are asked by default. Where an evaluation is charged a query, all
that are in flight end at once and are told together.

Two rows say what is nobody's fault. ``random`` learns nothing: what it loses with V is what is
still in flight, of cells that train for long more than of others. ``clock`` is the simulated time
until so many evaluations of ``random`` have finished, as a share of that with one in flight.

Runs are kept in a file, so that the same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

import surrogate_nas as sn
from surrogate_nas.core.threads import one_thread
from surrogate_nas.files import Journal
from surrogate_nas.objective import Objective

TABLES = ("nb201-cifar100", "nb201-cifar10", "fashion", "fcnet-protein", "mlp-australian")
STRATEGIES = ("random", "local_search", "evolution", "asha", "bo")
WORKERS = (1, 2, 4, 8, 16)
AFTER = (40, 100)
THOUSANDTHS = 1e3
BASE = "random"
"""Whose times are told."""


class Search(NamedTuple):
    """One run of one strategy.

    Attributes:
        table: The benchmark's name; its default objective is searched.
        strategy: As `surrogate_nas.search` takes it.
        workers: How many evaluations are in flight.
        seed: The number of the run.
    """

    table: str
    strategy: str
    workers: int
    seed: int


class Found(NamedTuple):
    """What a run had found after so many evaluations.

    Attributes:
        regrets: In units of the objective; infinite before the first score, shape ``(after,)``.
        seconds: On the simulated clock, shape ``(after,)``.
    """

    regrets: list[float]
    seconds: list[float]


@cache
def opened(table: str) -> tuple[Objective, float]:
    """A table's default objective, and its optimum."""
    bench = sn.load(table)
    objective = sn.Objective(bench.objective, bench)
    optimum = objective.optimum()
    if optimum is None:
        raise SystemExit(f"The optimum of {table} is not known, so there is no regret.")
    return objective, optimum


def found(search: Search, after: Sequence[int]) -> Found:
    """Run a search, and look at it after some numbers of evaluations.

    Args:
        search: Which.
        after: How many, rising.
    """
    objective, optimum = opened(search.table)
    with one_thread():
        run = sn.search(
            objective.benchmark,
            search.strategy,
            objective,
            budget=after[-1],
            simulated_workers=search.workers,
            seed=search.seed,
        )
    scores = [
        trial.score if trial.feasible and trial.epochs == objective.epochs else math.inf
        for trial in run.trials
    ]
    best = np.minimum.accumulate(scores)
    places = [min(n, len(best)) - 1 for n in after]
    return Found(
        [float(best[place] - optimum) for place in places],
        [run.trials[place].finished for place in places],
    )


def wanted(given: argparse.Namespace) -> Iterator[Search]:
    """The searches asked for; ASHA needs a table with several epochs."""
    seeds = range(given.seeds, given.seeds + given.runs)
    for table in given.tables:
        objective, _ = opened(table)
        for strategy, workers in product(given.strategies, given.in_flight):
            if strategy == "asha" and len(objective.fidelities) < 2:
                continue
            yield from (Search(table, strategy, workers, seed) for seed in seeds)


def stored(journal: Journal) -> dict[Search, Found]:
    """The runs that a file holds."""
    return {
        Search(*entry["search"]): Found(
            [math.inf if regret is None else regret for regret in entry["regrets"]],
            entry["seconds"],
        )
        for entry in journal.entries
    }


def summary(regrets: Sequence[float]) -> str:
    """Median, mean and the mean's standard error, in thousandths."""
    values = THOUSANDTHS * np.array(regrets)
    median = f"{np.median(values):.1f}"
    if not np.isfinite(values).all():
        return f"{median}, –"
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{median}, {values.mean():.1f} ± {error:.1f}"


def table_of(
    runs: Mapping[Search, Found], number: int, in_flight: Sequence[int]
) -> Iterator[tuple[str, str, list[str]]]:
    """The rows after one number of evaluations: table, strategy, and a text for every V."""
    regrets: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    seconds: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for search, each in runs.items():
        regrets[search.table, search.strategy][search.workers].append(each.regrets[number])
        if search.strategy == BASE:
            seconds[search.table][search.workers].append(each.seconds[number])
    clocks = set(seconds)
    for (table, strategy), by_workers in regrets.items():
        if table in clocks:
            clocks.remove(table)
            times = {v: float(np.median(seconds[table][v])) for v in in_flight if v in by_workers}
            whole = times.get(1, math.nan)
            yield (
                table,
                "clock",
                [f"{times[v] / whole:.2f}" if v in times else "" for v in in_flight],
            )
        yield (
            table,
            strategy,
            [summary(by_workers[v]) if v in by_workers else "" for v in in_flight],
        )


def tell(runs: Mapping[Search, Found], after: Sequence[int], in_flight: Sequence[int]) -> None:
    """Print a table for every number of evaluations, as Markdown."""
    for number, n in enumerate(after):
        print(f"\nAfter {n} evaluations: median, mean ± standard error, in thousandths\n")
        print("| table | strategy |", *(f"{v} in flight |" for v in in_flight))
        print("|---" * (2 + len(in_flight)) + "|")
        for table, strategy, texts in table_of(runs, number, in_flight):
            print(f"| `{table}` | `{strategy}` |", *(f"{text} |" for text in texts))


def main() -> None:
    """Run what is missing, and print all that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES))
    parser.add_argument("--in-flight", type=int, nargs="+", default=list(WORKERS))
    parser.add_argument("--after", type=int, nargs="+", default=list(AFTER))
    parser.add_argument("--seeds", type=int, default=2000, help="the first run's number")
    parser.add_argument("--runs", type=int, default=24, help="runs of each kind")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, default=Path("results/in_flight.journal"))
    parser.add_argument("--read", action="store_true", help="run nothing, tell what is stored")
    given = parser.parse_args()
    given.after.sort()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    searches = list(wanted(given))
    with Journal(given.out, {"in_flight": 1, "after": given.after}) as journal:
        runs = stored(journal)
        missing = [] if given.read else [one for one in searches if one not in runs]
        with ProcessPoolExecutor(given.workers) as pool:
            answers = pool.map(found, missing, [given.after] * len(missing), chunksize=4)
            for done, (search, each) in enumerate(zip(missing, answers, strict=True), 1):
                regrets = [regret if math.isfinite(regret) else None for regret in each.regrets]
                journal.append({"search": search, "regrets": regrets, "seconds": each.seconds})
                runs[search] = each
                if done % 120 == 0:
                    print(f"{done} of {len(missing)} runs", flush=True)
    tell({one: runs[one] for one in searches if one in runs}, given.after, given.in_flight)


if __name__ == "__main__":
    main()
