"""Which part of `bo` does it? What learns × what is asked for × among which cells × with R known or hidden.

    python analysis/ablation.py --runs 10 --workers 2               # each part exchanged alone, and model × cells
    python analysis/ablation.py --cross --models bo,extra_trees --runs 10

"Mutation is all you need" (Schneider et al., arXiv 2107.07343) holds that BANANAS's pool of mutations explains it, not
its model. Every fourth question is among the neighbours of the best cell, as in `bo`. Runs end at the optimum or after
150 cells; results are kept in results/ablation, so it goes on after an interruption. The figure shows how many cells a
run needs until the optimum, one that does not find it counted as 151, the mean over runs and problems.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from problems import BUDGET, PROBLEMS, Found
from rich.progress import Progress

import surrogate_nas as sn
from surrogate_nas.strategies import label

MODELS = ("bo", "gp", "extra_trees", "gnn", "ensemble")
ACQUISITIONS = ("improvement", "thompson", "ucb")
AMONG = ("all", "mutations", "neighbours")
Variant = tuple[str, str, str, bool]
DEFAULT: Variant = ("bo", "improvement", "all", False)


def variants(models: list[str], cross: bool) -> list[Variant]:
    """Model, acquisition, cells, and whether R is hidden."""
    if cross:
        return list(product(models, ACQUISITIONS, AMONG, (False, True)))
    pairs = [(model, "improvement", among, False) for model, among in product(models, AMONG)]
    alone = [("bo", acquisition, "all", False) for acquisition in ACQUISITIONS]
    return list(dict.fromkeys([DEFAULT, *pairs, *alone, ("bo", "improvement", "all", True)]))


def reference(variant: Variant) -> str:
    """The strategy's name."""
    model, acquisition, among, _ = variant
    here = Path(__file__).with_name("ablated.py")
    return f"{here}:Ablated(surrogate={model!r},acquisition={acquisition!r},among={among!r})"


def main() -> None:
    """Run what is missing; print found, median, ninth decile, regret and ms, and draw the cells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", default="c10,c10-params,i16,fashion-default,micro-object")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--cross", action="store_true", help="every combination")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/ablation"))
    given = parser.parse_args()
    names, made = given.problems.split(","), variants(given.models.split(","), given.cross)
    needed = np.zeros((len(made), len(names)))
    print(f"{'problem':16s}{'variant':44s}{'found':>5s}{'median':>8s}{'90 %':>7s}{'regret':>10s}{'ms':>7s}")
    for column, name in enumerate(names):
        objective = PROBLEMS[name].opened()
        for row, variant in enumerate(made):
            strategy, hidden = reference(variant), variant[3]
            with Progress(transient=True) as bar:
                task = bar.add_task(name, total=given.runs)
                comparison = sn.compare(
                    objective.benchmark, [strategy], objective, runs=given.runs, budget=BUDGET, seed=given.seed,
                    target=objective.optimum(), workers=given.workers, hidden=hidden,
                    folder=given.out / f"{name}-{given.seed}{'-hidden' * hidden}",
                    progress=lambda done, _, bar=bar, task=task: bar.update(task, completed=done),
                )  # fmt: skip
            found = Found.of(comparison, label(strategy))
            needed[row, column] = np.minimum(found.cells, BUDGET + 1).mean()
            print(f"{name:16s}{_text(variant):44s}{found}", flush=True)
    _draw(made, needed, given.out / "ablation.png")


def _text(variant: Variant) -> str:
    model, acquisition, among, hidden = variant
    return f"{model}, {acquisition}, {among}, R {'hidden' if hidden else 'known'}"


def _draw(made: list[Variant], needed: np.ndarray, file: Path) -> None:
    """A bar a variant, the worst at the top."""
    order = np.argsort(needed.mean(axis=1))
    figure = Figure(figsize=(7, 0.6 + 0.25 * len(made)), layout="constrained")
    axes = figure.subplots()
    axes.barh([_text(made[i]) for i in order], needed.mean(axis=1)[order], color="#0072b2")
    axes.set_xlabel("mean number of cells until the optimum (not found: 151)")
    figure.savefig(file, dpi=130)


if __name__ == "__main__":
    main()
