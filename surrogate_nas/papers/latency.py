"""Latency of NAS-Bench-201 cells on devices never seen before, from ten measured cells and from
900.

Lee et al., "HELP: Hardware-adaptive Efficient Latency Prediction for NAS via Meta-Learning",
NeurIPS 2021, table 3: Spearman's ρ on six unseen devices. HELP learned from 900 cells on each of
nine other devices; the public data holds seven of those nine, and our prior comes from these seven
alone.

Two sets of test cells, never mixed. HELP's public code draws the measured cells from the first 900
of the official order and tests on the 1,000 after them, both without the fastest and the slowest
tenth on that device: fewer extremes, so lower ρ. And the whole space: any cells measured, all
others predicted. There, the 23 devices that are held are each predicted too, from those that share
no chip with it.

A setting on a device is one job; finished ones are kept in ``scores.jsonl``, so that an interrupted
run goes on where it was. All numbers but the seconds are the same for any number of workers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from surrogate_nas.benchmarks import Benchmark, load
from surrogate_nas.papers.common.paper import COLOURS, PaperResult, Row, Work, canvas, published
from surrogate_nas.papers.common.ranks import Indices, Values
from surrogate_nas.space import listed
from surrogate_nas.surrogates import Surrogate, make_model
from surrogate_nas.surrogates.base import Z90
from surrogate_nas.surrogates.latency import KnownDevices, Latency
from surrogate_nas.tables.sources.nb201.extracts import devices as held

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BENCH = "nb201-cifar10"
_PREFIX = "latency@"
UNSEEN = ("titan_rtx_256", "gold_6226", "pixel2", "raspi4", "eyeriss", "fpga")
HELP_POOL = (
    "1080ti_1",
    "1080ti_32",
    "1080ti_256",
    "silver_4114",
    "samsung_a50",
    "pixel3",
    "essential_ph_1",
)
"""HELP's meta-training devices but two, ``silver_4210r`` and ``samsung_s7``, which the public data
lacks.
"""
_HELP = "HELP, 10 cells"
SIZES = (10, 20, 50, 100, 300, 900)
WHOLE = ", whole space"
"""Ends the name of a method that is tested on the whole space."""
_CHIPS = {
    "1080ti": "GP102",
    "titanx": "GP102",
    "titanxp": "GP102",
    "2080ti": "TU102",
    "titan_rtx": "TU102",
    "gold_6226": "Cascade Lake",
    "gold_6240": "Cascade Lake",
}
"""Devices that share a chip, at whatever batch size; all others stand alone."""
_RUNS = 10
_KNOWN_CELLS = 900
_TESTED_CELLS = 1000
_FIRST_SEED = 1000
_TRIMMED = 0.1
"""The share of cells that HELP drops at either end of a device's latencies."""
_MOST_TRIMMED = 720
_MEAN = "mean of the six"
_OTHER_CELLS = "other test cells than HELP's"
_METRICS = {
    "spearman": "",
    "within_10_percent": "share of cells",
    "coverage90": "share inside the 90 % interval",
    "seconds": "to learn from the measured cells and predict all",
}
_FEW_VALUES = 100
_NO_TIME_MS = 1.0


@dataclass(frozen=True)
class Setting:
    """One way to predict: a model with the devices that it knows, and the cells that are measured
    and tested.
    """

    title: str  # The method in the table
    cells: int  # How many are measured on the new device
    whole: bool = False  # Test on all other cells of the space; otherwise HELP's protocol
    known: tuple[str, ...] = ()  # The devices that were measured before
    model: str = "latency"  # Its name
    chosen: bool = False  # Whether the model chooses the cells

    @property
    def fixed(self) -> bool:
        """Whether every run would measure the same cells."""
        return self.chosen or not self.whole and self.cells >= _MOST_TRIMMED


SETTINGS = (
    *(Setting(f"ours, {size} cells", size, known=HELP_POOL) for size in SIZES),
    Setting("ours without known devices, 10 cells", 10),
    Setting("ridge on operation counts, 10 cells", 10, model="ridge"),
    *(
        Setting(f"ours, {size} cells{WHOLE}", size, whole=True, known=HELP_POOL)
        for size in (*SIZES, 156)
    ),
    Setting(f"ours, 10 chosen cells{WHOLE}", 10, whole=True, known=HELP_POOL, chosen=True),
    Setting(f"ours without known devices, 10 cells{WHOLE}", 10, whole=True),
    Setting(f"ridge on operation counts, 10 cells{WHOLE}", 10, whole=True, model="ridge"),
)
"""On the six unseen devices."""
_OTHER_SIZES = (10, 900)


