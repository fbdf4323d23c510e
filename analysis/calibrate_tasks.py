"""How long a task has to be trained, and on how much it has to be judged, until two seeds agree on
its cells.

Every task trains the same classes of cells with its usual loss and two seeds, in runs of once,
twice, four and eight times its default epochs. Finished trainings are kept in the home folder, one
journal a task and length, so that the same command goes on where it was interrupted (another engine
needs another home folder). A line a task and length:

- two seeds: Kendall's τ between the final test measure of two seeds, with its interval of 95 % over
  cells;
- same run: τ of validation measure and test measure within a run;
- the shares of the test measure's variance on the scale of normal ranks (r = sin(πτ/2)): what cells
  differ by (r of two seeds), the noise of training (r within a run less that), and the noise of an
  evaluation split (1 less r within a run; validation and test are taken to be equally noisy). Luck
  takes more seeds, a noisy split more examples or episodes;
- gap: (validation loss − training loss) / their sum at the end, by which an overfitted run is
  known;
- median: of the test measure, by which a task that is too easy is known.

    python analysis/calibrate_tasks.py --workers 2 --out results/calibration python
    analysis/calibrate_tasks.py --tasks digits,text --lengths 1,4 --classes 60 --out
    results/calibration python analysis/calibrate_tasks.py --read --out results/calibration
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.answer.agreement import agreement
from analysis.answer.tables import seconds_each
from analysis.building.jobs import Job, Plan, trained
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import replacing
from surrogate_nas.training import TASKS, Task, task_named

LENGTHS = (1, 2, 4, 8)
CLASSES = 60
SEEDS = 2
FEWEST = 10
"""Classes of two seeds from which something is said."""
MOST_EXAMPLES = 10_000
"""A task of more training examples takes part only where it is named: its cells take minutes."""
ENOUGH = 0.5
"""τ of two seeds from which a task tells cells apart."""
HEADS = (
    "task",
    "length",
    "epochs",
    "s a cell",
    "classes",
    "two seeds: τ",
    "95 %",
    "same run: τ",
    "cells",
    "training",
    "split",
    "gap",
    "median",
)
Entries = Mapping[Job, Mapping[str, Any]]


def plan_of(name: str, length: int, classes: int) -> Plan:
    """What is trained of a task: so many classes with two seeds, in runs so many times as long as
    usual.

    Args:
        name: The task.
        length: Of a run, in usual runs.
        classes: How many.
    """
    return Plan(
        name, task_named(name).schedule.epochs * length, SEEDS, classes, classes
    )


def row_of(
    task: Task,
    length: int,
    plan: Plan,
    entries: Entries,
) -> dict[str, Any] | None:
    """What a task's trainings of one length say; None where too few are made.

    Args:
        task: The task.
        length: Of a run, in usual runs.
        plan: What was trained.
        entries: The trainings.
    """
    cells = [
        job.cell for job in entries if job.seed == 0 and Job(job.cell, 1) in entries
    ]
    if len(cells) < FEWEST:
        return None
    measure = task.measured[0].name

    def column(name: str, seed: int) -> np.ndarray:
        values = [entries[Job(cell, seed)][name] for cell in cells]
        return np.array(
            [value[-1] if isinstance(value, list) else value for value in values],
            dtype=np.float64,
        )

    test, valid, losses = (
        np.array([column(name, seed) for seed in range(SEEDS)])
        for name in (f"test_{measure}", f"valid_{measure}", "valid_loss")
    )
    sound = np.isfinite([*test, *valid]).all(axis=0)
    if sound.sum() < FEWEST:
        return None
    test = test[:, sound]
    valid = valid[:, sound]
    seeds = agreement(*test)
    within = float(
        np.mean([agreement(one, two).tau for one, two in zip(valid, test, strict=True)])
    )
    of_seeds, of_run = (float(np.sin(np.pi / 2 * tau)) for tau in (seeds.tau, within))
    end, start = (
        float(np.nanmean(values))
        for values in (losses, [column("train_loss", s) for s in range(SEEDS)])
    )
    return {
        "task": task.name,
        "length": length,
        "epochs": plan.epochs,
        "seconds": seconds_each(
            [entry["processor_seconds"] for entry in entries.values()]
        ),
        "classes": int(sound.sum()),
        "trainings": len(entries),
        "measure": measure,
        "two_seeds": seeds.tau,
        "low": seeds.low,
        "high": seeds.high,
        "same_run": within,
        "cells": of_seeds,
        "training": of_run - of_seeds,
        "split": 1 - of_run,
        "gap": (end - start) / (abs(end) + abs(start)),
        "median": float(np.median(test)),
        "examples": {name: len(split.targets) for name, split in task.data.items()},
    }


def shown(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row as texts.

    Args:
        row: As `row_of` makes it.
    """
    named = ("two_seeds", "same_run", "cells", "training", "split", "gap")
    two_seeds, *shares = (f"{row[name]:.2f}" for name in named)
    mark = "" if row["two_seeds"] >= ENOUGH else " (under .5)"
    return (
        row["task"],
        f"×{row['length']}",
        str(row["epochs"]),
        f"{row['seconds']:.2f}",
        str(row["classes"]),
        f"{two_seeds}{mark}",
        f"{row['low']:.2f} – {row['high']:.2f}",
        *shares,
        f"{row['measure']} {row['median']:.3g}",
    )


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table for a README.

    Args:
        rows: As `row_of` makes them.
    """
    lines = [HEADS, ("---",) * len(HEADS), *map(shown, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def calibrated(
    options: argparse.Namespace,
    names: Sequence[str],
    lengths: Sequence[int],
) -> Iterator[dict[str, Any]]:
    """Train what is missing, the short runs of all tasks first, and say what each task and length
    gives.

    Args:
        options: Of the command.
        names: The tasks.
        lengths: Of the runs.
    """
    for length in sorted(lengths):
        for name in names:
            try:
                task = task_named(name)
                plan = plan_of(name, length, options.classes)
                if (
                    not options.tasks
                    and len(task.data["train"].targets) > MOST_EXAMPLES
                ):
                    raise UserError("its cells take minutes; name it to train it.")
                entries = (
                    plan.entries() if options.read else trained(plan, options.workers)
                )
                found = row_of(task, length, plan, entries)
            except UserError as error:
                print(f"{name} ×{length} is left out: {error}", file=sys.stderr)
                continue
            if found:
                yield found


def write(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Write ``calibration.json`` and ``calibration.md``, whole or not at all.

    Args:
        rows: As `row_of` makes them.
        out: The folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    texts = {
        "calibration.json": json.dumps(list(rows), indent=1) + "\n",
        "calibration.md": markdown(rows),
    }
    for name, text in texts.items():
        with replacing(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Calibrate, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tasks",
        default="",
        help="names with commas between, or file.py:TASK; all that are here",
    )
    parser.add_argument(
        "--lengths", default=",".join(map(str, LENGTHS)), help="runs, in usual runs"
    )
    parser.add_argument(
        "--classes",
        type=int,
        default=CLASSES,
        help="classes of cells, each with two seeds",
    )
    parser.add_argument(
        "--workers", type=int, default=2, help="trainings at once, each on one core"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/calibration"),
        help="the table's folder",
    )
    parser.add_argument(
        "--read", action="store_true", help="train nothing; say what there is by now"
    )
    options = parser.parse_args(arguments)
    try:
        lengths = [int(text) for text in options.lengths.split(",")]
    except ValueError:
        parser.error(
            f"--lengths are whole numbers with commas between, not {options.lengths!r}"
        )
    if min(lengths) < 1 or options.classes < FEWEST or options.workers < 1:
        parser.error(f"lengths and workers are at least 1, classes at least {FEWEST}")
    names = [name for name in options.tasks.split(",") if name] or list(TASKS)
    rows: list[dict[str, Any]] = []
    try:
        for row in calibrated(options, names, lengths):
            rows.append(row)
            write(rows, options.out)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
    order = {
        name: place
        for place, name in enumerate(dict.fromkeys(row["task"] for row in rows))
    }
    rows.sort(key=lambda row: (order[row["task"]], row["length"]))
    if rows:
        write(rows, options.out)
    print(markdown(rows), end="")
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
