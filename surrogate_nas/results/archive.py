"""Archives: a finished comparison or suite in one file that others can verify and compare with.

An archive is a zip file. Its first file, ``archive.json``, contains the author, a note and the
SHA-256 of every other file. The archive of a suite also contains ``plan.json``. For each problem,
an archive contains ``experiment.json``, the runs, and the record of user-defined strategies. An
archive stores runs without their checksums, which are computed again when the archive is unpacked.
The digest of an archive is the SHA-256 of its ``archive.json``, which covers every byte from which
results are read.
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
"""The first file of an archive, and of a folder that an archive was unpacked to."""
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
    """A benchmark that an archive names, with its licence and citation. Licence and citation are
    empty strings if the benchmark was not available when the archive was created.
    """

    name: _Line
    licence: _Line
    citation: _Papers


class ArchivedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file in an archive: its digest and its size."""

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    bytes: Count


class Archive(Struct, frozen=True, forbid_unknown_fields=True):
    """The metadata of an archive.

    Attributes:
        version: The version of the archive's format.
        written_by: The release of this package that wrote the archive.
        name: The name of the archive in reports on merged results.
        created: The date of creation in the format of ISO 8601.
        by: The author of the runs, or an empty string.
        note: The author's note on how the runs were made, or an empty string.
        licence: The licence of the archive, or an empty string.
        tables: The benchmarks of the archive.
        files: The files of the archive other than ``archive.json``, by name.
        digest: The SHA-256 of ``archive.json``.
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
        """The name, author, date and release of the archive, as a phrase for messages."""
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
    """Pack a finished comparison or suite into one file.

    Args:
        folder: The ``--out`` folder of the comparison or suite.
        out: The file to write.
        name: The name of the archive, which may contain letters, digits and ``._+-``. The default
            is the name of the suite or of the folder.
        by: The author of the runs.
        note: A text on how the runs were made.
        licence: The licence of the archive.

    Raises:
        UserError: The folder contains neither a comparison nor a suite, a run has not ended or is
            damaged, a text is invalid, or the file is not writable.
    """
    for what, text in (("by", by), ("note", note), ("licence", licence)):
        if not text.isprintable() or len(text) > _LONGEST_LINE:
            raise UserError(
                f"{what} must be one line of at most {_LONGEST_LINE:,} characters."
            )
    is_suite = (folder / PLAN).is_file()
    if not name:
        name = read_plan(folder / PLAN).name if is_suite else folder.absolute().name
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r:.120} is not a valid name for an archive. Give one of letters, digits and"
            " ._+- with --name (name=)."
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
    """Return the numbers of the runs of each strategy that an archive of the folder contains. The
    run numbers are grouped by the prefix of the file names, which is the path of a problem, or
    empty for a comparison.

    Raises:
        UserError: The folder contains neither a comparison nor a suite, is damaged, or is too large
            for an archive.
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
            f"{folder} declares {n:,} runs; an archive contains at most {LIMITS.members:,}."
        )
    for prefix in found:
        for label in Store(folder / prefix).read()["strategies"]:
            if {"<", ">"} & {*label} or not label.isprintable():
                raise UserError(
                    f"{folder / prefix}: {label!r:.120} is not a valid name for a strategy."
                )
    return found


def names_of(store: Store, runs: Mapping[str, Sequence[int]]) -> dict[str, bool]:
    """Return the names of the files that an archive stores for a comparison, and whether each file
    is required.
    """
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
            f"{plural(missing, 'run')} of {store.folder} have not ended. Repeat the command that"
            " started them to finish."
        )
    for name, is_needed in names_of(store, runs).items():
        path = store.folder / name
        if is_needed or path.is_file():
            try:
                content = packed = read_regular(path)
            except OSError as error:
                raise UserError(
                    f"{path} cannot be read ({error.strerror or error}), but its runs depend on"
                    " it. Restore"
                    " it, or repeat the command that made the folder, which makes these runs again."
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
        raise UserError(f"{path} has no readable manifest.") from error
    check_version(path, "archive", content.get("version"), content.get(RELEASE))
    try:
        archive = checked_as(Archive, content)
    except ValueError as error:
        raise UserError(f"{path} is not a readable archive: {error}.") from error
    return replace(archive, digest=sha256(written).hexdigest())


def unpack(path: Path, folder: Path) -> Archive:
    """Unpack an archive to an empty folder, where it can be read as a comparison or a suite. Every
    file is checked against ``archive.json``, but the results themselves are not verified.

    Raises:
        UserError: The file is not an archive, its content differs from its ``archive.json``, or
            unpacking it could harm this machine.
    """
    members = read_zip(path)
    first, written = next(members, ("", b""))
    if first != MANIFEST:
        raise UserError(
            f"{path} is not an archive of results: its first file is not {MANIFEST}."
        )
    archive = _parsed(path, written)
    write_whole(folder / MANIFEST, written, lasting=False)
    wanted = dict(archive.files)
    stores: dict[Path, Store] = {}
    for name, packed in members:
        digest = wanted.pop(name, None)
        if digest is None or not _OWN.fullmatch(name):
            raise UserError(
                f"{path} contains {name!r:.120}, which does not belong to an archive."
            )
        content = _resealed(folder / name, packed, stores)
        if _digest_of(content) != digest:
            raise UserError(f"{path}: {name} differs from {MANIFEST}.")
        write_whole(folder / name, content, lasting=False)
    if wanted:
        raise UserError(
            f"{path} lacks {next(iter(wanted))!r:.120}, which {MANIFEST} names."
        )
    return archive


def without(folder: Path, path: Path, line: str) -> str:
    """Return an error message in which the path of the temporary folder of an unpacked archive is
    replaced by the path of the archive.
    """
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
        raise UserError(f"{path} does not belong to a run: {error}.") from error


def origin_of(folder: Path) -> Archive | None:
    """Return the archive that a folder was unpacked from, or None for a user's own folder."""
    path = folder / MANIFEST
    return _parsed(path, read_regular(path)) if path.is_file() else None


def shipped_archives() -> dict[str, Path]:
    """Return the files of the archives that ship with the package, by name.

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
    """Yield the folders of results with the given addresses. Archives are unpacked for the duration
    of the block.

    Args:
        addresses: Folders, files of archives, or names of `shipped_archives`.
        objective: The objective of a problem. If given, an archive of a suite yields the folder of
            that problem only.

    Raises:
        UserError: A folder or file does not exist, or an archive is not readable or does not
            contain the problem.
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
        f"{archive.origin} does not contain this problem, only {'; '.join(problems)}."
    )


def file_of(address: str) -> Path:
    """Return the file of an archive, given a file or a name of `shipped_archives`.

    Raises:
        UserError: The archive does not exist.
    """
    if os.path.isfile(address):
        return Path(address)
    known = shipped_archives()
    if address not in known:
        raise unknown("archive", address, [*known, "a folder or a file"])
    return known[address]
