"""A board of archives: a page that opens offline, with groups and no bare rank."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.report.board import groups_of, publish
from surrogate_nas.study.archive import create, opened
from surrogate_nas.study.comparison import StudyResult
from tests.conftest import Snas
from tests.pages import text_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison."""
    folder = tmp_path_factory.mktemp("made") / "first"
    sn.compare("fashion", ["random", "bo"], "valid_loss", runs=6, budget=30, folder=folder)
    return folder


def test_a_board_says_who_what_and_which_strategies_are_not_told_apart(
    folder: Path, tmp_path: Path, snas: Snas
) -> None:
    create(folder, tmp_path / "a.zip", name="second", by="<b>A. Name</b>", note="by hand")
    out = tmp_path / "board"
    made = snas("archive", "publish", folder, tmp_path / "a.zip", "--out", out, "--json").json
    assert [one["name"] for one in made["archives"]] == ["first", "second"]
    page = (out / "index.html").read_text()
    assert "<b>A. Name" not in page and "&lt;b&gt;A. Name" in page
    assert "src=" not in page and "http-equiv" in page
    shown = text_of(page)
    for text in ("by hand", "share a letter", "valid_loss", "30 cells", "--replay all"):
        assert text in shown, text
    assert json.loads((out / "index.json").read_text())["archives"] == made["archives"]
    with opened(["second"], index=out / "index.json") as (again,):
        assert (again / "experiment.json").read_bytes() == (folder / "experiment.json").read_bytes()


def test_two_archives_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Two archives are named first"):
        publish([folder, folder], tmp_path / "board")
    assert not (tmp_path / "board").exists()


@pytest.mark.parametrize(
    ("standings", "letters"),
    [
        ({"a": (), "b": (), "c": ()}, ["a", "b", "c"]),
        ({"a": ("b", "c"), "b": ("c",), "c": ()}, ["a", "a", "a"]),
        ({"a": ("b",), "b": ("c",), "c": ()}, ["a", "ab", "b"]),
        ({"a": ("b", "c"), "b": (), "c": ("d",), "d": ()}, ["ab", "a", "bc", "c"]),
    ],
)
def test_strategies_share_a_letter_where_they_do_not_differ(
    standings: dict[str, tuple[str, ...]], letters: list[str]
) -> None:
    result = StudyResult()
    result.__dict__["standings"] = standings
    assert list(groups_of(result).values()) == letters
