"""Names that no file can have, or that are no UTF-8: one line, or an answer, wherever a file is
named.
"""

import numpy as np
import pytest

from surrogate_nas.benchmarks import available
from surrogate_nas.files import HOME_VARIABLE, table_path
from surrogate_nas.tables import ColumnKey, TableFile, write_table
from tests.tiny_tables import tiny_table

CELL = "|skip_connect~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|"
FIT = (
    "fit",
    "fashion",
    "--target",
    "valid_error",
    "--train",
    10,
    "--model",
    "ridge",
    "--out",
)
SEARCH = ("search", "fashion", "--strategy", "random", "--budget", 3)


@pytest.mark.parametrize(
    "name", ["x" * 300, "x" * 5000, "\udcff"], ids=["long", "longer", "bytes"]
)
@pytest.mark.parametrize(
    "command",
    [
        ("query", "{}", CELL),
        ("query", "{}.h5", CELL),
        ("query", "{}.py:BENCH", CELL),
        ("query", "surrogate:{}", CELL),
        ("predict", "{}", CELL),
        ("fit", "{}.h5", *FIT[2:], "out.h5"),
        (*FIT, "{}/nowhere\0.h5"),
        (*SEARCH, "--with", "{}"),
        ("data", "import", "csv", "{}", "--name", "mine"),
        ("data", "import", "csv", "{}", "--name", "mine", "--space", "{}.py:SPACE"),
        ("data", "import", "csv", "mine.csv", "--name", "mine", "--space", "{}"),
    ],
    ids=lambda command: " ".join(map(str, command[:3])).replace(CELL, "CELL"),
)
def test_one_line(snas, command, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = snas(*(str(part).replace("{}", name) for part in command))
    assert (
        ended.code == 2
        and len(ended.err.strip().splitlines()) == 1
        and ended.err.startswith("snas: ")
    )


def test_a_home_and_a_table_at_paths_of_other_bytes(snas, tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "\udcff"))
    assert snas("path").out.strip().endswith("\\udcff")
    assert snas("path", "--json").json["path"].endswith("\udcff")
    path = tmp_path / "\udcff.h5"
    write_table(tiny_table(), path)
    assert np.isfinite(
        TableFile(path).column(ColumnKey("valid_error", 12, "mean"))
    ).all()


@pytest.mark.usefixtures("fresh_home")
def test_a_table_of_the_home_that_cannot_be_opened_is_listed_with_the_reason():
    table_path("broken").parent.mkdir(parents=True)
    table_path("broken").write_bytes(b"half")
    (found,) = (entry for entry in available() if entry["name"] == "broken")
    assert not found["available"] and "is damaged" in found["title"]
