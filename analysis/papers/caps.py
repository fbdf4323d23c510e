"""The best cell under a latency limit on an unseen device, from few samples and look-ups.

Lee et al., "HELP: Hardware-adaptive Efficient Latency Prediction for NAS via Meta-Learning",
NeurIPS 2021, the table of NAS on unseen devices: MetaD2A, a generator that was pre-trained on other
data sets, with HELP's ten latency samples; CIFAR-100's test accuracy under 15 limits. Ours starts
from nothing on the accuracy side: the latency surrogate (`analysis.papers.latency`) predicts
the whole space from ten random cells on the device, and Bayesian optimisation looks validation
errors up under the predicted limit. The true latency then judges the answer. A second, checked
answer measures its candidates, best first, until one keeps the limit; these are further latency
samples.

A limit and a run are one job; finished ones are stored in ``searches.jsonl``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.papers.common.paper import (
    PaperResult,
    Published,
    Row,
    Summary,
    Work,
    published,
)
from analysis.papers.common.pictures import COLOURS, Item, Note, Panel, Series, picture
from analysis.papers.common.ranks import Values
from analysis.papers.latency import HELP_POOL, known_devices, split
from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.computed import Computed
from surrogate_nas.results.api import search
from surrogate_nas.space import listed
from surrogate_nas.surrogates.latency import Latency

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BENCH = "nb201-cifar100"
_SAMPLES = 10
LOOKUPS = (20, 50, 100)
"""Accuracy look-ups after which the answer is recorded."""
_ALL = "all"
_HELP = "MetaD2A + HELP, 10 samples"
_RUNS = 5
_EPOCHS = 200
_NOTES = [
    (
        "Two costs are counted. Latency samples: ten random cells of the space are measured on the"
        " device, by us and by HELP; a checked answer also measures its candidates. Accuracy"
        " look-ups: validation errors after 200 epochs, mean of seeds, counted as cells. MetaD2A's"
        " generator was trained on other data sets before; no number of look-ups is published."
    ),
    (
        f"Known devices: {', '.join(HELP_POOL)}, the first 900 cells on each; none of the five"
        " devices is among them."
    ),
    (
        "All look-ups: the best by validation of all cells under the predicted limit. It shows the"
        " loss that is due to the ten samples alone."
    ),
    (
        "The search sees the predicted latency only, without a margin. The share of runs whose cell"
        " truly exceeds the limit is a row of its own. Test accuracies are read once, at the end."
    ),
    (
        "The published numbers are single cells. One that exceeds its limit by its own measurement"
        " is not comparable with the exact optimum and may lie above it."
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
    caps = {}
    for entry in published("caps").values():
        device, _, limit = entry.dataset.removesuffix(" ms").partition(" ≤ ")
        caps[entry.dataset] = Cap(device, float(limit), entry)
    return caps


class CapAnswer(NamedTuple):
    """The answers of one run after some look-ups."""

    # How many validation errors were looked up; all of those under the predicted limit come last
    lookups: int
    # The index of the best cell by validation under the predicted limit; -1 where there is none
    cell: int
    kept: int  # The index of the best of them that keeps the true limit; -1 where none does
    measured: int  # How many were measured until then


def caps(work: Work) -> PaperResult:
    """Search under every limit: five searches each, with latency samples of their own.

    Args:
        work: The folder, how many runs, and where.
    """
    n_runs = work.runs or _RUNS
    settings = {
        "benchmark": load(_BENCH).fingerprint,
        "lookups": list(LOOKUPS),
        "samples": _SAMPLES,
        "model": Latency("cost").settings(),
    }
    keys = [(title,) for title in limits()]
    results = work.runs_of(
        search_under, dict.fromkeys(keys, n_runs), "searches.jsonl", settings
    )
    rows: list[Row] = []
    for (title,), runs in results.items():
        answers = [[CapAnswer(*answer) for answer in run] for run in runs]
        rows += _exact_rows(limits()[title])
        rows += _our_rows(limits()[title], answers)
    rows += _overall_rows(rows)
    return work.result(
        "The best cell under a latency limit (HELP, NeurIPS 2021): CIFAR-100 test accuracy (%)",
        rows,
        _NOTES,
        summary=_summary(rows),
        pictures={"caps.png": _picture(rows)},
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
    model = _model().fit([space[int(i)] for i in measured], latencies[measured], space)
    mean = model.predict(space).mean.copy()
    mean[measured] = latencies[measured]
    return mean


def search_under(job: tuple[str, int]) -> list[CapAnswer]:
    """Search on validation under the predicted limit, and check the answers.

    Args:
        job: The title of a limit, and the number of the run.

    Returns:
        The answer after each of `LOOKUPS`, and after all that the predicted limit allows.
    """
    title, run = job
    cap = limits()[title]
    bench = load(_BENCH)
    errors = bench.column("valid_error", _EPOCHS)
    expected = predicted(cap.device, run)
    functions = {
        "valid_error": lambda cell: float(errors[cell.index]),
        "latency@predicted": lambda cell: float(expected[cell.index]),
    }
    result = search(
        Computed(bench.space, functions, cheap=True),
        "bo",
        "valid_error",
        subject_to=f"latency@predicted <= {cap.limit:g}",
        budget=LOOKUPS[-1],
        run=run,
    )
    keeps = _latencies(cap.device) <= cap.limit
    answers = []
    for n in LOOKUPS:
        cells = [trial.cell.index for trial in result.trials[:n]]
        feasible = [cell for cell in cells if expected[cell] <= cap.limit]
        answers.append(_answer(n, feasible, errors, keeps))
    allowed = np.flatnonzero(expected <= cap.limit).tolist()
    return [*answers, _answer(len(allowed), allowed, errors, keeps)]


def _answer(
    lookups: int,
    cells: list[int],
    errors: Values,
    keeps: NDArray[np.bool_],
) -> CapAnswer:
    """The best of some cells by validation, and the best that keeps the limit when measured."""
    ordered = sorted(dict.fromkeys(cells), key=lambda cell: errors[cell])
    best = ordered[0] if ordered else -1
    for n_measured, cell in enumerate(ordered, 1):
        if keeps[cell]:
            return CapAnswer(lookups, best, cell, n_measured)
    return CapAnswer(lookups, best, -1, len(ordered))


def _exact_rows(cap: Cap) -> Iterator[Row]:
    accuracy = _accuracy()
    errors = load(_BENCH).column("valid_error", _EPOCHS)
    allowed = np.flatnonzero(_latencies(cap.device) <= cap.limit)
    best = float(accuracy[allowed].max())
    by_validation = float(accuracy[allowed[errors[allowed].argmin()]])
    difference = (cap.printed.value or 0) - best
    yield cap.printed.row(
        verdict=cap.printed.note or f"{difference:+.2f} from the exact optimum"
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
        ours=by_validation,
        mark="D",
        verdict=f"{by_validation - best:+.2f}: what a perfect search on validation finds",
    )


def _our_rows(cap: Cap, runs: Sequence[Sequence[CapAnswer]]) -> Iterator[Row]:
    for place, name in enumerate((*LOOKUPS, _ALL)):
        answers = [run[place] for run in runs]
        yield from _answer_rows(cap, answers, f"ours, {name} look-ups", checked=False)
        yield from _answer_rows(
            cap, answers, f"ours, {name} look-ups, checked", checked=True
        )


def _answer_rows(
    cap: Cap,
    answers: Sequence[CapAnswer],
    method: str,
    *,
    checked: bool,
) -> Iterator[Row]:
    lookups = float(np.mean([answer.lookups for answer in answers]))
    shared: dict[str, Any] = {"evaluations": lookups, "runs": len(answers)}
    cells = [answer.kept if checked else answer.cell for answer in answers]
    cells = [cell for cell in cells if cell >= 0]
    if not cells:
        yield Row(method, cap.title, "test_accuracy", verdict="found none", **shared)
        return
    accuracy = _accuracy()
    latencies = _latencies(cap.device)
    best = float(accuracy[latencies <= cap.limit].max())
    reached = accuracy[cells]
    taken = latencies[cells]
    exceeds = taken > cap.limit
    verdict = f"{reached.mean() - best:+.2f} from the exact optimum"
    if exceeds.any():
        excess = taken.max() / cap.limit - 1
        verdict += f"; {exceeds.sum()} of {len(answers)} exceed the limit, by up to {excess:.1%}"
    yield Row.over(
        method,
        cap.title,
        "test_accuracy",
        reached,
        published=cap.printed.value,
        mark="C",
        verdict=verdict,
        **shared,
    )
    samples = [_SAMPLES + answer.measured * checked for answer in answers]
    for metric, values, remark in (
        ("latency_ms", taken, f"limit {cap.limit:g} ms"),
        ("violations", exceeds, "share of runs"),
        ("latency_samples", samples, "cells measured on the device"),
    ):
        numbers = np.asarray(values, dtype=np.float64)
        yield Row.over(
            method, cap.title, metric, numbers, mark="D", verdict=remark, **shared
        )


def _overall_rows(rows: Sequence[Row]) -> list[Row]:
    """The mean over all limits, for what has one for each."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.metric != "latency_ms":
            groups.setdefault((row.method, row.metric), []).append(row)
    return [
        Row(
            method,
            f"mean of {len(group)} limits",
            metric,
            published=_mean(row.published for row in group),
            ours=_mean(row.ours for row in group),
            evaluations=_mean(row.evaluations for row in group),
            runs=group[0].runs,
            mark=group[0].mark,
            verdict=_overall_verdict(group),
        )
        for (method, metric), group in groups.items()
    ]


