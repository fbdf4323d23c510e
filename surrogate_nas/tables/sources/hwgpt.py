"""HW-GPT-Bench: GPT-2 networks of three scales with the weights of a supernet, and what they cost
on fourteen devices.

Sukthanker et al., "HW-GPT-Bench: Hardware-Aware Architecture Benchmark for Language Models",
NeurIPS 2024. The files are pickles of records. Of the lists of heads and MLP ratios only the first
``sample_n_layer`` entries mean anything. Every reading of a latency has a unit of its own, seconds
or milliseconds, which the records' own means mix up; a value here is the median of a cell's
readings, each in ms. A GPU's energy is that of the files of the authors' tracker; what the files of
latencies say of it is noise. Devices whose files may be missing are read where these were fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import table_path
from surrogate_nas.files.paths import printable
from surrogate_nas.space import Sampled, space_named
from surrogate_nas.space.gpt import GPT, NETWORK
from surrogate_nas.tables import Table, TableFile
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, rank_verified, reading
from surrogate_nas.tables.sources.pickles import numpy_scalars, read_pickle

NAMES = declared("hwgpt").names
_SOURCE = "hwgpt"
_FILE = "file of HW-GPT-Bench"
_REPOSITORY = "automl/HW-GPT-Bench"
_LATENCY = "efficiency_observations_"
_ENERGY = "efficiency_energy_observations_tracker_"
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_WATT_HOURS = 1000.0
_SEQUENCES = {"s": 8, "m": 4}
"""How many sequences the recorded multiply-accumulates are of; of the largest scale none are in the
files here.
"""
_PUBLISHED = {
    "hwgpt-s": (10_000, (22.159136, 32.003693, 41.919418), 0.951507, 0.921260),
    "hwgpt-m": (5_245, (21.141306, 27.265154, 35.671524), 0.947020, 0.863835),
    "hwgpt-l": (429, (18.576999, 22.831112, 29.319162), 0.942900, 0.840100),
}
"""Cells; best, median and worst perplexity; Kendall's τ of perplexity with the error, and with
parameters negated.
"""
_DEVICE_RANKS = {
    ("hwgpt-s", "latency@h100"): 0.903989,
    ("hwgpt-s", "latency@cpu_meta"): 0.821873,
    ("hwgpt-s", "energy@h100"): 0.799164,
    ("hwgpt-m", "latency@h100"): 0.833930,
    ("hwgpt-m", "latency@cpu_meta"): 0.803390,
    ("hwgpt-m", "energy@h100"): 0.766007,
}
"""Kendall's τ of perplexity with what a device takes, negated."""
_CLOSE = 1e-6
_CLOSE_RANK = 1e-3


def read(name: str) -> Table:
    """Read the fetched files of a scale into a table on the sampled space of its architectures."""
    scale = name.removeprefix("hwgpt-")
    folders: dict[str, list[Path]] = {}
    for path in [*fetching.files(_SOURCE), *fetching.optional(_SOURCE)]:
        folders.setdefault(path.parent.name, []).append(path)
    return read_files(folders, scale)


def read_files(folders: Mapping[str, list[Path]], scale: str) -> Table:
    """Read the files of a scale."""
    space = space_named(f"gpt-{scale}")
    assert isinstance(space, GPT)
    choose = _Choices(space)
    perplexity: dict[tuple[int, ...], tuple[float, float]] = {}
    for path in folders[f"arch_ppl_bench_{scale}"]:
        with reading(path, _FILE, _SOURCE):
            for cell, record in choose.records(path):
                if cell in perplexity:
                    raise ValueError("it has an architecture that is in these files already")
                perplexity[cell] = (
                    _number(record, "perplexity"),
                    _number(record, "accuracy", most=1.0),
                )
    held = Sampled(space, np.array(list(perplexity), dtype=np.int8))
    values, accuracies = np.array(list(perplexity.values())).T
    source = fetching.origin(_SOURCE, _REPOSITORY)
    table = Table(
        name=f"hwgpt-{scale}",
        space=held.definition,
        title=f"HW-GPT-Bench, scale {scale}: {len(held):,} held GPT-2 architectures on OpenWebText",
        source=source,
        objective="valid_perplexity + 5*params",
        network=NETWORK,
        cost="queries",
        banner=(
            f"{held.notice} Perplexity and accuracy are those of weights inherited from a supernet,"
            " not of a training of the architecture's own; nothing was held out: what is searched"
            " on is all that can be reported."
        ),
    )
    inherited = "OpenWebText, with weights inherited from a supernet"
    metric = Metric(
        "valid_perplexity",
        "",
        "search",
        "loss",
        split="valid",
        description=inherited,
        source=source,
    )
    table.add(metric, None, values, 1)
    metric = Metric(
        "valid_error",
        "%",
        "search",
        "error",
        split="valid",
        description=f"next tokens wrong, {inherited}",
        source=source,
    )
    table.add(metric, None, 100.0 * (1.0 - accuracies), 1)
    places = {cell: place for place, cell in enumerate(perplexity)}
    for folder, paths in sorted(folders.items()):
        for metric, column in _device(folder, paths, choose, places):
            table.add(metric, None, column, 1)
    return table


