"""The best cell under a latency limit on a device never seen before, from few latency samples and accuracy look-ups.

Lee et al., "HELP: Hardware-adaptive Efficient Latency Prediction for NAS via Meta-Learning", NeurIPS 2021, the table of
NAS on unseen devices: MetaD2A, a generator that was pre-trained on other data sets, with HELP's ten latency samples;
CIFAR-100's test accuracy under 15 limits. Ours starts from nothing on the accuracy side: the latency surrogate
(`surrogate_nas.papers.latency`) foresees the whole space from ten random cells on the device, and Bayesian optimisation
looks validation errors up under the foreseen limit. What it finds is held against the true latency. A second answer
measures what it is about to hand over, best first, until one keeps the limit; these are further latency samples.

A limit and a run are one job; finished ones are kept in ``searches.jsonl``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.computed import Computed
from surrogate_nas.core.version import __version__
from surrogate_nas.papers.jobs import results_of
from surrogate_nas.papers.latency import HELP_POOL, known_devices, split
from surrogate_nas.papers.pictures import draw_caps
from surrogate_nas.papers.ranks import Values
from surrogate_nas.papers.rows import PaperResult, Row, Summary
from surrogate_nas.space import listed
from surrogate_nas.study.comparison import search
from surrogate_nas.study.experiment import Progress
from surrogate_nas.surrogates.latency import Latency

_BENCH = "nb201-cifar100"
_SAMPLES = 10
LOOKUPS = (20, 50, 100)
"""Accuracy look-ups after which the answer is noted."""
_ALL = "all"
_RUNS = 5
_EPOCHS = 200


class Cap(NamedTuple):
    """A limit on a device.

    Attributes:
        device: The device.
        limit: In ms.
        published: Test accuracy (%) of MetaD2A + HELP.
        violated: Whether the published cell exceeds the limit, by its published latency.
    """

    device: str
    limit: float
    published: float
    violated: bool = False

    @property
    def title(self) -> str:
        """The limit as rows show it."""
        return f"{self.device} ≤ {self.limit:g} ms"


CAPS = (
    Cap("titan_rtx_256", 18, 69.69), Cap("titan_rtx_256", 21, 71.52), Cap("titan_rtx_256", 25, 71.76),
    Cap("gold_6226", 8, 67.27, True), Cap("gold_6226", 11, 70.16), Cap("gold_6226", 14, 72.11, True),
    Cap("pixel2", 14, 69.69), Cap("pixel2", 18, 71.76, True), Cap("pixel2", 22, 73.22, True),
    Cap("eyeriss", 5, 71.52), Cap("eyeriss", 7, 71.76), Cap("eyeriss", 9, 73.51, True),
    Cap("fpga", 4, 70.16), Cap("fpga", 5, 71.76), Cap("fpga", 6, 73.51, True),
)  # fmt: skip
"""HELP's README, table 4."""
_LIMITS = frozenset(cap.title for cap in CAPS)
_HELP = "MetaD2A + HELP, 10 samples"


class Found(NamedTuple):
    """The answers of one run after some look-ups.

    Attributes:
        lookups: How many validation errors were looked up; all of those under the foreseen limit come last.
        cell: The place of the best cell by validation under the foreseen limit; -1 where none was feasible.
        kept: The place of the best of them that keeps the true limit; -1 where none does.
        measured: How many were measured until then.
    """

    lookups: int
    cell: int
    kept: int
    measured: int


def caps(*, runs: int | None, workers: int | None, engine: str, folder: Path, progress: Progress | None) -> PaperResult:
    """Search under every limit; may be interrupted and called again.

    Args:
        runs: Searches a limit, each with latency samples of its own; 5 if None.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        folder: Where the picture and the finished searches go.
        progress: Called with (searches done, searches in all).

    Raises:
        UserError: The tables are not here, or the folder cannot be written.
    """
    started = time.perf_counter()
    bench, wanted = load(_BENCH), runs or _RUNS
    jobs = {f"{cap.title} | {run}": (cap, run) for cap in CAPS for run in range(wanted)}
    settings = {
        "version": __version__, "benchmark": bench.fingerprint, "lookups": list(LOOKUPS), "samples": _SAMPLES,
        "model": Latency("cost").settings(),
    }  # fmt: skip
    found = results_of(
        search_under, jobs, folder / "searches.jsonl", settings, workers=workers, engine=engine, progress=progress
    )
    rows: list[Row] = []
    for cap in CAPS:
        answers = [[Found(*one) for one in found[f"{cap.title} | {run}"]] for run in range(wanted)]
        rows += [*_exact_rows(cap), *_our_rows(cap, answers)]
    rows += list(_overall_rows(rows))
    draw_caps(rows, [cap.title for cap in CAPS], folder / "caps.png")
    return PaperResult(
        "The best cell under a latency limit (HELP, NeurIPS 2021): CIFAR-100 test accuracy (%)", rows,
        time.perf_counter() - started, _notes(), _summary(rows),
    )  # fmt: skip


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
def foreseen(device: str, run: int) -> Values:
    """Latencies of the whole space in ms, from ten random cells on the device.

    Args:
        device: The new device.
        run: Numbers the draw of the ten.
    """
    space, latencies = listed(load(_BENCH).space), _latencies(device)
    measured, _ = split(latencies, _SAMPLES, run, whole=True)
    mean = _model().fit([space[int(i)] for i in measured], latencies[measured], space).predict(space).mean.copy()
    mean[measured] = latencies[measured]
    return mean


