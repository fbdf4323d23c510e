"""Latency of NAS-Bench-201 cells on unseen devices, from ten measured cells and from 900.

Lee et al., "HELP: Hardware-adaptive Efficient Latency Prediction for NAS via Meta-Learning",
NeurIPS 2021, table 3: Spearman's ρ on six unseen devices. HELP learned from 900 cells on each of
nine other devices; the public data has seven of those nine, and our prior comes from these seven
alone.

There are two sets of test cells, and their results are never mixed. HELP's public code draws the
measured cells from the first 900 of the official order and tests on the 1,000 after them, both
without the fastest and the slowest tenth on that device: fewer extremes, so lower ρ. The other set
is the whole space: any cells are measured, all others are predicted. There, each of the 23 devices
of the public data is predicted too, from those that share no chip with it.

A setting on a device is one job; finished ones are stored in ``scores.jsonl``. All numbers but the
seconds are the same for any number of workers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analysis.papers.common.paper import PaperResult, Row, Work, published
from analysis.papers.common.pictures import (
    COLOURS,
    Item,
    Level,
    Panel,
    Series,
    picture,
)
from analysis.papers.common.ranks import Indices, Values
from surrogate_nas.benchmarks import Benchmark, load
from surrogate_nas.space import Enumerable, listed
from surrogate_nas.surrogates.base import Z90, Model, make_model
from surrogate_nas.surrogates.latency import KnownDevices, Latency, Prior
from surrogate_nas.tables.sources.fetching import files

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
"""HELP's meta-training devices; the public data lacks two, ``silver_4210r`` and ``samsung_s7``."""
_HELP = "HELP, 10 cells"
SIZES = (10, 20, 50, 100, 300, 900)
WHOLE = ", whole space"
"""The end of a method's name where it is tested on the whole space."""
_CHIPS = {
    "1080ti": "GP102",
    "titanx": "GP102",
    "titanxp": "GP102",
    "2080ti": "TU102",
    "titan_rtx": "TU102",
    "gold_6226": "Cascade Lake",
    "gold_6240": "Cascade Lake",
}
"""Devices that share a chip, at any batch size; every other device has a chip of its own."""
_RUNS = 10
_KNOWN_CELLS = 900
_TESTED_CELLS = 1000
_FIRST_SEED = 1000
_TRIMMED = 0.1
"""The share of cells that HELP drops at each end of a device's latencies."""
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


def public_devices() -> list[str]:
    """The names of HELP's 23 device settings."""
    return sorted(path.stem for path in files("nb201", "HayeonLee/*/latency/*"))


@dataclass(frozen=True)
class Setting:
    """One way to predict: a model, the devices that it knows, measured cells and test cells."""

    title: str  # The method in the table
    cells: int  # How many are measured on the new device
    whole: bool = (
        False  # Test on all other cells of the space; otherwise HELP's protocol
    )
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
        Setting(
            f"ours, {size} cells{WHOLE}",
            size,
            whole=True,
            known=HELP_POOL,
        )
        for size in (*SIZES, 156)
    ),
    Setting(
        f"ours, 10 chosen cells{WHOLE}",
        10,
        whole=True,
        known=HELP_POOL,
        chosen=True,
    ),
    Setting(f"ours without known devices, 10 cells{WHOLE}", 10, whole=True),
    Setting(
        f"ridge on operation counts, 10 cells{WHOLE}",
        10,
        whole=True,
        model="ridge",
    ),
)
"""On the six unseen devices."""
_OTHER_SIZES = (10, 900)


class DeviceJob(NamedTuple):
    """A setting on a device, with a number of draws of the measured cells."""

    setting: Setting
    device: str
    runs: int

    @property
    def name(self) -> str:
        """What the result depends on, in words."""
        return f"{self.setting.title} | {self.device} | {self.runs}"


