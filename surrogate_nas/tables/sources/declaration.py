"""Tables of sources that are described by a declaration, a TOML file. The declaration
``NAME.toml``, next to the module of a source, describes the source's records.

Texts of a declaration can contain placeholders in braces. Every table defines the placeholders
``name``, ``cells``, ``trainings``, ``repeated`` (trainings of cells with an earlier training),
``origin`` (the repository and commit) and ``notice`` (the notice of a sampled space). A table also
defines the placeholders of its entry in ``tables``, and a column those of its entry in ``each``.
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
        name: The metric. A metric whose name begins with ``test_`` is only reported, that is, a
            search cannot use it.
        path: The keys that lead to the value in a record; the metric's name if omitted.
        quantity: The field `Metric.quantity`.
        unit: The field `Metric.unit`.
        split: The field `Metric.split`; taken from the prefix of the metric's name if omitted.
        text: The field `Metric.description`.
        record: Whether the metric is a record of a cost.
        final: Whether the metric is only reported, that is, a search cannot use it.
        convert: The conversion of recorded values, a key of `CONVERSIONS`.
        by: The number that the conversion uses, such as a factor.
        optional: Whether to omit the column if records lack its field.
        missing: Whether cells may lack a value of the column; infinite numbers then count as
            missing.
        worst: Whether to replace a missing or infinite value by the worst finite value of the
            column.
        epochs: The training length in epochs, or the placeholder that contains it. If the
            placeholder contains a list of epochs, the first axis of the values is over these
            epochs.
        seeds: The number of seeds over which a value is the mean, -1 if unknown. If every seed has
            its own value, ``seeds`` is the list of seeds.
        source: The origin of the values, if it differs from the origin of the table's other
            metrics.
        only: Patterns of table names; only tables with a matching name have the column.
        each: If one declaration stands for several columns, the placeholders of each column.
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
        """Return the metric that the column contains."""
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
        values: Published values by ``best METRIC``, ``median METRIC`` or ``worst METRIC``. In the
            keys of `values` and `ranks`, a metric after 50 epochs is written as ``valid_loss[50]``.
        within: Permitted difference between a value in the table and the published value.
        ranks: Published values of Kendall's τ between two metrics, by ``METRIC ~ METRIC``.
        rank_within: Permitted difference between Kendall's τ in the table and the published value.
    """

    cells: int
    trainings: int | None = None
    values: dict[str, float] = {}
    within: float = 1e-6
    ranks: dict[str, float] = {}
    rank_within: float = 1e-3


class Declaration(Struct, frozen=True, forbid_unknown_fields=True):
    """The declaration of a source, which all tables of the source share.

    Attributes:
        title, objective, cost, epochs, banner, licence: Attributes of every table, see `Table`.
        entry: The entry of the source, if the manifest does not contain it.
        space: The name of the cells' space, for a source without a module.
        options: For a space that is defined by its options alone, the options of every position.
        columns: The metrics.
        network: The settings of the macro architecture.
        source: The origin of the values.
        remark: A text that is appended to the origin in the field ``source`` of every table.
        tables: The placeholders of every table, by the table's name.
        facts: The published numbers, by the table's name.
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
    """Read the declaration of a source from its TOML file. A source without a file has an empty
    declaration.

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
    """Return the space of a source without a module: a registered space, or the space of the
    declared options.
    """
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
    """Create a table from the records of a source, according to the source's declaration.

    Args:
        source: The source's name.
        name: The benchmark's name.
        space: The space of the cells.
        records: The records of the source, one row per training.
        cells: The cell of every row; the table then contains only these cells. If `cells` is
            omitted, the rows stand for all cells of the space, in order.
        words: Further placeholders for the texts of the declaration.
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
    """Return the means and the counts of the finite values along an axis; without values, a mean is
    NaN.
    """
    counts = np.isfinite(values).sum(axis=axis)
    sums = np.nansum(values, axis=axis)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan), counts.astype(
        np.int16
    )


def means_by_cell(
    values: Values, indices: NDArray[np.intp], n_cells: int = 0
) -> tuple[Values, NDArray[np.int16]]:
    """Return the mean and the count of each cell's finite values; without values, a mean is NaN."""
    is_finite = np.isfinite(values)
    counts = np.bincount(indices, is_finite, minlength=n_cells)
    sums = np.bincount(indices, np.where(is_finite, values, 0.0), minlength=n_cells)
    means: Values = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means, counts.astype(np.int16)
