"""Predictors by the published protocol: trained on N validation errors, tested on the test of all.

The same fits and their intervals are also scored on the learned error of the cells that they have
not seen. Finished fits are stored in ``fits.jsonl``.

The published numbers are Kendall's τ on NAS-Bench-201's CIFAR-10, trained on the validation
accuracy of N cells and tested on the test accuracy of all 15,625, training cells included (PINAT,
AAAI 2023, and the papers that follow it). Departure: the public extracts have no validation error
after 200 epochs for CIFAR-100 and ImageNet16-120, so there the test error of the N cells is
learned, which is easier: it has no second noise.

Does the loss of a predictor matter? Ji et al., "Loss functions for predictor-based neural
architecture search", ICCV 2025, find that ranking losses find better cells (N@10), more of the best
ones (precision) and a better order (τ) than the squared error does. The graph network is trained
with each of them, and the same effects are measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analysis.papers.common.paper import PaperResult, Row, Summary, Work, published
from analysis.papers.common.pictures import Item, Level, Note, Panel, Series, picture
from analysis.papers.common.ranks import Values, within
from analysis.papers.common.searches import DATA_SETS
from surrogate_nas.benchmarks import Benchmark, load
from surrogate_nas.space import listed
from surrogate_nas.stats.summaries import holm, signed_rank
from surrogate_nas.surrogates.base import Prediction, make_model
from surrogate_nas.surrogates.evaluation import kendall, scores_of, split_cells
from surrogate_nas.surrogates.gnn import LOSSES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (46, 78, 156, 233, 469, 781, 1563)
MODELS = ("ensemble", "gnn", "xgboost")
DATA_SET = "CIFAR-10"
MODEL = "gnn"
SQUARED = "mse"
LOSS_SIZES = (156, 469)
"""Numbers of training cells of the fits with ranking losses."""
_RANKING = tuple(name for name in LOSSES if name != SQUARED)
EFFECTS: Mapping[str, tuple[str, int]] = {
    "rank_top": ("N@10", -1),
    "precision_half_percent": ("P@.5 %", 1),
    "kendall": ("τ", 1),
}
"""What ranking losses improve by the paper: its name, and 1 where larger is better, else -1."""
_RUNS = 10
_ALPHA = 0.05
_LARGEST_SIZE = 2000
_SIZE_TICKS = (78, 156, 469, 781, 1563)
_NOTES = [
    (
        "kendall@N: Kendall's τ with the test error after 200 epochs, over all 15,625 cells, the N"
        " among them."
    ),
    (
        "Trained on the validation error after 200 epochs (mean of seeds) of N random cells, N"
        " after the @. The public extracts have that for CIFAR-10 only; on the others the test"
        " error of the N cells is learned."
    ),
    (
        "Likewise rank_top@N (N@10: the rank, from 1, of the best of the ten top predicted cells),"
        " ndcg@N, precision_half_percent@N (P@.5 %) and kendall_equal_complexity@N (the mean τ"
        " among cells with equally many convolutions)."
    ),
    (
        "kendall_unseen@N, kendall_top_half@N, kendall_top_quarter@N, rank_top_unseen@N,"
        " precision_half_percent_unseen@N, coverage90@N: with the learned error of the 15,625 - N"
        " cells that were not trained on."
    ),
    (
        "Published for CIFAR-10 only. (?) is quoted without confirmation; .901 is more than"
        " validation itself gives."
    ),
    (
        "Published predictors see one training of each cell, ours the mean of the seeds in the"
        " public extracts."
    ),
]


def predictors(work: Work) -> PaperResult:
    """Fit our models by the published protocol: ten seeds a model, data set and size.

    Args:
        work: The folder, how many runs, and where.
    """
    seeds = range(_RUNS if work.runs is None else work.runs)
    fits = []
    for seed in seeds:
        for dataset in DATA_SETS:
            fits += [Fit(dataset, seed, n, model) for n in SIZES for model in MODELS]
    if MODEL in MODELS:
        fits += loss_fits(seeds, [n for n in LOSS_SIZES if n in SIZES])
    scores = scored(fits, work)
    rows = []
    for entry in published("predictors").values():
        rows.append(entry.row(evaluations=_cells_of(entry.metric)))
    rows += our_rows(scores)
    rows += _ceiling_rows()
    notes = list(_NOTES)
    if any(fit.loss for fit in fits):
        notes += findings(scores)
    return work.result(
        "Predictors: trained on validation of N cells, tested on the test of all",
        rows,
        notes,
        summary=_summary(rows),
        pictures={"predictors.png": _picture(rows)},
    )


def _cells_of(metric: str) -> int | None:
    """The number of training cells that a metric names, if it does."""
    return int(metric.partition("@")[2]) if "@" in metric else None


class Fit(NamedTuple):
    """One fit."""

    dataset: str
    seed: int  # Of split and model
    n: int  # Training cells
    model: str
    loss: str = ""  # Empty: the model's own


class Score(NamedTuple):
    """How a fit did."""

    kendall: float  # τ with the test error of all cells
    # Likewise, the mean among cells with equally many operations with weights
    kendall_equal_complexity: float
    rank_top: (
        float  # The rank by that error of the best of the ten top predicted cells: N@10
    )
    # The share of the best .5 % by it among as many top predicted cells: P@.5 %
    precision_half_percent: float
    ndcg: float  # Of that error
    kendall_unseen: (
        float  # τ with the learned error of the cells that were not trained on
    )
    kendall_top_half: float  # Likewise, over the better half of them
    kendall_top_quarter: float  # Likewise, over the best quarter
    rank_top_unseen: float  # N@10 among them
    precision_half_percent_unseen: float  # P@.5 % among them
    coverage90: float  # The share of them within the 90 % interval
    seconds: float  # Of fitting and predicting


def scored(fits: Sequence[Fit], work: Work) -> dict[Fit, Score]:
    """Score different fits; finished ones are read from ``fits.jsonl``."""
    models = sorted({fit.model for fit in fits})
    settings = {
        "models": {model: make_model(model, "error").settings() for model in models},
        "benchmarks": {name: load(name).fingerprint for name in DATA_SETS.values()},
    }
    jobs = {}
    for fit in fits:
        name = ", ".join(str(part) for part in fit if part != "")
        jobs[name] = fit
    results = work.results(score, jobs, "fits.jsonl", settings)
    return {jobs[name]: Score(*numbers) for name, numbers in results.items()}


def score(fit: Fit) -> Score:
    """Make one fit and score it."""
    bench = load(DATA_SETS[fit.dataset])
    assert bench.space.complexity is not None
    cells = listed(bench.space)
    learned = bench.column(learned_metric(bench), 200)
    test = bench.column("test_error", 200)
    split = split_cells(cells, learned, fit.n, seed=fit.seed)
    options = {"loss": fit.loss} if fit.loss else {}

    started = time.perf_counter()
    model = make_model(fit.model, "error", seed=fit.seed, **options)
    model = model.fit([cells[i] for i in split.train], learned[split.train])
    prediction = model.predict(cells)
    seconds = time.perf_counter() - started

    whole = scores_of(test, prediction)
    of_unseen = Prediction(prediction.mean[split.test], prediction.std[split.test])
    unseen = scores_of(learned[split.test], of_unseen)
    return Score(
        kendall=whole["kendall"],
        kendall_equal_complexity=within(
            prediction.mean, test, bench.column(bench.space.complexity)
        ),
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
    """The metric to learn: validation, where the table has it after 200 epochs."""
    return "valid_error" if 200 in bench.metric("valid_error").epochs else "test_error"


def loss_fits(seeds: Sequence[int], sizes: Sequence[int] = LOSS_SIZES) -> list[Fit]:
    """The fits with every ranking loss; those with the squared error are the model's own."""
    return [
        Fit(DATA_SET, seed, n, MODEL, loss)
        for seed in seeds
        for n in sizes
        for loss in _RANKING
    ]