def latency(work: Work) -> PaperResult:
    """Table 3 of HELP, and all public devices: ten draws of measured cells a device and size.

    Args:
        work: The folder, how many runs, and where.
    """
    bench = load(_BENCH)
    n_runs = _RUNS if work.runs is None else work.runs
    six = [
        DeviceJob(setting, device, n_runs) for setting in SETTINGS for device in UNSEEN
    ]
    others = []
    for device in sorted(public_devices(), key=chip):
        others += [DeviceJob(setting, device, n_runs) for setting in _of_others(device)]
    models = {
        name: make_model(name, "cost").settings() for name in ("latency", "ridge")
    }
    settings = {"benchmark": bench.fingerprint, "models": models}
    jobs = {job.name: job for job in (*six, *others)}
    results = work.results(_scores, jobs, "scores.jsonl", settings)
    scores = {jobs[name]: np.array(result) for name, result in results.items()}

    rows = list(_published_rows(bench))
    for setting in SETTINGS:
        by_device = {job.device: scores[job] for job in six if job.setting == setting}
        rows += _six_rows(setting, by_device)
    other_rows = [row for job in others for row in _other_rows(job, scores[job])]
    rows += sorted(other_rows, key=lambda row: (row.method, row.dataset))
    rows += _overall_rows(other_rows)
    return work.result(
        "Latency on unseen devices: HELP (NeurIPS 2021), table 3",
        rows,
        _notes(bench),
        pictures={"latency.png": _picture(rows)},
    )


def chip(device: str) -> str:
    """The chip of a device; a device is never predicted from another one with its chip."""
    name, _, batch_size = device.rpartition("_")
    family = name if batch_size in ("1", "32", "256") else device
    return _CHIPS.get(family, device)


def known_devices(bench: Benchmark, devices: Sequence[str]) -> KnownDevices:
    """Measurements of the first 900 cells on each of some devices."""
    cells = listed(bench.space)[:_KNOWN_CELLS]
    return {
        device: (cells, _latencies(bench, device)[:_KNOWN_CELLS]) for device in devices
    }


def _latencies(bench: Benchmark, device: str) -> Values:
    """Of the whole space, in ms."""
    return bench.column(f"{_PREFIX}{device}")


@lru_cache(maxsize=4)
def _model(name: str, known: tuple[str, ...]) -> Model:
    """A model that has learned from the known devices, once a process."""
    if not known:
        return make_model(name, "cost")
    bench = load(_BENCH)
    model = Latency("cost", known=known_devices(bench, known))
    model.prior(bench.space)
    return model


def most_telling(prior: Prior, space: Enumerable, n: int) -> Indices:
    """The cells that, measured one after another, each leave the least variance summed over all."""
    matrix = np.hstack(space.cost_groups(space.choices)).astype(np.float64)
    covariance = prior.covariance(prior.log_variances) + np.outer(
        prior.centre, prior.centre
    )
    noise = float(np.exp(prior.log_variances[-1]))
    moments = matrix.T @ matrix
    chosen: list[int] = []
    for _ in range(n):
        moved = matrix @ covariance
        gain = ((moved @ moments) * moved).sum(axis=1) / (
            (moved * matrix).sum(axis=1) + noise
        )
        gain[chosen] = -np.inf
        best = int(gain.argmax())
        chosen.append(best)
        covariance -= np.outer(moved[best], moved[best]) / (
            moved[best] @ matrix[best] + noise
        )
    return np.array(chosen)


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
    return rng.permutation(_middle(latencies, 0, ends[0]))[:cells], _middle(
        latencies, *ends
    )


def _middle(latencies: Values, start: int, stop: int) -> Indices:
    """Cells of a range without the fastest and the slowest tenth."""
    order = start + np.argsort(latencies[start:stop], kind="stable")
    return order[int(_TRIMMED * len(order)) : int((1 - _TRIMMED) * len(order))]


def _scores(job: DeviceJob) -> list[list[float]]:
    """The scores of a job, as JSON holds them."""
    scores: list[list[float]] = score(job.setting, job.device, job.runs).tolist()
    return scores


def score(setting: Setting, device: str, runs: int) -> Values:
    """Predict one device from some of its cells.

    Returns:
        Shape ``(runs, 4)``: Spearman's ρ, the share within ±10 % of the measured latency, the share
        inside the 90 % interval, and the seconds of fitting and predicting.
    """
    from scipy.stats import spearmanr

    bench = load(_BENCH)
    model = _model(setting.model, setting.known)
    scores = []
    space = listed(bench.space)
    latencies = _latencies(bench, device)
    for run in range(1 if setting.fixed else runs):
        measured, tested = split(latencies, setting.cells, run, whole=setting.whole)
        if setting.chosen and isinstance(model, Latency):
            measured = most_telling(model.prior(space), space, setting.cells)
            tested = np.setdiff1d(np.arange(len(space)), measured)
        started = time.perf_counter()
        model.fit([space[int(i)] for i in measured], latencies[measured], space)
        prediction = model.predict(space)
        seconds = time.perf_counter() - started
        mean = prediction.mean[tested]
        std = prediction.std[tested]
        truth = latencies[tested]
        error = np.abs(mean - truth)
        rho = float(spearmanr(mean, truth).statistic)
        within_tenth = float((error <= 0.1 * truth).mean())
        coverage = float((error <= Z90 * std).mean())
        scores.append((rho, within_tenth, coverage, seconds))
    return np.array(scores)