class _Choices:
    """From a record's architecture to the choices of a cell."""

    def __init__(self, space: GPT) -> None:
        self.space = space
        self._index = {
            one.name: {
                (word == "True" if one.name == "bias" else int(word)): i
                for i, word in enumerate(one.options[0])
            }
            for one in space.decisions
        }

    def records(self, path: Path) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
        """The records of a file, each with its cell's choices."""
        with path.open("rb") as file:
            content = read_pickle(file, numpy_scalars(), path)
        cells = [self._of(record["arch"]) for record in content]
        sizes = [(record["params"], record["macs"]) for record in content if "params" in record]
        if sizes:
            self._check(cells, np.array(sizes, dtype=float))
        return zip(cells, content, strict=True)

    def _check(self, cells: list[tuple[int, ...]], sizes: NDArray[np.float64]) -> None:
        """The recorded sizes must be those of the networks: else architectures and results do not
        belong together.
        """
        choices = np.array(cells, dtype=np.int8)
        params = self.space.parameters(choices, NETWORK)
        macs = self.space.multiply_accumulates(choices, NETWORK)
        sequences = sizes[:, 1] / macs
        found = set(sequences[sequences != 0])
        wrong = np.flatnonzero(sizes[:, 0] != params)
        if len(wrong):
            cell = self.space.write(cells[wrong[0]])
            raise ValueError(
                f"{cell} has {params[wrong[0]]:,.0f} parameters, not {sizes[wrong[0], 0]:,.0f}"
            )
        if len(found) > 1 or any(number != round(number) for number in found):
            raise ValueError("its macs are not those of the networks for a number of sequences")

    def _of(self, architecture: dict[str, Any]) -> tuple[int, ...]:
        n = architecture["sample_n_layer"]
        found: list[int] = []
        for one in self.space.decisions:
            index = self._index[one.name]
            given = architecture[f"sample_{one.name}"]
            if not one.of_layers:
                found.append(index[given])
                continue
            if len(given) < n:
                raise ValueError(
                    f"{one.name} of an architecture of {n} layers has {len(given)} entries"
                )
            found += [index[option] for option in given[:n]] + [0] * (self.space.layers - n)
        return tuple(found)


def _number(record: Mapping[str, Any], key: str, *, most: float = np.inf) -> float:
    value = record.get(key)
    if (
        not isinstance(value, int | float | np.number)
        or isinstance(value, bool)
        or not 0 < float(value) <= most
    ):
        raise TypeError(f"{key} is {value!r:.60}")
    return float(value)


