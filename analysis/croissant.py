"""Write the Croissant metadata of the tables in data/, beside them.

    python -m analysis.croissant

A document is JSON-LD of Croissant 1.1 (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html)
with fields of its responsible-AI vocabulary 1.0 (…/croissant-rai-spec.html). Croissant reads no
HDF5, so a file has its size and its sha256, and two record sets have their rows in the document:
``tables`` has a row per file, and ``columns`` has a row per metric. In tables of losses, a row of
``columns`` is a metric by all losses that have it in one unit.

Most of a document is read from the tables and their cards; the rest stands here. The documents are
written again when a table changes; tests/documents/test_croissant.py compares them with the tables.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from analysis.answer.reading import data_sources
from surrogate_nas.files import write_whole
from surrogate_nas.files.formats import this_release
from surrogate_nas.files.hdf5 import is_of
from surrogate_nas.tables import compact
from surrogate_nas.tables.file import TableFile
from surrogate_nas.tables.table import ColumnKey, MemoryTable

ROOT = Path(__file__).parents[1]
DATA = ROOT / "data"
MAKER = "surrogate_nas developers"
COMMON = {
    "creator": {"@type": "sc:Organization", "name": MAKER},
    "datePublished": "2026-11-25",
    "license": "https://spdx.org/licenses/MIT.html",
    "citeAs": (
        "@misc{surrogate_nas, title = {surrogate_nas}, author = {{" + MAKER + "}},"
        f" version = {{{this_release()}}}, year = {{2026}}}}"
    ),
    "rai:dataSocialImpact": (
        "None is known. Networks are small and are not part of the tables; energy was spent on"
        " training them once, so that others need not."
    ),
    "rai:dataReleaseMaintenancePlan": (
        "A table is replaced whole, with a new checksum here; earlier ones are in the repository's"
        " history. A new release of the package comes with the tables that belong to it."
    ),
}
SMALL = (
    "Networks have three cells and 4 to 16 channels, data sets hundreds to thousands of small"
    " examples, runs last seconds: nothing here shows how large networks train."
)
LIMITS = {
    "fashion": [
        SMALL,
        "Cells that compute the same function share one training.",
        "Latency was measured on one processor for 500 cells and is predicted for the others.",
        "500 of 5,044 classes have three seeds, the others one.",
    ],
    "proxies-nb201": [
        SMALL,
        "One seed and one batch: how far a score scatters is not known.",
    ],
    "losses": [
        SMALL,
        "Learning rates are those of the usual loss; no other loss was tuned.",
        "Tasks were chosen by how well two seeds agree, or are marked where they do not.",
        "Tables of 25 November 2026 are of earlier versions of the tasks, with two seeds.",
        "Several tasks are made of one source of data and are no independent evidence.",
    ],
    "regimes": [
        SMALL,
        "Learning rates, batch sizes and all but the weight decay are the tasks' own.",
        "Label noise is uniform over the other classes and was drawn once.",
    ],
}
BIASES = {
    "losses": [
        "Six of the tasks are made of scikit-learn's digits; texts are in European languages."
    ]
}
ABOUT = {
    "losses": (
        "The same cells, mostly of the NAS-Bench-201 space, trained on every task with every"
        " compatible loss by several seeds: losses and measures along and at the end of each run."
        " How, what for, and what not for: data/losses.md."
    ),
    "regimes": (
        "60 cells of the NAS-Bench-201 space, trained on 14 tasks by three seeds under 11"
        " conditions: label noise, length of the run, varied weight decay, a quarter of the"
        " examples. How, what for, and what not for: data/regimes.md."
    ),
}

ENDING = ".croissant.json"
_VERSIONS = [
    "http://mlcommons.org/croissant/1.1",
    "http://mlcommons.org/croissant/RAI/1.0",
]
_TERMS = """arrayShape citeAs column containedIn equivalentProperty extract field fileObject
    fileProperty fileSet format includes isArray isLiveDataset jsonPath key md5 parentField path
    recordSet references regex repeated replace samplingRate separator source subField transform"""
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
}
_TABLES = {
    "name": "Of the table.",
    "file": "Where it is.",
    "title": "What it holds.",
    "space": "Whose cells it has.",
    "cells": "How many.",
    "losses": "By which networks were trained, or under which conditions, where it compares them.",
    "trainings": "How many networks were trained.",
    "epochs": "After how many there are columns.",
    "engine": "What trained: numbers of two engines differ.",
    "first": "When the first training ended, UTC.",
    "last": "When the last training ended, UTC.",
    "source": "Where its numbers come from.",
    "licence": "Of the data that networks were trained on.",
}
_COLUMNS = {
    "metric": "Its name, without the loss that trained.",
    "losses": "Those that trained; the column is METRIC@LOSS. Empty where a table has one.",
    "unit": "Of its numbers; empty for counts and fractions.",
    "better": "Whether smaller or larger numbers are better.",
    "kind": "search: may drive a search; final: reported only; record: how an answer came about.",
    "split": "Of the data that it was measured on; empty where none was.",
    "epochs": "After how many there is a column; empty where training plays no part.",
    "seeds": "Of trainings with columns of their own; empty where there are means alone.",
    "description": "What it is; N is a number that differs between tables.",
}
_WHOLE_NUMBERS = ("cells", "trainings")


class _Opened(NamedTuple):
    """A table, its file, and its card."""

    path: Path
    table: MemoryTable | TableFile
    card: dict[str, Any]

    @property
    def losses(self) -> dict[str, Any]:
        """What the card says of each loss that trained; empty where the table compares none."""
        return dict(self.card.get("losses", {}))

    @property
    def times(self) -> list[str]:
        """When the first and the last training of each loss ended, as far as the card says it."""
        made = (loss.get("made", ()) for loss in self.losses.values())
        return sorted(filter(None, (time for times in made for time in times)))

    @property
    def data(self) -> dict[str, str]:
        """What is known of the data that networks were trained on; empty for nothing."""
        task = self.card.get("task") or self.card.get("settings", {}).get("task")
        return data_sources().get(task, {})


def croissant_of(
    tables: Sequence[Path], out: Path, about: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Describe tables and the cards beside them.

    Args:
        tables: Their files, at least one, in the folder of the document or below it.
        out: Where the document will be; nothing is written.
        about: Properties of the data set that replace or complete what the tables say.
    """
    opened = list(map(_opened, tables))
    title = opened[0].table.title
    based_on = _based_on(opened)
    times = sorted(time for one in opened for time in one.times)
    found: dict[str, Any] = {
        "name": out.name.removesuffix(ENDING),
        "description": title,
        "conformsTo": _VERSIONS,
        "version": this_release(),
        "keywords": ["neural architecture search", "benchmark"],
        "license": [
            {"@type": "sc:CreativeWork", "name": text}
            for text in dict.fromkeys(one.table.licence for one in opened)
            if text
        ],
        "citeAs": "; ".join(dict.fromkeys(one.table.citation for one in opened)),
        "isBasedOn": based_on,
        "rai:dataCollection": title,
        "rai:dataCollectionType": ["Experiments"],
        "rai:dataCollectionRawData": "; ".join(source["name"] for source in based_on),
        "rai:dataCollectionTimeframe": [times[0], times[-1]] if times else [],
        "rai:dataCollectionMissingData": (
            "A cell that was not trained, or whose training failed, has no number: NaN, in compact"
            " tables the smallest int32."
        ),
        "rai:dataUseCases": [
            "Comparing search strategies and surrogate models: metrics of the kind search may be"
            " searched on, those of the kind final are reported only."
        ],
        "rai:dataLimitations": [
            "Numbers hold for the networks, data, epochs and seeds that they were measured with.",
            *dict.fromkeys(one.table.banner for one in opened if one.table.banner),
        ],
        "rai:personalSensitiveInformation": [
            "None: rows are architectures, columns are measurements of networks. No example of the"
            " data that they were trained on is in a table."
        ],
        **(about or {}),
    }
    folder = out.absolute().parent
    files = [
        path
        for table in tables
        for path in (table, table.with_suffix(".json"))
        if path == table or path.is_file()
    ]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        **{name: value for name, value in found.items() if value},
        "distribution": [_file(path, folder) for path in files],
        "recordSet": [
            _record_set("tables", _TABLES, [_row(one, folder) for one in opened]),
            _record_set("columns", _COLUMNS, _columns(opened)),
        ],
    }


