"""Croissant metadata: those of the shipped tables are up to date and valid, those of a user's own
table are written beside it and say what is left to say.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import mlcroissant
import pytest

import surrogate_nas as sn
from analysis.croissant import documents
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import shipped
from surrogate_nas.tables.croissant import ENDING, croissant_of, data_sources, write_croissant
from surrogate_nas.training import TASKS
from tests.conftest import Snas

SHIPPED = {out.name: (tables, out, about) for tables, out, about in documents()}
MINE = """
import surrogate_nas as sn

SPACE = sn.ChoiceSpace("net", {"width": (8, 16, 32), "depth": (1, 2)})

def train(cell, trial):
    for epoch in (1, 2):
        trial.report(epoch, valid_error=50.0 / epoch + trial.seed, test_error=49.0 / epoch)

MINE = sn.Training(SPACE, train, metrics=["valid_error", "test_error"], epochs=2)
"""


def opened(document: Path) -> mlcroissant.Dataset:
    """A document as the reference implementation reads it, without an error."""
    dataset = mlcroissant.Dataset(jsonld=str(document))
    assert not dataset.metadata.ctx.issues.errors
    return dataset


def rows(dataset: mlcroissant.Dataset, name: str) -> list[dict[str, Any]]:
    """The rows of a record set, without its name before every field."""
    return [
        {field.removeprefix(f"{name}/"): value for field, value in row.items()}
        for row in dataset.records(name)
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_metadata_of_shipped_tables_are_up_to_date(name: str) -> None:
    tables, out, about = SHIPPED[name]
    made = json.dumps(croissant_of(tables, out, about), indent=1, ensure_ascii=False) + "\n"
    assert out.read_text(encoding="utf-8") == made, "run make croissant"


@pytest.mark.parametrize("name", SHIPPED)
def test_the_metadata_of_shipped_tables_are_valid_and_whole(name: str) -> None:
    tables, out, _ = SHIPPED[name]
    dataset = opened(out)
    metadata = dataset.metadata
    assert not metadata.ctx.issues.warnings
    assert {f"http://mlcommons.org/croissant/{of}" for of in ("1.1", "RAI/1.0")} == {
        *metadata.conforms_to
    }
    files = {file.content_url: file for file in metadata.file_objects}
    assert set(files) == {
        str(path.relative_to(out.parent))
        for table in tables
        for path in (table, table.with_suffix(".json"))
    }
    for url, file in files.items():
        content = (out.parent / url).read_bytes()
        assert file.sha256 == hashlib.sha256(content).hexdigest()
        assert file.content_size == f"{len(content)} B"
    told = rows(dataset, "tables")
    assert [row["file"] for row in told] == [str(path.relative_to(out.parent)) for path in tables]
    assert all(row["licence"] and row["cells"] > 0 for row in told)
    columns = rows(dataset, "columns")
    assert len(columns) > 5 and all(row["description"] and row["better"] for row in columns)
    assert metadata.data_limitations and metadata.personal_sensitive_information


def test_every_column_of_the_tables_of_losses_is_described_with_its_unit() -> None:
    described = {
        (row["metric"], loss, row["unit"], row["kind"], row["split"])
        for row in rows(opened(SHIPPED[f"losses{ENDING}"][1]), "columns")
        for loss in row["losses"].split(", ")
    }
    for table in ("digits", "gridworld"):
        metrics = [
            metric for metric in sn.load(f"losses-{table}/trained").metrics if "@" in metric.name
        ]
        assert len(metrics) >= 30
        for metric in metrics:
            name = tuple(metric.name.split("@"))
            assert (*name, metric.unit, metric.kind, metric.split) in described


def test_sources_of_data_name_tasks_that_there_are() -> None:
    assert set(data_sources()) <= set(TASKS)
    of_tables = {json.loads(card.read_text())["task"] for card in shipped("losses").glob("*.json")}
    assert of_tables <= set(data_sources())
    assert all(row["source"] and row["from"] and row["licence"] for row in data_sources().values())


def test_a_table_of_one_s_own_is_described_beside_it(
    snas: Snas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    made = snas(
        "table", "mine.py:MINE", "--seeds", 2, "--out", "my table.h5", "--croissant", "--json"
    )
    assert made.code == 0, made.err
    assert made.json["croissant"] == f"my table{ENDING}"
    assert f"my table{ENDING} lacks what only you can say: creator, datePublished" in made.err
    dataset = opened(tmp_path / f"my table{ENDING}")
    assert [file.content_url for file in dataset.metadata.file_objects] == [
        "my%20table.h5",
        "my%20table.json",
    ]
    (row,) = rows(dataset, "tables")
    assert (row["cells"], row["trainings"], row["epochs"]) == (6, 12, "1, 2")
    columns = {row["metric"]: row for row in rows(dataset, "columns")}
    assert (columns["valid_error"]["unit"], columns["valid_error"]["seeds"]) == ("%", "0, 1")
    assert columns["test_error"]["kind"] == "final"
    assert columns["train_seconds"]["unit"] == "s"


def test_what_the_publisher_says_stands_in_the_document(tmp_path: Path) -> None:
    table = tmp_path / "fashion.h5"
    table.write_bytes(shipped("fashion.h5").read_bytes())
    about = {
        "creator": {"@type": "sc:Person", "name": "A"},
        "url": "https://example.org",
        "license": "https://spdx.org/licenses/MIT.html",
    }
    assert write_croissant([table], tmp_path / f"a{ENDING}", about) == ["datePublished"]
    metadata = opened(tmp_path / f"a{ENDING}").metadata
    assert (metadata.name, metadata.url) == ("a", "https://example.org")
    assert [creator.name for creator in metadata.creators] == ["A"]
    assert metadata.license == ["https://spdx.org/licenses/MIT.html"]


def test_a_document_is_refused_where_its_tables_are_elsewhere_or_none(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    with pytest.raises(UserError, match="is not below .*: write the document beside the tables"):
        write_croissant([shipped("fashion.h5")], tmp_path / "below" / f"a{ENDING}")
    (tmp_path / "no.h5").write_text("no table")
    with pytest.raises(UserError, match=r"no\.h5"):
        write_croissant([tmp_path / "no.h5"], tmp_path / f"a{ENDING}")
    with pytest.raises(UserError, match="no table to describe"):
        write_croissant([], tmp_path / f"a{ENDING}")
    assert not [*tmp_path.rglob(f"*{ENDING}")]
