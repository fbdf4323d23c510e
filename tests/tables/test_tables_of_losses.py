"""The tables of losses in data/: small, as their cards say, and read by h5py and NumPy alone."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from analysis import read_tables
from surrogate_nas.files import shipped
from surrogate_nas.tables import MemoryTable, read_compact, write_compact

FOLDER = shipped("losses")
TABLES = [pytest.param(path, id=path.stem) for path in sorted(FOLDER.glob("*.h5"))]
FEWEST = 18


def test_they_are_small_and_each_has_a_card():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 12e6
    tables, cards = (
        {path.stem for path in FOLDER.glob(f"*{end}")} for end in (".h5", ".json")
    )
    assert tables == cards and len(tables) >= FEWEST


@pytest.mark.parametrize("path", TABLES)
def test_a_table_holds_the_trainings_that_its_card_counts(path):
    card = json.loads(path.with_suffix(".json").read_text())
    assert json.loads(read_compact(path).card) == card
    cells, values = read_tables.read(path)
    assert len(cells) == card["cells"]
    for loss, about in card["losses"].items():
        for seed, trainings in about["classes"].items():
            made = values.get((f"diverged@{loss}", about["epochs"], int(seed)))
            assert trainings == (0 if made is None else np.isfinite(made).sum())


def reads_the_same(path):
    cells, values = read_tables.read(path)
    table = read_compact(path)
    assert isinstance(table, MemoryTable)
    assert cells.tolist() == [list(cell.choices) for cell in table.cells]
    assert set(values) == {key for key in table.keys if key.seed != "mean"}
    for key, column in values.items():
        assert np.allclose(
            column, table.column(key), rtol=1e-12, atol=0, equal_nan=True
        ), key


def test_ten_lines_with_h5py_read_them(tmp_path):
    old = FOLDER / "gridworld.h5"
    reads_the_same(old)
    write_compact(read_compact(old).table, tmp_path / "new.h5")
    reads_the_same(tmp_path / "new.h5")
    source = Path(read_tables.__file__).read_text()
    body = ast.parse(source).body
    imported = {
        alias.name
        for node in body
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert imported == {"base64", "json", "h5py", "numpy"}
    (node,) = (node for node in body if isinstance(node, ast.FunctionDef))
    function = ast.get_source_segment(source, node)
    assert function is not None and len(function.splitlines()) <= 10
    assert function in shipped("losses.md").read_text(encoding="utf-8"), (
        "as the data card shows it"
    )
