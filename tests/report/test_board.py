"""A board of archives: a page that opens offline, with groups and no bare rank."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.report.board import publish
from surrogate_nas.study.archive import create, opened
from tests.conftest import Snas
from tests.pages import text_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison."""
    folder = tmp_path_factory.mktemp("made") / "first"
    sn.compare("fashion", ["random", "bo"], "valid_loss", runs=6, budget=30, folder=folder)
    return folder


def test_a_board_says_who_what_and_which_strategies_lead(
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
    for text in (
        "by hand",
        "not significantly worse than the leader",
        "valid_loss",
        "30 cells",
        "--replay all",
    ):
        assert text in shown, text
    assert json.loads((out / "index.json").read_text())["archives"] == made["archives"]
    with opened(["second"], index=out / "index.json") as (again,):
        assert (again / "experiment.json").read_bytes() == (folder / "experiment.json").read_bytes()


def test_two_archives_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Two archives are named first"):
        publish([folder, folder], tmp_path / "board")
    assert not (tmp_path / "board").exists()
