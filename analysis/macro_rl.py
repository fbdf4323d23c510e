"""Does REINFORCE learn? Its policy's mean score as it goes, beside random cells, on the macro space.

    .venv/bin/python analysis/macro_rl.py

The 36 stacks are trained on the digits once and kept; each run asks for 150 cells, of which the first ten are shared.
"""

from __future__ import annotations

import argparse

import numpy as np

import surrogate_nas as sn

OBJECTIVE = "valid_error + 0.1*params"
ASKS, THIRD = 150, 50


def main() -> None:
    """Print for each strategy the mean score of each third of its cells, over runs, and how often it found the best."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", default="live:digits/macro")
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    bench = sn.load(given.benchmark)
    objective = sn.Objective(OBJECTIVE, bench)
    whole = sn.search(bench, "random", objective, budget=len(bench.space)).trials
    best = min(whole, key=lambda trial: trial.score)
    print(f"{bench.name}, {OBJECTIVE}: best {best.cell} with {best.score:.3f}")
    print(f"mean of all {len(whole)} stacks {np.mean([trial.score for trial in whole]):.3f}")
    print(f"{'strategy':14s}{'first third':>18s}{'second third':>18s}{'last third':>18s}{'best found by':>16s}")
    for strategy in ("random", "reinforce"):
        runs = [sn.search(bench, strategy, objective, budget=ASKS, seed=seed).trials for seed in range(given.runs)]
        scores = np.array([[trial.score for trial in run] for run in runs])
        thirds = scores.reshape(given.runs, -1, THIRD).mean(axis=2)
        spread = zip(thirds.mean(axis=0), thirds.std(axis=0), strict=True)
        shown = "".join(f"{f'{mean:.3f} ± {deviation:.3f}':>18s}" for mean, deviation in spread)
        found = np.mean([any(trial.cell == best.cell for trial in run) for run in runs])
        print(f"{strategy:14s}{shown}{f'{found:.0%}':>16s}")


if __name__ == "__main__":
    main()
