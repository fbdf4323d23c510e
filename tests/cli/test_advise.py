"""`snas advise`: five lines, one JSON document, and one clear line for bad input."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Snas, assert_one_clear_line
from tests.study.pilots import HEADS, KEYS, rows_of, write


def test_a_task_is_told_in_lines_and_as_json(snas: Snas) -> None:
    told = snas("advise", "digits")
    assert told.code == 0 and told.out.startswith("digits: ")
    assert len(told.out.strip().splitlines()) <= 5
    content = snas("advise", "live:digits", "--goal", "loss", "--json").json
    assert content.keys() == KEYS and "validation loss" in content["evidence"]["reference"]


def test_a_pilot_is_told(snas: Snas, tmp_path: Path) -> None:
    path = write(tmp_path, HEADS, rows_of())
    content = snas("advise", path, "--json").json
    assert content.keys() == KEYS and content["evidence"]["own_cells"] == 12
    assert_one_clear_line(snas("advise", tmp_path / "none.csv"), "There is no file")
    assert_one_clear_line(snas("advise", "nothing"), "Unknown benchmark, task or file 'nothing'")
    assert_one_clear_line(snas("advise", "digits", "--goal", "x"), "'measure' or 'loss', not 'x'")
    assert_one_clear_line(snas("advise", write(tmp_path, HEADS[:2], [])), "no column 'epoch'")
