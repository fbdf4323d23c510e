"""The Croissant metadata of the shipped tables are up to date and valid."""

import hashlib
import json

import mlcroissant
import pytest

from analysis.answer.reading import data_sources
from analysis.croissant import croissant_of, documents
from surrogate_nas.files import shipped
from surrogate_nas.training import TASKS

SHIPPED = {out.name: (tables, out, about) for tables, out, about in documents()}


def opened(document):
    """A document as the reference implementation reads it, without an error."""
    dataset = mlcroissant.Dataset(jsonld=str(document))
    assert not dataset.metadata.ctx.issues.errors
    return dataset


def rows(dataset, name):
    """The rows of a record set, without its name before every field."""
    return [
        {field.removeprefix(f"{name}/"): value for field, value in row.items()}
        for row in dataset.records(name)
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_metadata_of_shipped_tables_are_up_to_date(name):
    tables, out, about = SHIPPED[name]
    made = (
        json.dumps(croissant_of(tables, out, about), indent=1, ensure_ascii=False)
        + "\n"
    )
    assert out.read_text(encoding="utf-8") == made, "run make croissant"


@pytest.mark.parametrize("name", SHIPPED)
def test_the_metadata_of_shipped_tables_are_valid_and_whole(name):
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
    assert [row["file"] for row in told] == [
        str(path.relative_to(out.parent)) for path in tables
    ]
    assert all(row["licence"] and row["cells"] > 0 for row in told)
    columns = rows(dataset, "columns")
    assert len(columns) > 5 and all(
        row["description"] and row["better"] for row in columns
    )
    assert metadata.data_limitations and metadata.personal_sensitive_information


def test_sources_of_data_name_tasks_that_there_are():
    assert set(data_sources()) <= set(TASKS)
    of_tables = {
        json.loads(card.read_text())["task"]
        for card in shipped("losses").glob("*.json")
    }
    assert of_tables <= set(data_sources())
    assert all(
        row["source"] and row["from"] and row["licence"]
        for row in data_sources().values()
    )
