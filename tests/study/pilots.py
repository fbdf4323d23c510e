"""Tables of signals and files of pilots that nobody trained."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from surrogate_nas.study.orders import Signal, SignalTable
from surrogate_nas.study.signals import TRAIN_LOSS, VALID_MEASURE

KEYS = {"signal", "at", "seeds", "cells", "evidence", "limits", "known"}
"""Of the JSON of advice."""
END, TRAIN = Signal(VALID_MEASURE), Signal(TRAIN_LOSS)


def table(
    noise: dict[Signal, float],
    *,
    cells: int = 60,
    seeds: int = 2,
    seed: int = 0,
    source: str = "one",
) -> SignalTable:
    """Cells whose signals tell their worth with some noise."""
    rng = np.random.default_rng(seed)
    worth = rng.standard_normal(cells)
    signals = {}
    for signal, spread in noise.items():
        signals[signal] = worth + spread * rng.standard_normal((seeds, cells))
    goal = worth + 0.3 * rng.standard_normal((seeds, cells))
    places = np.arange(cells)
    return SignalTable(source, source, signals, goal, END, "error", True, places)


HEADS = ["cell", "seed", "epoch", "train_loss", "valid_loss", "valid_error", "test_error"]
EPOCHS = 10


def rows_of(cells: int = 12, seeds: int = 2) -> list[list[object]]:
    """A row an epoch; the goal only after the last."""
    rng = np.random.default_rng(0)
    rows: list[list[object]] = []
    for cell in range(cells):
        for seed in range(seeds):
            for epoch in range(1, EPOCHS + 1):
                told = (cell + rng.normal(size=3) / epoch).round(4).tolist()
                last = round(cell + rng.normal(), 4) if epoch == EPOCHS else ""
                rows.append([f"c{cell}", seed, epoch, *told, last])
    return rows


def write(folder: Path, heads: list[str], rows: list[list[object]]) -> Path:
    path = folder / "pilot.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([heads, *rows])
    return path
