"""The best cell under a latency limit on a device never seen before, from few latency samples and
accuracy look-ups.

Lee et al., "HELP: Hardware-adaptive Efficient Latency Prediction for NAS via Meta-Learning",
NeurIPS 2021, the table of NAS on unseen devices: MetaD2A, a generator that was pre-trained on other
data sets, with HELP's ten latency samples; CIFAR-100's test accuracy under 15 limits. Ours starts
from nothing on the accuracy side: the latency surrogate (`surrogate_nas.papers.latency`) predicts
the whole space from ten random cells on the device, and Bayesian optimisation looks validation
errors up under the predicted limit. What it finds is held against the true latency. A second answer
measures what it is about to hand over, best first, until one keeps the limit; these are further
latency samples.

A limit and a run are one job; finished ones are kept in ``searches.jsonl``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.computed import Computed
from surrogate_nas.papers.common.paper import (
    COLOURS,
    PaperResult,
    Published,
    Row,
    Summary,
    Work,
    canvas,
    published,
)
from surrogate_nas.papers.common.ranks import Values
from surrogate_nas.papers.latency import HELP_POOL, known_devices, split
from surrogate_nas.space import listed
from surrogate_nas.study.api import search
from surrogate_nas.surrogates.latency import Latency

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BENCH = "nb201-cifar100"
_SAMPLES = 10
LOOKUPS = (20, 50, 100)
"""Accuracy look-ups after which the answer is noted."""
_ALL = "all"
_HELP = "MetaD2A + HELP, 10 samples"
_RUNS = 5
_EPOCHS = 200
_NOTES = [
    (
        "Two accounts. Latency samples: ten random cells of the space are measured on the device,"
        " by us and by HELP; a checked answer measures what it hands over as well. Accuracy"
        " look-ups: validation errors after 200 epochs, mean of seeds, counted as cells; MetaD2A's"
        " generator was trained on other data sets before and names none."
    ),
    (
        f"Known devices: {', '.join(HELP_POOL)}, the first 900 cells on each; none of the five"
        " devices is among them."
    ),
    (
        "All look-ups: the best by validation of all that the predicted limit allows, so what ten"
        " samples alone cost."
    ),
    (
        "The search sees the predicted latency only, no margin kept; the share of runs whose cell"
        " truly exceeds the limit is a row of its own. Test accuracies are read once, at the end."
    ),
    (
        "The published numbers are single cells; where one exceeds its limit by its own"
        " measurement, it is no match for the exact optimum and may lie above it."
    ),
]


class Cap(NamedTuple):
    """A limit in ms on a device, and what is printed for it."""

    device: str
    limit: float
    printed: Published

    @property
    def title(self) -> str:
        """The limit as rows show it."""
        return self.printed.dataset

    @property
    def violated(self) -> bool:
        """Whether the published cell exceeds the limit, by its published latency."""
        return bool(self.printed.note)


@cache
def limits() -> dict[str, Cap]:
    """HELP's README, table 4, by title."""
    made = {}
    for told in published("caps").values():
        device, _, limit = told.dataset.removesuffix(" ms").partition(" ≤ ")
        made[told.dataset] = Cap(device, float(limit), told)
    return made


class CapAnswer(NamedTuple):
    """The answers of one run after some look-ups."""

    # How many validation errors were looked up; all of those under the predicted limit come last
    lookups: int
    # The place of the best cell by validation under the predicted limit; -1 where none was feasible
    cell: int
    kept: int  # The place of the best of them that keeps the true limit; -1 where none does
    measured: int  # How many were measured until then


def caps(work: Work) -> PaperResult:
    """Search under every limit: five searches each, with latency samples of their own.

    Args:
        work: The folder, how many runs, and where.
    """
    bench = load(_BENCH)
    runs = range(work.runs or _RUNS)
    jobs = {f"{title} | {run}": (title, run) for title in limits() for run in runs}
    settings = {
        "benchmark": bench.fingerprint,
        "lookups": list(LOOKUPS),
        "samples": _SAMPLES,
        "model": Latency("cost").settings(),
    }
    found = work.results(search_under, jobs, "searches.jsonl", settings)
    rows: list[Row] = []
    for title, cap in limits().items():
        answers = [[CapAnswer(*one) for one in found[f"{title} | {run}"]] for run in runs]
        rows += [*_exact_rows(cap), *_our_rows(cap, answers)]
    rows += list(_overall_rows(rows))
    title = "The best cell under a latency limit (HELP, NeurIPS 2021): CIFAR-100 test accuracy (%)"
    return work.result(
        title, rows, _NOTES, summary=_summary(rows), pictures={"caps.png": _drawn(rows)}
    )


def _latencies(device: str) -> Values:
    return load(_BENCH).column(f"latency@{device}")


def _accuracy() -> Values:
    return 100.0 - load(_BENCH).column("test_error", _EPOCHS)


@lru_cache(maxsize=1)
def _model() -> Latency:
    """A latency surrogate that knows HELP's pool of devices, once a process."""
    model = Latency("cost", known=known_devices(load(_BENCH), HELP_POOL))
    model.prior(listed(load(_BENCH).space))
    return model


