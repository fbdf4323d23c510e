"""Measure what a comparison with a user's strategy costs, relative to the same class of ours.

.venv/bin/python analysis/bench_user_code.py [--pairs 10] [--runs 10] [--budget 100]

The strategy is `bo`, and an empty subclass of it in a user's file. Each comparison is a fresh
process. A pair is one comparison of each kind, in alternating order. The ratio is that of the
processor seconds of the comparison with all processes that it starts, without those of a process
that only opens the benchmark. Others' work on the machine changes wall time more than processor
time.
"""

import argparse
import ctypes
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
OURS, THEIRS = "bo", "users.py:Bo"
USERS = """
from surrogate_nas.strategies.bo.strategy import BayesianOptimisation

class Bo(BayesianOptimisation):
    pass
"""
MEASURE = """
import sys
import surrogate_nas as sn

benchmark, strategy, runs, budget = sys.argv[1:]
sn.load(benchmark)
if int(runs):
    made = sn.compare(benchmark, [strategy], runs=int(runs), budget=int(budget))
    assert not made.failures, made.failures
"""
_SUBREAPER = 36


def seconds(folder: Path, *arguments: object) -> tuple[float, float]:
    """Return the processor seconds and the wall seconds of a process with all that it starts.

    What outlives its parent becomes a child of this process.
    """
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        check=True,
    )
    wall = time.perf_counter() - began
    with suppress(ChildProcessError):
        while True:
            os.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    """Measure the pairs, and print the ratio with its 95 % interval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--benchmark", default="nb201-cifar10")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    taken = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "users.py").write_text(USERS)
        start = min(seconds(folder, options.benchmark, OURS, 0, 0)[0] for _ in range(3))
        for pair in range(options.pairs):
            order = (OURS, THEIRS) if pair % 2 else (THEIRS, OURS)
            found = {
                name: seconds(folder, options.benchmark, name, options.runs, options.budget)
                for name in order
            }
            taken.append([*found[OURS], *found[THEIRS]])
            print(" ".join(f"{value:6.2f}" for value in taken[-1]), flush=True)
    ours, wall_ours, theirs, wall_theirs = np.array(taken).T
    for what, ratios in (
        ("processor time, start left out", (theirs - start) / (ours - start)),
        ("processor time", theirs / ours),
        ("wall time", wall_theirs / wall_ours),
    ):
        logs = np.log(ratios)
        half = 2.262 * logs.std(ddof=1) / len(logs) ** 0.5
        low, mean, high = np.exp([logs.mean() - half, logs.mean(), logs.mean() + half])
        print(f"{what}: {mean:.3f} [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    main()
