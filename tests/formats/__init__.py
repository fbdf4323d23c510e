"""Small files of every format that is read again: how they are written, and what is read from them.

Every release has a folder here, which stays, with ``expected.json`` beside its files.
``python -m tests.formats`` writes that of this release anew, after a change of a format;
tests/files/test_formats.py reads them all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.trained import AnswerCache, Trained
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import HOME_VARIABLE, Journal, home, table_path
from surrogate_nas.results.api import read_comparison
from surrogate_nas.results.archive import create, unpack
from surrogate_nas.space import ChoiceSpace, listed, register, space_named
from surrogate_nas.space.network import Network
from surrogate_nas.surrogates.base import make_model
from surrogate_nas.surrogates.storage import Card, load, save
from surrogate_nas.tables import (
    ColumnKey,
    Table,
    TableFile,
    read_compact,
    write_compact,
    write_table,
)

FOLDER = Path(__file__).parent
SPACE = ChoiceSpace(
    "tiny",
    {"width": tuple("1234"), "kernel": tuple("1357"), "activation": ("relu", "silu")},
)
SETTINGS = {"task": "digits", "epochs": 3}
KEY = ("cell", 3, 7)
PROBLEMS = """
title = "tiny"
cells = 12
strategies = [{ name = "random", runs = 2 }, { name = "evolution", runs = 2 }]

[[problems]]
name = "plain"
benchmark = "tiny"

[[problems]]
name = "capped"
benchmark = "tiny"
subject_to = "size <= 12"
"""
OWN = """
import surrogate_nas as sn

