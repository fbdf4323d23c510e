"""ViT-Bench-101: vision transformers of two spaces on three data sets, trained by cross-entropy and
by distillation.

Wei et al., "Auto-Prox: Training-Free Vision Transformer Architecture Search via Automatic Proxy
Discovery", AAAI 2024. The files are lists and dicts of plain numbers in PyTorch's zip format. Of
AutoFormer's 200 architectures half were trained by distillation only: ``vitbench-autoformer``
leaves these out, ``vitbench-autoformer-distilled`` has all with what all have. Every training is
one of one seed, and one evaluation of it is all that there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import table_path
from surrogate_nas.space import Sampled, space_named
from surrogate_nas.space.layered import Layered
from surrogate_nas.space.vit import NETWORK
from surrogate_nas.tables import Table, TableFile
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, rank_verified, reading
from surrogate_nas.tables.sources.pickles import read_pt

NAMES = declared("vitbench").names
_SOURCE = "vitbench"
_REPOSITORY = "lilujunai/Auto-Prox-AAAI24"
_DISTILLED = "vitbench-autoformer-distilled"
_FILES = {
    "vitbench-autoformer": ("gt_autoformer.pth",),
    _DISTILLED: ("gt_autoformer.pth", "gt_autoformer_2.pth"),
    "vitbench-pit": ("gt_pit.pth",),
}
_OBJECTIVES = {
    "vitbench-autoformer": "valid_error_cifar100 + 0.05*params",
    _DISTILLED: "valid_error_cifar100_distilled + 0.05*params",
    "vitbench-pit": "valid_error_cifar100 + 0.02*params",
}
_DATA_SETS = {
    "cifar100": ("c100", "CIFAR-100"),
    "flowers": ("flower", "Flowers"),
    "chaoyang": ("chaoyang", "Chaoyang"),
}
_LOSSES = {"": ("base", "by cross-entropy"), "_distilled": ("kd", "by distillation")}
"""The end of a metric's name, that of a field, and what was minimised."""
_SUPERNET = "imagenet_super_acc"
_PUBLISHED = {
    "vitbench-autoformer": (
        100,
        {
            "cifar100": (30.09, -0.2655),
            "flowers": (45.0155, 0.2768),
            "chaoyang": (16.7835, -0.0759),
        },
    ),
    "vitbench-pit": (
        100,
        {"cifar100": (23.46, 0.7886), "flowers": (38.5429, 0.8228), "chaoyang": (14.9135, 0.5208)},
    ),
    _DISTILLED: (200, {}),
}
"""Cells; by data set the least error by cross-entropy, and Kendall's τ between the two losses'
errors.
"""
_CLOSE = 1e-6
_CLOSE_RANK = 1e-4


def read(name: str) -> Table:
    """Read the fetched files of a space into a table on its sampled space."""
    paths = {path.name: path for path in fetching.files(_SOURCE)}
    return read_files([paths[file] for file in _FILES[name]], name)


def read_files(paths: list[Path], name: str) -> Table:
    """Read files of the benchmark."""
    space = space_named("pit" if name == "vitbench-pit" else "autoformer")
    assert isinstance(space, Layered)
    found = [record for path in paths for record in _records(path, space, name)]
    cells = [cell for cell, _ in found]
    errors = [fields for _, fields in found]
    held = Sampled(space, np.array(cells, dtype=np.int8))
    source = fetching.origin(_SOURCE, _REPOSITORY)
    distilled = name == _DISTILLED
    table = Table(
        name=name,
        space=held.definition,
        title=(
            f"ViT-Bench-101, {'PiT' if name == 'vitbench-pit' else 'AutoFormer'}: {len(held)} held"
            " architectures on three data"
            f" sets{', by distillation' if distilled else ', by two losses'}"
        ),
        source=source,
        objective=_OBJECTIVES[name],
        network=NETWORK,
        cost="queries",
        banner=(
            f"{held.notice} Each was trained once, so that differences of a few tenths of a per"
            " cent may be noise; nothing was held out: what is searched on is all that can be"
            " reported."
        ),
    )
    for metric, field in _fields(name, source):
        column = np.array([record[field] for record in errors])
        table.add(metric, None, column, 1)
    return table


def _fields(name: str, source: str) -> Iterator[tuple[Metric, str]]:
    """The metrics of a table, each with the field of a record that it is of."""
    for ending, (field, how) in _LOSSES.items():
        if name == _DISTILLED and not ending:
            continue
        for data, (short, title) in _DATA_SETS.items():
            described = f"{title}, trained {how}; one seed"
            yield (
                Metric(
                    f"valid_error_{data}{ending}",
                    "%",
                    "search",
                    "error",
                    split="valid",
                    description=described,
                    source=source,
                ),
                f"{short}_{field}_acc",
            )
    if name != "vitbench-pit":
        described = (
            "ImageNet, with weights inherited from AutoFormer's supernet: no training of the"
            " architecture's own"
        )
        yield (
            Metric(
                "supernet_error_imagenet",
                "%",
                "search",
                "error",
                split="valid",
                description=described,
                source=source,
            ),
            _SUPERNET,
        )


def _records(
    path: Path,
    space: Layered,
    name: str,
) -> Iterator[tuple[tuple[int, ...], dict[str, float]]]:
    """The choices and the errors in % of every record of a file."""
    with reading(path, "file of ViT-Bench-101", _SOURCE):
        for record in read_pt(path):
            yield (
                _choices(record["arch"], space),
                {field: _error(record[field]) for _, field in _fields(name, "")},
            )


def _choices(architecture: dict[str, Any], space: Layered) -> tuple[int, ...]:
    """The choices of a record's architecture, read as the space's text of it."""
    if architecture.keys() != space.places.keys():
        raise ValueError(f"an architecture has {', '.join(map(str, architecture))}")
    parts = []
    for one in space.decisions:
        given = architecture[one.name]
        if isinstance(given, list) is not one.of_layers:
            raise TypeError(f"{one.name} is {given!r:.60}")
        parts.append(f"{one.name}={'-'.join(map(str, given)) if one.of_layers else given}")
    return space.parse(f"{space.cell_name}({', '.join(parts)})").choices


def _error(accuracy: Any) -> float:
    if not isinstance(accuracy, float) or not 0 < accuracy <= 100:
        raise TypeError(f"{accuracy!r:.60} is no accuracy in %")
    return 100.0 - accuracy


def verify() -> Iterator[Verified]:
    """Hold the tables that are here against what the published records say."""
    for name, (n, expected) in _PUBLISHED.items():
        table = TableFile(table_path(name))
        column: dict[str, NDArray[np.float64]] = {
            key.metric: table.column(key) for key in table.keys
        }
        yield Verified(
            f"architectures of {name}", len(table.cells) == n, f"{len(table.cells)}, {n} published"
        )
        for data, (best, rank) in expected.items():
            by_entropy = column[f"valid_error_{data}"]
            distilled = column[f"valid_error_{data}_distilled"]
            least = float(by_entropy.min())
            passed = abs(least - best) < _CLOSE
            yield Verified(
                f"best valid_error_{data} of {name}", passed, f"{least:.4f}, {best:.4f} published"
            )
            what = f"τ(cross-entropy, distillation) on {data} of {name}"
            yield rank_verified(what, by_entropy, distilled, rank, _CLOSE_RANK)