class DeviceJob(NamedTuple):
    """A setting on a device, with draws of the measured cells."""

    setting: Setting
    device: str
    runs: int

    @property
    def name(self) -> str:
        """What the result depends on, in words."""
        return f"{self.setting.title} | {self.device} | {self.runs}"


def latency(work: Work) -> PaperResult:
    """Table 3 of HELP, and all devices that are held: ten draws of measured cells a device and
    size.

    Args:
        work: The folder, how many runs, and where.
    """
    bench = load(_BENCH)
    devices = held()
    wanted = _RUNS if work.runs is None else work.runs
    six = [DeviceJob(setting, device, wanted) for setting in SETTINGS for device in UNSEEN]
    others = [
        DeviceJob(setting, device, wanted)
        for device in sorted(devices, key=chip)
        for setting in _of_others(device)
    ]
    models = {name: make_model(name, "cost").settings() for name in ("latency", "ridge")}
    jobs = {job.name: job for job in (*six, *others)}
    found = work.results(
        _scores, jobs, "scores.jsonl", {"benchmark": bench.fingerprint, "models": models}
    )
    scores = {jobs[name]: np.array(result) for name, result in found.items()}
    rows = list(_published_rows(bench))
    for setting in SETTINGS:
        rows += _six_rows(
            setting, {job.device: scores[job] for job in six if job.setting == setting}
        )
    each = [row for job in others for row in _other_rows(job, scores[job])]
    rows += [*sorted(each, key=lambda row: (row.method, row.dataset)), *_overall_rows(each)]
    title = "Latency on unseen devices: HELP (NeurIPS 2021), table 3"
    pictures = {"latency.png": _drawn(rows)}
    return work.result(title, rows, _notes(bench), pictures=pictures)


def chip(device: str) -> str:
    """What a device computes with; devices of one chip never teach each other here."""
    family = (
        device.rpartition("_")[0] if device.rpartition("_")[2] in ("1", "32", "256") else device
    )
    return _CHIPS.get(family, device)


def known_devices(bench: Benchmark, devices: Sequence[str]) -> KnownDevices:
    """Measurements of the first 900 cells on each of some devices."""
    cells = listed(bench.space)[:_KNOWN_CELLS]
    return {device: (cells, _latencies(bench, device)[:_KNOWN_CELLS]) for device in devices}


def _latencies(bench: Benchmark, device: str) -> Values:
    """Of the whole space, in ms."""
    return bench.column(f"{_PREFIX}{device}")


@lru_cache(maxsize=4)
def _model(name: str, known: tuple[str, ...]) -> Surrogate:
    """A model that has learned from the known devices, once a process."""
    if not known:
        return make_model(name, "cost")
    bench = load(_BENCH)
    model = Latency("cost", known=known_devices(bench, known))
    model.prior(bench.space)
    return model


def split(
    latencies: Values,
    cells: int,
    run: int,
    *,
    whole: bool,
) -> tuple[Indices, Indices]:
    """The cells that are measured and those that are tested."""
    rng = np.random.default_rng(_FIRST_SEED + run)
    if whole:
        drawn = rng.choice(len(latencies), cells, replace=False)
        return drawn, np.setdiff1d(np.arange(len(latencies)), drawn)
    ends = _KNOWN_CELLS, _KNOWN_CELLS + _TESTED_CELLS
    return rng.permutation(_middle(latencies, 0, ends[0]))[:cells], _middle(latencies, *ends)


def _middle(latencies: Values, start: int, stop: int) -> Indices:
    """Cells of a range without the fastest and the slowest tenth."""
    order = start + np.argsort(latencies[start:stop], kind="stable")
    return order[int(_TRIMMED * len(order)) : int((1 - _TRIMMED) * len(order))]


def _scores(job: DeviceJob) -> list[list[float]]:
    """What `score` finds, as JSON holds it."""
    found: list[list[float]] = score(job.setting, job.device, job.runs).tolist()
    return found


