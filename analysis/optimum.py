"""How many cells until the optimum of NAS-Bench-201 is found (CIFAR-10, valid error after 200 epochs), by strategy.

    make data && .venv/bin/python analysis/optimum.py --runs 50 --workers 2

All strategies share the first ten cells of a run. Results are kept in results/optimum, so it can be interrupted.
"""

import argparse
from pathlib import Path

import numpy as np
from rich.progress import Progress

import surrogate_nas as sn
from surrogate_nas.experiment.store import Run
from surrogate_nas.strategies import label

STRATEGIES = (
    "random",
    "evolution",
    "local_search",
    "reinforce",
    "bo",
    "optuna:TPESampler",
    "optuna:GPSampler",
)
BUDGET = 150


def cells_to_optimum(run: Run, optimum: float) -> float:
    """The number of cells evaluated when the optimum was found; infinite if it was not."""
    hits = np.flatnonzero(run.scores <= optimum)
    return float(hits[0] + 1) if len(hits) else np.inf


def main() -> None:
    """Print median, ninth decile and the share found within the budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--strategies", nargs="*", default=STRATEGIES)
    arguments = parser.parse_args()
    print(f"{'strategy':20s}{'runs':>6s}{'median':>8s}{'90 %':>8s}{'found':>8s}{'seconds a run':>15s}")
    for strategy in arguments.strategies:
        name = label(strategy)
        with Progress(transient=True) as bar:
            task = bar.add_task(name, total=arguments.runs)
            comparison = sn.compare(
                "nb201-cifar10",
                [strategy],
                "valid_error[200]",
                runs=arguments.runs,
                budget=BUDGET,
                workers=arguments.workers,
                folder=Path("results/optimum") / name,
                progress=lambda done, _, bar=bar, task=task: bar.update(task, completed=done),
            )
        made = comparison.runs_of(name)
        counts = np.array([cells_to_optimum(run, comparison.optimum) for run in made])
        found = int(np.isfinite(counts).sum())
        ninth = np.quantile(counts, 0.9, method="higher")
        seconds = np.mean([run.real_seconds for run in made])
        print(
            f"{name:20s}{arguments.runs:6d}{np.median(counts):8.1f}{ninth:8.0f}{found:5d}/{arguments.runs:<3d}{seconds:14.2f}"
        )


if __name__ == "__main__":
    main()
