"""Surrogates judged alike: on several tables, from the same drawn cells, beside −parameters.

What is learned is the first loss of a table's default objective. Where a table has several training
seeds, each draw learns one of them, as a search would see it; the order of the cells that were not
learned from is compared with the mean over the seeds, and the 90 % interval with another seed's
values, whose noise it must hold. A draw gives all models the same cells; intervals are Student's
over the draws (`surrogate_nas.statistics.decision.decide_few`).

The sizes are those of the published comparison on NAS-Bench-201 (White et al., "How Powerful are
Performance Predictors in Neural Architecture Search?", NeurIPS 2021): 78, 156 and 469 cells.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Question, load
from surrogate_nas.core.arguments import check_whole, checked
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.numbers import fixed
from surrogate_nas.objective import parse
from surrogate_nas.runs.runner import Progress
from surrogate_nas.runtime.engines import raise_lost, run_jobs
from surrogate_nas.space import Enumerable, listed
from surrogate_nas.statistics.decision import decide_few
from surrogate_nas.surrogates import make_model, model_class
from surrogate_nas.surrogates.bagging import Regressor
from surrogate_nas.surrogates.base import FEWEST_CELLS, Z90
from surrogate_nas.surrogates.evaluation import SplitKind, bands, split_cells
from surrogate_nas.tables import CLASS_METRIC, Seed

SIZES = (78, 156, 469)
"""Training cells, those of the published comparison."""
DRAWS = 4
PARAMETERS = "−parameters"
_PARAMS = "params"
_TESTED = 2000
"""Cells that are tested at most, drawn among those that were not learned from."""
_FEWEST_TESTED = 30
_LARGEST_SEED = 2**32 - 1

Values = NDArray[np.float64]


class _Job(NamedTuple):
    table: str
    model: str
    n_train: int
    draw: int


@dataclass(frozen=True)
class Mean:
    """A mean over the draws.

    Attributes:
        mean: The mean.
        ci95: Its 95 % interval; None for a single draw.
    """

    mean: float
    ci95: tuple[float, float] | None

    @classmethod
    def of(cls, values: Values, least: float, most: float) -> Mean | None:
        """The mean of one value a draw; None where any is missing.

        Args:
            values: Shape ``(draws,)``.
            least: Where the interval is cut below.
            most: Where it is cut above.
        """
        if not np.isfinite(values).all():
            return None
        ci95 = None
        if len(values) > 1:
            low, high = decide_few({"": values}).interval
            ci95 = max(low, least), min(high, most)
        return cls(float(values.mean()), ci95)

    def __str__(self) -> str:
        if self.ci95 is None:
            return fixed(self.mean, 3)
        return f"{fixed(self.mean, 3)} [{', '.join(fixed(end, 3) for end in self.ci95)}]"


@dataclass(frozen=True)
class JudgedTable:
    """A table that surrogates are judged on.

    Attributes:
        name: As `surrogate_nas.load` knows it.
        space: The name of its space.
        question: What is learned.
        cells: How many cells have a value; of several seeds, that of the fewest.
        seeds: The training seeds of that value; none where it is a single one.
        split: ``random``, or ``grouped`` by functional class.
        sizes: The numbers of training cells that it has enough cells for.
        notes: What a reader must know.
    """

    name: str
    space: str
    question: Question
    cells: int
    seeds: tuple[int, ...]
    split: SplitKind
    sizes: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def against(self) -> str:
        """What the 90 % interval is held against."""
        return "another seed's values" if self.seeds else "the learned values"

    def to_json(self) -> dict[str, Any]:
        """The table as a JSON object."""
        return {
            "name": self.name,
            "space": self.space,
            "learned": str(self.question),
            "cells": self.cells,
            "seeds": list(self.seeds),
            "split": self.split,
            "sizes": list(self.sizes),
            "coverage_against": self.against,
            "notes": list(self.notes),
        }


_TAU = (-1.0, 1.0)
_MEANS = {
    "kendall": _TAU,
    "kendall_top_quarter": _TAU,
    "coverage90": (0.0, 1.0),
    "gain": (-2.0, 2.0),
    "parameters": _TAU,
    "parameters_top_quarter": _TAU,
}
"""What is averaged over the draws, each with the range that its interval is cut to."""


@dataclass(frozen=True)
class JudgedFit:
    """A surrogate on a table, learned from so many cells.

    Attributes:
        table: The name of the table.
        model: The name of the surrogate.
        n_train: How many cells it learned from.
        kendall: Kendall's τ over cells that it did not learn from.
        kendall_top_quarter: The same over the best quarter of them by truth.
        coverage90: The share of values within its 90 % interval; None where no other seed has any.
        gain: Its τ minus that of −parameters on the same cells; None where the table has no
            parameters.
        parameters: τ of −parameters.
        parameters_top_quarter: The same over the best quarter.
        fit_seconds: Of a fit with its calibration, the mean.
        ask_seconds: Of predicting a thousand cells.
    """

    table: str
    model: str
    n_train: int
    kendall: Mean
    kendall_top_quarter: Mean
    coverage90: Mean | None
    gain: Mean | None
    parameters: Mean | None
    parameters_top_quarter: Mean | None
    fit_seconds: float
    ask_seconds: float

    @property
    def better(self) -> bool | None:
        """Whether the interval of the gain excludes that it is no better than −parameters; None
        where that cannot be told.
        """
        if self.gain is None or self.gain.ci95 is None:
            return None
        return self.gain.ci95[0] > 0

    def to_json(self) -> dict[str, Any]:
        """The fit as a JSON object."""
        return {**asdict(self), "better_than_parameters": self.better}


@dataclass(frozen=True)
class SurrogateResult:
    """Surrogates that were judged.

    Attributes:
        models: Their names, in the order of the user.
        tables: Where they were judged.
        fits: By table, size and model.
        draws: How often training cells were drawn.
        spreads: Of regressors of other libraries, where their standard deviation comes from:
            ``quantiles``, ``return_std`` or ``bagging``.
        seconds: How long it took.
    """

    models: tuple[str, ...]
    tables: tuple[JudgedTable, ...]
    fits: tuple[JudgedFit, ...]
    draws: int
    spreads: Mapping[str, str]
    seconds: float

    def on(self, table: JudgedTable) -> list[JudgedFit]:
        """The fits on one table."""
        return [fit for fit in self.fits if fit.table == table.name]

    @property
    def sentences(self) -> list[str]:
        """The surrogate with the largest τ on each table, after the most training cells."""
        said = []
        for table in self.tables:
            fits = [fit for fit in self.on(table) if fit.n_train == table.sizes[-1]]
            if fits:
                best = max(fits, key=lambda fit: fit.kendall.mean)
                line = f"{table.name}: from {best.n_train} cells {best.model} has the largest τ,"
                line += f" {best.kendall}"
                if best.parameters is not None:
                    line += f"; {PARAMETERS} has {fixed(best.parameters.mean, 3)}"
                said.append(f"{line}.")
        return said

    def to_json(self) -> dict[str, Any]:
        """As ``snas surrogate judge --json`` prints it."""
        return {
            "models": list(self.models),
            "tables": [table.to_json() for table in self.tables],
            "draws": self.draws,
            "spreads": dict(self.spreads),
            "fits": [fit.to_json() for fit in self.fits],
            "sentences": self.sentences,
            "seconds": self.seconds,
        }


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
    progress: Progress | None = None,
) -> SurrogateResult:
    """Judge surrogates on tables, all from the same drawn cells.

    Args:
        models: As `surrogate_nas.surrogates.model_class` takes them.
        tables: As `surrogate_nas.load` takes them; each holds whole columns.
        sizes: Numbers of training cells; a table leaves out those that it has too few cells for.
        draws: How often training cells are drawn, with another seed each.
        seed: The root of all randomness.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        progress: Called with (fits done, fits in all).

    Raises:
        UserError: A name is unknown, a table has no columns, no model can read any of the tables, a
            number is out of range, or a model cannot learn.

    Example:
        >>> found = judge_surrogates(["ridge"], ["fashion"], sizes=[78], draws=2)
        >>> found.fits[0].kendall.mean > 0.3, found.tables[0].against
        (True, "another seed's values")
    """
    started = time.perf_counter()
    check_whole("A seed", seed, most=_LARGEST_SEED)
    check_whole("The number of draws", draws, 1)
    for n in sizes:
        check_whole("A number of training cells", n, FEWEST_CELLS)
    for what, given in (("surrogate", models), ("table", tables), ("number of cells", sizes)):
        if not given:
            raise UserError(f"To judge takes at least one {what}.")
    sizes = sorted(set(sizes))
    classes = {model: model_class(model) for model in models}
    judged = [_table(name, sizes) for name in dict.fromkeys(tables)]
    keys = [
        (table.name, model, n)
        for table in judged
        for n in table.sizes
        for model, kind in classes.items()
        if kind.reads(load(table.name).space)
    ]
    if not keys:
        raise UserError("No table has enough cells, or no surrogate can read it.")
    jobs = [_Job(*key, draw) for key in keys for draw in range(draws)]
    by_name = {table.name: table for table in judged}
    call = partial(_fit, seed=seed, tables=by_name)
    answers: dict[_Job, dict[str, float]] = {}
    outcomes = []
    for outcome in run_jobs(call, jobs, workers=workers, engine=engine):
        outcomes.append(outcome)
        if not outcome.failure:
            answers[outcome.job] = outcome.result
            if progress:
                progress(len(answers), len(jobs))
    raise_lost([outcome for outcome in outcomes if outcome.failure])
    fits = [_judged(key, [answers[_Job(*key, draw)] for draw in range(draws)]) for key in keys]
    return SurrogateResult(
        models=tuple(classes),
        tables=tuple(judged),
        fits=tuple(fits),
        draws=draws,
        spreads={m: kind.spread for m, kind in classes.items() if issubclass(kind, Regressor)},
        seconds=time.perf_counter() - started,
    )


def _table(name: str, sizes: Sequence[int]) -> JudgedTable:
    """What is learned of a table, and what it has enough cells for."""
    bench = load(name)
    if not bench.has_columns or not isinstance(bench.space, Enumerable):
        raise UserError(f"Surrogates are judged on tables, and {name} has no whole columns.")
    losses = [term for term in parse(bench.objective).terms if bench.metric(term.metric).is_loss]
    question = bench.question(losses[0].metric, losses[0].epochs)
    seeds = bench.seeds(question)
    seeds = seeds if len(seeds) > 1 else ()
    read: Sequence[Seed] = seeds or ("mean",)
    enough = min(int(np.isfinite(bench.column(*question, seed=one)).sum()) for one in read)
    fitting = tuple(n for n in sizes if n + _FEWEST_TESTED <= enough)
    notes = [bench.banner] if bench.banner else []
    if missing := [str(n) for n in sizes if n not in fitting]:
        notes.append(f"{enough:,} cells are too few to learn from {' or '.join(missing)}.")
    if not seeds:
        notes.append("One value a cell: what a second training would say is not known.")
    held = {metric.name for metric in bench.metrics}
    if _PARAMS not in held:
        notes.append(f"It holds no parameters, so nothing is compared with {PARAMETERS}.")
    return JudgedTable(
        name=name,
        space=bench.space.name,
        question=question,
        cells=enough,
        seeds=seeds,
        split="grouped" if CLASS_METRIC in held else "random",
        sizes=fitting,
        notes=tuple(notes),
    )


def _fit(job: _Job, seed: int, tables: Mapping[str, JudgedTable]) -> dict[str, float]:
    """Make one fit and compare it; NaN where there is nothing to compare with."""
    table = tables[job.table]
    bench = load(job.table)
    cells = listed(bench.space)
    metric = bench.metric(table.question.metric)
    seeds: Sequence[Seed] = table.seeds or ("mean",)
    learned, noisy = (
        bench.column(*table.question, seed=seeds[(job.draw + i) % len(seeds)]) for i in range(2)
    )
    truth = bench.column(*table.question, seed="mean")
    drawn = int(np.random.SeedSequence([seed, job.draw]).generate_state(1)[0])
    split = split_cells(cells, learned, job.n_train, table.split, drawn)
    test = split.test[np.isfinite(truth[split.test])][:_TESTED]

    model = make_model(job.model, metric.quantity, seed=drawn)
    started = time.perf_counter()
    model.fit([cells[int(i)] for i in split.train], learned[split.train], bench.space)
    fitted = time.perf_counter()
    mean, std = model.predict([cells[int(i)] for i in test])
    asked = time.perf_counter()

    covered = np.abs(noisy[test] - mean) <= Z90 * std
    covered = covered[np.isfinite(noisy[test])]
    tau, top_quarter = _order(metric.minimised(truth[test]), metric.minimised(mean))
    base = (np.nan, np.nan)
    if any(known.name == _PARAMS for known in bench.metrics):
        base = _order(metric.minimised(truth[test]), -bench.column(_PARAMS)[test])
    return {
        "kendall": tau,
        "kendall_top_quarter": top_quarter,
        "coverage90": float(covered.mean()) if len(covered) else np.nan,
        "gain": tau - base[0],
        "parameters": base[0],
        "parameters_top_quarter": base[1],
        "fit_seconds": fitted - started,
        "ask_seconds": 1000 * (asked - fitted) / max(len(test), 1),
    }


def _order(truth: Values, predicted: Values) -> tuple[float, float]:
    """τ over all and over the best quarter; what orders nothing has 0."""
    found = bands(truth, predicted)
    tau, top_quarter = np.nan_to_num([found["kendall"], found["kendall_top_quarter"]]).tolist()
    return tau, top_quarter


def _judged(key: tuple[str, str, int], fits: Sequence[Mapping[str, float]]) -> JudgedFit:
    """The means over the draws."""
    columns = {name: np.array([fit[name] for fit in fits]) for name in fits[0]}
    values: dict[str, Any] = {name: float(column.mean()) for name, column in columns.items()}
    values |= {name: Mean.of(columns[name], *ends) for name, ends in _MEANS.items()}
    return JudgedFit(*key, **values)
