"""A system from elsewhere beside our strategies, as a table of the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from surrogate_nas.report.look import Look
from surrogate_nas.report.markup import Content, Head, Shown, Table, strategy
from surrogate_nas.report.numbers import fixed
from surrogate_nas.study.baselines.record import Baseline, Found


class Beside(NamedTuple):
    """A baseline as the page shows it.

    Attributes:
        head: What was run.
        table: The system's network first, then what each strategy found.
        note: How to read it.
    """

    head: str
    table: Table
    note: str


def baseline_table(baseline: Baseline, looks: Mapping[str, Look]) -> Beside:
    """Set a baseline.

    Args:
        baseline: What was found.
        looks: How each strategy is drawn.
    """
    unit = baseline.unit or "1"
    heads = [
        Head("found by"),
        Head(f"valid {baseline.measure}", unit),
        Head(f"test {baseline.measure}", unit),
        Head("parameters"),
        Head("latency", "ms"),
        Head("networks trained"),
        Head("spent", "s"),
        Head("network"),
    ]
    head = f"{baseline.versions} on {baseline.task}, {baseline.limit:g} seconds for each, seed {baseline.seed}."
    return Beside(head, Table(heads, [_row(found, looks) for found in baseline.found]), baseline.note)


def _row(found: Found, looks: Mapping[str, Look]) -> list[Content]:
    name = strategy(found.by, looks[found.by]) if found.by in looks else Shown(found.by, "strong")
    return [
        name,
        fixed(found.valid, 3),
        fixed(found.test, 3),
        f"{found.parameters:,}",
        fixed(found.latency_ms, 3),
        f"{found.networks:,}",
        fixed(found.seconds, 0),
        Shown(found.architecture, "code"),
    ]
