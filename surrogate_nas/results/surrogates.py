"""A comparison of surrogates on several tables. All surrogates are fitted on the same cells. The
baseline predicts the negative number of parameters, so it prefers large cells.

Surrogates are fitted to the first loss of a table's default objective. If a table has several
training seeds, the surrogates are fitted to the values of one seed, as in a search. The predicted
ranking of the test cells is compared with the ranking by their mean values over the seeds. The
predicted 90 % interval is compared with the values of another seed, so it must cover the training
noise. Each random sample of training cells is used for all surrogates. Confidence intervals are
Student's t intervals over the samples (`surrogate_nas.stats.decision.decide_few`).

The numbers of training cells are taken from the published comparison on NAS-Bench-201 (White et
al., "How Powerful are Performance Predictors in Neural Architecture Search?", NeurIPS 2021): 78,
156 and 469 cells.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Benchmark, Question, load
from surrogate_nas.core import UserError, check_whole, checked, fixed
from surrogate_nas.objective import parse
from surrogate_nas.runtime.engines import raise_lost, run_jobs
from surrogate_nas.space import Enumerable, listed
from surrogate_nas.stats.decision import decide_few
from surrogate_nas.stats.summaries import Row, Rows
from surrogate_nas.surrogates.bagging import Regressor
from surrogate_nas.surrogates.base import FEWEST_CELLS, Z90, make_model, model_class
from surrogate_nas.surrogates.evaluation import bands, split_cells
from surrogate_nas.tables import CLASS_METRIC, Seed

SIZES = (78, 156, 469)
"""The numbers of training cells in the published comparison."""
DRAWS = 4
_PARAMETERS = "−parameters"
_PARAMS = "params"
# What is averaged over the draws, each with the range that its interval is cut to
_RANGES = {
    "kendall": (-1.0, 1.0),
    "kendall_top_quarter": (-1.0, 1.0),
    "coverage90": (0.0, 1.0),
    "gain": (-2.0, 2.0),
    "parameters": (-1.0, 1.0),
    "parameters_top_quarter": (-1.0, 1.0),
}


class Mean(Struct, frozen=True):
    """A mean over the random samples of training cells, and its 95 % confidence interval. The
    interval is None for a single sample.
    """

    mean: float
    ci95: tuple[float, float] | None

    def __str__(self) -> str:
        ends = ", ".join(fixed(end, 3) for end in self.ci95 or ())
        return fixed(self.mean, 3) + (f" [{ends}]" if ends else "")


class SurrogateResult(Struct, frozen=True):
    """The result of a comparison of surrogates.

    Attributes:
        models: The names of the surrogates, in the given order.
        tables: One row per table. ``name`` is the table and ``space`` its search space. ``learned``
            is the predicted metric. ``cells`` is the number of cells with a value. ``seeds`` lists
            the training seeds of the metric, and is empty if each cell has a single value.
            ``split`` is ``random``, or ``grouped`` by isomorphism class. ``sizes`` lists the
            numbers of training cells for which the table is large enough. ``coverage_against`` says
            with which values the 90 % interval is compared. ``notes`` are remarks for the reader.
        draws: Number of samples of training cells.
        spreads: By surrogate, how a regressor of another library estimates its standard deviation.
        fits: One row per ``table``, ``n_train`` and ``model``. Each value is a `Mean`, or None if
            the table does not provide it. ``kendall`` is Kendall's τ over the test cells, and
            ``kendall_top_quarter`` is τ over the truly best quarter of the test cells.
            ``coverage90`` is the share of values within the 90 % interval. ``parameters`` and
            ``parameters_top_quarter`` are τ of the baseline. ``gain`` is τ of the surrogate minus τ
            of the baseline. ``fit_seconds`` is the time of a fit, and ``ask_seconds`` is the time
            to predict a thousand cells. ``better_than_parameters`` states whether the interval of
            ``gain`` is above 0.
        sentences: Sentences that name the surrogate with the largest τ on each table, for the
            largest number of training cells.
        seconds: The wall-clock time of the whole comparison in seconds.
    """

    models: tuple[str, ...]
    tables: Rows
    draws: int
    spreads: dict[str, str]
    fits: Rows
    sentences: list[str]
    seconds: float


@checked
def judge_surrogates(
    models: Sequence[str],
    tables: Sequence[str],
    *,
    sizes: Sequence[int] = SIZES,
    draws: int = DRAWS,
    seed: int = 0,
    workers: int | None = None,
    engine: str = "processes",
    progress: Callable[[int, int], None] | None = None,
) -> SurrogateResult:
    """Compare surrogates on tables. All surrogates are fitted on the same random samples of cells.

    Args:
        models: Names of surrogates, in the format of `surrogate_nas.surrogates.model_class`.
        tables: Names of tables, as for `surrogate_nas.load`. Each table must provide the metric for
            all its cells at once.
        sizes: The numbers of training cells. Numbers for which a table has too few cells are
            skipped.
        draws: Number of samples of training cells, each with its own seed.
        seed: The seed from which all randomness is derived.
        workers: Number of parallel jobs, or None for the default.
        engine: The engine that executes the jobs: a key of `surrogate_nas.runtime.engines.ENGINES`,
            optionally followed by a colon and the engine's address.
        progress: A function that is called with the number of finished fits and the number of all
            fits.

    Raises:
        UserError: A name is unknown, a table does not provide whole columns, no surrogate supports
            any of the tables, a number is out of range, or a surrogate cannot be fitted.

    Example:
        >>> result = judge_surrogates(["ridge"], ["fashion"], sizes=[78], draws=2)
        >>> result.fits[0]["kendall"].mean > 0.3, result.tables[0]["coverage_against"]
        (True, "another seed's values")
    """
    started = time.perf_counter()
    check_whole("A seed", seed, most=2**32 - 1)
    check_whole("The number of samples (--draws)", draws, 1)
    for n in sizes:
        check_whole("A number of training cells", n, FEWEST_CELLS)
    classes = {model: model_class(model) for model in models}
    judged = {name: _table(name, sorted(set(sizes))) for name in tables}
    keys = [
        (name, model, n)
        for name, table in judged.items()
        for n in table["sizes"]
        for model, kind in classes.items()
        if kind.reads(load(name).space)
    ]
    if not keys:
        raise UserError(
            "There is nothing to compare: no table has enough cells, or no surrogate can read it."
        )
    jobs = [(*key, draw) for key in keys for draw in range(draws)]
    outcomes = []
    fit = partial(_fit, seed=seed, tables=judged)
    for outcome in run_jobs(fit, jobs, workers=workers, engine=engine):
        outcomes.append(outcome)
        if progress:
            progress(len(outcomes), len(jobs))
    raise_lost([outcome for outcome in outcomes if outcome.failure])
    answers = {outcome.job: outcome.result for outcome in outcomes}
    fits = [
        _judged(key, [answers[*key, draw] for draw in range(draws)]) for key in keys
    ]
    return SurrogateResult(
        models=tuple(classes),
        tables=list(judged.values()),
        draws=draws,
        spreads={m: c.spread for m, c in classes.items() if issubclass(c, Regressor)},
        fits=fits,
        sentences=list(_sentences(judged, fits)),
        seconds=time.perf_counter() - started,
    )


def _sentences(tables: Mapping[str, Row], fits: Rows) -> Iterator[str]:
    for name, table in tables.items():
        own = [
            f for f in fits if (f["table"], f["n_train"]) == (name, table["sizes"][-1])
        ]
        if own:
            best = max(own, key=lambda fit: float(fit["kendall"].mean))
            line = (
                f"{name}: from {best['n_train']} cells {best['model']} has the largest τ,"
                f" {best['kendall']}"
            )
            if known := best["parameters"]:
                line += f"; {_PARAMETERS} has {fixed(known.mean, 3)}"
            yield f"{line}."


def _learned(bench: Benchmark) -> Question:
    terms = parse(bench.objective).terms
    first = next(term for term in terms if bench.metric(term.metric).is_loss)
    return bench.question(first.metric, first.epochs)


def _table(name: str, sizes: Sequence[int]) -> Row:
    bench = load(name)
    if not bench.has_columns or not isinstance(bench.space, Enumerable):
        raise UserError(
            f"Surrogates are compared on tables, but {name} has no whole columns."
        )
    question = _learned(bench)
    seeds = bench.seeds(question)
    seeds = seeds if len(seeds) > 1 else ()
    read: Sequence[Seed] = seeds or ("mean",)
    enough = min(
        int(np.isfinite(bench.column(*question, training_seed=seed)).sum())
        for seed in read
    )
    notes = [bench.banner] if bench.banner else []
    missing = [n for n in sizes if n + 30 > enough]  # some are left to test on
    if missing:
        numbers = " or ".join(map(str, missing))
        notes.append(f"{enough:,} cells are too few to learn from {numbers}.")
    if not seeds:
        notes.append(
            "Each cell has a single value, so the training noise is not available."
        )
    names = {metric.name for metric in bench.metrics}
    if _PARAMS not in names:
        notes.append(f"It contains no parameters, so {_PARAMETERS} is not a baseline.")
    return {
        "name": name,
        "space": bench.space.name,
        "learned": str(question),
        "cells": enough,
        "seeds": list(seeds),
        "split": "grouped" if CLASS_METRIC in names else "random",
        "sizes": [n for n in sizes if n not in missing],
        "coverage_against": "another seed's values" if seeds else "the learned values",
        "notes": notes,
    }


def _fit(
    job: tuple[str, str, int, int], seed: int, tables: Mapping[str, Row]
) -> dict[str, float]:
    name, model_name, n_train, draw = job
    table = tables[name]
    bench = load(name)
    question = _learned(bench)
    cells = listed(bench.space)
    metric = bench.metric(question.metric)
    seeds: Sequence[Seed] = table["seeds"] or ("mean",)
    learned, noisy = (
        bench.column(*question, training_seed=seeds[(draw + i) % len(seeds)])
        for i in range(2)
    )
    truth = bench.column(*question, training_seed="mean")
    drawn = int(np.random.SeedSequence([seed, draw]).generate_state(1)[0])
    split = split_cells(cells, learned, n_train, table["split"], drawn)
    test = split.test[np.isfinite(truth[split.test])][:2000]

    model = make_model(model_name, metric.quantity, seed=drawn)
    started = time.perf_counter()
    model.fit([cells[int(i)] for i in split.train], learned[split.train], bench.space)
    fitted = time.perf_counter()
    mean, std = model.predict([cells[int(i)] for i in test])
    asked = time.perf_counter()

    covered = np.abs(noisy[test] - mean) <= Z90 * std
    covered = covered[np.isfinite(noisy[test])]
    truth = metric.minimised(truth[test])
    tau = _order(truth, metric.minimised(mean))
    base = np.full(2, np.nan)
    if any(known.name == _PARAMS for known in bench.metrics):
        base = _order(truth, -bench.column(_PARAMS)[test])
    return {
        "kendall": tau[0],
        "kendall_top_quarter": tau[1],
        "coverage90": float(covered.mean()) if len(covered) else np.nan,
        "gain": tau[0] - base[0],
        "parameters": base[0],
        "parameters_top_quarter": base[1],
        "fit_seconds": fitted - started,
        "ask_seconds": 1000 * (asked - fitted) / max(len(test), 1),
    }


def _order(
    truth: NDArray[np.float64], predicted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return τ over all cells and over the best quarter; 0 for constant predictions."""
    scores = bands(truth, predicted)
    return np.nan_to_num([scores["kendall"], scores["kendall_top_quarter"]])


def _judged(key: tuple[str, str, int], fits: Sequence[Mapping[str, float]]) -> Row:
    row: Row = dict(zip(("table", "model", "n_train"), key, strict=True))
    for name in fits[0]:
        values = np.array([fit[name] for fit in fits])
        row[name] = float(values.mean())
        if name in _RANGES and np.isfinite(row[name]):
            ci95 = None
            if len(values) > 1:
                interval = decide_few({"": values}).interval
                low, high = np.clip(interval, *_RANGES[name]).tolist()
                ci95 = low, high
            row[name] = Mean(row[name], ci95)
        elif name in _RANGES:
            row[name] = None
    ends = row["gain"] and row["gain"].ci95
    return row | {"better_than_parameters": ends[0] > 0 if ends else None}