class Difference(NamedTuple):
    """A ranking loss against the squared error, over the same seeds."""

    loss: str  # The ranking loss
    n: int  # Training cells
    measure: str  # A key of `EFFECTS`
    gain: float  # The mean difference, positive where the ranking loss is better
    p: float  # Wilcoxon's signed-rank test, corrected by Holm over all differences


def differences(scores: Mapping[Fit, Score]) -> list[Difference]:
    """Compare every ranking loss with the squared error, by every published effect."""
    compared: list[Difference] = []
    for n in sorted({fit.n for fit in scores if fit.loss}):
        for loss in _RANKING:
            for measure, (_, sign) in EFFECTS.items():
                ranking = _column(scores, n, loss, measure)
                squared = _column(scores, n, "", measure)
                gains = sign * (ranking - squared)
                p = signed_rank(gains)[0]
                compared.append(Difference(loss, n, measure, float(gains.mean()), p))
    corrected = holm([difference.p for difference in compared])
    return [
        difference._replace(p=float(p))
        for difference, p in zip(compared, corrected, strict=True)
    ]


def _column(
    scores: Mapping[Fit, Score],
    n: int,
    loss: str,
    measure: str,
) -> Values:
    seeds = sorted(fit.seed for fit in scores if fit.loss == _RANKING[0] and fit.n == n)
    return np.array(
        [
            getattr(scores[Fit(DATA_SET, seed, n, MODEL, loss)], measure)
            for seed in seeds
        ]
    )


