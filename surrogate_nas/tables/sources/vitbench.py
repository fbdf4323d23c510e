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
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.core.metrics import score_metric
from surrogate_nas.space import Sampled, space_named
from surrogate_nas.space.layered import Layered
from surrogate_nas.space.vit import NETWORK
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading
from surrogate_nas.tables.sources.frame import (
    Facts,
    Field,
    add_fields,
    check_facts,
    error_of_percent,
    number,
)
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
_TITLES = {
    "vitbench-autoformer": ("AutoFormer", "by two losses"),
    _DISTILLED: ("AutoFormer", "by distillation"),
    "vitbench-pit": ("PiT", "by two losses"),
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
"""By the end of a metric's name that of a field, and what was minimised."""
_accuracy = partial(number, above=0, most=100)


def _field(name: str, key: str, description: str) -> Field:
    metric = score_metric(name, "%", "error", description, split="valid")
    return Field(metric, (key,), _accuracy, error_of_percent)


def _fields(name: str) -> Iterator[Field]:
    for ending, (loss, how) in _LOSSES.items():
        if name == _DISTILLED and not ending:
            continue
        for data, (short, title) in _DATA_SETS.items():
            description = f"{title}, trained {how}; one seed"
            yield _field(f"valid_error_{data}{ending}", f"{short}_{loss}_acc", description)
    if name != "vitbench-pit":
        description = (
            "ImageNet, with weights inherited from AutoFormer's supernet: no training of the"
            " architecture's own"
        )
        yield _field("supernet_error_imagenet", "imagenet_super_acc", description)


def read(name: str) -> Table:
    """Read the fetched files of a space into a table on its sampled space."""
    paths = {path.name: path for path in fetching.files(_SOURCE)}
    return read_files([paths[file] for file in _FILES[name]], name)


def read_files(paths: list[Path], name: str) -> Table:
    """Read files of the benchmark."""
    space = space_named("pit" if name == "vitbench-pit" else "autoformer")
    assert isinstance(space, Layered)
    fields = list(_fields(name))
    records: list[Any] = []
    cells = []
    for path in paths:
        with reading(path, "file of ViT-Bench-101", _SOURCE):
            content = read_pt(path)
            cells += [_choices(record["arch"], space) for record in content]
            for field in fields:
                field.values(content)  # a wrong value is refused with the name of its file
        records += content
    sampled = Sampled(space, np.array(cells, dtype=np.int8))
    title, how = _TITLES[name]
    table = Table(
        name=name,
        space=sampled.definition,
        title=(
            f"ViT-Bench-101, {title}: {len(sampled)} held architectures on three data sets, {how}"
        ),
        source=fetching.origin(_SOURCE, _REPOSITORY),
        objective=_OBJECTIVES[name],
        network=NETWORK,
        cost="queries",
        banner=(
            f"{sampled.notice} Each was trained once, so that differences of a few tenths of a per"
            " cent may be noise; nothing was held out: what is searched on is all that can be"
            " reported."
        ),
    )
    add_fields(table, fields, records)
    return table


def _choices(architecture: dict[str, Any], space: Layered) -> tuple[int, ...]:
    """The choices of a record's architecture, read as the space's text of it."""
    if architecture.keys() != space.places.keys():
        raise ValueError(f"an architecture has {', '.join(map(str, architecture))}")
    parts = []
    for decision in space.decisions:
        value = architecture[decision.name]
        if isinstance(value, list) is not decision.of_layers:
            raise TypeError(f"{decision.name} is {value!r:.60}")
        text = "-".join(map(str, value)) if decision.of_layers else str(value)
        parts.append(f"{decision.name}={text}")
    return space.parse(f"{space.cell_name}({', '.join(parts)})").choices


def _facts(**of_data_sets: tuple[float, float]) -> Facts:
    """By data set the least error by cross-entropy, and Kendall's τ of the two losses' errors."""
    values = {}
    ranks = {}
    for data, (best, rank) in of_data_sets.items():
        error = f"valid_error_{data}"
        values[f"best {error}"] = best
        ranks[error, f"{error}_distilled"] = rank
    return Facts(
        cells=100,
        values=values,
        ranks=ranks,
        rank_within=1e-4,
    )


_FACTS = {
    "vitbench-autoformer": _facts(
        cifar100=(30.09, -0.2655), flowers=(45.0155, 0.2768), chaoyang=(16.7835, -0.0759)
    ),
    "vitbench-pit": _facts(
        cifar100=(23.46, 0.7886), flowers=(38.5429, 0.8228), chaoyang=(14.9135, 0.5208)
    ),
    _DISTILLED: Facts(cells=200),
}


def verify() -> Iterator[Verified]:
    """Check the tables that are here against what the published records say."""
    for name, facts in _FACTS.items():
        yield from check_facts(name, facts)
