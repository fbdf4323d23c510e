"""Predictors on NAS-Bench-101: Kendall's τ of our models beside what is published, in kind.

Our models learn the validation error after 108 epochs of N random cells of the public sample
(30,001 of 423,624) and are tested on all others of it. Published predictors learned validation and
were tested on the mean test accuracy of 100 or of all cells of the whole table, which no extract
holds; so nothing here can be compared number by number. Beside the models stands what needs no
model: the number of parameters, and shorter trainings.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from surrogate_nas.benchmarks import load
from surrogate_nas.papers.common.paper import PaperResult, Row, Work, published
from surrogate_nas.space import listed
from surrogate_nas.surrogates import make_model
from surrogate_nas.surrogates.evaluation import split_cells

BENCHMARK = "nb101"
DATA_SET = "NAS-Bench-101"
SIZES = (78, 156, 469)
MODELS = ("ridge", "gp", "xgboost", "ensemble")
TENTH = 3000
TENTH_MODELS = ("xgboost",)
"""A tenth of the sample, and what learns from so many cells in seconds."""
_RUNS = 10
_EPOCHS = 108
_NOTES = [
    (
        "kendall@N: Kendall's τ with the validation error after 108 epochs of the cells of the"
        " sample that were not learned from; N random cells were, by their validation error."
    ),
    (
        "Published (?): τ with the test accuracy, a tenth of the whole table learned from. Not"
        " comparable number by number: the public sample has no test accuracy and 7 % of the cells."
    ),
    "A shorter training is one of its own, on a schedule of its own.",
]


class Fit(NamedTuple):
    """What is fitted: seed of split and model, number of training cells, model."""

    seed: int
    n: int
    model: str


def nb101(work: Work) -> PaperResult:
    """Fit our models on NAS-Bench-101's sample: ten seeds a model and size.

    Args:
        work: The folder, how many runs, and where.
    """
    bench = load(BENCHMARK)
    seeds = range(_RUNS if work.runs is None else work.runs)
    parts = [
        *((n, model) for n in SIZES for model in MODELS),
        *((TENTH, model) for model in TENTH_MODELS),
    ]
    jobs = {f"{model}, {n}, {seed}": Fit(seed, n, model) for seed in seeds for n, model in parts}
    settings = {
        "models": {model: make_model(model, "error").settings() for model in MODELS},
        "benchmark": bench.fingerprint,
    }
    made = work.results(_score, jobs, "fits.jsonl", settings)
    scores = {jobs[name]: (float(tau), float(seconds)) for name, (tau, seconds) in made.items()}
    rows = [
        *(told.row() for told in published(BENCHMARK).values()),
        *_our_rows(scores),
        *_plain_rows(),
    ]
    return work.result("Predictors on a sample of NAS-Bench-101", rows, _NOTES)


def _score(fit: Fit) -> tuple[float, float]:
    """τ of one fit with the error of the cells that it has not seen, and its seconds."""
    bench = load(BENCHMARK)
    cells = listed(bench.space)
    error = bench.column("valid_error", _EPOCHS)
    split = split_cells(cells, error, fit.n, seed=fit.seed)
    started = time.perf_counter()
    model = make_model(fit.model, "error", seed=fit.seed)
    found = model.fit([cells[i] for i in split.train], error[split.train], space=cells).predict(
        cells
    )
    seconds = time.perf_counter() - started
    return _tau(found.mean[split.test], error[split.test]), seconds


def _tau(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(kendalltau(first, second).statistic)


def _our_rows(scores: dict[Fit, tuple[float, float]]) -> Iterator[Row]:
    groups: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for fit, made in scores.items():
        groups.setdefault((fit.model, fit.n), []).append(made)
    for (model, n), each in sorted(groups.items()):
        taus, seconds = zip(*each, strict=True)
        verdict = (
            f"{np.mean(seconds):.1f} s a fit; {np.mean(taus) - _of_parameters():+.3f} from the most"
            " parameters"
        )
        yield Row.over(
            f"{model} (ours)", DATA_SET, f"kendall@{n}", taus, evaluations=n, verdict=verdict
        )


def _of_parameters() -> float:
    bench = load(BENCHMARK)
    return _tau(-bench.column("params"), bench.column("valid_error", _EPOCHS))


def _plain_rows() -> Iterator[Row]:
    """What needs no model, over all cells of the sample."""
    bench = load(BENCHMARK)
    error = bench.column("valid_error", _EPOCHS)
    told: dict[str, Any] = {"verdict": "the table", "mark": "D", "evaluations": len(error)}
    yield Row("the most parameters", DATA_SET, "kendall", ours=_of_parameters(), **told)
    for epochs in bench.metric("valid_error").epochs[:-1]:
        tau = _tau(bench.column("valid_error", epochs), error)
        yield Row(f"a training of {epochs} epochs", DATA_SET, "kendall", ours=tau, **told)