def _of_others(device: str) -> list[Setting]:
    """A device predicted from those of all other chips."""
    known = tuple(other for other in public_devices() if chip(other) != chip(device))
    return [
        Setting(
            f"all other chips known, {size} cells{WHOLE}",
            size,
            whole=True,
            known=known,
        )
        for size in _OTHER_SIZES
    ]


def _published_rows(bench: Benchmark) -> Iterator[Row]:
    as_help = _rho_of_macs(bench, whole=False)
    for entry in published("latency").values():
        if entry.method == "FLOPs":
            ours = as_help[entry.dataset]
            yield entry.row(ours=ours, verdict=f"{ours - (entry.value or 0.0):+.3f}")
        else:
            yield entry.row(ours=None, verdict="not made: the published number only")
    for device, rho in _rho_of_macs(bench, whole=True).items():
        yield Row(
            f"FLOPs{WHOLE}",
            device,
            "spearman",
            ours=rho,
            verdict=_OTHER_CELLS,
        )


def _rho_of_macs(bench: Benchmark, *, whole: bool) -> dict[str, float]:
    """Spearman's ρ of MACs with the latency of test cells, by device, and the mean of the six."""
    from scipy.stats import spearmanr

    macs = bench.column("macs")
    rhos = {}
    for device in UNSEEN:
        latencies = _latencies(bench, device)
        _, tested = split(latencies, 1, 0, whole=whole)
        rhos[device] = float(spearmanr(macs[tested], latencies[tested]).statistic)
    rhos[_MEAN] = float(np.mean(list(rhos.values())))
    return rhos


def _six_rows(setting: Setting, scores: Mapping[str, Values]) -> Iterator[Row]:
    with_mean = {device: scores[device] for device in UNSEEN}
    with_mean[_MEAN] = np.mean(list(scores.values()), axis=0)
    for device, values in with_mean.items():
        verdict = _OTHER_CELLS
        if not setting.whole:
            printed = published("latency")[_HELP, device, "spearman"].value or 0.0
            difference = values[:, 0].mean() - printed
            verdict = f"HELP with 10 cells {printed:.3f}: {difference:+.3f}"
        yield from _rows(setting, device, values, verdict)


def _other_rows(job: DeviceJob, scores: Values) -> Iterator[Row]:
    return _rows(
        job.setting, job.device, scores, f"{len(job.setting.known)} known devices"
    )


def _overall_rows(rows: Sequence[Row]) -> Iterator[Row]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.method, row.metric), []).append(row)
    methods = list(dict.fromkeys(row.method for row in rows))
    for (method, metric), group in sorted(
        groups.items(), key=lambda one: methods.index(one[0][0])
    ):
        values = [row.ours for row in group if row.ours is not None]
        yield Row(
            method,
            f"mean of {len(values)} devices",
            metric,
            ours=float(np.mean(values)),
            evaluations=group[0].evaluations,
            runs=group[0].runs,
            verdict=f"median {np.median(values):.3f}, worst {min(values):.3f}",
        )


def _rows(
    setting: Setting,
    device: str,
    scores: Values,
    verdict: str,
) -> Iterator[Row]:
    n_cells = setting.cells if setting.whole else min(setting.cells, _MOST_TRIMMED)
    for (metric, remark), values in zip(_METRICS.items(), scores.T, strict=True):
        yield Row.over(
            setting.title,
            device,
            metric,
            values,
            evaluations=float(n_cells),
            verdict=remark or verdict,
        )


