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
from surrogate_nas.core.metrics import Metric, cost_metric, score_metric
from surrogate_nas.files.paths import printable
from surrogate_nas.space import Sampled, space_named
from surrogate_nas.space.gpt import GPT, NETWORK
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading
from surrogate_nas.tables.sources.frame import (
    Facts,
    check_facts,
    check_sizes,
    error_of_share,
    number,
)
from surrogate_nas.tables.sources.pickles import numpy_scalars, read_pickle_file

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
                    number(record.get("perplexity"), "perplexity", above=0),
                    number(
                        record.get("accuracy"),
                        "accuracy",
                        above=0,
                        most=1,
                    ),
                )
    sampled = Sampled(space, np.array(list(perplexity), dtype=np.int8))
    values, accuracies = np.array(list(perplexity.values())).T
    source = fetching.origin(_SOURCE, _REPOSITORY)
    table = Table(
        name=f"hwgpt-{scale}",
        space=sampled.definition,
        title=(
            f"HW-GPT-Bench, scale {scale}: {len(sampled):,} held GPT-2 architectures on OpenWebText"
        ),
        source=source,
        objective="valid_perplexity + 5*params",
        network=NETWORK,
        cost="queries",
        banner=(
            f"{sampled.notice} Perplexity and accuracy are those of weights inherited from a"
            " supernet, not of a training of the architecture's own; nothing was held out: what is"
            " searched on is all that can be reported."
        ),
    )
    inherited = "OpenWebText, with weights inherited from a supernet"
    metric = score_metric("valid_perplexity", "", "loss", inherited, source)
    table.add(metric, None, values, 1)
    metric = score_metric("valid_error", "%", "error", f"next tokens wrong, {inherited}", source)
    table.add(metric, None, error_of_share(accuracies), 1)
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
        content = read_pickle_file(path, numpy_scalars())
        cells = [self._of(record["arch"]) for record in content]
        sizes = [(record["params"], record["macs"]) for record in content if "params" in record]
        if sizes:
            self._check(cells, np.array(sizes, dtype=float))
        return zip(cells, content, strict=True)

    def _check(self, cells: list[tuple[int, ...]], sizes: NDArray[np.float64]) -> None:
        """The recorded sizes must be those of the networks."""
        choices = np.array(cells, dtype=np.int8)
        params = self.space.parameters(choices, NETWORK)
        macs = self.space.multiply_accumulates(choices, NETWORK)
        sequences = sizes[:, 1] / macs
        numbers = set(sequences[sequences != 0])
        check_sizes(
            self.space,
            choices,
            recorded=sizes[:, 0],
            expected=params,
        )
        if len(numbers) > 1 or any(one != round(one) for one in numbers):
            raise ValueError("its macs are not those of the networks for a number of sequences")

    def _of(self, architecture: dict[str, Any]) -> tuple[int, ...]:
        n = architecture["sample_n_layer"]
        choices: list[int] = []
        for one in self.space.decisions:
            index = self._index[one.name]
            given = architecture[f"sample_{one.name}"]
            if not one.of_layers:
                choices.append(index[given])
                continue
            if len(given) < n:
                raise ValueError(
                    f"{one.name} of an architecture of {n} layers has {len(given)} entries"
                )
            choices += [index[option] for option in given[:n]]
            choices += [0] * (self.space.layers - n)
        return tuple(choices)


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
        metric = cost_metric(f"memory@{device}", "MB", "of a forward pass", source)
        yield metric, medians(_LATENCY, lambda record: [float(record["mean_mem"])])
        return
    beginnings = {path.name[: len(_ENERGY)] for path in paths}
    if any(name.startswith(_LATENCY) for name in beginnings):
        batch = f"{_SEQUENCES[scale]} sequences" if scale in _SEQUENCES else "a batch"
        described = f"of a forward pass of {batch}, the median of the readings"
        metric = cost_metric(f"latency@{device}", "ms", described, source)
        yield metric, medians(_LATENCY, _latencies)
    if _ENERGY in beginnings:
        described = (
            "the median of the readings of the authors' tracker; over how many passes one is, is"
            " not stated"
        )
        metric = cost_metric(f"energy@{device}", "Wh", described, source)
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
    """The median of each cell's readings, NaN without any; some files repeat cells."""
    readings: list[list[float]] = [[] for _ in places]
    for path in paths:
        with reading(path, _FILE, _SOURCE):
            for cell, record in choose.records(path):
                if cell in places:
                    readings[places[cell]] += take(record)
    if len({len(of_cell) for of_cell in readings}) == 1:
        medians: NDArray[np.float64] = np.median(np.array(readings), axis=1)
    else:
        medians = np.array([np.median(of_cell) if of_cell else np.nan for of_cell in readings])
    if not (medians[np.isfinite(medians)] > 0).all() or np.isinf(medians).any():
        raise UserError(
            f"{printable(paths[0])} is damaged, or no {_FILE} (a reading is not above 0)."
        )
    return medians


def _facts(cells: int, quantiles: tuple[float, float, float], ranks: dict[str, float]) -> Facts:
    """Best, median and worst perplexity, and by metric Kendall's τ with perplexity."""
    words = [f"{word} valid_perplexity" for word in ("best", "median", "worst")]
    return Facts(
        cells,
        values=dict(zip(words, quantiles, strict=True)),
        ranks={("valid_perplexity", metric): rank for metric, rank in ranks.items()},
    )


_FACTS = {
    "hwgpt-s": _facts(
        10_000,
        (22.159136, 32.003693, 41.919418),
        {
            "valid_error": 0.951507,
            "params": -0.921260,
            "latency@h100": -0.903989,
            "latency@cpu_meta": -0.821873,
            "energy@h100": -0.799164,
        },
    ),
    "hwgpt-m": _facts(
        5_245,
        (21.141306, 27.265154, 35.671524),
        {
            "valid_error": 0.947020,
            "params": -0.863835,
            "latency@h100": -0.833930,
            "latency@cpu_meta": -0.803390,
            "energy@h100": -0.766007,
        },
    ),
    "hwgpt-l": _facts(
        429,
        (18.576999, 22.831112, 29.319162),
        {"valid_error": 0.942900, "params": -0.840100},
    ),
}


def verify() -> Iterator[Verified]:
    """Check the tables that are here against the published records."""
    for name, facts in _FACTS.items():
        yield from check_facts(name, facts)
