"""What the README shows works as shown."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import surrogate_nas as sn
from surrogate_nas.contract import check
from surrogate_nas.strategies import ONE_SHOT, STRATEGIES, known, resolve
from tests.documents import TOP, blocks, read

README = read("README.md")


def test_the_strategy_in_the_readme_is_ten_lines_and_keeps_the_contract(tmp_path: Path) -> None:
    code = next(block for block in blocks(README, "python") if "sn.Strategy" in block)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    file = tmp_path / "greedy.py"
    file.write_text(code)
    assert [check for check in check(f"{file}:Greedy") if not check.passed] == []


def test_an_installed_package_offers_strategies_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outsider.py").write_text("from surrogate_nas.strategies.random import RandomSearch as Outsider\n")
    metadata = tmp_path / "outsider-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: outsider\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[surrogate_nas.strategies]\noutside = outsider:Outsider\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert "outside" in known()
    assert resolve("outside").__name__ == "RandomSearch"


def test_every_public_name_is_there() -> None:
    assert all(hasattr(sn, name) for name in sn.__all__)


def test_it_is_read_in_three_minutes() -> None:
    assert len(README.splitlines()) <= 150


def test_the_objective_in_the_readme_is_searched() -> None:
    code = next(block for block in blocks(README, "python") if "sn.Objective" in block)
    named = {"sn": sn}
    exec(code.replace("budget=100", "budget=20"), named)
    assert len(named["run"].trials) == 20 and any(trial.feasible for trial in named["run"].trials)


@pytest.mark.usefixtures("fetched")
def test_the_code_of_the_guide_runs_from_top_to_bottom() -> None:
    named = {"sn": sn, "print": lambda _: None}
    for code in blocks(read("analysis/guide.md"), "python"):
        if "optuna" not in code:  # tests/strategies/test_bridges.py has that one
            exec(code, named)
    assert len(named["run"].trials) == 100 and len(named["loop"].trials) == 50
    assert named["BENCH"].space is named["SPACE"]


def test_the_table_of_strategies_is_that_of_their_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOP / "analysis"))
    from abilities import FIGURES, table
    from marked import held

    cost = json.loads(FIGURES.read_text())["ms_a_step"]
    assert set(cost) == set(STRATEGIES)
    assert held(TOP / "README.md", "analysis/abilities.py") == table(cost)
    assert all(f"`{name}`" in table(cost) for name in (*STRATEGIES, *ONE_SHOT))


def test_the_tables_of_data_are_those_of_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOP / "analysis"))
    from data_tables import files, sources
    from marked import held

    assert held(TOP / "data" / "README.md", "analysis/data_tables.py: sources") == sources()
    assert held(TOP / "data" / "README.md", "analysis/data_tables.py: files") == files()
