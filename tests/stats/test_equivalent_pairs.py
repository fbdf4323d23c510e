"""Pairs of ways to ask for one thing: both give the same, whatever the numbers are.

A pair is two functions and nothing else; a new way of asking is a new line of the list.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import surrogate_nas as sn
from surrogate_nas.results.api import compare, read_comparison, run_suite
from surrogate_nas.runs.problem import Entry, Problem, Suite
from tests.conftest import Snas

OBJECTIVE = "valid_loss + 0.1*params + 0.05*latency@cpu"
LIMITED = "valid_loss + 0.1*params subject to params <= 20000"
SPACE = {"width": (16, 32, 64), "depth": (1, 2, 3)}

Trials = list[tuple[str, float, bool]]
Way = Callable[[Path, Snas], Any]


def trials(run):
    return [(str(trial.cell), trial.score, trial.feasible) for trial in run.trials]


def searched(objective, strategy="evolution", bench="fashion"):
    return trials(sn.search(bench, strategy, objective, budget=25, run=3))


def expressed():
    bench = sn.load("fashion")
    return sn.Objective(
        sn.loss("valid_loss") + 0.1 * sn.params() + 0.05 * sn.metric("latency@cpu"),
        bench,
    )


def error_of(cell):
    width, depth = cell.choices
    return 30.0 / (1 + width) + (depth - 1) ** 2


def computed(space):
    return sn.Computed(space, {"valid_error": error_of}, cheap=True)


def imported(folder, snas, by_choices):
    """The same numbers as `computed`, from a CSV file that names cells in one of two ways."""
    space = sn.ChoiceSpace("mlp", SPACE)
    code = f"import surrogate_nas as sn\nSPACE = sn.ChoiceSpace('mlp', {SPACE})\n"
    (folder / "space.py").write_text(code)
    name = "by-choices" if by_choices else "by-text"
    with (folder / f"{name}.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*(SPACE if by_choices else ["cell"]), "valid_error"])
        for cell in space:
            options = [
                values[i]
                for values, i in zip(SPACE.values(), cell.choices, strict=True)
            ]
            rows.writerow(
                [*(options if by_choices else [str(cell)]), repr(error_of(cell))]
            )
    where = f"{folder}/space.py:SPACE"
    snas(
        "data",
        "import",
        "csv",
        folder / f"{name}.csv",
        "--name",
        name,
        "--space",
        where,
    )
    return searched("valid_error", bench=name)


def compared():
    made = compare("fashion", ["random", "local_search"], OBJECTIVE, runs=2, budget=20)
    return [trials(run) for run in made.runs]


def as_suite(folder):
    entries = [Entry("random", 2), Entry("local_search", 2)]
    suite = Suite(
        "one",
        "one problem",
        [Problem("fashion", OBJECTIVE, name="one", budget=20)],
        entries,
    )
    run_suite(suite, folder=folder / "suite")
    (stored,) = (folder / "suite" / "problems").iterdir()
    return [trials(run) for run in read_comparison(stored).runs]


class Evolution(sn.Strategy):
    """The strategy of the package by another road: as a class of a user's."""

    def __init__(self, space: Any, *, seed: int) -> None:
        from surrogate_nas.strategies.evolution import RegularisedEvolution as Ours

        super().__init__(space, seed=seed)
        self._ours = Ours(space, seed=seed)

    def ask(self, n):
        return self._ours.ask(n)

    def tell(self, trials):
        self._ours.tell(trials)


PAIRS = {
    "objective: text and expression": (
        lambda *_: searched(OBJECTIVE),
        lambda *_: searched(expressed()),
    ),
    "objective: the order of its terms": (
        lambda *_: [cell for cell, _, _ in searched(OBJECTIVE)],
        lambda *_: [
            cell
            for cell, _, _ in searched("valid_loss + 0.05*latency@cpu + 0.1*params")
        ],
    ),
    "limit: in the text and apart": (
        lambda *_: searched(LIMITED),
        lambda *_: trials(
            sn.search(
                "fashion",
                "evolution",
                "valid_loss + 0.1*params",
                subject_to="params <= 20000",
                budget=25,
                run=3,
            )
        ),
    ),
    "benchmark: by name and opened": (
        lambda *_: searched(OBJECTIVE),
        lambda *_: searched(OBJECTIVE, bench=sn.load("fashion")),
    ),
    "cell: by index and by text": (
        lambda *_: sn.load("fashion").query(11, "valid_error", epochs=5),
        lambda *_: sn.load("fashion").query(
            str(sn.nb201()[11]), "valid_error", epochs=5
        ),
    ),
    "strategy: without and with its default options": (
        lambda *_: searched(OBJECTIVE),
        lambda *_: searched(OBJECTIVE, "evolution(population=10, tournament=3)"),
    ),
    "strategy: ours and the same from a class of a user's": (
        lambda *_: searched(OBJECTIVE),
        lambda *_: searched(OBJECTIVE, Evolution),
    ),
    "space: choices and a CSV file of cells": (
        lambda *_: searched(
            "valid_error", bench=computed(sn.ChoiceSpace("mlp", SPACE))
        ),
        lambda folder, snas: imported(folder, snas, by_choices=False),
    ),
    "CSV: cells by text and by a column for each choice": (
        lambda folder, snas: imported(folder, snas, by_choices=False),
        lambda folder, snas: imported(folder, snas, by_choices=True),
    ),
    "study: a comparison and a suite of one problem": (
        lambda *_: compared(),
        lambda folder, _: as_suite(folder),
    ),
}


@pytest.fixture(autouse=True)
def fresh_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SURROGATE_NAS_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("name", PAIRS)
def test_both_ways_give_the_same(name, tmp_path, snas):
    one, other = PAIRS[name]
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    first = one(tmp_path / "one", snas)
    assert first
    assert first == other(tmp_path / "other", snas)
