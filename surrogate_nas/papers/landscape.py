"""The landscape of NAS-Bench-201: local optima, how far away good cells are, how long a local
search takes, how noisy.

Ochoa & Veerapen, "Neural Architecture Search: A Visual Analysis", PPSN 2022 (local optima;
fitness–distance correlation); White, Nolen & Savani, "Exploring the Loss Landscape in Neural
Architecture Search", arXiv 2005.02960 (cells until local search finds the optimum). Cells are
neighbours if they differ on one edge; a local optimum is strictly better than all its neighbours.
Everything is on the validation error after 200 epochs, the mean over seeds, and for one seed the
first one that is held.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Benchmark, Question, load
from surrogate_nas.core.errors import UserError
from surrogate_nas.papers.common.paper import COLOURS, PaperResult, Row, Work, canvas, published
from surrogate_nas.papers.common.ranks import SHARES, Indices, Values, best, ceiling
from surrogate_nas.papers.common.searches import DATA_SETS
from surrogate_nas.space import Enumerable, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOSS = Question("valid_error", 200)
_RUNS = 1000
_BEST = 0.01
_DRAWN = 500
_WINNERS = 500
_MEAN = "mean of seeds"
_ONE = "one seed"
_FDC = "fitness_distance_correlation"
_NOTES = [
    (
        "On the validation error after 200 epochs. One seed: the first that is held. A local"
        " optimum is strictly better than all of its 24 neighbours. Fitness–distance correlation:"
        " Spearman's ρ of the accuracy with the number of edges on which a cell differs from the"
        " best."
    ),
    (
        "Local search starts at random cells, restarts where no neighbour is better, and stops when"
        " the optimum is looked at; every different cell counts once. Steepest looks at all"
        " neighbours, in random order, before it moves; first improvement moves at once."
    ),
    (
        "Ochoa & Veerapen count on their own averages, hence a difference by one; their one seed is"
        " another draw."
    ),
    "Halves and quarters are the best by the mean over seeds.",
]


@dataclass(frozen=True)
class Surface:
    """One data set's loss over the space."""

    dataset: str  # Its name
    mean: Values  # The mean over seeds, shape `(n,)`
    seeds: tuple[Values, ...]  # Of single seeds, NaN where a cell lacks one
    around: Indices  # The neighbours of every cell, shape `(n, neighbours)`
    choices: NDArray[np.int8]  # Of every cell, shape `(n, positions)`

    def local_optima(self, values: Values) -> Indices:
        """The cells that are strictly better than all their neighbours."""
        return np.flatnonzero(values < values[self.around].min(axis=1))

    def distances(self, values: Values) -> Values:
        """In how many positions each cell differs from the best one."""
        differs: Values = (
            (self.choices != self.choices[int(np.argmin(values))]).sum(axis=1).astype(np.float64)
        )
        return differs


def landscape(work: Work) -> PaperResult:
    """Measure the landscape of the three data sets: 1,000 local searches a data set and kind.

    Args:
        work: The folder, how many runs, and where.
    """
    surfaces = []
    rows = []
    for done, (dataset, name) in enumerate(DATA_SETS.items(), 1):
        surface = surface_of(dataset, load(name))
        surfaces.append(surface)
        rows += [*_optima(surface), *_searches(surface, work.runs or _RUNS), *_noise(surface)]
        if work.progress:
            work.progress(done, len(DATA_SETS))
    pictures = {"landscape.png": _drawn(surfaces)}
    return work.result("The landscape of NAS-Bench-201", rows, _NOTES, pictures=pictures)


def surface_of(dataset: str, bench: Benchmark) -> Surface:
    """Read a data set's loss and the graph of its space."""
    seeds = [bench.column(*_LOSS, seed) for seed in bench.seeds(_LOSS)] if _holds(bench) else []
    if sum(bool(np.isfinite(seed).all()) for seed in seeds) < 2:
        raise UserError(
            f"{bench.name} does not hold {_LOSS} for two seeds of every cell, which this paper is"
            " about."
        )
    space = listed(bench.space)
    return Surface(dataset, bench.column(*_LOSS), tuple(seeds), _around(space), space.choices)


def _holds(bench: Benchmark) -> bool:
    return any(
        metric.name == _LOSS.metric and _LOSS.epochs in metric.epochs for metric in bench.metrics
    )


@lru_cache(maxsize=1)
def _around(space: Enumerable) -> Indices:
    """The neighbours of every cell, as many for each."""
    return np.array([[cell.index for cell in space.neighbours(centre)] for centre in space])


def _optima(surface: Surface) -> Iterator[Row]:
    from scipy.stats import spearmanr

    printed = published("landscape")
    low, high = (printed[end, "all three", _FDC].value or 0.0 for end in ("lowest", "highest"))
    for method, values in ((_MEAN, surface.mean), (_ONE, surface.seeds[0])):
        told = printed[method, surface.dataset, "local_optima"]
        found = len(surface.local_optima(values))
        yield told.row(
            ours=found,
            verdict=f"{found - (told.value or 0):+.0f} from Ochoa & Veerapen's run files",
        )
        rho = float(spearmanr(surface.distances(values), -values).statistic)
        outside = max(low - rho, rho - high)
        says = f"within the published range, {high} to {low}"
        says = f"outside{says.removeprefix('within')}, by {outside:.3f}" if outside > 0 else says
        yield Row(method, surface.dataset, _FDC, ours=rho, mark="C", verdict=says)