@lru_cache(maxsize=4)
def predicted(device: str, run: int) -> Values:
    """Latencies of the whole space in ms, from ten random cells on the device."""
    space = listed(load(_BENCH).space)
    latencies = _latencies(device)
    measured, _ = split(latencies, _SAMPLES, run, whole=True)
    mean = (
        _model()
        .fit([space[int(i)] for i in measured], latencies[measured], space)
        .predict(space)
        .mean.copy()
    )
    mean[measured] = latencies[measured]
    return mean


def search_under(job: tuple[str, int]) -> list[CapAnswer]:
    """Search on validation under the predicted limit, and check the answers.

    Returns:
        The answer after each of `LOOKUPS`, and after all that the predicted limit allows.
    """
    cap = limits()[job[0]]
    run = job[1]
    bench = load(_BENCH)
    errors = bench.column("valid_error", _EPOCHS)
    latencies = _latencies(cap.device)
    expected = predicted(cap.device, run)
    functions = {
        "valid_error": lambda cell: float(errors[cell.index]),
        "latency@predicted": lambda cell: float(expected[cell.index]),
    }
    limit = f"latency@predicted <= {cap.limit:g}"
    computed = Computed(bench.space, functions, cheap=True)
    made = search(computed, "bo", "valid_error", subject_to=limit, budget=LOOKUPS[-1], seed=run)
    looked = [trial.cell.index for trial in made.trials]
    inside = np.flatnonzero(expected <= cap.limit)
    asked = [(n, [i for i in looked[:n] if expected[i] <= cap.limit]) for n in LOOKUPS]
    return [
        _answer(n, cells, errors, latencies <= cap.limit)
        for n, cells in (*asked, (len(inside), inside.tolist()))
    ]


def _answer(
    lookups: int,
    cells: list[int],
    errors: Values,
    keeps: NDArray[np.bool_],
) -> CapAnswer:
    """The best of some cells by validation, and the best that keeps the limit, measured one after
    the other.
    """
    order = sorted(dict.fromkeys(cells), key=lambda i: errors[i])
    measured = next((n for n, i in enumerate(order, 1) if keeps[i]), 0)
    if not measured:
        return CapAnswer(lookups, order[0] if order else -1, -1, len(order))
    return CapAnswer(lookups, order[0], order[measured - 1], measured)


def _exact_rows(cap: Cap) -> Iterator[Row]:
    accuracy = _accuracy()
    inside = np.flatnonzero(_latencies(cap.device) <= cap.limit)
    errors = load(_BENCH).column("valid_error", _EPOCHS)
    best = float(accuracy[inside].max())
    known = float(accuracy[inside[errors[inside].argmin()]])
    yield cap.printed.row(
        verdict=cap.printed.note or f"{(cap.printed.value or 0) - best:+.2f} from the exact optimum"
    )
    yield Row(
        "exact optimum",
        cap.title,
        "test_accuracy",
        ours=best,
        mark="D",
        verdict="by test, on true latencies",
    )
    yield Row(
        "exact, by validation",
        cap.title,
        "test_accuracy",
        ours=known,
        mark="D",
        verdict=f"{known - best:+.2f}: what a perfect search on validation finds",
    )


def _our_rows(cap: Cap, answers: Sequence[Sequence[CapAnswer]]) -> Iterator[Row]:
    accuracy = _accuracy()
    latencies = _latencies(cap.device)
    best = float(accuracy[latencies <= cap.limit].max())
    for place, name in enumerate((*LOOKUPS, _ALL)):
        made = [answer[place] for answer in answers]
        lookups = float(np.mean([one.lookups for one in made]))
        for end, cells in (
            ("", [one.cell for one in made]),
            (", checked", [one.kept for one in made]),
        ):
            held = [cell for cell in cells if cell >= 0]
            method = f"ours, {name} look-ups{end}"
            if not held:
                yield Row(
                    method,
                    cap.title,
                    "test_accuracy",
                    evaluations=lookups,
                    runs=len(made),
                    verdict="found none",
                )
                continue
            reached = accuracy[held]
            taken = latencies[held]
            broken = int((taken > cap.limit).sum())
            says = f"{reached.mean() - best:+.2f} from the exact optimum"
            if broken:
                says += (
                    f"; {broken} of {len(made)} exceed the limit, by up to"
                    f" {taken.max() / cap.limit - 1:.1%}"
                )
            samples = [_SAMPLES + (one.measured if end else 0) for one in made]
            printed = cap.printed.value
            for metric, values, told, more in (
                ("test_accuracy", reached, says, {"published": printed, "mark": "C"}),
                ("latency_ms", taken, f"limit {cap.limit:g} ms", {"mark": "D"}),
                ("violations", taken > cap.limit, "share of runs", {"mark": "D"}),
                ("latency_samples", samples, "cells measured on the device", {"mark": "D"}),
            ):
                shared = {"evaluations": lookups, "runs": len(made), "verdict": told}
                yield Row.over(
                    method,
                    cap.title,
                    metric,
                    np.asarray(values, dtype=np.float64),
                    **shared,
                    **more,
                )


