"""Archives: a finished comparison or suite in one file, which others can check and compare with.

A zip file holds ``archive.json``, which says who made it and how, and has the sha256 of every other
file; then a suite's ``plan.json``, and of each problem ``experiment.json``, the runs, and what is
known of users' strategies. Runs stand there without their seals, which follow from what they are
sealed with and are made again where an archive is unpacked. The digest of an archive is that of its
``archive.json``, and so of every byte that results are read from.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from msgspec import Meta, Struct, to_builtins
from msgspec.structs import replace

from surrogate_nas.benchmarks import reopen
from surrogate_nas.core import UserError, checked_as, plural, unknown
from surrogate_nas.files import read_regular, shipped, write_whole
from surrogate_nas.files.formats import RELEASE, check_version, stamp
from surrogate_nas.files.journal import sealed, unsealed
from surrogate_nas.files.zipped import LIMITS, read_zip, write_zip
from surrogate_nas.objective import Objective
from surrogate_nas.runs.problem import read_plan
from surrogate_nas.runs.run import Count
from surrogate_nas.runs.store import (
    DESCRIPTION,
    PLAN,
    PROBLEMS,
    Store,
    as_file_name,
    asks_the_same,
    numbers_of,
)

MANIFEST = "archive.json"
"""The first file of an archive, and of a folder that one was unpacked into."""
_RUNS = "runs"
_LONGEST_LINE = 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_PLACE = rf"(?:{PROBLEMS}/[^/]+/)?"
# The files of an archive beside its manifest
_OWN = re.compile(
    rf"{re.escape(PLAN)}|{_PLACE}(?:{re.escape(DESCRIPTION)}|{_RUNS}/[^/]+\.jsonl"
    r"|files/[^/]+/\d+\.json|confirmed/[^/]+\.json|sources/[^/]+/[^/]+)"
)


_ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z"
_Line = Annotated[str, Meta(max_length=_LONGEST_LINE, pattern=_ONE_LINE)]
_Papers = Annotated[str, Meta(max_length=10 * _LONGEST_LINE, pattern=_ONE_LINE)]


class ArchivedTable(Struct, frozen=True, forbid_unknown_fields=True):
    """A benchmark whose results an archive holds; licence and citation are empty where it is not
    here.
    """

    name: _Line
    licence: _Line
    citation: _Papers


class ArchivedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of an archive: its digest and its size."""

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    bytes: Count


class Archive(Struct, frozen=True, forbid_unknown_fields=True):
    """What an archive says of itself.

    Attributes:
        version, written_by: The version of the format, and the release that wrote it.
        name: What it is called where runs of several are judged together.
        created: The day on which it was sealed, as ISO 8601 writes it.
        by, note, licence: Who made its runs, how, and under which licence they are passed on, as
            its maker says; or empty.
        tables, files: Of each benchmark, and every further file by name.
        digest: The sha256 of its manifest.
    """

    version: int
    written_by: _Line
    name: Annotated[str, Meta(pattern=rf"^{_NAME.pattern}\Z")]
    kind: Literal["comparison", "suite"]
    created: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d\Z")]
    by: _Line
    note: _Line
    licence: _Line
    tables: list[ArchivedTable]
    files: dict[str, ArchivedFile]
    digest: str = ""

    @property
    def origin(self) -> str:
        """Whose it is, in words."""
        by = f"by {self.by}, " if self.by else ""
        return f"the archive {self.name} ({by}{self.created}, surrogate_nas {self.written_by})"


def create(
    folder: Path,
    out: Path,
    *,
    name: str = "",
    by: str = "",
    note: str = "",
    licence: str = "",
) -> Archive:
    """Seal a finished comparison or suite in one file.

    Args:
        folder: What was ``--out`` of it.
        name: Letters, digits and ``._+-``; that of the suite or of the folder if left out.
        by: Who made the runs.
        note: How.
        licence: Under which they are passed on.

    Raises:
        UserError: The folder holds neither, a run of it has not ended or is damaged, a text is none
            that an archive can hold, or the file cannot be written.
    """
    for what, text in (("by", by), ("note", note), ("licence", licence)):
        if not text.isprintable() or len(text) > _LONGEST_LINE:
            raise UserError(
                f"{what} is one line of at most {_LONGEST_LINE:,} characters."
            )
    is_suite = (folder / PLAN).is_file()
    if not name:
        name = read_plan(folder / PLAN).name if is_suite else folder.absolute().name
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r:.120} is no name for an archive: give one of letters, digits and ._+- with"
            " --name (name=)."
        )
    members: dict[str, bytes] = {}
    files = {}
    tables = {}
    if is_suite:
        members[PLAN] = read_regular(folder / PLAN)
        files[PLAN] = _digest_of(members[PLAN])
    for prefix, runs in runs_of(folder).items():
        store = Store(folder / prefix)
        description = store.read()
        tables[description["benchmark"]] = _table(description)
        for file, packed, whole in _files(store, runs):
            members[f"{prefix}{file}"] = packed
            files[f"{prefix}{file}"] = _digest_of(whole)
    manifest = {
        **stamp("archive"),
        "name": name,
        "kind": "suite" if is_suite else "comparison",
        "created": datetime.now(UTC).date().isoformat(),
        "by": by,
        "note": note,
        "licence": licence,
        "tables": list(tables.values()),
        "files": to_builtins(files),
    }
    written = (json.dumps(manifest, indent=1) + "\n").encode()
    archive = _parsed(out, written)
    write_zip(out, [(MANIFEST, written), *members.items()])
    return archive