def findings(scores: Mapping[Fit, Score]) -> list[str]:
    """A line an effect: where it is seen, where its opposite is, and how large it is."""
    lines = []
    compared = differences(scores)
    for measure, (name, _) in EFFECTS.items():
        own = [difference for difference in compared if difference.measure == measure]
        significant = [difference for difference in own if difference.p < _ALPHA]
        better = [
            _named(difference) for difference in significant if difference.gain > 0
        ]
        worse = [
            _named(difference) for difference in significant if difference.gain < 0
        ]
        text = f"seen with {', '.join(better)}" if better else "not seen"
        if worse:
            text += f"; the contrary with {', '.join(worse)}"
        if not any(difference.gain for difference in own):
            text += "; all are equal"
        gains = [f"{_named(one)} {one.gain:+.3f} (p = {one.p:.2g})" for one in own]
        lines.append(
            f"Published: ranking losses improve {name}. Here {text}. Gains over the squared error:"
            f" {', '.join(gains)}."
        )
    return lines


def _named(difference: Difference) -> str:
    return f"{difference.loss}@{difference.n}"


def our_rows(scores: Mapping[Fit, Score]) -> Iterator[Row]:
    """Mean and spread of every score over the seeds, by model, data set and training cells."""
    groups: dict[tuple[str, str, int], list[Score]] = {}
    for fit, one in scores.items():
        name = f"{fit.model}, {fit.loss}" if fit.loss else fit.model
        groups.setdefault((f"{name} (ours)", fit.dataset, fit.n), []).append(one)
    for (method, dataset, n), group in sorted(groups.items()):
        columns = dict(zip(Score._fields, np.array(group).T, strict=True))
        seconds = columns.pop("seconds").mean()
        remark = (
            f"{seconds:.1f} s a fit; learned {learned_metric(load(DATA_SETS[dataset]))}"
        )
        for name, values in columns.items():
            verdict = remark
            if name == "kendall" and dataset == DATA_SET:
                verdict += _against_published(float(values.mean()), n)
            yield Row.over(
                method,
                dataset,
                f"{name}@{n}",
                values,
                evaluations=n,
                verdict=verdict,
            )


def _against_published(tau: float, n: int) -> str:
    """How a τ compares with the best published one with as many training cells, if any."""
    if n not in (best := best_published()):
        return ""
    most, method = best[n]
    return f"; {tau - most:+.3f} from {method}, the best published and confirmed"