def _mean(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None


def _overall_verdict(rows: Sequence[Row]) -> str:
    if rows[0].metric != "test_accuracy" or rows[0].published is None:
        return ""
    if rows[0].ours is None:
        n_violated = sum(cap.violated for cap in limits().values())
        return f"{n_violated} of {len(limits())} exceed their limit"
    above = sum((row.ours or 0.0) >= (row.published or 0.0) for row in rows)
    return (
        f"as good as the published number or better under {above} of {len(rows)} limits"
    )


def _summary(rows: Sequence[Row]) -> Summary:
    """One line a limit; ``!`` marks a cell that exceeds it, with the number of such runs."""
    by_key = {(row.method, row.dataset, row.metric): row for row in rows}
    ours = [f"ours, {name} look-ups" for name in (LOOKUPS[-2], LOOKUPS[-1], _ALL)]
    checked = f"{ours[1]}, checked"
    heads = ("limit", "exact", "by validation", _HELP, *ours, checked, "samples")
    methods = ("exact optimum", "exact, by validation", _HELP, *ours, checked)
    lines = []
    for limit in dict.fromkeys(row.dataset for row in rows):
        line = [limit]
        for method in methods:
            row = by_key[method, limit, "test_accuracy"]
            violations = by_key.get((method, limit, "violations"))
            text = row.published_text if method == _HELP else row.ours_text
            line.append(text + _violation_mark(row, violations))
        samples = by_key.get((checked, limit, "latency_samples"))
        line.append(samples.ours_text if samples else "–")
        lines.append(tuple(line))
    return Summary(heads, lines)


def _violation_mark(row: Row, violations: Row | None) -> str:
    if violations is None:
        return " !" if "exceeds" in row.verdict else ""
    if row.dataset not in limits():
        return ""
    n_runs = round((violations.ours or 0.0) * (violations.runs or 0))
    return f" ({n_runs}!)" if n_runs else ""


_MARKS = (
    ("D", 6, -0.32),
    ("_", 13, 0.0),
    ("1", 13, 0.0),
    ("o", 6, 0.16),
    ("s", 6, 0.32),
)
"""Of every method in the picture: the marker, its size, and how far it stands aside."""
_NOTE_STYLE = {
    "xytext": (0, 7),
    "textcoords": "offset points",
    "ha": "center",
    "va": "baseline",
    "color": "red",
}


def _picture(rows: Sequence[Row]) -> Figure:
    """Test accuracy under every limit: exact, published and ours, violations marked."""
    by_method: dict[str, dict[str, Row]] = {}
    violations = {}
    for row in rows:
        if row.metric == "violations":
            violations[row.method, row.dataset] = row.ours or 0.0
        if row.metric == "test_accuracy" and row.dataset in limits():
            by_method.setdefault(row.method, {})[row.dataset] = row
    ours = [method for method in by_method if method.startswith("ours")]
    others = [method for method in by_method if method not in ours]
    items: list[Item] = []
    for number, method in enumerate(others + ours[-4:-2]):
        items += _marks(number, method, by_method[method], violations)
    panel = Panel(
        items,
        title="Best cell under a latency limit (!: exceeds it, share of runs)",
        legend="lower right",
        grid="y",
        axes={
            "ylabel": "CIFAR-100 test accuracy (%)",
            "xlabel": "latency limit and device",
            "xticks": range(len(limits())),
            "xticklabels": _labels(),
        },
    )
    return picture([[panel]], 1.5 + 0.75 * len(limits()), 5.0)


def _labels() -> list[str]:
    """The limits, with the name of a device below the middle one of its limits."""
    devices = [cap.device for cap in limits().values()]
    middles = {
        device: devices.index(device) + (devices.count(device) - 1) // 2
        for device in devices
    }
    return [
        f"≤ {title.partition(' ≤ ')[2]}\n{cap.device if i == middles[cap.device] else ''}"
        for i, (title, cap) in enumerate(limits().items())
    ]


def _marks(
    number: int,
    method: str,
    by_limit: Mapping[str, Row],
    violations: Mapping[tuple[str, str], float],
) -> list[Item]:
    """A method's accuracies, with a note where a limit is exceeded."""
    marker, size, shift = _MARKS[number]
    places = np.arange(len(limits())) + shift
    accuracies = np.full(len(places), np.nan)
    spreads = np.zeros(len(places))
    notes: list[Item] = []
    for i, limit in enumerate(limits()):
        row = by_limit.get(limit)
        if row is None:
            continue
        value = row.value
        accuracies[i] = np.nan if value is None else value
        spreads[i] = row.ours_std or 0.0
        share = violations.get((method, limit), float("exceeds" in row.verdict))
        if share:
            text = "!" if row.ours is None else f"{share:.0%} !"
            top = (value or 0.0) + spreads[i]
            notes.append(Note(text, places[i], top, _NOTE_STYLE))
    style = {
        "color": COLOURS[number],
        "marker": marker,
        "markersize": size,
        "markeredgewidth": 1.6,
        "linestyle": "none",
    }
    return [
        Series(
            places,
            accuracies,
            label=method,
            error=spreads,
            style=style,
        ),
        *notes,
    ]
