"""Mutants of `analysis/mutants.py`: each is another program, and nothing that does not run is changed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from analysis import mutants

CODE = '''"""A module of 1 line."""
from __future__ import annotations

LIMIT: int = 3
"""At most 3."""


def least(numbers: list[int], far: bool = False) -> int | None:
    """The least of 2 numbers."""
    if not numbers or len(numbers) > LIMIT:
        raise ValueError(f"{len(numbers) + 1} numbers, at most {3}")
    return -numbers[0] if far else min(numbers) + 1
'''
CHANGES = {
    ("3", "4"),
    ("False", "True"),
    ("not numbers or len(numbers) > LIMIT", "(not numbers and len(numbers) > LIMIT)"),
    ("not numbers", "(numbers)"),
    ("len(numbers) > LIMIT", "len(numbers) >= LIMIT"),
    ("-numbers[0] if far else min(numbers) + 1", "None"),
    ("far", "(not (far))"),
    ("-numbers[0]", "(numbers[0])"),
    ("0", "1"),
    ("min(numbers) + 1", "(min(numbers) - 1)"),
    ("1", "2"),
}


def test_operators_boundaries_numbers_conditions_and_returns_are_changed_and_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    (tmp_path / "least.py").write_text(CODE)
    found = mutants.mutants_of(tmp_path / "least.py")
    assert {(mutant.before, mutant.after) for mutant in found} == CHANGES and len(found) == len(CHANGES)
    for mutant in found:
        changed = CODE.encode()[: mutant.start] + mutant.after.encode() + CODE.encode()[mutant.end :]
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(CODE))
        assert CODE.splitlines()[mutant.line - 1].find(mutant.before.splitlines()[0]) >= 0


def test_a_survivor_is_told_from_what_a_test_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    copy = tmp_path / "copy"
    copy.mkdir()
    for place in (tmp_path, copy):
        (place / "least.py").write_text(CODE)
    (copy / "test_least.py").write_text("import least\ndef test_it(): assert least.least([4]) == 5\n")
    alive = {
        (mutant.before, mutant.after)
        for mutant in mutants.mutants_of(tmp_path / "least.py")
        if mutant.before in ("1", "3") and mutants.survives(mutant, copy, ["test_least.py"], 60.0)
    }
    assert alive == {("3", "4")} and (copy / "least.py").read_text() == CODE


def test_the_tests_of_a_module_are_those_of_its_room_the_nearest_first() -> None:
    tests = mutants.tests_of("surrogate_nas/strategies/bo/strategy.py")
    assert tests[0] == "surrogate_nas/strategies/bo/strategy.py" and "tests/strategies/test_golden.py" in tests
    assert "surrogate_nas.strategies.bo.strategy" in (mutants.ROOT / tests[1]).read_text()