def best_published() -> dict[int, tuple[float, str]]:
    """By number of training cells the best τ that is published and confirmed, and whose it is."""
    best: dict[int, tuple[float, str]] = {}
    for entry in published("predictors").values():
        n = _cells_of(entry.metric)
        if n and entry.metric.startswith("kendall@") and entry.mark != "?":
            best[n] = max(best.get(n, (0.0, "")), (entry.value or 0.0, entry.method))
    return best


def _summary(rows: Sequence[Row]) -> Summary:
    """What is printed and ours on CIFAR-10, by training cells."""
    measures = (
        "kendall",
        "kendall_equal_complexity",
        "rank_top",
        "precision_half_percent",
        "ndcg",
    )
    sizes = sorted({row.evaluations for row in rows if row.evaluations and row.runs})
    columns = (*sizes, None)
    lines: dict[tuple[str, str], dict[float | None, str]] = {}
    for row in rows:
        measure = row.metric.partition("@")[0]
        if (
            row.dataset == DATA_SET
            and measure in measures
            and row.evaluations in columns
        ):
            text = row.published_text if row.ours is None else row.ours_text
            lines.setdefault((row.method, measure), {})[row.evaluations] = text
    heads = (
        "predictor",
        "measure",
        *(f"{n:g} cells" for n in sizes),
        "cells not stated",
    )
    ordered = sorted(lines.items(), key=lambda line: measures.index(line[0][1]))
    return Summary(
        heads,
        [(*name, *(texts.get(n, "–") for n in columns)) for name, texts in ordered],
    )


def _ceiling_rows() -> Iterator[Row]:
    """How well the learned error itself, and its mean over isomorphic cells, order the test."""
    for dataset, name in DATA_SETS.items():
        bench = load(name)
        learned = bench.column(learned_metric(bench), 200)
        test = bench.column("test_error", 200)
        classes = listed(bench.space).classes
        assert classes is not None
        means = (np.bincount(classes, weights=learned) / np.bincount(classes))[classes]
        columns = {"itself": learned, "as the mean of isomorphic cells": means}
        for name_of_column, column in columns.items():
            yield Row(
                f"{learned_metric(bench)} {name_of_column}",
                dataset,
                "kendall@15625",
                ours=kendall(column, test),
                evaluations=len(test),
                verdict="the table",
                mark="D",
            )


def _picture(rows: Sequence[Row]) -> Figure:
    """Kendall's τ of every predictor over the number of training cells, a panel a data set."""
    curves: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
    for row in rows:
        if row.metric.startswith("kendall@"):
            point = (row.evaluations or 0.0, row.value or 0.0, row.ours_std or 0.0)
            curves.setdefault(row.dataset, {}).setdefault(row.method, []).append(point)
    panels = []
    for dataset, by_method in curves.items():
        items: list[Item] = []
        for method, points in by_method.items():
            items += _curve(method, points)
        panels.append(
            Panel(
                items,
                title=dataset,
                legend="lower right",
                axes={
                    "xscale": "log",
                    "xlabel": "training cells",
                    "ylim": (0.3, 1.0),
                    "xticks": _SIZE_TICKS,
                    "xticklabels": _SIZE_TICKS,
                },
            )
        )
    return picture(
        [panels],
        4.2 * len(panels),
        4.5,
        y_label="Kendall's τ with the test error of all cells",
        shared=True,
    )


def _curve(method: str, points: Sequence[tuple[float, float, float]]) -> list[Item]:
    """A predictor's curve; a level where it is known for all cells only."""
    sizes, taus, spreads = np.array(points).T
    if len(sizes) == 1 and sizes[0] > _LARGEST_SIZE:
        return [Level(taus[0]), Note(method, _LARGEST_SIZE, taus[0])]
    if method.endswith("(ours)"):
        style = {"marker": "o", "linewidth": 2, "linestyle": "-"}
        return [
            Series(
                sizes,
                taus,
                label=method,
                error=spreads,
                style=style,
            )
        ]
    style = {"marker": ".", "linewidth": 0.9, "linestyle": "--"}
    return [
        Series(
            sizes,
            taus,
            label=method,
            style=style,
        )
    ]
