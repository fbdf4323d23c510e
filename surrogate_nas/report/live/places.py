"""What lies where below the served folder, and what may be shown of it: nothing outside, whatever is asked for."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote

from surrogate_nas.files.regular import read_regular
from surrogate_nas.study.suite.kept import PLAN, PROBLEMS

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".tex": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
}
"""Files that are served, by the ends of their names."""


class Places:
    """The folder that is served."""

    def __init__(self, root: Path) -> None:
        """Take the folder.

        Args:
            root: An existing folder.
        """
        self.root = root.resolve()

    def find(self, path: str) -> Path | None:
        """What an address names; None where that is nothing, lies outside, or is hidden.

        A link is followed as long as it ends inside.

        Args:
            path: Of an address, without a slash at its ends; each part quoted.
        """
        try:
            parts = [unquote(part, errors="strict") for part in path.split("/")] if path else []
            if any(not part or part.startswith(".") or set(part) & {"/", "\\", "\0"} for part in parts):
                return None
            found = self.root.joinpath(*parts).resolve(strict=True)
        except (OSError, RuntimeError, UnicodeError):
            return None
        return found if found.is_relative_to(self.root) else None

    def read(self, path: str) -> tuple[bytes, str] | None:
        """A file's content with its kind; None where it may not be served.

        Args:
            path: As `find` takes it.
        """
        found = self.find(path)
        kind = KINDS.get(found.suffix.lower()) if found else None
        if found is None or kind is None:
            return None
        try:
            return read_regular(found, follow=False), kind
        except OSError:
            return None

    def address(self, folder: Path) -> str:
        """The part of an address that names a folder, quoted, with a slash at its end; empty for the root.

        Args:
            folder: Below the root.
        """
        parts = folder.relative_to(self.root).parts
        return "".join(f"{quote(part)}/" for part in parts)


def kind_of(folder: Path) -> str:
    """``comparison``, ``suite``, or empty for other folders.

    Args:
        folder: A folder.
    """
    if (folder / "experiment.json").is_file():
        return "comparison"
    return "suite" if (folder / PLAN).is_file() or any((folder / PROBLEMS).glob("*/experiment.json")) else ""


def results_in(folder: Path) -> list[Path]:
    """The folders of results right in a folder, by name; hidden ones and links are left out.

    Args:
        folder: A folder.
    """
    try:
        inside = sorted(one for one in folder.iterdir() if one.is_dir() and not one.is_symlink())
    except OSError:
        return []
    return [one for one in inside if not one.name.startswith(".") and kind_of(one)]