def _searches(surface: Surface, runs: int) -> Iterator[Row]:
    for method, descend in DESCENTS.items():
        rng = np.random.default_rng(0)
        needed = np.array(
            [descend(surface.mean, surface.around, rng) for _ in range(runs)], dtype=np.float64
        )
        error = float(needed.std() / np.sqrt(runs))
        title = f"local search, {method}"
        told = published("landscape").get((title, surface.dataset, "cells_to_optimum"))
        against = "White et al." if told else "nothing published for it"
        yield Row.over(
            title,
            surface.dataset,
            "cells_to_optimum",
            needed,
            published=told and told.value,
            evaluations=float(needed.mean()),
            mark=told.mark if told else "",
            verdict=f"median {np.median(needed):.0f}, standard error {error:.1f}; {against}",
        )


def _noise(surface: Surface) -> Iterator[Row]:
    seeds = np.array(surface.seeds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a cell of one seed has no spread
        noise = np.nanstd(seeds, axis=0, ddof=1)
    for method, cells in (
        ("all cells", slice(None)),
        (f"best {_BEST:.0%}", best(surface.mean, _BEST)),
    ):
        yield Row(
            f"seed noise, {method}",
            surface.dataset,
            "std_over_seeds",
            ours=float(np.nanmean(noise[cells])),
            mark="D",
            verdict="points of validation accuracy, the mean over cells",
        )
    whole = [seed for seed in surface.seeds if np.isfinite(seed).all()][:2]
    for metric, tau in ceiling(whole, surface.mean, None).items():
        if metric in SHARES:
            yield Row(
                "two seeds",
                surface.dataset,
                metric,
                ours=tau,
                mark="D",
                verdict="the ceiling of what is learned or ranked from one seed",
            )
    seen = whole[0]
    told = whole[1]
    rng = np.random.default_rng(0)
    draws = [rng.choice(len(seen), _DRAWN, replace=False) for _ in range(_WINNERS)]
    winners = np.array([cells[seen[cells].argmin()] for cells in draws])
    lost = told[winners] - seen[winners]
    yield Row.over(
        f"best of {_DRAWN} by one seed",
        surface.dataset,
        "optimism",
        lost,
        evaluations=float(_DRAWN),
        mark="D",
        verdict="points of validation accuracy that the winner loses on another seed",
    )


def steepest(values: Values, around: Indices, rng: np.random.Generator) -> int:
    """Cells until the optimum is seen, moving to the best of all neighbours."""
    optimum = int(values.argmin())
    seen = np.zeros(len(values), dtype=bool)
    while True:
        centre = int(rng.integers(len(values)))
        seen[centre] = True
        if centre == optimum:
            return int(seen.sum())
        while True:
            near = rng.permutation(around[centre])
            where = np.flatnonzero(near == optimum)
            seen[near[: where[0] + 1] if len(where) else near] = True
            if len(where):
                return int(seen.sum())
            lowest = int(near[values[near].argmin()])
            if values[lowest] >= values[centre]:
                break
            centre = lowest


def first_improvement(values: Values, around: Indices, rng: np.random.Generator) -> int:
    """Cells until the optimum is seen, moving to the first neighbour that is better."""
    optimum = int(values.argmin())
    seen: set[int] = set()
    while True:
        centre: int | None = int(rng.integers(len(values)))
        while centre is not None:
            seen.add(centre)
            if centre == optimum:
                return len(seen)
            near = rng.permutation(around[centre])
            better = np.flatnonzero((values[near] < values[centre]) | (near == optimum))
            looked = near if not len(better) else near[: better[0] + 1]
            seen.update(looked.tolist())
            centre = int(looked[-1]) if len(better) else None


DESCENTS: dict[str, Callable[[Values, Indices, np.random.Generator], int]] = {
    "steepest": steepest,
    "first improvement": first_improvement,
}
"""By name."""


def _drawn(surfaces: Sequence[Surface]) -> Figure:
    """Accuracy over the distance to the best cell, optima marked, and one seed against another; a
    column a set.
    """
    figure = canvas(4.2 * len(surfaces), 7.2)
    for one, (top, bottom) in zip(
        surfaces, figure.subplots(2, len(surfaces), squeeze=False).T, strict=True
    ):
        accuracy = 100.0 - one.mean
        distances = one.distances(one.mean)
        optima = one.local_optima(one.mean)
        shown = np.percentile(accuracy, 25), float(accuracy.max())
        margin = 0.06 * (shown[1] - shown[0])
        by_distance = [accuracy[distances == d] for d in np.unique(distances)[1:]]
        parts = top.violinplot(
            [values[values > shown[0]] for values in by_distance],
            np.unique(distances)[1:],
            showextrema=False,
            widths=0.8,
        )
        for body in parts["bodies"]:
            body.set_facecolor(COLOURS[0])
        top.plot(
            distances[optima],
            accuracy[optima],
            "o",
            color=COLOURS[1],
            markersize=5,
            markeredgecolor="white",
            label=f"{len(optima)} local optima",
        )
        top.set(
            title=one.dataset,
            xlabel="edges on which a cell differs from the best",
            ylim=(shown[0], shown[1] + margin),
        )
        top.legend(loc="lower left", fontsize=8)
        good = one.mean <= np.percentile(one.mean, 25)
        bottom.plot(
            *(100.0 - seed[good] for seed in one.seeds[:2]),
            ".",
            markersize=2,
            color=COLOURS[2],
            alpha=0.5,
        )
        bottom.set(
            xlabel="validation accuracy (%), one seed",
            title="best quarter: one seed against another",
        )
        for axes in (top, bottom):
            axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("validation accuracy (%), three best quarters")
    figure.axes[len(surfaces)].set_ylabel("another seed")
    return figure