def score(setting: Setting, device: str, runs: int) -> Values:
    """Predict one device from some of its cells.

    Returns:
        Shape ``(runs, 4)``: Spearman's ρ, the share within ±10 % of the measured latency, the share
        inside the 90 % interval, and the seconds of fitting and predicting.
    """
    from scipy.stats import spearmanr

    bench = load(_BENCH)
    model = _model(setting.model, setting.known)
    found = []
    space = listed(bench.space)
    latencies = _latencies(bench, device)
    for run in range(1 if setting.fixed else runs):
        measured, tested = split(latencies, setting.cells, run, whole=setting.whole)
        if setting.chosen and isinstance(model, Latency):
            measured = np.array([cell.index for cell in model.choose(space, setting.cells)])
            tested = np.setdiff1d(np.arange(len(space)), measured)
        started = time.perf_counter()
        model.fit([space[int(i)] for i in measured], latencies[measured], space)
        mean, std = (values[tested] for values in model.predict(space))
        seconds = time.perf_counter() - started
        error = np.abs(mean - latencies[tested])
        truth = latencies[tested]
        rho = float(spearmanr(mean, truth).statistic)
        found.append(
            (rho, float((error <= 0.1 * truth).mean()), float((error <= Z90 * std).mean()), seconds)
        )
    return np.array(found)


def _of_others(device: str) -> list[Setting]:
    """A device predicted from those of all other chips."""
    known = tuple(other for other in held() if chip(other) != chip(device))
    return [
        Setting(f"all other chips known, {size} cells{WHOLE}", size, whole=True, known=known)
        for size in _OTHER_SIZES
    ]


def _published_rows(bench: Benchmark) -> Iterator[Row]:
    from scipy.stats import spearmanr

    macs = bench.column("macs")

    def flops(device: str, whole: bool) -> float:
        latencies = _latencies(bench, device)
        tested = split(latencies, 1, 0, whole=whole)[1]
        return float(spearmanr(macs[tested], latencies[tested]).statistic)

    helps, whole = (
        [flops(device, everywhere) for device in UNSEEN] for everywhere in (False, True)
    )
    ours = dict(zip([*UNSEEN, _MEAN], [*helps, float(np.mean(helps))], strict=True))
    for told in published("latency").values():
        own = ours[told.dataset] if told.method == "FLOPs" else None
        says = (
            "not made: the published number only"
            if own is None
            else f"{own - (told.value or 0.0):+.3f}"
        )
        yield told.row(ours=own, verdict=says)
    for device, own in zip([*UNSEEN, _MEAN], [*whole, float(np.mean(whole))], strict=True):
        yield Row(f"FLOPs{WHOLE}", device, "spearman", ours=own, verdict=_OTHER_CELLS)


def _six_rows(setting: Setting, made: Mapping[str, Values]) -> Iterator[Row]:
    each = [
        *((device, made[device]) for device in UNSEEN),
        (_MEAN, np.mean(list(made.values()), axis=0)),
    ]
    for device, scores in each:
        known = published("latency")[_HELP, device, "spearman"].value or 0.0
        against = f"HELP with 10 cells {known:.3f}: {scores[:, 0].mean() - known:+.3f}"
        yield from _rows(setting, device, scores, _OTHER_CELLS if setting.whole else against)


def _other_rows(job: DeviceJob, scores: Values) -> Iterator[Row]:
    return _rows(job.setting, job.device, scores, f"{len(job.setting.known)} known devices")


def _overall_rows(other: Sequence[Row]) -> Iterator[Row]:
    for method in dict.fromkeys(row.method for row in other):
        for metric in dict.fromkeys(row.metric for row in other):
            of_metric = [row for row in other if (row.method, row.metric) == (method, metric)]
            values = [row.ours for row in of_metric if row.ours is not None]
            yield Row(
                method,
                f"mean of {len(values)} devices",
                metric,
                ours=float(np.mean(values)),
                evaluations=of_metric[0].evaluations,
                runs=of_metric[0].runs,
                verdict=f"median {np.median(values):.3f}, worst {min(values):.3f}",
            )