def search_under(job: tuple[Cap, int]) -> list[Found]:
    """Search on validation under the foreseen limit, and check the answers.

    Args:
        job: The limit and the number of the run.

    Returns:
        The answer after each of `LOOKUPS`, and after all that the foreseen limit allows.
    """
    cap, run = job
    bench = load(_BENCH)
    errors, expected, latencies = (
        bench.column("valid_error", _EPOCHS),
        foreseen(cap.device, run),
        _latencies(cap.device),
    )
    functions = {
        "valid_error": lambda cell: float(errors[cell.index]),
        "latency@foreseen": lambda cell: float(expected[cell.index]),
    }
    limit = f"latency@foreseen <= {cap.limit:g}"
    made = search(
        Computed(bench.space, functions), "bo", "valid_error", subject_to=limit, budget=LOOKUPS[-1], seed=run
    )  # fmt: skip
    looked = [trial.cell.index for trial in made.trials]
    inside = np.flatnonzero(expected <= cap.limit)
    asked = [(n, [i for i in looked[:n] if expected[i] <= cap.limit]) for n in LOOKUPS]
    return [_answer(n, cells, errors, latencies <= cap.limit) for n, cells in (*asked, (len(inside), inside.tolist()))]


def _answer(lookups: int, cells: list[int], errors: Values, keeps: NDArray[np.bool_]) -> Found:
    """The best of some cells by validation, and the best that keeps the limit, measured one after the other."""
    order = sorted(dict.fromkeys(cells), key=lambda i: errors[i])
    measured = next((n for n, i in enumerate(order, 1) if keeps[i]), 0)
    if not measured:
        return Found(lookups, order[0] if order else -1, -1, len(order))
    return Found(lookups, order[0], order[measured - 1], measured)


def _exact_rows(cap: Cap) -> Iterator[Row]:
    accuracy, inside = _accuracy(), np.flatnonzero(_latencies(cap.device) <= cap.limit)
    errors = load(_BENCH).column("valid_error", _EPOCHS)
    best, known = float(accuracy[inside].max()), float(accuracy[inside[errors[inside].argmin()]])
    says = "exceeds its own limit" if cap.violated else f"{cap.published - best:+.2f} from the exact optimum"
    yield Row(_HELP, cap.title, "test_accuracy", published=cap.published, verdict=says, mark="C")
    yield Row("exact optimum", cap.title, "test_accuracy", ours=best, mark="D", verdict="by test, on true latencies")
    yield Row("exact, by validation", cap.title, "test_accuracy", ours=known, mark="D",
              verdict=f"{known - best:+.2f}: what a perfect search on validation finds")  # fmt: skip


def _our_rows(cap: Cap, answers: Sequence[Sequence[Found]]) -> Iterator[Row]:
    accuracy, latencies = _accuracy(), _latencies(cap.device)
    best = float(accuracy[latencies <= cap.limit].max())
    for place, name in enumerate((*LOOKUPS, _ALL)):
        made = [answer[place] for answer in answers]
        lookups = float(np.mean([one.lookups for one in made]))
        for end, cells in (("", [one.cell for one in made]), (", checked", [one.kept for one in made])):
            held = [cell for cell in cells if cell >= 0]
            method = f"ours, {name} look-ups{end}"
            if not held:
                yield Row(method, cap.title, "test_accuracy", evaluations=lookups, runs=len(made), verdict="found none")
                continue
            reached, taken = accuracy[held], latencies[held]
            broken = int((taken > cap.limit).sum())
            says = f"{reached.mean() - best:+.2f} from the exact optimum"
            if broken:
                says += f"; {broken} of {len(made)} exceed the limit, by up to {taken.max() / cap.limit - 1:.1%}"
            yield _row(method, cap, "test_accuracy", reached, lookups, len(made), says, cap.published)
            yield _row(method, cap, "latency_ms", taken, lookups, len(made), f"limit {cap.limit:g} ms")
            yield _row(
                method, cap, "violations", (taken > cap.limit).astype(np.float64), lookups, len(made), "share of runs"
            )
            samples = np.array([_SAMPLES + (one.measured if end else 0) for one in made], dtype=np.float64)
            yield _row(method, cap, "latency_samples", samples, lookups, len(made), "cells measured on the device")


