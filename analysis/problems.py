"""Where does a strategy lead? Cells until the optimum, and regret, on 15 problems of NAS-Bench-201 and 26 of others.

    snas data fetch all && python analysis/problems.py --strategies bo,evolution,local_search --runs 30 --workers 2
    python analysis/problems.py --problems nb201 --strategies bo,old_bo.py:BayesianOptimisation --seed 1000

A run ends when it has found the optimum, or after 150 cells of which the first ten are shared. Runs rank by the cells
that they needed, those that found nothing after all others by their regret. The first strategy is tested against each
other one: on every problem by its paired runs, and over problems by its mean ranks (Wilcoxon, Holm). Results are kept
in results/problems, so it goes on after an interruption.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.progress import Progress
from scipy.stats import rankdata

import surrogate_nas as sn
from surrogate_nas.cli.options import names as listed
from surrogate_nas.objective import Objective
from surrogate_nas.strategies import label
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.run import Run
from surrogate_nas.study.statistics import holm, signed_rank

BUDGET = 150
NEVER = np.inf


class Problem(NamedTuple):
    """What is searched.

    Attributes:
        benchmark: Its name.
        objective: L + λR; empty for the benchmark's default.
        limits: What a cell must keep.
        seed: The training seed that is read; None for the benchmark's default.
    """

    benchmark: str
    objective: str = ""
    limits: str = ""
    seed: int | None = None

    def opened(self) -> Objective:
        """The objective, tied to its benchmark."""
        bench = sn.load(self.benchmark)
        return Objective(self.objective or bench.objective, bench, subject_to=self.limits or None, seed=self.seed)

    def __str__(self) -> str:
        limits = f" | {self.limits}" if self.limits else ""
        seed = f" (seed {self.seed})" if self.seed else ""
        return f"{self.benchmark} {self.objective or 'default'}{limits}{seed}"


def _nb201(data: str, objective: str = "valid_error[200]", limits: str = "", seed: int | None = None) -> Problem:
    return Problem(f"nb201-{data}", objective, limits, seed)


NB201 = {
    "c10": _nb201("cifar10"),
    "c10-params": _nb201("cifar10", "valid_error[200] + 0.02*params"),
    "c10-both": _nb201("cifar10", "valid_error[200] + 0.1*params + 0.05*latency@raspi4"),
    "c10-12": _nb201("cifar10", "valid_error[12]"),
    "c10-seed": _nb201("cifar10", seed=777),
    "c10-cap": _nb201("cifar10", limits="latency@raspi4 <= 12.92"),
    "c100": _nb201("cifar100"),
    "c100-12": _nb201("cifar100", "valid_error[12]"),
    "c100-seed": _nb201("cifar100", seed=777),
    "i16": _nb201("imagenet16"),
    "i16-12": _nb201("imagenet16", "valid_error[12]"),
    "i16-seed": _nb201("imagenet16", seed=777),
    "fashion": Problem("fashion", "valid_loss"),
    "fashion-default": Problem("fashion"),
    "fashion-macs": Problem("fashion", "valid_error + 0.3*macs"),
}
_TRANSNAS = {
    "object": "valid_error@best", "jigsaw": "valid_error@best", "room": "valid_loss@best", "normal": "valid_ssim@best",
    "segment": "valid_miou@best", "autoencoder": "valid_ssim@best",
}  # fmt: skip
_TASKS = {"object": "class_object", "room": "room_layout", "segment": "segmentsemantic"}
OTHERS = (
    {
        f"{space}-{task}": Problem(f"transnas-{space}-{_TASKS.get(task, task)}", loss)
        for space in ("micro", "macro")
        for task, loss in _TRANSNAS.items()
    }
    | {f"graph-{data}": Problem(f"nbgraph-{data}", "valid_error") for data in ("cora", "citeseer", "pubmed", "arxiv")}
    | {
        "graph-proteins": Problem("nbgraph-proteins", "valid_roc_auc"),
        "graph-params": Problem("nbgraph-cora", "valid_error + 0.02*params"),
        "fcnet-protein": Problem("fcnet-protein", "valid_loss"),
        "fcnet-naval": Problem("fcnet-naval", "valid_loss"),
        "fcnet-slice": Problem("fcnet-slice", "valid_loss"),
        "mlp-car": Problem("mlp-car", "valid_balanced_accuracy"),
        "mlp-kc1": Problem("mlp-kc1", "valid_balanced_accuracy"),
        "mr-seg": Problem("nbmr-seg", "valid_miou"),
        "mr-cls": Problem("nbmr-cls-10c", "valid_error"),
        "mr-video": Problem("nbmr-video-p", "valid_error"),
    }
)
PROBLEMS = NB201 | OTHERS
GROUPS = {"nb201": list(NB201), "others": list(OTHERS), "all": list(PROBLEMS)}


class Found(NamedTuple):
    """What a strategy's runs on a problem came to.

    Attributes:
        cells: Until the optimum was found, infinite where it was not, shape ``(runs,)``.
        regret: At the end, shape ``(runs,)``.
        milliseconds: Of the strategy's own, an ask.
    """

    cells: np.ndarray
    regret: np.ndarray
    milliseconds: float

    @classmethod
    def of(cls, comparison: Comparison, strategy: str) -> "Found":
        """Read a strategy's runs."""
        runs, optimum = comparison.runs_of(strategy), comparison.optimum
        scores = [_incumbents(run) for run in runs]
        hits = [np.flatnonzero(best <= optimum) for best in scores]
        asks = sum(max(len(run.trials) - 10, 1) for run in runs)
        return cls(
            np.array([hit[0] + 1 if len(hit) else NEVER for hit in hits]),
            np.array([best[-1] - optimum for best in scores]),
            1e3 * sum(run.strategy_seconds for run in runs) / asks,
        )

    @property
    def order(self) -> np.ndarray:
        """What runs rank by: cells where the optimum was found, else more than all of these, by regret."""
        return np.where(np.isfinite(self.cells), self.cells, 1e6 * (1 + self.regret))

    def __str__(self) -> str:
        ninth = np.quantile(self.cells, 0.9, method="higher")
        found = np.isfinite(self.cells).mean()
        middle = np.median(self.cells)
        return f"{found:5.2f}{middle:8.1f}{ninth:7.0f}{self.regret.mean():10.1e}{self.milliseconds:7.1f}"


