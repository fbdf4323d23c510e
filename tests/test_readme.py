"""What the README shows works as shown."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import surrogate_nas as sn
from surrogate_nas.contract import check
from surrogate_nas.strategies import known, resolve

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_strategy_in_the_readme_is_ten_lines_and_keeps_the_contract(tmp_path: Path) -> None:
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.S) if "sn.Strategy" in block)
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


def test_every_target_and_command_that_the_readme_names_exists() -> None:
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for target in set(re.findall(r"`?make ([a-z0-9-]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.M), target
