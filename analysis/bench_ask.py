"""What a question of `bo` costs, in milliseconds of processor time, against the cells that it was told.

    python analysis/bench_ask.py --cells 2000 && open results/bench_ask.png

Listed spaces of 5,044 and of 26,206 points, and one that is not listed (DARTS, on made-up scores).
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import surrogate_nas as sn
from surrogate_nas.core.threads import one_thread
from surrogate_nas.objective import Objective
from surrogate_nas.report.look import looks
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.darts import darts
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies import resolve
from surrogate_nas.study.search import first_cells

WINDOWS = ((10, 150), (150, 500), (500, 1000), (1000, 2000))


def asked(strategy: str, space: Space, trial: Callable[[Cell], Trial], cells: int, known: object = None) -> np.ndarray:
    """The milliseconds of every question, in a second run: what is made once a process is not counted."""
    for n in (15, cells):
        made = resolve(strategy)(space, seed=1)
        made.known = known
        made.tell([trial(cell) for cell in first_cells(space, 10, 0, 1)])
        spent = []
        for _ in range(n):
            started = time.process_time()
            (cell,) = made.ask(1)
            made.tell([trial(cell)])
            spent.append(1e3 * (time.process_time() - started))
    return np.array(spent)


def table(name: str, expression: str) -> tuple[Space, Callable[[Cell], Trial], object]:
    """A space, how its cells are told, and what is known of them."""
    objective = Objective(expression, sn.load(name))
    scores = objective.over_space()

    def trial(cell: Cell) -> Trial:
        place = cell.index
        return Trial(
            0, cell, float(scores.score[place]), float(scores.loss[place]), float(scores.penalty[place]), True, 200, 1.0
        )

    return objective.benchmark.space, trial, objective.known


def made_up() -> tuple[Space, Callable[[Cell], Trial], object]:
    """DARTS cells, each of which scores a random linear function of its columns."""
    space = darts()
    weights = np.random.default_rng(0).standard_normal(space.encode([space.reference], "functional").shape[1])

    def trial(cell: Cell) -> Trial:
        score = float(space.encode([cell], "functional")[0] @ weights)
        return Trial(0, cell, score, score, 0.0, True, 5, 1.0)

    return space, trial, None


def main() -> None:
    """Print means by window, and draw the running mean of 50 questions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--strategy", default="bo")
    parser.add_argument("--out", type=Path, default=Path("results/bench_ask.png"))
    given = parser.parse_args()
    cases = {
        "nb201": table("nb201-cifar10", "valid_error[200] + 0.02*params"),
        "nbgraph": table("nbgraph-cora", "valid_error"),
        "darts": made_up(),
    }
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for (name, case), look in zip(cases.items(), looks(list(cases)).values(), strict=True):
        space, trial, known = case
        with one_thread():
            spent = asked(given.strategy, space, trial, given.cells, known)
        told = 10 + np.arange(len(spent))
        means = [
            f"{low}-{high}: {spent[(told >= low) & (told < high)].mean():.1f}"
            for low, high in WINDOWS
            if told[-1] > low
        ]
        print(f"{name:10s}" + "   ".join(means), flush=True)
        smooth = np.convolve(spent, np.ones(50) / 50, mode="valid")
        axes.plot(told[49:], smooth, color=look.colour, linestyle=look.linestyle, label=name)
    axes.set(xlabel="cells told", ylabel="ms a question (mean of 50)", ylim=(0, None))
    axes.legend(frameon=False)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(given.out, dpi=150)


if __name__ == "__main__":
    main()