def _incumbents(run: Run) -> np.ndarray:
    return np.minimum.accumulate([trial.score for trial in run.trials])


def _paired(first: np.ndarray, other: np.ndarray) -> float:
    """The two-sided p-value of paired ranks; 1 where all are equal."""
    both = rankdata(np.concatenate([first, other]))
    return signed_rank(both[: len(first)] - both[len(first) :])[0]


def main() -> None:
    """Run what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", default="all", help=f"names or {', '.join(GROUPS)}, with commas")
    parser.add_argument("--strategies", default="bo,local_search,evolution,reinforce,random")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="the root of all randomness")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/problems"))
    given = parser.parse_args()
    names = [name for word in given.problems.split(",") for name in GROUPS.get(word, [word])]
    strategies = listed([given.strategies])
    labels = [label(strategy) for strategy in strategies]
    print(f"{'problem':16s}{'strategy':24s}{'found':>5s}{'median':>8s}{'90 %':>7s}{'regret':>10s}{'ms':>7s}")
    found: dict[str, list[Found]] = {}
    for name in names:
        objective = PROBLEMS[name].opened()
        with Progress(transient=True) as bar:
            task = bar.add_task(name, total=given.runs * len(strategies))
            comparison = sn.compare(
                objective.benchmark, strategies, objective, runs=given.runs, budget=BUDGET, seed=given.seed,
                target=objective.optimum(), workers=given.workers, folder=given.out / f"{name}-{given.seed}",
                progress=lambda done, _, bar=bar, task=task: bar.update(task, completed=done),
            )  # fmt: skip
        found[name] = [Found.of(comparison, strategy) for strategy in labels]
        for strategy, one in zip(labels, found[name], strict=True):
            print(f"{name:16s}{strategy:24s}{one}", flush=True)
    _verdict(found, labels)


def _verdict(found: dict[str, list[Found]], labels: list[str]) -> None:
    """Mean ranks, and the first strategy against each other one."""
    ranks = np.array([rankdata([one.order for one in each], axis=0).mean(axis=1) for each in found.values()])
    print(f"\n{'strategy':24s}mean rank over {len(found)} problems, better than the first, worse (Holm)")
    over = [_paired(ranks[:, 0], ranks[:, i]) for i in range(1, len(labels))]
    for i, (strategy, p) in enumerate(zip(labels, [1.0, *holm(over)], strict=True)):
        note = ""
        if i:
            each = holm([_paired(all_of[0].order, all_of[i].order) for all_of in found.values()])
            ahead = np.array([np.median(all_of[i].order) < np.median(all_of[0].order) for all_of in found.values()])
            better = [name for name, q, first in zip(found, each, ahead, strict=True) if q < 0.05 and first]
            worse = sum(q < 0.05 and not first for q, first in zip(each, ahead, strict=True))
            note = (
                f"p = {p:.2g} over problems; worse on {worse}, better on {len(better)}: {', '.join(better) or 'none'}"
            )
        print(f"{strategy:24s}{ranks[:, i].mean():9.2f}  {note}")


if __name__ == "__main__":
    main()
