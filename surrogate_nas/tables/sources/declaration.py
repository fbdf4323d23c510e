"""Tables of declared sources. ``NAME.toml`` next to a source's module describes its records.

Texts of a declaration can contain placeholders in braces. Every table defines ``name``, ``cells``,
``trainings``, ``repeated`` (trainings of cells with an earlier training), ``origin`` (the
repository and commit), ``notice`` (that of a sampled space), and the placeholders of its entry in
``tables``. A column also defines the placeholders of its entry in ``each``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from msgspec import DecodeError, Struct, toml
from numpy.typing import NDArray

from surrogate_nas.core import LOSSES, Metric, Quantity, UserError
from surrogate_nas.space import (
    Cell,
    ChoiceSpace,
    Enumerable,
    Network,
    Sampled,
    choices_of,
    listed,
    space_named,
)
from surrogate_nas.tables import Table, Values
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import declared

Records = Mapping[str, Values] | Sequence[Any]
"""Values by field, of shape ``(rows,)`` or ``(rows, seeds)``, or one nested record per row."""
CONVERSIONS: dict[str, Callable[[Values, float], Values]] = {
    "none": lambda values, _: values,
    "times": lambda values, by: by * values,
    "per": lambda values, by: values / by,
    "negated": lambda values, _: 0.0 - values,
    "inverse": lambda values, by: by / values,
    "error_of_percent": lambda values, _: 100.0 - values,
    "error_of_share": lambda values, _: 100.0 * (1.0 - values),
    "rest_of_percent": lambda values, _: 100.0 - 100.0 * values,
}
"""Conversions of recorded values to the unit of the metric."""


class Column(Struct, frozen=True, forbid_unknown_fields=True):
    """A metric of a table, and the place of its values in records.

    Attributes:
        name: The metric. A metric that begins with ``test_`` is only reported.
        path: The keys that lead to the value in a record; the name if omitted.
        quantity, unit, split, text: Fields of `Metric` (`text` is the description). The split is
            taken from the prefix of the name if omitted.
        record, final: Whether the metric is a record of a cost, or is only reported.
        convert, by: One of `CONVERSIONS`, and its number.
        optional: Whether the column is omitted if records have no such field.
        missing: Whether cells may have no value. Infinite numbers then count as missing.
        worst: Whether a missing or infinite value is replaced by the worst of the others.
        epochs: The training length, or the placeholder that contains it. If that is a list, the
            first axis of the values is that of epochs.
        seeds: The number of seeds of a value, -1 if unknown. A list of seeds if each has a value.
        source: The origin of the values, if it differs from that of the table's metrics.
        only: Patterns of the names of tables that have the column.
        each: The placeholders of every column that this declares.
    """

    name: str
    path: tuple[str, ...] = ()
    quantity: Quantity = "cost"
    unit: str = ""
    split: str = ""
    text: str = ""
    record: bool = False
    final: bool = False
    convert: str = "none"
    by: float = 1.0
    optional: bool = False
    missing: bool = False
    worst: bool = False
    epochs: int | str | None = None
    seeds: int | list[int] = 1
    source: str = ""
    only: tuple[str, ...] = ("*",)
    each: tuple[dict[str, str], ...] = ({},)

    def __post_init__(self) -> None:
        if self.convert not in CONVERSIONS:
            raise ValueError(f"{self.convert} is none of {', '.join(CONVERSIONS)}")

    def metric(self, words: Mapping[str, Any], source: str) -> Metric:
        """Return the metric of the column."""
        name = self.name.format_map(words)
        split = name.partition("_")[0] if self.quantity in LOSSES else ""
        is_final = self.final or name.startswith("test_")
        return Metric(
            name,
            self.unit,
            "record" if self.record else "final" if is_final else "search",
            self.quantity,
            split=self.split.format_map(words) or split,
            description=self.text.format_map(words),
            source=self.source.format_map(words) or source,
        )

    def keys(self, words: Mapping[str, Any]) -> list[str]:
        """Return the keys that lead to the value in a record."""
        return [key.format_map(words) for key in self.path or (self.name,)]

    def values(self, records: Records, words: Mapping[str, Any]) -> Values:
        """Return the values of all rows, in the unit of the metric."""
        path = self.keys(words)
        raw: Any
        if isinstance(records, Mapping):
            raw = records[path[0]]
        else:
            raw = [
                reduce(
                    lambda value, key: None if value is None else value[key],
                    path,
                    record,
                )
                for record in records
            ]
        numbers = CONVERSIONS[self.convert](np.asarray(raw, dtype=np.float64), self.by)
        is_finite = np.isfinite(numbers)
        if self.worst:
            return np.where(is_finite, numbers, numbers[is_finite].max())
        if not self.missing and not is_finite.all():
            raise ValueError(f"{' '.join(path)} is not a finite number in every record")
        return np.where(is_finite, numbers, np.nan)


class Facts(Struct, frozen=True, forbid_unknown_fields=True):
    """Published numbers of a benchmark.

    Attributes:
        cells: Number of cells with a value.
        trainings: Number of trainings, if cells were trained several times.
        values: Values by ``best METRIC``, ``median METRIC`` or ``worst METRIC``. Here and in
            `ranks`, a metric after some epochs is written as ``valid_loss[50]``.
        within: Tolerance of the values.
        ranks: Kendall's τ of two metrics, by ``METRIC ~ METRIC``.
        rank_within: Tolerance of Kendall's τ.
    """

    cells: int
    trainings: int | None = None
    values: dict[str, float] = {}
    within: float = 1e-6
    ranks: dict[str, float] = {}
    rank_within: float = 1e-3


class Declaration(Struct, frozen=True, forbid_unknown_fields=True):
    """The declaration of a source, which all its tables share.

    Attributes:
        title, objective, cost, epochs, banner, licence: See `Table`.
        entry: The entry of the source, if it is not in the manifest.
        space: The space of the cells, for a source without a module.
        options: The options of a space without code, by position, in the order of its cells.
        columns: The metrics.
        network: The settings of the macro architecture.
        source: The origin of the values.
        remark: An addition to the origin in the table's source.
        tables: The placeholders of every table.
        facts: The published numbers by table.
    """

    title: str = ""
    objective: str = ""
    entry: dict[str, Any] = {}
    space: str = ""
    options: dict[str, list[str | int | float]] = {}
    columns: tuple[Column, ...] = ()
    network: dict[str, Any] = {}
    cost: Literal["seconds", "queries"] = "seconds"
    epochs: Literal["runs", "curve"] = "runs"
    banner: str = ""
    licence: str = ""
    source: str = "{origin}"
    remark: str = ""
    tables: dict[str, dict[str, Any]] = {}
    facts: dict[str, Facts] = {}


@lru_cache(maxsize=64)
def declaration(source: str) -> Declaration:
    """Read the TOML file of a source. The declaration of a source without a file is empty.

    Raises:
        UserError: The file has an unknown key, or a value of the wrong type.
    """
    path = Path(__file__).parent / f"{source}.toml"
    if not path.is_file():
        return Declaration()
    try:
        return toml.decode(path.read_bytes(), type=Declaration)
    except DecodeError as error:
        raise UserError(f"{path.name}: {error}.") from error


def space_of(spec: Declaration, words: Mapping[str, Any]) -> Any:
    """Return the space of a source without a module: that of its options, or a registered one."""
    name = spec.space.format_map(words)
    return (
        ChoiceSpace(name, spec.options, listed=True)
        if spec.options
        else space_named(name)
    )


def table_of(
    source: str,
    name: str,
    space: ChoiceSpace,
    records: Records,
    cells: Iterable[Cell] | None = None,
    **words: Any,
) -> Table:
    """Create a table from the records of a source, according to its declaration.

    Args:
        source: The source's name.
        name: The benchmark's name.
        space: The space of the cells.
        records: One row per training.
        cells: The cell of every row; the table then contains only these cells. If omitted, the
            rows are all cells in the order of the space.
        words: Further placeholders of the texts.
    """
    spec = declaration(source)
    indices = None
    table_space: Enumerable
    if cells is None:
        table_space = listed(space)
        trainings = len(table_space)
    else:
        different, indices = distinct(cells)
        table_space = Sampled(space, choices_of(different))
        trainings = len(indices)
        indices = indices if trainings > len(table_space) else None
    words = {
        "name": name,
        "cells": len(table_space),
        "trainings": trainings,
        "repeated": trainings - len(table_space),
        "origin": fetching.origin(source) if declared(source).repositories else "",
        "notice": getattr(table_space, "notice", ""),
        **spec.tables.get(name, {}),
        **words,
    }
    network = {
        key: words[value] if isinstance(value, str) else value
        for key, value in spec.network.items()
    }
    table = Table(
        name=name,
        space=table_space.definition
        if isinstance(table_space, Sampled) or spec.options
        else table_space.name,
        title=spec.title.format_map(words),
        source=(spec.source + spec.remark).format_map(words),
        licence=spec.licence.format_map(words),
        objective=spec.objective.format_map(words),
        network=Network(**network),
        cost=spec.cost,
        epochs=spec.epochs,
        banner=spec.banner.format_map(words),
    )
    fields: Any = records if isinstance(records, Mapping) else records[0]
    for column, own in columns_of(spec, name, words):
        if column.optional and column.keys(own)[0] not in fields:
            continue
        metric = column.metric(own, spec.source.format_map(words))
        epochs = own[column.epochs] if isinstance(column.epochs, str) else column.epochs
        values = column.values(records, own)
        for length, of_length in (
            zip(epochs, values, strict=True)
            if isinstance(epochs, list)
            else ((epochs, values),)
        ):
            _add(table, metric, length, of_length, column.seeds, indices)
    return table


def _add(
    table: Table,
    metric: Metric,
    epochs: int | None,
    values: Values,
    seeds: int | list[int],
    indices: NDArray[np.intp] | None,
) -> None:
    if values.ndim == 2:
        numbers = seeds if isinstance(seeds, list) else range(values.shape[1])
        columns = zip(numbers, values.T.copy(), strict=True)
        held = {seed: column for seed, column in columns if np.isfinite(column).any()}
        if held:
            table.add(metric, epochs, *means(values), held)
    elif indices is None:
        table.add(metric, epochs, values, cast(int, seeds))
    else:
        table.add(metric, epochs, *means_by_cell(values, indices))


def columns_of(
    spec: Declaration, name: str, words: Mapping[str, Any]
) -> Iterator[tuple[Column, dict[str, Any]]]:
    """Yield the columns of a table, each with its placeholders."""
    for column in spec.columns:
        if any(fnmatchcase(name, pattern) for pattern in column.only):
            for each in column.each:
                yield column, {**words, **each}


def distinct(cells: Iterable[Cell]) -> tuple[list[Cell], NDArray[np.intp]]:
    """Return the cells without repetition, and the index of each given cell among them."""
    index_by_cell: dict[Cell, int] = {}
    indices = [index_by_cell.setdefault(cell, len(index_by_cell)) for cell in cells]
    return list(index_by_cell), np.array(indices, dtype=np.intp)


def means(values: Values, axis: int = -1) -> tuple[Values, NDArray[np.int16]]:
    """Return the means of the finite values along an axis, NaN without any, and their counts."""
    counts = np.isfinite(values).sum(axis=axis)
    sums = np.nansum(values, axis=axis)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan), counts.astype(
        np.int16
    )


def means_by_cell(
    values: Values, indices: NDArray[np.intp], n_cells: int = 0
) -> tuple[Values, NDArray[np.int16]]:
    """Return the mean of each cell's finite values, NaN without any, and their counts."""
    is_finite = np.isfinite(values)
    counts = np.bincount(indices, is_finite, minlength=n_cells)
    sums = np.bincount(indices, np.where(is_finite, values, 0.0), minlength=n_cells)
    means: Values = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means, counts.astype(np.int16)