def _opened(path: Path) -> _Opened:
    """A table of either format."""
    table = compact.read_compact(path) if is_of(path, "compact") else TableFile(path)
    return _Opened(path, table, json.loads(table.card or "{}"))


def _based_on(opened: Iterable[_Opened]) -> list[dict[str, str]]:
    """The data that networks were trained on, each source once."""
    found = {}
    for one in opened:
        row = one.data
        name = row.get("source", one.table.source)
        about = " ".join(filter(None, (f"{row['from']}.", row["note"]))) if row else ""
        said = {"name": name, "description": about, "license": row.get("licence", "")}
        known = {key: text for key, text in said.items() if text}
        found[name] = {"@type": "sc:CreativeWork", **known}
    return list(found.values())


def _place(path: Path, folder: Path) -> str:
    """The address of a file from the document."""
    return quote(path.absolute().relative_to(folder).as_posix())


def _file(path: Path, folder: Path) -> dict[str, str]:
    content = path.read_bytes()
    place = _place(path, folder)
    return {
        "@type": "cr:FileObject",
        "@id": place,
        "name": path.name,
        "contentUrl": place,
        "contentSize": f"{len(content)} B",
        "encodingFormat": "application/x-hdf5"
        if path.suffix == ".h5"
        else "application/json",
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _row(one: _Opened, folder: Path) -> dict[str, Any]:
    """The row of a table."""
    table, losses, times = one.table, one.losses, one.times
    engines = sorted(filter(None, {loss.get("engine") for loss in losses.values()}))
    trainings = sum(sum(loss["classes"].values()) for loss in losses.values())
    return {
        "name": table.name,
        "file": _place(one.path, folder),
        "title": table.title,
        "space": getattr(table.cells, "base", table.cells).name,
        "cells": len(table.cells),
        "losses": ", ".join(losses),
        "trainings": trainings or one.card.get("trainings"),
        "epochs": _listed(key.epochs for key in table.keys),
        "engine": ", ".join(engines),
        "first": times[0] if times else "",
        "last": times[-1] if times else "",
        "source": table.source,
        "licence": one.data.get("licence", ""),
    }


def _columns(opened: Iterable[_Opened]) -> list[dict[str, Any]]:
    """A row a metric; those that differ by table or by loss alone are one."""
    of_row: dict[tuple[str, ...], list[tuple[str, str, list[ColumnKey]]]] = {}
    for one in opened:
        keys: dict[str, list[ColumnKey]] = {name: [] for name in one.table.metrics}
        for key in one.table.keys:
            keys[key.metric].append(key)
        for name, metric in one.table.metrics.items():
            stem, _, loss = name.partition("@") if one.losses else (name, "", "")
            said = metric.describe()
            alike = (
                stem,
                *(said[field] for field in ("unit", "direction", "kind", "split")),
            )
            about = said["description"].removesuffix(f", which trained {loss}")
            of_row.setdefault(alike, []).append((loss, about, keys[name]))
    rows = []
    for alike, found in of_row.items():
        losses, descriptions, columns = zip(*found, strict=True)
        every = [key for own in columns for key in own]
        about = descriptions[0]
        rows.append(
            {
                **dict(
                    zip(
                        ("metric", "unit", "better", "kind", "split"),
                        alike,
                        strict=True,
                    )
                ),
                "losses": ", ".join(filter(None, dict.fromkeys(losses))),
                "epochs": _listed(key.epochs for key in every),
                "seeds": _listed(key.seed for key in every if key.seed != "mean"),
                "description": about
                if len({*descriptions}) == 1
                else re.sub(r"\d+", "N", about),
            }
        )
    return rows


def _listed(numbers: Iterable[int | None]) -> str:
    return ", ".join(
        map(str, sorted({number for number in numbers if number is not None}))
    )


def _record_set(
    name: str, fields: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """A record set with its rows."""
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{field}",
                "name": field,
                "description": about,
                "dataType": "sc:Integer" if field in _WHOLE_NUMBERS else "sc:Text",
            }
            for field, about in fields.items()
        ],
        "data": [{f"{name}/{field}": row[field] for field in fields} for row in rows],
    }