def _row(
    method: str, cap: Cap, metric: str, values: Values, lookups: float, runs: int, verdict: str,
    published: float | None = None,
) -> Row:  # fmt: skip
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Row(
        method, cap.title, metric, published=published, ours=float(np.mean(values)), ours_std=spread,
        evaluations=lookups, runs=runs, verdict=verdict, mark="C" if published else "D",
    )  # fmt: skip


def _overall_rows(rows: Sequence[Row]) -> Iterator[Row]:
    """The mean over all limits, for what has one for each."""
    for method, metric in dict.fromkeys((row.method, row.metric) for row in rows):
        each = [row for row in rows if (row.method, row.metric) == (method, metric)]
        ours = [row.ours for row in each if row.ours is not None]
        published = [row.published for row in each if row.published is not None]
        if metric != "latency_ms":
            yield Row(
                method, f"mean of {len(each)} limits", metric,
                published=float(np.mean(published)) if published else None,
                ours=float(np.mean(ours)) if ours else None,
                evaluations=None if each[0].evaluations is None else float(np.mean([r.evaluations for r in each])),
                runs=each[0].runs, mark=each[0].mark, verdict=_overall_verdict(each),
            )  # fmt: skip


def _overall_verdict(each: Sequence[Row]) -> str:
    if each[0].metric != "test_accuracy" or each[0].published is None:
        return ""
    if each[0].ours is None:
        return f"{sum(cap.violated for cap in CAPS)} of {len(CAPS)} exceed their limit"
    above = sum((row.ours or 0.0) >= (row.published or 0.0) for row in each)
    return f"as good as the published number or better under {above} of {len(each)} limits"


def _summary(rows: Sequence[Row]) -> Summary:
    """One line a limit; ``!`` marks what exceeds it, the number of runs that do where there are several."""
    held = {(row.method, row.dataset, row.metric): row for row in rows}
    shown = [f"ours, {name} look-ups" for name in (LOOKUPS[-2], LOOKUPS[-1], _ALL)]
    heads = ("limit", "exact", "by validation", _HELP, *shown, f"{shown[1]}, checked", "samples")

    def text(method: str, limit: str) -> str:
        row, broken = held[method, limit, "test_accuracy"], held.get((method, limit, "violations"))
        many = round((broken.ours or 0.0) * (broken.runs or 0)) if broken and limit in _LIMITS else 0
        mark = f" ({many}!)" * (many > 0) if broken else " !" * ("exceeds" in row.verdict)
        return (row.published_text if method == _HELP else row.ours_text) + mark

    lines = []
    for limit in dict.fromkeys(row.dataset for row in rows):
        samples = held.get((f"{shown[1]}, checked", limit, "latency_samples"))
        methods = ("exact optimum", "exact, by validation", _HELP, *shown, f"{shown[1]}, checked")
        lines.append((limit, *(text(method, limit) for method in methods), samples.ours_text if samples else "–"))
    return Summary(heads, lines)


def _notes() -> list[str]:
    return [
        "Two accounts. Latency samples: ten random cells of the space are measured on the device, by us and by HELP; a "
        "checked answer measures what it hands over as well. Accuracy look-ups: validation errors after 200 epochs, "
        "mean of seeds, counted as cells; MetaD2A's generator was trained on other data sets before and names none.",
        f"Known devices: {', '.join(HELP_POOL)}, the first 900 cells on each; none of the five devices is among them.",
        "All look-ups: the best by validation of all that the foreseen limit allows, so what ten samples alone cost.",
        "The search sees the foreseen latency only, no margin kept; the share of runs whose cell truly exceeds the "
        "limit is a row of its own. Test accuracies are read once, at the end.",
        "The published numbers are single cells; where one exceeds its limit by its own measurement, it is no match "
        "for the exact optimum and may lie above it.",
    ]