def runs_of(folder: Path) -> dict[str, dict[str, Sequence[int]]]:
    """The numbers of the runs of each strategy that an archive of a folder holds, by the beginning
    of the names of their files: that of a problem, or empty.

    Raises:
        UserError: It holds neither, or one that is damaged or larger than an archive can be.
    """
    found: dict[str, dict[str, Sequence[int]]] = {}
    if (folder / PLAN).is_file():
        suite = read_plan(folder / PLAN)
        for name in [problem.name for problem in suite.problems]:
            if name not in suite.not_run:
                runs = {entry.label: range(entry.runs) for entry in suite.entries}
                found[f"{PROBLEMS}/{name}/"] = {**runs}
    else:
        description = Store(folder).read()
        found[""] = dict.fromkeys(description["strategies"], numbers_of(description))
    n = sum(len(numbers) for runs in found.values() for numbers in runs.values())
    if n > LIMITS.members:
        raise UserError(
            f"{folder} says that it has {n:,} runs; an archive has at most {LIMITS.members:,}."
        )
    for prefix in found:
        for label in Store(folder / prefix).read()["strategies"]:
            if {"<", ">"} & {*label} or not label.isprintable():
                raise UserError(
                    f"{folder / prefix}: {label!r:.120} is no name for a strategy."
                )
    return found


def names_of(store: Store, runs: Mapping[str, Sequence[int]]) -> dict[str, bool]:
    """The files that an archive has of a comparison with such runs, and whether it must."""
    names = {DESCRIPTION: True}
    for label, sources in store.read().get("sources", {}).items():
        folder = f"sources/{as_file_name(label)}"
        names |= {f"{folder}/{as_file_name(file)}": label in runs for file in sources}
    for label, numbers in runs.items():
        for number in numbers:
            names[f"files/{as_file_name(label)}/{number}.json"] = False
            confirmed = store.path(label, number, "confirmed")
            names[confirmed.relative_to(store.folder).as_posix()] = False
            names[_run_name(label, number)] = True
    return names


def _run_name(label: str, number: int) -> str:
    return f"{_RUNS}/{as_file_name(label)}-{number}.jsonl"


def _files(
    store: Store, runs: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, bytes, bytes]]:
    roots = {}
    missing = 0
    for label, numbers in runs.items():
        for number in numbers:
            watch = store.watch(label, number)
            if watch.damage:
                raise UserError(f"{watch.path} is damaged: {watch.damage}.")
            missing += watch.end is None
            roots[_run_name(label, number)] = store.root_of(label, number)
    if missing:
        raise UserError(
            f"{plural(missing, 'run')} of {store.folder} have not ended: finish them by the command"
            " that began them."
        )
    for name, is_needed in names_of(store, runs).items():
        path = store.folder / name
        if is_needed or path.is_file():
            try:
                content = packed = read_regular(path)
            except OSError as error:
                raise UserError(
                    f"{path} cannot be read ({error.strerror or error}), and its runs were made"
                    " with it: put it back, or repeat the command that made the folder, which makes"
                    " these runs again."
                ) from error
            if name in roots:
                packed = unsealed(content, roots[name])
                content = sealed(packed, roots[name])
            yield name, packed, content


def _digest_of(content: bytes) -> ArchivedFile:
    return ArchivedFile(sha256(content).hexdigest(), len(content))


def _table(description: Mapping[str, Any]) -> dict[str, str]:
    name = description["benchmark"]
    try:
        benchmark = reopen(description["address"])
    except UserError:
        return {"name": name, "licence": "", "citation": ""}
    return {"name": name, "licence": benchmark.licence, "citation": benchmark.citation}


def _parsed(path: Path, written: bytes) -> Archive:
    try:
        content = dict(json.loads(written))
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path} does not say what it is.") from error
    check_version(path, "archive", content.get("version"), content.get(RELEASE))
    try:
        archive = checked_as(Archive, content)
    except ValueError as error:
        raise UserError(f"{path} is no archive that can be read: {error}.") from error
    return replace(archive, digest=sha256(written).hexdigest())


