"""Fits of predictors by the published protocol, scored: on the test of all cells, and on cells that were not seen.

Finished fits are kept, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from surrogate_nas.benchmarks import Benchmark, load
from surrogate_nas.core.version import __version__
from surrogate_nas.papers.jobs import results_of
from surrogate_nas.papers.published import DATA_SETS
from surrogate_nas.papers.ranks import within
from surrogate_nas.space import listed
from surrogate_nas.study.experiment import Progress
from surrogate_nas.surrogates import Prediction, make_model
from surrogate_nas.surrogates.evaluation import scores_of, split_cells


class Fit(NamedTuple):
    """What is fitted.

    Attributes:
        dataset: A key of `DATA_SETS`.
        seed: Of the split and the model.
        n: How many cells are learned from.
        model: A key of `surrogate_nas.surrogates.MODELS`.
        loss: What it minimises, or empty for its own.
    """

    dataset: str
    seed: int
    n: int
    model: str
    loss: str = ""


class Score(NamedTuple):
    """How a fit did.

    Attributes:
        kendall: τ with the test error of all cells.
        kendall_equal_complexity: Likewise, the mean among cells with equally many operations with weights.
        rank_top: The rank by that error of the best of the ten cells liked best: N@10.
        precision_half_percent: The share of the best .5 % by it among as many cells liked best: P@.5 %.
        ndcg: Of that error.
        kendall_unseen: τ with the learned error of the cells that were not learned from.
        kendall_top_half: Likewise, over the better half of them.
        kendall_top_quarter: Likewise, over the best quarter.
        rank_top_unseen: N@10 among them.
        precision_half_percent_unseen: P@.5 % among them.
        coverage90: The share of them within the 90 % interval.
        seconds: Of fitting and predicting.
    """

    kendall: float
    kendall_equal_complexity: float
    rank_top: float
    precision_half_percent: float
    ndcg: float
    kendall_unseen: float
    kendall_top_half: float
    kendall_top_quarter: float
    rank_top_unseen: float
    precision_half_percent_unseen: float
    coverage90: float
    seconds: float


def scored(
    fits: Sequence[Fit], path: Path, *, workers: int | None, engine: str = "processes", progress: Progress | None
) -> dict[Fit, Score]:
    """Make the fits that no earlier run has made, and score them.

    Args:
        fits: Different ones.
        path: The file of finished fits.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        progress: Called with (fits done, fits in all).

    Raises:
        UserError: See `results_of`.
    """
    settings = {
        "version": __version__,
        "models": {model: make_model(model, "error").settings() for model in sorted({fit.model for fit in fits})},
        "benchmarks": {name: load(name).fingerprint for name in DATA_SETS.values()},
    }
    jobs = {", ".join(str(part) for part in fit if part != ""): fit for fit in fits}
    made = results_of(score, jobs, path, settings, workers=workers, engine=engine, progress=progress)
    return {jobs[name]: Score(*numbers) for name, numbers in made.items()}


def score(fit: Fit) -> Score:
    """Make one fit and score it.

    Args:
        fit: What is fitted.
    """
    bench = load(DATA_SETS[fit.dataset])
    assert bench.space.complexity is not None
    cells = listed(bench.space)
    learned, test = bench.column(learned_metric(bench), 200), bench.column("test_error", 200)
    split = split_cells(cells, learned, fit.n, seed=fit.seed)
    started = time.perf_counter()
    made = make_model(fit.model, "error", seed=fit.seed, **({"loss": fit.loss} if fit.loss else {}))
    found = made.fit([cells[i] for i in split.train], learned[split.train]).predict(cells)
    seconds = time.perf_counter() - started
    whole = scores_of(test, found)
    unseen = scores_of(learned[split.test], Prediction(found.mean[split.test], found.std[split.test]))
    return Score(
        kendall=whole["kendall"],
        kendall_equal_complexity=within(found.mean, test, bench.column(bench.space.complexity)),
        rank_top=whole["rank_top"],
        precision_half_percent=whole["precision_half_percent"],
        ndcg=whole["ndcg"],
        kendall_unseen=unseen["kendall"],
        kendall_top_half=unseen["kendall_top_half"],
        kendall_top_quarter=unseen["kendall_top_quarter"],
        rank_top_unseen=unseen["rank_top"],
        precision_half_percent_unseen=unseen["precision_half_percent"],
        coverage90=unseen["coverage90"],
        seconds=seconds,
    )


def learned_metric(bench: Benchmark) -> str:
    """The metric to learn: validation where it is held after 200 epochs.

    Args:
        bench: Of `DATA_SETS`.
    """
    return "valid_error" if 200 in bench.metric("valid_error").epochs else "test_error"
