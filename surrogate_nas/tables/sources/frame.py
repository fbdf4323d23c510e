"""What sources of tables share: bounded reading, checked numbers, fields, means by cell, and facts.

A source declares a `Field` for every metric that its records hold, and `Facts` for every benchmark
whose published numbers are known.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import table_path
from surrogate_nas.space import Cell, ChoiceSpace
from surrogate_nas.space.cell import Choices
from surrogate_nas.tables import ColumnKey, Table, TableFile, Values
from surrogate_nas.tables.sources.base import Verified

T = TypeVar("T")
Counts = NDArray[np.int16]
_LARGEST = sys.float_info.max


# Reading


def read_bounded(file: IO[bytes], most: int, name: str = "it") -> bytes:
    """All bytes of an open file, of which there may be `most`."""
    content = file.read(most + 1)
    if len(content) > most:
        size = f"{most / 1e6:.0f} MB" if most >= 1e6 else f"{most / 1e3:.0f} kB"
        raise ValueError(f"{name} unpacks to more than {size}")
    return content


def read_file(path: Path, most: int) -> bytes:
    """The content of a file that may have `most` bytes."""
    with path.open("rb") as file:
        return read_bounded(file, most)


def decompress(decompressor: Any, packed: bytes, most: int) -> bytes:
    """What one of zlib's or bz2's decompressors makes of a whole file, at most `most` bytes."""
    content: bytes = decompressor.decompress(packed, most)
    if not decompressor.eof and len(content) >= most:
        raise ValueError(f"it unpacks to more than {most / 1e6:.0f} MB")
    if not decompressor.eof:
        raise ValueError("it is cut off")
    return content


def read_once(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """The same function, which reads a file again only where that has changed."""

    @lru_cache(maxsize=4)
    def kept(path: Path, modified: int) -> T:  # noqa: ARG001 - part of the cache's key
        return read(path)

    return lambda path: kept(path, path.stat().st_mtime_ns)


def parse_json(content: bytes) -> Any:
    """JSON without NaN and infinity."""
    return json.loads(content, parse_constant=_refuse_constant)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


# Numbers


def number(
    value: Any,
    name: str,
    *,
    above: float = -math.inf,
    least: float = -_LARGEST,
    most: float = _LARGEST,
) -> float:
    """A finite number that is above one bound and within two others; ValueError otherwise."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not least <= value <= most or value <= above:
        raise ValueError(f"{name} is {value!r:.60}, not a number in its range")
    return float(value)


def text_number(text: str | None, name: str, *, most: float = _LARGEST) -> float:
    """A number in ``[0, most]`` of a spreadsheet; NaN for an empty entry."""
    try:
        value = float(text or "nan")
    except ValueError:
        value = -1.0
    if not math.isnan(value) and not 0 <= value <= most:
        raise ValueError(f"{name} is {text!r:.60}, not a number in its range")
    return value


# Fields


def as_recorded(values: Values) -> Values:
    """The values themselves."""
    return values


def percent(shares: Values) -> Values:
    """Shares of 1 in %."""
    return 100.0 * shares


def error_of_percent(accuracies: Values) -> Values:
    """Errors in % of accuracies in %."""
    return 100.0 - accuracies


def error_of_share(accuracies: Values) -> Values:
    """Errors in % of accuracies that are shares of 1."""
    return 100.0 * (1.0 - accuracies)


def per(unit: float) -> Callable[[Values], Values]:
    """A conversion into multiples of a unit."""
    return lambda values: values / unit


@dataclass(frozen=True)
class Field:
    """A metric of a table, and where records have its values.

    Attributes:
        metric: The metric; its source is that of the table.
        path: The keys that lead to the value in a record. None on the way is passed to `read`.
        read: Checks a recorded value, and takes its name for the message.
        convert: From all recorded values to the unit of the metric.
    """

    metric: Metric
    path: tuple[str, ...]
    read: Callable[[Any, str], float] = number
    convert: Callable[[Values], Values] = as_recorded

    def values(self, records: Iterable[Any]) -> Values:
        """One value a record, NaN where `read` says that it is missing."""
        name = " ".join(self.path)
        numbers = []
        for record in records:
            value = record
            for key in self.path:
                if value is not None:
                    value = value[key]
            numbers.append(self.read(value, name))
        return self.convert(np.array(numbers))


def columns_of(
    fields: Iterable[Field],
    records: Sequence[Any],
    places: NDArray[np.intp],
    source: str,
) -> list[tuple[Metric, Values, Counts]]:
    """Metric, means by cell and counts of all fields; `places`: of each record's cell."""
    columns = []
    for one in fields:
        means, counts = means_by_cell(one.values(records), places)
        columns.append((replace(one.metric, source=source), means, counts))
    return columns


def add_fields(
    table: Table,
    fields: Iterable[Field],
    records: Sequence[Any],
    places: NDArray[np.intp] | None = None,
    source: str = "",
) -> None:
    """Add the means by cell of all fields; without places every record is of a cell of its own."""
    if places is None:
        places = np.arange(len(records))
    for metric, means, counts in columns_of(fields, records, places, source or table.source):
        table.add(metric, None, means, counts)


