"""Every tutorial works as a script in a fresh process and as a notebook, and leaves files where it
says only.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbconvert.preprocessors import ExecutePreprocessor

from analysis.notebooks import TUTORIALS, hosted, notebook

ROOT = Path(__file__).parents[2]
LEFT = Path("results", "tutorials")

OF_ALL = pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)


@pytest.mark.slow
@OF_ALL
def test_it_runs_in_a_fresh_process_and_leaves_files_in_its_folder_only(path, tmp_path):
    made = subprocess.run(
        [sys.executable, path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert made.returncode == 0, made.stderr
    assert "Warning" not in made.stderr, made.stderr
    left = {
        file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file()
    }
    assert left and all(file.is_relative_to(LEFT / path.stem) for file in left)
    assert any(file.suffix == ".png" for file in left)


@OF_ALL
def test_it_is_a_notebook_that_explains_before_it_computes(path):
    book = jupytext.read(path, fmt="py:percent")
    nbformat.validate(book)
    kinds = [cell.cell_type for cell in book.cells]
    assert kinds[0] == "markdown" and book.cells[0].source.startswith("# ")
    assert "nothing is fetched" in " ".join(book.cells[0].source.split())
    assert kinds[-1] == "markdown" and "## What to try next" in book.cells[-1].source
    assert kinds.count("markdown") >= kinds.count("code") / 2
    for cell in book.cells:
        assert cell.source.strip()
        if cell.cell_type == "code":
            ast.parse(cell.source)


@pytest.mark.slow
@pytest.mark.parametrize("path", hosted(), ids=lambda path: path.stem)
def test_its_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    book = notebook(path, "nothing-that-is-there")
    run = ExecutePreprocessor(timeout=600, kernel_name="python3")
    run.preprocess(book, {"metadata": {"path": str(tmp_path)}})
    assert not book.cells[0].outputs, "it is there, and nothing is installed"
    assert list(tmp_path.rglob("*.png"))


def test_a_notebook_installs_the_package_first_and_comes_without_outputs():
    assert {path.stem for path in TUTORIALS} - {path.stem for path in hosted()} == {
        "paper"
    }
    book = notebook(hosted()[0], "surrogate_nas[train]")
    nbformat.validate(book)
    first, title, *_ = book.cells
    assert '%pip install --quiet "surrogate_nas[train]"' in first.source
    assert title.source.startswith("# ")
    assert not any(cell.get("outputs") for cell in book.cells)
