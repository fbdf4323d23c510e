"""Do conclusions carry over? Strategies ranked on a surrogate, beside their ranking on the table it learned from.

    make data && .venv/bin/python analysis/surrogate_ranking.py --runs 20 --workers 2

A model learns a tenth of NAS-Bench-201's cells (CIFAR-10, valid error after 200 epochs). All strategies of the project
search both; they are ranked by the area under their mean regret curve and by the regret at its end. What was found on
the surrogate is read again from the table. Results are kept in results/surrogate-ranking.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import kendalltau

import surrogate_nas as sn
from surrogate_nas.cli.surrogates import fit
from surrogate_nas.strategies import STRATEGIES
from surrogate_nas.study.comparison import Comparison

TABLE, BUDGET = "nb201-cifar10", 100
FOLDER = Path("results/surrogate-ranking")


def regret_curve(comparison: Comparison, name: str) -> np.ndarray:
    """Mean regret of the incumbent after every evaluation, shape ``(BUDGET,)``.

    Args:
        comparison: On a benchmark whose optimum is known.
        name: The strategy.
    """
    best = [np.minimum.accumulate(run.scores) for run in comparison.runs_of(name)]
    return np.asarray(np.mean(best, axis=0) - comparison.optimum)


def main() -> None:
    """Print both rankings and their Kendall τ, and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--model", default="gnn")
    options = parser.parse_args()
    model = FOLDER / f"{options.model}.h5"
    if not model.is_file():
        fit(TABLE, "valid_error", 1562, model, epochs=200, model=options.model)
    benchmarks = {"table": TABLE, "surrogate": f"surrogate:{model}"}
    curves: dict[str, dict[str, np.ndarray]] = {}
    found = {}
    for kind, name in benchmarks.items():
        comparison = sn.compare(
            name, list(STRATEGIES), "valid_error[200]", runs=options.runs, budget=BUDGET, workers=options.workers,
            folder=FOLDER / f"{kind}-{options.model}",
        )  # fmt: skip
        curves[kind] = {strategy: regret_curve(comparison, strategy) for strategy in STRATEGIES}
        found[kind] = {s: [run.incumbent.cell for run in comparison.runs_of(s)] for s in STRATEGIES}
    truth = sn.load(TABLE).column("valid_error", epochs=200) / 100
    heads = ("area, table", "surrogate", "end, table", "surrogate", "read again")
    print(f"{'regret, points':14s}" + "".join(f"{head:>13s}" for head in heads))
    for strategy in STRATEGIES:
        table, surrogate = curves["table"][strategy], curves["surrogate"][strategy]
        again = np.mean([truth[cell.index] for cell in found["surrogate"][strategy]]) - truth.min()
        values = (table.mean(), surrogate.mean(), table[-1], surrogate[-1], again)
        print(f"{strategy:14s}" + "".join(f"{100 * value:13.3f}" for value in values))
    for what, value in (("area", np.mean), ("end", lambda curve: curve[-1])):
        pairs = [[value(curves[kind][s]) for s in STRATEGIES] for kind in benchmarks]
        print(f"Kendall's τ between the rankings by {what}: {kendalltau(*pairs).statistic:.2f}")
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2, sharey=True), benchmarks, strict=True):
        for strategy in STRATEGIES:
            axes.plot(np.arange(1, BUDGET + 1), 100 * curves[kind][strategy], label=strategy)
        axes.set(title=f"on the {kind}", xlabel="evaluated cells", yscale="log", ylabel="mean regret (points)")
        axes.legend()
    figure.savefig(FOLDER / "curves.png", dpi=120)


if __name__ == "__main__":
    main()