# Cells


def distinct(cells: Iterable[Cell]) -> tuple[list[Cell], NDArray[np.intp]]:
    """The cells without repetition, and the place of each cell among these."""
    places: dict[Cell, int] = {}
    place_of = [places.setdefault(cell, len(places)) for cell in cells]
    return list(places), np.array(place_of, dtype=np.intp)


def means_by_cell(
    values: Values, places: NDArray[np.intp], n_cells: int = 0
) -> tuple[Values, Counts]:
    """The mean of each cell's finite values, NaN without one, and how many these are."""
    is_finite = np.isfinite(values)
    counts = np.bincount(places, is_finite, minlength=n_cells)
    sums = np.bincount(places, np.where(is_finite, values, 0.0), minlength=n_cells)
    means: Values = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means, counts.astype(np.int16)


def check_sizes(
    space: ChoiceSpace,
    choices: Choices,
    recorded: Values,
    expected: Values,
    unit: str = "parameters",
    relative: float = 0.0,
) -> None:
    """Recorded sizes must be those of the networks: else results belong to other architectures."""
    is_close = np.isclose(
        recorded,
        expected,
        rtol=relative,
        atol=relative,
    )
    for place in np.flatnonzero(~is_close)[:1]:
        cell = space.write(tuple(choices[place].tolist()))
        raise ValueError(
            f"{cell} is said to have {recorded[place]:.15g} {unit}, but has {expected[place]:.15g}"
        )


# Facts


@dataclass(frozen=True)
class Facts:
    """What is published of a benchmark.

    Attributes:
        cells: How many have a value.
        trainings: How many there are, where cells were trained several times.
        values: By ``best METRIC``, ``median METRIC`` or ``worst METRIC``. Here and in `ranks` a
            metric after some epochs is written as ``valid_loss[50]``.
        within: How far a value may be off.
        ranks: Kendall's τ of two metrics.
        rank_within: How far it may be off.
    """

    cells: int
    trainings: int | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    within: float = 1e-6
    ranks: Mapping[tuple[str, str], float] = field(default_factory=dict)
    rank_within: float = 1e-3


_QUANTILES = {"best": 0.0, "median": 0.5, "worst": 1.0}


def check_facts(name: str, facts: Facts) -> Iterator[Verified]:
    """Check the table of a benchmark against what is published of it."""
    table = TableFile(table_path(name))
    metrics = [what.partition(" ")[2] for what in facts.values]
    metrics += table.metrics
    n_cells = int(np.isfinite(column(table, metrics[0])).sum())
    yield equal(f"cells of {name}", n_cells, facts.cells)
    if facts.trainings is not None:
        metric, epochs, _ = _key(table, metrics[0])
        n_trainings = int(table.n_seeds(metric, epochs).sum())
        yield equal(f"trainings of {name}", n_trainings, facts.trainings)
    for what, published in facts.values.items():
        word, _, text = what.partition(" ")
        metric_of_table = table.metrics[_key(table, text).metric]
        values = metric_of_table.minimised(column(table, text))
        quantile = np.quantile(values, [_QUANTILES[word]])
        (value,) = metric_of_table.minimised(quantile).tolist()
        yield close(f"{what} of {name}", value, published, facts.within)
    for (first, second), published in facts.ranks.items():
        tau = kendall(column(table, first), column(table, second))
        yield close(f"τ({first}, {second}) of {name}", tau, published, facts.rank_within)


def column(table: TableFile, text: str) -> Values:
    """The means of a metric as a fact names it, or what follows from the cells alone."""
    key = _key(table, text)
    if key.metric in table.metrics:
        return table.column(key)
    space: Any = table.cells
    values: Values = space.analytic[key.metric][1](space.choices, table.network)
    return values


def _key(table: TableFile, text: str) -> ColumnKey:
    """The column of ``METRIC[EPOCHS]``, or of a metric after its longest training."""
    name, _, spelled = text.rstrip("]").partition("[")
    epochs = int(spelled) if spelled else None
    if epochs is None and name in table.metrics and table.metrics[name].epochs:
        epochs = table.metrics[name].epochs[-1]
    return ColumnKey(name, epochs, "mean")


def kendall(first: Values, second: Values) -> float:
    """Kendall's τ over the cells that have both values."""
    from scipy.stats import kendalltau

    both = np.isfinite(first) & np.isfinite(second)
    return float(kendalltau(first[both], second[both]).statistic)


def equal(name: str, number: int, published: int) -> Verified:
    """A number that must be the published one."""
    return Verified(name, number == published, f"{number:,}, {published:,} published")


def close(
    name: str,
    value: float,
    published: float,
    within: float,
) -> Verified:
    """A value that must be near the published one."""
    passed = abs(value - published) <= within
    return Verified(name, passed, f"{value:.9g}, {published:.9g} published")