def _overall_rows(rows: Sequence[Row]) -> Iterator[Row]:
    """The mean over all limits, for what has one for each."""
    for method, metric in dict.fromkeys((row.method, row.metric) for row in rows):
        each = [row for row in rows if (row.method, row.metric) == (method, metric)]
        ours = [row.ours for row in each if row.ours is not None]
        printed = [row.published for row in each if row.published is not None]
        if metric != "latency_ms":
            yield Row(
                method,
                f"mean of {len(each)} limits",
                metric,
                published=float(np.mean(printed)) if printed else None,
                ours=float(np.mean(ours)) if ours else None,
                evaluations=(
                    None
                    if each[0].evaluations is None
                    else float(np.mean([r.evaluations for r in each]))
                ),
                runs=each[0].runs,
                mark=each[0].mark,
                verdict=_overall_verdict(each),
            )


def _overall_verdict(each: Sequence[Row]) -> str:
    if each[0].metric != "test_accuracy" or each[0].published is None:
        return ""
    if each[0].ours is None:
        return (
            f"{sum(cap.violated for cap in limits().values())} of {len(limits())} exceed their"
            " limit"
        )
    above = sum((row.ours or 0.0) >= (row.published or 0.0) for row in each)
    return f"as good as the published number or better under {above} of {len(each)} limits"


def _summary(rows: Sequence[Row]) -> Summary:
    """One line a limit; ``!`` marks what exceeds it, the number of runs that do where there are
    several.
    """
    held = {(row.method, row.dataset, row.metric): row for row in rows}
    shown = [f"ours, {name} look-ups" for name in (LOOKUPS[-2], LOOKUPS[-1], _ALL)]
    heads = ("limit", "exact", "by validation", _HELP, *shown, f"{shown[1]}, checked", "samples")

    def text(method: str, limit: str) -> str:
        row = held[method, limit, "test_accuracy"]
        broken = held.get((method, limit, "violations"))
        many = (
            round((broken.ours or 0.0) * (broken.runs or 0)) if broken and limit in limits() else 0
        )
        mark = f" ({many}!)" * (many > 0) if broken else " !" * ("exceeds" in row.verdict)
        return (row.published_text if method == _HELP else row.ours_text) + mark

    lines = []
    for limit in dict.fromkeys(row.dataset for row in rows):
        samples = held.get((f"{shown[1]}, checked", limit, "latency_samples"))
        methods = ("exact optimum", "exact, by validation", _HELP, *shown, f"{shown[1]}, checked")
        lines.append(
            (
                limit,
                *(text(method, limit) for method in methods),
                samples.ours_text if samples else "–",
            )
        )
    return Summary(heads, lines)


def _drawn(rows: Sequence[Row]) -> Figure:
    """Test accuracy under every limit: exact, published and ours, violations marked."""
    by_method: dict[str, dict[str, Row]] = {}
    broken = {
        (row.method, row.dataset): row.ours or 0.0 for row in rows if row.metric == "violations"
    }
    for row in rows:
        if row.metric == "test_accuracy" and row.dataset in limits():
            by_method.setdefault(row.method, {})[row.dataset] = row
    ours = [method for method in by_method if method.startswith("ours")]
    shown = [method for method in by_method if method not in ours] + ours[-4:-2]
    figure = canvas(1.5 + 0.75 * len(limits()), 5.0)
    axes = figure.add_subplot()
    for place, (method, marker) in enumerate(zip(shown, ("D", "_", "1", "o", "s"), strict=False)):
        xs = np.arange(len(limits())) + (0.0 if place in (1, 2) else 0.16 * (place - 2))
        held = [by_method[method].get(limit) for limit in limits()]
        ys = [
            np.nan if row is None else (row.published if row.ours is None else row.ours)
            for row in held
        ]
        spread = [0.0 if row is None else row.ours_std or 0.0 for row in held]
        axes.errorbar(
            xs,
            np.array(ys, dtype=float),
            spread,
            fmt=marker,
            color=COLOURS[place],
            label=method,
            markersize=13 if place in (1, 2) else 6,
            capsize=2,
            markeredgewidth=1.6,
        )
        for x, y, limit, one in zip(xs, ys, limits(), held, strict=True):
            share = broken.get((method, limit), float(one is not None and "exceeds" in one.verdict))
            if share:
                text = "!" if one is not None and one.ours is None else f"{share:.0%} !"
                axes.annotate(
                    text,
                    (x, float(y or 0.0)),
                    xytext=(0, 7),
                    textcoords="offset points",
                    ha="center",
                    fontsize=7,
                    color="red",
                )
    axes.set_xticks(range(len(limits())), list(limits()), rotation=40, ha="right", fontsize=8)
    axes.set(
        ylabel="CIFAR-100 test accuracy (%)",
        title="Best cell under a latency limit (!: exceeds it, share of runs)",
    )
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    return figure