def _rows(setting: Setting, device: str, scores: Values, verdict: str) -> Iterator[Row]:
    cells = setting.cells if setting.whole else min(setting.cells, _MOST_TRIMMED)
    for (metric, says), values in zip(_METRICS.items(), scores.T, strict=True):
        yield Row.over(
            setting.title, device, metric, values, evaluations=float(cells), verdict=says or verdict
        )


def _notes(bench: Benchmark) -> list[str]:
    columns = {device: _latencies(bench, device) for device in held()}
    ticks = {device: len(np.unique(values)) for device, values in columns.items()}
    few = ", ".join(f"{device} {n}" for device, n in ticks.items() if n < _FEW_VALUES)
    none = {device: int((values < _NO_TIME_MS).sum()) for device, values in columns.items()}
    nothing = ", ".join(f"{n} on {device}" for device, n in none.items() if n)
    return [
        (
            f"Our prior for the six comes from the first {_KNOWN_CELLS} cells on each of"
            f" {', '.join(HELP_POOL)}: HELP's own pool but for silver_4210r and samsung_s7, which"
            " the public data lacks. None of the six, nor titan_rtx_1/32, 2080ti or gold_6240 (the"
            " same chips as two of the six), is in it."
        ),
        (
            "HELP's public code draws measured cells from the first 900 and tests on the next"
            " 1,000, both without the fastest and slowest tenth on that device (so 900 cells are"
            " 720); our rows without another word follow it, and FLOPs come out as published there."
            " It also reads ten reference cells besides the ten samples; ours do not."
        ),
        (
            "Whole space: measured cells are random, all others are tested. The ten chosen cells"
            " leave the least uncertainty under the prior: an extra, not comparable with random"
            " ones."
        ),
        (
            "All other chips known: 1080ti, titanx and titanxp count as one chip, 2080ti and"
            " titan_rtx as one, gold_6226 and gold_6240 as one, whatever the batch size."
        ),
        f"Few distinct values, so ties bound Spearman's ρ: {few}.",
        (
            f"Cells read below {_NO_TIME_MS:g} ms: {nothing}; these devices compile dead graphs"
            " away. They are kept, on the plain scale, and count in ±10 %, where hardly any of"
            " them can be right."
        ),
    ]


def _drawn(rows: Sequence[Row]) -> Figure:
    """Spearman's ρ on unseen devices beside what is published, and its mean over the number of
    measured cells.
    """
    value = {
        (row.method, row.dataset): row.published if row.ours is None else row.ours
        for row in rows
        if row.metric == "spearman"
    }
    shown = ("FLOPs", "BRP-NAS, 900 cells", _HELP, "ours, 10 cells", "ours, 900 cells")
    names = [*UNSEEN, _MEAN]
    figure = canvas(11, 4.5)
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1))
    for i, (method, colour) in enumerate(zip(shown, COLOURS, strict=False)):
        heights = [value[method, device] or 0.0 for device in names]
        left.bar(
            np.arange(len(names)) + (i - 2) * 0.16, heights, width=0.15, color=colour, label=method
        )
    left.set_xticks(
        np.arange(len(names)), [name.replace("mean of", "mean of\n") for name in names], fontsize=8
    )
    left.set(
        ylim=(0.3, 1.1), ylabel="Spearman's ρ", title="Latency of unseen cells on unseen devices"
    )
    left.legend(loc="upper center", ncols=5, fontsize=8)
    left.grid(axis="y", alpha=0.3)
    for end, colour in (("", COLOURS[3]), (", whole space", COLOURS[5])):
        found = [value[f"ours, {size} cells{end}", _MEAN] or 0.0 for size in SIZES]
        right.plot(SIZES, found, "o-", color=colour, label=f"ours{end or ', HELP’s test cells'}")
    right.plot(10, value[_HELP, _MEAN], "s", color=COLOURS[2], label="HELP")
    right.plot(900, value["BRP-NAS, 900 cells", _MEAN], "D", color=COLOURS[1], label="BRP-NAS")
    right.axhline(value["FLOPs", _MEAN] or 0.0, color=COLOURS[0], linestyle="--", label="FLOPs")
    right.set(
        xscale="log",
        xlabel="cells measured on the new device",
        title=f"{_MEAN[0].upper()}{_MEAN[1:]}",
    )
    right.legend(loc="center right", fontsize=8)
    right.grid(alpha=0.3)
    return figure
