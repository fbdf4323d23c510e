"""Checkpoints: a damaged one is dropped and trained again, and none is ever seen in part."""

import json
import os
import pickle
import shutil

import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.trained import TrainingFolder, drop_beyond
from surrogate_nas.files import locked
from tests.damaging import CELL, LOSS, WHOLE, asked, flipped_and_cut, training


@pytest.fixture
def place(fresh_home):
    """The folder of a training with a checkpoint of three epochs."""
    assert fresh_home.is_dir()
    asked(3)
    return TrainingFolder(training().folder_of(CELL))


def checkpoint(place):
    return place.path / place.held().checkpoint


def test_a_checkpoint_that_is_as_it_was_is_used_without_a_word(place, capfd):
    assert place.held().epochs == 3 and place.held().bytes == 7
    (checkpoint(place) / "more" / "state.txt").touch()
    assert asked(*range(1, 10))[0] == WHOLE
    assert capfd.readouterr().err == ""


def described(**changes):
    def change(place):
        done = place.path / "done.json"
        done.write_text(json.dumps(json.loads(done.read_text()) | changes))

    return change


def content(name, text):
    return lambda place: (checkpoint(place) / name).write_text(text)


DAMAGED = {
    "fewer epochs": described(epochs=1),
    "no number of seconds": described(seconds=float("nan")),
    "a checkpoint elsewhere": described(checkpoint="../../elsewhere"),
    "files that are none": described(files=3),
    "lists in lists": lambda place: (place.path / "done.json").write_text(
        "[" * 100_000
    ),
    "emptied": lambda place: os.truncate(place.path / "done.json", 0),
    "another weight": content("more/state.txt", "60.0"),
    "a file more": content("more/state.part", "61.0"),
    "a file less": lambda place: (checkpoint(place) / "log.txt").unlink(),
    "a folder in a file's place": lambda place: (
        (checkpoint(place) / "log.txt").unlink(),
        (checkpoint(place) / "log.txt").mkdir(),
    ),
    "no checkpoint": lambda place: shutil.rmtree(checkpoint(place)),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_checkpoint_is_dropped_with_one_line_and_trained_again(
    place, name, capfd
):
    DAMAGED[name](place)
    values, cost = asked(*range(1, 10))
    assert values == WHOLE and 0 < cost < 1e6
    (line,) = capfd.readouterr().err.splitlines()
    assert f"The checkpoint in {place.path} is damaged" in line
    assert place.held().epochs == 9 and checkpoint(place).is_dir()


@pytest.mark.parametrize(
    "line",
    [b"\xff", b"[" * 100_000, b'{"epoch": "3"}', b'{"epoch": 1e999}', b"3", b"{}"],
)
def test_a_damaged_report_ends_no_later_search(place, line):
    whole = place.reports.read_bytes()
    place.reports.write_bytes(line + b"\n" + whole)
    assert asked(*range(1, 10))[0] == WHOLE
    assert place.reports.read_bytes().startswith(whole)
    assert place.reports.read_bytes().count(b"\n") == 9


@pytest.mark.slow
def test_no_flipped_bit_and_no_cut_changes_a_result(tmp_path):
    assert flipped_and_cut(tmp_path, 40).startswith("40 damages")


def test_the_checkpoint_that_another_process_continues_is_not_removed(place):
    with locked(place.path):
        drop_beyond(place.path.parent, 0, 9, place.path)
    assert place.held().epochs == 3
    drop_beyond(place.path.parent, 0, 9, place.path)
    assert place.held().epochs == 0


@pytest.mark.parametrize("cell", [CELL, CELL.text, {"width": 8, "depth": 2}])
def test_the_fitted_model_of_a_cell_is_found_by_its_cell(place, cell):
    assert training().checkpoint(cell) == checkpoint(place)
    assert (training().checkpoint(cell) / "more" / "state.txt").read_text() == "61.0"


def test_a_run_gives_the_fitted_model_of_its_incumbent(fresh_home):
    run = sn.search(training(), "random", LOSS, budget=2)
    best = run.incumbent.cell
    assert run.checkpoint() == run.checkpoint(best.text) == training().checkpoint(best)
    with pytest.raises(sn.UserError, match="has no benchmark"):
        pickle.loads(pickle.dumps(run)).checkpoint()


def test_a_cell_without_a_checkpoint_is_told_in_one_line(place):
    with pytest.raises(sn.UserError, match="no checkpoint of .*no training of it has"):
        training().checkpoint(CELL, training_seed=1)
    with pytest.raises(sn.UserError, match="fashion stores no checkpoints"):
        sn.load("fashion").checkpoint(11)
