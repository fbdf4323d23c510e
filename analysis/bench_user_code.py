"""Measure what a comparison with a user's strategy costs, relative to the same class of ours.

.venv/bin/python analysis/bench_user_code.py [--pairs 10] [--runs 10] [--budget 100]

The strategy is `bo`, and an empty subclass of it in a user's file. Each comparison is a fresh
process, and the two of a pair run at the same time, so that other work on the machine slows down
both. Processor time is that of the comparison with all processes that it starts.
"""

import argparse
import ctypes
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
STRATEGIES = ("bo", "users.py:Bo")
USERS = """
from surrogate_nas.strategies.bo.strategy import BayesianOptimisation

class Bo(BayesianOptimisation):
    pass
"""
MEASURE = """
import sys
import surrogate_nas as sn

benchmark, strategy, runs, budget = sys.argv[1:]
made = sn.compare(benchmark, [strategy], runs=int(runs), budget=int(budget))
assert not made.failures, made.failures
"""
_SUBREAPER = 36
_STUDENT = 2.262
"""The 97.5 % quantile with nine degrees of freedom."""


def measure(*arguments: str) -> None:
    """Print the processor and wall seconds of a comparison with all processes that it starts.

    What outlives its parent becomes a child of this process.
    """
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", MEASURE, *arguments], check=True)
    wall = time.perf_counter() - began
    with suppress(ChildProcessError):
        while True:
            os.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(used.ru_utime + used.ru_stime, wall)


def seconds(folder: Path, *arguments: object) -> list[float]:
    """Call `measure` in a process of its own, and return what it prints."""
    made = subprocess.run(
        [sys.executable, __file__, "--one", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return [float(value) for value in made.stdout.split()]


def main() -> None:
    """Measure the pairs, and print the ratios with their 95 % intervals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--benchmark", default="nb201-cifar10")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(*options.one)
        return
    taken = []
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(2) as threads:
        folder = Path(made)
        (folder / "users.py").write_text(USERS)
        for _ in range(options.pairs):
            comparisons = [
                threads.submit(
                    seconds,
                    folder,
                    options.benchmark,
                    name,
                    options.runs,
                    options.budget,
                )
                for name in STRATEGIES
            ]
            taken.append([comparison.result() for comparison in comparisons])
            print(*(f"{value:7.2f}" for value in np.ravel(taken[-1])), flush=True)
    ours, theirs = np.swapaxes(taken, 0, 1)
    logs = np.log(theirs / ours)
    half = _STUDENT * logs.std(axis=0, ddof=1) / len(logs) ** 0.5
    for what, mean, around in zip(
        ("processor", "wall"), logs.mean(axis=0), half, strict=True
    ):
        low, middle, high = np.exp([mean - around, mean, mean + around])
        print(
            f"{what} time of a user's: {middle:.3f} [{low:.3f}, {high:.3f}] times ours"
        )


if __name__ == "__main__":
    main()
