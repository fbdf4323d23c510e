"""Write the lists in data/README.md (every source of tables, and every repository that files are
fetched from) and in data/losses.md (every task's tables, and the data that they were trained on).

    python analysis/data_tables.py

What a table holds is read from data/catalogue.json (the installed package alone, where there is
one), where it comes from and under which licence from the sources and data/manifest.json; of tables
of losses, from their cards and data/sources.csv.
"""

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

from marked import put, table

from surrogate_nas.benchmarks import available
from surrogate_nas.tables.sources.base import declared
from surrogate_nas.tables.sources.base import sources as all_sources
from surrogate_nas.tables.sources.fetching import repositories

DATA = Path(__file__).parents[1] / "data"
SOURCE_HEADS = (
    "source",
    "benchmarks",
    "cells",
    "measured",
    "epochs",
    "how it gets here",
    "licence",
)
FILE_HEADS = ("source", "repository", "holds", "MB", "licence")
USUAL = "×1"
LOSSES_HEADS = ("task", "made", "runs", "losses", "classes", "seeds", "trainings")
DATA_HEADS = ("source", "tasks", "read from", "licence", "note")
MANY = 10**9
_MANY_RUNS = 12
_TIMED = ("ms", "mJ", "s")
_SPLITS = ("train", "valid", "test")


def sources() -> str:
    """The table of sources: benchmarks, cells, measured metrics, how to get them, licences."""
    catalogue = json.loads((DATA / "catalogue.json").read_text(encoding="utf-8"))
    listed = available()
    rows = []
    for name in all_sources():
        entry = declared(name)
        models = [one for one in listed if one["name"] in entry.predicts]
        held = [catalogue[benchmark] for benchmark in entry.names]
        held += [
            {
                "cells": one["cells"],
                "metrics": [metric for metric in one["metrics"] if metric["epochs"]],
            }
            for one in models
        ]
        own = entry.licence.removesuffix(f" ({''.join(entry.package[:1])})")
        licences = [own, *(part["licence"] for part in repositories(name))]
        counts = list(dict.fromkeys(one["cells"] for one in held))
        few = len(counts) < 4
        cells = (" or " if few else " to ").join(
            map(_counted, counts if few else [min(counts), max(counts)])
        )
        rows.append(
            (
                name,
                _shortened((*entry.names, *entry.predicts)),
                cells,
                *_measured(held),
                _way(name),
                ", ".join(dict.fromkeys(filter(None, licences))),
            )
        )
    return table(SOURCE_HEADS, rows)


def files() -> str:
    """The table of fetched files: repositories at their commits, what they hold, megabytes and
    licences.
    """
    rows = []
    for name in all_sources():
        for part in repositories(name):
            size = sum(file["bytes"] for file in part["files"].values()) / 1e6
            where = f"`{part['repository']}` at `{part['commit'][:7]}`"
            rows.append((name, where, part["holds"], f"{size:.1f}", part["licence"]))
    return table(FILE_HEADS, rows)


def losses() -> str:
    """The table of tables of losses, a row a task: made when, lengths and spaces, losses, cells,
    seeds, trainings.
    """
    cards: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((DATA / "losses").glob("*.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        what = (
            path.stem.removeprefix(card["task"]).removeprefix("-").replace("x", "×")
            or USUAL
        )
        cards.setdefault(card["task"], []).append({**card, "what": what})
    rows = []
    total = 0
    for task, own in cards.items():
        own.sort(key=lambda card: (card["what"] != USUAL, card["what"]))
        trained = [loss for card in own for loss in card["losses"].values()]
        trainings = sum(sum(loss["classes"].values()) for loss in trained)
        total += trainings
        rows.append(
            (
                f"`{task}`",
                "the run" if "kept" in trained[0] else "25 November 2026",
                ", ".join(card["what"] for card in own),
                ", ".join(
                    dict.fromkeys(
                        f"`{loss}`" for card in own for loss in card["losses"]
                    )
                ),
                f"{max(card['cells'] for card in own):,}",
                str(max(sum(map(bool, loss["classes"].values())) for loss in trained)),
                f"{trainings:,}",
            )
        )
    return table(LOSSES_HEADS, [*rows, (f"{len(rows)} tasks", *[""] * 5, f"{total:,}")])


def data() -> str:
    """The table of the data that tasks of tables of losses are made of, with their licences."""
    with (DATA / "sources.csv").open(newline="", encoding="utf-8") as file:
        rows = [
            (
                row["source"],
                ", ".join(f"`{task}`" for task in row["tasks"].split()),
                row["from"],
                row["licence"],
                row["note"],
            )
            for row in csv.DictReader(file)
        ]
    return table(DATA_HEADS, rows)


def _counted(cells: int) -> str:
    return f"{cells:,}" if cells < MANY else f"about 10^{math.log10(cells):.0f}"


def _shortened(names: tuple[str, ...]) -> str:
    shown = [f"`{name}`" for name in names]
    return (
        ", ".join(shown)
        if len(shown) < 4
        else f"{shown[0]} … {shown[-1]} ({len(shown)})"
    )


def _measured(held: list[dict[str, Any]]) -> tuple[str, str]:
    """The metrics that took a training or a device, by the splits that they are of, and the epochs
    of trainings.
    """
    splits: dict[str, dict[str, None]] = {}
    epochs: set[int] = set()
    for metric in (metric for one in held for metric in one["metrics"]):
        name = metric["name"].partition("@")[0]
        split = metric["split"] if name.startswith(f"{metric['split']}_") else ""
        if metric["split"] or metric["unit"] in _TIMED:
            splits.setdefault(
                re.sub(r"_\d+s_", "_…_", name.removeprefix(f"{split}_")), {}
            )[split] = None
            epochs.update(metric["epochs"][-1:])
    groups: dict[str, list[str]] = {}
    for name, found in splits.items():
        groups.setdefault(
            ", ".join(split for split in _SPLITS if split in found), []
        ).append(f"`{name}`")
    texts = (
        f"{', '.join(names)} ({group})" if group else ", ".join(names)
        for group, names in groups.items()
    )
    runs = [f"{run:,}" for run in sorted(epochs)]
    if len(runs) > _MANY_RUNS:
        runs = [f"{runs[0]} to {runs[-1]}"]
    return "; ".join(texts), ", ".join(runs) or "–"


def _way(name: str) -> str:
    package = declared(name).package
    size = (
        sum(
            file["bytes"]
            for part in repositories(name)
            for file in part["files"].values()
        )
        / 1e6
    )
    installed = f"installed: `{package[0]}`" if package else ""
    fetched = f"`snas data fetch {name}` ({size:.0f} MB)" if size else ""
    return "; more by ".join(filter(None, (installed, fetched)))


def main() -> None:
    """Put all tables in their places."""
    put(DATA / "README.md", "analysis/data_tables.py: sources", sources())
    put(DATA / "README.md", "analysis/data_tables.py: files", files())
    put(DATA / "losses.md", "analysis/data_tables.py: losses", losses())
    put(DATA / "losses.md", "analysis/data_tables.py: data", data())


if __name__ == "__main__":
    main()
