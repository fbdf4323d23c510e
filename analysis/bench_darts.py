"""How many cells a second each strategy goes through in a space of 10^18, with a benchmark that costs nothing.

.venv/bin/python analysis/bench_darts.py
"""

import argparse
import time

import surrogate_nas as sn
from surrogate_nas.space import space_named
from surrogate_nas.strategies import STRATEGIES
from surrogate_nas.study.options import Budget
from surrogate_nas.study.runner import Experiment

ROUNDS = 3
SLOW = {"bo": 100}
"""Strategies that model what they see, and how many cells they are given."""


def main() -> None:
    """Print, per strategy, the best rate of three rounds, by the wall clock and by processor time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", default="darts")
    parser.add_argument("--cells", type=int, default=20_000)
    options = parser.parse_args()
    space = space_named(options.space)
    bench = sn.Computed(space, {"valid_error": lambda cell: sum(cell.choices) / len(cell.choices)})
    objective = sn.Objective("valid_error + 0.02*params", bench)
    objective.fingerprint  # noqa: B018 - the survey of the space is drawn once a process
    for strategy in STRATEGIES:
        cells = SLOW.get(strategy, options.cells)
        experiment = Experiment(objective, [strategy], 1, Budget(cells))
        wall, processor = [], []
        for _ in range(ROUNDS):
            started = time.perf_counter(), time.process_time()
            experiment.execute()
            wall.append(time.perf_counter() - started[0])
            processor.append(time.process_time() - started[1])
        rates = f"{cells / min(wall):10,.0f} cells/s{cells / min(processor):10,.0f} by processor time"
        print(f"{strategy:14s}{rates} ({cells:,} cells)", flush=True)


if __name__ == "__main__":
    main()