SPACE = type("Own", (sn.ChoiceSpace,), {})("own", {"a": ("x", "y"), "b": ("x", "y")})
"""


def table():
    """A table of 32 cells with an error by seeds and a size."""
    about = ("tiny", SPACE.definition, "A tiny table", "made up", "MIT", "none")
    made = Table(*about, "valid_error + 0.2*size", Network(), cost="queries")
    width, kernel, silu = np.array([cell.choices for cell in SPACE], dtype=float).T
    error = 60 - 7 * width - 5 * kernel + width * kernel - 3 * silu
    seeds = {seed: error + np.sin(seed + np.arange(len(SPACE))) for seed in (0, 1)}
    valid = Metric(
        "valid_error", "%", "search", "error", description="é", source="made up"
    )
    made.add(valid, 3, sum(seeds.values()) / 2, 2, seeds)
    made.add(
        Metric("test_error", "%", "final", "error", source="made up"), 3, error + 1, 2
    )
    size = Metric("size", "MB", "search", "cost", source="made up")
    made.add(size, None, 1 + width * (2 * kernel + 1))
    return made


def _read_table(path):
    file = TableFile(path)
    columns = {
        str(tuple(key)): file.column(key).tolist() for key in sorted(file.keys, key=str)
    }
    metrics = {name: asdict(metric) for name, metric in file.metrics.items()}
    return {
        "columns": columns,
        "metrics": metrics,
        "cells": [cell.text for cell in file.cells][:3],
        "name": file.name,
    }


def _write_compact(path):
    seeds = table()
    seeds.metrics = {"valid_error": seeds.metrics["valid_error"]}
    seeds.columns = {
        key: values
        for key, values in seeds.columns.items()
        if key.metric == "valid_error"
    }
    write_compact(seeds, path)


def _read_compact(path):
    held = read_compact(path)
    return {
        "mean": held.column(ColumnKey("valid_error", 3, "mean")).tolist(),
        "title": held.title,
    }


def _write_model(name, path):
    cells = list(SPACE)[::2]
    model = make_model(name).fit(
        cells, [sum(cell.choices) + 1.0 for cell in cells], SPACE
    )
    metric = Metric("valid_error", "%", "search", "error", (3,))
    about = (name, "tiny", "0", SPACE.definition, metric, 3, Network(), "random", 0)
    card = Card(*about, len(cells), 9, {"mae": 1.0})
    save(model, card, np.array([cell.index for cell in cells]), path)


def _read_model(path):
    fitted = load(path)
    told = fitted.model.predict(listed(space_named(fitted.card.space)))
    return {
        "mean": told.mean.tolist(),
        "std": told.std.tolist(),
        "target": fitted.card.metric.name,
    }


def _write_comparison(path, objective=None):
    strategies = ["random", "evolution"] if objective is None else ["random", "nsga2"]
    sn.compare("tiny", strategies, objective, runs=2, budget=12, folder=path)


def _read_comparison(path):
    made = read_comparison(path)
    runs = [made.runs_of(name) for name in made.strategies]
    return [
        [
            run.strategy,
            run.run,
            [
                [t.cell.text, t.score, t.loss, t.penalty, dict(t.values)]
                for t in run.trials
            ],
        ]
        for of_strategy in runs
        for run in of_strategy
    ]


def _write_suite(path):
    file = home() / "tiny.toml"
    file.write_text(PROBLEMS)
    sn.run_suite(str(file), folder=path)


def _read_suite(path):
    return {
        problem.name: _read_comparison(problem)
        for problem in sorted((path / "problems").iterdir())
    }


def _write_archive(path):
    _write_comparison(home() / "sealed")
    create(home() / "sealed", path, by="A. Name", note="made for a test", licence="MIT")


def _read_archive(path):
    with TemporaryDirectory() as folder:
        archive = unpack(path, Path(folder))
        return {
            "by": archive.by,
            "digest": archive.digest,
            "runs": _read_comparison(Path(folder)),
        }


def _write_journal(path):
    with Journal(path, SETTINGS, {"card": {"cores": 2}}) as journal:
        journal.append({"class": 11, "metrics": [1.5, None]})
        journal.append("é")


def _read_journal(path):
    with Journal(path, SETTINGS) as journal:
        return {"entries": journal.entries, "card": journal.header["card"]}


def _write_answers(path):
    AnswerCache(path).add(KEY, Trained({"valid_error": 12.5}, 3.25), {"torch": "2.2"})


def _read_answers(path):
    found = AnswerCache(path).find(KEY)
    return found and {"metrics": found.metrics, "seconds": found.seconds}


def _write_space(path):
    file = home() / "own.py"
    file.write_text(OWN)
    register(f"{file}:SPACE")
    entry = (home() / "spaces" / "own.json").read_text()
    path.write_text(entry.replace(str(file), "own.py"))


def _read_space(path):
    entry = home() / "spaces" / "own.json"
    file = home() / "own.py"
    file.write_text(OWN)
    entry.parent.mkdir(exist_ok=True)
    entry.write_text(path.read_text().replace("own.py", str(file)))
    return [position for position in space_named("own").positions]


def _write_measured(path):
    # PyTorch, which reading needs not
    from surrogate_nas.space import drawn_cells
    from surrogate_nas.training.hardware import Protocol, measure

    space = space_named("macro")
    drawn = drawn_cells(space, 3)
    write_table(
        measure(
            drawn, None, Protocol("cpu", 1, 1), space=space, seed=0, journal=None
        ).table(),
        path,
    )


def _read_measured(path):
    file = TableFile(path)
    latency = file.column(ColumnKey("latency@local", None, "mean"))
    return {
        "ms": {str(i): latency[i] for i in np.flatnonzero(np.isfinite(latency))},
        "card": json.loads(file.card),
    }


class Kind(NamedTuple):
    """A file of a release: its format, how it is written and what is read from it."""

    format: str
    write: Callable[[Path], None]
    read: Callable[[Path], Any]


FILES = {
    "table.h5": Kind("table", lambda path: write_table(table(), path), _read_table),
    "compact.h5": Kind("compact", _write_compact, _read_compact),
    "measured.h5": Kind("table", _write_measured, _read_measured),
    "ridge.surrogate": Kind(
        "surrogate", lambda path: _write_model("ridge", path), _read_model
    ),
    "gp.surrogate": Kind(
        "surrogate", lambda path: _write_model("gp", path), _read_model
    ),
    "comparison": Kind("comparison", _write_comparison, _read_comparison),
    "front": Kind(
        "comparison",
        lambda path: _write_comparison(path, "valid_error, size"),
        _read_comparison,
    ),
    "suite": Kind("comparison", _write_suite, _read_suite),
    "archive.zip": Kind("archive", _write_archive, _read_archive),
    "journal.jsonl": Kind("journal", _write_journal, _read_journal),
    "answers.sqlite": Kind("answers", _write_answers, _read_answers),
    "space.json": Kind("space", _write_space, _read_space),
}
"""By name in the folder of a release."""


@contextmanager
def tiny_home(tiny):
    """A home of one's own, in which the benchmark ``tiny`` is a release's table."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, folder)
        table_path("tiny").parent.mkdir(parents=True)
        shutil.copy(tiny, table_path("tiny"))
        yield


def main():
    """Write this release's files anew."""
    folder = FOLDER / sn.__version__
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    write_table(table(), folder / "table.h5")
    with (
        tiny_home(folder / "table.h5"),
        patch("platform.platform", return_value="a machine"),
    ):
        for name, kind in FILES.items():
            kind.write(folder / name)
        expected = {name: kind.read(folder / name) for name, kind in FILES.items()}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    for lock in folder.rglob("*.lock"):
        lock.unlink()
