"""The landscape of NAS-Bench-201: local optima, distances, local search, and noise.

Ochoa & Veerapen, "Neural Architecture Search: A Visual Analysis", PPSN 2022 (local optima;
fitness–distance correlation); White, Nolen & Savani, "Exploring the Loss Landscape in Neural
Architecture Search", arXiv 2005.02960 (cells until local search finds the optimum). Cells are
neighbours if they differ on one edge; a local optimum is strictly better than all its neighbours.
Everything is on the validation error after 200 epochs: the mean over seeds, and as one seed the
table's first.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.papers.common.paper import (
    PaperResult,
    Row,
    Work,
    published,
    published_fields,
)
from analysis.papers.common.pictures import COLOURS, Panel, Series, Violins, picture
from analysis.papers.common.ranks import SHARES, Indices, Values, best, ceiling
from analysis.papers.common.searches import DATA_SETS
from surrogate_nas.benchmarks import Benchmark, Question, load
from surrogate_nas.core.errors import UserError
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
        "On the validation error after 200 epochs. One seed: the table's first. A local optimum is"
        " strictly better than all of its 24 neighbours. Fitness–distance correlation: Spearman's ρ"
        " of the accuracy with the number of edges on which a cell differs from the best."
    ),
    (
        "Local search starts at random cells, restarts where no neighbour is better, and stops when"
        " the optimum is evaluated; every different cell counts once. Steepest evaluates all"
        " neighbours, in random order, before it moves; first improvement moves at once."
    ),
    (
        "Ochoa & Veerapen count on their own averages, hence a difference by one; their one seed"
        " is a different one."
    ),
    "Halves and quarters are the best by the mean over seeds.",
]


@dataclass(frozen=True)
class Surface:
    """One data set's loss over the space."""

    dataset: str  # Its name
    mean: Values  # The mean over seeds, shape `(n,)`
    seeds: tuple[Values, ...]  # Of single seeds, NaN where a cell lacks one
    neighbours: Indices  # The neighbours of every cell, shape `(n, neighbours)`
    choices: NDArray[np.int8]  # Of every cell, shape `(n, positions)`

    def local_optima(self, values: Values) -> Indices:
        """The cells that are strictly better than all their neighbours."""
        return np.flatnonzero(values < values[self.neighbours].min(axis=1))

    def distances(self, values: Values) -> Values:
        """In how many positions each cell differs from the best one."""
        differs: Values = (
            (self.choices != self.choices[int(np.argmin(values))])
            .sum(axis=1)
            .astype(np.float64)
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
        rows += [
            *_optima(surface),
            *_searches(surface, work.runs or _RUNS),
            *_noise(surface),
        ]
        if work.progress:
            work.progress(done, len(DATA_SETS))
    pictures = {"landscape.png": _picture(surfaces)}
    return work.result(
        "The landscape of NAS-Bench-201", rows, _NOTES, pictures=pictures
    )


def surface_of(dataset: str, bench: Benchmark) -> Surface:
    """Read a data set's loss and the graph of its space."""
    seeds = []
    if any(m.name == _LOSS.metric and _LOSS.epochs in m.epochs for m in bench.metrics):
        seeds = [bench.column(*_LOSS, seed) for seed in bench.seeds(_LOSS)]
    if sum(bool(np.isfinite(seed).all()) for seed in seeds) < 2:
        raise UserError(
            f"{bench.name} does not hold {_LOSS} for two seeds of every cell, which this paper"
            " needs."
        )
    space = listed(bench.space)
    return Surface(
        dataset=dataset,
        mean=bench.column(*_LOSS),
        seeds=tuple(seeds),
        neighbours=_neighbours(space),
        choices=space.choices,
    )


@lru_cache(maxsize=1)
def _neighbours(space: Enumerable) -> Indices:
    """The neighbours of every cell, as many for each, shape ``(n, neighbours)``."""
    return np.array(
        [[cell.index for cell in space.neighbours(centre)] for centre in space]
    )


def _optima(surface: Surface) -> Iterator[Row]:
    from scipy.stats import spearmanr

    printed = published("landscape")
    low = printed["lowest", "all three", _FDC].value or 0.0
    high = printed["highest", "all three", _FDC].value or 0.0
    for method, values in ((_MEAN, surface.mean), (_ONE, surface.seeds[0])):
        entry = printed[method, surface.dataset, "local_optima"]
        n_optima = len(surface.local_optima(values))
        difference = n_optima - (entry.value or 0)
        yield entry.row(
            ours=n_optima,
            verdict=f"{difference:+.0f} from Ochoa & Veerapen's run files",
        )
        rho = float(spearmanr(surface.distances(values), -values).statistic)
        verdict = f"within the published range, {high} to {low}"
        outside = max(low - rho, rho - high)
        if outside > 0:
            verdict = f"outside the published range, {high} to {low}, by {outside:.3f}"
        yield Row(
            method,
            surface.dataset,
            _FDC,
            ours=rho,
            mark="C",
            verdict=verdict,
        )


def _searches(surface: Surface, runs: int) -> Iterator[Row]:
    for name, descend in DESCENTS.items():
        rng = np.random.default_rng(0)
        counts = [descend(surface.mean, surface.neighbours, rng) for _ in range(runs)]
        needed = np.array(counts, dtype=np.float64)
        error = float(needed.std() / np.sqrt(runs))
        method = f"local search, {name}"
        fields = published_fields(
            "landscape", method, surface.dataset, "cells_to_optimum"
        )
        source = "White et al." if "published" in fields else "nothing published for it"
        yield Row.over(
            method,
            surface.dataset,
            "cells_to_optimum",
            needed,
            evaluations=float(needed.mean()),
            verdict=f"median {np.median(needed):.0f}, standard error {error:.1f}; {source}",
            **fields,
        )


def _noise(surface: Surface) -> Iterator[Row]:
    seeds = np.array(surface.seeds)
    with warnings.catch_warnings():
        # a cell of one seed has no spread
        warnings.simplefilter("ignore", RuntimeWarning)
        noise = np.nanstd(seeds, axis=0, ddof=1)
    best_cells = best(surface.mean, _BEST)
    for method, values in (
        ("all cells", noise),
        (f"best {_BEST:.0%}", noise[best_cells]),
    ):
        yield Row(
            f"seed noise, {method}",
            surface.dataset,
            "std_over_seeds",
            ours=float(np.nanmean(values)),
            mark="D",
            verdict="points of validation accuracy, the mean over cells",
        )
    complete = [seed for seed in surface.seeds if np.isfinite(seed).all()]
    first, second = complete[:2]
    for metric, tau in ceiling([first, second], surface.mean, None).items():
        if metric in SHARES:
            yield Row(
                "two seeds",
                surface.dataset,
                metric,
                ours=tau,
                mark="D",
                verdict="the ceiling of what is learned or ranked from one seed",
            )
    rng = np.random.default_rng(0)
    samples = [rng.choice(len(first), _DRAWN, replace=False) for _ in range(_WINNERS)]
    winners = np.array([cells[first[cells].argmin()] for cells in samples])
    yield Row.over(
        f"best of {_DRAWN} by one seed",
        surface.dataset,
        "optimism",
        second[winners] - first[winners],
        evaluations=float(_DRAWN),
        mark="D",
        verdict="points of validation accuracy that the winner loses on another seed",
    )


def steepest(values: Values, neighbours: Indices, rng: np.random.Generator) -> int:
    """Cells until the optimum is seen, moving to the best of all neighbours."""
    optimum = int(values.argmin())
    seen = np.zeros(len(values), dtype=bool)
    while True:
        centre = int(rng.integers(len(values)))
        seen[centre] = True
        if centre == optimum:
            return int(seen.sum())
        while True:
            near = rng.permutation(neighbours[centre])
            hits = np.flatnonzero(near == optimum)
            if len(hits):
                seen[near[: hits[0] + 1]] = True
                return int(seen.sum())
            seen[near] = True
            lowest = int(near[values[near].argmin()])
            if values[lowest] >= values[centre]:
                break
            centre = lowest


def first_improvement(
    values: Values, neighbours: Indices, rng: np.random.Generator
) -> int:
    """Cells until the optimum is seen, moving to the first neighbour that is better."""
    optimum = int(values.argmin())
    seen: set[int] = set()
    while True:
        centre: int | None = int(rng.integers(len(values)))
        while centre is not None:
            seen.add(centre)
            if centre == optimum:
                return len(seen)
            near = rng.permutation(neighbours[centre])
            better = np.flatnonzero((values[near] < values[centre]) | (near == optimum))
            if not len(better):
                seen.update(near.tolist())
                centre = None
                continue
            evaluated = near[: better[0] + 1]
            seen.update(evaluated.tolist())
            centre = int(evaluated[-1])


DESCENTS: dict[str, Callable[[Values, Indices, np.random.Generator], int]] = {
    "steepest": steepest,
    "first improvement": first_improvement,
}
"""By name."""


def _picture(surfaces: Sequence[Surface]) -> Figure:
    """Accuracy over the distance to the best cell above, one seed against another below."""
    above = [_distance_panel(surface) for surface in surfaces]
    below = [_seeds_panel(surface) for surface in surfaces]
    above[0].axes["ylabel"] = "validation accuracy (%), three best quarters"
    below[0].axes["ylabel"] = "another seed"
    return picture([above, below], 4.2 * len(surfaces), 7.2)


def _distance_panel(surface: Surface) -> Panel:
    """The distribution of accuracies at every distance to the best cell, local optima marked."""
    accuracy = 100.0 - surface.mean
    distances = surface.distances(surface.mean)
    optima = surface.local_optima(surface.mean)
    low = float(np.percentile(accuracy, 25))
    high = float(accuracy.max())
    places = np.unique(distances)[1:]
    samples = [accuracy[(distances == place) & (accuracy > low)] for place in places]
    dots = {
        "color": COLOURS[1],
        "marker": "o",
        "markersize": 5,
        "markeredgecolor": "white",
        "linestyle": "none",
    }
    label = f"{len(optima)} local optima"
    return Panel(
        [
            Violins(places, samples, COLOURS[0]),
            Series(
                distances[optima],
                accuracy[optima],
                label=label,
                style=dots,
            ),
        ],
        title=surface.dataset,
        legend="lower left",
        axes={
            "xlabel": "edges on which a cell differs from the best",
            "ylim": (low, high + 0.06 * (high - low)),
        },
    )


def _seeds_panel(surface: Surface) -> Panel:
    good = surface.mean <= np.percentile(surface.mean, 25)
    first, second = (100.0 - seed[good] for seed in surface.seeds[:2])
    dots = {
        "color": COLOURS[2],
        "marker": ".",
        "markersize": 2,
        "alpha": 0.5,
        "linestyle": "none",
    }
    return Panel(
        [Series(first, second, style=dots)],
        title="best quarter: one seed against another",
        axes={"xlabel": "validation accuracy (%), one seed"},
    )
