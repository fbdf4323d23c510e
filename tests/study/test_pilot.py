"""A pilot in a CSV file: what it says, and one line for everything that can be wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.study.orders import Signal
from surrogate_nas.study.pilot import of_benchmark, of_file
from surrogate_nas.study.signals import TRAIN_LOSS, VALID_LOSS, VALID_MEASURE
from tests.study.pilots import EPOCHS, HEADS, rows_of, write


def test_the_signals_are_those_of_the_rows(tmp_path: Path) -> None:
    rows = rows_of()
    found = of_file(write(tmp_path, HEADS, rows))
    assert found.goal.shape == (2, 12) and found.measure == "error" and found.is_tested
    marks = {Signal(VALID_LOSS, mark) for mark in (0.1, 0.2, 0.5, 1.0)}
    assert marks <= found.signals.keys() and len(found.signals) == 15
    assert found.signals[Signal(TRAIN_LOSS, 0.2)][1, 3] == rows[3 * 20 + 10 + 1][3]
    fifth = [float(str(row[5])) for row in rows[8:10]]
    late = found.signals[Signal(VALID_MEASURE, late=True)][0, 0]
    assert late == pytest.approx(np.mean(fifth))
    assert found.goal[0, 0] == rows[9][6]


def test_larger_is_better_where_the_measure_says_so(tmp_path: Path) -> None:
    heads = [name.replace("error", "accuracy") for name in HEADS]
    found = of_file(write(tmp_path, heads, rows_of()))
    assert found.goal[0, 0] == -float(str(rows_of()[9][6])) and found.measure == "accuracy"


def test_without_a_test_the_validation_of_other_seeds_judges(tmp_path: Path) -> None:
    path = write(tmp_path, HEADS[:-1], [row[:-1] for row in rows_of()])
    found = of_file(path)
    assert not found.is_tested
    assert np.array_equal(found.goal, found.signals[Signal(VALID_MEASURE)])
    assert of_file(path, "loss").reference == Signal(VALID_LOSS)


def test_an_empty_entry_is_the_worst_and_a_cell_without_a_seed_is_left_out(tmp_path: Path) -> None:
    rows = rows_of()
    rows[9][3] = ""
    found = of_file(write(tmp_path, HEADS, rows[:-EPOCHS]))
    assert len(found.cells) == 11 and "c11" not in found.cells
    values = found.signals[Signal(TRAIN_LOSS)][0]
    assert values[0] == float(str(rows[11 * 20 + 9][3])) >= values[1:].max()


def without(name: str) -> tuple[list[str], list[list[object]]]:
    place = HEADS.index(name)
    rows = [row[:place] + row[place + 1 :] for row in rows_of()]
    return HEADS[:place] + HEADS[place + 1 :], rows


def named(name: str) -> tuple[list[str], list[list[object]]]:
    return [*HEADS[:-1], name], rows_of()


def changed(row: int, place: int, entry: object) -> tuple[list[str], list[list[object]]]:
    rows = rows_of()
    rows[row][place] = entry
    return HEADS, rows


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (without("cell"), "no column 'cell'"),
        (without("seed"), "no column 'seed'"),
        (without("epoch"), "no column 'epoch'"),
        (without("valid_error"), "no column valid_MEASURE, such as valid_error"),
        (named("vaild_loss"), "a column 'vaild_loss', which is no signal"),
        (named("train_error"), "a column 'train_error', which is no signal"),
        (named("valid_loss"), "the column 'valid_loss' twice"),
        (named("valid_accuracy"), "several measures, accuracy, error"),
        (([*HEADS[:5], "valid_mine", "test_mine"], rows_of()), "whether smaller is better"),
        (changed(4, 1, "a"), "row 5: the seed is a whole number from 0, not 'a'"),
        (changed(4, 2, "0"), "row 5: the epoch is a whole number from 1, not '0'"),
        (changed(4, 2, "2.5"), "row 5: the epoch is a whole number"),
        (changed(4, 3, "x"), "row 5: train_loss is a number or empty, not 'x'"),
        (changed(4, 0, " "), "row 5: the cell is empty"),
        (changed(4, 2, 4), "row 5: cell c0, seed 0 and epoch 4 are in an earlier row"),
        ((HEADS, []), "has no row below its header"),
        ((HEADS, rows_of(seeds=1)), "has one seed"),
        ((HEADS, rows_of(cells=9)), "9 cells that 2 seeds trained to the end"),
        ((HEADS, [[*row[:6], 1.0] for row in rows_of()]), "is the same for all cells"),
        ((HEADS, [[*row[:6], ""] for row in rows_of()]), "most trainings have no test_error"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    content: tuple[list[str], list[list[object]]], says: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=says) as raised:
        of_file(write(tmp_path, *content))
    assert "\n" not in str(raised.value) and "pilot.csv" in str(raised.value)


@pytest.mark.parametrize(
    ("metric", "cheap", "says"),
    [
        ("size", True, "no loss, error or quality"),
        ("valid_error", True, "has one seed"),
        ("valid_error", False, "no table to read: train a pilot"),
    ],
)
def test_a_benchmark_that_cannot_tell_is_refused(metric: str, cheap: bool, says: str) -> None:
    space = sn.EnumerableChoiceSpace("mlp", {"width": (16, 64, 256), "depth": (1, 2, 3)})
    bench = sn.Computed(space, {metric: lambda _: 2.0}, cheap=cheap)
    with pytest.raises(UserError, match=says):
        of_benchmark(bench)


def test_cells_that_share_their_trainings_count_once() -> None:
    found = of_benchmark(sn.load("fashion"))
    assert found.goal.shape[0] == 3 and 400 < len(found.cells) < 600
    assert not found.is_one_quantity and found.agreement > 0.5
