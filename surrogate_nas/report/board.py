"""A board: one page of several archives, with their files and an index beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.numbers import fixed, plural
from surrogate_nas.files import write_whole
from surrogate_nas.report.markup import (
    Block,
    Column,
    Content,
    Section,
    Span,
    Table,
    note,
    strategy,
    with_marks,
)
from surrogate_nas.report.page import Header, document
from surrogate_nas.report.reading import (
    INDEX,
    Archive,
    StudyResult,
    create,
    file_of,
    index_of,
    results_of,
    unpack,
)
from surrogate_nas.report.style import styles

_PAGE = "index.html"


@dataclass(frozen=True)
class _Entry:
    """An archive of a board: its file, what it says of itself, its results, and how an index lists
    it.
    """

    content: bytes
    archive: Archive
    result: StudyResult
    listed: Mapping[str, Any]


def publish(
    places: Iterable[str | Path],
    out: Path,
    *,
    by: str = "",
    licence: str = "",
    index: str | Path = "",
) -> tuple[Path, list[Mapping[str, Any]]]:
    """Write a board of archives.

    Args:
        places: Folders of results, files or web addresses of archives, or names of an index.
        out: The folder, which gets ``index.html``, ``index.json`` and the archives.
        by: Who made what is sealed here.
        licence: Under which that is passed on.
        index: A further index.

    Returns:
        The page, and the entries of its index.

    Raises:
        UserError: A place is none, its results cannot be read, two have one name, or the folder
            cannot be written.
    """
    entries: dict[str, _Entry] = {}
    for place in places:
        entry = _taken(place, by=by, licence=licence, index=index)
        if entry.archive.name in entries:
            raise UserError(
                f"Two archives are named {entry.archive.name}; seal one again with --name."
            )
        entries[entry.archive.name] = entry
    sections = [_section(entry) for entry in entries.values()]
    listed = [entry.listed for entry in entries.values()]
    for entry in entries.values():
        write_whole(out / entry.listed["address"], entry.content)
    write_whole(out / INDEX, index_of(listed))
    return write_whole(out / _PAGE, document(_top(list(entries.values())), sections)), listed


def _taken(place: str | Path, *, by: str, licence: str, index: str | Path) -> _Entry:
    """An archive with its results."""
    with TemporaryDirectory(prefix="snas-board-") as temporary:
        folder = Path(temporary)
        path = folder / "sealed.zip"
        if Path(place).is_dir():
            create(Path(place), path, by=by, licence=licence)
        else:
            path = file_of(str(place), folder, index=index)
        archive = unpack(path, folder / "unpacked")
        result = results_of(folder / "unpacked")
        content = path.read_bytes()
        # what is taken from files only when it is first asked for
        _ = result.verdict, result.standings
    listed = {
        "name": archive.name,
        "address": f"{archive.name}.zip",
        "sha256": sha256(content).hexdigest(),
        "bytes": len(content),
        "licence": archive.licence,
    }
    return _Entry(content, archive, result, listed)


def _top(entries: list[_Entry]) -> Header:
    title = f"Results of {plural(len(entries), 'archive')}"
    line: list[Content] = ["Names for --against: ", Span(INDEX, "link", None, INDEX)]
    return Header("Board", title, line, (), (), None)


def _section(entry: _Entry) -> Section:
    """An archive: what it says, its strategies by groups, its problems, and how it is checked."""
    archive = entry.archive
    result = entry.result
    marks = styles(result.strategies)
    verdict = result.verdict
    leading = [] if verdict is None else verdict.sentences[: verdict.leading]
    file = str(entry.listed["address"])
    facts: list[list[Content]] = [
        ["made", f"{archive.created}{f' by {archive.by}' if archive.by else ''}"],
        ["release", f"surrogate_nas {archive.release}"],
        ["licence", archive.licence or "not said"],
        ["file", Span(file, "link", None, file)],
        ["sha256", Span(str(entry.listed["sha256"]), "code")],
    ]
    if archive.note:
        facts.insert(1, ["how", archive.note])
    for table in archive.tables:
        said = "; ".join(filter(None, (table["licence"], table["citation"])))
        facts.append([f"table {table['name']}", said or "not said"])
    return Section(
        archive.name,
        [
            *(with_marks(sentence, marks) for sentence in leading),
            Table(
                [Column("strategy"), Column("leading"), Column("regret", "mean"), Column("runs")],
                _strategies(result),
                texts=2,
            ),
            note(
                "Leading: not significantly worse than the leader. Normalised regret at the end,"
                " over all problems: 0 the optimum, 1 what random sampling is expected to find."
            ),
            Table(
                [
                    Column("problem"),
                    Column("benchmark"),
                    Column("minimise"),
                    Column("budget"),
                    Column("fingerprint"),
                ],
                _problems(result),
                texts=3,
            ),
            Table([], facts, texts=2, facts=True),
            Block("command", f"snas archive verify {file} --replay all"),
        ],
    )


def _strategies(result: StudyResult) -> list[list[Content]]:
    """A row a strategy, in the order of the verdict."""
    end = None if result.verdict is None else result.verdict.end
    leading = result.strategies if end is None else end.leaders
    marks = styles(result.strategies)
    rows: list[list[Content]] = []
    for name in result.standings:
        means = [float(np.mean(problem.at(name))) for problem in result.problems]
        runs = sum(len(problem.traces[name]) for problem in result.problems)
        mean = fixed(float(np.mean(means)), 3) if means else "–"
        is_leading = "yes" if name in leading else ""
        rows.append([strategy(name, marks[name]), is_leading, mean, str(runs)])
    return rows


def _problems(result: StudyResult) -> list[list[Content]]:
    return [
        [
            problem.name,
            problem.problem.benchmark,
            Span(problem.objective, "code"),
            f"{problem.checkpoints[-1]:,g} {problem.unit}",
            Span(problem.fingerprint, "code"),
        ]
        for problem in result.problems
    ]