def unpack(path: Path, folder: Path) -> Archive:
    """Write the files of an archive into an empty folder, where they are read as any comparison or
    suite. Each is held against the manifest; whether results are right is not looked at.

    Raises:
        UserError: It is no archive, holds what its manifest does not name or names otherwise, or
            could harm this machine.
    """
    members = read_zip(path)
    first, written = next(members, ("", b""))
    if first != MANIFEST:
        raise UserError(
            f"{path} is no archive of results: its first file is not {MANIFEST}."
        )
    archive = _parsed(path, written)
    write_whole(folder / MANIFEST, written, lasting=False)
    wanted = dict(archive.files)
    stores: dict[Path, Store] = {}
    for name, packed in members:
        digest = wanted.pop(name, None)
        if digest is None or not _OWN.fullmatch(name):
            raise UserError(
                f"{path} holds {name!r:.120}, which is no part of such an archive."
            )
        content = _resealed(folder / name, packed, stores)
        if _digest_of(content) != digest:
            raise UserError(f"{path}: {name} is not what {MANIFEST} says.")
        write_whole(folder / name, content, lasting=False)
    if wanted:
        raise UserError(
            f"{path} lacks {next(iter(wanted))!r:.120}, which {MANIFEST} names."
        )
    return archive


def without(folder: Path, path: Path, line: str) -> str:
    """A message without the folder that an archive was unpacked into."""
    return line.replace(f"{folder}/", "").replace(str(folder), str(path))


def _resealed(path: Path, packed: bytes, stores: dict[Path, Store]) -> bytes:
    if path.parent.name != _RUNS:
        return packed
    label, _, number = path.stem.rpartition("-")
    folder = path.parents[1]
    store = stores.setdefault(folder, Store(folder))
    try:
        return sealed(packed, store.root_of(unquote(label), int(number)))
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{path} is of no run: {error}.") from error


def origin_of(folder: Path) -> Archive | None:
    """The archive that a folder was unpacked from; None for a user's own folder."""
    path = folder / MANIFEST
    return _parsed(path, read_regular(path)) if path.is_file() else None


def shipped_archives() -> dict[str, Path]:
    """The files of the archives that come with the project, by name.

    Example:
        >>> sorted(shipped_archives())
        ['families', 'starter']
    """
    return {path.stem: path for path in shipped("archives").glob("*.zip")}


@contextmanager
def opened(
    addresses: Sequence[str | Path],
    *,
    objective: Objective | None = None,
) -> Iterator[list[Path]]:
    """Folders of results, those of archives unpacked for as long as the block lasts.

    Args:
        addresses: Folders, files of archives, or names of `shipped_archives`.
        objective: Of a problem; of an archive of a suite that problem's folder is taken.

    Raises:
        UserError: There is no such place, or an archive cannot be read or has no such problem.
    """
    with TemporaryDirectory(prefix="snas-archive-") as directory:
        temporary = Path(directory)
        folders = []
        for number, address in enumerate(map(str, addresses)):
            folder = Path(address)
            if not os.path.isdir(folder):
                path = file_of(address)
                folder = temporary / str(number)
                try:
                    archive = unpack(path, folder)
                    runs_of(folder)  # refuses what would take forever to read
                except UserError as error:
                    raise UserError(without(folder, path, str(error))) from error
                if objective is not None and archive.kind == "suite":
                    folder = _problem_of(archive, folder, objective)
                named = temporary / f"archive {archive.name}"
                if named.exists():
                    named = named.with_name(f"{named.name} {archive.digest[:8]}")
                if named in folders:
                    raise UserError(f"The archive {archive.name} is given twice.")
                folder = folder.rename(named)
            folders.append(folder)
        yield folders


def _problem_of(archive: Archive, folder: Path, objective: Objective) -> Path:
    problems = []
    for prefix in runs_of(folder):
        description = Store(folder / prefix).read()
        if asks_the_same(description, objective):
            (folder / MANIFEST).rename(folder / prefix / MANIFEST)
            return folder / prefix
        problems.append(
            f"{description['objective']['expression']} on {description['benchmark']}"
        )
    raise UserError(
        f"{archive.origin} holds no such problem, only {'; '.join(problems)}."
    )


def file_of(address: str) -> Path:
    """The file of an archive: a file, or a name of `shipped_archives`.

    Raises:
        UserError: There is no such archive.
    """
    if os.path.isfile(address):
        return Path(address)
    known = shipped_archives()
    if address not in known:
        raise unknown("archive", address, [*known, "a folder or a file"])
    return known[address]
