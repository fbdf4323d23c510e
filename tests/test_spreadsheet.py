"""A CSV or Parquet file of one's own becomes a benchmark; what is wrong is told row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.errors import UserError
from surrogate_nas.sources.spreadsheet import read
from surrogate_nas.space import nb201
from tests.conftest import Snas

SPACE = nb201()
CELLS = [SPACE[i].text for i in range(4)]


def written(folder: Path, text: str, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_columns_become_metrics_by_their_names(tmp_path: Path) -> None:
    text = "cell,valid_error,valid_loss[12],latency@mine,test_error,channels\n"
    text += f"{CELLS[0]},10.5,.4,3,11,16\n {CELLS[2]} ,9,,4.5,nan,32\n"
    table = read(written(tmp_path, text), "mine")
    found = {name: (m.unit, m.kind, m.quantity, m.epochs, m.n_cells) for name, m in table.metrics.items()}
    assert found == {
        "valid_error": ("%", "search", "error", (), 2),
        "valid_loss": ("nats", "search", "loss", (12,), 1),
        "latency@mine": ("ms", "search", "cost", (), 2),
        "test_error": ("%", "final", "error", (), 1),
        "channels": ("", "search", "cost", (), 2),
    }
    assert table.objective == "valid_error" and table.cost == "queries"
    column = table.columns["valid_error", None, "mean"]  # type: ignore[index]
    assert column[0] == 10.5 and column[2] == 9 and np.isnan(column[1])


def test_import_query_fit_predict_and_search(snas: Snas, tmp_path: Path) -> None:
    errors = 5 + SPACE.choices.astype(float) @ [1.0, 2, 3, 4, 5, 6]
    rows = "\n".join(f"{cell.text},{error},{2 * error}" for cell, error in zip(SPACE, errors, strict=True))
    path = written(tmp_path, f"cell,valid_error,latency@mine\n{rows}\n")
    made = snas("data", "import", "csv", path, "--name", "own", "--json").json
    assert made["benchmarks"] == ["own"] and made["files"] == 1
    assert sn.load("own").query(CELLS[1], "valid_error") == pytest.approx(errors[1])
    model = tmp_path / "model.h5"
    fitted = snas("fit", "own", "--target", "valid_error", "--train", 100, "--model", "ridge", "--out", model, "--json")
    assert fitted.json["kendall"] > 0.6
    assert snas("predict", model, CELLS[0], "--json").json[0]["unit"] == "%"
    objective = ["--objective", "valid_error + 0.1*latency@mine"]
    searched = snas("search", "own", "--strategy", "evolution", "--budget", 60, *objective, "--json").json
    assert len(searched["trials"]) == 60 and searched["regret"] >= 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("valid_error\n3\n", "needs a column 'cell'"),
        (f"cell\n{CELLS[0]}\n", "at least one of a metric"),
        (f"cell,valid_error\n{CELLS[0]},ten\n", "row 1: valid_error is 'ten', no number"),
        (f"cell,valid_error\n{CELLS[0]},inf\n", "row 1: valid_error is inf, not finite"),
        (f"cell,valid_error\n{CELLS[0]},1\n{CELLS[0]},2\n", "row 2: the cell of row 1 again"),
        (f"cell,valid_error\n{CELLS[0]},1\n|none~0|,2\n", "row 2: Malformed cell"),
        (f"cell,valid error\n{CELLS[0]},1\n", "names no metric"),
        (f"cell,params\n{CELLS[0]},1\n", "follows from the cell alone"),
        ("cell,valid_error\n" + "x,y\n" * 7, "14 wrong entries"),
        ("", "Cannot read"),
    ],
)
def test_what_is_wrong_is_told(text: str, says: str, tmp_path: Path, snas: Snas) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read(path, "mine")
    assert says in str(caught.value)
    refused = snas("data", "import", "csv", path, "--name", "mine")
    assert refused.code == 2 and says in refused.err and len(refused.err.strip().splitlines()) == 1


def test_names_and_files_that_cannot_be(tmp_path: Path, snas: Snas) -> None:
    path = written(tmp_path, f"cell,valid_error\n{CELLS[0]},1\n")
    for name, says in (("nb201-cifar10", "another benchmark's name"), ("../x", "letters, digits")):
        refused = snas("data", "import", "csv", path, "--name", name)
        assert refused.code == 2 and says in refused.err
    assert "There is no file" in snas("data", "import", "csv", tmp_path / "none.csv").err
    assert "--name is for csv" in snas("data", "import", "nats", tmp_path, "--name", "x").err
