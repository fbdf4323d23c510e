"""A table from nothing: train, measure latencies, assemble, write; killed at any moment, it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks.making.assemble import assemble
from surrogate_nas.benchmarks.making.batches import Progress
from surrogate_nas.benchmarks.making.card import beside
from surrogate_nas.benchmarks.making.latency import FEWEST, add_latencies
from surrogate_nas.benchmarks.making.plan import Plan, journal_path
from surrogate_nas.benchmarks.making.train import train_classes
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import replacing, table_path
from surrogate_nas.runtime.engines import check_engine
from surrogate_nas.space import DEFAULT_SPACE
from surrogate_nas.tables import write_table
from surrogate_nas.training import task_named


def make_table(
    task: str,
    *,
    out: Path | None = None,
    epochs: int | None = None,
    seeds: int = 3,
    noisy_classes: int = 500,
    latencies: int = 500,
    workers: int | None = None,
    engine: str = "processes",
    space: str | None = None,
    other: str | None = None,
    progress: Progress | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Train every functional class, measure latencies, and write the table; may be interrupted and called again.

    Args:
        task: A task's name, or ``file.py:TASK``.
        out: The file, whose name becomes the benchmark's; None for ``trained-TASK`` among the tables of the home
            folder, where `surrogate_nas.load` finds it by that name.
        epochs: The length of every run; None for the task's default.
        seeds: How many seeds train the random part of the classes.
        noisy_classes: How many classes that part holds.
        latencies: Cells measured for ``latency@cpu``; a ridge regression predicts the rest. 0 leaves it out.
        workers: How many trainings at once, each on one core.
        engine: Where they are made: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        space: The name of the space whose cells are trained; None for the usual one.
        other: The name of a table of the same space whose order the card compares, where it is here; None for none.
        progress: Called with (trainings done, trainings in all).

    Returns:
        The file and the table's card.

    Raises:
        UserError: There is no such task, space or engine, its data is not here, a number is too small or too large, or
            nothing can be written.
    """
    check_engine(engine, workers)
    if not isinstance(latencies, int) or (latencies != 0 and latencies < FEWEST):
        raise UserError(f"Latencies must be 0 or at least {FEWEST}, not {latencies!r:.80}: the others are predicted.")
    found = task_named(task)
    plan = Plan(
        task, found.schedule.epochs if epochs is None else epochs, seeds, noisy_classes, space=space or DEFAULT_SPACE
    )
    path = journal_path(plan)
    train_classes(plan, path, workers=workers, engine=engine, progress=progress)
    name = f"trained-{found.name}" if plan.space == DEFAULT_SPACE else f"trained-{found.name}-{plan.cells.name}"
    return finish_table(plan, path, out or table_path(name), latencies, other)


def finish_table(
    plan: Plan, path: Path, out: Path, latencies: int, other: str | None = None
) -> tuple[Path, dict[str, Any]]:
    """Write the table of what was trained, with latencies, and its card, also beside it as JSON.

    Args:
        plan: What was trained.
        path: The journal.
        out: The file to write.
        latencies: Cells measured for ``latency@cpu``; 0 leaves it out.
        other: See `make_table`.

    Raises:
        UserError: Something of the plan is missing, or nothing can be written.
    """
    table, card = assemble(plan, path)
    table.name = out.stem
    if latencies:
        card |= add_latencies(table, latencies, path.with_suffix(".latency.jsonl"))
        table.objective += " + 0.1*latency@cpu"
    if other is not None:
        card |= beside(table, plan.epochs, other)
    table.card = json.dumps(card)
    write_table(table, out, compressed=True)
    with replacing(out.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return out, card
