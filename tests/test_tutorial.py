"""The tutorial for an author of a strategy works when it is followed literally."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from surrogate_nas.contract import check
from surrogate_nas.contract.trying import TinySpace
from tests.conftest import Snas

TEXT = (Path(__file__).parents[1] / "analysis" / "tutorials" / "strategy.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", TEXT, re.S)
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S) for line in block.splitlines()]


def test_its_strategy_has_about_ten_lines_and_keeps_the_contract(tmp_path: Path) -> None:
    (code,) = CODE
    assert len([line for line in code.splitlines() if line.strip()]) <= 11
    (tmp_path / "restless.py").write_text(code)
    assert [one for one in check(f"{tmp_path}/restless.py:Restless(keep=2)", TinySpace()) if not one.passed] == []


@pytest.mark.slow
def test_every_command_of_it_works(snas: Snas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [shlex.split(line)[:2] for line in COMMANDS] == [
        ["snas", what] for what in ("new", "check", "check", "search", "compare", "suite")
    ]
    for place, line in enumerate(COMMANDS):
        if place == 2:  # the idea comes after the first check
            assert "class Restless" in Path("restless.py").read_text()
            Path("restless.py").write_text(CODE[0])
        made = snas(*shlex.split(line)[1:])
        assert made.code == 0, (line, made.err)
    assert all(name in made.out for name in ("Restless", "local_search", "evolution", "random")), made.out
    for folder in ("restless", "suite"):
        assert "Restless" in Path(f"results/{folder}/report.html").read_text(encoding="utf-8")
    assert "Restless(keep=1)" in Path("results/restless/report.html").read_text(encoding="utf-8")
