"""Predictors on NAS-Bench-101: Kendall's τ of our models and of published ones.

Our models learn the validation error after 108 epochs of N random cells of the public sample
(30,001 of 423,624) and are tested on all others of it. Published predictors learned validation and
were tested on the mean test accuracy of 100 or of all cells of the whole table. No extract has
that, so nothing here can be compared number by number. Two baselines need no model: the number of
parameters, and shorter trainings.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from analysis.papers.common.paper import PaperResult, Row, Work, published
from surrogate_nas.benchmarks import load
from surrogate_nas.space import listed
from surrogate_nas.surrogates.base import make_model
from surrogate_nas.surrogates.evaluation import kendall, split_cells

BENCHMARK = "nb101"
DATA_SET = "NAS-Bench-101"
SIZES = (78, 156, 469)
MODELS = ("ridge", "gp", "xgboost", "ensemble")
TENTH = 3000
TENTH_MODELS = ("xgboost",)
"""A tenth of the sample, and the models that learn from so many cells in seconds."""
_RUNS = 10
_EPOCHS = 108
_NOTES = [
    (
        "kendall@N: Kendall's τ with the validation error after 108 epochs, over the cells of the"
        " sample that were not trained on; a model is trained on that error of N random cells."
    ),
    (
        "Published (?): τ with the test accuracy, trained on a tenth of the whole table. Not"
        " comparable number by number: the public sample has no test accuracy and 7 % of the cells."
    ),
    "A shorter training is a run of its own with its own schedule.",
]


def nb101(work: Work) -> PaperResult:
    """Fit our models on NAS-Bench-101's sample: ten seeds a model and size.

    Args:
        work: The folder, how many runs, and where.
    """
    n_runs = _RUNS if work.runs is None else work.runs
    keys = [(model, n) for n in SIZES for model in MODELS]
    keys += [(model, TENTH) for model in TENTH_MODELS]
    settings = {
        "models": {model: make_model(model, "error").settings() for model in MODELS},
        "benchmark": load(BENCHMARK).fingerprint,
    }
    scores = work.runs_of(_score, dict.fromkeys(keys, n_runs), "fits.jsonl", settings)
    rows = [entry.row() for entry in published(BENCHMARK).values()]
    rows += _our_rows(scores)
    rows += _plain_rows()
    return work.result("Predictors on a sample of NAS-Bench-101", rows, _NOTES)


def _score(fit: tuple[str, int, int]) -> tuple[float, float]:
    """τ of a fit on the cells that it has not seen, and its seconds.

    Args:
        fit: The model, the number of training cells, and the seed of split and model.
    """
    name, n, seed = fit
    bench = load(BENCHMARK)
    cells = listed(bench.space)
    error = bench.column("valid_error", _EPOCHS)
    split = split_cells(cells, error, n, seed=seed)
    started = time.perf_counter()
    model = make_model(name, "error", seed=seed)
    model = model.fit([cells[i] for i in split.train], error[split.train], space=cells)
    mean = model.predict(cells).mean
    seconds = time.perf_counter() - started
    return kendall(mean[split.test], error[split.test]), seconds


def _our_rows(
    scores: Mapping[tuple[str, int], Sequence[tuple[float, float]]],
) -> Iterator[Row]:
    for (model, n), pairs in sorted(scores.items()):
        taus, seconds = zip(*pairs, strict=True)
        gain = np.mean(taus) - _tau_of_parameters()
        yield Row.over(
            f"{model} (ours)",
            DATA_SET,
            f"kendall@{n}",
            taus,
            evaluations=n,
            verdict=f"{np.mean(seconds):.1f} s a fit; {gain:+.3f} from the most parameters",
        )


def _tau_of_parameters() -> float:
    bench = load(BENCHMARK)
    return kendall(-bench.column("params"), bench.column("valid_error", _EPOCHS))


def _plain_rows() -> Iterator[Row]:
    """Baselines without a model, over all cells of the sample."""
    bench = load(BENCHMARK)
    error = bench.column("valid_error", _EPOCHS)
    taus = {"the most parameters": _tau_of_parameters()}
    for epochs in bench.metric("valid_error").epochs[:-1]:
        tau = kendall(bench.column("valid_error", epochs), error)
        taus[f"a training of {epochs} epochs"] = tau
    for method, tau in taus.items():
        yield Row(
            method,
            DATA_SET,
            "kendall",
            ours=tau,
            verdict="the table",
            mark="D",
            evaluations=len(error),
        )
