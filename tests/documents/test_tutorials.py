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

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "analysis" / "tutorials").glob("*.py"))
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