def _notes(bench: Benchmark) -> list[str]:
    few = []
    fast = []
    for device in public_devices():
        latencies = _latencies(bench, device)
        n_values = len(np.unique(latencies))
        n_fast = int((latencies < _NO_TIME_MS).sum())
        if n_values < _FEW_VALUES:
            few.append(f"{device} {n_values}")
        if n_fast:
            fast.append(f"{n_fast} on {device}")
    return [
        (
            f"Our prior for the six comes from the first {_KNOWN_CELLS} cells on each of"
            f" {', '.join(HELP_POOL)}: HELP's own pool without silver_4210r and samsung_s7, which"
            " are not in the public data. It has none of the six, nor titan_rtx_1/32, 2080ti or"
            " gold_6240, which have the chips of two of the six."
        ),
        (
            "HELP's public code draws measured cells from the first 900 and tests on the next"
            " 1,000, both without the fastest and slowest tenth on that device (so 900 cells are"
            " 720). Our rows follow it where they say nothing else, and FLOPs come out as published"
            " there. It also reads ten reference cells besides the ten samples; ours do not."
        ),
        (
            "Whole space: measured cells are random, all others are tested. The ten chosen cells"
            " are those that leave the least uncertainty under the prior: an extra, not comparable"
            " with random cells."
        ),
        (
            "All other chips known: 1080ti, titanx and titanxp count as one chip, 2080ti and"
            " titan_rtx as one, gold_6226 and gold_6240 as one, whatever the batch size."
        ),
        f"Few distinct values, so ties bound Spearman's ρ: {', '.join(few)}.",
        (
            f"Cells below {_NO_TIME_MS:g} ms: {', '.join(fast)}; these devices compile dead graphs"
            " away. Such cells stay in the data, on the plain scale, and count in ±10 %, where"
            " hardly any of them can be right."
        ),
    ]


def _picture(rows: Sequence[Row]) -> Figure:
    """Spearman's ρ by device, and its mean over the number of measured cells."""
    rhos = {}
    for row in rows:
        if row.metric == "spearman":
            rhos[row.method, row.dataset] = row.value or 0.0
    return picture([[_by_device(rhos), _by_cells(rhos)]], 11, 4.5, widths=(1.7, 1))


def _by_device(rhos: Mapping[tuple[str, str], float]) -> Panel:
    methods = (
        "FLOPs",
        "BRP-NAS, 900 cells",
        _HELP,
        "ours, 10 cells",
        "ours, 900 cells",
    )
    names = [*UNSEEN, _MEAN]
    places = np.arange(len(names))
    items: list[Item] = []
    for i, method in enumerate(methods):
        values = [rhos[method, device] for device in names]
        style = {"color": COLOURS[i], "marker": "osD^v"[i], "linestyle": "none"}
        items.append(Series(places + (i - 2) * 0.14, values, method, style=style))
    return Panel(
        items,
        title="Devices that were not used for training",
        legend="lower left",
        grid="y",
        axes={
            "ylabel": "Spearman's ρ with measured latency",
            "xticks": places,
            "xticklabels": [name.replace("mean of", "mean of\n") for name in names],
            "xlabel": "device",
        },
    )


def _by_cells(rhos: Mapping[tuple[str, str], float]) -> Panel:
    items: list[Item] = []
    for end, tested, colour in (
        ("", ", HELP’s test cells", COLOURS[3]),
        (WHOLE, WHOLE, COLOURS[5]),
    ):
        means = [rhos[f"ours, {size} cells{end}", _MEAN] for size in SIZES]
        style = {"color": colour, "marker": "o"}
        items.append(
            Series(
                SIZES,
                means,
                label=f"ours{tested}",
                style=style,
            )
        )
    for method, label, n_cells, marker, colour in (
        (_HELP, "HELP", 10, "s", COLOURS[2]),
        ("BRP-NAS, 900 cells", "BRP-NAS", 900, "D", COLOURS[1]),
    ):
        style = {"color": colour, "marker": marker, "linestyle": "none"}
        items.append(
            Series(
                [n_cells],
                [rhos[method, _MEAN]],
                label=label,
                style=style,
            )
        )
    items.append(
        Level(rhos["FLOPs", _MEAN], "FLOPs", style={"color": COLOURS[0], "ls": "--"})
    )
    return Panel(
        items,
        title=f"{_MEAN[0].upper()}{_MEAN[1:]}",
        legend="center right",
        axes={"xscale": "log", "xlabel": "cells measured on the new device"},
    )
