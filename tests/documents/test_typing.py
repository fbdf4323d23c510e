"""Type checkers accept what the guide shows and refuse what is misspelt, from any folder."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from sysconfig import get_path

import pytest

from tests.documents import TOP, blocks, read

MISSPELT = Path(__file__).with_name("misspelt.py")
ERROR = re.compile(r"^(\w+)\.py:(\d+): error: .*", re.M)


def by_mypy(folder):
    """The errors of mypy in strict mode, each with its file and line."""
    made = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir=cache", "."],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(TOP)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert made.returncode in (0, 1), made.stdout + made.stderr
    return [(one[1], int(one[2]), one[0]) for one in ERROR.finditer(made.stdout)]


def by_pyright(folder):
    """Likewise of pyright, whose rules basedpyright has in this mode."""
    settings = {"typeCheckingMode": "standard", "extraPaths": [str(TOP)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    made = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson"]
        + ["--pythonpath", sys.executable],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    found = json.loads(made.stdout)["generalDiagnostics"]
    return [
        (Path(one["file"]).stem, one["range"]["start"]["line"] + 1, one["message"])
        for one in found
        if one["severity"] == "error"
    ]


CHECKERS = pytest.mark.parametrize(
    "checked",
    [
        pytest.param(by_mypy, marks=pytest.mark.slow, id="mypy"),
        pytest.param(
            by_pyright,
            marks=pytest.mark.skipif(not find_spec("basedpyright"), reason="not here"),
            id="pyright",
        ),
    ],
)


@pytest.fixture
def folder(tmp_path):
    """A folder with every recipe of the guide as a script, and the misspellings."""
    code = blocks(read("analysis/guide/recipes.md"), "python")
    for number, recipe in enumerate(code, 1):
        (tmp_path / f"recipe_{number}.py").write_text(recipe)
    (tmp_path / MISSPELT.name).write_text(MISSPELT.read_text())
    return tmp_path


@CHECKERS
def test_recipes_have_no_error_and_every_misspelling_has_one(folder, checked):
    wrong = [
        number
        for number, line in enumerate(MISSPELT.read_text().splitlines(), 1)
        if line.startswith("    ")
    ]
    found = checked(folder)
    assert [one for one in found if one[0] != MISSPELT.stem] == []
    assert [line for _, line, _ in found] == wrong and len(wrong) == 20


def test_an_editable_installation_is_a_path_that_editors_follow():
    """A hook in its place, as setuptools has it for other layouts, is read by no checker."""
    paths = list(Path(get_path("purelib")).glob("__editable__.surrogate_nas-*.pth"))
    if not paths:
        pytest.skip("installed from a wheel")
    (folder,) = paths[0].read_text().split()
    assert Path(folder, "surrogate_nas", "py.typed").is_file()
    assert Path(folder, "surrogate_nas", "__init__.pyi").is_file()
