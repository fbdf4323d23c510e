"""HW-GPT-Bench: GPT-2 networks of three scales, evaluated with the weights of a supernet, and their
costs on fourteen devices.

Sukthanker et al., "HW-GPT-Bench: Hardware-Aware Architecture Benchmark for Language Models",
NeurIPS 2024. The published files are pickles of records. Only the first ``sample_n_layer`` entries
of the lists of heads and MLP ratios are used. Every latency measurement has its own unit, but the
means in the records ignore the units. A latency in the table is the median of a cell's measurements
in ms. The energy of a GPU is the value from the authors' energy tracker. Devices with optional
files are included if these files were fetched.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.space import space_named
from surrogate_nas.space.layered import GPT
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import reading
from surrogate_nas.tables.sources.declaration import declaration, table_of
from surrogate_nas.tables.sources.pickles import numpy_scalars, read_pickle_file

_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_Choices = tuple[int, ...]


def read(name: str) -> Table:
    """Convert the fetched files of a scale to a table, whose space is the sample of published
    architectures.
    """
    folders = defaultdict[str, list[Path]](list)
    for path in [*fetching.fetched("hwgpt"), *fetching.optional("hwgpt")]:
        folders[path.parent.name].append(path)
    words = declaration("hwgpt").tables[name]
    space = space_named(f"gpt-{words['scale']}")
    assert isinstance(space, GPT)
    records = {
        choices: record
        for path in folders[f"arch_ppl_bench_{words['scale']}"]
        for choices, record in _records(path, space)
    }
    for folder, paths in sorted(folders.items()):
        kind, _, device = folder.partition("_")
        if (device[-1] if device.endswith(("_m", "_l")) else "s") != words["scale"]:
            continue
        for metric, pattern, take in _MEASURED.get(kind, ()):
            readings = defaultdict[_Choices, list[float]](list)
            for path in (path for path in paths if path.match(pattern)):
                for choices, record in _records(path, space):
                    readings[choices] += take(record)
            name_of_metric = (
                f"{metric}@{device.removesuffix('_' + words['scale']).lower()}"
            )
            for choices, record in records.items() if readings else ():
                own = readings[choices]
                record[name_of_metric] = np.median(own) if own else np.nan
    return table_of(
        "hwgpt", name, space, list(records.values()), map(space.at, records)
    )


def _records(path: Path, space: GPT) -> Iterator[tuple[_Choices, dict[str, Any]]]:
    """Yield the records of a file, each with its cell's choices."""
    with reading(path, "file of HW-GPT-Bench", "hwgpt"):
        for record in read_pickle_file(path, numpy_scalars()):
            yield _choices(record["arch"], space), record


def _choices(architecture: dict[str, Any], space: GPT) -> _Choices:
    n = architecture["sample_n_layer"]
    choices: list[int] = []
    for decision in space.decisions:
        value = architecture[f"sample_{decision.name}"]
        if decision.of_layers:
            choices += [decision.options[0].index(str(option)) for option in value[:n]]
            choices += [0] * (space.layers - n)
        else:
            choices.append(decision.options[0].index(str(value)))
    return tuple(choices)


def _latencies(record: dict[str, Any]) -> list[float]:
    """Return the latency measurements of a record, each converted from its own unit to ms."""
    chip = "gpu" if record["times_profiler_gpu"] else "cpu"
    pairs = zip(record[f"times_profiler_{chip}"], record[f"unit_{chip}"], strict=True)
    return [float(reading) * _MILLISECONDS[unit] for reading, unit in pairs]


# By kind of folder the metrics: files, and the readings of a record.
_MEASURED: dict[str, tuple[tuple[str, str, Callable[..., list[float]]], ...]] = {
    "mem": (("memory", "efficiency_observations_*", lambda r: [r["mean_mem"]]),),
    "latency": (
        ("latency", "efficiency_observations_*", _latencies),
        (
            "energy",
            "efficiency_energy_observations_tracker_*",
            lambda r: list(map(float, r["energy_gpu"])),
        ),
    ),
}
