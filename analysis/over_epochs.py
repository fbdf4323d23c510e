"""Does looking early pay? Strategies over epochs and those that train every cell to the end, at equal seconds.

For every problem the mean and median regret of each strategy, how often it found the optimum, its trials and how many
of them were trained to the end; each is tested against `bo` over the same runs (Wilcoxon, Holm). Then what the early
metrics are worth: Kendall's τ with the final loss over all cells and over the best tenth. Run it as
``python analysis/over_epochs.py --runs 20``.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import kendalltau

import surrogate_nas as sn
from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.objective import Objective
from surrogate_nas.study.options import Budget
from surrogate_nas.study.runner import Experiment
from surrogate_nas.study.statistics import holm, signed_rank

PROBLEMS = (
    ("fashion", "valid_loss", 37.0),
    ("fashion", "valid_loss + 0.1*params", 37.0),
    ("nb201-cifar10", "valid_error", 60_000.0),
    ("nb201-cifar100", "valid_error", 100_000.0),
    ("nb201-imagenet16", "valid_error", 300_000.0),
)
STRATEGIES = ("evolution", "successive_halving", "hyperband", "bohb", "asha", "bo_epochs", "bo")


def main() -> None:
    """Search, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    for name, expression, seconds in PROBLEMS:
        bench = sn.load(name)
        objective = Objective(expression, bench)
        experiment = Experiment(objective, STRATEGIES, options.runs, Budget(seconds=seconds), seed=options.seed)
        runs = experiment.execute(workers=options.workers)
        optimum = objective.optimum() or 0.0
        regret = {s: np.array([r.incumbent.score - optimum for r in runs if r.strategy == s]) for s in STRATEGIES}
        print(f"\n{name}, {objective}, {seconds:,.0f} s, {options.runs} runs", flush=True)
        p = holm([signed_rank(regret["bo"] - regret[s])[0] for s in STRATEGIES])
        for strategy, corrected in zip(STRATEGIES, p, strict=True):
            made = [run for run in runs if run.strategy == strategy]
            trials, whole = np.mean([(len(run.trials), len(run.answers)) for run in made], axis=0)
            mean, median = regret[strategy].mean(), np.median(regret[strategy])
            found = np.mean(regret[strategy] <= 1e-12)
            print(f"  {strategy:20s} regret {mean:.5f}, median {median:.5f}, found {found:.2f}; {trials:.0f} trials, "
                  f"{whole:.0f} to the end; p against bo {corrected:.3f}")  # fmt: skip
        show_worth(bench, objective)


def show_worth(bench: Benchmark, objective: Objective) -> None:
    """Print τ of every metric of the first epochs with the objective's loss."""
    loss = objective.over_space()
    assert loss is not None
    best = loss.loss <= np.quantile(loss.loss, 0.1)
    early = objective.fidelities[0]
    for metric in objective.readable[early]:
        values = bench.column(metric, early)
        over, top = (kendalltau(values[part], loss.loss[part]).statistic for part in (slice(None), best))
        print(f"  {metric}[{early}]: τ {over:.2f} over all cells, {top:.2f} over the best tenth")


if __name__ == "__main__":
    main()
