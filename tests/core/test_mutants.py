"""Mutants of `analysis/mutants.py`: each is another program, and nothing that does not run is
changed.
"""

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
    assert {(mutant.before, mutant.after) for mutant in found} == CHANGES and len(found) == len(
        CHANGES
    )
    for mutant in found:
        changed = (
            CODE.encode()[: mutant.start] + mutant.after.encode() + CODE.encode()[mutant.end :]
        )
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(CODE))
        assert CODE.splitlines()[mutant.line - 1].find(mutant.before.splitlines()[0]) >= 0


TESTS = """import least, pytest

def test_one(): assert least.least([4]) == 5

def test_none():
    with pytest.raises(ValueError): least.least([])

def test_wrong(): assert least.least([4]) == 4

@pytest.mark.slow
def test_slow(): assert least.least([4], far=True) == -4
"""


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    folder = tmp_path / "copy"
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "least.py").write_text(CODE)
        (place / "test_least.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    return folder


@pytest.mark.slow
def test_a_survivor_is_told_from_what_a_test_notices(tmp_path: Path, copy: Path) -> None:
    alive = {
        (mutant.before, mutant.after)
        for mutant in mutants.mutants_of(tmp_path / "least.py")
        if mutant.before in ("1", "3", "not numbers")
        and mutants.survives(mutant, copy, ["test_least.py::test_one"], 20.0)
    }
    assert alive == {("3", "4")} and (copy / "least.py").read_text() == CODE
    (mutant,) = (
        mutant for mutant in mutants.mutants_of(tmp_path / "least.py") if mutant.before == "3"
    )
    assert mutants.survives(mutant, copy, [], 20.0), "what no test runs"
    with pytest.raises(RuntimeError, match="not all of these can be collected"):
        mutants.survives(mutant, copy, ["test_least.py::test_two"], 20.0)


BY_CHANCE = """from pathlib import Path
import least

def test_once():
    done = Path(__file__).with_name("done")
    assert done.exists() or done.touch()

def test_wrong(): assert least.least([4]) == 4
"""


@pytest.mark.slow
def test_a_test_that_fails_by_chance_or_without_the_mutant_too_has_noticed_nothing(
    tmp_path: Path,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (copy / "test_chance.py").write_text(BY_CHANCE)
    tests = ["test_chance.py::test_once", "test_chance.py::test_wrong", "test_least.py::test_one"]
    (three,) = (
        mutant for mutant in mutants.mutants_of(tmp_path / "least.py") if mutant.before == "3"
    )
    assert mutants.survives(three, copy, tests, 20.0)
    assert (
        tests == ["test_least.py::test_one"] and capsys.readouterr().err.count("not counted") == 2
    )
    (one, *_) = (
        mutant for mutant in mutants.mutants_of(tmp_path / "least.py") if mutant.before == "1"
    )
    assert not mutants.survives(one, copy, tests, 20.0)


def test_it_is_found_out_once_which_lines_each_test_runs(tmp_path: Path, copy: Path) -> None:
    out = tmp_path / "tests.jsonl"
    watched = [tmp_path / "test_least.py"], [tmp_path / "least.py"], 20.0, out
    first = mutants.tests_watched(copy, *watched)
    end = CODE.count("\n")
    lines = {
        test.name.partition("::")[2]: set(test.lines["least.py"]) & {end - 2, end - 1, end}
        for test in first
    }
    assert lines == {"test_one": {end - 2, end}, "test_none": {end - 2, end - 1}}, (
        "slow and failing ones are left out"
    )
    assert mutants.tests_watched(copy, *watched) == first and out.read_text().count("\n") == 1
    more = "\n@pytest.mark.parametrize('path', [__file__])\ndef test_more(path): pass\n"
    (copy / "test_least.py").write_text(TESTS + more)
    names = {test.name for test in mutants.tests_watched(copy, *watched)}
    assert "test_least.py::test_more[{copy}/test_least.py]" in names, "another copy has it too"
    assert len(names) == 3 and out.read_text().count("\n") == 2


MEETS = """import time
from pathlib import Path

def test_meets():
    (Path(__file__).parent / "NAME").touch()
    while not (Path(__file__).parent / "OTHER").exists():
        time.sleep(0.01)
"""


def test_files_are_watched_side_by_side(tmp_path: Path, copy: Path) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        (copy / f"test_{name}.py").write_text(MEETS.replace("NAME", name).replace("OTHER", other))
    sources = [tmp_path / f"test_{name}.py" for name in ("one", "two", "least")]
    watched = sources, [tmp_path / "least.py"], 20.0, tmp_path / "tests.jsonl"
    together = mutants.tests_watched(copy, *watched, workers=2)
    assert [test.name for test in together] == [
        "test_one.py::test_meets",
        "test_two.py::test_meets",
        "test_least.py::test_one",
        "test_least.py::test_none",
    ]
    assert mutants.tests_watched(copy, *watched) == together, "what was watched is read"
    assert (tmp_path / "tests.jsonl").read_text().count("\n") == 3


def test_the_tests_of_a_mutant_run_its_line_or_its_file_or_stand_beside_the_quick_ones_first() -> (
    None
):
    tests = [
        mutants.Test("t.py::slow", 9.0, {"a.py": [3]}),
        mutants.Test("t.py::file", 1.0, {"a.py": [1]}),
        mutants.Test("t.py::quick", 2.0, {"a.py": [4]}),
        mutants.Test("t.py::beside", 0.1, {"b.py": [3]}),
        mutants.Test("u.py::other", 0.1, {"b.py": [3]}),
    ]
    mutant = mutants.Mutant("a.py", 3, 0, 9, "(1,\n2)", "None")

    def chosen(seconds: float, file: str = "a.py") -> list[str]:
        return [
            name.partition("::")[2]
            for name in mutants.tests_of(mutant._replace(file=file), tests, seconds)
        ]

    assert chosen(60.0) == ["quick", "slow", "file", "beside"]
    assert chosen(10.9) == ["quick", "file", "beside"] and chosen(0.5) == [
        "quick",
        "file",
        "beside",
    ]
    assert chosen(60.0, file="c.py") == []


def test_what_is_equivalent_is_still_there() -> None:
    """A line that has changed since, or a mutant that is none any more, is to be judged again."""
    reasons = mutants.equivalents()
    there = set()
    for name in {file for file, *_ in reasons}:
        lines = (mutants.ROOT / name).read_text().splitlines()
        there |= {
            (name, lines[one.line - 1].strip(), one.before, one.after)
            for one in mutants.mutants_of(mutants.ROOT / name)
        }
    assert set(reasons) <= there and all(reasons.values())