def documents() -> Iterator[tuple[list[Path], Path, dict[str, Any]]]:
    """Every document: its tables, its file, and what its tables do not say."""
    for name in ("fashion", "proxies-nb201", "losses", "regimes"):
        folder = DATA / name
        tables = (
            sorted(folder.glob("*.h5")) if folder.is_dir() else [DATA / f"{name}.h5"]
        )
        about: dict[str, Any] = {**COMMON, "rai:dataLimitations": LIMITS[name]}
        if name in ABOUT:
            about |= {"description": ABOUT[name], "rai:dataCollection": ABOUT[name]}
        if made := sorted(time for table in tables for time in _made(table)):
            about["datePublished"] = made[-1][:10]
        if name in BIASES:
            about["rai:dataBiases"] = BIASES[name]
        yield tables, DATA / f"{name}{ENDING}", about


def _made(table: Path) -> Iterator[str]:
    """When the first and the last training of each loss ended, as far as its card says."""
    card = json.loads(table.with_suffix(".json").read_text(encoding="utf-8"))
    for loss in card.get("losses", {}).values():
        yield from filter(None, loss.get("made", ()))


def main() -> None:
    """Write all of them."""
    for tables, out, about in documents():
        document = croissant_of(tables, out, about)
        write_whole(out, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        print(f"{out.relative_to(ROOT)}: {len(tables)} tables")


if __name__ == "__main__":
    main()
