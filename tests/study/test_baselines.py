"""Systems of others beside our strategies: what is refused, what is kept, and AutoKeras itself."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from surrogate_nas.cli.baseline import Network
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import Journal
from surrogate_nas.report import write_report
from surrogate_nas.report.reading import read_baselines
from surrogate_nas.study.api import compare
from tests.conftest import Snas

OURS = Network("random", "a cell", 2.0, 2.5, 6566, 0.7, 30, 9.5)
THEIRS = Network("autokeras", "block_type=<vanilla>", 1.25, 1.5, 21386, 2.1, 2, 12.0)
MADE = {
    "system": "autokeras",
    "versions": "autokeras 3.0.0",
    "digest": "ab",
    "task": "digits",
    "measure": "error",
    "unit": "%",
    "limit": 10.0,
    "seed": 0,
    "note": "One search.",
    "found": [asdict(THEIRS), asdict(OURS)],
}


def store(folder: Path) -> Path:
    path = folder / "baselines" / "autokeras.jsonl"
    path.parent.mkdir(parents=True)
    with Journal(path, {"what": "a baseline", "version": 1}) as journal:
        journal.append(MADE)
    return path


def test_a_folder_keeps_a_baseline_and_refuses_a_damaged_one(tmp_path: Path) -> None:
    path = store(tmp_path)
    assert read_baselines(tmp_path) == [MADE]
    content = path.read_text()
    path.write_text(content.replace("21386", "11386"))
    with pytest.raises(UserError, match="is damaged"):
        read_baselines(tmp_path)
    path.write_text(content.splitlines()[0] + "\n")
    with pytest.raises(UserError, match="is damaged"):
        read_baselines(tmp_path)


def test_the_report_shows_a_system_beside_our_strategies(tmp_path: Path) -> None:
    comparison = compare("analog-cifar10", ["random"], runs=1, budget=12, folder=tmp_path)
    assert "Systems from elsewhere" not in write_report(comparison, tmp_path).read_text(
        encoding="utf-8"
    )
    store(tmp_path)
    page = write_report(comparison, tmp_path).read_text(encoding="utf-8")
    assert (
        "Systems from elsewhere" in page
        and "autokeras 3.0.0 on digits, 10 seconds for each, seed 0." in page
    )
    assert "21,386" in page and "block_type=&lt;vanilla&gt;" in page and "One search." in page


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("nobody",), "Unknown baseline 'nobody'"),
        (
            ("autokeras", "--task", "detection"),
            "AutoKeras answers tasks of classification and regression",
        ),
        (
            ("autokeras", "--task", "digits", "--seconds", "0.001"),
            "do not pay for one training of digits",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(
    snas: Snas,
    tmp_path: Path,
    arguments: tuple[str, ...],
    line: str,
) -> None:
    pytest.importorskip("autokeras")
    outcome = snas("baseline", *arguments, "--strategies", "random", "--out", str(tmp_path))
    assert outcome.code == 2
    assert line in outcome.err.splitlines()[-1]
    assert not read_baselines(tmp_path)


@pytest.mark.slow
def test_autokeras_and_ours_share_a_report_and_are_not_run_again(
    snas: Snas, tmp_path: Path
) -> None:
    pytest.importorskip("autokeras")
    arguments = (
        "baseline",
        "autokeras",
        "--task",
        "digits",
        "--seconds",
        "12",
        "--strategies",
        "random",
    )
    outcome = snas(*arguments, "--out", str(tmp_path), "--json")
    assert outcome.code == 0
    printed = json.loads(outcome.out)["found"]
    theirs, ours = printed
    assert theirs["by"] == "autokeras" and "block_type=" in theirs["architecture"]
    assert 0 <= theirs["valid"] < 50 and 0 <= theirs["test"] < 50 and theirs["networks"] >= 1
    assert theirs["parameters"] > 0 and theirs["latency_ms"] > 0 and ours["latency_ms"] > 0
    assert ours["by"] == "random" and 0 < ours["seconds"] <= 12
    assert "Systems from elsewhere" in (tmp_path / "report.html").read_text(encoding="utf-8")
    again = snas(*arguments, "--out", str(tmp_path), "--json")
    assert json.loads(again.out)["found"] == printed
