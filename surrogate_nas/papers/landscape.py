"""The landscape of NAS-Bench-201: local optima, how far away good cells are, how long a local search takes, how noisy.

Ochoa & Veerapen, "Neural Architecture Search: A Visual Analysis", PPSN 2022 (local optima; fitness–distance
correlation); White, Nolen & Savani, "Exploring the Loss Landscape in Neural Architecture Search", arXiv 2005.02960
(cells until local search finds the optimum). Cells are neighbours if they differ on one edge; a local optimum is
strictly better than all its neighbours. Everything is on the validation error after 200 epochs, the mean over seeds,
and for one seed the first one that is held.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Benchmark, Question, load
from surrogate_nas.core.errors import UserError
from surrogate_nas.papers.descent import DESCENTS
from surrogate_nas.papers.pictures import draw_landscape
from surrogate_nas.papers.published import DATA_SETS
from surrogate_nas.papers.ranks import SHARES, Values, best, ceiling
from surrogate_nas.papers.rows import PaperResult, Row
from surrogate_nas.space import Enumerable, listed
from surrogate_nas.study.experiment import Progress

Indices = NDArray[np.intp]

_LOSS = Question("valid_error", 200)
_RUNS = 1000
_BEST, _DRAWN, _WINNERS = 0.01, 500, 500
_NAMES = tuple(DATA_SETS)
_MEAN, _ONE = "mean of seeds", "one seed"
_OCHOA = {_MEAN: (13, 25, 34), _ONE: (22, 39, 53)}
_FDC = (-0.46, -0.33)
_WHITE = {("steepest", "CIFAR-100"): 127.0}


@dataclass(frozen=True)
class Surface:
    """One data set's loss over the space.

    Attributes:
        dataset: Its name.
        mean: The mean over seeds, shape ``(n,)``.
        seeds: Of single seeds, NaN where a cell lacks one.
        around: The neighbours of every cell, shape ``(n, neighbours)``.
        choices: Of every cell, shape ``(n, positions)``.
    """

    dataset: str
    mean: Values
    seeds: tuple[Values, ...]
    around: Indices
    choices: NDArray[np.int8]

    def local_optima(self, values: Values) -> Indices:
        """The cells that are strictly better than all their neighbours.

        Args:
            values: The loss, shape ``(n,)``.
        """
        return np.flatnonzero(values < values[self.around].min(axis=1))

    def distances(self, values: Values) -> Values:
        """In how many positions each cell differs from the best one.

        Args:
            values: The loss, shape ``(n,)``.
        """
        differs: Values = (self.choices != self.choices[int(np.argmin(values))]).sum(axis=1).astype(np.float64)
        return differs


def landscape(
    *,
    runs: int | None,
    workers: int | None,  # noqa: ARG001 - all papers are called alike
    engine: str,  # noqa: ARG001
    folder: Path,
    progress: Progress | None,
) -> PaperResult:
    """Measure the landscape of the three data sets.

    Args:
        runs: Local searches a data set and kind, 1,000 if None.
        workers: Without meaning here: all of it takes seconds.
        engine: The same.
        folder: Where the picture goes.
        progress: Called with (data sets done, data sets in all).

    Raises:
        UserError: The seeds of the tables are not here.
    """
    started = time.perf_counter()
    surfaces, rows = [], []
    for done, (dataset, name) in enumerate(DATA_SETS.items(), 1):
        surface = surface_of(dataset, load(name))
        surfaces.append(surface)
        rows += [*_optima(surface), *_searches(surface, runs or _RUNS), *_noise(surface)]
        if progress:
            progress(done, len(DATA_SETS))
    draw_landscape(
        [(s.dataset, s.mean, s.distances(s.mean), s.local_optima(s.mean), s.seeds[:2]) for s in surfaces],
        folder / "landscape.png",
    )
    return PaperResult("The landscape of NAS-Bench-201", rows, time.perf_counter() - started, _notes())


def surface_of(dataset: str, bench: Benchmark) -> Surface:
    """Read a data set's loss and the graph of its space.

    Args:
        dataset: Its name.
        bench: Which has them.

    Raises:
        UserError: It does not hold two seeds for every cell.
    """
    seeds = [bench.column(*_LOSS, seed) for seed in bench.seeds(_LOSS)] if _holds(bench) else []
    if sum(bool(np.isfinite(seed).all()) for seed in seeds) < 2:
        raise UserError(f"{bench.name} does not hold {_LOSS} for two seeds of every cell, which this paper is about.")
    space = listed(bench.space)
    return Surface(dataset, bench.column(*_LOSS), tuple(seeds), _around(space), space.choices)


def _holds(bench: Benchmark) -> bool:
    return any(metric.name == _LOSS.metric and _LOSS.epochs in metric.epochs for metric in bench.metrics)


@lru_cache(maxsize=1)
def _around(space: Enumerable) -> Indices:
    """The neighbours of every cell, as many for each."""
    return np.array([[cell.index for cell in space.neighbours(centre)] for centre in space])


def _optima(surface: Surface) -> Iterator[Row]:
    from scipy.stats import spearmanr

    place = _NAMES.index(surface.dataset)
    for method, values in ((_MEAN, surface.mean), (_ONE, surface.seeds[0])):
        found, published = len(surface.local_optima(values)), _OCHOA[method][place]
        yield Row(
            method, surface.dataset, "local_optima", published=published, ours=found, mark="C",
            verdict=f"{found - published:+d} from Ochoa & Veerapen's run files",
        )  # fmt: skip
        rho = float(spearmanr(surface.distances(values), -values).statistic)
        inside = _FDC[0] - 0.005 <= rho <= _FDC[1] + 0.005
        yield Row(
            method, surface.dataset, "fitness_distance_correlation", ours=rho, mark="C",
            verdict=f"{'within' if inside else 'outside'} the published range, {_FDC[1]} to {_FDC[0]}",
        )  # fmt: skip


def _searches(surface: Surface, runs: int) -> Iterator[Row]:
    for method, descend in DESCENTS.items():
        rng = np.random.default_rng(0)
        needed = np.array([descend(surface.mean, surface.around, rng) for _ in range(runs)], dtype=np.float64)
        error = float(needed.std() / np.sqrt(runs))
        published = _WHITE.get((method, surface.dataset))
        against = "White et al." if published else "nothing published for it"
        yield Row(
            f"local search, {method}", surface.dataset, "cells_to_optimum", published=published,
            ours=float(needed.mean()), ours_std=float(needed.std(ddof=1)) if runs > 1 else None,
            evaluations=float(needed.mean()), runs=runs, mark="C" if published else "",
            verdict=f"median {np.median(needed):.0f}, standard error {error:.1f}; {against}",
        )  # fmt: skip


def _noise(surface: Surface) -> Iterator[Row]:
    import warnings

    seeds = np.array(surface.seeds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a cell of one seed has no spread
        spread = np.nanstd(seeds, axis=0, ddof=1)
    for method, cells in (("all cells", slice(None)), (f"best {_BEST:.0%}", best(surface.mean, _BEST))):
        yield Row(
            f"seed noise, {method}", surface.dataset, "std_over_seeds", ours=float(np.nanmean(spread[cells])),
            mark="D", verdict="points of validation accuracy, the mean over cells",
        )  # fmt: skip
    whole = [seed for seed in surface.seeds if np.isfinite(seed).all()][:2]
    for metric, tau in ceiling(whole, surface.mean, None).items():
        if metric in SHARES:
            yield Row(
                "two seeds", surface.dataset, metric, ours=tau, mark="D",
                verdict="the ceiling of what is learned or ranked from one seed",
            )  # fmt: skip
    seen, told = whole[0], whole[1]
    rng = np.random.default_rng(0)
    draws = [rng.choice(len(seen), _DRAWN, replace=False) for _ in range(_WINNERS)]
    winners = np.array([cells[seen[cells].argmin()] for cells in draws])
    lost = told[winners] - seen[winners]
    yield Row(
        f"best of {_DRAWN} by one seed", surface.dataset, "optimism", ours=float(lost.mean()),
        ours_std=float(lost.std(ddof=1)), evaluations=float(_DRAWN), runs=_WINNERS, mark="D",
        verdict="points of validation accuracy that the winner loses on another seed",
    )  # fmt: skip


def _notes() -> list[str]:
    return [
        "On the validation error after 200 epochs. One seed: the first that is held. A local optimum is strictly "
        "better than all of its 24 neighbours. Fitness–distance correlation: Spearman's ρ of the accuracy with the "
        "number of edges on which a cell differs from the best.",
        "Local search starts at random cells, restarts where no neighbour is better, and stops when the optimum is "
        "looked at; every different cell counts once. Steepest looks at all neighbours, in random order, before it "
        "moves; first improvement moves at once.",
        "Ochoa & Veerapen count on their own averages, hence a difference by one; their one seed is another draw.",
        "Halves and quarters are the best by the mean over seeds.",
    ]
