"""How many cells a second the search loop evaluates on one core, objective and bookkeeping included.

make data && .venv/bin/python analysis/bench_loop.py
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import surrogate_nas as sn
from surrogate_nas.study.options import Budget
from surrogate_nas.study.runner import Experiment

CELLS = 20_000
ROUNDS = 3


def main() -> None:
    """Print the best rate of three rounds per strategy, in memory and with the crash-safe store."""
    objective = sn.Objective("valid_error + 0.02*params", sn.load("nb201-cifar10"))
    for strategy in ("random", "evolution", "local_search", "reinforce"):
        experiment = Experiment(objective, [strategy], 1, Budget(CELLS))
        rates = {}
        for stored in (False, True):
            seconds = []
            for _ in range(ROUNDS):
                with TemporaryDirectory() as folder:
                    started = time.perf_counter()
                    experiment.execute(folder=Path(folder) / "out" if stored else None)
                    seconds.append(time.perf_counter() - started)
            rates[stored] = CELLS / min(seconds)
        print(f"{strategy:14s}{rates[False]:10,.0f} cells/s in memory{rates[True]:10,.0f} cells/s stored")


if __name__ == "__main__":
    main()