def _device(
    folder: str,
    paths: list[Path],
    choose: _Choices,
    places: Mapping[tuple[int, ...], int],
) -> Iterator[tuple[Metric, NDArray[np.float64]]]:
    """The metrics of a folder of measurements, where it is of this scale."""
    kind, _, device = folder.partition("_")
    scale = device[-1] if device.endswith(("_m", "_l")) else "s"
    if kind not in ("latency", "mem") or f"gpt-{scale}" != choose.space.name:
        return
    source = fetching.origin(_SOURCE, _REPOSITORY)
    device = device.removesuffix(f"_{scale}").lower()

    def medians(
        beginning: str, take: Callable[[dict[str, Any]], list[float]]
    ) -> NDArray[np.float64]:
        return _medians(
            [path for path in paths if path.name.startswith(beginning)], choose, places, take
        )

    if kind == "mem":
        metric = Metric(
            f"memory@{device}",
            "MB",
            "search",
            "cost",
            description="of a forward pass",
            source=source,
        )
        yield metric, medians(_LATENCY, lambda record: [float(record["mean_mem"])])
        return
    beginnings = {path.name[: len(_ENERGY)] for path in paths}
    if any(name.startswith(_LATENCY) for name in beginnings):
        batch = f"{_SEQUENCES[scale]} sequences" if scale in _SEQUENCES else "a batch"
        described = f"of a forward pass of {batch}, the median of the readings"
        metric = Metric(
            f"latency@{device}", "ms", "search", "cost", description=described, source=source
        )
        yield metric, medians(_LATENCY, _latencies)
    if _ENERGY in beginnings:
        described = (
            "the median of the readings of the authors' tracker; over how many passes one is, is"
            " not stated"
        )
        metric = Metric(
            f"energy@{device}", "Wh", "search", "cost", description=described, source=source
        )
        yield (
            metric,
            _WATT_HOURS
            * medians(_ENERGY, lambda record: [float(one) for one in record["energy_gpu"]]),
        )


def _latencies(record: dict[str, Any]) -> list[float]:
    """The readings of a record in ms, each by its own unit."""
    chip = "gpu" if record["times_profiler_gpu"] else "cpu"
    pairs = zip(record[f"times_profiler_{chip}"], record[f"unit_{chip}"], strict=True)
    return [float(reading) * _MILLISECONDS[unit] for reading, unit in pairs]


def _medians(
    paths: list[Path],
    choose: _Choices,
    places: Mapping[tuple[int, ...], int],
    take: Callable[[dict[str, Any]], list[float]],
) -> NDArray[np.float64]:
    """The median of every held cell's readings, NaN where it has none; some files have a cell more
    than once.
    """
    readings: list[list[float]] = [[] for _ in places]
    for path in paths:
        with reading(path, _FILE, _SOURCE):
            for cell, record in choose.records(path):
                if cell in places:
                    readings[places[cell]] += take(record)
    number = set(map(len, readings))
    if len(number) == 1:
        found: NDArray[np.float64] = np.median(np.array(readings), axis=1)
    else:
        found = np.array([np.median(held) if held else np.nan for held in readings])
    if not (found[np.isfinite(found)] > 0).all() or np.isinf(found).any():
        raise UserError(
            f"{printable(paths[0])} is damaged, or no {_FILE} (a reading is not above 0)."
        )
    return found


def verify() -> Iterator[Verified]:
    """Hold the tables that are here against the published records."""
    for name in NAMES:
        table = TableFile(table_path(name))
        column = {key.metric: table.column(key) for key in table.keys}
        space = table.cells.base  # type: ignore[attr-defined]
        n, three, with_error, with_params = _PUBLISHED[name]
        yield Verified(
            f"architectures of {name}",
            len(table.cells) == n,
            f"{len(table.cells):,}, {n:,} published",
        )
        perplexity = column["valid_perplexity"]
        choices = table.cells.choices
        for what, expected, found in zip(
            ("best", "median", "worst"),
            three,
            np.quantile(perplexity, (0.0, 0.5, 1.0)),
            strict=True,
        ):
            passed = bool(abs(found - expected) < _CLOSE)
            yield Verified(
                f"{what} valid_perplexity of {name}",
                passed,
                f"{found:.6f}, {expected:.6f} published",
            )
        params = space.parameters(choices, table.network)
        ranks = {"valid_error": with_error, "params": with_params}
        ranks |= {metric: rank for (of, metric), rank in _DEVICE_RANKS.items() if of == name}
        for metric, expected in ranks.items():
            values = params if metric == "params" else column[metric]
            sign, values = ("", values) if metric == "valid_error" else ("−", -values)
            what = f"τ(perplexity, {sign}{metric}) of {name}"
            yield rank_verified(what, perplexity, values, expected, _CLOSE_RANK)
