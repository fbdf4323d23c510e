"""How strategies walk through a space: what each asks, and how good the best so far is, from real
runs.

    python analysis/gallery.py # two minutes of a core; writes data/pictures/gallery.png and the
    table

Every panel is one run of 150 cells on NAS-Bench-201 (CIFAR-10, validation error after 200 epochs).
A dot is a cell that was asked for: to the right the number asked before it, upwards the share of
the space that is better (on a logarithmic scale, the optimum at the bottom), its colour how many of
six edges differ from the best cell so far. The line is the best so far. The first ten cells are
shared by all. The table beside it is over ten runs.
"""

from collections.abc import Sequence
from pathlib import Path

import marked
import numpy as np
from matplotlib.figure import Figure

import surrogate_nas as sn
from surrogate_nas.runs.run import Run
from surrogate_nas.space import listed

TOP = Path(__file__).parents[1]
PAGE = TOP / "analysis" / "gallery.md"
PICTURE = TOP / "data" / "pictures" / "gallery.png"
NAME = "analysis/gallery.py"
WALKS = {
    "random": "samples cells at random without replacement",
    "local_search": (
        "asks for all 24 neighbours of a cell and moves to the best; restarts if none is better"
    ),
    "iterated_local_search": (
        "moves to the first better neighbour; from a local optimum it jumps a few steps away"
    ),
    "evolution": (
        "mutates the best of three cells sampled from the last ten; the oldest cell is removed,"
        " good or bad"
    ),
    "reinforce": (
        "samples from a distribution that each score shifts a little; 150 cells are few for it"
    ),
    "npenas": "a predictor chooses ten of a hundred mutations, then learns from all ten",
    "bananas": "the same with an ensemble of networks and mutations of the ten best cells",
    "bo": (
        "asks for the cell with the largest expected improvement in the whole space: soon near the"
        " optimum, later farther away"
    ),
    "zero_cost": (
        "starts with the cells that have the best zero-cost proxies, then works as `bo` does"
    ),
}
"""Who is shown, with what is to be seen."""
RUNS = 10
CELLS = 150
FIRST = 10
EDGES = 6
LEAST = 1 / 20_000
"""Where the optimum is drawn, of which no share of the space is better."""


def walked(run: Run, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for every evaluated cell, the share of the space that is better, the same of the best
    cell so far, and the number of edges that differ from it.
    """
    asked = shares[[trial.cell.index for trial in run.trials]]
    choices = np.array([trial.cell.choices for trial in run.trials])
    leader = np.array([int(np.argmin(asked[: i + 1])) for i in range(len(asked))])
    before = np.concatenate([[0], leader[:-1]])
    return asked, asked[leader], (choices != choices[before]).sum(axis=1)


def row(
    name: str, walks: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> tuple[str, ...]:
    """A strategy's line of the table, over its runs."""
    late = [(asked[FIRST:], away[FIRST:]) for asked, _, away in walks]
    near = np.mean([(away <= 1).mean() for _, away in late])
    usual = np.median([np.median(asked) for asked, _ in late])
    found = sum(best[-1] == 0 for _, best, _ in walks)
    numbers = (f"{share:.1%}".replace("%", " %") for share in (near, usual))
    return f"`{name}`", WALKS[name], *numbers, f"{found} of {RUNS}"


def main() -> None:
    """Run, draw, and write the table."""
    bench = sn.load("nb201-cifar10")
    errors = bench.column("valid_error", epochs=200)
    shares = np.searchsorted(np.sort(errors), errors) / len(listed(bench.space))
    figure = Figure(figsize=(9.6, 7.2), layout="constrained")
    panels = figure.subplots(3, 3, sharex=True, sharey=True)
    rows = []
    dots = None
    for name, axes in zip(WALKS, panels.flat, strict=True):
        runs = [
            sn.search(bench, name, "valid_error[200]", budget=CELLS, run=seed)
            for seed in range(RUNS)
        ]
        walks = [walked(run, shares) for run in runs]
        rows.append(row(name, walks))
        asked, best, away = walks[0]
        axes.plot(
            np.maximum(best, LEAST),
            color="#24292f",
            linewidth=1.2,
            drawstyle="steps-post",
            zorder=1,
        )
        dots = axes.scatter(
            range(len(asked)),
            np.maximum(asked, LEAST),
            c=away,
            cmap="viridis",
            vmin=0,
            vmax=EDGES,
            s=9,
            zorder=2,
        )
        axes.set_title(name, fontsize=10, fontweight="bold", loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_yscale("log")
        axes.grid(alpha=0.25)
        print(*rows[-1], sep=" | ", flush=True)
    figure.supxlabel("evaluated cells", fontsize=10)
    figure.supylabel("share of the space that is better", fontsize=10)
    figure.colorbar(
        dots, ax=panels, label="edges that differ from the best cell so far", shrink=0.6
    )
    figure.savefig(PICTURE, dpi=120)
    heads = (
        "strategy",
        "how it walks",
        "within one edge of the best",
        "median cell, from the top",
        "optimum found",
    )
    marked.put(PAGE, NAME, marked.table(heads, rows))


if __name__ == "__main__":
    main()
